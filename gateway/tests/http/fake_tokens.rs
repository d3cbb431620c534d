//! API tokens of the catalogue in memory: the text that proves one is its id.

use std::sync::Arc;

use firn_protocol::Timestamp;
use firn_protocol::api::tenant::{NewToken, TokenUse};
use firn_protocol::catalogue::{ApiToken, TokenReach};

use crate::fake_tenants::Catalogue;

impl Catalogue {
    pub(crate) fn api_token(&self, text: &str) -> Option<Arc<ApiToken>> {
        self.tokens.get(text).cloned()
    }

    pub(crate) fn api_tokens(&self, reach: TokenReach) -> Vec<TokenUse> {
        let own = self.tokens.values().filter(|it| it.reach() == reach);
        let shown = own.map(|token| TokenUse {
            token: token.clone(),
            last_used_at: Some(Timestamp(5)),
        });
        shown.collect()
    }

    pub(crate) fn add_api_token(
        &mut self,
        id: u64,
        reach: TokenReach,
        new: NewToken,
    ) -> Arc<ApiToken> {
        let (tenant, instance) = match reach {
            TokenReach::Instance(id) => (self.instances[&id].tenant, Some(id)),
            TokenReach::Tenant(tenant) => (tenant, None),
        };
        let token = Arc::new(ApiToken {
            id: format!("firn{id}"),
            tenant,
            instance,
            name: new.name,
            scopes: new.scopes,
            topics: new.topics,
            groups: new.groups,
            created_at: Timestamp(0),
            expires_at: new.expires_at.unwrap_or(Timestamp(9)),
        });
        self.tokens.insert(token.id.clone(), token.clone());
        token
    }
}
