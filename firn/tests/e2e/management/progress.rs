//! Figures: backlog, resets, rates.

use serde_json::{Value, json};

use super::guide::{Guide, demo_path, refusal, warnings};
use crate::stack::{START_MS, Stack, ack, bodies, fail, receive, send};

const RESET: &str = "/api/manager/topics/consumeOffset";
const NOTHING: [Value; 0] = [];

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

/// T8's row of a broker, or G7's first row.
fn row(result: &Value, at: usize) -> (u64, u64, u64) {
    let row = &result["rows"][at];
    let [total, consumed, diff] = ["total", "consumedTotal", "diff"].map(|name| number(&row[name]));
    (total, consumed, diff)
}

#[test]
fn s_04_differences_are_what_their_names_say() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let mut http = stack.demo();
    let nobody = guide.get("/api/manager/topics/demo/single/queues");
    assert_eq!(
        nobody["rows"][0]["consumerGroup"],
        "CONSOLE_INNER_QUEUE_GROUP"
    );
    let all: Vec<Value> = (0..10).map(|n| json!({"body": n.to_string()})).collect();
    send(&mut http, "single", &json!(all));
    let nobody = guide.get("/api/manager/topics/demo/single/queues");
    assert_eq!(nobody["rows"][0]["diffTotal"], 10);
    assert_eq!(
        nobody["rows"][0]["queueStatInfoList"][0]["consumerOffset"],
        0
    );
    let path = "/api/manager/subscriptions/demo/workers/depth?topicName=single";
    assert_eq!(
        row(&guide.get(path), 0),
        (10, 0, 10),
        "who has not begun has all before it"
    );
    stack.advance_ms(5000);
    let got = receive(&mut http, "workers", "single", &json!({"max": 4}));
    ack(
        &mut http,
        "workers",
        "single",
        &[got[0].clone(), got[2].clone()],
    );
    fail(&mut http, "workers", "single", &got[3]);
    let depth = guide.get(path);
    // Two are acknowledged and one went to the retries; one is in flight.
    assert_eq!(row(&depth, 0), (10, 3, 7));
    let first = &depth["rows"][0];
    assert_eq!(
        (&first["notAckMsgNum"], &first["notConsumeMsgTime"]),
        (&json!(1), &json!(5000))
    );
    assert_eq!(row(&depth, 1), (1, 0, 1), "the retry that waits");
    assert_eq!(
        (
            &depth["rows"][0]["retryNums"],
            &depth["rows"][1]["retryNums"]
        ),
        (&json!(0), &json!(1))
    );
    assert_eq!(
        row(&guide.get("/api/manager/topics/demo/single/depth"), 0),
        (10, 3, 7)
    );
    // The lowest that is not acknowledged counts for offsets.
    let queues = guide.get("/api/manager/topics/demo/single/queues?groupName=workers");
    assert_eq!(queues["rows"][0]["diffTotal"], 9);
    let queue = &queues["rows"][0]["queueStatInfoList"][0];
    assert_eq!(
        (&queue["brokerOffset"], &queue["consumerOffset"]),
        (&json!(10), &json!(1))
    );
    assert_eq!(queue["lastTimestamp"], START_MS);
    assert_eq!(queues["rows"][0]["lastTimestamp"], START_MS);
}

/// Messages before and after a time, all of them consumed; that time.
fn consumed(stack: &Stack) -> u64 {
    let mut http = stack.demo();
    for text in ["old", "new"] {
        send(&mut http, "single", &json!([{"body": text}]));
        stack.advance_ms(60_000);
    }
    let got = receive(&mut http, "workers", "single", &json!({"max": 9}));
    assert_eq!(got.len(), 2);
    ack(&mut http, "workers", "single", &got);
    START_MS + 30_000
}

fn body(time: Value) -> Value {
    json!({"consumerGroupList": ["workers"], "topicName": "single", "resetTime": time,
        "resetForward": true, "force": true})
}

#[test]
fn s_06_i_26_i_27_resets_to_every_kind_of_time() {
    let stack = Stack::start();
    let middle = consumed(&stack);
    let guide = Guide::demo(&stack);
    let mut http = stack.demo();
    let mut again = |time: Value, diff: i64, expected: &[&str]| {
        let reset = guide.post(RESET, &body(time.clone()));
        assert_eq!(reset["diffOffset"], diff, "{time}: {reset}");
        let row = &reset["rows"][0];
        let fields =
            ["consumerOffset", "rollbackOffset"].map(|name| row[name].as_i64().expect("a number"));
        assert_eq!(fields[0] - fields[1], diff, "{reset}");
        assert_eq!(row["timestampOffset"], row["rollbackOffset"]);
        let got = receive(&mut http, "workers", "single", &json!({"max": 9}));
        assert_eq!(bodies(&got), expected, "{time}");
        if !got.is_empty() {
            ack(&mut http, "workers", "single", &got);
        }
    };
    again(json!(middle.to_string()), 1, &["new"]);
    again(json!(middle), 1, &["new"]);
    // In the instance's zone, UTC+8.
    again(json!("2025-01-01 08:00:30"), 1, &["new"]);
    again(Value::Null, 2, &["old", "new"]);
    again(json!(""), 2, &["old", "new"]);
    again(json!(1), 2, &["old", "new"]);
    again(json!(stack.clock.now_ms() + 1), 0, &[]);
    again(json!("99999999999999999999999"), 0, &[]);
    let absent = json!({"consumerGroupList": ["workers"], "topicName": "single"});
    assert_eq!(
        guide.post(RESET, &absent)["diffOffset"],
        2,
        "absent is the start"
    );
    // All is unconsumed: forward over it, but only when that is said.
    let mut form = body(json!(stack.clock.now_ms() + 1));
    form["resetForward"] = json!(false);
    form["force"] = json!(false);
    let held = guide.post(RESET, &form);
    assert_eq!(held["diffOffset"], 0);
    assert_eq!(
        (
            &held["rows"][0]["timestampOffset"],
            &held["rows"][0]["rollbackOffset"]
        ),
        (&json!(2), &json!(0))
    );
    assert!(warnings(&held).contains("resetForward"), "{held}");
    form["resetForward"] = json!(true);
    assert_eq!(guide.post(RESET, &form)["diffOffset"], -2);
    assert_eq!(receive(&mut http, "workers", "single", &json!({})), NOTHING);
}

#[test]
fn s_06_older_than_retention_is_the_start_of_what_is_stored() {
    let stack = Stack::start();
    consumed(&stack);
    let mut http = stack.demo();
    let purge = json!({"before": START_MS + 30_000});
    http.post("/v1/instances/demo/topics/single/purge", &purge)
        .ok();
    let reset = Guide::demo(&stack).post(RESET, &body(json!(1)));
    assert_eq!(
        (&reset["diffOffset"], &reset["rows"][0]["rollbackOffset"]),
        (&json!(1), &json!(1))
    );
    let got = receive(&mut http, "workers", "single", &json!({"max": 9}));
    assert_eq!(bodies(&got), ["new"]);
}

#[test]
fn s_06_i_28_consumers_of_mechanism_1_are_stopped_first() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let group = json!({"subscriptionGroupConfig": {"pullMechanism": "1"}});
    guide.post("/api/manager/subscriptions/demo/workers", &group);
    consumed(&stack);
    let mut form = body(Value::Null);
    form["force"] = json!(false);
    form["consumerGroupList"] = json!(["brittle", "workers"]);
    let answer = guide.answer("POST", RESET, &form);
    let text = refusal(&answer, 409, RESET);
    assert!(text.contains("workers"), "{text}");
    let depth = |group: &str| {
        let path = format!("/api/manager/subscriptions/demo/{group}/depth?topicName=single");
        row(&guide.get(&path), 0)
    };
    assert_eq!(depth("workers"), (2, 2, 0), "nothing was moved");
    form["force"] = json!(true);
    assert_eq!(guide.post(RESET, &form)["total"], 2);
    assert_eq!(depth("workers"), (2, 0, 2));
    form["force"] = json!(false);
    stack.advance_ms(30_000);
    guide.post(RESET, &form);
}

#[test]
fn s_24_a_topic_takes_its_5000_messages_a_second() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let mut operator = stack.operator();
    let plan = json!({"name": "fast", "tps": 0, "topicTps": 5000, "burstSeconds": 0.1});
    operator.post("/v1/plans", &plan).ok();
    let plan = json!({"plan": "fast"});
    operator.json("PATCH", &demo_path(&stack), &plan).ok();
    let body = json!({"topicName": "fast", "brokerNameList": []});
    guide.post("/api/manager/topics", &body);
    let mut http = stack.demo();
    let path = |topic: &str| format!("/v1/instances/demo/topics/{topic}/messages");
    let batch: Vec<Value> = (0..500).map(|_| json!({"body": "x"})).collect();
    for tenth in 0..10 {
        if tenth > 0 {
            stack.advance_ms(100);
        }
        let answer = http.post(&path("fast"), &json!({"messages": batch}));
        let results = answer.ok()["results"].clone();
        let refused = results
            .as_array()
            .expect("results")
            .iter()
            .filter(|one| !one["error"].is_null());
        assert_eq!(refused.count(), 0, "tenth {tenth}");
    }
    let one = json!({"messages": [{"body": "5001"}]});
    let refused = http.post(&path("fast"), &one);
    refused.error(429, "RATE_LIMITED");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit-limit"), Some("5000"));
    http.post(&path("orders"), &one).ok();
    let stats = guide.get("/api/manager/topics/demo/fast/stats");
    assert_eq!(stats["data"]["msgHistoryNums"], 5000);
}
