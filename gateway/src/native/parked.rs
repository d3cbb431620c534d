//! Parked message groups: seen, and let go.

use firn_protocol::api::admin::{Parked, Release};
use firn_protocol::{Offset, QueueId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{self, Answer};
use super::call::{Call, topic_not_found};
use super::json;
use super::shapes::error::ErrorAnswer;
use super::shapes::message::MessageJson;
use super::shapes::paths::GroupPath;
use super::shapes::send::Done;
use crate::auth::Action;
use crate::ops::parked::{self as ops, Place};
use crate::ops::{Scope, Services, Target};

/// Parked messages of a group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParkedAnswer<'a> {
    items: Vec<ParkedJson<'a>>,
    total: usize,
}

/// A message whose redeliveries all failed; its message group waits behind it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParkedJson<'a> {
    parked_at: u64,
    message: MessageJson<'a>,
}

/// Which parked message, and how its message group goes on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReleaseForm {
    topic: String,
    broker: String,
    #[schema(maximum = 65535)]
    queue_id: u16,
    queue_offset: u64,
    how: ReleaseWord,
}

/// `retry`: the message again, its deliveries counted from 1; `skip`: without it;
/// `deadLetter`: without it, kept as a dead letter.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ReleaseWord {
    Retry,
    Skip,
    DeadLetter,
}

impl ReleaseWord {
    fn release(self) -> (Release, &'static str) {
        match self {
            Self::Retry => (Release::Retry, "parked.retry"),
            Self::Skip => (Release::Skip, "parked.skip"),
            Self::DeadLetter => (Release::DeadLetter, "parked.deadLetter"),
        }
    }
}

/// Message groups of an ordered group that wait for somebody to decide.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/groups/{group}/parked", tag = "consume",
    params(GroupPath),
    responses(
        (status = 200, description = "Parked messages", body = ParkedAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let group = call.group(&scope)?;
    identity.require(Action::ReadManaged)?;
    call.query()?.finish()?;
    let services = call.services();
    let parked = ops::list(services, &scope, &group).await?;
    let topics: Vec<String> = parked.iter().map(|p| topic(services, &scope, p)).collect();
    let items = parked
        .iter()
        .zip(&topics)
        .map(|(parked, topic)| ParkedJson {
            parked_at: parked.since.0,
            message: MessageJson::queried(services, &scope, topic, &parked.message, None),
        });
    answer::ok(&ParkedAnswer {
        total: parked.len(),
        items: items.collect(),
    })
}

fn topic(services: &Services, scope: &Scope, parked: &Parked) -> String {
    let key = parked.message.queue.topic;
    let target = Target::of_key(&*services.tenants, scope.instance.id, key);
    target.map_or_else(String::new, |target| target.name().into_owned())
}

/// Let a parked message group go on.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/groups/{group}/parked/release", tag = "consume",
    params(GroupPath), request_body = ReleaseForm,
    responses(
        (status = 200, description = "It goes on", body = Done),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn release(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<ReleaseForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let group = call.group(&scope)?;
    identity.require(Action::Manage)?;
    call.query()?.finish()?;
    let form = form?;
    let services = call.services();
    let target = Target::resolve(&*services.tenants, scope.instance.id, &form.topic);
    let place = Place {
        topic: target.ok_or_else(|| topic_not_found(&form.topic))?,
        broker: form.broker,
        queue: QueueId(form.queue_id),
        offset: Offset(form.queue_offset),
    };
    let (how, action) = form.how.release();
    ops::release(services, &scope, &group, &place, how).await?;
    let detail = serde_json::json!({
        "group": group.name, "topic": form.topic, "broker": place.broker,
        "queueId": place.queue.0, "queueOffset": place.offset.0,
    });
    call.note(&scope, &identity, action, &group.name, detail)
        .await?;
    answer::ok(&Done {})
}
