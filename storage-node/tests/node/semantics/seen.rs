//! What can be seen once the node has done all that was due: exact counts.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::admin::Parked;
use firn_protocol::api::storage::QueueLag;
use firn_protocol::catalogue::OnPoison;
use firn_protocol::ids::{QueueKey, TopicKey};

use super::model::{BrokerModel, Checked, Fate, Key, ensure};
use super::ops::{QUEUES, READERS};
use super::readers::State;
use crate::harness::queue_key;

/// What the rows of a reader should show.
#[derive(Debug, Default)]
struct Counted {
    /// Low mark, end, first open offset, lag and in flight of each queue.
    queues: Vec<(QueueKey, [u64; 5])>,
    /// Lag, in flight and scheduled of the retries.
    retries: [u64; 3],
}

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
        let (open, count) = self.count(reader, now);
        let sum: u64 = rows.iter().map(|row| row.lag).sum();
        ensure!(
            sum == open,
            "R11: reader {reader} has {open} open: {rows:?}"
        );
        let Some(Counted { queues, retries }) = count else {
            return Ok(());
        };
        let is_user = |row: &&QueueLag| matches!(row.queue.topic, TopicKey::User(_));
        let found = rows.iter().filter(is_user).map(|row| {
            let offsets = [row.min_offset.0, row.max_offset.0, row.committed.0];
            let [min, end, low] = offsets;
            (row.queue, [min, end, low, row.lag, row.in_flight])
        });
        let found: Vec<_> = found.collect();
        ensure!(
            found == queues,
            "R11: reader {reader} shows\n{found:?}, counted\n{queues:?}"
        );
        let shown = rows.iter().filter(|row| !is_user(row));
        let shown = shown.fold([0; 3], |sum, row| {
            [
                sum[0] + row.lag,
                sum[1] + row.in_flight,
                sum[2] + row.scheduled,
            ]
        });
        ensure!(
            shown == retries,
            "R11: reader {reader} shows retries {shown:?}, counted {retries:?}"
        );
        Ok(())
    }

    /// How much is open for a reader, and where, if the model knows.
    fn count(&mut self, reader: usize, now: u64) -> (u64, Option<Counted>) {
        let kind = READERS[reader];
        let copies = kind.order.is_none() && kind.member.is_none();
        let topics = self.reader(reader).topics.clone();
        let (mut open, mut is_sure) = (0, true);
        let mut counted = Counted::default();
        for place in topics
            .iter()
            .flat_map(|&topic| (0..QUEUES).map(move |it| (topic, it)))
        {
            let (min, end) = (self.min(place), self.end(place));
            let (mut lag, mut in_flight, mut low) = (0, 0, end);
            for offset in min..end {
                let state = self.state(reader, (place.0, place.1, offset));
                let (attempt, is_leased, waits) = match state {
                    State::Open {
                        lo, hi, not_before, ..
                    } => {
                        is_sure &= lo == hi || !copies;
                        (hi, false, not_before > now)
                    }
                    State::Leased { attempt, .. } => (attempt, true, false),
                    State::Parked { attempt, .. } => (attempt, false, false),
                    State::Over(_) | State::Acked(_) | State::Dead { .. } | State::Purged => {
                        continue;
                    }
                };
                open += 1;
                if copies && attempt > 1 {
                    let one = [1, u64::from(is_leased), u64::from(waits)];
                    (0..3).for_each(|at| counted.retries[at] += one[at]);
                } else {
                    lag += 1;
                    in_flight += u64::from(is_leased);
                    low = low.min(offset);
                }
            }
            let key = queue_key(place.0, place.1);
            counted.queues.push((key, [min, end, low, lag, in_flight]));
        }
        (open, is_sure.then_some(counted))
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
