//! The envelope of every answer (SEED_SPEC 4): `code`, `message`, `result`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use firn_protocol::{ApiError, ErrorCode};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use utoipa::ToSchema;

use crate::native::answer::{self, Answer};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// What every call answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Envelope<R> {
    /// 200 is success; all others are those of HTTP.
    code: u16,
    /// `success`, or what was wrong.
    message: &'static str,
    result: R,
}

/// The result of a command.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    /// What was tolerated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

/// One thing.
#[derive(Serialize, ToSchema)]
pub(super) struct Data<T> {
    pub(super) data: T,
    /// What was tolerated, or is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Rows<T> {
    /// Of all pages.
    pub(super) total: u64,
    pub(super) rows: Vec<T>,
    /// What was tolerated, or is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

pub(super) fn success(result: impl Serialize) -> Answer {
    let envelope = Envelope {
        code: 200,
        message: "success",
        result,
    };
    answer::ok(&envelope)
}

pub(super) fn done(warnings: Vec<String>) -> Answer {
    success(Done { warnings })
}

pub(super) fn data(data: impl Serialize, warnings: Vec<String>) -> Answer {
    success(Data { data, warnings })
}

pub(super) fn rows<T: Serialize>((total, rows): (u64, Vec<T>), warnings: Vec<String>) -> Answer {
    success(Rows {
        total,
        rows,
        warnings,
    })
}

/// The answer as it leaves.
pub(crate) fn finish(answer: Answer, request_id: &str, always_200: bool) -> HttpResponse {
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => of_error(&error, request_id, always_200),
    };
    let headers = response.headers_mut();
    let is_json = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if is_json {
        headers.insert(CONTENT_TYPE, JSON);
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(answer::REQUEST_ID, value);
    }
    response
}

fn of_error(error: &ApiError, request_id: &str, always_200: bool) -> HttpResponse {
    answer::log(error, request_id);
    let code = code(error.code);
    let body = Failed { code, error };
    let status = if always_200 { 200 } else { code };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = answer::encode(&body, 256).unwrap_or_default();
    let mut response = answer::from_bytes(status, bytes);
    answer::set_error_headers(&mut response, error);
    response
}

/// The codes of the guide are those of HTTP.
fn code(code: ErrorCode) -> u16 {
    code.http_status()
}

/// What a call that failed answers.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a shape; `Failed` is written")]
pub(super) struct Failure {
    /// That of HTTP.
    code: u16,
    /// What was wrong.
    message: String,
    /// Facts by name, if there are any.
    #[schema(value_type = Object)]
    result: (),
}

struct Failed<'a> {
    code: u16,
    error: &'a ApiError,
}

impl Serialize for Failed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &self.code)?;
        map.serialize_entry("message", &self.error.message)?;
        map.serialize_entry("result", &answer::Details(self.error))?;
        map.end()
    }
}
