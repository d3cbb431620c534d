//! `POST …/topics/T/purge`.

use firn_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{self, Answer};
use super::call::Call;
use super::json;
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::TopicPath;
use crate::auth::Action;
use crate::ops::purge as ops;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PurgeForm {
    /// Only records stored before this time, ms since 1970; default all.
    before: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct PurgeAnswer {
    /// Records that are gone.
    purged: u64,
}

/// Let all messages of a topic go at once, for every group: what is stored, what is
/// in flight and what waits to be redelivered. Delayed messages that are not due,
/// transactions that are not decided, and dead letters that came from the topic stay;
/// dead letters of group `G` go with a purge of `%DLQ%G`. It cannot be undone.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics/{topic}/purge", tag = "messages",
    params(TopicPath), request_body = PurgeForm,
    responses(
        (status = 200, description = "How many are gone", body = PurgeAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn purge(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<PurgeForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.target(&scope)?;
    identity.require(Action::Manage)?;
    call.query()?.finish()?;
    let form = form?;
    let before = form.before.map(Timestamp);
    let done = ops::purge(call.services(), &scope, &topic, before).await?;
    let name = topic.name();
    let detail = serde_json::json!({
        "topic": name, "before": form.before, "purged": done.records,
        "complete": done.failed.is_none(),
    });
    call.note(&scope, &identity, "topic.purge", &name, detail)
        .await?;
    match done.failed {
        None => answer::ok(&PurgeAnswer {
            purged: done.records,
        }),
        Some(error) => Err(error),
    }
}
