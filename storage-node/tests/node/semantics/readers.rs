//! What each reader was given, and may be given: leases, failures, order.
//!
//! A lease that passes changes nothing on the node before somebody looks, so what
//! follows from it is open here until an answer shows it.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::storage::{AckStatus, Delivery};
use firn_protocol::catalogue::OnPoison;
use firn_protocol::receipt::Receipt;

use super::model::{BrokerModel, Checked, Key, Lease, Place, ensure, is_older, lease_of};
use super::ops::{READERS, ReaderKind};

/// After a failure that was told: attempt n comes after the n-th (SEED_SPEC 2.3).
const PAUSES_MS: [u64; 2] = [10_000, 30_000];
const ORDERED_PAUSE_MS: u64 = 1_000;

/// The delivery before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) lease: Lease,
    pub(crate) attempt: u32,
    /// The lease passed, and the node may not have noticed.
    pub(crate) is_unnoticed: bool,
    pub(crate) is_durable: bool,
    /// It may be gone with a crash; then an earlier one counts.
    pub(crate) is_lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// May be handed out, as one of these attempts.
    Open {
        lo: u32,
        hi: u32,
        not_before: u64,
        /// A failure was told.
        is_told: bool,
        last: Option<Last>,
    },
    Leased {
        attempt: u32,
        lease: Lease,
        deadline: u64,
        is_durable: bool,
    },
    /// The last lease passed: to be parked or a dead letter once it is noticed.
    Over(Last),
    Parked {
        attempt: u32,
        since: u64,
    },
    Acked(Option<Lease>),
    Dead {
        attempt: u32,
        is_listed: bool,
    },
    Purged,
}

pub(crate) const FRESH: State = State::Open {
    lo: 1,
    hi: 1,
    not_before: 0,
    is_told: false,
    last: None,
};

impl State {
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self, Self::Acked(_) | Self::Dead { .. } | Self::Purged)
    }

    /// Whether it may be over for the reader without a sign of it.
    fn may_be_over(&self, kind: &ReaderKind) -> bool {
        match self {
            Self::Open { lo, hi, .. } => hi > lo && kind.is_last(hi - 1),
            Self::Over(_) => true,
            Self::Leased { .. }
            | Self::Parked { .. }
            | Self::Acked(_)
            | Self::Dead { .. }
            | Self::Purged => false,
        }
    }
}

/// A reader on one broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReaderModel {
    pub(crate) topics: BTreeSet<u64>,
    pub(crate) states: BTreeMap<Key, State>,
    /// When a member last asked, in this life of the node.
    pub(crate) seen: Option<u64>,
}

impl ReaderModel {
    pub(crate) fn dues(&self) -> impl Iterator<Item = u64> + '_ {
        self.states.values().filter_map(|state| match state {
            State::Open { not_before, .. } => Some(*not_before),
            State::Leased { deadline, .. } => Some(*deadline),
            State::Over(_)
            | State::Parked { .. }
            | State::Acked(_)
            | State::Dead { .. }
            | State::Purged => None,
        })
    }

    pub(crate) fn purge(&mut self, place: Place, min: u64) {
        let range = (place.0, place.1, 0)..(place.0, place.1, min);
        for (_, state) in self.states.range_mut(range) {
            if !state.is_finished() {
                *state = State::Purged;
            }
        }
    }
}

impl BrokerModel {
    pub(crate) fn reader(&mut self, reader: usize) -> &mut ReaderModel {
        self.readers.entry(reader).or_default()
    }

    pub(crate) fn state(&self, reader: usize, key: Key) -> State {
        let known = self.readers.get(&reader);
        let known = known.and_then(|known| known.states.get(&key)).copied();
        let is_purged = key.2 < self.min((key.0, key.1));
        known.unwrap_or(if is_purged { State::Purged } else { FRESH })
    }

    pub(crate) fn set(&mut self, reader: usize, key: Key, state: State) {
        self.reader(reader).states.insert(key, state);
    }

    /// All that was answered until now outlives a crash.
    pub(crate) fn durable(&mut self) {
        let readers = self.readers.values_mut();
        for state in readers.flat_map(|reader| reader.states.values_mut()) {
            match state {
                State::Leased { is_durable, .. } => *is_durable = true,
                State::Open {
                    last: Some(last), ..
                }
                | State::Over(last) => last.is_durable = true,
                State::Open { last: None, .. }
                | State::Parked { .. }
                | State::Acked(_)
                | State::Dead { .. }
                | State::Purged => {}
            }
        }
    }

    /// Records of the same message group in the same queue, before or behind one.
    fn line(&self, key: Key, is_before: bool) -> Vec<Key> {
        let Some(line) = self.record(key).map(|record| &record.line) else {
            return Vec::new();
        };
        let keys = self.keys(key.0).into_iter();
        let keys = keys.filter(|other| {
            other.1 == key.1
                && (if is_before {
                    other < &key
                } else {
                    other > &key
                })
        });
        keys.filter(|other| self.record(*other).is_some_and(|one| one.line == *line))
            .collect()
    }

    /// What was handed out behind a record that failed goes back with it.
    fn give_back_behind(&mut self, reader: usize, key: Key, now: u64) {
        if READERS[reader].order.is_none() {
            return;
        }
        for other in self.line(key, false) {
            if let State::Leased {
                attempt,
                lease,
                deadline,
                is_durable,
            } = self.state(reader, other)
            {
                let is_unnoticed = deadline <= now;
                let state = State::Open {
                    lo: attempt,
                    hi: attempt + u32::from(is_unnoticed),
                    not_before: 0,
                    is_told: false,
                    last: Some(Last {
                        lease,
                        attempt,
                        is_unnoticed,
                        is_durable,
                        is_lost: false,
                    }),
                };
                self.set(reader, other, state);
            }
        }
    }

    /// Leases pass.
    pub(crate) fn pass(&mut self, now: u64) {
        let mut passed = BTreeSet::new();
        for (&reader, model) in &self.readers {
            for (&key, state) in &model.states {
                if let State::Leased { deadline, .. } = state
                    && *deadline <= now
                {
                    passed.insert((*deadline, reader, key));
                }
            }
        }
        for (_, reader, key) in passed {
            let State::Leased {
                attempt,
                lease,
                is_durable,
                ..
            } = self.state(reader, key)
            else {
                continue;
            };
            let last = Last {
                lease,
                attempt,
                is_unnoticed: true,
                is_durable,
                is_lost: false,
            };
            let state = if READERS[reader].is_last(attempt) {
                State::Over(last)
            } else {
                State::Open {
                    lo: attempt + 1,
                    hi: attempt + 1,
                    not_before: 0,
                    is_told: false,
                    last: Some(last),
                }
            };
            self.set(reader, key, state);
            self.give_back_behind(reader, key, now);
        }
    }

    /// A reader told that this delivery failed.
    pub(crate) fn fail(&mut self, reader: usize, key: Key, last: Last, now: u64) -> Option<u64> {
        let kind = READERS[reader];
        let attempt = last.attempt;
        let pause = match kind.order {
            Some(_) => ORDERED_PAUSE_MS,
            None => PAUSES_MS[(attempt as usize - 1).min(1)],
        };
        let (state, next) = if !kind.is_last(attempt) {
            let not_before = now + pause;
            let open = State::Open {
                lo: attempt + 1,
                hi: attempt + 1,
                not_before,
                is_told: true,
                last: Some(Last {
                    is_unnoticed: false,
                    ..last
                }),
            };
            (open, Some(not_before))
        } else if kind.order == Some(OnPoison::Park) {
            let since = now;
            (State::Parked { attempt, since }, None)
        } else {
            let is_listed = false;
            (State::Dead { attempt, is_listed }, None)
        };
        self.set(reader, key, state);
        self.give_back_behind(reader, key, now);
        next
    }

    /// Whether the reader may be given this, and what it holds then.
    pub(crate) fn deliver(
        &mut self,
        reader: usize,
        key: Key,
        delivery: &Delivery,
        with: &BTreeSet<Key>,
        now: u64,
    ) -> Checked {
        let kind = READERS[reader];
        let (attempt, deadline) = (delivery.message.attempt, delivery.invisible_until.0);
        let state = self.state(reader, key);
        let what = format!("reader {reader} got {key:?}, attempt {attempt}, while {state:?}");
        match state {
            State::Open {
                lo, hi, not_before, ..
            } => {
                ensure!(not_before <= now, "R15: before its pause is over: {what}");
                ensure!((lo..=hi).contains(&attempt), "R15: {what}");
                let is_past = attempt > 1 && kind.is_last(attempt - 1);
                ensure!(!is_past, "R15: after the last one: {what}");
            }
            State::Leased { .. } => return Err(format!("R6: {what}")),
            State::Over(_) | State::Dead { .. } => return Err(format!("R15: {what}")),
            State::Parked { .. } => return Err(format!("R5: {what}")),
            State::Acked(_) | State::Purged => return Err(format!("R7: {what}")),
        }
        if kind.order.is_some() {
            self.is_next(reader, key, with)
                .map_err(|breach| format!("{breach}: {what}"))?;
        }
        let lease = lease_of(&delivery.receipt);
        let state = State::Leased {
            attempt,
            lease,
            deadline,
            is_durable: false,
        };
        self.set(reader, key, state);
        Ok(())
    }

    /// Everything before it in its message group is finished or in the same answer (R5).
    fn is_next(&mut self, reader: usize, key: Key, with: &BTreeSet<Key>) -> Checked {
        let kind = READERS[reader];
        for before in self.line(key, true) {
            let state = self.state(reader, before);
            if state.is_finished() || with.contains(&before) {
                continue;
            }
            let buries = kind.order == Some(OnPoison::DeadLetter);
            ensure!(
                buries && state.may_be_over(&kind),
                "R5: {before:?} is {state:?}"
            );
            let (attempt, is_listed) = (kind.max_retries + 1, false);
            self.set(reader, before, State::Dead { attempt, is_listed });
        }
        Ok(())
    }

    /// Whether a receive must bring something.
    pub(crate) fn must_find(&self, reader: usize, topic: u64, now: u64) -> bool {
        let kind = READERS[reader];
        let is_ready = |key: &Key| {
            let state = self.state(reader, *key);
            matches!(state, State::Open { not_before, .. } if not_before <= now)
                && !state.may_be_over(&kind)
        };
        let keys = self.keys(topic);
        if kind.order.is_none() {
            return keys.iter().any(is_ready);
        }
        let mut heads: BTreeMap<(u16, &Option<String>), Key> = BTreeMap::new();
        for key in keys {
            if let Some(record) = self.record(key)
                && !self.state(reader, key).is_finished()
            {
                heads.entry((key.1, &record.line)).or_insert(key);
            }
        }
        heads.values().any(is_ready)
    }

    /// What an ack may be answered (DESIGN 5, RULES 2).
    pub(crate) fn judge(&self, reader: usize, key: Key, by: &Receipt, now: u64) -> Vec<AckStatus> {
        use AckStatus::{AlreadyAcked, Invalid, LeaseExpired, Ok};
        let (state, lease) = (self.state(reader, key), lease_of(by));
        match state {
            State::Leased { lease: holder, .. } if holder == lease => vec![Ok],
            State::Leased { .. } | State::Parked { .. } => vec![LeaseExpired],
            State::Open {
                last: Some(last),
                is_told,
                not_before,
                ..
            } if last.lease == lease => {
                if is_told && now < not_before {
                    vec![LeaseExpired]
                } else if is_told {
                    vec![Ok, LeaseExpired]
                } else if state.may_be_over(&READERS[reader]) {
                    vec![Ok, LeaseExpired, AlreadyAcked]
                } else {
                    vec![Ok]
                }
            }
            State::Open {
                last: Some(last), ..
            } if !last.is_lost && is_older(lease, last.lease) => vec![LeaseExpired],
            State::Open { .. } => vec![Ok, LeaseExpired],
            State::Over(last) if last.lease == lease => vec![Ok, LeaseExpired, AlreadyAcked],
            State::Over(_) | State::Dead { .. } => vec![LeaseExpired, AlreadyAcked],
            State::Acked(by) if by == Some(lease) => vec![AlreadyAcked],
            State::Acked(_) => vec![AlreadyAcked, LeaseExpired],
            State::Purged => vec![AlreadyAcked, LeaseExpired, Invalid],
        }
    }

    /// One of the group's readers has it as a dead letter.
    pub(crate) fn bury(&mut self, group: u64, key: Key, attempt: u32) -> Checked {
        let mine = (0..READERS.len()).filter(|reader| READERS[*reader].group == group);
        let states: Vec<(usize, State)> = mine.map(|it| (it, self.state(it, key))).collect();
        let is_told = |state: &State| {
            matches!(
                state,
                State::Dead {
                    is_listed: false,
                    ..
                }
            )
        };
        let told = states.iter().find(|(_, state)| is_told(state));
        let found = told.or_else(|| {
            let mut over = states.iter();
            over.find(|(reader, state)| state.may_be_over(&READERS[*reader]))
        });
        let Some(&(reader, state)) = found else {
            return Err(format!("R15: {key:?} is a dead letter while {states:?}"));
        };
        let last = READERS[reader].max_retries + 1;
        ensure!(
            attempt == last,
            "R15: {key:?} is a dead letter after {attempt} attempts, {state:?}"
        );
        let is_listed = true;
        self.set(reader, key, State::Dead { attempt, is_listed });
        Ok(())
    }
}
