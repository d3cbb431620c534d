//! Small segments become large ones: nothing is lost or there twice, whatever
//! happens meanwhile, and it costs little.

use std::sync::Arc;

use firn_protocol::api::storage::{AppendRequest, StorageApi};
use firn_protocol::ids::{TopicId, TopicKey};
use firn_storage_node::cold::paths::ObjectName;
use firn_storage_node::config::{StorageConfig, TierMutant};

use crate::harness::{BROKERS, Bench, context, poll_once, queue_key};
use crate::power::pause;
use crate::retention::{HOUR_MS, Rules, check_named, key, newest, with};
use crate::tier_faults::restore;
use crate::tiers::{big, check_all, faulty, objects, read, requests, seal, send};

const ROUNDS: u64 = 10;
const EACH: u64 = 14;
const ALL: u64 = ROUNDS * EACH;
/// Of an upload, as `faulty` sets it.
const PART_BYTES: u64 = 4 << 10;

fn merging(rules: &Arc<Rules>) -> impl FnOnce(&mut StorageConfig) + use<> {
    let with = with(rules);
    |config| {
        with(config);
        config.tier.merge_bytes = 1 << 20;
    }
}

/// A bench with as many segments as rounds.
async fn sealed(rounds: u64, rules: &Arc<Rules>, mutant: Option<TierMutant>) -> Bench {
    let mut bench = Bench::new(|config| {
        merging(rules)(config);
        config.tier.mutant = mutant;
    });
    bench.cold = faulty(&bench.clock).1;
    bench.restart(true).await;
    fill(&bench, rounds).await;
    bench
}

async fn fill(bench: &Bench, rounds: u64) {
    for round in 0..rounds {
        send(bench, round * EACH..round * EACH + EACH).await;
        seal(bench).await;
    }
}

#[tokio::test]
async fn small_segments_become_one() {
    let mut bench = sealed(ROUNDS, &Arc::default(), None).await;
    send(&bench, ALL..ALL + 6).await;
    let before = newest(&bench).await;
    let names = before.segments.iter();
    let names: Vec<ObjectName> =
        (names.map(|entry| ObjectName::Segment(key(), entry.name))).collect();
    assert_eq!(names.len() as u64, ROUNDS);
    let asked = requests(&bench);
    bench.node().merge_step().await;
    let after = newest(&bench).await;
    // Of each source its end, its index and its records; then two segments, in
    // parts, one of them with what was not sealed yet, and a manifest.
    let parts: u64 = after
        .segments
        .iter()
        .map(|it| it.bytes / PART_BYTES + 3)
        .sum();
    let asked = requests(&bench) - asked;
    assert!(asked <= 5 * ROUNDS + parts + 1, "{asked}");
    assert_eq!(after.number, before.number + 1);
    let levels: Vec<u8> = after.segments.iter().map(|entry| entry.level).collect();
    assert_eq!((levels.len(), levels.iter().max()), (2, Some(&1)));
    let records = |entries: &[firn_storage_node::cold::manifest::SegmentEntry]| -> u64 {
        entries.iter().map(|entry| entry.records).sum()
    };
    assert_eq!(records(&after.segments), ALL + 6);
    check_all(&bench, ALL + 6).await;
    // Whoever still reads by the manifest before finds all it names.
    let there = objects(&bench).await;
    assert!(names.iter().all(|name| there.contains(name)));
    let asked = requests(&bench);
    for _ in 0..5 {
        bench.node().merge_step().await;
    }
    assert_eq!(requests(&bench), asked, "nothing is left to merge");
    bench.advance(HOUR_MS + 60_000);
    bench.node().tier_step().await;
    let there = objects(&bench).await;
    assert!(!names.iter().any(|name| there.contains(name)));
    for keep in [true, false] {
        bench.crash(7, keep).await;
        check_all(&bench, ALL + 6).await;
    }
    bench.close().await;
    restore(&mut bench).await;
    check_all(&bench, ALL + 6).await;
    check_named(&bench).await;
}

#[tokio::test]
async fn a_few_small_segments_stay() {
    let bench = sealed(7, &Arc::default(), None).await;
    let asked = requests(&bench);
    bench.node().merge_step().await;
    assert_eq!(requests(&bench), asked);
    assert_eq!(newest(&bench).await.segments.len(), 7);
}

#[tokio::test]
async fn what_expires_soon_or_lies_far_apart_is_left_alone() {
    let rules = Rules::hours(72);
    let bench = sealed(ROUNDS, &rules, None).await;
    bench.advance(67 * HOUR_MS);
    send(&bench, ALL..ALL + 2).await;
    seal(&bench).await;
    bench.node().merge_step().await;
    assert_eq!(newest(&bench).await.segments.len() as u64, ROUNDS + 1);
    // Ten hours from the first to the last are more than an eighth of 72.
    let bench = sealed(0, &rules, None).await;
    for round in 0..8 {
        send(&bench, round * EACH..round * EACH + EACH).await;
        seal(&bench).await;
        bench.advance(90 * 60_000);
    }
    bench.node().merge_step().await;
    assert_eq!(newest(&bench).await.segments.len(), 8);
}

#[tokio::test]
async fn what_has_expired_is_left_out() {
    const SHORT: u64 = 9;
    let rules = Rules::hours(72);
    let short = TopicKey::User(TopicId(SHORT));
    rules.hours.lock().insert(short, 1);
    let bench = sealed(0, &rules, None).await;
    for round in 0..ROUNDS {
        let request = AppendRequest {
            broker: BROKERS[0],
            queue: queue_key(SHORT, 0),
            messages: (0..5).map(big).collect(),
        };
        let sent = bench.node().append(&context(1), request).await;
        sent.expect("sent");
        send(&bench, round * EACH..round * EACH + EACH).await;
        seal(&bench).await;
    }
    bench.advance(2 * HOUR_MS);
    bench.node().tier_step().await;
    bench.node().merge_step().await;
    let manifest = newest(&bench).await;
    assert_eq!(manifest.segments.len(), 1);
    let queues = manifest.segments[0].queues.iter();
    assert!(queues.clone().all(|row| row.queue.topic != short));
    assert_eq!(manifest.segments[0].records, ALL);
    check_all(&bench, ALL).await;
}

#[tokio::test]
async fn a_crash_anywhere_loses_nothing_and_doubles_nothing() {
    let points = [
        "seal.before_segment",
        "merge.segments_written",
        "manifest.before_commit",
        "manifest.after_commit",
        "seal.before_carry",
    ];
    for bucket in [false, true] {
        let mut steps = 0;
        while !crashed(Some(steps + 1), None, bucket).await {
            steps += 1;
        }
        assert!(steps >= 2, "a segment and a manifest");
        for point in points {
            let whole = crashed(None, Some(point), bucket).await;
            assert!(!whole, "{point} is reached");
        }
    }
}

/// One history that ends in a crash; whether it came to its end before.
async fn crashed(change: Option<u64>, point: Option<&'static str>, bucket: bool) -> bool {
    let mut bench = Bench::new(merging(&Arc::default()));
    let (faults, parts) = faulty(&bench.clock);
    bench.cold = parts;
    bench.restart(true).await;
    fill(&bench, ROUNDS).await;
    if let Some(change) = change {
        faults.crash_before_change(change);
    }
    if let Some(point) = point {
        faults.crash_at(point);
    }
    bench.node().merge_step().await;
    let prefix = firn_storage_node::cold::paths::Prefix::All;
    let whole = bench.cold.store.list(prefix).await.is_ok();
    bench.crash(5, change.is_some_and(|n| n % 2 == 0)).await;
    faults.heal();
    if bucket {
        bench.close().await;
        restore(&mut bench).await;
    }
    check_named(&bench).await;
    check_all(&bench, ALL).await;
    send(&bench, ALL..ALL + 4).await;
    // The first may only find what the crash left behind.
    for _ in 0..2 {
        bench.node().seal_all().await;
    }
    bench.node().merge_step().await;
    assert!(newest(&bench).await.segments.len() <= 3);
    bench.restart(false).await;
    check_named(&bench).await;
    check_all(&bench, ALL + 4).await;
    whole
}

#[tokio::test]
async fn each_deliberate_fault_of_merging_is_seen() {
    let mut bench = sealed(ROUNDS, &Arc::default(), Some(TierMutant::MergeLoses)).await;
    bench.node().merge_step().await;
    bench.close().await;
    restore(&mut bench).await;
    let found = read(&bench, 0, 0, 999).await.len() as u64;
    assert!(found < ALL / 2, "{found}");
    let bench = sealed(ROUNDS, &Arc::default(), Some(TierMutant::MergeKeeps)).await;
    bench.node().merge_step().await;
    assert_eq!(bench.counter("firn_storage_tier_failures_total"), 1);
    check_all(&bench, ALL).await;
}

/// Merging takes the time that its budget gives it, and stops nobody.
#[tokio::test]
async fn merging_keeps_to_its_budget() {
    const PER_SEC: u64 = 20_000;
    let bench = Bench::new(|config| {
        merging(&Arc::default())(config);
        config.tier.merge_bytes_per_sec = PER_SEC;
    });
    fill(&bench, ROUNDS).await;
    let sources = newest(&bench).await.segments;
    let bytes: u64 = sources.iter().map(|entry| entry.record_bytes).sum();
    let mut merge = Box::pin(bench.node().merge_step());
    let (mut ms, mut sent) = (0, ALL);
    while poll_once(&mut merge).is_pending() {
        pause().await;
        bench.advance(1);
        ms += 1;
        if ms % 500 == 0 {
            send(&bench, sent..sent + 1).await;
            sent += 1;
        }
        assert!(ms < 600_000, "it never ends");
    }
    let least = bytes * 1000 / PER_SEC;
    assert!(ms > least * 3 / 4, "{ms} of {least} ms");
    check_all(&bench, sent).await;
}
