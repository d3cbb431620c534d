//! Rows of the audit log.

use firn_protocol::catalogue::AuditEntry;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct AuditList<'a> {
    pub(in crate::native) items: Vec<AuditJson<'a>>,
    /// Rows of all pages; at most 10,000 are counted.
    pub(in crate::native) total: u64,
    /// `false`: there are more than `total`.
    pub(in crate::native) total_is_exact: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::native) cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct AuditJson<'a> {
    id: u64,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<u64>,
    caller: &'a str,
    action: &'a str,
    object: &'a str,
    request_id: &'a str,
    #[schema(value_type = Object)]
    detail: Value,
}

impl<'a> AuditJson<'a> {
    pub(in crate::native) fn new(row: &'a AuditEntry) -> Self {
        Self {
            id: row.id,
            at: row.at.0,
            tenant: row.tenant.map(|tenant| tenant.0),
            caller: &row.caller,
            action: &row.action,
            object: &row.object,
            request_id: &row.request_id,
            detail: serde_json::from_str(&row.detail).unwrap_or_default(),
        }
    }
}
