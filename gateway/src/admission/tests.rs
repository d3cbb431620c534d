//! What passes, in numbers.

use std::time::Duration;

use firn_protocol::catalogue::{DiskPolicy, Durability, InstanceStatus, Rates};
use firn_protocol::{InstanceId, TopicId};
use firn_protocol::{TenantId, Timestamp};
use proptest::prelude::*;

use super::*;

mod sharing;

struct Place {
    clock: Clock,
    admission: Admission,
    instance: Instance,
}

const ORDERS: TopicKey = TopicKey::User(TopicId(1));
const BILLS: TopicKey = TopicKey::User(TopicId(2));

impl Place {
    fn new(tps: u64, topic_tps: u64, burst_ms: u64) -> Self {
        let clock = Clock::manual(1_000_000);
        Self {
            admission: Admission::bounded(clock.clone(), 32),
            clock,
            instance: instance(Rates {
                tps,
                topic_tps,
                burst_ms,
            }),
        }
    }

    fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    fn take(&self, topic: TopicKey, wanted: usize) -> Grant {
        let demand = Demand::new(&self.instance, Cow::Borrowed("t"), topic, None);
        self.admission.take(&demand, wanted)
    }

    /// How many of `wanted` pass for good.
    fn accept(&self, topic: TopicKey, wanted: usize) -> usize {
        let grant = self.take(topic, wanted);
        let count = grant.count();
        grant.settle(count);
        count
    }

    fn kept(&self) -> usize {
        let shards = self.admission.shards.iter();
        shards.map(|shard| shard.read().len()).sum()
    }
}

fn instance(rates: Rates) -> Instance {
    Instance {
        id: InstanceId(1),
        uid: String::new(),
        tenant: TenantId(1),
        name: "demo".into(),
        plan: "p".into(),
        brokers: Vec::new(),
        durability: Durability::Local,
        retention_hours: 1,
        disk_policy: DiskPolicy::DataFirst,
        remark: String::new(),
        status: InstanceStatus::Running,
        created_at: Timestamp(0),
        expires_at: None,
        time_zone: String::new(),
        message_bytes: 1,
        rates,
    }
}

#[test]
fn a_burst_passes_and_then_the_rate() {
    let place = Place::new(0, 5000, 100);
    assert_eq!(place.accept(ORDERS, 1000), 500);
    assert_eq!(place.accept(ORDERS, 1), 0);
    assert_eq!(place.accept(BILLS, 1000), 500, "a topic of its own");
    place.pass(1);
    assert_eq!(place.accept(ORDERS, 1000), 5);
    place.pass(50);
    assert_eq!(place.accept(ORDERS, 200), 200);
    place.pass(10_000);
    assert_eq!(place.accept(ORDERS, 1000), 500, "no more is saved up");
}

#[test]
fn the_strictest_limit_counts_and_is_named() {
    let place = Place::new(8000, 5000, 100);
    assert_eq!(place.accept(ORDERS, 450), 450);
    let grant = place.take(BILLS, 400);
    assert_eq!(grant.count(), 350, "800 of the instance, 450 are gone");
    let error = grant.refused();
    let text = "over the limit of 8000 messages a second of instance 'demo'";
    assert_eq!(error.message, text);
    drop(grant);
    assert_eq!(place.accept(ORDERS, 60), 50, "450 of the topic were used");
    let error = place.take(ORDERS, 1).for_any().err().expect("refused");
    let text = "over the limit of 5000 messages a second of topic 't'";
    assert_eq!(error.message, text);
    assert_eq!(RateLimit::of(&error).map(|limit| limit.tps), Some(5000));
    let left = place.accept(BILLS, 400);
    assert_eq!(left, 300, "what was refused cost nothing");
}

#[test]
fn what_is_not_used_can_pass_later_and_nothing_twice() {
    let place = Place::new(0, 1000, 1000);
    let grant = place.take(ORDERS, 600);
    assert_eq!(grant.count(), 600);
    place.pass(10_000);
    assert_eq!(place.take(ORDERS, 1000).count(), 400, "the rest is held");
    grant.settle(100);
    assert_eq!(place.accept(ORDERS, 2000), 900);
    drop(place.take(ORDERS, 5));
    place.pass(100);
    assert_eq!(place.accept(ORDERS, 2000), 100);
}

#[test]
fn slow_limits_let_single_messages_pass() {
    let place = Place::new(0, 3, 100);
    assert_eq!(place.accept(ORDERS, 5), 1);
    let limit = RateLimit::of(&place.take(ORDERS, 1).refused()).expect("a limit");
    assert_eq!((limit.retry_after_ms, limit.reset_ms), (334, 334));
    place.pass(333);
    assert_eq!(place.accept(ORDERS, 5), 0);
    place.pass(1);
    assert_eq!(place.accept(ORDERS, 5), 1);
}

#[test]
fn zero_and_what_nobody_reaches_are_no_limits() {
    let place = Place::new(0, TPS_MAX + 1, 100);
    assert_eq!(place.accept(ORDERS, 1_000_000_000), 1_000_000_000);
    assert_eq!(place.kept(), 0);
}

#[test]
fn a_changed_plan_counts_at_once() {
    let mut place = Place::new(0, 1000, 100);
    assert_eq!(place.accept(ORDERS, 1000), 100);
    place.instance.rates.topic_tps = 10_000;
    place.pass(10);
    let passed = place.accept(ORDERS, 1000);
    assert_eq!(passed, 10, "time before is the old plan's");
    place.pass(10);
    assert_eq!(place.accept(ORDERS, 1000), 100);
    place.pass(10_000);
    place.instance.rates.topic_tps = 20;
    assert_eq!(place.accept(ORDERS, 1000), 2, "the burst of the new plan");
}

#[test]
fn only_limits_in_use_are_kept() {
    let place = Place::new(0, 1000, 1000);
    for n in 0..5000 {
        assert_eq!(place.accept(TopicKey::User(TopicId(n)), 1), 1);
    }
    assert!(place.kept() <= 32 * SHARDS, "{}", place.kept());
    let held = place.take(ORDERS, 7);
    place.pass(10_000);
    place.admission.tick();
    assert_eq!(place.kept(), 1, "only what is held");
    held.settle(7);
    assert_eq!(place.accept(ORDERS, 2000), 993);
}

#[test]
fn the_fullest_go_when_there_are_too_many() {
    let place = Place::new(0, 1000, 1000);
    assert_eq!(place.accept(ORDERS, 1000), 1000);
    for n in 10..5000 {
        place.accept(TopicKey::User(TopicId(n)), 1);
    }
    assert_eq!(place.accept(ORDERS, 1), 0, "an empty bucket stays");
}

/// Time passes, some want to pass, and so many of them do in the end.
type Step = (u64, usize, usize);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Every stretch of time, however demand comes: no more than rate and burst.
    #[test]
    fn no_stretch_of_time_lets_more_pass(
        tps in 1_u64..20_000,
        burst_ms in 0_u64..2000,
        steps in proptest::collection::vec((0_u64..400, 0_usize..3000, 0_usize..3000), 1..60),
    ) {
        let place = Place::new(0, tps, burst_ms);
        let burst = (tps * burst_ms).max(tps).max(1000);
        let (mut at_ms, mut passed, mut open) = (0, Vec::new(), None::<(Grant, usize)>);
        for (pause_ms, wanted, used) in steps as Vec<Step> {
            place.pass(pause_ms);
            at_ms += pause_ms;
            // Every grant stays open until the next one was asked for.
            let grant = place.take(ORDERS, wanted);
            let used = used.min(grant.count());
            if let Some((earlier, used)) = open.replace((grant, used)) {
                earlier.settle(used);
                passed.push((at_ms, used as u64));
            }
        }
        for first in 0..passed.len() {
            let mut sum = 0;
            for (at_ms, count) in &passed[first..] {
                sum += count;
                let bound = tps * (at_ms - passed[first].0) + burst;
                prop_assert!(sum * 1000 <= bound, "{sum} in {} ms", at_ms - passed[first].0);
            }
        }
    }

    /// Demand that is always there gets the whole rate, however it is cut.
    #[test]
    fn steady_demand_gets_the_rate(
        tps in 50_u64..20_000,
        burst_ms in 100_u64..500,
        step_ms in 1_u64..20,
        wanted in 400_usize..2000,
    ) {
        let place = Place::new(0, tps, burst_ms);
        place.accept(ORDERS, 1_000_000);
        let steps = 20_000 / step_ms;
        let mut passed = 0;
        for _ in 0..steps {
            place.pass(step_ms);
            passed += place.accept(ORDERS, wanted);
        }
        let due = (tps * steps * step_ms) as f64 / 1000.0;
        let share = passed as f64 / due;
        prop_assert!((0.98..=1.02).contains(&share), "{passed} of {due}");
    }
}
