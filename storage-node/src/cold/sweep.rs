//! What a sweep may delete: a pure plan from lists and manifests.
//!
//! Promises to plan nothing that the broker's newest manifest names, nothing
//! within its grace, and nothing beyond what that manifest covers: if the
//! manifest turns out not to be the newest after all, what the real newest one
//! names lies beyond it. Objects with unknown names, and of brokers without a
//! manifest, are left alone. WAL objects and exports have rules of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firn_protocol::time::Timestamp;

use super::manifest::Manifest;
use super::paths::{ObjectName, SegmentName, StateName};
use super::store::Listed;
use crate::hot::BrokerKey;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct SweepRules {
    /// Age below which an object that no manifest names may still be on its
    /// way into one. Far longer than any upload.
    pub grace: Duration,
    /// Age below which manifests stay: a number that is free again could be
    /// committed by an owner that slept (RULES 6).
    pub manifests: Duration,
}

impl Default for SweepRules {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(24 * 3600),
            manifests: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// What to do about the objects of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepPlan {
    pub delete: Vec<ObjectName>,
    /// Their bytes.
    pub delete_bytes: u64,
    /// Names that are not ours, for a person to look at.
    pub foreign: Vec<String>,
}

/// Plans a sweep. `now` is by the store's clock, as ages are: the time of an
/// object that was just written.
#[must_use]
pub fn plan(
    listed: &[Listed],
    newest: &[Manifest],
    now: Timestamp,
    rules: &SweepRules,
) -> SweepPlan {
    let brokers: BTreeMap<BrokerKey, Known> = newest
        .iter()
        .map(|manifest| (manifest.broker, Known::of(manifest)))
        .collect();
    let mut plan = SweepPlan::default();
    for found in listed {
        let Some(name) = found.name else {
            plan.foreign.push(found.path.clone());
            continue;
        };
        let known = name.broker().and_then(|broker| brokers.get(&broker));
        let age = Duration::from_millis(now.since_ms(found.modified));
        if known.is_some_and(|known| known.may_go(name, age, now, rules)) {
            plan.delete.push(name);
            plan.delete_bytes += found.bytes;
        }
    }
    plan
}

/// What is known about a broker's objects.
struct Known<'a> {
    manifest: &'a Manifest,
    named: BTreeSet<ObjectName>,
    released: BTreeMap<ObjectName, Timestamp>,
}

impl<'a> Known<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        Self {
            manifest,
            named: manifest.objects().collect(),
            released: manifest.released_objects().collect(),
        }
    }

    fn may_go(&self, name: ObjectName, age: Duration, now: Timestamp, rules: &SweepRules) -> bool {
        if self.named.contains(&name) || self.is_beyond(name) {
            return false;
        }
        if let Some(delete_at) = self.released.get(&name) {
            return now >= *delete_at;
        }
        match name {
            ObjectName::Manifest(..) => age > rules.manifests,
            ObjectName::Segment(..) | ObjectName::State(..) => age > rules.grace,
            ObjectName::Wal { .. }
            | ObjectName::Catalogue(_)
            | ObjectName::Books(_)
            | ObjectName::Probe(_) => false,
        }
    }

    /// Whether a later manifest than ours may name it, or be it.
    fn is_beyond(&self, name: ObjectName) -> bool {
        let covered = self.manifest.covered.sequence;
        match name {
            ObjectName::Segment(
                _,
                SegmentName {
                    generation,
                    first_sequence,
                    ..
                },
            ) => generation > self.manifest.generation || first_sequence > covered,
            ObjectName::State(_, StateName { sequence, .. }) => sequence >= covered,
            ObjectName::Manifest(_, number) => number >= self.manifest.number,
            ObjectName::Wal { .. }
            | ObjectName::Catalogue(_)
            | ObjectName::Books(_)
            | ObjectName::Probe(_) => true,
        }
    }
}
