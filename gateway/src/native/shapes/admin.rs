//! Tenants, plans, instances, topics, groups and users.

use std::collections::BTreeMap;

use firn_protocol::api::tenant::{
    GroupFields, InstanceChange, NewInstance, TopicFields, UserFields, UserWithSecret,
};
use firn_protocol::catalogue::{
    AppUser, DiskPolicy, Durability, Group, Instance, InstanceStatus, OnPoison, Permission, Plan,
    StartPosition, Tenant, Topic, TopicType,
};
use firn_protocol::limits::{MESSAGE_BYTES_DEFAULT, RETENTION_HOURS_DEFAULT};
use firn_protocol::{ApiError, ApiResult, BrokerId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values::{BrokerNames, Name, Names, Remark, SecretKey, Start, TimeZone};
use super::words::{
    DiskPolicyWord, DurabilityWord, InstanceStatusWord, OnPoisonWord, PermissionWord, TopicTypeWord,
};

/// A page of a list; `cursor` when there is more.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct List<T> {
    pub(in crate::native) items: Vec<T>,
    /// Of the whole list.
    pub(in crate::native) total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::native) cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::native) struct TenantJson {
    id: u64,
    name: String,
}

impl From<&Tenant> for TenantJson {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.0,
            name: tenant.name.clone(),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct NewTenantForm {
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    pub(in crate::native) id: u64,
    #[schema(value_type = Name)]
    pub(in crate::native) name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct TenantForm {
    #[schema(value_type = Name)]
    pub(in crate::native) name: String,
}

/// What an instance may use; 0 means no cap for counted things.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct PlanJson {
    name: String,
    tps: u64,
    topic_tps: u64,
    burst_seconds: f64,
    topics: u64,
    groups: u64,
    brokers: u64,
    storage_gib: u64,
    retention_hours: u32,
    message_bytes: u64,
    connections: u64,
    price_list: String,
}

impl From<&Plan> for PlanJson {
    fn from(plan: &Plan) -> Self {
        Self {
            name: plan.name.clone(),
            tps: plan.tps,
            topic_tps: plan.topic_tps,
            burst_seconds: plan.burst_seconds,
            topics: plan.topics,
            groups: plan.groups,
            brokers: plan.brokers,
            storage_gib: plan.storage_gib,
            retention_hours: plan.retention_hours,
            message_bytes: plan.message_bytes,
            connections: plan.connections,
            price_list: plan.price_list.clone(),
        }
    }
}

/// A new plan; what is absent has no cap, or the value of the built-in plans.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct PlanForm {
    #[schema(value_type = Name)]
    name: String,
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    tps: u64,
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    topic_tps: u64,
    #[serde(default = "burst_seconds")]
    #[schema(minimum = 0, maximum = 60)]
    burst_seconds: f64,
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    topics: u64,
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    groups: u64,
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    brokers: u64,
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    storage_gib: u64,
    #[serde(default = "retention_hours")]
    #[schema(minimum = 1, maximum = 87600)]
    retention_hours: u32,
    #[serde(default = "message_bytes")]
    #[schema(minimum = 1, maximum = 4194304)]
    message_bytes: u64,
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    connections: u64,
    #[serde(default = "price_list")]
    #[schema(value_type = Name)]
    price_list: String,
}

/// The list of the built-in plans.
fn price_list() -> String {
    "standard".to_owned()
}

fn burst_seconds() -> f64 {
    0.1
}

fn retention_hours() -> u32 {
    RETENTION_HOURS_DEFAULT
}

fn message_bytes() -> u64 {
    MESSAGE_BYTES_DEFAULT
}

impl From<PlanForm> for Plan {
    fn from(form: PlanForm) -> Self {
        Self {
            name: form.name,
            tps: form.tps,
            topic_tps: form.topic_tps,
            burst_seconds: form.burst_seconds,
            topics: form.topics,
            groups: form.groups,
            brokers: form.brokers,
            storage_gib: form.storage_gib,
            retention_hours: form.retention_hours,
            message_bytes: form.message_bytes,
            connections: form.connections,
            price_list: form.price_list,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct InstanceJson {
    id: String,
    tenant_id: u64,
    name: String,
    plan: String,
    brokers: Vec<String>,
    #[schema(value_type = DurabilityWord)]
    durability: Durability,
    retention_hours: u32,
    #[schema(value_type = DiskPolicyWord)]
    disk_policy: DiskPolicy,
    remark: String,
    #[schema(value_type = InstanceStatusWord)]
    status: InstanceStatus,
    created_at: u64,
    expires_at: Option<u64>,
    time_zone: String,
}

impl From<&Instance> for InstanceJson {
    fn from(instance: &Instance) -> Self {
        Self {
            id: instance.uid.clone(),
            tenant_id: instance.tenant.0,
            name: instance.name.clone(),
            plan: instance.plan.clone(),
            brokers: instance
                .brokers
                .iter()
                .map(|broker| broker.name.clone())
                .collect(),
            durability: instance.durability,
            retention_hours: instance.retention_hours,
            disk_policy: instance.disk_policy,
            remark: instance.remark.clone(),
            status: instance.status,
            created_at: instance.created_at.0,
            expires_at: instance.expires_at.map(|at| at.0),
            time_zone: instance.time_zone.clone(),
        }
    }
}

/// Fields of an instance; on creation `tenantId` and `name` are required, on
/// change they are refused. `brokers` are added, never removed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct InstanceForm {
    #[schema(maximum = 9007199254740991_i64)]
    tenant_id: Option<u64>,
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[schema(value_type = Option<Name>)]
    plan: Option<String>,
    #[schema(value_type = Option<BrokerNames>)]
    brokers: Option<Vec<String>>,
    #[schema(value_type = Option<DurabilityWord>)]
    durability: Option<Durability>,
    #[schema(minimum = 1, maximum = 87600)]
    retention_hours: Option<u32>,
    #[schema(value_type = Option<DiskPolicyWord>)]
    disk_policy: Option<DiskPolicy>,
    #[schema(value_type = Option<Remark>)]
    remark: Option<String>,
    #[schema(value_type = Option<TimeZone>)]
    time_zone: Option<String>,
    /// When it is frozen; a week later it is removed with its data.
    #[schema(maximum = 9007199254740991_i64)]
    expires_at: Option<u64>,
    /// Of a change: `frozen` or `running`.
    #[schema(value_type = Option<InstanceStatusWord>)]
    status: Option<InstanceStatus>,
}

impl InstanceForm {
    pub(in crate::native) fn into_new(self) -> ApiResult<NewInstance> {
        if self.status.is_some() {
            return Err(ApiError::field("status", "a new instance is running"));
        }
        Ok(NewInstance {
            tenant: TenantId(required("tenantId", self.tenant_id)?),
            name: required("name", self.name)?,
            plan: self.plan,
            brokers: self.brokers.unwrap_or_default(),
            durability: self.durability,
            retention_hours: self.retention_hours,
            disk_policy: self.disk_policy,
            remark: self.remark,
            time_zone: self.time_zone,
            expires_at: self.expires_at.map(Timestamp),
        })
    }

    pub(in crate::native) fn into_change(self) -> ApiResult<InstanceChange> {
        fixed("tenantId", self.tenant_id.as_ref())?;
        fixed("name", self.name.as_ref())?;
        Ok(InstanceChange {
            plan: self.plan,
            add_brokers: self.brokers.unwrap_or_default(),
            durability: self.durability,
            retention_hours: self.retention_hours,
            disk_policy: self.disk_policy,
            remark: self.remark,
            time_zone: self.time_zone,
            expires_at: self.expires_at.map(Timestamp),
            status: self.status,
        })
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct TopicJson {
    name: String,
    #[serde(rename = "type")]
    #[schema(value_type = TopicTypeWord)]
    topic_type: TopicType,
    queues: u16,
    #[schema(value_type = PermissionWord)]
    permission: Permission,
    ordered: bool,
    remark: String,
    brokers: Vec<String>,
    retention_hours: Option<u32>,
    tps: Option<u64>,
    allowed_groups: Vec<String>,
    created_at: u64,
}

impl TopicJson {
    pub(in crate::native) fn new(instance: &Instance, topic: &Topic) -> Self {
        let carries = |id: BrokerId| topic.brokers.is_empty() || topic.brokers.contains(&id);
        let brokers = instance.brokers.iter().filter(|broker| carries(broker.id));
        Self {
            name: topic.name.clone(),
            topic_type: topic.topic_type,
            queues: topic.queues,
            permission: topic.permission,
            ordered: topic.ordered,
            remark: topic.remark.clone(),
            brokers: brokers.map(|broker| broker.name.clone()).collect(),
            retention_hours: topic.retention_hours,
            tps: topic.tps,
            allowed_groups: topic.allowed_groups.clone(),
            created_at: topic.created_at.0,
        }
    }
}

/// Fields of a topic; `name` is required on creation and refused on change.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct TopicForm {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[serde(rename = "type")]
    #[schema(value_type = Option<TopicTypeWord>)]
    topic_type: Option<TopicType>,
    #[schema(minimum = 1, maximum = 1024)]
    queues: Option<u16>,
    #[schema(value_type = Option<PermissionWord>)]
    permission: Option<Permission>,
    ordered: Option<bool>,
    #[schema(value_type = Option<Remark>)]
    remark: Option<String>,
    #[schema(value_type = Option<BrokerNames>)]
    brokers: Option<Vec<String>>,
    /// 0 is as the instance has it.
    #[schema(maximum = 87600)]
    retention_hours: Option<u32>,
    #[schema(maximum = 9007199254740991_i64)]
    tps: Option<u64>,
    #[schema(value_type = Option<Names>)]
    allowed_groups: Option<Vec<String>>,
}

impl TopicForm {
    pub(in crate::native) fn into_new(mut self) -> ApiResult<(String, TopicFields)> {
        let name = required("name", self.name.take())?;
        Ok((name, self.fields()))
    }

    pub(in crate::native) fn into_change(self) -> ApiResult<TopicFields> {
        fixed("name", self.name.as_ref())?;
        fixed("brokers", self.brokers.as_ref())?;
        Ok(self.fields())
    }

    fn fields(self) -> TopicFields {
        TopicFields {
            is_drained: false,
            topic_type: self.topic_type,
            queues: self.queues,
            permission: self.permission,
            ordered: self.ordered,
            remark: self.remark,
            brokers: self.brokers,
            retention_hours: self.retention_hours,
            tps: self.tps,
            allowed_groups: self.allowed_groups,
        }
    }
}

/// What a group may do with a topic.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct SubscriptionJson {
    /// 0 means no limit.
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    tps: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct GroupJson {
    name: String,
    ordered: bool,
    #[schema(value_type = OnPoisonWord)]
    on_poison: OnPoison,
    max_retries: u32,
    enabled: bool,
    /// `earliest`, `latest` or a time in ms.
    #[schema(value_type = Start)]
    start: StartPosition,
    subscriptions: BTreeMap<String, SubscriptionJson>,
    remark: String,
    created_at: u64,
    /// Of one group: whether its members online want the same topics with the
    /// same filters. Nothing is lost when not.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_consistent: Option<bool>,
}

impl GroupJson {
    pub(in crate::native) fn with_consistency(mut self, is_consistent: bool) -> Self {
        self.subscription_consistent = Some(is_consistent);
        self
    }
}

impl From<&Group> for GroupJson {
    fn from(group: &Group) -> Self {
        let subscriptions = group.subscriptions.iter();
        Self {
            name: group.name.clone(),
            ordered: group.ordered,
            on_poison: group.on_poison,
            max_retries: group.max_retries,
            enabled: group.enabled,
            start: group.start,
            subscriptions: subscriptions
                .map(|(topic, tps)| (topic.clone(), SubscriptionJson { tps: *tps }))
                .collect(),
            remark: group.remark.clone(),
            created_at: group.created_at.0,
            subscription_consistent: None,
        }
    }
}

/// Fields of a group; `name` is required on creation and refused on change.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct GroupForm {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    ordered: Option<bool>,
    #[schema(value_type = Option<OnPoisonWord>)]
    on_poison: Option<OnPoison>,
    #[schema(maximum = 1000)]
    max_retries: Option<u32>,
    enabled: Option<bool>,
    #[schema(value_type = Option<Start>)]
    start: Option<StartPosition>,
    #[schema(value_type = Option<BTreeMap<Name, SubscriptionJson>>)]
    subscriptions: Option<BTreeMap<String, SubscriptionJson>>,
    #[schema(value_type = Option<Remark>)]
    remark: Option<String>,
}

impl GroupForm {
    pub(in crate::native) fn into_new(mut self) -> ApiResult<(String, GroupFields)> {
        let name = required("name", self.name.take())?;
        Ok((name, self.fields()))
    }

    pub(in crate::native) fn into_change(self) -> ApiResult<GroupFields> {
        fixed("name", self.name.as_ref())?;
        Ok(self.fields())
    }

    fn fields(self) -> GroupFields {
        let subscriptions = self.subscriptions.map(|map| {
            map.into_iter()
                .map(|(topic, subscription)| (topic, subscription.tps))
                .collect()
        });
        GroupFields {
            ordered: self.ordered,
            on_poison: self.on_poison,
            max_retries: self.max_retries,
            enabled: self.enabled,
            start: self.start,
            is_start_by_client: None,
            pull_mechanism: None,
            subscriptions,
            remark: self.remark,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct UserJson {
    access_key: String,
    /// Only in the answer that makes it, or to an administrator who asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
    topics: Vec<String>,
    description: String,
    ip_allow: Vec<String>,
    created_at: u64,
    /// Until when the secret of before the last rotation is valid too.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_valid_until: Option<u64>,
}

impl UserJson {
    pub(in crate::native) fn new(user: &AppUser, now: Timestamp) -> Self {
        let until = user.previous_valid_until.filter(|until| now < *until);
        Self {
            access_key: user.access_key.clone(),
            secret_key: None,
            topics: user.topics.clone(),
            description: user.description.clone(),
            ip_allow: user.ip_allow.clone(),
            created_at: user.created_at.0,
            previous_valid_until: until.map(|until| until.0),
        }
    }

    pub(in crate::native) fn with_secret(made: UserWithSecret, now: Timestamp) -> Self {
        Self {
            secret_key: Some(made.secret_key),
            ..Self::new(&made.user, now)
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct RotateForm {
    /// How long the secret of before stays valid, 0 to 604800; a day by default.
    #[schema(maximum = 604800)]
    pub(in crate::native) grace_seconds: Option<u64>,
}

/// Fields of an application user; `accessKey` is required on creation, and
/// with `secretKey` refused on change.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct UserForm {
    #[schema(value_type = Option<Name>)]
    access_key: Option<String>,
    #[schema(value_type = Option<SecretKey>)]
    secret_key: Option<String>,
    #[schema(value_type = Option<Names>)]
    topics: Option<Vec<String>>,
    #[schema(value_type = Option<Remark>)]
    description: Option<String>,
    #[schema(max_items = 64)]
    ip_allow: Option<Vec<String>>,
}

impl UserForm {
    pub(in crate::native) fn into_new(mut self) -> ApiResult<(String, UserFields)> {
        let access_key = required("accessKey", self.access_key.take())?;
        Ok((access_key, self.fields()))
    }

    pub(in crate::native) fn into_change(self) -> ApiResult<UserFields> {
        fixed("accessKey", self.access_key.as_ref())?;
        if self.secret_key.is_some() {
            return Err(ApiError::field("secretKey", "changed by rotate alone"));
        }
        Ok(self.fields())
    }

    fn fields(self) -> UserFields {
        UserFields {
            secret_key: self.secret_key,
            topics: self.topics,
            description: self.description,
            ip_allow: self.ip_allow,
        }
    }
}

fn required<T>(name: &str, value: Option<T>) -> ApiResult<T> {
    value.ok_or_else(|| ApiError::field(name, "missing"))
}

fn fixed<T>(name: &str, value: Option<&T>) -> ApiResult<()> {
    match value {
        None => Ok(()),
        Some(_) => Err(ApiError::field(name, "cannot be changed")),
    }
}

/// A body without fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Empty {}
