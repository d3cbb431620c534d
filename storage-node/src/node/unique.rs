//! Idempotent sends: a message whose id was sent lately is the one that was sent
//! (RULES 23).

use std::sync::Arc;

use firn_protocol::api::hold::{StoredOnce, UniqueMessage, UniqueRequest};
use firn_protocol::api::storage::Routed;
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ApiResult, ErrorCode};
use firn_protocol::ids::{Offset, Position, QueueKey};
use firn_protocol::limits::DEDUP_IDS_MAX;
use firn_protocol::message::MessageId;
use firn_protocol::receipt::HeldPlace;

use super::StorageNode;
use super::usage::sent;
use crate::broker::entry::Head;
use crate::broker::held::Hold;
use crate::broker::near::NearDue;
use crate::broker::owner::{Broker, Core};
use crate::broker::unique::UniqueHead;
use crate::config::Mutant;
use crate::consume::dedup::First;
use crate::consume::delay::{is_slot, slot_of, slot_queue, slot_start};
use crate::record::EncodedRecords;

/// A message that is stored now, or was before.
enum Outcome {
    Stored(StoredOnce),
    Repeat(First),
}

impl StorageNode {
    pub(super) async fn append_once(
        &self,
        ctx: &RequestContext,
        request: UniqueRequest,
    ) -> Result<Vec<ApiResult<StoredOnce>>, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let bytes = request.messages.iter();
        let bytes = bytes.map(|one| one.message.content_bytes()).sum();
        let place = self.enter(&broker, bytes).await?;
        self.quotas.admit(ctx, bytes)?;
        let queue = request.queue;
        let outcomes = request.messages.iter();
        let outcomes: Vec<_> = outcomes
            .map(|one| self.store_once(&broker, queue, request.routed, one))
            .collect();
        drop(place);
        // A repeat is answered when the first is durable.
        let mark = broker.lock()?.mark();
        self.outcome(mark).await?;
        let mut answers = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            answers.push(match outcome {
                Ok(Outcome::Stored(stored)) => Ok(stored),
                Ok(Outcome::Repeat(first)) => self.repeat(&broker, queue, first).await,
                Err(error) => Err(error),
            });
        }
        Ok(answers)
    }

    fn store_once(
        &self,
        broker: &Broker,
        target: QueueKey,
        routed: Option<Routed>,
        one: &UniqueMessage,
    ) -> ApiResult<Outcome> {
        let mut records = EncodedRecords::default();
        match one.message.deliver_at {
            None => records.push_original(&one.message),
            Some(_) => records.push_held(&one.message, target),
        }
        let mut core = broker.lock()?;
        let group = one.message.message_group.as_deref();
        self.check_route(broker, &mut core, target, routed, group.into_iter())?;
        let now = self.now().max(core.state.last_time);
        let forgets = self.config.mutant == Some(Mutant::ForgetIds);
        let first = core.state.dedup.first(one.id, now);
        if let Some(first) = first.filter(|_| !forgets) {
            return Ok(Outcome::Repeat(first));
        }
        if core.state.dedup.is_full(now) {
            return Err(ApiError::new(
                ErrorCode::RateLimited,
                format!("more than {DEDUP_IDS_MAX} dedupIds in 10 minutes on one broker"),
            ));
        }
        let hold = one.message.deliver_at.map(|due| Hold {
            slot: slot_of(due),
            start: slot_start(due),
        });
        let queue = hold.as_ref().map_or(target, |hold| slot_queue(hold.slot));
        let header = self.next_run(&core, queue, &records);
        let head = Head::Unique(UniqueHead {
            queue,
            hold: hold.clone(),
            id: one.id,
        });
        let run = Some((&header, &records.bytes[..]));
        let metered = Some(sent(target.topic, header.stored_at, [&one.message]));
        self.submit_metered(broker, &mut core, &head, metered.as_ref(), run, None)?;
        if let (Some(hold), Some(due)) = (hold, one.message.deliver_at) {
            self.note_near(broker, &mut core, &hold, due, header.first_offset.0);
        }
        let first = First {
            queue,
            offset: header.first_offset.0,
            position: header.first_position.0,
            at: header.stored_at,
        };
        let id = one.message.message_id;
        Ok(Outcome::Stored(stored(broker, target, first, id)))
    }

    /// What the first message of an id was answered.
    async fn repeat(
        &self,
        broker: &Arc<Broker>,
        target: QueueKey,
        first: First,
    ) -> ApiResult<StoredOnce> {
        let message = self.read_one(broker, first.queue, first.offset).await?;
        // It may have been sent to another queue of the topic.
        let target = match &message {
            Some(message) => message.target.unwrap_or(message.queue),
            None if is_slot(first.queue) => target,
            // It was purged meanwhile.
            None => first.queue,
        };
        let id = message.map(|message| message.message_id);
        Ok(stored(broker, target, first, id))
    }

    pub(super) fn note_near(
        &self,
        broker: &Broker,
        core: &mut Core,
        hold: &Hold,
        due: firn_protocol::time::Timestamp,
        offset: u64,
    ) {
        let slot = hold.slot;
        core.near.note(hold.start, NearDue { due, slot, offset });
        self.shared.timers.arm(broker.key.broker, core);
    }
}

fn stored(broker: &Broker, target: QueueKey, first: First, id: Option<MessageId>) -> StoredOnce {
    let position = Position(first.position);
    let made = || MessageId::server_made(broker.key.broker, first.at, position);
    StoredOnce {
        queue: target.queue,
        offset: (!is_slot(first.queue)).then_some(Offset(first.offset)),
        held: is_slot(first.queue).then_some(HeldPlace {
            broker: broker.key.broker,
            topic: target.topic,
            queue: first.queue.queue,
            offset: Offset(first.offset),
            position,
        }),
        position,
        stored_at: first.at,
        message_id: id.unwrap_or_else(made),
    }
}
