//! Half messages: all or nothing, asked about by the schedule, forgotten never.

use firn_protocol::api::hold::{
    ChecksRequest, Decided, HalfMessage, Held, HoldApi, PrepareRequest,
};
use firn_protocol::api::storage::StorageApi;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{Offset, Position};
use firn_protocol::limits::TRANSACTION_CHECKS_MAX;
use firn_protocol::receipt::HeldPlace;
use firn_protocol::time::Timestamp;

use crate::harness::*;
use crate::power::Dice;

async fn begin(bench: &Bench, n: u64, producers: &str) -> Held {
    let request = PrepareRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        message: message(n, None),
        producers: producers.to_owned(),
        check_after_ms: 6_000,
    };
    let held = bench.node().prepare(&context(1), request).await;
    held.expect("stored")
}

async fn decide(bench: &Bench, place: HeldPlace, commit: bool) -> Decided {
    let decided = bench.node().decide(&context(1), place, commit).await;
    decided.expect("answered")
}

fn request(producers: &str) -> ChecksRequest {
    ChecksRequest {
        broker: BROKERS[0],
        topic: topic(1).key,
        producers: producers.to_owned(),
        max: 16,
    }
}

async fn checks(bench: &Bench, producers: &str) -> Vec<HalfMessage> {
    let asked = bench.node().checks(&context(1), request(producers)).await;
    asked.expect("answered")
}

async fn open(bench: &Bench, given_up: Option<bool>) -> Vec<HalfMessage> {
    let (ctx, key) = (context(1), topic(1).key);
    let listed = bench
        .node()
        .half_messages(&ctx, BROKERS[0], key, given_up, Offset(0), 100);
    listed.await.expect("answered")
}

async fn bodies(bench: &Bench) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let received = bench.take(64, &Filter::All).await;
        if received.deliveries.is_empty() {
            return bodies;
        }
        for delivery in received.deliveries {
            let body = delivery.message.content.body.to_vec();
            bodies.push(String::from_utf8(body).expect("text"));
            bench.ack(delivery.receipt).await;
        }
    }
}

#[tokio::test]
async fn a_half_message_is_seen_once_it_is_committed() {
    let mut bench = Bench::new(|_| {});
    let one = begin(&bench, 1, "p").await;
    let two = begin(&bench, 2, "p").await;
    assert_eq!(bodies(&bench).await, [""; 0]);
    assert_eq!(decide(&bench, one.place, true).await, Decided::Done);
    assert_eq!(decide(&bench, two.place, false).await, Decided::Done);
    assert_eq!(bodies(&bench).await, ["body 1"]);
    for _ in 0..2 {
        assert_eq!(decide(&bench, one.place, true).await, Decided::Done);
        assert_eq!(decide(&bench, two.place, false).await, Decided::Done);
        assert_eq!(decide(&bench, one.place, false).await, Decided::Opposite);
        assert_eq!(decide(&bench, two.place, true).await, Decided::Opposite);
        assert_eq!(bodies(&bench).await, [""; 0]);
        bench.restart(false).await;
    }
    assert_eq!(open(&bench, None).await, []);
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn a_handle_of_another_record_decides_nothing() {
    let bench = Bench::new(|_| {});
    let held = begin(&bench, 1, "p").await;
    let elsewhere = [
        HeldPlace {
            position: Position(held.place.position.0 + 1),
            ..held.place
        },
        HeldPlace {
            offset: held.place.offset.plus(1),
            ..held.place
        },
        HeldPlace {
            topic: queue_key(TOPIC + 1, 0).topic,
            ..held.place
        },
    ];
    for place in elsewhere {
        assert_eq!(decide(&bench, place, true).await, Decided::Unknown);
    }
    assert_eq!(bodies(&bench).await, [""; 0]);
}

#[tokio::test]
async fn producers_are_asked_by_the_schedule_and_then_given_up() {
    let mut bench = Bench::new(|_| {});
    let held = begin(&bench, 1, "p").await;
    bench.advance(5_999);
    assert_eq!(checks(&bench, "p").await, []);
    bench.advance(1);
    for count in 1..=TRANSACTION_CHECKS_MAX {
        assert_eq!(checks(&bench, "another").await, []);
        let asked = checks(&bench, "p").await;
        assert_eq!(asked.len(), 1, "check {count}");
        assert_eq!(asked[0].checks, count);
        assert_eq!(asked[0].place, held.place);
        assert_eq!(&asked[0].message.content.body[..], b"body 1");
        assert_eq!(checks(&bench, "p").await, [], "asked once");
        bench.restart(count % 2 == 0).await;
        bench.advance(29_999);
        assert_eq!(checks(&bench, "p").await, []);
        assert_eq!(open(&bench, Some(true)).await, [], "not given up yet");
        bench.advance(1);
    }
    assert_eq!(checks(&bench, "p").await, []);
    let given_up = open(&bench, Some(true)).await;
    assert_eq!(given_up.len(), 1);
    assert_eq!(open(&bench, Some(false)).await, []);
    assert_eq!(bodies(&bench).await, [""; 0]);
    assert_eq!(decide(&bench, given_up[0].place, true).await, Decided::Done);
    assert_eq!(bodies(&bench).await, ["body 1"]);
}

#[tokio::test]
async fn whoever_waits_for_checks_is_woken_in_time() {
    let bench = Bench::new(|_| {});
    let (ctx, node) = (context(1), bench.node().clone());
    let until = Timestamp(bench.now() + 20_000);
    let mut wait = Box::pin(node.wait_checks(&ctx, request("p"), until));
    assert!(poll_once(&mut wait).is_pending());
    begin(&bench, 1, "p").await;
    assert!(
        poll_once(&mut wait).is_pending(),
        "it is not to be asked yet"
    );
    bench.advance(5_999);
    tokio::task::yield_now().await;
    assert!(poll_once(&mut wait).is_pending());
    bench.advance(1);
    wait.await.expect("woken");
    assert_eq!(checks(&bench, "p").await.len(), 1);
    let mut wait = Box::pin(node.wait_checks(&ctx, request("p"), until));
    assert!(poll_once(&mut wait).is_pending());
    bench.advance(14_000);
    wait.await.expect("the time is over");
}

#[tokio::test]
async fn what_goes_to_a_dropped_topic_is_undecided_no_more() {
    let bench = Bench::new(|_| {});
    let held = begin(&bench, 1, "p").await;
    let (ctx, key) = (context(1), topic(1).key);
    let dropped = bench.node().drop_topic(&ctx, BROKERS[0], key).await;
    dropped.expect("dropped");
    bench.advance(60_000);
    assert_eq!(checks(&bench, "p").await, []);
    assert_eq!(open(&bench, None).await, []);
    assert_eq!(decide(&bench, held.place, true).await, Decided::Opposite);
    assert_eq!(bodies(&bench).await, [""; 0]);
}

/// Random lives: what was committed is received once, what was not never is.
#[tokio::test]
async fn random_lives_of_half_messages() {
    for seed in 0x7A1F_u64..0x7A1F + 12 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new(|_| {});
        let mut undecided: Vec<(u64, HeldPlace)> = Vec::new();
        let mut decided: Vec<(HeldPlace, bool)> = Vec::new();
        let (mut number, mut expected) = (0, Vec::new());
        for _ in 0..50 {
            match dice.below(8) {
                0..=2 => {
                    number += 1;
                    let held = begin(&bench, number, "p").await;
                    undecided.push((number, held.place));
                }
                3 | 4 if !undecided.is_empty() => {
                    let at = dice.below(undecided.len() as u64) as usize;
                    let (number, place) = undecided.swap_remove(at);
                    let commit = dice.one_in(2);
                    assert_eq!(decide(&bench, place, commit).await, Decided::Done);
                    decided.push((place, commit));
                    expected.extend(commit.then(|| format!("body {number}")));
                }
                5 => {
                    bench.advance(dice.below(40_000));
                    for asked in checks(&bench, "p").await {
                        assert!(undecided.iter().any(|(_, place)| *place == asked.place));
                    }
                }
                6 => bench.crash(dice.next(), dice.one_in(2)).await,
                _ => {
                    assert_eq!(bodies(&bench).await, expected, "seed {seed:#x}");
                    expected.clear();
                    for &(place, commit) in &decided {
                        assert_eq!(decide(&bench, place, commit).await, Decided::Done);
                        assert_eq!(decide(&bench, place, !commit).await, Decided::Opposite);
                    }
                }
            }
        }
        assert_eq!(bodies(&bench).await, expected, "seed {seed:#x}");
        assert_eq!(open(&bench, None).await.len(), undecided.len());
        bench.close().await;
    }
}
