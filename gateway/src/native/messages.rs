//! `POST …/topics/T/messages`: a JSON batch, or one message as it is.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use firn_protocol::{ApiError, ApiResult, ErrorCode};

use super::answer::{self, Answer};
use super::call::Call;
use super::client;
use super::json;
use super::query::percent_decoded;
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::TopicPath;
use super::shapes::send::{Done, RecallForm, SendAnswer, SendForm};
use crate::auth::Action;
use crate::ops::draft::{Body, Draft};
use crate::ops::{Target, recall, send as ops};

/// Size of one result in the answer.
const RESULT_BYTES: usize = 256;
const PROPERTY_PREFIX: &str = "firn-property-";

/// Send 1 to 1000 messages. A content type other than `application/json` makes
/// the request body the body of one message, with attributes in `Firn-Tag`,
/// `Firn-Keys`, `Firn-Property-*`, `Firn-Message-Group`, `Firn-Deliver-At`,
/// `Firn-Delay-Level`, `Firn-Dedup-Id`, `Firn-Message-Id`, and `Firn-Content-Encoding`
/// for a body that is to be stored packed.
/// Messages over a limit of messages a second: `RATE_LIMITED`; all of them: 429.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics/{topic}/messages", tag = "messages",
    params(TopicPath),
    request_body(content((SendForm = "application/json"), (Vec<u8> = "application/octet-stream"), (String = "text/plain"))),
    responses(
        (status = 200, description = "One result for each message", body = SendAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn send(mut call: Call) -> Answer {
    let body = call.body().await?;
    let form = if call.is_json() {
        Form::Batch(json::read(&body)?)
    } else {
        Form::Raw
    };
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let target = call.target(&scope)?;
    let topic = match &target {
        Target::Topic(topic) => topic,
        Target::Retry(_) | Target::DeadLetter(_) => {
            return Err(ApiError::new(
                ErrorCode::TopicNotWritable,
                "retry and dead-letter topics are written by the system alone",
            ));
        }
    };
    identity.require(Action::Produce(&topic.name))?;
    call.query()?.finish()?;
    let drafts = match form {
        Form::Batch(form) => form?
            .messages
            .into_iter()
            .map(|entry| entry.into_draft())
            .collect(),
        Form::Raw => vec![raw_draft(call.headers(), body.clone())?],
    };
    let born_host = call.peer();
    let _online = client::producing(&call, &scope, target.key(), &born_host)?;
    let outcomes = ops::send(call.services(), &scope, topic, drafts, &born_host).await?;
    let answer = SendAnswer::new(&scope, &outcomes);
    answer::json(StatusCode::OK, &answer, 32 + RESULT_BYTES * outcomes.len())
}

/// Call a delayed message back before its time.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics/{topic}/messages/recall", tag = "messages",
    params(TopicPath), request_body = RecallForm,
    responses(
        (status = 200, description = "It will not be delivered", body = Done),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn recall(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<RecallForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.topic(&scope)?;
    identity.require(Action::Produce(&topic.name))?;
    call.query()?.finish()?;
    recall::recall(call.services(), &scope, &topic, &form?.recall_handle).await?;
    answer::ok(&Done {})
}

enum Form<'a> {
    Batch(json::Fields<SendForm<'a>>),
    Raw,
}

/// # Errors
/// `BAD_REQUEST` naming the header.
fn raw_draft(headers: &HeaderMap, body: Bytes) -> ApiResult<Draft<'_>> {
    let mut draft = Draft {
        body: Body::Raw(body),
        encoding: None,
        tag: None,
        keys: Vec::new(),
        properties: Vec::new(),
        message_group: None,
        deliver_at: None,
        delay_level: None,
        dedup_id: None,
        message_id: None,
    };
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix("firn-") else {
            continue;
        };
        if let Some(property) = name.as_str().strip_prefix(PROPERTY_PREFIX) {
            if draft.properties.iter().any(|(known, _)| known == property) {
                return Err(ApiError::field(name.as_str(), "given twice"));
            }
            let value = text(name.as_str(), value)?;
            draft.properties.push((Cow::Borrowed(property), value));
            continue;
        }
        let text = || text(name.as_str(), value);
        match attribute {
            "tag" => set(&mut draft.tag, name.as_str(), text()?)?,
            "keys" => draft.keys.extend(keys(text()?)),
            "message-group" => set(&mut draft.message_group, name.as_str(), text()?)?,
            "deliver-at" => set(
                &mut draft.deliver_at,
                name.as_str(),
                number(name.as_str(), value)?,
            )?,
            "delay-level" => set(
                &mut draft.delay_level,
                name.as_str(),
                number(name.as_str(), value)?,
            )?,
            "content-encoding" => set(&mut draft.encoding, name.as_str(), text()?)?,
            "dedup-id" => set(&mut draft.dedup_id, name.as_str(), text()?)?,
            "message-id" => set(&mut draft.message_id, name.as_str(), text()?)?,
            "request-id" => {}
            _ => return Err(ApiError::field(name.as_str(), "unknown header")),
        }
    }
    Ok(draft)
}

fn set<T>(field: &mut Option<T>, name: &str, value: T) -> ApiResult<()> {
    if field.is_some() {
        return Err(ApiError::field(name, "given twice"));
    }
    *field = Some(value);
    Ok(())
}

fn text<'a>(name: &str, value: &'a HeaderValue) -> ApiResult<Cow<'a, str>> {
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| ApiError::field(name, "not UTF-8; write other bytes percent-encoded"))?;
    percent_decoded(text, name)
}

fn keys(text: Cow<'_, str>) -> Vec<Cow<'_, str>> {
    match text {
        Cow::Borrowed(text) => text.split_ascii_whitespace().map(Cow::Borrowed).collect(),
        Cow::Owned(text) => text
            .split_ascii_whitespace()
            .map(|key| Cow::Owned(key.to_owned()))
            .collect(),
    }
}

fn number(name: &str, value: &HeaderValue) -> ApiResult<u64> {
    value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| ApiError::field(name, "not a whole number from 0"))
}
