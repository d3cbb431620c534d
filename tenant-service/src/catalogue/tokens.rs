//! API tokens. What is sent is `firn_ID_SECRET`; of the secret, which is drawn and as
//! long as a hash, the hash alone is kept.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use firn_protocol::api::tenant::NewToken;
use firn_protocol::catalogue::{ApiToken, Instance, TokenReach, TokenScope};
use firn_protocol::limits::{
    TOKEN_LIFE_MS_DEFAULT, TOKEN_LIFE_MS_MAX, TOKENS_INSTANCE_MAX, TOKENS_TENANT_MAX,
};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId, Timestamp, names};
use firn_runtime::random;
use serde_json::json;

use super::checks::{name_list, object};
use super::memory::Memory;
use super::{Change, Draft, TokenRow};
use crate::secret::Secret;

const PREFIX: &str = "firn_";
/// A use is written when the one that is written is older.
const NOTED_AGAIN_MS: u64 = 3600 * 1000;
const NOTED_AT_ONCE: usize = 1000;

pub(crate) fn create(
    draft: &mut Draft<'_>,
    reach: TokenReach,
    new: NewToken,
) -> ApiResult<(Arc<ApiToken>, Secret)> {
    let place = Place::of(draft.memory, reach)?;
    let expires_at = check(&new, draft.now)?;
    let own = draft.memory.tokens_of(reach);
    let (ended, alive): (Vec<_>, Vec<_>) = own.partition(|row| row.token.expires_at <= draft.now);
    let (what, max) = match reach {
        TokenReach::Instance(_) => ("an instance", TOKENS_INSTANCE_MAX),
        TokenReach::Tenant(_) => ("a tenant", TOKENS_TENANT_MAX),
    };
    if alive.len() >= max {
        let text = format!("{what} has at most {max} tokens");
        return Err(ApiError::new(ErrorCode::QuotaExceeded, text));
    }
    if alive.iter().any(|row| row.token.name == new.name) {
        return Err(super::checks::exists_already("token", &new.name));
    }
    // Somewhere they have to go; nobody can use them.
    let ended: Vec<String> = ended.iter().map(|row| row.token.id.clone()).collect();
    for id in ended {
        draft.push(Change::DropApiToken(id));
    }
    let id = hex::encode(random::bytes::<8>());
    let secret = hex::encode(random::bytes::<32>());
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    let token = Arc::new(ApiToken {
        id: id.clone(),
        tenant: place.tenant,
        instance: place.instance.as_ref().map(|instance| instance.id),
        name: new.name,
        scopes,
        topics: new.topics,
        groups: new.groups,
        created_at: draft.now,
        expires_at,
    });
    let text = Secret::new(format!("{PREFIX}{id}_{secret}"));
    draft.push(Change::AddApiToken(TokenRow {
        token: token.clone(),
        hash: hash(text.expose()),
        noted_ms: 0,
        used_ms: Arc::new(AtomicU64::new(0)),
    }));
    let detail = json!({
        "name": token.name, "scopes": token.scopes, "topics": token.topics,
        "groups": token.groups, "expiresAt": token.expires_at,
    });
    draft.audit(
        Some(token.tenant),
        "token.create",
        place.object(&id),
        detail,
    );
    Ok((token, text))
}

pub(crate) fn delete(draft: &mut Draft<'_>, reach: TokenReach, id: &str) -> ApiResult<()> {
    let place = Place::of(draft.memory, reach)?;
    let found = draft.memory.api_token(id);
    let row = found.filter(|row| row.token.reach() == reach);
    let Some(row) = row else {
        return Err(ApiError::new(ErrorCode::NotFound, "no such token"));
    };
    draft.push(Change::DropApiToken(id.to_owned()));
    let detail = json!({"name": row.token.name});
    draft.audit(Some(place.tenant), "token.delete", place.object(id), detail);
    Ok(())
}

/// Where tokens are, as their rows and the audit log name it.
struct Place {
    tenant: TenantId,
    /// None for all of the tenant.
    instance: Option<Arc<Instance>>,
}

impl Place {
    /// # Errors
    /// When there is no such instance or tenant.
    fn of(memory: &Memory, reach: TokenReach) -> ApiResult<Self> {
        match reach {
            TokenReach::Instance(id) => {
                let instance = memory.contents(id)?.instance.clone();
                Ok(Self {
                    tenant: instance.tenant,
                    instance: Some(instance),
                })
            }
            TokenReach::Tenant(id) => Ok(Self {
                tenant: memory.tenant(id)?.id,
                instance: None,
            }),
        }
    }

    fn object(&self, id: &str) -> String {
        match &self.instance {
            Some(instance) => object(instance, "tokens", id),
            None => format!("tokens/{id}"),
        }
    }
}

/// Tokens whose last use is not written yet, with the time of it.
pub(crate) fn unnoted(memory: &Memory) -> Vec<(String, Timestamp)> {
    let rows = memory.api_tokens().filter_map(|row| {
        let used = row.used_ms.load(std::sync::atomic::Ordering::Relaxed);
        let is_new = used > 0 && (row.noted_ms == 0 || used >= row.noted_ms + NOTED_AGAIN_MS);
        is_new.then(|| (row.token.id.clone(), Timestamp(used)))
    });
    rows.take(NOTED_AT_ONCE).collect()
}

/// The id in a text that may be a token.
pub(crate) fn id_in(text: &str) -> Option<&str> {
    let (id, _) = text.strip_prefix(PREFIX)?.split_once('_')?;
    Some(id)
}

pub(crate) fn hash(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// When the token ends.
fn check(new: &NewToken, now: Timestamp) -> ApiResult<Timestamp> {
    names::check("name", &new.name)?;
    let mut scopes = new.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() || scopes.len() < new.scopes.len() {
        return Err(ApiError::field("scopes", "at least one, and none twice"));
    }
    name_list("topics", new.topics.iter().map(String::as_str))?;
    name_list("groups", new.groups.iter().map(String::as_str))?;
    let is_limited = !new.topics.is_empty() || !new.groups.is_empty();
    if is_limited && scopes.contains(&TokenScope::Manage) {
        let rule = "manage goes with no limit to topics or groups";
        return Err(ApiError::field("scopes", rule));
    }
    let end = new.expires_at.unwrap_or(now.plus_ms(TOKEN_LIFE_MS_DEFAULT));
    if end <= now || end > now.plus_ms(TOKEN_LIFE_MS_MAX) {
        let rule = "in the future, at most two years from now";
        return Err(ApiError::field("expiresAt", rule));
    }
    Ok(end)
}
