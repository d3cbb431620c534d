//! Who is online, and what follows from it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::stream::Events;
use crate::world::*;

const SESSIONS: &str = "/v1/instances/demo/sessions";
const TOPIC: &str = "/v1/instances/demo/topics/orders";
const GROUP: &str = "/v1/instances/demo/groups/workers";

/// A call of a client that says what it is.
async fn call(world: &World, agent: &str, path: &str, body: Value) -> Reply {
    let request = TestRequest::post()
        .uri(path)
        .insert_header(("authorization", demo()))
        .insert_header(("user-agent", agent))
        .set_json(body);
    world.call(request).await
}

async fn receive_as(world: &World, member: &str, topic: &str, filter: &str) -> Vec<Value> {
    let path = format!("{GROUP}/topics/{topic}/receive");
    let body = json!({"consumerId": member, "filter": {"expression": filter}});
    let reply = world.post(&path, body).await.expect(200).json();
    reply["messages"].as_array().expect("messages").clone()
}

async fn items(world: &World, query: &str) -> Vec<Value> {
    let reply = world.get(&format!("{SESSIONS}{query}")).await.expect(200);
    reply.json()["items"].as_array().expect("items").clone()
}

async fn names(world: &World, query: &str) -> Vec<String> {
    let items = items(world, query).await;
    let name = |item: &Value| item["instanceName"].as_str().expect("a name").to_owned();
    items.iter().map(name).collect()
}

async fn delete(world: &World, auth: &str, path: &str) -> Reply {
    world.as_caller(auth, "DELETE", path, Value::Null).await
}

fn pass(world: &World, ms: u64) {
    world.clock.advance(Duration::from_millis(ms));
}

#[actix_web::test]
async fn clients_are_shown_as_they_call() {
    let world = World::new().await;
    assert_eq!(items(&world, "").await, [] as [Value; 0]);
    let body = json!({"messages": [{"body": "x"}]});
    call(&world, "firn-java/1.2 Linux", MESSAGES, body)
        .await
        .expect(200);
    pass(&world, 1000);
    let body = json!({"consumerId": "c-1", "filter": {"expression": "b||a"}});
    let path = format!("{CONSUME}/receive");
    call(&world, "python-requests/2.31", &path, body)
        .await
        .expect(200);
    let consumer = json!({
        "kind": "consumer", "group": "workers", "topics": ["orders"], "instanceName": "c-1",
        "protocol": "http", "language": "python-requests", "version": "2.31",
        "clientAddr": "10.9.8.7:5167",
        "subscriptions": [{"topic": "orders", "filterType": "TAG", "expression": "a || b"}],
        "consumeType": "CONSUME_ACTIVELY", "messageModel": "CLUSTERING",
        "consumeFromWhere": "CONSUME_FROM_FIRST_OFFSET",
        "firstSeen": NOW + 1000, "lastSeen": NOW + 1000,
    });
    let producer = json!({
        "kind": "producer", "topics": ["orders"], "instanceName": "10.9.8.7:5167",
        "protocol": "http", "language": "firn-java", "version": "1.2",
        "clientAddr": "10.9.8.7:5167", "firstSeen": NOW, "lastSeen": NOW,
    });
    assert_eq!(items(&world, "").await, [consumer, producer]);
    world.edit_group(|group| group.start = firn_protocol::catalogue::StartPosition::Latest);
    let shown = &items(&world, "?kind=consumer").await[0]["consumeFromWhere"];
    assert_eq!(shown, "CONSUME_FROM_LAST_OFFSET");
    // A call without what it needs comes from nobody.
    call(&world, "x/1", MESSAGES, json!({"messages": 1}))
        .await
        .expect(400);
    assert_eq!(names(&world, "?kind=producer").await.len(), 1);
    // The other instance of the tenant, and the other tenant, see none of it.
    for (key, instance) in [("neighbour", "other"), ("rival", "foreign")] {
        let auth = basic(key, &format!("{key}-secret"));
        let path = format!("/v1/instances/{instance}/sessions");
        let reply = world.as_caller(&auth, "GET", &path, Value::Null).await;
        let empty = json!({"items": [], "total": 0});
        assert_eq!(reply.expect(200).json(), empty);
    }
}

#[actix_web::test]
async fn lists_of_clients_are_narrowed_and_paged() {
    let world = World::new().await;
    world.send(&["x"]).await;
    for member in ["a", "b", "c"] {
        receive_as(&world, member, "orders", "*").await;
    }
    receive_as(&world, "b", "secret", "*").await;
    let dead = "%25DLQ%25workers";
    receive_as(&world, "d", dead, "*").await;
    for (query, expected) in [
        ("", &["a", "b", "c", "d", "10.9.8.7:5167"] as &[&str]),
        ("?kind=consumer", &["a", "b", "c", "d"]),
        ("?kind=producer&topic=orders", &["10.9.8.7:5167"]),
        ("?topic=secret", &["b"]),
        (&format!("?topic={dead}"), &["d"]),
        ("?group=workers&topic=orders", &["a", "b", "c"]),
        ("?group=nobody", &[]),
        ("?kind=producer&group=workers", &[]),
    ] {
        assert_eq!(names(&world, query).await, expected, "{query}");
    }
    let first = world
        .get(&format!("{SESSIONS}?max=3"))
        .await
        .expect(200)
        .json();
    assert_eq!(first["total"], 5);
    let cursor = first["cursor"].as_str().expect("more");
    let rest = names(&world, &format!("?max=3&cursor={cursor}")).await;
    assert_eq!(rest, ["d", "10.9.8.7:5167"]);
    for bad in ["kind=both", "x=1", "max=0", "group=a&group=b", "cursor=x"] {
        let reply = world.get(&format!("{SESSIONS}?{bad}")).await.expect(400);
        assert_eq!(reply.code(), "BAD_REQUEST", "{bad}");
    }
}

#[actix_web::test]
async fn a_wait_and_a_stream_count_for_their_whole_length() {
    let world = World::new().await;
    let poll = world.receive(json!({"waitSeconds": 30, "consumerId": "poll"}));
    let watch = async {
        settle(|| world.storage.waiting.load(Ordering::SeqCst) == 1).await;
        pass(&world, 29_999);
        let shown = items(&world, "").await;
        assert_eq!(shown[0]["lastSeen"], NOW + 29_999);
        pass(&world, 1);
    };
    tokio::join!(poll, watch);
    pass(&world, 29_999);
    assert_eq!(names(&world, "").await, ["poll"], "since its end");
    pass(&world, 1);
    assert_eq!(names(&world, "").await, [""; 0]);

    let mut events = Events::open(&world, "consumerId=stream").await;
    for _ in 0..10 {
        assert!(events.is_silent().await);
        pass(&world, 10_000);
        events.next().await.expect("a comment");
    }
    let shown = items(&world, "").await;
    assert_eq!(shown[0]["consumeType"], "CONSUME_PASSIVELY");
    drop(events);
    pass(&world, 29_999);
    assert_eq!(names(&world, "").await, ["stream"]);
    pass(&world, 1);
    assert_eq!(names(&world, "").await, [""; 0]);
}

/// S-14: members that want different things are flagged, and nothing is lost.
#[actix_web::test]
async fn s_14_unequal_subscriptions_are_flagged_and_lose_nothing() {
    let world = World::new().await;
    let flag = async || {
        let shown = world.get(GROUP).await.expect(200).json();
        shown["subscriptionConsistent"].clone()
    };
    assert_eq!(flag().await, true);
    let batch = json!({"messages": [{"body": "1", "tag": "a"}, {"body": "2", "tag": "a"}]});
    world.post(MESSAGES, batch).await.expect(200);
    let first = receive_as(&world, "one", "orders", "a").await;
    receive_as(&world, "two", "orders", "a").await;
    assert_eq!((first.len(), flag().await), (2, json!(true)));
    pass(&world, 15_000);
    receive_as(&world, "two", "orders", "b").await;
    assert_eq!(flag().await, false);
    world.send(&["3"]).await;
    let got = receive_as(&world, "one", "orders", "*").await;
    assert_eq!(got.len(), 1, "the other's filter took nothing away");
    pass(&world, 30_000);
    assert_eq!(flag().await, true, "they have gone");
    receive_as(&world, "one", "orders", "*").await;
    receive_as(&world, "two", "secret", "*").await;
    assert_eq!(flag().await, false);
    let listed = world.get("/v1/instances/demo/groups").await.expect(200);
    let listed = listed.json()["items"][0].clone();
    assert!(listed.get("subscriptionConsistent").is_none());
}

/// S-17: what is in use is not removed, and after its clients have gone it is.
#[actix_web::test]
async fn s_17_topics_and_groups_in_use_are_not_removed() {
    let world = World::new().await;
    world.send(&["x"]).await;
    let in_use = async |path: &str, text: &str| {
        let reply = delete(&world, &demo(), path).await.expect(409);
        assert_eq!(
            (reply.code(), reply.message()),
            ("IN_USE".into(), text.into())
        );
        reply.json()["error"]["details"].clone()
    };
    let details = in_use(
        TOPIC,
        "topic orders is publishing by producer 10.9.8.7:5167",
    )
    .await;
    let address = "10.9.8.7:5167";
    let producer = json!({"kind": "producer", "instanceName": address, "clientAddr": address});
    assert_eq!(details, json!({"clients": [producer], "total": 1}));
    pass(&world, 10_000);
    receive_as(&world, "c", "orders", "*").await;
    let details = in_use(TOPIC, "topic orders is consuming by consumer c").await;
    let consumer =
        json!({"kind": "consumer", "group": "workers", "instanceName": "c", "clientAddr": address});
    assert_eq!(details["clients"], json!([consumer, producer]));
    in_use(GROUP, "group workers is consuming by consumer c").await;
    delete(&world, &demo(), "/v1/instances/demo/topics/secret")
        .await
        .expect(204);
    pass(&world, 29_999);
    in_use(TOPIC, "topic orders is consuming by consumer c").await;
    assert!(
        world
            .storage
            .dropped()
            .iter()
            .all(|what| !what.contains("Group"))
    );
    pass(&world, 1);
    delete(&world, &demo(), TOPIC).await.expect(204);
    delete(&world, &demo(), GROUP).await.expect(204);
    world.get(TOPIC).await.expect(404);
}

#[actix_web::test]
async fn dead_letters_in_use_keep_their_group() {
    let world = World::new().await;
    let groups = "/v1/instances/demo/groups";
    world.post(groups, json!({"name": "g"})).await.expect(201);
    let path = "/v1/instances/demo/groups/workers/topics/%25DLQ%25g/receive";
    world
        .post(path, json!({"consumerId": "doctor"}))
        .await
        .expect(200);
    let reply = delete(&world, &demo(), &format!("{groups}/g")).await;
    let text = "group g is consuming by consumer doctor";
    assert_eq!(reply.expect(409).message(), text);
}

#[actix_web::test]
async fn administrators_may_remove_what_is_in_use() {
    let world = World::new().await;
    let (admin, viewer) = (
        world.login(Some(2), "admin").await,
        world.login(Some(2), "viewer").await,
    );
    receive_as(&world, "c", "orders", "*").await;
    let forced = |path: &str| format!("{path}?force=true");
    for path in [TOPIC, GROUP] {
        for (auth, query, status) in [
            (&admin, "", 409),
            (&admin, "?force=false", 409),
            (&admin, "?force=yes", 400),
            (&admin, "?forced=true", 400),
            (&demo(), "?force=true", 403),
            (&viewer, "?force=true", 403),
        ] {
            let reply = delete(&world, auth, &format!("{path}{query}")).await;
            assert_eq!(reply.status, status, "{path}{query}");
        }
        delete(&world, &admin, &forced(path)).await.expect(204);
        world.get(path).await.expect(404);
    }
    assert_eq!(names(&world, "").await, [""; 0], "nothing to show is left");
    // What is made anew under the name is another thing.
    let body = json!({"name": "orders"});
    world
        .post("/v1/instances/demo/topics", body)
        .await
        .expect(201);
    delete(&world, &demo(), TOPIC).await.expect(204);
    let request = TestRequest::with_uri(&forced(TOPIC)).method(Method::DELETE);
    assert_eq!(world.call(request).await.status, 401);
}
