//! Messages that nobody sees yet, delayed ones and half messages, and messages that
//! are sent once however often they are sent. A part of what
//! a storage node does, see [`super::storage`].

use async_trait::async_trait;

use super::storage::Routed;
use crate::context::RequestContext;
use crate::error::ApiResult;
use crate::ids::{BrokerId, Offset, Position, QueueId, QueueKey, TopicKey, UniqueId};
use crate::message::{Message, MessageId, NewMessage};
use crate::receipt::HeldPlace;
use crate::time::Timestamp;

/// Stores messages of which each is one with an earlier message of its id.
#[derive(Clone, Debug)]
pub struct UniqueRequest {
    pub broker: BrokerId,
    /// Where they go, delayed ones once they are due.
    pub queue: QueueKey,
    /// 1 to `SEND_MESSAGES_MAX`, stored in this order.
    pub messages: Vec<UniqueMessage>,
    /// When they keep an order.
    pub routed: Option<Routed>,
}

#[derive(Clone, Debug)]
pub struct UniqueMessage {
    pub message: NewMessage,
    pub id: UniqueId,
}

/// Where a message is, or the one that it repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOnce {
    /// Of its topic.
    pub queue: QueueId,
    /// `None` for a delayed message.
    pub offset: Option<Offset>,
    /// Where a delayed message was held.
    pub held: Option<HeldPlace>,
    pub position: Position,
    pub stored_at: Timestamp,
    pub message_id: MessageId,
}

/// Holds messages until their time, then appends each to the queue.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    pub broker: BrokerId,
    /// Where they go.
    pub queue: QueueKey,
    /// Each with `deliver_at`; 1 to `SEND_MESSAGES_MAX`.
    pub messages: Vec<NewMessage>,
}

/// A message that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub place: HeldPlace,
    pub stored_at: Timestamp,
    pub message_id: MessageId,
}

/// What a recall found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// It will not be delivered; also when it had been recalled before.
    Done,
    AlreadyDelivered,
    /// Nothing of this topic is there, or what became of it is forgotten.
    Unknown,
}

/// Stores a half message.
#[derive(Clone, Debug)]
pub struct PrepareRequest {
    pub broker: BrokerId,
    /// Where it goes when it is committed.
    pub queue: QueueKey,
    pub message: NewMessage,
    /// The producer group that is asked about it.
    pub producers: String,
    pub check_after_ms: u64,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// As wanted; also when it had been decided so before.
    Done,
    /// It had been decided the other way.
    Opposite,
    /// No such half message, or one decided so long ago that it is forgotten.
    Unknown,
}

/// A half message that is not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfMessage {
    pub place: HeldPlace,
    pub producers: String,
    pub since: Timestamp,
    /// When a producer is asked next.
    pub next_check: Timestamp,
    /// How often one was asked.
    pub checks: u32,
    /// Nobody is asked any more.
    pub is_given_up: bool,
    pub message: Message,
}

/// Which half messages a producer wants to be asked about.
#[derive(Clone, Debug)]
pub struct ChecksRequest {
    pub broker: BrokerId,
    pub topic: TopicKey,
    pub producers: String,
    pub max: usize,
}

#[async_trait]
pub trait HoldApi: Send + Sync + 'static {
    /// Stores messages unless they repeat one of the last ten minutes; one outcome
    /// for each.
    async fn append_unique(
        &self,
        ctx: &RequestContext,
        request: UniqueRequest,
    ) -> ApiResult<Vec<ApiResult<StoredOnce>>>;

    /// Stores messages that become visible when they are due; one outcome for each.
    async fn hold(
        &self,
        ctx: &RequestContext,
        request: HoldRequest,
    ) -> ApiResult<Vec<ApiResult<Held>>>;

    /// Calls a held message back before its time.
    async fn recall(&self, ctx: &RequestContext, place: HeldPlace) -> ApiResult<Recalled>;

    /// Stores a message that becomes visible when it is committed.
    async fn prepare(&self, ctx: &RequestContext, request: PrepareRequest) -> ApiResult<Held>;

    /// Commits a half message or rolls it back.
    async fn decide(
        &self,
        ctx: &RequestContext,
        place: HeldPlace,
        commit: bool,
    ) -> ApiResult<Decided>;

    /// Half messages whose producers are to be asked now; each counts as asked.
    async fn checks(
        &self,
        ctx: &RequestContext,
        request: ChecksRequest,
    ) -> ApiResult<Vec<HalfMessage>>;

    /// Waits until [`Self::checks`] may bring something, at most until a time.
    async fn wait_checks(
        &self,
        ctx: &RequestContext,
        request: ChecksRequest,
        until: Timestamp,
    ) -> ApiResult<()>;

    /// Undecided half messages of a topic, oldest first, from an offset on.
    async fn half_messages(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
        given_up: Option<bool>,
        from: Offset,
        max: usize,
    ) -> ApiResult<Vec<HalfMessage>>;
}
