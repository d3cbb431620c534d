//! [`TenantApi`] as the gateway calls it: reads from memory, changes by rule.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use firn_protocol::api::tenant::{
    AuditFilter, Denied, GroupFields, InstanceChange, NewInstance, NewToken, TenantApi, TokenUse,
    TopicFields, UserFields, UserWithSecret,
};
use firn_protocol::catalogue::{
    ApiToken, AppUser, AuditEntry, Broker, ConsoleRole, ConsoleUser, Erasure, Group, Instance,
    Plan, Tenant, Topic,
};
use firn_protocol::limits::{AUDIT_ROWS_MAX, PASSWORD_BYTES_MAX, SECRET_KEY_BYTES_MAX};
use firn_protocol::{
    ApiError, ApiResult, Caller, ErrorCode, GroupId, InstanceId, TenantId, Timestamp, TopicId,
};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::catalogue::{
    Audit, Change, DENIED, console, groups, instances, lifecycle, plans, tenants, tokens, topics,
    users,
};
use crate::error::unavailable;
use crate::secret::Secret;
use crate::service::TenantService;
use crate::store::Origin;

/// Compared with in place of the secret of a user that does not exist; as long
/// as the secrets that the service makes, and refused whatever is given.
const DECOY: [u8; 88] = [b'='; 88];

#[async_trait]
impl TenantApi for TenantService {
    fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.shared
            .memory
            .read()
            .tenants
            .values()
            .cloned()
            .collect()
    }

    fn tenant(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.shared.memory.read().tenants.get(&id).cloned()
    }

    fn plans(&self) -> Vec<Arc<Plan>> {
        self.shared.memory.read().plans.values().cloned().collect()
    }

    fn plan(&self, name: &str) -> Option<Arc<Plan>> {
        self.shared.memory.read().plans.get(name).cloned()
    }

    fn instances(&self, tenant: Option<TenantId>) -> Vec<Arc<Instance>> {
        self.shared.memory.read().instances(tenant)
    }

    fn find_instance(
        &self,
        tenant: Option<TenantId>,
        name_or_uid: &str,
    ) -> ApiResult<Arc<Instance>> {
        self.shared.memory.read().find_instance(tenant, name_or_uid)
    }

    fn instance(&self, id: InstanceId) -> Option<Arc<Instance>> {
        let memory = self.shared.memory.read();
        Some(memory.contents(id).ok()?.instance.clone())
    }

    fn topic(&self, instance: InstanceId, name: &str) -> Option<Arc<Topic>> {
        let memory = self.shared.memory.read();
        memory.contents(instance).ok()?.topics.named(name).cloned()
    }

    fn topic_by_id(&self, instance: InstanceId, id: TopicId) -> Option<Arc<Topic>> {
        let memory = self.shared.memory.read();
        memory.contents(instance).ok()?.topics.by_id(id).cloned()
    }

    fn topics(&self, instance: InstanceId) -> Vec<Arc<Topic>> {
        let memory = self.shared.memory.read();
        let contents = memory.contents(instance);
        contents
            .map(|contents| contents.topics.all())
            .unwrap_or_default()
    }

    fn group(&self, instance: InstanceId, name: &str) -> Option<Arc<Group>> {
        let memory = self.shared.memory.read();
        memory.contents(instance).ok()?.groups.named(name).cloned()
    }

    fn group_by_id(&self, instance: InstanceId, id: GroupId) -> Option<Arc<Group>> {
        let memory = self.shared.memory.read();
        memory.contents(instance).ok()?.groups.by_id(id).cloned()
    }

    fn groups(&self, instance: InstanceId) -> Vec<Arc<Group>> {
        let memory = self.shared.memory.read();
        let contents = memory.contents(instance);
        contents
            .map(|contents| contents.groups.all())
            .unwrap_or_default()
    }

    fn user(&self, access_key: &str) -> Option<Arc<AppUser>> {
        let memory = self.shared.memory.read();
        memory.users.get(access_key).map(|row| row.user.clone())
    }

    fn users(&self, instance: InstanceId) -> Vec<Arc<AppUser>> {
        let memory = self.shared.memory.read();
        let Ok(contents) = memory.contents(instance) else {
            return Vec::new();
        };
        let rows = contents
            .users
            .iter()
            .filter_map(|key| memory.users.get(key));
        rows.map(|row| row.user.clone()).collect()
    }

    fn authenticate(&self, access_key: &str, secret_key: &str) -> Option<Arc<AppUser>> {
        if secret_key.len() > SECRET_KEY_BYTES_MAX {
            return None;
        }
        let is_by = |expected: &[u8]| bool::from(expected.ct_eq(secret_key.as_bytes()));
        self.authenticate_by(access_key, &is_by)
    }

    fn authenticate_by(
        &self,
        access_key: &str,
        is_by: &dyn Fn(&[u8]) -> bool,
    ) -> Option<Arc<AppUser>> {
        let row = self.shared.memory.read().users.get(access_key).cloned();
        let is_given = |secret: Option<&Secret>| {
            let expected = secret.map_or(DECOY.as_slice(), |secret| secret.expose().as_bytes());
            is_by(expected) & secret.is_some()
        };
        let now = Timestamp(self.shared.clock.now_ms());
        let previous = row.as_ref().and_then(|row| {
            let is_valid = row.user.previous_valid_until.is_some_and(|end| now < end);
            row.previous.as_deref().filter(|_| is_valid)
        });
        let secret = row.as_ref().map(|row| &*row.secret);
        // Both always: which of two secrets was given takes the same time.
        let equal = is_given(secret) | is_given(previous);
        row.filter(|_| equal).map(|row| row.user)
    }

    fn derived_key(&self, purpose: &str) -> [u8; 32] {
        self.shared.keys.for_purpose(purpose)
    }

    fn is_token_revoked(&self, token_id: &str) -> bool {
        self.shared.memory.read().is_revoked(token_id)
    }

    async fn login(
        &self,
        tenant: Option<TenantId>,
        username: &str,
        password: &str,
    ) -> ApiResult<ConsoleUser> {
        let refused = || {
            let text = "wrong tenant, user name or password";
            Err(ApiError::new(ErrorCode::Unauthenticated, text))
        };
        if password.len() > PASSWORD_BYTES_MAX {
            return refused();
        }
        let row = {
            let memory = self.shared.memory.read();
            memory.console_user(tenant, username).cloned()
        };
        let hash = row.as_ref().map(|row| row.password_hash.clone());
        let matches = self.passwords.matches(hash, Secret::new(password)).await?;
        match row {
            Some(row) if matches => Ok(row.user),
            Some(_) | None => refused(),
        }
    }

    async fn console_user(&self, tenant: Option<TenantId>, username: &str) -> Option<ConsoleUser> {
        let memory = self.shared.memory.read();
        let row = memory.console_user(tenant, username);
        row.map(|row| row.user.clone())
    }

    async fn revoke_token(&self, token_id: &str, until: Timestamp) -> ApiResult<()> {
        // Ids are the gateway's own; a token that has ended needs no row.
        let id = token_id.to_owned();
        self.change(None, |draft| {
            if until > draft.now {
                draft.push(Change::RevokeToken(id, until));
            }
            Ok(())
        })
        .await
    }

    async fn create_tenant(&self, caller: &Caller, tenant: Tenant) -> ApiResult<Arc<Tenant>> {
        self.change(Some(caller), |draft| tenants::create(draft, tenant))
            .await
    }

    async fn rename_tenant(
        &self,
        caller: &Caller,
        id: TenantId,
        name: String,
    ) -> ApiResult<Arc<Tenant>> {
        self.change(Some(caller), |draft| tenants::rename(draft, id, name))
            .await
    }

    async fn delete_tenant(&self, caller: &Caller, id: TenantId) -> ApiResult<()> {
        self.change(Some(caller), |draft| tenants::delete(draft, id))
            .await
    }

    async fn create_plan(&self, caller: &Caller, plan: Plan) -> ApiResult<Arc<Plan>> {
        self.change(Some(caller), |draft| plans::create(draft, plan))
            .await
    }

    async fn create_instance(&self, caller: &Caller, new: NewInstance) -> ApiResult<Arc<Instance>> {
        let durability = self.durability_default;
        self.change(Some(caller), |draft| {
            instances::create(draft, new, durability)
        })
        .await
    }

    async fn change_instance(
        &self,
        caller: &Caller,
        id: InstanceId,
        change: InstanceChange,
    ) -> ApiResult<Arc<Instance>> {
        self.change(Some(caller), |draft| instances::change(draft, id, change))
            .await
    }

    async fn delete_instance(&self, caller: &Caller, id: InstanceId) -> ApiResult<Vec<Broker>> {
        self.change(Some(caller), |draft| instances::delete(draft, id))
            .await
    }

    fn erasures(&self) -> Vec<Arc<Erasure>> {
        let memory = self.shared.memory.read();
        memory.erasures.values().cloned().collect()
    }

    async fn erased(&self, instance: InstanceId, objects: u64, bytes: u64) -> ApiResult<()> {
        self.change(None, |draft| {
            lifecycle::erased(draft, instance, objects, bytes)
        })
        .await
    }

    async fn create_topic(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        fields: TopicFields,
    ) -> ApiResult<Arc<Topic>> {
        self.change(Some(caller), |draft| {
            topics::create(draft, instance, name, fields)
        })
        .await
    }

    async fn change_topic(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        fields: TopicFields,
    ) -> ApiResult<Arc<Topic>> {
        self.change(Some(caller), |draft| {
            topics::change(draft, instance, name, fields)
        })
        .await
    }

    async fn delete_topic(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<Arc<Topic>> {
        self.change(Some(caller), |draft| topics::delete(draft, instance, name))
            .await
    }

    async fn create_group(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        fields: GroupFields,
    ) -> ApiResult<Arc<Group>> {
        self.change(Some(caller), |draft| {
            groups::create(draft, instance, name, fields)
        })
        .await
    }

    async fn change_group(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        fields: GroupFields,
    ) -> ApiResult<Arc<Group>> {
        self.change(Some(caller), |draft| {
            groups::change(draft, instance, name, fields)
        })
        .await
    }

    async fn delete_group(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<Arc<Group>> {
        self.change(Some(caller), |draft| groups::delete(draft, instance, name))
            .await
    }

    async fn create_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
        fields: UserFields,
    ) -> ApiResult<UserWithSecret> {
        self.change(Some(caller), |draft| {
            users::create(draft, instance, access_key, fields)
        })
        .await
    }

    async fn change_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
        fields: UserFields,
    ) -> ApiResult<Arc<AppUser>> {
        self.change(Some(caller), |draft| {
            users::change(draft, instance, access_key, fields)
        })
        .await
    }

    async fn delete_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
    ) -> ApiResult<()> {
        self.change(Some(caller), |draft| {
            users::delete(draft, instance, access_key)
        })
        .await
    }

    async fn rotate_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
        grace_seconds: u64,
    ) -> ApiResult<UserWithSecret> {
        self.change(Some(caller), |draft| {
            users::rotate(draft, instance, access_key, grace_seconds)
        })
        .await
    }

    async fn reveal_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
    ) -> ApiResult<UserWithSecret> {
        self.change(Some(caller), |draft| {
            users::reveal(draft, instance, access_key)
        })
        .await
    }

    fn api_token(&self, text: &str) -> Option<Arc<ApiToken>> {
        let row = {
            let memory = self.shared.memory.read();
            memory.api_token(tokens::id_in(text)?).cloned()?
        };
        let now = self.shared.clock.now_ms();
        let is_it = bool::from(row.hash.ct_eq(&tokens::hash(text)));
        if !is_it || row.token.expires_at.0 <= now {
            return None;
        }
        row.used_ms.fetch_max(now, Ordering::Relaxed);
        Some(row.token)
    }

    fn api_tokens(&self, instance: InstanceId) -> Vec<TokenUse> {
        let memory = self.shared.memory.read();
        let rows = memory.tokens_of(instance).map(|row| {
            let used = row.used_ms.load(Ordering::Relaxed);
            TokenUse {
                token: row.token.clone(),
                last_used_at: (used > 0).then_some(Timestamp(used)),
            }
        });
        rows.collect()
    }

    async fn create_api_token(
        &self,
        caller: &Caller,
        instance: InstanceId,
        new: NewToken,
    ) -> ApiResult<(Arc<ApiToken>, String)> {
        let made = self.change(Some(caller), |draft| tokens::create(draft, instance, new));
        let (token, text) = made.await?;
        Ok((token, text.expose().to_owned()))
    }

    async fn delete_api_token(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: &str,
    ) -> ApiResult<()> {
        self.change(Some(caller), |draft| tokens::delete(draft, instance, id))
            .await
    }

    fn console_users(&self, tenant: TenantId) -> Vec<ConsoleUser> {
        let memory = self.shared.memory.read();
        let rows = memory.console_users(tenant);
        rows.map(|row| row.user.clone()).collect()
    }

    async fn create_console_user(
        &self,
        caller: &Caller,
        tenant: TenantId,
        username: &str,
        password: &str,
        role: ConsoleRole,
    ) -> ApiResult<ConsoleUser> {
        let user = ConsoleUser {
            tenant: Some(tenant),
            username: username.to_owned(),
            role,
        };
        self.check(|draft| console::check(draft, &user))?;
        console::check_password(password)?;
        let hash = self.passwords.hash(Secret::new(password)).await?;
        self.change(Some(caller), |draft| console::create(draft, user, hash))
            .await
    }

    async fn delete_console_user(
        &self,
        caller: &Caller,
        tenant: TenantId,
        username: &str,
    ) -> ApiResult<()> {
        self.change(Some(caller), |draft| {
            console::delete(draft, tenant, username)
        })
        .await
    }

    async fn note(
        &self,
        tenant: TenantId,
        action: &'static str,
        object: String,
        detail: String,
    ) -> ApiResult<()> {
        let detail = serde_json::from_str(&detail)
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
        self.change(None, |draft| {
            draft.audit(Some(tenant), action, object, detail);
            Ok(())
        })
        .await
    }

    async fn find_audit(&self, filter: &AuditFilter) -> ApiResult<Vec<AuditEntry>> {
        let filter = AuditFilter {
            max: filter.max.min(AUDIT_ROWS_MAX),
            ..filter.clone()
        };
        let rows = self.shared.store.audit(&filter).await;
        rows.map_err(|error| {
            tracing::error!(%error, "the audit log cannot be read");
            error.into()
        })
    }

    async fn note_denied(&self, rows: &[Denied]) -> ApiResult<()> {
        let row = |denied: &Denied| {
            let detail = json!({
                "route": denied.route, "code": denied.code, "count": denied.count,
                "first": denied.first, "last": denied.last,
            });
            let audit = Audit {
                tenant: denied.tenant,
                action: DENIED,
                object: denied.object.clone(),
                detail,
            };
            let origin = Origin {
                caller: denied.caller.clone(),
                request_id: denied.request_id.clone(),
            };
            (audit, origin)
        };
        self.write_audit(rows.iter().map(row).collect()).await
    }

    fn health(&self) -> ApiResult<()> {
        if self.is_failing() {
            return Err(unavailable());
        }
        Ok(())
    }
}
