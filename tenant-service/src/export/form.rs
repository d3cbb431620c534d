//! Rows as an export stores them. Each form names every field of its row: a
//! field that is added to a row does not compile until it is said which version
//! of the export has it.

use std::sync::Arc;

use firn_protocol::api::billing::{Price, PriceList};
use firn_protocol::catalogue::{
    ApiToken, AppUser, Broker, ConsoleRole, ConsoleUser, DiskPolicy, Durability, Erasure, Group,
    Instance, InstanceStatus, OnPoison, Permission, Plan, PullMechanism, Rates, StartPosition,
    Tenant, TokenScope, Topic, TopicType,
};
use firn_protocol::{BrokerId, GroupId, InstanceId, TenantId, Timestamp, TopicId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalogue::Numbers;

/// A row that is shared with the copy in memory.
#[derive(Debug, PartialEq)]
pub(crate) struct Row<T>(pub(crate) Arc<T>);

impl<T> Clone for Row<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A row with a stored form.
pub(super) trait Stored: Sized {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

impl<T: Stored> Serialize for Row<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

impl<'de, T: Stored> Deserialize<'de> for Row<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::read(from).map(|row| Self(Arc::new(row)))
    }
}

macro_rules! stored_as {
    ($($row:ty: $form:ty),* $(,)?) => {$(
        impl Stored for $row {
            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                <$form>::serialize(self, to)
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <$form>::deserialize(from)
            }
        }
    )*};
}

stored_as! {
    Tenant: TenantForm,
    Plan: PlanForm,
    Instance: InstanceForm,
    Topic: TopicForm,
    Group: GroupForm,
    AppUser: UserForm,
    ConsoleUser: PersonForm,
    PriceList: PriceListForm,
    Erasure: ErasureForm,
}

/// Enumerations are stored as their words, like in the database.
mod word {
    use std::borrow::Cow;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::store::text::Word;

    pub(super) fn serialize<T: Word, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.word())
    }

    pub(super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let word = Cow::<str>::deserialize(from)?;
        T::from_word(&word).ok_or_else(|| D::Error::custom("unknown word"))
    }
}

mod start {
    use std::borrow::Cow;

    use firn_protocol::catalogue::StartPosition;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::store::text::{start_from_word, start_word};

    pub(super) fn serialize<S: Serializer>(
        value: &StartPosition,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&start_word(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<StartPosition, D::Error> {
        let word = Cow::<str>::deserialize(from)?;
        start_from_word(&word).ok_or_else(|| D::Error::custom("unknown start"))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Numbers")]
pub(super) struct NumbersForm {
    instance: u64,
    broker: u64,
    topic: u64,
    group: u64,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Tenant")]
struct TenantForm {
    id: TenantId,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Plan")]
struct PlanForm {
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

#[derive(Serialize, Deserialize)]
#[serde(remote = "PriceList")]
struct PriceListForm {
    name: String,
    version: u32,
    valid_from: Timestamp,
    currency: String,
    prices: Vec<Price>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Instance")]
struct InstanceForm {
    id: InstanceId,
    uid: String,
    tenant: TenantId,
    name: String,
    plan: String,
    brokers: Vec<Broker>,
    #[serde(with = "word")]
    durability: Durability,
    retention_hours: u32,
    #[serde(with = "word")]
    disk_policy: DiskPolicy,
    remark: String,
    #[serde(with = "word")]
    status: InstanceStatus,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    time_zone: String,
    message_bytes: u64,
    /// The plan, which is exported too, has them.
    #[serde(skip)]
    rates: Rates,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Topic")]
struct TopicForm {
    id: TopicId,
    instance: InstanceId,
    name: String,
    #[serde(with = "word")]
    topic_type: TopicType,
    queues: u16,
    #[serde(with = "word")]
    permission: Permission,
    ordered: bool,
    remark: String,
    brokers: Vec<BrokerId>,
    retention_hours: Option<u32>,
    tps: Option<u64>,
    allowed_groups: Vec<String>,
    created_at: Timestamp,
    /// Who restores gives one that is newer than all before.
    #[serde(skip)]
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Group")]
struct GroupForm {
    id: GroupId,
    instance: InstanceId,
    name: String,
    ordered: bool,
    #[serde(with = "word")]
    on_poison: OnPoison,
    max_retries: u32,
    enabled: bool,
    #[serde(with = "start")]
    start: StartPosition,
    /// These two came later and stand behind all rows, see `GroupNote`.
    #[serde(skip)]
    is_start_by_client: bool,
    #[serde(skip)]
    pull_mechanism: PullMechanism,
    subscriptions: Vec<(String, u64)>,
    remark: String,
    created_at: Timestamp,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AppUser")]
struct UserForm {
    access_key: String,
    tenant: TenantId,
    instance: InstanceId,
    topics: Vec<String>,
    description: String,
    ip_allow: Vec<String>,
    created_at: Timestamp,
    /// Since version 2, beside its secret; see `Extra`.
    #[serde(skip)]
    previous_valid_until: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ConsoleUser")]
struct PersonForm {
    tenant: Option<TenantId>,
    username: String,
    #[serde(with = "word")]
    role: ConsoleRole,
    /// Made of the password's hash, which is exported too.
    #[serde(skip)]
    password_mark: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Erasure")]
struct ErasureForm {
    instance: InstanceId,
    tenant: TenantId,
    uid: String,
    name: String,
    brokers: Vec<BrokerId>,
    since: Timestamp,
}

/// A token of an instance; all had one before version 3.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ApiToken")]
pub(super) struct InstanceTokenForm {
    id: String,
    tenant: TenantId,
    #[serde(with = "some")]
    instance: Option<InstanceId>,
    name: String,
    scopes: Vec<TokenScope>,
    topics: Vec<String>,
    groups: Vec<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

/// A token for all of a tenant.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ApiToken")]
pub(super) struct TenantTokenForm {
    id: String,
    tenant: TenantId,
    #[serde(skip)]
    instance: Option<InstanceId>,
    name: String,
    scopes: Vec<TokenScope>,
    topics: Vec<String>,
    groups: Vec<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

/// What is always there is stored without saying so.
mod some {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(to),
            None => Err(S::Error::custom("a value is missing")),
        }
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        T::deserialize(from).map(Some)
    }
}
