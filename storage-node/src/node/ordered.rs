//! Receive for ordered groups: the first open record of each message group, or a
//! run of them (RULES 19). See [`crate::broker::order`] for who may be next.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_protocol::api::storage::{Delivery, ReceiveRequest, Received};
use firn_protocol::error::ApiError;
use firn_protocol::ids::{QueueId, QueueKey};
use firn_protocol::limits::ANSWER_BYTES_MAX;

use super::StorageNode;
use super::read::{ReadLimit, damaged, to_message};
use super::receive::{
    Claim, EVALUATED_RECORDS, ROUNDS_MAX, SCAN_RECORDS, Sorted, is_slow, open_retries,
    wanted_by_any,
};
use crate::broker::entry::{Head, Receive, ReceivePart};
use crate::broker::order::{Line, Order};
use crate::broker::owner::{Broker, Core, Mark};
use crate::config::Mutant;
use crate::consume::progress::Standing;
use crate::record::StoredRecord;

/// Runs that one receive has reserved.
struct Runs<'a> {
    claim: Claim<'a>,
    runs: Vec<(QueueKey, Vec<u64>)>,
    /// Records that were read while looking for them.
    read: BTreeMap<(QueueKey, u64), StoredRecord>,
}

impl StorageNode {
    /// The group has its filter noted and its progress on every queue.
    pub(super) async fn receive_in_order(
        &self,
        broker: &Arc<Broker>,
        request: &ReceiveRequest,
    ) -> Result<Received, ApiError> {
        for _ in 0..ROUNDS_MAX {
            // Noted first: whatever happens while we look counts as news.
            let seen = {
                let core = broker.lock()?;
                let topic = request.topic;
                core.events(request.group.id, topic.key, topic.queues)
            };
            let Some(runs) = self.claim_runs(broker, request).await? else {
                return Ok(Received {
                    deliveries: Vec::new(),
                    seen,
                });
            };
            let Runs { claim, runs, read } = runs;
            let sorted = self.read_runs(&claim, runs, read).await?;
            let (deliveries, mark) = self.finish_runs(claim, sorted)?;
            if !deliveries.is_empty() {
                // What made them the next of their group must not be undone.
                self.settled(mark).await?;
                return Ok(Received {
                    deliveries,
                    seen: 0,
                });
            }
        }
        Ok(Received::default())
    }

    /// Reserves runs, looking at further records as far as it takes.
    async fn claim_runs<'a>(
        &self,
        broker: &'a Arc<Broker>,
        request: &'a ReceiveRequest,
    ) -> Result<Option<Runs<'a>>, ApiError> {
        let (group, topic) = (request.group.id, request.topic.key);
        let (life, epoch, turn) = {
            let mut core = broker.lock()?;
            let state = core.state.groups.get(&group);
            let epoch = state.and_then(|state| state.topics.get(&topic));
            let epoch = epoch.map_or(0, |topic| topic.epoch);
            let members = core.members.entry((group, topic)).or_default();
            let turn = members.turn;
            members.turn = (turn + 1) % usize::from(request.topic.queues.max(1));
            (core.life, epoch, turn)
        };
        let mut found = Runs {
            claim: Claim::new(broker, request, life, epoch),
            runs: Vec::new(),
            read: BTreeMap::new(),
        };
        let queues = usize::from(request.topic.queues);
        let mut left = request.max;
        {
            // Dead letters that were sent back, and what failed before the group was
            // an ordered one: they have lost their place in the order.
            let mut core = broker.lock()?;
            for (queue, range) in open_retries(&core, request, left as u64) {
                left -= 1;
                found.claim.take(&mut core, queue, &[range.start]);
                found.runs.push((queue, vec![range.start]));
            }
        }
        for step in 0..queues {
            let queue = QueueKey {
                topic,
                queue: QueueId(((turn + step) % queues) as u16),
            };
            for _ in 0..ROUNDS_MAX {
                if left == 0 {
                    break;
                }
                let is_done = {
                    let mut core = broker.lock()?;
                    if core.life != life {
                        return Ok(None);
                    }
                    let order = order_of(&mut core, request, queue, epoch);
                    let runs = open_runs(&core, &order, request, queue, left);
                    let end = core.visible_end(queue);
                    let is_done = order.scanned() >= end || order.is_full();
                    self.keep_order(&mut core, request, queue, order, end);
                    for run in runs {
                        left -= run.len();
                        found.claim.take(&mut core, queue, &run);
                        found.runs.push((queue, run));
                    }
                    is_done
                };
                if is_done {
                    break;
                }
                self.look_further(&mut found, queue).await?;
            }
        }
        Ok((!found.runs.is_empty()).then_some(found))
    }

    /// Puts the lines of a queue back, unless there is nothing to remember.
    fn keep_order(
        &self,
        core: &mut Core,
        request: &ReceiveRequest,
        queue: QueueKey,
        order: Order,
        end: u64,
    ) {
        if order.is_full() && order.scanned() < end {
            self.metrics.semantics.ordered_waits.inc();
        }
        if !order.is_empty() {
            core.orders.insert((request.group.id, queue), order);
        }
    }

    /// Looks at the next records of a queue.
    async fn look_further(&self, found: &mut Runs<'_>, queue: QueueKey) -> Result<(), ApiError> {
        let (broker, request) = (found.claim.broker, found.claim.request);
        let (group, topic) = (request.group.id, request.topic.key);
        let (start, end, live) = {
            let mut core = broker.lock()?;
            let order = order_of(&mut core, request, queue, found.claim.epoch);
            let start = order.scanned();
            core.orders.insert((group, queue), order);
            let live = core.live_filters(group, topic);
            (start, core.visible_end(queue), live)
        };
        let limit = ReadLimit {
            records: SCAN_RECORDS as usize,
            bytes: ANSWER_BYTES_MAX,
        };
        let read = self.read_range(broker, queue, start..end, limit).await?;
        let (mut lines, mut skipped) = (Vec::new(), Vec::new());
        let mut next = start;
        let is_slow = is_slow(&live);
        for (count, record) in read.records.iter().enumerate() {
            if is_slow && count % EVALUATED_RECORDS == 0 {
                tokio::task::yield_now().await;
            }
            let offset = record.offset.0;
            // What a complete read did not bring is lost; that was reported.
            if offset > next {
                skipped.push((next, offset));
            }
            next = offset + 1;
            let summary = record.summary().map_err(|_| damaged())?;
            let line = match self.config.mutant {
                Some(Mutant::BreakOrder) => Line::alone(offset),
                Some(_) | None => Line::of(summary.message_group),
            };
            lines.push((offset, line));
            if !wanted_by_any(&live, &summary) {
                skipped.push((offset, offset + 1));
            }
        }
        if read.upto > next {
            skipped.push((next, read.upto));
        }
        let mut core = broker.lock()?;
        let mut order = order_of(&mut core, request, queue, found.claim.epoch);
        let is_current = core.life == found.claim.life
            && order.scanned() == start
            && core.live_filters(group, topic) == live;
        if is_current {
            if !skipped.is_empty() {
                self.skip_in_order(broker, &mut core, request, queue, skipped)?;
            }
            // What nobody wants is finished now, but for what somebody holds.
            let standing = |offset: u64| standing(&core, request, queue, offset);
            lines.retain(|(offset, _)| standing(*offset) != Standing::Finished);
            order.add(lines, read.upto);
            for record in read.records {
                found.read.insert((queue, record.offset.0), record);
            }
        }
        core.orders.insert((group, queue), order);
        Ok(())
    }

    /// Finishes records that nobody wants; those already handed out stay.
    fn skip_in_order(
        &self,
        broker: &Broker,
        core: &mut Core,
        request: &ReceiveRequest,
        queue: QueueKey,
        mut skipped: Vec<(u64, u64)>,
    ) -> Result<(), ApiError> {
        skipped = skipped
            .into_iter()
            .flat_map(|(start, end)| start..end)
            .filter(|offset| standing(core, request, queue, *offset) == Standing::Open)
            .map(|offset| (offset, offset + 1))
            .collect();
        if skipped.is_empty() {
            return Ok(());
        }
        let head = Head::Receive(Receive {
            group: request.group.id,
            topic: request.topic.key,
            deadline: self.now(),
            parts: vec![ReceivePart {
                queue,
                leased: Vec::new(),
                skipped,
            }],
        });
        self.submit(broker, core, &head, None, None)?;
        Ok(())
    }

    /// Reads what was reserved, as far as an answer has room.
    async fn read_runs(
        &self,
        claim: &Claim<'_>,
        runs: Vec<(QueueKey, Vec<u64>)>,
        mut read: BTreeMap<(QueueKey, u64), StoredRecord>,
    ) -> Result<Sorted, ApiError> {
        let (broker, request) = (claim.broker, claim.request);
        let live = {
            let core = broker.lock()?;
            core.live_filters(request.group.id, request.topic.key)
        };
        let mut sorted = Sorted::new(live);
        let mut bytes_left = ANSWER_BYTES_MAX;
        for (queue, run) in runs {
            for offset in run {
                if bytes_left == 0 {
                    return Ok(sorted);
                }
                let record = match read.remove(&(queue, offset)) {
                    Some(record) => Some(record),
                    None => self.read_record(broker, queue, offset).await?,
                };
                let Some(record) = record else {
                    // Lost; that was reported where it was noticed.
                    sorted.unwanted.push((queue, offset..offset + 1));
                    continue;
                };
                bytes_left = bytes_left.saturating_sub(record.bytes_len() as u64);
                let summary = record.summary().map_err(|_| damaged())?;
                if super::receive::is_wanted(&request.filter, &summary) {
                    sorted.wanted.push(to_message(broker, queue, &record)?);
                } else if wanted_by_any(&sorted.live, &summary) {
                    sorted.passed.push((queue, offset..offset + 1));
                    // Another member gets it first.
                    break;
                } else {
                    sorted.unwanted.push((queue, offset..offset + 1));
                }
            }
        }
        Ok(sorted)
    }

    pub(super) async fn read_record(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        offset: u64,
    ) -> Result<Option<StoredRecord>, ApiError> {
        let limit = ReadLimit {
            records: 1,
            bytes: 0,
        };
        let range = offset..offset + 1;
        let found = self.read_range(broker, queue, range, limit).await?;
        Ok(found.records.into_iter().next())
    }

    fn finish_runs(
        &self,
        claim: Claim<'_>,
        sorted: Sorted,
    ) -> Result<(Vec<Delivery>, Mark), ApiError> {
        let broker = claim.broker;
        let deliveries = self.finish_claim(claim, sorted)?;
        Ok((deliveries, broker.lock()?.mark()))
    }
}

fn standing(core: &Core, request: &ReceiveRequest, queue: QueueKey, offset: u64) -> Standing {
    let state = core.state.groups.get(&request.group.id);
    let progress = state.and_then(|state| state.progress(queue));
    progress.map_or(Standing::Finished, |progress| progress.standing(offset))
}

/// The lines of a queue as they are now, taken out.
fn order_of(core: &mut Core, request: &ReceiveRequest, queue: QueueKey, epoch: u32) -> Order {
    let known = core.orders.remove(&(request.group.id, queue));
    let known = known.filter(|order| order.epoch == epoch);
    let mut order = known.unwrap_or_else(|| {
        let state = core.state.groups.get(&request.group.id);
        let progress = state.and_then(|state| state.progress(queue));
        Order::starting_at(progress.map_or(0, |progress| progress.low()), epoch)
    });
    order.advance(|offset| standing(core, request, queue, offset) == Standing::Finished);
    order
}

/// Runs that may be handed out now.
fn open_runs(
    core: &Core,
    order: &Order,
    request: &ReceiveRequest,
    queue: QueueKey,
    max: usize,
) -> Vec<Vec<u64>> {
    let taken = super::receive::taken(core, request, queue);
    let in_place = core.state.in_place.get(&request.group.id);
    let is_open = |offset: u64| {
        let is_ready = in_place.is_none_or(|state| state.is_ready(queue, offset));
        is_ready
            && !taken.contains(offset)
            && standing(core, request, queue, offset) == Standing::Open
    };
    order.open(is_open, max, request.run_max.max(1))
}

/// Whether the same request would find something now, among what was looked at.
pub(super) fn has_open_run(core: &Core, request: &ReceiveRequest) -> bool {
    !open_retries(core, request, 1).is_empty()
        || (0..request.topic.queues).any(|queue| {
            let queue = QueueKey {
                topic: request.topic.key,
                queue: QueueId(queue),
            };
            let order = core.orders.get(&(request.group.id, queue));
            order.is_some_and(|order| !open_runs(core, order, request, queue, 1).is_empty())
        })
}
