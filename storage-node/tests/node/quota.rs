//! What happens when an instance stores all it may, or the disk is nearly full:
//! sends are refused, or the oldest data goes; never what no segment has.

use std::sync::Arc;

use firn_protocol::api::storage::{AppendRequest, StorageApi};
use firn_protocol::catalogue::DiskPolicy;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::filter::Filter;
use firn_storage_node::disk::Disk as _;
use firn_storage_node::retention::StorageRule;

use crate::harness::{BROKERS, Bench, TOPIC, context, queue_key};
use crate::retention::{HOUR_MS, Rules, check_named, newest, with};
use crate::tiers::{BIG, big, read, seal, send};

const MAX: u64 = 20_000;

fn rules(policy: DiskPolicy, bytes_max: Option<u64>) -> Arc<Rules> {
    let rules = Rules::hours(72);
    *rules.storage.lock() = Some(StorageRule { bytes_max, policy });
    rules
}

async fn try_send(bench: &Bench, n: u64) -> Result<(), ApiError> {
    bench.advance(1);
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, (n % 2) as u16),
        messages: vec![big(n)],
    };
    let sent = bench.node().append(&context(1), request).await;
    sent.map(drop)
}

#[tokio::test]
async fn data_first_refuses_sends_until_there_is_room() {
    let rules = rules(DiskPolicy::DataFirst, Some(MAX));
    let mut bench = Bench::new(with(&rules));
    send(&bench, 0..3).await;
    bench.node().tier_step().await;
    let (mut sent, refused) = (3, ErrorCode::QuotaExceeded);
    let error = loop {
        match try_send(&bench, sent).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100, "never refused");
    };
    assert_eq!((error.code, error.code.http_status()), (refused, 403));
    let bytes = sent * BIG as u64;
    assert!(bytes > MAX / 2 && bytes < MAX + 2 * BIG as u64, "{bytes}");
    // Consuming goes on.
    let taken = bench.take(5, &Filter::All).await;
    bench.ack(taken.deliveries[0].receipt).await;
    // What is counted is stored, wherever: also after a start.
    for restarts in [false, true] {
        seal(&bench).await;
        if restarts {
            bench.restart(false).await;
        }
        bench.node().tier_step().await;
        let error = try_send(&bench, sent).await.expect_err("still full");
        assert_eq!(error.code, refused);
    }
    assert_eq!(read(&bench, 0, 0, 999).await.len() as u64, sent.div_ceil(2));
    // A larger plan, or a shorter retention, and it goes on.
    let larger = |bytes_max| StorageRule {
        bytes_max,
        policy: DiskPolicy::DataFirst,
    };
    *rules.storage.lock() = Some(larger(Some(2 * MAX)));
    bench.node().tier_step().await;
    try_send(&bench, sent).await.expect("a larger plan");
    *rules.storage.lock() = Some(larger(Some(MAX)));
    bench.node().tier_step().await;
    try_send(&bench, sent + 1).await.expect_err("full again");
    *rules.hours_default.lock() = Some(1);
    bench.advance(2 * HOUR_MS);
    bench.node().tier_step().await;
    try_send(&bench, sent + 1).await.expect("the old is gone");
    assert_eq!(*rules.removed.lock(), [], "nothing went before its time");
}

#[tokio::test]
async fn service_first_lets_the_oldest_go() {
    let rules = rules(DiskPolicy::ServiceFirst, Some(MAX));
    let mut bench = Bench::new(with(&rules));
    for round in 0..8 {
        for n in round * 10..round * 10 + 10 {
            try_send(&bench, n).await.expect("sends go on");
        }
        seal(&bench).await;
        bench.node().tier_step().await;
    }
    send(&bench, 80..84).await;
    bench.node().tier_step().await;
    let first = read_from(&bench, 0).await;
    let left: Vec<u64> = (0..84).filter(|n| n % 2 == 0 && n / 2 >= first).collect();
    let found = read(&bench, 0, first, 999).await;
    let numbers: Vec<u64> = found.iter().map(|m| m.content.born_at.0).collect();
    assert_eq!(numbers, left);
    let stored = 2 * left.len() as u64 * BIG as u64;
    assert!(stored > MAX / 3 && stored <= MAX, "{stored}");
    // Each removal is told, without a gap.
    let removed = rules.removed.lock().clone();
    let mut end = 0;
    for removal in &removed {
        for &(queue, from, to) in &removal.ranges {
            if queue == queue_key(TOPIC, 0) {
                assert_eq!(from, end);
                end = to;
            }
        }
    }
    assert_eq!(end, first);
    let gone = bench.counter("firn_storage_records_trimmed_total");
    assert_eq!(gone, 2 * first);
    check_named(&bench).await;
    bench.restart(false).await;
    assert_eq!(read_from(&bench, 0).await, first);
}

async fn read_from(bench: &Bench, queue: usize) -> u64 {
    let topic = queue_key(TOPIC, 0).topic;
    let rows = bench.node().bounds(&context(1), BROKERS[0], topic).await;
    rows.expect("bounds")[queue].1.0
}

#[tokio::test]
async fn what_no_segment_has_is_never_removed() {
    let rules = rules(DiskPolicy::ServiceFirst, Some(MAX));
    let bench = Bench::new(|config| {
        with(&rules)(config);
        config.tier.seal_bytes = 1 << 20;
        config.tier.log_bytes_max = 1 << 20;
    });
    send(&bench, 0..100).await;
    bench.node().tier_step().await;
    assert_eq!(read(&bench, 0, 0, 999).await.len(), 50);
    assert_eq!(*rules.removed.lock(), []);
}

/// Leaves the disk little room, yet enough that the log itself is not short of it.
fn crowd(bench: &Bench) {
    const WIDE: u64 = 1 << 30;
    bench.disk.set_budget(Some(WIDE));
    let used = WIDE - bench.disk.free_bytes().expect("known");
    bench
        .disk
        .set_budget(Some(used + 4 * bench.config.log.file_bytes));
}

#[tokio::test]
async fn a_nearly_full_disk_stops_sends_of_those_who_want_their_data() {
    let rules = rules(DiskPolicy::DataFirst, None);
    let bench = Bench::new(|config| {
        with(&rules)(config);
        config.tier.seal_bytes = 8 << 20;
        config.tier.log_bytes_max = 8 << 20;
    });
    send(&bench, 0..3000).await;
    bench.node().tier_step().await;
    try_send(&bench, 3000).await.expect("there is room");
    crowd(&bench);
    bench.node().tier_step().await;
    let error = try_send(&bench, 3002).await.expect_err("refused");
    assert_eq!(error.code, ErrorCode::DiskFull);
    let text = "service not available now, maybe disk full, CL: 0.9";
    assert!(error.message.starts_with(text), "{}", error.message);
    let end = ", maybe your broker machine memory too small.";
    assert!(error.message.ends_with(end), "{}", error.message);
    assert_eq!(bench.take(5, &Filter::All).await.deliveries.len(), 5);
    let service_first = StorageRule {
        bytes_max: None,
        policy: DiskPolicy::ServiceFirst,
    };
    *rules.storage.lock() = Some(service_first);
    bench.node().tier_step().await;
    try_send(&bench, 3002).await.expect("it is served first");
    assert_eq!(
        *rules.removed.lock(),
        [],
        "object storage is elsewhere: nothing would be won"
    );
    bench.disk.set_budget(None);
    *rules.storage.lock() = Some(StorageRule {
        policy: DiskPolicy::DataFirst,
        ..service_first
    });
    bench.node().tier_step().await;
    try_send(&bench, 3004).await.expect("there is room again");
}

#[tokio::test]
async fn a_disk_that_holds_the_segments_is_freed_of_the_oldest() {
    let rules = rules(DiskPolicy::ServiceFirst, None);
    let bench = Bench::new(|config| {
        with(&rules)(config);
        config.tier.is_cold_local = true;
    });
    for round in 0..6 {
        send(&bench, round * 400..round * 400 + 400).await;
        seal(&bench).await;
    }
    bench.node().tier_step().await;
    assert_eq!(*rules.removed.lock(), []);
    crowd(&bench);
    bench.node().tier_step().await;
    let first = read_from(&bench, 0).await;
    assert!((1..1200).contains(&first), "{first}");
    for _ in 0..3 {
        bench.advance(60_000);
        bench.node().tier_step().await;
    }
    assert_eq!(
        read_from(&bench, 0).await,
        first,
        "what goes is still on the disk; more would not help"
    );
    assert!(!newest(&bench).await.released.is_empty());
    check_named(&bench).await;
}
