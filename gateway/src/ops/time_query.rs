//! Messages of a topic stored in a window of time, in one order over all its
//! queues: store time, broker, queue, offset. A page costs one head read for
//! each queue and the messages that it shows, whatever the window holds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use firn_protocol::message::Message;
use firn_protocol::{ApiError, ApiResult, BrokerId, Offset, QueueId, QueueKey, Timestamp};

use super::find::{Page, keep_within_answer};
use super::page;
use super::{Scope, Services, Target};

/// Messages read from one queue at a time.
const RUN_MAX: usize = 32;

/// Place of a message in the merged order.
type Place = (Timestamp, BrokerId, QueueId, Offset);

/// Both ends belong to the window.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// # Errors
/// `BAD_REQUEST` for a foreign cursor, else what storage answers.
pub(crate) async fn by_time(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    window: Window,
    max: usize,
    cursor: Option<&str>,
) -> ApiResult<Page> {
    let key = topic.key();
    let query = page::fingerprint(&[
        b"time",
        &[key.kind()],
        &key.number().to_be_bytes(),
        &window.from.0.to_be_bytes(),
        &window.to.0.to_be_bytes(),
    ]);
    let after = cursor
        .map(|cursor| place(&page::open(query, cursor)?))
        .transpose()?;
    let mut merge = Merge {
        services,
        scope,
        topic,
        window,
        heads: BinaryHeap::new(),
    };
    merge.find_heads(after).await?;
    let mut messages = Vec::new();
    while messages.len() < max && !merge.heads.is_empty() {
        merge.take_run(&mut messages, max).await?;
        if messages.iter().map(Message::content_bytes).sum::<u64>()
            > firn_protocol::limits::ANSWER_BYTES_MAX
        {
            break;
        }
    }
    let cut = keep_within_answer(&mut messages);
    let more = cut || !merge.heads.is_empty();
    let cursor = messages
        .last()
        .filter(|_| more)
        .map(|last| page::seal(query, &state(last)));
    Ok(Page { messages, cursor })
}

struct Merge<'a> {
    services: &'a Services,
    scope: &'a Scope,
    topic: &'a Target,
    window: Window,
    heads: BinaryHeap<Reverse<Place>>,
}

impl Merge<'_> {
    /// The first message of each queue that belongs to the page.
    async fn find_heads(&mut self, after: Option<Place>) -> ApiResult<()> {
        let key = self.topic.key();
        for broker in self.topic.brokers(&self.scope.instance) {
            let bounds = self
                .services
                .storage
                .bounds(&self.scope.ctx, broker, key)
                .await?;
            for (queue, min, next) in bounds {
                let start = self.start(broker, queue, after).await?.max(min);
                if start < next {
                    self.push_head(broker, queue, start).await?;
                }
            }
        }
        Ok(())
    }

    /// Where a queue's part begins. The cursor's time splits queues: those
    /// before its queue are done with that time, those after it are not.
    async fn start(
        &self,
        broker: BrokerId,
        queue: QueueId,
        after: Option<Place>,
    ) -> ApiResult<Offset> {
        let from = match after {
            None => self.window.from,
            Some((_, b, q, offset)) if (broker, queue) == (b, q) => return Ok(offset.plus(1)),
            Some((time, b, q, _)) if (broker, queue) < (b, q) => time.plus_ms(1),
            Some((time, ..)) => time,
        };
        let key = QueueKey {
            topic: self.topic.key(),
            queue,
        };
        self.services
            .storage
            .offset_at(&self.scope.ctx, broker, key, from)
            .await
    }

    async fn push_head(&mut self, broker: BrokerId, queue: QueueId, at: Offset) -> ApiResult<()> {
        if let Some(head) = self.read(broker, queue, at, 1).await?.first() {
            self.push(head);
        }
        Ok(())
    }

    fn push(&mut self, head: &Message) {
        if head.stored_at <= self.window.to {
            self.heads.push(Reverse(place_of(head)));
        }
    }

    /// Messages of the queue with the earliest head, as far as no other
    /// queue's head comes first.
    async fn take_run(&mut self, messages: &mut Vec<Message>, max: usize) -> ApiResult<()> {
        let Some(Reverse((_, broker, queue, offset))) = self.heads.pop() else {
            return Ok(());
        };
        let room = (max - messages.len()).min(RUN_MAX);
        // One more than fits becomes the queue's next head.
        for message in self.read(broker, queue, offset, room + 1).await? {
            let other_first = self
                .heads
                .peek()
                .is_some_and(|next| next.0 < place_of(&message));
            if messages.len() >= max || other_first || message.stored_at > self.window.to {
                self.push(&message);
                return Ok(());
            }
            messages.push(message);
        }
        // A full run may go on behind its last message.
        let last = messages.last().map(place_of);
        if let Some((_, b, q, last)) = last.filter(|place| (place.1, place.2) == (broker, queue)) {
            self.push_head(b, q, last.plus(1)).await?;
        }
        Ok(())
    }

    async fn read(
        &self,
        broker: BrokerId,
        queue: QueueId,
        at: Offset,
        max: usize,
    ) -> ApiResult<Vec<Message>> {
        let key = QueueKey {
            topic: self.topic.key(),
            queue,
        };
        self.services
            .storage
            .read(&self.scope.ctx, broker, key, at, max)
            .await
    }
}

fn place_of(message: &Message) -> Place {
    (
        message.stored_at,
        message.broker,
        message.queue.queue,
        message.offset,
    )
}

fn state(last: &Message) -> Vec<u8> {
    let mut state = Vec::with_capacity(22);
    state.extend_from_slice(&last.stored_at.0.to_be_bytes());
    state.extend_from_slice(&last.broker.0.to_be_bytes());
    state.extend_from_slice(&last.queue.queue.0.to_be_bytes());
    state.extend_from_slice(&last.offset.0.to_be_bytes());
    state
}

fn place(state: &[u8]) -> ApiResult<Place> {
    let read = || {
        if state.len() != 22 {
            return None;
        }
        let time = Timestamp(u64::from_be_bytes(state[..8].try_into().ok()?));
        let broker = BrokerId(u32::from_be_bytes(state[8..12].try_into().ok()?));
        let queue = QueueId(u16::from_be_bytes(state[12..14].try_into().ok()?));
        let offset = Offset(u64::from_be_bytes(state[14..].try_into().ok()?));
        // Offsets stay below 2^53 (RULES 14), so a forged one cannot overflow.
        (offset.0 < 1 << 53).then_some((time, broker, queue, offset))
    };
    read().ok_or_else(|| ApiError::field("cursor", "not from an answer to this query"))
}
