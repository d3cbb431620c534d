//! People: the operator, and the console users of tenants.

use std::sync::Arc;

use firn_protocol::catalogue::{ConsoleRole, ConsoleUser};
use firn_protocol::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId, names};
use serde_json::json;

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
    draft.push(Change::AddConsoleUser(ConsoleRow {
        user: user.clone(),
        password_hash,
    }));
    note(draft, &user, "consoleUser.create");
    Ok(user)
}

/// Everything that can be refused before the costly hash is made.
pub(crate) fn check(draft: &Draft<'_>, user: &ConsoleUser) -> ApiResult<()> {
    if let Some(tenant) = user.tenant {
        draft.memory.tenant(tenant)?;
    }
    names::check("username", &user.username)?;
    if user.role == ConsoleRole::Operator {
        return Err(ApiError::field("role", "admin or viewer"));
    }
    if draft
        .memory
        .console_user(user.tenant, &user.username)
        .is_some()
    {
        return Err(exists_already("user", &user.username));
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

pub(crate) fn delete(draft: &mut Draft<'_>, tenant: TenantId, username: &str) -> ApiResult<()> {
    draft.memory.tenant(tenant)?;
    let Some(row) = draft.memory.console_user(Some(tenant), username) else {
        return Err(ApiError::new(ErrorCode::NotFound, "no such user"));
    };
    let user = row.user.clone();
    draft.push(Change::DropConsoleUser(user.clone()));
    note(draft, &user, "consoleUser.delete");
    Ok(())
}

fn note(draft: &mut Draft<'_>, user: &ConsoleUser, action: &'static str) {
    let detail = json!({"role": user.role});
    draft.audit(user.tenant, action, user.username.clone(), detail);
}
