//! Changes a topic. The queues of one that keeps an order change only while nothing
//! waits in it: a message group would go on in another queue, before its older
//! messages (RULES 19).

use std::sync::Arc;

use firn_protocol::api::admin::{Reshape, ReshapeRequest};
use firn_protocol::api::tenant::TopicFields;
use firn_protocol::catalogue::{Topic, TopicType};
use firn_protocol::{ApiError, ApiResult, Caller, ErrorCode, TopicKey};
use futures_util::future::try_join_all;

use super::{Scope, Services, Target};

/// How long nobody sends while a change is under way that never ends.
const CLOSED_MS: u64 = 30_000;

/// # Errors
/// `CONFLICT` when the change is to the queues of a topic that keeps an order, and some
/// group has not consumed it, or nobody consumes it and it has messages.
pub(crate) async fn change(
    services: &Services,
    scope: &Scope,
    caller: &Caller,
    topic: &Arc<Topic>,
    fields: TopicFields,
) -> ApiResult<Arc<Topic>> {
    let keeps_order = topic.keeps_order()
        || fields.ordered == Some(true)
        || fields.topic_type == Some(TopicType::Fifo);
    let is_new = fields.queues.is_some_and(|queues| queues != topic.queues);
    if !keeps_order || !is_new {
        let tenants = &services.tenants;
        return tenants
            .change_topic(caller, scope.instance.id, &topic.name, fields)
            .await;
    }
    let changed = change_closed(services, scope, caller, topic, fields).await;
    let version = changed.as_ref().map_or(topic.version, |new| new.version);
    let opened = reshape(services, scope, topic, version, Reshape::Open).await;
    if let Err(error) = opened {
        // What was closed opens by itself, and whoever knows the new queues tells the
        // broker with the first message.
        tracing::warn!(topic = %topic.name, %error, "a broker was not told of new queues");
    }
    changed
}

/// Nobody sends while it looks and changes.
async fn change_closed(
    services: &Services,
    scope: &Scope,
    caller: &Caller,
    topic: &Arc<Topic>,
    mut fields: TopicFields,
) -> ApiResult<Arc<Topic>> {
    let until = services.now().plus_ms(CLOSED_MS);
    reshape(
        services,
        scope,
        topic,
        topic.version,
        Reshape::Close { until },
    )
    .await?;
    require_drained(services, scope, topic).await?;
    fields.is_drained = true;
    let (tenants, instance) = (&services.tenants, scope.instance.id);
    tenants
        .change_topic(caller, instance, &topic.name, fields)
        .await
}

async fn reshape(
    services: &Services,
    scope: &Scope,
    topic: &Arc<Topic>,
    version: u64,
    step: Reshape,
) -> ApiResult<()> {
    let brokers = Target::Topic(topic.clone()).brokers(&scope.instance);
    let work = brokers.into_iter().map(|broker| {
        let request = ReshapeRequest {
            broker,
            topic: TopicKey::User(topic.id),
            version,
            step,
        };
        services.storage.reshape(&scope.ctx, request)
    });
    try_join_all(work).await.map(drop)
}

async fn require_drained(services: &Services, scope: &Scope, topic: &Arc<Topic>) -> ApiResult<()> {
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
    let key = TopicKey::User(topic.id);
    for broker in Target::Topic(topic.clone()).brokers(&scope.instance) {
        let bounds = services.storage.bounds(&scope.ctx, broker, key).await?;
        if !is_consumed && bounds.iter().any(|(_, min, end)| min < end) {
            return Err(not_drained("it has messages that no group has consumed"));
        }
    }
    Ok(())
}

fn not_drained(why: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Conflict,
        format!("queues: those of an ordered topic change only when it is drained; {why}"),
    )
}
