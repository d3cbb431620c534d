//! Administration, the description, and health.

use serde_json::{Value, json};

use crate::world::*;

#[actix_web::test]
async fn topics_are_made_changed_listed_and_removed() {
    let world = World::new().await;
    let topics = "/v1/instances/demo/topics";
    let form = json!({"name": "fresh", "type": "mixed", "queues": 2, "permission": "readWrite", "allowedGroups": ["workers"]});
    let made = world.post(topics, form).await.expect(201).json();
    assert_eq!(
        (&made["type"], &made["brokers"]),
        (&json!("mixed"), &json!(["a", "b"]))
    );
    let changed = world
        .as_caller(
            &demo(),
            "PATCH",
            &format!("{topics}/fresh"),
            json!({"permission": "read"}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(changed["permission"], "read");
    for bad in [
        json!({"name": "x"}),
        json!({"queues": "4"}),
        json!({"type": "odd"}),
        json!({"nothing": 1}),
        json!({"brokers": []}),
    ] {
        world
            .as_caller(&demo(), "PATCH", &format!("{topics}/fresh"), bad)
            .await
            .expect(400);
    }
    let mut names = Vec::new();
    let mut query = "?max=2".to_owned();
    loop {
        let page = world
            .get(&format!("{topics}{query}"))
            .await
            .expect(200)
            .json();
        assert_eq!(page["total"], 7);
        names.extend(
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|t| t["name"].as_str().expect("a name").to_owned()),
        );
        match page["cursor"].as_str() {
            Some(cursor) => query = format!("?max=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(
        names,
        [
            "delay", "fifo", "fresh", "half", "mixed", "orders", "secret"
        ]
    );
    world
        .as_caller(&demo(), "DELETE", &format!("{topics}/fresh"), Value::Null)
        .await
        .expect(204);
    world.get(&format!("{topics}/fresh")).await.expect(404);
    assert_eq!(world.storage.dropped().len(), 2, "one for each broker");
}

#[actix_web::test]
async fn groups_show_what_they_were_given() {
    let world = World::new().await;
    let groups = "/v1/instances/demo/groups";
    let form = json!({"name": "g", "maxRetries": 3, "start": "latest", "subscriptions": {"orders": {"tps": 5}}, "onPoison": "park"});
    let made = world.post(groups, form).await.expect(201).json();
    assert_eq!(
        (&made["maxRetries"], &made["start"]),
        (&json!(3), &json!("latest"))
    );
    assert_eq!(made["subscriptions"], json!({"orders": {"tps": 5}}));
    world
        .as_caller(
            &demo(),
            "PATCH",
            &format!("{groups}/g"),
            json!({"start": NOW, "enabled": false}),
        )
        .await
        .expect(200);
    assert_eq!(
        world.get(&format!("{groups}/g")).await.expect(200).json()["start"],
        NOW
    );
    for bad in [
        json!({"start": "soon"}),
        json!({"start": -1}),
        json!({"subscriptions": {"t": {"x": 1}}}),
        json!({"enabled": 1}),
    ] {
        world
            .as_caller(&demo(), "PATCH", &format!("{groups}/g"), bad)
            .await
            .expect(400);
    }
    world
        .as_caller(&demo(), "DELETE", &format!("{groups}/g"), Value::Null)
        .await
        .expect(204);
    assert_eq!(world.storage.dropped().len(), 2);
}

#[actix_web::test]
async fn secrets_are_shown_once_or_on_request() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let users = "/v1/instances/demo/users";
    let made = world
        .as_caller(
            &admin,
            "POST",
            users,
            json!({"accessKey": "n", "topics": ["orders"]}),
        )
        .await
        .expect(201)
        .json();
    let secret = made["secretKey"].as_str().expect("shown").to_owned();
    let list = world
        .as_caller(&admin, "GET", users, Value::Null)
        .await
        .expect(200);
    assert!(
        !String::from_utf8_lossy(&list.bytes).contains("secret"),
        "a list shows secrets"
    );
    let shown = world
        .as_caller(&admin, "GET", &format!("{users}/n"), Value::Null)
        .await
        .expect(200)
        .json();
    assert_eq!(shown["secretKey"], Value::Null);
    let shown = world
        .as_caller(
            &admin,
            "GET",
            &format!("{users}/n?reveal=true"),
            Value::Null,
        )
        .await
        .expect(200)
        .json();
    assert_eq!(shown["secretKey"], secret.as_str());
    world
        .as_caller(
            &admin,
            "PATCH",
            &format!("{users}/n"),
            json!({"secretKey": "x"}),
        )
        .await
        .expect(400);
}

#[actix_web::test]
async fn the_operator_makes_and_removes_everything() {
    let world = World::new().await;
    let operator = world.login(None, "operator").await;
    let call = |method: &'static str, path: &'static str, body: Value| {
        world.as_caller(&operator, method, path, body)
    };
    call("POST", "/v1/tenants", json!({"id": 9, "name": "nine"}))
        .await
        .expect(201);
    let list = call("GET", "/v1/tenants", Value::Null)
        .await
        .expect(200)
        .json();
    assert_eq!(
        list["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|t| t["id"].clone())
            .collect::<Vec<_>>(),
        [2, 3, 9]
    );
    let plan = call(
        "POST",
        "/v1/plans",
        json!({"name": "big", "tps": 9, "topicTps": 1, "storageGib": 5}),
    )
    .await
    .expect(201)
    .json();
    assert_eq!(plan["messageBytes"], 524_288);
    let form = json!({"tenantId": 9, "name": "i", "plan": "big", "brokers": ["a", "b", "c"], "durability": "object", "remark": "r"});
    let made = call("POST", "/v1/instances", form).await.expect(201).json();
    assert_eq!(
        (&made["tenantId"], &made["durability"], &made["brokers"]),
        (&json!(9), &json!("object"), &json!(["a", "b", "c"]))
    );
    assert_eq!(
        call("DELETE", "/v1/tenants/9", Value::Null)
            .await
            .expect(409)
            .code(),
        "IN_USE"
    );
    call("POST", "/v1/instances/i/topics", json!({"name": "t"}))
        .await
        .expect(201);
    call("POST", "/v1/instances/i/groups", json!({"name": "g"}))
        .await
        .expect(201);
    call("PATCH", "/v1/instances/i", json!({"name": "x"}))
        .await
        .expect(400);
    call("DELETE", "/v1/instances/i", Value::Null)
        .await
        .expect(204);
    // Its data is erased by whoever follows the catalogue's list.
    assert_eq!(world.storage.dropped().len(), 0);
    call("GET", "/v1/instances/i", Value::Null)
        .await
        .expect(404);
    call("PATCH", "/v1/tenants/9", json!({"name": "neun"}))
        .await
        .expect(200);
    call("DELETE", "/v1/tenants/9", Value::Null)
        .await
        .expect(204);
    call("GET", "/v1/tenants/9", Value::Null).await.expect(404);
    // A tenant sees the plans of its own instances and no other.
    let admin = world.login(Some(2), "admin").await;
    let seen = world
        .as_caller(&admin, "GET", "/v1/plans", Value::Null)
        .await
        .expect(200)
        .json();
    assert_eq!(seen["total"], 0);
    let seen = call("GET", "/v1/plans", Value::Null)
        .await
        .expect(200)
        .json();
    assert_eq!(seen["total"], 1);
}

#[actix_web::test]
async fn every_route_is_described() {
    let world = World::new().await;
    let described: Value = serde_json::from_str(&firn_gateway::openapi_json()).expect("json");
    let mut routes: Vec<String> = firn_gateway::routes()
        .iter()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    let mut found = Vec::new();
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            found.push(format!("{} {path}", method.to_uppercase()));
            for name in path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            {
                let parameters = operation["parameters"].as_array().expect("parameters");
                assert!(
                    parameters
                        .iter()
                        .any(|p| p["name"] == name && p["in"] == "path"),
                    "{method} {path}: {name}"
                );
            }
        }
    }
    routes.sort();
    found.sort();
    assert_eq!(found, routes);
    let served = world
        .as_caller("", "GET", "/openapi.json", Value::Null)
        .await
        .expect(200);
    assert_eq!(served.json(), described);
    // No reference leads nowhere.
    let text = described.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(
            described["components"]["schemas"][name].is_object(),
            "{name} is not described"
        );
    }
    for path in ["/docs", "/", "/console/"] {
        let page = world
            .as_caller("", "GET", path, Value::Null)
            .await
            .expect(200);
        assert!(page.header("content-type").starts_with("text/html"));
        let text = String::from_utf8(page.bytes).expect("text");
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{path} loads from elsewhere"
        );
    }
    let docs = world.as_caller("", "GET", "/docs", Value::Null).await;
    let docs = String::from_utf8(docs.bytes).expect("text");
    for (_, path) in firn_gateway::routes() {
        assert!(docs.contains(path), "{path}");
    }
}

#[actix_web::test]
async fn a_catalogue_that_is_away_fails_changes_and_serves_messages() {
    let world = World::new().await;
    world
        .tenants
        .down
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let reply = world
        .post("/v1/instances/demo/topics", json!({"name": "x"}))
        .await
        .expect(503);
    assert_eq!(reply.code(), "CATALOGUE_UNAVAILABLE");
    world.send(&["a"]).await;
    assert_eq!(world.receive(json!({})).await.len(), 1);
    let form = json!({"username": "operator", "password": "pw"});
    world
        .as_caller("", "POST", "/v1/auth/login", form)
        .await
        .expect(503);
}
