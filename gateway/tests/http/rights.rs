//! The whole table of rights over HTTP: who gets what on each route.

use serde_json::{Value, json};

use crate::world::*;

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
        (
            "GET",
            "/v1/audit",
            Value::Null,
            [200, 200, 200, 403, 403, 403, 200, 403],
        ),
        (
            "GET",
            "/v1/audit?tenant=2",
            Value::Null,
            [200, 200, 200, 403, 403, 403, 404, 403],
        ),
        ("GET", "/v1/plans", Value::Null, [200; 8]),
        (
            "POST",
            "/v1/plans",
            json!({"name": "x", "messageBytes": 0}),
            [400, 403, 403, 403, 403, 403, 403, 403],
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
    // Whoever calls, and whoever does not: these take credentials from their bodies.
    let open: [(&str, &str, Value, u16); 8] = [
        ("POST", "/v1/auth/token", json!({}), 400),
        ("POST", "/v1/auth/login", json!({}), 400),
        ("POST", "/v1/auth/refresh", json!({}), 400),
        ("POST", "/v1/auth/logout", json!({"refreshToken": "x"}), 401),
        ("GET", "/openapi.json", Value::Null, 200),
        ("GET", "/docs", Value::Null, 200),
        ("GET", "/", Value::Null, 200),
        ("GET", "/console/", Value::Null, 200),
    ];
    for (method, path, body, expected) in &open {
        // Not as a person: logging out would end that.
        for auth in [&demo(), &basic("rival", "rival-secret"), ""] {
            let reply = world.as_caller(auth, method, path, body.clone()).await;
            assert_eq!(reply.status, *expected, "{method} {path}");
        }
    }
    // Nothing of the description is left out.
    let described: Value = serde_json::from_str(&firn_gateway::openapi_json()).expect("JSON");
    let paths = described["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            let is_it =
                |m: &str, example: &str| m.eq_ignore_ascii_case(method) && fits(path, example);
            let found = table.iter().any(|(m, example, ..)| is_it(m, example))
                || open.iter().any(|(m, example, ..)| is_it(m, example));
            assert!(found, "no row of the table covers {method} {path}");
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let path = path.split('?').next().expect("one part");
    let (a, b): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    a.len() == b.len() && a.iter().zip(&b).all(|(t, p)| t.starts_with('{') || t == p)
}
