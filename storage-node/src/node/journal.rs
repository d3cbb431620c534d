//! The one way by which a broker changes: an entry goes into the log and, under
//! the same lock, into the state.

use firn_protocol::error::{ApiError, ErrorCode};

use super::StorageNode;
use super::entrance::Load;
use crate::broker::entry::Head;
use crate::broker::owner::{Broker, Core, Mark};
use crate::broker::usage::Metered;
use crate::config::TierMutant;
use crate::log::{Completion, FrameClass, FrameHeader, LogState, Lsn, SubmitError};
use crate::record::{RunHeader, encode_run_header};

impl StorageNode {
    /// Writes an entry and applies it; the caller holds the broker's lock. The
    /// entry is durable when the log has come to the place returned, which `done`
    /// is told, and which [`Self::settled`] waits for.
    pub(super) fn submit(
        &self,
        broker: &Broker,
        core: &mut Core,
        head: &Head,
        run: Option<(&RunHeader, &[u8])>,
        done: Option<Completion>,
    ) -> Result<Mark, ApiError> {
        self.submit_metered(broker, core, head, None, run, done)
    }

    /// The same for an entry that counts for the bill.
    pub(super) fn submit_metered(
        &self,
        broker: &Broker,
        core: &mut Core,
        head: &Head,
        metered: Option<&Metered>,
        run: Option<(&RunHeader, &[u8])>,
        done: Option<Completion>,
    ) -> Result<Mark, ApiError> {
        let seq = core.state.seq + 1;
        let header = FrameHeader {
            tenant: broker.key.tenant,
            instance: broker.key.instance,
            broker: broker.key.broker,
            generation: core.generation,
            seq,
            kind: head.kind(),
        };
        let mut start = Vec::with_capacity(64);
        head.encode(metered, &mut start);
        let run_start = run.map(|(header, _)| encode_run_header(header));
        let records = run.map_or(&[][..], |(_, records)| records);
        let parts = [
            &start[..],
            run_start.as_ref().map_or(&[][..], |bytes| &bytes[..]),
            records,
        ];
        let load = (class_of(head) == FrameClass::Send).then(|| Load {
            instance: broker.key.instance,
            bytes: parts.iter().map(|part| part.len() as u64).sum(),
            is_object: core.state.class.is_object(),
        });
        let entrance = &self.shared.entrance;
        // First, because it may be committed as soon as the log has it.
        load.into_iter().for_each(|load| entrance.submits(load));
        let lsn = self.hand_on(core, head, header, &parts, done);
        let lsn = lsn.inspect_err(|_| {
            let gone = load.into_iter();
            gone.for_each(|load| entrance.not_submitted(&self.shared, load));
        })?;
        core.last_lsn = lsn;
        if core.state.seq == 0 {
            core.first_lsn = lsn;
        }
        if let Err(error) =
            core.state
                .apply(seq, core.generation, head, metered, run.map(|(run, _)| run))
        {
            // The entry is on its way and the state did not take it: our own
            // fault. Nothing more is built on this state.
            tracing::error!(%error, broker = %broker.key.broker, "entry does not apply");
            core.suspended = true;
            self.shared.failed.notify_one();
            return Err(ApiError::new(
                ErrorCode::Internal,
                "the broker's state is inconsistent",
            ));
        }
        if run.is_some() {
            core.last_run_lsn = lsn;
        }
        core.dirty = true;
        self.shared
            .tiering
            .note(run.map_or(0, |(run, _)| run.run_bytes()));
        self.shared.timers.arm(broker.key.broker, core);
        Ok(core.mark())
    }

    /// Gives an entry to the log, if the WAL will have room for it.
    fn hand_on(
        &self,
        core: &mut Core,
        head: &Head,
        header: FrameHeader,
        parts: &[&[u8]],
        done: Option<Completion>,
    ) -> Result<Lsn, ApiError> {
        let class = class_of(head);
        if core.state.class.is_object() {
            let bytes = parts.iter().map(|part| part.len()).sum();
            self.shared.object.admit(class, bytes)?;
        }
        // The queue's tail must know what was visible before the run is applied.
        if let Some(queue) = head.new_run_queue() {
            core.tail_mut(queue);
        }
        let submitted = self.log.submit(header, class, parts, done);
        submitted.map_err(submit_error)
    }

    /// Waits until everything that a state was read from is durable by the
    /// broker's class, so that nobody is told what a failed write or a lost disk
    /// could still undo (RULES 1).
    pub(super) async fn settled(&self, mark: Mark) -> Result<(), ApiError> {
        self.settled_here(mark).await?;
        let answers_early = self.config.tier.mutant == Some(TierMutant::AnswerBeforePut);
        match mark.is_object && !answers_early {
            true => self.shared.object.settled(mark.lsn, &self.clock).await,
            false => Ok(()),
        }
    }

    /// Waits until it is durable in the node's own log.
    pub(super) async fn settled_here(&self, mark: Mark) -> Result<(), ApiError> {
        if self.is_settled(mark)? {
            return Ok(());
        }
        let waiter = self.shared.durable.register(mark.lsn);
        // The commit, or the failure, may have come before the registration.
        if self.is_settled(mark)? {
            return Ok(());
        }
        match waiter.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(not_written()),
        }
    }

    /// Whether a place is durable; an error if it never will be. Once the log
    /// has been recovered, its number belongs to another entry.
    fn is_settled(&self, mark: Mark) -> Result<bool, ApiError> {
        if mark.lsn == Lsn::ZERO {
            return Ok(true);
        }
        // The generation is read last: if it is still the same, so it was for
        // what was read before.
        let durable = self.log.durable() >= mark.lsn;
        let is_lost = !durable && self.log.state() != LogState::Running;
        if is_lost || self.generation() != mark.generation {
            return Err(not_written());
        }
        Ok(durable)
    }

    /// Waits until a change is durable; the error says that the outcome is not known.
    pub(super) async fn outcome(&self, mark: Mark) -> Result<(), ApiError> {
        self.settled(mark).await.map_err(|_| outcome_unknown())
    }
}

fn not_written() -> ApiError {
    ApiError::new(
        ErrorCode::StorageUnavailable,
        "the log could not be written",
    )
}

/// What a caller is told whose entry may or may not survive.
pub(super) fn outcome_unknown() -> ApiError {
    ApiError::outcome_unknown("the log could not be written; whether this took effect is not known")
}

fn submit_error(error: SubmitError) -> ApiError {
    match error {
        SubmitError::DiskFull => ApiError::new(
            ErrorCode::DiskFull,
            "the node's disk is full; sends are refused",
        ),
        SubmitError::Overloaded => {
            ApiError::new(ErrorCode::Overloaded, "the node's log is behind; try again")
        }
        SubmitError::TooLarge { .. } => {
            ApiError::new(ErrorCode::RequestTooLarge, error.to_string())
        }
        SubmitError::Failed | SubmitError::Closed => ApiError::new(
            ErrorCode::StorageUnavailable,
            "the node's log is not writable now",
        ),
    }
}

/// Acks and leases go on when the disk is too full for sends (RULES 5).
pub(super) fn class_of(head: &Head) -> FrameClass {
    match head {
        Head::Append { .. } | Head::Unique(_) => FrameClass::Send,
        // What stores a message is a send, also when it was stored before.
        Head::Held(held) if held.run_queue().is_some() => FrameClass::Send,
        Head::Subscribe(_)
        | Head::Unsubscribe { .. }
        | Head::Receive(_)
        | Head::Ack { .. }
        | Head::Renew { .. }
        | Head::GiveBack { .. }
        | Head::Transfer(_)
        | Head::Seek { .. }
        | Head::DropTopic { .. }
        | Head::DropGroup { .. }
        | Head::Carry(_)
        | Head::Again { .. }
        | Head::Class(_)
        | Head::Trim(_)
        | Head::Held(_)
        | Head::InPlace(_)
        | Head::Shape { .. }
        | Head::Usage(_)
        | Head::Erase => FrameClass::Other,
    }
}
