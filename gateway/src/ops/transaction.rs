//! Half messages: begun, decided, asked about, listed (SEED_SPEC 2.1).

use std::sync::Arc;

use firn_protocol::api::hold::{ChecksRequest, Decided, HalfMessage, Held, PrepareRequest};
use firn_protocol::catalogue::Topic;
use firn_protocol::limits::{
    PRODUCER_GROUP_BYTES_MAX, TRANSACTION_CHECK_AFTER_SECS, TRANSACTION_CHECK_AFTER_SECS_MAX,
    TRANSACTIONS_LISTED_MAX,
};
use firn_protocol::receipt::{HeldKind, HeldPlace};
use firn_protocol::{
    ApiError, ApiResult, BrokerId, ErrorCode, Offset, QueueKey, Timestamp, TopicKey,
};
use futures_util::future::select_all;

use super::draft::{Draft, DraftRules, Kind};
use super::send::require_writable;
use super::{Scope, Services, Target, page};
use crate::admission::Demand;
use crate::routing;

/// What a producer says beside the message.
pub(crate) struct Begin<'a> {
    pub(crate) draft: Draft<'a>,
    /// Who is asked about it; the topic's name if none is given.
    pub(crate) producers: Option<String>,
    pub(crate) check_after_secs: Option<u64>,
}

/// # Errors
/// The first rule that the message breaks, or what storage answers.
pub(crate) async fn begin(
    services: &Services,
    scope: &Scope,
    topic: &Arc<Topic>,
    begin: Begin<'_>,
    born_host: &str,
) -> ApiResult<Held> {
    let checked = begin.draft.check(&DraftRules {
        topic_type: topic.topic_type,
        kind: Kind::Half,
        message_bytes: scope.instance.message_bytes,
        now: services.now(),
        born_host,
    })?;
    let message = checked.message;
    let producers = producers(begin.producers, topic)?;
    let after = begin
        .check_after_secs
        .unwrap_or(TRANSACTION_CHECK_AFTER_SECS);
    if !(1..=TRANSACTION_CHECK_AFTER_SECS_MAX).contains(&after) {
        return Err(ApiError::field(
            "checkAfterSeconds",
            format_args!("not 1 to {TRANSACTION_CHECK_AFTER_SECS_MAX}"),
        ));
    }
    let demand = Demand::to_send(&scope.instance, topic);
    let grant = services.admission.take(&demand, 1).for_any()?;
    require_writable(scope, topic)?;
    grant.settle(1);
    let brokers = Target::Topic(topic.clone()).brokers(&scope.instance);
    let (broker, queue) = routing::in_turn(services.spread.next(), &brokers, topic.queues);
    let bytes = message.content_bytes();
    let request = PrepareRequest {
        broker,
        queue: QueueKey {
            topic: TopicKey::User(topic.id),
            queue,
        },
        message,
        producers,
        check_after_ms: after * 1000,
    };
    let held = services.storage.prepare(&scope.ctx, request).await?;
    services.metrics.messages_in.inc();
    services.metrics.bytes_in.inc_by(bytes);
    Ok(held)
}

/// # Errors
/// `BAD_REQUEST` naming `producerGroup`.
fn producers(given: Option<String>, topic: &Topic) -> ApiResult<String> {
    let producers = given.unwrap_or_else(|| topic.name.clone());
    let fits = (1..=PRODUCER_GROUP_BYTES_MAX).contains(&producers.len());
    if fits && !producers.chars().any(char::is_control) {
        return Ok(producers);
    }
    Err(ApiError::field(
        "producerGroup",
        format_args!("not 1 to {PRODUCER_GROUP_BYTES_MAX} bytes without control characters"),
    ))
}

/// The handle as clients see it.
pub(crate) fn id_of(services: &Services, scope: &Scope, place: &HeldPlace) -> String {
    services
        .receipts
        .seal_held(HeldKind::Half, scope.instance.id, place)
}

/// # Errors
/// `TRANSACTION_NOT_FOUND`; `CONFLICT` when it had been decided the other way.
pub(crate) async fn decide(
    services: &Services,
    scope: &Scope,
    topic: &Topic,
    id: &str,
    commit: bool,
) -> ApiResult<()> {
    let missing = || {
        ApiError::new(
            ErrorCode::TransactionNotFound,
            "no transaction with this id in this topic",
        )
    };
    scope.require_running()?;
    let opened = services
        .receipts
        .open_held(HeldKind::Half, scope.instance.id, id)
        .filter(|place| place.topic == TopicKey::User(topic.id))
        .filter(|place| scope.broker(place.broker).is_some());
    let place = opened.ok_or_else(missing)?;
    match services.storage.decide(&scope.ctx, place, commit).await? {
        Decided::Done => Ok(()),
        Decided::Opposite => Err(ApiError::new(
            ErrorCode::Conflict,
            match commit {
                true => "the transaction was rolled back",
                false => "the transaction was committed",
            },
        )),
        Decided::Unknown => Err(missing()),
    }
}

/// Who wants to be asked.
pub(crate) struct Checks {
    pub(crate) topic: Arc<Topic>,
    pub(crate) producers: Option<String>,
    pub(crate) max: usize,
    pub(crate) wait_ms: u64,
}

/// # Errors
/// `BAD_REQUEST` naming `max`.
pub(crate) fn check_max(max: u64) -> ApiResult<usize> {
    match usize::try_from(max) {
        Ok(max) if (1..=TRANSACTIONS_LISTED_MAX).contains(&max) => Ok(max),
        _ => Err(ApiError::field(
            "max",
            format_args!("not 1 to {TRANSACTIONS_LISTED_MAX}"),
        )),
    }
}

/// Half messages that this producer is asked about, waiting for the first.
///
/// # Errors
/// What storage answers when no broker has anything.
pub(crate) async fn checks(
    services: &Services,
    scope: &Scope,
    wanted: Checks,
) -> ApiResult<Vec<HalfMessage>> {
    let names = [producers(wanted.producers.clone(), &wanted.topic)?];
    checks_of(services, scope, &names, &wanted).await
}

/// The same, and those that no producer group was named for (RULES 32).
///
/// # Errors
/// As [`checks`].
pub(crate) async fn checks_or_unnamed(
    services: &Services,
    scope: &Scope,
    wanted: Checks,
) -> ApiResult<Vec<HalfMessage>> {
    let named = producers(wanted.producers.clone(), &wanted.topic)?;
    let mut names = vec![named, wanted.topic.name.clone()];
    names.dedup();
    checks_of(services, scope, &names, &wanted).await
}

async fn checks_of(
    services: &Services,
    scope: &Scope,
    names: &[String],
    wanted: &Checks,
) -> ApiResult<Vec<HalfMessage>> {
    scope.require_running()?;
    let (until, max) = (services.now().plus_ms(wanted.wait_ms), wanted.max);
    let brokers = Target::Topic(wanted.topic.clone()).brokers(&scope.instance);
    let key = TopicKey::User(wanted.topic.id);
    loop {
        let mut found = Vec::new();
        for request in requests(key, names, &brokers, max) {
            let left = max - found.len();
            if left == 0 {
                break;
            }
            let request = ChecksRequest {
                max: left,
                ..request
            };
            found.extend(services.storage.checks(&scope.ctx, request).await?);
        }
        if !found.is_empty() || services.now() >= until {
            return Ok(found);
        }
        let waits = requests(key, names, &brokers, 1);
        let waits = waits.map(|request| services.storage.wait_checks(&scope.ctx, request, until));
        tokio::select! {
            biased;
            () = services.closing.cancelled() => return Ok(found),
            (outcome, ..) = select_all(waits) => outcome?,
        }
    }
}

/// One for each name and broker.
fn requests<'a>(
    topic: TopicKey,
    names: &'a [String],
    brokers: &'a [BrokerId],
    max: usize,
) -> impl Iterator<Item = ChecksRequest> + 'a {
    let pairs = names.iter();
    let pairs = pairs.flat_map(|name| brokers.iter().map(move |broker| (name, *broker)));
    pairs.map(move |(name, broker)| ChecksRequest {
        broker,
        topic,
        producers: name.clone(),
        max,
    })
}

/// Undecided transactions of one page, and where to go on.
pub(crate) struct Listed {
    pub(crate) halves: Vec<HalfMessage>,
    pub(crate) cursor: Option<String>,
}

/// Undecided transactions of a topic, broker by broker, oldest first.
///
/// # Errors
/// `BAD_REQUEST` for a foreign cursor.
pub(crate) async fn list(
    services: &Services,
    scope: &Scope,
    topic: &Arc<Topic>,
    given_up: Option<bool>,
    max: usize,
    cursor: Option<&str>,
) -> ApiResult<Listed> {
    let query = page::fingerprint(&[
        b"transactions",
        &topic.id.0.to_be_bytes(),
        format!("{given_up:?}").as_bytes(),
    ]);
    let brokers = Target::Topic(topic.clone()).brokers(&scope.instance);
    let (mut at, mut from) = match cursor {
        None => (0, 0),
        Some(cursor) => super::find::key_place(&page::open(query, cursor)?, &brokers)?,
    };
    let mut halves: Vec<HalfMessage> = Vec::new();
    while let Some(broker) = brokers.get(at) {
        let left = max - halves.len();
        if left == 0 {
            let state = super::find::key_state(*broker, from);
            let cursor = Some(page::seal(query, &state));
            return Ok(Listed { halves, cursor });
        }
        let key = TopicKey::User(topic.id);
        let work =
            services
                .storage
                .half_messages(&scope.ctx, *broker, key, given_up, Offset(from), left);
        let found = work.await?;
        match found.last() {
            Some(last) if found.len() == left => from = last.place.offset.0 + 1,
            Some(_) | None => (at, from) = (at + 1, 0),
        }
        halves.extend(found);
    }
    let cursor = None;
    Ok(Listed { halves, cursor })
}

/// When a producer is asked next, if it is.
pub(crate) fn next_check(half: &HalfMessage) -> Option<Timestamp> {
    (!half.is_given_up).then_some(half.next_check)
}
