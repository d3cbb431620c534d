//! What an error of `object_store` means for us.
//!
//! The crate does not show the status of an answer, so it is read from the
//! text of its error; `tests/http.rs` holds the wording against a server that
//! answers them. What is not recognised counts as passing trouble: it is tried again,
//! within the budget.

use std::error::Error as _;
use std::io;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use super::error::{ColdError, Failure, Operation};

/// Longest piece of the store's own words that is kept.
const DETAIL_BYTES_MAX: usize = 200;
/// How an answer with a bad status begins, in the words of `object_store`.
const STATUS_MARK: &str = "status code: ";

/// Our view of an error.
pub(super) fn classify(operation: Operation, path: &str, error: &Error) -> ColdError {
    let failure = match error {
        Error::NotFound { .. } => Failure::NotFound,
        // 412, 304 and 409: a conflict is no proof that the name is taken, so
        // whoever gets this reads the object.
        Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
            if operation == Operation::Create {
                Failure::Exists
            } else {
                Failure::Server
            }
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Failure::Denied,
        Error::InvalidPath { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::UnknownConfigurationKey { .. } => Failure::Refused,
        // A cancelled file operation, and whatever is added later.
        Error::Generic { .. } | Error::JoinError { .. } | _ => generic(error),
    };
    ColdError::new(operation, path, failure, detail(error))
}

fn generic(error: &Error) -> Failure {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return transport(error.kind());
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return local(error);
        }
        if let Some(status) = status(&error.to_string()) {
            return answered(status);
        }
        source = error.source();
    }
    // In-process stores have no passing trouble.
    let is_local = matches!(
        error,
        Error::Generic {
            store: "InMemory" | "LocalFileSystem",
            ..
        }
    );
    if is_local {
        Failure::Io
    } else {
        Failure::Server
    }
}

fn transport(kind: HttpErrorKind) -> Failure {
    if kind == HttpErrorKind::Timeout {
        Failure::Timeout
    } else {
        Failure::Connection
    }
}

fn local(error: &io::Error) -> Failure {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    if crate::disk::is_full(error) {
        Failure::Full
    } else if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) {
        Failure::Denied
    } else {
        Failure::Io
    }
}

fn answered(status: u16) -> Failure {
    match status {
        408 => Failure::Timeout,
        429 | 503 => Failure::Busy,
        507 => Failure::Full,
        400..=499 => Failure::Refused,
        _ => Failure::Server,
    }
}

/// The status in the text of an error.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once(STATUS_MARK)?;
    rest.get(..3)?.parse().ok()
}

/// The innermost words, without the body of an answer: it may quote the
/// request, headers included. Its error code is kept.
fn detail(error: &Error) -> String {
    let text = error.to_string();
    let code = between(&text, "<Code>", "</Code>");
    match (status(&text), code) {
        (Some(status), Some(code)) => return shorten(format!("{status} {code}")),
        (Some(status), None) => return status.to_string(),
        // Failed within an answer that began as a success.
        (None, Some(code)) => return shorten(code.to_owned()),
        (None, None) => {}
    }
    let mut innermost = text;
    let mut source = error.source();
    while let Some(error) = source {
        innermost = error.to_string();
        source = error.source();
    }
    shorten(innermost.lines().next().unwrap_or_default().to_owned())
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

fn shorten(mut text: String) -> String {
    if text.len() > DETAIL_BYTES_MAX {
        let mut end = DETAIL_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
