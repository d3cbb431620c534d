//! Looking messages up by id, key, queue offset and time.

use std::sync::Arc;

use firn_protocol::catalogue::Group;
use firn_protocol::limits::QUERY_MESSAGES_DEFAULT;
use firn_protocol::message::Message;
use firn_protocol::{ApiError, ApiResult, Offset, QueueId};

use super::answer::{self, Answer};
use super::call::{Call, group_named};
use super::query::Query;
use super::shapes::error::ErrorAnswer;
use super::shapes::message::{MessageJson, QueryAnswer};
use super::shapes::paths::{MessagePath, TopicPath};
use crate::auth::Action;
use crate::ops::find::{self, Page};
use crate::ops::seek::require_queue;
use crate::ops::time_query::{self, Window};
use crate::ops::{Scope, Services, Target};

/// One message by either of its ids.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/messages/{message_id}", tag = "queries",
    params(
        MessagePath,
        ("group" = Option<String>, Query, description = "Adds what this group did with it"),
    ),
    responses(
        (status = 200, description = "The message", body = MessageJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn by_id(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let id = call.segment("message_id")?;
    let mut query = call.query()?;
    let group = query.take("group");
    query.finish()?;
    let services = call.services();
    let group = group
        .map(|name| group_named(services, &scope, &name))
        .transpose()?;
    let message = find::by_id(services, &scope, &id).await?;
    let may_query = |topic: &str| identity.may(Action::Query(topic));
    let topic = find::visible_topic(services, &scope, may_query, &message)?;
    let messages = [message];
    let status = statuses(services, &scope, group.as_ref(), &messages).await?;
    let status = status.first().copied();
    answer::ok(&MessageJson::queried(
        services,
        &scope,
        &topic,
        &messages[0],
        status,
    ))
}

/// Messages of a topic, by exactly one of `key`, (`broker`, `queueId`,
/// `offset`) and (`from`, `to`).
#[utoipa::path(
    get, path = "/v1/instances/{instance}/topics/{topic}/messages", tag = "queries",
    params(
        TopicPath,
        ("key" = Option<String>, Query, description = "One of the message's keys"),
        ("broker" = Option<String>, Query, description = "Name of a broker"),
        ("queueId" = Option<u16>, Query, description = "Queue on that broker"),
        ("offset" = Option<u64>, Query, description = "First offset of that queue"),
        ("from" = Option<u64>, Query, description = "Stored at or after, ms since 1970"),
        ("to" = Option<u64>, Query, description = "Stored at or before, ms since 1970"),
        ("max" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "1 to 1000, default 32"),
        ("cursor" = Option<String>, Query, description = "From the answer before"),
        ("group" = Option<String>, Query, description = "Adds what this group did with them"),
    ),
    responses(
        (status = 200, description = "Messages; none when there are none", body = QueryAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn in_topic(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.target(&scope)?;
    identity.require(Action::Query(&topic.name()))?;
    let mut query = call.query()?;
    let wanted = Wanted::read(&mut query)?;
    let max = query
        .take_number("max")?
        .unwrap_or(QUERY_MESSAGES_DEFAULT as u64);
    let max = find::check_max(max)?;
    let cursor = query.take("cursor");
    let group = query.take("group");
    query.finish()?;
    let services = call.services();
    let group = group
        .map(|name| group_named(services, &scope, &name))
        .transpose()?;
    let page = wanted
        .find(services, &scope, &topic, max, cursor.as_deref())
        .await?;
    let statuses = statuses(services, &scope, group.as_ref(), &page.messages).await?;
    let name = topic.name();
    let messages = page.messages.iter().enumerate().map(|(at, message)| {
        MessageJson::queried(services, &scope, &name, message, statuses.get(at).copied())
    });
    answer::ok(&QueryAnswer {
        messages: messages.collect(),
        cursor: page.cursor.clone(),
    })
}

enum Wanted {
    Key(String),
    Offset {
        broker: String,
        queue: QueueId,
        offset: Offset,
    },
    Time(Window),
}

impl Wanted {
    fn read(query: &mut Query) -> ApiResult<Self> {
        let by_key = query.has("key");
        let by_offset = ["broker", "queueId", "offset"]
            .iter()
            .any(|name| query.has(name));
        let by_time = ["from", "to"].iter().any(|name| query.has(name));
        match (by_key, by_offset, by_time) {
            (true, false, false) => match query.take("key") {
                Some(key) if !key.is_empty() => Ok(Self::Key(key)),
                _ => Err(ApiError::field("key", "empty")),
            },
            (false, true, false) => Self::read_offset(query),
            (false, false, true) => Self::read_time(query),
            _ => Err(ApiError::field(
                "query",
                "give exactly one of key, broker with queueId and offset, from with to",
            )),
        }
    }

    fn read_offset(query: &mut Query) -> ApiResult<Self> {
        let missing = |name: &str| ApiError::field(name, "missing");
        let broker = query.take("broker").ok_or_else(|| missing("broker"))?;
        let queue = query
            .take_number("queueId")?
            .ok_or_else(|| missing("queueId"))?;
        let offset = query
            .take_number("offset")?
            .ok_or_else(|| missing("offset"))?;
        if query.has("cursor") {
            return Err(ApiError::field(
                "cursor",
                "a query by offset goes on with a higher offset",
            ));
        }
        Ok(Self::Offset {
            broker,
            // Beyond any queue's number is as unknown as beyond the topic's.
            queue: QueueId(u16::try_from(queue).unwrap_or(u16::MAX)),
            offset: Offset(offset),
        })
    }

    fn read_time(query: &mut Query) -> ApiResult<Self> {
        let window = Window {
            from: query.take_time("from")?,
            to: query.take_time("to")?,
        };
        if window.from > window.to {
            return Err(ApiError::field("from", "after to"));
        }
        Ok(Self::Time(window))
    }

    async fn find(
        self,
        services: &Services,
        scope: &Scope,
        topic: &Target,
        max: usize,
        cursor: Option<&str>,
    ) -> ApiResult<Page> {
        match self {
            Self::Key(key) => find::by_key(services, scope, topic, &key, max, cursor).await,
            Self::Offset {
                broker,
                queue,
                offset,
            } => {
                let broker = require_queue(scope, topic, &broker, queue)?;
                find::by_offset(services, scope, topic, (broker, queue, offset), max).await
            }
            Self::Time(window) => {
                time_query::by_time(services, scope, topic, window, max, cursor).await
            }
        }
    }
}

pub(super) async fn statuses(
    services: &Services,
    scope: &Scope,
    group: Option<&Arc<Group>>,
    messages: &[Message],
) -> ApiResult<Vec<firn_protocol::message::ConsumeStatus>> {
    match group {
        Some(group) => find::status(services, scope, group, messages).await,
        None => Ok(Vec::new()),
    }
}
