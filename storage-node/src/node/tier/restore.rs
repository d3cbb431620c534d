//! A node's brokers from object storage alone, on a machine that has nothing.
//!
//! First the bucket is read, then a node is opened on an empty disk under a
//! higher generation, then each broker is taken over by a manifest of its own
//! and carried into the new log. What only WAL objects had goes into segments,
//! so that nothing depends on the WALs of before.

use std::sync::Arc;

use bytes::Bytes;
use firn_protocol::ids::QueueKey;
use firn_protocol::time::Timestamp;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::error::TierError;
use super::restorable::{Found, Restorable};
use super::seal::ends_of;
use crate::broker::owner::Broker;
use crate::broker::state::BrokerState;
use crate::broker::tier::TierState;
use crate::cold::manifest::{Commit, LogPlace, Manifest, StatePlace, WalEnd, commit};
use crate::cold::paths::{NodeId, Nonce};
use crate::hot::BrokerKey;
use crate::log::Lsn;
use crate::node::StorageNode;
use crate::node::object_class::OldWal;
use crate::record::{header_of, runs_of};

/// Brokers taken over at the same time.
const AT_ONCE: usize = 8;
/// Bytes of runs that are written again at a time, of one broker, at most.
const PIECE_BYTES: usize = 4 << 20;
/// Positions left free at a restore: ids that a lost tail had given out name
/// nothing else (RULES 14). 2^21 restores fit below 2^53.
const POSITION_EPOCH: u64 = 1 << 32;

impl StorageNode {
    /// Takes over what was read. The node was opened on an empty disk, with
    /// [`Restorable::next_generation`], and need not be started.
    ///
    /// # Errors
    /// When a broker cannot be taken over; those before are.
    pub async fn restore(self: &Arc<Self>, found: Restorable) -> Result<(), TierError> {
        // What is carried over of the class `object` rides in this node's WAL.
        self.start_object_class();
        self.shared.object.wait_ready(&self.clock).await?;
        let wals = &found.wals;
        let brokers: Vec<Arc<Broker>> = futures_util::stream::iter(found.brokers)
            .map(|found| self.take_over(found, wals))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        self.shared.wait_filled(self.log.durable().next()).await;
        futures_util::stream::iter(brokers)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |broker| async move {
                // Also what needs no record: progress, of which no manifest knows.
                let is_changed = broker.lock()?.state.tier.is_changed;
                match is_changed {
                    true => self.seal(&broker).await,
                    false => Ok(()),
                }
            })
            .await?;
        let covered = found.wals.iter().map(|wal| OldWal {
            node: wal.node,
            incarnation: wal.incarnation,
            end: wal.sequence,
            last: Lsn::ZERO,
            due: Timestamp(0),
        });
        self.shared.object.add_old(covered);
        self.clear_wal().await
    }

    async fn take_over(&self, found: Found, wals: &[WalEnd]) -> Result<Arc<Broker>, TierError> {
        let key = found.key;
        let broker = self.make_broker(key)?;
        let before = found
            .manifest
            .unwrap_or_else(|| unsealed(key, self.cold.owner));
        let state = restored(&before, found.state);
        let generation = {
            let core = broker.lock()?;
            if core.state.seq > 0 {
                return Err(TierError::Interrupted);
            }
            core.generation
        };
        let mut claim = Manifest {
            number: before.number + 1,
            owner: self.cold.owner,
            nonce: Nonce::draw(),
            generation,
            ..before
        };
        if state.class.object_since > 0 {
            let news = wals.iter().filter(|wal| !claim.wal_ends.contains(wal));
            let news: Vec<WalEnd> = news.copied().collect();
            claim.wal_ends.extend(news);
        }
        match commit(&self.cold.store, &claim).await? {
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
        self.carry_restored(&broker, claim, state, found.runs.into_iter())
            .await?;
        Ok(broker)
    }

    /// Puts what is known of a broker into the new log.
    async fn carry_restored(
        &self,
        broker: &Arc<Broker>,
        claim: Manifest,
        state: BrokerState,
        runs: impl Iterator<Item = ((QueueKey, u64), Bytes)>,
    ) -> Result<(), TierError> {
        let of_state = |source| TierError::State {
            broker: broker.key.broker,
            source,
        };
        let needed_from = self.log.durable().next();
        let runs = {
            let mut core = broker.lock()?;
            broker.set_in_wal(state.class.is_object());
            core.adopt(state);
            let runs = wanted(&core.state, runs);
            for (_, run) in &runs {
                let header = header_of(run).map_err(of_state)?;
                core.state
                    .tier
                    .note_waiting(header.run_bytes(), header.stored_at);
            }
            runs
        };
        self.write_runs(broker, runs).await?;
        let mark = {
            let mut core = broker.lock()?;
            let mut tier = core.state.tier.clone();
            tier.manifest = claim.number;
            tier.needed_from = needed_from.0;
            let mark = self.carry(broker, &mut core, tier)?;
            self.shared.timers.arm(broker.key.broker, &mut core);
            mark
        };
        self.cold.keep(claim).await;
        Ok(self.settled(mark).await?)
    }

    /// Writes runs into the log again. Piece by piece, because the WAL takes only
    /// so much that is not in the object store yet; nobody else uses the broker.
    pub(in crate::node) async fn write_runs(
        &self,
        broker: &Arc<Broker>,
        runs: Vec<(QueueKey, Bytes)>,
    ) -> Result<(), TierError> {
        let piece_bytes = PIECE_BYTES.min(self.shared.object.piece_bytes());
        let mut runs = runs.into_iter().peekable();
        while runs.peek().is_some() {
            let mark = {
                let mut core = broker.lock_any();
                let mut bytes = 0;
                for (queue, run) in runs.by_ref() {
                    bytes += run.len();
                    let pieces = runs_of(run).map_err(|source| TierError::State {
                        broker: broker.key.broker,
                        source,
                    })?;
                    for run in pieces {
                        self.write_again(broker, &mut core, queue, &run)?;
                    }
                    if bytes >= piece_bytes {
                        break;
                    }
                }
                core.mark()
            };
            self.settled(mark).await?;
        }
        Ok(())
    }
}

/// What is known of a broker that no manifest was ever made for.
fn unsealed(broker: BrokerKey, owner: NodeId) -> Manifest {
    Manifest {
        number: 0,
        owner,
        nonce: Nonce::draw(),
        broker,
        generation: Default::default(),
        covered: LogPlace::default(),
        segments: Vec::new(),
        state: StatePlace::None,
        low_marks: Default::default(),
        released: Vec::new(),
        wal_ends: Vec::new(),
    }
}

/// The state as object storage alone has it: what came after is lost.
fn restored(manifest: &Manifest, mut state: BrokerState) -> BrokerState {
    state.tier = TierState {
        manifest: manifest.number,
        covered: manifest.covered.sequence,
        ends: ends_of(manifest, &state),
        is_changed: state.seq > manifest.covered.sequence,
        ..TierState::default()
    };
    state.next_position += POSITION_EPOCH;
    state
}

/// The runs that no segment has, each record once: what was carried forward in
/// the log stands there twice.
pub(in crate::node) fn wanted(
    state: &BrokerState,
    runs: impl Iterator<Item = ((QueueKey, u64), Bytes)>,
) -> Vec<(QueueKey, Bytes)> {
    let mut wanted: Vec<(QueueKey, Bytes)> = Vec::new();
    let mut last: Option<(QueueKey, u64)> = None;
    for ((queue, first), run) in runs {
        let Some(known) = state.queues.get(&queue) else {
            // Dropped: nobody will ask for it.
            continue;
        };
        let Ok(header) = header_of(&run) else {
            continue;
        };
        let end = header.end_offset().0;
        let is_had = end <= state.tier.end(queue).max(known.min);
        let is_twice = last.is_some_and(|(it, upto)| it == queue && first < upto);
        if !is_had && !is_twice {
            last = Some((queue, end));
            wanted.push((queue, run));
        }
    }
    wanted
}
