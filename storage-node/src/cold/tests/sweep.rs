//! What a sweep may delete.

use std::collections::BTreeSet;

use firn_protocol::time::Timestamp;
use proptest::prelude::*;

use super::manifest::full;
use super::*;
use crate::cold::manifest::Manifest;
use crate::cold::paths::StateName;
use crate::cold::sweep::{SweepRules, plan};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const NOW: Timestamp = Timestamp(100 * DAY_MS);

fn listed(name: ObjectName, age_ms: u64) -> Listed {
    Listed {
        path: name.to_string(),
        name: Some(name),
        bytes: 10,
        modified: Timestamp(NOW.0 - age_ms),
    }
}

fn segment_of(generation: u32, first_sequence: u64, nonce: u128) -> ObjectName {
    let name = SegmentName {
        generation: Generation(generation),
        first_sequence,
        nonce: Nonce(nonce),
    };
    ObjectName::Segment(BROKER, name)
}

fn state(sequence: u64, nonce: u128) -> ObjectName {
    let nonce = Nonce(nonce);
    ObjectName::State(BROKER, StateName { sequence, nonce })
}

fn goes(manifest: &Manifest, name: ObjectName, age_ms: u64) -> bool {
    let plan = plan(
        &[listed(name, age_ms)],
        std::slice::from_ref(manifest),
        NOW,
        &SweepRules::default(),
    );
    assert_eq!(plan.delete_bytes, 10 * plan.delete.len() as u64);
    plan.delete == [name]
}

#[test]
fn each_kind_goes_when_it_may() {
    let manifest = full(12);
    let old = 50 * DAY_MS;
    for name in manifest.objects() {
        assert!(!goes(&manifest, name, old), "{name} is named");
    }
    let orphan = segment_of(2, 30, 1);
    assert!(!goes(&manifest, orphan, DAY_MS), "within its grace");
    assert!(goes(&manifest, orphan, DAY_MS + 1));
    assert!(goes(&manifest, state(39, 1), DAY_MS + 1));
    assert!(
        !goes(&manifest, segment_of(3, 41, 1), old),
        "not covered yet"
    );
    assert!(
        !goes(&manifest, segment_of(4, 30, 1), old),
        "of a later owner"
    );
    assert!(!goes(&manifest, state(41, 1), old), "not covered yet");
    for number in [12, 13] {
        assert!(!goes(&manifest, ObjectName::Manifest(BROKER, number), old));
    }
    let earlier = ObjectName::Manifest(BROKER, 11);
    assert!(!goes(&manifest, earlier, 7 * DAY_MS), "kept 7 days");
    assert!(goes(&manifest, earlier, 7 * DAY_MS + 1));
}

#[test]
fn what_was_released_waits_for_its_own_time() {
    let mut manifest = full(12);
    let (name, _) = manifest.released_objects().next().expect("there is one");
    manifest.released[0].delete_at = Timestamp(NOW.0 + 1);
    assert!(!goes(&manifest, name, 50 * DAY_MS));
    manifest.released[0].delete_at = NOW;
    assert!(goes(&manifest, name, 50 * DAY_MS));
}

#[test]
fn what_is_not_known_is_left_alone() {
    let other = BrokerKey {
        broker: BrokerId(10),
        ..BROKER
    };
    let foreign = Listed {
        path: "t2/readme".to_owned(),
        name: None,
        bytes: 1,
        modified: Timestamp(0),
    };
    let wal = ObjectName::Wal {
        node: crate::cold::paths::NodeId(1),
        incarnation: 1,
        sequence: 1,
    };
    let old = 99 * DAY_MS;
    let objects = [
        foreign,
        listed(ObjectName::Manifest(other, 1), old),
        listed(wal, old),
        listed(ObjectName::Catalogue(1), old),
        listed(ObjectName::Probe(Nonce(1)), old),
    ];
    let plan = plan(&objects, &[full(12)], NOW, &SweepRules::default());
    assert_eq!(plan.delete, []);
    assert_eq!(plan.foreign, ["t2/readme"]);
}

/// An object around what the manifest of the test knows.
fn object() -> impl Strategy<Value = ObjectName> {
    let named: Vec<_> = full(12).objects().collect();
    let released: Vec<_> = full(12).released_objects().map(|(name, _)| name).collect();
    prop_oneof![
        prop::sample::select(named),
        prop::sample::select(released),
        (1_u32..6, 1_u64..60, 0_u128..4).prop_map(|(g, s, n)| segment_of(g, s, n)),
        (1_u64..60, 0_u128..4).prop_map(|(s, n)| state(s, n)),
        (1_u64..20).prop_map(|number| ObjectName::Manifest(BROKER, number)),
    ]
}

proptest! {
    #[test]
    fn nothing_named_nothing_within_its_grace_nothing_beyond(
        objects in prop::collection::vec((object(), 0..15 * DAY_MS), 0..60),
        release_in in prop::collection::vec(0..4 * DAY_MS, 2),
        is_due in any::<bool>(),
    ) {
        let mut manifest = full(12);
        for (released, by) in manifest.released.iter_mut().zip(release_in) {
            released.delete_at = Timestamp(if is_due { NOW.0 - by } else { NOW.0 + 1 + by });
        }
        // A list shows a name once.
        let objects: std::collections::BTreeMap<_, _> = objects.into_iter().collect();
        let objects: Vec<_> = objects.into_iter().map(|(name, age)| listed(name, age)).collect();
        let rules = SweepRules::default();
        let plan = plan(&objects, std::slice::from_ref(&manifest), NOW, &rules);
        // Said once more, in other words than the planner's.
        let named: BTreeSet<_> = manifest.objects().map(|name| name.to_string()).collect();
        let released: BTreeSet<_> =
            manifest.released_objects().map(|(name, _)| name.to_string()).collect();
        let planned: BTreeSet<_> = plan.delete.iter().map(ToString::to_string).collect();
        for found in &objects {
            let age_ms = NOW.0 - found.modified.0;
            let is_manifest = found.path.contains("/manifest/");
            let beyond = match found.name {
                Some(ObjectName::Segment(_, name)) => {
                    name.generation > manifest.generation || name.first_sequence > 40
                }
                Some(ObjectName::State(_, name)) => name.sequence >= 40,
                Some(ObjectName::Manifest(_, number)) => number >= 12,
                _ => unreachable!("only these are made"),
            };
            let grace_ms = if is_manifest { 7 * DAY_MS } else { DAY_MS };
            let may = !named.contains(&found.path)
                && !beyond
                && if released.contains(&found.path) { is_due } else { age_ms > grace_ms };
            prop_assert_eq!(
                planned.contains(&found.path) && !may, false, "{} must stay", &found.path
            );
            // And nothing is forgotten: a sweep that deletes nothing is safe, and useless.
            if may {
                prop_assert!(planned.contains(&found.path), "{} may go", &found.path);
            }
        }
    }
}
