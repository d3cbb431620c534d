//! Topics, and what is counted of them.

use firn_protocol::catalogue::{Permission, Topic};
use serde::Serialize;
use utoipa::ToSchema;

/// A topic, on one broker or on all of its brokers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct TopicRow {
    topic_name: String,
    read_queue_nums: u16,
    write_queue_nums: u16,
    /// 6 read and write, 4 read, 2 write.
    perm: u8,
    /// `SINGLE_TAG`.
    topic_filter_type: &'static str,
    topic_sys_flag: u32,
    order: bool,
    remark: Option<String>,
    namesrv_name: Option<String>,
    cluster_name: Option<String>,
    /// In the details of a topic all of them, joined by commas.
    broker_name: String,
    broker_id: u32,
}

impl TopicRow {
    pub(in crate::management) fn new(
        topic: &Topic,
        cluster_name: Option<String>,
        broker_name: String,
    ) -> Self {
        Self {
            topic_name: topic.name.clone(),
            read_queue_nums: topic.queues,
            write_queue_nums: topic.queues,
            perm: perm(topic.permission),
            topic_filter_type: "SINGLE_TAG",
            topic_sys_flag: 0,
            order: topic.ordered,
            remark: Some(topic.remark.clone()).filter(|remark| !remark.is_empty()),
            namesrv_name: None,
            cluster_name,
            broker_name,
            broker_id: 0,
        }
    }
}

fn perm(permission: Permission) -> u8 {
    match permission {
        Permission::ReadWrite => 6,
        Permission::Read => 4,
        Permission::Write => 2,
    }
}

/// What is counted of a topic.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct TopicStats {
    pub(in crate::management) topic_name: String,
    pub(in crate::management) cluster_name: String,
    /// Ever sent.
    pub(in crate::management) msg_history_nums: u64,
    /// Stored.
    pub(in crate::management) msg_now_nums: u64,
    /// Sent in the last 24 hours.
    #[serde(rename = "msg24hNums")]
    pub(in crate::management) msg_24h_nums: u64,
    pub(in crate::management) main_broker_nums: u64,
    pub(in crate::management) slave_broker_nums: u64,
    /// Sent a second, in the last two whole minutes.
    pub(in crate::management) in_tps: f64,
}
