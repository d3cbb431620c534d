//! Forgets the data of topics, groups and instances that the catalogue no
//! longer has. Nothing can reach it any more, so a broker that cannot drop it
//! now is logged and costs no answer.

use std::sync::Arc;

use firn_protocol::api::storage::StorageApi;
use firn_protocol::{ApiResult, BrokerId, GroupId, RequestContext, TopicId, TopicKey};
use firn_runtime::tasks;

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

/// What an instance held, read before the catalogue forgets it.
pub(crate) struct Contents {
    topics: Vec<TopicId>,
    groups: Vec<GroupId>,
}

impl Contents {
    pub(crate) fn of(services: &Services, scope: &Scope) -> Self {
        let id = scope.instance.id;
        Self {
            topics: services
                .tenants
                .topics(id)
                .iter()
                .map(|topic| topic.id)
                .collect(),
            groups: services
                .tenants
                .groups(id)
                .iter()
                .map(|group| group.id)
                .collect(),
        }
    }

    /// Drops everything in the background: an instance may hold very much.
    pub(crate) fn drop_all(self, services: &Services, ctx: RequestContext, brokers: Vec<BrokerId>) {
        let storage: Arc<dyn StorageApi> = services.storage.clone();
        tasks::detach(async move {
            for broker in brokers {
                for topic in &self.topics {
                    let dropped = storage
                        .drop_topic(&ctx, broker, TopicKey::User(*topic))
                        .await;
                    report(&ctx, broker, dropped);
                }
                for group in &self.groups {
                    report(&ctx, broker, storage.drop_group(&ctx, broker, *group).await);
                }
            }
        });
    }
}

fn report(ctx: &RequestContext, broker: BrokerId, dropped: ApiResult<()>) {
    if let Err(error) = dropped {
        tracing::warn!(%error, %broker, request_id = &*ctx.request_id, "data not dropped");
    }
}
