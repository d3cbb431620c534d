//! Idempotent sends: one message for an id within ten minutes, whatever happens
//! (R16).

use std::collections::BTreeMap;

use firn_protocol::api::admin::{AdminApi, PurgeRequest};
use firn_protocol::api::hold::{HoldApi, StoredOnce, UniqueMessage, UniqueRequest};
use firn_protocol::api::storage::StorageApi;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{TopicId, UniqueId};
use firn_protocol::message::NewMessage;
use firn_protocol::time::Timestamp;

use crate::harness::*;
use crate::power::Dice;

const WINDOW_MS: u64 = 600_000;

/// Sends messages `(number, id)`; a delay makes them delayed ones.
async fn send(bench: &Bench, messages: &[(u64, &str)], delay_ms: Option<u64>) -> Vec<StoredOnce> {
    let due = delay_ms.map(|ms| Timestamp(bench.now() + ms));
    let messages = messages.iter().map(|&(n, id)| UniqueMessage {
        message: NewMessage {
            deliver_at: due,
            ..message(n, None)
        },
        id: UniqueId::of(TopicId(TOPIC), id),
    });
    let request = UniqueRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages: messages.collect(),
        routed: None,
    };
    let stored = bench.node().append_unique(&context(1), request).await;
    let stored = stored.expect("answered").into_iter();
    stored.map(|one| one.expect("stored")).collect()
}

async fn bodies(bench: &Bench) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let received = bench.take(64, &Filter::All).await;
        if received.deliveries.is_empty() {
            return bodies;
        }
        for delivery in received.deliveries {
            bodies.push(String::from_utf8_lossy(&delivery.message.content.body).into_owned());
            bench.ack(delivery.receipt).await;
        }
    }
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_stores_nothing() {
    let mut bench = Bench::new(|_| {});
    let first = send(&bench, &[(1, "a"), (2, "b"), (3, "a")], None).await;
    assert_eq!(first[0], first[2], "within one request");
    assert_ne!(first[0].offset, first[1].offset);
    for keep in [true, false] {
        bench.advance(100_000);
        bench.restart(keep).await;
        assert_eq!(
            send(&bench, &[(4, "b"), (5, "a")], None).await,
            [first[1].clone(), first[0].clone()]
        );
    }
    assert_eq!(bodies(&bench).await, ["body 1", "body 2"]);
    let other = UniqueId::of(TopicId(TOPIC + 1), "a");
    assert_ne!(
        other,
        UniqueId::of(TopicId(TOPIC), "a"),
        "another topic's id"
    );
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn an_id_counts_for_ten_minutes() {
    let bench = Bench::new(|_| {});
    let first = send(&bench, &[(1, "a")], None).await;
    bench.advance(WINDOW_MS - 1);
    assert_eq!(send(&bench, &[(2, "a")], None).await, first);
    bench.advance(1);
    let again = send(&bench, &[(3, "a")], None).await;
    assert_ne!(again, first);
    bench.advance(WINDOW_MS - 1);
    assert_eq!(send(&bench, &[(4, "a")], None).await, again);
    assert_eq!(bodies(&bench).await, ["body 1", "body 3"]);
}

#[tokio::test]
async fn a_delayed_message_may_have_an_id() {
    let bench = Bench::new(|_| {});
    let first = send(&bench, &[(1, "a")], Some(5_000)).await;
    assert!(first[0].held.is_some() && first[0].offset.is_none());
    assert_eq!(send(&bench, &[(2, "a")], Some(9_000)).await, first);
    assert_eq!(
        send(&bench, &[(3, "a")], None).await,
        first,
        "whatever it is now"
    );
    assert_eq!(bodies(&bench).await, [""; 0]);
    bench.advance(5_000);
    let mut came = Vec::new();
    for _ in 0..2 {
        came.extend(bodies(&bench).await);
        // What became due meanwhile is durable now, and seen.
        bench.settle_stores().await;
    }
    assert_eq!(came, ["body 1"]);
    assert_eq!(
        send(&bench, &[(4, "a")], Some(9_000)).await,
        first,
        "also once it was due"
    );
}

#[tokio::test]
async fn a_repeat_is_told_the_first_queue_though_the_topic_was_purged() {
    let bench = Bench::new(|_| {});
    let (ctx, broker) = (context(1), BROKERS[0]);
    let send_to = async |queue: u16| {
        let id = UniqueId::of(TopicId(TOPIC), "a");
        let message = message(1, None);
        let request = UniqueRequest {
            broker,
            queue: queue_key(TOPIC, queue),
            messages: vec![UniqueMessage { message, id }],
            routed: None,
        };
        let stored = bench.node().append_unique(&ctx, request).await;
        stored.expect("answered").remove(0).expect("stored")
    };
    let first = send_to(1).await;
    assert_eq!(send_to(0).await, first);
    let request = PurgeRequest {
        broker,
        topic: topic(2).key,
        before: None,
    };
    assert_eq!(bench.node().purge(&ctx, request).await.expect("purged"), 1);
    assert_eq!(send_to(0).await, first);
}

#[tokio::test]
async fn a_dropped_topic_takes_its_ids_along() {
    let bench = Bench::new(|_| {});
    send(&bench, &[(1, "a")], None).await;
    let (ctx, key) = (context(1), topic(1).key);
    let dropped = bench.node().drop_topic(&ctx, BROKERS[0], key).await;
    dropped.expect("dropped");
    let again = send(&bench, &[(2, "a")], None).await;
    assert_eq!(again[0].offset.map(|offset| offset.0), Some(0));
    assert_eq!(bodies(&bench).await, ["body 2"]);
}

/// Random sends of few ids, pauses and crashes, against the obvious model.
#[tokio::test]
async fn random_lives_of_ids() {
    for seed in 0xDED0_u64..0xDED0 + 10 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new(|_| {});
        let mut known: BTreeMap<String, (u64, StoredOnce)> = BTreeMap::new();
        let (mut number, mut expected) = (0, Vec::new());
        for _ in 0..60 {
            match dice.below(6) {
                0 => bench.crash(dice.next(), dice.one_in(2)).await,
                1 => bench.advance(dice.below(400_000)),
                2 => {
                    assert_eq!(bodies(&bench).await, expected, "seed {seed:#x}");
                    expected.clear();
                }
                _ => {
                    number += 1;
                    let id = format!("id {}", dice.below(5));
                    let now = bench.now();
                    let got = send(&bench, &[(number, &id)], None).await.remove(0);
                    let first = known.get(&id).filter(|(at, _)| now - at < WINDOW_MS);
                    match first {
                        Some((_, first)) => assert_eq!(got, *first, "seed {seed:#x}"),
                        None => {
                            expected.push(format!("body {number}"));
                            known.insert(id, (now, got));
                        }
                    }
                }
            }
        }
        assert_eq!(bodies(&bench).await, expected, "seed {seed:#x}");
        bench.close().await;
    }
}
