//! Message groups that are parked, and how they go on (RULES 19).

use std::sync::Arc;

use firn_protocol::api::admin::{Parked, Release, ReleaseRequest};
use firn_protocol::catalogue::Group;
use firn_protocol::{ApiResult, Offset, QueueId, QueueKey};

use super::{Scope, Services, Target};

/// Parked messages of a group, broker by broker.
///
/// # Errors
/// As `AdminApi::parked`.
pub(crate) async fn list(
    services: &Services,
    scope: &Scope,
    group: &Group,
) -> ApiResult<Vec<Parked>> {
    let mut all = Vec::new();
    for broker in &scope.instance.brokers {
        let parked = services.storage.parked(&scope.ctx, broker.id, group.id);
        all.extend(parked.await?);
    }
    Ok(all)
}

/// The place of a parked message.
pub(crate) struct Place {
    pub(crate) topic: Target,
    pub(crate) broker: String,
    pub(crate) queue: QueueId,
    pub(crate) offset: Offset,
}

/// # Errors
/// `NOT_FOUND` when nothing is parked there.
pub(crate) async fn release(
    services: &Services,
    scope: &Scope,
    group: &Arc<Group>,
    place: &Place,
    how: Release,
) -> ApiResult<()> {
    let request = ReleaseRequest {
        broker: scope.broker_named(&place.broker)?,
        group: group.id,
        queue: QueueKey {
            topic: place.topic.key(),
            queue: place.queue,
        },
        offset: place.offset,
        how,
    };
    services.storage.release(&scope.ctx, request).await
}
