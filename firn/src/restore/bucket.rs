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
        let found = listed.iter().filter_map(|found| found.name?.broker());
        let brokers: BTreeSet<BrokerKey> = found.collect();
        let mut in_use = IdsInUse::default();
        for broker in &brokers {
            in_use.instance = in_use.instance.max(broker.instance.0);
            in_use.broker = in_use.broker.max(broker.broker.0.into());
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

    pub(super) fn in_use(&self) -> IdsInUse {
        self.in_use
    }

    /// Brokers that the catalogue does not have.
    pub(super) fn strangers(&self, catalogue: &CatalogueExport) -> Vec<BrokerKey> {
        let known: HashSet<BrokerKey> = catalogue
            .instances()
            .flat_map(|instance| {
                instance.brokers.iter().map(|broker| BrokerKey {
                    tenant: instance.tenant,
                    instance: instance.id,
                    broker: broker.id,
                })
            })
            .collect();
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
        // Segments alone: an upload that no manifest has come to name.
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
