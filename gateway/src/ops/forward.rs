//! A member gives a message up: it goes to the dead letters of its group at once,
//! however often it was tried (RULES 19).

use firn_protocol::ApiResult;
use firn_protocol::api::storage::{AckStatus, ForwardRequest};
use firn_protocol::catalogue::Group;

use super::ack::invalid_handle;
use super::target::group_spec;
use super::visibility::refused;
use super::{Scope, Services, Target};

/// A delivery that is finished already counts as done: the member may not have heard.
///
/// # Errors
/// `INVALID_RECEIPT_HANDLE`; `CONFLICT` when the lease has passed.
pub(crate) async fn forward(
    services: &Services,
    scope: &Scope,
    group: &Group,
    topic: &Target,
    handle: &str,
) -> ApiResult<()> {
    let receipt = services
        .open_receipt(scope, group.id, topic.key(), handle)
        .ok_or_else(|| invalid_handle("receiptHandle: none that"))?;
    let request = ForwardRequest {
        broker: receipt.broker,
        group: group_spec(group),
        receipt,
    };
    let status = services.storage.forward(&scope.ctx, request).await?;
    services.streams.settled(&receipt);
    match status {
        AckStatus::Ok | AckStatus::AlreadyAcked => Ok(()),
        AckStatus::LeaseExpired | AckStatus::Invalid => Err(refused(status)),
    }
}
