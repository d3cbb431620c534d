//! Removes topics and groups: out of the catalogue, then their data out of the brokers. When the catalogue has one no more nothing can reach
//! its data, so a broker that cannot drop it now is logged and costs no answer.

use firn_protocol::catalogue::{Group, Topic};
use firn_protocol::{ApiResult, BrokerId, Caller, RequestContext, TopicKey};

use super::{Scope, Services, in_use};

/// Whether clients that are online keep a thing from being removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InUse {
    Refuse,
    /// An administrator's decision; the caller has the right to it.
    Ignore,
}

/// With its messages.
///
/// # Errors
/// `IN_USE` while clients of the topic are online; what the catalogue answers.
pub(crate) async fn topic(
    services: &Services,
    scope: &Scope,
    caller: &Caller,
    topic: &Topic,
    in_use: InUse,
) -> ApiResult<()> {
    if in_use == InUse::Refuse {
        in_use::topic(services, scope, topic)?;
    }
    let tenants = &services.tenants;
    tenants
        .delete_topic(caller, scope.instance.id, &topic.name)
        .await?;
    for broker in &scope.instance.brokers {
        let key = TopicKey::User(topic.id);
        let dropped = services.storage.drop_topic(&scope.ctx, broker.id, key);
        report(&scope.ctx, broker.id, dropped.await);
    }
    Ok(())
}

/// With its progress, retries and dead letters.
///
/// # Errors
/// `IN_USE` while members of the group are online; what the catalogue answers.
pub(crate) async fn group(
    services: &Services,
    scope: &Scope,
    caller: &Caller,
    group: &Group,
    in_use: InUse,
) -> ApiResult<()> {
    if in_use == InUse::Refuse {
        in_use::group(services, scope, group)?;
    }
    let tenants = &services.tenants;
    tenants
        .delete_group(caller, scope.instance.id, &group.name)
        .await?;
    for broker in &scope.instance.brokers {
        let dropped = services.storage.drop_group(&scope.ctx, broker.id, group.id);
        report(&scope.ctx, broker.id, dropped.await);
    }
    Ok(())
}

fn report(ctx: &RequestContext, broker: BrokerId, dropped: ApiResult<()>) {
    if let Err(error) = dropped {
        tracing::warn!(%error, %broker, request_id = &*ctx.request_id, "data not dropped");
    }
}
