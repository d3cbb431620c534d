//! Calls that meet: a receive that reads while something else happens, and
//! commits that take their time.

use firn_protocol::api::storage::{StorageApi, VisibilityAnswer, VisibilityRequest};
use firn_protocol::error::ErrorCode;
use firn_protocol::filter::Filter;
use firn_protocol::ids::Offset;
use firn_protocol::limits::{FILTER_LIVE_MS, FILTERS_LIVE_MAX};

use crate::harness::{
    BROKERS, Bench, GROUP, Gate, TOPIC, context, group, message, offsets, poll_once, queue_key,
    receive, tags,
};
use crate::meet::{play_until_they_meet, start_receive};

#[tokio::test]
async fn what_is_being_read_is_nobody_elses() {
    play_until_they_meet(async |bench| {
        let _ = bench.take(1, &Filter::All).await;
        bench
            .send_all(vec![message(1, None), message(2, None), message(3, None)])
            .await;
        let Some(reading) = start_receive(bench, 2, &Filter::All) else {
            return false;
        };
        assert_eq!(offsets(&bench.take(9, &Filter::All).await), [2]);
        assert_eq!(offsets(&reading.await), [0, 1]);
        true
    })
    .await;
}

#[tokio::test]
async fn what_is_acked_while_it_is_read_is_not_delivered() {
    play_until_they_meet(async |bench| {
        bench
            .send_all(vec![message(1, None), message(2, None)])
            .await;
        let held = bench.take(2, &Filter::All).await.deliveries;
        let receipts = held.iter().map(|delivery| delivery.receipt).collect();
        let ctx = context(1);
        let back = bench.node().give_back(&ctx, BROKERS[0], GROUP, receipts);
        back.await.expect("given back");
        let Some(reading) = start_receive(bench, 2, &Filter::All) else {
            return false;
        };
        // The handle of before still counts: nobody has been given the record since.
        let status = bench.ack(held[0].receipt).await;
        assert_eq!(status.as_str(), "OK");
        let read = reading.await;
        assert_eq!(offsets(&read), [1], "R7: delivered after its ack");
        assert_eq!(bench.ack(read.deliveries[0].receipt).await.as_str(), "OK");
        true
    })
    .await;
}

#[tokio::test]
async fn a_filter_that_comes_while_records_are_sorted_keeps_its_own() {
    play_until_they_meet(async |bench| {
        let (a, b) = (tags(&["a"]), tags(&["b"]));
        let _ = bench.take(1, &a).await;
        bench
            .send_all(vec![message(1, Some("a")), message(2, Some("b"))])
            .await;
        let Some(reading) = start_receive(bench, 9, &a) else {
            return false;
        };
        let newcomer = bench.take(9, &b).await;
        assert_eq!(offsets(&reading.await), [0]);
        let found = if newcomer.deliveries.is_empty() {
            bench.take(9, &b).await
        } else {
            newcomer
        };
        assert_eq!(
            offsets(&found),
            [1],
            "R9: finished under the eyes of who wants it"
        );
        true
    })
    .await;
}

#[tokio::test]
async fn a_filter_too_many_harms_nobody() {
    let mut bench = Bench::new(|_| {});
    let names: Vec<String> = (0..=FILTERS_LIVE_MAX).map(|n| format!("t{n:02}")).collect();
    let filters: Vec<Filter> = names.iter().map(|name| tags(&[name])).collect();
    let (last, living) = filters.split_last().expect("filters");
    for filter in living {
        let _ = bench.take(1, filter).await;
    }
    let refused = bench.node().receive(&context(1), receive(1, last)).await;
    assert_eq!(refused.expect_err("one too many").code, ErrorCode::Conflict);
    // Those who were there go on, and what only the refused one wanted is not kept for it.
    bench.send(1, Some(&names[FILTERS_LIVE_MAX])).await;
    bench.send(2, Some("t00")).await;
    assert_eq!(offsets(&bench.take(9, &living[0]).await), [1]);
    let rows = bench
        .node()
        .lag(&context(1), BROKERS[0], GROUP)
        .await
        .expect("lag");
    assert_eq!((rows[0].lag, rows[0].in_flight), (1, 1));
    // Once one of them is gone there is room.
    bench.advance(FILTER_LIVE_MS);
    for filter in &living[1..] {
        let _ = bench.take(1, filter).await;
    }
    bench.advance(1);
    let _ = bench.take(1, last).await;
    bench.close().await;
}

#[tokio::test]
async fn what_is_not_durable_is_seen_by_nobody() {
    let gate = Gate::default();
    let points = gate.points();
    let mut bench = Bench::new(|config| config.log.crash_points = points);
    bench.send(1, None).await;
    let held = bench.take(9, &Filter::All).await.deliveries;
    bench.ack(held[0].receipt).await;
    gate.shut();
    let mut sending = Box::pin(bench.send(2, None));
    assert!(poll_once(&mut sending).is_pending());
    assert_eq!(offsets(&bench.take(9, &Filter::All).await), [0_u64; 0]);
    let (node, ctx) = (bench.node(), context(1));
    let place = queue_key(TOPIC, 0);
    let found = node.read(&ctx, BROKERS[0], place, Offset(0), 9).await;
    assert_eq!(found.expect("read").len(), 1);
    let bounds = node
        .bounds(&ctx, BROKERS[0], place.topic)
        .await
        .expect("bounds");
    assert_eq!(bounds[0].2, Offset(1));
    gate.open();
    sending.await;
    assert_eq!(offsets(&bench.take(9, &Filter::All).await), [1]);
    bench.close().await;
}

/// A commit that takes longer than the first pause of the retry table.
#[tokio::test]
async fn a_failed_record_that_is_due_before_it_is_durable_is_not_lost() {
    let gate = Gate::default();
    let points = gate.points();
    let mut bench = Bench::new(|config| config.log.crash_points = points);
    bench.send(1, None).await;
    let receipt = bench.take(1, &Filter::All).await.deliveries[0].receipt;
    gate.shut();
    let request = VisibilityRequest {
        broker: BROKERS[0],
        group: group(GROUP),
        receipt,
        invisible_ms: 0,
    };
    let node = bench.node().clone();
    let mut failing = Box::pin(async move { node.change_visibility(&context(1), request).await });
    assert!(poll_once(&mut failing).is_pending());
    bench.advance(10_000);
    let mut early = Box::pin(bench.take(1, &Filter::All));
    assert!(
        poll_once(&mut early).is_pending(),
        "it waits for the commit"
    );
    gate.open();
    let answer = failing.await.expect("failed");
    assert!(matches!(answer, VisibilityAnswer::Changed { .. }));
    let mut found = early.await;
    if found.deliveries.is_empty() {
        let _ = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
        found = bench.take(1, &Filter::All).await;
    }
    assert_eq!(found.deliveries.len(), 1, "R1: the copy is gone");
    assert_eq!(found.deliveries[0].message.attempt, 2);
    bench.close().await;
}

/// Who reads while the group starts over gets handles that count.
#[tokio::test]
async fn a_seek_while_records_are_read_leaves_no_void_handle() {
    play_until_they_meet(async |bench| {
        let _ = bench.take(1, &Filter::All).await;
        bench.send(1, None).await;
        let Some(reading) = start_receive(bench, 1, &Filter::All) else {
            return false;
        };
        bench.seek_earliest().await;
        let read = reading.await;
        assert_eq!(offsets(&read), [0]);
        let status = bench.ack(read.deliveries[0].receipt).await;
        assert_eq!(status.as_str(), "OK", "R21: handed out and void");
        true
    })
    .await;
}

/// A lease has passed, and its record is acked while it is read to be moved on.
#[tokio::test]
async fn what_is_acked_while_it_is_moved_on_does_not_come_back() {
    play_until_they_meet(async |bench| {
        bench.send(1, None).await;
        let held = bench.take(1, &Filter::All).await.deliveries;
        bench.advance(30_000);
        let Some(moving) = start_receive(bench, 1, &Filter::All) else {
            return false;
        };
        assert_eq!(bench.ack(held[0].receipt).await.as_str(), "OK");
        assert_eq!(offsets(&moving.await), [0_u64; 0]);
        let rows = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
        let lags: Vec<u64> = rows.expect("lag").iter().map(|row| row.lag).collect();
        assert_eq!(lags, [0], "R7: moved on after its ack");
        true
    })
    .await;
}

/// The copy that a second delivery made is not the first one's to finish.
#[tokio::test]
async fn a_handle_of_long_ago_does_not_finish_a_later_copy() {
    let mut bench = Bench::new(|_| {});
    let (a, b) = (tags(&["a"]), tags(&["b"]));
    bench.send(1, Some("a")).await;
    let first = bench.take(1, &a).await.deliveries[0].receipt;
    // Who wants something else settles what has passed and takes nothing.
    let pass = async || {
        bench.advance(30_000);
        assert_eq!(offsets(&bench.take(1, &b).await), [0_u64; 0]);
        let lag = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
        lag.expect("durable");
    };
    pass().await;
    let second = bench.take(1, &a).await.deliveries[0].receipt;
    assert_eq!(second.attempt, 2);
    pass().await;
    assert_eq!(bench.ack(first).await.as_str(), "LEASE_EXPIRED");
    assert_eq!(bench.ack(second).await.as_str(), "OK");
    bench.close().await;
}
