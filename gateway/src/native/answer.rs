//! Answers: JSON bodies, the error object, the request id that every answer
//! carries.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use firn_protocol::{ApiError, ErrorCode};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::admission::RateLimit;
use crate::auth::retry_after_ms;

/// What a handler returns.
pub(crate) type Answer = Result<HttpResponse, ApiError>;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("firn-request-id");
const REQUEST_ID_BYTES_MAX: usize = 64;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Gives each request an id: the caller's own if it is well formed, else a
/// random prefix of this process and a number.
pub(crate) struct RequestIds {
    prefix: String,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self {
            prefix: format!("{:08x}-", firn_runtime::random::number() as u32),
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn of(&self, req: &HttpRequest) -> Arc<str> {
        let given = req.headers().get(&REQUEST_ID);
        self.own_or_new(given.and_then(|value| value.to_str().ok()))
    }

    /// The id that a caller gave, if it is well formed, else a new one.
    pub(crate) fn own_or_new(&self, given: Option<&str>) -> Arc<str> {
        if let Some(id) = given.filter(|id| is_well_formed(id)) {
            return Arc::from(id);
        }
        let mut id = String::with_capacity(self.prefix.len() + 16);
        id.push_str(&self.prefix);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Writing to a string cannot fail.
        let _ = write!(id, "{number:08x}");
        Arc::from(id)
    }
}

fn is_well_formed(id: &str) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// A JSON answer; `room` is a guess of its size.
pub(crate) fn json(status: StatusCode, value: &impl Serialize, room: usize) -> Answer {
    Ok(from_bytes(status, encode(value, room)?))
}

pub(crate) fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value, 256)
}

pub(crate) fn created(value: &impl Serialize) -> Answer {
    json(StatusCode::CREATED, value, 256)
}

pub(crate) fn no_content() -> Answer {
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// # Errors
/// `INTERNAL` when a value has no JSON form, which no shape of ours lacks.
pub(crate) fn encode(value: &impl Serialize, room: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::with_capacity(room);
    append(&mut bytes, value)?;
    Ok(bytes)
}

/// Appends a value as JSON.
///
/// # Errors
/// As [`encode`].
pub(crate) fn append(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), ApiError> {
    let written = serde_json::to_writer(out, value);
    written.map_err(|error| ApiError::new(ErrorCode::Internal, format!("answer: {error}")))
}

pub(crate) fn from_bytes(status: StatusCode, bytes: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, actix_web::body::BoxBody::new(bytes));
    response
        .headers_mut()
        .insert(actix_web::http::header::CONTENT_TYPE, JSON);
    response
}

pub(crate) fn set_header(response: &mut HttpResponse, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}

/// The answer as it leaves: errors encoded, request id set, faults logged.
pub(crate) fn finish(answer: Answer, request_id: &str) -> HttpResponse {
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => of_error(&error, request_id),
    };
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// A failed request in the log.
pub(crate) fn log(error: &ApiError, request_id: &str) {
    let status = error.code.http_status();
    let (code, message) = (error.code.as_str(), error.message.as_str());
    match status {
        500 => tracing::error!(request_id, code, message, "request failed"),
        501.. => tracing::warn!(request_id, code, message, "request refused"),
        _ => tracing::debug!(request_id, code, message, "request refused"),
    }
}

fn of_error(error: &ApiError, request_id: &str) -> HttpResponse {
    log(error, request_id);
    let status = error.code.http_status();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = ErrorBody {
        error: ErrorJson {
            error,
            request_id: Some(request_id),
        },
    };
    let mut response = from_bytes(status, encode(&body, 256).unwrap_or_default());
    set_error_headers(&mut response, error);
    response
}

/// What tells a client how to go on: credentials, or when.
pub(crate) fn set_error_headers(response: &mut HttpResponse, error: &ApiError) {
    match error.code.http_status() {
        401 => set_header(
            response,
            "www-authenticate",
            "Basic realm=\"firn\", charset=\"UTF-8\"",
        ),
        429 | 503 => set_header(response, "retry-after", "1"),
        _ => {}
    }
    if let Some(limit) = RateLimit::of(error) {
        let seconds = |ms: u64| ms.div_ceil(1000).max(1).to_string();
        set_header(response, "retry-after", &seconds(limit.retry_after_ms));
        set_header(response, "ratelimit-limit", &limit.tps.to_string());
        set_header(response, "ratelimit-remaining", "0");
        set_header(response, "ratelimit-reset", &seconds(limit.reset_ms));
    } else if let Some(ms) = retry_after_ms(error) {
        let seconds = ms.div_ceil(1000).max(1).to_string();
        set_header(response, "retry-after", &seconds);
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorJson<'a>,
}

/// The error object; entries of a batch leave the request id to the header.
pub(crate) struct ErrorJson<'a> {
    pub(crate) error: &'a ApiError,
    pub(crate) request_id: Option<&'a str>,
}

impl Serialize for ErrorJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &self.error.code)?;
        map.serialize_entry("message", &self.error.message)?;
        if let Some(id) = self.request_id {
            map.serialize_entry("requestId", id)?;
        }
        map.serialize_entry("retryable", &self.error.code.is_retryable())?;
        if !self.error.details.is_empty() {
            map.serialize_entry("details", &Details(self.error))?;
        }
        map.end()
    }
}

/// Facts of an error, by name.
pub(crate) struct Details<'a>(pub(crate) &'a ApiError);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.details.iter().map(|(name, value)| (name, value)))
    }
}
