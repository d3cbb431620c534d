//! Console users of a tenant and tokens for all of it, over HTTP.

use serde_json::{Value, json};

use crate::world::*;

const USERS: &str = "/v1/tenants/2/users";
const TOKENS: &str = "/v1/tenants/2/tokens";

/// Rows of the table of rights.
pub(crate) fn rights() -> Vec<(&'static str, &'static str, Value, [u16; 8])> {
    let seen = [200, 200, 200, 403, 403, 403, 404, 404];
    // What it is refused for besides comes after the right.
    let refused = [400, 400, 403, 403, 403, 403, 404, 404];
    let changed = [200, 200, 403, 403, 403, 403, 404, 404];
    let one = "/v1/tenants/2/users/viewer";
    let none = "/v1/tenants/2/users/nobody";
    vec![
        ("GET", USERS, Value::Null, seen),
        ("POST", USERS, json!({}), refused),
        ("GET", one, Value::Null, seen),
        ("GET", none, Value::Null, [404; 8]),
        ("PATCH", one, json!({"role": "viewer"}), changed),
        ("PATCH", one, json!({"name": "x"}), refused),
        ("DELETE", none, Value::Null, [404; 8]),
        ("GET", TOKENS, Value::Null, seen),
        ("POST", TOKENS, json!({}), refused),
        (
            "DELETE",
            "/v1/tenants/2/tokens/nothing",
            Value::Null,
            [404; 8],
        ),
    ]
}

async fn log_in(world: &World, name: &str, password: &str) -> Reply {
    let form = json!({"tenant": 2, "username": name, "password": password});
    world.as_caller("", "POST", "/v1/auth/login", form).await
}

#[actix_web::test]
async fn an_administrator_keeps_the_people_of_its_tenant() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let call = async |method: &str, path: &str, form: Value| {
        world.as_caller(&admin, method, path, form).await
    };
    let form = json!({"username": "ann", "password": "ann-password", "role": "viewer"});
    let made = call("POST", USERS, form.clone()).await.expect(201);
    assert_eq!(made.json(), json!({"username": "ann", "role": "viewer"}));
    call("POST", USERS, form).await.expect(409);
    for (field, value) in [
        ("role", json!("operator")),
        ("role", json!("root")),
        ("password", json!(5)),
    ] {
        let mut form = json!({"username": "bob", "password": "bob-password", "role": "admin"});
        form[field] = value;
        let reply = call("POST", USERS, form).await.expect(400);
        let text = reply.json()["error"]["message"].to_string();
        assert!(
            text.contains(field) && !text.contains("bob-password"),
            "{text}"
        );
    }
    let listed = call("GET", USERS, Value::Null).await.expect(200).json();
    assert_eq!(listed["total"], 3, "{listed}");
    assert_eq!(
        listed["items"][1],
        json!({"username": "ann", "role": "viewer"})
    );

    // The operator is of no tenant, and in reach of none.
    let operator = "/v1/tenants/2/users/operator";
    for method in ["GET", "DELETE"] {
        call(method, operator, Value::Null).await.expect(404);
    }
    call("PATCH", operator, json!({"role": "viewer"}))
        .await
        .expect(404);
    world.login(None, "operator").await;
}

#[actix_web::test]
async fn another_password_or_none_ends_what_was_given_out() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let call = async |auth: &str, method: &str, path: &str, form: Value| {
        world.as_caller(auth, method, path, form).await
    };
    let form = json!({"username": "ann", "password": "ann-password", "role": "viewer"});
    call(&admin, "POST", USERS, form.clone()).await.expect(201);
    let ann = "/v1/tenants/2/users/ann";
    let tokens = log_in(&world, "ann", "ann-password")
        .await
        .expect(200)
        .json();
    let bearer = format!("Bearer {}", tokens["token"].as_str().expect("a token"));
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    call(&bearer, "GET", USERS, Value::Null).await.expect(200);

    // A role counts at once, and ends nothing.
    let topic = json!({"name": "anns"});
    let topics = "/v1/instances/demo/topics";
    call(&bearer, "POST", topics, topic.clone())
        .await
        .expect(403);
    call(&admin, "PATCH", ann, json!({"role": "admin"}))
        .await
        .expect(200);
    call(&bearer, "POST", topics, topic).await.expect(201);
    call("", "POST", "/v1/auth/refresh", refresh.clone())
        .await
        .expect(200);

    call(&admin, "PATCH", ann, json!({"password": "new-password"}))
        .await
        .expect(200);
    call(&bearer, "GET", USERS, Value::Null).await.expect(401);
    call("", "POST", "/v1/auth/refresh", refresh)
        .await
        .expect(401);
    log_in(&world, "ann", "ann-password").await.expect(401);
    let tokens = log_in(&world, "ann", "new-password")
        .await
        .expect(200)
        .json();
    let bearer = format!("Bearer {}", tokens["token"].as_str().expect("a token"));
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    call(&bearer, "GET", USERS, Value::Null).await.expect(200);

    call(&admin, "DELETE", ann, Value::Null).await.expect(204);
    call(&bearer, "GET", USERS, Value::Null).await.expect(401);
    call("", "POST", "/v1/auth/refresh", refresh.clone())
        .await
        .expect(401);
    // One of the same name is somebody else.
    call(&admin, "POST", USERS, form).await.expect(201);
    call(&bearer, "GET", USERS, Value::Null).await.expect(401);
    call("", "POST", "/v1/auth/refresh", refresh)
        .await
        .expect(401);
}

#[actix_web::test]
async fn a_token_of_a_tenant_works_in_all_its_instances_and_no_other() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let form = json!({"name": "all", "scopes": ["produce"], "topics": ["orders"]});
    let made = world
        .as_caller(&admin, "POST", TOKENS, form)
        .await
        .expect(201)
        .json();
    let bearer = format!("Bearer {}", made["token"].as_str().expect("shown once"));
    let one = json!({"messages": [{"body": "x"}]});
    let send = async |path: &str| world.as_caller(&bearer, "POST", path, one.clone()).await;
    send(MESSAGES).await.expect(200);
    send(&MESSAGES.replace("demo", "other")).await.expect(200);
    let rival = send(&MESSAGES.replace("demo", "foreign")).await;
    assert_eq!(rival.expect(404).code(), "INSTANCE_NOT_FOUND");
    send("/v1/instances/demo/topics/secret/messages")
        .await
        .expect(403);
    let instances = world
        .as_caller(&bearer, "GET", "/v1/instances", Value::Null)
        .await;
    assert_eq!(instances.expect(200).json()["total"], 2);

    let listed = world
        .as_caller(&admin, "GET", TOKENS, Value::Null)
        .await
        .expect(200)
        .json();
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["items"][0]["token"], Value::Null, "shown once");
    let of_instance = "/v1/instances/demo/tokens";
    let listed = world
        .as_caller(&admin, "GET", of_instance, Value::Null)
        .await;
    assert_eq!(listed.expect(200).json()["total"], 0, "not the instance's");
    let id = made["id"].as_str().expect("an id");
    let there = format!("{of_instance}/{id}");
    world
        .as_caller(&admin, "DELETE", &there, Value::Null)
        .await
        .expect(404);
    let here = format!("{TOKENS}/{id}");
    world
        .as_caller(&admin, "DELETE", &here, Value::Null)
        .await
        .expect(204);
    send(MESSAGES).await.expect(401);
}
