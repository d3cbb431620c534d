//! Ack and give back: the two ends of a delivery that went well or nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_protocol::api::storage::AckStatus;
use firn_protocol::api::usage::Counts;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{BrokerId, GroupId, QueueId, QueueKey, TopicKey};
use firn_protocol::receipt::Receipt;

use super::StorageNode;
use super::broadcast::holder;
use crate::broker::entry::Head;
use crate::broker::owner::{Broker, Core, Mark};
use crate::broker::state::retry_queue;
use crate::broker::usage::Metered;
use crate::config::Mutant;
use crate::consume::group::{GroupState, Place};
use crate::consume::progress::{Delivery, Lease, Standing};

impl StorageNode {
    pub(super) async fn ack_records(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        receipts: Vec<Receipt>,
    ) -> Result<Vec<AckStatus>, ApiError> {
        let broker = self.broker_to_change(ctx, broker).await?;
        let (mut statuses, mark) = {
            let mut core = broker.lock()?;
            let mut records: BTreeMap<GroupId, BTreeMap<QueueKey, Vec<u64>>> = BTreeMap::new();
            let mut statuses = Vec::with_capacity(receipts.len());
            for receipt in &receipts {
                let holder = holder(&core, group, receipt).unwrap_or(group);
                let mut status = judge(&core, holder, receipt);
                let is_blind = self.config.mutant == Some(Mutant::AckAnyLease);
                if is_blind && status == AckStatus::LeaseExpired {
                    status = AckStatus::Ok;
                }
                if status == AckStatus::Ok {
                    let records = records.entry(holder).or_default();
                    let offsets = records.entry(receipt.queue).or_default();
                    // The same record twice in one request.
                    if offsets.contains(&receipt.offset.0) {
                        status = AckStatus::AlreadyAcked;
                    } else {
                        offsets.push(receipt.offset.0);
                    }
                }
                statuses.push(status);
            }
            for (group, records) in records {
                let records = records.into_iter().collect();
                let head = Head::Ack { group, records };
                self.submit(&broker, &mut core, &head, None, None)?;
                // The next of their message groups may come now.
                if core.state.in_place.contains_key(&group)
                    && let Some(receipt) = receipts.first()
                {
                    core.has_news(broker.key.broker, group, receipt.topic);
                }
            }
            (statuses, core.mark())
        };
        // Also when nothing was new: the ack that came before must be durable too.
        self.outcome(mark).await?;
        let mut last = None;
        for (receipt, status) in receipts.iter().zip(&mut statuses) {
            // Members of a broadcast have no copies.
            if receipt.group != group {
                continue;
            }
            match self.moved_from(&broker, receipt, *status).await? {
                Moved::No => {}
                Moved::From(original) => {
                    let mut core = broker.lock()?;
                    let mark;
                    (*status, mark) =
                        self.ack_moved(&broker, &mut core, group, receipt, original)?;
                    last = mark.or(last);
                }
                Moved::Unknown => *status = AckStatus::LeaseExpired,
            }
        }
        if let Some(mark) = last {
            self.outcome(mark).await?;
        }
        Ok(statuses)
    }

    /// Of which original a record is, if it may have been moved on as a copy: it is
    /// finished then, though nobody acked it. Which original a copy stands for is
    /// known from the record alone.
    pub(super) async fn moved_from(
        &self,
        broker: &Arc<Broker>,
        receipt: &Receipt,
        status: AckStatus,
    ) -> Result<Moved, ApiError> {
        let is_copy = matches!(receipt.queue.topic, TopicKey::Retry(_));
        match (status, is_copy) {
            (AckStatus::LeaseExpired, false) => Ok(Moved::From(Original {
                topic: receipt.queue.topic,
                queue: receipt.queue.queue,
                offset: receipt.offset.0,
            })),
            (AckStatus::AlreadyAcked, true) => {
                let (queue, offset) = (receipt.queue, receipt.offset.0);
                let message = self.read_one(broker, queue, offset).await?;
                let Some(origin) = message.and_then(|message| message.origin) else {
                    return Ok(Moved::Unknown);
                };
                Ok(Moved::From(Original {
                    topic: origin.topic,
                    queue: origin.queue,
                    offset: origin.offset.0,
                }))
            }
            _ => Ok(Moved::No),
        }
    }

    /// An ack of a lease that has passed. As long as nobody was given the copy
    /// that this made, the work that was done counts (DESIGN 5).
    fn ack_moved(
        &self,
        broker: &Broker,
        core: &mut Core,
        group: GroupId,
        receipt: &Receipt,
        original: Original,
    ) -> Result<(AckStatus, Option<Mark>), ApiError> {
        let state = core.state.groups.get(&group);
        let place = newest_place(state, receipt, original);
        let Some((state, place)) = state.zip(place) else {
            return Ok((judge(core, group, receipt), None));
        };
        let queue = retry_queue(group);
        let Place::Retry(offset) = place else {
            return Ok((AckStatus::LeaseExpired, None));
        };
        let copy = state.retry.copies.get(&offset);
        let is_next = copy.is_some_and(|copy| copy.attempt == receipt.attempt + 1);
        let last = state.retry.progress.last_delivery(offset);
        let is_newest = last.is_none_or(|last| !is_newer(core, last, receipt));
        if !(is_next && is_newest && state.is_open(queue, offset)) {
            return Ok((AckStatus::LeaseExpired, None));
        }
        let head = Head::Ack {
            group,
            records: vec![(queue, vec![offset])],
        };
        let mark = self.submit(broker, core, &head, None, None)?;
        Ok((AckStatus::Ok, Some(mark)))
    }

    /// Gives records back without counting an attempt; durable or not, since a
    /// lease that is lost in a crash goes back as well.
    pub(super) async fn give_back_records(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        receipts: &[Receipt],
    ) -> Result<(), ApiError> {
        let broker = self.broker(ctx, broker)?;
        let counted = self.counted(&broker, receipts).await;
        let mut core = broker.lock()?;
        let mut given: BTreeMap<(GroupId, TopicKey), Given> = BTreeMap::new();
        for (receipt, counts) in receipts.iter().zip(counted) {
            let group = holder(&core, group, receipt).unwrap_or(group);
            if holds_lease(&core, group, receipt) {
                let given = given.entry((group, receipt.topic)).or_default();
                let offsets = given.records.entry(receipt.queue).or_default();
                offsets.push(receipt.offset.0);
                given.counts = given.counts.plus(counts);
            }
        }
        let at = self.now().max(core.state.last_time);
        for ((group, topic), given) in given {
            let metered = Metered {
                at,
                topic,
                group: Some(core.state.home(group)),
                counts: given.counts.negative(),
            };
            let records = given.records.into_iter().collect();
            let head = Head::GiveBack { group, records };
            self.submit_metered(&broker, &mut core, &head, Some(&metered), None, None)?;
            core.has_news(broker.key.broker, group, topic);
        }
        Ok(())
    }
}

/// What goes back of one topic, and what it counted.
#[derive(Default)]
struct Given {
    records: BTreeMap<QueueKey, Vec<u64>>,
    counts: Counts,
}

/// What an ack with this receipt means now (DESIGN 5, RULES 2 and 21).
pub(super) fn judge(core: &Core, group: GroupId, receipt: &Receipt) -> AckStatus {
    let Some(state) = core.state.groups.get(&group) else {
        return AckStatus::Invalid;
    };
    if receipt.group != group {
        return AckStatus::Invalid;
    }
    let Some(topic) = state.topics.get(&receipt.topic) else {
        return AckStatus::Invalid;
    };
    if topic.epoch != receipt.epoch {
        return AckStatus::LeaseExpired;
    }
    if receipt.offset.0 >= core.state.queue(receipt.queue).end {
        return AckStatus::Invalid;
    }
    let Some(progress) = state.progress(receipt.queue) else {
        return AckStatus::Invalid;
    };
    let offset = receipt.offset.0;
    let last = progress.last_delivery(offset);
    match progress.standing(offset) {
        // Finished by a redelivery is not finished by an ack.
        Standing::Finished if was_redelivered(state, receipt) => AckStatus::LeaseExpired,
        Standing::Finished => AckStatus::AlreadyAcked,
        // It was handed out again since (R6).
        _ if last.is_some_and(|last| is_newer(core, last, receipt)) => AckStatus::LeaseExpired,
        // It was told to have failed, and waits.
        Standing::Open if waits(core, group, receipt) => AckStatus::LeaseExpired,
        // The lease holds, was given back, or was lost in a crash: nobody else was
        // given the record since, so the work that was done counts (RULES 2).
        Standing::Leased(_) | Standing::Open => AckStatus::Ok,
    }
}

/// Whether the last delivery that is known came after the receipt's. A later one than
/// is known can only be one that a crash took back.
fn is_newer(core: &Core, last: Delivery, receipt: &Receipt) -> bool {
    let own = delivery(receipt);
    last > own || (last < own && own.generation >= core.generation)
}

fn delivery(receipt: &Receipt) -> Delivery {
    Delivery {
        generation: receipt.generation,
        number: receipt.lease,
    }
}

/// Whether a record may not be handed out yet after a failure.
fn waits(core: &Core, group: GroupId, receipt: &Receipt) -> bool {
    let state = core.state.in_place.get(&group);
    state.is_some_and(|state| !state.is_ready(receipt.queue, receipt.offset.0))
}

fn was_redelivered(state: &GroupState, receipt: &Receipt) -> bool {
    let key = (receipt.queue.queue, receipt.offset.0);
    state
        .topics
        .get(&receipt.queue.topic)
        .is_some_and(|topic| topic.moved.contains_key(&key))
}

/// Whether a record may have been moved on as a copy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moved {
    No,
    /// The copies are of this record.
    From(Original),
    /// It is a copy whose record has gone: a newer one may live, of whose work nobody
    /// may be told that it is done.
    Unknown,
}

/// A record of a user's topic or of another group's dead letters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Original {
    topic: TopicKey,
    queue: QueueId,
    offset: u64,
}

/// Where the newest copy is of a record that was moved on, if it lives and the
/// receipt is not void for another reason.
pub(super) fn newest_place(
    state: Option<&GroupState>,
    receipt: &Receipt,
    original: Original,
) -> Option<Place> {
    let state = state?;
    let standing = state.progress(receipt.queue)?.standing(receipt.offset.0);
    let topic = state.topics.get(&receipt.topic)?;
    if standing != Standing::Finished || topic.epoch != receipt.epoch {
        return None;
    }
    let topic = state.topics.get(&original.topic)?;
    let key = (original.queue, original.offset);
    topic.moved.get(&key).copied()
}

/// The receipt's own lease, if it still holds the record.
pub(super) fn lease_of(core: &Core, group: GroupId, receipt: &Receipt) -> Option<Lease> {
    let state = core.state.groups.get(&group);
    let standing = state
        .and_then(|state| state.progress(receipt.queue))
        .map(|progress| progress.standing(receipt.offset.0));
    match standing {
        Some(Standing::Leased(lease))
            if lease.delivery() == delivery(receipt)
                && judge(core, group, receipt) == AckStatus::Ok =>
        {
            Some(lease)
        }
        _ => None,
    }
}

/// Whether the receipt's own lease still holds the record.
pub(super) fn holds_lease(core: &Core, group: GroupId, receipt: &Receipt) -> bool {
    lease_of(core, group, receipt).is_some()
}
