//! Progress of groups, curves, resets.

use serde::Serialize;
use utoipa::ToSchema;

/// A group's queues of a topic.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct GroupQueues {
    pub(in crate::management) topic: String,
    /// `CONSOLE_INNER_QUEUE_GROUP` when nobody has consumed the topic.
    pub(in crate::management) consumer_group: String,
    pub(in crate::management) diff_total: u64,
    pub(in crate::management) last_timestamp: u64,
    pub(in crate::management) queue_stat_info_list: Vec<QueueStat>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct QueueStat {
    pub(in crate::management) broker_name: String,
    pub(in crate::management) queue_id: u16,
    pub(in crate::management) broker_offset: u64,
    pub(in crate::management) consumer_offset: u64,
    /// The only member of the group that is online.
    pub(in crate::management) client_info: Option<String>,
    /// Store time of the last message below the consumer's offset.
    pub(in crate::management) last_timestamp: u64,
}

/// How far a group is on a topic. `brokerName` is a text or a list of them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct DepthRow<B> {
    pub(in crate::management) topic_name: String,
    pub(in crate::management) group_name: String,
    pub(in crate::management) broker_name: B,
    pub(in crate::management) total: u64,
    pub(in crate::management) consumed_total: u64,
    pub(in crate::management) diff: u64,
    /// Handed out in the last 24 hours.
    pub(in crate::management) out_total_msg_today: u64,
    /// Handed out a second, in the last two whole minutes.
    pub(in crate::management) out_tps: f64,
    /// Retries that wait, in the row of the retry topic.
    pub(in crate::management) retry_nums: u64,
    pub(in crate::management) not_ack_msg_num: u64,
    /// Null while messages are in the hands of members: for how long is not kept.
    pub(in crate::management) not_ack_msg_time: Option<u64>,
    /// Age of the oldest message that is not consumed.
    pub(in crate::management) not_consume_msg_time: u64,
    pub(in crate::management) off_set_diff: u64,
    pub(in crate::management) namesvr_id: u64,
}

/// A point of a curve.
#[derive(Clone, Serialize, ToSchema)]
pub(in crate::management) struct TpsPoint {
    #[serde(rename = "inTPS")]
    pub(in crate::management) in_tps: f64,
    #[serde(rename = "outTPS")]
    pub(in crate::management) out_tps: f64,
    #[serde(rename = "crtTime")]
    pub(in crate::management) crt_time: u64,
}

/// Curves of a topic and a group.
#[derive(Serialize, ToSchema)]
pub(in crate::management) struct TpsLists {
    pub(in crate::management) total: u64,
    /// The same, as the guide spells it.
    pub(in crate::management) taotal: u64,
    #[serde(rename = "inTpslist")]
    pub(in crate::management) in_tps_list: Vec<TpsPoint>,
    #[serde(rename = "outTpslist")]
    pub(in crate::management) out_tps_list: Vec<TpsPoint>,
    #[serde(rename = "totalTpslist")]
    pub(in crate::management) total_tps_list: Vec<TpsPoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::management) warnings: Vec<String>,
}

/// What a reset did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct Reset {
    pub(in crate::management) total: u64,
    /// Of all rows: before less after.
    pub(in crate::management) diff_offset: i64,
    pub(in crate::management) rows: Vec<ResetRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::management) warnings: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct ResetRow {
    pub(in crate::management) broker_name: String,
    pub(in crate::management) queue_id: u16,
    pub(in crate::management) broker_offset: u64,
    pub(in crate::management) consumer_offset: u64,
    pub(in crate::management) timestamp_offset: u64,
    pub(in crate::management) rollback_offset: u64,
}
