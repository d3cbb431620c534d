//! Held messages in object storage: what waits is there, retention leaves it
//! alone, and it goes once nobody waits for it (RULES 17).

use firn_protocol::api::hold::{Decided, HoldApi, HoldRequest, PrepareRequest};
use firn_protocol::api::storage::AckStatus;
use firn_protocol::filter::Filter;
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::HeldPlace;
use firn_protocol::time::Timestamp;
use firn_storage_node::config::TierMutant;

use crate::harness::*;
use crate::retention::{HOUR_MS, Rules, check_named, newest, with};
use crate::tier_faults::restore;
use crate::tiers::{big, seal, send};

/// Holds messages `numbers`, the n-th for so many hours more than the first.
async fn hold(bench: &Bench, numbers: std::ops::Range<u64>, hours: u64) {
    let messages = numbers.map(|n| NewMessage {
        deliver_at: Some(Timestamp(bench.now() + (hours + n) * HOUR_MS)),
        ..big(n)
    });
    let request = HoldRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages: messages.collect(),
    };
    let held = bench.node().hold(&context(1), request).await;
    for one in held.expect("held") {
        one.expect("held");
    }
}

async fn prepare(bench: &Bench, n: u64) -> HeldPlace {
    let request = PrepareRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        message: big(n),
        producers: "p".to_owned(),
        check_after_ms: 6_000,
    };
    let held = bench.node().prepare(&context(1), request).await;
    held.expect("stored").place
}

/// Numbers of what a member gets now, acked; each has the body that was sent.
async fn get(bench: &Bench) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..3 {
        bench.node().timer_step().await;
        loop {
            let received = bench.take(256, &Filter::All).await;
            if received.deliveries.is_empty() {
                break;
            }
            for delivery in received.deliveries {
                let n = delivery.message.content.born_at.0;
                assert_eq!(delivery.message.content.body, big(n).body);
                assert_eq!(bench.ack(delivery.receipt).await, AckStatus::Ok);
                numbers.push(n);
            }
        }
        bench.settle_stores().await;
    }
    numbers
}

#[tokio::test]
async fn what_waits_outlives_retention_and_the_machine() {
    let rules = Rules::hours(2);
    let mut bench = Bench::new(with(&rules));
    hold(&bench, 0..12, 40).await;
    let half = prepare(&bench, 99).await;
    send(&bench, 100..140).await;
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    // Everything that is not held goes.
    for _ in 0..30 {
        bench.advance(HOUR_MS);
        bench.node().tier_step().await;
    }
    assert_eq!(get(&bench).await, [0; 0]);
    check_named(&bench).await;
    assert_eq!(newest(&bench).await.segments.len(), 1, "for what waits");
    // What has gone is known to the log alone until then.
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    let decided = bench.node().decide(&context(1), half, true).await;
    assert_eq!(decided.expect("answered"), Decided::Done);
    assert_eq!(
        get(&bench).await,
        [99],
        "it is young, however old its half is"
    );
    let mut got = Vec::new();
    for _ in 0..24 {
        bench.advance(HOUR_MS);
        bench.node().tier_step().await;
        got.extend(get(&bench).await);
    }
    assert_eq!(got, (0..12).collect::<Vec<u64>>());
    // Nobody waits for anything: the segments of before go, and their objects.
    for _ in 0..6 {
        bench.advance(HOUR_MS);
        bench.node().tier_step().await;
    }
    let left = newest(&bench).await;
    let rows = left.segments.iter().flat_map(|segment| &segment.queues);
    assert_eq!(rows.count(), 0, "{:?}", left.segments);
    bench.close().await;
}

#[tokio::test]
async fn waiting_bodies_that_are_given_up_are_missed() {
    let rules = Rules::hours(2);
    let mut bench = Bench::new(|config| {
        with(&rules)(config);
        config.tier.mutant = Some(TierMutant::TrimWaiting);
    });
    hold(&bench, 0..4, 40).await;
    send(&bench, 100..140).await;
    seal(&bench).await;
    for _ in 0..4 {
        bench.advance(HOUR_MS);
        bench.node().tier_step().await;
    }
    send(&bench, 140..180).await;
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    bench.advance(60 * HOUR_MS);
    let got = get(&bench).await;
    assert!(!got.contains(&0), "the mutant lost what waited: {got:?}");
}
