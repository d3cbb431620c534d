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
    let mut tokens = Vec::new();
    for place in ["/v1/instances/demo/tokens", "/v1/tenants/2/tokens"] {
        for scope in ["read", "manage", "produce", "consume"] {
            let form = json!({"name": scope, "scopes": [scope]});
            let made = world.as_caller(&callers[1], "POST", place, form).await;
            let made = made.expect(201).json();
            let text = made["token"].as_str().expect("shown");
            tokens.push((scope, format!("Bearer {text}")));
        }
    }
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
            "GET",
            "/v1/instances/demo/tokens",
            Value::Null,
            [200, 200, 200, 403, 403, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/instances/demo/tokens",
            json!({}),
            [400, 400, 403, 403, 403, 404, 404, 404],
        ),
        (
            "DELETE",
            "/v1/instances/demo/tokens/nothing",
            Value::Null,
            [404; 8],
        ),
        (
            "DELETE",
            "/v1/instances/demo/users/nothing",
            Value::Null,
            [404; 8],
        ),
        (
            "GET",
            "/v1/instances/demo/quota",
            Value::Null,
            [200, 200, 200, 200, 403, 404, 404, 404],
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
    ];
    let table = &[table, &crate::files::rights(), &crate::people::rights()].concat();
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
        for (scope, auth) in &tokens {
            let reply = world.as_caller(auth, method, path, body.clone()).await;
            // Where it has the right, all goes as for a user without limits.
            let expected =
                match allowed(scope, method, path) || expected.iter().all(|it| *it == 404) {
                    true => expected[3],
                    false => 403,
                };
            assert_eq!(reply.status, expected, "{method} {path} with {scope}");
        }
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
    // The management API has a table of its own, with answers of its own:
    // firn/tests/e2e/management/access.rs.
    let paths = paths.iter().filter(|(path, _)| !path.starts_with("/api/"));
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

/// What a token of one scope may do.
fn allowed(scope: &str, method: &str, path: &str) -> bool {
    let path = path.split('?').next().expect("one part");
    let Some(rest) = path.strip_prefix("/v1/instances/demo") else {
        return method == "GET"
            && ["/v1/plans", "/v1/instances", "/v1/price-lists"].contains(&path);
    };
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    let needed: &[&str] = match (method, parts.as_slice()) {
        ("GET", []) => return true,
        ("GET", ["usage" | "quota"] | ["topics" | "groups", "export" | "template"]) => {
            &["read", "manage"]
        }
        ("POST", ["topics" | "groups", "import"]) => &["manage"],
        ("GET", ["sessions" | "topics" | "groups"] | ["topics" | "groups", _])
        | ("GET", ["groups", _, "lag" | "parked"]) => &["read", "manage"],
        ("GET", ["topics", _, "messages" | "peek" | "transactions"]) => &["read"],
        ("POST", ["topics" | "groups"])
        | ("PATCH" | "DELETE", ["topics" | "groups", _])
        | ("POST", ["topics", _, "purge"])
        | ("POST", ["groups", _, "dead-letters", "redrive"])
        | ("POST", ["groups", _, "parked", "release"])
        | ("POST", ["groups", _, "topics", _, "seek"]) => &["manage"],
        ("POST", ["topics", _, "messages" | "transactions", ..]) => &["produce"],
        (
            _,
            [
                "groups",
                _,
                "topics",
                _,
                "receive" | "ack" | "visibility" | "stream",
            ],
        ) => &["consume"],
        _ => &[],
    };
    needed.contains(&scope)
}

#[actix_web::test]
async fn tokens_are_shown_once_and_end_with_their_removal() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let path = "/v1/instances/demo/tokens";
    let call = async |auth: &str, method: &str, path: &str, form: Value| {
        world.as_caller(auth, method, path, form).await
    };
    let form = json!({
        "name": "robot", "scopes": ["produce"], "topics": ["orders"], "groups": [],
        "expiresAt": NOW + 1000,
    });
    let made = call(&admin, "POST", path, form).await.expect(201).json();
    let text = made["token"].as_str().expect("shown").to_owned();
    let listed = call(&admin, "GET", path, Value::Null)
        .await
        .expect(200)
        .json();
    let item = json!({
        "id": made["id"], "name": "robot", "scopes": ["produce"], "topics": ["orders"],
        "groups": [], "createdAt": 0, "expiresAt": NOW + 1000, "lastUsedAt": 5,
    });
    assert_eq!(listed, json!({"items": [item], "total": 1}));
    let bearer = format!("Bearer {text}");
    let one = json!({"messages": [{"body": "x"}]});
    call(&bearer, "POST", MESSAGES, one.clone())
        .await
        .expect(200);
    let secret = "/v1/instances/demo/topics/secret/messages";
    call(&bearer, "POST", secret, one.clone()).await.expect(403);
    let foreign = MESSAGES.replace("demo", "other");
    call(&bearer, "POST", &foreign, one.clone())
        .await
        .expect(404);
    let shown = call(&bearer, "GET", "/v1/instances", Value::Null).await;
    assert_eq!(shown.expect(200).json()["total"], 1);
    for wrong in [
        json!({"name": "x", "scopes": ["all"]}),
        json!({"name": "x", "scopes": "read"}),
        json!({"scopes": ["read"]}),
        json!({"name": "x", "scopes": ["read"], "expiresAt": -1}),
    ] {
        call(&admin, "POST", path, wrong).await.expect(400);
    }
    let own = format!("{path}/{}", made["id"].as_str().expect("an id"));
    let elsewhere = own.replace("demo", "other");
    call(&admin, "DELETE", &elsewhere, Value::Null)
        .await
        .expect(404);
    call(&admin, "DELETE", &own, Value::Null).await.expect(204);
    call(&bearer, "POST", MESSAGES, one).await.expect(401);
}

fn fits(template: &str, path: &str) -> bool {
    let path = path.split('?').next().expect("one part");
    let (a, b): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    a.len() == b.len() && a.iter().zip(&b).all(|(t, p)| t.starts_with('{') || t == p)
}
