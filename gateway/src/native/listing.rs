//! Pages of lists, ordered by name: the cursor is the last name shown.

use firn_protocol::limits::QUERY_MESSAGES_MAX;
use firn_protocol::{ApiError, ApiResult};

use super::query::Query;
use super::shapes::admin::List;
use crate::ops::page;

/// Items of one page at most, and without a wish.
const PAGE_MAX: usize = QUERY_MESSAGES_MAX;

/// What a caller wants of a list.
pub(super) struct Paging {
    max: usize,
    after: Option<String>,
}

impl Paging {
    /// # Errors
    /// `BAD_REQUEST` naming the parameter.
    pub(super) fn read(mut query: Query) -> ApiResult<Self> {
        let max = query.take_number("max")?.unwrap_or(PAGE_MAX as u64);
        let max = usize::try_from(max)
            .ok()
            .filter(|max| (1..=PAGE_MAX).contains(max))
            .ok_or_else(|| ApiError::field("max", format_args!("not 1 to {PAGE_MAX}")))?;
        let after =
            match query.take("cursor") {
                None => None,
                Some(cursor) => {
                    let name = String::from_utf8(page::open(0, &cursor)?);
                    Some(name.map_err(|_| {
                        ApiError::field("cursor", "not from an answer to this query")
                    })?)
                }
            };
        query.finish()?;
        Ok(Self { max, after })
    }

    /// A page of `all`, each with the name that orders it.
    pub(super) fn page<T, J>(
        self,
        mut all: Vec<T>,
        name: impl Fn(&T) -> String,
        show: impl Fn(&T) -> J,
    ) -> List<J> {
        let total = all.len();
        all.sort_by_cached_key(&name);
        let start = match &self.after {
            None => 0,
            Some(after) => all.partition_point(|item| name(item) <= *after),
        };
        let rest = &all[start..];
        let shown = &rest[..rest.len().min(self.max)];
        let last = shown.last().filter(|_| rest.len() > shown.len());
        List {
            items: shown.iter().map(show).collect(),
            total,
            cursor: last.map(|item| page::seal(0, name(item).as_bytes())),
        }
    }
}
