//! When delayed messages of a broker are due, as far as their time is near. Only
//! in memory: the records themselves say when, and are read again after a start.
//!
//! A slot is *loaded* a minute before it begins: its records are read, and the
//! due times of those that wait are kept. Of a slot with more records than may be
//! kept only the earliest are, and it is loaded again when they are done. So
//! memory is bounded whatever waits.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::ids::QueueId;
use firn_protocol::time::Timestamp;

use crate::consume::delay::Delayed;

/// How long before its time a slot is loaded.
const LEAD_MS: u64 = 60_000;
/// Due times kept of one broker: some 16 MiB.
pub const NEAR_MAX: usize = 1 << 18;

/// A record of a slot and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NearDue {
    pub due: Timestamp,
    pub slot: QueueId,
    pub offset: u64,
}

/// The order within a slot.
type Place = (Timestamp, u64);
const EVERYTHING: Place = (Timestamp(u64::MAX), u64::MAX);

/// Due times that are known, and when to do something about the rest.
#[derive(Debug, Default)]
pub struct Near {
    due: BTreeSet<NearDue>,
    /// Loaded slots: all of them that is before this place is in `due`.
    loaded: BTreeMap<QueueId, Place>,
    wake: Option<Timestamp>,
}

impl Near {
    /// Nothing is loaded yet.
    #[must_use]
    pub fn new(delayed: &Delayed) -> Self {
        let mut near = Self::default();
        let waiting = delayed.slots.values();
        near.wake = waiting.map(|slot| lead(slot.start)).min();
        near
    }

    /// When to look at delayed messages next.
    #[must_use]
    pub fn wake(&self) -> Option<Timestamp> {
        self.wake
    }

    /// A record was stored in a slot that begins at `start`.
    pub fn note(&mut self, start: Timestamp, record: NearDue) {
        let at = match self.loaded.get(&record.slot) {
            Some(&upto) if (record.due, record.offset) < upto => {
                self.due.insert(record);
                record.due
            }
            // It is found when the slot is loaded again.
            Some(_) => return,
            None => lead(start),
        };
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// The slot to load first, if the time of any has come; `ends` gives the end of
    /// a slot's queue.
    #[must_use]
    pub fn to_load(
        &self,
        delayed: &Delayed,
        now: Timestamp,
        ends: impl Fn(QueueId) -> u64,
    ) -> Option<QueueId> {
        let wanted = delayed.slots.iter().filter(|(slot, state)| {
            self.wants_load(**slot) && state.low() < ends(**slot) && lead(state.start) <= now
        });
        let first = wanted.min_by_key(|(_, state)| state.start);
        first.map(|(slot, _)| *slot)
    }

    /// Never loaded, or only in part and that part is done.
    fn wants_load(&self, slot: QueueId) -> bool {
        let upto = self.loaded.get(&slot);
        upto.is_none_or(|&upto| {
            upto != EVERYTHING
                && !self
                    .due
                    .iter()
                    .take_while(|one| one.due <= upto.0)
                    .any(|one| one.slot == slot)
        })
    }

    /// From now on what is stored in the slot is noted; the caller reads the rest.
    pub fn begin_load(&mut self, slot: QueueId) {
        self.loaded.insert(slot, EVERYTHING);
    }

    /// The slot could not be read: it is loaded another time.
    pub fn give_up_load(&mut self, slot: QueueId) {
        self.loaded.remove(&slot);
        self.due.retain(|one| one.slot != slot);
    }

    /// What was read of a slot: all that waits before `upto`.
    pub fn end_load(&mut self, slot: QueueId, found: Vec<Place>, upto: Option<Place>) {
        let upto = upto.unwrap_or(EVERYTHING);
        self.loaded.insert(slot, upto);
        self.due
            .retain(|one| one.slot != slot || (one.due, one.offset) < upto);
        let found = found.into_iter();
        self.due
            .extend(found.map(|(due, offset)| NearDue { due, slot, offset }));
    }

    /// The first of what is due.
    #[must_use]
    pub fn ripe(&self, now: Timestamp, max: usize) -> Vec<NearDue> {
        let ripe = self.due.iter().take_while(|one| one.due <= now);
        ripe.take(max).copied().collect()
    }

    /// Records that are finished.
    pub fn remove(&mut self, done: &[NearDue]) {
        for one in done {
            self.due.remove(one);
        }
    }

    /// Finds out anew when to look next, after something was fired or loaded.
    pub fn rearm(&mut self, delayed: &Delayed, ends: impl Fn(QueueId) -> u64) {
        self.loaded
            .retain(|slot, _| delayed.slots.contains_key(slot));
        let waiting = delayed.slots.iter();
        let loads =
            waiting.filter(|(slot, state)| self.wants_load(**slot) && state.low() < ends(**slot));
        let load = loads.map(|(_, state)| lead(state.start)).min();
        let due = self.due.first().map(|one| one.due);
        self.wake = [load, due].into_iter().flatten().min();
    }
}

fn lead(start: Timestamp) -> Timestamp {
    Timestamp(start.0.saturating_sub(LEAD_MS))
}

/// The earliest places of a slot, as many as may be kept.
#[derive(Debug, Default)]
pub struct Earliest {
    kept: std::collections::BinaryHeap<Place>,
    /// The first that was let go.
    upto: Option<Place>,
}

impl Earliest {
    /// Takes a place, and lets the latest go if there are more than `max`.
    pub fn push(&mut self, place: Place, max: usize) {
        if self.upto.is_some_and(|upto| place >= upto) {
            return;
        }
        self.kept.push(place);
        if self.kept.len() > max {
            self.upto = self.kept.pop();
        }
    }

    /// The places kept, and up to where they are all.
    #[must_use]
    pub fn finish(self) -> (Vec<Place>, Option<Place>) {
        (self.kept.into_vec(), self.upto)
    }
}

#[cfg(test)]
mod tests;
