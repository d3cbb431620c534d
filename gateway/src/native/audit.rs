//! The audit log.

use firn_protocol::catalogue::AuditEntry;
use firn_protocol::limits::AUDIT_ROWS_MAX;
use firn_protocol::{ApiError, TenantId};

use super::answer::{self, Answer};
use super::call::Call;
use super::shapes::admin::{AuditJson, List};
use super::shapes::error::ErrorAnswer;
use crate::auth::Action;
use crate::ops::page;

const DEFAULT_ROWS: u64 = 100;

/// What was changed, newest first: of the caller's tenant, or all for the operator.
#[utoipa::path(
    get, path = "/v1/audit", tag = "tenants",
    params(
        ("tenant" = Option<u64>, Query, description = "The operator's: of this tenant alone"),
        ("max" = Option<u64>, Query, description = "1 to 1000, default 100"),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "A page; `total` is that of the page", body = List<AuditJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    identity.require(Action::ReadBills)?;
    let mut query = call.query()?;
    let wanted = query.take_number("tenant")?.map(TenantId);
    let max = query.take_number("max")?.unwrap_or(DEFAULT_ROWS);
    let max = usize::try_from(max).ok();
    let max = max.filter(|max| (1..=AUDIT_ROWS_MAX).contains(max));
    let max =
        max.ok_or_else(|| ApiError::field("max", format_args!("not 1 to {AUDIT_ROWS_MAX}")))?;
    let before = match query.take("cursor") {
        None => None,
        Some(cursor) => {
            let state = page::open(0, &cursor)?;
            let state: Option<[u8; 8]> = state.try_into().ok();
            let invalid = || ApiError::field("cursor", "not from an answer to this query");
            Some(u64::from_be_bytes(state.ok_or_else(invalid)?))
        }
    };
    query.finish()?;
    // Another tenant's rows are as little there as those of none.
    let rows = match (identity.tenant(), wanted) {
        (Some(own), Some(wanted)) if own != wanted => Vec::new(),
        (own, wanted) => {
            let tenants = &call.services().tenants;
            tenants.audit(own.or(wanted), before, max).await?
        }
    };
    let last = rows.last().filter(|_| rows.len() == max);
    answer::ok(&List {
        total: rows.len(),
        cursor: last.map(|row: &AuditEntry| page::seal(0, &row.id.to_be_bytes())),
        items: rows.iter().map(AuditJson::from).collect(),
    })
}
