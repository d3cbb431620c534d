//! The one error vocabulary of all protocols (API.md, "Errors").

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A public error code. Only this type knows HTTP status and whether a retry
/// makes sense; edges map codes and never look at other errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    BadRequest,
    InvalidName,
    InvalidFilter,
    InvalidReceiptHandle,
    MessageTypeMismatch,
    Unauthenticated,
    Forbidden,
    GroupDisabled,
    TopicNotWritable,
    TopicNotReadable,
    QuotaExceeded,
    InstanceFrozen,
    InstanceNotFound,
    TopicNotFound,
    GroupNotFound,
    MessageNotFound,
    TransactionNotFound,
    NotFound,
    MethodNotAllowed,
    AlreadyExists,
    InUse,
    Conflict,
    AlreadyDelivered,
    MessageTooLarge,
    RequestTooLarge,
    UnsupportedMediaType,
    RateLimited,
    Overloaded,
    StorageUnavailable,
    DiskFull,
    CatalogueUnavailable,
    NotOwner,
    /// Stored bytes fail their checksum; the message says which (RULES 3).
    DataDamaged,
    Internal,
}

impl ErrorCode {
    /// The code as clients read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// HTTP status (SEED_SPEC section 4).
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().1
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self.http_status(), 429 | 503) || self == Self::Internal
    }

    fn row(self) -> (&'static str, u16) {
        match self {
            Self::BadRequest => ("BAD_REQUEST", 400),
            Self::InvalidName => ("INVALID_NAME", 400),
            Self::InvalidFilter => ("INVALID_FILTER", 400),
            Self::InvalidReceiptHandle => ("INVALID_RECEIPT_HANDLE", 400),
            Self::MessageTypeMismatch => ("MESSAGE_TYPE_MISMATCH", 400),
            Self::Unauthenticated => ("UNAUTHENTICATED", 401),
            Self::Forbidden => ("FORBIDDEN", 403),
            Self::GroupDisabled => ("GROUP_DISABLED", 403),
            Self::TopicNotWritable => ("TOPIC_NOT_WRITABLE", 403),
            Self::TopicNotReadable => ("TOPIC_NOT_READABLE", 403),
            Self::QuotaExceeded => ("QUOTA_EXCEEDED", 403),
            Self::InstanceFrozen => ("INSTANCE_FROZEN", 403),
            Self::InstanceNotFound => ("INSTANCE_NOT_FOUND", 404),
            Self::TopicNotFound => ("TOPIC_NOT_FOUND", 404),
            Self::GroupNotFound => ("GROUP_NOT_FOUND", 404),
            Self::MessageNotFound => ("MESSAGE_NOT_FOUND", 404),
            Self::TransactionNotFound => ("TRANSACTION_NOT_FOUND", 404),
            Self::NotFound => ("NOT_FOUND", 404),
            Self::MethodNotAllowed => ("METHOD_NOT_ALLOWED", 405),
            Self::AlreadyExists => ("ALREADY_EXISTS", 409),
            Self::InUse => ("IN_USE", 409),
            Self::Conflict => ("CONFLICT", 409),
            Self::AlreadyDelivered => ("ALREADY_DELIVERED", 409),
            Self::MessageTooLarge => ("MESSAGE_TOO_LARGE", 413),
            Self::RequestTooLarge => ("REQUEST_TOO_LARGE", 413),
            Self::UnsupportedMediaType => ("UNSUPPORTED_MEDIA_TYPE", 415),
            Self::RateLimited => ("RATE_LIMITED", 429),
            Self::Overloaded => ("OVERLOADED", 503),
            Self::StorageUnavailable => ("STORAGE_UNAVAILABLE", 503),
            Self::DiskFull => ("DISK_FULL", 503),
            Self::CatalogueUnavailable => ("CATALOGUE_UNAVAILABLE", 503),
            Self::NotOwner => ("NOT_OWNER", 503),
            Self::DataDamaged => ("DATA_DAMAGED", 500),
            Self::Internal => ("INTERNAL", 500),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a caller is told. The message never holds a secret or another tenant's names.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
    /// Machine-readable facts, each a (name, value) of the `details` object.
    pub details: Vec<(&'static str, Detail)>,
}

/// A value in [`ApiError::details`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Detail {
    Flag(bool),
    Number(u64),
    Text(String),
    /// Things that the answer is about, each a few (name, value).
    Rows(Vec<BTreeMap<&'static str, String>>),
}

/// The answer of an operation.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// Adds a fact to `details`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Detail) -> Self {
        self.details.push((name, value));
        self
    }

    /// A field of a request that breaks a rule; the message names it.
    pub fn field(name: &str, rule: impl fmt::Display) -> Self {
        Self::new(ErrorCode::BadRequest, format!("{name}: {rule}"))
    }

    /// A send whose outcome is not known (RULES 1).
    #[must_use]
    pub fn outcome_unknown(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::StorageUnavailable, message).with("outcomeUnknown", Detail::Flag(true))
    }
}
