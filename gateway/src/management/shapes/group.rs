//! Groups.

use std::collections::BTreeMap;

use firn_protocol::catalogue::{Group, PullMechanism, StartPosition};
use serde::Serialize;
use utoipa::ToSchema;

/// What is configured of a group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct GroupConfig {
    group_name: String,
    consume_enable: bool,
    consume_from_min_enable: bool,
    consume_broadcast_enable: bool,
    retry_queue_nums: u32,
    retry_max_times: u32,
    broker_id: u32,
    which_broker_when_consume_slowly: u32,
    notify_consumer_ids_changed_enable: bool,
    /// 1 or 2.
    pull_mechanism: u8,
    /// 1 client decides, 2 first stored message, 3 end.
    first_consume_mechanism: u8,
    /// Topics that it may consume; `{}` is all.
    subscribe_map: BTreeMap<String, Tps>,
    /// Always false: `subscribeMap` says it.
    allowd_all_topics: bool,
}

#[derive(Serialize, ToSchema)]
pub(in crate::management) struct Tps {
    /// 0 is unlimited.
    tps: u64,
}

impl From<&Group> for GroupConfig {
    fn from(group: &Group) -> Self {
        let subscriptions = group.subscriptions.iter();
        Self {
            group_name: group.name.clone(),
            consume_enable: group.enabled,
            consume_from_min_enable: true,
            consume_broadcast_enable: true,
            retry_queue_nums: 1,
            retry_max_times: group.max_retries,
            broker_id: 0,
            which_broker_when_consume_slowly: 1,
            notify_consumer_ids_changed_enable: true,
            pull_mechanism: match group.pull_mechanism {
                PullMechanism::Client => 1,
                PullMechanism::Server => 2,
            },
            first_consume_mechanism: match group.start {
                _ if group.is_start_by_client => 1,
                StartPosition::Earliest | StartPosition::Time(_) => 2,
                StartPosition::Latest => 3,
            },
            subscribe_map: subscriptions
                .map(|(topic, tps)| (topic.clone(), Tps { tps: *tps }))
                .collect(),
            allowd_all_topics: false,
        }
    }
}

/// A group with the places that it is at.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct GroupDetail {
    pub(in crate::management) cluster_name_list: Vec<String>,
    pub(in crate::management) broker_name_list: Vec<String>,
    pub(in crate::management) remark: String,
    pub(in crate::management) subscription_group_config: GroupConfig,
    /// Whether all members that are online want the same topics and tags.
    pub(in crate::management) is_consistent: bool,
}

/// A group on one broker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct GroupRow {
    #[serde(flatten)]
    pub(in crate::management) config: GroupConfig,
    pub(in crate::management) remark: Option<String>,
    pub(in crate::management) namesrv_addr: Option<String>,
    pub(in crate::management) cluster_name: Option<String>,
    pub(in crate::management) broker_name: String,
    #[serde(rename = "type")]
    pub(in crate::management) kind: u32,
}

/// The result of a switch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct Switched {
    /// What it is now.
    pub(in crate::management) consume_enable: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::management) warnings: Vec<String>,
}
