//! What the object store has of brokers, whatever the catalogue knows: which
//! there are, and which numbers their objects carry.

use std::collections::{BTreeSet, HashSet};

use anyhow::Context as _;
use firn_protocol::ids::{QueueKey, TopicKey};
use firn_storage_node::broker::state::BrokerState;
use firn_storage_node::cold::ColdStore;
use firn_storage_node::cold::manifest::{Manifest, StatePlace, load_newest};
use firn_storage_node::cold::paths::{ObjectName, Prefix};
use firn_storage_node::hot::BrokerKey;
use firn_storage_node::node::Restorable;
use firn_tenant_service::{CatalogueExport, IdsInUse};
use futures_util::{StreamExt as _, TryStreamExt as _};

/// Brokers looked at at the same time.
const AT_ONCE: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    brokers: BTreeSet<BrokerKey>,
    in_use: IdsInUse,
}

impl Bucket {
    /// Looks at every broker's newest manifest and state.
    ///
    /// # Errors
    /// When the store cannot be read, or something in it is damaged.
    pub(super) async fn scan(store: &ColdStore) -> anyhow::Result<Self> {
        let listed = store.list(Prefix::All).await?;
        let mut brokers = BTreeSet::new();
        let mut in_use = IdsInUse::default();
        for name in listed.iter().filter_map(|found| found.name) {
            let Some(key) = name.broker() else { continue };
            in_use.instance = in_use.instance.max(key.instance.0);
            in_use.broker = in_use.broker.max(key.broker.0.into());
            // Without a manifest it is what an upload left that never counted.
            if matches!(name, ObjectName::Manifest(..)) {
                brokers.insert(key);
            }
        }
        let mut seen = futures_util::stream::iter(brokers.clone())
            .map(|broker| names_of(store, broker))
            .buffer_unordered(AT_ONCE);
        while let Some(names) = seen.try_next().await? {
            in_use.topic = in_use.topic.max(names.topic);
            in_use.group = in_use.group.max(names.group);
        }
        drop(seen);
        Ok(Self { brokers, in_use })
    }

    /// Takes note of what WAL objects have beyond manifests.
    pub(super) fn note_wal(&mut self, found: &Restorable) {
        for (key, state) in found.states() {
            self.brokers.insert(key);
            let in_use = &mut self.in_use;
            in_use.instance = in_use.instance.max(key.instance.0);
            in_use.broker = in_use.broker.max(key.broker.0.into());
            for queue in state.queues.keys() {
                note(in_use, *queue);
            }
            for group in state.groups.keys() {
                in_use.group = in_use.group.max(group.0);
            }
        }
    }

    pub(super) fn in_use(&self) -> IdsInUse {
        self.in_use
    }

    /// Brokers that the catalogue does not have.
    pub(super) fn strangers(&self, catalogue: &CatalogueExport) -> Vec<BrokerKey> {
        let known = catalogue.instances().flat_map(|instance| {
            instance.brokers.iter().map(|broker| BrokerKey {
                tenant: instance.tenant,
                instance: instance.id,
                broker: broker.id,
            })
        });
        // What is to be erased is known, too.
        let erased = catalogue.erasures().flat_map(|erasure| {
            erasure.brokers.iter().map(|broker| BrokerKey {
                tenant: erasure.tenant,
                instance: erasure.instance,
                broker: *broker,
            })
        });
        let known: HashSet<BrokerKey> = known.chain(erased).collect();
        let brokers = self.brokers.iter();
        brokers
            .filter(|key| !known.contains(key))
            .copied()
            .collect()
    }
}

async fn names_of(store: &ColdStore, broker: BrokerKey) -> anyhow::Result<IdsInUse> {
    let mut names = IdsInUse::default();
    let Some(manifest) = load_newest(store, broker).await? else {
        // Deleted since it was listed.
        return Ok(names);
    };
    let segments = manifest.segments.iter();
    for range in segments.flat_map(|segment| &segment.queues) {
        note(&mut names, range.queue);
    }
    let state = state_of(store, &manifest).await?;
    for queue in state.queues.keys() {
        note(&mut names, *queue);
    }
    for (_, half) in state.halves.open(0) {
        note(&mut names, half.target);
    }
    for group in state.groups.keys() {
        names.group = names.group.max(group.0);
    }
    Ok(names)
}

/// The node checks it once more, and thoroughly, when it takes the broker over.
async fn state_of(store: &ColdStore, manifest: &Manifest) -> anyhow::Result<BrokerState> {
    let bytes = match &manifest.state {
        StatePlace::None => return Ok(BrokerState::default()),
        StatePlace::Inline(bytes) => bytes.clone(),
        StatePlace::Object { name, .. } => {
            store.get(ObjectName::State(manifest.broker, *name)).await?
        }
    };
    BrokerState::from_snapshot(&bytes)
        .with_context(|| format!("the state of broker {}", manifest.broker.broker))
}

fn note(names: &mut IdsInUse, queue: QueueKey) {
    match queue.topic {
        TopicKey::User(topic) => names.topic = names.topic.max(topic.0),
        TopicKey::Retry(group) | TopicKey::DeadLetter(group) => {
            names.group = names.group.max(group.0);
        }
        TopicKey::Waiting => {}
    }
}

#[cfg(test)]
mod tests {
    use firn_protocol::ids::{
        BrokerId, Generation, GroupId, InstanceId, QueueId, TenantId, TopicId,
    };
    use firn_runtime::Clock;
    use firn_storage_node::cold::manifest::{LogPlace, commit};
    use firn_storage_node::cold::paths::{NodeId, Nonce, SegmentName};
    use firn_storage_node::node::ColdParts;

    use super::*;

    fn key(instance: u64, broker: u32) -> BrokerKey {
        BrokerKey {
            tenant: TenantId(2),
            instance: InstanceId(instance),
            broker: BrokerId(broker),
        }
    }

    fn manifest(state: &BrokerState) -> Manifest {
        Manifest {
            number: 1,
            owner: NodeId(1),
            nonce: Nonce::draw(),
            broker: key(3, 5),
            generation: Generation(1),
            covered: LogPlace::default(),
            segments: Vec::new(),
            state: StatePlace::Inline(state.snapshot()),
            low_marks: [].into(),
            released: Vec::new(),
            wal_ends: Vec::new(),
        }
    }

    #[tokio::test]
    async fn numbers_are_found_wherever_they_stand() {
        let store = ColdParts::memory(&Clock::manual(1000)).store;
        let mut state = BrokerState::default();
        for topic in [
            TopicKey::User(TopicId(70)),
            TopicKey::DeadLetter(GroupId(40)),
            TopicKey::Waiting,
        ] {
            let queue = QueueId(0);
            state.queues.entry(QueueKey { topic, queue }).or_default();
        }
        state.groups.entry(GroupId(30)).or_default();
        let committed = commit(&store, &manifest(&state)).await;
        committed.expect("the first one");
        // What an upload left behind.
        let orphan = SegmentName {
            generation: Generation(1),
            first_sequence: 1,
            nonce: Nonce(1),
        };
        let orphan = ObjectName::Segment(key(9, 8), orphan);
        let put = store.put_unique(orphan, [bytes::Bytes::new()]).await;
        put.expect("a free name");
        let bucket = Bucket::scan(&store).await.expect("readable");
        let expected = IdsInUse {
            instance: 9,
            broker: 8,
            topic: 70,
            group: 40,
        };
        assert_eq!(bucket.in_use(), expected);
        assert_eq!(bucket.brokers, [key(3, 5)].into());
    }
}
