//! Failures in groups whose records are handed out again where they are, and what
//! is parked.

use std::sync::Arc;

use firn_protocol::api::admin::{Parked, Release, ReleaseRequest};
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{BrokerId, GroupId, Offset, QueueKey};
use firn_protocol::limits::{ORDERED_PAUSE_MS, retry_pause_ms};
use firn_protocol::time::Timestamp;

use super::StorageNode;
use super::run::still_leased;
use super::settle::Step;
use crate::broker::entry::{Copy, Head, TransferReason};
use crate::broker::in_place::{AgainEntry, InPlaceHead};
use crate::broker::owner::{Broker, Core, Mark};
use crate::broker::state::{Due, dead_letter_queue};
use crate::consume::in_place::{Again, When};
use firn_protocol::catalogue::OnPoison;

/// Parked records told at a time.
const PARKED_MAX: usize = 1000;

/// What is to become of a record whose delivery failed.
pub(super) enum Failure {
    /// It is open again in its place, or parked.
    InPlace(Again),
    /// It goes to the dead letters.
    DeadLetter,
}

/// What a failed delivery means in a group of this kind; `None` if the group is
/// of another. `told` is whether the member said so, and the lease did not just
/// pass.
pub(super) fn failure(core: &Core, due: Due, told: bool, now: Timestamp) -> Option<Failure> {
    let state = core.state.in_place.get(&due.group)?;
    let attempt = state.attempt(due.queue, due.offset);
    let group = core.state.groups.get(&due.group);
    let max_retries = group.map_or(0, |group| group.max_retries);
    let when = match told {
        true if state.rules.is_ordered => When::At(now.plus_ms(ORDERED_PAUSE_MS)),
        true => When::At(now.plus_ms(retry_pause_ms(attempt))),
        false => When::Now,
    };
    let next = Again {
        attempt: attempt.saturating_add(1),
        when,
    };
    let is_poison = attempt > max_retries;
    Some(match state.rules.on_poison {
        OnPoison::Park if is_poison => Failure::InPlace(Again {
            attempt,
            when: When::Parked(now),
        }),
        OnPoison::DeadLetter if is_poison => Failure::DeadLetter,
        OnPoison::Block | OnPoison::Park | OnPoison::DeadLetter => Failure::InPlace(next),
    })
}

impl StorageNode {
    /// The record is open again when it says; what was handed out behind it in one
    /// run goes back, see [`Self::handed_out_behind`].
    pub(super) fn open_again(
        &self,
        broker: &Broker,
        core: &mut Core,
        due: Due,
        again: Again,
        behind: &[u64],
    ) -> Result<Mark, ApiError> {
        let head = Head::InPlace(InPlaceHead::Again(AgainEntry {
            group: due.group,
            queue: due.queue,
            offset: due.offset,
            again,
            given_back: still_leased(core, due, behind),
        }));
        let mark = self.submit(broker, core, &head, None, None)?;
        if matches!(again.when, When::Parked(_)) {
            self.metrics.semantics.records_parked.inc();
            tracing::warn!(
                broker = %broker.key.broker, group = %due.group, queue = %due.queue,
                offset = due.offset, "a message group is parked: all redeliveries failed"
            );
        }
        core.has_news(broker.key.broker, due.group, due.queue.topic);
        Ok(mark)
    }

    /// Something is due of a group of this kind; false if the record has to be
    /// moved to the dead letters instead.
    pub(super) fn settle_in_place(
        &self,
        broker: &Broker,
        core: &mut Core,
        due: Due,
        behind: &[u64],
    ) -> Result<bool, ApiError> {
        let state = core.state.in_place.get(&due.group);
        let again = state.and_then(|state| state.again(due.queue, due.offset));
        if again.is_some_and(|again| again.when == When::At(due.at)) {
            let head = Head::InPlace(InPlaceHead::Ready {
                group: due.group,
                records: vec![(due.queue, due.offset)],
                is_reset: false,
            });
            self.submit(broker, core, &head, None, None)?;
            core.has_news(broker.key.broker, due.group, due.queue.topic);
            return Ok(true);
        }
        let now = self.now().max(core.state.last_time);
        match failure(core, due, false, now) {
            Some(Failure::InPlace(again)) => {
                self.metrics.leases_expired.inc();
                self.open_again(broker, core, due, again, behind)?;
                Ok(true)
            }
            Some(Failure::DeadLetter) | None => Ok(false),
        }
    }

    pub(super) async fn parked_records(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> Result<Vec<Parked>, ApiError> {
        let broker = self.broker(ctx, broker)?;
        let (records, mark) = {
            let core = broker.lock()?;
            let state = core.state.in_place.get(&group);
            let parked = state.into_iter().flat_map(|state| state.parked());
            (parked.take(PARKED_MAX).collect::<Vec<_>>(), core.mark())
        };
        self.settled(mark).await?;
        let mut parked = Vec::with_capacity(records.len());
        for (queue, offset, again) in records {
            if let Some(mut message) = self.read_one(&broker, queue, offset).await? {
                message.attempt = again.attempt;
                let When::Parked(since) = again.when else {
                    continue;
                };
                parked.push(Parked { message, since });
            }
        }
        Ok(parked)
    }

    pub(super) async fn release_parked(
        &self,
        ctx: &RequestContext,
        request: ReleaseRequest,
    ) -> Result<(), ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let (queue, Offset(offset)) = (request.queue, request.offset);
        let mark = match request.how {
            Release::DeadLetter => self.bury(&broker, request.group, queue, offset).await?,
            Release::Retry => {
                let head = Head::InPlace(InPlaceHead::Ready {
                    group: request.group,
                    records: vec![(queue, offset)],
                    is_reset: true,
                });
                self.end_parking(&broker, request.group, queue, offset, &head)?
            }
            Release::Skip => {
                let head = Head::Ack {
                    group: request.group,
                    records: vec![(queue, vec![offset])],
                };
                self.end_parking(&broker, request.group, queue, offset, &head)?
            }
        };
        self.outcome(mark).await
    }

    fn end_parking(
        &self,
        broker: &Broker,
        group: GroupId,
        queue: QueueKey,
        offset: u64,
        head: &Head,
    ) -> Result<Mark, ApiError> {
        let mut core = broker.lock()?;
        require_parked(&core, group, queue, offset)?;
        let mark = self.submit(broker, &mut core, head, None, None)?;
        core.has_news(broker.key.broker, group, queue.topic);
        Ok(mark)
    }

    async fn bury(
        &self,
        broker: &Arc<Broker>,
        group: GroupId,
        queue: QueueKey,
        offset: u64,
    ) -> Result<Mark, ApiError> {
        require_parked(&*broker.lock()?, group, queue, offset)?;
        let message = self.read_one(broker, queue, offset).await?;
        let message = message.ok_or_else(not_parked)?;
        let mut core = broker.lock()?;
        let again = require_parked(&core, group, queue, offset)?;
        let step = Step {
            due: Due {
                at: self.now(),
                group,
                queue,
                offset,
            },
            reason: TransferReason::Exhausted,
            to: dead_letter_queue(group),
            copy: Copy {
                topic: queue.topic,
                queue: queue.queue,
                offset,
                attempt: again.attempt,
            },
        };
        let mark = self.transfer(broker, &mut core, step, &message)?;
        core.has_news(broker.key.broker, group, queue.topic);
        Ok(mark)
    }
}

fn require_parked(
    core: &Core,
    group: GroupId,
    queue: QueueKey,
    offset: u64,
) -> Result<Again, ApiError> {
    let state = core.state.in_place.get(&group);
    let again = state.and_then(|state| state.again(queue, offset));
    let parked = again.filter(|again| matches!(again.when, When::Parked(_)));
    parked.ok_or_else(not_parked)
}

fn not_parked() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        "nothing is parked for this group at this place",
    )
}
