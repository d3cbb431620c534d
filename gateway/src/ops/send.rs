//! Stores messages of producers.

use std::sync::Arc;

use firn_protocol::api::storage::AppendRequest;
use firn_protocol::catalogue::Topic;
use firn_protocol::limits::SEND_MESSAGES_MAX;
use firn_protocol::message::{MessageId, NewMessage, OffsetMessageId};
use firn_protocol::{
    ApiError, ApiResult, BrokerId, ErrorCode, Offset, Position, QueueId, QueueKey, Timestamp,
    TopicKey,
};
use futures_util::future::join_all;

use super::draft::{Draft, DraftRules};
use super::{Scope, Services, Target};
use crate::admission::Demand;
use crate::routing;

/// Where a message went.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) message_id: MessageId,
    pub(crate) broker: BrokerId,
    pub(crate) queue: QueueId,
    pub(crate) offset: Offset,
    pub(crate) position: Position,
    pub(crate) stored_at: Timestamp,
}

impl Sent {
    pub(crate) fn offset_message_id(&self) -> OffsetMessageId {
        OffsetMessageId {
            broker: self.broker,
            position: self.position,
        }
    }
}

/// Messages of one request for one queue, with their places in the request.
struct Part {
    broker: BrokerId,
    queue: QueueId,
    places: Vec<usize>,
    messages: Vec<NewMessage>,
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
            Ok(_) if admitted == grant.count() => {
                services.metrics.rate_limited.inc();
                outcomes.push(Some(Err(grant.refused())));
            }
            Ok(message) => {
                admitted += 1;
                parts.add(place, message, count);
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

fn require_writable(scope: &Scope, topic: &Topic) -> ApiResult<()> {
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

    fn add(&mut self, place: usize, message: NewMessage, room: usize) {
        let (broker, queue) = match &message.message_group {
            None => self.turn,
            Some(group) => routing::by_group(group, &self.brokers, self.queues),
        };
        let found = self
            .list
            .iter()
            .position(|p| p.broker == broker && p.queue == queue);
        let index = found.unwrap_or_else(|| {
            let room = if self.list.is_empty() { room } else { 1 };
            self.list.push(Part {
                broker,
                queue,
                places: Vec::with_capacity(room),
                messages: Vec::with_capacity(room),
            });
            self.list.len() - 1
        });
        self.list[index].places.push(place);
        self.list[index].messages.push(message);
    }
}

type PartOutcome = (Vec<usize>, ApiResult<Vec<Sent>>);

async fn append(services: &Services, scope: &Scope, topic: &Topic, part: Part) -> PartOutcome {
    let Part {
        broker,
        queue,
        places,
        messages,
    } = part;
    let bytes: u64 = messages.iter().map(NewMessage::content_bytes).sum();
    let request = AppendRequest {
        broker,
        queue: QueueKey {
            topic: TopicKey::User(topic.id),
            queue,
        },
        messages,
    };
    let appended = match services.storage.append(&scope.ctx, request).await {
        Ok(appended) => appended,
        Err(error) => return (places, Err(error)),
    };
    assert_eq!(
        appended.message_ids.len(),
        places.len(),
        "one id for each message appended"
    );
    services.metrics.messages_in.inc_by(places.len() as u64);
    services.metrics.bytes_in.inc_by(bytes);
    let sent = appended
        .message_ids
        .iter()
        .zip(0..)
        .map(|(message_id, n)| Sent {
            message_id: *message_id,
            broker,
            queue,
            offset: appended.offset.plus(n),
            position: Position(appended.position.0 + n),
            stored_at: appended.stored_at,
        })
        .collect();
    (places, Ok(sent))
}

fn settle(outcomes: &mut [Option<ApiResult<Sent>>], (places, result): PartOutcome) {
    match result {
        Ok(sent) => {
            for (place, sent) in places.into_iter().zip(sent) {
                outcomes[place] = Some(Ok(sent));
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
