//! What can be seen once the node has done all that was due: exact counts.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::admin::Parked;
use firn_protocol::api::storage::QueueLag;
use firn_protocol::catalogue::OnPoison;
use firn_protocol::ids::TopicKey;

use super::model::{BrokerModel, Checked, Fate, Key, ensure};
use super::ops::{QUEUES, READERS};
use super::readers::State;
use crate::harness::queue_key;

impl BrokerModel {
    /// Nothing is late although the timers ran (R8).
    pub(crate) fn all_fired(&self, now: u64) -> Checked {
        let delayed = self.delayed.iter();
        let mut late = delayed.filter(|one| one.fate == Fate::Waits && one.due <= now);
        match late.next() {
            Some(late) => Err(format!("R8: not delivered although it is due: {late:?}")),
            None => Ok(()),
        }
    }

    /// Passed leases were noticed: what is a dead letter is listed.
    pub(crate) fn all_noticed(&mut self, reader: usize) -> Checked {
        let kind = READERS[reader];
        for (key, state) in &mut self.reader(reader).states {
            match state {
                State::Over(_)
                | State::Dead {
                    is_listed: false, ..
                } => {
                    return Err(format!(
                        "R15: {key:?} of reader {reader} is no dead letter: {state:?}"
                    ));
                }
                State::Open { lo, hi, last, .. } => {
                    if hi > lo && kind.is_last(*hi - 1) {
                        *hi -= 1;
                    }
                    if let Some(last) = last {
                        last.is_unnoticed = false;
                    }
                }
                State::Dead { .. }
                | State::Leased { .. }
                | State::Parked { .. }
                | State::Acked(_)
                | State::Purged => {}
            }
        }
        Ok(())
    }

    pub(crate) fn parked_fit(&mut self, reader: usize, told: &[Parked], now: u64) -> Checked {
        let kind = READERS[reader];
        let mut places = BTreeMap::new();
        for one in told {
            let number = self.compare(&one.message)?;
            let place = one.message.queue;
            let key: Key = (place.topic.number(), place.queue.0, one.message.offset.0);
            let record = self.record(key).map(|record| record.number);
            ensure!(record == Some(number), "R5: {key:?} is parked as {one:?}");
            ensure!(one.since.0 <= now, "R5: parked in the future: {one:?}");
            places.insert(key, (one.message.attempt, one.since.0));
        }
        let parks = kind.order == Some(OnPoison::Park);
        let mut expected = BTreeSet::new();
        for (key, state) in &mut self.reader(reader).states {
            let told = places.get(key);
            if let State::Over(last) = state
                && parks
            {
                let since = told.map_or(0, |told| told.1);
                let attempt = last.attempt;
                *state = State::Parked { attempt, since };
            } else if let State::Open { lo, hi, .. } = state
                && let Some(&(attempt, since)) = told
                && hi > lo
                && kind.is_last(*hi - 1)
            {
                *state = State::Parked { attempt, since };
            }
            if let State::Parked { attempt, since } = state {
                expected.insert(*key);
                ensure!(
                    told == Some(&(*attempt, *since)),
                    "R5: {key:?} is parked as {told:?}: {state:?}"
                );
            }
        }
        let told: BTreeSet<Key> = places.into_keys().collect();
        ensure!(
            told == expected,
            "R5: parked are {told:?}, not {expected:?}"
        );
        Ok(())
    }

    /// Lag is a count of what is not finished (R11).
    pub(crate) fn rows_fit(&mut self, reader: usize, rows: &[QueueLag], now: u64) -> Checked {
        let kind = READERS[reader];
        let copies = kind.order.is_none() && kind.member.is_none();
        let topics = self.reader(reader).topics.clone();
        let mut expected = Vec::new();
        let (mut moved, mut scheduled, mut moved_in_flight, mut open) = (0, 0, 0, 0);
        let mut is_sure = true;
        for &topic in &topics {
            for queue in 0..QUEUES {
                let (min, end) = (self.min((topic, queue)), self.end((topic, queue)));
                let (mut lag, mut in_flight, mut low) = (0, 0, end);
                for offset in min..end {
                    let state = self.state(reader, (topic, queue, offset));
                    let (attempt, is_leased) = match state {
                        State::Open { lo, hi, .. } => {
                            is_sure &= lo == hi || !copies;
                            (hi, false)
                        }
                        State::Leased { attempt, .. } => (attempt, true),
                        State::Parked { .. } => (1, false),
                        State::Over(_) | State::Acked(_) | State::Dead { .. } | State::Purged => {
                            continue;
                        }
                    };
                    open += 1;
                    if copies && attempt > 1 {
                        moved += 1;
                        moved_in_flight += u64::from(is_leased);
                        let waits = |at: u64, told| told && at > now;
                        scheduled += u64::from(matches!(
                            state,
                            State::Open { not_before, is_told, .. } if waits(not_before, is_told)
                        ));
                    } else {
                        lag += 1;
                        in_flight += u64::from(is_leased);
                        low = low.min(offset);
                    }
                }
                let place = queue_key(topic, queue);
                expected.push((place, [min, end, low, lag, in_flight]));
            }
        }
        let sum: u64 = rows.iter().map(|row| row.lag).sum();
        ensure!(
            sum == open,
            "R11: reader {reader} has {open} open: {rows:?}"
        );
        if !is_sure {
            return Ok(());
        }
        let is_user = |row: &&QueueLag| matches!(row.queue.topic, TopicKey::User(_));
        let found = rows.iter().filter(is_user).map(|row| {
            let offsets = [row.min_offset.0, row.max_offset.0, row.committed.0];
            let [min, end, low] = offsets;
            (row.queue, [min, end, low, row.lag, row.in_flight])
        });
        let found: Vec<_> = found.collect();
        ensure!(
            found == expected,
            "R11: reader {reader} shows\n{found:?}, counted\n{expected:?}"
        );
        let retries = rows.iter().filter(|row| !is_user(row));
        let retries = retries.fold([0; 3], |sum, row| {
            [
                sum[0] + row.lag,
                sum[1] + row.in_flight,
                sum[2] + row.scheduled,
            ]
        });
        ensure!(
            retries == [moved, moved_in_flight, scheduled],
            "R11: reader {reader} shows retries {retries:?}, counted {:?}",
            [moved, moved_in_flight, scheduled]
        );
        Ok(())
    }

    /// Something that a reader who asked once did not get to its end.
    pub(crate) fn left(&self) -> Option<(usize, Key, State)> {
        let readers = self.readers.iter();
        let mut all = readers.flat_map(|(&reader, model)| {
            let keys = model.topics.iter().flat_map(|topic| self.keys(*topic));
            keys.map(move |key| (reader, key, self.state(reader, key)))
        });
        all.find(|(.., state)| !state.is_finished())
    }
}
