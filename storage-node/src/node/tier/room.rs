//! Room for instances that want to be served first: their oldest data in object
//! storage goes before its time, once they store more than their plan allows, or
//! once the disk that it lies on is nearly full (SEED_SPEC 3.1). What no segment
//! has is never touched, and each removal is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_protocol::catalogue::DiskPolicy;
use firn_protocol::ids::{InstanceId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;

use super::error::TierError;
use super::expire::waiting_marks;
use super::facts::is_live;
use crate::broker::entry::TrimReason;
use crate::broker::owner::Broker;
use crate::cold::manifest::Manifest;
use crate::node::StorageNode;
use crate::retention::ForcedRemoval;

/// So much of what is allowed is made free beyond what is needed, so that the
/// next removal is not due at once: one part in 16.
const SPARE: u64 = 16;

/// Marks of one broker, with its bytes.
type Marks = BTreeMap<QueueKey, u64>;

/// A segment that may go.
struct Candidate {
    broker: Arc<Broker>,
    /// Store time of its newest record.
    at: Timestamp,
    record_bytes: u64,
    object_bytes: u64,
    ends: Vec<(QueueKey, u64)>,
}

impl StorageNode {
    /// Lets old data go where that is wanted and needed.
    pub(super) async fn make_room(&self) {
        let is_high = self.config.tier.is_cold_local && self.quotas.is_disk_high();
        let may_free = self.cold.is_room_due(self.now());
        for (instance, stored) in self.quotas.all() {
            if stored.rule.policy != DiskPolicy::ServiceFirst {
                continue;
            }
            let excess = stored.excess();
            let spare = stored.rule.bytes_max.unwrap_or(0) / SPARE;
            let done = if excess > 0 {
                let wanted = excess + spare;
                self.remove_oldest(instance, TrimReason::Quota, wanted)
                    .await
            } else if is_high && may_free {
                // The objects stay for the grace time: until then the disk is as full.
                let again = self.config.tier.release_grace + 2 * self.config.tier.expire_every;
                let again = self.now().plus_ms(again.as_millis() as u64);
                self.cold.make_room_again_at(again);
                let wanted = self.quotas.disk_excess(1.0 / SPARE as f64);
                self.remove_oldest(instance, TrimReason::Disk, wanted).await
            } else {
                continue;
            };
            if let Err(error) = done {
                tracing::warn!(%error, %instance, "no room is made now, trying again later");
            }
        }
    }

    /// Removes the oldest segments of an instance, as many as hold `wanted` bytes:
    /// of records, or of objects if it is for the disk.
    async fn remove_oldest(
        &self,
        instance: InstanceId,
        reason: TrimReason,
        wanted: u64,
    ) -> Result<(), TierError> {
        let mut brokers: Vec<Arc<Broker>> = self.shared.brokers.read().values().cloned().collect();
        brokers.retain(|broker| broker.key.instance == instance);
        let mut candidates = Vec::new();
        for broker in brokers {
            if let Some(manifest) = self.newest(&broker).await? {
                candidates.extend(candidates_of(&broker, &manifest)?);
            }
        }
        candidates.sort_by_key(|candidate| candidate.at);
        let (mut found, mut marks) = (0, BTreeMap::new());
        for candidate in candidates {
            if found >= wanted {
                break;
            }
            found += match reason {
                TrimReason::Disk => candidate.object_bytes,
                TrimReason::Age | TrimReason::Quota | TrimReason::Purge => candidate.record_bytes,
            };
            let id = candidate.broker.key.broker;
            let (_, of): &mut (_, Marks) = marks
                .entry(id)
                .or_insert_with(|| (candidate.broker.clone(), Marks::new()));
            for (queue, end) in candidate.ends {
                let mark = of.entry(queue).or_default();
                *mark = end.max(*mark);
            }
        }
        for (broker, marks) in marks.into_values() {
            self.remove(&broker, marks, reason).await?;
        }
        Ok(())
    }

    async fn remove(
        &self,
        broker: &Arc<Broker>,
        mut marks: Marks,
        reason: TrimReason,
    ) -> Result<(), TierError> {
        let ranges = {
            let core = broker.lock()?;
            let min = |queue: &QueueKey| core.state.queue(*queue).min;
            let ranges = marks.iter();
            let ranges = ranges.map(|(queue, &mark)| (*queue, min(queue), mark));
            ranges.filter(|(_, min, mark)| min < mark).collect()
        };
        if let Some(manifest) = self.newest(broker).await? {
            marks.extend(waiting_marks(&manifest, &broker.lock()?.state));
        }
        self.trim(broker, marks.into_iter().collect(), reason)?;
        let removal = ForcedRemoval {
            tenant: broker.key.tenant,
            instance: broker.key.instance,
            at: self.now(),
            ranges,
        };
        self.config.tier.rules.removed(&removal);
        self.seal(broker).await
    }
}

/// Segments of a broker that hold something, without the waiting bodies in them.
fn candidates_of(broker: &Arc<Broker>, manifest: &Manifest) -> Result<Vec<Candidate>, TierError> {
    let core = broker.lock()?;
    let mut candidates = Vec::new();
    for entry in &manifest.segments {
        let live = entry.queues.iter().filter(|row| {
            let min = core.state.queues.get(&row.queue).map(|state| state.min);
            row.queue.topic != TopicKey::Waiting && is_live(row, min)
        });
        let live: Vec<_> = live.collect();
        let Some(at) = live.iter().map(|row| row.stored_at.1).max() else {
            continue;
        };
        candidates.push(Candidate {
            broker: broker.clone(),
            at,
            record_bytes: live.iter().map(|row| row.record_bytes).sum(),
            object_bytes: entry.bytes,
            ends: live.iter().map(|row| (row.queue, row.end.0)).collect(),
        });
    }
    Ok(candidates)
}
