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

/// What each caller gets on each route: the whole table of rights over HTTP.
#[actix_web::test]
async fn rights_by_caller_and_route() {
    let world = World::new().await;
    let callers = [
        world.login(None, "operator").await,
        world.login(Some(2), "admin").await,
        world.login(Some(2), "viewer").await,
        demo(),
        basic("demo-limited", "demo-limited-secret"),
        basic("neighbour", "neighbour-secret"),
        world.login(Some(3), "admin").await,
        basic("rival", "rival-secret"),
    ];
    let body = |value: Value| value;
    let one = json!({"messages": [{"body": "x"}]});
    // operator, admin, viewer, user, limited user | neighbour instance, rival admin, rival user
    let table: &[(&str, &str, Value, [u16; 8])] = &[
        (
            "POST",
            MESSAGES,
            one.clone(),
            [200, 200, 403, 200, 200, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/topics/secret/messages",
            one,
            [200, 200, 403, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/groups/workers/topics/orders/receive",
            json!({}),
            [200, 200, 403, 200, 200, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/groups/workers/topics/secret/receive",
            json!({}),
            [200, 200, 403, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/groups/workers/topics/orders/ack",
            json!({"receiptHandles": ["x"]}),
            [400, 400, 403, 400, 400, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/groups/workers/topics/orders/visibility",
            json!({"receiptHandle": "x", "invisibleSeconds": 1}),
            [400, 400, 403, 400, 400, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/groups/workers/topics/secret/stream?max=0",
            body(Value::Null),
            [400, 400, 403, 400, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/groups/workers/topics/orders/seek",
            json!({"to": "latest", "dryRun": true}),
            [200, 200, 403, 200, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/groups/workers/lag",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/groups/workers/dead-letters/redrive",
            json!({}),
            [200, 200, 403, 200, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/groups/workers/parked",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/groups/workers/parked/release",
            json!({"topic": "orders", "broker": "a", "queueId": 0, "queueOffset": 0, "how": "skip"}),
            [404, 404, 403, 404, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/messages/ABCDEF00ABCDEF00ABCDEF00ABCDEF00",
            Value::Null,
            [404; 8],
        ),
        (
            "POST",
            "/v1/instances/demo/topics/secret/messages/recall",
            json!({"recallHandle": "x"}),
            [400, 400, 403, 400, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/topics/secret/transactions",
            json!({}),
            [400, 400, 403, 400, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/topics/secret/transactions?state=open",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/topics/secret/transactions/checks",
            json!({}),
            [200, 200, 403, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/topics/secret/transactions/x/commit",
            json!({}),
            [404, 404, 403, 404, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/topics/secret/transactions/x/rollback",
            json!({}),
            [404, 404, 403, 404, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/topics/orders/peek?group=workers",
            Value::Null,
            [200, 200, 200, 200, 200, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/topics/secret/peek",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/topics/orders/purge",
            json!({}),
            [200, 200, 403, 200, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/topics/orders/messages?key=k",
            Value::Null,
            [200, 200, 200, 200, 200, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/topics/secret/messages?key=k",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/tenants",
            Value::Null,
            [200, 200, 200, 403, 403, 403, 200, 403],
        ),
        (
            "GET",
            "/v1/tenants/2",
            Value::Null,
            [200, 200, 200, 403, 403, 403, 404, 404],
        ),
        (
            "PATCH",
            "/v1/tenants/2",
            json!({"name": "acme"}),
            [200, 403, 403, 403, 403, 403, 404, 404],
        ),
        (
            "POST",
            "/v1/tenants",
            json!({"id": 2, "name": "x"}),
            [409, 403, 403, 403, 403, 403, 403, 403],
        ),
        (
            "DELETE",
            "/v1/tenants/2",
            Value::Null,
            [409, 403, 403, 403, 403, 403, 404, 404],
        ),
        ("GET", "/v1/plans", Value::Null, [200; 8]),
        (
            "POST",
            "/v1/plans",
            json!({"name": "x", "messageBytes": 0}),
            [400, 403, 403, 403, 403, 403, 403, 403],
        ),
        (
            "GET",
            "/v1/instances/demo/usage",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/tenants/2/bills",
            Value::Null,
            [200, 200, 200, 403, 403, 403, 404, 404],
        ),
        (
            "GET",
            "/v1/tenants/2/bills/2023-11",
            Value::Null,
            [200, 200, 200, 403, 403, 403, 404, 404],
        ),
        (
            "POST",
            "/v1/tenants/2/bills/2023-11/verify",
            json!({}),
            [200, 200, 200, 403, 403, 403, 404, 404],
        ),
        ("GET", "/v1/price-lists", Value::Null, [200; 8]),
        (
            "POST",
            "/v1/price-lists",
            json!({"name": "x"}),
            [400, 403, 403, 403, 403, 403, 403, 403],
        ),
        (
            "GET",
            "/v1/audit",
            Value::Null,
            [200, 200, 200, 403, 403, 403, 200, 403],
        ),
        ("GET", "/v1/instances", Value::Null, [200; 8]),
        (
            "POST",
            "/v1/instances",
            json!({}),
            [400, 403, 403, 403, 403, 403, 403, 403],
        ),
        (
            "GET",
            "/v1/instances/demo",
            Value::Null,
            [200, 200, 200, 200, 200, 404, 404, 404],
        ),
        (
            "PATCH",
            "/v1/instances/demo",
            json!({"remark": "r"}),
            [200, 403, 403, 403, 403, 404, 404, 404],
        ),
        ("DELETE", "/v1/instances/nothing", Value::Null, [404; 8]),
        (
            "GET",
            "/v1/instances/demo/topics",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/topics",
            json!({"name": "orders"}),
            [409, 409, 403, 409, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/topics/orders",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "PATCH",
            "/v1/instances/demo/topics/orders",
            json!({"remark": "r"}),
            [200, 200, 403, 200, 403, 404, 404, 404],
        ),
        (
            "DELETE",
            "/v1/instances/demo/topics/nothing",
            Value::Null,
            [404; 8],
        ),
        (
            "GET",
            "/v1/instances/demo/groups",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/groups",
            json!({"name": "a b"}),
            [400, 400, 403, 400, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/groups/workers",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "PATCH",
            "/v1/instances/demo/groups/workers",
            json!({"remark": "r"}),
            [200, 200, 403, 200, 403, 404, 404, 404],
        ),
        (
            "DELETE",
            "/v1/instances/demo/groups/nothing",
            Value::Null,
            [404; 8],
        ),
        (
            "DELETE",
            "/v1/instances/demo/topics/nothing?force=true",
            Value::Null,
            [404; 8],
        ),
        (
            "GET",
            "/v1/instances/demo/sessions",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/users",
            Value::Null,
            [200, 200, 200, 403, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/users",
            json!({"accessKey": "a b"}),
            [400, 400, 403, 403, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/users/demo",
            Value::Null,
            [200, 200, 200, 403, 403, 404, 404, 404],
        ),
        (
            "GET",
            "/v1/instances/demo/users/rival",
            Value::Null,
            [404; 8],
        ),
        (
            "GET",
            "/v1/instances/demo/users/demo?reveal=true",
            Value::Null,
            [200, 200, 403, 403, 403, 404, 404, 404],
        ),
        (
            "PATCH",
            "/v1/instances/demo/users/demo-limited",
            json!({"topics": ["orders"]}),
            [200, 200, 403, 403, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/users/demo/rotate",
            json!({"x": 1}),
            [400, 400, 403, 403, 403, 404, 404, 404],
        ),
        (
            "DELETE",
            "/v1/instances/demo/users/nothing",
            Value::Null,
            [404; 8],
        ),
    ];
    for (method, path, body, expected) in table {
        let mut found = [0; 8];
        for (at, auth) in callers.iter().enumerate() {
            let reply = world.as_caller(auth, method, path, body.clone()).await;
            found[at] = reply.status;
            if reply.status >= 400 {
                reply.code();
            }
        }
        assert_eq!(found, *expected, "{method} {path}");
        let stranger = world.as_caller("", method, path, body.clone()).await;
        assert_eq!(stranger.status, 401, "{method} {path} without credentials");
    }
    for (_, path) in firn_gateway::routes()
        .iter()
        .filter(|(_, path)| path.starts_with("/v1/instances"))
    {
        let found = table.iter().any(|(_, example, ..)| fits(path, example));
        assert!(found, "no row of the table covers {path}");
    }
}

fn fits(template: &str, path: &str) -> bool {
    let path = path.split('?').next().expect("one part");
    let (a, b): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    a.len() == b.len() && a.iter().zip(&b).all(|(t, p)| t.starts_with('{') || t == p)
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
async fn a_rotated_secret_works_at_once_and_the_old_one_no_more() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let path = "/v1/instances/demo/users/demo/rotate";
    let made = world
        .as_caller(&admin, "POST", path, json!({}))
        .await
        .expect(200)
        .json();
    world.get("/v1/instances/demo").await.expect(401);
    let fresh = basic("demo", made["secretKey"].as_str().expect("shown"));
    world
        .as_caller(&fresh, "GET", "/v1/instances/demo", Value::Null)
        .await
        .expect(200);
}
