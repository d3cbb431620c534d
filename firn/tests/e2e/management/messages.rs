//! Messages by id, offset, key and time.

use serde_json::{Value, json};

use super::guide::{Guide, warnings};
use crate::stack::{START_MS, Stack, ack, fail, receive, send};

const KEY: &str = "/api/manager/messages/key?topicName=single&key=key-1";

fn one(guide: &Guide, path: &str) -> Value {
    guide.get(path)["data"].clone()
}

#[test]
fn a_message_is_shown_as_the_guide_has_it() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let message = json!({"body": "123456789", "keys": ["key-1", "key-2"], "tag": "webtest", "properties": {"colour": "red"}});
    let sent = send(&mut stack.demo(), "single", &json!([message]));
    let id = sent[0]["offsetMessageId"].as_str().expect("an id");
    let seen = one(&guide, &format!("/api/manager/messages/{id}"));
    let expected = json!({
        "queueId": 0, "queueOffset": 0, "sysFlag": 0, "reconsumeTimes": 0, "msgId": id,
        "preparedTransactionOffset": 0, "topic": "single", "messageBody": "123456789",
        "bornTimestamp": START_MS, "storeTimestamp": START_MS, "status": null,
        // CRC-32 of these digits is CBF43926.
        "bodyCRC": 0x4BF4_3926,
        "messageBodyPath": format!("/tmp/rocketmq/msgbodys/{id}"),
        "properties": {"KEYS": "key-1 key-2", "TAGS": "webtest", "colour": "red", "UNIQ_KEY": sent[0]["messageId"]},
    });
    for (name, value) in expected.as_object().expect("fields") {
        assert_eq!(seen[name], *value, "{name}");
    }
    // The id is the store host and the offset (SEED_SPEC 1).
    let low = u64::from_str_radix(&id[16..], 16).expect("hex");
    assert_eq!(seen["commitLogOffset"], low);
    let octets: Vec<String> = (0..4)
        .map(|at| {
            u8::from_str_radix(&id[2 * at..2 * at + 2], 16)
                .expect("hex")
                .to_string()
        })
        .collect();
    let port = u32::from_str_radix(&id[8..16], 16).expect("hex");
    assert_eq!(seen["storeHost"], format!("{}:{port}", octets.join(".")));
    let body = guide.query.clone();
    let raw = stack
        .demo()
        .get(&format!("/api/manager/messages/{id}/body?{body}"));
    assert_eq!((raw.status, raw.text()), (200, "123456789".to_owned()));
    assert_eq!(raw.header("content-type"), Some("application/octet-stream"));
    let bytes = json!({"bodyBase64": "/wA=", "keys": ["binary"]});
    send(&mut stack.demo(), "single", &json!([bytes]));
    let found = guide.get("/api/manager/messages/key?topicName=single&key=binary");
    let row = &found["rows"][0];
    assert_eq!(
        (&row["messageBody"], &row["messageBodyEncoding"]),
        (&json!("/wA="), &json!("base64"))
    );
}

#[test]
fn i_22_i_42_ids_as_people_copy_them() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let sent = send(&mut stack.demo(), "single", &json!([{"body": "x"}]));
    let get = |id: &str| one(&guide, &format!("/api/manager/messages/{id}"));
    let [offset_id, unique] = ["offsetMessageId", "messageId"]
        .map(|name| sent[0][name].as_str().expect("an id").to_owned());
    let expected = get(&offset_id);
    for id in [
        offset_id.to_lowercase(),
        offset_id.replace('0', "O"),
        offset_id.replace('0', "o"),
        format!("%20{offset_id}%0A"),
        unique,
    ] {
        assert_eq!(get(&id), expected, "{id}");
    }
    for id in [
        "0A",
        "msgbods",
        &"0".repeat(33),
        &"G".repeat(32),
        &"0".repeat(48),
    ] {
        let text = guide.refused(
            400,
            "GET",
            &format!("/api/manager/messages/{id}"),
            &Value::Null,
        );
        assert!(text.starts_with("msgId:"), "{text}");
    }
    for digits in [32, 34, 56] {
        guide.refused(
            404,
            "GET",
            &format!("/api/manager/messages/{}", "0".repeat(digits)),
            &Value::Null,
        );
    }
    let with_topic = |topic: &str| format!("/api/manager/messages/{offset_id}?topicName={topic}");
    assert_eq!(one(&guide, &with_topic("single")), expected);
    for topic in ["orders", "none"] {
        guide.refused(404, "GET", &with_topic(topic), &Value::Null);
    }
}

/// Queries for a place that cannot be, each with the code and the begin of the text.
const NO_PLACES: &[(&str, u16, &str)] = &[
    ("brokerName=a&queueId=0&queueOffset=1", 400, "topicName:"),
    (
        "topicName=single&queueId=0&queueOffset=1",
        400,
        "brokerName:",
    ),
    (
        "topicName=single&brokerName=a&queueOffset=1",
        400,
        "queueId:",
    ),
    (
        "topicName=single&brokerName=a&queueId=0",
        400,
        "queueOffset:",
    ),
    (
        "topicName=single&brokerName=a&queueId=x&queueOffset=1",
        400,
        "queueId:",
    ),
    (
        "topicName=single&brokerName=a&queueId=0&queueOffset=-1",
        400,
        "queueOffset:",
    ),
    (
        "topicName=none&brokerName=a&queueId=0&queueOffset=1",
        404,
        "No route info of this topic, none",
    ),
    (
        "topicName=single&brokerName=c&queueId=0&queueOffset=1",
        404,
        "broker 'c'",
    ),
    (
        "topicName=single&brokerName=a&queueId=1&queueOffset=1",
        404,
        "queueId 1",
    ),
    (
        "topicName=single&brokerName=a&queueId=99999999&queueOffset=1",
        404,
        "queueId",
    ),
    (
        "topicName=single&brokerName=a&queueId=0&queueOffset=2",
        404,
        "no message",
    ),
    (
        "topicName=single&brokerName=a&queueId=0&queueOffset=1&groupName=none",
        404,
        "Subscription group not exist",
    ),
];

#[test]
fn i_20_places_are_named_by_text_and_number() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    send(
        &mut stack.demo(),
        "single",
        &json!([{"body": "0"}, {"body": "1"}]),
    );
    let path = |query: &str| format!("/api/manager/messages/offset?{query}");
    let seen = one(
        &guide,
        &path("topicName=single&brokerName=a&queueId=0&queueOffset=1"),
    );
    assert_eq!(seen["messageBody"], "1");
    for (query, code, text) in NO_PLACES.iter().copied() {
        let seen = guide.refused(code, "GET", &path(query), &Value::Null);
        assert!(seen.starts_with(text), "{query}: {seen}");
    }
}

#[test]
fn i_21_i_49_keys_match_exactly_and_newest_come_last() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let mut http = stack.demo();
    for n in 0..7 {
        send(
            &mut http,
            "orders",
            &json!([{"body": n.to_string(), "keys": ["key-1", "other"]}]),
        );
        // Not every time: brokers take turns, and both are to have some.
        if n % 3 == 0 {
            let other = json!([{"body": "no", "keys": ["key-12"]}]);
            send(&mut http, "orders", &other);
        }
        stack.advance_ms(1);
    }
    let path = "/api/manager/messages/key?topicName=orders&key=key-1";
    let bodies = |query: &str, total: u64| -> Vec<String> {
        let result = guide.get(&format!("{path}{query}"));
        assert_eq!(result["total"], total, "{query}");
        let rows = result["rows"].as_array().expect("rows").iter();
        rows.map(|row| row["messageBody"].as_str().expect("text").to_owned())
            .collect()
    };
    assert_eq!(bodies("", 7), ["0", "1", "2", "3", "4"]);
    assert_eq!(bodies("&pageNumber=2", 7), ["5", "6"]);
    assert!(bodies("&pageNumber=3", 7).is_empty());
    let on = |broker: &str| {
        let result = guide.get(&format!("{path}&brokerName={broker}"));
        result["total"].as_u64().expect("a number")
    };
    let (a, b) = (on("a"), on("b"));
    assert!(a > 0 && b > 0 && a + b == 7, "{a} {b}");
    guide.refused(404, "GET", &format!("{path}&brokerName=c"), &Value::Null);
    for (query, name) in [
        ("key=key-1", "topicName:"),
        ("topicName=orders", "key:"),
        ("topicName=orders&key=", "key:"),
    ] {
        let text = guide.refused(
            400,
            "GET",
            &format!("/api/manager/messages/key?{query}"),
            &Value::Null,
        );
        assert!(text.starts_with(name), "{text}");
    }
}

#[test]
fn s_16_i_24_states_follow_the_group() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let mut http = stack.demo();
    send(
        &mut http,
        "single",
        &json!([{"body": "x", "keys": ["key-1"]}]),
    );
    let status =
        |group: &str| guide.get(&format!("{KEY}&groupName={group}"))["rows"][0]["status"].clone();
    assert_eq!(status(""), Value::Null);
    assert_eq!(status("workers"), "TO_CONSUME");
    let got = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(
        (status("workers"), status("brittle")),
        (json!("CONSUMING"), json!("TO_CONSUME"))
    );
    ack(&mut http, "workers", "single", &got);
    assert_eq!(status("workers"), "CONSUMED");
    guide.refused(404, "GET", &format!("{KEY}&groupName=none"), &Value::Null);
}

#[test]
fn retries_have_ids_of_their_own_and_say_where_they_came_from() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let mut http = stack.demo();
    let sent = send(
        &mut http,
        "single",
        &json!([{"body": "x", "keys": ["key-1"]}]),
    );
    let got = receive(&mut http, "brittle", "single", &json!({}));
    fail(&mut http, "brittle", "single", &got[0]);
    let letters = guide.get("/api/manager/messages/topic?topicName=%25DLQ%25brittle");
    let letter = &letters["rows"][0];
    assert_eq!(letter["topic"], "%DLQ%brittle");
    assert_ne!(letter["msgId"], sent[0]["offsetMessageId"]);
    let properties = &letter["properties"];
    assert_eq!(properties["UNIQ_KEY"], sent[0]["messageId"]);
    assert_eq!(properties["ORIGIN_MESSAGE_ID"], sent[0]["offsetMessageId"]);
    assert_eq!(properties["RETRY_TOPIC"], "single");
}

#[test]
fn windows_of_time_are_paged_and_counted() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let mut http = stack.demo();
    for n in 0..200 {
        let tag = if n % 10 == 0 { "tenth" } else { "rest" };
        send(
            &mut http,
            "orders",
            &json!([{"body": format!("{n:03}"), "tag": tag}]),
        );
        stack.advance_ms(1000);
    }
    let find = |query: &str| {
        let result = guide.get(&format!(
            "/api/manager/messages/topic?topicName=orders{query}"
        ));
        let rows = result["rows"].as_array().expect("rows").iter();
        let bodies: Vec<String> = rows
            .map(|row| row["messageBody"].as_str().expect("text").to_owned())
            .collect();
        assert_eq!(warnings(&result), "");
        (result["total"].as_u64().expect("a number"), bodies)
    };
    assert_eq!(
        find("&pageSize=3"),
        (200, vec!["000".into(), "001".into(), "002".into()])
    );
    assert_eq!(
        find("&pageSize=3&pageNumber=60"),
        (200, vec!["177".into(), "178".into(), "179".into()])
    );
    assert_eq!(find("&pageSize=1000").1.len(), 200);
    let window = format!(
        "&beginTime={}&endTime={}",
        START_MS + 10_000,
        START_MS + 12_000
    );
    assert_eq!(
        find(&window),
        (3, vec!["010".into(), "011".into(), "012".into()])
    );
    assert_eq!(
        find("&tag=tenth&pageSize=2&pageNumber=3"),
        (20, vec!["040".into(), "050".into()])
    );
    assert_eq!(find("&tag=none"), (0, Vec::new()));
    stack.advance_ms(3_600_000);
    assert_eq!(find(""), (0, Vec::new()), "the last hour");
    let text = guide.refused(
        400,
        "GET",
        "/api/manager/messages/topic?topicName=orders&beginTime=2&endTime=1",
        &Value::Null,
    );
    assert!(text.starts_with("beginTime:"), "{text}");
}
