//! Which broker and queue the messages of a message group go to. Pure; they always
//! meet the same queue while the topic's brokers and queues stay the same, and keep
//! their broker when others come (rendezvous, RULES 23). The gateway sends by it, and
//! the storage node checks it (RULES 19).

use crate::ids::{BrokerId, QueueId};

/// The queue of a message group. The hash is part of the contract: changing it
/// would break the order of messages in flight during an upgrade.
///
/// # Panics
/// When there is no broker or no queue, which the catalogue never allows.
#[must_use]
pub fn by_group(group: &str, brokers: &[BrokerId], queues: u16) -> (BrokerId, QueueId) {
    let seed = word(&hash(group), 0);
    let broker = brokers
        .iter()
        .copied()
        .max_by_key(|broker| (mix(seed ^ u64::from(broker.0)), broker.0))
        .expect("a topic has brokers");
    (broker, queue_of(group, queues))
}

/// Finaliser of SplitMix64: every input bit reaches every output bit.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The queue of a message group on the broker that it goes to.
///
/// # Panics
/// When there is no queue.
#[must_use]
pub fn queue_of(group: &str, queues: u16) -> QueueId {
    assert!(queues > 0, "a topic has queues");
    QueueId((word(&hash(group), 8) % u64::from(queues)) as u16)
}

fn hash(group: &str) -> [u8; 32] {
    *blake3::hash(group.as_bytes()).as_bytes()
}

fn word(hash: &[u8; 32], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| hash[at + i]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const THREE: [BrokerId; 3] = [BrokerId(4), BrokerId(7), BrokerId(9)];

    #[test]
    fn groups_keep_their_place_and_spread() {
        let mut load = BTreeMap::new();
        for i in 0..3000 {
            let group = format!("g{i}");
            let before = by_group(&group, &THREE, 4);
            assert_eq!(before.1, queue_of(&group, 4));
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

    /// Written down once: a build that sorts otherwise breaks the order of what is in flight.
    #[test]
    fn the_hash_never_changes() {
        let places = ["order-1", "order-2", ""].map(|group| by_group(group, &THREE, 8));
        let written = [(9, 7), (7, 7), (7, 0)];
        let written = written.map(|(broker, queue)| (BrokerId(broker), QueueId(queue)));
        assert_eq!(places, written);
        let turned = [THREE[2], THREE[0], THREE[1]];
        assert_eq!(by_group("order-1", &turned, 8), places[0]);
    }
}
