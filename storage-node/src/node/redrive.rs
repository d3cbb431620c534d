//! Dead letters go back to their group, or to the topic that they came from
//! (RULES 22).

use std::sync::Arc;

use firn_protocol::api::storage::{RedriveRequest, Redriven};
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{Offset, QueueKey, TopicKey};
use firn_protocol::limits::ANSWER_BYTES_MAX;
use firn_protocol::message::{Message, NewMessage, Origin};

use super::StorageNode;
use super::read::{ReadLimit, to_message};
use super::settle::Step;
use crate::broker::entry::{Copy, Head, Transfer, TransferReason};
use crate::broker::owner::{Broker, Core};
use crate::broker::state::{Due, dead_letter_queue, retry_queue};
use crate::record::EncodedRecords;

/// Dead letters read at a time.
const PAGE: usize = 256;

impl StorageNode {
    pub(super) async fn redrive_group(
        &self,
        ctx: &RequestContext,
        request: RedriveRequest,
    ) -> Result<Redriven, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let queue = dead_letter_queue(request.group.id);
        let (mut at, end) = {
            let core = broker.lock()?;
            let min = core.state.queue(queue).min;
            (request.from.0.max(min), core.visible_end(queue))
        };
        let mut sent = 0;
        while at < end && sent < request.max {
            let limit = ReadLimit {
                records: PAGE,
                bytes: ANSWER_BYTES_MAX,
            };
            let found = self.read_range(&broker, queue, at..end, limit).await?;
            let upto = found.upto.max(at + 1);
            for record in &found.records {
                if sent == request.max {
                    break;
                }
                at = record.offset.0 + 1;
                let letter = to_message(&broker, queue, record)?;
                sent += u64::from(self.send_back(&broker, &request, &letter)?);
            }
            if sent < request.max {
                at = upto;
            }
        }
        let mark = broker.lock()?.mark();
        self.settled(mark).await?;
        Ok(Redriven {
            sent,
            next: (at < end).then_some(Offset(at)),
        })
    }

    /// Sends a dead letter back if it may be; one entry stores it and marks the letter.
    fn send_back(
        &self,
        broker: &Arc<Broker>,
        request: &RedriveRequest,
        letter: &Message,
    ) -> Result<bool, ApiError> {
        let Some(origin) = letter.origin.filter(|_| is_wanted(letter, request)) else {
            return Ok(false);
        };
        let mut core = broker.lock()?;
        if !may_send(&core, letter, origin, request) {
            return Ok(false);
        }
        let copy = Copy {
            topic: origin.topic,
            queue: origin.queue,
            offset: origin.offset.0,
            attempt: 1,
        };
        if request.to_topic {
            self.send_to_topic(broker, &mut core, request, letter, copy)?;
            return Ok(true);
        }
        let step = Step {
            due: Due {
                at: self.now(),
                group: request.group.id,
                queue: letter.queue,
                offset: letter.offset.0,
            },
            reason: TransferReason::Redriven,
            to: retry_queue(request.group.id),
            copy,
        };
        self.transfer(broker, &mut core, step, letter)?;
        Ok(true)
    }

    /// Every group gets it as a new message that has the id of the original.
    fn send_to_topic(
        &self,
        broker: &Broker,
        core: &mut Core,
        request: &RedriveRequest,
        letter: &Message,
        copy: Copy,
    ) -> Result<(), ApiError> {
        let to = QueueKey {
            topic: copy.topic,
            queue: copy.queue,
        };
        let mut records = EncodedRecords::default();
        records.push_original(&NewMessage {
            message_id: Some(letter.message_id),
            ..letter.content.clone()
        });
        let header = self.next_run(core, to, &records);
        let head = Head::Transfer(Transfer {
            group: request.group.id,
            reason: TransferReason::Redriven,
            from: letter.queue,
            from_offset: letter.offset.0,
            to,
            copy,
            due: None,
        });
        self.submit(broker, core, &head, Some((&header, &records.bytes)), None)?;
        Ok(())
    }
}

fn is_wanted(letter: &Message, request: &RedriveRequest) -> bool {
    let topic = letter.origin.map(|origin| origin.topic);
    request.topic.is_none_or(|wanted| topic == Some(wanted))
        && request
            .message_ids
            .as_ref()
            .is_none_or(|ids| ids.contains(&letter.message_id))
}

/// A letter that was sent back before goes again only when it is named; one of a
/// topic that was dropped never does.
fn may_send(core: &Core, letter: &Message, origin: Origin, request: &RedriveRequest) -> bool {
    // It has no state of its own as long as only members of its broadcast consume.
    let group = core.state.groups.get(&request.group.id);
    let is_there = if request.to_topic {
        let queue = QueueKey {
            topic: origin.topic,
            queue: origin.queue,
        };
        matches!(origin.topic, TopicKey::User(_)) && core.state.queues.contains_key(&queue)
    } else {
        // Nobody could ever receive a copy whose topic is gone.
        group.is_some_and(|group| group.topics.contains_key(&origin.topic))
    };
    // It may have been purged while it was read.
    let is_kept = letter.offset.0 >= core.state.queue(letter.queue).min;
    let is_marked = group.is_some_and(|group| group.redriven.contains(letter.offset.0));
    is_there && is_kept && (request.message_ids.is_some() || !is_marked)
}
