//! An instance and its brokers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Basic data of an instance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct Base {
    pub(in crate::management) main_broker_nums: u64,
    pub(in crate::management) slave_broker_nums: u64,
    /// Online.
    pub(in crate::management) produce_group_nums: u64,
    /// Online.
    pub(in crate::management) consume_group_nums: u64,
    /// Messages ever taken.
    pub(in crate::management) msg_history_nums: u64,
    /// Messages stored.
    pub(in crate::management) msg_now_nums: u64,
    pub(in crate::management) cluster_name: String,
    pub(in crate::management) namesrv_addr: String,
    pub(in crate::management) remark: String,
}

/// Brokers of an instance with what they do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct Detail {
    /// By name of the instance.
    pub(in crate::management) broker_info_map: BTreeMap<String, Brokers>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct Brokers {
    /// By name and number of the broker; every value is a text.
    pub(in crate::management) broker_map: BTreeMap<String, BTreeMap<String, Runtime>>,
    pub(in crate::management) broker_list: Vec<String>,
}

/// What a broker does, in texts.
pub(in crate::management) type Runtime = BTreeMap<&'static str, String>;
