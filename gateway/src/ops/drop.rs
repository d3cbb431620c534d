//! Forgets the data of topics and groups that the catalogue no longer has. Nothing can reach it any more, so a broker that cannot drop it
//! now is logged and costs no answer.

use firn_protocol::{ApiResult, BrokerId, GroupId, RequestContext, TopicId, TopicKey};

use super::{Scope, Services};

pub(crate) async fn topic(services: &Services, scope: &Scope, topic: TopicId) {
    for broker in &scope.instance.brokers {
        let dropped = services
            .storage
            .drop_topic(&scope.ctx, broker.id, TopicKey::User(topic))
            .await;
        report(&scope.ctx, broker.id, dropped);
    }
}

pub(crate) async fn group(services: &Services, scope: &Scope, group: GroupId) {
    for broker in &scope.instance.brokers {
        let dropped = services
            .storage
            .drop_group(&scope.ctx, broker.id, group)
            .await;
        report(&scope.ctx, broker.id, dropped);
    }
}

fn report(ctx: &RequestContext, broker: BrokerId, dropped: ApiResult<()>) {
    if let Err(error) = dropped {
        tracing::warn!(%error, %broker, request_id = &*ctx.request_id, "data not dropped");
    }
}
