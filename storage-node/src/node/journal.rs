//! The one way by which a broker changes: an entry goes into the log and, under
//! the same lock, into the state.

use firn_protocol::error::{ApiError, ErrorCode};
use tokio::sync::oneshot;

use super::StorageNode;
use crate::broker::entry::Head;
use crate::broker::owner::{Broker, Core};
use crate::log::{CommitError, FrameClass, FrameHeader, Lsn, SubmitError};
use crate::record::{RUN_HEADER_BYTES, RunHeader, encode_run};

/// Resolves when an entry is durable.
pub(super) type Committed = oneshot::Receiver<Result<Lsn, CommitError>>;

impl StorageNode {
    /// Writes an entry and applies it. The caller holds the broker's lock and
    /// awaits the receiver, if at all, after letting it go.
    pub(super) fn submit(
        &self,
        broker: &Broker,
        core: &mut Core,
        head: &Head,
        run: Option<(&RunHeader, &[u8])>,
    ) -> Result<Committed, ApiError> {
        let seq = core.state.seq + 1;
        let header = FrameHeader {
            tenant: broker.key.tenant,
            instance: broker.key.instance,
            broker: broker.key.broker,
            generation: core.generation,
            seq,
            kind: head.kind(),
        };
        // Acks and leases go on when the disk is too full for sends (RULES 5).
        let class = match head {
            Head::Append { .. } => FrameClass::Send,
            _ => FrameClass::Other,
        };
        let size = 64 + run.map_or(0, |(_, records)| RUN_HEADER_BYTES + records.len());
        let (done, committed) = oneshot::channel();
        let write = |out: &mut Vec<u8>| {
            head.encode(out);
            if let Some((header, records)) = run {
                encode_run(out, header, records);
            }
        };
        // The queue's tail must know what was visible before the run is applied.
        if let Some(queue) = head.run_queue() {
            core.tail_mut(queue);
        }
        let lsn = self
            .log
            .submit(&header, class, size, write, Some(done))
            .map_err(|error| self.submit_error(&error))?;
        if let Err(error) = core.state.apply(seq, core.generation, head, run.map(|(run, _)| run)) {
            // The entry is on its way and the state did not take it: our own
            // fault. Nothing more is built on this state.
            tracing::error!(%error, broker = %broker.key.broker, "entry does not apply");
            core.suspended = true;
            self.shared.failed.notify_one();
            return Err(ApiError::new(ErrorCode::Internal, "the broker's state is inconsistent"));
        }
        core.last_lsn = lsn;
        core.dirty = true;
        self.shared.timers.arm(broker.key.broker, core);
        Ok(committed)
    }

    /// Waits for durability; the error says that the outcome is not known.
    pub(super) async fn durable(&self, committed: Committed) -> Result<(), ApiError> {
        match committed.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ApiError::outcome_unknown(
                "the log could not be written; whether this took effect is not known",
            )),
        }
    }

    /// Waits until everything that a state was read from is durable, so that
    /// nobody is told what a failed write could still undo (RULES 1).
    pub(super) async fn settled(&self, lsn: Lsn) -> Result<(), ApiError> {
        if self.log.durable() >= lsn {
            return Ok(());
        }
        let waiter = self.shared.durable.register(lsn);
        // The commit may have come between the check and the registration.
        self.shared.durable.committed(self.log.durable());
        match waiter.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => {
                Err(ApiError::new(ErrorCode::StorageUnavailable, "the log could not be written"))
            }
        }
    }

    fn submit_error(&self, error: &SubmitError) -> ApiError {
        match error {
            SubmitError::DiskFull => {
                ApiError::new(ErrorCode::DiskFull, "the node's disk is full; sends are refused")
            }
            SubmitError::Overloaded => {
                ApiError::new(ErrorCode::Overloaded, "the node's log is behind; try again")
            }
            SubmitError::TooLarge { .. } => {
                ApiError::new(ErrorCode::RequestTooLarge, error.to_string())
            }
            SubmitError::Failed | SubmitError::Closed => {
                ApiError::new(ErrorCode::StorageUnavailable, "the node's log is not writable now")
            }
        }
    }
}
