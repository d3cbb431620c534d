//! What the gateway asks of the tenant service. Reads are answered from a copy
//! in memory and never wait; changes are durable when they are answered.

use std::sync::Arc;

use async_trait::async_trait;

use super::billing::BillingApi;
use crate::catalogue::{
    ApiToken, AppUser, AuditEntry, Broker, ConsoleRole, ConsoleUser, DiskPolicy, Durability,
    Erasure, Group, Instance, InstanceStatus, OnPoison, Permission, Plan, PullMechanism,
    StartPosition, Tenant, TokenScope, Topic, TopicType,
};
use crate::context::Caller;
use crate::error::ApiResult;
use crate::ids::{GroupId, InstanceId, TenantId, TopicId};

/// Fields of a new instance; absent ones take the defaults of API.md.
#[derive(Clone, Debug, Default)]
pub struct NewInstance {
    pub tenant: TenantId,
    pub name: String,
    pub plan: Option<String>,
    /// Names; default one broker `a`.
    pub brokers: Vec<String>,
    pub durability: Option<Durability>,
    pub retention_hours: Option<u32>,
    pub disk_policy: Option<DiskPolicy>,
    pub remark: Option<String>,
    pub time_zone: Option<String>,
    pub expires_at: Option<crate::time::Timestamp>,
}

/// A change of an instance; absent fields stay.
#[derive(Clone, Debug, Default)]
pub struct InstanceChange {
    pub plan: Option<String>,
    /// Names to add; brokers are never removed.
    pub add_brokers: Vec<String>,
    pub durability: Option<Durability>,
    pub retention_hours: Option<u32>,
    pub disk_policy: Option<DiskPolicy>,
    pub remark: Option<String>,
    pub time_zone: Option<String>,
    /// A later end than before sets one that has expired going again.
    pub expires_at: Option<crate::time::Timestamp>,
    /// Freezes it, or sets it going again.
    pub status: Option<InstanceStatus>,
}

/// Fields of a topic, for creation (absent: default) and change (absent: stays).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicFields {
    pub topic_type: Option<TopicType>,
    pub queues: Option<u16>,
    pub permission: Option<Permission>,
    pub ordered: Option<bool>,
    pub remark: Option<String>,
    /// Names of brokers, only at creation; empty means all.
    pub brokers: Option<Vec<String>>,
    pub retention_hours: Option<u32>,
    pub tps: Option<u64>,
    pub allowed_groups: Option<Vec<String>>,
    /// The caller has seen that every message of the topic is consumed: then the
    /// queues of an ordered topic may change (RULES 19).
    pub is_drained: bool,
}

/// Fields of a group, for creation (absent: default) and change (absent: stays).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupFields {
    pub ordered: Option<bool>,
    pub on_poison: Option<OnPoison>,
    pub max_retries: Option<u32>,
    pub enabled: Option<bool>,
    pub start: Option<StartPosition>,
    /// Default: whether no start is given.
    pub is_start_by_client: Option<bool>,
    pub pull_mechanism: Option<PullMechanism>,
    pub subscriptions: Option<Vec<(String, u64)>>,
    pub remark: Option<String>,
}

/// Fields of an application user, for creation and change.
#[derive(Clone, Debug, Default)]
pub struct UserFields {
    /// At creation: the secret to use; made by the service if absent.
    pub secret_key: Option<String>,
    pub topics: Option<Vec<String>>,
    pub description: Option<String>,
    pub ip_allow: Option<Vec<String>>,
}

/// Which rows of the audit log are wanted; what is absent is any.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub tenant: Option<TenantId>,
    /// Only rows with a lower id.
    pub before: Option<u64>,
    pub from: Option<crate::time::Timestamp>,
    /// Inclusive, like `from`.
    pub to: Option<crate::time::Timestamp>,
    pub action: Option<String>,
    pub caller: Option<String>,
    /// How the object begins.
    pub object: Option<String>,
    pub max: usize,
}

/// Calls of one caller to one route that were refused for the same reason within a
/// minute or so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Of the caller; never the one whose data was asked for.
    pub tenant: Option<TenantId>,
    pub caller: String,
    /// Method and path of the first of them.
    pub object: String,
    /// Method and template.
    pub route: String,
    pub code: &'static str,
    pub count: u64,
    pub first: crate::time::Timestamp,
    pub last: crate::time::Timestamp,
    /// Of the first of them.
    pub request_id: String,
}

/// A user with its secret, in the one answer that may show it.
#[derive(Clone)]
pub struct UserWithSecret {
    pub user: Arc<AppUser>,
    pub secret_key: String,
}

/// Fields of a new API token.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    pub name: String,
    pub scopes: Vec<TokenScope>,
    pub topics: Vec<String>,
    pub groups: Vec<String>,
    pub expires_at: Option<crate::time::Timestamp>,
}

/// An API token and roughly when it was used last.
#[derive(Clone, Debug)]
pub struct TokenUse {
    pub token: Arc<ApiToken>,
    pub last_used_at: Option<crate::time::Timestamp>,
}

#[async_trait]
pub trait TenantApi: BillingApi {
    // ---- reads: memory only ----

    fn tenants(&self) -> Vec<Arc<Tenant>>;
    fn tenant(&self, id: TenantId) -> Option<Arc<Tenant>>;
    fn plans(&self) -> Vec<Arc<Plan>>;
    fn plan(&self, name: &str) -> Option<Arc<Plan>>;

    /// Instances of one tenant, or all for the operator (`None`), by name.
    fn instances(&self, tenant: Option<TenantId>) -> Vec<Arc<Instance>>;
    /// Resolves a public id or a name; a name only within `tenant`.
    ///
    /// # Errors
    /// `INSTANCE_NOT_FOUND`; `CONFLICT` when `tenant` is `None` and several
    /// tenants have an instance of that name (RULES 15).
    fn find_instance(
        &self,
        tenant: Option<TenantId>,
        name_or_uid: &str,
    ) -> ApiResult<Arc<Instance>>;
    fn instance(&self, id: InstanceId) -> Option<Arc<Instance>>;

    fn topic(&self, instance: InstanceId, name: &str) -> Option<Arc<Topic>>;
    fn topic_by_id(&self, instance: InstanceId, id: TopicId) -> Option<Arc<Topic>>;
    /// By name.
    fn topics(&self, instance: InstanceId) -> Vec<Arc<Topic>>;
    fn group(&self, instance: InstanceId, name: &str) -> Option<Arc<Group>>;
    fn group_by_id(&self, instance: InstanceId, id: GroupId) -> Option<Arc<Group>>;
    fn groups(&self, instance: InstanceId) -> Vec<Arc<Group>>;
    fn user(&self, access_key: &str) -> Option<Arc<AppUser>>;
    fn users(&self, instance: InstanceId) -> Vec<Arc<AppUser>>;

    /// Checks an application user's secret in constant time; `None` for every
    /// cause of failure alike.
    fn authenticate(&self, access_key: &str, secret_key: &str) -> Option<Arc<AppUser>>;

    /// The same for a proof of the secret, such as a signature: `is_by` says whether
    /// it was made with this secret. It is asked as often for a name that nobody has.
    fn authenticate_by(
        &self,
        access_key: &str,
        is_by: &dyn Fn(&[u8]) -> bool,
    ) -> Option<Arc<AppUser>>;

    /// A key of the deployment for one purpose (receipt handles, tokens), the
    /// same after every restart.
    fn derived_key(&self, purpose: &str) -> [u8; 32];

    /// Whether a token with this id was revoked by logout.
    fn is_token_revoked(&self, token_id: &str) -> bool;

    // ---- changes: durable when answered ----

    /// Checks a person's password (argon2, off the async threads).
    async fn login(
        &self,
        tenant: Option<TenantId>,
        username: &str,
        password: &str,
    ) -> ApiResult<ConsoleUser>;
    /// A console user as it stands now, for token refresh; `None` if gone.
    async fn console_user(&self, tenant: Option<TenantId>, username: &str) -> Option<ConsoleUser>;
    async fn revoke_token(&self, token_id: &str, until: crate::time::Timestamp) -> ApiResult<()>;

    async fn create_tenant(&self, caller: &Caller, tenant: Tenant) -> ApiResult<Arc<Tenant>>;
    async fn rename_tenant(
        &self,
        caller: &Caller,
        id: TenantId,
        name: String,
    ) -> ApiResult<Arc<Tenant>>;
    /// Refused with `IN_USE` while it has instances.
    async fn delete_tenant(&self, caller: &Caller, id: TenantId) -> ApiResult<()>;

    async fn create_plan(&self, caller: &Caller, plan: Plan) -> ApiResult<Arc<Plan>>;

    async fn create_instance(&self, caller: &Caller, new: NewInstance) -> ApiResult<Arc<Instance>>;
    async fn change_instance(
        &self,
        caller: &Caller,
        id: InstanceId,
        change: InstanceChange,
    ) -> ApiResult<Arc<Instance>>;
    /// Removes the instance with its users, topics and groups; returns its
    /// brokers so that the caller can drop their data.
    async fn delete_instance(&self, caller: &Caller, id: InstanceId) -> ApiResult<Vec<Broker>>;

    /// Instances that were removed, whose data nobody has erased yet.
    fn erasures(&self) -> Vec<Arc<Erasure>>;
    /// All data of a removed instance is gone: so many objects and bytes of object
    /// storage. Leaves a row in the audit log, which is the proof.
    async fn erased(&self, instance: InstanceId, objects: u64, bytes: u64) -> ApiResult<()>;

    async fn create_topic(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        fields: TopicFields,
    ) -> ApiResult<Arc<Topic>>;
    async fn change_topic(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        fields: TopicFields,
    ) -> ApiResult<Arc<Topic>>;
    async fn delete_topic(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<Arc<Topic>>;

    async fn create_group(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        fields: GroupFields,
    ) -> ApiResult<Arc<Group>>;
    async fn change_group(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        fields: GroupFields,
    ) -> ApiResult<Arc<Group>>;
    async fn delete_group(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<Arc<Group>>;

    async fn create_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
        fields: UserFields,
    ) -> ApiResult<UserWithSecret>;
    async fn change_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
        fields: UserFields,
    ) -> ApiResult<Arc<AppUser>>;
    async fn delete_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
    ) -> ApiResult<()>;
    /// Gives a user a new secret. The one that it takes the place of stays valid for
    /// `grace_seconds` more, at most [`crate::limits::GRACE_SECONDS_MAX`]; the one
    /// before that ends at once.
    async fn rotate_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
        grace_seconds: u64,
    ) -> ApiResult<UserWithSecret>;
    /// Shows a user's secret to an administrator, audited.
    async fn reveal_user(
        &self,
        caller: &Caller,
        instance: InstanceId,
        access_key: &str,
    ) -> ApiResult<UserWithSecret>;

    /// The token that this text proves, if it has not ended. Notes that it was used.
    fn api_token(&self, text: &str) -> Option<Arc<ApiToken>>;
    /// Those of an instance, also such as have ended.
    fn api_tokens(&self, instance: InstanceId) -> Vec<TokenUse>;
    /// Makes a token; the text that proves it is shown here and nowhere else.
    async fn create_api_token(
        &self,
        caller: &Caller,
        instance: InstanceId,
        new: NewToken,
    ) -> ApiResult<(Arc<ApiToken>, String)>;
    async fn delete_api_token(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: &str,
    ) -> ApiResult<()>;

    /// Console users of a tenant, by name.
    fn console_users(&self, tenant: TenantId) -> Vec<ConsoleUser>;
    /// Adds a person to a tenant; `role` is `Admin` or `Viewer`.
    async fn create_console_user(
        &self,
        caller: &Caller,
        tenant: TenantId,
        username: &str,
        password: &str,
        role: ConsoleRole,
    ) -> ApiResult<ConsoleUser>;
    async fn delete_console_user(
        &self,
        caller: &Caller,
        tenant: TenantId,
        username: &str,
    ) -> ApiResult<()>;

    /// Adds a row to the audit log about what a service did by itself to a
    /// tenant's data, such as a removal before its time (SEED_SPEC 10); `detail`
    /// is JSON text.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`; `INTERNAL` when the detail is no JSON.
    async fn note(
        &self,
        tenant: TenantId,
        action: &'static str,
        object: String,
        detail: String,
    ) -> ApiResult<()>;
    /// Changes that were made, newest first: those of one tenant, or all for
    /// the operator (`None`); `before` is the id of the last row already seen.
    /// The one read that is not served from memory.
    async fn audit(
        &self,
        tenant: Option<TenantId>,
        before: Option<u64>,
        max: usize,
    ) -> ApiResult<Vec<AuditEntry>> {
        let filter = AuditFilter {
            tenant,
            before,
            max,
            ..AuditFilter::default()
        };
        self.find_audit(&filter).await
    }
    /// The same, those alone that a filter wants.
    async fn find_audit(&self, filter: &AuditFilter) -> ApiResult<Vec<AuditEntry>>;
    /// Adds rows about calls that were refused.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`; then none was added.
    async fn note_denied(&self, rows: &[Denied]) -> ApiResult<()>;

    /// Whether the catalogue can be changed now; for `/readyz`.
    fn health(&self) -> ApiResult<()>;
}
