//! The codes of the protocol, and the document that tells one. Which of the service's
//! own codes is which of these is said in one table.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse};
use firn_protocol::error::Detail;
use firn_protocol::{ApiError, ErrorCode};

use super::response;
use crate::native::answer::{self, Answer};

pub(super) const VERSION: &str = "2015-06-06";
pub(super) const CONTENT: &str = "text/xml;charset=utf-8";
/// What is told of the name that a client has for this server.
const HOST_BYTES_MAX: usize = 255;
/// By which an error says which of these codes it is.
const CODE: &str = "mqCode";

/// A code of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    AccessDenied,
    InternalError,
    InternalServerError,
    InvalidArgument,
    InvalidAuthorizationHeader,
    InvalidDateHeader,
    InvalidDigest,
    InvalidQueryString,
    InvalidRequestUrl,
    MalformedXml,
    MessageNotExist,
    MissingAuthorizationHeader,
    MissingDateHeader,
    MissingReceiptHandle,
    QpsLimitExceeded,
    ReceiptHandleError,
    TimeExpired,
    TopicNotExist,
}

const CODES: [Code; 18] = [
    Code::AccessDenied,
    Code::InternalError,
    Code::InternalServerError,
    Code::InvalidArgument,
    Code::InvalidAuthorizationHeader,
    Code::InvalidDateHeader,
    Code::InvalidDigest,
    Code::InvalidQueryString,
    Code::InvalidRequestUrl,
    Code::MalformedXml,
    Code::MessageNotExist,
    Code::MissingAuthorizationHeader,
    Code::MissingDateHeader,
    Code::MissingReceiptHandle,
    Code::QpsLimitExceeded,
    Code::ReceiptHandleError,
    Code::TimeExpired,
    Code::TopicNotExist,
];

impl Code {
    pub(super) fn as_str(self) -> &'static str {
        self.row().0
    }

    pub(super) fn http_status(self) -> u16 {
        self.row().1
    }

    /// An error that only this protocol has a code for.
    pub(super) fn error(self, text: impl Into<String>) -> ApiError {
        let (name, _, own) = self.row();
        ApiError::new(own, text).with(CODE, Detail::Text(name.to_owned()))
    }

    /// As it is written, its HTTP status, and what the rest of the service calls it.
    fn row(self) -> (&'static str, u16, ErrorCode) {
        use ErrorCode as E;
        match self {
            Self::AccessDenied => ("AccessDenied", 403, E::Forbidden),
            Self::InternalError => ("InternalError", 500, E::Internal),
            Self::InternalServerError => ("InternalServerError", 500, E::StorageUnavailable),
            Self::InvalidArgument => ("InvalidArgument", 400, E::BadRequest),
            Self::InvalidAuthorizationHeader => {
                ("InvalidAuthorizationHeader", 400, E::Unauthenticated)
            }
            Self::InvalidDateHeader => ("InvalidDateHeader", 400, E::Unauthenticated),
            Self::InvalidDigest => ("InvalidDigest", 400, E::BadRequest),
            Self::InvalidQueryString => ("InvalidQueryString", 400, E::BadRequest),
            Self::InvalidRequestUrl => ("InvalidRequestURL", 400, E::BadRequest),
            Self::MalformedXml => ("MalformedXML", 400, E::BadRequest),
            Self::MessageNotExist => ("MessageNotExist", 404, E::MessageNotFound),
            Self::MissingAuthorizationHeader => {
                ("MissingAuthorizationHeader", 400, E::Unauthenticated)
            }
            Self::MissingDateHeader => ("MissingDateHeader", 400, E::Unauthenticated),
            Self::MissingReceiptHandle => ("MissingReceiptHandle", 400, E::BadRequest),
            Self::QpsLimitExceeded => ("QpsLimitExceeded", 400, E::RateLimited),
            Self::ReceiptHandleError => ("ReceiptHandleError", 400, E::InvalidReceiptHandle),
            Self::TimeExpired => ("TimeExpired", 408, E::Unauthenticated),
            Self::TopicNotExist => ("TopicNotExist", 404, E::TopicNotFound),
        }
    }

    /// The code of any error of the service.
    pub(super) fn of(error: &ApiError) -> Self {
        let named = error.details.iter().find_map(|(name, value)| match value {
            Detail::Text(text) if *name == CODE => Some(text),
            Detail::Text(_) | Detail::Flag(_) | Detail::Number(_) | Detail::Rows(_) => None,
        });
        let own = named.and_then(|name| CODES.into_iter().find(|code| code.as_str() == name));
        own.unwrap_or_else(|| Self::from(error.code))
    }
}

/// The one vocabulary in the words of this protocol. Credentials that are wrong in
/// whatever way look alike, as everywhere, so the codes `InvalidAccessKeyId` and
/// `SignatureDoesNotMatch` are not told.
impl From<ErrorCode> for Code {
    fn from(code: ErrorCode) -> Self {
        use ErrorCode as E;
        match code {
            E::BadRequest
            | E::InvalidName
            | E::InvalidFilter
            | E::MessageTypeMismatch
            | E::GroupNotFound
            | E::AlreadyExists
            | E::InUse
            | E::Conflict
            | E::AlreadyDelivered
            | E::MessageTooLarge
            | E::RequestTooLarge
            | E::UnsupportedMediaType => Self::InvalidArgument,
            E::NotFound | E::MethodNotAllowed => Self::InvalidRequestUrl,
            E::InvalidReceiptHandle => Self::ReceiptHandleError,
            E::Unauthenticated
            | E::Forbidden
            | E::GroupDisabled
            | E::TopicNotWritable
            | E::TopicNotReadable
            | E::QuotaExceeded
            | E::InstanceFrozen => Self::AccessDenied,
            E::InstanceNotFound | E::TopicNotFound => Self::TopicNotExist,
            E::MessageNotFound | E::TransactionNotFound => Self::MessageNotExist,
            E::RateLimited => Self::QpsLimitExceeded,
            E::Overloaded
            | E::StorageUnavailable
            | E::DiskFull
            | E::CatalogueUnavailable
            | E::NotOwner => Self::InternalServerError,
            E::DataDamaged | E::Internal => Self::InternalError,
        }
    }
}

/// The answer as it leaves.
pub(crate) fn finish(answer: Answer, req: &HttpRequest, request_id: &str) -> HttpResponse {
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => of_error(&error, req, request_id),
    };
    // A library looks for the names in lower case, as they are written here.
    answer::set_header(&mut response, "x-mq-request-id", request_id);
    answer::set_header(&mut response, "x-mq-version", VERSION);
    set(&mut response, answer::REQUEST_ID, request_id);
    response
}

fn of_error(error: &ApiError, req: &HttpRequest, request_id: &str) -> HttpResponse {
    answer::log(error, request_id);
    let code = Code::of(error);
    let host = req.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| !host.is_empty() && host.len() <= HOST_BYTES_MAX);
    let host = format!("http://{}", host.unwrap_or("localhost"));
    let document = response::error(code.as_str(), &error.message, request_id, &host);
    let mut response = xml(code.http_status(), document);
    if code == Code::QpsLimitExceeded || error.code.http_status() == 503 {
        // When to come again, as over the other protocols.
        answer::set_error_headers(&mut response, error);
        if !response.headers().contains_key(RETRY_AFTER) {
            set(&mut response, RETRY_AFTER, "1");
        }
    }
    response
}

pub(super) fn xml(status: u16, document: String) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = actix_web::body::BoxBody::new(document);
    let mut response = HttpResponse::with_body(status, body);
    set(&mut response, CONTENT_TYPE, CONTENT);
    response
}

fn set(response: &mut HttpResponse, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_found_by_its_name() {
        for (at, code) in CODES.iter().enumerate() {
            assert_eq!(CODES.iter().position(|other| other == code), Some(at));
            assert_eq!(Code::of(&code.error("text")), *code);
        }
    }
}
