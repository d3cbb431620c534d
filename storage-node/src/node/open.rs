//! Start and stop of a node: stores, log, states, background work.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use firn_protocol::ids::BrokerId;
use firn_protocol::time::Timestamp;
use firn_runtime::{Clock, Tasks};
use rustc_hash::FxHashMap;

use super::StorageNode;
use super::object_class::FoundLog;
use super::quota::Quotas;
use super::rebuild::{Rebuilt, in_order, rebuild};
use super::shared::Shared;
use super::source::Source;
use super::stores::Stores;
use super::tier::{Cold, ColdParts};
use crate::broker::owner::Broker;
use crate::broker::state::BrokerState;
use crate::cold::wal::WalWriter;
use crate::config::StorageConfig;
use crate::disk::Disk;
use crate::hot::HotError;
use crate::hot::fill::{FillParts, FillSettings, Filler};
use crate::log::{DamagedRange, Log, LogError, Lsn};
use crate::metrics::Metrics;

/// How long a stop waits for the object store.
const WAL_STOP_MAX: Duration = Duration::from_secs(15);

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
        let shared = Arc::new(Shared::new(&config, metrics.fair.clone()));
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
        shared.set_hot_metrics(&stores.metrics);
        shared.object.set_found(FoundLog {
            end: recovery.end,
            is_damaged: !damage.is_empty(),
        });
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
        let wal = WalWriter::new(
            cold.store.clone(),
            cold.owner,
            log.incarnation(),
            config.wal,
            &clock,
        );
        metrics.watch_wal(registry, wal.metrics())?;
        shared.object.set_writer(wal, config.tier.mutant);
        let filled = stores.hot.marker();
        let node = Arc::new(Self {
            config,
            opened_at: Timestamp(clock.now_ms()),
            clock,
            log,
            stores,
            cold,
            shared,
            quotas,
            metrics,
            settling: Arc::default(),
            object_tasks: parking_lot::Mutex::default(),
            filler: OnceLock::new(),
        });
        node.install(rebuilt);
        // From here on the filler tells what it has; nothing was committed before.
        node.shared.on_filled(filled);
        let filler =
            Filler::start(parts, FillSettings::default(), end).map_err(OpenError::Thread)?;
        let filler = Arc::new(filler);
        node.shared.set_filler(&filler);
        let _ = node.filler.set(filler);
        Ok(Opened {
            node,
            damage,
            brokers,
        })
    }

    /// Starts timers, checkpoints, tiering and recovery.
    pub fn start(self: &Arc<Self>, tasks: &mut Tasks) {
        self.start_object_class();
        let node = self.clone();
        tasks.spawn("storage-recovery", |stop| async move {
            node.run_recovery(stop).await;
            Ok::<(), OpenError>(())
        });
        if self.config.is_stepped {
            return;
        }
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
        self.stop_object_class(WAL_STOP_MAX).await;
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
            let is_object = core.state.class.is_object();
            // Served once the object store has all of it, or has given what it has.
            core.suspended = is_object || rebuilt.has_gaps;
            broker.set_in_wal(is_object);
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
