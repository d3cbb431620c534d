//! Field names and JSON types of every object, as SEED_SPEC 5 has them.

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    TextOrNull,
    Int,
    /// A number that may have a part behind the point.
    Float,
    IntOrNull,
    Flag,
    /// A list of texts.
    Names,
    List,
    Object,
}

use Kind::{Flag, Float, Int, IntOrNull, List, Names, Object, Text, TextOrNull};

pub(super) type Table = &'static [(&'static str, Kind)];

/// 5.1
pub(super) const ACCOUNT: Table = &[
    ("accountId", Text),
    ("appId", Text),
    ("tenantId", Text),
    ("tenantName", Text),
    ("clusterName", Text),
    ("accountCode", Text),
    ("accountPasswd", TextOrNull),
    ("description", TextOrNull),
    ("createdBy", Text),
    ("createdTime", Int),
    ("shardingId", Text),
];

/// 5.2, C1
pub(super) const BASE: Table = &[
    ("mainBrokerNums", Int),
    ("slaveBrokerNums", Int),
    ("produceGroupNums", Int),
    ("consumeGroupNums", Int),
    ("msgHistoryNums", Int),
    ("msgNowNums", Int),
    ("clusterName", Text),
    ("namesrvAddr", Text),
    ("remark", Text),
];

/// 5.2, C2: names of the values, all of which are texts.
pub(super) const RUNTIME: &[&str] = &[
    "brokerVersionDesc",
    "brokerVersion",
    "bootTimestamp",
    "brokerId",
    "brokerPid",
    "brokerAddress",
    "putTps",
    "getTransferredTps",
    "getFoundTps",
    "getMissTps",
    "getTotalTps",
    "commitLogMinOffset",
    "commitLogMaxOffset",
    "commitLogDiskRatio",
    "consumeQueueDiskRatio",
    "commitLogDirCapacity",
    "producerConnectionsNum",
    "consumerConnectionsNum",
    "topicNum",
    "putMessageAverageSize",
    "putMessageTimesTotal",
    "putMessageSizeTotal",
    "getMessageEntireTimeMax",
    "putMessageEntireTimeMax",
    "msgPutTotalYesterdayMorning",
    "msgPutTotalTodayMorning",
    "msgPutTotalTodayNow",
    "msgGetTotalYesterdayMorning",
    "msgGetTotalTodayMorning",
    "msgGetTotalTodayNow",
    "dispatchBehindBytes",
    "dispatchMaxBuffer",
    "sendThreadPoolQueueSize",
    "sendThreadPoolQueueCapacity",
    "sendThreadPoolQueueHeadWaitTimeMills",
    "pullThreadPoolQueueSize",
    "pullThreadPoolQueueCapacity",
    "pullThreadPoolQueueHeadWaitTimeMills",
    "queryThreadPoolQueueSize",
    "queryThreadPoolQueueCapacity",
    "queryThreadPoolQueueHeadWaitTimeMills",
    "runtime",
    "startAcceptSendRequestTimeStamp",
    "earliestMessageTimeStamp",
    "remainHowManyDataToFlush",
    "remainTransientStoreBufferNumbs",
    "pageCacheLockTimeMills",
    "putMessageDistributeTime",
];

/// 5.2, C3, and the points of 5.6
pub(super) const POINT: Table = &[("inTPS", Float), ("outTPS", Float), ("crtTime", Int)];

/// 5.3
pub(super) const TOPIC: Table = &[
    ("topicName", Text),
    ("readQueueNums", Int),
    ("writeQueueNums", Int),
    ("perm", Int),
    ("topicFilterType", Text),
    ("topicSysFlag", Int),
    ("order", Flag),
    ("remark", TextOrNull),
    ("namesrvName", TextOrNull),
    ("clusterName", TextOrNull),
    ("brokerName", Text),
    ("brokerId", Int),
];

/// 5.4
pub(super) const TOPIC_STATS: Table = &[
    ("topicName", Text),
    ("clusterName", Text),
    ("msgHistoryNums", Int),
    ("msgNowNums", Int),
    ("msg24hNums", Int),
    ("mainBrokerNums", Int),
    ("slaveBrokerNums", Int),
    ("inTps", Float),
];

/// 5.5, T7
pub(super) const GROUP_QUEUES: Table = &[
    ("topic", Text),
    ("consumerGroup", Text),
    ("diffTotal", Int),
    ("lastTimestamp", Int),
    ("queueStatInfoList", List),
];
pub(super) const QUEUE: Table = &[
    ("brokerName", Text),
    ("queueId", Int),
    ("brokerOffset", Int),
    ("consumerOffset", Int),
    ("clientInfo", TextOrNull),
    ("lastTimestamp", Int),
];

/// 5.5, T8
pub(super) const DEPTH: Table = &[
    ("topicName", Text),
    ("groupName", Text),
    ("brokerName", Text),
    ("total", Int),
    ("consumedTotal", Int),
    ("diff", Int),
    ("outTotalMsgToday", Int),
    ("outTps", Float),
    ("retryNums", Int),
    ("notAckMsgNum", Int),
    ("notAckMsgTime", IntOrNull),
    ("notConsumeMsgTime", Int),
    ("offSetDiff", Int),
    ("namesvrId", Int),
];

/// 5.5, G7: the brokers are a list (I-18).
pub(super) const GROUP_DEPTH: Table = &[
    ("topicName", Text),
    ("groupName", Text),
    ("brokerName", Names),
    ("total", Int),
    ("consumedTotal", Int),
    ("diff", Int),
    ("outTotalMsgToday", Int),
    ("outTps", Float),
    ("retryNums", Int),
    ("notAckMsgNum", Int),
    ("notAckMsgTime", IntOrNull),
    ("notConsumeMsgTime", Int),
    ("offSetDiff", Int),
    ("namesvrId", Int),
];

/// 5.6, T11
pub(super) const TPS: Table = &[
    ("total", Int),
    ("taotal", Int),
    ("inTpslist", List),
    ("outTpslist", List),
    ("totalTpslist", List),
];

/// 5.6, T12
pub(super) const RESET: Table = &[("total", Int), ("diffOffset", Int), ("rows", List)];
pub(super) const RESET_ROW: Table = &[
    ("brokerName", Text),
    ("queueId", Int),
    ("brokerOffset", Int),
    ("consumerOffset", Int),
    ("timestampOffset", Int),
    ("rollbackOffset", Int),
];

/// 5.7, the fields of a group's configuration
pub(super) const GROUP_CONFIG: Table = &[
    ("groupName", Text),
    ("consumeEnable", Flag),
    ("consumeFromMinEnable", Flag),
    ("consumeBroadcastEnable", Flag),
    ("retryQueueNums", Int),
    ("retryMaxTimes", Int),
    ("brokerId", Int),
    ("whichBrokerWhenConsumeSlowly", Int),
    ("notifyConsumerIdsChangedEnable", Flag),
    ("pullMechanism", Int),
    ("firstConsumeMechanism", Int),
    ("subscribeMap", Object),
    ("allowdAllTopics", Flag),
];
pub(super) const GROUP: Table = &[
    ("clusterNameList", Names),
    ("brokerNameList", Names),
    ("remark", Text),
    ("subscriptionGroupConfig", Object),
    // An addition: whether the members agree (SEED_SPEC 2.2).
    ("isConsistent", Flag),
];
/// G5: beside the configuration.
pub(super) const GROUP_ROW: Table = &[
    ("remark", TextOrNull),
    ("namesrvAddr", TextOrNull),
    ("clusterName", TextOrNull),
    ("brokerName", Text),
    ("type", Int),
];

/// 5.7, P1 and G8
pub(super) const PRODUCER: Table = &[
    ("groupName", Text),
    ("clientAddr", Text),
    ("instanceName", Text),
    ("language", Text),
    ("version", Text),
];
pub(super) const CONSUMER: Table = &[
    ("groupName", Text),
    ("clientAddr", Text),
    ("language", Text),
    ("version", Text),
    ("instanceName", Text),
    ("consumeType", Text),
    ("messageModel", Text),
    ("consumeFromWhere", Text),
];

/// 5.8
pub(super) const MESSAGE: Table = &[
    ("queueId", Int),
    ("storeSize", Int),
    ("queueOffset", Int),
    ("sysFlag", Int),
    ("bornTimestamp", Int),
    ("bornHost", Text),
    ("storeTimestamp", Int),
    ("storeHost", Text),
    ("msgId", Text),
    ("commitLogOffset", Int),
    ("bodyCRC", Int),
    ("reconsumeTimes", Int),
    ("preparedTransactionOffset", Int),
    ("topic", Text),
    ("properties", Object),
    ("messageBody", Text),
    ("status", TextOrNull),
    ("messageBodyPath", Text),
];

fn fits(value: &Value, kind: Kind) -> bool {
    match kind {
        Text => value.is_string(),
        TextOrNull => value.is_string() || value.is_null(),
        Int => value.is_i64() || value.is_u64(),
        Float => value.is_number(),
        IntOrNull => value.is_u64() || value.is_null(),
        Flag => value.is_boolean(),
        Names => value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string)),
        List => value.is_array(),
        Object => value.is_object(),
    }
}

/// Exactly these fields, each of its type; `warnings` may be there, too.
#[track_caller]
pub(super) fn check(value: &Value, tables: &[Table]) {
    let map = value.as_object();
    let map = map.unwrap_or_else(|| panic!("not an object: {value}"));
    let wanted: Vec<_> = tables.iter().flat_map(|table| table.iter()).collect();
    for (name, kind) in &wanted {
        let found = map.get(*name);
        let found = found.unwrap_or_else(|| panic!("{name} is missing: {value}"));
        assert!(fits(found, *kind), "{name} is no {kind:?}: {found}");
    }
    for name in map.keys().filter(|name| *name != "warnings") {
        let is_known = wanted.iter().any(|(known, _)| known == name);
        assert!(is_known, "{name} is not in the table: {value}");
    }
}

/// A page with rows of this form; the rows.
#[track_caller]
pub(super) fn check_rows(result: &Value, total: u64, tables: &[Table]) -> Vec<Value> {
    assert_eq!(result["total"], total, "{result}");
    let rows = result["rows"].as_array().expect("rows").clone();
    assert!(!rows.is_empty(), "{result}");
    rows.iter().for_each(|row| check(row, tables));
    let names: Vec<&String> = result.as_object().expect("an object").keys().collect();
    let expected = ["rows", "total", "warnings"];
    let beside = names.iter().find(|name| !expected.contains(&name.as_str()));
    assert_eq!(beside, None, "{result}");
    rows
}
