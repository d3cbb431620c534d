//! Bad input over a real socket: a 4xx that says what is wrong, and a server
//! that is as well as before.

use std::cell::RefCell;
use std::io::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Answer, Http};
use crate::machine::demo_file;
use crate::process::{Process, log_of};
use crate::stack::{ACME, Stack, receive, send};

fn post(http: &mut Http, path: &str, body: &[u8]) -> Answer {
    http.call("POST", path, &[("content-type", "application/json")], body)
}

#[test]
fn bad_sends_are_refused_by_name() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let path = format!("{ACME}/topics/orders/messages");
    let cases: [(&str, &str); 12] = [
        ("{", "not JSON"),
        ("{\"messages\":[{}]} x", "not JSON"),
        ("[]", "body"),
        ("{\"messages\":7}", "messages"),
        ("{}", "messages"),
        ("{\"messages\":[]}", "messages"),
        ("{\"messages\":[{\"body\":1}]}", "messages[0].body"),
        ("{\"messages\":[{\"boddy\":\"\"}]}", "boddy"),
        ("{\"messages\":[{}],\"more\":1}", "more"),
        (
            "{\"messages\":[{\"body\":\"\",\"bodyBase64\":\"\"}]}",
            "body",
        ),
        ("{\"messages\":[{\"bodyBase64\":\"?\"}]}", "bodyBase64"),
        ("{\"messages\":[{\"tag\":\"a|b\"}]}", "tag"),
    ];
    for (body, word) in cases {
        let answer = post(&mut http, &path, body.as_bytes());
        let text = answer.text();
        let refused = match answer.status {
            400 => answer.error(400, "BAD_REQUEST"),
            // An entry that is wrong does not fail the others.
            200 => answer.json()["results"][0]["error"]["message"].to_string(),
            status => panic!("{body}: {status} {text}"),
        };
        assert!(refused.contains(word), "{body}: {text}");
    }
    post(&mut http, &path, b"\xff\xfe").error(400, "BAD_REQUEST");
    post(&mut http, &path, "[".repeat(200_000).as_bytes()).error(400, "BAD_REQUEST");
    let many = |count: usize| json!({"messages": vec![json!({"body": "x"}); count]});
    let text = http.post(&path, &many(1001)).error(400, "BAD_REQUEST");
    assert!(text.contains("1000"), "{text}");
    let results = http.post(&path, &many(1000)).ok()["results"].clone();
    assert_eq!(results.as_array().map(Vec::len), Some(1000));
}

#[test]
fn a_body_has_its_bound_to_the_byte() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let path = format!("{ACME}/topics/single/messages");
    let raw = [("content-type", "application/octet-stream")];
    let body = vec![b'x'; 524_289];
    let stored = http.call("POST", &path, &raw, &body[..524_288]).ok();
    assert_eq!(stored["results"][0]["queueOffset"], 0);
    // SEED_SPEC 8.2-5.
    let text = "message body size over max message size, max: 524288";
    let said = http
        .call("POST", &path, &raw, &body)
        .error(413, "MESSAGE_TOO_LARGE");
    assert!(said.contains(text), "{said}");
    let body = String::from_utf8(body).expect("text");
    let messages = json!({"messages": [{"body": "fits"}, {"body": body}]});
    let answer = http.post(&path, &messages);
    assert_eq!(answer.status, 200, "the other message is stored");
    let results = &answer.json()["results"];
    assert_eq!(results[0]["queueOffset"], 1);
    assert_eq!(results[1]["error"]["code"], "MESSAGE_TOO_LARGE");
    let got = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(got.len(), 2);
    assert_eq!(got[0]["body"].as_str().map(str::len), Some(524_288));
}

#[test]
fn what_is_not_http_is_answered_and_is_no_error_in_the_log() {
    let dir = TempDir::new().expect("temporary directory");
    let process = Process::start(dir.path(), &demo_file(), &[]);
    for bytes in [
        &b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nhost: x\r\na\x01: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    ] {
        let mut http = Http::new(process.http);
        http.say(bytes).expect("a connection");
        assert_eq!(http.answer().expect("an answer").status, 400);
    }
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
    let log = log_of(dir.path());
    assert!(log.contains("INFO"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_form_is_an_object() {
    let stack = Stack::start();
    let mut http = stack.demo();
    send(&mut http, "orders", &json!([{"body": "stays"}]));
    // The fields in their order, which no description tells.
    for (path, form) in [
        ("topics/orders/purge", json!([null])),
        ("topics/orders/messages", json!([[{"body": "x"}]])),
        (
            "groups/workers/topics/orders/receive",
            json!({"filter": ["TAG", "*"]}),
        ),
        (
            "groups/workers/topics/orders/seek",
            json!({"offsets": [["a", 0, 0]]}),
        ),
    ] {
        http.post(&format!("{ACME}/{path}"), &form)
            .error(400, "BAD_REQUEST");
    }
    let got = receive(&mut http, "workers", "orders", &json!({}));
    assert_eq!(got.len(), 1, "{got:?}");
}

#[test]
fn what_a_path_names_has_to_be_there() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let form = json!({"messages": [{}]});
    let cases = [
        (
            "/v1/instances/none/topics/orders/messages",
            "INSTANCE_NOT_FOUND",
        ),
        ("/v1/instances/demo/topics/none/messages", "TOPIC_NOT_FOUND"),
        (
            "/v1/instances/demo/groups/none/topics/orders/receive",
            "GROUP_NOT_FOUND",
        ),
        (
            "/v1/instances/demo/groups/workers/topics/none/receive",
            "TOPIC_NOT_FOUND",
        ),
        (
            "/v1/instances/demo/groups/workers/topics/%25DLQ%25none/receive",
            "TOPIC_NOT_FOUND",
        ),
        ("/v1/nothing", "NOT_FOUND"),
    ];
    for (path, code) in cases {
        http.post(path, &form).error(404, code);
    }
    http.get(&format!("{ACME}/messages/{}", "0".repeat(32)))
        .error(404, "MESSAGE_NOT_FOUND");
    http.get(&format!("{ACME}/messages/{}", "0".repeat(56)))
        .error(404, "MESSAGE_NOT_FOUND");
    http.get(&format!("{ACME}/messages/zz"))
        .error(400, "BAD_REQUEST");
    http.json("PUT", &format!("{ACME}/topics/orders"), &form)
        .error(405, "METHOD_NOT_ALLOWED");
    let place = |text: &str| format!("{ACME}/topics/orders/messages?{text}");
    http.get(&place("broker=zz&queueId=0&offset=0"))
        .error(404, "NOT_FOUND");
    http.get(&place("broker=a&queueId=99&offset=0"))
        .error(404, "NOT_FOUND");
    http.get(&place("broker=a&queueId=0&offset=-1"))
        .error(400, "BAD_REQUEST");
    http.get(&place("from=5&to=4")).error(400, "BAD_REQUEST");
    http.get(&place("from=0&to=9&max=1001"))
        .error(400, "BAD_REQUEST");
    http.get(&place("from=0&to=9&cursor=abc"))
        .error(400, "BAD_REQUEST");
    http.get(&place("key=%zz")).error(400, "BAD_REQUEST");
    for name in ["", "%DLQ%x", "a b", &"x".repeat(65)] {
        let answer = http.post(&format!("{ACME}/topics"), &json!({"name": name}));
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
    }
    // RULES 15: what looks like an id would hide the instance of that id.
    let instance = json!({"tenantId": 2, "name": "0123456789abcdef0123456789abcdef"});
    let answer = stack.operator().post("/v1/instances", &instance);
    answer.error(400, "INVALID_NAME");
}

#[test]
fn wrong_credentials_are_all_the_same() {
    let stack = Stack::start();
    let path = format!("{ACME}/groups/workers/lag");
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZW1vIn0.AAAA";
    let mut told = Vec::new();
    for mut http in [
        Http::new(stack.http),
        Http::user(stack.http, "demo", "wrong"),
        Http::user(stack.http, "nobody", "demo-secret"),
        Http::user(stack.http, "demo", ""),
        Http::new(stack.http).authorize("Basic ???"),
        Http::new(stack.http).authorize("Digest x"),
        Http::new(stack.http).authorize(&format!("Bearer {token}")),
    ] {
        told.push(http.get(&path).error(401, "UNAUTHENTICATED"));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn waits_counts_and_handles_have_bounds() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let base = format!("{ACME}/groups/workers/topics/single");
    for (form, word) in [
        (json!({"waitSeconds": -1}), "waitSeconds"),
        (json!({"waitSeconds": "x"}), "waitSeconds"),
        (json!({"max": 0}), "max"),
        (json!({"max": 257}), "max"),
        (json!({"invisibleSeconds": 0}), "invisibleSeconds"),
        (json!({"invisibleSeconds": 43_201}), "invisibleSeconds"),
        (json!({"consumerId": ""}), "consumerId"),
        (json!({"filter": {"expression": 1}}), "filter"),
    ] {
        let text = http
            .post(&format!("{base}/receive"), &form)
            .error(400, "BAD_REQUEST");
        assert!(text.contains(word), "{form}: {text}");
    }
    let ack = format!("{base}/ack");
    let handles = |list: &[Value]| json!({"receiptHandles": list});
    http.post(&ack, &handles(&[])).error(400, "BAD_REQUEST");
    http.post(&ack, &handles(&[json!("x")]))
        .error(400, "INVALID_RECEIPT_HANDLE");
    http.post(&ack, &handles(&vec![json!("x"); 1001]))
        .error(400, "BAD_REQUEST");
    send(&mut http, "single", &json!([{"body": "x"}]));
    let got = receive(&mut http, "workers", "single", &json!({}));
    let handle = got[0]["receiptHandle"].as_str().expect("a handle");
    // Each character is authenticated.
    for at in 0..handle.len() {
        let mut forged = handle.to_owned();
        let other = if &handle[at..=at] == "A" { "B" } else { "A" };
        forged.replace_range(at..=at, other);
        let answer = http.post(&ack, &handles(&[json!(forged)]));
        if answer.status == 200 {
            assert_eq!(answer.json()["results"][0]["status"], "INVALID", "{forged}");
        } else {
            answer.error(400, "INVALID_RECEIPT_HANDLE");
        }
    }
    let mixed = http.post(&ack, &handles(&[json!("x"), json!(handle)])).ok();
    let statuses = [0, 1].map(|at| mixed["results"][at]["status"].clone());
    assert_eq!(
        statuses,
        ["INVALID", "OK"],
        "one bad handle does not fail the others"
    );
    let elsewhere = format!("{ACME}/groups/brittle/topics/single/ack");
    let answer = http.post(&elsewhere, &handles(&[json!(handle)]));
    answer.error(400, "INVALID_RECEIPT_HANDLE");
}

#[test]
fn endless_slow_and_inflated_bodies_are_cut() {
    let stack = Stack::with(|config| {
        config.head_timeout_ms = 1_500;
        config.body_timeout_ms = 5_000;
    });
    let path = format!("{ACME}/topics/orders/messages");
    // An endless body in chunks is cut at the bound of a request.
    let mut endless = stack.demo();
    let mut head = endless.head("POST", &path, &[("content-type", "application/json")]);
    head.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    endless.say(&head).expect("connects");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(160);
    // 10 MiB; the server may have closed before it has them all.
    let _ = endless.say(chunk.as_bytes());
    if let Ok(answer) = endless.answer() {
        answer.error(413, "REQUEST_TOO_LARGE");
    }
    assert!(endless.is_closed(), "who never ends is not listened to");
    // The same where nobody reads a body.
    for (method, target) in [
        ("GET", "/v1/nothing"),
        ("GET", path.as_str()),
        ("PUT", path.as_str()),
    ] {
        let mut endless = stack.demo();
        let mut head = endless.head(method, target, &[]);
        head.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n4\r\nmore\r\n");
        endless.say(&head).expect("connects");
        assert!(endless.answer().expect("an answer").status >= 400);
        assert!(endless.is_closed(), "{method} {target}");
    }
    // A declared length over the bound is refused before the body comes.
    let mut declared = stack.demo();
    let mut head = declared.head("POST", &path, &[]);
    head.extend_from_slice(b"content-length: 9000000\r\n\r\n");
    declared.say(&head).expect("connects");
    declared
        .answer()
        .expect("an answer")
        .error(413, "REQUEST_TOO_LARGE");
    // A small body that inflates to more than a request may hold.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer
        .write_all(&vec![b' '; 64 << 20])
        .expect("memory takes it");
    let bomb = packer.finish().expect("memory takes it");
    let gzip = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    stack
        .demo()
        .call("POST", &path, &gzip, &bomb)
        .error(413, "REQUEST_TOO_LARGE");
    stack
        .demo()
        .call("POST", &path, &gzip, b"no gzip")
        .error(400, "BAD_REQUEST");
    // A head that never ends.
    let mut slow = stack.demo();
    slow.say(b"GET / HTTP/1.1\r\nhost: x\r\n")
        .expect("connects");
    assert!(slow.answer().is_ok_and(|answer| answer.status == 408) || slow.is_closed());
    // A body that never comes.
    let mut waiting = stack.demo();
    let mut head = waiting.head("POST", &path, &[("content-type", "application/json")]);
    head.extend_from_slice(b"content-length: 10\r\n\r\n{");
    waiting.say(&head).expect("connects");
    let answer = stack.while_time_passes(100, move || waiting.answer());
    answer.expect("an answer").error(400, "BAD_REQUEST");
    send(&mut stack.demo(), "orders", &json!([{"body": "well"}]));
}

/// A JSON value as somebody might send who has read half of the description.
fn any_json(words: Vec<String>) -> impl Strategy<Value = Value> {
    let word = prop::sample::select(words);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_u64..40).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Property names of the description: what a field may be called.
fn words(api: &Value) -> Vec<String> {
    let schemas = api["components"]["schemas"].as_object().expect("schemas");
    let names = schemas
        .values()
        .filter_map(|schema| schema["properties"].as_object());
    let mut words: Vec<String> = names.flat_map(|fields| fields.keys().cloned()).collect();
    let values = [
        "earliest", "latest", "a", "b", "TAG", "*", "normal", "orders", "demo", "acme",
    ];
    words.extend(values.map(str::to_owned));
    words.sort();
    words.dedup();
    words
}

#[test]
fn no_input_to_any_route_is_the_servers_fault() {
    let stack = Stack::start();
    let api = Http::new(stack.http).get("/openapi.json").ok();
    let mut routes = Vec::new();
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    let words = words(&api);
    let names = [
        "demo",
        "orders",
        "workers",
        "operator",
        "2",
        "none",
        "%25DLQ%25workers",
        "%00",
        "a%2Fb",
    ];
    let query = prop::collection::vec((prop::sample::select(words.clone()), "[ -~]{0,8}"), 0..3);
    let input = (
        prop::sample::select(routes),
        prop::collection::vec(prop::sample::select(names.to_vec()), 3),
        prop_oneof![1 => Just(None), 5 => query.prop_map(Some)],
        any_json(words),
        0..3_u8,
    );
    let users = [stack.demo(), stack.operator(), stack.other()].map(RefCell::new);
    let mut runner = TestRunner::new(Config {
        cases: 1500,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&input, |((method, path), names, query, body, user)| {
        let mut path = fill(&path, &names);
        // A stream has no end that a client could wait for.
        prop_assume!(!path.ends_with("/stream"));
        for (at, (name, value)) in query.iter().flatten().enumerate() {
            path.push(if at == 0 { '?' } else { '&' });
            path.push_str(&format!("{name}={}", encoded(value)));
        }
        let http = &mut *users[usize::from(user)].borrow_mut();
        let mut body = body;
        if let Some(form) = body.as_object_mut() {
            form.remove("waitSeconds");
        }
        let answer = http.json(&method, &path, &body);
        prop_assert!(
            answer.status < 500,
            "{method} {path} {body}: {}",
            answer.text()
        );
        if answer.status >= 400 {
            let json = answer.json();
            let code = match path.starts_with("/api/") {
                true => json["code"] == answer.status && json["result"].is_object(),
                false => json["error"]["code"].is_string(),
            };
            prop_assert!(code, "{method} {path}: {json}");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// HTTP itself allows no more in a query.
fn encoded(value: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}

/// Puts names in the place of a path's parameters.
fn fill(template: &str, names: &[&str]) -> String {
    let mut names = names.iter().cycle();
    let parts = template.split('/').map(|part| match part.starts_with('{') {
        true => names.next().copied().unwrap_or("none"),
        false => part,
    });
    parts.collect::<Vec<_>>().join("/")
}
