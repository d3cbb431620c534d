//! Long polling: whoever waits is woken by whatever makes a record available,
//! and nobody sleeps while there is something for him.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use firn_protocol::api::storage::{StorageApi, VisibilityRequest, WaitRequest};
use firn_protocol::error::ApiResult;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{BrokerId, GroupId, TopicKey};
use firn_protocol::limits::FILTER_LIVE_MS;
use firn_protocol::message::NewMessage;
use firn_protocol::time::Timestamp;
use firn_runtime::Tasks;

use crate::harness::{
    BROKERS, Bench, GROUP, context, group, message, poll_once, receive, sql, tags, topic, with,
};
use crate::meet::{play_until_they_meet, start_receive};

type Wait = Pin<Box<dyn Future<Output = ApiResult<Option<BrokerId>>>>>;

const LONG_MS: u64 = 1 << 40;

/// A wait on the first broker.
fn wait(bench: &Bench, of: GroupId, filter: &Filter, seen: u64) -> Wait {
    let request = WaitRequest {
        group: of,
        topic: topic(1),
        brokers: vec![(BROKERS[0], seen)],
        filter: filter.clone(),
        until: Timestamp(bench.now() + LONG_MS),
    };
    let node = bench.node().clone();
    Box::pin(async move { node.wait(&context(1), request).await })
}

/// Finds nothing, then waits: parked when this returns.
async fn park(bench: &Bench, filter: &Filter) -> Wait {
    let received = bench.take(4, filter).await;
    assert_eq!(received.deliveries.len(), 0);
    let mut wait = wait(bench, GROUP, filter, received.seen);
    assert!(poll_once(&mut wait).is_pending());
    wait
}

fn is_woken(wait: &mut Wait) -> bool {
    match poll_once(wait) {
        Poll::Ready(answer) => {
            assert_eq!(answer.expect("answered"), Some(BROKERS[0]));
            true
        }
        Poll::Pending => false,
    }
}

fn bench() -> Bench {
    Bench::new(|_| {})
}

#[tokio::test]
async fn one_append_wakes_one_waiter_whose_filter_matches() {
    let mut bench = bench();
    let mut other = park(&bench, &tags(&["b"])).await;
    let mut first = park(&bench, &tags(&["a"])).await;
    let mut second = park(&bench, &tags(&["a"])).await;
    bench.send(1, Some("a")).await;
    let woken = [
        is_woken(&mut other),
        is_woken(&mut first),
        is_woken(&mut second),
    ];
    assert_eq!(woken, [false, true, false]);
    bench.send(2, Some("b")).await;
    assert_eq!([is_woken(&mut other), is_woken(&mut second)], [true, false]);
    bench.close().await;
}

#[tokio::test]
async fn an_append_wakes_whose_expression_matches() {
    let mut bench = bench();
    let mut small = park(&bench, &sql("size < 10")).await;
    let mut large = park(&bench, &sql("size >= 10")).await;
    let mut larger = park(&bench, &sql("size >= 10")).await;
    bench.send_all(vec![with(1, None, &[("size", "12")])]).await;
    let woken = [&mut small, &mut large, &mut larger].map(is_woken);
    assert_eq!(woken, [false, true, false]);
    bench.send_all(vec![with(2, None, &[("size", "3")])]).await;
    assert!(is_woken(&mut small));
    bench.close().await;
}

/// Such a run is not looked into; whoever is woken in vain says it to the others.
#[tokio::test]
async fn a_large_run_wakes_whose_filter_matches_at_last() {
    for (none, one) in [
        (sql("TAGS = 'none'"), tags(&["one"])),
        (sql("TAGS = 'none'"), sql("TAGS = 'one'")),
        (tags(&["none"]), sql("TAGS = 'one'")),
    ] {
        let mut bench = Bench::new(|config| config.log.file_bytes = 1 << 20);
        let mut first = park(&bench, &none).await;
        let mut second = park(&bench, &one).await;
        let large = NewMessage {
            body: vec![0; 100 << 10].into(),
            ..message(1, Some("one"))
        };
        bench.send_all(vec![large]).await;
        if is_woken(&mut first) {
            assert_eq!(bench.take(1, &none).await.deliveries.len(), 0);
        }
        assert!(is_woken(&mut second), "{one:?}");
        assert_eq!(bench.take(1, &one).await.deliveries.len(), 1);
        bench.close().await;
    }
}

#[tokio::test]
async fn every_group_is_woken() {
    let mut bench = bench();
    let mut waits = Vec::new();
    for id in [GroupId(1), GroupId(2)] {
        let request = firn_protocol::api::storage::ReceiveRequest {
            group: group(id),
            ..receive(1, &Filter::All)
        };
        let received = bench.node().receive(&context(1), request).await;
        let mut wait = wait(&bench, id, &Filter::All, received.expect("received").seen);
        assert!(poll_once(&mut wait).is_pending());
        waits.push(wait);
    }
    bench.send(1, None).await;
    assert!(waits.iter_mut().all(is_woken));
    bench.close().await;
}

#[tokio::test]
async fn an_append_between_receive_and_wait_is_not_missed() {
    let mut bench = bench();
    let received = bench.take(1, &Filter::All).await;
    bench.send(1, None).await;
    let mut late = wait(&bench, GROUP, &Filter::All, received.seen);
    assert!(is_woken(&mut late));
    bench.close().await;
}

#[tokio::test]
async fn a_wait_ends_at_its_time() {
    let mut bench = bench();
    let mut parked = park(&bench, &Filter::All).await;
    bench.advance(LONG_MS - 1);
    assert!(poll_once(&mut parked).is_pending());
    bench.advance(1);
    assert!(matches!(poll_once(&mut parked), Poll::Ready(Ok(None))));
    // Nobody is left in the line: the next append wakes who really waits.
    let mut next = park(&bench, &Filter::All).await;
    bench.send(1, None).await;
    assert!(is_woken(&mut next));
    bench.close().await;
}

#[tokio::test]
async fn what_is_given_back_wakes_whoever_wants_it() {
    let mut bench = bench();
    bench.send(1, Some("b")).await;
    let held = bench.take(1, &tags(&["b"])).await.deliveries;
    let mut first = park(&bench, &tags(&["a"])).await;
    let mut second = park(&bench, &tags(&["b"])).await;
    let receipts = vec![held[0].receipt];
    let ctx = context(1);
    let back = bench.node().give_back(&ctx, BROKERS[0], GROUP, receipts);
    back.await.expect("given back");
    assert!(is_woken(&mut second), "the one who wants it sleeps on");
    let _ = is_woken(&mut first);
    let again = bench.take(1, &tags(&["b"])).await.deliveries;
    assert_eq!(
        (again[0].message.offset, again[0].message.attempt),
        (held[0].message.offset, 1)
    );
    bench.close().await;
}

#[tokio::test]
async fn a_seek_wakes_whoever_wants_what_it_brings_back() {
    let mut bench = bench();
    bench.send(1, Some("b")).await;
    let held = bench.take(1, &tags(&["b"])).await.deliveries;
    bench.ack(held[0].receipt).await;
    let mut first = park(&bench, &tags(&["a"])).await;
    let mut second = park(&bench, &tags(&["b"])).await;
    bench.seek_earliest().await;
    assert!(is_woken(&mut second));
    let _ = is_woken(&mut first);
    bench.close().await;
}

/// Advances to a time and lets the timers run until the wait ends.
async fn woken_after(bench: &Bench, ms: u64, mut wait: Wait) -> bool {
    bench.advance(ms - 1);
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(poll_once(&mut wait).is_pending(), "woken before the time");
    }
    bench.advance(1);
    wait.await.expect("answered") == Some(BROKERS[0])
}

#[tokio::test]
async fn leases_and_pauses_that_end_wake_without_a_call() {
    let mut bench = bench();
    let mut tasks = Tasks::new();
    bench.node().start(&mut tasks);
    bench.send(1, Some("a")).await;
    let filter = tags(&["a"]);
    assert_eq!(bench.take(1, &filter).await.deliveries.len(), 1);
    let parked = park(&bench, &filter).await;
    assert!(woken_after(&bench, 30_000, parked).await);
    let again = bench.take(1, &filter).await.deliveries;
    assert_eq!(again[0].message.attempt, 2);
    let request = VisibilityRequest {
        broker: BROKERS[0],
        group: group(GROUP),
        receipt: again[0].receipt,
        invisible_ms: 0,
    };
    let failed = bench.node().change_visibility(&context(1), request).await;
    failed.expect("failed");
    let parked = park(&bench, &filter).await;
    assert!(
        woken_after(&bench, 30_000, parked).await,
        "the second pause"
    );
    assert_eq!(
        bench.take(1, &filter).await.deliveries[0].message.attempt,
        3
    );
    tasks.join(std::time::Duration::from_secs(5)).await;
    bench.close().await;
}

/// More leases than the timers take in one turn pass together: all come back,
/// and nobody has to call for it.
#[tokio::test]
async fn a_mass_of_leases_that_pass_comes_back_whole() {
    const COUNT: u64 = 700;
    let mut bench = bench();
    let mut tasks = Tasks::new();
    bench.node().start(&mut tasks);
    let batch: Vec<_> = (0..COUNT).map(|n| message(n, None)).collect();
    bench.take(1, &Filter::All).await;
    bench.send_all(batch).await;
    let mut held = 0;
    while held < COUNT {
        let taken = bench.take(256, &Filter::All).await.deliveries.len();
        assert!(taken > 0);
        held += taken as u64;
    }
    bench.advance(30_000);
    let retried = async || {
        let rows = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
        let rows = rows.expect("answered").into_iter();
        let retry = rows.filter(|row| matches!(row.queue.topic, TopicKey::Retry(_)));
        retry.map(|row| row.lag).sum::<u64>()
    };
    let mut looks = 0;
    while retried().await < COUNT {
        looks += 1;
        assert!(looks < 1_000_000, "{} came back", retried().await);
        tokio::task::yield_now().await;
    }
    tasks.join(std::time::Duration::from_secs(5)).await;
    bench.close().await;
}

#[tokio::test]
async fn what_another_filter_passes_on_wakes_its_owner() {
    play_until_they_meet(async |bench| {
        let (a, b) = (tags(&["a"]), tags(&["b"]));
        let mut owner = park(bench, &b).await;
        drop(park(bench, &a).await);
        // A run for both wakes only the first in the line.
        let mut mixed = park(bench, &a).await;
        bench
            .send_all(vec![message(1, Some("a")), message(2, Some("b"))])
            .await;
        assert!(is_woken(&mut owner) ^ is_woken(&mut mixed));
        let Some(reading) = start_receive(bench, 4, &a) else {
            return false;
        };
        // Meanwhile the other one sees nothing, since all is being read.
        let mut second = park(bench, &b).await;
        assert_eq!(reading.await.deliveries.len(), 1);
        assert!(is_woken(&mut second), "its record was passed on");
        assert_eq!(bench.take(4, &b).await.deliveries.len(), 1);
        true
    })
    .await;
}

/// RULES 18: a filter lives until 30 s after its member's last call has ended.
#[tokio::test]
async fn a_member_that_waits_long_keeps_its_filter() {
    let mut bench = bench();
    let (a, b) = (tags(&["a"]), tags(&["b"]));
    let mut owner = park(&bench, &b).await;
    for n in 0..3 {
        bench.advance(FILTER_LIVE_MS + 1);
        assert_eq!(bench.take(4, &a).await.deliveries.len(), 0);
        assert!(!is_woken(&mut owner), "nothing for it yet, round {n}");
    }
    bench.send(1, Some("b")).await;
    assert!(is_woken(&mut owner));
    // The wait is over and the owner has not called again yet.
    drop(owner);
    bench.advance(FILTER_LIVE_MS);
    assert_eq!(bench.take(4, &a).await.deliveries.len(), 0);
    let held = bench.take(4, &b).await.deliveries;
    assert_eq!(held.len(), 1);
    bench.ack(held[0].receipt).await;
    bench.send(2, Some("b")).await;
    bench.advance(FILTER_LIVE_MS + 1);
    assert_eq!(bench.take(4, &a).await.deliveries.len(), 0);
    let late = bench.take(4, &b).await.deliveries.len();
    assert_eq!(late, 0, "no live filter wanted it");
    bench.close().await;
}

#[tokio::test]
async fn a_receive_that_is_given_up_wakes_the_next() {
    play_until_they_meet(async |bench| {
        drop(park(bench, &Filter::All).await);
        bench.send(1, None).await;
        let Some(reading) = start_receive(bench, 1, &Filter::All) else {
            return false;
        };
        let empty = bench.take(1, &Filter::All).await;
        assert_eq!(empty.deliveries.len(), 0, "it is reserved");
        let mut parked = wait(bench, GROUP, &Filter::All, empty.seen);
        assert!(poll_once(&mut parked).is_pending());
        drop(reading);
        assert!(is_woken(&mut parked));
        // Who had looked and not yet parked sees that something has changed.
        let mut late = wait(bench, GROUP, &Filter::All, empty.seen);
        assert!(is_woken(&mut late));
        true
    })
    .await;
}

#[tokio::test]
async fn a_wake_that_nobody_heard_goes_to_the_next() {
    let mut bench = bench();
    let first = park(&bench, &Filter::All).await;
    let mut second = park(&bench, &Filter::All).await;
    bench.send(1, None).await;
    drop(first);
    assert!(is_woken(&mut second));
    bench.close().await;
}

#[tokio::test]
async fn a_wake_is_heard_even_when_the_wait_is_over() {
    let mut bench = bench();
    for n in 0..20 {
        let mut parked = park(&bench, &Filter::All).await;
        bench.send(n, None).await;
        bench.advance(LONG_MS);
        assert!(is_woken(&mut parked));
        let held = bench.take(1, &Filter::All).await.deliveries;
        bench.ack(held[0].receipt).await;
    }
    bench.close().await;
}

#[tokio::test]
async fn what_is_left_over_is_the_next_waiters_turn() {
    let mut bench = bench();
    let mut first = park(&bench, &Filter::All).await;
    let mut second = park(&bench, &Filter::All).await;
    bench
        .send_all(vec![message(1, None), message(2, None)])
        .await;
    assert_eq!([is_woken(&mut first), is_woken(&mut second)], [true, false]);
    assert_eq!(bench.take(1, &Filter::All).await.deliveries.len(), 1);
    assert!(is_woken(&mut second));
    bench.close().await;
}
