//! Change of visibility: a lease lasts longer or shorter, or the delivery failed.

use firn_protocol::api::storage::{AckStatus, VisibilityAnswer, VisibilityRequest};
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;

use super::StorageNode;
use super::ack::{holds_lease, judge};
use super::settle::due_of_lease;
use crate::broker::entry::Head;

impl StorageNode {
    pub(super) async fn change_lease(
        &self,
        ctx: &RequestContext,
        request: VisibilityRequest,
    ) -> Result<VisibilityAnswer, ApiError> {
        let broker = self.broker(ctx, request.broker)?;
        let (group, receipt) = (request.group.id, request.receipt);
        if request.invisible_ms == 0 {
            return self.fail_delivery(&broker, request).await;
        }
        let (committed, deadline) = {
            let mut core = broker.lock()?;
            if !holds_lease(&core, group, &receipt) {
                return Ok(refusal(judge(&core, group, &receipt)));
            }
            let deadline = self
                .now()
                .max(core.state.last_time)
                .plus_ms(request.invisible_ms);
            let head = Head::Renew {
                group,
                queue: receipt.queue,
                offset: receipt.offset.0,
                deadline,
            };
            (
                self.submit(&broker, &mut core, &head, None, None)?,
                deadline,
            )
        };
        self.outcome(committed).await?;
        Ok(VisibilityAnswer::Changed {
            receipt,
            invisible_until: deadline,
        })
    }

    async fn fail_delivery(
        &self,
        broker: &std::sync::Arc<crate::broker::owner::Broker>,
        request: VisibilityRequest,
    ) -> Result<VisibilityAnswer, ApiError> {
        let (group, receipt) = (request.group.id, request.receipt);
        {
            let core = broker.lock()?;
            if !holds_lease(&core, group, &receipt) {
                return Ok(refusal(judge(&core, group, &receipt)));
            }
        }
        let message = self
            .read_one(broker, receipt.queue, receipt.offset.0)
            .await?;
        let (committed, next) = {
            let mut core = broker.lock()?;
            // Time has passed while the body was read.
            if !holds_lease(&core, group, &receipt) {
                return Ok(refusal(judge(&core, group, &receipt)));
            }
            let Some(message) = message else {
                return Ok(VisibilityAnswer::Refused(AckStatus::Invalid));
            };
            let due = due_of_lease(&core, group, receipt.queue, receipt.offset.0)?;
            self.fail(broker, &mut core, due, &message)?
        };
        self.outcome(committed).await?;
        let invisible_until = next.unwrap_or_else(|| self.now());
        Ok(VisibilityAnswer::Changed {
            receipt,
            invisible_until,
        })
    }
}

/// A handle without a lease changes nothing, whatever an ack would still do.
fn refusal(status: AckStatus) -> VisibilityAnswer {
    VisibilityAnswer::Refused(match status {
        AckStatus::Ok => AckStatus::LeaseExpired,
        AckStatus::AlreadyAcked | AckStatus::LeaseExpired | AckStatus::Invalid => status,
    })
}
