//! Sending: both forms, types, bounds, places.

use actix_web::test::TestRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::ErrorCode;
use firn_protocol::catalogue::{InstanceStatus, Permission};
use serde_json::{Value, json};

use crate::world::*;

fn raw(body: impl Into<Vec<u8>>) -> TestRequest {
    TestRequest::post()
        .uri(MESSAGES)
        .insert_header(("authorization", demo()))
        .insert_header(("content-type", "text/plain"))
        .set_payload(body.into())
}

#[actix_web::test]
async fn a_message_sent_as_json_arrives_with_everything() {
    let world = World::new().await;
    let entry = json!({
        "body": "grüße 消息 \"quoted\" \n", "tag": "urgent", "keys": ["k-1", "schlüssel"],
        "properties": {"b": "2", "a": "1 ü"}, "messageId": "0a8e5a1d000020d00000000001943b5e",
    });
    let sent = world
        .post(MESSAGES, json!({"messages": [entry]}))
        .await
        .expect(200)
        .json();
    let result = &sent["results"][0];
    assert_eq!(result["messageId"], "0A8E5A1D000020D00000000001943B5E");
    assert_eq!(result["durability"], "local");
    assert_eq!(result["storeTimestamp"], NOW);
    let got = &world.receive(json!({})).await[0];
    for (field, value) in entry.as_object().expect("an object") {
        if field != "messageId" {
            assert_eq!(got[field], *value);
        }
    }
    for field in [
        "messageId",
        "offsetMessageId",
        "broker",
        "queueId",
        "queueOffset",
        "storeTimestamp",
    ] {
        assert_eq!(got[field], result[field], "{field}");
    }
    assert_eq!(got["bornHost"], "10.9.8.7:5167");
    assert_eq!(got["bornTimestamp"], NOW);
    assert_eq!(got["attempt"], 1);
    assert_eq!(got["topic"], "orders");
    assert_eq!(got["invisibleUntil"], NOW + 30_000);
    assert!(
        got["storeHost"]
            .as_str()
            .is_some_and(|host| host.starts_with("10.")),
        "{got}"
    );
    let text = got.to_string();
    assert!(text.find("\"b\":\"2\"") < text.find("\"a\":\"1 ü\"") || got["properties"].is_object());
}

#[actix_web::test]
async fn a_raw_body_is_one_message() {
    let world = World::new().await;
    let request = raw(vec![0, 255, 7])
        .insert_header(("firn-tag", "t"))
        .insert_header(("firn-keys", "a schl%C3%BCssel"))
        .insert_header(("firn-property-Colour", "gr%C3%BCn"))
        .insert_header(("firn-message-id", "010A8E5A1D000020D00000000001943B5E"));
    let sent = world.call(request).await.expect(200).json();
    assert_eq!(
        sent["results"][0]["messageId"],
        "010A8E5A1D000020D00000000001943B5E"
    );
    let got = &world.receive(json!({})).await[0];
    assert_eq!(got["bodyBase64"], STANDARD.encode([0, 255, 7]));
    assert_eq!(got["body"], Value::Null);
    assert_eq!(got["tag"], "t");
    assert_eq!(got["keys"], json!(["a", "schlüssel"]));
    assert_eq!(got["properties"], json!({"colour": "grün"}));
    for (name, value) in [
        ("firn-tag", "%zz"),
        ("firn-tag", "%ff"),
        ("firn-unknown", "x"),
        ("firn-delay-level", "-1"),
        ("firn-deliver-at", "soon"),
        ("firn-message-id", "12"),
        ("firn-property-", "x"),
    ] {
        let reply = world
            .call(raw("x").insert_header((name, value)))
            .await
            .expect(400);
        assert_eq!(reply.code(), "BAD_REQUEST", "{name}");
    }
    let twice = raw("x")
        .append_header(("firn-tag", "a"))
        .append_header(("firn-tag", "b"));
    world.call(twice).await.expect(400);
}

#[actix_web::test]
async fn sizes_up_to_the_bound_are_taken() {
    let world = World::new().await;
    let text = "Fail to send message, for: message body size over max message size, max: 524288";
    for (bytes, status) in [(524_288, 200), (524_289, 413)] {
        let body = "x".repeat(bytes);
        let replies = [
            world.call(raw(body.clone())).await,
            world
                .post(MESSAGES, json!({"messages": [{"body": body}]}))
                .await,
            world
                .post(
                    MESSAGES,
                    json!({"messages": [{"bodyBase64": STANDARD.encode(&body)}]}),
                )
                .await,
        ];
        for reply in replies {
            let reply = reply.expect(status);
            if status == 413 {
                assert_eq!(reply.code(), "MESSAGE_TOO_LARGE");
                assert_eq!(reply.message(), text);
            }
        }
    }
    let mixed = json!({"messages": [{"body": "x".repeat(524_289)}, {"body": "y"}]});
    let results = world.post(MESSAGES, mixed).await.expect(200).json();
    assert_eq!(results["results"][0]["error"]["code"], "MESSAGE_TOO_LARGE");
    assert_eq!(results["results"][1]["queueOffset"], 0);
}

/// Entries that break a rule: the code, and what the text names.
#[actix_web::test]
async fn entries_are_held_against_the_rules() {
    let world = World::new().await;
    let many: serde_json::Map<_, _> = (0..129).map(|n| (format!("p{n}"), json!("v"))).collect();
    let table = [
        (json!({"tag": "a|b"}), "BAD_REQUEST", "tag"),
        (json!({"tag": "t".repeat(128)}), "BAD_REQUEST", "tag"),
        (json!({"keys": ["a b"]}), "BAD_REQUEST", "keys[0]"),
        (json!({"keys": ["ok", ""]}), "BAD_REQUEST", "keys[1]"),
        (json!({"keys": vec!["k"; 17]}), "BAD_REQUEST", "keys"),
        (
            json!({"properties": {"sp ace": "x"}}),
            "BAD_REQUEST",
            "properties",
        ),
        (
            json!({"properties": {"": "x"}}),
            "BAD_REQUEST",
            "properties",
        ),
        (
            json!({"properties": {"UNIQ_KEY": "x"}}),
            "BAD_REQUEST",
            "UNIQ_KEY",
        ),
        (json!({"properties": {"TAGS": "x"}}), "BAD_REQUEST", "TAGS"),
        (json!({"properties": many}), "BAD_REQUEST", "properties"),
        (
            json!({"properties": {"p": "x".repeat(16_384)}}),
            "BAD_REQUEST",
            "16384",
        ),
        (
            json!({"body": "x", "bodyBase64": "eA=="}),
            "BAD_REQUEST",
            "bodyBase64",
        ),
        (json!({"bodyBase64": "é"}), "BAD_REQUEST", "bodyBase64"),
        (json!({"bodyBase64": "eA"}), "BAD_REQUEST", "bodyBase64"),
        (json!({"messageId": "xyz"}), "BAD_REQUEST", "messageId"),
        (
            json!({"messageGroup": "g"}),
            "MESSAGE_TYPE_MISMATCH",
            "messageGroup",
        ),
        (
            json!({"deliverAt": NOW + 1000}),
            "MESSAGE_TYPE_MISMATCH",
            "deliverAt",
        ),
        (
            json!({"deliverAt": 0}),
            "MESSAGE_TYPE_MISMATCH",
            "deliverAt",
        ),
        (
            json!({"delayLevel": 1}),
            "MESSAGE_TYPE_MISMATCH",
            "delayLevel",
        ),
        (
            json!({"delayLevel": 0, "deliverAt": 0}),
            "MESSAGE_TYPE_MISMATCH",
            "deliverAt",
        ),
        (
            json!({"dedupId": "d".repeat(129)}),
            "BAD_REQUEST",
            "dedupId",
        ),
    ];
    for (entry, code, named) in table {
        let reply = world
            .post(MESSAGES, json!({"messages": [entry]}))
            .await
            .expect(400);
        assert_eq!(reply.code(), code, "{entry}");
        assert!(reply.message().contains(named), "{}", reply.message());
        // Beside a good one it fails alone.
        let both = json!({"messages": [entry, {"body": "good"}]});
        let results = world.post(MESSAGES, both).await.expect(200).json();
        assert_eq!(results["results"][0]["error"]["code"], code);
        assert!(results["results"][1]["messageId"].is_string());
    }
    let bounds = json!({
        "tag": "t".repeat(127), "keys": vec!["k"; 16], "delayLevel": 0, "messageGroup": "",
        "properties": {"p": "x".repeat(16_383)},
    });
    world
        .post(MESSAGES, json!({"messages": [bounds]}))
        .await
        .expect(200);
}

#[actix_web::test]
async fn topics_take_what_their_type_says() {
    let world = World::new().await;
    let later = json!({"deliverAt": NOW + 1});
    let (past, group, level) = (
        json!({"deliverAt": NOW}),
        json!({"messageGroup": "g"}),
        json!({"delayLevel": 3}),
    );
    let far = json!({"deliverAt": NOW + 40 * 86_400_000 + 1});
    let long = json!({"messageGroup": "g".repeat(65)});
    let both = json!({"messageGroup": "g", "deliverAt": 1});
    let (none, bad, no) = (json!({}), "BAD_REQUEST", "MESSAGE_TYPE_MISMATCH");
    let table = [
        ("fifo", &group, ""),
        ("fifo", &none, no),
        ("fifo", &past, no),
        ("fifo", &both, no),
        ("fifo", &long, bad),
        ("delay", &past, ""),
        ("delay", &none, no),
        ("delay", &group, no),
        ("delay", &later, ""),
        ("delay", &level, ""),
        ("delay", &far, bad),
        ("mixed", &group, ""),
        ("mixed", &none, ""),
        ("mixed", &past, ""),
        ("mixed", &both, no),
        ("mixed", &later, ""),
        ("half", &none, no),
        ("half", &group, no),
    ];
    for (topic, entry, code) in table {
        let path = MESSAGES.replace("orders", topic);
        let reply = world.post(&path, json!({"messages": [entry]})).await;
        let found = if reply.status == 200 {
            String::new()
        } else {
            reply.code()
        };
        assert_eq!(found, code, "{topic} {entry}");
    }
}

#[actix_web::test]
async fn groups_stay_on_their_queue_and_batches_in_order() {
    let world = World::new().await;
    let path = MESSAGES.replace("orders", "fifo");
    let batch: Vec<Value> = (0..40)
        .map(|n| json!({"body": n.to_string(), "messageGroup": format!("g{}", n % 5)}))
        .collect();
    let sent = world
        .post(&path, json!({"messages": batch}))
        .await
        .expect(200)
        .json();
    let place = |n: usize| {
        let r = &sent["results"][n];
        (
            r["broker"].to_string() + &r["queueId"].to_string(),
            r["queueOffset"].as_u64().expect("an offset"),
        )
    };
    let mut queues = std::collections::BTreeSet::new();
    for n in 0..40 {
        let (queue, offset) = place(n);
        if n >= 5 {
            let (before, earlier) = place(n - 5);
            assert_eq!(queue, before, "message {n} left its group's queue");
            assert!(offset > earlier, "message {n} overtook its group");
        }
        queues.insert(queue);
    }
    assert!(queues.len() > 1);
    let plain = world.send(&["1", "2", "3"]).await;
    for (n, result) in plain.iter().enumerate() {
        assert_eq!(result["queueOffset"], n);
        assert_eq!(result["queueId"], plain[0]["queueId"]);
    }
    // Requests in turn use all eight queues.
    let mut used = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let one = &world.send(&["x"]).await[0];
        used.insert(one["broker"].to_string() + &one["queueId"].to_string());
    }
    assert_eq!(used.len(), 8);
}

#[actix_web::test]
async fn a_fault_of_all_is_the_requests_own() {
    let world = World::new().await;
    *world.storage.fault.lock() = Some(ErrorCode::DiskFull);
    let reply = world
        .post(
            MESSAGES,
            json!({"messages": [{"body": "a"}, {"body": "b"}]}),
        )
        .await
        .expect(503);
    assert_eq!(reply.code(), "DISK_FULL");
    assert_eq!(reply.json()["error"]["retryable"], true);
    assert!(!reply.header("retry-after").is_empty());
    let mixed = json!({"messages": [{"body": "a"}, {"tag": "|"}]});
    let results = world.post(MESSAGES, mixed).await.expect(200).json();
    assert_eq!(results["results"][0]["error"]["code"], "DISK_FULL");
    assert_eq!(results["results"][0]["error"]["retryable"], true);
    assert_eq!(results["results"][1]["error"]["code"], "BAD_REQUEST");
}

#[actix_web::test]
async fn state_is_checked_after_fields() {
    let world = World::new().await;
    let good = json!({"messages": [{"body": "a"}]});
    world.edit_topic("orders", |topic| topic.permission = Permission::Read);
    world.edit_topic("mixed", |topic| topic.permission = Permission::Read);
    assert_eq!(
        world.post(MESSAGES, good.clone()).await.expect(403).code(),
        "TOPIC_NOT_WRITABLE"
    );
    world
        .post(MESSAGES, json!({"messages": [{"tag": "|"}]}))
        .await
        .expect(400);
    world.edit_instance(|instance| instance.status = InstanceStatus::Frozen);
    assert_eq!(
        world.post(MESSAGES, good.clone()).await.expect(403).code(),
        "INSTANCE_FROZEN"
    );
    let dead = MESSAGES.replace("orders", "%25DLQ%25workers");
    assert_eq!(
        world.post(&dead, good).await.expect(403).code(),
        "TOPIC_NOT_WRITABLE"
    );
}
