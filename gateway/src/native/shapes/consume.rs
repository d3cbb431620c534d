//! Receive, ack, visibility, seek, lag and redrive.

use firn_protocol::api::storage::{QueueLag, SeekRow};
use firn_protocol::filter::Filter;
use firn_protocol::{ApiError, ApiResult, BrokerId, ErrorCode, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::Text;
use super::words::{BodyWord, FilterWord, ModeWord};
use crate::ops::Scope;
use crate::ops::lag::TopicLag;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct ReceiveForm {
    /// 1 to 256, default 16.
    #[schema(minimum = 1, maximum = 256)]
    pub(in crate::native) max: Option<u64>,
    /// 0 to 30, larger counts as 30; default 0.
    #[schema(minimum = 0)]
    pub(in crate::native) wait_seconds: Option<f64>,
    /// 1 to 43200, default 30.
    #[schema(minimum = 1, maximum = 43200)]
    pub(in crate::native) invisible_seconds: Option<u64>,
    pub(in crate::native) filter: Option<FilterForm>,
    /// Default: derived from the connection.
    #[schema(min_length = 1, max_length = 255)]
    pub(in crate::native) consumer_id: Option<String>,
    /// `base64` forces `bodyBase64`.
    #[schema(value_type = Option<BodyWord>)]
    pub(in crate::native) body_encoding: Option<String>,
    /// Ordered groups: how many messages of one message group at most; 1 to 256, default 1.
    #[schema(minimum = 1, maximum = 256)]
    pub(in crate::native) run_max: Option<u64>,
    /// `clustering` (default) or `broadcasting`.
    #[schema(value_type = Option<ModeWord>)]
    pub(in crate::native) mode: Option<String>,
    /// A call that is made again because its answer was not seen repeats this, and is
    /// given the same messages as long as they are leased; 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128)]
    pub(in crate::native) attempt_id: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct FilterForm {
    /// `TAG` (default) or `SQL92`.
    #[serde(rename = "type")]
    #[schema(value_type = Option<FilterWord>)]
    pub(in crate::native) kind: Option<String>,
    /// `TAG`: `*` or `a || b`. `SQL92`: a condition on properties, like
    /// `size > 10 AND color IN ('red', 'blue')`; `TAGS` is the tag, `KEYS` the keys.
    pub(in crate::native) expression: String,
}

/// # Errors
/// `INVALID_FILTER`.
pub(in crate::native) fn filter(kind: Option<&str>, expression: Option<&str>) -> ApiResult<Filter> {
    let invalid = |text: &str| Err(ApiError::new(ErrorCode::InvalidFilter, text));
    match kind {
        None | Some("TAG") => Filter::parse_tags(expression.unwrap_or("*")),
        Some("SQL92") => Filter::parse_sql(expression.unwrap_or_default()),
        Some(_) => invalid("filter: the type is neither TAG nor SQL92"),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct AckForm<'a> {
    /// 1 to 1000.
    #[serde(borrow)]
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 1000)]
    pub(in crate::native) receipt_handles: Vec<Text<'a>>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::native) struct AckAnswer<'a> {
    pub(in crate::native) results: Vec<AckResult<'a>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct AckResult<'a> {
    pub(in crate::native) receipt_handle: &'a str,
    /// `OK`, `ALREADY_ACKED`, `LEASE_EXPIRED` or `INVALID`.
    pub(in crate::native) status: &'static str,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct VisibilityForm<'a> {
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub(in crate::native) receipt_handle: Text<'a>,
    /// 0 to 43200; 0 is a failure.
    #[schema(maximum = 43200)]
    pub(in crate::native) invisible_seconds: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct VisibilityAnswer {
    pub(in crate::native) receipt_handle: String,
    pub(in crate::native) invisible_until: u64,
}

/// `to` or `offsets`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct SeekForm {
    pub(in crate::native) to: Option<SeekTo>,
    pub(in crate::native) offsets: Option<Vec<SeekOffset>>,
    #[serde(default)]
    pub(in crate::native) dry_run: bool,
}

/// `"earliest"`, `"latest"` or a time in ms.
#[derive(Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "not \"earliest\", \"latest\" or a time in ms since 1970"
)]
pub(in crate::native) enum SeekTo {
    Word(SeekWord),
    Time(u64),
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::native) enum SeekWord {
    Earliest,
    Latest,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct SeekOffset {
    pub(in crate::native) broker: String,
    #[schema(maximum = 65535)]
    pub(in crate::native) queue_id: u16,
    pub(in crate::native) offset: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct SeekAnswer<'a> {
    /// Number of rows.
    total: usize,
    /// Sum of `consumerOffset - rollbackOffset`.
    diff_offset: i64,
    rows: Vec<SeekRowJson<'a>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct SeekRowJson<'a> {
    broker: &'a str,
    queue_id: u16,
    broker_offset: u64,
    consumer_offset: u64,
    timestamp_offset: u64,
    rollback_offset: u64,
}

impl<'a> SeekAnswer<'a> {
    pub(in crate::native) fn new(scope: &'a Scope, rows: &[(BrokerId, SeekRow)]) -> Self {
        let difference = |row: &SeekRow| {
            i64::try_from(i128::from(row.consumer_offset.0) - i128::from(row.rollback_offset.0))
                .unwrap_or_default()
        };
        Self {
            total: rows.len(),
            diff_offset: rows.iter().map(|(_, row)| difference(row)).sum(),
            rows: rows
                .iter()
                .map(|(broker, row)| SeekRowJson {
                    broker: scope.broker_name(*broker),
                    queue_id: row.queue.0,
                    broker_offset: row.broker_offset.0,
                    consumer_offset: row.consumer_offset.0,
                    timestamp_offset: row.timestamp_offset.0,
                    rollback_offset: row.rollback_offset.0,
                })
                .collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct LagAnswer<'a> {
    group: &'a str,
    lag: u64,
    in_flight: u64,
    topics: Vec<TopicLagJson<'a>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct TopicLagJson<'a> {
    topic: &'a str,
    lag: u64,
    in_flight: u64,
    /// Retries that wait for their time; in rows of `%RETRY%` topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled: Option<u64>,
    /// Age of the oldest message not finished; null when all are.
    oldest_age_ms: Option<u64>,
    queues: Vec<QueueLagJson<'a>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct QueueLagJson<'a> {
    broker: &'a str,
    queue_id: u16,
    min_offset: u64,
    max_offset: u64,
    committed: u64,
    lag: u64,
    in_flight: u64,
}

impl<'a> LagAnswer<'a> {
    pub(in crate::native) fn new(
        scope: &'a Scope,
        group: &'a str,
        topics: &'a [TopicLag],
        now: Timestamp,
    ) -> Self {
        Self {
            group,
            lag: topics.iter().map(TopicLag::lag).sum(),
            in_flight: topics.iter().map(TopicLag::in_flight).sum(),
            topics: topics
                .iter()
                .map(|topic| topic_lag(scope, topic, now))
                .collect(),
        }
    }
}

fn topic_lag<'a>(scope: &'a Scope, topic: &'a TopicLag, now: Timestamp) -> TopicLagJson<'a> {
    let queue = |(broker, queue): &(BrokerId, QueueLag)| QueueLagJson {
        broker: scope.broker_name(*broker),
        queue_id: queue.queue.queue.0,
        min_offset: queue.min_offset.0,
        max_offset: queue.max_offset.0,
        committed: queue.committed.0,
        lag: queue.lag,
        in_flight: queue.in_flight,
    };
    TopicLagJson {
        topic: &topic.topic,
        lag: topic.lag(),
        in_flight: topic.in_flight(),
        scheduled: topic.is_retry.then(|| topic.scheduled()),
        oldest_age_ms: topic.oldest_at().map(|at| now.since_ms(at)),
        queues: topic.queues.iter().map(queue).collect(),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct RedriveForm {
    /// Only dead letters that came from this topic.
    pub(in crate::native) topic: Option<String>,
    /// Only these, 1 to 1000.
    #[schema(min_items = 1, max_items = 1000)]
    pub(in crate::native) message_ids: Option<Vec<String>>,
    /// At most this many; default all.
    pub(in crate::native) max: Option<u64>,
    /// 0.1 to 10000; default: as fast as it goes.
    #[schema(minimum = 0.1, maximum = 10000)]
    pub(in crate::native) rate_per_second: Option<f64>,
    /// To all groups of the topic; default false.
    pub(in crate::native) to_topic: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::native) struct RedriveAnswer {
    pub(in crate::native) redriven: u64,
    /// True when time was up before all were looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::native) more: bool,
}
