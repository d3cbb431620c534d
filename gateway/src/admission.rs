//! How many messages a second may pass: of an instance, of a topic, and of a
//! group on a topic. Owns a token bucket for each limit in use; promises that
//! accepted <= tps * time + burst for every stretch of time (RULES 25), by the
//! runtime's clock, and bounded memory. Gateways that share limits keep this
//! together, but for one message each (docs/decisions/0022). What is refused, and
//! how a refusal is told, is up to the callers.

mod bucket;
mod hold;
mod recent;
mod refusal;
mod renewal;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};

use firn_protocol::api::shares::LimitKey;
use firn_protocol::catalogue::{Group, Instance, Topic};
use firn_protocol::limits::{RATE_LIMITS_MAX, TPS_MAX};
use firn_protocol::{ApiError, ApiResult, InstanceId, Timestamp, TopicKey};
use firn_runtime::Clock;
use parking_lot::{Mutex, RwLock};
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::config::GatewayMutant;
use crate::ops::Target;
use bucket::{Bucket, Rate, Taken};
use hold::Hold;
pub(crate) use recent::{Recent, Refused};
pub(crate) use refusal::RateLimit;
use refusal::Refusal;
use renewal::{Sharing, Turn};

const SHARDS: usize = 16;
/// Which part of a full shard goes at once, so that looking for it is paid for
/// by many newcomers.
const THINNED_PART: usize = 16;

/// Messages that want to pass, and the limits that they meet on the way.
pub struct Demand<'a> {
    instance: &'a Instance,
    topic: Cow<'a, str>,
    group: &'a str,
    limits: SmallVec<[(LimitKey, Rate); 3]>,
}

/// See the module.
pub struct Admission {
    clock: Clock,
    shards: [RwLock<Shard>; SHARDS],
    shard_max: usize,
    hold: RwLock<Hold>,
    /// Absent in a gateway that shares with nobody.
    sharing: OnceLock<Sharing>,
    turn: Mutex<Turn>,
    /// What was refused lately.
    pub(crate) recent: Arc<Recent>,
    /// Told when a limit in use has no share.
    needed: Notify,
    mutant: Option<GatewayMutant>,
}

type Shard = FxHashMap<LimitKey, Arc<Bucket>>;

/// Leave for some messages to pass. What is not used when it is settled or
/// dropped can pass later.
pub struct Grant {
    count: usize,
    buckets: SmallVec<[Arc<Bucket>; 3]>,
    refusal: Option<Box<Refusal>>,
}

impl<'a> Demand<'a> {
    /// What a send to a topic meets.
    #[must_use]
    pub fn to_send(instance: &'a Instance, topic: &'a Topic) -> Self {
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
        let key = LimitKey::GroupTopic(instance.id, group.id, topic.key());
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
        demand.limit(LimitKey::Instance(instance.id), rates.tps);
        let tps = own_tps.unwrap_or(rates.topic_tps);
        demand.limit(LimitKey::Topic(instance.id, key), tps);
        demand
    }

    /// Zero is no limit.
    fn limit(&mut self, key: LimitKey, tps: u64) {
        if (1..=TPS_MAX).contains(&tps) {
            let burst_ms = self.instance.rates.burst_ms;
            self.limits.push((key, Rate::new(tps, burst_ms)));
        }
    }
}

impl Admission {
    /// Of a gateway that shares with nobody; see [`Self::share`].
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::bounded(clock, RATE_LIMITS_MAX / SHARDS)
    }

    /// With a deliberate fault.
    #[must_use]
    pub(crate) fn with_mutant(self, mutant: Option<GatewayMutant>) -> Self {
        Self { mutant, ..self }
    }

    fn bounded(clock: Clock, shard_max: usize) -> Self {
        Self {
            clock,
            shards: std::array::from_fn(|_| RwLock::default()),
            shard_max,
            hold: RwLock::new(Hold::alone()),
            sharing: OnceLock::new(),
            turn: Mutex::default(),
            recent: Arc::default(),
            needed: Notify::new(),
            mutant: None,
        }
    }

    /// As many of `wanted` messages as all limits allow now; may be none.
    pub fn take(&self, demand: &Demand<'_>, wanted: usize) -> Grant {
        let mut grant = Grant {
            count: wanted,
            buckets: SmallVec::new(),
            refusal: None,
        };
        let (hold, now_ms) = (*self.hold.read(), self.now_ms());
        for (key, rate) in &demand.limits {
            let key = match self.mutant {
                Some(GatewayMutant::ShareLimits) => &LimitKey::Instance(InstanceId(0)),
                Some(_) | None => key,
            };
            let (bucket, taken) = self.take_of(*key, *rate, &hold, now_ms, grant.count);
            if taken.needs_share {
                self.needed.notify_one();
            }
            if taken.count < grant.count {
                for other in &grant.buckets {
                    other.put_back(grant.count - taken.count);
                }
                grant.count = taken.count;
                let wait = bucket.wait(&hold, now_ms);
                let refusal = Refusal::new(demand, *key, *rate, wait, self);
                let is_told = self.mutant != Some(GatewayMutant::HideLimit);
                grant.refusal = is_told.then(|| Box::new(refusal));
            }
            grant.buckets.push(bucket);
        }
        grant
    }

    fn take_of(
        &self,
        key: LimitKey,
        rate: Rate,
        hold: &Hold,
        now_ms: u64,
        wanted: usize,
    ) -> (Arc<Bucket>, Taken) {
        let shard = self.shard(key);
        // Taken under the lock, so that no bucket is forgotten in between.
        if let Some(bucket) = shard.read().get(&key) {
            return (bucket.clone(), bucket.take(rate, hold, now_ms, wanted));
        }
        let mut shard = shard.write();
        if shard.len() >= self.shard_max {
            forget_spare(&mut shard, hold, now_ms);
        }
        if shard.len() >= self.shard_max {
            thin(&mut shard, hold, now_ms);
        }
        let bucket = shard.entry(key);
        let bucket = bucket.or_insert_with(|| Arc::new(Bucket::new(rate, hold)));
        (bucket.clone(), bucket.take(rate, hold, now_ms, wanted))
    }

    /// Forgets what is as good as new.
    pub fn tick(&self) {
        let (hold, now_ms) = (*self.hold.read(), self.now_ms());
        for shard in &self.shards {
            forget_spare(&mut shard.write(), &hold, now_ms);
        }
        self.recent.tick(Timestamp(self.clock.now_ms()));
    }

    fn now_ms(&self) -> u64 {
        match self.mutant {
            Some(GatewayMutant::FillTwice) => 2 * self.clock.now_ms(),
            Some(_) | None => self.clock.now_ms(),
        }
    }

    fn shard(&self, key: LimitKey) -> &RwLock<Shard> {
        &self.shards[FxBuildHasher.hash_one(key) as usize % SHARDS]
    }
}

/// A full bucket says no more than none, unless it has a share.
fn forget_spare(shard: &mut Shard, hold: &Hold, now_ms: u64) {
    shard.retain(|_, bucket| !bucket.is_spare(hold, now_ms));
}

/// Forgets what would be full first.
fn thin(shard: &mut Shard, hold: &Hold, now_ms: u64) {
    let mut waits: Vec<u64> = shard
        .values()
        .map(|bucket| bucket.wait(hold, now_ms).full_ms)
        .collect();
    if waits.is_empty() {
        return;
    }
    let wanted = waits.len().div_ceil(THINNED_PART);
    let (_, last, _) = waits.select_nth_unstable(wanted - 1);
    let (last, mut left) = (*last, wanted);
    shard.retain(|_, bucket| {
        let goes = left > 0 && bucket.wait(hold, now_ms).full_ms <= last;
        left -= usize::from(goes);
        !goes
    });
}

impl Grant {
    /// How many messages may pass.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// What those are told that it does not reach; counted as a refusal.
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
    pub fn settle(mut self, used: usize) {
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
