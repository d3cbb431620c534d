//! People and the audit log of the catalogue in memory; passwords are kept as they are.

use firn_protocol::api::tenant::{AuditFilter, PersonChange};
use firn_protocol::catalogue::{AuditEntry, ConsoleRole, ConsoleUser};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId};

use crate::fake_tenants::Catalogue;

impl Catalogue {
    pub(crate) fn login(
        &self,
        tenant: Option<TenantId>,
        username: &str,
        password: &str,
    ) -> ApiResult<ConsoleUser> {
        let refused = |code, text| Err(ApiError::new(code, text));
        match self.people.get(&(tenant, username.to_owned())) {
            Some((user, secret)) if secret == password => Ok(user.clone()),
            Some(_) => refused(ErrorCode::Unauthenticated, "wrong password"),
            None => refused(ErrorCode::NotFound, "no such person"),
        }
    }

    pub(crate) fn console_users(&self, tenant: TenantId) -> Vec<ConsoleUser> {
        let people = self.people.values().map(|(user, _)| user);
        let own = people.filter(|user| user.tenant == Some(tenant));
        own.cloned().collect()
    }

    pub(crate) fn add_person(
        &mut self,
        mark: u64,
        tenant: TenantId,
        username: &str,
        password: &str,
        role: ConsoleRole,
    ) -> ApiResult<ConsoleUser> {
        let key = (Some(tenant), username.to_owned());
        if self.people.contains_key(&key) {
            return Err(ApiError::new(ErrorCode::AlreadyExists, "this person"));
        }
        if role == ConsoleRole::Operator {
            return Err(ApiError::field("role", "admin or viewer"));
        }
        let user = ConsoleUser {
            tenant: Some(tenant),
            username: username.to_owned(),
            role,
            password_mark: mark,
        };
        self.people.insert(key, (user.clone(), password.to_owned()));
        Ok(user)
    }

    pub(crate) fn change_person(
        &mut self,
        mark: u64,
        tenant: TenantId,
        username: &str,
        change: PersonChange,
    ) -> ApiResult<ConsoleUser> {
        let found = self.people.get_mut(&(Some(tenant), username.to_owned()));
        let (user, secret) = found.expect("looked up before");
        user.role = change.role.unwrap_or(user.role);
        if let Some(password) = change.password {
            *secret = password;
            user.password_mark = mark;
        }
        Ok(user.clone())
    }

    /// Newest first.
    pub(crate) fn find_audit(&self, filter: &AuditFilter) -> Vec<AuditEntry> {
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|w| w == text);
        let rows = self.audit.iter().rev().filter(|row| {
            let tenant = filter.tenant;
            tenant.is_none_or(|tenant| row.tenant == Some(tenant))
                && filter.before.is_none_or(|before| row.id < before)
                && filter.from.is_none_or(|from| row.at >= from)
                && is(&filter.action, &row.action)
                && is(&filter.caller, &row.caller)
        });
        rows.take(filter.max).cloned().collect()
    }
}
