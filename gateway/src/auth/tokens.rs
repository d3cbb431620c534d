//! Short-lived tokens (JWT, HS256). Owns their claims and a cache of verified
//! ones; promises that a token stops working when it expires, is revoked, or
//! its user is gone, whatever the cache holds.

use std::sync::Arc;

use firn_protocol::Timestamp;
use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::{AppUser, ConsoleRole, ConsoleUser};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId};
use firn_runtime::Clock;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};

use super::{Identity, unauthenticated};

/// Life of a token that calls are made with (API.md, "Who may call").
const ACCESS_MS: u64 = 15 * 60 * 1000;
/// Life of a token that only buys new access tokens.
const REFRESH_MS: u64 = 12 * 60 * 60 * 1000;
const TOKEN_BYTES_MAX: usize = 2048;
const VERIFIED_MAX: u64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    User,
    Console,
    Refresh,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    typ: Kind,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<ConsoleRole>,
    /// When an application user was made: one of the same name made later is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<Timestamp>,
    /// The login that this token came from; logout revokes it with all its tokens.
    sid: String,
    jti: String,
    iat: u64,
    exp: u64,
}

/// An access token and, for people, the token that renews it.
pub(crate) struct TokenPair {
    pub(crate) token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires_at: Timestamp,
}

/// Makes and checks tokens.
pub(crate) struct Tokens {
    tenants: Arc<dyn TenantApi>,
    clock: Clock,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    verified: Cache<[u8; 32], Arc<Verified>>,
}

struct Verified {
    claims: Claims,
    console: Option<Arc<ConsoleUser>>,
}

impl Tokens {
    pub(super) fn new(tenants: Arc<dyn TenantApi>, clock: Clock) -> Self {
        let key = tenants.derived_key("token");
        let mut validation = Validation::new(Algorithm::HS256);
        // Expiry is judged by our own clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Self {
            tenants,
            clock,
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            validation,
            verified: Cache::new(VERIFIED_MAX),
        }
    }

    /// A token for an application user whose secret was just checked.
    pub(crate) fn for_user(&self, user: &AppUser) -> ApiResult<TokenPair> {
        let sid = new_id();
        let mut claims = self.claims(Kind::User, &user.access_key, &sid, ACCESS_MS);
        claims.tenant = Some(user.tenant);
        claims.made = Some(user.created_at);
        Ok(TokenPair {
            token: self.seal(&claims)?,
            refresh_token: None,
            expires_at: Timestamp(claims.exp * 1000),
        })
    }

    /// Tokens for a person whose password was just checked.
    pub(crate) fn for_person(&self, user: &ConsoleUser) -> ApiResult<TokenPair> {
        let sid = new_id();
        let mut refresh = self.claims(Kind::Refresh, &user.username, &sid, REFRESH_MS);
        refresh.tenant = user.tenant;
        let refresh_token = self.seal(&refresh)?;
        self.access(user, &sid, refresh_token)
    }

    /// A new access token for a refresh token; the role is looked up again.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> ApiResult<TokenPair> {
        let verified = self
            .check(refresh_token)
            .filter(|v| v.claims.typ == Kind::Refresh)
            .ok_or_else(unauthenticated)?;
        let claims = &verified.claims;
        let user = self
            .tenants
            .console_user(claims.tenant, &claims.sub)
            .await
            .ok_or_else(unauthenticated)?;
        self.access(&user, &claims.sid, refresh_token.to_owned())
    }

    /// Ends the login that a token belongs to; false if the token is not valid.
    pub(crate) async fn revoke(&self, token: &str) -> ApiResult<bool> {
        let Some(verified) = self.check(token) else {
            return Ok(false);
        };
        let until = Timestamp(self.clock.now_ms()).plus_ms(REFRESH_MS);
        self.tenants
            .revoke_token(&verified.claims.sid, until)
            .await?;
        Ok(true)
    }

    /// Who an access token speaks for.
    pub(super) fn identify(&self, token: &str) -> Option<Identity> {
        if let Some(token) = self.tenants.api_token(token) {
            return Some(Identity::Token(token));
        }
        let verified = self.check(token)?;
        match verified.claims.typ {
            Kind::Refresh => None,
            Kind::User => self
                .tenants
                .user(&verified.claims.sub)
                .filter(|user| Some(user.created_at) == verified.claims.made)
                .filter(|user| Some(user.tenant) == verified.claims.tenant)
                .map(Identity::User),
            Kind::Console => verified.console.clone().map(Identity::Console),
        }
    }

    fn access(&self, user: &ConsoleUser, sid: &str, refresh_token: String) -> ApiResult<TokenPair> {
        let mut claims = self.claims(Kind::Console, &user.username, sid, ACCESS_MS);
        claims.tenant = user.tenant;
        claims.role = Some(user.role);
        Ok(TokenPair {
            token: self.seal(&claims)?,
            refresh_token: Some(refresh_token),
            expires_at: Timestamp(claims.exp * 1000),
        })
    }

    fn claims(&self, typ: Kind, sub: &str, sid: &str, life_ms: u64) -> Claims {
        let now = self.clock.now_ms();
        Claims {
            typ,
            sub: sub.to_owned(),
            tenant: None,
            role: None,
            made: None,
            sid: sid.to_owned(),
            jti: new_id(),
            iat: now / 1000,
            exp: (now + life_ms) / 1000,
        }
    }

    fn seal(&self, claims: &Claims) -> ApiResult<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding).map_err(
            |error| {
                tracing::error!(%error, "token not made");
                ApiError::new(ErrorCode::Internal, "the token could not be made")
            },
        )
    }

    /// Signature once, expiry and revocation every time.
    fn check(&self, token: &str) -> Option<Arc<Verified>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let hash = *blake3::hash(token.as_bytes()).as_bytes();
        let verified = match self.verified.get(&hash) {
            Some(known) => known,
            None => {
                let fresh = Arc::new(self.verify(token)?);
                self.verified.insert(hash, fresh.clone());
                fresh
            }
        };
        let alive = self.clock.now_ms() < verified.claims.exp.saturating_mul(1000)
            && !self.tenants.is_token_revoked(&verified.claims.sid);
        alive.then_some(verified)
    }

    fn verify(&self, token: &str) -> Option<Verified> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .ok()?
            .claims;
        let console = match (claims.typ, claims.role) {
            (Kind::Console, Some(role)) => Some(Arc::new(ConsoleUser {
                tenant: claims.tenant,
                username: claims.sub.clone(),
                role,
            })),
            _ => None,
        };
        Some(Verified { claims, console })
    }
}

fn new_id() -> String {
    uuid::Builder::from_random_bytes(firn_runtime::random::bytes())
        .into_uuid()
        .simple()
        .to_string()
}
