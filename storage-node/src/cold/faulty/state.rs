//! Which faults are to come, and what the store remembers for them.

use std::collections::BTreeMap;
use std::time::Duration;

use firn_protocol::time::Timestamp;

use super::Chances;
use crate::cold::error::{Failure, Operation};
use crate::cold::objects::Stored;

pub(super) const DEAD: &str = "the process is dead";

pub(super) struct State {
    random: Random,
    pub(super) faults: Faults,
    pub(super) crashed: bool,
    pub(super) reached: Vec<&'static str>,
    pub(super) changes: u64,
    /// When objects were written, by our clock.
    written: BTreeMap<String, u64>,
}

/// Failures still to come.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) latency: Option<(Duration, Duration)>,
    pub(super) slow_complete: Duration,
    pub(super) chances: Chances,
    pub(super) lists_behind: Duration,
    pub(super) busy_next: u64,
    pub(super) conflicts: u64,
    pub(super) crash_at: Option<&'static str>,
    /// Countdowns: the operation that brings one to 0 fails.
    pub(super) lose_answer: u64,
    pub(super) lose_part: u64,
    pub(super) lose_upload: u64,
    pub(super) hang: u64,
    pub(super) crash_before: u64,
    pub(super) crash_after: u64,
}

pub(super) enum Before {
    /// Goes on, after a time.
    Pass(Option<Duration>),
    Fail(Failure, &'static str),
    Hang,
}

pub(super) enum After {
    Answer,
    Lost(&'static str),
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            faults: Faults::default(),
            crashed: false,
            reached: Vec::new(),
            changes: 0,
            written: BTreeMap::new(),
        }
    }

    pub(super) fn heal(&mut self) {
        self.faults = Faults::default();
        self.crashed = false;
    }

    pub(super) fn before(&mut self, operation: Operation) -> Before {
        if is_change(operation) && fires(&mut self.faults.crash_before) {
            self.crashed = true;
        }
        if self.crashed {
            return Before::Fail(Failure::Connection, DEAD);
        }
        if fires(&mut self.faults.hang) {
            return Before::Hang;
        }
        if self.faults.busy_next > 0 {
            self.faults.busy_next -= 1;
            return Before::Fail(Failure::Busy, "503 SlowDown");
        }
        if operation == Operation::Create && self.faults.conflicts > 0 {
            self.faults.conflicts -= 1;
            return Before::Fail(Failure::Exists, "409 ConditionalRequestConflict");
        }
        if self.random.hits(self.faults.chances.busy) {
            return Before::Fail(Failure::Busy, "503 SlowDown");
        }
        if self.random.hits(self.faults.chances.broken) {
            return Before::Fail(Failure::Connection, "reset before the request");
        }
        if operation == Operation::Part && fires(&mut self.faults.lose_part) {
            return Before::Fail(Failure::Connection, "reset within the part");
        }
        Before::Pass(self.latency(operation))
    }

    fn latency(&mut self, operation: Operation) -> Option<Duration> {
        let mut latency = self.faults.latency.map(|(least, most)| {
            let spread = most.saturating_sub(least).as_millis() as u64;
            least + Duration::from_millis(self.random.below(spread + 1))
        });
        if operation == Operation::Complete && !self.faults.slow_complete.is_zero() {
            latency = Some(latency.unwrap_or_default() + self.faults.slow_complete);
        }
        latency
    }

    pub(super) fn after(&mut self, operation: Operation, path: &str, now_ms: u64) -> After {
        let makes_object = matches!(
            operation,
            Operation::Create | Operation::Put | Operation::Complete
        );
        if makes_object {
            self.written.insert(path.to_owned(), now_ms);
        }
        if is_change(operation) {
            self.changes += 1;
            if fires(&mut self.faults.crash_after) {
                self.crashed = true;
            }
            if fires(&mut self.faults.lose_answer) {
                return After::Lost("reset before the answer");
            }
        }
        if self.crashed {
            return After::Lost(DEAD);
        }
        match self.random.hits(self.faults.chances.answer_lost) {
            true => After::Lost("reset before the answer"),
            false => After::Answer,
        }
    }

    /// Whether the upload of the part at hand is lost.
    pub(super) fn loses_upload(&mut self) -> bool {
        fires(&mut self.faults.lose_upload)
    }

    /// Whether the process outlives the point.
    pub(super) fn reach(&mut self, point: &'static str) -> bool {
        if self.crashed {
            return false;
        }
        self.reached.push(point);
        if self.faults.crash_at == Some(point) {
            self.crashed = true;
        }
        !self.crashed
    }

    pub(super) fn is_listed(&self, path: &str, now_ms: u64) -> bool {
        let behind_ms = self.faults.lists_behind.as_millis() as u64;
        let is_recent = |written: &u64| now_ms < written + behind_ms;
        !self.written.get(path).is_some_and(is_recent)
    }

    /// Age by our clock, for what was written through us.
    pub(super) fn date(&self, stored: &mut Stored) {
        if let Some(written) = self.written.get(&stored.path) {
            stored.modified = Timestamp(*written);
        }
    }
}

fn is_change(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::Get | Operation::Head | Operation::List
    )
}

/// Counts down; true for the one that fires.
fn fires(countdown: &mut u64) -> bool {
    if *countdown == 0 {
        return false;
    }
    *countdown -= 1;
    *countdown == 0
}

/// A small seeded generator (splitmix64): the same seed gives the same faults everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True in so many of a thousand cases. Draws in any case, so that faults
    /// that are switched on later do not shift those of before.
    fn hits(&mut self, thousandths: u32) -> bool {
        self.below(1000) < u64::from(thousandths)
    }
}
