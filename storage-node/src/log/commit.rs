//! The commit path: one thread writes a batch, syncs it and tells.
//!
//! While a batch is on its way to the disk the next one fills, so batching needs
//! no timer and an idle log writes nothing. A write or sync that fails is never
//! tried again: the log stops taking frames until it is recovered into a new
//! file under a higher incarnation, which supersedes whatever the failed write left.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use firn_runtime::clock::Stopwatch;
use parking_lot::{Condvar, Mutex};

use super::config::{CrashPoint, FILES_RESERVED, LogConfig, Mutant};
use super::error::{CommitError, LogError, SubmitError};
use super::files::{Files, LogFile, log_name};
use super::format::{BATCH_HEADER_BYTES, BLOCK, BatchHeader};
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, LogPlace, Lsn};
use super::metrics::{LogMetrics, add};
use super::queue::{Batch, Completion, LogState, Queue};
use super::spares::Spares;
use super::writer::{Life, Parts, Writer};

/// What the padding of the batches that wait together may take.
const PADDING_BYTES: u64 = 4 << 10;

/// What a frame is for, which decides whether the disk's last reserve is its to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameClass {
    /// A new message: refused on a full disk.
    Send,
    /// Acks, leases, timers: taken as long as there is room at all.
    Other,
}

/// A frame that became durable.
#[derive(Clone, Debug)]
pub struct CommittedFrame {
    pub lsn: Lsn,
    pub header: FrameHeader,
    /// A slice of the batch as it was written; not a copy.
    pub payload: Bytes,
    pub place: LogPlace,
}

/// Frames that became durable together, in log order.
#[derive(Clone, Debug)]
pub struct CommittedBatch {
    pub frames: Vec<CommittedFrame>,
}

/// Who takes what became durable. Called on the commit thread, in log order;
/// what takes long here delays every commit.
pub trait CommitSink: Send + Sync + 'static {
    /// These are durable. [`super::Log::durable`] does not cover them yet, and
    /// nobody has been answered.
    fn committed(&self, batch: CommittedBatch);

    /// [`super::Log::durable`] is now this; readers who wait may look. The
    /// answers go out after this returns.
    fn published(&self, durable: Lsn) {
        let _ = durable;
    }

    /// The log has failed: nothing after `durable` will be committed before
    /// [`super::Log::recover`]. Those who wait are told after this returns.
    fn failed(&self, durable: Lsn) {
        let _ = durable;
    }
}

/// What the commit path shares.
pub(super) struct Core {
    pub(super) config: LogConfig,
    pub(super) files: Arc<Files>,
    pub(super) spares: Arc<Spares>,
    pub(super) metrics: Arc<LogMetrics>,
    pub(super) sink: Arc<dyn CommitSink>,
    pub(super) queue: Mutex<Queue>,
    pub(super) work: Condvar,
    pub(super) writer: Mutex<Writer>,
    pub(super) durable: AtomicU64,
    pub(super) incarnation: AtomicU64,
    /// Bytes left in the current file.
    pub(super) room: AtomicU64,
    /// Whether what the current file holds at its end is suspect.
    pub(super) failed: AtomicBool,
}

impl Core {
    pub(super) fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    pub(super) fn submit(
        &self,
        header: FrameHeader,
        class: FrameClass,
        payload: &[&[u8]],
        done: Option<Completion>,
    ) -> Result<Lsn, SubmitError> {
        let room = self.scarce_room(class);
        let mut queue = self.queue.lock();
        let result = queue.push(header, payload, room, done);
        let wake = result.is_ok() && std::mem::take(&mut queue.parked);
        drop(queue);
        if wake {
            self.work.notify_one();
        }
        match result {
            Err(SubmitError::Overloaded) => add(&self.metrics.refused_overloaded, 1),
            Err(SubmitError::DiskFull) => add(&self.metrics.refused_disk_full, 1),
            Ok(_) | Err(_) => {}
        }
        result
    }

    /// Bytes that frames of a class may still take while no spare file can be
    /// made; `None` when that is not so.
    pub(super) fn scarce_room(&self, class: FrameClass) -> Option<u64> {
        if !self.spares.blocked() {
            return None;
        }
        let reserved = FILES_RESERVED.min(self.config.files_ahead);
        let ready = match class {
            FrameClass::Other => self.spares.ready(),
            FrameClass::Send => match self.spares.ready().checked_sub(reserved) {
                Some(beyond) => beyond,
                None => return Some(0),
            },
        } as u64;
        // Each file may end with a batch that does not fit, and each batch in
        // padding: what is taken now must not have to wait for room later.
        let waste = self.config.batch_bytes.min(self.config.capacity() / 2);
        let room = self.room.load(Ordering::Relaxed);
        let rest = ready * (self.config.capacity() - waste);
        let lost = if ready > 0 { waste } else { PADDING_BYTES };
        Some(room.saturating_sub(lost) + rest)
    }

    /// The commit thread, until the log closes and nothing waits.
    pub(super) fn run(&self) {
        let _guard = PanicGuard(self);
        while let Some(batch) = self.next_batch() {
            self.commit(batch);
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            config: &self.config,
            files: &self.files,
            metrics: &self.metrics,
        }
    }

    fn next_batch(&self) -> Option<Batch> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(batch) = queue.pop() {
                return Some(batch);
            }
            if queue.closing {
                return None;
            }
            queue.parked = true;
            self.work.wait(&mut queue);
        }
    }

    fn commit(&self, mut batch: Batch) {
        let watch = Stopwatch::start();
        let bytes = batch.buffer.len() as u64 - BATCH_HEADER_BYTES as u64;
        let early = self.config.is(Mutant::AnswerBeforeSync);
        let mut writer = self.writer.lock();
        let mut result = self.write(&mut writer, &mut batch);
        if !early && result.is_ok() {
            result = self.sync(&writer);
        }
        let (file, incarnation) = (writer.file.clone(), writer.life.incarnation);
        let at = writer.at;
        match result {
            Ok(()) => {
                writer.at += batch.extent();
                self.room.store(writer.room(), Ordering::Relaxed);
                drop(writer);
                self.metrics.batch_frames.record(batch.frames.len() as u64);
                self.metrics.batch_bytes.record(batch.extent());
                let micros = watch.elapsed().as_micros() as u64;
                self.metrics.commit_micros.record(micros);
                self.deliver(batch, file.number, incarnation, at, bytes);
            }
            Err(error) => {
                drop(writer);
                self.fail(&error, batch.done);
            }
        }
        if early {
            let _ = self.sync(&self.writer.lock());
        }
    }

    fn write(&self, writer: &mut Writer, batch: &mut Batch) -> io::Result<()> {
        if writer.at + batch.extent() > writer.file.len {
            let life = writer.life;
            let closing = || io::Error::other("the log closed while it waited for a file");
            let spare = self.spares.take().ok_or_else(closing)?;
            *writer = Writer::begin(&self.parts(), spare, batch.first_lsn, life)?;
        }
        batch.seal(BatchHeader {
            log_id: self.files.log_id,
            file: writer.file.number,
            incarnation: writer.life.incarnation,
            began: writer.life.began,
            first_lsn: batch.first_lsn,
            synced: self.durable(),
            frame_bytes: 0,
            frame_count: 0,
            terminator: false,
        });
        self.config.crash_points.reach(CrashPoint::BeforeWrite)?;
        writer.dirty = true;
        writer.file.handle.write_at(&batch.buffer, writer.at)
    }

    fn sync(&self, writer: &Writer) -> io::Result<()> {
        let points = &self.config.crash_points;
        points.reach(CrashPoint::AfterWriteBeforeSync)?;
        if !self.config.is(Mutant::SkipSync) {
            let watch = Stopwatch::start();
            let synced = writer.file.handle.sync_data();
            let micros = watch.elapsed().as_micros() as u64;
            self.metrics.sync_micros.record(micros);
            if !self.config.is(Mutant::IgnoreSyncError) {
                synced?;
            }
        }
        points.reach(CrashPoint::AfterSyncBeforeAnswer)
    }

    /// Hands a durable batch on: to the sink, to readers, to those who wait.
    fn deliver(&self, batch: Batch, file: u64, incarnation: u64, at: u64, bytes: u64) {
        let last = batch.last_lsn();
        let buffer = Bytes::from(batch.buffer);
        let frames = batch.frames.iter().enumerate().map(|(index, queued)| {
            let body = queued.start + FRAME_HEADER_BYTES;
            let lsn = Lsn(batch.first_lsn.0 + index as u64);
            CommittedFrame {
                lsn,
                header: queued.header,
                payload: buffer.slice(body..body + queued.len),
                place: LogPlace {
                    lsn,
                    file,
                    incarnation,
                    offset: (at + queued.start as u64) as u32,
                    len: queued.len as u32,
                },
            }
        });
        self.sink.committed(CommittedBatch {
            frames: frames.collect(),
        });
        self.durable.store(last.0, Ordering::Release);
        self.sink.published(last);
        let mut queue = self.queue.lock();
        queue.committed(bytes);
        let pending = queue.pending_bytes;
        drop(queue);
        self.metrics.pending_bytes.store(pending, Ordering::Relaxed);
        for (lsn, done) in batch.done {
            // Who went away meanwhile needs no answer.
            let _ = done.send(Ok(lsn));
        }
    }

    /// Stops taking frames; what was not committed has an unknown outcome.
    fn fail(&self, error: &io::Error, in_flight: Vec<(Lsn, Completion)>) {
        let durable = self.durable();
        tracing::error!(%error, %durable, "writing the log failed, it takes no more entries");
        add(&self.metrics.commit_failures, 1);
        self.failed.store(true, Ordering::Relaxed);
        self.stop(LogState::Failed, in_flight);
    }

    fn stop(&self, state: LogState, mut waiting: Vec<(Lsn, Completion)>) {
        let durable = self.durable();
        let mut queue = self.queue.lock();
        let state = if queue.closing {
            LogState::Closed
        } else {
            state
        };
        waiting.extend(queue.reset(state, durable.next()));
        drop(queue);
        self.metrics.pending_bytes.store(0, Ordering::Relaxed);
        self.sink.failed(durable);
        for (_, done) in waiting {
            let _ = done.send(Err(CommitError::OutcomeUnknown));
        }
    }

    /// Goes on after a failure, in a new file that supersedes the suspect tail.
    pub(super) fn recover(&self) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        match self.queue.lock().state {
            LogState::Failed => {}
            LogState::Running => return Err(LogError::NotFailed),
            LogState::Closed => return Err(LogError::Closed),
        }
        let next = self.durable().next();
        // Each attempt has its own number: what a failed one left never counts.
        let incarnation = self.incarnation.fetch_add(1, Ordering::Relaxed) + 1;
        let life = Life {
            incarnation,
            began: next,
        };
        let spare = self.spares.take_now();
        let begun = spare.and_then(|spare| Writer::begin(&self.parts(), spare, next, life));
        *writer = begun.map_err(LogError::io("begin a file"))?;
        self.room.store(writer.room(), Ordering::Relaxed);
        self.failed.store(false, Ordering::Relaxed);
        let mut queue = self.queue.lock();
        if queue.state == LogState::Failed {
            queue.reset(LogState::Running, next);
        }
        add(&self.metrics.recoveries, 1);
        Ok(())
    }
}

/// Giving files back, and the end.
impl Core {
    /// Recycles or removes a file that the log needs no more.
    pub(super) fn drop_file(&self, file: Arc<LogFile>) -> io::Result<()> {
        let name = log_name(file.number);
        let fits = file.len == self.config.file_bytes && self.spares.wants_recycled();
        // Somebody may be reading: then the name goes and the contents stay
        // until the reader is done.
        match Arc::try_unwrap(file) {
            Ok(file) if fits => self.spares.recycle(&name, file.handle),
            Ok(_) | Err(_) => {
                self.files.disk.remove(&self.files.path(&name))?;
                // One by one: a crash must not bring back an older file than
                // one that stays away.
                self.files.disk.sync_dir(&self.files.dir)?;
                add(&self.metrics.files_removed, 1);
                // Space freed may end a shortage.
                self.spares.poke();
                Ok(())
            }
        }
    }

    /// After the threads have ended: calls everything durable, so that a later
    /// fault in the last batch is seen as damage and not as a torn tail.
    pub(super) fn mark_end(&self) -> io::Result<()> {
        let mut writer = self.writer.lock();
        if !writer.dirty || writer.room() < BLOCK || self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let block = writer.terminator(&self.parts(), self.durable());
        writer.file.handle.write_at(&block, writer.at)?;
        writer.file.handle.sync_data()?;
        writer.at += BLOCK;
        writer.dirty = false;
        Ok(())
    }
}

/// A commit thread that panics must not leave others waiting for ever.
struct PanicGuard<'a>(&'a Core);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(LogState::Closed, Vec::new());
        }
    }
}
