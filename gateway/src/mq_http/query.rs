//! Query parameters that several calls share.

use firn_protocol::{ApiError, ApiResult};

use super::error::Code;
use crate::native::query::Query;

/// Messages in one answer, receipt handles in one request.
pub(super) const MESSAGES_MAX: usize = 16;
const WAIT_SECONDS_MAX: u64 = 30;

/// # Errors
/// `InvalidQueryString` for what is broken or given twice.
pub(super) fn read(raw: &str) -> ApiResult<Query> {
    Query::read(raw).map_err(|error| Code::InvalidQueryString.error(error.message))
}

/// # Errors
/// `InvalidQueryString` naming a parameter that the call does not have.
pub(super) fn finish(query: Query) -> ApiResult<()> {
    let finished = query.finish();
    finished.map_err(|error| Code::InvalidQueryString.error(error.message))
}

pub(super) fn unknown(name: &str, rule: &str) -> ApiError {
    Code::InvalidQueryString.error(format!("{name}: {rule}"))
}

/// # Errors
/// `InvalidArgument` when it is missing.
pub(super) fn consumer(query: &mut Query) -> ApiResult<String> {
    let name = query.take("consumer").filter(|name| !name.is_empty());
    name.ok_or_else(|| ApiError::field("consumer", "missing: the name of a group"))
}

/// How many messages are wanted, and for how many ms the call waits for the first.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn wanted(query: &mut Query) -> ApiResult<(usize, u64)> {
    let max = query.take_number("numOfMessages")?;
    let max = max.and_then(|max| usize::try_from(max).ok());
    let max = max.filter(|max| (1..=MESSAGES_MAX).contains(max));
    let max = max
        .ok_or_else(|| ApiError::field("numOfMessages", format_args!("not 1 to {MESSAGES_MAX}")))?;
    let wait = query.take_number("waitseconds")?.unwrap_or(0);
    if wait > WAIT_SECONDS_MAX {
        let rule = format_args!("not 0 to {WAIT_SECONDS_MAX}");
        return Err(ApiError::field("waitseconds", rule));
    }
    Ok((max, wait * 1000))
}
