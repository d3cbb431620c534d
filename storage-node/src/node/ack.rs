//! Ack and give back: the two ends of a delivery that went well or nowhere.

use std::collections::BTreeMap;

use firn_protocol::api::storage::AckStatus;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{BrokerId, GroupId, QueueKey};
use firn_protocol::receipt::Receipt;

use super::StorageNode;
use crate::broker::entry::Head;
use crate::broker::owner::Core;
use crate::consume::group::GroupState;
use crate::consume::progress::Standing;

impl StorageNode {
    pub(super) async fn ack_records(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        receipts: Vec<Receipt>,
    ) -> Result<Vec<AckStatus>, ApiError> {
        let broker = self.broker(ctx, broker)?;
        let (statuses, mark) = {
            let mut core = broker.lock()?;
            let mut records: BTreeMap<QueueKey, Vec<u64>> = BTreeMap::new();
            let mut statuses = Vec::with_capacity(receipts.len());
            for receipt in &receipts {
                let mut status = judge(&core, group, receipt);
                if status == AckStatus::Ok {
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
            if !records.is_empty() {
                let head = Head::Ack {
                    group,
                    records: records.into_iter().collect(),
                };
                self.submit(&broker, &mut core, &head, None, None)?;
            }
            (statuses, core.mark())
        };
        // Also when nothing was new: the ack that came before must be durable too.
        self.outcome(mark).await?;
        Ok(statuses)
    }

    /// Gives records back without counting an attempt; durable or not, since a
    /// lease that is lost in a crash goes back as well.
    pub(super) fn give_back_records(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        receipts: &[Receipt],
    ) -> Result<(), ApiError> {
        let broker = self.broker(ctx, broker)?;
        let mut core = broker.lock()?;
        let mut records: BTreeMap<QueueKey, Vec<u64>> = BTreeMap::new();
        let mut topic = None;
        for receipt in receipts {
            if holds_lease(&core, group, receipt) {
                topic = Some(receipt.topic);
                records
                    .entry(receipt.queue)
                    .or_default()
                    .push(receipt.offset.0);
            }
        }
        let Some(topic) = topic else { return Ok(()) };
        let head = Head::GiveBack {
            group,
            records: records.into_iter().collect(),
        };
        self.submit(&broker, &mut core, &head, None, None)?;
        core.returns += 1;
        core.waiters
            .wake_one(broker.key.broker, group, topic, &|_| true);
        Ok(())
    }
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
    match state
        .progress(receipt.queue)
        .map(|p| p.standing(receipt.offset.0))
    {
        None => AckStatus::Invalid,
        // Finished by a redelivery is not finished by an ack.
        Some(Standing::Finished) if was_redelivered(state, receipt) => AckStatus::LeaseExpired,
        Some(Standing::Finished) => AckStatus::AlreadyAcked,
        Some(Standing::Leased(lease)) => {
            if (lease.number, lease.generation) == (receipt.lease, receipt.generation) {
                AckStatus::Ok
            } else {
                AckStatus::LeaseExpired
            }
        }
        // The lease was lost in a crash or given back, and the record has not
        // been handed out again: the work was done, so it counts.
        Some(Standing::Open) => AckStatus::Ok,
    }
}

fn was_redelivered(state: &GroupState, receipt: &Receipt) -> bool {
    let key = (receipt.queue.queue, receipt.offset.0);
    state
        .topics
        .get(&receipt.queue.topic)
        .is_some_and(|topic| topic.moved.contains_key(&key))
}

/// Whether the receipt's own lease still holds the record.
pub(super) fn holds_lease(core: &Core, group: GroupId, receipt: &Receipt) -> bool {
    let state = core.state.groups.get(&group);
    let standing = state
        .and_then(|state| state.progress(receipt.queue))
        .map(|progress| progress.standing(receipt.offset.0));
    judge(core, group, receipt) == AckStatus::Ok && matches!(standing, Some(Standing::Leased(_)))
}
