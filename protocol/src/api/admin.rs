//! What people decide about stored messages: how message groups that are parked go
//! on (RULES 19), and which records are purged. A part of what a storage node does,
//! see [`super::storage`].

use async_trait::async_trait;

use crate::context::RequestContext;
use crate::error::ApiResult;
use crate::ids::{BrokerId, GroupId, Offset, QueueKey, TopicKey};
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

/// Lets records of a topic go before their time.
#[derive(Clone, Copy, Debug)]
pub struct PurgeRequest {
    pub broker: BrokerId,
    /// A topic or dead letters.
    pub topic: TopicKey,
    /// Only records stored before it.
    pub before: Option<Timestamp>,
}

/// The queues of a topic that keeps an order are about to change, or have changed.
#[derive(Clone, Copy, Debug)]
pub struct ReshapeRequest {
    pub broker: BrokerId,
    pub topic: TopicKey,
    /// Of the topic's row.
    pub version: u64,
    pub step: Reshape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshape {
    /// Until then nobody sends who knows this version or an older one; all that was
    /// sent before is seen by whoever asks after the answer.
    Close { until: Timestamp },
    /// From now on only those send who know this version or a newer one.
    Open,
}

/// How far a broker is erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Deleted by this call, of object storage.
    pub objects: u64,
    pub bytes: u64,
    /// A list of the broker's objects was empty, and nothing is left on the node.
    pub is_complete: bool,
}

/// What a broker is and holds, as operators look at it (SEED_SPEC 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BrokerFacts {
    /// When its node was started.
    pub started_at: Timestamp,
    /// Messages of users' topics that it ever took; without those of removed topics.
    pub accepted: u64,
    /// Of these, those that are stored.
    pub stored: u64,
    /// Of the next record, see [`crate::ids::Position`].
    pub next_position: u64,
    /// Of the oldest message that is stored, and its store time.
    pub oldest: Option<(u64, Timestamp)>,
    /// Bytes of its records, on the node and in object storage, before compression.
    pub stored_bytes: u64,
    /// Part of the node's disk that is in use, from 0 to 1.
    pub disk_used: f64,
    /// Bytes of the disk that are the node's own or free.
    pub disk_bytes: u64,
}

#[async_trait]
pub trait AdminApi: Send + Sync + 'static {
    /// Removes a broker that no catalogue has any more, with all that was ever stored
    /// under it, on the node and in object storage, whatever its age. Durable; called
    /// again until it is complete.
    async fn erase(&self, ctx: &RequestContext, broker: BrokerId) -> ApiResult<Erased>;

    /// See [`Reshape`]; concerns sends that keep an order alone.
    async fn reshape(&self, ctx: &RequestContext, request: ReshapeRequest) -> ApiResult<()>;

    /// Parked messages of a group on a broker, at most 1000, in order of their place.
    async fn parked(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> ApiResult<Vec<Parked>>;

    /// `NOT_FOUND` when nothing is parked there.
    async fn release(&self, ctx: &RequestContext, request: ReleaseRequest) -> ApiResult<()>;

    /// Records of a topic are gone for every group, with all retries of them; how
    /// many records. Untouched stay delayed messages that are not due, half
    /// messages that are not decided, and dead letters that came from the topic.
    async fn purge(&self, ctx: &RequestContext, request: PurgeRequest) -> ApiResult<u64>;

    async fn broker_facts(&self, ctx: &RequestContext, broker: BrokerId) -> ApiResult<BrokerFacts>;
}
