//! Who calls. Owns the reading of credentials and the table of rights;
//! promises that every cause of failure looks the same to the caller. Secrets
//! themselves are compared by the tenant service.

mod address;
mod tokens;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::{AppUser, ConsoleRole, ConsoleUser};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId};
use firn_runtime::Clock;

pub(crate) use tokens::{TokenPair, Tokens};

/// Longest decoded `accessKey:secretKey`; longer ones cannot be right.
const BASIC_BYTES_MAX: usize = 1024;

/// A caller whose credentials were right.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    User(Arc<AppUser>),
    Console(Arc<ConsoleUser>),
}

/// What a request wants to do, for the table of rights (API.md, "Who may call").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    /// Change tenants, plans or instances.
    Deployment,
    /// See tenants.
    ReadTenants,
    /// See instances and their plans.
    ReadInstance,
    /// Make, change, remove, reveal application users.
    ManageUsers,
    ReadUsers,
    /// Change topics and groups, seek, redrive.
    Manage,
    /// Remove what is in use.
    Force,
    /// See topics, groups and lag, and who is online.
    ReadManaged,
    /// See bills and the audit log.
    ReadBills,
    /// Send to, receive from, acknowledge on a topic.
    Use(&'a str),
    /// Look messages of a topic up.
    Query(&'a str),
}

impl Identity {
    /// The tenant that the caller is confined to; `None` for the operator.
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::User(user) => Some(user.tenant),
            Self::Console(user) => user.tenant,
        }
    }

    /// The caller as the audit log names it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::User(user) => format!("user:{}", user.access_key),
            Self::Console(user) => match user.tenant {
                None => user.username.clone(),
                Some(tenant) => format!("console:{tenant}/{}", user.username),
            },
        }
    }

    pub(crate) fn may(&self, action: Action<'_>) -> bool {
        match self {
            Self::User(user) => match action {
                Action::Deployment
                | Action::ReadTenants
                | Action::ManageUsers
                | Action::Force
                | Action::ReadBills
                | Action::ReadUsers => false,
                Action::ReadInstance => true,
                Action::Manage | Action::ReadManaged => user.may_manage(),
                Action::Use(topic) | Action::Query(topic) => user.may_use(topic),
            },
            Self::Console(user) => match (user.role, action) {
                (ConsoleRole::Operator, _) => user.tenant.is_none(),
                (_, Action::Deployment) => false,
                (ConsoleRole::Admin, _) => true,
                (ConsoleRole::Viewer, action) => matches!(
                    action,
                    Action::ReadTenants
                        | Action::ReadInstance
                        | Action::ReadUsers
                        | Action::ReadManaged
                        | Action::ReadBills
                        | Action::Query(_)
                ),
            },
        }
    }

    /// # Errors
    /// `FORBIDDEN` when the caller may not.
    pub(crate) fn require(&self, action: Action<'_>) -> ApiResult<()> {
        if self.may(action) {
            return Ok(());
        }
        let text = match action {
            Action::Use(topic) | Action::Query(topic) => {
                format!("these credentials have no right on topic '{topic}' for this call")
            }
            Action::Deployment
            | Action::ReadTenants
            | Action::ReadInstance
            | Action::ManageUsers
            | Action::ReadUsers
            | Action::Manage
            | Action::Force
            | Action::ReadBills
            | Action::ReadManaged => "these credentials have no right to this call".to_owned(),
        };
        Err(ApiError::new(ErrorCode::Forbidden, text))
    }
}

/// Turns an `Authorization` header into an identity.
pub(crate) struct Authenticator {
    tenants: Arc<dyn TenantApi>,
    pub(crate) tokens: Tokens,
}

impl Authenticator {
    pub(crate) fn new(tenants: Arc<dyn TenantApi>, clock: Clock) -> Self {
        let tokens = Tokens::new(tenants.clone(), clock);
        Self { tenants, tokens }
    }

    /// # Errors
    /// `UNAUTHENTICATED`, one text for every cause.
    pub(crate) fn identify(
        &self,
        header: Option<&[u8]>,
        peer: Option<IpAddr>,
    ) -> ApiResult<Identity> {
        let identity = header
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(|value| value.split_once(' '))
            .and_then(|(scheme, credentials)| {
                let credentials = credentials.trim();
                if scheme.eq_ignore_ascii_case("basic") {
                    self.basic(credentials)
                } else if scheme.eq_ignore_ascii_case("bearer") {
                    self.tokens.identify(credentials)
                } else {
                    None
                }
            });
        identity
            .filter(|identity| address_allowed(identity, peer))
            .ok_or_else(unauthenticated)
    }

    fn basic(&self, credentials: &str) -> Option<Identity> {
        let mut buffer = [0; BASIC_BYTES_MAX];
        let len = STANDARD.decode_slice(credentials, &mut buffer).ok()?;
        let text = std::str::from_utf8(&buffer[..len]).ok()?;
        let (access_key, secret_key) = text.split_once(':')?;
        self.tenants
            .authenticate(access_key, secret_key)
            .map(Identity::User)
    }
}

/// Whether an application user may call from this address; a user without a
/// list may call from anywhere.
pub(crate) fn address_allowed(identity: &Identity, peer: Option<IpAddr>) -> bool {
    match identity {
        Identity::User(user) => {
            user.ip_allow.is_empty() || peer.is_some_and(|ip| address::is_in(ip, &user.ip_allow))
        }
        Identity::Console(_) => true,
    }
}

/// The one answer to credentials that are missing, wrong, expired or revoked.
pub(crate) fn unauthenticated() -> ApiError {
    ApiError::new(
        ErrorCode::Unauthenticated,
        "credentials are missing or not valid",
    )
}
