//! Change of visibility: a lease lasts longer or shorter, or the delivery failed.

use std::sync::Arc;

use firn_protocol::api::storage::{AckStatus, ForwardRequest, VisibilityAnswer, VisibilityRequest};
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{GroupId, TopicKey};
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

use super::StorageNode;
use super::ack::{Moved, holds_lease, judge, newest_place};
use super::broadcast::holder_spec;
use super::in_place::{Failure, failure};
use super::settle::due_of_lease;
use crate::broker::entry::Head;
use crate::broker::owner::{Broker, Core, Mark};
use crate::consume::in_place::When;

impl StorageNode {
    pub(super) async fn change_lease(
        &self,
        ctx: &RequestContext,
        request: VisibilityRequest,
    ) -> Result<VisibilityAnswer, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let holder = holder_spec(&*broker.lock()?, request.group, &request.receipt);
        let request = VisibilityRequest {
            group: holder,
            ..request
        };
        let (group, receipt) = (request.group.id, request.receipt);
        if request.invisible_ms == 0 {
            return self.fail_delivery(&broker, request).await;
        }
        let renewed = {
            let mut core = broker.lock()?;
            if holds_lease(&core, group, &receipt) {
                Some(self.renew(&broker, &mut core, &request)?)
            } else {
                None
            }
        };
        let Some((committed, deadline)) = renewed else {
            return self.refuse(&broker, group, &receipt).await;
        };
        self.outcome(committed).await?;
        Ok(VisibilityAnswer::Changed {
            receipt,
            invisible_until: deadline,
        })
    }

    fn renew(
        &self,
        broker: &Broker,
        core: &mut Core,
        request: &VisibilityRequest,
    ) -> Result<(Mark, Timestamp), ApiError> {
        let receipt = request.receipt;
        let deadline = self
            .now()
            .max(core.state.last_time)
            .plus_ms(request.invisible_ms);
        let head = Head::Renew {
            group: request.group.id,
            queue: receipt.queue,
            offset: receipt.offset.0,
            deadline,
        };
        Ok((self.submit(broker, core, &head, None, None)?, deadline))
    }

    /// A handle without a lease changes nothing, whatever an ack would still do.
    async fn refuse(
        &self,
        broker: &Arc<Broker>,
        group: GroupId,
        receipt: &Receipt,
    ) -> Result<VisibilityAnswer, ApiError> {
        let status = judge(&*broker.lock()?, group, receipt);
        let is_moved = match self.moved_from(broker, receipt, status).await? {
            Moved::No => false,
            Moved::From(original) => {
                let core = broker.lock()?;
                newest_place(core.state.groups.get(&group), receipt, original).is_some()
            }
            Moved::Unknown => true,
        };
        if is_moved {
            return Ok(VisibilityAnswer::Refused(AckStatus::LeaseExpired));
        }
        Ok(VisibilityAnswer::Refused(match status {
            AckStatus::Ok => AckStatus::LeaseExpired,
            AckStatus::AlreadyAcked | AckStatus::LeaseExpired | AckStatus::Invalid => status,
        }))
    }

    /// A failure in a group whose records stay where they are; `None` if it is none,
    /// or the record goes to the dead letters.
    async fn fail_in_place(
        &self,
        broker: &Arc<Broker>,
        request: &VisibilityRequest,
    ) -> Result<Option<(Mark, Timestamp)>, ApiError> {
        let (group, receipt) = (request.group.id, request.receipt);
        let is_copy = matches!(receipt.queue.topic, TopicKey::Retry(_));
        let behind = self.handed_out_behind(broker, group, receipt.queue, receipt.offset.0);
        let behind = behind.await?;
        let mut core = broker.lock()?;
        if is_copy || !holds_lease(&core, group, &receipt) {
            return Ok(None);
        }
        let due = due_of_lease(&core, group, receipt.queue, receipt.offset.0)?;
        let now = self.now().max(core.state.last_time);
        let Some(Failure::InPlace(again)) = failure(&core, due, true, now) else {
            return Ok(None);
        };
        let mark = self.open_again(broker, &mut core, due, again, &behind)?;
        let next = match again.when {
            When::At(at) => at,
            When::Now | When::Parked(_) => now,
        };
        Ok(Some((mark, next)))
    }

    /// The member has given it up.
    pub(super) async fn forward_delivery(
        &self,
        ctx: &RequestContext,
        request: ForwardRequest,
    ) -> Result<AckStatus, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let holder = holder_spec(&*broker.lock()?, request.group, &request.receipt);
        let (group, receipt) = (holder.id, request.receipt);
        let lost = async || match self.refuse(&broker, group, &receipt).await? {
            VisibilityAnswer::Refused(status) => Ok(status),
            VisibilityAnswer::Changed { .. } => Ok(AckStatus::Invalid),
        };
        if !holds_lease(&*broker.lock()?, group, &receipt) {
            return lost().await;
        }
        let (queue, offset) = (receipt.queue, receipt.offset.0);
        let Some(message) = self.read_one(&broker, queue, offset).await? else {
            return Ok(AckStatus::Invalid);
        };
        let behind = self
            .handed_out_behind(&broker, group, queue, offset)
            .await?;
        let buried = {
            let mut core = broker.lock()?;
            // Time has passed while the body was read.
            if holds_lease(&core, group, &receipt) {
                let due = due_of_lease(&core, group, queue, offset)?;
                Some(self.bury_delivery(&broker, &mut core, due, &message, &behind)?)
            } else {
                None
            }
        };
        let Some(committed) = buried else {
            return lost().await;
        };
        self.outcome(committed).await?;
        Ok(AckStatus::Ok)
    }

    async fn fail_delivery(
        &self,
        broker: &Arc<Broker>,
        request: VisibilityRequest,
    ) -> Result<VisibilityAnswer, ApiError> {
        let (group, receipt) = (request.group.id, request.receipt);
        if !holds_lease(&*broker.lock()?, group, &receipt) {
            return self.refuse(broker, group, &receipt).await;
        }
        if let Some(failed) = self.fail_in_place(broker, &request).await? {
            let (mark, next) = failed;
            self.outcome(mark).await?;
            return Ok(VisibilityAnswer::Changed {
                receipt,
                invisible_until: next,
            });
        }
        let message = self
            .read_one(broker, receipt.queue, receipt.offset.0)
            .await?;
        let Some(message) = message else {
            return Ok(VisibilityAnswer::Refused(AckStatus::Invalid));
        };
        let behind = self.handed_out_behind(broker, group, receipt.queue, receipt.offset.0);
        let behind = behind.await?;
        let failed = {
            let mut core = broker.lock()?;
            // Time has passed while the body was read.
            if holds_lease(&core, group, &receipt) {
                let due = due_of_lease(&core, group, receipt.queue, receipt.offset.0)?;
                Some(self.fail(broker, &mut core, due, &message, &behind)?)
            } else {
                None
            }
        };
        let Some((committed, next)) = failed else {
            return self.refuse(broker, group, &receipt).await;
        };
        self.outcome(committed).await?;
        let invisible_until = next.unwrap_or_else(|| self.now());
        Ok(VisibilityAnswer::Changed {
            receipt,
            invisible_until,
        })
    }
}
