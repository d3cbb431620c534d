//! Message groups of ordered consumer groups that are parked (RULES 19). A part
//! of what a storage node does, see [`super::storage`].

use async_trait::async_trait;

use crate::context::RequestContext;
use crate::error::ApiResult;
use crate::ids::{BrokerId, GroupId, Offset, QueueKey};
use crate::message::Message;
use crate::time::Timestamp;

/// A message whose redeliveries all failed, with its message group behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub message: Message,
    pub since: Timestamp,
}

/// How a message group goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// With the parked message, its deliveries counted from 1 again.
    Retry,
    /// Without it.
    Skip,
    /// Without it; it is kept as a dead letter.
    DeadLetter,
}

/// Lets a parked message group go on.
#[derive(Clone, Debug)]
pub struct ReleaseRequest {
    pub broker: BrokerId,
    pub group: GroupId,
    pub queue: QueueKey,
    pub offset: Offset,
    pub how: Release,
}

#[async_trait]
pub trait ParkedApi: Send + Sync + 'static {
    /// Parked messages of a group on a broker, at most 1000, in order of their place.
    async fn parked(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> ApiResult<Vec<Parked>>;

    /// `NOT_FOUND` when nothing is parked there.
    async fn release(&self, ctx: &RequestContext, request: ReleaseRequest) -> ApiResult<()>;
}
