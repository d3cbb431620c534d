//! The durability class `object`: what brokers of that class write rides in WAL
//! objects, too, and counts only once it is there (DESIGN 4, RULES 8).
//!
//! The commit path hands frames on (`push`) and holds back their records until
//! the object store has them (`hold`, `publish`): nobody sees before what a lost
//! disk could undo. What a life of the node left only in its log is put into the
//! WAL of the next life before its brokers are served (`start`), and what damage
//! took from the log is put back (`mend`). What manifests cover is forgotten (`clear`). A broker changes its class by an entry (`change`).
//! The objects themselves are [`crate::cold::wal`]'s.

mod change;
mod clear;
mod mend;
mod start;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_runtime::Clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::StorageNode;
use super::durable::DurableWaiters;
use super::shared::Shared;
use crate::broker::entry::Head;
use crate::broker::owner::Broker;
use crate::cold::wal::{FRAME_BYTES_MAX, WalError, WalFrame, WalWriter};
use crate::config::TierMutant;
use crate::log::{FrameClass, LogPlace, Lsn};

pub(in crate::node) use clear::OldWal;
pub(in crate::node) use mend::FoundLog;

/// How long an answer waits for the object store.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Entries that are not sends are refused when so many times the bytes that
/// refuse sends are pending.
const OTHERS_SHARE: u64 = 4;
/// A piece is this part of what may be pending of sends: eight of them are half of
/// what may be pending of the rest.
const PIECE_PART: u64 = 4;

/// What the commit path and the operations share of the class.
#[derive(Default)]
pub(in crate::node) struct ObjectClass {
    writer: OnceLock<WalWriter>,
    /// Committed runs that are not shown yet, in log order.
    held: Mutex<VecDeque<HeldRun>>,
    /// The last frame that was handed on.
    pushed: AtomicU64,
    /// Everything handed on up to here is in the object store, and shown.
    published: AtomicU64,
    waiters: DurableWaiters,
    /// What an earlier life left is taken care of.
    ready: watch::Sender<bool>,
    /// Brokers wait to be served again.
    resume: Notify,
    /// What the log was like at the start.
    found: OnceLock<FoundLog>,
    /// WALs of earlier lives that are not gone yet.
    old: Mutex<Vec<OldWal>>,
    /// A deliberate fault: see [`TierMutant::ShowBeforePut`].
    shows_early: AtomicBool,
}

/// A committed run that is to be shown later.
struct HeldRun {
    broker: Arc<Broker>,
    place: LogPlace,
    head: Head,
    run: Bytes,
    /// `false`: it only waits for those before it.
    in_wal: bool,
}

impl ObjectClass {
    pub(in crate::node) fn set_writer(&self, writer: WalWriter, mutant: Option<TierMutant>) {
        let shows_early = mutant == Some(TierMutant::ShowBeforePut);
        self.shows_early.store(shows_early, Ordering::Relaxed);
        let _ = self.writer.set(writer);
    }

    pub(in crate::node) fn set_found(&self, found: FoundLog) {
        let _ = self.found.set(found);
    }

    fn writer(&self) -> Result<&WalWriter, ApiError> {
        self.writer.get().ok_or_else(not_ready)
    }

    /// Bytes that are not in the object store yet.
    pub(in crate::node) fn pending_bytes(&self) -> u64 {
        self.writer.get().map_or(0, WalWriter::pending_bytes)
    }

    /// Whether brokers of the class may be served.
    pub(in crate::node) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Whether a broker of the class may take an entry now.
    ///
    /// # Errors
    /// `OVERLOADED` while the object store is behind, `STORAGE_UNAVAILABLE` once
    /// the WAL takes nothing more, `REQUEST_TOO_LARGE` for what no object can hold.
    pub(in crate::node) fn admit(&self, class: FrameClass, bytes: usize) -> Result<(), ApiError> {
        let writer = self.writer()?;
        if let Some(error) = writer.ended() {
            return Err(unwritable(&error));
        }
        if bytes > FRAME_BYTES_MAX {
            let text = format!("an entry of {bytes} bytes is too large for a WAL object");
            return Err(ApiError::new(ErrorCode::RequestTooLarge, text));
        }
        let share = match class {
            FrameClass::Send => 1,
            // They keep the service going, and are small.
            FrameClass::Other => OTHERS_SHARE,
        };
        let bytes_max = writer.pending_bytes_max().saturating_mul(share);
        if writer.pending_bytes() >= bytes_max {
            return Err(ApiError::new(
                ErrorCode::Overloaded,
                "the object store is behind; try again",
            ));
        }
        Ok(())
    }

    /// Bytes that a broker may write at a time, before it waits for them: so many
    /// brokers can do it at once as are restored at once, and none is refused.
    pub(in crate::node) fn piece_bytes(&self) -> usize {
        let all = self.writer().map_or(u64::MAX, WalWriter::pending_bytes_max);
        usize::try_from(all / PIECE_PART).unwrap_or(usize::MAX)
    }

    /// Takes a committed run if it may not be shown yet; gives it back if it may.
    pub(in crate::node) fn hold(
        &self,
        broker: &Arc<Broker>,
        place: LogPlace,
        head: Head,
        run: Bytes,
        in_wal: bool,
    ) -> Option<(Head, Bytes)> {
        let shows_early = self.shows_early.load(Ordering::Relaxed);
        let is_free = || shows_early || !in_wal && broker.held_runs.load(Ordering::Acquire) == 0;
        if is_free() {
            return Some((head, run));
        }
        let mut held = self.held.lock();
        // Those that it would have waited for may have been shown meanwhile.
        if is_free() {
            return Some((head, run));
        }
        broker.held_runs.fetch_add(1, Ordering::AcqRel);
        held.push_back(HeldRun {
            broker: broker.clone(),
            place,
            head,
            run,
            in_wal,
        });
        None
    }

    /// Hands committed frames on; their runs are held already.
    pub(in crate::node) fn push(&self, frames: Vec<WalFrame>, urgent: bool) {
        let (Some(last), Some(writer)) = (frames.last(), self.writer.get()) else {
            return;
        };
        self.pushed.store(last.lsn.0, Ordering::Release);
        writer.push(frames, urgent);
    }

    fn pushed(&self) -> Lsn {
        Lsn(self.pushed.load(Ordering::Acquire))
    }

    fn published(&self) -> Lsn {
        Lsn(self.published.load(Ordering::Acquire))
    }

    /// Shows what has come into the object store, and tells those who wait.
    fn publish(&self, shared: &Shared, durable: Lsn) {
        loop {
            let next = self
                .held
                .lock()
                .pop_front_if(|run| run.place.lsn <= durable || !run.in_wal);
            let Some(run) = next else { break };
            shared.on_run(&run.broker, run.place, &run.head, &run.run);
            let _held = self.held.lock();
            run.broker.held_runs.fetch_sub(1, Ordering::AcqRel);
        }
        self.published.fetch_max(durable.0, Ordering::AcqRel);
        self.waiters.committed(durable);
    }

    /// Nothing more comes into the object store in this life.
    fn end(&self) {
        self.waiters.failed();
    }

    /// Waits until a committed frame of the class is in the object store.
    ///
    /// # Errors
    /// When it does not get there in time, or never will. Whether it counts is
    /// not known then.
    pub(in crate::node) async fn settled(&self, lsn: Lsn, clock: &Clock) -> Result<(), ApiError> {
        if self.published() >= lsn {
            return Ok(());
        }
        let writer = self.writer()?;
        let waiter = self.waiters.register(lsn);
        // The answer, or the end, may have come before the registration.
        if self.published() >= lsn {
            return Ok(());
        }
        if let Some(error) = writer.ended() {
            return Err(unwritable(&error));
        }
        writer.hurry();
        let told = tokio::select! {
            told = waiter => told.unwrap_or(false),
            () = clock.sleep(WAIT_MAX) => false,
        };
        match (told, writer.ended()) {
            (true, _) => Ok(()),
            (false, Some(error)) => Err(unwritable(&error)),
            (false, None) => Err(ApiError::new(
                ErrorCode::StorageUnavailable,
                "the object store does not answer",
            )),
        }
    }
}

fn not_ready() -> ApiError {
    ApiError::new(
        ErrorCode::StorageUnavailable,
        "the storage node is not ready for the durability class 'object' yet",
    )
}

fn unwritable(error: &WalError) -> ApiError {
    ApiError::new(
        error.code(),
        "the WAL in the object store takes nothing more",
    )
}
