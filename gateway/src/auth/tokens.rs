//! Short-lived tokens (JWT, HS256). Owns their claims and a cache of verified
//! ones; promises that a token stops working when it expires, is revoked, or
//! its user is gone, whatever the cache holds.

use std::sync::Arc;

use firn_protocol::Timestamp;
use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::{AppUser, ConsoleUser};
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
    /// When an application user was made: one of the same name made later is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<Timestamp>,
    /// Of a person's password; a token of before another one was set is void.
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<u64>,
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
    verified: Cache<[u8; 32], Arc<Claims>>,
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
        refresh.mark = Some(user.password_mark);
        let refresh_token = self.seal(&refresh)?;
        self.access(user, &sid, refresh_token)
    }

    /// A new access token for a refresh token.
    pub(crate) fn refresh(&self, refresh_token: &str) -> ApiResult<TokenPair> {
        let claims = self
            .check(refresh_token)
            .filter(|claims| claims.typ == Kind::Refresh)
            .ok_or_else(unauthenticated)?;
        let user = self.person(&claims).ok_or_else(unauthenticated)?;
        self.access(&user, &claims.sid, refresh_token.to_owned())
    }

    /// Ends the login that a token belongs to; false if the token is not valid.
    pub(crate) async fn revoke(&self, token: &str) -> ApiResult<bool> {
        let Some(claims) = self.check(token) else {
            return Ok(false);
        };
        let until = Timestamp(self.clock.now_ms()).plus_ms(REFRESH_MS);
        self.tenants.revoke_token(&claims.sid, until).await?;
        Ok(true)
    }

    /// Who an access token speaks for.
    pub(super) fn identify(&self, token: &str) -> Option<Identity> {
        if let Some(token) = self.tenants.api_token(token) {
            return Some(Identity::Token(token));
        }
        let claims = self.check(token)?;
        match claims.typ {
            Kind::Refresh => None,
            Kind::User => self
                .tenants
                .user(&claims.sub)
                .filter(|user| Some(user.created_at) == claims.made)
                .filter(|user| Some(user.tenant) == claims.tenant)
                .map(Identity::User),
            Kind::Console => self.person(&claims).map(Identity::of_person),
        }
    }

    /// Whose log-in it was, as this person is now.
    fn person(&self, claims: &Claims) -> Option<ConsoleUser> {
        let user = self.tenants.console_user(claims.tenant, &claims.sub)?;
        (claims.mark == Some(user.password_mark)).then_some(user)
    }

    fn access(&self, user: &ConsoleUser, sid: &str, refresh_token: String) -> ApiResult<TokenPair> {
        let mut claims = self.claims(Kind::Console, &user.username, sid, ACCESS_MS);
        claims.tenant = user.tenant;
        claims.mark = Some(user.password_mark);
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
            made: None,
            mark: None,
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
    fn check(&self, token: &str) -> Option<Arc<Claims>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let hash = *blake3::hash(token.as_bytes()).as_bytes();
        let claims = match self.verified.get(&hash) {
            Some(known) => known,
            None => {
                let fresh = Arc::new(self.verify(token)?);
                self.verified.insert(hash, fresh.clone());
                fresh
            }
        };
        let alive = self.clock.now_ms() < claims.exp.saturating_mul(1000)
            && !self.tenants.is_token_revoked(&claims.sid);
        alive.then_some(claims)
    }

    fn verify(&self, token: &str) -> Option<Claims> {
        let read = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        Some(read.ok()?.claims)
    }
}

fn new_id() -> String {
    uuid::Builder::from_random_bytes(firn_runtime::random::bytes())
        .into_uuid()
        .simple()
        .to_string()
}
