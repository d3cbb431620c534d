//! Delayed messages: never early, never lost, once each; whatever clocks and
//! machines do.

use firn_protocol::api::hold::{Held, HoldApi, HoldRequest, Recalled};
use firn_protocol::api::storage::{AckStatus, StorageApi};
use firn_protocol::filter::Filter;
use firn_protocol::ids::Position;
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::HeldPlace;
use firn_protocol::time::Timestamp;
use firn_storage_node::config::Mutant;

use crate::harness::*;
use crate::power::Dice;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Sends messages that are due so many ms from now; their number is their body.
async fn hold(bench: &Bench, delays: &[(u64, u64)]) -> Vec<Held> {
    let now = bench.now();
    let messages = delays.iter().map(|&(n, ms)| NewMessage {
        deliver_at: Some(Timestamp(now + ms)),
        ..message(n, None)
    });
    let request = HoldRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages: messages.collect(),
    };
    let held = bench.node().hold(&context(1), request).await;
    let held = held.expect("held").into_iter();
    held.map(|one| one.expect("held")).collect()
}

async fn recall(bench: &Bench, place: HeldPlace) -> Recalled {
    let recalled = bench.node().recall(&context(1), place).await;
    recalled.expect("answered")
}

/// What a member gets now, acked: the number and its due time of each.
async fn get(bench: &Bench) -> Vec<(u64, u64)> {
    let mut got = Vec::new();
    // What has just become due is seen once it is durable.
    for _ in 0..3 {
        loop {
            let received = bench.take(256, &Filter::All).await;
            if received.deliveries.is_empty() {
                break;
            }
            for delivery in received.deliveries {
                let body = delivery.message.content.body.clone();
                let text = std::str::from_utf8(&body).expect("text");
                let number = text.trim_start_matches("body ").parse().expect("a number");
                let due = delivery.message.content.deliver_at.expect("a delay").0;
                assert!(due <= bench.now(), "message {number} is early");
                assert!(delivery.message.stored_at.0 >= due);
                got.push((number, due));
                assert_eq!(bench.ack(delivery.receipt).await, AckStatus::Ok);
            }
        }
        bench.settle_stores().await;
    }
    got
}

#[tokio::test]
async fn a_message_comes_at_its_time_and_not_before() {
    let bench = Bench::new(|_| {});
    hold(
        &bench,
        &[(1, 1), (2, 1_000), (3, 700_000), (4, 40 * DAY_MS)],
    )
    .await;
    assert_eq!(get(&bench).await, []);
    let mut at = 0;
    for (number, ms) in [(1, 1), (2, 1_000), (3, 700_000), (4, 40 * DAY_MS)] {
        bench.advance(ms - 1 - at);
        assert_eq!(get(&bench).await, [], "1 ms before {ms}");
        bench.advance(1);
        assert_eq!(get(&bench).await, [(number, START_MS + ms)]);
        at = ms;
    }
    assert_eq!(bench.counter("firn_storage_delayed_delivered_total"), 4);
}

#[tokio::test]
async fn an_early_one_is_seen() {
    let bench = Bench::new(|config| config.mutant = Some(Mutant::FireEarly));
    hold(&bench, &[(1, 500)]).await;
    let early = bench.take(1, &Filter::All).await;
    bench.settle_stores().await;
    let later = bench.take(1, &Filter::All).await;
    assert_eq!(early.deliveries.len() + later.deliveries.len(), 1);
}

#[tokio::test]
async fn the_time_may_be_the_end_of_its_slot_or_the_beginning() {
    let bench = Bench::new(|_| {});
    let slot = 600_000 - START_MS % 600_000;
    hold(&bench, &[(1, slot - 1), (2, slot), (3, slot + 1)]).await;
    bench.advance(slot - 1);
    assert_eq!(get(&bench).await, [(1, START_MS + slot - 1)]);
    bench.advance(1);
    assert_eq!(get(&bench).await, [(2, START_MS + slot)]);
    bench.advance(1);
    assert_eq!(get(&bench).await, [(3, START_MS + slot + 1)]);
}

#[tokio::test]
async fn one_that_is_recalled_never_comes() {
    let bench = Bench::new(|_| {});
    let held = hold(&bench, &[(1, 1_000), (2, 1_000), (3, 50_000_000)]).await;
    assert_eq!(recall(&bench, held[0].place).await, Recalled::Done);
    assert_eq!(recall(&bench, held[2].place).await, Recalled::Done);
    assert_eq!(recall(&bench, held[0].place).await, Recalled::Done, "again");
    bench.advance(1_000);
    assert_eq!(get(&bench).await, [(2, START_MS + 1_000)]);
    assert_eq!(
        recall(&bench, held[1].place).await,
        Recalled::AlreadyDelivered
    );
    bench.advance(50_000_000);
    assert_eq!(get(&bench).await, []);
    let other = HeldPlace {
        position: Position(99),
        ..held[1].place
    };
    assert_eq!(recall(&bench, other).await, Recalled::Unknown);
}

#[tokio::test]
async fn what_is_long_over_is_told_as_unknown_and_not_as_delivered() {
    let bench = Bench::new(|_| {});
    let held = hold(&bench, &[(1, 1_000)]).await;
    assert_eq!(recall(&bench, held[0].place).await, Recalled::Done);
    bench.advance(4 * DAY_MS);
    hold(&bench, &[(2, 1_000)]).await;
    assert_eq!(recall(&bench, held[0].place).await, Recalled::Unknown);
}

#[tokio::test]
async fn what_waits_outlives_starts_and_machines() {
    let mut bench = Bench::new(|_| {});
    let delays: Vec<(u64, u64)> = (0..40).map(|n| (n, 1_000 + n * 77_777)).collect();
    let held = hold(&bench, &delays).await;
    recall(&bench, held[7].place).await;
    bench.restart(true).await;
    bench.advance(500_000);
    let mut got = get(&bench).await;
    bench.crash(5, false).await;
    bench.advance(1_000_000);
    got.extend(get(&bench).await);
    bench.restart(false).await;
    bench.advance(40 * 77_777);
    got.extend(get(&bench).await);
    got.sort_unstable();
    let expected = delays.iter().filter(|(n, _)| *n != 7);
    let expected: Vec<_> = expected.map(|&(n, ms)| (n, START_MS + ms)).collect();
    assert_eq!(got, expected);
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn what_goes_to_a_dropped_topic_goes_nowhere() {
    let mut bench = Bench::new(|_| {});
    hold(&bench, &[(1, 1_000), (2, 2_000_000)]).await;
    let (ctx, key) = (context(1), topic(1).key);
    let dropped = bench.node().drop_topic(&ctx, BROKERS[0], key).await;
    dropped.expect("dropped");
    bench.restart(true).await;
    bench.advance(3_000_000);
    assert_eq!(get(&bench).await, []);
    let bounds = bench.node().bounds(&ctx, BROKERS[0], key).await;
    assert_eq!(bounds.expect("answered"), []);
    assert_eq!(bench.counter("firn_storage_delayed_delivered_total"), 0);
}

#[tokio::test]
async fn both_ids_find_it_before_and_after() {
    let bench = Bench::new(|_| {});
    let held = hold(&bench, &[(1, 1_000), (2, 1_000)]).await;
    recall(&bench, held[1].place).await;
    let (ctx, place) = (context(1), held[0].place);
    let find = || async {
        let found = bench.node().by_position(&ctx, BROKERS[0], place.position);
        found.await.expect("answered").expect("there")
    };
    let waiting = find().await;
    assert_eq!(waiting.message_id, held[0].message_id);
    assert_eq!(waiting.target, Some(queue_key(TOPIC, 0)));
    bench.advance(1_000);
    assert_eq!(get(&bench).await, [(1, START_MS + 1_000)]);
    let delivered = find().await;
    assert_eq!(delivered.message_id, held[0].message_id);
    assert_eq!(
        (delivered.target, delivered.queue),
        (None, queue_key(TOPIC, 0))
    );
    let recalled = held[1].place.position;
    let found = bench.node().by_position(&ctx, BROKERS[0], recalled).await;
    assert_eq!(found.expect("answered"), None);
}

/// Random sends, recalls, pauses, restarts, crashes: each is delivered once, in
/// its time, unless it was recalled.
#[tokio::test]
async fn random_lives_of_delayed_messages() {
    for seed in 0xDE1A_u64..0xDE1A + 12 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new(|_| {});
        let mut waiting: Vec<(u64, u64, HeldPlace)> = Vec::new();
        let mut number = 0;
        for _ in 0..40 {
            match dice.below(10) {
                0..=3 => {
                    let span = [20, 5_000, 2_000_000, 40 * DAY_MS][dice.below(4) as usize];
                    let delays = (0..=dice.below(5)).map(|_| {
                        number += 1;
                        (number, 1 + dice.below(span))
                    });
                    let delays: Vec<_> = delays.collect();
                    let held = hold(&bench, &delays).await;
                    let now = bench.now();
                    let places = held.iter().map(|held| held.place);
                    let new = delays.iter().zip(places);
                    waiting.extend(new.map(|(&(n, ms), place)| (n, now + ms, place)));
                }
                4 if !waiting.is_empty() => {
                    let at = dice.below(waiting.len() as u64) as usize;
                    let (_, _, place) = waiting.swap_remove(at);
                    assert_eq!(
                        recall(&bench, place).await,
                        Recalled::Done,
                        "seed {seed:#x}"
                    );
                }
                5 => bench.restart(dice.one_in(2)).await,
                6 => bench.crash(dice.next(), dice.one_in(2)).await,
                _ => {
                    let span = [30, 5_000, 2_000_000, 50 * DAY_MS][dice.below(4) as usize];
                    bench.advance(1 + dice.below(span));
                    let got = get(&bench).await;
                    let now = bench.now();
                    let due = waiting.iter().filter(|(_, due, _)| *due <= now);
                    let mut expected: Vec<_> = due.map(|&(n, due, _)| (n, due)).collect();
                    waiting.retain(|(_, due, _)| *due > now);
                    expected.sort_unstable();
                    let mut found = got.clone();
                    found.sort_unstable();
                    assert_eq!(found, expected, "seed {seed:#x}");
                }
            }
        }
        bench.close().await;
    }
}
