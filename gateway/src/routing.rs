//! Which broker and queue a message goes to. Pure; a message group always
//! meets the same queue while the topic's brokers and queues stay the same,
//! and keeps its broker when others come (rendezvous, RULES 23).

use std::sync::atomic::{AtomicU64, Ordering};

use firn_protocol::{BrokerId, QueueId};

/// Spreads messages without a message group evenly.
#[derive(Default)]
pub(crate) struct Spread(AtomicU64);

impl Spread {
    /// The next number in turn.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// The queue for turn number `turn`; brokers first, so that they share the load at once.
///
/// # Panics
/// When there is no broker or no queue, which the catalogue never allows.
pub(crate) fn in_turn(turn: u64, brokers: &[BrokerId], queues: u16) -> (BrokerId, QueueId) {
    assert!(
        !brokers.is_empty() && queues > 0,
        "a topic has brokers and queues"
    );
    let count = brokers.len() as u64;
    let broker = brokers[(turn % count) as usize];
    let queue = (turn / count) % u64::from(queues);
    (broker, QueueId(queue as u16))
}

/// The queue of a message group. The hash is part of the contract: changing it
/// would break the order of messages in flight during an upgrade.
///
/// # Panics
/// As [`in_turn`].
pub(crate) fn by_group(group: &str, brokers: &[BrokerId], queues: u16) -> (BrokerId, QueueId) {
    assert!(queues > 0, "a topic has queues");
    let hash = blake3::hash(group.as_bytes());
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| hash.as_bytes()[at + i]));
    let broker = brokers
        .iter()
        .copied()
        .max_by_key(|broker| (mix(word(0) ^ u64::from(broker.0)), broker.0))
        .expect("a topic has brokers");
    (broker, QueueId((word(8) % u64::from(queues)) as u16))
}

/// Finaliser of SplitMix64: every input bit reaches every output bit.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const THREE: [BrokerId; 3] = [BrokerId(4), BrokerId(7), BrokerId(9)];

    #[test]
    fn turns_visit_every_queue_once_a_round() {
        let mut seen = BTreeMap::new();
        for turn in 0..12 {
            *seen.entry(in_turn(turn, &THREE, 4)).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 12);
    }

    #[test]
    fn groups_keep_their_place_and_spread() {
        assert_eq!(
            by_group("order-1", &THREE, 8),
            by_group("order-1", &THREE, 8)
        );
        let mut load = BTreeMap::new();
        for i in 0..3000 {
            let group = format!("g{i}");
            let before = by_group(&group, &THREE, 4);
            *load.entry(before).or_insert(0) += 1;
            let wider = [BrokerId(4), BrokerId(7), BrokerId(9), BrokerId(11)];
            let after = by_group(&group, &wider, 4);
            assert!(
                after == before || after.0 == BrokerId(11),
                "{group} moved between old brokers"
            );
        }
        assert_eq!(load.len(), 12);
        assert!(load.values().all(|n| (150..350).contains(n)), "{load:?}");
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(
            by_group("order-1", &THREE, 8),
            by_group("order-1", &[THREE[2], THREE[0], THREE[1]], 8)
        );
    }
}
