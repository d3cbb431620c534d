//! Receive, ack, visibility, seek, lag, redrive.

use std::time::Duration;

use actix_web::test::TestRequest;
use firn_protocol::catalogue::{InstanceStatus, Permission};
use firn_protocol::{ErrorCode, QueueId, QueueKey, TopicKey};
use serde_json::{Value, json};

use crate::world::*;

fn handles(messages: &[Value]) -> Vec<Value> {
    messages
        .iter()
        .map(|message| message["receiptHandle"].clone())
        .collect()
}

#[actix_web::test]
async fn what_is_received_is_acknowledged_once() {
    let world = World::new().await;
    world.send(&["a", "b", "c"]).await;
    let got = world.receive(json!({"max": 2})).await;
    assert_eq!(got.len(), 2);
    let mut list = handles(&got);
    list.push(json!("rubbish"));
    list.push(list[0].clone());
    let ack = format!("{CONSUME}/ack");
    let reply = world
        .post(&ack, json!({"receiptHandles": list}))
        .await
        .expect(200)
        .json();
    let statuses: Vec<_> = reply["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|r| r["status"].clone())
        .collect();
    assert_eq!(statuses, ["OK", "OK", "INVALID", "ALREADY_ACKED"]);
    assert_eq!(reply["results"][2]["receiptHandle"], "rubbish");
    // A handle is one of its group and topic.
    let other = ack.replace("orders", "secret");
    let reply = world
        .post(&other, json!({"receiptHandles": list}))
        .await
        .expect(400);
    assert_eq!(reply.code(), "INVALID_RECEIPT_HANDLE");
    for count in [0, 1001] {
        let reply = world
            .post(&ack, json!({"receiptHandles": vec!["x"; count]}))
            .await;
        assert_eq!(reply.expect(400).code(), "BAD_REQUEST");
    }
}

#[actix_web::test]
async fn bounds_of_a_receive() {
    let world = World::new().await;
    let path = format!("{CONSUME}/receive");
    for bad in [
        json!({"max": 0}),
        json!({"max": 257}),
        json!({"max": -1}),
        json!({"max": 1.5}),
        json!({"waitSeconds": -1}),
        json!({"waitSeconds": "x"}),
        json!({"invisibleSeconds": 0}),
        json!({"invisibleSeconds": 43_201}),
        json!({"consumerId": ""}),
        json!({"consumerId": "c".repeat(256)}),
        json!({"mode": "x"}),
        json!({"mode": "broadcasting"}),
        json!({"mode": "other", "consumerId": "c"}),
        json!({"runMax": 257}),
        json!({"runMax": 0}),
        json!({"bodyEncoding": "x"}),
        json!({"unknown": 1}),
        json!({"filter": "a"}),
        json!([]),
        json!("x"),
        json!({"max": null, "max2": 1}),
    ] {
        let reply = world.post(&path, bad.clone()).await;
        assert_eq!(reply.expect(400).code(), "BAD_REQUEST", "{bad}");
    }
    for bad in [
        json!({"expression": "a |"}),
        json!({"type": "SQL92", "expression": "a >"}),
        json!({"type": "SQL92", "expression": " "}),
        json!({"type": "SQL92", "expression": format!("a = '{}'", "x".repeat(5000))}),
        json!({"type": "sql92", "expression": "a > 1"}),
        json!({"type": "X", "expression": "*"}),
        json!({"expression": "a".repeat(5000)}),
    ] {
        let reply = world.post(&path, json!({"filter": bad})).await;
        assert_eq!(reply.expect(400).code(), "INVALID_FILTER");
    }
    for good in [
        json!({"max": 256, "invisibleSeconds": 43_200, "runMax": 1, "mode": "clustering", "bodyEncoding": "base64"}),
        json!({"filter": {"type": "SQL92", "expression": "a > 1"}}),
        json!({"waitSeconds": 0, "filter": {"type": "TAG", "expression": "a || b"}, "consumerId": "c".repeat(255)}),
    ] {
        world.post(&path, good).await.expect(200);
    }
    world.post(&path, Value::Null).await.expect(200);
}

#[actix_web::test]
async fn receive_filters_and_encodes_as_asked() {
    let world = World::new().await;
    let batch = json!({"messages": [{"body": "x", "tag": "a"}, {"body": "y", "tag": "b"}]});
    world.post(MESSAGES, batch).await.expect(200);
    let got = world
        .receive(json!({"filter": {"expression": "b"}, "bodyEncoding": "base64"}))
        .await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["bodyBase64"], "eQ==");
    assert_eq!(got[0]["body"], Value::Null);
}

#[actix_web::test]
async fn receive_takes_an_expression_and_says_where_it_is_wrong() {
    let world = World::new().await;
    let batch = json!({"messages": [
        {"body": "x", "tag": "a", "properties": {"size": "9"}},
        {"body": "y", "tag": "b", "properties": {"size": "10"}},
        {"body": "z"},
    ]});
    world.post(MESSAGES, batch).await.expect(200);
    let filter = json!({"type": "SQL92", "expression": "size > 9 AND TAGS <> 'a'"});
    let got = world.receive(json!({"filter": filter})).await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["body"], "y");
    let filter = json!({"type": "SQL92", "expression": "größe = 1"});
    let path = format!("{CONSUME}/receive");
    let reply = world.post(&path, json!({"filter": filter})).await;
    let text = "filter: column 3: the character 'ö' means nothing here";
    assert_eq!(reply.expect(400).json()["error"]["message"], text);
}

#[actix_web::test]
async fn groups_and_topics_must_allow_each_other() {
    let world = World::new().await;
    let path = format!("{CONSUME}/receive");
    world.edit_topic("orders", |topic| {
        topic.allowed_groups = vec!["others".into()]
    });
    assert_eq!(
        world.post(&path, json!({})).await.expect(403).code(),
        "FORBIDDEN"
    );
    world.edit_topic("orders", |topic| {
        topic.allowed_groups = vec!["others".into(), "workers".into()]
    });
    world.post(&path, json!({})).await.expect(200);
    world.edit_group(|group| group.subscriptions = vec![("secret".into(), 0)]);
    assert_eq!(
        world.post(&path, json!({})).await.expect(403).code(),
        "FORBIDDEN"
    );
    world.edit_group(|group| group.subscriptions = vec![("orders".into(), 0)]);
    world.edit_topic("orders", |topic| topic.permission = Permission::Write);
    assert_eq!(
        world.post(&path, json!({})).await.expect(403).code(),
        "TOPIC_NOT_READABLE"
    );
    world.edit_group(|group| group.enabled = false);
    assert_eq!(
        world.post(&path, json!({})).await.expect(403).code(),
        "GROUP_DISABLED"
    );
    // Fields come before state.
    assert_eq!(
        world
            .post(&path, json!({"max": 0}))
            .await
            .expect(400)
            .code(),
        "BAD_REQUEST"
    );
    world.edit_instance(|instance| instance.status = InstanceStatus::Frozen);
    assert_eq!(
        world.post(&path, json!({})).await.expect(403).code(),
        "INSTANCE_FROZEN"
    );
}

#[actix_web::test]
async fn a_group_subscribes_once_on_every_broker() {
    let world = World::new().await;
    world.receive(json!({})).await;
    world.receive(json!({})).await;
    assert_eq!(world.storage.subscribed(), 2);
    world.edit_group(|group| group.version += 1);
    world.receive(json!({})).await;
    assert_eq!(world.storage.subscribed(), 4);
}

#[actix_web::test]
async fn a_long_poll_ends_with_a_message_or_its_time() {
    let world = World::new().await;
    let waiting = || {
        world
            .storage
            .waiting
            .load(std::sync::atomic::Ordering::SeqCst)
            == 1
    };
    let poll = world.receive(json!({"waitSeconds": 20}));
    let send = async {
        settle(waiting).await;
        world.send(&["late"]).await;
    };
    let (got, ()) = tokio::join!(poll, send);
    assert_eq!(got[0]["body"], "late");
    // More than 30 seconds count as 30.
    let poll = world.receive(json!({"waitSeconds": 1e9}));
    let tick = async {
        settle(waiting).await;
        world.clock.advance(Duration::from_secs(30));
    };
    let (got, ()) = tokio::join!(poll, tick);
    assert!(got.is_empty());
    settle(|| !waiting()).await;
}

#[actix_web::test]
async fn an_answer_that_is_never_written_goes_back() {
    let world = World::new().await;
    world.send(&["a", "b"]).await;
    let request = || {
        TestRequest::post()
            .uri(&format!("{CONSUME}/receive"))
            .insert_header(("authorization", demo()))
            .set_json(json!({}))
    };
    drop(world.open(request()).await);
    settle(|| world.storage.given_back() == 2).await;
    // Written answers stay.
    world.send(&["c"]).await;
    let got = world.receive(json!({})).await;
    assert_eq!(got.len(), 1);
    tokio::task::yield_now().await;
    assert_eq!(world.storage.given_back(), 2);
}

#[actix_web::test]
async fn a_request_that_ends_while_storage_works_leaves_no_lease() {
    let world = World::new().await;
    world.send(&["a"]).await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    *world.storage.gate.lock() = Some(gate.clone());
    // Both brokers are asked first once.
    for _ in 0..2 {
        let poll = world.receive(json!({}));
        tokio::pin!(poll);
        for _ in 0..50 {
            assert!(futures_util::poll!(poll.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    }
    *world.storage.gate.lock() = None;
    settle(|| {
        gate.notify_waiters();
        world.storage.given_back() == 1
    })
    .await;
}

#[actix_web::test]
async fn visibility_renews_fails_and_refuses() {
    let world = World::new().await;
    world.send(&["a"]).await;
    let handle = handles(&world.receive(json!({})).await)[0].clone();
    let path = format!("{CONSUME}/visibility");
    let call = |handle: &Value, seconds: u64| {
        let body = json!({"receiptHandle": handle, "invisibleSeconds": seconds});
        world.post(&path, body)
    };
    let renewed = call(&handle, 60).await.expect(200).json();
    assert_eq!(renewed["invisibleUntil"], NOW + 60_000);
    let stale = call(&handle, 60).await.expect(409);
    assert_eq!(stale.code(), "CONFLICT");
    assert_eq!(stale.json()["error"]["details"]["status"], "LEASE_EXPIRED");
    let fresh = &renewed["receiptHandle"];
    assert_eq!(call(fresh, 43_201).await.expect(400).code(), "BAD_REQUEST");
    assert_eq!(
        call(&json!("x"), 1).await.expect(400).code(),
        "INVALID_RECEIPT_HANDLE"
    );
    world
        .post(
            &format!("{CONSUME}/ack"),
            json!({"receiptHandles": [fresh]}),
        )
        .await
        .expect(200);
    let done = call(fresh, 0).await.expect(409);
    assert_eq!(done.json()["error"]["details"]["status"], "ALREADY_ACKED");
}

#[actix_web::test]
async fn a_redelivery_shows_its_origin() {
    let world = World::new().await;
    let sent = world.send(&["a"]).await[0].clone();
    assert_eq!(world.receive(json!({})).await.len(), 1);
    let original = world.storage.all()[0].clone();
    let group = world.group_id();
    let queue = QueueKey {
        topic: TopicKey::Retry(group),
        queue: QueueId(0),
    };
    let copy = world.storage.copy(&original, queue, 2);
    let got = world.receive(json!({})).await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["topic"], "orders");
    assert_eq!(got[0]["attempt"], 2);
    assert_eq!(got[0]["messageId"], sent["messageId"]);
    assert_ne!(got[0]["offsetMessageId"], sent["offsetMessageId"]);
    for field in ["broker", "queueId", "queueOffset"] {
        assert_eq!(got[0][field], sent[field], "{field}");
    }
    let retry = json!({"broker": sent["broker"], "queueId": 0, "queueOffset": copy.offset.0});
    assert_eq!(got[0]["retryQueue"], retry);
    // The handle is one of the topic that was asked for.
    let ack = world
        .post(
            &format!("{CONSUME}/ack"),
            json!({"receiptHandles": handles(&got)}),
        )
        .await;
    assert_eq!(ack.expect(200).json()["results"][0]["status"], "OK");
    assert_eq!(world.storage.acked(), 1);
    // By its ids: the original, and the copy where it is stored.
    let by = |id: &Value| {
        format!(
            "/v1/instances/demo/messages/{}",
            id.as_str().expect("an id")
        )
    };
    let found = world.get(&by(&sent["messageId"])).await.expect(200).json();
    assert_eq!(found["offsetMessageId"], sent["offsetMessageId"]);
    let found = world
        .get(&by(&got[0]["offsetMessageId"]))
        .await
        .expect(200)
        .json();
    assert_eq!(found["topic"], "%RETRY%workers");
    assert_eq!(found["origin"]["topic"], "orders");
    let lag = world
        .get("/v1/instances/demo/groups/workers/lag")
        .await
        .expect(200)
        .json();
    let rows: Vec<_> = lag["topics"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["topic"].clone())
        .collect();
    assert_eq!(rows, ["%RETRY%workers", "orders"]);
    assert!(lag["topics"][0]["scheduled"].is_u64());
}

#[actix_web::test]
async fn dead_letters_are_consumed_like_a_topic() {
    let world = World::new().await;
    world.send(&["a"]).await;
    let original = world.storage.all()[0].clone();
    let group = world.group_id();
    let queue = QueueKey {
        topic: TopicKey::DeadLetter(group),
        queue: QueueId(0),
    };
    world.storage.copy(&original, queue, 17);
    let path = CONSUME.replace("orders", "%25DLQ%25workers");
    let got = world
        .post(&format!("{path}/receive"), json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(got["messages"][0]["topic"], "%DLQ%workers");
    assert_eq!(got["messages"][0]["queueOffset"], 0);
    let list = handles(got["messages"].as_array().expect("messages"));
    world
        .post(&format!("{path}/ack"), json!({"receiptHandles": list}))
        .await
        .expect(200);
    let queried = world
        .get("/v1/instances/demo/topics/%25DLQ%25workers/messages?from=0&to=9999999999999")
        .await;
    assert_eq!(
        queried.expect(200).json()["messages"][0]["origin"]["topic"],
        "orders"
    );
    let redrive = "/v1/instances/demo/groups/workers/dead-letters/redrive";
    assert_eq!(
        world.post(redrive, json!({})).await.expect(200).json(),
        json!({"redriven": 1})
    );
    for bad in [
        json!({"max": 0}),
        json!({"ratePerSecond": 0}),
        json!({"ratePerSecond": 10_001}),
        json!({"toTopic": 1}),
        json!({"messageIds": []}),
        json!({"messageIds": ["x"]}),
        json!({"x": 1}),
    ] {
        world.post(redrive, bad).await.expect(400);
    }
    assert_eq!(
        world
            .post(redrive, json!({"topic": "nothing"}))
            .await
            .expect(404)
            .code(),
        "TOPIC_NOT_FOUND"
    );
    let retry = CONSUME.replace("orders", "%25RETRY%25workers");
    world
        .post(&format!("{retry}/receive"), json!({}))
        .await
        .expect(400);
    world
        .get("/v1/instances/demo/topics/%25DLQ%25nothing/messages?key=k")
        .await
        .expect(404);
}

#[actix_web::test]
async fn seek_tells_before_and_after() {
    let world = World::new().await;
    world.send(&["a", "b", "c"]).await;
    assert_eq!(world.receive(json!({})).await.len(), 3);
    let path = format!("{CONSUME}/seek");
    let dry = world
        .post(&path, json!({"to": "earliest", "dryRun": true}))
        .await
        .expect(200)
        .json();
    assert_eq!((&dry["total"], &dry["diffOffset"]), (&json!(8), &json!(3)));
    assert!(world.receive(json!({})).await.is_empty());
    let done = world
        .post(&path, json!({"to": "earliest"}))
        .await
        .expect(200)
        .json();
    assert_eq!(done["diffOffset"], 3);
    assert_eq!(world.receive(json!({})).await.len(), 3);
    let done = world
        .post(&path, json!({"to": NOW}))
        .await
        .expect(200)
        .json();
    assert_eq!(done["diffOffset"], 3);
    let forth = world
        .post(&path, json!({"to": "latest"}))
        .await
        .expect(200)
        .json();
    assert_eq!(forth["diffOffset"], -3);
    let row = forth["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["brokerOffset"] == 3)
        .expect("the queue")
        .clone();
    let offsets =
        json!({"offsets": [{"broker": row["broker"], "queueId": row["queueId"], "offset": 1}]});
    let done = world.post(&path, offsets).await.expect(200).json();
    assert_eq!(done["diffOffset"], 2);
    for bad in [
        json!({}),
        json!({"to": "x"}),
        json!({"to": -1}),
        json!({"to": "latest", "offsets": []}),
        json!({"offsets": []}),
        json!({"offsets": [{"broker": "a", "queueId": -1, "offset": 0}]}),
    ] {
        world.post(&path, bad.clone()).await.expect(400);
    }
    for unknown in [("zz", 0), ("a", 4)] {
        let body = json!({"offsets": [{"broker": unknown.0, "queueId": unknown.1, "offset": 0}]});
        assert_eq!(
            world.post(&path, body).await.expect(404).code(),
            "NOT_FOUND"
        );
    }
}

#[actix_web::test]
async fn lag_counts_what_is_not_finished() {
    let world = World::new().await;
    world.send(&["a", "b", "c"]).await;
    assert_eq!(world.receive(json!({"max": 2})).await.len(), 2);
    world.clock.advance(Duration::from_secs(5));
    let lag = world
        .get("/v1/instances/demo/groups/workers/lag")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&lag["group"], &lag["lag"], &lag["inFlight"]),
        (&json!("workers"), &json!(3), &json!(2))
    );
    let topic = &lag["topics"][0];
    assert_eq!(
        (&topic["topic"], &topic["oldestAgeMs"]),
        (&json!("orders"), &json!(5000))
    );
    assert_eq!(topic["scheduled"], Value::Null);
    let queue = topic["queues"]
        .as_array()
        .expect("queues")
        .iter()
        .find(|q| q["maxOffset"] == 3)
        .expect("the queue");
    for (field, value) in [
        ("minOffset", 0),
        ("committed", 0),
        ("lag", 3),
        ("inFlight", 2),
    ] {
        assert_eq!(queue[field], value, "{field}");
    }
    *world.storage.fault.lock() = Some(ErrorCode::StorageUnavailable);
    world
        .get("/v1/instances/demo/groups/workers/lag")
        .await
        .expect(503);
}
