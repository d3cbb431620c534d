//! The semantics of RocketMQ over HTTP, by the ids of SEED_SPEC section 11.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::Http;
use crate::stack::{ACME, START_MS, Stack, ack, bodies, fail, receive, send};

/// Makes a topic of a type.
pub(crate) fn topic(stack: &Stack, name: &str, kind: &str, queues: u16) {
    let form = json!({"name": name, "type": kind, "queues": queues, "brokers": ["a"]});
    let made = stack.demo().post(&format!("{ACME}/topics"), &form);
    assert_eq!(made.status, 201, "{}", made.text());
}

/// What a group gets now and acks.
pub(crate) fn consume(http: &mut Http, group: &str, topic: &str) -> Vec<Value> {
    let got = receive(http, group, topic, &json!({"max": 256, "waitSeconds": 20}));
    ack(http, group, topic, &got);
    got
}

/// Makes a group with these fields beside its name.
pub(crate) fn group(stack: &Stack, name: &str, mut form: Value) {
    form["name"] = json!(name);
    let made = stack.demo().post(&format!("{ACME}/groups"), &form);
    assert_eq!(made.status, 201, "{}", made.text());
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

/// RULES 20: whoever did not see an answer asks for it again.
#[test]
fn a_receive_made_again_under_its_attempt_id_has_the_same_answer() {
    let stack = Stack::start();
    let mut http = stack.demo();
    // Over both brokers of the topic.
    let all: Vec<Value> = (0..6).map(|n| json!({"body": n.to_string()})).collect();
    for one in &all {
        send(&mut http, "orders", &json!([one]));
    }
    let ask = |http: &mut Http, attempt: &str| {
        let form = json!({"max": 3, "attemptId": attempt, "invisibleSeconds": 30});
        receive(http, "workers", "orders", &form)
    };
    let first = ask(&mut http, "a");
    assert_eq!(ask(&mut http, "a"), first);
    let mut given: Vec<Vec<Value>> = vec![first.clone()];
    for attempt in ["b", "c", "d", "e"] {
        given.push(ask(&mut http, attempt));
    }
    let mut seen: Vec<String> = given
        .iter()
        .flat_map(|one| bodies(one))
        .map(str::to_owned)
        .collect();
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5"], "nothing comes twice");
    ack(&mut http, "workers", "orders", &first);
    assert!(ask(&mut http, "a").is_empty(), "all of it is finished");
    for attempt in ["", &"x".repeat(129)] {
        let form = json!({"attemptId": attempt});
        let path = format!("{ACME}/groups/workers/topics/orders/receive");
        http.post(&path, &form).error(400, "BAD_REQUEST");
    }
}

#[test]
fn a_packed_body_is_handed_out_as_it_came() {
    let mut stack = Stack::start();
    let mut http = stack.demo();
    let packed = "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==";
    let entry = json!({"bodyBase64": packed, "contentEncoding": "gzip", "tag": "a"});
    send(&mut http, "orders", &json!([entry, {"body": "plain"}]));
    let raw = http.call(
        "POST",
        &format!("{ACME}/topics/orders/messages"),
        &[
            ("content-type", "application/octet-stream"),
            ("firn-content-encoding", "gzip"),
        ],
        b"no gzip, but nobody looks",
    );
    raw.ok();
    stack.restart();
    let mut http = stack.demo();
    let got = consume(&mut http, "workers", "orders");
    let more = consume(&mut http, "workers", "orders");
    let mut all: Vec<(String, String)> = got
        .iter()
        .chain(&more)
        .map(|one| {
            let body = one.get("body").or_else(|| one.get("bodyBase64"));
            let body = body.and_then(Value::as_str).expect("a body").to_owned();
            let encoding = one.get("contentEncoding").and_then(Value::as_str);
            (body, encoding.unwrap_or("none").to_owned())
        })
        .collect();
    all.sort();
    let own = |body: &str, encoding: &str| (body.to_owned(), encoding.to_owned());
    let blind = "bm8gZ3ppcCwgYnV0IG5vYm9keSBsb29rcw==";
    assert_eq!(
        all,
        [
            own(packed, "gzip"),
            own(blind, "gzip"),
            own("plain", "none")
        ]
    );
    let path = format!("{ACME}/topics/orders/messages");
    for entry in [
        json!({"body": "text", "contentEncoding": "gzip"}),
        json!({"bodyBase64": packed, "contentEncoding": "br"}),
    ] {
        let refused = http.post(&path, &json!({"messages": [entry]}));
        let text = refused.error(400, "BAD_REQUEST");
        assert!(text.contains("contentEncoding"), "{text}");
    }
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

/// SEED_SPEC 2.3: seconds before retry n.
const PAUSES: [u64; 16] = [
    10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];

#[test]
fn s_08_sixteen_retries_and_then_a_dead_letter() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let sent = send(
        &mut http,
        "single",
        &json!([{"body": "bad", "tag": "t", "keys": ["k"]}]),
    );
    let mut got = receive(&mut http, "workers", "single", &json!({}));
    let mut ids = vec![got[0]["offsetMessageId"].clone()];
    for (retry, pause) in (1..).zip(PAUSES) {
        fail(&mut http, "workers", "single", &got[0]);
        stack.advance_ms(pause * 1000 - 1);
        let early = receive(&mut http, "workers", "single", &json!({}));
        assert_eq!(early, [] as [Value; 0], "retry {retry} too early");
        stack.advance_ms(1);
        got = receive(&mut http, "workers", "single", &json!({"waitSeconds": 20}));
        assert_eq!((got.len(), &got[0]["attempt"]), (1, &json!(retry + 1)));
        assert_eq!(
            got[0]["messageId"], sent[0]["messageId"],
            "the same UNIQ_KEY"
        );
        assert!(!ids.contains(&got[0]["offsetMessageId"]), "a new msgId");
        ids.push(got[0]["offsetMessageId"].clone());
    }
    assert_eq!(PAUSES.iter().sum::<u64>(), 4 * 3600 + 45 * 60 + 40);
    fail(&mut http, "workers", "single", &got[0]);
    stack.advance_ms(24 * 3600 * 1000);
    assert_eq!(
        receive(&mut http, "workers", "single", &json!({})),
        [] as [Value; 0]
    );
    // The dead letter can be found, filtered, consumed and sent back.
    let dead = "%25DLQ%25workers";
    let found = http
        .get(&format!("{ACME}/topics/{dead}/messages?key=k"))
        .ok();
    assert_eq!(found["messages"][0]["messageId"], sent[0]["messageId"]);
    assert_eq!(found["messages"][0]["origin"]["topic"], "single");
    group(&stack, "undertaker", json!({}));
    let form = json!({"filter": {"type": "TAG", "expression": "t"}});
    let letters = receive(&mut http, "undertaker", dead, &form);
    assert_eq!(bodies(&letters), ["bad"]);
    let redrive = format!("{ACME}/groups/workers/dead-letters/redrive");
    assert_eq!(http.post(&redrive, &json!({})).ok()["redriven"], 1);
    let again = receive(&mut http, "workers", "single", &json!({"waitSeconds": 20}));
    assert_eq!(
        (bodies(&again), &again[0]["attempt"]),
        (vec!["bad"], &json!(1))
    );
    assert_eq!(http.post(&redrive, &json!({})).ok()["redriven"], 0, "once");
}

#[test]
fn s_15_the_ids_and_the_place_name_the_same_message() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let batch = json!([{"body": "x"}, {"body": "y", "keys": ["k"]}]);
    let sent = send(&mut http, "single", &batch);
    let id = sent[1]["offsetMessageId"].as_str().expect("an id");
    let number = |digits: &str| u64::from_str_radix(digits, 16).expect("hex");
    let host = std::net::Ipv4Addr::from(number(&id[..8]) as u32);
    let by_id = http.get(&format!("{ACME}/messages/{id}")).ok();
    assert_eq!(by_id["storeHost"], format!("{host}:{}", number(&id[8..16])));
    let before = sent[0]["offsetMessageId"].as_str().expect("an id");
    assert_eq!(
        number(&id[16..]),
        number(&before[16..]) + 1,
        "the place in the broker"
    );
    let unique = sent[1]["messageId"].as_str().expect("an id").to_lowercase();
    let by_unique = http.get(&format!("{ACME}/messages/{unique}")).ok();
    let topic = format!("{ACME}/topics/single/messages");
    let (broker, queue) = (by_id["broker"].as_str().expect("a name"), &by_id["queueId"]);
    let place = format!("{topic}?broker={broker}&queueId={queue}&offset=1&max=1");
    let by_place = http.get(&place).ok()["messages"][0].clone();
    let by_key = http.get(&format!("{topic}?key=k")).ok()["messages"][0].clone();
    for other in [by_unique, by_place, by_key] {
        assert_eq!(other, by_id);
    }
}

#[test]
fn s_05_and_s_06_a_group_is_switched_off_and_starts_over() {
    let stack = Stack::start();
    let mut http = stack.demo();
    for n in 0..4 {
        send(&mut http, "single", &json!([{"body": n.to_string()}]));
        stack.advance_ms(1_000);
    }
    let switch = |http: &mut Http, on: bool| {
        let path = format!("{ACME}/groups/workers");
        http.json("PATCH", &path, &json!({"enabled": on})).ok();
    };
    let got = receive(&mut http, "workers", "single", &json!({"max": 2}));
    ack(&mut http, "workers", "single", &got);
    switch(&mut http, false);
    let path = format!("{ACME}/groups/workers/topics/single/receive");
    http.post(&path, &json!({})).error(403, "GROUP_DISABLED");
    switch(&mut http, true);
    assert_eq!(
        bodies(&consume(&mut http, "workers", "single")),
        ["2", "3"],
        "progress is kept"
    );
    let seek = |http: &mut Http, to: Value, dry_run: bool| {
        let path = format!("{ACME}/groups/workers/topics/single/seek");
        http.post(&path, &json!({"to": to, "dryRun": dry_run})).ok()
    };
    let cases = [
        (json!(START_MS + 2_000), 2, vec!["2", "3"]),
        (json!(START_MS + 86_400_000), 0, vec![]),
        (json!("earliest"), 4, vec!["0", "1", "2", "3"]),
        (json!(1), 4, vec!["0", "1", "2", "3"]),
        (json!("latest"), 0, vec![]),
    ];
    for (to, back, expected) in cases {
        let plan = seek(&mut http, to.clone(), true);
        assert_eq!(plan["diffOffset"], back, "{to}: {plan}");
        assert_eq!(
            receive(&mut http, "workers", "single", &json!({})),
            [] as [Value; 0]
        );
        assert_eq!(seek(&mut http, to.clone(), false)["rows"], plan["rows"]);
        let got = receive(&mut http, "workers", "single", &json!({"max": 256}));
        assert_eq!(bodies(&got), expected, "{to}");
        if !got.is_empty() {
            ack(&mut http, "workers", "single", &got);
        }
    }
}

/// RULES 18: a member that is busy with one broker is there for the others as well.
#[test]
fn a_member_keeps_its_filter_on_brokers_that_it_does_not_come_to() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let tags = ["x", "y"];
    let wanted = |tag| json!({"max": 1, "filter": {"expression": tag}});
    for tag in tags {
        receive(&mut http, "workers", "orders", &wanted(tag));
    }
    for n in 0..40 {
        let message = json!({"body": n.to_string(), "tag": tags[n / 2 % 2]});
        send(&mut http, "orders", &json!([message]));
    }
    // Each begins with the same broker every time, and finds something there.
    let mut got: Vec<u64> = Vec::new();
    for _ in 0..20 {
        for tag in tags {
            let some = receive(&mut http, "workers", "orders", &wanted(tag));
            assert_eq!(some.len(), 1, "{tag}, {got:?}");
            ack(&mut http, "workers", "orders", &some);
            let numbers = bodies(&some).into_iter().map(|body| body.parse::<u64>());
            got.extend(numbers.map(|number| number.expect("a number")));
        }
        stack.advance_ms(20_000);
    }
    got.sort_unstable();
    assert_eq!(got, (0..40).collect::<Vec<_>>());
}
