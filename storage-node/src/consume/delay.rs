//! Delayed messages of a broker: pure, without clock or I/O.
//!
//! A delayed message is a record of a *slot*: the queue of all that becomes due
//! within the same ten minutes, whatever topic it goes to. So what is due late
//! lies together, goes to object storage like any other record, and costs no
//! memory; only of slots whose time comes near is each record's due time known
//! (see [`crate::broker::near`]). Which records of a slot are finished, fired or
//! recalled, is all that the state keeps.

use std::collections::BTreeMap;

use firn_protocol::ids::{QueueId, QueueKey, TopicKey};
use firn_protocol::limits::DELAY_MS_MAX;
use firn_protocol::time::Timestamp;
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::progress::{QueueProgress, Standing};

/// What becomes due within this time lies in one slot.
pub const SLOT_MS: u64 = 600_000;
/// Queues of the waiting topic below this number are other things.
const SLOTS_FROM: u64 = 16;
/// How long a slot that holds nothing is remembered after its time: two days.
const SLOT_KEPT_MS: u64 = 2 * 24 * 3600 * 1000;
/// Slots come round again after so many: 455 days.
const SLOTS: u64 = (1 << 16) - SLOTS_FROM;

const _: () = assert!(
    SLOTS * SLOT_MS > 10 * DELAY_MS_MAX,
    "a slot is empty long before its number comes again"
);

/// The queue of what is due at a time.
#[must_use]
pub fn slot_of(due: Timestamp) -> QueueId {
    QueueId((SLOTS_FROM + due.0 / SLOT_MS % SLOTS) as u16)
}

/// When the slot of a time begins.
#[must_use]
pub fn slot_start(due: Timestamp) -> Timestamp {
    Timestamp(due.0 - due.0 % SLOT_MS)
}

/// Whether a queue is a slot.
#[must_use]
pub fn is_slot(queue: QueueKey) -> bool {
    queue.topic == TopicKey::Waiting && u64::from(queue.queue.0) >= SLOTS_FROM
}

/// The key of a slot's queue.
#[must_use]
pub fn slot_queue(slot: QueueId) -> QueueKey {
    QueueKey {
        topic: TopicKey::Waiting,
        queue: slot,
    }
}

/// All delayed messages of a broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delayed {
    pub slots: BTreeMap<QueueId, Slot>,
    /// Topics that were dropped, and when: nothing is delivered to them any more.
    /// Forgotten once nothing can wait for them.
    gone: BTreeMap<TopicKey, Timestamp>,
}

/// What becomes due within ten minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// No record is due before.
    pub start: Timestamp,
    /// Records fired or recalled; never leased.
    progress: QueueProgress,
    /// Those that were recalled.
    recalled: RoaringTreemap,
}

impl Slot {
    /// First record that is not finished, or the end if all are.
    #[must_use]
    pub fn low(&self) -> u64 {
        self.progress.low()
    }

    /// Whether a record waits for its time.
    #[must_use]
    pub fn is_waiting(&self, offset: u64) -> bool {
        self.progress.standing(offset) == Standing::Open
    }

    /// Whether a record was called back before its time.
    #[must_use]
    pub fn is_recalled(&self, offset: u64) -> bool {
        self.recalled.contains(offset)
    }

    /// How many of the records below `end` wait.
    #[must_use]
    pub fn waiting(&self, end: u64) -> u64 {
        self.progress.lag(end)
    }

    /// Whether nothing waits and nothing will: nobody sends to a slot whose time is
    /// long over until its number comes round again.
    #[must_use]
    pub fn is_over(&self, end: u64, now: Timestamp) -> bool {
        self.low() == end && self.start.plus_ms(SLOT_KEPT_MS) < now
    }

    /// Records below `min` are not stored any more.
    pub fn trim(&mut self, min: u64) {
        self.progress.trim(min);
        self.recalled.remove_range(..min);
    }
}

impl Delayed {
    /// Takes note that records were stored in a slot.
    pub fn hold(&mut self, slot: QueueId, start: Timestamp) {
        let slot = self.slots.entry(slot).or_insert_with(|| Slot {
            start,
            ..Slot::default()
        });
        // A slot that comes round again with leftovers is looked at at once.
        slot.start = slot.start.min(start);
    }

    /// A record has gone to its topic.
    pub fn fire(&mut self, slot: QueueId, offset: u64) {
        if let Some(slot) = self.slots.get_mut(&slot) {
            slot.progress.finish(offset);
        }
    }

    /// A record will never go to its topic.
    pub fn forget(&mut self, slot: QueueId, offset: u64) {
        if let Some(slot) = self.slots.get_mut(&slot)
            && slot.is_waiting(offset)
        {
            slot.progress.finish(offset);
            slot.recalled.insert(offset);
        }
    }

    /// Whether a record waits for its time.
    #[must_use]
    pub fn is_waiting(&self, slot: QueueId, offset: u64) -> bool {
        self.slots
            .get(&slot)
            .is_some_and(|slot| slot.is_waiting(offset))
    }

    /// First record of a slot that is not finished.
    #[must_use]
    pub fn low(&self, slot: QueueId) -> u64 {
        self.slots.get(&slot).map_or(0, Slot::low)
    }

    /// A topic is dropped at a time.
    pub fn drop_topic(&mut self, topic: TopicKey, at: Timestamp) {
        self.gone
            .retain(|_, since| since.plus_ms(2 * DELAY_MS_MAX) > at);
        if !self.slots.is_empty() {
            self.gone.insert(topic, at);
        }
    }

    /// Whether a topic was dropped while messages may have waited for it.
    #[must_use]
    pub fn is_gone(&self, topic: TopicKey) -> bool {
        self.gone.contains_key(&topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_hold_ten_minutes_and_come_round() {
        let at = Timestamp(1_700_000_000_000);
        let start = slot_start(at);
        assert!(start <= at && at.since_ms(start) < SLOT_MS);
        assert_eq!(slot_of(start), slot_of(start.plus_ms(SLOT_MS - 1)));
        assert_ne!(slot_of(start), slot_of(start.plus_ms(SLOT_MS)));
        assert_eq!(slot_of(start), slot_of(start.plus_ms(SLOTS * SLOT_MS)));
        for due in (0..3 * SLOTS).map(|n| Timestamp(n * SLOT_MS)) {
            assert!(is_slot(slot_queue(slot_of(due))));
        }
    }

    #[test]
    fn a_recalled_record_is_told_from_a_fired_one() {
        let (mut delayed, slot) = (Delayed::default(), QueueId(20));
        delayed.hold(slot, Timestamp(5));
        delayed.fire(slot, 1);
        delayed.forget(slot, 1);
        delayed.forget(slot, 0);
        let found = &delayed.slots[&slot];
        assert!(found.is_recalled(0) && !found.is_recalled(1) && !found.is_recalled(2));
        assert_eq!((found.low(), found.waiting(5)), (2, 3));
    }

    #[test]
    fn a_dropped_topic_is_remembered_as_long_as_anything_can_wait_for_it() {
        let (mut delayed, one, other) = (
            Delayed::default(),
            TopicKey::User(firn_protocol::ids::TopicId(1)),
            TopicKey::User(firn_protocol::ids::TopicId(2)),
        );
        delayed.drop_topic(one, Timestamp(0));
        assert!(!delayed.is_gone(one), "nothing is delayed");
        delayed.hold(QueueId(20), Timestamp(0));
        delayed.drop_topic(one, Timestamp(0));
        delayed.drop_topic(other, Timestamp(DELAY_MS_MAX + 1));
        assert!(delayed.is_gone(one) && delayed.is_gone(other));
        delayed.drop_topic(other, Timestamp(2 * DELAY_MS_MAX));
        assert!(!delayed.is_gone(one));
    }
}
