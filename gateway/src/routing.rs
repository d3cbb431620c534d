//! Which broker and queue a message without a message group goes to; those with one
//! go as [`firn_protocol::routing`] says.

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
}
