//! What object storage has of all brokers: manifests, states, and what WAL
//! objects have beyond them.

use std::collections::BTreeMap;

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, Generation, QueueKey};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::error::TierError;
use super::seal::load_state;
use crate::broker::entry::Entry;
use crate::broker::state::BrokerState;
use crate::cold::ColdStore;
use crate::cold::manifest::{Manifest, StatePlace, WalEnd, load_newest};
use crate::cold::paths::{ObjectName, Prefix};
use crate::cold::wal::{WalFrame, all_incarnations, fence, replay};
use crate::hot::BrokerKey;
use crate::node::rebuild::{Rebuilt, finish, take_entry};
use crate::record::{RecordError, header_of};

/// Manifests read at the same time.
const AT_ONCE: usize = 8;

/// What object storage has of the brokers of a deployment.
pub struct Restorable {
    pub(super) brokers: Vec<Found>,
    /// WALs that count up to where they were fenced.
    pub(super) wals: Vec<WalEnd>,
    highest: Generation,
}

/// One broker.
pub(super) struct Found {
    pub(super) key: BrokerKey,
    /// `None`: it was never sealed.
    pub(super) manifest: Option<Manifest>,
    pub(super) state: BrokerState,
    /// Runs that WAL objects have and no segment does, by queue and first offset.
    pub(super) runs: BTreeMap<(QueueKey, u64), Bytes>,
}

struct Reading {
    manifest: Option<Manifest>,
    rebuilt: Rebuilt,
    runs: BTreeMap<(QueueKey, u64), Bytes>,
}

impl Restorable {
    /// Reads the newest manifest and the state of every broker, and what WAL
    /// objects have beyond them, in memory. From now on no node that was there
    /// before answers for the class `object`: its WAL is fenced.
    ///
    /// # Errors
    /// When the store cannot be read, or something in it is damaged: a restore
    /// that leaves anything out would look complete and not be.
    pub async fn read(store: &ColdStore) -> Result<Self, TierError> {
        let listed = store.list(Prefix::All).await?;
        let mut keys: Vec<BrokerKey> = listed
            .iter()
            .filter_map(|found| match found.name {
                Some(ObjectName::Manifest(broker, _)) => Some(broker),
                Some(_) | None => None,
            })
            .collect();
        keys.dedup();
        let read: Vec<Reading> = futures_util::stream::iter(keys)
            .map(|key| read_broker(store, key))
            .buffered(AT_ONCE)
            .try_filter_map(|found| std::future::ready(Ok(found)))
            .try_collect()
            .await?;
        let mut brokers: BTreeMap<BrokerId, Reading> = BTreeMap::new();
        let mut highest = Generation(0);
        for found in read {
            let generation = found.manifest.as_ref().map(|it| it.generation);
            highest = highest.max(generation.unwrap_or_default());
            brokers.insert(found.rebuilt.key.broker, found);
        }
        let mut wals = Vec::new();
        for (node, found) in all_incarnations(store).await? {
            highest = highest.max(Generation(found.number as u32));
            if found.is_covered {
                continue;
            }
            let end = fence(store, node, found.number).await?;
            let mut visit = |frame: WalFrame| {
                highest = highest.max(frame.header.generation);
                Ok(take_frame(&mut brokers, &frame)?)
            };
            replay(store, node, found.number, end, &mut visit).await?;
            wals.push(WalEnd {
                node,
                incarnation: found.number,
                sequence: end,
            });
        }
        Ok(Self {
            brokers: brokers.into_values().map(Reading::finish).collect(),
            wals,
            highest,
        })
    }

    #[must_use]
    pub fn brokers(&self) -> usize {
        self.brokers.len()
    }

    /// The brokers with what is known of their state, in no order.
    pub fn states(&self) -> impl Iterator<Item = (BrokerKey, &BrokerState)> {
        self.brokers.iter().map(|found| (found.key, &found.state))
    }

    /// Records that are in segments or in WAL objects.
    #[must_use]
    pub fn records(&self) -> u64 {
        let of_broker = |found: &Found| {
            let segments = found.manifest.iter().flat_map(|it| &it.segments);
            let runs = found.runs.values().filter_map(|run| header_of(run).ok());
            segments.map(|entry| entry.records).sum::<u64>()
                + runs.map(|run| u64::from(run.count)).sum::<u64>()
        };
        self.brokers.iter().map(of_broker).sum()
    }

    /// The generation that a node must begin with to come after all that were.
    #[must_use]
    pub fn next_generation(&self) -> Generation {
        Generation(self.highest.0 + 1)
    }
}

impl Reading {
    fn finish(mut self) -> Found {
        finish(&mut self.rebuilt);
        Found {
            key: self.rebuilt.key,
            manifest: self.manifest,
            state: self.rebuilt.state,
            runs: self.runs,
        }
    }
}

async fn read_broker(store: &ColdStore, key: BrokerKey) -> Result<Option<Reading>, TierError> {
    let Some(manifest) = load_newest(store, key).await? else {
        return Ok(None);
    };
    let state = match &manifest.state {
        StatePlace::None => BrokerState::default(),
        StatePlace::Inline(_) | StatePlace::Object { .. } => {
            let bytes = load_state(store, &manifest).await?;
            BrokerState::from_snapshot(&bytes).map_err(|source| TierError::State {
                broker: key.broker,
                source,
            })?
        }
    };
    Ok(Some(Reading {
        manifest: Some(manifest),
        rebuilt: Rebuilt::new(key, state),
        runs: BTreeMap::new(),
    }))
}

fn take_frame(
    brokers: &mut BTreeMap<BrokerId, Reading>,
    frame: &WalFrame,
) -> Result<(), RecordError> {
    let header = &frame.header;
    let entry = Entry::decode(&frame.payload)?;
    let run = entry.run_header()?;
    let found = brokers.entry(header.broker).or_insert_with(|| {
        let key = BrokerKey {
            tenant: header.tenant,
            instance: header.instance,
            broker: header.broker,
        };
        Reading {
            manifest: None,
            rebuilt: Rebuilt::new(key, BrokerState::default()),
            runs: BTreeMap::new(),
        }
    });
    if let (Some(queue), Some(header), Some(bytes)) = (entry.head.run_queue(), run, &entry.run) {
        let runs = &mut found.runs;
        runs.entry((queue, header.first_offset.0))
            .or_insert_with(|| bytes.clone());
    }
    take_entry(&mut found.rebuilt, header, entry, run);
    Ok(())
}
