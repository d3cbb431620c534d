//! Stores messages of producers.

use std::sync::Arc;

use firn_protocol::api::hold::{HoldRequest, UniqueMessage, UniqueRequest};
use firn_protocol::api::storage::{AppendRequest, Routed};
use firn_protocol::catalogue::Topic;
use firn_protocol::limits::SEND_MESSAGES_MAX;
use firn_protocol::message::{MessageId, OffsetMessageId};
use firn_protocol::receipt::HeldKind;
use firn_protocol::routing::by_group;
use firn_protocol::{
    ApiError, ApiResult, BrokerId, ErrorCode, Offset, Position, QueueId, QueueKey, Timestamp,
    TopicKey, UniqueId,
};
use futures_util::future::join_all;

use super::draft::{Checked, Draft, DraftRules, Kind};
use super::{Scope, Services, Target};
use crate::admission::Demand;
use crate::config::GatewayMutant;
use crate::routing;

/// Where a message went.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) message_id: MessageId,
    pub(crate) broker: BrokerId,
    pub(crate) queue: QueueId,
    /// `None` until a delayed message is due.
    pub(crate) offset: Option<Offset>,
    pub(crate) position: Position,
    pub(crate) stored_at: Timestamp,
    /// Of a delayed message.
    pub(crate) recall_handle: Option<String>,
}

impl Sent {
    pub(crate) fn offset_message_id(&self) -> OffsetMessageId {
        OffsetMessageId {
            broker: self.broker,
            position: self.position,
        }
    }
}

/// How messages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartKind {
    Plain,
    Delayed,
    /// Under an id each.
    Unique,
}

/// Messages of one request for one queue, with their places in the request.
struct Part {
    broker: BrokerId,
    queue: QueueId,
    kind: PartKind,
    places: Vec<usize>,
    messages: Vec<Checked>,
}

/// One outcome for each draft, in their order. Messages of one message group
/// stay in order; so do all messages without one.
///
/// # Errors
/// When no message could be stored for one and the same reason.
pub(crate) async fn send(
    services: &Services,
    scope: &Scope,
    topic: &Arc<Topic>,
    drafts: Vec<Draft<'_>>,
    born_host: &str,
) -> ApiResult<Vec<ApiResult<Sent>>> {
    if !(1..=SEND_MESSAGES_MAX).contains(&drafts.len()) {
        return Err(ApiError::field(
            "messages",
            format_args!("{} messages, not 1 to {SEND_MESSAGES_MAX}", drafts.len()),
        ));
    }
    let rules = DraftRules {
        topic_type: topic.topic_type,
        kind: Kind::Plain,
        message_bytes: scope.instance.message_bytes,
        now: services.now(),
        born_host,
    };
    let count = drafts.len();
    let mut outcomes: Vec<Option<ApiResult<Sent>>> = Vec::with_capacity(count);
    let mut parts = Parts::new(services, scope, topic);
    let demand = Demand::to_send(&scope.instance, topic);
    let (grant, mut admitted) = (services.admission.take(&demand, count), 0);
    for (place, draft) in drafts.into_iter().enumerate() {
        match draft.check(&rules) {
            Ok(checked) if admitted == grant.count() => {
                services.metrics.rate_limited.inc();
                if services.mutant == Some(GatewayMutant::StoreRefused) {
                    parts.add(place, checked, count);
                }
                outcomes.push(Some(Err(grant.refused())));
            }
            Ok(checked) => {
                admitted += 1;
                parts.add(place, checked, count);
                outcomes.push(None);
            }
            Err(error) => outcomes.push(Some(Err(error))),
        }
    }
    if !parts.list.is_empty() {
        require_writable(scope, topic)?;
    }
    grant.settle(admitted);
    let mut list = parts.list;
    if list.len() == 1 {
        let part = list.swap_remove(0);
        settle(&mut outcomes, append(services, scope, topic, part).await);
    } else {
        let work = list
            .into_iter()
            .map(|part| append(services, scope, topic, part));
        for done in join_all(work).await {
            settle(&mut outcomes, done);
        }
    }
    let outcomes: Vec<ApiResult<Sent>> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(|| Err(lost())))
        .collect();
    all_failed_alike(outcomes)
}

pub(crate) fn require_writable(scope: &Scope, topic: &Topic) -> ApiResult<()> {
    scope.require_running()?;
    if !topic.permission.can_write() {
        return Err(ApiError::new(
            ErrorCode::TopicNotWritable,
            format!("topic '{}' is read-only", topic.name),
        ));
    }
    Ok(())
}

/// Sorts messages by the queue that they go to.
struct Parts {
    brokers: Vec<BrokerId>,
    queues: u16,
    turn: (BrokerId, QueueId),
    list: Vec<Part>,
}

impl Parts {
    fn new(services: &Services, scope: &Scope, topic: &Arc<Topic>) -> Self {
        let brokers = Target::Topic(topic.clone()).brokers(&scope.instance);
        // One turn for the whole request: a batch stays together and in order.
        let turn = routing::in_turn(services.spread.next(), &brokers, topic.queues);
        Self {
            brokers,
            queues: topic.queues,
            turn,
            list: Vec::with_capacity(1),
        }
    }

    fn add(&mut self, place: usize, checked: Checked, room: usize) {
        let message = &checked.message;
        // A repeat has to come to the broker that knows the first (RULES 23).
        let group = message.message_group.as_ref().or(checked.dedup_id.as_ref());
        let (broker, queue) = match group {
            None => self.turn,
            Some(group) => by_group(group, &self.brokers, self.queues),
        };
        let kind = match (&checked.dedup_id, message.deliver_at) {
            (Some(_), _) => PartKind::Unique,
            (None, Some(_)) => PartKind::Delayed,
            (None, None) => PartKind::Plain,
        };
        let place_of = |part: &Part| (part.broker, part.queue, part.kind);
        let mut parts = self.list.iter();
        let found = parts.position(|part| place_of(part) == (broker, queue, kind));
        let index = found.unwrap_or_else(|| {
            let room = if self.list.is_empty() { room } else { 1 };
            self.list.push(Part {
                broker,
                queue,
                kind,
                places: Vec::with_capacity(room),
                messages: Vec::with_capacity(room),
            });
            self.list.len() - 1
        });
        self.list[index].places.push(place);
        self.list[index].messages.push(checked);
    }
}

type PartOutcome = (Vec<usize>, ApiResult<Vec<ApiResult<Sent>>>);

async fn append(services: &Services, scope: &Scope, topic: &Topic, part: Part) -> PartOutcome {
    let Part {
        broker,
        queue,
        kind,
        places,
        messages,
    } = part;
    let place = Place {
        broker,
        queue: QueueKey {
            topic: TopicKey::User(topic.id),
            queue,
        },
    };
    let sizes: Vec<u64> = messages
        .iter()
        .map(|one| one.message.content_bytes())
        .collect();
    let sent = match kind {
        PartKind::Plain => append_plain(services, scope, topic, place, messages).await,
        PartKind::Delayed => hold(services, scope, place, messages).await,
        PartKind::Unique => append_unique(services, scope, topic, place, messages).await,
    };
    if let Ok(sent) = &sent {
        assert_eq!(sent.len(), places.len(), "one outcome for each message");
        let stored = sent.iter().zip(sizes).filter(|(sent, _)| sent.is_ok());
        let (count, bytes) = stored.fold((0, 0), |(n, sum), (_, size)| (n + 1, sum + size));
        services.metrics.messages_in.inc_by(count);
        services.metrics.bytes_in.inc_by(bytes);
    }
    (places, sent)
}

/// The queue that messages go to.
#[derive(Clone, Copy)]
struct Place {
    broker: BrokerId,
    queue: QueueKey,
}

/// What the storage node holds the queue of messages against that keep an order.
fn routed(topic: &Topic, messages: &[Checked]) -> Option<Routed> {
    let mut messages = messages.iter();
    let keep_order = topic.ordered || messages.any(|one| one.message.message_group.is_some());
    keep_order.then_some(Routed {
        version: topic.version,
        queues: topic.queues,
    })
}

async fn append_plain(
    services: &Services,
    scope: &Scope,
    topic: &Topic,
    place: Place,
    messages: Vec<Checked>,
) -> ApiResult<Vec<ApiResult<Sent>>> {
    let routed = routed(topic, &messages);
    let request = AppendRequest {
        broker: place.broker,
        queue: place.queue,
        messages: messages.into_iter().map(|one| one.message).collect(),
    };
    let (storage, ctx) = (&services.storage, &scope.ctx);
    let appended = match routed {
        Some(routed) => storage.append_in_order(ctx, request, routed).await?,
        None => storage.append(ctx, request).await?,
    };
    let ids = appended.message_ids.iter().zip(0..);
    let sent = ids.map(|(message_id, n)| {
        Ok(Sent {
            message_id: *message_id,
            broker: place.broker,
            queue: place.queue.queue,
            offset: Some(appended.offset.plus(n)),
            position: Position(appended.position.0 + n),
            stored_at: appended.stored_at,
            recall_handle: None,
        })
    });
    Ok(sent.collect())
}

async fn hold(
    services: &Services,
    scope: &Scope,
    place: Place,
    messages: Vec<Checked>,
) -> ApiResult<Vec<ApiResult<Sent>>> {
    let request = HoldRequest {
        broker: place.broker,
        queue: place.queue,
        messages: messages.into_iter().map(|one| one.message).collect(),
    };
    let held = services.storage.hold(&scope.ctx, request).await?;
    let (receipts, instance) = (&services.receipts, scope.instance.id);
    let sent = held.into_iter().map(|held| {
        let held = held?;
        Ok(Sent {
            message_id: held.message_id,
            broker: place.broker,
            queue: place.queue.queue,
            offset: None,
            position: held.place.position,
            stored_at: held.stored_at,
            recall_handle: Some(receipts.seal_held(HeldKind::Delayed, instance, &held.place)),
        })
    });
    Ok(sent.collect())
}

async fn append_unique(
    services: &Services,
    scope: &Scope,
    topic: &Topic,
    place: Place,
    messages: Vec<Checked>,
) -> ApiResult<Vec<ApiResult<Sent>>> {
    let routed = routed(topic, &messages);
    let messages = messages.into_iter().map(|one| UniqueMessage {
        id: UniqueId::of(topic.id, one.dedup_id.as_deref().unwrap_or_default()),
        message: one.message,
    });
    let request = UniqueRequest {
        broker: place.broker,
        queue: place.queue,
        messages: messages.collect(),
        routed,
    };
    let stored = services.storage.append_unique(&scope.ctx, request).await?;
    let (receipts, instance) = (&services.receipts, scope.instance.id);
    let sent = stored.into_iter().map(|stored| {
        let stored = stored?;
        let handle = |held| receipts.seal_held(HeldKind::Delayed, instance, held);
        Ok(Sent {
            message_id: stored.message_id,
            broker: place.broker,
            queue: stored.queue,
            offset: stored.offset,
            position: stored.position,
            stored_at: stored.stored_at,
            recall_handle: stored.held.as_ref().map(handle),
        })
    });
    Ok(sent.collect())
}

fn settle(outcomes: &mut [Option<ApiResult<Sent>>], (places, result): PartOutcome) {
    match result {
        Ok(sent) => {
            for (place, sent) in places.into_iter().zip(sent) {
                // Only a deliberate fault has sent what was refused.
                outcomes[place].get_or_insert(sent);
            }
        }
        Err(error) => {
            for place in places {
                outcomes[place] = Some(Err(error.clone()));
            }
        }
    }
}

fn lost() -> ApiError {
    ApiError::new(ErrorCode::Internal, "no outcome for this message")
}

/// One reason for all entries is the request's own failure.
fn all_failed_alike(outcomes: Vec<ApiResult<Sent>>) -> ApiResult<Vec<ApiResult<Sent>>> {
    let Some(Err(first)) = outcomes.first() else {
        return Ok(outcomes);
    };
    let alike = outcomes.iter().all(|outcome| {
        outcome
            .as_ref()
            .is_err_and(|error| error.code == first.code)
    });
    if alike {
        Err(first.clone())
    } else {
        Ok(outcomes)
    }
}
