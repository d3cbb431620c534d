//! One token bucket, counted in thousandths of a message: a rate of n messages
//! a second is n of these a millisecond, so nothing is ever rounded.

use parking_lot::Mutex;

const MESSAGE: u64 = 1000;

/// How fast a bucket fills, and how much goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) tps: u64,
    burst: u64,
}

impl Rate {
    /// At least one message fits, and what comes in a tick of the clock:
    /// otherwise the rate could never be reached.
    pub(super) fn new(tps: u64, burst_ms: u64) -> Self {
        Self {
            tps,
            burst: (tps * burst_ms).max(tps).max(MESSAGE),
        }
    }
}

/// What is there always fits with what was taken and not settled: together
/// they are the most that can pass at once.
pub(super) struct Bucket(Mutex<Level>);

struct Level {
    rate: Rate,
    there: u64,
    taken: u64,
    at_ms: u64,
}

/// Times until something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) message_ms: u64,
    pub(super) full_ms: u64,
}

impl Bucket {
    pub(super) fn full(rate: Rate, now_ms: u64) -> Self {
        Self(Mutex::new(Level {
            rate,
            there: rate.burst,
            taken: 0,
            at_ms: now_ms,
        }))
    }

    /// Takes up to `wanted` messages' worth, until they are settled or put back.
    pub(super) fn take(&self, rate: Rate, now_ms: u64, wanted: usize) -> usize {
        let mut level = self.0.lock();
        // After a change of the plan: what was saved up is of the old rate.
        level.rate.burst = rate.burst;
        level.fill(now_ms);
        level.rate = rate;
        let count = (level.there / MESSAGE).min(wanted as u64);
        level.there -= count * MESSAGE;
        level.taken += count * MESSAGE;
        count as usize
    }

    /// Of what was taken, so many messages did not need it after all.
    pub(super) fn put_back(&self, count: usize) {
        self.settle(0, count);
    }

    /// Of `taken` messages' worth, `used` have passed.
    pub(super) fn settle(&self, used: usize, taken: usize) {
        let (used, taken) = (used as u64 * MESSAGE, taken as u64 * MESSAGE);
        let mut level = self.0.lock();
        assert!(
            used <= taken && taken <= level.taken,
            "only what was taken is settled"
        );
        level.taken -= taken;
        level.there += taken - used;
    }

    pub(super) fn is_full(&self, now_ms: u64) -> bool {
        let mut level = self.0.lock();
        level.fill(now_ms);
        level.taken == 0 && level.there == level.rate.burst
    }

    pub(super) fn wait(&self, now_ms: u64) -> Wait {
        let mut level = self.0.lock();
        level.fill(now_ms);
        let until = |wanted: u64| wanted.saturating_sub(level.there).div_ceil(level.rate.tps);
        Wait {
            message_ms: until(MESSAGE),
            full_ms: until(level.rate.burst),
        }
    }
}

impl Level {
    fn fill(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        let more = self.rate.tps.saturating_mul(passed_ms);
        let room = self.rate.burst.saturating_sub(self.taken);
        self.there = self.there.saturating_add(more).min(room);
        self.at_ms = self.at_ms.max(now_ms);
    }
}
