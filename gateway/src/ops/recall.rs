//! Calls a delayed message back before its time.

use firn_protocol::api::hold::Recalled;
use firn_protocol::catalogue::Topic;
use firn_protocol::receipt::HeldKind;
use firn_protocol::{ApiError, ApiResult, ErrorCode, TopicKey};

use super::{Scope, Services};

/// # Errors
/// `ALREADY_DELIVERED`, `BAD_REQUEST` for what is no handle of this topic,
/// `MESSAGE_NOT_FOUND` when nothing is there any more.
pub(crate) async fn recall(
    services: &Services,
    scope: &Scope,
    topic: &Topic,
    handle: &str,
) -> ApiResult<()> {
    scope.require_running()?;
    let place = services
        .receipts
        .open_held(HeldKind::Delayed, scope.instance.id, handle)
        .filter(|place| place.topic == TopicKey::User(topic.id))
        .filter(|place| scope.broker(place.broker).is_some())
        .ok_or_else(|| ApiError::field("recallHandle", "not a handle of this topic"))?;
    match services.storage.recall(&scope.ctx, place).await? {
        Recalled::Done => Ok(()),
        Recalled::AlreadyDelivered => Err(ApiError::new(
            ErrorCode::AlreadyDelivered,
            "the message has been delivered to its topic",
        )),
        Recalled::Unknown => Err(ApiError::new(
            ErrorCode::MessageNotFound,
            "the delayed message is not stored any more",
        )),
    }
}
