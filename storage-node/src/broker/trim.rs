//! What a trim does to a broker: low marks rise, and no group waits for, counts
//! or holds what is gone. Copies of it in `%RETRY%` have an age of their own; only
//! a purge takes them along.

use std::cmp::Reverse;

use firn_protocol::ids::{GroupId, QueueId, QueueKey, TopicKey};

use super::entry::{Trim, TrimReason};
use super::state::BrokerState;
use crate::consume::group::{GroupState, WAITING_QUEUE};
use crate::consume::transaction::HALVES_QUEUE;

/// Records that a group had not finished when they went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    pub group: GroupId,
    pub queue: QueueKey,
    /// Offset of the first and of the last of them.
    pub first: u64,
    pub last: u64,
    pub records: u64,
}

impl BrokerState {
    /// The lowest offset of a queue of the waiting topic that somebody still waits
    /// for; its end if nobody does. Nothing from here on is ever trimmed (RULES 17).
    #[must_use]
    pub fn waiting_floor(&self, queue: QueueId) -> u64 {
        let key = QueueKey {
            topic: TopicKey::Waiting,
            queue,
        };
        let end = self.queue(key).end;
        if key == WAITING_QUEUE {
            let waits = self.groups.values();
            let lowest = waits.filter_map(|group| group.retry.waiting.keys().next().copied());
            lowest.min().unwrap_or(end)
        } else if key == HALVES_QUEUE {
            self.halves.low(end)
        } else {
            self.delayed.low(queue)
        }
    }

    /// What groups have not finished of the records that a trim takes, the most
    /// first.
    #[must_use]
    pub fn missed_by(&self, marks: &[(QueueKey, u64)]) -> Vec<Missed> {
        let mut missed: Vec<Missed> = Vec::new();
        for &(queue, upto) in marks {
            let upto = upto.min(self.queue(queue).end);
            for (&group, state) in &self.groups {
                if has_progress(group, queue) {
                    missed.extend(missed_of(group, state, queue, upto));
                }
            }
        }
        missed.sort_by_key(|missed| Reverse(missed.records));
        missed
    }

    /// Raises low marks. What a group had in flight or open below them is
    /// finished for it.
    pub(super) fn trim(&mut self, trim: &Trim) {
        self.last_time = self.last_time.max(trim.time);
        for &(queue, upto) in &trim.marks {
            if trim.reason == TrimReason::Purge {
                self.drop_copies(queue, upto);
            }
            let floor = match queue.topic {
                TopicKey::Waiting => self.waiting_floor(queue.queue),
                TopicKey::User(_) | TopicKey::Retry(_) | TopicKey::DeadLetter(_) => u64::MAX,
            };
            let Some(state) = self.queues.get_mut(&queue) else {
                continue;
            };
            let min = upto.min(state.end).min(floor);
            if min <= state.min {
                continue;
            }
            state.min = min;
            match queue.topic {
                TopicKey::Waiting => self.trim_held(queue, min),
                TopicKey::User(_) | TopicKey::Retry(_) | TopicKey::DeadLetter(_) => {
                    self.trim_groups(queue, min);
                }
            }
        }
    }

    /// No group gets copies again of records of a queue below `upto`.
    fn drop_copies(&mut self, queue: QueueKey, upto: u64) {
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in groups {
            let state = self.groups.get_mut(&id);
            let ended = state.map_or_else(Vec::new, |state| {
                state.drop_copies(id, |copy| {
                    (copy.topic, copy.queue) == (queue.topic, queue.queue) && copy.offset < upto
                })
            });
            self.forget_due(id, &ended);
        }
    }

    fn trim_held(&mut self, queue: QueueKey, min: u64) {
        if queue == HALVES_QUEUE {
            self.halves.trim(min);
        } else if let Some(slot) = self.delayed.slots.get_mut(&queue.queue) {
            slot.trim(min);
        }
    }

    fn trim_groups(&mut self, queue: QueueKey, min: u64) {
        let groups = self.groups.keys().copied();
        let groups: Vec<GroupId> = groups.filter(|id| has_progress(*id, queue)).collect();
        for id in groups {
            let state = self.groups.get_mut(&id);
            let ended = state.map_or_else(Vec::new, |state| state.trim(queue, min));
            self.forget_due(id, &ended);
            self.trim_in_place(id, queue, min);
        }
        if let TopicKey::DeadLetter(id) = queue.topic
            && let Some(state) = self.groups.get_mut(&id)
        {
            state.redriven.remove_range(..min);
        }
    }
}

/// Whether a group may have progress of its own on a queue: a retry queue is one
/// group's, and bodies that wait are nobody's yet.
fn has_progress(group: GroupId, queue: QueueKey) -> bool {
    match queue.topic {
        TopicKey::User(_) | TopicKey::DeadLetter(_) => true,
        TopicKey::Retry(owner) => owner == group,
        TopicKey::Waiting => false,
    }
}

fn missed_of(group: GroupId, state: &GroupState, queue: QueueKey, upto: u64) -> Option<Missed> {
    let (first, last, records) = match queue.topic {
        TopicKey::Retry(_) => {
            let mut gone = state.retry.copies.range(..upto).map(|(&offset, _)| offset);
            let first = gone.next()?;
            let (last, more) = gone.fold((first, 0), |(_, count), offset| (offset, count + 1));
            (first, last, more + 1)
        }
        TopicKey::User(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => {
            state.progress(queue)?.unfinished_below(upto)?
        }
    };
    Some(Missed {
        group,
        queue,
        first,
        last,
        records,
    })
}

#[cfg(test)]
mod tests;
