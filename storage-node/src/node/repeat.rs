//! The answer of an earlier receive once more, for a caller who did not see it
//! (RULES 20). Nothing changes by it.

use std::sync::Arc;

use firn_protocol::api::storage::{Delivery, ReceiveRequest, RepeatRequest};
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

use super::StorageNode;
use super::ack::lease_of;
use crate::broker::owner::Broker;

impl StorageNode {
    /// Remembers what a receive was answered, if it has an attempt id.
    pub(super) fn note_attempt(
        &self,
        broker: &Broker,
        request: &ReceiveRequest,
        deliveries: &[Delivery],
    ) {
        let (Some(attempt), Some(first)) = (request.attempt, deliveries.first()) else {
            return;
        };
        let receipts = deliveries.iter().map(|one| one.receipt).collect();
        let key = (request.group.id, request.topic.key, attempt);
        let mut core = broker.lock_any();
        core.attempts
            .note(key, receipts, first.invisible_until, self.now());
    }

    pub(super) async fn repeat_answer(
        &self,
        ctx: &RequestContext,
        request: RepeatRequest,
    ) -> Result<Vec<Delivery>, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        self.settle_at_hand(&broker).await;
        let key = (request.group, request.topic, request.attempt);
        let (held, mark) = {
            let core = broker.lock()?;
            let receipts = core.attempts.answer(&key).iter();
            let held = receipts.filter_map(|receipt| {
                let deadline = lease_of(&core, request.group, receipt)?.deadline;
                Some((*receipt, deadline))
            });
            (held.collect::<Vec<_>>(), core.mark())
        };
        if held.is_empty() {
            return Ok(Vec::new());
        }
        // Who shows it again vouches for it, whatever the first answer waited for.
        self.settled(mark).await?;
        self.deliver_again(&broker, &held).await
    }

    async fn deliver_again(
        &self,
        broker: &Arc<Broker>,
        held: &[(Receipt, Timestamp)],
    ) -> Result<Vec<Delivery>, ApiError> {
        let mut deliveries = Vec::with_capacity(held.len());
        for &(receipt, invisible_until) in held {
            let found = self
                .read_one(broker, receipt.queue, receipt.offset.0)
                .await?;
            // A record that is gone meanwhile, by retention or damage, is not shown.
            if let Some(mut message) = found {
                message.attempt = receipt.attempt;
                deliveries.push(Delivery {
                    message,
                    receipt,
                    invisible_until,
                });
            }
        }
        Ok(deliveries)
    }
}
