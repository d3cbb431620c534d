//! Who calls. Owns the reading of credentials and the table of rights;
//! promises that every cause of failure looks the same to the caller. Secrets
//! themselves are compared by the tenant service.

pub(crate) mod address;
mod throttle;
mod tokens;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::{ApiToken, AppUser, ConsoleRole, ConsoleUser, TokenScope};
use firn_protocol::{ApiError, ApiResult, ErrorCode, InstanceId, TenantId};
use firn_runtime::Clock;

use crate::denied::Who;
use crate::metrics::Metrics;

pub(crate) use throttle::retry_after_ms;
use throttle::{Account, Attempt, Throttle};
pub(crate) use tokens::{TokenPair, Tokens};

/// Longest decoded `accessKey:secretKey`; longer ones cannot be right.
const BASIC_BYTES_MAX: usize = 1024;

/// The scheme of signed requests, as the SDKs of Aliyun's MQ write it.
pub(crate) const SIGNED_SCHEME: &str = "MQ";

/// A caller whose credentials were right.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    User(Arc<AppUser>),
    Console(Arc<ConsoleUser>),
    Token(Arc<ApiToken>),
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
    /// Make, change, remove, reveal application users; the same of console users and
    /// tokens.
    ManageUsers,
    /// See them, without what is secret.
    ReadUsers,
    /// See the audit log.
    ReadAudit,
    /// Change topics and groups, seek, redrive.
    Manage,
    /// Remove what is in use.
    Force,
    /// See topics, groups and lag, and who is online.
    ReadManaged,
    /// See bills.
    ReadBills,
    /// Send to a topic, decide transactions of it.
    Produce(&'a str),
    /// Receive from a topic as a group, acknowledge.
    Consume { topic: &'a str, group: &'a str },
    /// Look messages of a topic up.
    Query(&'a str),
}

impl Identity {
    pub(crate) fn of_person(user: ConsoleUser) -> Self {
        Self::Console(Arc::new(user))
    }

    /// The tenant that the caller is confined to; `None` for the operator.
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::User(user) => Some(user.tenant),
            Self::Console(user) => user.tenant,
            Self::Token(token) => Some(token.tenant),
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
            Self::Token(token) => format!("token:{}", token.id),
        }
    }

    /// The one instance that the caller is confined to, if it is.
    pub(crate) fn instance(&self) -> Option<InstanceId> {
        match self {
            Self::User(user) => Some(user.instance),
            Self::Token(token) => token.instance,
            Self::Console(_) => None,
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
                | Action::ReadUsers
                | Action::ReadAudit => false,
                Action::ReadInstance => true,
                Action::Manage | Action::ReadManaged => user.may_manage(),
                Action::Produce(topic) | Action::Consume { topic, .. } | Action::Query(topic) => {
                    user.may_use(topic)
                }
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
                        | Action::ReadAudit
                        | Action::ReadManaged
                        | Action::ReadBills
                        | Action::Query(_)
                ),
            },
            Self::Token(token) => token_may(token, action),
        }
    }

    /// Whether the caller may hand a scope on: what it gives has to be its own.
    pub(crate) fn may_grant(&self, scope: TokenScope) -> bool {
        self.may(match scope {
            TokenScope::Read => Action::ReadManaged,
            TokenScope::Manage => Action::Manage,
            TokenScope::Produce => Action::Produce(""),
            TokenScope::Consume => Action::Consume {
                topic: "",
                group: "",
            },
        })
    }

    /// # Errors
    /// `FORBIDDEN` when the caller may not.
    pub(crate) fn require(&self, action: Action<'_>) -> ApiResult<()> {
        if self.may(action) {
            return Ok(());
        }
        let text = match action {
            Action::Produce(topic) | Action::Consume { topic, .. } | Action::Query(topic) => {
                format!("these credentials have no right on topic '{topic}' for this call")
            }
            Action::Deployment
            | Action::ReadTenants
            | Action::ReadInstance
            | Action::ManageUsers
            | Action::ReadUsers
            | Action::ReadAudit
            | Action::Manage
            | Action::Force
            | Action::ReadBills
            | Action::ReadManaged => "these credentials have no right to this call".to_owned(),
        };
        Err(ApiError::new(ErrorCode::Forbidden, text))
    }
}

/// A token has what its scopes say on what its limits name, and nothing of what is the
/// administrators' own.
fn token_may(token: &ApiToken, action: Action<'_>) -> bool {
    match action {
        Action::Deployment
        | Action::ReadTenants
        | Action::ManageUsers
        | Action::ReadUsers
        | Action::ReadAudit
        | Action::ReadBills
        | Action::Force => false,
        Action::ReadInstance => true,
        Action::Manage => token.has(TokenScope::Manage),
        Action::ReadManaged => {
            let may_see = token.has(TokenScope::Read) || token.has(TokenScope::Manage);
            may_see && !token.is_limited()
        }
        Action::Produce(topic) => token.has(TokenScope::Produce) && token.may_touch_topic(topic),
        Action::Consume { topic, group } => {
            let may_touch = token.may_touch_topic(topic) && token.may_touch_group(group);
            token.has(TokenScope::Consume) && may_touch
        }
        Action::Query(topic) => token.has(TokenScope::Read) && token.may_touch_topic(topic),
    }
}

/// Turns an `Authorization` header into an identity.
pub(crate) struct Authenticator {
    tenants: Arc<dyn TenantApi>,
    pub(crate) tokens: Tokens,
    throttle: Throttle,
    metrics: Metrics,
}

impl Authenticator {
    pub(crate) fn new(tenants: Arc<dyn TenantApi>, clock: Clock, metrics: Metrics) -> Self {
        Self {
            tokens: Tokens::new(tenants.clone(), clock.clone()),
            throttle: Throttle::new(clock),
            tenants,
            metrics,
        }
    }

    /// # Errors
    /// `UNAUTHENTICATED`, one text for every cause; `RATE_LIMITED` after too many wrong
    /// secrets.
    pub(crate) fn identify(
        &self,
        header: Option<&[u8]>,
        peer: Option<IpAddr>,
    ) -> ApiResult<Identity> {
        let header = header.and_then(|value| std::str::from_utf8(value).ok());
        let (scheme, credentials) = header
            .and_then(|value| value.split_once(' '))
            .ok_or_else(unauthenticated)?;
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            return self.basic(credentials, peer).map(Identity::User);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unauthenticated());
        }
        // Nobody guesses a token, so these are not counted.
        self.tokens
            .identify(credentials)
            .filter(|identity| address_allowed(identity, peer))
            .ok_or_else(unauthenticated)
    }

    /// The application user of a pair that came outside the header.
    ///
    /// # Errors
    /// As [`Self::identify`].
    pub(crate) fn identify_pair(
        &self,
        access_key: &str,
        secret_key: &str,
        peer: Option<IpAddr>,
    ) -> ApiResult<Identity> {
        self.user(access_key, secret_key, peer).map(Identity::User)
    }

    fn basic(&self, credentials: &str, peer: Option<IpAddr>) -> ApiResult<Arc<AppUser>> {
        let mut buffer = [0; BASIC_BYTES_MAX];
        let decoded = STANDARD.decode_slice(credentials, &mut buffer);
        let text = decoded.ok().map(|len| &buffer[..len]);
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        let pair = text.and_then(|text| text.split_once(':'));
        let (access_key, secret_key) = pair.ok_or_else(unauthenticated)?;
        self.user(access_key, secret_key, peer)
    }

    /// The application user whose secret this is, calling from where it may.
    ///
    /// # Errors
    /// As [`Self::identify`].
    pub(crate) fn user(
        &self,
        access_key: &str,
        secret_key: &str,
        peer: Option<IpAddr>,
    ) -> ApiResult<Arc<AppUser>> {
        self.user_by(access_key, peer, |tenants| {
            tenants.authenticate(access_key, secret_key)
        })
    }

    /// The application user with whose secret a proof was made, see
    /// [`TenantApi::authenticate_by`].
    ///
    /// # Errors
    /// As [`Self::identify`].
    pub(crate) fn signed(
        &self,
        access_key: &str,
        is_by: &dyn Fn(&[u8]) -> bool,
        peer: Option<IpAddr>,
    ) -> ApiResult<Identity> {
        let user = self.user_by(access_key, peer, |tenants| {
            tenants.authenticate_by(access_key, is_by)
        });
        user.map(Identity::User)
    }

    fn user_by(
        &self,
        access_key: &str,
        peer: Option<IpAddr>,
        find: impl FnOnce(&dyn TenantApi) -> Option<Arc<AppUser>>,
    ) -> ApiResult<Arc<AppUser>> {
        let attempt = self.admit(Account::User(access_key), peer)?;
        let user = find(&*self.tenants);
        match user.filter(|user| may_come_from(user, peer)) {
            Some(user) => {
                self.throttle.right(&attempt);
                Ok(user)
            }
            None => {
                self.throttle.wrong(&attempt);
                self.metrics.credentials_wrong.inc();
                Err(unauthenticated())
            }
        }
    }

    /// The person whose password this is.
    ///
    /// # Errors
    /// As [`Self::identify`]; what says that the service is away.
    pub(crate) async fn person(
        &self,
        tenant: Option<TenantId>,
        username: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> ApiResult<ConsoleUser> {
        let attempt = self.admit(Account::Person(tenant, username), peer)?;
        // Counted before the answer is known: many at once, and those that nobody waits
        // for, are no way around it.
        self.throttle.wrong(&attempt);
        match self.tenants.login(tenant, username, password).await {
            Ok(user) => {
                self.throttle.not_wrong(&attempt);
                self.throttle.right(&attempt);
                Ok(user)
            }
            // A service that is away may be told; every other cause looks the same.
            Err(error) if error.code.http_status() >= 429 => {
                self.throttle.not_wrong(&attempt);
                Err(error)
            }
            Err(_) => {
                self.metrics.credentials_wrong.inc();
                Err(unauthenticated())
            }
        }
    }

    /// Whose credentials a header holds or claims to hold, if there is such a caller;
    /// nothing is compared.
    pub(crate) fn claimed(&self, header: Option<&[u8]>) -> Option<Who> {
        let header = std::str::from_utf8(header?).ok()?;
        let (scheme, credentials) = header.split_once(' ')?;
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            if credentials.len() > 2 * BASIC_BYTES_MAX {
                return None;
            }
            let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
            let (access_key, _) = text.split_once(':')?;
            return self.named_user(access_key);
        }
        if scheme.eq_ignore_ascii_case(SIGNED_SCHEME) {
            let (access_key, _) = credentials.split_once(':')?;
            return self.named_user(access_key);
        }
        let identity = self.tokens.identify(credentials)?;
        Some(Who::of(&identity))
    }

    pub(crate) fn named_user(&self, access_key: &str) -> Option<Who> {
        let user = self.tenants.user(access_key)?;
        Some(Who::of(&Identity::User(user)))
    }

    fn admit(&self, account: Account<'_>, peer: Option<IpAddr>) -> ApiResult<Attempt> {
        let admitted = self.throttle.admit(account, peer);
        if admitted.is_err() {
            self.metrics.credentials_throttled.inc();
        }
        admitted
    }
}

/// Whether an application user may call from this address; a user without a
/// list may call from anywhere.
fn address_allowed(identity: &Identity, peer: Option<IpAddr>) -> bool {
    match identity {
        Identity::User(user) => may_come_from(user, peer),
        Identity::Console(_) | Identity::Token(_) => true,
    }
}

fn may_come_from(user: &AppUser, peer: Option<IpAddr>) -> bool {
    user.ip_allow.is_empty() || peer.is_some_and(|ip| address::is_in(ip, &user.ip_allow))
}

/// The one answer to credentials that are missing, wrong, expired or revoked.
pub(crate) fn unauthenticated() -> ApiError {
    ApiError::new(
        ErrorCode::Unauthenticated,
        "credentials are missing or not valid",
    )
}
