//! Delayed messages: held until their time, then appended to their queue.
//!
//! Owns the way from a slot to the queue. Promises that nothing is appended
//! before its time by the node's clock, which never falls, and that what is
//! recalled or fired is so once, whoever comes first under the broker's lock.

mod near;

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_protocol::api::hold::{Held, HoldRequest, Recalled};
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ApiResult};
use firn_protocol::ids::{Offset, Position, QueueId, QueueKey};
use firn_protocol::limits::ANSWER_BYTES_MAX;
use firn_protocol::message::{Message, MessageId, NewMessage};
use firn_protocol::receipt::HeldPlace;
use firn_protocol::time::Timestamp;

use self::near::{Reach, Rearm};
use super::StorageNode;
use super::usage::sent;
use crate::broker::entry::Head;
use crate::broker::held::{Fire, HeldHead, Hold};
use crate::broker::near::NearDue;
use crate::broker::owner::{Broker, Core, Mark};
use crate::config::Mutant;
use crate::consume::delay::{slot_of, slot_queue, slot_start};
use crate::record::{EncodedRecords, RunHeader};

/// Messages fired in one turn.
const BATCH: usize = 256;

impl StorageNode {
    pub(super) async fn hold_messages(
        &self,
        ctx: &RequestContext,
        request: HoldRequest,
    ) -> Result<Vec<ApiResult<Held>>, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let bytes = request.messages.iter().map(NewMessage::content_bytes).sum();
        let place = self.enter(&broker, bytes).await?;
        self.quotas.admit(ctx, bytes)?;
        let count = request.messages.len();
        let mut by_slot: BTreeMap<(QueueId, Timestamp), Vec<(usize, NewMessage)>> = BTreeMap::new();
        for (at, message) in request.messages.into_iter().enumerate() {
            let due = message.deliver_at.unwrap_or_default();
            let slot = by_slot.entry((slot_of(due), slot_start(due)));
            slot.or_default().push((at, message));
        }
        let mut outcomes: Vec<Option<ApiResult<Held>>> = vec![None; count];
        let mut last = None;
        for ((slot, start), messages) in by_slot {
            let hold = Hold { slot, start };
            let held = self.hold_slot(&broker, hold, request.queue, &messages);
            let places = messages.iter().map(|(at, _)| *at);
            match held {
                Ok((held, mark)) => {
                    last = Some(mark);
                    for (at, held) in places.zip(held) {
                        outcomes[at] = Some(Ok(held));
                    }
                }
                Err(error) => places.for_each(|at| outcomes[at] = Some(Err(error.clone()))),
            }
        }
        drop(place);
        if let Some(mark) = last {
            self.outcome(mark).await?;
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Stores messages of one slot.
    fn hold_slot(
        &self,
        broker: &Broker,
        hold: Hold,
        target: QueueKey,
        messages: &[(usize, NewMessage)],
    ) -> ApiResult<(Vec<Held>, Mark)> {
        let mut records = EncodedRecords::default();
        for (_, message) in messages {
            records.push_held(message, target);
        }
        let mut core = broker.lock()?;
        let queue = slot_queue(hold.slot);
        let header = self.next_run(&core, queue, &records);
        let head = Head::Held(HeldHead::Hold(hold.clone()));
        let run = Some((&header, &records.bytes[..]));
        let contents = messages.iter().map(|(_, message)| message);
        let metered = Some(sent(target.topic, header.stored_at, contents));
        let mark = self.submit_metered(broker, &mut core, &head, metered.as_ref(), run, None)?;
        let places = messages.iter().zip(header.first_offset.0..);
        for ((_, message), offset) in places {
            let due = message.deliver_at.unwrap_or_default();
            self.note_near(broker, &mut core, &hold, due, offset);
        }
        let held = messages.iter().zip(0..).map(|((_, message), n)| {
            held_at(broker, target, queue.queue, &header, n, message.message_id)
        });
        Ok((held.collect(), mark))
    }

    /// What stands before records that are about to be stored in a queue.
    pub(super) fn next_run(
        &self,
        core: &Core,
        queue: QueueKey,
        records: &EncodedRecords,
    ) -> RunHeader {
        RunHeader {
            first_offset: Offset(core.state.queue(queue).end),
            first_position: Position(core.state.next_position),
            stored_at: self.now().max(core.state.last_time),
            count: records.count,
            bytes: records.bytes.len() as u32,
        }
    }

    pub(super) async fn recall_message(
        &self,
        ctx: &RequestContext,
        place: HeldPlace,
    ) -> Result<Recalled, ApiError> {
        let broker = self.broker_to_change(ctx, place.broker).await?;
        let (slot, offset) = (place.queue, place.offset.0);
        if offset < broker.lock()?.state.queue(slot_queue(slot)).min {
            return Ok(Recalled::AlreadyDelivered);
        }
        let message = self.read_one(&broker, slot_queue(slot), offset).await?;
        let is_it = |message: &Message| {
            let target = message.target.map(|target| target.topic);
            message.position == place.position && target == Some(place.topic)
        };
        if !message.is_some_and(|message| is_it(&message)) {
            return Ok(Recalled::Unknown);
        }
        let (recalled, mark) = {
            let mut core = broker.lock()?;
            // What became of it is forgotten with its slot.
            let Some(known) = core.state.delayed.slots.get(&slot) else {
                return Ok(Recalled::Unknown);
            };
            let is_recalled = known.is_recalled(offset);
            if known.is_waiting(offset) {
                let offsets = vec![offset];
                let head = Head::Held(HeldHead::Forget { slot, offsets });
                let mark = self.submit(&broker, &mut core, &head, None, None)?;
                (Recalled::Done, mark)
            } else if is_recalled {
                (Recalled::Done, core.mark())
            } else {
                (Recalled::AlreadyDelivered, core.mark())
            }
        };
        self.outcome(mark).await?;
        Ok(recalled)
    }

    /// Sends what is due on its way before somebody asks for messages, as far as that
    /// needs no object store. Nobody's receive waits for one, or fails because a due
    /// message cannot be stored now: the timers try again.
    pub(super) async fn fire_at_hand(&self, broker: &Arc<Broker>) {
        if let Err(error) = self.fire(broker, Reach::AtHand).await {
            tracing::debug!(%error, broker = %broker.key.broker, "delayed messages have to wait");
        }
    }

    /// Sends the oldest [`BATCH`] of what is due on its way.
    pub(super) async fn fire_due(&self, broker: &Arc<Broker>) -> Result<(), ApiError> {
        self.fire(broker, Reach::Anywhere).await
    }

    async fn fire(&self, broker: &Arc<Broker>, reach: Reach) -> Result<(), ApiError> {
        let mut now = self.now();
        if self.config.mutant == Some(Mutant::FireEarly) {
            now = now.plus_ms(1000);
        }
        if broker.lock()?.near.wake().is_none_or(|wake| wake > now) {
            return Ok(());
        }
        let _rearm = Rearm {
            node: self,
            broker,
            reach,
        };
        self.load_near(broker, now, reach).await?;
        let (ripe, mark) = {
            let core = broker.lock()?;
            let mut ripe = core.near.ripe(now, BATCH);
            ripe.retain(|one| reach.has(&core, one.slot, one.offset));
            (ripe, core.mark())
        };
        if !ripe.is_empty() {
            // What became due before it was durable is not lost.
            self.settled(mark).await?;
            self.fire_all(broker, &ripe).await?;
        }
        Ok(())
    }

    async fn fire_all(&self, broker: &Arc<Broker>, ripe: &[NearDue]) -> Result<(), ApiError> {
        let mut by_target: BTreeMap<QueueKey, Vec<(NearDue, Message)>> = BTreeMap::new();
        let mut gone = Vec::new();
        let mut bytes = 0;
        for &one in ripe {
            if bytes > ANSWER_BYTES_MAX {
                break;
            }
            if !broker
                .lock()?
                .state
                .delayed
                .is_waiting(one.slot, one.offset)
            {
                broker.lock()?.near.remove(&[one]);
                continue;
            }
            let queue = slot_queue(one.slot);
            let message = self.read_one(broker, queue, one.offset).await?;
            let target = message.as_ref().and_then(|message| message.target);
            match message.zip(target) {
                Some((message, target)) => {
                    bytes += message.content_bytes();
                    by_target.entry(target).or_default().push((one, message));
                }
                None => {
                    tracing::error!(
                        broker = %broker.key.broker, %queue, offset = one.offset,
                        "a delayed message is lost and cannot be delivered"
                    );
                    gone.push(one);
                }
            }
        }
        for (target, messages) in by_target {
            let mut core = broker.lock()?;
            if core.state.delayed.is_gone(target.topic) {
                gone.extend(messages.iter().map(|(one, _)| *one));
                continue;
            }
            self.deliver_held(broker, &mut core, target, messages)?;
        }
        let mut core = broker.lock()?;
        for one in gone {
            let (slot, offsets) = (one.slot, vec![one.offset]);
            let head = Head::Held(HeldHead::Forget { slot, offsets });
            self.submit(broker, &mut core, &head, None, None)?;
            core.near.remove(&[one]);
        }
        Ok(())
    }

    fn deliver_held(
        &self,
        broker: &Broker,
        core: &mut Core,
        to: QueueKey,
        mut messages: Vec<(NearDue, Message)>,
    ) -> Result<(), ApiError> {
        // Recalled, or fired by somebody else, while the bodies were read.
        messages.retain(|(one, _)| core.state.delayed.is_waiting(one.slot, one.offset));
        if messages.is_empty() {
            return Ok(());
        }
        let mut records = EncodedRecords::default();
        for (_, message) in &messages {
            records.push_original(&NewMessage {
                message_id: Some(message.message_id),
                ..message.content.clone()
            });
        }
        let header = self.next_run(core, to, &records);
        let from = messages.iter().map(|(one, _)| (one.slot, one.offset));
        let head = Head::Held(HeldHead::Fire(Fire {
            from: from.collect(),
            to,
        }));
        self.submit(broker, core, &head, Some((&header, &records.bytes)), None)?;
        let done: Vec<NearDue> = messages.iter().map(|(one, _)| *one).collect();
        core.near.remove(&done);
        self.metrics
            .semantics
            .delayed_fired
            .inc_by(done.len() as u64);
        Ok(())
    }

    /// A delayed message as its own offset id finds it: where it waits, or, once it
    /// was delivered, in its queue.
    pub(super) async fn delayed_message(
        &self,
        broker: &Arc<Broker>,
        slot: QueueId,
        offset: u64,
    ) -> Result<Option<DelayedMessage>, ApiError> {
        let Some(message) = self.read_one(broker, slot_queue(slot), offset).await? else {
            return Ok(None);
        };
        let core = broker.lock()?;
        let Some(state) = core.state.delayed.slots.get(&slot) else {
            return Ok(None);
        };
        Ok(
            match (state.is_waiting(offset), state.is_recalled(offset)) {
                (true, _) => Some(DelayedMessage::Waits(Box::new(message))),
                (false, true) => None,
                (false, false) => Some(DelayedMessage::Delivered(message.message_id)),
            },
        )
    }
}

/// Where a delayed message is.
pub(super) enum DelayedMessage {
    Waits(Box<Message>),
    Delivered(MessageId),
}

pub(super) fn held_at(
    broker: &Broker,
    target: QueueKey,
    queue: QueueId,
    header: &RunHeader,
    n: u64,
    message_id: Option<MessageId>,
) -> Held {
    let position = Position(header.first_position.0 + n);
    let made = || MessageId::server_made(broker.key.broker, header.stored_at, position);
    Held {
        place: HeldPlace {
            broker: broker.key.broker,
            topic: target.topic,
            queue,
            offset: header.first_offset.plus(n),
            position,
        },
        stored_at: header.stored_at,
        message_id: message_id.unwrap_or_else(made),
    }
}
