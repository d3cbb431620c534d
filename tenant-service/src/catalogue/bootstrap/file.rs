//! The shape of a bootstrap file: the fields of API.md in snake_case. An
//! unknown key is an error that names it.

use std::collections::BTreeMap;

use firn_protocol::api::billing::{Price, PriceList};
use firn_protocol::api::tenant::{GroupFields, NewInstance, TopicFields, UserFields};
use firn_protocol::catalogue::{
    DiskPolicy, Durability, OnPoison, Permission, Plan, StartPosition, TopicType,
};
use firn_protocol::{TenantId, Timestamp};
use serde::{Deserialize, Deserializer};

use crate::error::BootstrapError;
use crate::secret::Secret;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[serde(default, rename = "price_list")]
    pub(super) price_lists: Vec<PriceListEntry>,
    #[serde(default, rename = "plan")]
    pub(super) plans: Vec<PlanEntry>,
    #[serde(default, rename = "tenant")]
    pub(super) tenants: Vec<TenantEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantEntry {
    pub(super) id: TenantId,
    pub(super) name: String,
    #[serde(default, rename = "instance")]
    pub(super) instances: Vec<InstanceEntry>,
}

/// A version of a price list; one that is there is known by its begin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceListEntry {
    pub(super) name: String,
    /// In ms since 1970, the begin of an hour. Absent: from ever on, for a new list.
    #[serde(default)]
    pub(super) valid_from: u64,
    pub(super) currency: String,
    #[serde(default, rename = "price")]
    pub(super) prices: Vec<Price>,
}

/// Absent fields are those of the plan `basic`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanEntry {
    pub(super) name: String,
    pub(super) tps: Option<u64>,
    pub(super) topic_tps: Option<u64>,
    pub(super) burst_seconds: Option<f64>,
    pub(super) topics: Option<u64>,
    pub(super) groups: Option<u64>,
    pub(super) brokers: Option<u64>,
    pub(super) storage_gib: Option<u64>,
    pub(super) retention_hours: Option<u32>,
    pub(super) message_bytes: Option<u64>,
    pub(super) connections: Option<u64>,
    pub(super) price_list: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceEntry {
    pub(super) name: String,
    pub(super) plan: Option<String>,
    pub(super) brokers: Option<Vec<String>>,
    pub(super) durability: Option<Durability>,
    pub(super) retention_hours: Option<u32>,
    pub(super) disk_policy: Option<DiskPolicy>,
    pub(super) remark: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) expires_at: Option<Timestamp>,
    #[serde(default, rename = "user")]
    pub(super) users: Vec<UserEntry>,
    #[serde(default, rename = "topic")]
    pub(super) topics: Vec<TopicEntry>,
    #[serde(default, rename = "group")]
    pub(super) groups: Vec<GroupEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserEntry {
    pub(super) access_key: String,
    /// Made by the service if absent.
    #[serde(default, deserialize_with = "secret")]
    pub(super) secret_key: Option<Secret>,
    pub(super) topics: Option<Vec<String>>,
    pub(super) description: Option<String>,
    pub(super) ip_allow: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopicEntry {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) topic_type: Option<TopicType>,
    pub(super) queues: Option<u16>,
    pub(super) permission: Option<Permission>,
    pub(super) ordered: Option<bool>,
    pub(super) remark: Option<String>,
    pub(super) brokers: Option<Vec<String>>,
    pub(super) retention_hours: Option<u32>,
    pub(super) tps: Option<u64>,
    pub(super) allowed_groups: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupEntry {
    pub(super) name: String,
    pub(super) ordered: Option<bool>,
    pub(super) on_poison: Option<OnPoison>,
    pub(super) max_retries: Option<u32>,
    pub(super) enabled: Option<bool>,
    /// `"earliest"`, `"latest"` or a time in ms.
    pub(super) start: Option<StartPosition>,
    pub(super) subscriptions: Option<BTreeMap<String, SubscriptionEntry>>,
    pub(super) remark: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionEntry {
    #[serde(default)]
    pub(super) tps: u64,
}

/// Reads a file.
///
/// # Errors
/// The line and what is wrong there. The line's text is left out: it may hold a secret.
pub(crate) fn parse(text: &str) -> Result<File, BootstrapError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = &text.as_bytes()[..start];
        BootstrapError::Syntax {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            message: error.message().replace('\n', ", "),
        }
    })
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Some(Secret::new(String::deserialize(deserializer)?)))
}

impl PriceListEntry {
    pub(super) fn to_list(&self) -> PriceList {
        PriceList {
            name: self.name.clone(),
            version: 0,
            valid_from: Timestamp(self.valid_from),
            currency: self.currency.clone(),
            prices: self.prices.clone(),
        }
    }
}

impl PlanEntry {
    pub(super) fn to_plan(&self) -> Plan {
        let [basic, ..] = crate::catalogue::plans::built_in();
        Plan {
            name: self.name.clone(),
            tps: self.tps.unwrap_or(basic.tps),
            topic_tps: self.topic_tps.unwrap_or(basic.topic_tps),
            burst_seconds: self.burst_seconds.unwrap_or(basic.burst_seconds),
            topics: self.topics.unwrap_or(basic.topics),
            groups: self.groups.unwrap_or(basic.groups),
            brokers: self.brokers.unwrap_or(basic.brokers),
            storage_gib: self.storage_gib.unwrap_or(basic.storage_gib),
            retention_hours: self.retention_hours.unwrap_or(basic.retention_hours),
            message_bytes: self.message_bytes.unwrap_or(basic.message_bytes),
            connections: self.connections.unwrap_or(basic.connections),
            price_list: self.price_list.clone().unwrap_or(basic.price_list),
        }
    }
}

impl InstanceEntry {
    pub(super) fn to_new(&self, tenant: TenantId) -> NewInstance {
        NewInstance {
            tenant,
            name: self.name.clone(),
            plan: self.plan.clone(),
            brokers: self.brokers.clone().unwrap_or_default(),
            durability: self.durability,
            retention_hours: self.retention_hours,
            disk_policy: self.disk_policy,
            remark: self.remark.clone(),
            time_zone: self.time_zone.clone(),
            expires_at: self.expires_at,
        }
    }
}

impl UserEntry {
    pub(super) fn fields(&self) -> UserFields {
        UserFields {
            secret_key: self.secret_key.as_ref().map(|key| key.expose().to_owned()),
            topics: self.topics.clone(),
            description: self.description.clone(),
            ip_allow: self.ip_allow.clone(),
        }
    }
}

impl TopicEntry {
    pub(super) fn fields(&self) -> TopicFields {
        TopicFields {
            is_drained: false,
            topic_type: self.topic_type,
            queues: self.queues,
            permission: self.permission,
            ordered: self.ordered,
            remark: self.remark.clone(),
            brokers: self.brokers.clone(),
            retention_hours: self.retention_hours,
            tps: self.tps,
            allowed_groups: self.allowed_groups.clone(),
        }
    }
}

impl GroupEntry {
    pub(super) fn fields(&self) -> GroupFields {
        GroupFields {
            ordered: self.ordered,
            on_poison: self.on_poison,
            max_retries: self.max_retries,
            enabled: self.enabled,
            start: self.start,
            is_start_by_client: None,
            pull_mechanism: None,
            subscriptions: self.subscriptions(),
            remark: self.remark.clone(),
        }
    }

    pub(super) fn subscriptions(&self) -> Option<Vec<(String, u64)>> {
        let listed = self.subscriptions.as_ref()?;
        let rows = listed
            .iter()
            .map(|(topic, entry)| (topic.clone(), entry.tps));
        Some(rows.collect())
    }
}
