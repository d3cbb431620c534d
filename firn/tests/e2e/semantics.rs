//! The semantics of RocketMQ over HTTP, by the ids of SEED_SPEC section 11.

use std::collections::BTreeMap;

use firn_runtime::tasks;
use serde_json::{Value, json};

use crate::http::{Answer, Http};
use crate::stack::{ACME, START_MS, Stack, ack, bodies, fail, receive, send};

/// Makes a topic of a type.
fn topic(stack: &Stack, name: &str, kind: &str, queues: u16) {
    let form = json!({"name": name, "type": kind, "queues": queues, "brokers": ["a"]});
    let made = stack.demo().post(&format!("{ACME}/topics"), &form);
    assert_eq!(made.status, 201, "{}", made.text());
}

/// What a group gets now and acks.
fn consume(http: &mut Http, group: &str, topic: &str) -> Vec<Value> {
    let got = receive(http, group, topic, &json!({"max": 256, "waitSeconds": 20}));
    ack(http, group, topic, &got);
    got
}

/// SEED_SPEC 2.1: level by level, seconds.
const LEVELS: [u64; 18] = [
    1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];

#[test]
fn s_07_eighteen_delay_levels_none_early() {
    let stack = Stack::start();
    topic(&stack, "later", "delay", 1);
    let mut http = stack.demo();
    // Level 19 is 18; level 0 is at once.
    let levels: Vec<Value> = (0..=19)
        .map(|level| json!({"body": format!("{level}"), "delayLevel": level}))
        .collect();
    let sent = send(&mut http, "later", &json!(levels));
    assert_eq!(sent[0]["queueOffset"], 0);
    for one in &sent[1..] {
        assert!(
            one["queueOffset"].is_null() && one["recallHandle"].is_string(),
            "{one}"
        );
    }
    assert_eq!(bodies(&consume(&mut http, "workers", "later")), ["0"]);
    let mut at = 0;
    for (level, secs) in (1..).zip(LEVELS) {
        stack.advance_ms(secs * 1000 - 1 - at);
        let early = receive(&mut http, "workers", "later", &json!({}));
        assert_eq!(early, [] as [Value; 0], "1 ms before level {level}");
        stack.advance_ms(1);
        at = secs * 1000;
        let mut got = consume(&mut http, "workers", "later");
        if level == 18 && got.len() == 1 {
            got.extend(consume(&mut http, "workers", "later"));
        }
        let expected: &[&str] = if level == 18 {
            &["18", "19"]
        } else {
            &[&level.to_string()]
        };
        assert_eq!(bodies(&got), expected);
        for message in got {
            assert_eq!(message["deliverAt"], START_MS + secs * 1000);
            let late = message["storeTimestamp"].as_u64().expect("a time") - START_MS - secs * 1000;
            assert_eq!(late, 0, "the clock stood still");
        }
    }
}

#[test]
fn a_delayed_message_is_found_and_recalled() {
    let stack = Stack::start();
    topic(&stack, "later", "delay", 1);
    let mut http = stack.demo();
    let due = START_MS + 3_600_000;
    let batch = json!([{"body": "kept", "deliverAt": due}, {"body": "gone", "deliverAt": due}]);
    let sent = send(&mut http, "later", &batch);
    let recall = |http: &mut Http, handle: &Value| {
        let path = format!("{ACME}/topics/later/messages/recall");
        http.post(&path, &json!({"recallHandle": handle}))
    };
    for id in ["messageId", "offsetMessageId"] {
        let id = sent[0][id].as_str().expect("an id");
        let found = http.get(&format!("{ACME}/messages/{id}")).ok();
        assert_eq!(
            (&found["body"], &found["topic"]),
            (&json!("kept"), &json!("later"))
        );
        assert_eq!(
            (&found["deliverAt"], &found["queueOffset"]),
            (&json!(due), &Value::Null)
        );
    }
    recall(&mut http, &sent[1]["recallHandle"]).ok();
    recall(&mut http, &sent[1]["recallHandle"]).ok();
    recall(&mut http, &json!("rubbish")).error(400, "BAD_REQUEST");
    let mut other = stack.other();
    let foreign = json!({"recallHandle": sent[0]["recallHandle"]});
    let path = format!("{ACME}/topics/orders/messages/recall");
    other.post(&path, &foreign).error(400, "BAD_REQUEST");
    stack.advance_ms(3_600_000);
    assert_eq!(bodies(&consume(&mut http, "workers", "later")), ["kept"]);
    recall(&mut http, &sent[0]["recallHandle"]).error(409, "ALREADY_DELIVERED");
    for id in ["messageId", "offsetMessageId"] {
        let id = sent[0][id].as_str().expect("an id");
        let found = http.get(&format!("{ACME}/messages/{id}")).ok();
        assert_eq!(
            (&found["body"], &found["queueOffset"]),
            (&json!("kept"), &json!(0))
        );
        let id = sent[1]["offsetMessageId"].as_str().expect("an id");
        let gone = http.get(&format!("{ACME}/messages/{id}"));
        gone.error(404, "MESSAGE_NOT_FOUND");
    }
}

/// A transaction's paths.
struct Transactions(Http, String);

impl Transactions {
    /// Those of instance `demo`, by its name or id.
    fn of(http: Http, instance: &str) -> Self {
        Self(http, format!("{instance}/topics/money/transactions"))
    }

    fn begin(&mut self, body: &str) -> String {
        let form = json!({"body": body, "producerGroup": "shop"});
        let begun = self
            .0
            .post(&format!("{ACME}/topics/money/transactions"), &form);
        let id = begun.ok()["transactionId"].clone();
        id.as_str().expect("an id").to_owned()
    }

    fn decide(&mut self, id: &str, how: &str) -> Answer {
        let path = format!("{}/{id}/{how}", self.1);
        self.0.post(&path, &json!({}))
    }

    fn checks(&mut self, form: &Value) -> Vec<Value> {
        let path = format!("{}/checks", self.1);
        let answer = self.0.post(&path, form).ok();
        answer["checks"].as_array().expect("a list").clone()
    }

    fn list(&mut self, state: &str) -> Vec<Value> {
        let path = format!("{}?state={state}", self.1);
        let answer = self.0.get(&path).ok();
        answer["items"].as_array().expect("a list").clone()
    }
}

#[test]
fn s_12_transactions() {
    let stack = Stack::start();
    topic(&stack, "money", "transaction", 1);
    let (mut http, mut shop) = (stack.demo(), Transactions::of(stack.demo(), ACME));
    let nothing = [] as [Value; 0];
    let committed = shop.begin("committed");
    let rolled_back = shop.begin("rolled back");
    let lost = shop.begin("confirmation lost");
    assert_eq!(receive(&mut http, "workers", "money", &json!({})), nothing);
    shop.decide(&committed, "commit").ok();
    shop.decide(&rolled_back, "rollback").ok();
    assert_eq!(
        bodies(&consume(&mut http, "workers", "money")),
        ["committed"]
    );
    shop.decide(&committed, "commit").ok();
    shop.decide(&committed, "rollback").error(409, "CONFLICT");
    shop.decide(&rolled_back, "commit").error(409, "CONFLICT");
    shop.decide("rubbish", "commit")
        .error(404, "TRANSACTION_NOT_FOUND");
    Transactions::of(stack.other(), ACME)
        .decide(&lost, "commit")
        .error(404, "TOPIC_NOT_FOUND");
    // The producer waits to be asked.
    let wanted = json!({"producerGroup": "shop", "waitSeconds": 20});
    let mut asker = Transactions::of(stack.demo(), ACME);
    let asked = stack.while_time_passes(500, move || asker.checks(&wanted));
    assert!(stack.clock.now_ms() >= START_MS + 6_000, "asked too early");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0]["transactionId"], lost);
    assert_eq!(asked[0]["checkCount"], 1);
    assert_eq!(asked[0]["message"]["body"], "confirmation lost");
    assert_eq!(receive(&mut http, "workers", "money", &json!({})), nothing);
    shop.decide(&lost, "commit").ok();
    assert_eq!(
        bodies(&consume(&mut http, "workers", "money")),
        ["confirmation lost"]
    );
    // Nobody ever decides: asked 15 times, then given up and listed.
    let silent = shop.begin("silent");
    for count in 1..=15 {
        stack.advance_ms(if count == 1 { 6_000 } else { 30_000 });
        let asked = shop.checks(&json!({"producerGroup": "shop"}));
        assert_eq!((asked.len(), &asked[0]["checkCount"]), (1, &json!(count)));
        assert_eq!(shop.list("givenUp"), nothing);
    }
    stack.advance_ms(30_000);
    assert_eq!(shop.checks(&json!({"producerGroup": "shop"})), nothing);
    let given_up = shop.list("givenUp");
    assert_eq!(given_up[0]["transactionId"], silent);
    assert_eq!(given_up[0]["checkCount"], 15);
    assert_eq!(shop.list("open"), nothing);
    // An operator decides; that is in the audit log.
    let id = http.get(ACME).ok()["id"].clone();
    let by_id = format!("/v1/instances/{}", id.as_str().expect("an id"));
    Transactions::of(stack.operator(), &by_id)
        .decide(&silent, "rollback")
        .ok();
    assert_eq!(shop.list("givenUp"), nothing);
    assert_eq!(receive(&mut http, "workers", "money", &json!({})), nothing);
}

/// Makes a group with these fields beside its name.
fn group(stack: &Stack, name: &str, mut form: Value) {
    form["name"] = json!(name);
    let made = stack.demo().post(&format!("{ACME}/groups"), &form);
    assert_eq!(made.status, 201, "{}", made.text());
}

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
fn s_13_broadcast_and_cluster() {
    let mut stack = Stack::start();
    let all: Vec<Value> = (0..9).map(|n| json!({"body": n.to_string()})).collect();
    send(&mut stack.demo(), "orders", &json!(all));
    let wanted = |member: &str, mode: &str| json!({"max": 2, "mode": mode, "consumerId": member});
    let drain = |stack: &Stack, group: &str, mode: &str, rounds: usize| {
        let mut got: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut http = stack.demo();
        for _ in 0..rounds {
            for member in ["m1", "m2", "m3"] {
                let some = receive(&mut http, group, "orders", &wanted(member, mode));
                let list = got.entry(member.to_owned()).or_default();
                list.extend(bodies(&some).into_iter().map(str::to_owned));
                if !some.is_empty() {
                    ack(&mut http, group, "orders", &some);
                }
            }
        }
        got.values_mut().for_each(|list| list.sort());
        got
    };
    let numbers: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    // Each member of a broadcast gets all, also over a restart.
    let mut got = drain(&stack, "workers", "broadcasting", 2);
    stack.restart();
    for (member, rest) in drain(&stack, "workers", "broadcasting", 20) {
        let list = got.get_mut(&member).expect("a member");
        list.extend(rest);
        list.sort();
        assert_eq!(*list, numbers, "{member}");
    }
    // The members of a cluster share them.
    let got = drain(&stack, "workers", "clustering", 20);
    let mut shared: Vec<String> = got.into_values().flatten().collect();
    shared.sort();
    assert_eq!(shared, numbers);
    let mut http = stack.demo();
    for (query, lag) in [("", 0), ("?consumerId=m1", 0)] {
        let answer = http.get(&format!("{ACME}/groups/workers/lag{query}")).ok();
        assert_eq!(answer["lag"], lag);
    }
}

#[test]
fn a_repeated_send_is_one_message() {
    let mut stack = Stack::start();
    let batch =
        json!([{"body": "first", "dedupId": "order-1"}, {"body": "again", "dedupId": "order-1"}]);
    let sent = send(&mut stack.demo(), "orders", &batch);
    assert_eq!(sent[0], sent[1]);
    stack.restart();
    let mut http = stack.demo();
    let raw = http.call(
        "POST",
        &format!("{ACME}/topics/orders/messages"),
        &[("content-type", "text/plain"), ("firn-dedup-id", "order-1")],
        b"once more",
    );
    assert_eq!(raw.ok()["results"][0], sent[0], "the other form of a send");
    assert_eq!(bodies(&consume(&mut http, "workers", "orders")), ["first"]);
    stack.advance_ms(600_000);
    let later = send(
        &mut http,
        "orders",
        &json!([{"body": "new", "dedupId": "order-1"}]),
    );
    assert_ne!(later[0], sent[0]);
    // Another tenant's ids are its own.
    let theirs = send(
        &mut stack.other(),
        "orders",
        &json!([{"body": "theirs", "dedupId": "order-1"}]),
    );
    assert_ne!(theirs[0]["messageId"], later[0]["messageId"]);
}

#[test]
fn s_09_the_lowest_unacknowledged_message_is_the_progress() {
    let mut stack = Stack::start();
    let all: Vec<Value> = (0..6).map(|n| json!({"body": n.to_string()})).collect();
    send(&mut stack.demo(), "single", &json!(all));
    let mut http = stack.demo();
    let got = receive(
        &mut http,
        "workers",
        "single",
        &json!({"max": 6, "invisibleSeconds": 30}),
    );
    for n in [0, 1, 3, 4, 5] {
        ack(&mut http, "workers", "single", &got[n..=n]);
    }
    let committed = |http: &mut Http| {
        let lag = http.get(&format!("{ACME}/groups/workers/lag")).ok();
        let topics = lag["topics"].as_array().expect("a list").clone();
        let single = topics.into_iter().find(|topic| topic["topic"] == "single");
        single.expect("a row")["queues"][0]["committed"].clone()
    };
    assert_eq!(committed(&mut http), 2);
    stack.restart();
    let mut http = stack.demo();
    assert_eq!(committed(&mut http), 2);
    stack.advance_ms(30_000);
    assert_eq!(
        bodies(&consume(&mut http, "workers", "single")),
        ["2"],
        "and no other"
    );
}

#[test]
fn s_10_tag_filters() {
    let stack = Stack::start();
    group(&stack, "all", json!({}));
    group(&stack, "one", json!({}));
    group(&stack, "two", json!({}));
    let mut http = stack.demo();
    let tagged = [Some("A"), Some("B"), Some("C"), None];
    let all: Vec<Value> = (0..)
        .zip(tagged)
        .map(|(n, tag)| json!({"body": format!("{n}"), "tag": tag}))
        .collect();
    send(&mut http, "single", &json!(all));
    let wants = [
        ("all", "*", vec!["0", "1", "2", "3"]),
        ("one", "A", vec!["0"]),
        ("two", " A || B ", vec!["0", "1"]),
    ];
    for (name, expression, expected) in wants {
        let form = json!({"max": 10, "filter": {"type": "TAG", "expression": expression}});
        let got = receive(&mut http, name, "single", &form);
        assert_eq!(bodies(&got), expected);
        ack(&mut http, name, "single", &got);
        let more = receive(&mut http, name, "single", &form);
        assert_eq!(more, [] as [Value; 0]);
        let lag = http.get(&format!("{ACME}/groups/{name}/lag")).ok();
        assert_eq!(lag["lag"], 0, "what is filtered out is no backlog: {lag}");
    }
}

#[test]
fn s_16_the_status_follows_the_group() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let sent = send(&mut http, "single", &json!([{"body": "x", "keys": ["k"]}]));
    let id = sent[0]["messageId"].as_str().expect("an id").to_owned();
    let status = |http: &mut Http| {
        let found = http.get(&format!("{ACME}/messages/{id}?group=workers"));
        found.ok()["status"].clone()
    };
    assert_eq!(status(&mut http), "TO_CONSUME");
    let got = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(status(&mut http), "CONSUMING");
    fail(&mut http, "workers", "single", &got[0]);
    assert_eq!(status(&mut http), "TO_CONSUME");
    stack.advance_ms(10_000);
    let got = receive(&mut http, "workers", "single", &json!({"waitSeconds": 20}));
    assert_eq!(status(&mut http), "CONSUMING");
    ack(&mut http, "workers", "single", &got);
    assert_eq!(status(&mut http), "CONSUMED");
}

#[test]
fn s_18_the_largest_body_and_one_byte_more() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let path = format!("{ACME}/topics/orders/messages");
    let body = vec![b'x'; 524_288];
    let headers = [("content-type", "application/octet-stream")];
    http.call("POST", &path, &headers, &body).ok();
    let text = http
        .call("POST", &path, &headers, &[&body[..], b"x"].concat())
        .error(413, "MESSAGE_TOO_LARGE");
    assert_eq!(
        text,
        "Fail to send message, for: message body size over max message size, max: 524288"
    );
}
