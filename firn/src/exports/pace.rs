//! When an export is due: soon after the last change, and not long after the
//! first (RULES 9). Pure.

/// After the last change.
const QUIET_MS: u64 = 2_000;
/// After the first one, however many follow.
const WAIT_MS_MAX: u64 = 10_000;
/// After a failure; doubles with each further one.
const RETRY_MS_FIRST: u64 = 5_000;
const RETRY_MS_MAX: u64 = 60_000;

/// What is not exported yet, and since when.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// First and last change that no export has.
    waiting: Option<(u64, u64)>,
    failures: u32,
    /// No attempt before this.
    not_before: u64,
}

impl Pace {
    /// Something has changed.
    pub(super) fn changed(&mut self, now: u64) {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
    }

    /// It may have changed at any time: an export is due at once.
    pub(super) fn unknown(&mut self) {
        self.waiting = Some((0, 0));
    }

    /// When an export is due; `None` if nothing has changed.
    pub(super) fn due(&self) -> Option<u64> {
        let (first, last) = self.waiting?;
        let due = (last + QUIET_MS).min(first + WAIT_MS_MAX);
        Some(due.max(self.not_before))
    }

    /// An export has everything up to now.
    pub(super) fn done(&mut self) {
        *self = Self::default();
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, now: u64) {
        let pause = RETRY_MS_FIRST << self.failures.min(8);
        self.failures += 1;
        self.not_before = now + pause.min(RETRY_MS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_follows_the_last_change_and_does_not_wait_for_ever() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(), None);
        pace.changed(1_000_000);
        assert_eq!(pace.due(), Some(1_002_000));
        pace.changed(1_001_500);
        assert_eq!(pace.due(), Some(1_003_500));
        for step in 2..20 {
            pace.changed(1_000_000 + step * 1_500);
        }
        assert_eq!(pace.due(), Some(1_010_000));
        pace.done();
        assert_eq!(pace.due(), None);
        pace.unknown();
        assert!(pace.due() < Some(1_010_000), "long past");
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_pauses() {
        let mut pace = Pace::default();
        pace.changed(0);
        let mut pauses = Vec::new();
        for attempt in 1..=6 {
            let now = attempt * 1_000_000;
            pace.failed(now);
            pauses.push(pace.due().expect("still waiting") - now);
        }
        assert_eq!(pauses, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
        pace.done();
        pace.changed(7_000_000);
        assert_eq!(pace.due(), Some(7_002_000));
    }
}
