//! What people do to stored messages over HTTP: purge, peek, redrive.

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

/// Bodies of all pages of a peek at `single`, with the status if there is one.
fn peek(stack: &Stack, topic: &str, query: &str) -> Vec<(String, Value)> {
    let (mut http, mut found, mut at) = (stack.demo(), Vec::new(), String::new());
    loop {
        let page = http
            .get(&format!("{ACME}/topics/{topic}/peek?{query}{at}"))
            .ok();
        let messages = page["messages"].as_array().expect("messages").iter();
        found.extend(messages.map(|message| {
            assert!(message["receiptHandle"].is_null(), "no lease");
            let body = message["body"].as_str().expect("text");
            (body.to_owned(), message["status"].clone())
        }));
        match page["cursor"].as_str() {
            Some(cursor) => at = format!("&cursor={cursor}"),
            None => return found,
        }
        assert!(found.len() < 100, "pages repeat");
    }
}

fn seen(stack: &Stack, query: &str) -> Vec<String> {
    peek(stack, "single", query)
        .into_iter()
        .map(|(body, _)| body)
        .collect()
}

#[test]
fn a_peek_shows_what_matches_and_changes_nothing() {
    let stack = Stack::start();
    unfinished(&stack);
    stack.advance_ms(1000);
    let later = stack.clock.now_ms();
    let mut http = stack.demo();
    send(
        &mut http,
        "single",
        &json!([{"body": "later", "properties": {"size": "12"}}]),
    );
    let before = http.get(&format!("{ACME}/groups/workers/lag")).ok()["lag"].clone();
    assert_eq!(seen(&stack, ""), ["0", "1", "2", "3", "4", "later"]);
    for max in [1, 2, 3, 1000] {
        assert_eq!(
            seen(&stack, &format!("filter=even&max={max}")),
            ["0", "2", "4"]
        );
    }
    assert_eq!(
        seen(&stack, "filterType=SQL92&filter=size%20%3E%2010"),
        ["later"]
    );
    assert_eq!(seen(&stack, &format!("from={later}")), ["later"]);
    assert_eq!(seen(&stack, "from=latest&max=2"), ["4", "later"]);
    // Message 0 failed, 1 is in flight; of 0 a copy is on its way.
    let status = |body: &str, status: &str| (body.to_owned(), json!(status));
    assert_eq!(
        peek(
            &stack,
            "single",
            "group=workers&filter=odd%20%7C%7C%20even&max=2"
        ),
        [
            status("1", "CONSUMING"),
            status("2", "TO_CONSUME"),
            status("3", "TO_CONSUME"),
            status("4", "TO_CONSUME"),
        ]
    );
    assert_eq!(
        peek(&stack, "single", "group=workers&from=earliest").len(),
        6
    );
    let letters = peek(&stack, "%25DLQ%25brittle", "filter=odd");
    assert_eq!(letters, [("1".to_owned(), Value::Null)]);
    let lag = http.get(&format!("{ACME}/groups/workers/lag")).ok();
    assert_eq!(lag["lag"], before, "nothing was consumed");
    let got = receive(&mut http, "workers", "single", &json!({"max": 9}));
    assert_eq!(bodies(&got), ["2", "3", "4", "later"]);
    // All queues of both brokers.
    let all: Vec<Value> = (0..40)
        .map(|n| json!({"body": format!("{n:02}")}))
        .collect();
    for one in &all {
        send(&mut http, "orders", &json!([one]));
    }
    for max in [1, 7, 40] {
        let found = peek(&stack, "orders", &format!("max={max}"));
        let mut found: Vec<String> = found.into_iter().map(|(body, _)| body).collect();
        found.sort();
        let expected: Vec<String> = (0..40).map(|n| format!("{n:02}")).collect();
        assert_eq!(found, expected, "max {max}");
    }
}

#[test]
fn a_redrive_to_the_topic_is_for_all_groups() {
    let stack = Stack::start();
    unfinished(&stack);
    let mut http = stack.demo();
    let path = format!("{ACME}/groups/brittle/dead-letters/redrive");
    let form = json!({"toTopic": true, "topic": "single"});
    assert_eq!(http.post(&path, &form).ok(), json!({"redriven": 2}));
    assert_eq!(
        http.post(&path, &form).ok(),
        json!({"redriven": 0}),
        "marked"
    );
    for (group, expected) in [
        ("brittle", vec!["2", "3", "4", "0", "1"]),
        ("workers", vec!["2", "3", "4", "0", "1"]),
    ] {
        let got = receive(&mut http, group, "single", &json!({"max": 9}));
        assert_eq!(bodies(&got), expected, "{group}");
        for message in &got {
            assert_eq!(
                (&message["attempt"], &message["retryQueue"]),
                (&json!(1), &Value::Null)
            );
        }
        ack(&mut http, group, "single", &got);
    }
    let id = receive_letter(&mut http);
    let named = json!({"toTopic": true, "messageIds": [id]});
    assert_eq!(http.post(&path, &named).ok()["redriven"], 1);
    // Nobody is online any more.
    stack.advance_ms(30_000);
    let removed = http.json("DELETE", &format!("{ACME}/topics/single"), &Value::Null);
    assert_eq!(removed.status, 204, "{}", removed.text());
    let named = json!({"toTopic": true, "messageIds": [id]});
    assert_eq!(
        http.post(&path, &named).ok()["redriven"],
        0,
        "the topic is gone"
    );
    let row = &stack.audit()[0];
    assert_eq!(
        (row.0.as_str(), &row.2["redriven"]),
        ("group.redrive", &json!(0))
    );
}

/// The id of a dead letter of `brittle`.
fn receive_letter(http: &mut crate::http::Http) -> Value {
    let letters = http
        .get(&format!("{ACME}/topics/%25DLQ%25brittle/peek?max=1"))
        .ok();
    letters["messages"][0]["messageId"].clone()
}

#[test]
fn a_paced_redrive_takes_its_time_and_says_what_is_left() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let all: Vec<Value> = (0..5).map(|n| json!({"body": n.to_string()})).collect();
    send(&mut http, "single", &json!(all));
    let got = receive(&mut http, "brittle", "single", &json!({"max": 5}));
    got.iter()
        .for_each(|one| fail(&mut http, "brittle", "single", one));
    let redrive = |rate: f64| {
        let (mut http, start) = (stack.demo(), stack.clock.now_ms());
        let path = format!("{ACME}/groups/brittle/dead-letters/redrive");
        let form = json!({"ratePerSecond": rate});
        let answer = stack.while_time_passes(100, move || http.post(&path, &form).ok());
        (answer, stack.clock.now_ms() - start)
    };
    let (answer, took) = redrive(0.1);
    let first = answer["redriven"].as_u64().expect("a number");
    // At 0, 10 and 20 s; fewer if the clock ran away from the call.
    assert!((1..=3).contains(&first), "{answer}");
    assert_eq!(answer["more"], true);
    assert!(took >= 30_000, "{took}");
    let (mut left, mut rounds) = (5 - first, 0);
    while left > 0 {
        let (answer, took) = redrive(2.0);
        let sent = answer["redriven"].as_u64().expect("a number");
        assert!(sent <= took / 500 + 1, "{answer} in {took} ms");
        left -= sent;
        rounds += 1;
        assert!(rounds < 100, "it comes to an end");
    }
    let back = receive(&mut http, "brittle", "single", &json!({"max": 9}));
    assert_eq!(bodies(&back), ["0", "1", "2", "3", "4"]);
}
