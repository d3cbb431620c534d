//! `GET …/topics/T/peek`.

use firn_protocol::limits::QUERY_MESSAGES_DEFAULT;
use firn_protocol::{ApiError, ApiResult, Timestamp};

use super::answer::{self, Answer};
use super::call::{Call, group_named};
use super::queries::statuses;
use super::shapes::consume::filter;
use super::shapes::error::ErrorAnswer;
use super::shapes::message::{MessageJson, QueryAnswer};
use super::shapes::paths::TopicPath;
use super::shapes::words::FilterWord;
use crate::auth::Action;
use crate::ops::find;
use crate::ops::peek::{self as ops, Peek, Start};

/// Look at messages that match a filter without consuming them: no lease, no
/// progress. Oldest first in each queue, one queue after the other. A call looks at
/// 4096 records at most and may find fewer than `max`, or none, and still answer a
/// `cursor`: the same call with it goes on.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/topics/{topic}/peek", tag = "queries",
    params(
        TopicPath,
        ("filter" = Option<String>, Query, description = "An expression of the type: `*` (default) or `a || b`, or a condition on properties"),
        ("filterType" = inline(Option<FilterWord>), Query, description = "Default `TAG`"),
        ("from" = Option<String>, Query, description = "`earliest` (default), `latest` (the newest `max` of each queue), or a store time in ms since 1970"),
        ("group" = Option<String>, Query, description = "Adds what this group did with them; without `from`, begins at what it has not finished"),
        ("max" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "1 to 1000, default 32"),
        ("cursor" = Option<String>, Query, description = "From the answer before"),
    ),
    responses(
        (status = 200, description = "Messages; none when none were found", body = QueryAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn peek(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.target(&scope)?;
    identity.require(Action::Query(&topic.name()))?;
    let mut query = call.query()?;
    let (kind, expression) = (query.take("filterType"), query.take("filter"));
    let filter = filter(kind.as_deref(), expression.as_deref())?;
    let max = query.take_number("max")?;
    let max = find::check_max(max.unwrap_or(QUERY_MESSAGES_DEFAULT as u64))?;
    let (group, from) = (query.take("group"), query.take("from"));
    let start = start(from.as_deref(), group.is_some())?;
    let cursor = query.take("cursor");
    query.finish()?;
    let services = call.services();
    let group = group.map(|name| group_named(services, &scope, &name));
    let wanted = Peek {
        topic: &topic,
        filter,
        start,
        group: group.transpose()?,
        max,
    };
    let page = ops::peek(services, &scope, &wanted, cursor.as_deref()).await?;
    let statuses = statuses(services, &scope, wanted.group.as_ref(), &page.messages).await?;
    let name = topic.name();
    let messages = page.messages.iter().enumerate().map(|(at, message)| {
        MessageJson::queried(services, &scope, &name, message, statuses.get(at).copied())
    });
    answer::ok(&QueryAnswer {
        messages: messages.collect(),
        cursor: page.cursor.clone(),
    })
}

fn start(from: Option<&str>, has_group: bool) -> ApiResult<Start> {
    match from {
        None if has_group => Ok(Start::Committed),
        None | Some("earliest") => Ok(Start::Earliest),
        Some("latest") => Ok(Start::Latest),
        Some(time) if !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit()) => {
            // What is too large for a time is as late as any.
            Ok(Start::Time(Timestamp(time.parse().unwrap_or(u64::MAX))))
        }
        Some(_) => Err(ApiError::field(
            "from",
            "neither earliest nor latest nor a time in ms since 1970",
        )),
    }
}
