//! What people do to stored messages over HTTP: purge.

use serde_json::{Value, json};

use crate::stack::{ACME, Stack, ack, bodies, fail, receive, send};

const NOTHING: [Value; 0] = [];

/// Sends numbered messages and stops short of consuming: two are in the
/// dead letters of `brittle`, one of `workers` waits to come again.
fn unfinished(stack: &Stack) {
    let mut http = stack.demo();
    let all: Vec<Value> = (0..5)
        .map(|n| json!({"body": n.to_string(), "tag": if n % 2 == 0 { "even" } else { "odd" }}))
        .collect();
    send(&mut http, "single", &json!(all));
    let got = receive(&mut http, "workers", "single", &json!({"max": 2}));
    fail(&mut http, "workers", "single", &got[0]);
    let got = receive(&mut http, "brittle", "single", &json!({"max": 2}));
    got.iter()
        .for_each(|one| fail(&mut http, "brittle", "single", one));
}

#[test]
fn a_purged_topic_is_empty_for_every_group() {
    let mut stack = Stack::start();
    unfinished(&stack);
    stack.advance_ms(1000);
    let later = stack.clock.now_ms();
    send(&mut stack.demo(), "single", &json!([{"body": "later"}]));
    let mut http = stack.demo();
    let purge = |topic: &str| format!("{ACME}/topics/{topic}/purge");
    let single = purge("single");
    http.post(&single, &json!({"befor": 1}))
        .error(400, "BAD_REQUEST");
    http.post(&purge("%25RETRY%25workers"), &json!({}))
        .error(400, "BAD_REQUEST");
    http.post(&purge("nothing"), &json!({}))
        .error(404, "TOPIC_NOT_FOUND");
    assert_eq!(
        http.post(&single, &json!({"before": later})).ok(),
        json!({"purged": 5})
    );
    stack.restart();
    let mut http = stack.demo();
    for group in ["workers", "brittle"] {
        let lag = http.get(&format!("{ACME}/groups/{group}/lag")).ok();
        assert_eq!(
            (&lag["lag"], &lag["inFlight"]),
            (&json!(1), &json!(0)),
            "{lag}"
        );
    }
    let got = receive(&mut http, "workers", "single", &json!({"max": 9}));
    assert_eq!(bodies(&got), ["later"]);
    assert_eq!(http.post(&single, &json!({})).ok(), json!({"purged": 1}));
    assert_eq!(ack(&mut http, "workers", "single", &got), ["ALREADY_ACKED"]);
    stack.advance_ms(86_400_000);
    for group in ["workers", "brittle"] {
        assert_eq!(receive(&mut http, group, "single", &json!({})), NOTHING);
    }
    let letters = purge("%25DLQ%25brittle");
    assert_eq!(http.post(&letters, &json!({})).ok(), json!({"purged": 2}));
    let redrive = format!("{ACME}/groups/brittle/dead-letters/redrive");
    assert_eq!(http.post(&redrive, &json!({})).ok()["redriven"], 0);
    let rows = stack.audit();
    let told: Vec<_> = rows
        .iter()
        .filter(|(action, ..)| action == "topic.purge")
        .map(|(_, object, detail)| (object.as_str(), detail["purged"].as_u64()))
        .collect();
    assert_eq!(
        told,
        [
            ("demo/%DLQ%brittle", Some(2)),
            ("demo/single", Some(1)),
            ("demo/single", Some(5))
        ]
    );
    assert_eq!(rows[0].2["by"], "user:demo", "{rows:?}");
}
