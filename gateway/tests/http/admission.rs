//! Limits of messages a second.

use std::time::Duration;

use firn_protocol::catalogue::{Rates, Topic};
use firn_protocol::{QueueId, QueueKey, TopicKey};
use serde_json::{Value, json};

use crate::stream::Events;
use crate::world::*;

const SECRET: &str = "/v1/instances/demo/topics/secret/messages";

/// A world whose demo instance has the rates of the plan `basic`.
async fn basic_plan() -> World {
    limited(0, 5000).await
}

async fn limited(tps: u64, topic_tps: u64) -> World {
    let world = World::new().await;
    world.edit_instance(|instance| {
        instance.rates = Rates {
            tps,
            topic_tps,
            burst_ms: 100,
        }
    });
    world
}

fn pass(world: &World, ms: u64) {
    world.clock.advance(Duration::from_millis(ms));
}

fn batch(count: usize) -> Value {
    json!({"messages": vec![json!({"body": "x"}); count]})
}

/// How many of a batch were stored; the others must say why not.
async fn stored(world: &World, path: &str, count: usize) -> usize {
    let reply = world.post(path, batch(count)).await;
    if reply.status == 429 {
        assert_eq!(reply.code(), "RATE_LIMITED");
        return 0;
    }
    let json = reply.expect(200).json();
    let results = json["results"].as_array().expect("results");
    let refused = results.iter().filter(|result| {
        let error = &result["error"];
        error.is_object() && error["code"] == "RATE_LIMITED"
    });
    let stored = results
        .iter()
        .filter(|result| result["messageId"].is_string());
    let (refused, stored) = (refused.count(), stored.count());
    assert_eq!(refused + stored, count);
    stored
}

/// S-24: 5000 messages a second of one topic. With a burst of a tenth of a
/// second, 5500 pass in the first second, and 5000 in each that follows.
#[actix_web::test]
async fn s_24_a_topic_takes_5000_a_second_and_others_are_not_affected() {
    let world = basic_plan().await;
    for (second, most) in [(1, 5500), (2, 5000), (3, 5000)] {
        let mut accepted = 0;
        for _ in 0..100 {
            accepted += stored(&world, MESSAGES, 80).await;
            pass(&world, 10);
        }
        assert!(accepted <= most, "{accepted} in second {second}");
        assert!(accepted * 100 >= 5000 * 98, "{accepted} in second {second}");
    }
    while stored(&world, MESSAGES, 80).await > 0 {}
    let reply = world.post(MESSAGES, batch(1)).await.expect(429);
    assert_eq!(reply.code(), "RATE_LIMITED");
    for (header, value) in [
        ("retry-after", "1"),
        ("ratelimit-limit", "5000"),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", "1"),
    ] {
        assert_eq!(reply.header(header), value, "{header}");
    }
    let text = "over the limit of 5000 messages a second of topic 'orders'";
    assert_eq!(reply.message(), text);
    let error = &reply.json()["error"];
    assert_eq!(error["retryable"], true);
    let details = &error["details"];
    assert_eq!(
        (&details["limit"], &details["limitTps"]),
        (&json!("topic"), &json!(5000))
    );
    assert_eq!(stored(&world, SECRET, 500).await, 500, "another topic");
    // Whoever comes again when told to is served.
    pass(&world, details["retryAfterMs"].as_u64().expect("a time"));
    assert!(stored(&world, MESSAGES, 80).await > 0);
}

#[actix_web::test]
async fn a_batch_gets_what_there_is() {
    let world = basic_plan().await;
    let reply = world.post(MESSAGES, batch(1000)).await.expect(200).json();
    let results = reply["results"].as_array().expect("results");
    let (first, rest) = results.split_at(500);
    assert!(first.iter().all(|result| result["messageId"].is_string()));
    assert!(
        rest.iter()
            .all(|result| result["error"]["code"] == "RATE_LIMITED")
    );
    assert_eq!(world.storage.all().len(), 500);
    assert_eq!(stored(&world, SECRET, 500).await, 500, "a full burst");
    // What is refused for another reason takes nothing.
    let mut mixed = batch(1000);
    for at in 0..900 {
        mixed["messages"][at] = json!({"tag": "a|b"});
    }
    pass(&world, 20);
    let reply = world.post(MESSAGES, mixed).await.expect(200).json();
    assert_eq!(reply["results"][0]["error"]["code"], "BAD_REQUEST");
    assert_eq!(world.storage.all().len(), 1100);
}

#[actix_web::test]
async fn a_topic_of_its_own_rate_and_the_instance_count_too() {
    let world = limited(1000, 5000).await;
    let edit = |tps: Option<u64>| world.edit_topic("orders", |topic: &mut Topic| topic.tps = tps);
    edit(Some(300));
    assert_eq!(stored(&world, MESSAGES, 500).await, 30);
    assert_eq!(
        stored(&world, SECRET, 500).await,
        70,
        "the instance's limit"
    );
    let reply = world.post(SECRET, batch(1)).await.expect(429);
    assert_eq!(reply.json()["error"]["details"]["limit"], "instance");
    assert_eq!(reply.header("ratelimit-limit"), "1000");
    edit(Some(0));
    pass(&world, 1000);
    assert_eq!(
        stored(&world, MESSAGES, 500).await,
        100,
        "no limit of its own"
    );
    world.edit_instance(|instance| instance.rates = Rates::default());
    assert_eq!(stored(&world, MESSAGES, 1000).await, 1000);
    assert_eq!(stored(&world, MESSAGES, 1000).await, 1000);
}

#[actix_web::test]
async fn what_may_not_be_written_costs_nothing() {
    let world = limited(0, 10).await;
    let permission = |permission| world.edit_topic("orders", |topic| topic.permission = permission);
    permission(firn_protocol::catalogue::Permission::Read);
    for _ in 0..3 {
        let reply = world.post(MESSAGES, batch(1)).await.expect(403);
        assert_eq!(reply.code(), "TOPIC_NOT_WRITABLE");
    }
    permission(firn_protocol::catalogue::Permission::ReadWrite);
    assert_eq!(stored(&world, MESSAGES, 2).await, 1);
    permission(firn_protocol::catalogue::Permission::Read);
    // Quota comes before state.
    let reply = world.post(MESSAGES, batch(1)).await.expect(429);
    assert_eq!(reply.code(), "RATE_LIMITED");
}

#[actix_web::test]
async fn a_receive_takes_what_it_delivers() {
    let world = limited(0, 1000).await;
    let path = format!("{CONSUME}/receive");
    world.edit_topic("orders", |topic| topic.tps = Some(0));
    assert_eq!(stored(&world, MESSAGES, 150).await, 150);
    world.edit_topic("orders", |topic| topic.tps = None);
    // The first broker has all of them.
    let got = world.receive(json!({"max": 256})).await.len();
    assert_eq!(got, 100);
    let reply = world.post(&path, json!({"max": 1})).await.expect(429);
    let text = "over the limit of 1000 messages a second of topic 'orders'";
    assert_eq!(
        (reply.message(), reply.header("retry-after")),
        (text.into(), "1")
    );
    let reply = world.post(MESSAGES, batch(1)).await;
    assert_eq!(reply.status, 429, "sent and delivered together");
    pass(&world, 100);
    assert_eq!(world.receive(json!({"max": 256})).await.len(), 50);
    for _ in 0..5 {
        assert_eq!(world.receive(json!({"max": 256})).await.len(), 0);
    }
    assert_eq!(
        stored(&world, MESSAGES, 256).await,
        50,
        "finding nothing is free"
    );
}

#[actix_web::test]
async fn redeliveries_are_free() {
    let world = limited(0, 1000).await;
    world.send(&["x"; 60]).await;
    let group = world.group_id();
    for message in world.storage.all() {
        let queue = QueueKey {
            topic: TopicKey::Retry(group),
            queue: QueueId(0),
        };
        world.storage.copy(&message, queue, 2);
    }
    assert_eq!(world.receive(json!({"max": 256})).await.len(), 40);
    pass(&world, 60);
    let got = world.receive(json!({"max": 256})).await;
    let again = got.iter().filter(|message| message["attempt"] == 2);
    assert_eq!((again.count(), got.len()), (40, 60));
    assert_eq!(stored(&world, MESSAGES, 60).await, 40, "20 were counted");
}

#[actix_web::test]
async fn a_group_has_a_threshold_for_a_topic() {
    let world = limited(0, 5000).await;
    let threshold = |tps| {
        world.edit_group(|group| group.subscriptions = vec![("orders".to_owned(), tps)]);
    };
    threshold(20);
    world.send(&["x"; 10]).await;
    assert_eq!(world.receive(json!({})).await.len(), 2);
    let reply = world.post(&format!("{CONSUME}/receive"), json!({})).await;
    let reply = reply.expect(429);
    let text = "over the limit of 20 messages a second of group 'workers' on topic 'orders'";
    assert_eq!(reply.message(), text);
    assert_eq!(reply.json()["error"]["details"]["limit"], "groupTopic");
    world.send(&["sending is not concerned"; 100]).await;
    threshold(0);
    assert_eq!(world.receive(json!({"max": 100})).await.len(), 8);
}

#[actix_web::test]
async fn a_long_poll_waits_for_the_limit() {
    let world = limited(0, 10).await;
    let poll = world.receive(json!({"waitSeconds": 20}));
    let send = async {
        let waiting = || {
            world
                .storage
                .waiting
                .load(std::sync::atomic::Ordering::SeqCst)
        };
        settle(|| waiting() == 1).await;
        world.send(&["one"]).await;
        settle(|| waiting() == 0).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        pass(&world, 100);
    };
    let (got, ()) = tokio::join!(poll, send);
    assert_eq!(got.len(), 1, "the send had taken what there was");
    assert_eq!(got[0]["body"], "one");
}

#[actix_web::test]
async fn a_stream_slows_down() {
    let world = limited(0, 10).await;
    world.edit_topic("orders", |topic| topic.tps = Some(0));
    world.send(&["1", "2", "3"]).await;
    world.edit_topic("orders", |topic| topic.tps = None);
    let mut events = Events::open(&world, "").await;
    for _ in 0..3 {
        let event = events.next().await.expect("an event");
        assert_eq!(event.matches("event: message").count(), 1, "{event}");
        assert!(events.is_silent().await);
        pass(&world, 99);
        assert!(events.is_silent().await);
        pass(&world, 1);
    }
    assert!(events.is_silent().await);
}
