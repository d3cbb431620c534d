//! Start and stop of a node: stores, log, states, background work.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, Generation, Offset, QueueKey};
use firn_runtime::{Clock, Tasks};
use rustc_hash::FxHashMap;

use super::StorageNode;
use super::quota::Quotas;
use super::shared::Shared;
use super::source::Source;
use super::stores::Stores;
use super::tier::{Cold, ColdParts};
use crate::broker::apply::ApplyError;
use crate::broker::entry::{Entry, Head};
use crate::broker::owner::Broker;
use crate::broker::state::BrokerState;
use crate::broker::tail::TailRun;
use crate::config::StorageConfig;
use crate::disk::Disk;
use crate::hot::fill::{FillParts, FillSettings, Filler};
use crate::hot::{BrokerKey, HotError, HotStore, StateStore};
use crate::log::{DamagedRange, Log, LogError, Lsn, ReplayedFrame};
use crate::metrics::Metrics;
use crate::record::{Run, RunHeader, runs_of};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("write-ahead log: {0}")]
    Log(#[from] LogError),
    #[error(transparent)]
    Hot(#[from] HotError),
    #[error("background thread: {0}")]
    Thread(std::io::Error),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A started node and what it found.
pub struct Opened {
    pub node: Arc<StorageNode>,
    /// Ranges of the log that cannot be read, each reported with its place.
    pub damage: Vec<DamagedRange>,
    /// Brokers that have state.
    pub brokers: usize,
}

/// Opens the stores once the end of the log is known.
pub type OpenStores<'a> = dyn FnOnce(Lsn) -> Result<Stores, HotError> + 'a;

/// The state of one broker as snapshot and log give it.
pub(super) struct Rebuilt {
    pub(super) key: BrokerKey,
    pub(super) state: BrokerState,
    /// Entries whose forerunners the log does not have; an entry that carries the
    /// broker forward makes up for them.
    ahead: Vec<Ahead>,
    /// Runs that the hot store does not have yet.
    pub(super) unfilled: Vec<(QueueKey, TailRun)>,
}

struct Ahead {
    seq: u64,
    generation: Generation,
    entry: Entry,
    run: Option<RunHeader>,
}

impl Rebuilt {
    fn new(key: BrokerKey, state: BrokerState) -> Self {
        Self {
            key,
            state,
            ahead: Vec::new(),
            unfilled: Vec::new(),
        }
    }
}

impl StorageNode {
    /// Opens log and stores and brings every broker to where it stopped. Blocks.
    ///
    /// # Errors
    /// When log or stores cannot be opened.
    pub fn open(
        config: StorageConfig,
        disk: Arc<dyn Disk>,
        stores: Box<OpenStores<'_>>,
        cold: ColdParts,
        clock: Clock,
        registry: &prometheus::Registry,
    ) -> Result<Opened, OpenError> {
        let metrics = Metrics::new(registry)?;
        let shared = Arc::new(Shared::new(config.tail_bytes_max));
        let log_config = config.log.clone();
        let quotas = Quotas::new(disk.clone());
        // The states come from the replay below, when the stores are known.
        let (log, recovery) =
            Log::open(disk, log_config, shared.clone(), Lsn(u64::MAX), &mut |_| {
                Ok(())
            })?;
        let end = recovery.end.next();
        let stores = stores(end)?;
        let (rebuilt, damage) = rebuild(&log, &*stores.hot, &*stores.states)?;
        let parts = FillParts {
            store: stores.hot.clone(),
            log: Arc::new(Source(log.clone())),
            observer: shared.clone(),
            metrics: stores.metrics.clone(),
        };
        let brokers = rebuilt.len();
        let last_time = rebuilt
            .values()
            .map(|broker| broker.state.last_time.0)
            .max();
        clock.raise_to(last_time.unwrap_or(0));
        metrics.watch(registry, &log, &stores.metrics)?;
        metrics.watch_cold(registry, cold.store.metrics())?;
        let cold = Cold::new(cold, config.tier.cache);
        let filled = stores.hot.marker();
        let node = Arc::new(Self {
            config,
            clock,
            log,
            stores,
            cold,
            shared,
            quotas,
            metrics,
            checkpointing: tokio::sync::Mutex::default(),
            filler: OnceLock::new(),
        });
        node.install(rebuilt);
        // From here on the filler tells what it has; nothing was committed before.
        node.shared.on_filled(filled);
        let filler =
            Filler::start(parts, FillSettings::default(), end).map_err(OpenError::Thread)?;
        let filler = Arc::new(filler);
        node.shared.set_filler(filler.clone());
        let _ = node.filler.set(filler);
        Ok(Opened {
            node,
            damage,
            brokers,
        })
    }

    /// Starts timers, checkpoints, tiering and recovery.
    pub fn start(self: &Arc<Self>, tasks: &mut Tasks) {
        let node = self.clone();
        tasks.spawn("storage-recovery", |stop| async move {
            node.run_recovery(stop).await;
            Ok::<(), OpenError>(())
        });
        let node = self.clone();
        tasks.spawn("storage-timers", |stop| async move {
            node.run_timers(stop).await;
            Ok::<(), OpenError>(())
        });
        let node = self.clone();
        tasks.spawn("storage-checkpoint", |stop| async move {
            node.run_checkpoints(stop).await;
            Ok::<(), OpenError>(())
        });
        let node = self.clone();
        tasks.spawn("storage-tiering", |stop| async move {
            node.run_tiering(stop).await;
            Ok::<(), OpenError>(())
        });
        let node = self.clone();
        tasks.spawn("storage-merging", |stop| async move {
            node.run_merging(stop).await;
            Ok::<(), OpenError>(())
        });
    }

    /// Writes everything out and closes the stores; the node takes nothing any more.
    pub async fn close(&self) {
        if let Err(error) = self.checkpoint().await {
            tracing::warn!(%error, "state was not written out, the next start replays the log");
        }
        let (log, filler) = (self.log.clone(), self.filler.get().cloned());
        let states = self.stores.states.clone();
        firn_runtime::tasks::blocking(move || {
            let closed = log.close().map_err(|error| error.to_string());
            let filled = filler.map_or(Ok(()), |filler| filler.stop());
            let stored = filled
                .and_then(|()| states.close())
                .map_err(|error| error.to_string());
            for problem in [closed, stored].into_iter().filter_map(Result::err) {
                tracing::warn!(problem, "unclean stop, the next start takes longer");
            }
        })
        .await;
    }

    /// Puts rebuilt brokers in the place of what is in memory.
    pub(super) fn install(&self, rebuilt: FxHashMap<BrokerId, Rebuilt>) {
        let generation = self.generation();
        for (id, rebuilt) in rebuilt {
            let broker = self
                .shared
                .brokers
                .write()
                .entry(id)
                .or_insert_with(|| Broker::new(rebuilt.key, BrokerState::default(), generation))
                .clone();
            let mut core = broker.lock_any();
            core.rebuild(rebuilt.state, generation);
            for (queue, run) in in_order(rebuilt.unfilled) {
                if core.state.queues.contains_key(&queue) {
                    core.last_run_lsn = core.last_run_lsn.max(run.place.lsn);
                    self.shared.note_unfilled(run.place.lsn, id, queue);
                    core.tail_mut(queue).push(run);
                }
            }
            self.shared.timers.arm(id, &mut core);
        }
        self.shared.sort_unfilled();
    }
}

/// Runs by queue and offset, each record once: what was carried forward in the
/// log stands there twice.
fn in_order(mut runs: Vec<(QueueKey, TailRun)>) -> Vec<(QueueKey, TailRun)> {
    runs.sort_by_key(|(queue, run)| (*queue, run.first, run.place.lsn));
    let mut ordered: Vec<(QueueKey, TailRun)> = Vec::with_capacity(runs.len());
    for (queue, run) in runs {
        let follows = ordered.last().is_none_or(|(last_queue, last)| {
            *last_queue != queue || last.first + u64::from(last.count) <= run.first
        });
        if follows {
            ordered.push((queue, run));
        }
    }
    ordered
}

/// Every broker's state from its snapshot and the log behind it.
pub(super) fn rebuild(
    log: &Log,
    hot: &dyn HotStore,
    states: &dyn StateStore,
) -> Result<(FxHashMap<BrokerId, Rebuilt>, Vec<DamagedRange>), OpenError> {
    let mut brokers: FxHashMap<BrokerId, Rebuilt> = FxHashMap::default();
    let mut from = states.marker();
    for (key, _, snapshot) in states.load()? {
        match BrokerState::from_snapshot(&snapshot) {
            Ok(state) => {
                brokers.insert(key.broker, Rebuilt::new(key, state));
            }
            Err(error) => {
                // A snapshot is a shortcut: without it the whole log is replayed.
                tracing::warn!(%error, broker = %key.broker, "snapshot cannot be read, replaying");
                from = Lsn::ZERO;
            }
        }
    }
    let filled = hot.marker();
    let report = log.replay_committed(from.min(filled), &mut |frame| {
        replay_frame(&mut brokers, &frame, filled);
        Ok(())
    })?;
    for broker in brokers.values_mut() {
        // Nothing carries over what is missing before these: it is lost.
        for ahead in std::mem::take(&mut broker.ahead) {
            apply_replayed(broker, &ahead);
        }
    }
    if !report.damage.is_empty() {
        for broker in brokers.values_mut() {
            keep_places(hot, broker);
        }
    }
    Ok((brokers, report.damage))
}

/// Damage at the log's end takes records with it that the hot store may still
/// have: their offsets and positions must not be given out again.
fn keep_places(hot: &dyn HotStore, broker: &mut Rebuilt) {
    let state = &mut broker.state;
    let queues: Vec<QueueKey> = state.queues.keys().copied().collect();
    for queue in queues {
        loop {
            let end = state.queue(queue).end;
            // A chunk that is damaged itself has nothing to keep.
            let Ok(Some(chunk)) = hot.chunk_at(broker.key, queue, Offset(end)) else {
                break;
            };
            let runs = runs_of(chunk.runs).unwrap_or_default();
            let records = runs.iter().flat_map(Run::records);
            let last = records.filter_map(Result::ok).last();
            let position = last.map_or(0, |record| record.position.0 + 1);
            let kept = chunk.first_offset.plus(chunk.count.into()).0;
            tracing::warn!(
                broker = %broker.key.broker, %queue, first = end, last = kept - 1,
                "records lost to damage in the log are kept from the hot store"
            );
            state.skip_records(queue, kept, position);
        }
    }
}

fn replay_frame(
    brokers: &mut FxHashMap<BrokerId, Rebuilt>,
    frame: &ReplayedFrame<'_>,
    filled: Lsn,
) {
    let header = frame.header;
    let broker = brokers.entry(header.broker).or_insert_with(|| {
        let key = BrokerKey {
            tenant: header.tenant,
            instance: header.instance,
            broker: header.broker,
        };
        Rebuilt::new(key, BrokerState::default())
    });
    let entry = match Entry::decode(&Bytes::copy_from_slice(frame.payload)) {
        Ok(entry) => entry,
        Err(error) => {
            tracing::error!(%error, lsn = %frame.place.lsn, "entry in the log cannot be read");
            return;
        }
    };
    let Ok(run) = entry.run_header() else { return };
    if let (Some(queue), Some(run)) = (entry.head.run_queue(), run)
        && frame.place.lsn >= filled
    {
        let place = frame.place;
        let run = TailRun {
            first: run.first_offset.0,
            count: run.count,
            place,
            bytes: None,
        };
        broker.unfilled.push((queue, run));
    }
    if header.seq <= broker.state.seq {
        return;
    }
    let follows = header.seq == broker.state.seq + 1 && broker.ahead.is_empty();
    if let (Head::Carry(carry), false) = (&entry.head, follows) {
        match BrokerState::from_carry(header.seq, carry) {
            Ok(state) => {
                broker.state = state;
                broker.ahead.clear();
                return;
            }
            Err(error) => {
                tracing::error!(%error, lsn = %frame.place.lsn, "carried state cannot be read");
            }
        }
    }
    // Without its run: that is found by its place.
    let replayed = Ahead {
        seq: header.seq,
        generation: header.generation,
        entry: Entry {
            head: entry.head,
            run: None,
        },
        run,
    };
    match follows {
        true => apply_replayed(broker, &replayed),
        false => broker.ahead.push(replayed),
    }
}

fn apply_replayed(broker: &mut Rebuilt, replayed: &Ahead) {
    let state = &mut broker.state;
    let (seq, run) = (replayed.seq, replayed.run);
    for _ in 0..3 {
        match state.apply(seq, replayed.generation, &replayed.entry.head, run.as_ref()) {
            Ok(()) => return,
            // Entries before this one are damaged; what is left is kept, with
            // its offsets, and the loss is said (RULES 3).
            Err(ApplyError::OutOfSequence { last, found }) => {
                tracing::error!(
                    broker = %broker.key.broker, last, found,
                    "entries of a broker are lost to damage in the log"
                );
                state.skip_to(found - 1);
            }
            Err(ApplyError::OutOfPlace { queue, end, found }) => {
                tracing::error!(
                    broker = %broker.key.broker, %queue, first = end, last = found.saturating_sub(1),
                    "records are lost to damage in the log"
                );
                let position = run.map_or(0, |run| run.first_position.0);
                state.skip_records(queue, found, position);
            }
        }
    }
}
