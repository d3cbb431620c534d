//! Login and tokens. Forms hold secrets, so none of them can be printed.

use firn_protocol::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::TokenPair;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct TokenForm {
    pub(in crate::native) access_key: String,
    pub(in crate::native) secret_key: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct LoginForm {
    /// Absent for the operator.
    #[schema(value_type = Option<u64>)]
    pub(in crate::native) tenant: Option<TenantId>,
    pub(in crate::native) username: String,
    pub(in crate::native) password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct RefreshForm {
    pub(in crate::native) refresh_token: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct LogoutForm {
    pub(in crate::native) refresh_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct TokenAnswer {
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Of `token`, ms since 1970.
    expires_at: u64,
}

impl From<TokenPair> for TokenAnswer {
    fn from(pair: TokenPair) -> Self {
        Self {
            token: pair.token,
            refresh_token: pair.refresh_token,
            expires_at: pair.expires_at.0,
        }
    }
}
