//! The audit log over HTTP, and what is refused in it.

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::world::*;

async fn rows(world: &World, auth: &str, path: &str) -> Vec<Value> {
    let reply = world.as_caller(auth, "GET", path, Value::Null).await;
    let json = reply.expect(200).json();
    json["items"].as_array().expect("items").clone()
}

/// Caller, code and count of each row, in a fixed order.
fn told(rows: &[Value]) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut told: Vec<_> = rows
        .iter()
        .map(|row| {
            let detail = &row["detail"];
            let count = detail["count"].as_u64().expect("a count");
            (text(&row["caller"]), text(&detail["code"]), count)
        })
        .collect();
    told.sort();
    told
}

#[actix_web::test]
async fn refusals_are_counted_and_told_to_the_callers_tenant_alone() {
    let world = World::new().await;
    let (operator, admin, rival) = (
        world.login(None, "operator").await,
        world.login(Some(2), "admin").await,
        world.login(Some(3), "admin").await,
    );
    let limited = basic("demo-limited", "demo-limited-secret");
    for _ in 0..5 {
        let reply = world.as_caller(&limited, "GET", "/v1/instances/demo/topics", Value::Null);
        reply.await.expect(403);
    }
    // Somebody else's, and nobody's: one row, which does not tell which was which.
    for name in ["foreign", "nothing"] {
        let path = format!("/v1/instances/{name}");
        let reply = world.as_caller(&admin, "GET", &path, Value::Null).await;
        reply.expect(404);
    }
    let wrong = basic("demo", "wrong");
    for auth in [wrong.as_str(), "", "Bearer x", &basic("nobody", "x")] {
        let reply = world.as_caller(auth, "GET", "/v1/plans", Value::Null).await;
        reply.expect(401);
    }
    for name in ["viewer", "nobody"] {
        let form = json!({"tenant": 2, "username": name, "password": "x"});
        let reply = world.as_caller("", "POST", "/v1/auth/login", form).await;
        reply.expect(401);
    }
    for name in ["rival", "nobody"] {
        let form = json!({"accessKey": name, "secretKey": "x"});
        let reply = world.as_caller("", "POST", "/v1/auth/token", form).await;
        reply.expect(401);
    }
    // What is no refusal has no row.
    world
        .get("/v1/instances/demo/topics/nothing")
        .await
        .expect(404);
    let reply = world.as_caller(&operator, "GET", "/v1/instances/nothing", Value::Null);
    reply.await.expect(404);

    assert!(
        rows(&world, &operator, "/v1/audit").await.is_empty(),
        "not yet"
    );
    world.clock.advance(Duration::from_secs(60));
    let row = |caller: &str, code: &str, count| (caller.to_owned(), code.to_owned(), count);
    let own = vec![
        row("console:2/admin", "INSTANCE_NOT_FOUND", 2),
        row("console:2/viewer", "UNAUTHENTICATED", 1),
        row("user:demo", "UNAUTHENTICATED", 1),
        row("user:demo-limited", "FORBIDDEN", 5),
    ];
    assert_eq!(told(&rows(&world, &admin, "/v1/audit").await), own);
    let foreign = vec![row("user:rival", "UNAUTHENTICATED", 1)];
    assert_eq!(told(&rows(&world, &rival, "/v1/audit").await), foreign);
    assert_eq!(
        rows(&world, &operator, "/v1/audit?action=denied")
            .await
            .len(),
        5
    );
    assert_eq!(
        told(&rows(&world, &operator, "/v1/audit?tenant=3").await),
        foreign
    );
    let found = rows(&world, &admin, "/v1/audit?caller=user:demo").await;
    assert_eq!(found[0]["object"], "GET /v1/plans");
    assert_eq!(found[0]["detail"]["route"], "GET /v1/plans");
}

#[actix_web::test]
async fn a_flood_makes_few_rows() {
    let world = World::new().await;
    let operator = world.login(None, "operator").await;
    let limited = basic("demo-limited", "demo-limited-secret");
    let mut sent = 0;
    for (method, path) in firn_gateway::routes() {
        if !path.starts_with("/v1/instances/{instance}/") {
            continue;
        }
        for number in 0..3 {
            let path = path.replace("{instance}", &format!("none{number}"));
            let path = path.replace(['{', '}'], "");
            let reply = world.as_caller(&limited, method.as_str(), &path, json!({}));
            let reply = reply.await;
            sent += u64::from(reply.status == 404);
        }
    }
    assert!(sent > 60, "{sent}");
    world.clock.advance(Duration::from_secs(60));
    let found = rows(&world, &operator, "/v1/audit").await;
    assert_eq!(found.len(), 9, "eight and one for the others");
    let counted: u64 = told(&found).iter().map(|(_, _, count)| count).sum();
    assert_eq!(counted, sent, "none is missing");
}

#[actix_web::test]
async fn it_is_read_by_pages_and_as_lines() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let limited = basic("demo-limited", "demo-limited-secret");
    for path in ["topics", "groups", "sessions"] {
        let path = format!("/v1/instances/demo/{path}");
        let reply = world.as_caller(&limited, "GET", &path, Value::Null);
        reply.await.expect(403);
    }
    world.clock.advance(Duration::from_secs(60));
    let get = async |path: &str, accept: &str| {
        let request = TestRequest::with_uri(path)
            .insert_header(("authorization", admin.as_str()))
            .insert_header(("accept", accept));
        world.call(request).await.expect(200)
    };
    let mut seen = Vec::new();
    let mut path = "/v1/audit?max=1".to_owned();
    loop {
        let page = get(&path, "application/json").await.json();
        assert_eq!(page["items"].as_array().expect("items").len(), 1);
        let total = (&page["total"], &page["totalIsExact"]);
        assert_eq!(total, (&json!(3), &json!(true)), "of all pages");
        seen.push(page["items"][0]["id"].as_u64().expect("an id"));
        let Some(cursor) = page["cursor"].as_str() else {
            break;
        };
        path = format!("/v1/audit?max=1&cursor={cursor}");
    }
    assert_eq!(seen, [3, 2, 1]);
    let lines = get("/v1/audit?max=2", "application/x-ndjson").await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let text = String::from_utf8(lines.bytes.clone()).expect("text");
    let parsed: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(parsed.len(), 2);
    let path = format!("/v1/audit?cursor={}", lines.header("firn-cursor"));
    let csv = get(&path, "text/csv, */*").await;
    assert_eq!(csv.header("firn-cursor"), "");
    let text = String::from_utf8(csv.bytes).expect("text");
    let mut lines = text.split("\r\n");
    let head = "id,at,tenant,caller,action,object,requestId,detail";
    assert_eq!(lines.next(), Some(head));
    let row = lines.next().expect("a row");
    assert!(
        row.starts_with("1,1700000000000,2,\"user:demo-limited\",\"denied\","),
        "{row}"
    );
    assert!(row.contains("\"{\"\"code\"\":\"\"FORBIDDEN\"\""), "{row}");
    assert_eq!((lines.next(), lines.next()), (Some(""), None));
    for wrong in [
        "max=0",
        "max=501",
        "cursor=x",
        "from=x",
        "what=1",
        "action=%00",
    ] {
        let path = format!("/v1/audit?{wrong}");
        let reply = world.as_caller(&admin, "GET", &path, Value::Null).await;
        reply.expect(400);
    }
}
