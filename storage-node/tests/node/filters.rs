//! Expressions beside tags: each member gets what it wants, whatever anybody
//! wants is kept for him, and what nobody wants is finished.

use std::collections::BTreeMap;

use firn_protocol::api::storage::{Received, StorageApi};
use firn_protocol::limits::FILTER_LIVE_MS;
use firn_protocol::message::NewMessage;

use crate::harness::{BROKERS, Bench, GROUP, context, offsets, sql, tags, with};

/// Message `n` has the tag and the size that its number says; every sixth has
/// neither.
fn sample(n: u64) -> NewMessage {
    let size = (n % 10).to_string();
    match n % 6 {
        0 => with(n, None, &[]),
        rest => with(
            n,
            Some(["a", "b", "c"][rest as usize % 3]),
            &[("size", &size)],
        ),
    }
}

/// Lag and number in flight, over all rows of the group.
async fn lag(bench: &Bench) -> (u64, u64) {
    let rows = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
    let rows = rows.expect("lag");
    let sum = |of: fn(&firn_protocol::api::storage::QueueLag) -> u64| rows.iter().map(of).sum();
    (sum(|row| row.lag), sum(|row| row.in_flight))
}

async fn ack(bench: &Bench, received: &Received) {
    for delivery in &received.deliveries {
        assert_eq!(bench.ack(delivery.receipt).await.as_str(), "OK");
    }
}

#[tokio::test]
async fn members_share_by_tags_and_expressions_and_nothing_is_lost() {
    let mut bench = Bench::new(|_| {});
    let filters = [
        tags(&["a"]),
        sql("TAGS <> 'a' AND size BETWEEN 2 AND 5"),
        sql("TAGS = 'b' AND size > 7"),
        sql("size IS NULL"),
    ];
    for filter in &filters {
        let _ = bench.take(1, filter).await;
    }
    let sent: Vec<NewMessage> = (0..60).map(sample).collect();
    for some in sent.chunks(7) {
        bench.send_all(some.to_vec()).await;
    }
    let mut found: BTreeMap<u64, usize> = BTreeMap::new();
    for round in 0..40 {
        let at = round % filters.len();
        let received = bench.take(3, &filters[at]).await;
        for delivery in &received.deliveries {
            assert!(filters[at].matches(&delivery.message.content), "R9");
            let again = found.insert(delivery.message.offset.0, at);
            assert_eq!(again, None, "R9: handed out twice");
        }
        ack(&bench, &received).await;
    }
    for (n, message) in sent.iter().enumerate() {
        let is_wanted = filters.iter().any(|filter| filter.matches(message));
        assert_eq!(
            found.contains_key(&(n as u64)),
            is_wanted,
            "{n}: {message:?}"
        );
    }
    assert!(found.len() < sent.len(), "some are wanted by nobody");
    for at in 0..filters.len() {
        assert!(found.values().any(|it| *it == at), "filter {at} has some");
    }
    assert_eq!(lag(&bench).await, (0, 0), "what nobody wants is finished");
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn an_expression_gives_way_to_another_without_loss() {
    let mut bench = Bench::new(|_| {});
    let (old, new) = (sql("size <= 3"), sql("size <= 2 OR size >= 8"));
    let _ = bench.take(1, &old).await;
    bench
        .send_all(
            (0..12)
                .map(|n| with(n, None, &[("size", &n.to_string())]))
                .collect(),
        )
        .await;
    let first = bench.take(1, &old).await;
    assert_eq!(offsets(&first), [0]);
    // The first member with the new one: what either wants is kept.
    let second = bench.take(4, &new).await;
    assert_eq!(offsets(&second), [1, 2, 8, 9]);
    assert_eq!(lag(&bench).await.1, 5);
    ack(&bench, &first).await;
    ack(&bench, &second).await;
    // Record 3 waits for the old one as long as that lives.
    bench.advance(FILTER_LIVE_MS);
    assert_eq!(offsets(&bench.take(1, &new).await), [10]);
    assert_eq!(lag(&bench).await, (3, 1));
    bench.advance(1);
    let last = bench.take(9, &new).await;
    assert_eq!(offsets(&last), [11]);
    assert_eq!(lag(&bench).await, (2, 2), "record 3 was nobody's any more");
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn a_live_expression_is_known_after_a_restart() {
    for (keep_stores, seed) in [(true, None), (false, None), (false, Some(3))] {
        let mut bench = Bench::new(|_| {});
        let (even, a) = (sql("n IN ('0', '2')"), tags(&["a"]));
        let _ = bench.take(1, &even).await;
        bench
            .send_all(
                (0..4)
                    .map(|n| with(n, Some("b"), &[("n", &n.to_string())]))
                    .collect(),
            )
            .await;
        match seed {
            Some(seed) => bench.crash(seed, keep_stores).await,
            None => bench.restart(keep_stores).await,
        }
        assert_eq!(offsets(&bench.take(9, &a).await), [0_u64; 0]);
        assert_eq!(lag(&bench).await, (2, 0), "two wait for the expression");
        // Whoever writes it in another way means the same.
        let same = sql("(n) in ('2','0')");
        assert_eq!(offsets(&bench.take(9, &same).await), [0, 2]);
        bench.close().await;
    }
}

#[tokio::test]
async fn copies_are_wanted_by_the_same_expression() {
    let mut bench = Bench::new(|_| {});
    let (small, large) = (sql("size < 5 AND KEYS = 'k'"), sql("size >= 5"));
    let keyed = NewMessage {
        keys: vec!["k".to_owned()],
        ..with(1, Some("a"), &[("size", "4")])
    };
    let _ = bench.take(1, &small).await;
    bench.send_all(vec![keyed.clone()]).await;
    for attempt in 1..=3 {
        // Makes the copy, and waits until it is durable.
        assert_eq!(offsets(&bench.take(1, &large).await), [0_u64; 0]);
        assert_eq!(lag(&bench).await, (1, 0));
        assert_eq!(offsets(&bench.take(1, &large).await), [0_u64; 0]);
        let received = bench.take(1, &small).await;
        let message = &received.deliveries[0].message;
        assert_eq!(
            (message.attempt, &message.content.properties),
            (attempt, &keyed.properties)
        );
        bench.advance(30_000);
    }
    // The redeliveries are used up: a dead letter, with all that it had.
    let _ = bench.take(1, &small).await;
    assert_eq!(lag(&bench).await, (0, 0));
    bench.close().await;
}

#[tokio::test]
async fn a_property_that_is_no_number_does_not_stop_the_others() {
    let mut bench = Bench::new(|_| {});
    let by_size = sql("size > 1");
    let sizes = ["2", "many", "", "1", "3.5", "0x9"];
    bench
        .send_all(
            (0..6)
                .map(|n| with(n, None, &[("size", sizes[n as usize])]))
                .collect(),
        )
        .await;
    let received = bench.take(9, &by_size).await;
    assert_eq!(offsets(&received), [0, 4]);
    ack(&bench, &received).await;
    assert_eq!(lag(&bench).await, (0, 0));
    bench.close().await;
}

/// More records than one round looks at, so that the receive goes on by itself.
#[tokio::test]
async fn one_in_thousands_is_found() {
    let mut bench = Bench::new(|_| {});
    let needle = |n: u64| with(n, None, &[("n", &n.to_string())]);
    for from in (0..3000).step_by(500) {
        bench
            .send_all((from..from + 500).map(needle).collect())
            .await;
    }
    let found = bench.take(9, &sql("n = 2719")).await;
    assert_eq!(offsets(&found), [2719]);
    assert_eq!(lag(&bench).await, (1, 1));
    bench.close().await;
}
