//! Messages of a topic that match a filter, looked at without a lease and without
//! progress (RULES 34): broker by broker, queue by queue, oldest first in each. A call
//! looks at a bounded number of records, however few match.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_protocol::catalogue::Group;
use firn_protocol::filter::Filter;
use firn_protocol::limits::{ANSWER_BYTES_MAX, PEEK_BYTES_MAX, PEEK_RECORDS_MAX};
use firn_protocol::message::Message;
use firn_protocol::{ApiError, ApiResult, BrokerId, Offset, QueueId, QueueKey, Timestamp};

use super::find::Page;
use super::page;
use super::{Scope, Services, Target};

/// Records read at a time.
const PAGE: usize = 256;

/// Where a peek begins in each queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Earliest,
    /// So far before the end as one answer may hold messages.
    Latest,
    /// At the first record stored at or after it.
    Time(Timestamp),
    /// At the group's committed offset; at the earliest where it has none.
    Committed,
}

pub(crate) struct Peek<'a> {
    pub(crate) topic: &'a Target,
    pub(crate) filter: Filter,
    pub(crate) start: Start,
    pub(crate) group: Option<Arc<Group>>,
    pub(crate) max: usize,
}

/// # Errors
/// `BAD_REQUEST` for a foreign cursor, else what storage answers.
pub(crate) async fn peek(
    services: &Services,
    scope: &Scope,
    wanted: &Peek<'_>,
    cursor: Option<&str>,
) -> ApiResult<Page> {
    let query = wanted.fingerprint();
    let brokers = wanted.topic.brokers(&scope.instance);
    let (first, mut place) = match cursor {
        None => (0, None),
        Some(cursor) => {
            let (at, queue, offset) = place_of(&page::open(query, cursor)?, &brokers)?;
            (at, Some((queue, offset)))
        }
    };
    let mut walk = Walk {
        services,
        scope,
        wanted,
        messages: Vec::new(),
        answer_bytes: 0,
        looked_at: 0,
        bytes: 0,
        is_full: false,
    };
    for &broker in &brokers[first..] {
        if let Some((queue, offset)) = walk.broker(broker, place.take()).await? {
            return Ok(Page {
                messages: walk.messages,
                cursor: Some(page::seal(query, &state(broker, queue, offset))),
            });
        }
    }
    Ok(Page {
        messages: walk.messages,
        cursor: None,
    })
}

impl Peek<'_> {
    /// Of what a cursor must not outlive; `max` may change from page to page.
    fn fingerprint(&self) -> u64 {
        let key = self.topic.key();
        let group = self.group.as_ref().map_or(0, |group| group.id.0);
        page::fingerprint(&[
            b"peek",
            &[key.kind()],
            &key.number().to_be_bytes(),
            format!("{:?} {:?}", self.filter, self.start).as_bytes(),
            &group.to_be_bytes(),
        ])
    }
}

/// One call on its way through the queues.
struct Walk<'a> {
    services: &'a Services,
    scope: &'a Scope,
    wanted: &'a Peek<'a>,
    messages: Vec<Message>,
    answer_bytes: u64,
    looked_at: usize,
    bytes: u64,
    /// The next match does not fit the answer.
    is_full: bool,
}

impl Walk<'_> {
    /// Looks at a broker, from a place on if there is one; where the next call goes
    /// on, if this one has done its share.
    async fn broker(
        &mut self,
        broker: BrokerId,
        place: Option<(QueueId, Offset)>,
    ) -> ApiResult<Option<(QueueId, Offset)>> {
        let (ctx, topic) = (&self.scope.ctx, self.wanted.topic.key());
        let bounds = self.services.storage.bounds(ctx, broker, topic).await?;
        let committed = self.committed(broker).await?;
        for (queue, min, end) in bounds {
            let key = QueueKey { topic, queue };
            let start = match place {
                Some((first, _)) if queue < first => continue,
                Some((first, offset)) if queue == first => offset,
                _ => match self.wanted.start {
                    Start::Earliest => min,
                    Start::Latest => Offset(end.0.saturating_sub(self.wanted.max as u64)),
                    Start::Time(time) => {
                        let storage = &self.services.storage;
                        storage.offset_at(ctx, broker, key, time).await?
                    }
                    Start::Committed => committed.get(&queue).copied().unwrap_or(min),
                },
            };
            let mut at = start.max(min);
            while at < end {
                if self.is_done() {
                    return Ok(Some((queue, at)));
                }
                at = self.look(broker, key, at, end).await?;
            }
        }
        Ok(None)
    }

    /// Committed offsets of the topic's queues, if they are asked for.
    async fn committed(&self, broker: BrokerId) -> ApiResult<BTreeMap<QueueId, Offset>> {
        let group = match (&self.wanted.group, self.wanted.start) {
            (Some(group), Start::Committed) => group.id,
            _ => return Ok(BTreeMap::new()),
        };
        let storage = &self.services.storage;
        let rows = storage.lag(&self.scope.ctx, broker, group).await?;
        let own = rows.into_iter();
        let own = own.filter(|row| row.queue.topic == self.wanted.topic.key());
        Ok(own.map(|row| (row.queue.queue, row.committed)).collect())
    }

    fn is_done(&self) -> bool {
        self.is_full
            || self.messages.len() >= self.wanted.max
            || self.looked_at >= PEEK_RECORDS_MAX
            || self.bytes >= PEEK_BYTES_MAX
    }

    /// Looks at the next records of a queue; the offset behind them.
    async fn look(
        &mut self,
        broker: BrokerId,
        queue: QueueKey,
        at: Offset,
        end: Offset,
    ) -> ApiResult<Offset> {
        let left = PEEK_RECORDS_MAX - self.looked_at;
        let wanted = match self.wanted.filter {
            Filter::All => self.wanted.max - self.messages.len(),
            Filter::Tags(_) | Filter::Sql(_) => PAGE,
        };
        let count = wanted.min(left).min(PAGE);
        let ctx = &self.scope.ctx;
        let storage = &self.services.storage;
        let found = storage.read(ctx, broker, queue, at, count).await?;
        // An expression may take long over each of them; others have their turn.
        tokio::task::yield_now().await;
        let Some(last) = found.last() else {
            // Lost, or gone meanwhile.
            self.looked_at += count;
            return Ok(at.plus(count as u64).min(end));
        };
        let behind = last.offset.plus(1);
        for message in found {
            let (offset, bytes) = (message.offset, message.content_bytes());
            if !self.wanted.filter.matches(&message.content) {
                self.looked_at += 1;
                self.bytes += bytes;
                continue;
            }
            let is_first = self.messages.is_empty();
            self.is_full = !is_first && self.answer_bytes + bytes > ANSWER_BYTES_MAX;
            if self.is_full || self.messages.len() >= self.wanted.max {
                return Ok(offset);
            }
            self.looked_at += 1;
            self.bytes += bytes;
            self.answer_bytes += bytes;
            self.messages.push(message);
        }
        Ok(behind)
    }
}

fn state(broker: BrokerId, queue: QueueId, offset: Offset) -> Vec<u8> {
    let mut state = broker.0.to_be_bytes().to_vec();
    state.extend_from_slice(&queue.0.to_be_bytes());
    state.extend_from_slice(&offset.0.to_be_bytes());
    state
}

/// What [`state`] wrote: the broker's place in the list, the queue, the offset.
fn place_of(state: &[u8], brokers: &[BrokerId]) -> ApiResult<(usize, QueueId, Offset)> {
    let read = || {
        let broker = BrokerId(u32::from_be_bytes(state.get(..4)?.try_into().ok()?));
        let queue = QueueId(u16::from_be_bytes(state.get(4..6)?.try_into().ok()?));
        let offset = Offset(u64::from_be_bytes(state.get(6..)?.try_into().ok()?));
        let at = brokers.iter().position(|known| *known == broker)?;
        // Offsets stay below 2^53 (RULES 14): a forged one overflows nothing.
        (offset.0 < 1 << 53).then_some((at, queue, offset))
    };
    read().ok_or_else(|| ApiError::field("cursor", "not from an answer to this query"))
}
