//! The newest records of one queue: in memory while the budget allows, and by
//! their place in the log until the hot store has them. Holds committed runs
//! only, so whoever reads it sees nothing that could still be lost.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::log::{LogPlace, Lsn};

/// A committed run.
#[derive(Clone, Debug)]
pub struct TailRun {
    pub first: u64,
    pub count: u32,
    pub place: LogPlace,
    /// The run's bytes; `None` once memory was needed for newer ones.
    pub bytes: Option<Bytes>,
}

impl TailRun {
    fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// Runs of one queue, in order of offset.
#[derive(Debug)]
pub struct QueueTail {
    /// Records below are committed; receive and queries see no others.
    pub visible: u64,
    runs: VecDeque<TailRun>,
}

impl QueueTail {
    #[must_use]
    pub fn new(visible: u64) -> Self {
        Self {
            visible,
            runs: VecDeque::new(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds a run that has become durable.
    pub fn push(&mut self, run: TailRun) {
        self.visible = self.visible.max(run.end());
        self.runs.push_back(run);
    }

    /// The runs that hold records of `range`, as long as they follow each other
    /// without a gap from the range's start.
    #[must_use]
    pub fn runs(&self, range: std::ops::Range<u64>) -> Vec<TailRun> {
        let mut at = self.runs.partition_point(|run| run.end() <= range.start);
        let mut found = Vec::new();
        let mut next = range.start;
        while let Some(run) = self.runs.get(at) {
            if run.first > next || run.first >= range.end {
                break;
            }
            next = run.end();
            found.push(run.clone());
            at += 1;
        }
        found
    }

    /// Frees the memory of the run that starts at `first`; keeps its place in
    /// the log unless the hot store has it.
    pub fn evict(&mut self, first: u64, filled: Lsn) {
        if let Ok(at) = self.runs.binary_search_by_key(&first, |run| run.first) {
            self.runs[at].bytes = None;
            self.forget_filled(filled);
        }
    }

    /// Drops what is neither in memory nor needed to find records in the log.
    pub fn forget_filled(&mut self, filled: Lsn) {
        while let Some(run) = self.runs.front() {
            if run.bytes.is_some() || run.place.lsn >= filled {
                break;
            }
            self.runs.pop_front();
        }
    }
}
