//! What a broker's entries add up to for the bill (RULES 26). Counted in the state, so
//! it is exactly what the log says; cut into events that stay until the meter has them.
//!
//! An event is named by its first entry. When the broker goes on elsewhere from less
//! than it had, the event that was open is closed there, under the name that it would
//! have had: whichever of the two goes further counts, and what comes after begins an
//! event of the new generation.

use std::collections::BTreeMap;

use firn_protocol::api::usage::{Counts, UsageKey};
use firn_protocol::ids::{Generation, GroupId, TopicKey};
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What an entry says of usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UsageHead {
    /// What was counted up to here is an event.
    Cut,
    /// The meter has an event.
    Taken { generation: Generation, from: u64 },
}

/// What one entry counts, in the entry itself: nothing of it has to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered {
    pub at: Timestamp,
    pub topic: TopicKey,
    /// `None` for what was sent.
    pub group: Option<GroupId>,
    pub counts: Counts,
}

/// An event that nobody has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedEvent {
    pub generation: Generation,
    pub from: u64,
    pub to: u64,
    pub rows: Vec<(UsageKey, Counts)>,
}

/// The broker's part of the meter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageState {
    /// Of the entries that are counted now.
    generation: Option<Generation>,
    /// The first of them.
    from: u64,
    open: BTreeMap<UsageKey, Counts>,
    closed: Vec<ClosedEvent>,
}

impl UsageState {
    /// Whether something was counted since the last cut.
    #[must_use]
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Events that nobody has taken.
    #[must_use]
    pub fn closed(&self) -> &[ClosedEvent] {
        &self.closed
    }

    /// Takes note of an entry. Each entry comes here, whether it counts or not.
    pub(super) fn note(&mut self, seq: u64, generation: Generation, metered: Option<&Metered>) {
        if self.generation != Some(generation) {
            self.close(seq - 1);
            self.generation = Some(generation);
            self.from = seq;
        }
        let Some(metered) = metered else { return };
        let key = UsageKey::at(metered.at, metered.topic, metered.group);
        let counts = self.open.entry(key).or_default();
        *counts = counts.plus(metered.counts);
    }

    pub(super) fn change(&mut self, seq: u64, head: &UsageHead) {
        match head {
            UsageHead::Cut => {
                self.close(seq);
                self.from = seq + 1;
            }
            UsageHead::Taken { generation, from } => self
                .closed
                .retain(|event| (event.generation, event.from) != (*generation, *from)),
        }
    }

    /// What was counted up to this entry is an event, if it is anything.
    fn close(&mut self, to: u64) {
        let rows = std::mem::take(&mut self.open);
        if let Some(generation) = self.generation
            && !rows.is_empty()
        {
            self.closed.push(ClosedEvent {
                generation,
                from: self.from,
                to,
                rows: rows.into_iter().collect(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use firn_protocol::ids::TopicId;

    use super::*;

    const OLD: Generation = Generation(1);
    const NEW: Generation = Generation(2);

    fn sent(at: u64, bytes: u64) -> Metered {
        Metered {
            at: Timestamp(at),
            topic: TopicKey::User(TopicId(5)),
            group: None,
            counts: Counts::message(bytes),
        }
    }

    fn messages(event: &ClosedEvent) -> i64 {
        event.rows.iter().map(|(_, counts)| counts.messages).sum()
    }

    #[test]
    fn events_are_ranges_of_entries() {
        let mut usage = UsageState::default();
        usage.note(1, OLD, Some(&sent(0, 1)));
        usage.note(2, OLD, None);
        usage.note(3, OLD, Some(&sent(119_999, 5000)));
        usage.note(4, OLD, Some(&sent(120_000, 1)));
        usage.note(5, OLD, None);
        usage.change(5, &UsageHead::Cut);
        assert!(!usage.has_open());
        usage.note(6, OLD, Some(&sent(120_001, 1)));
        usage.note(7, OLD, None);
        usage.change(7, &UsageHead::Cut);
        let [first, second] = usage.closed() else {
            panic!("{:?}", usage.closed());
        };
        assert_eq!((first.from, first.to, messages(first)), (1, 5, 3));
        assert_eq!(first.rows.len(), 2, "one for each slot");
        assert_eq!(first.rows[0].1.units, 3);
        assert_eq!((second.from, second.to, messages(second)), (6, 7, 1));
        let taken = UsageHead::Taken {
            generation: OLD,
            from: 1,
        };
        usage.change(8, &taken);
        usage.change(9, &taken);
        assert_eq!(usage.closed().len(), 1);
    }

    #[test]
    fn nothing_counted_is_no_event() {
        let mut usage = UsageState::default();
        usage.note(1, OLD, None);
        usage.change(1, &UsageHead::Cut);
        usage.note(2, NEW, None);
        assert_eq!(usage.closed(), []);
    }

    /// What another life counted further is under the same name.
    #[test]
    fn a_new_generation_closes_what_was_open() {
        let mut usage = UsageState::default();
        usage.note(1, OLD, Some(&sent(0, 1)));
        let mut elsewhere = usage.clone();
        usage.note(2, OLD, Some(&sent(0, 1)));
        usage.note(3, OLD, None);
        usage.change(3, &UsageHead::Cut);
        elsewhere.note(2, NEW, Some(&sent(0, 1)));
        elsewhere.note(3, NEW, None);
        elsewhere.change(3, &UsageHead::Cut);
        let name = |event: &ClosedEvent| (event.generation, event.from, event.to, messages(event));
        assert_eq!(name(&usage.closed()[0]), (OLD, 1, 3, 2));
        let others: Vec<_> = elsewhere.closed().iter().map(name).collect();
        assert_eq!(others, [(OLD, 1, 1, 1), (NEW, 2, 3, 1)]);
    }
}
