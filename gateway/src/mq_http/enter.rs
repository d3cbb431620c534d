//! Who calls, when and with what: the checks that come before anything is looked at.

use std::time::{SystemTime, UNIX_EPOCH};

use firn_protocol::catalogue::Topic;
use firn_protocol::names::{DEAD_LETTER_PREFIX, RETRY_PREFIX};
use firn_protocol::{ApiError, ApiResult, ErrorCode};

use super::error::{Code, VERSION};
use super::query;
use super::signature::{Credentials, text};
use crate::auth::Identity;
use crate::native::call::{Call, topic_not_found};
use crate::native::query::{Query, percent_decoded};
use crate::ops::{Scope, Target};

/// Method, target and version of HTTP on one line.
const REQUEST_LINE_BYTES_MAX: usize = 1024;
/// How far a request's date may be from now, either way.
const SKEW_MS_MAX: u64 = 15 * 60 * 1000;

/// A caller who was let in, and what its path names.
pub(super) struct Entered {
    pub(super) identity: Identity,
    pub(super) scope: Scope,
    pub(super) topic: Target,
    pub(super) query: Query,
}

impl Entered {
    /// # Errors
    /// The first thing that is wrong: the request line, the version, the date, the
    /// credentials, the instance, the topic.
    pub(super) fn of(call: &Call) -> ApiResult<Self> {
        check_line(call)?;
        check_version(call.header("x-mq-version"))?;
        let identity = identify(call)?;
        let mut query = query::read(call.raw_query())?;
        let scope = scope(call, &identity, query.take("ns"))?;
        let name = topic_name(call.raw_segment("topic"))?;
        let tenants = &*call.services().tenants;
        let topic = Target::resolve(tenants, scope.instance.id, &name);
        Ok(Self {
            topic: topic.ok_or_else(|| topic_not_found(&name))?,
            identity,
            scope,
            query,
        })
    }

    /// The topic, if users may write to it.
    ///
    /// # Errors
    /// `AccessDenied` for those that the system writes.
    pub(super) fn writable(&self) -> ApiResult<std::sync::Arc<Topic>> {
        match &self.topic {
            Target::Topic(topic) => Ok(topic.clone()),
            Target::Retry(_) | Target::DeadLetter(_) => Err(ApiError::new(
                ErrorCode::TopicNotWritable,
                "retry and dead-letter topics are written by the system alone",
            )),
        }
    }
}

fn check_line(call: &Call) -> ApiResult<()> {
    let bytes = call.method().len() + call.target_sent().len() + " ".len() + " HTTP/1.1".len();
    if bytes <= REQUEST_LINE_BYTES_MAX {
        return Ok(());
    }
    let text = format!("request line: {bytes} bytes, over {REQUEST_LINE_BYTES_MAX}");
    Err(Code::InvalidRequestUrl.error(text))
}

fn check_version(header: Option<&[u8]>) -> ApiResult<()> {
    if header == Some(VERSION.as_bytes()) {
        return Ok(());
    }
    Err(ApiError::field(
        "x-mq-version",
        format_args!("not {VERSION}"),
    ))
}

/// The date comes before the signature: it tells nothing about anybody.
fn identify(call: &Call) -> ApiResult<Identity> {
    let header = call.header("authorization");
    let header = header.ok_or_else(|| {
        Code::MissingAuthorizationHeader
            .error("authorization: missing, MQ <access key>:<signature>")
    })?;
    let credentials = Credentials::parse(header).ok_or_else(|| {
        Code::InvalidAuthorizationHeader.error("authorization: not MQ <access key>:<signature>")
    })?;
    check_date(call.header("date"), call.now().0)?;
    let signed = text(call.method(), call.headers(), call.target_sent());
    let is_by = |secret: &[u8]| credentials.is_by(secret, &signed);
    call.auth()
        .signed(credentials.access_key, &is_by, call.peer_ip())
}

/// # Errors
/// `MissingDateHeader`, `InvalidDateHeader`, `TimeExpired`.
pub(super) fn check_date(header: Option<&[u8]>, now_ms: u64) -> ApiResult<()> {
    let header = header.ok_or_else(|| Code::MissingDateHeader.error("date: missing"))?;
    let date = std::str::from_utf8(header).ok();
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let since = date.and_then(|date: SystemTime| date.duration_since(UNIX_EPOCH).ok());
    let date_ms = since.and_then(|since| u64::try_from(since.as_millis()).ok());
    let date_ms = date_ms.ok_or_else(|| {
        Code::InvalidDateHeader.error("date: not like Thu, 01 Jan 1970 00:00:00 GMT")
    })?;
    if date_ms.abs_diff(now_ms) <= SKEW_MS_MAX {
        return Ok(());
    }
    Err(Code::TimeExpired.error("date: more than 15 minutes from this server's time"))
}

/// The instance that is named, or the caller's own.
fn scope(call: &Call, identity: &Identity, named: Option<String>) -> ApiResult<Scope> {
    let name = named.filter(|name| !name.is_empty());
    let name = name.or_else(|| {
        let own = call.services().tenants.instance(identity.instance()?)?;
        Some(own.uid.clone())
    });
    call.scope_named(identity, identity.tenant(), &name.unwrap_or_default())
}

/// Libraries write names as they are, so that those of the system's topics look like
/// broken percent-encoding.
///
/// # Errors
/// `InvalidRequestURL` for what is neither.
pub(super) fn topic_name(raw: &str) -> ApiResult<String> {
    if raw.starts_with(DEAD_LETTER_PREFIX) || raw.starts_with(RETRY_PREFIX) {
        return Ok(raw.to_owned());
    }
    match percent_decoded(raw, "topic") {
        Ok(name) => Ok(name.into_owned()),
        Err(error) => Err(Code::InvalidRequestUrl.error(error.message)),
    }
}
