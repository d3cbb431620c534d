//! Receive, ack, visibility, seek, lag, redrive.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use firn_protocol::api::storage::SeekTarget;
use firn_protocol::catalogue::Group;
use firn_protocol::client::ConsumeType;
use firn_protocol::limits::{
    ACK_HANDLES_MAX, INVISIBLE_SECONDS_DEFAULT, RECEIVE_MESSAGES_DEFAULT, WAIT_SECONDS_MAX,
};
use firn_protocol::message::MessageId;
use firn_protocol::{ApiError, ApiResult, Offset, QueueId, Timestamp};

use super::answer::{self, Answer};
use super::call::{Call, topic_not_found};
use super::client;
use super::json;
use super::shapes::consume::{
    AckAnswer, AckForm, AckResult, LagAnswer, ReceiveForm, RedriveAnswer, RedriveForm, SeekAnswer,
    SeekForm, SeekTo, SeekWord, VisibilityAnswer, VisibilityForm, filter,
};
use super::shapes::error::ErrorAnswer;
use super::shapes::message::{MessageJson, ReceiveAnswer};
use super::shapes::paths::{ConsumePath, GroupPath};
use crate::auth::{Action, Identity};
use crate::ops::give_back::GiveBack;
use crate::ops::receive::{self, Consumer};
use crate::ops::{self, Scope, Target};

/// Room for a message without its content.
const MESSAGE_BYTES: usize = 640;

/// What a consuming call's path names, with the right to it.
pub(super) struct Place {
    pub(super) scope: Scope,
    pub(super) topic: Target,
    pub(super) group: Arc<Group>,
}

impl Place {
    pub(super) fn of(call: &Call) -> ApiResult<Self> {
        let identity = call.identity()?;
        let place = Self::named(call, &identity)?;
        identity.require(Action::Consume {
            topic: &place.topic.name(),
            group: &place.group.name,
        })?;
        Consumer::require_subscription(&place.group, &place.topic)?;
        Ok(place)
    }

    fn named(call: &Call, identity: &Identity) -> ApiResult<Self> {
        let scope = call.scope(identity)?;
        Ok(Self {
            topic: call.target(&scope)?,
            group: call.group(&scope)?,
            scope,
        })
    }
}

/// Receive messages, waiting for them if there are none. With a limit of
/// messages a second used up: 429.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/groups/{group}/topics/{topic}/receive", tag = "consume",
    params(ConsumePath), request_body = ReceiveForm,
    responses(
        (status = 200, description = "Messages; none when nothing came", body = ReceiveAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn receive(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<ReceiveForm>(&body)?;
    let place = Place::of(&call)?;
    let form = form?;
    let max = receive::check_max(form.max.unwrap_or(RECEIVE_MESSAGES_DEFAULT as u64))?;
    let wait_ms = wait_ms(form.wait_seconds.unwrap_or(0.0))?;
    let force_base64 = match form.body_encoding.as_deref() {
        None | Some("text") => false,
        Some("base64") => true,
        Some(_) => return Err(ApiError::field("bodyEncoding", "neither text nor base64")),
    };
    let run_max = receive::check_run_max(form.run_max)?;
    let has_name = form.consumer_id.is_some();
    let is_broadcast = receive::check_mode(form.mode.as_deref(), has_name)?;
    let (kind, expression) = match &form.filter {
        Some(form) => (form.kind.as_deref(), Some(form.expression.as_str())),
        None => (None, None),
    };
    let consumer = Consumer {
        filter: filter(kind, expression)?,
        invisible_ms: receive::check_invisible(
            form.invisible_seconds.unwrap_or(INVISIBLE_SECONDS_DEFAULT),
        )?,
        member: receive::check_member(form.consumer_id.unwrap_or_else(|| call.peer()))?,
        run_max,
        attempt: receive::check_attempt(form.attempt_id.as_deref())?,
        is_broadcast,
        group: place.group,
        topic: place.topic,
    };
    let services = call.services();
    let _online = client::consuming(&call, &place.scope, &consumer, ConsumeType::Pull)?;
    let batch = receive::receive(services, &place.scope, &consumer, max, wait_ms).await?;
    let topic = consumer.topic.name();
    let room = batch
        .deliveries
        .iter()
        .map(|d| MESSAGE_BYTES + d.message.content_bytes() as usize);
    let room = 32 + room.sum::<usize>();
    let messages = batch.deliveries.iter().map(|delivery| {
        MessageJson::delivered(services, &place.scope, &topic, delivery, force_base64)
    });
    let answer = ReceiveAnswer {
        messages: messages.collect(),
    };
    let bytes = answer.write(room)?;
    Ok(Leased::answer(bytes, "application/json", batch.give_back))
}

pub(super) fn wait_ms(seconds: f64) -> ApiResult<u64> {
    if seconds < 0.0 || seconds.is_nan() {
        return Err(ApiError::field("waitSeconds", "negative"));
    }
    Ok((seconds.min(WAIT_SECONDS_MAX as f64) * 1000.0) as u64)
}

/// An answer whose messages go back if it is never written.
pub(crate) struct Leased {
    bytes: Bytes,
    give_back: GiveBack,
}

impl Leased {
    pub(crate) fn answer(
        bytes: Vec<u8>,
        content_type: &'static str,
        give_back: GiveBack,
    ) -> HttpResponse {
        let body = Self {
            bytes: Bytes::from(bytes),
            give_back,
        };
        HttpResponse::build(StatusCode::OK)
            .insert_header((header::CONTENT_TYPE, content_type))
            .body(body)
    }
}

impl MessageBody for Leased {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        // Taken for writing: from here on only a lost connection can lose it,
        // and the lease covers that.
        self.give_back.delivered();
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
    }
}

/// Acknowledge messages.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/groups/{group}/topics/{topic}/ack", tag = "consume",
    params(ConsumePath), request_body = AckForm,
    responses(
        (status = 200, description = "One status for each handle", body = AckAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn ack(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<AckForm<'_>>(&body)?;
    let place = Place::of(&call)?;
    let form = form?;
    let handles: Vec<&str> = form
        .receipt_handles
        .iter()
        .map(|handle| &*handle.0)
        .collect();
    let statuses = ops::ack::ack(
        call.services(),
        &place.scope,
        &place.group,
        &place.topic,
        &handles,
    )
    .await?;
    let results = handles
        .iter()
        .zip(statuses)
        .map(|(handle, status)| AckResult {
            receipt_handle: handle,
            status: status.as_str(),
        });
    let answer = AckAnswer {
        results: results.collect(),
    };
    answer::json(StatusCode::OK, &answer, 32 + 160 * handles.len())
}

/// Renew or shorten a lease; 0 seconds is a failure.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/groups/{group}/topics/{topic}/visibility",
    tag = "consume", params(ConsumePath), request_body = VisibilityForm,
    responses(
        (status = 200, description = "The new handle", body = VisibilityAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn visibility(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<VisibilityForm<'_>>(&body)?;
    let place = Place::of(&call)?;
    let form = form?;
    let (services, scope) = (call.services(), &place.scope);
    let (receipt, until) = ops::visibility::change(
        services,
        scope,
        &place.group,
        &place.topic,
        &form.receipt_handle.0,
        form.invisible_seconds,
    )
    .await?;
    answer::ok(&VisibilityAnswer {
        receipt_handle: services.receipts.seal(scope.instance.id, &receipt),
        invisible_until: until.0,
    })
}

/// Move a group's progress on a topic.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/groups/{group}/topics/{topic}/seek", tag = "consume",
    params(ConsumePath), request_body = SeekForm,
    responses(
        (status = 200, description = "Offsets before and after", body = SeekAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn seek(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<SeekForm>(&body)?;
    let identity = call.identity()?;
    let place = Place::named(&call, &identity)?;
    identity.require(Action::Manage)?;
    let form = form?;
    let to = match (&form.to, &form.offsets) {
        (Some(to), None) => ops::seek::Seek::All(match to {
            SeekTo::Word(SeekWord::Earliest) => SeekTarget::Earliest,
            SeekTo::Word(SeekWord::Latest) => SeekTarget::Latest,
            SeekTo::Time(ms) => SeekTarget::Time(Timestamp(*ms)),
        }),
        (None, Some(offsets)) if !offsets.is_empty() => {
            let offsets = offsets.iter().map(|wanted| ops::seek::QueueOffset {
                broker: &wanted.broker,
                queue: QueueId(wanted.queue_id),
                offset: Offset(wanted.offset),
            });
            ops::seek::Seek::Offsets(offsets.collect())
        }
        _ => return Err(ApiError::field("to", "give exactly one of to and offsets")),
    };
    let rows = ops::seek::seek(
        call.services(),
        &place.scope,
        &place.group,
        &place.topic,
        to,
        form.dry_run,
    )
    .await?;
    answer::ok(&SeekAnswer::new(&place.scope, &rows))
}

/// How far a group is behind.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/groups/{group}/lag", tag = "consume",
    params(
        GroupPath,
        ("consumerId" = Option<String>, Query, description = "That of this member of a broadcast"),
    ),
    responses(
        (status = 200, description = "Progress by topic and queue", body = LagAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn lag(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let group = call.group(&scope)?;
    identity.require(Action::ReadManaged)?;
    let mut query = call.query()?;
    let member = query.take("consumerId");
    query.finish()?;
    let topics = ops::lag::lag(call.services(), &scope, &group, member.as_deref()).await?;
    let now = call.services().now();
    answer::ok(&LagAnswer::new(&scope, &group.name, &topics, now))
}

/// Send dead letters back to their group, or, with `toTopic`, to the topic that they
/// came from, for all groups. Those that were sent back before go again only when
/// they are named. With `ratePerSecond` the call answers when all are sent. A call
/// works for at most 30 seconds; if some are left then, it says `more`, and the same
/// call goes on with them (named ones: name those that are left).
#[utoipa::path(
    post, path = "/v1/instances/{instance}/groups/{group}/dead-letters/redrive", tag = "consume",
    params(GroupPath), request_body = RedriveForm,
    responses(
        (status = 200, description = "How many were sent back", body = RedriveAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn redrive(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<RedriveForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let group = call.group(&scope)?;
    identity.require(Action::Manage)?;
    let form = form?;
    if form.max == Some(0) {
        return Err(ApiError::field("max", "not 1 or more"));
    }
    let message_ids = form.message_ids.map(|ids| message_ids(&ids)).transpose()?;
    let topic = match form.topic {
        None => None,
        Some(name) => {
            let found = call.services().tenants.topic(scope.instance.id, &name);
            Some(found.ok_or_else(|| topic_not_found(&name))?)
        }
    };
    let wanted = ops::redrive::Redrive {
        topic,
        message_ids,
        max: form.max.unwrap_or(u64::MAX),
        to_topic: form.to_topic.unwrap_or(false),
        rate: ops::redrive::check_rate(form.rate_per_second)?,
    };
    let done = ops::redrive::redrive(call.services(), &scope, &group, &wanted).await?;
    let detail = serde_json::json!({
        "group": group.name, "redriven": done.sent, "toTopic": wanted.to_topic,
        "complete": done.failed.is_none() && !done.more,
    });
    call.note(&scope, &identity, "group.redrive", &group.name, detail)
        .await?;
    match done.failed {
        Some(error) => Err(error),
        None => answer::ok(&RedriveAnswer {
            redriven: done.sent,
            more: done.more,
        }),
    }
}

fn message_ids(ids: &[String]) -> ApiResult<Vec<MessageId>> {
    if !(1..=ACK_HANDLES_MAX).contains(&ids.len()) {
        return Err(ApiError::field(
            "messageIds",
            format_args!("not 1 to {ACK_HANDLES_MAX} ids"),
        ));
    }
    let read = |(at, id): (usize, &String)| {
        MessageId::parse(id)
            .ok_or_else(|| ApiError::field(&format!("messageIds[{at}]"), "not 32 or 34 hex digits"))
    };
    ids.iter().enumerate().map(read).collect()
}
