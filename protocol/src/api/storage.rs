//! What the gateway asks of a storage node. Every call names one broker and is
//! made under a [`RequestContext`]; a broker of another instance is answered as
//! one that does not exist.

use async_trait::async_trait;

use super::admin::AdminApi;
use super::hold::HoldApi;
use crate::catalogue::{OnPoison, StartPosition};
use crate::context::RequestContext;
use crate::error::{ApiError, ApiResult};
use crate::filter::Filter;
use crate::ids::{AttemptId, BrokerId, GroupId, Offset, Position, QueueId, QueueKey, TopicKey};
use crate::message::{ConsumeStatus, Message, MessageId, NewMessage};
use crate::receipt::Receipt;
use crate::time::Timestamp;

/// A topic as a call needs it: its key and how many queues it has on each broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    pub key: TopicKey,
    pub queues: u16,
}

/// A group as a call needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSpec {
    pub id: GroupId,
    /// Redeliveries before the dead-letter topic.
    pub max_retries: u32,
    pub start: StartPosition,
    pub mode: GroupMode,
    /// Of the catalogue's row; an older copy never overrides a newer one.
    pub version: u64,
}

/// How a group gets records and takes failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupMode {
    /// In any order; failing records go on as copies (SEED_SPEC 2.3).
    #[default]
    Unordered,
    /// Records of a message group one after the other, failing ones again in
    /// their place; what to do when all redeliveries failed (RULES 19).
    Ordered(OnPoison),
    /// The group's number is one of its members, who gets every record
    /// ([`GroupId::member`]); failing ones again in their place.
    Member { of: GroupId },
}

/// Appends messages to one queue, in order, all or none.
#[derive(Clone, Debug)]
pub struct AppendRequest {
    pub broker: BrokerId,
    pub queue: QueueKey,
    /// 1 to `SEND_MESSAGES_MAX`, checked against the limits.
    pub messages: Vec<NewMessage>,
}

/// How the sender of messages that keep an order found their queue (RULES 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Of the topic's row that it knows.
    pub version: u64,
    /// Of the topic on each of its brokers.
    pub queues: u16,
}

/// Where appended messages went: message `i` has offset and position `base + i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub offset: Offset,
    pub position: Position,
    pub stored_at: Timestamp,
    pub message_ids: Vec<MessageId>,
}

#[derive(Clone, Debug)]
pub struct ReceiveRequest {
    pub broker: BrokerId,
    pub group: GroupSpec,
    pub topic: TopicSpec,
    pub max: usize,
    pub invisible_ms: u64,
    pub filter: Filter,
    /// The member's id.
    pub member: String,
    /// Ordered groups: so many records of one message group at a time, from 1.
    pub run_max: usize,
    /// Under which the answer can be had again, see [`StorageApi::repeat`].
    pub attempt: Option<AttemptId>,
}

/// Asks for the answer of an earlier receive.
#[derive(Clone, Copy, Debug)]
pub struct RepeatRequest {
    pub broker: BrokerId,
    pub group: GroupId,
    pub topic: TopicKey,
    pub attempt: AttemptId,
}

/// A record handed to a member.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub message: Message,
    pub receipt: Receipt,
    pub invisible_until: Timestamp,
}

#[derive(Clone, Debug, Default)]
pub struct Received {
    pub deliveries: Vec<Delivery>,
    /// Where the broker stood when it found nothing; see [`WaitRequest`].
    pub seen: u64,
}

/// Waits until one of the brokers may have something for (group, topic).
/// A wake is a hint; the caller receives again.
#[derive(Clone, Debug)]
pub struct WaitRequest {
    pub group: GroupId,
    pub topic: TopicSpec,
    /// Each broker with the `seen` of its last empty answer, so that an append
    /// between that answer and this call is not missed.
    pub brokers: Vec<(BrokerId, u64)>,
    pub filter: Filter,
    pub until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckStatus {
    Ok,
    AlreadyAcked,
    LeaseExpired,
    Invalid,
}

impl AckStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::AlreadyAcked => "ALREADY_ACKED",
            Self::LeaseExpired => "LEASE_EXPIRED",
            Self::Invalid => "INVALID",
        }
    }
}

/// Renews or shortens a lease, or fails the delivery.
#[derive(Clone, Debug)]
pub struct VisibilityRequest {
    pub broker: BrokerId,
    pub group: GroupSpec,
    pub receipt: Receipt,
    /// 0 is a failure: redelivery after the pause of the retry table.
    pub invisible_ms: u64,
}

/// Moves a delivery to the dead letters of the group, however often it was tried.
#[derive(Clone, Debug)]
pub struct ForwardRequest {
    pub broker: BrokerId,
    pub group: GroupSpec,
    pub receipt: Receipt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisibilityAnswer {
    /// The new receipt; for a failure the time of the next delivery.
    Changed {
        receipt: Receipt,
        invisible_until: Timestamp,
    },
    /// `AlreadyAcked`, `LeaseExpired` or `Invalid`; nothing changed.
    Refused(AckStatus),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeekTarget {
    Earliest,
    Latest,
    /// Store time: messages before it are consumed, the rest is not.
    Time(Timestamp),
    Offsets(Vec<(QueueId, Offset)>),
}

#[derive(Clone, Debug)]
pub struct SeekRequest {
    pub broker: BrokerId,
    pub group: GroupSpec,
    pub topic: TopicSpec,
    pub target: SeekTarget,
    pub dry_run: bool,
}

/// A row of the reset table (SEED_SPEC 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeekRow {
    pub queue: QueueId,
    pub broker_offset: Offset,
    pub consumer_offset: Offset,
    pub timestamp_offset: Offset,
    pub rollback_offset: Offset,
}

/// Progress of a group on one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLag {
    pub queue: QueueKey,
    pub min_offset: Offset,
    pub max_offset: Offset,
    /// All below are finished.
    pub committed: Offset,
    /// Stored and not finished, in flight included.
    pub lag: u64,
    pub in_flight: u64,
    /// Retries that wait for their time; only in rows of `%RETRY%`.
    pub scheduled: u64,
    /// Store time of the oldest message not finished.
    pub oldest_at: Option<Timestamp>,
}

/// Which messages a key query wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyQuery {
    Key(String),
    MessageId(MessageId),
}

/// One page of a query.
#[derive(Clone, Debug, Default)]
pub struct QueryPage {
    pub messages: Vec<Message>,
    /// Where to go on, opaque to everybody else; `None` at the end.
    pub next: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct RedriveRequest {
    pub broker: BrokerId,
    pub group: GroupSpec,
    /// Only dead letters that came from this topic.
    pub topic: Option<TopicKey>,
    /// Only these; they are sent again even if they were before (RULES 22).
    pub message_ids: Option<Vec<MessageId>>,
    /// To the topic that they came from, for all groups; else to the group alone.
    pub to_topic: bool,
    /// Of the first dead letter that is looked at.
    pub from: Offset,
    pub max: u64,
}

/// What became of a [`RedriveRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    pub sent: u64,
    /// Where to go on; `None` when all were looked at.
    pub next: Option<Offset>,
}

#[async_trait]
pub trait StorageApi: HoldApi + AdminApi {
    /// Appends; answered when the messages are durable as the class promises.
    async fn append(&self, ctx: &RequestContext, request: AppendRequest) -> ApiResult<Appended>;

    /// The same for messages that keep an order: `NOT_OWNER` when the sender's copy of
    /// the topic is outdated, or sends a message group to a queue that is not its own.
    async fn append_in_order(
        &self,
        ctx: &RequestContext,
        request: AppendRequest,
        routed: Routed,
    ) -> ApiResult<Appended>;

    /// Makes sure that the group has progress on all queues of the topic, from
    /// its start position if it is new.
    async fn subscribe(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupSpec,
        topic: TopicSpec,
    ) -> ApiResult<()>;

    /// A member is there that asks another broker at the moment: what its filter
    /// matches here waits for it, as if it had received (RULES 18).
    async fn keep_filter(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupSpec,
        topic: TopicSpec,
        filter: Filter,
    ) -> ApiResult<()>;

    /// Hands out what is there, without waiting.
    async fn receive(&self, ctx: &RequestContext, request: ReceiveRequest) -> ApiResult<Received>;

    /// What a receive under this attempt id was answered, as far as its leases
    /// still hold; nothing if it was answered nothing, or is not known any more.
    async fn repeat(
        &self,
        ctx: &RequestContext,
        request: RepeatRequest,
    ) -> ApiResult<Vec<Delivery>>;

    /// See [`WaitRequest`]; `None` when `until` came first.
    async fn wait(&self, ctx: &RequestContext, request: WaitRequest)
    -> ApiResult<Option<BrokerId>>;

    /// Finishes deliveries; one status for each receipt, after they are durable.
    async fn ack(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        receipts: Vec<Receipt>,
    ) -> ApiResult<Vec<AckStatus>>;

    async fn change_visibility(
        &self,
        ctx: &RequestContext,
        request: VisibilityRequest,
    ) -> ApiResult<VisibilityAnswer>;

    /// See [`ForwardRequest`]. `Ok` once it is durable; else nothing was changed.
    async fn forward(&self, ctx: &RequestContext, request: ForwardRequest) -> ApiResult<AckStatus>;

    /// Gives back deliveries that never reached their member, at once and
    /// without counting an attempt (RULES 20). Not awaited by anybody.
    async fn give_back(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        receipts: Vec<Receipt>,
    ) -> ApiResult<()>;

    async fn seek(&self, ctx: &RequestContext, request: SeekRequest) -> ApiResult<Vec<SeekRow>>;

    /// All queues that the group has progress on, ordered by queue key.
    async fn lag(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> ApiResult<Vec<QueueLag>>;

    /// First stored and next offset of each queue that has records.
    async fn bounds(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
    ) -> ApiResult<Vec<(QueueId, Offset, Offset)>>;

    /// Consecutive messages of one queue from `offset`; empty outside what is stored.
    async fn read(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        queue: QueueKey,
        offset: Offset,
        max: usize,
    ) -> ApiResult<Vec<Message>>;

    async fn by_position(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        position: Position,
    ) -> ApiResult<Option<Message>>;

    /// Messages that carry a key or an id, in order of position, from `from` on.
    /// `topic` limits the search; copies are found under their own topic.
    async fn by_key(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: Option<TopicKey>,
        query: KeyQuery,
        from: u64,
        max: usize,
    ) -> ApiResult<QueryPage>;

    /// First offset of a queue stored at or after `time`; the end if there is none.
    async fn offset_at(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        queue: QueueKey,
        time: Timestamp,
    ) -> ApiResult<Offset>;

    /// What the group has done with each of these records (originals: the
    /// status of their newest copy).
    async fn status(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        records: Vec<(QueueKey, Offset)>,
    ) -> ApiResult<Vec<ConsumeStatus>>;

    /// Sends dead letters back, in their order.
    async fn redrive(&self, ctx: &RequestContext, request: RedriveRequest) -> ApiResult<Redriven>;

    /// Forgets a topic's queues and every group's progress on them.
    async fn drop_topic(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
    ) -> ApiResult<()>;

    /// Forgets a group's progress, retries and dead letters.
    async fn drop_group(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> ApiResult<()>;

    /// Why the node cannot take sends now, if it cannot; for `/readyz`.
    fn health(&self) -> Result<(), ApiError>;
}
