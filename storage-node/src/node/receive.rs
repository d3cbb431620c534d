//! Receive: reserve under the lock, read and filter outside, lease under the lock.

use std::ops::Range;
use std::sync::Arc;

use firn_protocol::api::storage::{Delivery, GroupMode, ReceiveRequest, Received};
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{Offset, QueueId, QueueKey, TopicKey};
use firn_protocol::limits::ANSWER_BYTES_MAX;
use firn_protocol::message::Message;
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

use super::StorageNode;
use super::ordered::has_open_run;
use super::read::{ReadLimit, WantedTags, to_message};
use super::usage::handed_out;
use crate::broker::entry::{Head, Receive, ReceivePart};
use crate::broker::owner::{Broker, Core};
use crate::broker::state::retry_queue;
use crate::config::Mutant;
use crate::consume::ranges::Ranges;
use crate::record::{RecordSummary, StoredRecord};

/// Rounds of one receive that skip records nobody wants; then the caller asks again.
pub(super) const ROUNDS_MAX: usize = 64;
/// Records looked at in one round by a filtered receive.
pub(super) const SCAN_RECORDS: u64 = 1024;
/// Records after which others have their turn, when an expression may read all
/// properties of each many times over.
pub(super) const EVALUATED_RECORDS: usize = 16;

/// Ranges reserved for one round. Released when dropped, whatever happened.
pub(super) struct Claim<'a> {
    pub(super) broker: &'a Arc<Broker>,
    pub(super) request: &'a ReceiveRequest,
    pub(super) life: u64,
    pub(super) epoch: u32,
    ranges: Vec<(QueueKey, Range<u64>)>,
}

/// What one round found out about its records.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) wanted: Vec<Message>,
    /// No live filter wants them.
    pub(super) unwanted: Vec<(QueueKey, Range<u64>)>,
    /// Another live filter wants them.
    pub(super) passed: Vec<(QueueKey, Range<u64>)>,
    /// The filters by which they were sorted.
    pub(super) live: Vec<Filter>,
}

impl Sorted {
    /// Nothing yet, to be sorted by these filters.
    pub(super) fn new(live: Vec<Filter>) -> Self {
        Self {
            live,
            ..Self::default()
        }
    }
}

impl StorageNode {
    pub(super) async fn receive_records(
        &self,
        ctx: &RequestContext,
        request: ReceiveRequest,
    ) -> Result<Received, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        self.settle_at_hand(&broker).await;
        self.fire_at_hand(&broker).await;
        let (group, topic) = (request.group, request.topic);
        self.join(&broker, &request)?;
        self.keep_filter_of(&broker, group, topic, &request.filter)
            .await?;
        let received = match group.mode {
            GroupMode::Ordered(_) => self.receive_in_order(&broker, &request).await?,
            GroupMode::Unordered | GroupMode::Member { .. } => {
                self.receive_in_rounds(&broker, &request).await?
            }
        };
        self.note_attempt(&broker, &request, &received.deliveries);
        Ok(received)
    }

    async fn receive_in_rounds(
        &self,
        broker: &Arc<Broker>,
        request: &ReceiveRequest,
    ) -> Result<Received, ApiError> {
        for _ in 0..ROUNDS_MAX {
            let claim = match self.claim(broker, request)? {
                Ok(claim) => claim,
                Err(seen) => {
                    return Ok(Received {
                        deliveries: Vec::new(),
                        seen,
                    });
                }
            };
            let sorted = self.read_claim(&claim).await?;
            let deliveries = self.finish_claim(claim, sorted)?;
            if !deliveries.is_empty() {
                return Ok(Received {
                    deliveries,
                    seen: 0,
                });
            }
        }
        // So much was skipped that the caller should look again without waiting.
        Ok(Received {
            deliveries: Vec::new(),
            seen: 0,
        })
    }

    /// Reserves records to look at; the event count if there are none.
    fn claim<'a>(
        &self,
        broker: &'a Arc<Broker>,
        request: &'a ReceiveRequest,
    ) -> Result<Result<Claim<'a>, u64>, ApiError> {
        let mut core = broker.lock()?;
        let (group, topic) = (request.group.id, request.topic.key);
        let Some(state) = core.state.groups.get(&group) else {
            return Err(ApiError::new(ErrorCode::GroupNotFound, "group not found"));
        };
        let epoch = state.topics.get(&topic).map_or(0, |topic| topic.epoch);
        let wanted = match request.filter {
            Filter::All => request.max as u64,
            Filter::Tags(_) | Filter::Sql(_) => SCAN_RECORDS,
        };
        let mut ranges = open_retries(&core, request, wanted);
        let mut left = wanted - ranges.len() as u64;
        let queues = request.topic.queues;
        let turn = core.members.entry((group, topic)).or_default().turn;
        for step in 0..usize::from(queues) {
            if left == 0 {
                break;
            }
            let queue = QueueId(((turn + step) % usize::from(queues)) as u16);
            let queue = QueueKey { topic, queue };
            for range in open_records(&core, request, queue, left) {
                left -= range.end - range.start;
                ranges.push((queue, range));
            }
        }
        if ranges.is_empty() {
            return Ok(Err(core.events(group, topic, queues)));
        }
        if let Some(members) = core.members.get_mut(&(group, topic)) {
            members.turn = (turn + 1) % usize::from(queues.max(1));
        }
        for (queue, range) in &ranges {
            core.claims
                .entry((group, *queue))
                .or_default()
                .insert(range.clone());
        }
        Ok(Ok(Claim {
            broker,
            request,
            life: core.life,
            epoch,
            ranges,
        }))
    }

    async fn read_claim(&self, claim: &Claim<'_>) -> Result<Sorted, ApiError> {
        let live = {
            let core = claim.broker.lock()?;
            core.live_filters(claim.request.group.id, claim.request.topic.key)
        };
        let mut sorted = Sorted::new(live);
        let tags = wanted_tags(&claim.request.filter, &sorted.live);
        let is_slow = is_slow(&sorted.live) || is_slow(std::slice::from_ref(&claim.request.filter));
        let (mut bytes_left, mut looked_at) = (ANSWER_BYTES_MAX, 0_usize);
        for (queue, range) in &claim.ranges {
            let left = claim.request.max - sorted.wanted.len();
            if left == 0 || bytes_left == 0 {
                break;
            }
            let records = match claim.request.filter {
                Filter::All => left,
                Filter::Tags(_) | Filter::Sql(_) => SCAN_RECORDS as usize,
            };
            let limit = ReadLimit {
                records,
                bytes: bytes_left,
            };
            let found = self
                .read_matching(claim.broker, *queue, range.clone(), limit, tags.clone())
                .await?;
            let mut next = range.start;
            for record in found.records {
                if sorted.wanted.len() == claim.request.max {
                    break;
                }
                let offset = record.offset.0;
                // What a complete read did not bring has no tag that anybody wants,
                // or is lost; that was reported there.
                if offset > next {
                    sorted.unwanted.push((*queue, next..offset));
                }
                next = offset + 1;
                sort(claim, *queue, &record, &mut sorted)?;
                looked_at += 1;
                if is_slow && looked_at.is_multiple_of(EVALUATED_RECORDS) {
                    tokio::task::yield_now().await;
                }
                bytes_left = bytes_left.saturating_sub(record.bytes_len() as u64);
            }
            if sorted.wanted.len() < claim.request.max && next < found.upto.min(range.end) {
                sorted
                    .unwanted
                    .push((*queue, next..found.upto.min(range.end)));
            }
        }
        if self.config.mutant == Some(Mutant::ForgetFilter) {
            sorted.unwanted.append(&mut sorted.passed);
            sorted
                .unwanted
                .sort_by_key(|(queue, range)| (*queue, range.start));
        }
        Ok(sorted)
    }

    /// Turns what was read into leases, if nothing has changed in between.
    pub(super) fn finish_claim(
        &self,
        mut claim: Claim<'_>,
        mut sorted: Sorted,
    ) -> Result<Vec<Delivery>, ApiError> {
        let (group, topic) = (claim.request.group.id, claim.request.topic.key);
        let mut core = claim.broker.lock()?;
        let state = core.state.groups.get(&group);
        let epoch = state.and_then(|state| state.topics.get(&topic));
        if core.life != claim.life || epoch.map(|topic| topic.epoch) != Some(claim.epoch) {
            drop(core);
            return Ok(Vec::new());
        }
        // An ack of an earlier handle may have finished a record meanwhile.
        sorted
            .wanted
            .retain(|m| state.is_some_and(|state| state.is_open(m.queue, m.offset.0)));
        if let Some(in_place) = core.state.in_place.get(&group) {
            let wanted = sorted.wanted.iter_mut();
            let originals = wanted.filter(|m| !matches!(m.queue.topic, TopicKey::Retry(_)));
            originals.for_each(|m| m.attempt = in_place.attempt(m.queue, m.offset.0));
        }
        if core.live_filters(group, topic) != sorted.live {
            // Who wants what has changed: the next round sorts again.
            sorted.unwanted.clear();
            sorted.passed.clear();
        }
        let members = core.members.entry((group, topic)).or_default();
        for (queue, range) in &sorted.passed {
            let key = (claim.request.filter.clone(), *queue);
            members.passed.entry(key).or_default().insert(range.clone());
        }
        let deadline = self
            .now()
            .max(core.state.last_time)
            .plus_ms(claim.request.invisible_ms);
        let first_lease = core.state.next_lease;
        let parts = parts_of(&sorted);
        if !parts.is_empty() {
            let head = Head::Receive(Receive {
                group,
                topic,
                deadline,
                parts,
            });
            let at = self.now().max(core.state.last_time);
            let metered = handed_out(claim.request, at, &sorted.wanted);
            self.submit_metered(claim.broker, &mut core, &head, metered.as_ref(), None, None)?;
        }
        let generation = core.generation;
        claim.release(&mut core);
        drop(core);
        let deliveries = sorted.wanted.into_iter().zip(first_lease..);
        Ok(deliveries
            .map(|(message, lease)| deliver(message, topic, &claim, generation, lease, deadline))
            .collect())
    }
}

fn deliver(
    message: Message,
    topic: TopicKey,
    claim: &Claim<'_>,
    generation: firn_protocol::ids::Generation,
    lease: u64,
    deadline: Timestamp,
) -> Delivery {
    let receipt = Receipt {
        broker: message.broker,
        group: claim.request.group.id,
        topic,
        queue: message.queue,
        offset: message.offset,
        attempt: message.attempt,
        epoch: claim.epoch,
        generation,
        lease,
    };
    Delivery {
        message,
        receipt,
        invisible_until: deadline,
    }
}

/// The tags that this member or another one wants; `None` if records without one
/// of them may be wanted as well.
fn wanted_tags(own: &Filter, live: &[Filter]) -> WantedTags {
    let mut tags = Vec::new();
    for filter in live.iter().chain([own]) {
        match filter {
            Filter::All | Filter::Sql(_) => return None,
            Filter::Tags(some) => tags.extend(some.iter().cloned()),
        }
    }
    Some(tags.into())
}

/// Copies that are ready for this topic, each a range of one.
pub(super) fn open_retries(
    core: &Core,
    request: &ReceiveRequest,
    max: u64,
) -> Vec<(QueueKey, Range<u64>)> {
    let (group, topic) = (request.group.id, request.topic.key);
    let queue = retry_queue(group);
    let Some(ready) = core
        .state
        .groups
        .get(&group)
        .and_then(|state| state.retry.ready.get(&topic))
    else {
        return Vec::new();
    };
    let visible = core.visible_end(queue);
    let taken = taken(core, request, queue);
    ready
        .range(..visible)
        .filter(|offset| !taken.contains(**offset))
        .take(max as usize)
        .map(|&offset| (queue, offset..offset + 1))
        .collect()
}

fn open_records(
    core: &Core,
    request: &ReceiveRequest,
    queue: QueueKey,
    max: u64,
) -> Vec<Range<u64>> {
    let progress = core
        .state
        .groups
        .get(&request.group.id)
        .and_then(|g| g.progress(queue));
    progress.map_or_else(Vec::new, |progress| {
        progress.open_ranges(core.visible_end(queue), &taken(core, request, queue), max)
    })
}

/// What this receive must leave alone: others read it, or its filter has seen it.
pub(super) fn taken(core: &Core, request: &ReceiveRequest, queue: QueueKey) -> Ranges {
    let group = request.group.id;
    let mut taken = core
        .claims
        .get(&(group, queue))
        .cloned()
        .unwrap_or_default();
    if let Some(members) = core.members.get(&(group, request.topic.key))
        && let Some(passed) = members.passed.get(&(request.filter.clone(), queue))
    {
        for range in passed.iter() {
            taken.insert(range);
        }
    }
    let in_place = core.state.in_place.get(&group);
    for offset in in_place
        .into_iter()
        .flat_map(|state| state.not_ready(queue))
    {
        taken.insert(offset..offset + 1);
    }
    taken
}

/// Whether one of the filters may take long over a record.
pub(super) fn is_slow(filters: &[Filter]) -> bool {
    filters
        .iter()
        .any(|filter| matches!(filter, Filter::Sql(_)))
}

/// Whether a filter wants a record.
pub(super) fn is_wanted(filter: &Filter, record: &RecordSummary<'_>) -> bool {
    filter.matches(record)
}

/// Whether any of these filters wants a record.
pub(super) fn wanted_by_any(filters: &[Filter], record: &RecordSummary<'_>) -> bool {
    filters.iter().any(|filter| is_wanted(filter, record))
}

fn sort(
    claim: &Claim<'_>,
    queue: QueueKey,
    record: &StoredRecord,
    sorted: &mut Sorted,
) -> Result<(), ApiError> {
    let Offset(offset) = record.offset;
    let summary = record.summary().map_err(|_| {
        tracing::error!(broker = %claim.broker.key.broker, %queue, offset, "damaged record");
        ApiError::new(ErrorCode::StorageUnavailable, "a stored record is damaged")
    })?;
    if is_wanted(&claim.request.filter, &summary) {
        sorted.wanted.push(to_message(claim.broker, queue, record)?);
    } else if wanted_by_any(&sorted.live, &summary) {
        sorted.passed.push((queue, offset..offset + 1));
    } else {
        sorted.unwanted.push((queue, offset..offset + 1));
    }
    Ok(())
}

/// Groups leases and skips by queue, leases in the order of delivery.
fn parts_of(sorted: &Sorted) -> Vec<ReceivePart> {
    let mut parts: Vec<ReceivePart> = Vec::new();
    let part = |queue: QueueKey, parts: &mut Vec<ReceivePart>| {
        let at = parts.iter().position(|part| part.queue == queue);
        at.unwrap_or_else(|| {
            parts.push(ReceivePart {
                queue,
                leased: Vec::new(),
                skipped: Vec::new(),
            });
            parts.len() - 1
        })
    };
    for message in &sorted.wanted {
        let at = part(message.queue, &mut parts);
        extend(
            &mut parts[at].leased,
            message.offset.0..message.offset.0 + 1,
        );
    }
    for (queue, range) in &sorted.unwanted {
        let at = part(*queue, &mut parts);
        extend(&mut parts[at].skipped, range.clone());
    }
    parts
}

fn extend(ranges: &mut Vec<(u64, u64)>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.1 == range.start => last.1 = range.end,
        _ => ranges.push((range.start, range.end)),
    }
}

impl<'a> Claim<'a> {
    /// Nothing is reserved yet.
    pub(super) fn new(
        broker: &'a Arc<Broker>,
        request: &'a ReceiveRequest,
        life: u64,
        epoch: u32,
    ) -> Self {
        Self {
            broker,
            request,
            life,
            epoch,
            ranges: Vec::new(),
        }
    }

    /// Reserves records of a queue.
    pub(super) fn take(&mut self, core: &mut Core, queue: QueueKey, offsets: &[u64]) {
        let claims = core
            .claims
            .entry((self.request.group.id, queue))
            .or_default();
        for &offset in offsets {
            claims.insert(offset..offset + 1);
            self.ranges.push((queue, offset..offset + 1));
        }
    }

    /// Lets the ranges go, once. Whoever looked meanwhile saw nothing in them, so
    /// what is left in them, or behind them, wakes others.
    fn release(&mut self, core: &mut Core) {
        let ranges = std::mem::take(&mut self.ranges);
        if core.life != self.life || ranges.is_empty() {
            return;
        }
        let group = self.request.group.id;
        for (queue, range) in &ranges {
            if let Some(claims) = core.claims.get_mut(&(group, *queue)) {
                claims.remove(range.clone());
                if claims.is_empty() {
                    core.claims.remove(&(group, *queue));
                }
            }
        }
        let state = core.state.groups.get(&group);
        let is_left = state.is_some_and(|state| {
            let mut places = ranges
                .iter()
                .flat_map(|(queue, range)| range.clone().map(|offset| (*queue, offset)));
            places.any(|(queue, offset)| state.is_open(queue, offset))
        });
        if is_left {
            core.returns += 1;
        }
        let topic = self.request.topic.key;
        if core.waiters.has_any(topic) && (is_left || self.has_more(core)) {
            let id = self.broker.key.broker;
            core.waiters.wake_each_filter(id, group, topic);
        }
    }

    /// Whether the same request would find something now.
    fn has_more(&self, core: &Core) -> bool {
        if matches!(self.request.group.mode, GroupMode::Ordered(_)) {
            return has_open_run(core, self.request);
        }
        let topic = self.request.topic;
        !open_retries(core, self.request, 1).is_empty()
            || (0..topic.queues).any(|queue| {
                let queue = QueueKey {
                    topic: topic.key,
                    queue: QueueId(queue),
                };
                !open_records(core, self.request, queue, 1).is_empty()
            })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let broker = self.broker;
        self.release(&mut broker.lock_any());
    }
}
