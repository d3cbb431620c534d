//! Tokens: how they are got, renewed and ended.

use serde_json::{Value, json};
use std::time::Duration;

use crate::world::*;

#[actix_web::test]
async fn user_tokens_end_with_their_time_their_user_and_their_logout() {
    let world = World::new().await;
    let form = json!({"accessKey": "demo", "secretKey": "demo-secret"});
    let answer = world
        .as_caller("", "POST", "/v1/auth/token", form.clone())
        .await
        .expect(200)
        .json();
    assert_eq!(answer["expiresAt"], NOW + 900_000);
    let token = format!("Bearer {}", answer["token"].as_str().expect("a token"));
    let path = "/v1/instances/demo/topics";
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(200);
    // One changed letter of the signature.
    let last = if token.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{last}", &token[..token.len() - 1]);
    let middle = token.len() - 20;
    let swapped = if &token[middle..=middle] == "x" {
        "y"
    } else {
        "x"
    };
    let forged_too = format!("{}{swapped}{}", &token[..middle], &token[middle + 1..]);
    let accepted = world
        .as_caller(&forged, "GET", path, Value::Null)
        .await
        .status
        == 200;
    assert!(
        !accepted || last == "A",
        "trailing bits of base64 may be ignored, nothing else"
    );
    world
        .as_caller(&forged_too, "GET", path, Value::Null)
        .await
        .expect(401);
    world.clock.advance(Duration::from_millis(899_999));
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(200);
    world.clock.advance(Duration::from_millis(1));
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(401);

    let answer = world
        .as_caller("", "POST", "/v1/auth/token", form.clone())
        .await
        .expect(200)
        .json();
    let token = format!("Bearer {}", answer["token"].as_str().expect("a token"));
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(200);
    world
        .as_caller(&token, "POST", "/v1/auth/logout", json!({}))
        .await
        .expect(204);
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(401);

    let answer = world
        .as_caller("", "POST", "/v1/auth/token", form)
        .await
        .expect(200)
        .json();
    let token = format!("Bearer {}", answer["token"].as_str().expect("a token"));
    let admin = world.login(Some(2), "admin").await;
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(200);
    world
        .as_caller(
            &admin,
            "DELETE",
            "/v1/instances/demo/users/demo",
            Value::Null,
        )
        .await
        .expect(204);
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(401);
    // Another user of the same name is another user.
    world
        .as_caller(
            &admin,
            "POST",
            "/v1/instances/demo/users",
            json!({"accessKey": "demo"}),
        )
        .await
        .expect(201);
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(401);
}

#[actix_web::test]
async fn people_refresh_and_log_out() {
    let world = World::new().await;
    let form = json!({"tenant": 2, "username": "admin", "password": "pw"});
    let first = world
        .as_caller("", "POST", "/v1/auth/login", form)
        .await
        .expect(200)
        .json();
    let refresh = json!({"refreshToken": first["refreshToken"]});
    let as_token = |value: &Value| format!("Bearer {}", value.as_str().expect("a token"));
    // A refresh token buys tokens and nothing else; an access token buys none.
    let path = "/v1/instances/demo/topics";
    world
        .as_caller(&as_token(&first["refreshToken"]), "GET", path, Value::Null)
        .await
        .expect(401);
    world
        .as_caller(
            "",
            "POST",
            "/v1/auth/refresh",
            json!({"refreshToken": first["token"]}),
        )
        .await
        .expect(401);
    world.clock.advance(Duration::from_secs(3600));
    world
        .as_caller(&as_token(&first["token"]), "GET", path, Value::Null)
        .await
        .expect(401);
    let second = world
        .as_caller("", "POST", "/v1/auth/refresh", refresh.clone())
        .await
        .expect(200)
        .json();
    let token = as_token(&second["token"]);
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(200);
    world
        .as_caller(&token, "POST", "/v1/auth/logout", json!({}))
        .await
        .expect(204);
    world
        .as_caller(&token, "GET", path, Value::Null)
        .await
        .expect(401);
    world
        .as_caller("", "POST", "/v1/auth/refresh", refresh)
        .await
        .expect(401);
    // Twelve hours are the end of any login.
    let form = json!({"username": "operator", "password": "pw"});
    let late = world
        .as_caller("", "POST", "/v1/auth/login", form)
        .await
        .expect(200)
        .json();
    world.clock.advance(Duration::from_secs(12 * 3600));
    let refresh = json!({"refreshToken": late["refreshToken"]});
    world
        .as_caller("", "POST", "/v1/auth/refresh", refresh)
        .await
        .expect(401);
}

/// Wrong secrets and passwords are slowed down, whoever they are meant for.
#[actix_web::test]
async fn guessing_is_slowed_down() {
    let world = World::new().await;
    let token = |name: &str, secret: &str| json!({"accessKey": name, "secretKey": secret});
    let login = |name: &str, word: &str| json!({"tenant": 2, "username": name, "password": word});
    let forms: [(&str, Value, Value); 4] = [
        ("/v1/auth/token", token("demo-limited", "x"), Value::Null),
        ("/v1/auth/token", token("nobody", "x"), Value::Null),
        (
            "/v1/auth/login",
            login("viewer", "x"),
            login("viewer", "pw"),
        ),
        ("/v1/auth/login", login("nobody", "x"), Value::Null),
    ];
    let mut refusals = Vec::new();
    for (path, wrong, right) in forms {
        let call = async |form: &Value| world.as_caller("", "POST", path, form.clone()).await;
        for _ in 0..11 {
            call(&wrong).await.expect(401);
        }
        world.clock.advance(Duration::from_millis(100));
        let reply = call(&wrong).await.expect(429);
        assert_eq!(reply.header("retry-after"), "1");
        let mut told = reply.json();
        told["error"]["requestId"] = Value::Null;
        refusals.push(told);
        if right.is_null() {
            continue;
        }
        // Not even the right one is looked at, until the time told.
        call(&right).await.expect(429);
        world.clock.advance(Duration::from_millis(900));
        call(&right).await.expect(200);
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    // Others go on from the same address.
    world.get("/v1/instances/demo").await.expect(200);
    // In a header as in a body.
    world.clock.advance(Duration::from_secs(3600));
    let wrong = basic("neighbour", "x");
    for _ in 0..11 {
        let reply = world.as_caller(&wrong, "GET", "/v1/instances/other", Value::Null);
        reply.await.expect(401);
    }
    let right = basic("neighbour", "neighbour-secret");
    for auth in [wrong, right] {
        let reply = world.as_caller(&auth, "GET", "/v1/instances/other", Value::Null);
        assert_eq!(reply.await.expect(429).code(), "RATE_LIMITED");
    }
}
