//! How many messages a second may pass: of an instance, of a topic, and of a
//! group on a topic. Owns a token bucket for each limit in use; promises that
//! accepted <= tps * time + burst for every stretch of time (RULES 25), by the
//! runtime's clock, and bounded memory. What is refused, and how a refusal is
//! told, is up to the callers. Limits hold for this gateway alone.

mod bucket;
mod refusal;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use firn_protocol::catalogue::{Group, Instance, Topic};
use firn_protocol::limits::{RATE_LIMITS_MAX, TPS_MAX};
use firn_protocol::{ApiError, ApiResult, GroupId, InstanceId, TopicKey};
use firn_runtime::Clock;
use parking_lot::RwLock;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use crate::config::GatewayMutant;
use crate::ops::Target;
use bucket::{Bucket, Rate};
pub(crate) use refusal::RateLimit;
use refusal::Refusal;

const SHARDS: usize = 16;
/// Which part of a full shard goes at once, so that looking for it is paid for
/// by many newcomers.
const THINNED_PART: usize = 16;

/// Who shares a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Instance(InstanceId),
    Topic(InstanceId, TopicKey),
    GroupTopic(InstanceId, GroupId, TopicKey),
}

/// Messages that want to pass, and the limits that they meet on the way.
pub(crate) struct Demand<'a> {
    instance: &'a Instance,
    topic: Cow<'a, str>,
    group: &'a str,
    limits: SmallVec<[(Key, Rate); 3]>,
}

/// See the module.
pub(crate) struct Admission {
    clock: Clock,
    shards: [RwLock<Shard>; SHARDS],
    shard_max: usize,
    mutant: Option<GatewayMutant>,
}

type Shard = FxHashMap<Key, Arc<Bucket>>;

/// Leave for some messages to pass. What is not used when it is settled or
/// dropped can pass later.
pub(crate) struct Grant {
    count: usize,
    buckets: SmallVec<[Arc<Bucket>; 3]>,
    refusal: Option<Box<Refusal>>,
}

impl<'a> Demand<'a> {
    pub(crate) fn to_send(instance: &'a Instance, topic: &'a Topic) -> Self {
        let key = TopicKey::User(topic.id);
        Self::new(instance, Cow::Borrowed(&topic.name), key, topic.tps)
    }

    pub(crate) fn to_receive(instance: &'a Instance, group: &'a Group, topic: &'a Target) -> Self {
        let own_tps = match topic {
            Target::Topic(topic) => topic.tps,
            Target::Retry(_) | Target::DeadLetter(_) => None,
        };
        let mut demand = Self::new(instance, topic.name(), topic.key(), own_tps);
        demand.group = &group.name;
        let listed = group.subscriptions.iter();
        let listed = listed.filter(|(name, _)| *name == demand.topic);
        let tps = listed.map(|(_, tps)| *tps).next().unwrap_or_default();
        let key = Key::GroupTopic(instance.id, group.id, topic.key());
        demand.limit(key, tps);
        demand
    }

    fn new(
        instance: &'a Instance,
        topic: Cow<'a, str>,
        key: TopicKey,
        own_tps: Option<u64>,
    ) -> Self {
        let mut demand = Self {
            instance,
            topic,
            group: "",
            limits: SmallVec::new(),
        };
        let rates = &instance.rates;
        demand.limit(Key::Instance(instance.id), rates.tps);
        let tps = own_tps.unwrap_or(rates.topic_tps);
        demand.limit(Key::Topic(instance.id, key), tps);
        demand
    }

    /// Zero is no limit.
    fn limit(&mut self, key: Key, tps: u64) {
        if (1..=TPS_MAX).contains(&tps) {
            let burst_ms = self.instance.rates.burst_ms;
            self.limits.push((key, Rate::new(tps, burst_ms)));
        }
    }
}

impl Admission {
    pub(crate) fn new(clock: Clock, mutant: Option<GatewayMutant>) -> Self {
        Self {
            mutant,
            ..Self::bounded(clock, RATE_LIMITS_MAX / SHARDS)
        }
    }

    fn bounded(clock: Clock, shard_max: usize) -> Self {
        Self {
            clock,
            shards: std::array::from_fn(|_| RwLock::default()),
            shard_max,
            mutant: None,
        }
    }

    /// As many of `wanted` messages as all limits allow now; may be none.
    pub(crate) fn take(&self, demand: &Demand<'_>, wanted: usize) -> Grant {
        let mut grant = Grant {
            count: wanted,
            buckets: SmallVec::new(),
            refusal: None,
        };
        let now_ms = self.now_ms();
        for (key, rate) in &demand.limits {
            let key = match self.mutant {
                Some(GatewayMutant::ShareLimits) => &Key::Instance(InstanceId(0)),
                Some(_) | None => key,
            };
            let (bucket, taken) = self.take_of(*key, *rate, now_ms, grant.count);
            if taken < grant.count {
                for other in &grant.buckets {
                    other.put_back(grant.count - taken);
                }
                grant.count = taken;
                let wait = bucket.wait(now_ms);
                let refusal = Refusal::new(demand, *key, *rate, wait);
                let is_told = self.mutant != Some(GatewayMutant::HideLimit);
                grant.refusal = is_told.then(|| Box::new(refusal));
            }
            grant.buckets.push(bucket);
        }
        grant
    }

    fn take_of(&self, key: Key, rate: Rate, now_ms: u64, wanted: usize) -> (Arc<Bucket>, usize) {
        let shard = self.shard(key);
        // Taken under the lock, so that no bucket is forgotten in between.
        if let Some(bucket) = shard.read().get(&key) {
            return (bucket.clone(), bucket.take(rate, now_ms, wanted));
        }
        let mut shard = shard.write();
        if shard.len() >= self.shard_max {
            forget_full(&mut shard, now_ms);
        }
        if shard.len() >= self.shard_max {
            thin(&mut shard, now_ms);
        }
        let bucket = shard.entry(key);
        let bucket = bucket.or_insert_with(|| Arc::new(Bucket::full(rate, now_ms)));
        (bucket.clone(), bucket.take(rate, now_ms, wanted))
    }

    /// Forgets what is as good as new.
    pub(crate) fn tick(&self) {
        let now_ms = self.now_ms();
        for shard in &self.shards {
            forget_full(&mut shard.write(), now_ms);
        }
    }

    fn now_ms(&self) -> u64 {
        match self.mutant {
            Some(GatewayMutant::FillTwice) => 2 * self.clock.now_ms(),
            Some(_) | None => self.clock.now_ms(),
        }
    }

    fn shard(&self, key: Key) -> &RwLock<Shard> {
        &self.shards[FxBuildHasher.hash_one(key) as usize % SHARDS]
    }
}

/// A full bucket says no more than none.
fn forget_full(shard: &mut Shard, now_ms: u64) {
    shard.retain(|_, bucket| !bucket.is_full(now_ms));
}

/// Forgets what would be full first.
fn thin(shard: &mut Shard, now_ms: u64) {
    let mut waits: Vec<u64> = shard
        .values()
        .map(|bucket| bucket.wait(now_ms).full_ms)
        .collect();
    if waits.is_empty() {
        return;
    }
    let wanted = waits.len().div_ceil(THINNED_PART);
    let (_, last, _) = waits.select_nth_unstable(wanted - 1);
    let (last, mut left) = (*last, wanted);
    shard.retain(|_, bucket| {
        let goes = left > 0 && bucket.wait(now_ms).full_ms <= last;
        left -= usize::from(goes);
        !goes
    });
}

impl Grant {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// What those are told that it does not reach.
    pub(crate) fn refused(&self) -> ApiError {
        let refusal = self.refusal.as_deref();
        refusal.map_or_else(Refusal::unknown, Refusal::error)
    }

    /// # Errors
    /// `RATE_LIMITED` when it is for no message at all.
    pub(crate) fn for_any(self) -> ApiResult<Self> {
        if self.count == 0 {
            return Err(self.refused());
        }
        Ok(self)
    }

    /// So many messages have passed.
    pub(crate) fn settle(mut self, used: usize) {
        self.end(used);
    }

    fn end(&mut self, used: usize) {
        for bucket in self.buckets.drain(..) {
            bucket.settle(used.min(self.count), self.count);
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.end(0);
    }
}
