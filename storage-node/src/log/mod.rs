//! The node's write-ahead log.
//!
//! Owns the files that make entries durable: all brokers of a node share one
//! log, and one sync makes durable whatever arrived meanwhile. Promises that a
//! frame whose completion said `Ok` is found by every later replay, once, in
//! order, with the same bytes, or is named as damaged; that nothing else is
//! replayed than what was submitted; and that a failed sync is never believed
//! (RULES 1, 3, 5). Leaves the meaning of frames to the brokers, and the choice
//! of what may be truncated to whoever moved it elsewhere.
//!
//! On disk: `format` (headers) and `frame`. Reading: `window`, `walk`, `replay`,
//! `inspect`. Writing: `queue`, `commit`, `writer`, `spares`, `open`.

mod commit;
mod config;
mod error;
mod files;
mod format;
mod frame;
mod inspect;
mod metrics;
mod open;
mod queue;
mod replay;
mod spares;
mod walk;
mod window;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use bytes::Bytes;
use firn_runtime::tasks;
use parking_lot::Mutex;

pub use commit::{CommitSink, CommittedBatch, CommittedFrame, FrameClass};
pub use config::{
    BATCH_BYTES_DEFAULT, CrashPoint, CrashPoints, FILE_BYTES_DEFAULT, FILE_BYTES_MIN,
    FILES_AHEAD_DEFAULT, FILES_RESERVED, LogConfig, Mutant, PENDING_BYTES_DEFAULT,
};
pub use error::{CommitError, LogError, ReadAtError, SubmitError, VisitError};
pub use format::{BatchHeader, FILE_BYTES_MAX, FileHeader};
pub use frame::{FRAME_HEADER_BYTES, FrameHeader, LogPlace, Lsn};
pub use inspect::{Inspection, Row, inspect};
pub use metrics::{Histogram, LogMetrics};
pub use open::Recovery;
pub use queue::{Completion, LogState};
pub use replay::{DamagedRange, ReplayedFrame, TornTail, Visitor};

use self::commit::Core;
use self::replay::{Span, replay};
use crate::disk::Disk;

/// An open log; clones share it. The last one to go commits what waits and ends
/// the threads; [`Log::close`] also marks the end on disk.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the disk has for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceState {
    /// Whether sends are refused.
    pub full: bool,
    /// Spare files at hand.
    pub spare_files: usize,
    /// Why no more can be made, while that is so.
    pub problem: Option<String>,
}

/// What a replay of an open log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Last LSN that was looked at.
    pub end: Lsn,
    pub damage: Vec<DamagedRange>,
}

impl Log {
    /// Opens or creates a log. Frames from LSN `from` on are shown to `visit`
    /// (0 = from the first there is; older files are not read), and are durable
    /// when this returns.
    ///
    /// # Errors
    /// When the disk or the visitor fails, when the files are of another log or
    /// of a newer version, or when no header can be read. Damage is not an
    /// error: it is in the [`Recovery`].
    pub fn open(
        disk: Arc<dyn Disk>,
        config: LogConfig,
        sink: Arc<dyn CommitSink>,
        from: Lsn,
        visit: &mut Visitor<'_>,
    ) -> Result<(Self, Recovery), LogError> {
        let (core, recovery) = open::open(disk, config, sink, from, visit)?;
        let core = Arc::new(core);
        let log = Self(Arc::new(Handle {
            core: core.clone(),
            threads: Mutex::default(),
        }));
        let spares = core.spares.clone();
        let fill = tasks::thread("log-spares", move || spares.run());
        let fill = fill.map_err(LogError::io("start a thread"))?;
        log.0.threads.lock().push(fill);
        let commit = tasks::thread("log-commit", move || core.run());
        let commit = commit.map_err(LogError::io("start a thread"))?;
        log.0.threads.lock().push(commit);
        Ok((log, recovery))
    }

    /// Takes a frame whose payload is the parts one after another, and gives it
    /// the next LSN. Short: one lock, one copy. The frame is durable when
    /// [`Self::durable`] reaches its LSN; `done` is told.
    ///
    /// # Errors
    /// The frame was not taken, and `done` is dropped.
    pub fn submit(
        &self,
        header: FrameHeader,
        class: FrameClass,
        payload: &[&[u8]],
        done: Option<Completion>,
    ) -> Result<Lsn, SubmitError> {
        self.0.core.submit(header, class, payload, done)
    }

    /// The last LSN that is durable.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.0.core.durable()
    }

    /// This life's number: rises at every opening and recovery.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.0.core.incarnation.load(Ordering::Relaxed)
    }

    /// Whether frames are taken.
    #[must_use]
    pub fn state(&self) -> LogState {
        self.0.core.queue.lock().state
    }

    /// Counters since the log was opened.
    #[must_use]
    pub fn metrics(&self) -> &LogMetrics {
        &self.0.core.metrics
    }

    /// What the disk has for the log.
    #[must_use]
    pub fn space(&self) -> SpaceState {
        let core = &self.0.core;
        let room = core.scarce_room(FrameClass::Send);
        SpaceState {
            full: room.is_some_and(|room| room < format::BLOCK),
            spare_files: core.spares.ready(),
            problem: core.spares.problem(),
        }
    }

    /// Says that space may have come back; otherwise the log looks now and then.
    pub fn retry_space(&self) {
        self.0.core.spares.poke();
    }

    /// Reads one durable frame's payload, verified. Also from the file that is
    /// being written.
    ///
    /// # Errors
    /// When the frame is gone or damaged, or the disk cannot read.
    pub fn read_at(&self, place: LogPlace) -> Result<Bytes, ReadAtError> {
        self.0.core.files.read_at(place)
    }

    /// Shows the durable frames from `from` on, also while the log has failed
    /// and while it goes on writing. Nobody may truncate them meanwhile.
    ///
    /// # Errors
    /// When the disk or the visitor fails.
    pub fn replay_committed(
        &self,
        from: Lsn,
        visit: &mut Visitor<'_>,
    ) -> Result<Replayed, LogError> {
        let core = &self.0.core;
        let until = core.durable();
        if from > until || until == Lsn::ZERO {
            return Ok(Replayed {
                end: until,
                damage: Vec::new(),
            });
        }
        let span = Span {
            from,
            until: Some(until),
        };
        let files = core.files.all();
        let outcome = replay(core.files.log_id, &files, span, core.config.mutant, visit)?;
        Ok(Replayed {
            end: outcome.end,
            damage: outcome.damage,
        })
    }

    /// Goes on after a failure: in a new file, under a new incarnation, with the
    /// LSN after [`Self::durable`]. Whoever holds state made from frames that
    /// were not committed discards it first.
    ///
    /// # Errors
    /// When the log has not failed, or a new file cannot be begun; then it may
    /// be tried again.
    pub fn recover(&self) -> Result<(), LogError> {
        self.0.core.recover()
    }

    /// The files in use, oldest first: the first frame of each, if it has one,
    /// and its length.
    #[must_use]
    pub fn files(&self) -> Vec<(Option<Lsn>, u64)> {
        let files = self.0.core.files.all();
        files.iter().map(|it| (it.first_lsn, it.len)).collect()
    }

    /// Gives back the files all of whose frames are below `lsn`; never the
    /// current one. Returns how many went.
    ///
    /// # Errors
    /// When the disk fails; what is left goes another time.
    pub fn truncate_before(&self, lsn: Lsn) -> Result<usize, LogError> {
        let core = &self.0.core;
        let mut gone = 0;
        // What is not committed must stay superseded by what is kept.
        let lsn = lsn.min(core.durable().next());
        while let Some(file) = core.files.take_below(lsn) {
            core.drop_file(file)
                .map_err(LogError::io("give back a file"))?;
            gone += 1;
        }
        Ok(gone)
    }

    /// Commits what waits, marks the end of the log, ends the threads. Later
    /// calls do nothing.
    ///
    /// # Errors
    /// When the mark cannot be written; the log is closed all the same.
    pub fn close(&self) -> Result<(), LogError> {
        self.0.stop();
        self.0
            .core
            .mark_end()
            .map_err(LogError::io("mark the log's end"))
    }
}

impl Handle {
    fn stop(&self) {
        {
            let mut queue = self.core.queue.lock();
            queue.closing = true;
            queue.state = LogState::Closed;
        }
        self.core.work.notify_all();
        self.core.spares.close();
        let own = std::thread::current().id();
        for thread in self.threads.lock().drain(..) {
            // A sink or completion may hold the last handle.
            if thread.thread().id() != own && thread.join().is_err() {
                tracing::error!("a log thread panicked");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}
