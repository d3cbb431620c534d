//! Looking messages up.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::*;

async fn page(world: &World, query: &str) -> (Vec<String>, Option<String>) {
    let json = world
        .get(&format!("{MESSAGES}?{query}"))
        .await
        .expect(200)
        .json();
    let bodies = json["messages"].as_array().expect("messages").iter();
    let bodies = bodies
        .map(|message| message["body"].as_str().expect("text").to_owned())
        .collect();
    (bodies, json["cursor"].as_str().map(str::to_owned))
}

/// All pages of a query.
async fn all(world: &World, query: &str) -> Vec<String> {
    let (mut bodies, mut cursor) = page(world, query).await;
    while let Some(at) = cursor {
        let (more, next) = page(world, &format!("{query}&cursor={at}")).await;
        assert!(
            next.is_none() || !more.is_empty(),
            "a page without progress"
        );
        bodies.extend(more);
        assert!(bodies.len() <= 1000, "pages repeat");
        cursor = next;
    }
    bodies
}

#[actix_web::test]
async fn by_either_id() {
    let world = World::new().await;
    let sent = world.send(&["a"]).await[0].clone();
    for id in ["messageId", "offsetMessageId"] {
        let id = sent[id].as_str().expect("an id");
        for form in [id.to_owned(), id.to_lowercase()] {
            let path = format!("/v1/instances/demo/messages/{form}?group=workers");
            let found = world.get(&path).await.expect(200).json();
            assert_eq!(
                (&found["body"], &found["status"]),
                (&json!("a"), &json!("TO_CONSUME"))
            );
        }
    }
    assert_eq!(world.receive(json!({})).await.len(), 1);
    let path = format!(
        "/v1/instances/demo/messages/{}",
        sent["messageId"].as_str().expect("an id")
    );
    let status = world
        .get(&format!("{path}?group=workers"))
        .await
        .expect(200)
        .json();
    assert_eq!(status["status"], "CONSUMING");
    assert_eq!(
        world.get(&path).await.expect(200).json()["status"],
        Value::Null
    );
    assert_eq!(
        world
            .get(&format!("{path}?group=nobody"))
            .await
            .expect(404)
            .code(),
        "GROUP_NOT_FOUND"
    );
    for (id, status, code) in [
        ("0".repeat(32), 404, "MESSAGE_NOT_FOUND"),
        ("0".repeat(34), 404, "MESSAGE_NOT_FOUND"),
        ("0".repeat(56), 404, "MESSAGE_NOT_FOUND"),
        ("0".repeat(31), 400, "BAD_REQUEST"),
        ("z".repeat(32), 400, "BAD_REQUEST"),
    ] {
        assert_eq!(
            world
                .get(&format!("/v1/instances/demo/messages/{id}"))
                .await
                .expect(status)
                .code(),
            code
        );
    }
}

#[actix_web::test]
async fn a_limited_user_finds_only_messages_of_its_topics() {
    let world = World::new().await;
    let limited = basic("demo-limited", "demo-limited-secret");
    for (topic, status) in [("orders", 200), ("secret", 404)] {
        let path = MESSAGES.replace("orders", topic);
        let sent = world
            .post(&path, json!({"messages": [{"body": "x"}]}))
            .await
            .expect(200)
            .json();
        for id in ["messageId", "offsetMessageId"] {
            let path = format!(
                "/v1/instances/demo/messages/{}",
                sent["results"][0][id].as_str().expect("an id")
            );
            world
                .as_caller(&limited, "GET", &path, Value::Null)
                .await
                .expect(status);
        }
    }
}

#[actix_web::test]
async fn by_key_over_all_brokers() {
    let world = World::new().await;
    for n in 0..20 {
        let entry =
            json!({"body": n.to_string(), "keys": ["k ü".replace(' ', "-"), format!("n{n}")]});
        world
            .post(MESSAGES, json!({"messages": [entry]}))
            .await
            .expect(200);
    }
    assert_eq!(page(&world, "key=n7").await, (vec!["7".to_owned()], None));
    assert_eq!(page(&world, "key=nothing").await, (Vec::new(), None));
    for max in [1, 3, 20, 1000] {
        let mut found = all(&world, &format!("key=k-%C3%BC&max={max}")).await;
        assert_eq!(found.len(), 20, "max {max}");
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 20, "max {max}");
    }
    let (_, cursor) = page(&world, "key=k-%C3%BC&max=3").await;
    let cursor = cursor.expect("there is more");
    for foreign in [
        format!("key=n7&cursor={cursor}"),
        format!("from=0&to=1&cursor={cursor}"),
        "key=k&cursor=!".into(),
    ] {
        world
            .get(&format!("{MESSAGES}?{foreign}"))
            .await
            .expect(400);
    }
}

#[actix_web::test]
async fn by_offset() {
    let world = World::new().await;
    let sent = world.send(&["a", "b", "c"]).await[0].clone();
    let queue = format!(
        "broker={}&queueId={}",
        sent["broker"].as_str().expect("a name"),
        sent["queueId"]
    );
    assert_eq!(
        page(&world, &format!("{queue}&offset=1")).await.0,
        ["b", "c"]
    );
    assert_eq!(
        page(&world, &format!("{queue}&offset=0&max=1")).await.0,
        ["a"]
    );
    for outside in ["3", "99999", "18446744073709551615"] {
        assert!(
            page(&world, &format!("{queue}&offset={outside}"))
                .await
                .0
                .is_empty()
        );
    }
    for (query, status) in [
        ("broker=zz&queueId=0&offset=0", 404),
        ("broker=a&queueId=4&offset=0", 404),
        ("broker=a&queueId=70000&offset=0", 404),
        ("broker=a&queueId=0", 400),
        ("broker=a&offset=0", 400),
        ("queueId=0&offset=0", 400),
        ("broker=a&queueId=-1&offset=0", 400),
        ("broker=a&queueId=0&offset=x", 400),
        ("broker=a&queueId=0&offset=0&cursor=x", 400),
        ("", 400),
        ("key=", 400),
        ("key=a&from=0&to=1", 400),
        ("from=0", 400),
        ("from=-1&to=1", 400),
        ("from=2&to=1", 400),
        ("key=a&max=0", 400),
        ("key=a&max=1001", 400),
        ("key=a&key=b", 400),
        ("key=a&x=1", 400),
        ("key=%zz", 400),
        ("key=a&group=nobody", 404),
    ] {
        let reply = world.get(&format!("{MESSAGES}?{query}")).await;
        assert_eq!(reply.status, status, "{query}");
        reply.code();
    }
}

#[actix_web::test]
async fn by_time_in_one_order() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for n in 0..60_u64 {
        let body = format!("{n:02}");
        world.send(&[&body, &format!("{body}b")]).await;
        expected.extend([body.clone(), format!("{body}b")]);
        if n % 3 == 2 {
            world.clock.advance(Duration::from_millis(1));
        }
    }
    let window = format!("from={NOW}&to={}", NOW + 1000);
    let whole = all(&world, &format!("{window}&max=1000")).await;
    assert_eq!(whole.len(), 120);
    for max in [1, 2, 7, 33, 119] {
        assert_eq!(
            all(&world, &format!("{window}&max={max}")).await,
            whole,
            "max {max}"
        );
    }
    let mut sorted = whole.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    let rank = |body: &String| body[..2].parse::<u64>().expect("a number") / 3;
    assert!(whole.is_sorted_by_key(rank), "store times fall");
    // Both ends belong to the window.
    let some = all(&world, &format!("from={}&to={}", NOW + 3, NOW + 4)).await;
    assert_eq!(some.len(), 12);
    assert!(
        all(&world, &format!("from={}&to={}", NOW + 500, NOW + 600))
            .await
            .is_empty()
    );
}

const PEEK: &str = "/v1/instances/demo/topics/orders/peek";

#[actix_web::test]
async fn a_peek_looks_at_a_bounded_number_of_records() {
    let world = World::new().await;
    for batch in 0..10 {
        let entries: Vec<Value> = (0..1000)
            .map(|n| json!({"tag": if batch == 9 && n == 999 { "rare" } else { "usual" }}))
            .collect();
        let path = "/v1/instances/demo/topics/secret/messages";
        world
            .post(path, json!({"messages": entries}))
            .await
            .expect(200);
    }
    let path = PEEK.replace("orders", "secret");
    let (mut found, mut calls, mut at) = (0, 0, String::new());
    loop {
        let page = world
            .get(&format!("{path}?filter=rare{at}"))
            .await
            .expect(200)
            .json();
        calls += 1;
        found += page["messages"].as_array().expect("messages").len();
        match page["cursor"].as_str() {
            Some(cursor) => at = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!((found, calls), (1, 3), "10000 records, 4096 a call");
    let query = format!("{path}?filter=other{at}");
    world.get(&query).await.expect(400);
}

#[actix_web::test]
async fn a_peek_reads_its_fields_strictly() {
    let world = World::new().await;
    for (query, code) in [
        ("from=now", "BAD_REQUEST"),
        ("from=-1", "BAD_REQUEST"),
        ("from=", "BAD_REQUEST"),
        ("max=0", "BAD_REQUEST"),
        ("max=1001", "BAD_REQUEST"),
        ("cursor=x", "BAD_REQUEST"),
        ("to=1", "BAD_REQUEST"),
        ("filter=a%7C%7C", "INVALID_FILTER"),
        ("filterType=SQL92&filter=(", "INVALID_FILTER"),
    ] {
        let reply = world.get(&format!("{PEEK}?{query}")).await.expect(400);
        assert_eq!(reply.code(), code, "{query}");
    }
    let reply = world.get(&format!("{PEEK}?group=nobody")).await.expect(404);
    assert_eq!(reply.code(), "GROUP_NOT_FOUND");
}
