//! Credentials, tokens, and who may call what.

use serde_json::{Value, json};

use crate::world::*;

#[actix_web::test]
async fn every_cause_of_failure_looks_the_same() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for auth in [
        "",
        "Basic",
        "Basic !!!",
        "Bearer x",
        "Bearer a.b.c",
        "Digest x",
        "Basic bm9jb2xvbg==",
        &basic("demo", "wrong"),
        &basic("nobody", "demo-secret"),
        &basic("", ""),
        &format!("Basic {}", "A".repeat(5000)),
    ] {
        let reply = world
            .as_caller(auth, "GET", "/v1/instances/demo", Value::Null)
            .await
            .expect(401);
        assert_eq!(reply.code(), "UNAUTHENTICATED");
        assert!(reply.header("www-authenticate").starts_with("Basic"));
        answers.push(reply.message());
    }
    let forms = [
        (
            "/v1/auth/token",
            json!({"accessKey": "demo", "secretKey": "x"}),
        ),
        (
            "/v1/auth/login",
            json!({"username": "operator", "password": "x"}),
        ),
        (
            "/v1/auth/login",
            json!({"tenant": 2, "username": "nobody", "password": "pw"}),
        ),
        (
            "/v1/auth/login",
            json!({"tenant": 999, "username": "admin", "password": "pw"}),
        ),
        ("/v1/auth/refresh", json!({"refreshToken": "x"})),
        ("/v1/auth/logout", json!({})),
    ];
    for (path, form) in forms {
        answers.push(
            world
                .as_caller("", "POST", path, form)
                .await
                .expect(401)
                .message(),
        );
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[actix_web::test]
async fn what_is_foreign_is_answered_as_what_is_not_there() {
    let world = World::new().await;
    let uid = world
        .tenants
        .catalogue
        .lock()
        .instances
        .values()
        .find(|i| i.name == "foreign")
        .expect("made")
        .uid
        .clone();
    let text = |reply: Reply, name: &str| {
        let mut json = reply.expect(404).json();
        json["error"]["requestId"] = Value::Null;
        json.to_string().replace(name, "X")
    };
    let unknown = text(
        world.get("/v1/instances/nothing/topics/orders").await,
        "nothing",
    );
    for name in ["foreign", "other", uid.as_str()] {
        let foreign = text(
            world
                .get(&format!("/v1/instances/{name}/topics/orders"))
                .await,
            name,
        );
        assert_eq!(foreign, unknown);
    }
    let listed = world.get("/v1/instances").await.expect(200).json();
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["items"][0]["name"], "demo");
    // A handle, an id and a cursor of another tenant open nothing.
    let rival = basic("rival", "rival-secret");
    let path = MESSAGES.replace("demo", "foreign");
    let sent = world
        .as_caller(
            &rival,
            "POST",
            &path,
            json!({"messages": [{"body": "theirs", "keys": ["k"]}]}),
        )
        .await
        .expect(200)
        .json();
    for id in ["messageId", "offsetMessageId"] {
        let id = sent["results"][0][id].as_str().expect("an id");
        world
            .get(&format!("/v1/instances/demo/messages/{id}"))
            .await
            .expect(404);
        let own = format!("/v1/instances/foreign/messages/{id}");
        world
            .as_caller(&rival, "GET", &own, Value::Null)
            .await
            .expect(200);
    }
    let receive = format!("{}/receive", CONSUME.replace("demo", "foreign"));
    let got = world
        .as_caller(&rival, "POST", &receive, json!({}))
        .await
        .expect(200)
        .json();
    let handle = &got["messages"][0]["receiptHandle"];
    let ack = world
        .post(
            &format!("{CONSUME}/ack"),
            json!({"receiptHandles": [handle]}),
        )
        .await;
    assert_eq!(ack.expect(400).code(), "INVALID_RECEIPT_HANDLE");
}

#[actix_web::test]
async fn the_operator_is_told_of_ambiguous_names() {
    let world = World::new().await;
    let operator = world.login(None, "operator").await;
    let form = json!({"tenantId": 3, "name": "demo"});
    let made = world
        .as_caller(&operator, "POST", "/v1/instances", form)
        .await
        .expect(201)
        .json();
    let reply = world
        .as_caller(&operator, "GET", "/v1/instances/demo", Value::Null)
        .await;
    assert_eq!(reply.expect(409).code(), "CONFLICT");
    let path = format!("/v1/instances/{}", made["id"].as_str().expect("an id"));
    world
        .as_caller(&operator, "GET", &path, Value::Null)
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_rotated_secret_works_at_once_and_is_told_how_long_the_old_one_does() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let path = "/v1/instances/demo/users/demo/rotate";
    let made = world
        .as_caller(&admin, "POST", path, json!({}))
        .await
        .expect(200)
        .json();
    world.get("/v1/instances/demo").await.expect(401);
    let day = crate::world::NOW + 24 * 3600 * 1000;
    assert_eq!(made["previousValidUntil"], day);
    let shown = async || {
        let path = "/v1/instances/demo/users/demo";
        let reply = world.as_caller(&admin, "GET", path, Value::Null).await;
        reply.expect(200).json()
    };
    assert_eq!(shown().await["previousValidUntil"], day);
    let rotate = async |grace: Value| {
        let form = json!({"graceSeconds": grace});
        world.as_caller(&admin, "POST", path, form).await
    };
    let at_once = rotate(json!(0)).await.expect(200).json();
    assert!(at_once.get("previousValidUntil").is_none());
    let short = rotate(json!(60)).await.expect(200).json();
    world
        .clock
        .advance(std::time::Duration::from_millis(59_999));
    assert_eq!(
        shown().await["previousValidUntil"],
        short["previousValidUntil"]
    );
    world.clock.advance(std::time::Duration::from_millis(1));
    assert!(shown().await.get("previousValidUntil").is_none());
    for wrong in [json!(-1), json!("60"), json!(1.5)] {
        let reply = rotate(wrong).await.expect(400);
        assert!(reply.message().contains("graceSeconds"));
    }
    let made = rotate(Value::Null).await.expect(200).json();
    let fresh = basic("demo", made["secretKey"].as_str().expect("shown"));
    world
        .as_caller(&fresh, "GET", "/v1/instances/demo", Value::Null)
        .await
        .expect(200);
}

#[actix_web::test]
async fn an_address_list_is_enforced() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    for (key, list, status) in [("near", "10.9.0.0/16", 200), ("far", "192.168.0.1", 401)] {
        let form = json!({"accessKey": key, "secretKey": "s", "ipAllow": [list]});
        world
            .as_caller(&admin, "POST", "/v1/instances/demo/users", form)
            .await
            .expect(201);
        world
            .as_caller(&basic(key, "s"), "GET", "/v1/instances/demo", Value::Null)
            .await
            .expect(status);
        let form = json!({"accessKey": key, "secretKey": "s"});
        world
            .as_caller("", "POST", "/v1/auth/token", form)
            .await
            .expect(status);
    }
}
