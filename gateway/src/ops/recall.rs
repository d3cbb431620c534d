//! Calls a delayed message back before its time.

use firn_protocol::api::hold::Recalled;
use firn_protocol::catalogue::Topic;
use firn_protocol::message::Message;
use firn_protocol::receipt::{HeldKind, HeldPlace};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TopicKey};

use super::{Scope, Services};

/// The message that a handle calls back, as long as it can be read.
///
/// # Errors
/// `BAD_REQUEST` for what is no handle of this topic; what storage answers.
pub(crate) async fn held(
    services: &Services,
    scope: &Scope,
    topic: &Topic,
    handle: &str,
) -> ApiResult<Option<Message>> {
    let place = opened(services, scope, topic, handle)?;
    let storage = &services.storage;
    storage
        .by_position(&scope.ctx, place.broker, place.position)
        .await
}

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
    let place = opened(services, scope, topic, handle)?;
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

fn opened(services: &Services, scope: &Scope, topic: &Topic, handle: &str) -> ApiResult<HeldPlace> {
    services
        .receipts
        .open_held(HeldKind::Delayed, scope.instance.id, handle)
        .filter(|place| place.topic == TopicKey::User(topic.id))
        .filter(|place| scope.broker(place.broker).is_some())
        .ok_or_else(|| ApiError::field("recallHandle", "not a handle of this topic"))
}
