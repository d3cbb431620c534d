//! `DELETE`: acknowledges messages. Those of which the service cannot say that they
//! are finished are listed, all others are.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use firn_protocol::api::storage::AckStatus;
use firn_protocol::{ApiError, ApiResult, ErrorCode};

use super::enter::Entered;
use super::error::{self, Code};
use super::query::{self, MESSAGES_MAX};
use super::response::{self, Failed};
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops;

const NOT_FOUND: u16 = 404;

pub(super) async fn ack(call: &Call, mut entered: Entered, handles: &[Cow<'_, str>]) -> Answer {
    let services = call.services();
    let group = super::consume::group(services, &mut entered)?;
    query::finish(entered.query)?;
    check_count(handles.len(), MESSAGES_MAX)?;
    let handles: Vec<&str> = handles.iter().map(|handle| &**handle).collect();
    let (scope, topic) = (&entered.scope, &entered.topic);
    let statuses = match ops::ack::ack(services, scope, &group, topic, &handles).await {
        Ok(statuses) => statuses,
        // Each of them is one that failed.
        Err(error) if error.code == ErrorCode::InvalidReceiptHandle => {
            vec![AckStatus::Invalid; handles.len()]
        }
        Err(error) => return Err(error),
    };
    let outcomes = handles.into_iter().zip(statuses);
    let failed = outcomes.filter_map(|(handle, status)| {
        let (code, text) = match status {
            // Who acknowledges twice has what it wants (SEED_SPEC 8.2-8).
            AckStatus::Ok | AckStatus::AlreadyAcked => return None,
            AckStatus::LeaseExpired => (
                Code::MessageNotExist,
                "the message was handed out again, or may be: its time has passed",
            ),
            AckStatus::Invalid => (
                Code::ReceiptHandleError,
                "not a receipt handle of this group and topic",
            ),
        };
        Some(failed(handle, code, text))
    });
    Ok(settled(&failed.collect::<Vec<_>>()))
}

/// # Errors
/// `InvalidArgument` for too many.
pub(super) fn check_count(count: usize, max: usize) -> ApiResult<()> {
    if count <= max {
        return Ok(());
    }
    Err(ApiError::field(
        "ReceiptHandles",
        format_args!("{count} handles, over {max}"),
    ))
}

pub(super) fn failed<'a>(handle: &'a str, code: Code, text: &'static str) -> Failed<'a> {
    Failed {
        handle,
        code: code.as_str(),
        text,
    }
}

/// The answer when all that failed is known by its handle.
pub(super) fn settled(failed: &[Failed<'_>]) -> HttpResponse {
    match failed {
        [] => HttpResponse::new(StatusCode::NO_CONTENT),
        failed => error::xml(NOT_FOUND, response::errors(failed)),
    }
}
