use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64};

use parking_lot::Condvar;
use proptest::prelude::*;

use super::*;
use crate::hot::conformance::{Log, TINY, any_log, broker, message, plain_log, queue};
use crate::hot::memory::MemoryHotStore;
use crate::hot::{BrokerKey, Chunk, Hit, HotBatch};
use firn_protocol::ids::{Offset, Position, QueueKey, TopicKey};

/// A store that can be held up and made to fail.
#[derive(Default)]
struct Faulty {
    inner: MemoryHotStore,
    held: Mutex<bool>,
    freed: Condvar,
    failures: AtomicU32,
    panics: Mutex<bool>,
    markers: Mutex<Vec<Lsn>>,
}

impl Faulty {
    fn hold(&self, held: bool) {
        *self.held.lock() = held;
        self.freed.notify_all();
    }
}

impl HotStore for Faulty {
    fn marker(&self) -> Lsn {
        self.inner.marker()
    }

    fn fill(&self, batch: &HotBatch) -> Result<(), HotError> {
        let mut held = self.held.lock();
        while *held {
            self.freed.wait(&mut held);
        }
        assert!(!*self.panics.lock(), "told to panic");
        let failures = &self.failures;
        let fails = failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        });
        if fails.is_ok() {
            return Err(HotError::Store("told to fail".into()));
        }
        self.markers.lock().push(batch.marker);
        self.inner.fill(batch)
    }

    fn chunk_at(
        &self,
        broker: BrokerKey,
        queue: QueueKey,
        offset: Offset,
    ) -> Result<Option<Chunk>, HotError> {
        self.inner.chunk_at(broker, queue, offset)
    }

    fn locate(
        &self,
        broker: BrokerKey,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, HotError> {
        self.inner.locate(broker, position)
    }

    fn find(
        &self,
        broker: BrokerKey,
        topic: Option<TopicKey>,
        hash: u64,
        from: Position,
        max: usize,
    ) -> Result<Vec<Hit>, HotError> {
        self.inner.find(broker, topic, hash, from, max)
    }

    fn forget_before(&self, lsn: Lsn) -> Result<(), HotError> {
        self.inner.forget_before(lsn)
    }

    fn close(&self) -> Result<(), HotError> {
        Ok(())
    }
}

/// The log of a test, and what the filler was told and asked.
#[derive(Default)]
struct World {
    log: Log,
    reads: Mutex<Vec<(Lsn, Lsn)>>,
    read_failures: AtomicU32,
    /// So many reads do not show the last frames yet.
    behind: AtomicU32,
    filled: Mutex<Vec<Lsn>>,
    failed: Mutex<Option<String>>,
    changed: Condvar,
    metrics: OnceLock<Arc<HotMetrics>>,
    /// The lag as it was when the world was told last.
    lag_told: AtomicU64,
}

impl World {
    fn wait_filled(&self, upto: Lsn) {
        let mut filled = self.filled.lock();
        while filled.last().is_none_or(|last| *last < upto) {
            let late = self.changed.wait_for(&mut filled, GIVE_UP).timed_out();
            assert!(!late, "{upto:?} is never filled");
        }
    }

    fn wait_failed(&self) -> String {
        let mut failed = self.failed.lock();
        loop {
            match &*failed {
                Some(error) => return error.clone(),
                None => {
                    let late = self.changed.wait_for(&mut failed, GIVE_UP).timed_out();
                    assert!(!late, "no failure is told");
                }
            }
        }
    }
}

impl LogSource for World {
    fn read(
        &self,
        from: Lsn,
        upto: Lsn,
        visit: &mut dyn FnMut(FillItem) -> ControlFlow<()>,
    ) -> io::Result<Lsn> {
        self.reads.lock().push((from, upto));
        let behind = &self.behind;
        let is_behind = behind.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        });
        let shown = match is_behind {
            Ok(left) => Lsn(upto.0.saturating_sub(left.into()).max(from.0)),
            Err(_) => upto,
        };
        let items = self.log.frames[from.0 as usize..shown.0 as usize]
            .iter()
            .flatten();
        for (nth, item) in items.enumerate() {
            let fails = nth == 5
                && self
                    .read_failures
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok();
            if fails {
                return Err(io::Error::other("told to fail"));
            }
            if visit(item.clone()).is_break() {
                break;
            }
        }
        Ok(shown)
    }
}

impl FillObserver for World {
    fn filled(&self, upto: Lsn) {
        self.filled.lock().push(upto);
        if let Some(metrics) = self.metrics.get() {
            let lag = metrics.lag_bytes.load(Ordering::Relaxed);
            self.lag_told.store(lag, Ordering::Relaxed);
        }
        self.changed.notify_all();
    }

    fn failed(&self, error: &HotError) {
        *self.failed.lock() = Some(error.to_string());
        self.changed.notify_all();
    }
}

/// Long enough for any machine: only a test that fails waits for it.
const GIVE_UP: Duration = Duration::from_secs(20);

const QUICK: FillSettings = FillSettings {
    queue_bytes: 8000,
    cut: TINY,
    batch_age_max: Duration::from_millis(1),
    retry_pause: Duration::from_millis(1),
    retries_max: 3,
};

struct Setting {
    world: Arc<World>,
    store: Arc<Faulty>,
    metrics: Arc<HotMetrics>,
    filler: Filler,
}

fn start(log: &Log, log_end: usize, prepare: impl FnOnce(&Faulty, &World)) -> Setting {
    let world = Arc::new(World {
        log: log.clone(),
        ..World::default()
    });
    let store = Arc::new(Faulty::default());
    prepare(&store, &world);
    let metrics = Arc::new(HotMetrics::default());
    let _ = world.metrics.set(metrics.clone());
    let parts = FillParts {
        store: store.clone(),
        log: world.clone(),
        observer: world.clone(),
        metrics: metrics.clone(),
    };
    let filler = Filler::start(parts, QUICK, Lsn(log_end as u64)).expect("a thread");
    Setting {
        world,
        store,
        metrics,
        filler,
    }
}

impl Setting {
    fn push(&self, frames: std::ops::Range<usize>) {
        for frame in frames {
            let items = self.world.log.frames[frame].clone();
            self.filler.push(items, Lsn(frame as u64 + 1));
        }
    }

    fn check(&self) {
        self.world.log.check(&*self.store);
        let markers = self.store.markers.lock();
        assert!(markers.is_sorted(), "{markers:?}");
        let lag = |gauge: &std::sync::atomic::AtomicU64| gauge.load(Ordering::Relaxed);
        assert_eq!(
            (lag(&self.metrics.lag_bytes), lag(&self.metrics.lag_frames)),
            (0, 0)
        );
    }
}

#[test]
fn what_is_pushed_is_filled_soon() {
    let log = plain_log(25, 100);
    let it = start(&log, 0, |_, _| {});
    it.push(0..25);
    it.world.wait_filled(log.end());
    it.filler.stop().expect("closes");
    it.check();
    assert_eq!(*it.world.reads.lock(), []);
    // Whoever waits for the lag to fall is not told again.
    assert_eq!(it.world.lag_told.load(Ordering::Relaxed), 0);
}

#[test]
fn a_start_reads_the_log_behind_the_marker() {
    let log = plain_log(50, 100);
    let it = start(&log, 30, |store, _| {
        log.fill(&store.inner, 0, 10, TINY);
    });
    it.push(30..50);
    it.world.wait_filled(log.end());
    it.filler.stop().expect("closes");
    it.check();
    // Once more if the pushes came before the thread.
    assert_eq!(it.world.reads.lock()[0].0, Lsn(10));
}

#[test]
fn a_full_queue_is_read_from_the_log_instead() {
    let log = plain_log(300, 100);
    let it = start(&log, 0, |store, _| store.hold(true));
    // Far more than fits; nobody waits for the store, which stands still.
    it.push(0..290);
    assert_eq!(it.metrics.overflows.load(Ordering::Relaxed), 1);
    it.store.hold(false);
    it.world.wait_filled(Lsn(290));
    it.push(290..300);
    it.world.wait_filled(log.end());
    it.filler.stop().expect("closes");
    it.check();
    assert_eq!(it.world.reads.lock().len(), 1);
}

#[test]
fn a_stop_before_the_log_was_read_leaves_the_marker_behind() {
    let log = plain_log(300, 100);
    let it = start(&log, 0, |store, _| store.hold(true));
    it.push(0..300);
    it.filler.queue.stop();
    it.store.hold(false);
    it.filler.stop().expect("closes");
    let marker = it.store.marker();
    assert!(marker > Lsn(0) && marker < log.end(), "{marker:?}");
    log.fill(&it.store.inner, marker.0 as usize, 300, TINY);
    log.check(&it.store.inner);
}

/// A commit is pushed a moment before the log shows it: that must leave no hole.
#[test]
fn a_log_that_does_not_show_all_yet_is_asked_again() {
    let log = plain_log(60, 100);
    let it = start(&log, 50, |_, world| {
        world.behind.store(7, Ordering::Relaxed);
    });
    it.world.wait_filled(Lsn(50));
    it.push(50..60);
    it.world.wait_filled(Lsn(60));
    it.filler.stop().expect("closes");
    it.check();
    let reads = it.world.reads.lock();
    // Each goes on where the store ends.
    assert_eq!(reads[..2], [(Lsn(0), Lsn(50)), (Lsn(43), Lsn(50))]);
    assert_eq!(reads.len(), 8);
}

#[test]
fn a_stop_while_the_log_does_not_show_all_leaves_the_marker_behind() {
    let log = plain_log(60, 100);
    let it = start(&log, 60, |_, world| {
        world.behind.store(u32::MAX, Ordering::Relaxed);
    });
    // Nothing is shown, and asked for until the stop.
    it.filler.stop().expect("closes");
    assert_eq!(it.store.marker(), Lsn(0));
}

#[test]
fn failures_that_pass_cost_nothing() {
    let log = plain_log(80, 100);
    let it = start(&log, 60, |store, world| {
        store.failures.store(3, Ordering::Relaxed);
        world.read_failures.store(2, Ordering::Relaxed);
    });
    it.world.wait_filled(Lsn(60));
    it.push(60..80);
    it.world.wait_filled(Lsn(80));
    it.filler.stop().expect("closes");
    it.check();
    assert_eq!(it.metrics.retries.load(Ordering::Relaxed), 3);
    assert_eq!(it.world.reads.lock().len(), 3);
}

#[test]
fn failures_that_stay_end_the_filling_and_are_told() {
    let log = plain_log(100, 100);
    let it = start(&log, 0, |store, _| {
        store.failures.store(u32::MAX, Ordering::Relaxed)
    });
    it.push(0..100);
    assert!(it.world.wait_failed().contains("told to fail"));
    it.push(0..0);
    it.filler.push(log.frames[0].clone(), log.end());
    it.filler.stop().expect("closes");
    assert_eq!(it.store.marker(), Lsn(0));
    assert_eq!(*it.world.filled.lock(), []);
}

#[test]
fn a_log_that_cannot_be_read_is_told() {
    let log = plain_log(100, 100);
    let it = start(&log, 100, |_, world| {
        world.read_failures.store(u32::MAX, Ordering::Relaxed)
    });
    it.world.wait_failed();
    assert_eq!(it.world.reads.lock().len(), 4);
}

#[test]
fn a_panic_while_filling_is_told() {
    let log = plain_log(10, 100);
    let it = start(&log, 0, |store, _| *store.panics.lock() = true);
    it.push(0..10);
    assert!(it.world.wait_failed().contains("panicked"));
    it.filler.stop().expect("closes");
}

#[test]
fn a_run_that_is_none_is_never_skipped() {
    let mut log = plain_log(10, 100);
    let run = log.frames[5][0].run.slice(..60);
    log.frames[5][0].run = run;
    let it = start(&log, 0, |_, _| {});
    it.push(0..10);
    assert!(it.world.wait_failed().contains("run in frame 5"));
    it.filler.stop().expect("closes");
    assert!(it.store.marker() <= Lsn(5));
}

#[test]
fn frames_without_records_move_the_marker_when_they_add_up() {
    let mut log = plain_log(1, 10);
    for _ in 0..2 * MARKER_FRAMES {
        log.push(&[]);
    }
    let it = start(&log, 0, |_, _| {});
    it.push(0..log.frames.len());
    it.world.wait_filled(Lsn(MARKER_FRAMES));
    it.filler.stop().expect("closes");
    it.check();
    assert_eq!(it.store.marker(), log.end());
    assert!(it.store.markers.lock().len() <= 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Random pushes, a store that stands still now and then, stops and starts.
    #[test]
    fn nothing_is_skipped(log in any_log(1..60), hold: u64, sizes in proptest::collection::vec(1_usize..9, 1..60), known in 0_usize..60) {
        let known = known.min(log.frames.len());
        let it = start(&log, known, |_, _| {});
        let mut at = known;
        for (nth, size) in sizes.iter().enumerate() {
            it.store.hold(hold >> (nth % 64) & 1 == 1);
            let upto = log.frames.len().min(at + size);
            let items = log.frames[at..upto].concat();
            it.filler.push(items, Lsn(upto as u64));
            at = upto;
        }
        it.store.hold(false);
        let rest = log.frames[at..].concat();
        it.filler.push(rest, log.end());
        it.filler.stop().expect("closes");
        let marker = it.store.marker();
        prop_assert!(it.store.markers.lock().is_sorted());
        // A stop may come before the log was read again.
        log.fill(&it.store.inner, marker.0 as usize, log.frames.len(), TINY);
        log.check(&*it.store);
    }

    /// Whatever the runs, chunks keep their bounds.
    #[test]
    fn chunks_are_cut_within_bounds(log in any_log(1..40)) {
        let mut builder = BatchBuilder::new(TINY, Lsn(0));
        for item in log.frames.iter().flatten() {
            builder.add(item).expect("a run");
        }
        for new in builder.take().chunks {
            let len = new.chunk.runs.len();
            prop_assert!(len <= TINY.chunk_bytes_max || new.chunk.count == 1, "{len}");
        }
        prop_assert!(builder.is_empty());
        prop_assert!(builder.take().chunks.is_empty());
    }
}

#[test]
fn positions_of_one_queue_in_a_row_are_one_run() {
    let mut log = Log::default();
    log.push(&[
        (0, 0, vec![message(&[], 1); 3]),
        (0, 0, vec![message(&[], 1)]),
    ]);
    log.push(&[(0, 1, vec![message(&[], 1)]), (0, 0, vec![message(&[], 1)])]);
    let mut builder = BatchBuilder::new(Cut::default(), Lsn(0));
    log.frames
        .iter()
        .flatten()
        .for_each(|item| builder.add(item).expect("a run"));
    let batch = builder.take();
    let runs: Vec<_> = batch.positions[0]
        .1
        .iter()
        .map(|run| (run.first.0, run.count, run.queue, run.offset.0))
        .collect();
    assert_eq!(batch.positions[0].0, broker(0));
    assert_eq!(
        runs,
        [
            (11, 4, queue(0), 3),
            (15, 1, queue(1), 3),
            (16, 1, queue(0), 7)
        ]
    );
    assert_eq!(batch.chunks.len(), 2);
}
