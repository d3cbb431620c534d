//! Records that are older than they are kept: gone from every answer, from
//! progress, and in the end from object storage; never one too many.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::storage::{
    AckStatus, AppendRequest, KeyQuery, SeekRequest, SeekTarget, StorageApi, VisibilityRequest,
};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{BrokerId, InstanceId, Offset, QueueKey, TenantId, TopicId, TopicKey};
use firn_protocol::message::ConsumeStatus;
use firn_protocol::time::Timestamp;
use firn_storage_node::cold::Operation;
use firn_storage_node::cold::manifest::{Manifest, load_newest};
use firn_storage_node::cold::paths::{ObjectName, Prefix};
use firn_storage_node::config::{StorageConfig, TierMutant};
use firn_storage_node::hot::BrokerKey;
use firn_storage_node::retention::{ForcedRemoval, RetentionRules, StorageRule};
use parking_lot::Mutex;

use crate::harness::{BROKERS, Bench, GROUP, TOPIC, context, group, offsets, queue_key, topic};
use crate::tier_faults::restore;
use crate::tiers::{big, faulty, objects, read, requests, seal, send, small};

pub(crate) const HOUR_MS: u64 = 3600 * 1000;
/// A topic with a retention of its own.
const SHORT: u64 = 9;

/// Rules that a test changes while the node runs.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) hours: Mutex<BTreeMap<TopicKey, u64>>,
    pub(crate) hours_default: Mutex<Option<u64>>,
    pub(crate) storage: Mutex<Option<StorageRule>>,
    pub(crate) removed: Mutex<Vec<ForcedRemoval>>,
}

impl Rules {
    pub(crate) fn hours(hours: u64) -> Arc<Self> {
        let rules = Self::default();
        *rules.hours_default.lock() = Some(hours);
        Arc::new(rules)
    }
}

impl RetentionRules for Rules {
    fn retention(&self, _: TenantId, _: InstanceId, topic: TopicKey) -> Option<Duration> {
        let own = self.hours.lock().get(&topic).copied();
        let hours = own.or(*self.hours_default.lock())?;
        Some(Duration::from_millis(hours * HOUR_MS))
    }

    fn storage(&self, _: TenantId, _: InstanceId) -> Option<StorageRule> {
        *self.storage.lock()
    }

    fn removed(&self, removal: &ForcedRemoval) {
        self.removed.lock().push(removal.clone());
    }
}

pub(crate) fn with(rules: &Arc<Rules>) -> impl FnOnce(&mut StorageConfig) + use<> {
    let rules = rules.clone();
    move |config| {
        small(config);
        config.tier.rules = rules;
    }
}

pub(crate) fn key() -> BrokerKey {
    let ctx = context(1);
    BrokerKey {
        tenant: ctx.tenant,
        instance: ctx.instance,
        broker: BROKERS[0],
    }
}

pub(crate) async fn newest(bench: &Bench) -> Manifest {
    let newest = load_newest(&bench.cold.store, key()).await;
    newest.expect("readable").expect("there is one")
}

/// Every object that the newest manifest names is there.
pub(crate) async fn check_named(bench: &Bench) {
    let there = objects(bench).await;
    for name in newest(bench).await.objects() {
        assert!(there.contains(&name), "{name} is named and not there");
    }
}

async fn bounds(bench: &Bench, topic: u64) -> Vec<(u64, u64)> {
    let key = TopicKey::User(TopicId(topic));
    let rows = bench.node().bounds(&context(1), BROKERS[0], key).await;
    let rows = rows.expect("bounds").into_iter();
    rows.map(|(_, min, end)| (min.0, end.0)).collect()
}

/// Lag of the group on the first queue, and its committed offset.
async fn lag(bench: &Bench) -> (u64, u64) {
    let rows = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
    let rows = rows.expect("lag");
    let row = rows.iter().find(|row| row.queue == queue_key(TOPIC, 0));
    let row = row.expect("subscribed");
    (row.lag, row.committed.0)
}

async fn send_to(bench: &Bench, queue: QueueKey, numbers: std::ops::Range<u64>) {
    let request = AppendRequest {
        broker: BROKERS[0],
        queue,
        messages: numbers.map(big).collect(),
    };
    let sent = bench.node().append(&context(1), request).await;
    sent.expect("sent");
}

#[tokio::test]
async fn what_is_old_goes_and_nothing_else() {
    let rules = Rules::hours(72);
    let mut bench = Bench::new(with(&rules));
    send(&bench, 0..40).await;
    seal(&bench).await;
    let position = read(&bench, 0, 3, 1).await[0].position;
    bench.advance(24 * HOUR_MS);
    send(&bench, 40..80).await;
    seal(&bench).await;
    bench.advance(48 * HOUR_MS - 60);
    bench.node().tier_step().await;
    assert_eq!(bounds(&bench, TOPIC).await, [(0, 40), (0, 40)], "not yet");
    bench.advance(120_000);
    bench.node().tier_step().await;
    assert_eq!(bounds(&bench, TOPIC).await, [(20, 40), (20, 40)]);
    assert_eq!(newest(&bench).await.segments.len(), 1);
    for keep in [true, false] {
        // By offset, by position, by key, by time: as if it had never been there.
        assert_eq!(read(&bench, 0, 19, 5).await, []);
        assert_eq!(read(&bench, 0, 20, 1).await[0].content.body, big(40).body);
        let ctx = context(1);
        let found = bench.node().by_position(&ctx, BROKERS[0], position).await;
        assert_eq!(found.expect("asked"), None);
        let query = |key: &str| KeyQuery::Key(key.to_owned());
        for (n, there) in [(3, 0), (39, 0), (40, 1), (79, 1)] {
            let wanted = query(&format!("key-{n}"));
            let found = bench.node().by_key(&ctx, BROKERS[0], None, wanted, 0, 9);
            assert_eq!(found.await.expect("asked").messages.len(), there, "{n}");
        }
        let queue = queue_key(TOPIC, 0);
        let early = bench
            .node()
            .offset_at(&ctx, BROKERS[0], queue, Timestamp(1));
        assert_eq!(early.await.expect("asked"), Offset(20));
        bench.crash(5, keep).await;
    }
    let request = SeekRequest {
        broker: BROKERS[0],
        group: group(GROUP),
        topic: topic(1),
        target: SeekTarget::Earliest,
        dry_run: false,
    };
    let sought = bench.node().seek(&context(1), request).await;
    assert_eq!(sought.expect("sought")[0].rollback_offset, Offset(20));
    let taken = bench.take(3, &Filter::All).await;
    assert_eq!(offsets(&taken), [20, 21, 22]);
    // From the bucket alone.
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    assert_eq!(bounds(&bench, TOPIC).await, [(20, 40), (20, 40)]);
    assert_eq!(read(&bench, 0, 19, 5).await, []);
    assert_eq!(read(&bench, 1, 20, 99).await.len(), 20);
    assert_eq!(lag(&bench).await, (20, 20));
}

#[tokio::test]
async fn one_record_more_is_seen() {
    let kept = |mutant| async move {
        let rules = Rules::hours(72);
        let bench = Bench::new(|config| {
            with(&rules)(config);
            config.tier.mutant = mutant;
        });
        send(&bench, 0..20).await;
        seal(&bench).await;
        bench.advance(72 * HOUR_MS);
        send(&bench, 20..40).await;
        seal(&bench).await;
        bounds(&bench, TOPIC).await[0].0
    };
    assert_eq!(kept(None).await, 10, "sealing lets the old go");
    assert_eq!(kept(Some(TierMutant::TrimOneMore)).await, 11);
}

#[tokio::test]
async fn a_topic_may_keep_for_another_time() {
    let rules = Rules::hours(72);
    let short = TopicKey::User(TopicId(SHORT));
    rules.hours.lock().insert(short, 2);
    let bench = Bench::new(with(&rules));
    send(&bench, 0..20).await;
    send_to(&bench, queue_key(SHORT, 0), 0..20).await;
    seal(&bench).await;
    bench.advance(2 * HOUR_MS + 60_000);
    bench.node().tier_step().await;
    assert_eq!(bounds(&bench, SHORT).await, [(20, 20)]);
    assert_eq!(bounds(&bench, TOPIC).await[0], (0, 10));
    assert_eq!(
        newest(&bench).await.segments.len(),
        1,
        "the other topic keeps it"
    );
    // A change of the rules takes effect at the next look.
    *rules.hours_default.lock() = Some(1);
    bench.advance(60_000);
    bench.node().tier_step().await;
    assert_eq!(bounds(&bench, TOPIC).await[0], (10, 10));
    assert_eq!(newest(&bench).await.segments, []);
}

/// Nobody sends any more, and nobody asks; it expires all the same, and only that
/// causes requests.
#[tokio::test]
async fn a_quiet_broker_expires_without_waste() {
    for restarts in [false, true] {
        let rules = Rules::hours(72);
        let mut bench = Bench::new(with(&rules));
        bench.cold = faulty(&bench.clock).1;
        bench.restart(true).await;
        send(&bench, 0..40).await;
        seal(&bench).await;
        if restarts {
            bench.restart(true).await;
            bench.node().tier_step().await;
        }
        let (before, log) = (requests(&bench), bench.log_bytes());
        for _ in 0..71 {
            bench.advance(HOUR_MS);
            bench.node().tier_step().await;
        }
        assert_eq!(requests(&bench), before, "nothing has expired");
        assert_eq!(bench.log_bytes(), log);
        let segment = newest(&bench).await.segments[0].name;
        let segment = ObjectName::Segment(key(), segment);
        let before = requests(&bench);
        bench.advance(HOUR_MS);
        bench.node().tier_step().await;
        assert!(
            requests(&bench) <= before + 2,
            "a manifest, and perhaps the list of a sweep"
        );
        assert!(
            objects(&bench).await.contains(&segment),
            "readers have time"
        );
        assert_eq!(bounds(&bench, TOPIC).await[0], (20, 20));
        let deletes = || bench.cold.store.metrics().requests(Operation::Delete);
        for _ in 0..3 {
            bench.advance(HOUR_MS + 60_000);
            bench.node().tier_step().await;
        }
        assert!(
            !objects(&bench).await.contains(&segment),
            "the grace is over"
        );
        assert_eq!(deletes(), 1);
        let before = requests(&bench);
        for _ in 0..50 {
            bench.advance(HOUR_MS);
            bench.node().tier_step().await;
        }
        assert_eq!(requests(&bench), before, "nothing is left to do");
        check_named(&bench).await;
    }
}

#[tokio::test]
async fn without_a_rule_nothing_goes() {
    let rules = Arc::new(Rules::default());
    let mut bench = Bench::new(with(&rules));
    send(&bench, 0..40).await;
    seal(&bench).await;
    bench.restart(true).await;
    let before = requests(&bench);
    bench.advance(10_000 * HOUR_MS);
    bench.node().tier_step().await;
    assert_eq!(requests(&bench), before);
    assert_eq!(bounds(&bench, TOPIC).await, [(0, 20), (0, 20)]);
}

#[tokio::test]
async fn a_group_below_the_low_mark_goes_on_behind_it() {
    let rules = Rules::hours(72);
    let mut bench = Bench::new(with(&rules));
    send(&bench, 0..40).await;
    let taken = bench.take(8, &Filter::All).await;
    for delivery in &taken.deliveries[..3] {
        bench.ack(delivery.receipt).await;
    }
    seal(&bench).await;
    bench.advance(24 * HOUR_MS);
    send(&bench, 40..60).await;
    // Five leases have passed meanwhile; their copies are young.
    let again = bench.take(99, &Filter::All).await;
    let old = again.deliveries.iter().find(|it| it.message.offset.0 == 12);
    let old = old.expect("delivered").receipt;
    seal(&bench).await;
    bench.advance(48 * HOUR_MS);
    bench.node().tier_step().await;
    let missed = bench.counter("firn_storage_records_missed_total");
    assert_eq!(missed, 12, "from 8 to 19");
    assert_eq!(lag(&bench).await, (10, 20));
    let records = [(queue_key(TOPIC, 0), Offset(12))];
    let (ctx, records) = (context(1), records.to_vec());
    let status = bench.node().status(&ctx, BROKERS[0], GROUP, records);
    assert_eq!(status.await.expect("asked"), [ConsumeStatus::Consumed]);
    assert_eq!(bench.ack(old).await, AckStatus::AlreadyAcked);
    let mut rounds = 0;
    loop {
        bench.advance(31_000);
        let taken = bench.take(99, &Filter::All).await;
        for delivery in &taken.deliveries {
            bench.ack(delivery.receipt).await;
        }
        let rows = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
        let left: u64 = rows.expect("lag").iter().map(|row| row.lag).sum();
        if left == 0 {
            break;
        }
        rounds += 1;
        assert!(rounds < 20, "{left} records are never done");
    }
    send(&bench, 60..70).await;
    let taken = bench.take(99, &Filter::All).await;
    assert_eq!(offsets(&taken), [30, 31, 32, 33, 34]);
    bench.restart(false).await;
    assert_eq!(lag(&bench).await, (5, 30));
}

/// A body that waits for its time is there when its time comes, however old the
/// segment it lies in.
#[tokio::test]
async fn what_waits_outlives_its_age() {
    assert!(waits(None).await);
    assert!(
        !waits(Some(TierMutant::TrimWaiting)).await,
        "a deliberate fault is seen"
    );
}

async fn waits(mutant: Option<TierMutant>) -> bool {
    let rules = Rules::hours(1);
    let mut bench = Bench::new(|config| {
        with(&rules)(config);
        config.tier.mutant = mutant;
    });
    send_to(&bench, queue_key(TOPIC, 0), 0..4).await;
    let mut taken = bench.take(1, &Filter::All).await;
    *rules.hours_default.lock() = Some(0);
    for _ in 0..2 {
        let delivery = taken.deliveries.pop().expect("delivered");
        let request = VisibilityRequest {
            broker: BROKERS[0],
            group: group(GROUP),
            receipt: delivery.receipt,
            invisible_ms: 0,
        };
        let changed = bench.node().change_visibility(&context(1), request).await;
        changed.expect("failed");
        seal(&bench).await;
        bench.advance(60_000);
        bench.node().tier_step().await;
        // Now all but the copy is gone, and another manifest says so.
        seal(&bench).await;
        bench.close().await;
        restore(&mut bench).await;
        *rules.hours_default.lock() = None;
        bench.advance(3_600_000);
        for _ in 0..2 {
            taken = bench.take(9, &Filter::All).await;
            let lag = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
            lag.expect("lag");
            if !taken.deliveries.is_empty() {
                break;
            }
        }
        let is_there = taken.deliveries.len() == 1;
        if !is_there {
            return false;
        }
        assert_eq!(taken.deliveries[0].message.content.body, big(0).body);
        *rules.hours_default.lock() = Some(0);
    }
    true
}

/// The process dies at any change of object storage, and before any named point;
/// its disk goes on, or another machine with nothing but the bucket.
#[tokio::test]
async fn a_crash_anywhere_leaves_a_whole_broker() {
    let points = [
        "manifest.before_commit",
        "manifest.after_commit",
        "seal.before_carry",
        "expire.before_delete",
    ];
    for bucket in [false, true] {
        let mut steps = 0;
        for step in 1.. {
            match crashed(None, Stop::Change(step), bucket).await {
                Ok(true) => break,
                Ok(false) => steps += 1,
                Err(breach) => panic!("change {step}: {breach}"),
            }
        }
        assert!(steps >= 2, "a manifest and a delete");
        for point in points {
            let whole = crashed(None, Stop::Point(point), bucket).await;
            assert_eq!(whole, Ok(false), "{point} is reached");
        }
        let hasty = Some(TierMutant::DeleteBeforeManifest);
        let found = crashed(hasty, Stop::Point(points[0]), bucket).await;
        found.expect_err("a deliberate fault is seen");
    }
    assert_eq!(crashed(None, Stop::Never, false).await, Ok(true));
    let hasty = crashed(Some(TierMutant::NoGrace), Stop::Never, false);
    hasty.await.expect_err("a deliberate fault is seen");
}

#[derive(Clone, Copy)]
enum Stop {
    Change(u64),
    Point(&'static str),
    Never,
}

/// One history that ends in a crash; whether it came to its end before.
async fn crashed(mutant: Option<TierMutant>, stop: Stop, bucket: bool) -> Result<bool, String> {
    let rules = Rules::hours(72);
    let mut bench = Bench::new(|config| {
        with(&rules)(config);
        config.tier.mutant = mutant;
    });
    let (faults, parts) = faulty(&bench.clock);
    bench.cold = parts;
    bench.restart(true).await;
    send(&bench, 0..20).await;
    seal(&bench).await;
    bench.advance(24 * HOUR_MS);
    send(&bench, 20..40).await;
    seal(&bench).await;
    let old = ObjectName::Segment(key(), newest(&bench).await.segments[0].name);
    bench.advance(48 * HOUR_MS);
    match stop {
        Stop::Change(step) => faults.crash_before_change(step),
        Stop::Point(point) => faults.crash_at(point),
        Stop::Never => {}
    }
    bench.node().tier_step().await;
    if matches!(stop, Stop::Never) {
        bench.advance(60_000);
        bench.node().tier_step().await;
        if !objects(&bench).await.contains(&old) {
            return Err("no reader of the manifest before had time".to_owned());
        }
    }
    bench.advance(HOUR_MS + 60_000);
    bench.node().tier_step().await;
    let whole = bench.cold.store.list(Prefix::All);
    let whole = whole.await.is_ok();
    let keep = matches!(stop, Stop::Change(n) if n % 2 == 0);
    bench.crash(3, keep).await;
    faults.heal();
    for other in [bucket, true] {
        if other {
            bench.close().await;
            restore(&mut bench).await;
        }
        let there = objects(&bench).await;
        let manifest = newest(&bench).await;
        if let Some(name) = manifest.objects().find(|name| !there.contains(name)) {
            return Err(format!("{name} is named and not there"));
        }
        for queue in 0..2 {
            let found = read(&bench, queue, 10, 99).await;
            let numbers: Vec<u64> = found.iter().map(|m| m.content.born_at.0).collect();
            let sent: Vec<u64> = (20..40).filter(|n| n % 2 == u64::from(queue)).collect();
            if numbers != sent {
                return Err(format!("{numbers:?} of {sent:?}"));
            }
            let old = read(&bench, queue, 0, 99).await.len();
            if !other && ![0, 20].contains(&old) {
                return Err(format!("{old} records from the beginning"));
            }
        }
        // And it goes on where it was.
        for _ in 0..2 {
            bench.advance(60_000);
            bench.node().tier_step().await;
        }
        if bounds(&bench, TOPIC).await != [(10, 20), (10, 20)] {
            return Err("what is old does not go".to_owned());
        }
    }
    Ok(whole)
}

#[tokio::test]
async fn what_is_in_no_segment_stays() {
    let rules = Rules::hours(0);
    let bench = Bench::new(with(&rules));
    send(&bench, 0..10).await;
    bench.node().tier_step().await;
    assert_eq!(bounds(&bench, TOPIC).await, [(0, 5), (0, 5)]);
    seal(&bench).await;
    bench.advance(60_000);
    send(&bench, 10..12).await;
    bench.node().tier_step().await;
    assert_eq!(bounds(&bench, TOPIC).await, [(5, 6), (5, 6)]);
}

/// Brokers whose manifests cannot be read do not keep others from their turn.
#[tokio::test]
async fn what_fails_stands_in_nobodys_way() {
    let rules = Rules::hours(1);
    let mut bench = Bench::new(with(&rules));
    let (faults, parts) = faulty(&bench.clock);
    bench.cold = parts;
    bench.restart(true).await;
    let all: Vec<BrokerId> = (1..=40).map(BrokerId).collect();
    for &broker in &all {
        let request = AppendRequest {
            broker,
            queue: queue_key(TOPIC, 0),
            messages: vec![big(1)],
        };
        let sent = bench.node().append(&context(1), request).await;
        sent.expect("sent");
    }
    seal(&bench).await;
    bench.restart(true).await;
    // Most manifests are not there any more, which is damage.
    for &broker in &all[..30] {
        let name = ObjectName::Manifest(BrokerKey { broker, ..key() }, 1);
        bench.cold.store.delete(&[name]).await.expect("deleted");
    }
    bench.advance(2 * HOUR_MS);
    for _ in 0..3 {
        bench.node().tier_step().await;
    }
    let topic = queue_key(TOPIC, 0).topic;
    for &broker in &all[30..] {
        let rows = bench.node().bounds(&context(1), broker, topic).await;
        assert_eq!(rows.expect("bounds")[0].1, Offset(1), "{broker}");
    }
    faults.heal();
}
