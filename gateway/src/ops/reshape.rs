//! Keeps the queues of ordered topics from changing while messages wait: a message
//! group would go on in another queue, before its older messages (RULES 19).

use firn_protocol::api::tenant::TopicFields;
use firn_protocol::catalogue::{Topic, TopicType};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TopicKey};

use super::{Scope, Services, Target};

/// Whether it was looked at, and is drained.
///
/// # Errors
/// `CONFLICT` when the change is to the queues of an ordered topic that some group
/// has not consumed, or that nobody consumes and has messages.
pub(crate) async fn require(
    services: &Services,
    scope: &Scope,
    topic: &Topic,
    change: &TopicFields,
) -> ApiResult<bool> {
    let is_ordered = topic.ordered
        || change.ordered == Some(true)
        || topic.topic_type == TopicType::Fifo
        || change.topic_type == Some(TopicType::Fifo);
    let is_new = change.queues.is_some_and(|queues| queues != topic.queues);
    if !is_ordered || !is_new {
        return Ok(false);
    }
    let key = TopicKey::User(topic.id);
    let mut is_consumed = false;
    for group in services.tenants.groups(scope.instance.id) {
        let rows = super::lag::lag(services, scope, &group, None).await?;
        let Some(row) = rows.iter().find(|row| row.topic == topic.name) else {
            continue;
        };
        is_consumed = true;
        if row.lag() > 0 {
            return Err(not_drained(&format!(
                "group '{}' has {} messages to consume",
                group.name,
                row.lag()
            )));
        }
    }
    let target = Target::Topic(topic.clone().into());
    for broker in target.brokers(&scope.instance) {
        let bounds = services.storage.bounds(&scope.ctx, broker, key).await?;
        if !is_consumed && bounds.iter().any(|(_, min, end)| min < end) {
            return Err(not_drained("it has messages that no group has consumed"));
        }
    }
    Ok(true)
}

fn not_drained(why: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Conflict,
        format!("queues: those of an ordered topic change only when it is drained; {why}"),
    )
}
