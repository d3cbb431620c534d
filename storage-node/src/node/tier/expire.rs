//! Retention: what is older than its topic keeps it goes, in this order. An
//! entry in the log raises the low marks and moves the groups that are behind;
//! the next manifest leaves out the segments below them; once that has been the
//! newest for the grace time, their objects are deleted.
//!
//! A part of a queue in a segment goes as a whole, once its newest record is too
//! old. What no segment has yet is minutes old and is not looked at. Whether
//! something is due follows from what is remembered of the manifests; after a
//! start each is read once, a few at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::ids::{QueueKey, TopicKey};
use firn_protocol::time::Timestamp;
use futures_util::StreamExt as _;

use super::error::TierError;
use super::facts::Facts;
use crate::broker::entry::{Head, Trim, TrimReason};
use crate::broker::owner::Broker;
use crate::broker::state::BrokerState;
use crate::broker::trim::Missed;
use crate::cold::manifest::{Manifest, QueueRange};
use crate::cold::paths::ObjectName;
use crate::config::TierMutant;
use crate::hot::BrokerKey;
use crate::node::StorageNode;

/// Brokers whose data expires in one step, so that nothing else waits long.
const BROKERS_MAX: usize = 16;

impl StorageNode {
    /// Looks what has expired, now and then, and lets it go.
    pub(super) async fn expire_step(&self) {
        let now = self.now();
        if !self.cold.is_look_due(now) {
            return;
        }
        let brokers: Vec<Arc<Broker>> = self.shared.brokers.read().values().cloned().collect();
        let due = brokers.into_iter();
        let due = due.filter(|broker| self.is_expiry_due(broker, now));
        let due: Vec<_> = due.take(BROKERS_MAX).collect();
        if due.len() < BROKERS_MAX {
            let next = now.plus_ms(self.config.tier.expire_every.as_millis() as u64);
            self.cold.look_again_at(next);
        }
        futures_util::stream::iter(due)
            .for_each_concurrent(self.config.tier.at_once, |broker| async move {
                let done = self.expire(&broker).await;
                let again = done.map_err(|error| {
                    self.note_failure(&broker, &error);
                    now.plus_ms(self.config.tier.expire_every.as_millis() as u64)
                });
                self.cold.facts.put_off(broker.key, again.err());
            })
            .await;
    }

    /// Whether anything is to be done about a broker, from memory alone.
    fn is_expiry_due(&self, broker: &Broker, now: Timestamp) -> bool {
        let Ok(core) = broker.lock() else {
            return false;
        };
        if self.cold.facts.is_put_off(broker.key, now) {
            return false;
        }
        let state = &core.state;
        let manifest = state.tier.manifest;
        let has_expired = |facts: &Facts| self.has_expired(broker.key, facts, state, now);
        match self.cold.facts.ask(broker.key, manifest, has_expired) {
            Some(has_expired) => has_expired,
            None => manifest > 0 && self.has_rule(broker.key, state),
        }
    }

    fn has_expired(
        &self,
        key: BrokerKey,
        facts: &Facts,
        state: &BrokerState,
        now: Timestamp,
    ) -> bool {
        let mut oldest = facts.oldest.iter();
        facts.has_dead
            || facts.release_at.is_some_and(|at| at <= now)
            || oldest.any(|(&topic, &at)| is_over(at, self.retention(key, topic), now))
            || facts.has_waited(state)
            || facts.has_dropped(state)
    }

    /// Whether the catalogue says anything about the broker: what it does not
    /// know is left alone.
    fn has_rule(&self, key: BrokerKey, state: &BrokerState) -> bool {
        let rules = &self.config.tier.rules;
        let storage = rules.storage(key.tenant, key.instance);
        let mut topics = state.queues.keys().map(|queue| queue.topic);
        storage.is_some_and(|rule| rule.bytes_max.is_some())
            || topics.any(|topic| self.retention(key, topic).is_some())
    }

    pub(super) fn retention(&self, key: BrokerKey, topic: TopicKey) -> Option<Duration> {
        let rules = &self.config.tier.rules;
        rules.retention(key.tenant, key.instance, topic)
    }

    async fn expire(&self, broker: &Arc<Broker>) -> Result<(), TierError> {
        let Some(manifest) = self.newest(broker).await? else {
            return Ok(());
        };
        self.trim_expired(broker, &manifest)?;
        let facts = {
            let core = broker.lock()?;
            if core.state.tier.manifest != manifest.number {
                return Ok(());
            }
            self.cold.facts.note(&manifest, &core.state)
        };
        if facts.has_dead {
            return self.seal(broker).await;
        }
        let now = self.now();
        match facts.release_at {
            Some(at) if at <= now => self.delete_released(broker, &manifest, now).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Raises the low marks of queues whose oldest parts in segments are too old.
    pub(super) fn trim_expired(
        &self,
        broker: &Arc<Broker>,
        manifest: &Manifest,
    ) -> Result<(), TierError> {
        let marks = {
            let core = broker.lock()?;
            self.expired_marks(manifest, &core.state)
        };
        self.trim(broker, marks, TrimReason::Age)
    }

    fn expired_marks(&self, manifest: &Manifest, state: &BrokerState) -> Vec<(QueueKey, u64)> {
        let (now, mut marks) = (self.now(), Vec::new());
        let one_more = u64::from(self.config.tier.mutant == Some(TierMutant::TrimOneMore));
        for (queue, rows) in rows_by_queue(manifest, state) {
            let retention = self.retention(manifest.broker, queue.topic);
            if queue.topic == TopicKey::Waiting {
                continue;
            }
            let expired = rows.iter();
            let expired = expired.take_while(|row| is_over(row.stored_at.1, retention, now));
            marks.extend(expired.last().map(|row| (queue, row.end.0 + one_more)));
        }
        let facts = &self.cold.facts;
        let is_held = facts.ask(manifest.broker, manifest.number, Facts::holds_waiting);
        // What nobody waits for any more has no age; it goes along.
        if !marks.is_empty() || is_held == Some(true) {
            marks.extend(waiting_marks(manifest, state));
        }
        marks
    }

    /// Raises low marks by an entry, and tells which groups had not got that far.
    pub(super) fn trim(
        &self,
        broker: &Arc<Broker>,
        mut marks: Vec<(QueueKey, u64)>,
        reason: TrimReason,
    ) -> Result<(), TierError> {
        let (missed, ranges) = {
            let mut core = broker.lock()?;
            let state = &core.state;
            marks.retain(|(queue, mark)| {
                let min = state.queues.get(queue).map(|state| state.min);
                min.is_some_and(|min| min < *mark)
            });
            if marks.is_empty() {
                return Ok(());
            }
            let missed = state.missed_by(&marks);
            let ranges = marks.iter();
            let ranges: Vec<_> =
                (ranges.map(|&(queue, mark)| (queue, state.queue(queue).min, mark))).collect();
            let time = self.now().max(state.last_time);
            let head = Head::Trim(Trim {
                time,
                reason,
                marks,
            });
            self.submit(broker, &mut core, &head, None, None)?;
            (missed, ranges)
        };
        self.tell(broker.key, reason, &ranges, &missed);
        Ok(())
    }

    fn tell(
        &self,
        key: BrokerKey,
        reason: TrimReason,
        ranges: &[(QueueKey, u64, u64)],
        missed: &[Missed],
    ) {
        for &(queue, first, end) in ranges {
            if queue.topic != TopicKey::Waiting {
                self.metrics.records_trimmed(reason).inc_by(end - first);
            }
            tracing::debug!(
                tenant = %key.tenant, instance = %key.instance, broker = %key.broker, %queue,
                first, last = end - 1, ?reason, "records are gone"
            );
        }
        for missed in missed {
            self.metrics.records_missed.inc_by(missed.records);
            tracing::warn!(
                tenant = %key.tenant, instance = %key.instance, broker = %key.broker,
                group = %missed.group, queue = %missed.queue, first = missed.first,
                last = missed.last, records = missed.records, ?reason,
                "a group had not finished records that are gone; it goes on behind them"
            );
        }
    }

    /// Deletes what earlier manifests named, once its grace is over. Whoever has
    /// this manifest may: no later one names these objects again.
    async fn delete_released(
        &self,
        broker: &Broker,
        manifest: &Manifest,
        now: Timestamp,
    ) -> Result<(), TierError> {
        let released = manifest.released_objects();
        let released = released.filter(|(_, delete_at)| *delete_at <= now);
        let names: Vec<ObjectName> = released.map(|(name, _)| name).collect();
        self.cold.store.reach("expire.before_delete")?;
        self.cold.store.background().delete(&names).await?;
        self.cold.facts.note_deleted(broker.key, manifest.number);
        tracing::info!(broker = %broker.key.broker, objects = names.len(), "released objects are deleted");
        Ok(())
    }
}

/// Whether a part whose newest record was stored at `at` is too old.
pub(super) fn is_over(at: Timestamp, retention: Option<Duration>, now: Timestamp) -> bool {
    retention.is_some_and(|retention| at.plus_ms(retention.as_millis() as u64) <= now)
}

/// What segments hold of each queue that is still to be read, in order.
pub(super) fn rows_by_queue<'a>(
    manifest: &'a Manifest,
    state: &BrokerState,
) -> BTreeMap<QueueKey, Vec<&'a QueueRange>> {
    let mut rows: BTreeMap<QueueKey, Vec<&QueueRange>> = BTreeMap::new();
    for row in manifest.segments.iter().flat_map(|entry| &entry.queues) {
        let min = state.queues.get(&row.queue).map(|state| state.min);
        if super::facts::is_live(row, min) {
            rows.entry(row.queue).or_default().push(row);
        }
    }
    for rows in rows.values_mut() {
        rows.sort_unstable_by_key(|row| row.first);
    }
    rows
}

/// How far queues of waiting bodies may be trimmed: nobody waits for anything below.
pub(super) fn waiting_marks(manifest: &Manifest, state: &BrokerState) -> BTreeMap<QueueKey, u64> {
    let mut marks = BTreeMap::new();
    let rows = manifest.segments.iter().flat_map(|entry| &entry.queues);
    for row in rows.filter(|row| row.queue.topic == TopicKey::Waiting) {
        if row.end.0 <= state.waiting_floor(row.queue.queue) {
            let mark = marks.entry(row.queue).or_insert(row.end.0);
            *mark = row.end.0.max(*mark);
        }
    }
    marks
}
