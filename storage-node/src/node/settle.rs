//! What happens by itself: leases that pass and waiting copies that become due.
//! Bodies are read outside the lock; each decision is made again under it.

use std::sync::Arc;

use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{BrokerId, GroupId, Offset, Position, QueueKey, TopicKey};
use firn_protocol::limits::retry_pause_ms;
use firn_protocol::message::{Message, Origin};
use firn_runtime::Stop;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::StorageNode;
use crate::broker::entry::{Copy, Head, Transfer, TransferReason};
use crate::broker::owner::{Broker, Core, Mark};
use crate::broker::state::{Due, dead_letter_queue, retry_queue};
use crate::config::Mutant;
use crate::consume::group::{GroupState, WAITING_QUEUE};
use crate::consume::progress::Standing;
use crate::record::{EncodedRecords, RunHeader};

/// Events of one broker handled in one turn.
const BATCH: usize = 256;
/// Brokers whose events are handled at the same time.
const BROKERS_AT_WORK: usize = 32;
/// Pause before what could not be read is tried again.
pub(super) const RETRY_MS: u64 = 1000;

impl StorageNode {
    /// Handles what of a broker is due, the oldest [`BATCH`] of it: whoever calls
    /// must not wait for a mass of leases that pass together, and the timers go on
    /// with the rest.
    pub(super) async fn settle(&self, broker: &Arc<Broker>) -> Result<(), ApiError> {
        let now = self.now();
        let due: Vec<Due> = {
            let core = broker.lock()?;
            let due = core.state.due.iter().take_while(|due| due.at <= now);
            due.take(BATCH).copied().collect()
        };
        for due in due {
            self.settle_one(broker, due).await?;
        }
        Ok(())
    }

    /// The same on the way of a receive, which has others to serve: what cannot be
    /// handled now, because its body lies in an object store that is away, is left to
    /// the timers.
    pub(super) async fn settle_at_hand(&self, broker: &Arc<Broker>) {
        if self.now() < broker.lock_any().settle_after {
            return;
        }
        if let Err(error) = self.settle(broker).await {
            tracing::debug!(%error, broker = %broker.key.broker, "what is due is left to the timers");
            broker.lock_any().settle_after = self.now().plus_ms(RETRY_MS);
        }
    }

    /// Runs until told to stop, waking when the next event of any broker is due.
    /// Brokers are handled side by side, so that none waits for another's mass.
    pub(super) async fn run_timers(self: Arc<Self>, stop: Stop) {
        let mut at_work = FuturesUnordered::new();
        while !stop.is_cancelled() {
            let room = BROKERS_AT_WORK - at_work.len();
            for id in self.shared.timers.take_due(self.now(), room) {
                at_work.push(self.settle_in_background(id));
            }
            let next = self.shared.timers.next();
            let is_full = at_work.len() == BROKERS_AT_WORK;
            let sleep = async {
                match next.filter(|_| !is_full) {
                    Some(at) => self.clock.sleep_until_ms(at.0).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.shared.timers.earlier() => {}
                () = sleep => {}
                Some(()) = at_work.next() => {}
            }
        }
    }

    /// Handles what is due of every broker, the oldest of each: a step of the timers
    /// for tests that run none.
    #[doc(hidden)]
    pub async fn timer_step(&self) {
        for broker in self.shared.all() {
            self.settle_in_background(broker.key.broker).await;
        }
    }

    /// Whether something is due that the timers have not handled yet; for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn has_due(&self) -> bool {
        let (now, brokers) = (self.now(), self.shared.all());
        let due = |broker: &Arc<Broker>| broker.lock_any().next_due();
        brokers.iter().filter_map(due).any(|at| at <= now)
    }

    async fn settle_in_background(&self, id: BrokerId) {
        let Some(broker) = self.shared.brokers.read().get(&id).cloned() else {
            return;
        };
        let mut outcome = self.settle(&broker).await;
        if outcome.is_ok() {
            outcome = self.fire_due(&broker).await;
        }
        let mut core = broker.lock_any();
        self.shared.timers.disarm(id, &mut core);
        match outcome {
            Ok(()) => self.shared.timers.arm(id, &mut core),
            Err(error) => {
                tracing::warn!(%error, broker = %id, "cannot redeliver now, trying again");
                let at = self.now().plus_ms(RETRY_MS);
                self.shared.timers.arm_at(id, &mut core, at);
            }
        }
    }

    async fn settle_one(&self, broker: &Arc<Broker>, due: Due) -> Result<(), ApiError> {
        // A copy that became due before it was durable is not lost.
        let unsettled = {
            let core = broker.lock()?;
            (core.visible_end(due.queue) <= due.offset).then_some(core.mark())
        };
        if let Some(mark) = unsettled {
            self.settled(mark).await?;
        }
        let (group, queue, offset) = (due.group, due.queue, due.offset);
        let behind = self.handed_out_behind(broker, group, queue, offset).await?;
        if self.settle_where_it_is(broker, due, &behind)? {
            return Ok(());
        }
        let message = self.read_one(broker, due.queue, due.offset).await?;
        let mut core = broker.lock()?;
        // Acked, renewed or settled by somebody else while the body was read.
        if !core.state.due.contains(&due) {
            return Ok(());
        }
        let Some(message) = message else {
            return self.give_up(broker, &mut core, due);
        };
        if due.queue == WAITING_QUEUE && self.config.mutant == Some(Mutant::SkipRetry) {
            return self.give_up(broker, &mut core, due);
        }
        if due.queue == WAITING_QUEUE {
            let Some(waiting) = core
                .state
                .groups
                .get(&due.group)
                .and_then(|g| g.retry.waiting.get(&due.offset))
            else {
                return Ok(());
            };
            let copy = waiting.copy;
            let to = retry_queue(due.group);
            let reason = TransferReason::Due;
            self.transfer(
                broker,
                &mut core,
                Step {
                    due,
                    reason,
                    to,
                    copy,
                },
                &message,
            )?;
            return Ok(());
        }
        self.metrics.leases_expired.inc();
        let (to, copy) = next_place(&core, due, &message);
        let reason = if to == dead_letters(&core, due.group) {
            TransferReason::Exhausted
        } else {
            TransferReason::Expired
        };
        self.transfer(
            broker,
            &mut core,
            Step {
                due,
                reason,
                to,
                copy,
            },
            &message,
        )?;
        self.give_back_run(broker, &mut core, due, &behind)?;
        Ok(())
    }

    /// What is due of a group whose records stay where they are; false if it is
    /// none, or the record goes to the dead letters.
    fn settle_where_it_is(
        &self,
        broker: &Broker,
        due: Due,
        behind: &[u64],
    ) -> Result<bool, ApiError> {
        let mut core = broker.lock()?;
        let is_in_place = core.state.in_place.contains_key(&due.group)
            && matches!(due.queue.topic, TopicKey::User(_) | TopicKey::DeadLetter(_));
        match is_in_place && core.state.due.contains(&due) {
            true => self.settle_in_place(broker, &mut core, due, behind),
            false => Ok(false),
        }
    }

    /// A record that cannot be found any more is finished, so that nothing waits
    /// for it for ever; the loss has been reported where it was noticed.
    fn give_up(&self, broker: &Broker, core: &mut Core, due: Due) -> Result<(), ApiError> {
        tracing::error!(
            broker = %broker.key.broker, queue = %due.queue, offset = due.offset,
            "a record in flight is lost and cannot be redelivered"
        );
        let head = Head::Ack {
            group: due.group,
            records: vec![(due.queue, vec![due.offset])],
        };
        self.submit(broker, core, &head, None, None)?;
        Ok(())
    }

    /// A record goes to the dead letters, and what was handed out behind it in one run
    /// goes back.
    pub(super) fn bury_delivery(
        &self,
        broker: &Broker,
        core: &mut Core,
        due: Due,
        message: &Message,
        behind: &[u64],
    ) -> Result<Mark, ApiError> {
        let (_, copy) = this_place(core, due, message);
        let step = Step {
            due,
            reason: TransferReason::Exhausted,
            to: dead_letters(core, due.group),
            copy,
        };
        let mark = self.transfer(broker, core, step, message)?;
        let given_back = self.give_back_run(broker, core, due, behind)?;
        Ok(given_back.unwrap_or(mark))
    }

    /// A member reported a failure: the copy waits for the pause of its attempt,
    /// or is a dead letter, and what was handed out behind it in one run goes back. The time of the next delivery, if there is one.
    pub(super) fn fail(
        &self,
        broker: &Broker,
        core: &mut Core,
        due: Due,
        message: &Message,
        behind: &[u64],
    ) -> Result<(Mark, Option<firn_protocol::Timestamp>), ApiError> {
        let (to, copy) = next_place(core, due, message);
        if to == dead_letters(core, due.group) {
            let mark = self.bury_delivery(broker, core, due, message, behind)?;
            return Ok((mark, None));
        }
        let pause = retry_pause_ms(copy.attempt - 1);
        let at = self.now().max(core.state.last_time).plus_ms(pause);
        let step = Step {
            due: Due { at, ..due },
            reason: TransferReason::Failed,
            to: WAITING_QUEUE,
            copy,
        };
        Ok((self.transfer(broker, core, step, message)?, Some(at)))
    }

    /// Moves a record on as a copy.
    pub(super) fn transfer(
        &self,
        broker: &Broker,
        core: &mut Core,
        step: Step,
        message: &Message,
    ) -> Result<Mark, ApiError> {
        let Step {
            due,
            reason,
            to,
            copy,
        } = step;
        let origin = message.origin.unwrap_or_else(|| origin_of(message));
        let mut records = EncodedRecords::with_capacity(message.content_bytes() as usize + 128);
        records.push_copy(&message.content, message.message_id, copy.attempt, origin);
        let header = RunHeader {
            first_offset: Offset(core.state.queue(to).end),
            first_position: Position(core.state.next_position),
            stored_at: self.now().max(core.state.last_time),
            count: 1,
            bytes: records.bytes.len() as u32,
        };
        let head = Head::Transfer(Transfer {
            group: due.group,
            reason,
            from: due.queue,
            from_offset: due.offset,
            to,
            copy,
            due: (reason == TransferReason::Failed).then_some(due.at),
        });
        let mark = self.submit(broker, core, &head, Some((&header, &records.bytes)), None)?;
        if reason == TransferReason::Exhausted && core.state.in_place.contains_key(&due.group) {
            // The next of its message group may come now.
            core.has_news(broker.key.broker, due.group, due.queue.topic);
        }
        Ok(mark)
    }
}

/// One move of a record.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// The record, its group, and for a failure when the copy is due.
    pub(super) due: Due,
    pub(super) reason: TransferReason,
    pub(super) to: QueueKey,
    pub(super) copy: Copy,
}

fn origin_of(message: &Message) -> Origin {
    Origin {
        topic: message.queue.topic,
        queue: message.queue.queue,
        offset: message.offset,
        position: message.position,
        stored_at: message.stored_at,
    }
}

/// Where a record goes after a delivery that failed: back to the group, or, once
/// all redeliveries are used up, to its dead letters (SEED_SPEC 2.3).
fn next_place(core: &Core, due: Due, message: &Message) -> (QueueKey, Copy) {
    let (state, copy) = this_place(core, due, message);
    let redeliveries = copy.attempt - 1;
    if redeliveries >= state.map_or(0, |state| state.max_retries) {
        (dead_letters(core, due.group), copy)
    } else {
        (
            retry_queue(due.group),
            Copy {
                attempt: copy.attempt + 1,
                ..copy
            },
        )
    }
}

/// Which original a delivered record stands for and how often it was tried, and the
/// group's state.
fn this_place<'a>(core: &'a Core, due: Due, message: &Message) -> (Option<&'a GroupState>, Copy) {
    let in_place = core.state.in_place.get(&due.group);
    let state = core.state.groups.get(&due.group);
    let copy = state.and_then(|state| state.retry.copies.get(&due.offset).copied());
    let copy = match (due.queue == retry_queue(due.group), copy) {
        (true, Some(copy)) => copy,
        _ => Copy {
            topic: message.queue.topic,
            queue: message.queue.queue,
            offset: message.offset.0,
            attempt: in_place.map_or(1, |state| state.attempt(due.queue, due.offset)),
        },
    };
    (state, copy)
}

/// Where what a group, or a member of one, cannot consume goes.
fn dead_letters(core: &Core, group: GroupId) -> QueueKey {
    dead_letter_queue(core.state.home(group))
}

/// The due entry of a leased record; `None` if it is not leased.
pub(super) fn due_of_lease(
    core: &Core,
    group: GroupId,
    queue: QueueKey,
    offset: u64,
) -> Result<Due, ApiError> {
    let standing = core
        .state
        .groups
        .get(&group)
        .and_then(|state| state.progress(queue))
        .map(|progress| progress.standing(offset));
    match standing {
        Some(Standing::Leased(lease)) => Ok(Due {
            at: lease.deadline,
            group,
            queue,
            offset,
        }),
        Some(Standing::Finished | Standing::Open) | None => {
            Err(ApiError::new(ErrorCode::Conflict, "the lease has passed"))
        }
    }
}
