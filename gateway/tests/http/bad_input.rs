//! Anything malformed gets a defined answer.

use std::io::Write as _;

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service};
use firn_gateway::app_config;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::*;

fn post(path: &str) -> TestRequest {
    TestRequest::post()
        .uri(path)
        .insert_header(("authorization", demo()))
        .insert_header(("content-type", "application/json"))
}

#[actix_web::test]
async fn broken_bodies_are_named() {
    let world = World::new().await;
    let deep = "[".repeat(100_000);
    let cases: Vec<(&[u8], &str)> = vec![
        (b"{", "line 1 column 1"),
        (b"{\"messages\":\n[}", "line 2 column 2"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"{} x", "trailing"),
        (b"{\"messages\":[{\"body\":\"\\ud800\"}]}", "not JSON"),
        (deep.as_bytes(), "not JSON"),
        (b"", "messages"),
        (b"null", "body"),
        (b"[]", "body"),
        (b"{\"messages\":{}}", "messages: invalid type"),
        (
            b"{\"messages\":[{\"bdy\":1}]}",
            "messages[0].bdy: unknown field",
        ),
        (
            b"{\"messages\":[{},{\"tag\":7}]}",
            "messages[1].tag: invalid type",
        ),
        (
            b"{\"messages\":[{\"properties\":{\"a\":1}}]}",
            "messages[0].properties.a: invalid type",
        ),
        (
            b"{\"messages\":[{\"properties\":{\"a\":\"1\",\"a\":\"2\"}}]}",
            "given twice",
        ),
        (
            b"{\"messages\":[{\"body\":\"a\",\"body\":\"b\"}]}",
            "duplicate field",
        ),
        (
            b"{\"messages\":[{\"delayLevel\":-1}]}",
            "messages[0].delayLevel",
        ),
        (b"{\"messages\":[{\"deliverAt\":1e400}]}", "body"),
        (b"{\"messages\":[]}", "messages: 0 messages"),
        (b"{\"extra\":1,\"messages\":[]}", "extra: unknown field"),
    ];
    for (body, named) in cases {
        let reply = world
            .call(post(MESSAGES).set_payload(body.to_vec()))
            .await
            .expect(400);
        assert_eq!(reply.code(), "BAD_REQUEST");
        assert!(
            reply.message().contains(named),
            "{named}: {}",
            reply.message()
        );
        assert!(reply.bytes.len() < 1000, "an error echoes the request");
    }
    let many = json!({"messages": vec![json!({}); 1001]});
    assert!(
        world
            .post(MESSAGES, many)
            .await
            .expect(400)
            .message()
            .contains("1001")
    );
    let wrong = json!({"messages": "x".repeat(100_000)});
    assert!(world.post(MESSAGES, wrong).await.expect(400).bytes.len() < 1000);
}

/// RULES 29: size, JSON, credentials, existence, right, fields, state.
#[actix_web::test]
async fn checks_come_in_their_order() {
    let world = World::new().await;
    let send = |auth: &'static str, path: &'static str, body: &'static [u8]| {
        let request = TestRequest::post()
            .uri(path)
            .insert_header(("content-type", "application/json"));
        let request = match auth {
            "" => request,
            "limited" => request.insert_header((
                "authorization",
                basic("demo-limited", "demo-limited-secret"),
            )),
            _ => request.insert_header(("authorization", demo())),
        };
        world.call(request.set_payload(body))
    };
    let nowhere = "/v1/instances/nothing/topics/nothing/messages";
    let secret = "/v1/instances/demo/topics/secret/messages";
    assert_eq!(send("", nowhere, b"{").await.code(), "BAD_REQUEST");
    assert_eq!(send("", nowhere, b"{\"x\":1,,").await.code(), "BAD_REQUEST");
    assert_eq!(
        send("", nowhere, b"{\"x\":1}").await.code(),
        "UNAUTHENTICATED"
    );
    assert_eq!(
        send("demo", nowhere, b"{\"x\":1}").await.code(),
        "INSTANCE_NOT_FOUND"
    );
    let topic = "/v1/instances/demo/topics/nothing/messages";
    assert_eq!(
        send("limited", topic, b"{\"x\":1}").await.code(),
        "TOPIC_NOT_FOUND"
    );
    assert_eq!(
        send("limited", secret, b"{\"x\":1}").await.code(),
        "FORBIDDEN"
    );
    assert_eq!(
        send("demo", secret, b"{\"x\":1}").await.code(),
        "BAD_REQUEST"
    );
    let group = "/v1/instances/demo/groups/nothing/topics/secret/receive";
    assert_eq!(
        send("limited", group, b"{\"x\":1}").await.code(),
        "GROUP_NOT_FOUND"
    );
    world.edit_instance(|instance| {
        instance.status = firn_protocol::catalogue::InstanceStatus::Frozen
    });
    assert_eq!(
        send("demo", secret, b"{\"x\":1}").await.code(),
        "BAD_REQUEST"
    );
    assert_eq!(
        send("demo", secret, b"{\"messages\":[{}]}").await.code(),
        "INSTANCE_FROZEN"
    );
    let big = TestRequest::post()
        .uri(nowhere)
        .set_payload(vec![b'{'; 8 * 1024 * 1024 + 1]);
    assert_eq!(
        world.call(big).await.expect(413).code(),
        "REQUEST_TOO_LARGE"
    );
}

#[actix_web::test]
async fn requests_are_bounded_also_when_compressed() {
    let world = World::new().await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let compressed = |body: Vec<u8>| {
        post(MESSAGES)
            .insert_header(("content-encoding", "gzip"))
            .set_payload(body)
    };
    let good = gzip(br#"{"messages":[{"body":"packed"}]}"#);
    world.call(compressed(good.clone())).await.expect(200);
    assert_eq!(world.receive(json!({})).await[0]["body"], "packed");
    world
        .call(compressed(good[..good.len() / 2].to_vec()))
        .await
        .expect(400);
    world
        .call(compressed(b"rubbish".to_vec()))
        .await
        .expect(400);
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    assert_eq!(
        world.call(compressed(bomb)).await.expect(413).code(),
        "REQUEST_TOO_LARGE"
    );
    let odd = post(MESSAGES)
        .insert_header(("content-encoding", "br"))
        .set_payload("x");
    assert_eq!(
        world.call(odd).await.expect(415).code(),
        "UNSUPPORTED_MEDIA_TYPE"
    );
}

#[actix_web::test]
async fn content_types_paths_and_methods() {
    let world = World::new().await;
    let form = TestRequest::post()
        .uri(&format!("{CONSUME}/receive"))
        .insert_header(("authorization", demo()));
    let form = form
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload("{}");
    assert_eq!(
        world.call(form).await.expect(415).code(),
        "UNSUPPORTED_MEDIA_TYPE"
    );
    let bare = TestRequest::post()
        .uri(&format!("{CONSUME}/receive"))
        .insert_header(("authorization", demo()));
    world
        .call(bare.set_payload("{\"max\":1}"))
        .await
        .expect(200);
    let charset = post(MESSAGES).insert_header(("content-type", "Application/JSON; charset=utf-8"));
    world
        .call(charset.set_payload(r#"{"messages":[{}]}"#))
        .await
        .expect(200);
    for path in [
        "/nothing",
        "/v1",
        "/v1/instances/demo/",
        "/v1/instances/demo/topics/orders/transactions/x",
        "/v1/audits",
    ] {
        assert_eq!(
            world.get(path).await.expect(404).code(),
            "NOT_FOUND",
            "{path}"
        );
    }
    for path in [
        "/v1/instances/%zz",
        "/v1/instances/%RETRY%g",
        "/v1/instances/demo/topics/%ff/messages?key=k",
        "/nothing/%",
        "/v1/instances/demo%2",
    ] {
        let status = world.get(path).await.status;
        assert!(status == 400 || status == 404, "{path}: {status}");
    }
    assert_eq!(
        world.get("/v1/instances/%zz").await.expect(400).code(),
        "BAD_REQUEST"
    );
    world.get("/v1/instances/d%65mo").await.expect(200);
    for encoded in ["a%2Fb", "%2525", "%00", "%E4%B8%BB", "..%2F..", "a%0d%0ax"] {
        world
            .get(&format!("/v1/instances/demo/topics/{encoded}"))
            .await
            .expect(404)
            .code();
    }
    let reply = world
        .as_caller(&demo(), "DELETE", MESSAGES, Value::Null)
        .await
        .expect(405);
    assert_eq!(
        (reply.code().as_str(), reply.header("allow")),
        ("METHOD_NOT_ALLOWED", "POST, GET")
    );
    world
        .as_caller(&demo(), "PUT", "/v1/instances", Value::Null)
        .await
        .expect(405);
}

#[actix_web::test]
async fn every_answer_has_a_request_id() {
    let world = World::new().await;
    let ask = |id: &str| TestRequest::with_uri("/nothing").insert_header(("firn-request-id", id));
    assert_eq!(
        world.call(ask("My_id-7")).await.header("firn-request-id"),
        "My_id-7"
    );
    for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
        let made = world
            .call(ask(bad))
            .await
            .header("firn-request-id")
            .to_owned();
        assert!(!made.is_empty() && made != bad, "{bad}");
    }
    let first = world
        .get("/v1/instances")
        .await
        .header("firn-request-id")
        .to_owned();
    assert_ne!(
        first,
        world.get("/v1/instances").await.header("firn-request-id")
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "messages",
        "body",
        "bodyBase64",
        "tag",
        "keys",
        "properties",
        "messageGroup",
        "deliverAt",
        "delayLevel",
        "messageId",
        "max",
        "waitSeconds",
        "invisibleSeconds",
        "filter",
        "type",
        "expression",
        "receiptHandles",
        "receiptHandle",
        "to",
        "offsets",
        "broker",
        "queueId",
        "offset",
        "dryRun",
        "name",
        "id",
        "accessKey",
        "secretKey",
        "username",
        "password",
        "tenant",
        "refreshToken",
        "topics",
        "start",
        "subscriptions",
        "tenantId",
        "brokers",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3i64..300).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-zA-Z0-9|*% ]{0,40}".prop_map(Value::from),
        Just(json!("orders")),
        Just(json!("latest")),
        Just(json!("a")),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(field.clone(), inner, 0..6).prop_map(|map| map
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => any_json().prop_map(|json| json.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (any_json(), any::<prop::sample::Index>()).prop_map(|(json, cut)| {
            let text = json.to_string().into_bytes();
            let at = cut.index(text.len());
            text[..at].to_vec()
        }),
    ]
}

/// Long polls end at once: a test's clock stands still.
fn without_waiting(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut json) = serde_json::from_slice::<Value>(&body) else {
        return body;
    };
    let waits = json
        .get("waitSeconds")
        .and_then(Value::as_f64)
        .is_some_and(|wait| wait > 0.0);
    if let Some(wait) = json.get_mut("waitSeconds").filter(|_| waits) {
        *wait = json!(0);
    }
    json.to_string().into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is posted wherever, by the caller with most rights.
    #[test]
    fn no_body_fails_the_server(body in any_body(), json in any::<bool>(), tail in "[ -~]{0,20}") {
        actix_web::rt::System::new().block_on(async {
            let world = World::new().await;
            let operator = world.login(None, "operator").await;
            let uid = world.tenants.catalogue.lock().instances.values().find(|i| i.name == "demo").expect("made").uid.clone();
            let app = init_service(App::new().configure(app_config(&world.state))).await;
            for (method, path) in firn_gateway::routes() {
                if method == "DELETE" || path.ends_with("/stream") {
                    continue;
                }
                let path = path.replace("{instance}", &uid).replace("{topic}", "mixed").replace("{group}", "workers")
                    .replace("{access_key}", "demo-limited").replace("{tenant}", "3").replace("{message_id}", &"0".repeat(32))
                    .replace("{clusterName}", "demo").replace("{topicName}", "mixed").replace("{groupName}", "workers");
                let tail = match path.starts_with("/api/") {
                    true => format!("tenantId=2&clusterName=demo&{tail}"),
                    false => tail.clone(),
                };
                let query: String = tail.bytes().filter(|b| !b" \"<>\\^`{|}#".contains(b)).map(char::from).collect();
                let request = TestRequest::with_uri(&format!("{path}?{query}")).method(method)
                    .insert_header(("authorization", operator.as_str()))
                    .insert_header(("content-type", if json { "application/json" } else { "application/octet-stream" }))
                    .set_payload(without_waiting(body.clone()));
                let request = request.peer_addr("10.9.8.7:5167".parse().expect("an address"));
                let reply = Reply::of(call_service(&app, request.to_request()).await).await;
                assert!(reply.status < 500, "{path}: {}", String::from_utf8_lossy(&reply.bytes));
                if reply.status >= 400 {
                    match path.starts_with("/api/") {
                        true => assert_eq!(reply.json()["code"], reply.status, "{path}"),
                        false => drop(reply.code()),
                    }
                }
            }
        });
    }
}
