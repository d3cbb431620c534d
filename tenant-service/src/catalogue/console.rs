//! People: the operator, and the console users of tenants.

use std::sync::Arc;

use firn_protocol::api::tenant::PersonChange;
use firn_protocol::catalogue::{ConsoleRole, ConsoleUser};
use firn_protocol::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PEOPLE_TENANT_MAX};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId, names};
use serde_json::{Value, json};

use super::checks::exists_already;
use super::{Change, ConsoleRow, Draft};

/// The console user of the deployment (API.md, "Who may call").
pub(crate) const OPERATOR: &str = "operator";

pub(crate) fn create(
    draft: &mut Draft<'_>,
    user: ConsoleUser,
    password_hash: Arc<str>,
) -> ApiResult<ConsoleUser> {
    check(draft, &user)?;
    let row = ConsoleRow::new(user, password_hash);
    let user = row.user.clone();
    draft.push(Change::AddConsoleUser(row));
    note(
        draft,
        &user,
        "consoleUser.create",
        json!({"role": user.role}),
    );
    Ok(user)
}

/// Everything that can be refused before the costly hash is made.
pub(crate) fn check(draft: &Draft<'_>, user: &ConsoleUser) -> ApiResult<()> {
    if let Some(tenant) = user.tenant {
        draft.memory.tenant(tenant)?;
    }
    names::check("username", &user.username)?;
    check_role(user.role)?;
    if draft
        .memory
        .console_user(user.tenant, &user.username)
        .is_some()
    {
        return Err(exists_already("user", &user.username));
    }
    if let Some(tenant) = user.tenant
        && draft.memory.console_users(tenant).count() >= PEOPLE_TENANT_MAX
    {
        let text = format!("a tenant has at most {PEOPLE_TENANT_MAX} console users");
        return Err(ApiError::new(ErrorCode::QuotaExceeded, text));
    }
    Ok(())
}

pub(crate) fn check_password(password: &str) -> ApiResult<()> {
    if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        let rule = format!("from {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes");
        return Err(ApiError::field("password", rule));
    }
    Ok(())
}

/// Everything that can be refused before the costly hash is made.
pub(crate) fn check_change(
    draft: &Draft<'_>,
    tenant: TenantId,
    username: &str,
    change: &PersonChange,
) -> ApiResult<()> {
    existing(draft, tenant, username)?;
    if let Some(role) = change.role {
        check_role(role)?;
    }
    if change.role.is_none() && change.password.is_none() {
        return Err(ApiError::field("password", "nothing to change is given"));
    }
    change.password.as_deref().map_or(Ok(()), check_password)
}

/// `password_hash`: of the password that the change has, if it has one.
pub(crate) fn change(
    draft: &mut Draft<'_>,
    tenant: TenantId,
    username: &str,
    change: &PersonChange,
    password_hash: Option<Arc<str>>,
) -> ApiResult<ConsoleUser> {
    check_change(draft, tenant, username, change)?;
    let before = existing(draft, tenant, username)?;
    let mut user = before.user.clone();
    user.role = change.role.unwrap_or(user.role);
    let detail = json!({"role": user.role, "password": password_hash.is_some()});
    let row = match password_hash {
        Some(hash) => ConsoleRow::new(user, hash),
        None => ConsoleRow {
            user,
            password_hash: before.password_hash.clone(),
        },
    };
    let user = row.user.clone();
    draft.push(Change::SetConsoleUser(row));
    note(draft, &user, "consoleUser.change", detail);
    Ok(user)
}

pub(crate) fn delete(draft: &mut Draft<'_>, tenant: TenantId, username: &str) -> ApiResult<()> {
    let user = existing(draft, tenant, username)?.user.clone();
    draft.push(Change::DropConsoleUser(user.clone()));
    note(
        draft,
        &user,
        "consoleUser.delete",
        json!({"role": user.role}),
    );
    Ok(())
}

/// A person of a tenant; the operator is of none, and so out of reach of all this.
fn existing<'a>(draft: &Draft<'a>, tenant: TenantId, username: &str) -> ApiResult<&'a ConsoleRow> {
    draft.memory.tenant(tenant)?;
    let found = draft.memory.console_user(Some(tenant), username);
    found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "no such user"))
}

fn check_role(role: ConsoleRole) -> ApiResult<()> {
    match role {
        ConsoleRole::Admin | ConsoleRole::Viewer => Ok(()),
        ConsoleRole::Operator => Err(ApiError::field("role", "admin or viewer")),
    }
}

fn note(draft: &mut Draft<'_>, user: &ConsoleUser, action: &'static str, detail: Value) {
    draft.audit(user.tenant, action, user.username.clone(), detail);
}
