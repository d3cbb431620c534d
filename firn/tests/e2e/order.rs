//! Ordered groups over HTTP.

use std::collections::BTreeMap;

use firn_runtime::tasks;
use serde_json::{Value, json};

use crate::http::Http;
use crate::semantics::{consume, group, topic};
use crate::stack::{ACME, Stack, ack, bodies, fail, receive, send};

#[test]
fn s_08_ordered_failures_come_again_after_a_second_and_block() {
    let stack = Stack::start();
    topic(&stack, "steps", "fifo", 1);
    group(&stack, "inorder", json!({"ordered": true}));
    let mut http = stack.demo();
    let batch = json!([
        {"body": "1", "messageGroup": "g"}, {"body": "2", "messageGroup": "g"},
        {"body": "other", "messageGroup": "h"},
    ]);
    send(&mut http, "steps", &batch);
    let got = receive(&mut http, "inorder", "steps", &json!({"max": 10}));
    assert_eq!(bodies(&got), ["1", "other"]);
    ack(&mut http, "inorder", "steps", &got[1..]);
    let mut first = got[0].clone();
    for attempt in 2..=20 {
        fail(&mut http, "inorder", "steps", &first);
        stack.advance_ms(999);
        let early = receive(&mut http, "inorder", "steps", &json!({"max": 10}));
        assert_eq!(early, [] as [Value; 0], "the queue is blocked");
        stack.advance_ms(1);
        let got = receive(&mut http, "inorder", "steps", &json!({"max": 10}));
        assert_eq!(
            (bodies(&got), &got[0]["attempt"]),
            (vec!["1"], &json!(attempt))
        );
        assert_eq!(got[0]["messageId"], first["messageId"]);
        first = got[0].clone();
    }
    ack(&mut http, "inorder", "steps", &[first]);
    assert_eq!(bodies(&consume(&mut http, "inorder", "steps")), ["2"]);
}

#[test]
fn s_11_order_within_a_message_group_and_in_a_topic_of_one_queue() {
    for producers in [1_usize, 2, 4, 8] {
        let stack = Stack::start();
        let form = json!({"name": "steps", "type": "fifo", "queues": 4});
        stack.demo().post(&format!("{ACME}/topics"), &form).ok();
        group(&stack, "inorder", json!({"ordered": true}));
        let threads: Vec<_> = (0..producers)
            .map(|producer| {
                let mut http = stack.demo();
                let work = move || {
                    for n in 0..20 {
                        let line = format!("{producer}-{}", n % 3);
                        let one = json!([{"body": format!("{line}/{n:03}"), "messageGroup": line}]);
                        send(&mut http, "steps", &one);
                    }
                };
                tasks::thread("producer", work).expect("a thread")
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().expect("sent"));
        let mut last: BTreeMap<String, String> = BTreeMap::new();
        let mut count = 0;
        let mut http = stack.demo();
        for _ in 0..400 {
            let wanted = json!({"max": 7, "runMax": 1 + count % 3});
            let got = receive(&mut http, "inorder", "steps", &wanted);
            for body in bodies(&got) {
                let line = body.split('/').next().expect("a line").to_owned();
                let before = last.insert(line, body.to_owned());
                assert!(before.is_none_or(|before| *before < *body), "{body}");
            }
            count += got.len();
            ack(&mut http, "inorder", "steps", &got);
            if count == 20 * producers {
                break;
            }
        }
        assert_eq!(count, 20 * producers);
    }
}

#[test]
fn s_11_strict_order_outlives_a_restart() {
    let mut stack = Stack::start();
    group(&stack, "inorder", json!({"ordered": true}));
    let all: Vec<Value> = (0..30)
        .map(|n| json!({"body": format!("{n:02}")}))
        .collect();
    send(&mut stack.demo(), "single", &json!(all));
    let mut got = Vec::new();
    for round in 0..30 {
        let mut http = stack.demo();
        let one = receive(
            &mut http,
            "inorder",
            "single",
            &json!({"max": 10, "waitSeconds": 5}),
        );
        assert_eq!(one.len(), 1, "round {round}");
        got.push(one[0]["body"].as_str().expect("text").to_owned());
        ack(&mut http, "inorder", "single", &one);
        if round % 7 == 3 {
            stack.restart();
        }
    }
    let expected: Vec<String> = (0..30).map(|n| format!("{n:02}")).collect();
    assert_eq!(got, expected);
}

#[test]
fn a_parked_message_group_is_seen_and_let_go() {
    let stack = Stack::start();
    topic(&stack, "steps", "fifo", 1);
    group(
        &stack,
        "careful",
        json!({"ordered": true, "onPoison": "park", "maxRetries": 1}),
    );
    let mut http = stack.demo();
    let batch =
        json!([{"body": "bad", "messageGroup": "g"}, {"body": "next", "messageGroup": "g"}]);
    send(&mut http, "steps", &batch);
    for _ in 0..2 {
        let got = receive(&mut http, "careful", "steps", &json!({}));
        assert_eq!(bodies(&got), ["bad"]);
        fail(&mut http, "careful", "steps", &got[0]);
        stack.advance_ms(1_000);
    }
    assert_eq!(
        receive(&mut http, "careful", "steps", &json!({})),
        [] as [Value; 0]
    );
    let path = format!("{ACME}/groups/careful/parked");
    let parked = http.get(&path).ok();
    assert_eq!(parked["total"], 1, "{parked}");
    let message = &parked["items"][0]["message"];
    assert_eq!(
        (&message["body"], &message["attempt"]),
        (&json!("bad"), &json!(2))
    );
    let mut form = json!({
        "topic": "steps", "broker": message["broker"], "queueId": message["queueId"],
        "queueOffset": 1, "how": "deadLetter",
    });
    let release = format!("{path}/release");
    http.post(&release, &form).error(404, "NOT_FOUND");
    form["queueOffset"] = message["queueOffset"].clone();
    http.post(&release, &form).ok();
    assert_eq!(http.get(&path).ok()["total"], 0);
    assert_eq!(bodies(&consume(&mut http, "careful", "steps")), ["next"]);
    let letters = http.get(&format!(
        "{ACME}/topics/%25DLQ%25careful/messages?from=0&to={}",
        u64::MAX >> 12
    ));
    assert_eq!(letters.ok()["messages"][0]["body"], "bad");
}

#[test]
fn the_queues_of_an_ordered_topic_change_when_it_is_drained() {
    let stack = Stack::start();
    topic(&stack, "steps", "fifo", 1);
    topic(&stack, "loose", "normal", 1);
    group(&stack, "inorder", json!({"ordered": true}));
    let mut http = stack.demo();
    let change = |http: &mut Http, name: &str, queues: u16| {
        http.json(
            "PATCH",
            &format!("{ACME}/topics/{name}"),
            &json!({"queues": queues}),
        )
    };
    change(&mut http, "steps", 2).ok();
    send(
        &mut http,
        "steps",
        &json!([{"body": "1", "messageGroup": "g"}]),
    );
    send(&mut http, "loose", &json!([{"body": "1"}]));
    change(&mut http, "loose", 2).ok();
    change(&mut http, "steps", 2).ok();
    change(&mut http, "steps", 3).error(409, "CONFLICT");
    let got = receive(&mut http, "inorder", "steps", &json!({}));
    change(&mut http, "steps", 3).error(409, "CONFLICT");
    ack(&mut http, "inorder", "steps", &got);
    change(&mut http, "steps", 3).ok();
}
