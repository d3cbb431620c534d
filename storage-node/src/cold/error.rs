//! What can go wrong with the object store, in words that callers decide by.

use std::fmt;

use firn_protocol::error::ErrorCode;

/// What was asked of the object store; the label of metrics and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Create,
    Put,
    StartUpload,
    Part,
    Complete,
    Abort,
    Get,
    Head,
    List,
    Delete,
}

impl Operation {
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Put,
        Self::StartUpload,
        Self::Part,
        Self::Complete,
        Self::Abort,
        Self::Get,
        Self::Head,
        Self::List,
        Self::Delete,
    ];

    /// The name in metrics and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Put => "put",
            Self::StartUpload => "start_upload",
            Self::Part => "part",
            Self::Complete => "complete",
            Self::Abort => "abort",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

/// How an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// There is no such object (or upload).
    NotFound,
    /// The name of a create is taken, or was contended for.
    Exists,
    /// 429 or 503: the store asks to slow down.
    Busy,
    /// No answer in time.
    Timeout,
    /// The connection failed or broke.
    Connection,
    /// The store failed in another way that may pass.
    Server,
    /// There is no room.
    Full,
    /// Credentials are missing, wrong, or do not suffice.
    Denied,
    /// The store does not take such a request.
    Refused,
    /// The local file system failed.
    Io,
    /// The object is shorter than whoever named it believes.
    Short,
    /// A bound of this layer.
    TooLarge,
}

impl Failure {
    pub const ALL: [Self; 12] = [
        Self::NotFound,
        Self::Exists,
        Self::Busy,
        Self::Timeout,
        Self::Connection,
        Self::Server,
        Self::Full,
        Self::Denied,
        Self::Refused,
        Self::Io,
        Self::Short,
        Self::TooLarge,
    ];

    /// The name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Full => "full",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Io => "io",
            Self::Short => "short",
            Self::TooLarge => "too_large",
        }
    }

    /// Whether the same request may succeed later, by itself.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Timeout | Self::Connection | Self::Server
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Exists => "exists already",
            Self::Busy => "the object store asks to slow down",
            Self::Timeout => "no answer in time",
            Self::Connection => "the connection failed",
            Self::Server => "the object store failed",
            Self::Full => "the object store is full",
            Self::Denied => "access denied",
            Self::Refused => "the object store refused the request",
            Self::Io => "input/output error",
            Self::Short => "the object is shorter than expected",
            Self::TooLarge => "too large",
        })
    }
}

/// An operation on the object store failed. Holds text, not the error below:
/// that one may quote requests, and it cannot be cloned for all who waited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {path}: {failure}{}", operation.as_str(), Detail(detail))]
pub struct ColdError {
    pub operation: Operation,
    /// Of the object, or the prefix of a list.
    pub path: String,
    pub failure: Failure,
    /// What the store said, cut short; may be empty.
    pub detail: String,
}

struct Detail<'a>(&'a str);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            text => write!(f, " ({text})"),
        }
    }
}

impl ColdError {
    pub fn new(
        operation: Operation,
        path: impl Into<String>,
        failure: Failure,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            operation,
            path: path.into(),
            failure,
            detail: detail.into(),
        }
    }

    /// The public code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self.failure {
            Failure::NotFound | Failure::Short | Failure::TooLarge => ErrorCode::Internal,
            Failure::Full => ErrorCode::DiskFull,
            Failure::Exists
            | Failure::Busy
            | Failure::Timeout
            | Failure::Connection
            | Failure::Server
            | Failure::Denied
            | Failure::Refused
            | Failure::Io => ErrorCode::StorageUnavailable,
        }
    }

    /// Whether what was asked for may have happened all the same. A 503 says
    /// no more than a timeout does: stores answer it after the fact, too.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        let changes = !matches!(
            self.operation,
            Operation::Get | Operation::Head | Operation::List
        );
        changes && (self.failure.is_retryable() || self.failure == Failure::Io)
    }
}
