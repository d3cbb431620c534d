//! API tokens.

use firn_protocol::Timestamp;
use firn_protocol::api::tenant::{NewToken, TokenUse};
use firn_protocol::catalogue::{ApiToken, TokenScope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values::{Name, Names};
use super::words::ScopeWord;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct ApiTokenForm {
    #[schema(value_type = Name)]
    name: String,
    /// `read`, `manage`, `produce`, `consume`
    #[schema(value_type = Vec<ScopeWord>, min_items = 1)]
    scopes: Vec<TokenScope>,
    /// Names it is limited to; empty means all.
    #[serde(default)]
    #[schema(value_type = Names)]
    topics: Vec<String>,
    #[serde(default)]
    #[schema(value_type = Names)]
    groups: Vec<String>,
    /// ms since 1970; 90 days from now by default, two years at most.
    expires_at: Option<u64>,
}

impl ApiTokenForm {
    pub(in crate::native) fn into_new(self) -> NewToken {
        NewToken {
            name: self.name,
            scopes: self.scopes,
            topics: self.topics,
            groups: self.groups,
            expires_at: self.expires_at.map(Timestamp),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct ApiTokenJson {
    id: String,
    /// Only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    name: String,
    #[schema(value_type = Vec<ScopeWord>)]
    scopes: Vec<TokenScope>,
    topics: Vec<String>,
    groups: Vec<String>,
    created_at: u64,
    expires_at: u64,
    /// Roughly; absent when it was never used.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<u64>,
}

impl ApiTokenJson {
    fn new(token: &ApiToken) -> Self {
        Self {
            id: token.id.clone(),
            token: None,
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            topics: token.topics.clone(),
            groups: token.groups.clone(),
            created_at: token.created_at.0,
            expires_at: token.expires_at.0,
            last_used_at: None,
        }
    }

    pub(in crate::native) fn of_use(found: &TokenUse) -> Self {
        Self {
            last_used_at: found.last_used_at.map(|at| at.0),
            ..Self::new(&found.token)
        }
    }

    pub(in crate::native) fn with_text(token: &ApiToken, text: String) -> Self {
        Self {
            token: Some(text),
            ..Self::new(token)
        }
    }
}
