//! Trying again: what, how often, when, and at whose cost.

use std::sync::atomic::Ordering;

use super::*;
use crate::cold::paths::Prefix;

#[tokio::test]
async fn passing_trouble_is_tried_again_with_pauses_that_grow() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    faulty.storm(4);
    let listed = driven(&clock, store.list(Prefix::Wals)).await;
    assert_eq!(listed, Ok(vec![]));
    assert_eq!(store.metrics().requests(Operation::List), 5);
    let busy = store.metrics().errors(Operation::List, Failure::Busy);
    assert_eq!(busy, 4);
    // At least half of 100, 200, 400 and 800 ms.
    assert!((750..=1900).contains(&clock.now_ms()), "{}", clock.now_ms());
}

#[tokio::test]
async fn a_failure_for_good_is_not_tried_again() {
    let clock = Clock::manual(0);
    let (_, store) = faulty(1, &clock);
    let missing = store.get(segment(1)).await;
    let failure = missing.map_err(|error| error.failure);
    assert_eq!(failure, Err(Failure::NotFound));
    assert_eq!(store.metrics().requests_total(), 1);
}

#[tokio::test]
async fn attempts_end() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    faulty.storm(1_000_000);
    let error = driven(&clock, store.list(Prefix::Wals)).await;
    let error = error.expect_err("the storm lasts");
    assert_eq!(error.failure, Failure::Busy);
    assert_eq!(store.metrics().requests_total(), 6);
}

#[tokio::test]
async fn an_attempt_that_hangs_is_given_up_and_made_again() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    faulty.hang(1);
    let found = driven(&clock, store.find(segment(1))).await;
    assert_eq!(found, Ok(None));
    let metrics = store.metrics();
    assert_eq!(metrics.requests(Operation::Get), 2);
    assert_eq!(metrics.errors(Operation::Get, Failure::Timeout), 1);
    let waited = settings().retry.attempt_max.as_millis() as u64;
    assert!(clock.now_ms() >= waited, "{}", clock.now_ms());
    // A list has more to do, and gets longer.
    faulty.set_latency(5 * settings().retry.attempt_max, Duration::ZERO);
    let listed = driven(&clock, store.list(Prefix::Wals)).await;
    assert_eq!(listed, Ok(vec![]));
    assert_eq!(store.metrics().requests(Operation::List), 1);
}

/// Requests and seconds that a number of lists took in a storm.
async fn storm(operations: u64) -> (u64, u64, u64) {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    faulty.storm(u64::MAX);
    let lists = (0..operations).map(|_| store.list(Prefix::Wals));
    let results = driven(&clock, futures_util::future::join_all(lists)).await;
    assert!(results.iter().all(Result::is_err));
    let refused = store.metrics().retries_refused.load(Ordering::Relaxed);
    (
        store.metrics().requests_total(),
        clock.now_ms() / 1000,
        refused,
    )
}

#[tokio::test]
async fn a_storm_is_not_amplified() {
    let budget = settings().retry.budget;
    let (requests, seconds, refused) = storm(2000).await;
    let earned = budget.retries_max + 2000 * budget.earned_by_operation / 1000 + seconds;
    assert!(requests <= 2000 + earned, "{requests} in {seconds} s");
    // Without a budget it would have been six times as many.
    assert!(requests >= 2000 + budget.retries_max, "{requests}");
    assert!(refused > 1000, "{refused}");
}

#[tokio::test]
async fn idleness_saves_up_no_more_than_the_bound() {
    let budget = settings().retry.budget;
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    clock.advance(Duration::from_secs(86_400));
    for _ in 0..2000 {
        store.list(Prefix::Wals).await.expect("lists");
    }
    let (requests, began_ms) = (store.metrics().requests_total(), clock.now_ms());
    faulty.storm(u64::MAX);
    let lists = (0..200).map(|_| store.list(Prefix::Wals));
    driven(&clock, futures_util::future::join_all(lists)).await;
    let retries = store.metrics().requests_total() - requests - 200;
    let seconds = (clock.now_ms() - began_ms) / 1000;
    let earned = 200 * budget.earned_by_operation / 1000 + seconds;
    assert!(retries <= budget.retries_max + earned, "{retries}");
}

#[tokio::test]
async fn the_budget_recovers_with_time() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    faulty.storm(u64::MAX);
    let lists = (0..200).map(|_| store.list(Prefix::Wals));
    driven(&clock, futures_util::future::join_all(lists)).await;
    faulty.heal();
    faulty.storm(1);
    let spent = driven(&clock, store.list(Prefix::Wals)).await;
    assert!(spent.is_err(), "nothing is left for a retry");
    clock.advance(Duration::from_secs(5));
    faulty.storm(1);
    let listed = driven(&clock, store.list(Prefix::Wals)).await;
    assert_eq!(listed, Ok(vec![]));
}

#[tokio::test]
async fn background_work_has_a_budget_of_its_own() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    let background = store.background();
    faulty.storm(u64::MAX);
    let lists = (0..200).map(|_| background.list(Prefix::Wals));
    driven(&clock, futures_util::future::join_all(lists)).await;
    faulty.heal();
    faulty.storm(3);
    let listed = driven(&clock, store.list(Prefix::Wals)).await;
    assert_eq!(listed, Ok(vec![]), "sends are not the ones to pay");
}

#[tokio::test]
async fn background_work_is_bounded_and_holds_up_nobody() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    let background = store.background();
    let second = Duration::from_secs(1);
    faulty.set_latency(second, second);
    let bound = settings().background_at_once as u64;
    let puts = (1..=3 * bound).map(|sequence| {
        let (background, body) = (background.clone(), Bytes::from_static(b"x"));
        async move { background.put_unique(segment(sequence), [body]).await }
    });
    let puts = futures_util::future::join_all(puts);
    tokio::pin!(puts);
    for round in 1..=3 {
        assert!(futures_util::poll!(&mut puts).is_pending());
        clock.advance(second);
        let _ = futures_util::poll!(&mut puts);
        assert_eq!(faulty.changes(), round * bound);
    }
    let put = store.put_unique(segment(100), [Bytes::new()]);
    tokio::pin!(put);
    assert!(futures_util::poll!(&mut put).is_pending());
    clock.advance(second);
    assert!(futures_util::poll!(&mut put).is_ready());
}

#[tokio::test]
async fn requests_and_bytes_are_counted() {
    let clock = Clock::manual(0);
    let (_, store) = faulty(1, &clock);
    store
        .put_unique(segment(1), [pattern(2500)])
        .await
        .expect("stored");
    store.get_range(segment(1), 0, 100).await.expect("is there");
    store.delete(&[segment(1)]).await.expect("deletes");
    let metrics = store.metrics();
    let counted = Operation::ALL.map(|operation| metrics.requests(operation));
    assert_eq!(counted, [0, 0, 1, 3, 1, 0, 1, 0, 0, 1]);
    assert_eq!(metrics.sent_bytes.load(Ordering::Relaxed), 2500);
    assert_eq!(metrics.received_bytes.load(Ordering::Relaxed), 100);
    let registry = prometheus::Registry::new();
    let exported = crate::metrics::Metrics::new(&registry).expect("registers");
    exported.watch_cold(&registry, metrics).expect("registers");
    for _ in 0..2 {
        let families = registry.gather();
        let text = prometheus::TextEncoder::new().encode_to_string(&families);
        let text = text.expect("is text");
        for line in [
            "firn_storage_cold_requests_total{operation=\"part\"} 3",
            "firn_storage_cold_bytes_total{direction=\"sent\"} 2500",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
