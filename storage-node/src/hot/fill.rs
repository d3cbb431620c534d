//! The filler: carries what the log has into the hot store, in log order, on a
//! thread of its own. It promises never to skip a record and never to hold up
//! the one who pushes: when it falls too far behind, it lets go of what is
//! pushed and reads the log again from where the store ends. Where the log is
//! and when memory is released is the business of its caller.

mod batch;
mod queue;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use firn_runtime::clock::Stopwatch;
use firn_runtime::tasks;
use parking_lot::Mutex;

pub use self::batch::{BatchBuilder, Cut, FillItem};
use self::queue::{MARKER_FRAMES, Next, Queue};
use super::metrics::HotMetrics;
use super::{HotError, HotStore, Lsn};

/// Before the log is asked again for what it does not show yet.
const BEHIND_PAUSE: Duration = Duration::from_millis(1);

/// Reads the log again for the filler.
pub trait LogSource: Send + Sync + 'static {
    /// Shows the committed runs of the frames from `from` to before `upto`, in
    /// log order, until told to stop. Whole frames: what it showed of a frame
    /// before an error does not count. Answers before which frame it has shown all
    /// there is: what was pushed at this moment need not be readable yet.
    ///
    /// # Errors
    /// When the log cannot be read to there.
    fn read(
        &self,
        from: Lsn,
        upto: Lsn,
        visit: &mut dyn FnMut(FillItem) -> ControlFlow<()>,
    ) -> io::Result<Lsn>;
}

/// Is told how the filler fares, on the filler's thread.
pub trait FillObserver: Send + Sync + 'static {
    /// Everything before this place is in the store.
    fn filled(&self, upto: Lsn);

    /// The filler has given up: what comes later is to be read from the log.
    fn failed(&self, error: &HotError);
}

/// How the filler works.
#[derive(Clone, Copy, Debug)]
pub struct FillSettings {
    /// Bytes that may wait between log and store.
    pub queue_bytes: usize,
    pub cut: Cut,
    /// How long a record waits at most for others to come with it.
    pub batch_age_max: Duration,
    /// Before a failed step is tried again; doubles each time.
    pub retry_pause: Duration,
    /// Tries after the first before the filler gives up.
    pub retries_max: u32,
}

impl Default for FillSettings {
    fn default() -> Self {
        Self {
            queue_bytes: 32 * 1024 * 1024,
            cut: Cut::default(),
            // Long enough for full chunks at a moderate rate; queries hurry it.
            batch_age_max: Duration::from_millis(500),
            retry_pause: Duration::from_millis(50),
            retries_max: 6,
        }
    }
}

/// What the filler works with.
#[derive(Clone)]
pub struct FillParts {
    pub store: Arc<dyn HotStore>,
    pub log: Arc<dyn LogSource>,
    pub observer: Arc<dyn FillObserver>,
    pub metrics: Arc<HotMetrics>,
}

/// A running filler. Dropping it stops it without closing the store.
pub struct Filler {
    queue: Arc<Queue>,
    parts: FillParts,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Filler {
    /// Starts filling. What the log has from the store's marker to `log_end` is
    /// read from the log; what comes behind is pushed.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(parts: FillParts, settings: FillSettings, log_end: Lsn) -> io::Result<Self> {
        let marker = parts.store.marker();
        let queue = Arc::new(Queue::new(settings.queue_bytes, log_end, marker < log_end));
        let worker = Worker {
            queue: queue.clone(),
            parts: parts.clone(),
            settings,
            counted_from: log_end,
            read_bytes: 0,
            builder: BatchBuilder::new(settings.cut, marker),
            last: marker,
            waiting: None,
        };
        let thread = tasks::thread("hot-fill", move || worker.run())?;
        Ok(Self {
            queue,
            parts,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands over the runs of the frames before `reached`, in log order, each
    /// frame whole and behind all that was pushed before. Never waits.
    pub fn push(&self, items: Vec<FillItem>, reached: Lsn) {
        let metrics = &self.parts.metrics;
        let bytes: usize = items.iter().map(|item| item.run.len()).sum();
        HotMetrics::add(&metrics.lag_bytes, bytes as u64);
        if self.queue.push(items, reached) {
            HotMetrics::count(&metrics.overflows);
        }
    }

    /// Has everything that was pushed put in at once, whatever its age.
    pub fn hurry(&self) {
        self.queue.hurry();
    }

    /// Puts in what is queued, then closes the store. Blocks meanwhile.
    ///
    /// # Errors
    /// When the store does not close cleanly.
    pub fn stop(&self) -> Result<(), HotError> {
        self.join();
        self.parts.store.close()
    }

    fn join(&self) {
        self.queue.stop();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that fills the hot store panicked");
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.join();
    }
}

/// Why the work ended.
enum End {
    Stopped,
    Failed(HotError),
}

impl From<HotError> for End {
    fn from(error: HotError) -> Self {
        Self::Failed(error)
    }
}

struct Worker {
    queue: Arc<Queue>,
    parts: FillParts,
    settings: FillSettings,
    /// Bytes of frames before this one are not in the lag: they were not pushed.
    counted_from: Lsn,
    /// Bytes in the batch that were added to the lag when they were read.
    read_bytes: u64,
    builder: BatchBuilder,
    /// The frame added last.
    last: Lsn,
    /// Since the first run of the batch was added.
    waiting: Option<Stopwatch>,
}

impl Worker {
    fn run(mut self) {
        let worked = catch_unwind(AssertUnwindSafe(|| self.work()));
        let error = match worked {
            Ok(Ok(()) | Err(End::Stopped)) => return,
            Ok(Err(End::Failed(error))) => error,
            Err(_) => HotError::Store("the filler panicked".to_owned()),
        };
        tracing::error!(%error, "the hot store is filled no more, records are read from the log");
        self.queue.end();
        self.parts.observer.failed(&error);
    }

    fn work(&mut self) -> Result<(), End> {
        loop {
            match self.queue.next(self.patience()) {
                Next::Part(part) => {
                    for item in part.items {
                        self.add(&item)?;
                    }
                    self.builder.reach(part.reached);
                }
                Next::Reread(upto) => self.read_again(upto)?,
                Next::Idle(reached) => self.builder.reach(reached),
                Next::Hurry(reached) => {
                    self.builder.reach(reached);
                    self.flush(true)?;
                }
                Next::Stop(reached) => {
                    self.builder.reach(reached.unwrap_or_default());
                    return self.flush(true);
                }
            }
            let is_old = self.patience().is_some_and(|left| left.is_zero());
            // What came meanwhile goes with it.
            if self.builder.is_full() || (is_old && !self.queue.has_parts()) {
                self.flush(false)?;
            } else if self.builder.is_empty() {
                self.move_marker(MARKER_FRAMES)?;
            }
        }
    }

    /// How long the batch may still wait; `None` if it is empty.
    fn patience(&self) -> Option<Duration> {
        let waiting = self.waiting.as_ref()?;
        let age_max = self.settings.batch_age_max;
        Some(age_max.saturating_sub(waiting.elapsed()))
    }

    fn add(&mut self, item: &FillItem) -> Result<(), End> {
        let metrics = &self.parts.metrics;
        if item.lsn < self.parts.store.marker() {
            HotMetrics::take(&metrics.lag_bytes, item.run.len() as u64);
            return Ok(());
        }
        if item.lsn < self.last {
            let (at, last) = (item.lsn.0, self.last.0);
            return Err(HotError::Store(format!("frame {at} came after frame {last}")).into());
        }
        if item.lsn > self.last {
            // All before this frame has come. Batches are cut between frames, so
            // that a marker never stands in the middle of one.
            self.builder.reach(item.lsn);
            if self.builder.is_full() || self.builder.goes_back(item) {
                self.flush(false)?;
            }
            self.last = item.lsn;
        }
        if item.lsn < self.counted_from {
            self.read_bytes += item.run.len() as u64;
            HotMetrics::add(&self.parts.metrics.lag_bytes, item.run.len() as u64);
        }
        self.builder
            .add(item)
            .map_err(|error| HotError::Store(format!("run in frame {}: {error}", item.lsn.0)))?;
        self.waiting.get_or_insert_with(Stopwatch::start);
        Ok(())
    }

    /// Reads the log from where the store ends, again if that fails.
    fn read_again(&mut self, upto: Lsn) -> Result<(), End> {
        self.flush(true)?;
        let mut tries = 0;
        loop {
            match self.read_once(upto)? {
                Ok(reached) if reached >= upto => {
                    self.builder.reach(upto);
                    return Ok(());
                }
                Ok(reached) => {
                    self.builder.reach(reached);
                    self.flush(true)?;
                    if self.queue.pause(BEHIND_PAUSE) {
                        return Err(End::Stopped);
                    }
                }
                Err(error) => {
                    self.forget_batch();
                    self.pause_before_retry(&mut tries, HotError::Io(error))?;
                }
            }
        }
    }

    fn read_once(&mut self, upto: Lsn) -> Result<io::Result<Lsn>, End> {
        let mut end = None;
        let from = self.parts.store.marker();
        let log = self.parts.log.clone();
        let read = log.read(from, upto, &mut |item| {
            let added = if self.queue.is_stopping() {
                Err(End::Stopped)
            } else {
                self.add(&item)
            };
            match added {
                Ok(()) => ControlFlow::Continue(()),
                Err(why) => {
                    end = Some(why);
                    ControlFlow::Break(())
                }
            }
        });
        match end {
            Some(why) => Err(why),
            None => Ok(read),
        }
    }

    /// Forgets what was read since the last batch: it may end inside a frame.
    fn forget_batch(&mut self) {
        let marker = self.parts.store.marker();
        self.builder = BatchBuilder::new(self.settings.cut, marker);
        self.last = marker;
        self.waiting = None;
        HotMetrics::take(&self.parts.metrics.lag_bytes, self.read_bytes);
        self.read_bytes = 0;
    }

    /// Puts the batch in. With `all`, an empty one moves the marker at least.
    fn flush(&mut self, all: bool) -> Result<(), End> {
        self.waiting = None;
        if self.builder.is_empty() {
            return if all { self.move_marker(1) } else { Ok(()) };
        }
        let bytes = self.builder.bytes() as u64;
        let batch = self.builder.take();
        self.put_in(&batch, bytes)?;
        self.read_bytes = 0;
        Ok(())
    }

    /// Moves the marker if it is `frames` behind what was taken.
    fn move_marker(&mut self, frames: u64) -> Result<(), End> {
        let marker = self.parts.store.marker();
        if self.builder.reached().0 >= marker.0.saturating_add(frames) {
            let batch = self.builder.take();
            self.put_in(&batch, 0)?;
        }
        Ok(())
    }

    fn put_in(&self, batch: &super::HotBatch, bytes: u64) -> Result<(), End> {
        let mut tries = 0;
        while let Err(error) = self.parts.store.fill(batch) {
            HotMetrics::count(&self.parts.metrics.retries);
            self.pause_before_retry(&mut tries, error)?;
        }
        let metrics = &self.parts.metrics;
        let lag = self.queue.reached().0.saturating_sub(batch.marker.0);
        metrics.lag_frames.store(lag, Ordering::Relaxed);
        HotMetrics::add(&metrics.filled_bytes, bytes);
        HotMetrics::take(&metrics.lag_bytes, bytes);
        // Last: whoever waits for the lag to fall looks at it when told, and perhaps
        // is never told again.
        self.parts.observer.filled(batch.marker);
        Ok(())
    }

    fn pause_before_retry(&self, tries: &mut u32, error: HotError) -> Result<(), End> {
        if *tries >= self.settings.retries_max {
            return Err(error.into());
        }
        tracing::warn!(%error, "filling the hot store failed, trying again");
        let pause = self.settings.retry_pause * 2_u32.saturating_pow(*tries);
        *tries += 1;
        if self.queue.pause(pause) {
            return Err(End::Stopped);
        }
        Ok(())
    }
}
