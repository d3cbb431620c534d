//! Two tenants that call everything the same: no byte, id, handle or cursor of
//! one means anything to the other (DESIGN 9, invariant 7; R12).

use serde_json::{Value, json};

use crate::http::Http;
use crate::stack::{ACME, Stack, ack, fail, receive, send};

const MARK: &str = "belongs-to-acme";
const OTHER_MARK: &str = "belongs-to-umbrella";

/// Everything that one tenant can know of its own messages.
struct Known {
    ids: Vec<String>,
    handles: Vec<Value>,
    cursors: Vec<(String, String)>,
}

fn fill(http: &mut Http, mark: &str) -> Known {
    let body = |n: usize| json!({"body": format!("{mark}-{n}"), "keys": ["key"], "tag": "tag", "properties": {"p": mark}});
    let mut results = send(http, "orders", &json!((0..8).map(body).collect::<Vec<_>>()));
    results.extend(send(
        http,
        "single",
        &json!((8..12).map(body).collect::<Vec<_>>()),
    ));
    let ids = |name: &str| {
        let ids = results.iter().filter_map(|r| r[name].as_str());
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut handles = Vec::new();
    for topic in ["orders", "single"] {
        let got = receive(http, "workers", topic, &json!({"max": 2}));
        handles.extend(got.iter().map(|m| m["receiptHandle"].clone()));
    }
    let dead = receive(http, "brittle", "single", &json!({"max": 1}));
    fail(http, "brittle", "single", &dead[0]);
    let mut cursors = Vec::new();
    for query in ["key=key&max=1", "from=0&to=99999999999999&max=1"] {
        let page = http
            .get(&format!("{ACME}/topics/orders/messages?{query}"))
            .ok();
        let cursor = page["cursor"].as_str().expect("there is more").to_owned();
        cursors.push((query.to_owned(), cursor));
    }
    Known {
        ids: [ids("messageId"), ids("offsetMessageId")].concat(),
        handles,
        cursors,
    }
}

/// Every way of reading that there is; all text that came back.
fn read_all(http: &mut Http) -> String {
    let mut text = String::new();
    for topic in ["orders", "single", "%25DLQ%25brittle", "%25RETRY%25workers"] {
        let mut queries = vec!["key=key".to_owned(), "from=0&to=99999999999999".to_owned()];
        for broker in ["a", "b"] {
            queries.extend((0..4).map(|q| format!("broker={broker}&queueId={q}&offset=0")));
        }
        for query in queries {
            let path = format!("{ACME}/topics/{topic}/messages?{query}&group=workers");
            text.push_str(&http.get(&path).text());
        }
    }
    for group in ["workers", "brittle"] {
        for topic in ["orders", "single", "%25DLQ%25brittle"] {
            let path = format!("{ACME}/groups/{group}/topics/{topic}/receive");
            let form = json!({"max": 256, "invisibleSeconds": 1});
            text.push_str(&http.post(&path, &form).text());
        }
        text.push_str(&http.get(&format!("{ACME}/groups/{group}/lag")).text());
    }
    for list in ["topics", "groups", "users"] {
        text.push_str(&http.get(&format!("{ACME}/{list}")).text());
    }
    text.push_str(&http.get("/v1/instances").text());
    text.push_str(&http.get("/v1/tenants").text());
    text
}

#[test]
fn tenants_with_the_same_names_never_meet() {
    let stack = Stack::start();
    let (mut acme, mut umbrella) = (stack.demo(), stack.other());
    // Before the other tenant has anything: nothing is there.
    let known = fill(&mut acme, MARK);
    assert!(
        !read_all(&mut umbrella).contains("acme"),
        "names or bytes of the other tenant"
    );
    fill(&mut umbrella, OTHER_MARK);
    let (own, others) = (read_all(&mut umbrella), read_all(&mut acme));
    assert!(own.contains(OTHER_MARK) && others.contains(MARK));
    assert!(!own.contains("acme"), "{own}");
    assert!(!others.contains("umbrella"), "{others}");

    // What is not yours is answered as what is not there.
    let shape = |text: String, id: &str| text.replace(id, "ID");
    for id in &known.ids {
        let foreign = umbrella.get(&format!("{ACME}/messages/{id}"));
        foreign.error(404, "MESSAGE_NOT_FOUND");
        let never = "0".repeat(id.len());
        let absent = umbrella.get(&format!("{ACME}/messages/{never}"));
        let message = |answer: &crate::http::Answer| answer.json()["error"]["message"].to_string();
        assert_eq!(
            shape(message(&foreign), id),
            shape(message(&absent), &never)
        );
    }
    for (group, topic) in [
        ("workers", "orders"),
        ("workers", "single"),
        ("brittle", "single"),
    ] {
        let base = format!("{ACME}/groups/{group}/topics/{topic}");
        let form = json!({"receiptHandles": known.handles});
        umbrella
            .post(&format!("{base}/ack"), &form)
            .error(400, "INVALID_RECEIPT_HANDLE");
        let form = json!({"receiptHandle": known.handles[0], "invisibleSeconds": 0});
        umbrella
            .post(&format!("{base}/visibility"), &form)
            .error(400, "INVALID_RECEIPT_HANDLE");
    }
    for (query, cursor) in &known.cursors {
        let path = format!("{ACME}/topics/orders/messages?{query}&cursor={cursor}");
        let answer = umbrella.get(&path);
        assert!(!answer.text().contains("acme"), "{}", answer.text());
        assert!(answer.status < 500);
    }
}

#[test]
fn ids_of_instances_and_other_users_topics_are_as_if_not_there() {
    let stack = Stack::start();
    let (mut acme, mut umbrella) = (stack.demo(), stack.other());
    let id = |http: &mut Http| {
        let id = http.get(ACME).ok()["id"].as_str().map(str::to_owned);
        id.expect("an id")
    };
    let foreign = id(&mut acme);
    assert_ne!(foreign, id(&mut umbrella));
    for call in ["topics", "groups/workers/lag", "topics/orders", "users"] {
        let told = umbrella.get(&format!("/v1/instances/{foreign}/{call}"));
        let told = told
            .error(404, "INSTANCE_NOT_FOUND")
            .replace(&foreign, "ID");
        let never = "0".repeat(32);
        let absent = umbrella.get(&format!("/v1/instances/{never}/{call}"));
        assert_eq!(
            told,
            absent
                .error(404, "INSTANCE_NOT_FOUND")
                .replace(&never, "ID")
        );
    }
    // A user with one topic: the others exist, but not for him.
    let mut limited = Http::user(stack.http, "limited", "limited-secret");
    send(
        &mut acme,
        "single",
        &json!([{"body": "secret", "keys": ["k"]}]),
    );
    let sent = send(
        &mut acme,
        "orders",
        &json!([{"body": "open", "keys": ["k"]}]),
    );
    limited
        .get(&format!("{ACME}/topics/single/messages?key=k"))
        .error(403, "FORBIDDEN");
    let path = format!("{ACME}/groups/workers/topics/single/receive");
    limited.post(&path, &json!({})).error(403, "FORBIDDEN");
    limited
        .post(&format!("{ACME}/topics"), &json!({"name": "new"}))
        .error(403, "FORBIDDEN");
    let open = sent[0]["messageId"].as_str().expect("an id");
    limited.get(&format!("{ACME}/messages/{open}")).ok();
    let got = receive(&mut limited, "workers", "orders", &json!({}));
    assert_eq!(ack(&mut limited, "workers", "orders", &got), ["OK"]);
}

#[test]
fn the_name_of_a_removed_topic_brings_nothing_back() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let topic = json!({"name": "again", "queues": 1, "brokers": ["a"]});
    http.post(&format!("{ACME}/topics"), &topic).ok();
    let sent = send(&mut http, "again", &json!([{"body": "old", "keys": ["k"]}]));
    let old = receive(&mut http, "workers", "again", &json!({}));
    let remove = |http: &mut Http| http.call("DELETE", &format!("{ACME}/topics/again"), &[], b"");
    remove(&mut http).error(409, "IN_USE");
    stack.advance_ms(30_000);
    let removed = remove(&mut http);
    assert_eq!(removed.status, 204, "{}", removed.text());
    http.post(&format!("{ACME}/topics"), &topic).ok();
    let found = http
        .get(&format!("{ACME}/topics/again/messages?key=k"))
        .ok();
    assert_eq!(found["messages"], json!([]));
    let id = sent[0]["messageId"].as_str().expect("an id");
    http.get(&format!("{ACME}/messages/{id}"))
        .error(404, "MESSAGE_NOT_FOUND");
    let got = receive(&mut http, "workers", "again", &json!({}));
    assert_eq!(got, [] as [Value; 0]);
    let form = json!({"receiptHandles": [old[0]["receiptHandle"]]});
    let path = format!("{ACME}/groups/workers/topics/again/ack");
    http.post(&path, &form).error(400, "INVALID_RECEIPT_HANDLE");
}
