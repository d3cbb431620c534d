//! Renews or shortens a lease, or fails a delivery.

use firn_protocol::api::storage::{AckStatus, VisibilityAnswer, VisibilityRequest};
use firn_protocol::catalogue::Group;
use firn_protocol::error::Detail;
use firn_protocol::limits::INVISIBLE_SECONDS_MAX;
use firn_protocol::receipt::Receipt;
use firn_protocol::{ApiError, ApiResult, ErrorCode, Timestamp};

use super::ack::invalid_handle;
use super::target::group_spec;
use super::{Scope, Services, Target};

/// The new receipt and when it passes.
///
/// # Errors
/// `INVALID_RECEIPT_HANDLE`; `CONFLICT` with `details.status` when the
/// delivery is not this member's any more.
pub(crate) async fn change(
    services: &Services,
    scope: &Scope,
    group: &Group,
    topic: &Target,
    handle: &str,
    invisible_seconds: u64,
) -> ApiResult<(Receipt, Timestamp)> {
    if invisible_seconds > INVISIBLE_SECONDS_MAX {
        return Err(ApiError::field(
            "invisibleSeconds",
            format_args!("not 0 to {INVISIBLE_SECONDS_MAX}"),
        ));
    }
    let old = services
        .open_receipt(scope, group.id, topic.key(), handle)
        .ok_or_else(|| invalid_handle("receiptHandle: none that"))?;
    let request = VisibilityRequest {
        broker: old.broker,
        group: group_spec(group),
        receipt: old,
        invisible_ms: invisible_seconds * 1000,
    };
    match services
        .storage
        .change_visibility(&scope.ctx, request)
        .await?
    {
        VisibilityAnswer::Changed {
            receipt,
            invisible_until,
        } => {
            if invisible_seconds == 0 {
                services.streams.settled(&old);
            } else {
                services.streams.renewed(&old, &receipt, invisible_until);
            }
            Ok((receipt, invisible_until))
        }
        VisibilityAnswer::Refused(status) => {
            services.streams.settled(&old);
            Err(refused(status))
        }
    }
}

pub(super) fn refused(status: AckStatus) -> ApiError {
    let text = match status {
        AckStatus::AlreadyAcked => "the delivery was acknowledged before",
        AckStatus::LeaseExpired => {
            "the lease has passed and the message may be with another member"
        }
        AckStatus::Invalid | AckStatus::Ok => {
            return invalid_handle("receiptHandle: none that");
        }
    };
    ApiError::new(ErrorCode::Conflict, text)
        .with("status", Detail::Text(status.as_str().to_owned()))
}
