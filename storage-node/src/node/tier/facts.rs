//! What is remembered of each broker's newest manifest, so that a look at
//! thousands of brokers asks object storage for nothing.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::ids::{QueueId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::broker::state::BrokerState;
use crate::cold::manifest::{Manifest, QueueRange, SegmentEntry};
use crate::hot::BrokerKey;

/// What of a manifest decides whether something is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Number of the manifest.
    pub(super) manifest: u64,
    /// When the next part of each topic is complete in age: the latest store time
    /// of the oldest part of a queue, the earliest of its queues.
    pub(super) oldest: BTreeMap<TopicKey, Timestamp>,
    /// A segment holds nothing that is still to be read, or may do so.
    pub(super) has_dead: bool,
    /// Where waiting bodies end that alone keep a segment, queue by queue; one
    /// list for each such segment.
    held: Vec<Vec<(QueueId, u64)>>,
    /// From when on everything may be deleted that earlier manifests named; `None`
    /// if nothing is left of it.
    pub(super) release_at: Option<Timestamp>,
    /// Of records in segments that are still to be read, before compression.
    pub(super) record_bytes: u64,
    /// Of the segments.
    pub(super) object_bytes: u64,
    /// Length of each segment that is still needed.
    lengths: Vec<u64>,
    /// When to look again whether small ones can be merged.
    pub(super) merge_at: Timestamp,
}

/// The facts of all brokers whose manifest was seen in this life of the process.
#[derive(Default)]
pub(in crate::node) struct KnownFacts {
    facts: Mutex<FxHashMap<BrokerKey, Facts>>,
    /// Brokers at which something failed, and when to try again: those that fail
    /// for ever must not keep others from their turn.
    failed: Mutex<FxHashMap<BrokerKey, Timestamp>>,
}

impl KnownFacts {
    /// Remembers what a manifest says, which is the broker's newest.
    pub(super) fn note(&self, manifest: &Manifest, state: &BrokerState) -> Facts {
        let mut facts = Facts::of(manifest, state);
        let mut all = self.facts.lock();
        if let Some(before) = all.get(&manifest.broker)
            && before.manifest == manifest.number
        {
            facts.release_at = before.release_at;
            facts.merge_at = before.merge_at;
        }
        all.insert(manifest.broker, facts.clone());
        facts
    }

    /// Asks what is known, if it is of this manifest.
    pub(super) fn ask<T>(
        &self,
        broker: BrokerKey,
        manifest: u64,
        ask: impl FnOnce(&Facts) -> T,
    ) -> Option<T> {
        let all = self.facts.lock();
        let facts = all.get(&broker);
        facts.filter(|facts| facts.manifest == manifest).map(ask)
    }

    /// Records of a broker are gone by an entry: whether segments hold nothing else
    /// is found out at the next look.
    pub(in crate::node) fn note_trimmed(&self, broker: BrokerKey) {
        if let Some(facts) = self.facts.lock().get_mut(&broker) {
            facts.has_dead = true;
        }
    }

    /// The segments that a manifest names do not fit together.
    pub(super) fn put_off_merge(&self, broker: BrokerKey, manifest: u64, at: Timestamp) {
        if let Some(facts) = self.facts.lock().get_mut(&broker)
            && facts.manifest == manifest
        {
            facts.merge_at = at;
        }
    }

    /// Leaves a broker alone until a time; `None` once it is well.
    pub(super) fn put_off(&self, broker: BrokerKey, until: Option<Timestamp>) {
        let mut failed = self.failed.lock();
        match until {
            Some(until) => failed.insert(broker, until),
            None => failed.remove(&broker),
        };
    }

    /// Whether a broker is left alone.
    pub(super) fn is_put_off(&self, broker: BrokerKey, now: Timestamp) -> bool {
        let failed = self.failed.lock();
        failed.get(&broker).is_some_and(|until| now < *until)
    }

    /// What a manifest had released is deleted.
    pub(super) fn note_deleted(&self, broker: BrokerKey, manifest: u64) {
        if let Some(facts) = self.facts.lock().get_mut(&broker)
            && facts.manifest == manifest
        {
            facts.release_at = None;
        }
    }
}

impl Facts {
    fn of(manifest: &Manifest, state: &BrokerState) -> Self {
        let min_of = |queue| state.queues.get(&queue).map(|state| state.min);
        let mut first: BTreeMap<QueueKey, &QueueRange> = BTreeMap::new();
        let mut facts = Self {
            manifest: manifest.number,
            release_at: (manifest.released.iter().map(|one| one.delete_at)).max(),
            ..Self::default()
        };
        for entry in &manifest.segments {
            let live = entry.queues.iter();
            let live: Vec<_> = live.filter(|row| is_live(row, min_of(row.queue))).collect();
            let others = live.iter().any(|row| row.queue.topic != TopicKey::Waiting);
            facts.has_dead |= live.is_empty();
            facts.object_bytes += entry.bytes;
            facts
                .lengths
                .extend((!live.is_empty()).then_some(entry.bytes));
            if !others && !live.is_empty() {
                let ends = live.iter().map(|row| (row.queue.queue, row.end.0));
                facts.held.push(ends.collect());
            }
            for row in live {
                facts.record_bytes += row.record_bytes;
                let before = first.entry(row.queue).or_insert(row);
                if row.first < before.first {
                    *before = row;
                }
            }
        }
        for (queue, row) in first {
            if queue.topic != TopicKey::Waiting {
                let oldest = facts.oldest.entry(queue.topic).or_insert(row.stored_at.1);
                *oldest = row.stored_at.1.min(*oldest);
            }
        }
        facts
    }

    /// Whether a segment is kept by nothing but bodies that wait no longer.
    pub(super) fn has_waited(&self, state: &BrokerState) -> bool {
        let waited = |ends: &Vec<(QueueId, u64)>| {
            let mut ends = ends.iter();
            ends.all(|&(queue, end)| end <= state.waiting_floor(queue))
        };
        self.held.iter().any(waited)
    }

    /// Whether a segment is kept by bodies that wait alone.
    pub(super) fn holds_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// How many segments are shorter than that.
    pub(super) fn small(&self, bytes: u64) -> usize {
        self.lengths
            .iter()
            .filter(|length| **length < bytes)
            .count()
    }

    /// Topics with records in segments that the broker has no more.
    pub(super) fn has_dropped(&self, state: &BrokerState) -> bool {
        let there: BTreeSet<TopicKey> = state.queues.keys().map(|queue| queue.topic).collect();
        self.oldest.keys().any(|topic| !there.contains(topic))
    }
}

/// Whether anything of a part is still to be read; `min` is the low mark of its
/// queue, `None` if the queue is no more.
pub(super) fn is_live(row: &QueueRange, min: Option<u64>) -> bool {
    min.is_some_and(|min| row.end.0 > min)
}

/// Whether a segment holds anything that is still to be read.
pub(super) fn is_needed(entry: &SegmentEntry, mins: &BTreeMap<QueueKey, u64>) -> bool {
    let mut rows = entry.queues.iter();
    rows.any(|row| is_live(row, mins.get(&row.queue).copied()))
}
