//! What the commit path and the operations share: brokers, the memory budget of
//! their tails, and who waits for durability.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, Generation, QueueKey};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::durable::DurableWaiters;
use super::entrance::{Behind, Entrance, Load, Sent};
use super::journal::class_of;
use super::object_class::ObjectClass;
use super::tier::TierSignal;
use super::timers::Timers;
use super::wake::wake;
use crate::broker::entry::{Entry, Head};
use crate::broker::owner::{Broker, Core, Mark};
use crate::broker::state::BrokerState;
use crate::broker::tail::TailRun;
use crate::cold::wal::WalFrame;
use crate::config::StorageConfig;
use crate::hot::HotError;
use crate::hot::fill::{FillItem, FillObserver, Filler};
use crate::hot::metrics::HotMetrics;
use crate::log::{CommitSink, CommittedBatch, FrameClass, LogPlace, Lsn};
use crate::metrics::FairMetrics;
use crate::record::header_of;

/// What a run costs in memory beside its bytes.
const RUN_OVERHEAD_BYTES: u64 = 128;
/// Runs that are found by their place in the log alone. Beyond this, sends wait
/// for the hot store: memory must not grow with what it is behind.
const UNFILLED_RUNS_MAX: u64 = 1 << 20;

pub(super) struct Shared {
    pub(super) brokers: RwLock<FxHashMap<BrokerId, Arc<Broker>>>,
    pub(super) timers: Timers,
    pub(super) tiering: TierSignal,
    pub(super) durable: DurableWaiters,
    pub(super) object: ObjectClass,
    /// Where sends wait for room in the log and in what lies behind it.
    pub(super) entrance: Entrance,
    /// Set when the log has failed and the node must recover.
    pub(super) failed: Notify,
    tails: Mutex<TailBudget>,
    /// How many runs are out of memory and not in the hot store.
    unfilled_runs: AtomicU64,
    /// See [`StorageConfig::fill_lag_bytes_max`].
    fill_bytes_max: u64,
    hot_metrics: std::sync::OnceLock<Arc<HotMetrics>>,
    /// Weak, because it holds the log, which holds this.
    filler: std::sync::OnceLock<Weak<Filler>>,
    /// The hot store has everything before this place.
    filled: AtomicU64,
    filled_changed: Notify,
    hot_gone: AtomicBool,
    recovering: AtomicBool,
}

/// Runs in memory, oldest first, under one budget for the node.
struct TailBudget {
    bytes: u64,
    bytes_max: u64,
    runs: VecDeque<HeldRun>,
    /// Out of memory and not yet in the hot store.
    unfilled: VecDeque<(Lsn, BrokerId, QueueKey)>,
}

struct HeldRun {
    lsn: Lsn,
    broker: BrokerId,
    queue: QueueKey,
    first: u64,
    bytes: u64,
}

impl Shared {
    pub(super) fn new(config: &StorageConfig, fair: FairMetrics) -> Self {
        Self {
            brokers: RwLock::default(),
            timers: Timers::default(),
            tiering: TierSignal::default(),
            durable: DurableWaiters::default(),
            object: ObjectClass::default(),
            entrance: Entrance::new(config.fair, config.fill_lag_bytes_max, fair),
            failed: Notify::new(),
            tails: Mutex::new(TailBudget {
                bytes: 0,
                bytes_max: config.tail_bytes_max,
                runs: VecDeque::new(),
                unfilled: VecDeque::new(),
            }),
            unfilled_runs: AtomicU64::new(0),
            fill_bytes_max: config.fill_lag_bytes_max,
            hot_metrics: std::sync::OnceLock::new(),
            filler: std::sync::OnceLock::new(),
            filled: AtomicU64::new(0),
            filled_changed: Notify::new(),
            hot_gone: AtomicBool::new(false),
            recovering: AtomicBool::new(false),
        }
    }

    fn filler(&self) -> Option<Arc<Filler>> {
        self.filler.get().and_then(Weak::upgrade)
    }

    pub(super) fn set_filler(&self, filler: &Arc<Filler>) {
        let _ = self.filler.set(Arc::downgrade(filler));
    }

    pub(super) fn filled(&self) -> Lsn {
        Lsn(self.filled.load(Ordering::Acquire))
    }

    /// The hot store has everything before `upto`: frees what was kept for it.
    pub(super) fn on_filled(&self, upto: Lsn) {
        self.filled.fetch_max(upto.0, Ordering::AcqRel);
        let done: Vec<(BrokerId, QueueKey)> = {
            let mut tails = self.tails.lock();
            let count = tails
                .unfilled
                .iter()
                .take_while(|(lsn, ..)| *lsn < upto)
                .count();
            self.unfilled_runs
                .fetch_sub(count as u64, Ordering::Relaxed);
            tails
                .unfilled
                .drain(..count)
                .map(|(_, broker, queue)| (broker, queue))
                .collect()
        };
        for (broker, queue) in done {
            self.with_core(broker, |core| {
                if let Some(tail) = core.tails.get_mut(&queue) {
                    tail.forget_filled(upto);
                }
                core.trim_tail(queue);
            });
        }
        self.filled_changed.notify_waiters();
        self.entrance.filled(self, upto);
    }

    /// Waits until the hot store has everything before `upto`, which has been
    /// committed.
    pub(super) async fn wait_filled(&self, upto: Lsn) {
        if self.filled() < upto
            && let Some(filler) = self.filler()
        {
            filler.hurry();
        }
        loop {
            let changed = self.filled_changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.filled() >= upto {
                return;
            }
            changed.await;
        }
    }

    /// A run that is in the log but not in memory, found at recovery.
    pub(super) fn note_unfilled(&self, lsn: Lsn, broker: BrokerId, queue: QueueKey) {
        self.tails.lock().unfilled.push_back((lsn, broker, queue));
        self.unfilled_runs.fetch_add(1, Ordering::Relaxed);
    }

    /// Brings what recovery found into log order: it came broker by broker.
    pub(super) fn sort_unfilled(&self) {
        let mut tails = self.tails.lock();
        tails.unfilled.make_contiguous().sort_unstable();
    }

    /// Forgets all tails, when the state they belong to is thrown away.
    pub(super) fn clear_tails(&self) {
        let mut tails = self.tails.lock();
        tails.bytes = 0;
        tails.runs.clear();
        tails.unfilled.clear();
        self.unfilled_runs.store(0, Ordering::Relaxed);
    }

    /// Whether the hot store takes what comes; when it has given up, nobody waits
    /// for it.
    pub(super) fn is_filled(&self) -> bool {
        !self.hot_gone.load(Ordering::Acquire)
    }

    pub(super) fn set_hot_metrics(&self, metrics: &Arc<HotMetrics>) {
        let _ = self.hot_metrics.set(metrics.clone());
    }

    /// What hot store and object store lack of what the log has. Many small runs
    /// count for more than their bytes: memory has the place of each.
    pub(super) fn behind(&self) -> Behind {
        let lag = |hot: &Arc<HotMetrics>| hot.lag_bytes.load(Ordering::Relaxed);
        let lag_bytes = match self.is_filled() {
            true => self.hot_metrics.get().map_or(0, lag),
            false => 0,
        };
        let runs = u128::from(self.unfilled_runs.load(Ordering::Relaxed));
        let part = runs * u128::from(self.fill_bytes_max) / u128::from(UNFILLED_RUNS_MAX);
        Behind {
            fill_bytes: lag_bytes.max(u64::try_from(part).unwrap_or(u64::MAX)),
            wal_bytes: self.object.pending_bytes(),
        }
    }

    pub(super) fn is_recovering(&self) -> bool {
        self.recovering.load(Ordering::Acquire)
    }

    /// Nobody reads or changes a broker any more, and no new one is made.
    pub(super) fn suspend_all(&self) {
        // Under the write lock, so that no broker is made unseen meanwhile.
        let brokers = self.brokers.write();
        self.recovering.store(true, Ordering::Release);
        for broker in brokers.values() {
            broker.lock_any().suspended = true;
        }
    }

    /// Every broker there is.
    pub(super) fn all(&self) -> Vec<Arc<Broker>> {
        self.brokers.read().values().cloned().collect()
    }

    /// The last entry of every broker.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let brokers = self.brokers.read();
        brokers.values().map(|it| it.lock_any().mark()).collect()
    }

    /// Every broker starts from nothing, still suspended; those with a durable
    /// state get it next.
    pub(super) fn reset_all(&self, generation: Generation) {
        for broker in self.brokers.read().values() {
            let mut core = broker.lock_any();
            core.rebuild(BrokerState::default(), generation);
            core.suspended = true;
        }
    }

    /// Work goes on; but brokers whose entries the object store may lack wait.
    pub(super) fn resume_all(&self) {
        let is_local = |core: &Core| !core.state.class.is_object();
        self.resume(&self.brokers.read(), is_local);
        self.recovering.store(false, Ordering::Release);
        self.object.want_resume();
    }

    /// Those go on, too, unless the node is recovering once more.
    pub(super) fn resume_object_brokers(&self) {
        // Under the lock under which all are suspended.
        let brokers = self.brokers.read();
        if !self.is_recovering() {
            self.resume(&brokers, |core| core.state.class.is_object());
        }
    }

    /// Brokers of the class `local` with damage in the log wait no longer for what
    /// the object store may have of them.
    pub(super) fn resume_others(&self) {
        let brokers = self.brokers.read();
        if !self.is_recovering() {
            let waits = |core: &Core| core.suspended && !core.state.class.is_object();
            self.resume(&brokers, waits);
        }
    }

    fn resume(&self, brokers: &FxHashMap<BrokerId, Arc<Broker>>, is_next: impl Fn(&Core) -> bool) {
        for broker in brokers.values() {
            let mut core = broker.lock_any();
            if is_next(&core) {
                core.suspended = false;
                // Leases that were not durable are gone, and with them their holds.
                core.waiters.wake_all(broker.key.broker);
            }
        }
    }

    fn with_core(&self, broker: BrokerId, work: impl FnOnce(&mut Core)) {
        let broker = self.brokers.read().get(&broker).cloned();
        if let Some(broker) = broker {
            work(&mut broker.lock_any());
        }
    }

    fn hold(&self, run: HeldRun) {
        let evicted: Vec<HeldRun> = {
            let mut tails = self.tails.lock();
            tails.bytes += run.bytes;
            tails.runs.push_back(run);
            let mut evicted = Vec::new();
            while tails.bytes > tails.bytes_max {
                let Some(oldest) = tails.runs.pop_front() else {
                    break;
                };
                tails.bytes -= oldest.bytes;
                evicted.push(oldest);
            }
            let filled = self.filled();
            let unfilled = evicted.iter().filter(|run| run.lsn >= filled);
            let unfilled: Vec<_> = unfilled.map(|r| (r.lsn, r.broker, r.queue)).collect();
            self.unfilled_runs
                .fetch_add(unfilled.len() as u64, Ordering::Relaxed);
            tails.unfilled.extend(unfilled);
            evicted
        };
        let filled = self.filled();
        for run in evicted {
            self.with_core(run.broker, |core| {
                if let Some(tail) = core.tails.get_mut(&run.queue) {
                    tail.evict(run.first, filled);
                }
                core.trim_tail(run.queue);
            });
        }
    }

    pub(super) fn on_run(&self, broker: &Broker, place: LogPlace, head: &Head, run: &Bytes) {
        let Some(queue) = head.run_queue() else {
            return;
        };
        let Ok(header) = header_of(run) else { return };
        {
            let mut core = broker.lock_any();
            if core.suspended {
                return;
            }
            core.tail_mut(queue).push(TailRun {
                first: header.first_offset.0,
                count: header.count,
                place,
                bytes: Some(run.clone()),
            });
            wake(broker.key.broker, &mut core, head, run);
        }
        self.hold(HeldRun {
            lsn: place.lsn,
            broker: broker.key.broker,
            queue,
            first: header.first_offset.0,
            bytes: run.len() as u64 + RUN_OVERHEAD_BYTES,
        });
    }
}

impl CommitSink for Shared {
    /// Runs on the commit thread, in log order, before anybody is answered.
    fn committed(&self, batch: CommittedBatch) {
        let mut items = Vec::with_capacity(batch.frames.len());
        let (mut riding, mut is_urgent) = (Vec::new(), false);
        let (mut reached, mut sent) = (Lsn::ZERO, Sent::default());
        for frame in batch.frames {
            reached = frame.lsn.next();
            let Ok(entry) = Entry::decode(&frame.payload) else {
                continue;
            };
            let broker = self.brokers.read().get(&frame.header.broker).cloned();
            let Some(broker) = broker else { continue };
            let in_wal = broker.note_class(&entry.head);
            if class_of(&entry.head) == FrameClass::Send {
                let load = Load {
                    instance: broker.key.instance,
                    bytes: frame.payload.len() as u64,
                    is_object: in_wal,
                };
                sent.add(frame.lsn, load);
            }
            if in_wal {
                riding.push(WalFrame::from(&frame));
                is_urgent |= entry.head.is_awaited();
            }
            let (Some(queue), Some(run)) = (entry.head.run_queue(), entry.run) else {
                continue;
            };
            // What was carried forward is known already, to all but the hot store.
            if entry.head.new_run_queue().is_some() {
                let (place, run) = (frame.place, run.clone());
                let shown = self.object.hold(&broker, place, entry.head, run, in_wal);
                if let Some((head, run)) = shown {
                    self.on_run(&broker, place, &head, &run);
                }
            }
            items.push(FillItem {
                lsn: frame.lsn,
                broker: broker.key,
                queue,
                run,
            });
        }
        self.object.push(riding, is_urgent);
        if let Some(filler) = self.filler() {
            filler.push(items, reached);
        }
        // Now that all of it counts where it lies next.
        self.entrance.committed(self, &sent, reached);
    }

    fn published(&self, durable: Lsn) {
        self.durable.committed(durable);
    }

    /// The log takes nothing any more until it has been recovered.
    fn failed(&self, _durable: Lsn) {
        self.durable.failed();
        self.failed.notify_one();
        self.entrance.failed(self);
    }
}

impl FillObserver for Shared {
    fn filled(&self, upto: Lsn) {
        self.on_filled(upto);
    }

    fn failed(&self, error: &HotError) {
        tracing::error!(%error, "the hot store takes nothing any more; reads come from the log");
        self.hot_gone.store(true, Ordering::Release);
        self.filled_changed.notify_waiters();
        self.entrance.fills_no_more(self);
    }
}
