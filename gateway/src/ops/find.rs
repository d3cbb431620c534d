//! Looks messages up by id, key and offset, and says what a group did with them.

use std::sync::Arc;

use firn_protocol::api::storage::KeyQuery;
use firn_protocol::catalogue::Group;
use firn_protocol::limits::{ANSWER_BYTES_MAX, QUERY_MESSAGES_MAX};
use firn_protocol::message::{ConsumeStatus, Message, MessageId, OffsetMessageId};
use firn_protocol::{ApiError, ApiResult, BrokerId, ErrorCode, Offset, QueueId, QueueKey};
use futures_util::future::try_join_all;

use super::page;
use super::{Scope, Services, Target};

/// Hits of one id that are looked at: the original and its newest copies.
const COPIES_MAX: usize = 64;

/// Messages of one page and where to go on.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    pub(crate) cursor: Option<String>,
}

/// # Errors
/// `BAD_REQUEST` naming `max`.
pub(crate) fn check_max(max: u64) -> ApiResult<usize> {
    match usize::try_from(max) {
        Ok(max) if (1..=QUERY_MESSAGES_MAX).contains(&max) => Ok(max),
        _ => Err(ApiError::field(
            "max",
            format_args!("not 1 to {QUERY_MESSAGES_MAX}"),
        )),
    }
}

/// The message of either id: the stored record of an `offsetMessageId`, the
/// original of a `messageId` (RULES 13).
///
/// # Errors
/// `BAD_REQUEST` for what is no id, `MESSAGE_NOT_FOUND`.
pub(crate) async fn by_id(services: &Services, scope: &Scope, id: &str) -> ApiResult<Message> {
    let hex = id.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex || !matches!(id.len(), 32 | 34 | 56) {
        return Err(ApiError::field("message id", "not 32, 34 or 56 hex digits"));
    }
    if let Some(id) = OffsetMessageId::parse(id).filter(|id| scope.broker(id.broker).is_some()) {
        let found = services
            .storage
            .by_position(&scope.ctx, id.broker, id.position)
            .await?;
        if let Some(message) = found {
            return Ok(message);
        }
    }
    let id = MessageId::parse(id).ok_or_else(not_stored)?;
    let work = scope.instance.brokers.iter().map(|broker| {
        let query = KeyQuery::MessageId(id);
        services
            .storage
            .by_key(&scope.ctx, broker.id, None, query, 0, COPIES_MAX)
    });
    let found = try_join_all(work)
        .await?
        .into_iter()
        .flat_map(|page| page.messages);
    // Originals before copies, then the oldest.
    found
        .min_by_key(|message| {
            (
                message.origin.is_some(),
                message.stored_at,
                message.position,
            )
        })
        .ok_or_else(not_stored)
}

/// The message's topic. A message of a topic that the caller may not query,
/// or that was removed, is not there.
///
/// # Errors
/// `MESSAGE_NOT_FOUND`.
pub(crate) fn visible_topic(
    services: &Services,
    scope: &Scope,
    may_query: impl Fn(&str) -> bool,
    message: &Message,
) -> ApiResult<String> {
    let name = |key| {
        Target::of_key(&*services.tenants, scope.instance.id, key)
            .map(|target| target.name().into_owned())
    };
    let own = name(message.target.unwrap_or(message.queue).topic);
    let asked = message
        .origin
        .map_or_else(|| own.clone(), |origin| name(origin.topic));
    let visible = asked.is_some_and(|topic| may_query(&topic));
    own.filter(|_| visible).ok_or_else(not_stored)
}

pub(crate) fn not_stored() -> ApiError {
    ApiError::new(
        ErrorCode::MessageNotFound,
        "no message with this id is stored",
    )
}

/// Messages of a topic that carry a key, broker by broker, oldest first.
///
/// # Errors
/// `BAD_REQUEST` for a foreign cursor.
pub(crate) async fn by_key(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    key: &str,
    max: usize,
    cursor: Option<&str>,
) -> ApiResult<Page> {
    let topic_key = topic.key();
    let query = page::fingerprint(&[
        b"key",
        &[topic_key.kind()],
        &topic_key.number().to_be_bytes(),
        key.as_bytes(),
    ]);
    let brokers = topic.brokers(&scope.instance);
    let (mut at, mut from) = match cursor {
        None => (0, 0),
        Some(cursor) => key_place(&page::open(query, cursor)?, &brokers)?,
    };
    let mut answer = Page::default();
    while let Some(broker) = brokers.get(at) {
        let left = max - answer.messages.len();
        let wanted = KeyQuery::Key(key.to_owned());
        let found = services
            .storage
            .by_key(&scope.ctx, *broker, Some(topic_key), wanted, from, left)
            .await?;
        answer.messages.extend(found.messages);
        match found.next {
            Some(next) => from = next,
            None => (at, from) = (at + 1, 0),
        }
        // A broker that stopped early has done its share of work for this call.
        if answer.messages.len() >= max || found.next.is_some() {
            break;
        }
    }
    answer.cursor = brokers
        .get(at)
        .map(|broker| page::seal(query, &key_state(*broker, from)));
    Ok(answer)
}

/// Where a walk over brokers goes on, for a cursor.
pub(crate) fn key_state(broker: BrokerId, from: u64) -> Vec<u8> {
    let mut state = broker.0.to_be_bytes().to_vec();
    state.extend_from_slice(&from.to_be_bytes());
    state
}

/// What [`key_state`] wrote: the broker's place in the list, and where in it.
///
/// # Errors
/// `BAD_REQUEST` naming `cursor`.
pub(crate) fn key_place(state: &[u8], brokers: &[BrokerId]) -> ApiResult<(usize, u64)> {
    let place = || {
        let broker = BrokerId(u32::from_be_bytes(state.get(..4)?.try_into().ok()?));
        let from = u64::from_be_bytes(state.get(4..)?.try_into().ok()?);
        Some((brokers.iter().position(|known| *known == broker)?, from))
    };
    place().ok_or_else(|| ApiError::field("cursor", "not from an answer to this query"))
}

/// Consecutive messages of one queue.
///
/// # Errors
/// As `StorageApi::read`.
pub(crate) async fn by_offset(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    (broker, queue, offset): (BrokerId, QueueId, Offset),
    max: usize,
) -> ApiResult<Page> {
    let queue = QueueKey {
        topic: topic.key(),
        queue,
    };
    let mut messages = services
        .storage
        .read(&scope.ctx, broker, queue, offset, max)
        .await?;
    keep_within_answer(&mut messages);
    Ok(Page {
        messages,
        cursor: None,
    })
}

/// Cuts a list where its bytes pass the bound of an answer; the first stays.
pub(crate) fn keep_within_answer(messages: &mut Vec<Message>) -> bool {
    let mut bytes = 0;
    let fitting = messages.iter().take_while(|message| {
        bytes += message.content_bytes();
        bytes <= ANSWER_BYTES_MAX
    });
    let count = fitting.count().max(1);
    let cut = count < messages.len();
    messages.truncate(count);
    cut
}

/// What a group did with each message, in their order.
///
/// # Errors
/// As `StorageApi::status`.
pub(crate) async fn status(
    services: &Services,
    scope: &Scope,
    group: &Arc<Group>,
    messages: &[Message],
) -> ApiResult<Vec<ConsumeStatus>> {
    let mut statuses = vec![ConsumeStatus::ToConsume; messages.len()];
    let mut brokers: Vec<BrokerId> = messages.iter().map(|message| message.broker).collect();
    brokers.sort_unstable();
    brokers.dedup();
    for broker in brokers {
        let places: Vec<usize> = (0..messages.len())
            .filter(|at| messages[*at].broker == broker)
            .collect();
        let records = places
            .iter()
            .map(|at| (messages[*at].queue, messages[*at].offset));
        let answer = services
            .storage
            .status(&scope.ctx, broker, group.id, records.collect())
            .await?;
        for (place, status) in places.into_iter().zip(answer) {
            statuses[place] = status;
        }
    }
    Ok(statuses)
}
