//! `GET /v1/audit`: what was done, and what was refused.

use std::fmt::Write as _;

use actix_web::http::StatusCode;
use firn_protocol::api::tenant::AuditFilter;
use firn_protocol::catalogue::AuditEntry;
use firn_protocol::limits::{AUDIT_COUNTED_MAX, AUDIT_ROWS_MAX};
use firn_protocol::{ApiError, ApiResult, TenantId, Timestamp};

use super::answer::{self, Answer};
use super::call::{Call, excerpt};
use super::query::Query;
use super::shapes::audit::{AuditJson, AuditList};
use super::shapes::error::ErrorAnswer;
use crate::auth::{Action, Identity};
use crate::ops::{not_found, page};

const ROWS_DEFAULT: u64 = 100;
const ROWS_MAX: u64 = 500;
const _: () = assert!(ROWS_MAX < AUDIT_ROWS_MAX as u64, "one more is asked for");
/// What a caller sends to get the next page of lines.
const CURSOR: &str = "firn-cursor";
const COLUMNS: &str = "id,at,tenant,caller,action,object,requestId,detail\r\n";

/// How the rows are written.
#[derive(Clone, Copy)]
enum Form {
    List,
    Csv,
    Lines,
}

/// Rows of the audit log, newest first: the caller's tenant's, or all for the operator.
/// `Accept: text/csv` and `application/x-ndjson` are answered with lines, and the cursor
/// in `Firn-Cursor`. What was refused has the action `denied` and is there about a
/// minute later.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit",
    params(
        ("from" = Option<u64>, Query, description = "ms since 1970, inclusive"),
        ("to" = Option<u64>, Query, description = "ms since 1970, inclusive"),
        ("action" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Such as `topic.create` or `denied`"),
        ("caller" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Such as `user:demo`"),
        ("object" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "How the object begins"),
        ("tenant" = Option<u64>, Query, description = "For the operator: of this tenant alone"),
        ("max" = Option<u64>, Query, minimum = 1, maximum = 500, description = "1 to 500, 100 by default"),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "A page", content(
            (AuditList = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        )),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    identity.require(Action::ReadAudit)?;
    let mut filter = read(&identity, call.query()?)?;
    let form = form_of(call.header("accept"));
    let services = call.services();
    services
        .denied
        .flush(&*services.tenants, services.now(), false)
        .await;
    let wanted = filter.max;
    // One more tells whether there is more.
    filter.max = wanted + 1;
    let mut rows = services.tenants.find_audit(&filter).await?;
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let last = rows.last().filter(|_| has_more);
    let cursor = last.map(|row| page::seal(0, &row.id.to_be_bytes()));
    let (kind, text) = match form {
        Form::List => {
            let counted = services.tenants.count_audit(&filter).await?;
            return answer::ok(&AuditList {
                items: rows.iter().map(AuditJson::new).collect(),
                total: counted.min(AUDIT_COUNTED_MAX),
                total_is_exact: counted <= AUDIT_COUNTED_MAX,
                cursor,
            });
        }
        Form::Csv => ("text/csv; charset=utf-8", csv(&rows)),
        Form::Lines => ("application/x-ndjson", lines(&rows)?),
    };
    let mut response = answer::from_bytes(StatusCode::OK, text);
    answer::set_header(&mut response, "content-type", kind);
    if let Some(cursor) = cursor {
        answer::set_header(&mut response, CURSOR, &cursor);
    }
    Ok(response)
}

fn read(identity: &Identity, mut query: Query) -> ApiResult<AuditFilter> {
    let own = identity.tenant();
    let asked = query.take_number("tenant")?.map(TenantId);
    if let (Some(own), Some(asked)) = (own, asked)
        && own != asked
    {
        let asked = asked.to_string();
        return Err(not_found(format!(
            "tenant '{}' does not exist",
            excerpt(&asked)
        )));
    }
    let max = query.take_number("max")?.unwrap_or(ROWS_DEFAULT);
    if !(1..=ROWS_MAX).contains(&max) {
        let rule = format_args!("not 1 to {ROWS_MAX}");
        return Err(ApiError::field("max", rule));
    }
    let cursor = query.take("cursor");
    let before = cursor.map(|cursor| {
        let state = page::open(0, &cursor)?;
        let id = <[u8; 8]>::try_from(state).map(u64::from_be_bytes);
        let id = id.ok().filter(|id| i64::try_from(*id).is_ok());
        id.ok_or_else(|| ApiError::field("cursor", "not from an answer to this query"))
    });
    let filter = AuditFilter {
        tenant: own.or(asked),
        before: before.transpose()?,
        from: query.take_number("from")?.map(Timestamp),
        to: query.take_number("to")?.map(Timestamp),
        action: query.take("action"),
        caller: query.take("caller"),
        object: query.take("object"),
        max: max as usize,
    };
    query.finish()?;
    for (name, text) in [
        ("action", &filter.action),
        ("caller", &filter.caller),
        ("object", &filter.object),
    ] {
        // PostgreSQL has no text with one.
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(ApiError::field(name, "must not hold a zero character"));
        }
    }
    Ok(filter)
}

fn form_of(accept: Option<&[u8]>) -> Form {
    let accept = accept.and_then(|it| std::str::from_utf8(it).ok());
    let first = accept.unwrap_or_default().split([',', ';']).next();
    let first = first.unwrap_or_default().trim().to_ascii_lowercase();
    match first.as_str() {
        "text/csv" => Form::Csv,
        "application/x-ndjson" | "application/jsonl" => Form::Lines,
        _ => Form::List,
    }
}

fn lines(rows: &[AuditEntry]) -> ApiResult<Vec<u8>> {
    let mut out = Vec::new();
    for row in rows {
        out.extend(answer::encode(&AuditJson::new(row), 256)?);
        out.push(b'\n');
    }
    Ok(out)
}

fn csv(rows: &[AuditEntry]) -> Vec<u8> {
    let mut out = COLUMNS.to_owned();
    for row in rows {
        let tenant = row.tenant.map(|tenant| tenant.to_string());
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "{},{},{}",
            row.id,
            row.at.0,
            tenant.unwrap_or_default()
        );
        for text in [
            &row.caller,
            &row.action,
            &row.object,
            &row.request_id,
            &row.detail,
        ] {
            out.push(',');
            cell(&mut out, text);
        }
        out.push_str("\r\n");
    }
    out.into_bytes()
}

/// In quotes, and never a formula for the program that opens the file.
fn cell(out: &mut String, text: &str) {
    out.push('"');
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}
