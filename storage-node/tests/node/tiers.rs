//! Object storage behind a node: sealed, read back, given up locally, carried
//! forward.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use firn_protocol::api::storage::{AppendRequest, KeyQuery, StorageApi};
use firn_protocol::ids::Offset;
use firn_protocol::message::{Message, NewMessage};
use firn_protocol::time::Timestamp;
use firn_runtime::Clock;
use firn_storage_node::cold::cache::CacheSettings;
use firn_storage_node::cold::paths::{NodeId, ObjectName, Prefix};
use firn_storage_node::cold::{ColdSettings, ColdStore, FaultyObjects, Operation, RetrySettings};
use firn_storage_node::config::{StorageConfig, TierConfig, TierMutant};
use firn_storage_node::node::ColdParts;
use firn_storage_node::segment::Cut;

use crate::harness::{
    BROKERS, Bench, Gate, TOPIC, context, message, offsets, poll_once, queue_key, sql, tags, with,
};
use crate::power::{Dice, pause};
use crate::tier_faults::restore;

pub(crate) const BIG: usize = 400;

/// A node that seals early and keeps little in memory.
pub(crate) fn small(config: &mut StorageConfig) {
    config.tail_bytes_max = 2 << 10;
    config.tier = TierConfig {
        seal_bytes: 16 << 10,
        carry_bytes_max: 2 << 10,
        log_bytes_max: 64 << 10,
        cut: Cut {
            chunk_bytes: 2 << 10,
            ..Cut::default()
        },
        cache: CacheSettings {
            block_bytes: 1 << 10,
            ..CacheSettings::default()
        },
        ..TierConfig::default()
    };
}

pub(crate) fn faulty(clock: &Clock) -> (FaultyObjects, ColdParts) {
    let objects = FaultyObjects::new(7, clock);
    let settings = ColdSettings {
        // Whoever waits for a retry would wait for a clock that stands still.
        retry: RetrySettings {
            attempts_max: 1,
            ..RetrySettings::default()
        },
        part_bytes: 4 << 10,
        ..ColdSettings::default()
    };
    let store = ColdStore::new(Arc::new(objects.clone()), settings, clock);
    let owner = NodeId(1);
    (objects, ColdParts { store, owner })
}

/// A body that does not compress, another for each number.
fn noise(n: u64) -> Bytes {
    let mut dice = Dice(n);
    (0..BIG).map(|_| dice.next() as u8).collect()
}

pub(crate) fn big(n: u64) -> NewMessage {
    NewMessage {
        keys: vec![
            format!("key-{n}"),
            format!("tens-{}", n / 10),
            "all".to_owned(),
        ],
        body: noise(n),
        ..message(
            n,
            Some(if n.is_multiple_of(4) {
                "rare"
            } else {
                "common"
            }),
        )
    }
}

/// Sends messages `from..to`, one run each; its queue is their number modulo 2.
pub(crate) async fn send(bench: &Bench, numbers: std::ops::Range<u64>) {
    for n in numbers {
        // Records of one time would stand in one run when they are sealed.
        bench.advance(1);
        let request = AppendRequest {
            broker: BROKERS[0],
            queue: queue_key(TOPIC, (n % 2) as u16),
            messages: vec![big(n)],
        };
        let sent = bench.node().append(&context(1), request).await;
        sent.expect("sent");
    }
}

pub(crate) async fn read(bench: &Bench, queue: u16, offset: u64, max: usize) -> Vec<Message> {
    let ctx = context(1);
    let queue = queue_key(TOPIC, queue);
    let read = bench
        .node()
        .read(&ctx, BROKERS[0], queue, Offset(offset), max);
    read.await.expect("read")
}

/// All that was sent is there, by offset, by position and by key.
pub(crate) async fn check_all(bench: &Bench, count: u64) {
    for queue in 0..2 {
        let mut found = Vec::new();
        loop {
            let next = read(bench, queue, found.len() as u64, 7).await;
            if next.is_empty() {
                break;
            }
            found.extend(next);
        }
        let numbers: Vec<u64> = found.iter().map(|m| m.content.born_at.0).collect();
        let sent: Vec<u64> = (0..count).filter(|n| n % 2 == u64::from(queue)).collect();
        assert_eq!(numbers, sent, "queue {queue}");
        for (offset, found) in (0..).zip(&found) {
            assert_eq!(found.offset, Offset(offset));
            assert_eq!(found.content.body, big(found.content.born_at.0).body);
        }
    }
    for n in (0..count).step_by(17) {
        assert_eq!(by_key(bench, &format!("key-{n}"), 0, 10).await.0, [n]);
    }
    let tens = by_key(bench, "tens-1", 0, 100).await.0;
    assert_eq!(tens, (10..20.min(count)).collect::<Vec<_>>());
}

/// Numbers of the messages with a key, and where a search goes on.
async fn by_key(bench: &Bench, key: &str, from: u64, max: usize) -> (Vec<u64>, Option<u64>) {
    let (ctx, query) = (context(1), KeyQuery::Key(key.to_owned()));
    // Without the copies that redeliveries make.
    let topic = Some(queue_key(TOPIC, 0).topic);
    let page = bench
        .node()
        .by_key(&ctx, BROKERS[0], topic, query, from, max);
    let page = page.await.expect("searched");
    let numbers = page.messages.iter().map(|m| m.content.born_at.0);
    (numbers.collect(), page.next)
}

pub(crate) async fn seal(bench: &Bench) {
    assert!(bench.node().seal_all().await, "sealed");
}

pub(crate) async fn objects(bench: &Bench) -> Vec<ObjectName> {
    let listed = bench.cold.store.list(Prefix::All).await.expect("listed");
    listed.into_iter().filter_map(|it| it.name).collect()
}

pub(crate) fn requests(bench: &Bench) -> u64 {
    let metrics = bench.cold.store.metrics();
    let all = Operation::ALL.iter();
    all.map(|&operation| metrics.requests(operation)).sum()
}

#[tokio::test]
async fn what_is_sealed_is_read_back_when_nothing_local_is_left() {
    let mut bench = Bench::new(small);
    send(&bench, 0..300).await;
    seal(&bench).await;
    bench.restart(false).await;
    check_all(&bench, 300).await;
    // The seam: sealed, then in the log, then in memory.
    send(&bench, 300..340).await;
    check_all(&bench, 340).await;
    for round in 0..3 {
        seal(&bench).await;
        send(&bench, 340 + round * 30..370 + round * 30).await;
        check_all(&bench, 370 + round * 30).await;
        bench.crash(round, round == 1).await;
        check_all(&bench, 370 + round * 30).await;
    }
}

#[tokio::test]
async fn the_log_is_given_back_once_all_is_sealed() {
    let mut bench = Bench::new(small);
    send(&bench, 0..400).await;
    let before = bench.log_bytes();
    seal(&bench).await;
    bench.settle_stores().await;
    bench.node().tier_step().await;
    assert!(
        bench.log_bytes() < before / 2,
        "{} of {before} bytes",
        bench.log_bytes()
    );
    check_all(&bench, 400).await;
    bench.restart(false).await;
    check_all(&bench, 400).await;
    send(&bench, 400..410).await;
    check_all(&bench, 410).await;
}

/// What says that the log is not needed is in the log itself.
#[tokio::test]
async fn the_log_stays_until_its_heir_is_durable() {
    let gate = Gate::default();
    let points = gate.points();
    let mut bench = Bench::new(|config| {
        small(config);
        config.log.crash_points = points;
    });
    send(&bench, 0..200).await;
    bench.settle_stores().await;
    gate.shut();
    let before = bench.log_bytes();
    {
        let mut sealing = Box::pin(bench.node().seal_all());
        let mut step = Box::pin(bench.node().tier_step());
        // Until the manifest is there and the entry about it hangs in the commit.
        while objects(&bench).await.len() < 2 {
            assert!(poll_once(&mut sealing).is_pending());
            pause().await;
        }
        for _ in 0..20 {
            assert!(poll_once(&mut sealing).is_pending());
            assert!(poll_once(&mut step).is_pending());
            pause().await;
        }
        assert_eq!(bench.log_bytes(), before);
        gate.open();
        assert!(sealing.await);
        step.await;
    }
    assert!(bench.log_bytes() < before);
    bench.restart(false).await;
    check_all(&bench, 200).await;
}

#[tokio::test]
async fn a_quiet_broker_causes_no_request() {
    let mut bench = Bench::new(small);
    send(&bench, 0..100).await;
    seal(&bench).await;
    let before = requests(&bench);
    for _ in 0..50 {
        bench.advance(3600 * 1000);
        bench.node().tier_step().await;
    }
    seal(&bench).await;
    assert_eq!(requests(&bench), before);
    bench.restart(true).await;
    seal(&bench).await;
    bench.node().tier_step().await;
    assert_eq!(requests(&bench), before, "also after a restart");
}

#[tokio::test]
async fn age_and_size_seal_and_little_does_not() {
    let bench = Bench::new(small);
    send(&bench, 0..3).await;
    bench.advance(3600 * 1000);
    bench.node().tier_step().await;
    assert_eq!(objects(&bench).await, [], "too little for an object");
    send(&bench, 3..10).await;
    bench.node().tier_step().await;
    let sealed = objects(&bench).await.len();
    assert_eq!(sealed, 2, "old enough: a segment and a manifest");
    send(&bench, 10..40).await;
    bench.node().tier_step().await;
    assert_eq!(objects(&bench).await.len(), 2, "neither old nor much");
    send(&bench, 40..60).await;
    bench.node().tier_step().await;
    assert_eq!(objects(&bench).await.len(), 4, "much");
    check_all(&bench, 60).await;
}

#[tokio::test]
async fn a_broker_with_little_pins_no_log() {
    let mut bench = Bench::new(small);
    // One quiet broker among one that is loud.
    let request = AppendRequest {
        broker: BROKERS[1],
        queue: queue_key(TOPIC, 0),
        messages: vec![big(0), big(1)],
    };
    let sent = bench.node().append(&context(1), request).await;
    sent.expect("sent");
    send(&bench, 0..500).await;
    bench.node().tier_step().await;
    bench.settle_stores().await;
    bench.node().tier_step().await;
    assert!(bench.log_bytes() <= 128 << 10, "{}", bench.log_bytes());
    for keep in [true, false] {
        bench.crash(3, keep).await;
        let (ctx, queue) = (context(1), queue_key(TOPIC, 0));
        let read = bench.node().read(&ctx, BROKERS[1], queue, Offset(0), 10);
        let read = read.await.expect("read");
        let read: Vec<u64> = read.iter().map(|m| m.content.born_at.0).collect();
        assert_eq!(read, [0, 1], "stores kept: {keep}");
        let query = KeyQuery::Key("key-1".to_owned());
        let found = bench.node().by_key(&ctx, BROKERS[1], None, query, 0, 10);
        assert_eq!(found.await.expect("searched").messages.len(), 1);
        check_all(&bench, 500).await;
    }
    let quiet = |name: &ObjectName| name.broker().is_some_and(|it| it.broker == BROKERS[1]);
    assert!(
        !objects(&bench).await.iter().any(quiet),
        "no segment of little"
    );
}

#[tokio::test]
async fn a_filter_skips_chunks_that_cannot_match() {
    let mut bench = Bench::new(small);
    for n in 0..200 {
        let tag = if n == 150 { "needle" } else { "hay" };
        let message = NewMessage {
            body: noise(n),
            ..message(n, Some(tag))
        };
        bench.advance(1);
        bench.send_all(vec![message]).await;
    }
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    let before = bench
        .cold
        .store
        .metrics()
        .received_bytes
        .load(Ordering::Relaxed);
    let found = bench.take(10, &tags(&["needle"])).await;
    assert_eq!(offsets(&found), [150]);
    let read = bench
        .cold
        .store
        .metrics()
        .received_bytes
        .load(Ordering::Relaxed)
        - before;
    assert!(
        read < 30 * BIG as u64,
        "{read} bytes for one record of {BIG}"
    );
    assert_eq!(offsets(&bench.take(10, &tags(&["needle"])).await), [0; 0]);
}

/// Who wants by tag must not pass over what somebody else wants by a property.
#[tokio::test]
async fn chunks_are_not_skipped_while_an_expression_may_match() {
    let mut bench = Bench::new(small);
    for n in 0..60 {
        let message = NewMessage {
            body: noise(n),
            ..with(n, Some("hay"), &[("n", &n.to_string())])
        };
        bench.send_all(vec![message]).await;
    }
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    let (by_tag, by_number) = (tags(&["needle"]), sql("n BETWEEN 20 AND 22"));
    let _ = bench.take(1, &by_number).await;
    assert_eq!(offsets(&bench.take(10, &by_tag).await), [0_u64; 0]);
    assert_eq!(offsets(&bench.take(10, &by_number).await), [21, 22]);
}

/// Whatever is in segments, in the log and in memory.
#[tokio::test]
async fn times_are_found_wherever_their_records_are() {
    let mut bench = Bench::new(small);
    let mut times: Vec<u64> = Vec::new();
    for n in 0..60 {
        // Some are stored at the same time.
        bench.advance(n % 3);
        times.push(bench.now());
        bench.send_all(vec![big(n)]).await;
        if n % 13 == 12 {
            seal(&bench).await;
        }
        if n == 30 {
            bench.restart(false).await;
        }
    }
    let (ctx, queue) = (context(1), queue_key(TOPIC, 0));
    for time in times[0] - 1..=times[59] + 1 {
        let found = bench
            .node()
            .offset_at(&ctx, BROKERS[0], queue, Timestamp(time));
        let expected = times.iter().filter(|stored| **stored < time).count();
        assert_eq!(
            found.await.expect("found"),
            Offset(expected as u64),
            "{time}"
        );
    }
}

/// A key that every record has, page by page: each once, in order, and no page
/// holds more than was asked for.
#[tokio::test]
async fn a_key_that_all_records_share_is_found_page_by_page() {
    let mut bench = Bench::new(small);
    for round in 0..5 {
        send(&bench, round * 60..round * 60 + 60).await;
        if round < 4 {
            seal(&bench).await;
        }
        if round == 2 {
            bench.restart(false).await;
        }
    }
    bench.settle_stores().await;
    bench.node().tier_step().await;
    for max in [1, 7, 1000] {
        let (mut found, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            let (page, next) = by_key(&bench, "all", at, max).await;
            assert!(page.len() <= max, "{} of {max}", page.len());
            found.extend(page);
            from = next;
        }
        assert_eq!(found, (0..300).collect::<Vec<_>>(), "{max} a page");
    }
}

#[tokio::test]
async fn a_search_goes_on_behind_the_segments_that_it_may_open() {
    let bench = Bench::new(small);
    for round in 0..70 {
        send(&bench, round * 2..round * 2 + 2).await;
        seal(&bench).await;
    }
    let key = NewMessage {
        keys: vec!["late".to_owned()],
        ..big(140)
    };
    bench.send_all(vec![key]).await;
    seal(&bench).await;
    let (mut found, mut from, mut pages) = (Vec::new(), 0, 0);
    loop {
        let (numbers, next) = by_key(&bench, "late", from, 10).await;
        found.extend(numbers);
        pages += 1;
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(
        (found, pages > 1),
        (vec![140], false),
        "one request goes through all"
    );
}

#[tokio::test]
async fn what_is_not_durable_is_not_sealed() {
    assert!(!is_sealed_early(None, 20).await);
    let mutant = Some(TierMutant::SealUnsettled);
    assert!(
        is_sealed_early(mutant, 5000).await,
        "a deliberate fault is seen"
    );
}

/// Whether anything is put while a commit is held up, within so many looks.
async fn is_sealed_early(mutant: Option<TierMutant>, looks: usize) -> bool {
    let gate = Gate::default();
    let points = gate.points();
    let bench = Bench::new(|config| {
        small(config);
        config.tier.mutant = mutant;
        config.log.crash_points = points;
    });
    send(&bench, 0..40).await;
    gate.shut();
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages: vec![big(40)],
    };
    let ctx = context(1);
    let mut sending = bench.node().append(&ctx, request);
    assert!(
        poll_once(&mut sending).is_pending(),
        "the commit is held up"
    );
    let mut sealing = Box::pin(bench.node().seal_all());
    let mut is_early = false;
    let mut is_over = false;
    for _ in 0..looks {
        is_over = is_over || poll_once(&mut sealing).is_ready();
        is_early = !objects(&bench).await.is_empty();
        if is_early {
            break;
        }
        pause().await;
    }
    gate.open();
    sending.await.expect("sent");
    if !is_over {
        sealing.await;
    }
    if !is_early {
        assert_eq!(objects(&bench).await.len(), 2);
        check_all(&bench, 41).await;
    }
    is_early
}
