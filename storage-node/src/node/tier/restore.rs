//! A node's brokers from object storage alone, on a machine that has nothing.
//!
//! First the bucket is read, then a node is opened on an empty disk under a
//! higher generation, then each broker is taken over by a manifest of its own
//! and carried into the new log.

use std::collections::BTreeSet;
use std::sync::Arc;

use firn_protocol::ids::Generation;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::cut::{Cut, Tiering};
use super::error::TierError;
use super::seal::{ends_of, load_state};
use crate::broker::owner::Broker;
use crate::broker::state::BrokerState;
use crate::broker::tier::TierState;
use crate::cold::ColdStore;
use crate::cold::manifest::{Commit, Manifest, StatePlace, commit, load_newest};
use crate::cold::paths::{NodeId, Nonce, ObjectName, Prefix};
use crate::hot::BrokerKey;
use crate::node::StorageNode;

/// Brokers read, or taken over, at the same time.
const AT_ONCE: usize = 8;
/// Positions left free at a restore: ids that a lost tail had given out name
/// nothing else (RULES 14). 2^21 restores fit below 2^53.
const POSITION_EPOCH: u64 = 1 << 32;

/// What object storage has of the brokers of a deployment.
pub struct Restorable {
    brokers: Vec<(Manifest, BrokerState)>,
}

impl Restorable {
    /// Reads the newest manifest and the state of every broker.
    ///
    /// # Errors
    /// When the store cannot be read, or one of them is damaged: a restore that
    /// leaves a broker out would look complete and not be.
    pub async fn read(store: &ColdStore) -> Result<Self, TierError> {
        let listed = store.list(Prefix::All).await?;
        let keys: BTreeSet<BrokerKey> = listed
            .iter()
            .filter_map(|found| match found.name {
                Some(ObjectName::Manifest(broker, _)) => Some(broker),
                Some(_) | None => None,
            })
            .collect();
        let brokers = futures_util::stream::iter(keys)
            .map(|key| read_broker(store, key))
            .buffered(AT_ONCE)
            .try_filter_map(|found| std::future::ready(Ok(found)));
        Ok(Self {
            brokers: brokers.try_collect().await?,
        })
    }

    #[must_use]
    pub fn brokers(&self) -> usize {
        self.brokers.len()
    }

    /// Records that are in segments.
    #[must_use]
    pub fn records(&self) -> u64 {
        let segments = self.brokers.iter().flat_map(|(it, _)| &it.segments);
        segments.map(|entry| entry.records).sum()
    }

    /// The generation that a node must begin with to come after all that were.
    #[must_use]
    pub fn next_generation(&self) -> Generation {
        let highest = self.brokers.iter().map(|(it, _)| it.generation.0).max();
        Generation(highest.unwrap_or(0) + 1)
    }
}

async fn read_broker(
    store: &ColdStore,
    key: BrokerKey,
) -> Result<Option<(Manifest, BrokerState)>, TierError> {
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
    Ok(Some((manifest, state)))
}

impl StorageNode {
    /// Takes over what was read. The node was opened on an empty disk, with
    /// [`Restorable::next_generation`].
    ///
    /// # Errors
    /// When a broker cannot be taken over; those before are.
    pub async fn restore(&self, found: Restorable) -> Result<(), TierError> {
        futures_util::stream::iter(found.brokers)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |(manifest, state)| self.take_over(manifest, state))
            .await
    }

    async fn take_over(&self, manifest: Manifest, state: BrokerState) -> Result<(), TierError> {
        let key = manifest.broker;
        let broker = self.make_broker(key)?;
        let (_tiering, cut) = {
            let mut core = broker.lock()?;
            if core.state.seq > 0 {
                return Err(TierError::Interrupted);
            }
            core.state = restored(&manifest, state);
            drop(core);
            Tiering::begin(&broker, &self.log)?
        };
        let mine = self.claim_of(&manifest, &cut, self.cold.owner);
        match commit(&self.cold.store, &mine).await? {
            Commit::Committed => {}
            Commit::LostTo { owner, number } => {
                broker.lock_any().fenced = true;
                return Err(TierError::Fenced {
                    broker: key.broker,
                    owner,
                    number,
                });
            }
        }
        self.carry_restored(&broker, mine).await
    }

    /// The same manifest, as this node's.
    fn claim_of(&self, manifest: &Manifest, cut: &Cut, owner: NodeId) -> Manifest {
        Manifest {
            number: manifest.number + 1,
            owner,
            nonce: Nonce::draw(),
            generation: cut.generation,
            ..manifest.clone()
        }
    }

    async fn carry_restored(
        &self,
        broker: &Arc<Broker>,
        manifest: Manifest,
    ) -> Result<(), TierError> {
        let mark = {
            let mut core = broker.lock()?;
            let mut tier = core.state.tier.clone();
            tier.manifest = manifest.number;
            tier.needed_from = self.log.durable().next().0;
            let mark = self.carry(broker, &mut core, tier)?;
            self.shared.timers.arm(broker.key.broker, &mut core);
            mark
        };
        self.cold.keep(manifest).await;
        Ok(self.settled(mark).await?)
    }
}

/// The state as object storage alone has it: what came after is lost.
fn restored(manifest: &Manifest, mut state: BrokerState) -> BrokerState {
    state.tier = TierState {
        manifest: manifest.number,
        covered: manifest.covered.sequence,
        ends: ends_of(manifest, &state),
        ..TierState::default()
    };
    state.next_position += POSITION_EPOCH;
    state
}
