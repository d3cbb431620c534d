//! What the catalogue holds: tenants, instances, plans, users, topics, groups.
//! Values are as the tenant service has validated them.

use serde::{Deserialize, Serialize};

use crate::ids::{BrokerId, GroupId, InstanceId, TenantId, TopicId};
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
}

/// What an instance may use (API.md, "Plans"). Zero means no cap for counted things.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub name: String,
    pub tps: u64,
    pub topic_tps: u64,
    pub burst_seconds: f64,
    pub topics: u64,
    pub groups: u64,
    pub brokers: u64,
    pub storage_gib: u64,
    pub retention_hours: u32,
    pub message_bytes: u64,
    pub connections: u64,
    pub price_list: String,
}

/// How many messages a second an instance may send and receive together, as
/// its plan says. Zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rates {
    /// Of the whole instance.
    pub tps: u64,
    /// Of each topic, unless the topic says otherwise.
    pub topic_tps: u64,
    /// How long a limit may be saved up for what comes at once.
    pub burst_ms: u64,
}

impl Plan {
    #[must_use]
    pub fn rates(&self) -> Rates {
        Rates {
            tps: self.tps,
            topic_tps: self.topic_tps,
            burst_ms: (self.burst_seconds * 1000.0).round() as u64,
        }
    }
}

/// After which step a send is answered (DESIGN 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    #[default]
    Local,
    Object,
}

/// What happens at the storage quota (SEED_SPEC 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum DiskPolicy {
    #[default]
    DataFirst,
    ServiceFirst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum InstanceStatus {
    #[default]
    Running,
    Frozen,
}

/// A broker of an instance: stable name, deployment-wide number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    pub id: BrokerId,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub id: InstanceId,
    /// The public id: 32 lower-case hex digits.
    pub uid: String,
    pub tenant: TenantId,
    pub name: String,
    pub plan: String,
    /// In the order of their names' creation; never empty.
    pub brokers: Vec<Broker>,
    pub durability: Durability,
    pub retention_hours: u32,
    pub disk_policy: DiskPolicy,
    pub remark: String,
    pub status: InstanceStatus,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub time_zone: String,
    /// Body bound, from the plan.
    pub message_bytes: u64,
    /// From the plan.
    pub rates: Rates,
}

/// An instance that was removed, and whose data is still to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    pub instance: InstanceId,
    pub tenant: TenantId,
    /// As they were.
    pub uid: String,
    pub name: String,
    pub brokers: Vec<BrokerId>,
    pub since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum TopicType {
    #[default]
    Normal,
    Fifo,
    Delay,
    Transaction,
    Mixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Permission {
    #[default]
    ReadWrite,
    Read,
    Write,
}

impl Permission {
    #[must_use]
    pub fn can_read(self) -> bool {
        self != Self::Write
    }

    #[must_use]
    pub fn can_write(self) -> bool {
        self != Self::Read
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub id: TopicId,
    pub instance: InstanceId,
    pub name: String,
    pub topic_type: TopicType,
    /// On each of its brokers.
    pub queues: u16,
    pub permission: Permission,
    pub ordered: bool,
    pub remark: String,
    /// Brokers that carry it; empty means every broker of the instance.
    pub brokers: Vec<BrokerId>,
    /// Overrides the instance's retention.
    pub retention_hours: Option<u32>,
    /// Overrides the plan's topic TPS.
    pub tps: Option<u64>,
    /// Groups that may consume it; empty means any.
    pub allowed_groups: Vec<String>,
    pub created_at: Timestamp,
    /// Rises when its queues change, so that who sends by an older copy is found out.
    pub version: u64,
}

impl Topic {
    /// Whether all its messages keep an order that depends on their queues (SEED_SPEC
    /// 5.3, RULES 19). One of type mixed does if it is called ordered.
    #[must_use]
    pub fn keeps_order(&self) -> bool {
        self.ordered || self.topic_type == TopicType::Fifo
    }
}

/// What a poison message does to its message group (RULES 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum OnPoison {
    #[default]
    Block,
    Park,
    DeadLetter,
}

/// Where a new group starts: `"earliest"`, `"latest"` or a time in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StartPosition {
    #[default]
    Earliest,
    Latest,
    Time(Timestamp),
}

/// Who keeps a group's progress, as its clients were told (SEED_SPEC 2.2). The node keeps
/// it in any case; consumers of the first kind have to be stopped before a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum PullMechanism {
    /// 1.
    Client,
    /// 2.
    #[default]
    Server,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub instance: InstanceId,
    pub name: String,
    pub ordered: bool,
    pub on_poison: OnPoison,
    /// Redeliveries before the dead-letter topic.
    pub max_retries: u32,
    pub enabled: bool,
    pub start: StartPosition,
    /// Clients that know where to start are asked; the others start as said.
    pub is_start_by_client: bool,
    pub pull_mechanism: PullMechanism,
    /// Topic name and TPS threshold (0 = none); empty means any topic.
    pub subscriptions: Vec<(String, u64)>,
    pub remark: String,
    pub created_at: Timestamp,
    /// Rises with each change, so that a stale copy never undoes a newer one.
    pub version: u64,
}

/// An application user (SEED_SPEC 6.4). The secret is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppUser {
    pub access_key: String,
    pub tenant: TenantId,
    pub instance: InstanceId,
    /// Topic names it is limited to; empty means all of them and administration.
    pub topics: Vec<String>,
    pub description: String,
    pub ip_allow: Vec<String>,
    pub created_at: Timestamp,
    /// Until when the secret of before the last rotation is valid beside the new one;
    /// the time may have passed.
    pub previous_valid_until: Option<Timestamp>,
}

impl AppUser {
    /// Whether the user may touch this topic.
    #[must_use]
    pub fn may_use(&self, topic: &str) -> bool {
        self.topics.is_empty() || self.topics.iter().any(|t| t == topic)
    }

    /// A user limited to topics may not manage anything (API.md, "Who may call").
    #[must_use]
    pub fn may_manage(&self) -> bool {
        self.topics.is_empty()
    }
}

/// What an API token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenScope {
    /// See topics, groups, clients, lag and messages.
    Read,
    /// Change and see topics and groups, seek, redrive, purge.
    Manage,
    Produce,
    Consume,
}

/// What a token for programs is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenReach {
    Instance(InstanceId),
    /// Every instance of it.
    Tenant(TenantId),
}

impl From<InstanceId> for TokenReach {
    fn from(instance: InstanceId) -> Self {
        Self::Instance(instance)
    }
}

/// A token for programs: a part of the rights on one instance or on all of a tenant,
/// for a time. What is sent to prove it is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// 16 lower-case hex digits; the middle part of what is sent.
    pub id: String,
    pub tenant: TenantId,
    /// None: every instance of the tenant, those too that are made later.
    pub instance: Option<InstanceId>,
    pub name: String,
    /// In order, none twice, at least one.
    pub scopes: Vec<TokenScope>,
    /// Names it is limited to; empty means all.
    pub topics: Vec<String>,
    pub groups: Vec<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl ApiToken {
    /// Where it is listed and removed.
    #[must_use]
    pub fn reach(&self) -> TokenReach {
        match self.instance {
            Some(instance) => TokenReach::Instance(instance),
            None => TokenReach::Tenant(self.tenant),
        }
    }

    #[must_use]
    pub fn has(&self, scope: TokenScope) -> bool {
        self.scopes.contains(&scope)
    }

    #[must_use]
    pub fn may_touch_topic(&self, topic: &str) -> bool {
        self.topics.is_empty() || self.topics.iter().any(|name| name == topic)
    }

    #[must_use]
    pub fn may_touch_group(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|name| name == group)
    }

    /// A token that is limited to some names may not see all of them.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !self.topics.is_empty() || !self.groups.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConsoleRole {
    Operator,
    Admin,
    Viewer,
}

/// A person: the operator (no tenant) or a console user of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleUser {
    pub tenant: Option<TenantId>,
    pub username: String,
    pub role: ConsoleRole,
    /// Another one with each password that is set. What a log-in is given carries it, and
    /// is void once it differs.
    pub password_mark: u64,
}

/// One change of the catalogue, as the audit log keeps it. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Rises with each entry.
    pub id: u64,
    pub at: Timestamp,
    /// Whose data it concerned; none for the deployment itself.
    pub tenant: Option<TenantId>,
    /// See [`crate::context::Caller::name`].
    pub caller: String,
    /// Kind of object and verb, such as `topic.create`.
    pub action: String,
    pub object: String,
    pub request_id: String,
    /// JSON text.
    pub detail: String,
}

impl Serialize for StartPosition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Earliest => serializer.serialize_str("earliest"),
            Self::Latest => serializer.serialize_str("latest"),
            Self::Time(time) => serializer.serialize_u64(time.0),
        }
    }
}

impl<'de> Deserialize<'de> for StartPosition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            Time(u64),
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Word(word)) if word == "earliest" => Ok(Self::Earliest),
            Ok(Form::Word(word)) if word == "latest" => Ok(Self::Latest),
            Ok(Form::Time(time)) => Ok(Self::Time(Timestamp(time))),
            Ok(Form::Word(_)) | Err(_) => Err(serde::de::Error::custom(
                "expected \"earliest\", \"latest\" or a time in ms",
            )),
        }
    }
}
