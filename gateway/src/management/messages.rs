//! M1 to M4: messages by id, offset, key and time.

use std::sync::Arc;

use actix_web::HttpResponse;
use firn_protocol::catalogue::Group;
use firn_protocol::message::Message;
use firn_protocol::{ApiError, ApiResult, Offset, QueueId, Timestamp};

use super::enter::{self, Entered};
use super::envelope::{self, Data, Envelope, Failure, Rows};
use super::shapes::message::MessageRow;
use super::shapes::parameters::{Auth, MessagePath, Page};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::find;
use crate::ops::listed::{self, LISTED_MAX, Listed, Part};
use crate::ops::seek::require_queue;
use crate::ops::time_query::Window;
use crate::ops::{Services, Target};

/// The window of a query that names none: the last hour.
const WINDOW_MS: u64 = 3600 * 1000;

/// M1: a message by either of its ids.
#[utoipa::path(
    get, path = "/api/manager/messages/{msgId}", tag = "management",
    operation_id = "management_m1",
    params(
        Auth, MessagePath,
        ("topicName" = Option<String>, Query, description = "The message's topic, if it is given"),
        ("groupName" = Option<String>, Query, description = "Adds what this group did with it"),
    ),
    responses(
        (status = 200, description = "The message", body = Envelope<Data<MessageRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn by_id(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let services = call.services();
    let (message, topic) = named(&call, &entered).await?;
    let group = group(&entered, services)?;
    let rows = rows(&entered, services, &topic, &[message], group.as_ref()).await?;
    envelope::data(rows.into_iter().next(), entered.warnings())
}

/// The body of a message as it was sent, packed if its producer packed it.
#[utoipa::path(
    get, path = "/api/manager/messages/{msgId}/body", tag = "management",
    operation_id = "management_body", params(Auth, MessagePath),
    responses(
        (status = 200, description = "The bytes", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn body(call: Call) -> Answer {
    let entered = Entered::of(&call)?;
    let (message, _) = named(&call, &entered).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .body(message.content.body))
}

/// The message that the path names, and its topic.
async fn named(call: &Call, entered: &Entered) -> ApiResult<(Message, String)> {
    let (services, scope) = (call.services(), &entered.scope);
    let wanted = entered.params.text("topicName");
    let wanted = wanted.map(|name| enter::target(services, scope, name));
    let wanted = wanted.transpose()?.map(|topic| topic.name().into_owned());
    if let Some(topic) = &wanted {
        entered.identity.require(Action::Query(topic))?;
    }
    let id = readable_id(&call.segment("msgId")?)?;
    let message = find::by_id(services, scope, &id).await?;
    let may_query = |topic: &str| entered.identity.may(Action::Query(topic));
    let topic = find::visible_topic(services, scope, may_query, &message)?;
    if wanted.is_some_and(|wanted| wanted != topic) {
        return Err(find::not_stored());
    }
    Ok((message, topic))
}

/// Ids as people copy them out of pages: with blanks, in lower case, with the letter O
/// (SEED_SPEC I-42).
fn readable_id(id: &str) -> ApiResult<String> {
    let id = id.trim().to_ascii_uppercase().replace('O', "0");
    let is_hex = id.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex || !matches!(id.len(), 32 | 34 | 56) {
        return Err(ApiError::field("msgId", "not 32, 34 or 56 hex digits"));
    }
    Ok(id)
}

/// M2: the message of a place in a queue.
#[utoipa::path(
    get, path = "/api/manager/messages/offset", tag = "management",
    operation_id = "management_m2",
    params(
        Auth,
        ("topicName" = String, Query, description = "Name of the topic"),
        ("brokerName" = String, Query, description = "Name of the broker"),
        ("queueId" = u16, Query, description = "Queue on that broker"),
        ("queueOffset" = u64, Query, description = "Place in that queue"),
        ("groupName" = Option<String>, Query, description = "Adds what this group did with it"),
    ),
    responses(
        (status = 200, description = "The message", body = Envelope<Data<MessageRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn by_offset(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let (services, scope, params) = (call.services(), &entered.scope, &entered.params);
    let topic = queried(&entered, services)?;
    let broker = params.required("brokerName")?;
    params.required("queueId")?;
    params.required("queueOffset")?;
    let queue = params.number("queueId")?.unwrap_or_default();
    let offset = Offset(params.number("queueOffset")?.unwrap_or_default());
    // Beyond any queue's number is as unknown as beyond the topic's.
    let queue = QueueId(u16::try_from(queue).unwrap_or(u16::MAX));
    let broker = require_queue(scope, &topic, broker, queue)?;
    let group = group(&entered, services)?;
    let page = find::by_offset(services, scope, &topic, (broker, queue, offset), 1).await?;
    let found = page.messages.into_iter();
    let found: Vec<Message> = found.filter(|it| it.offset == offset).collect();
    if found.is_empty() {
        return Err(find::not_stored());
    }
    let rows = rows(&entered, services, &topic.name(), &found, group.as_ref()).await?;
    envelope::data(rows.into_iter().next(), entered.warnings())
}

/// M3: messages that carry a key, newest last.
#[utoipa::path(
    get, path = "/api/manager/messages/key", tag = "management", operation_id = "management_m3",
    params(
        Auth, Page,
        ("topicName" = String, Query, description = "Name of the topic"),
        ("key" = String, Query, description = "One of the message's keys"),
        ("brokerName" = Option<String>, Query, description = "Only on this broker"),
        ("groupName" = Option<String>, Query, description = "Adds what this group did with them"),
    ),
    responses(
        (status = 200, description = "A page", body = Envelope<Rows<MessageRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn by_key(call: Call) -> Answer {
    let entered = Entered::of(&call)?;
    let (services, scope, params) = (call.services(), &entered.scope, &entered.params);
    let topic = queried(&entered, services)?;
    let key = params.required("key")?;
    let part = part(&entered)?;
    let broker = params.text("brokerName");
    let broker = broker.map(|name| scope.broker_named(name)).transpose()?;
    let group = group(&entered, services)?;
    let listed = listed::by_key(services, scope, &topic, (key, broker), part).await?;
    page(entered, services, &topic, listed, group.as_ref()).await
}

/// M4: messages of a topic that were stored in a window of time, oldest first.
#[utoipa::path(
    get, path = "/api/manager/messages/topic", tag = "management", operation_id = "management_m4",
    params(
        Auth, Page,
        ("topicName" = String, Query, description = "Name of the topic"),
        ("beginTime" = Option<u64>, Query, description = "Ms since 1970; default one hour before the end"),
        ("endTime" = Option<u64>, Query, description = "Ms since 1970; default now"),
        ("tag" = Option<String>, Query, description = "Only messages with this tag"),
        ("groupName" = Option<String>, Query, description = "Adds what this group did with them"),
    ),
    responses(
        (status = 200, description = "A page", body = Envelope<Rows<MessageRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn in_topic(call: Call) -> Answer {
    let entered = Entered::of(&call)?;
    let (services, scope, params) = (call.services(), &entered.scope, &entered.params);
    let topic = queried(&entered, services)?;
    let to = params.number("endTime")?.map(Timestamp);
    let to = to.unwrap_or_else(|| services.now());
    let from = params.number("beginTime")?;
    let from = Timestamp(from.unwrap_or(to.0.saturating_sub(WINDOW_MS)));
    if from > to {
        return Err(ApiError::field("beginTime", "after endTime"));
    }
    let part = part(&entered)?;
    let group = group(&entered, services)?;
    let wanted = (Window { from, to }, params.text("tag"));
    let listed = listed::in_window(services, scope, &topic, wanted, part).await?;
    page(entered, services, &topic, listed, group.as_ref()).await
}

/// The topic that the query names, with the right to look into it.
fn queried(entered: &Entered, services: &Services) -> ApiResult<Target> {
    let name = entered.params.required("topicName")?;
    let topic = enter::target(services, &entered.scope, name)?;
    entered.identity.require(Action::Query(&topic.name()))?;
    Ok(topic)
}

fn group(entered: &Entered, services: &Services) -> ApiResult<Option<Arc<Group>>> {
    let name = entered.params.text("groupName");
    name.map(|name| enter::group(services, &entered.scope, name))
        .transpose()
}

fn part(entered: &Entered) -> ApiResult<Part> {
    let paging = entered.params.paging()?;
    Ok(Part {
        skipped: paging.skipped(),
        size: paging.size,
    })
}

async fn rows(
    entered: &Entered,
    services: &Services,
    topic: &str,
    messages: &[Message],
    group: Option<&Arc<Group>>,
) -> ApiResult<Vec<MessageRow>> {
    let scope = &entered.scope;
    let statuses = match group {
        Some(group) => find::status(services, scope, group, messages).await?,
        None => Vec::new(),
    };
    let rows = messages.iter().enumerate().map(|(at, message)| {
        let status = statuses.get(at).copied();
        MessageRow::new(services, scope, topic, message, status)
    });
    Ok(rows.collect())
}

async fn page(
    mut entered: Entered,
    services: &Services,
    topic: &Target,
    listed: Listed,
    group: Option<&Arc<Group>>,
) -> Answer {
    let mut warnings = entered.warnings();
    if listed.is_cut {
        warnings.push(format!(
            "rows: cut; at most {LISTED_MAX} messages are looked at and 8 MiB are shown"
        ));
    }
    let rows = rows(&entered, services, &topic.name(), &listed.messages, group).await?;
    envelope::rows((listed.total, rows), warnings)
}
