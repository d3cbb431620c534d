//! Who may call, and what they are not shown.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::guide::{Guide, refusal, warnings};
use crate::http::Http;
use crate::process::{Process, log_of};
use crate::stack::Stack;

const BASE: &str = "/api/manager/cluster/base";

/// One call for each way of the API: reads, changes, messages.
const CALLS: &[(&str, &str)] = &[
    ("GET", "/api/manager/cluster/base"),
    ("GET", "/api/manager/cluster/detail"),
    ("GET", "/api/manager/cluster/demo/tps"),
    ("POST", "/api/manager/topics"),
    ("DELETE", "/api/manager/topics/demo/orders"),
    ("POST", "/api/manager/topics/demo/orders"),
    ("GET", "/api/manager/topics/demo/basedata/orders"),
    ("GET", "/api/manager/topics/demo/basedatas"),
    ("GET", "/api/manager/topics/demo/orders/stats"),
    ("GET", "/api/manager/topics/demo/orders/queues"),
    ("GET", "/api/manager/topics/demo/orders/depth"),
    ("GET", "/api/manager/topics/demo/orders/producers"),
    ("GET", "/api/manager/topics/demo/orders/consumers"),
    ("GET", "/api/manager/topics/demo/orders/tps"),
    ("POST", "/api/manager/topics/consumeOffset"),
    ("POST", "/api/manager/subscriptions/demo"),
    ("POST", "/api/manager/subscriptions/demo/workers"),
    ("DELETE", "/api/manager/subscriptions/demo/workers"),
    ("GET", "/api/manager/subscriptions/demo/workers/detail"),
    ("GET", "/api/manager/subscriptions/demo/basedatas"),
    ("POST", "/api/manager/subscriptions/demo/workers/openStatus"),
    ("GET", "/api/manager/subscriptions/demo/workers/depth"),
    ("GET", "/api/manager/subscriptions/demo/workers/instances"),
    (
        "GET",
        "/api/manager/producers/demo/CLIENT_INNER_PRODUCER/instances",
    ),
    (
        "GET",
        "/api/manager/messages/0A000001000020D00000000000000000",
    ),
    (
        "GET",
        "/api/manager/messages/0A000001000020D00000000000000000/body",
    ),
    ("GET", "/api/manager/messages/offset"),
    ("GET", "/api/manager/messages/key"),
    ("GET", "/api/manager/messages/topic"),
];

#[test]
fn s_02_i_11_every_answer_has_the_envelope() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    for query in [guide.query.as_str(), "", "tenantId=2&tenantId=3", "%zz"] {
        for (method, path) in CALLS {
            for method in [method, "PUT"] {
                for body in [Value::Null, json!({}), json!("text")] {
                    // Bodies of messages alone are not JSON, and these are not there.
                    let answer = guide.raw(method, &format!("{path}?{query}"), &body);
                    let code = &answer.json()["code"];
                    assert_eq!(*code, answer.status, "{method} {path} {body}");
                }
            }
        }
        guide.raw("GET", &format!("/api/?{query}"), &Value::Null);
        guide.raw("GET", &format!("/api/manager/none?{query}"), &Value::Null);
    }
}

#[test]
fn wrong_credentials_have_one_answer() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let good = &guide.query;
    let bad = [
        good.replace("demo-secret", "wrong"),
        good.replace("accessKey=demo", "accessKey=nobody"),
        good.replace("tenantId=2", "tenantId=3"),
        good.replace("tenantId=2", "tenantId=77"),
        good.replace("tenantId=2", "tenantId=acme"),
        good.replace("clusterName=demo", "clusterName=nothing"),
        good.replace("tenantId=2&", ""),
        good.replace("&accessKey=demo", ""),
        good.replace("&secretKey=demo-secret", ""),
        good.replace("&clusterName=demo", ""),
        // Right, but of the other tenant.
        "tenantId=2&accessKey=other&secretKey=other-secret&clusterName=demo".to_owned(),
    ];
    let mut texts = Vec::new();
    for query in bad {
        let answer = guide.raw("GET", &format!("{BASE}?{query}"), &Value::Null);
        texts.push((
            refusal(&answer, 401, &query),
            answer.header("www-authenticate").map(str::to_owned),
        ));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    let query = good.replace("demo-secret", "wrong");
    for (method, path) in CALLS {
        // As long as whoever guesses has to wait.
        stack.advance_ms(60_000);
        let answer = guide.raw(method, &format!("{path}?{query}"), &Value::Null);
        refusal(&answer, 401, path);
    }
}

#[test]
fn the_header_comes_before_the_query() {
    let stack = Stack::start();
    let path = format!("{BASE}?tenantId=2&clusterName=demo");
    assert_eq!(stack.demo().get(&path).status, 200);
    let wrong = format!("{path}&accessKey=demo&secretKey=wrong");
    assert_eq!(stack.demo().get(&wrong).status, 200);
    let good = format!("{path}&accessKey=demo&secretKey=demo-secret");
    let mut http = Http::user(stack.http, "demo", "wrong");
    assert_eq!(http.get(&good).status, 401);
    assert_eq!(stack.operator().get(&path).status, 200, "a token");
    assert_eq!(stack.other().get(&path).status, 401);
}

#[test]
fn s_20_who_is_limited_to_topics_sees_no_others() {
    let stack = Stack::start();
    for topic in ["orders", "single"] {
        crate::stack::send(
            &mut stack.demo(),
            topic,
            &json!([{"body": "x", "keys": ["k"]}]),
        );
    }
    let (demo, limited) = (Guide::demo(&stack), Guide::limited(&stack));
    let find = |guide: &Guide, topic: &str| {
        let path = format!("/api/manager/messages/key?topicName={topic}&key=k");
        guide.answer("GET", &path, &Value::Null)
    };
    assert_eq!(find(&limited, "orders").json()["result"]["total"], 1);
    refusal(&find(&limited, "single"), 403, "another topic");
    let id = |topic: &str| find(&demo, topic).json()["result"]["rows"][0]["msgId"].clone();
    let by_id = |topic: &str| {
        let id = id(topic);
        let path = format!("/api/manager/messages/{}", id.as_str().expect("an id"));
        limited.answer("GET", &path, &Value::Null).status
    };
    assert_eq!((by_id("orders"), by_id("single")), (200, 404));
    for (method, path) in CALLS.iter().filter(|(_, path)| !path.contains("/messages")) {
        limited.refused(403, method, path, &Value::Null);
    }
    // What the other tenant has is not there, by any name.
    let other = Guide::new(&stack, 3, "demo", ("other", "other-secret"));
    let id = id("orders");
    let path = format!("/api/manager/messages/{}", id.as_str().expect("an id"));
    let foreign = other.refused(404, "GET", &path, &Value::Null);
    let absent = "/api/manager/messages/00000000000000000000000000000000";
    assert_eq!(foreign, other.refused(404, "GET", absent, &Value::Null));
    assert_eq!(other.get(BASE)["data"][0]["msgHistoryNums"], 0);
}

#[test]
fn s_25_i_31_the_account_keeps_its_secret() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let names = "/api/access/account?tenantId=2&accessKey=demo&clusterName=demo";
    let read = |path: &str| guide.raw("GET", path, &Value::Null);
    let shown =
        |answer: &crate::http::Answer| answer.json()["result"]["data"]["accountPasswd"].clone();
    let anonymous = read(names);
    assert_eq!(anonymous.status, 200);
    assert_eq!(shown(&anonymous), Value::Null);
    assert!(
        !anonymous.text().contains("demo-secret"),
        "{}",
        anonymous.text()
    );
    assert!(warnings(&anonymous.json()["result"]).starts_with("accountPasswd:"));
    let known = read(&format!("{names}&secretKey=demo-secret"));
    assert_eq!(shown(&known), "demo-secret");
    refusal(
        &read(&format!("{names}&secretKey=guess")),
        401,
        "a wrong secret",
    );
    for unknown in [
        names.replace("tenantId=2", "tenantId=3"),
        names.replace("accessKey=demo", "accessKey=other"),
        names.replace("clusterName=demo", "clusterName=x"),
        names.replace("&clusterName=demo", ""),
    ] {
        refusal(&read(&unknown), 401, &unknown);
    }
    assert_eq!(
        shown(&stack.operator().get(names)),
        "demo-secret",
        "an administrator"
    );
    let limited = Http::user(stack.http, "limited", "limited-secret").get(names);
    assert_eq!(shown(&limited), Value::Null, "another user of the instance");
    assert_eq!(
        stack.other().get(names).status,
        401,
        "a user of another tenant"
    );
    let rows = stack.audit();
    let told = rows.iter().filter(|(action, ..)| action == "account.read");
    let told: Vec<_> = told
        .map(|(_, object, detail)| {
            (
                object.as_str(),
                detail["isSecretShown"].clone(),
                detail["by"].clone(),
            )
        })
        .collect();
    let row = |is_shown: bool, by: &str| ("demo/users/demo", json!(is_shown), json!(by));
    assert_eq!(
        told,
        [
            row(false, "user:limited"),
            row(true, "operator"),
            row(true, "user:demo"),
            row(false, "anonymous")
        ]
    );
}

#[test]
fn i_32_the_open_account_is_for_listed_addresses_alone() {
    let names = "/api/access/account?tenantId=2&accessKey=demo&clusterName=demo";
    for (is_open, allow, expected) in [
        (true, "127.0.0.0/8", json!("demo-secret")),
        (true, "10.0.0.0/8", Value::Null),
        (false, "127.0.0.0/8", Value::Null),
    ] {
        let stack = Stack::with(|config| {
            config.compat_open_account_endpoint = is_open;
            config.compat_account_allow = vec![allow.to_owned()];
        });
        let answer = Http::new(stack.http).get(names).ok();
        assert_eq!(
            answer["result"]["data"]["accountPasswd"], expected,
            "{is_open} {allow}"
        );
    }
}

#[test]
fn always_200_tells_by_the_code_alone() {
    let stack = Stack::with(|config| config.compat_always_200 = true);
    let guide = Guide::demo(&stack);
    for (code, path) in [
        (401, format!("{BASE}?tenantId=2")),
        (
            404,
            format!("/api/manager/topics/demo/basedata/none?{}", guide.query),
        ),
        (404, "/api/manager/none".to_owned()),
        (405, format!("/api/manager/topics?{}", guide.query)),
    ] {
        let answer = guide.raw("GET", &path, &Value::Null);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (200, &json!(code)),
            "{path}"
        );
    }
    // The native API is none of its business.
    assert_eq!(Http::new(stack.http).get("/v1/instances").status, 401);
}

const SECRETS: [&str; 2] = ["TopSecretOfTheDemo", "SomebodysWrongGuess"];

#[test]
fn s_26_secrets_are_in_no_log() {
    let dir = TempDir::new().expect("temporary directory");
    let file = dir.path().join("bootstrap.toml");
    let text = format!(
        "[[tenant]]\nid = 2\nname = \"acme\"\n[[tenant.instance]]\nname = \"demo\"\nbrokers = [\"a\"]\n\
         [[tenant.instance.user]]\naccess_key = \"demo\"\nsecret_key = \"{}\"\n",
        SECRETS[0]
    );
    std::fs::write(&file, text).expect("writable");
    let process = Process::start(dir.path(), &file, &["--log-level", "trace"]);
    let mut http = Http::new(process.http);
    let mut answers = String::new();
    for secret in SECRETS {
        let auth = format!("tenantId=2&accessKey=demo&secretKey={secret}&clusterName=demo");
        for (method, path) in CALLS {
            for query in [
                auth.clone(),
                format!("{auth}&secretKey=x{secret}"),
                auth.replace("tenantId=2&accessKey=demo&", "tenantId=2"),
            ] {
                let body = json!({"topicName": "none", "consumerGroupList": ["none"]});
                answers.push_str(&http.json(method, &format!("{path}?{query}"), &body).text());
            }
        }
    }
    process.terminate();
    assert!(process.wait().success());
    let log = log_of(dir.path());
    assert!(
        log.contains("request refused"),
        "refusals are logged at this level"
    );
    for secret in SECRETS {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
        assert!(!answers.contains(secret), "in an answer");
    }
}
