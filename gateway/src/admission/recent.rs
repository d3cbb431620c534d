//! What limits refused in the last hour, by instance and limit, for whoever asks why.
//! Owns counts of this gateway alone, in steps of a minute; promises bounded memory:
//! one entry for each instance and limit that refused anything.

use firn_protocol::{InstanceId, Timestamp};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

const STEP_MS: u64 = 60_000;
const STEPS: usize = 60;

/// What one limit refused to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// As errors name it.
    pub(crate) limit: &'static str,
    /// Whose limit it was the last time, in words.
    pub(crate) what: String,
    /// What may pass.
    pub(crate) max: u64,
    /// In the last hour.
    pub(crate) count: u64,
    pub(crate) last: Timestamp,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Recent(Mutex<FxHashMap<(InstanceId, &'static str), Hour>>);

struct Hour {
    steps: [u32; STEPS],
    what: String,
    max: u64,
    last: Timestamp,
}

impl Recent {
    pub(crate) fn note(
        &self,
        instance: InstanceId,
        limit: &'static str,
        (what, max): (&str, u64),
        now: Timestamp,
    ) {
        let mut hours = self.0.lock();
        let hour = hours.entry((instance, limit)).or_insert_with(|| Hour {
            steps: [0; STEPS],
            what: String::new(),
            max,
            last: now,
        });
        hour.move_on(now);
        let at = step(now) as usize % STEPS;
        hour.steps[at] = hour.steps[at].saturating_add(1);
        hour.max = max;
        if hour.what != what {
            what.clone_into(&mut hour.what);
        }
    }

    /// Of one instance, in order of the limits' names.
    pub(crate) fn of(&self, instance: InstanceId, now: Timestamp) -> Vec<Refused> {
        let hours = self.0.lock();
        let own = hours.iter().filter(|((id, _), _)| *id == instance);
        let mut all: Vec<_> = own
            .map(|((_, limit), hour)| Refused {
                limit,
                what: hour.what.clone(),
                max: hour.max,
                count: hour.count(now),
                last: hour.last,
            })
            .filter(|refused| refused.count > 0)
            .collect();
        all.sort_by_key(|refused| refused.limit);
        all
    }

    /// Forgets what is older than an hour.
    pub(crate) fn tick(&self, now: Timestamp) {
        self.0.lock().retain(|_, hour| hour.count(now) > 0);
    }
}

impl Hour {
    /// Empties the steps between the last refusal and this one.
    fn move_on(&mut self, now: Timestamp) {
        let (last, now_step) = (step(self.last), step(now));
        let passed = now_step.saturating_sub(last).min(STEPS as u64);
        for ahead in 1..=passed {
            self.steps[(last + ahead) as usize % STEPS] = 0;
        }
        self.last = self.last.max(now);
    }

    fn count(&self, now: Timestamp) -> u64 {
        let passed = step(now).saturating_sub(step(self.last));
        let left = (STEPS as u64).saturating_sub(passed);
        let newest = step(self.last);
        let steps = (0..left).filter_map(|back| newest.checked_sub(back));
        steps
            .map(|at| u64::from(self.steps[at as usize % STEPS]))
            .sum()
    }
}

fn step(time: Timestamp) -> u64 {
    time.0 / STEP_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const I: InstanceId = InstanceId(1);
    const START: u64 = 1_000 * STEP_MS;

    #[test]
    fn an_hour_is_counted_and_what_is_older_is_not() {
        let recent = Recent::default();
        let at = |minutes: u64| Timestamp(START + minutes * STEP_MS);
        let counts = |now| -> Vec<(&str, u64)> {
            let all = recent.of(I, now).into_iter();
            all.map(|refused| (refused.limit, refused.count)).collect()
        };
        recent.note(I, "topic", ("topic 'a'", 5), at(0));
        recent.note(I, "topic", ("topic 'b'", 6), at(30));
        recent.note(I, "instance", ("instance 'i'", 7), at(30));
        recent.note(InstanceId(2), "topic", ("topic 'c'", 8), at(30));
        assert_eq!(counts(at(59)), [("instance", 1), ("topic", 2)]);
        assert_eq!(counts(at(60)), [("instance", 1), ("topic", 1)]);
        let topic = &recent.of(I, at(60))[1];
        assert_eq!((topic.what.as_str(), topic.max), ("topic 'b'", 6));
        assert_eq!(topic.last, at(30));
        assert_eq!(counts(at(90)), []);
        recent.note(I, "topic", ("topic 'b'", 6), at(89));
        assert_eq!(counts(at(89)), [("instance", 1), ("topic", 2)]);
        // Long after, the steps of before are not taken for new ones.
        recent.note(I, "topic", ("topic 'b'", 6), at(500));
        assert_eq!(counts(at(500)), [("topic", 1)]);
        recent.tick(at(500));
        assert_eq!(recent.0.lock().len(), 1);
    }
}
