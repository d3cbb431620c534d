//! The description says what holds: statuses, words and bounds are those of the code.

use firn_protocol::catalogue::{
    ConsoleRole, DiskPolicy, Durability, InstanceStatus, OnPoison, Permission, TokenScope,
    TopicType,
};
use firn_protocol::limits::{
    ACK_HANDLES_MAX, ATTEMPT_ID_BYTES_MAX, BROKER_NAME_BYTES_MAX, BROKERS_MAX, BURST_SECONDS_MAX,
    CONSUMER_ID_BYTES_MAX, DEDUP_ID_BYTES_MAX, GRACE_SECONDS_MAX, INVISIBLE_SECONDS_MAX,
    INVISIBLE_SECONDS_MIN, KEYS_MAX, MAX_RETRIES_MAX, MESSAGE_BYTES_MAX, MESSAGE_GROUP_BYTES_MAX,
    NAME_BYTES_MAX, NAMES_LISTED_MAX, NUMBER_MAX, PRODUCER_GROUP_BYTES_MAX, QUERY_MESSAGES_MAX,
    QUEUES_MAX, RECEIVE_MESSAGES_MAX, REMARK_BYTES_MAX, RETENTION_HOURS_MAX, SECRET_KEY_BYTES_MAX,
    SEND_MESSAGES_MAX, TAG_BYTES_MAX, TIME_ZONE_BYTES_MAX, TRANSACTION_CHECK_AFTER_SECS_MAX,
    TRANSACTIONS_LISTED_MAX,
};
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::from_str(&firn_gateway::openapi_json()).expect("JSON")
}

/// Method, path and description of every call.
fn calls(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").iter();
            methods.map(move |(method, call)| (method.as_str(), path.as_str(), call))
        })
        .collect()
}

#[test]
fn every_call_says_its_statuses_by_name() {
    let document = document();
    let mut ids = Vec::new();
    for (method, path, call) in calls(&document) {
        let name = format!("{method} {path}");
        ids.push(call["operationId"].as_str().expect("an id").to_owned());
        let answers = call["responses"].as_object().expect("answers");
        assert!(!answers.contains_key("default"), "{name}: {answers:?}");
        let says = |status: &str| answers.contains_key(status);
        assert!(["200", "201", "204"].iter().any(|it| says(it)), "{name}");
        if call["tags"][0] == "about" {
            continue;
        }
        for status in ["400", "401", "429", "500", "503"] {
            assert!(says(status), "{name}: {status}");
        }
        let is_open = call["security"] == json!([{}]);
        assert_eq!(says("403") && says("404"), !is_open, "{name}");
        let has_body = call["requestBody"].is_object();
        assert_eq!(says("413") && says("415"), has_body, "{name}");
        assert!(is_open || method == "get" || says("409"), "{name}");
        let shape = match path.starts_with("/api/") {
            true => "Failure",
            false => "ErrorAnswer",
        };
        for (status, answer) in answers {
            let shared = answer["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
            let answer = shared.map_or(answer, |it| document.pointer(it).expect("it is there"));
            assert!(answer["headers"]["Firn-Request-Id"].is_object(), "{name}");
            if status.as_str() >= "400" {
                let body = &answer["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(*body, format!("#/components/schemas/{shape}"), "{name}");
            }
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "names of calls are unique");
}

#[test]
fn words_are_those_that_are_read_and_written() {
    let document = document();
    let words = |values: &[Value]| Value::Array(values.to_vec());
    for (shape, expected) in [
        (
            "DurabilityWord",
            words(&[json!(Durability::Local), json!(Durability::Object)]),
        ),
        (
            "DiskPolicyWord",
            words(&[
                json!(DiskPolicy::DataFirst),
                json!(DiskPolicy::ServiceFirst),
            ]),
        ),
        (
            "InstanceStatusWord",
            words(&[
                json!(InstanceStatus::Running),
                json!(InstanceStatus::Frozen),
            ]),
        ),
        (
            "TopicTypeWord",
            words(&[
                json!(TopicType::Normal),
                json!(TopicType::Fifo),
                json!(TopicType::Delay),
                json!(TopicType::Transaction),
                json!(TopicType::Mixed),
            ]),
        ),
        (
            "PermissionWord",
            words(&[
                json!(Permission::ReadWrite),
                json!(Permission::Read),
                json!(Permission::Write),
            ]),
        ),
        (
            "OnPoisonWord",
            words(&[
                json!(OnPoison::Block),
                json!(OnPoison::Park),
                json!(OnPoison::DeadLetter),
            ]),
        ),
        (
            "ScopeWord",
            words(&[
                json!(TokenScope::Read),
                json!(TokenScope::Manage),
                json!(TokenScope::Produce),
                json!(TokenScope::Consume),
            ]),
        ),
        (
            "RoleWord",
            words(&[json!(ConsoleRole::Admin), json!(ConsoleRole::Viewer)]),
        ),
    ] {
        let said = &document["components"]["schemas"][shape]["enum"];
        assert_eq!(*said, expected, "{shape}");
    }
}

/// Shape, field (none: the shape itself), rule, limit.
const BOUNDS: [(&str, &str, &str, u64); 30] = [
    ("Name", "", "maxLength", NAME_BYTES_MAX as u64),
    ("Names", "", "maxItems", NAMES_LISTED_MAX as u64),
    ("BrokerName", "", "maxLength", BROKER_NAME_BYTES_MAX as u64),
    ("BrokerNames", "", "maxItems", BROKERS_MAX as u64),
    ("SecretKey", "", "maxLength", SECRET_KEY_BYTES_MAX as u64),
    ("Remark", "", "maxLength", REMARK_BYTES_MAX as u64),
    ("TimeZone", "", "maxLength", TIME_ZONE_BYTES_MAX as u64),
    ("NewTenantForm", "id", "maximum", NUMBER_MAX),
    ("PlanForm", "tps", "maximum", NUMBER_MAX),
    (
        "PlanForm",
        "burstSeconds",
        "maximum",
        BURST_SECONDS_MAX as u64,
    ),
    ("PlanForm", "messageBytes", "maximum", MESSAGE_BYTES_MAX),
    (
        "PlanForm",
        "retentionHours",
        "maximum",
        RETENTION_HOURS_MAX as u64,
    ),
    ("NewTopicForm", "queues", "maximum", QUEUES_MAX as u64),
    (
        "NewGroupForm",
        "maxRetries",
        "maximum",
        MAX_RETRIES_MAX as u64,
    ),
    ("RotateForm", "graceSeconds", "maximum", GRACE_SECONDS_MAX),
    ("ReceiveForm", "max", "maximum", RECEIVE_MESSAGES_MAX as u64),
    (
        "ReceiveForm",
        "invisibleSeconds",
        "minimum",
        INVISIBLE_SECONDS_MIN,
    ),
    (
        "ReceiveForm",
        "invisibleSeconds",
        "maximum",
        INVISIBLE_SECONDS_MAX,
    ),
    (
        "ReceiveForm",
        "consumerId",
        "maxLength",
        CONSUMER_ID_BYTES_MAX as u64,
    ),
    (
        "ReceiveForm",
        "attemptId",
        "maxLength",
        ATTEMPT_ID_BYTES_MAX as u64,
    ),
    (
        "AckForm",
        "receiptHandles",
        "maxItems",
        ACK_HANDLES_MAX as u64,
    ),
    ("SendForm", "messages", "maxItems", SEND_MESSAGES_MAX as u64),
    ("SendEntry", "tag", "maxLength", TAG_BYTES_MAX as u64),
    ("SendEntry", "keys", "maxItems", KEYS_MAX as u64),
    (
        "SendEntry",
        "messageGroup",
        "maxLength",
        MESSAGE_GROUP_BYTES_MAX as u64,
    ),
    (
        "SendEntry",
        "dedupId",
        "maxLength",
        DEDUP_ID_BYTES_MAX as u64,
    ),
    ("BeginForm", "tag", "maxLength", TAG_BYTES_MAX as u64),
    (
        "BeginForm",
        "producerGroup",
        "maxLength",
        PRODUCER_GROUP_BYTES_MAX as u64,
    ),
    (
        "BeginForm",
        "checkAfterSeconds",
        "maximum",
        TRANSACTION_CHECK_AFTER_SECS_MAX,
    ),
    (
        "ChecksForm",
        "max",
        "maximum",
        TRANSACTIONS_LISTED_MAX as u64,
    ),
];

#[test]
fn bounds_are_the_limits() {
    let document = document();
    for (shape, field, rule, expected) in BOUNDS {
        let schema = &document["components"]["schemas"][shape];
        let schema = match field {
            "" => schema,
            _ => &schema["properties"][field],
        };
        assert_eq!(
            schema[rule].as_f64(),
            Some(expected as f64),
            "{shape}.{field}"
        );
    }
    // Pages of lists.
    for path in [
        "/v1/plans",
        "/v1/instances/{instance}/topics/{topic}/messages",
    ] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array();
        let mut parameters = parameters.expect("parameters").iter();
        let max = parameters.find(|it| it["name"] == "max");
        let said = max.expect("it has pages")["schema"]["maximum"].as_u64();
        assert_eq!(said, Some(QUERY_MESSAGES_MAX as u64), "{path}");
    }
}
