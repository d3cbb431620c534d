//! Which records of a queue an ordered group may get next. Only in memory: it
//! follows from the records and from what the group has finished, and is read
//! again when it is not there.
//!
//! Records are looked at in order. Of those that are not finished, each message
//! group has a line; the first of a line may be handed out, and the others wait
//! for it. A record without a message group belongs to one that all such records
//! of its queue share.

use std::collections::{BTreeMap, HashMap, VecDeque};

use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

/// Records that are looked past in one queue; then it waits (RULES 19).
pub const LOOKED_PAST_MAX: usize = 65_536;

/// A message group within its queue. Two that share a number are kept in order
/// among each other, which harms nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line(u64);

impl Line {
    /// A line of its own, which keeps no order.
    #[must_use]
    pub fn alone(offset: u64) -> Self {
        Self(offset)
    }

    /// The line of a record with this message group.
    #[must_use]
    pub fn of(message_group: Option<&str>) -> Self {
        let mut hasher = SipHasher13::new_with_keys(0, 0);
        hasher.write(message_group.unwrap_or_default().as_bytes());
        hasher.write_u8(u8::from(message_group.is_some()));
        Self(hasher.finish())
    }
}

/// The lines of one queue for one group.
#[derive(Debug, Default)]
pub struct Order {
    /// Of the group on the topic when it was begun.
    pub epoch: u32,
    /// Everything before was looked at.
    scanned: u64,
    lines: HashMap<Line, VecDeque<u64>>,
    /// First of each line.
    heads: BTreeMap<u64, Line>,
    len: usize,
}

impl Order {
    /// Nothing is known; what is not finished begins at `low`.
    #[must_use]
    pub fn starting_at(low: u64, epoch: u32) -> Self {
        Self {
            epoch,
            scanned: low,
            ..Self::default()
        }
    }

    #[must_use]
    pub fn scanned(&self) -> u64 {
        self.scanned
    }

    /// Whether so much is looked past that the queue waits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len >= LOOKED_PAST_MAX
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Records up to `upto` were looked at, and these of them somebody wants.
    pub fn add(&mut self, found: impl IntoIterator<Item = (u64, Line)>, upto: u64) {
        for (offset, line) in found {
            if offset < self.scanned {
                continue;
            }
            let places = self.lines.entry(line).or_default();
            if places.is_empty() {
                self.heads.insert(offset, line);
            }
            places.push_back(offset);
            self.len += 1;
        }
        self.scanned = self.scanned.max(upto);
    }

    /// Lets go of records at the heads of lines that are finished.
    pub fn advance(&mut self, is_finished: impl Fn(u64) -> bool) {
        let finished: Vec<(u64, Line)> = self
            .heads
            .iter()
            .filter(|(offset, _)| is_finished(**offset))
            .map(|(&offset, &line)| (offset, line))
            .collect();
        for (head, line) in finished {
            self.heads.remove(&head);
            let Some(places) = self.lines.get_mut(&line) else {
                continue;
            };
            while places.front().is_some_and(|offset| is_finished(*offset)) {
                places.pop_front();
                self.len -= 1;
            }
            match places.front() {
                Some(&next) => {
                    self.heads.insert(next, line);
                }
                None => {
                    self.lines.remove(&line);
                }
            }
        }
    }

    /// Records that may be handed out now, in runs of one message group each, at
    /// most `run_max` long and `max` in all.
    #[must_use]
    pub fn open(&self, is_open: impl Fn(u64) -> bool, max: usize, run_max: usize) -> Vec<Vec<u64>> {
        let (mut runs, mut left) = (Vec::new(), max);
        for (head, line) in &self.heads {
            if left == 0 {
                break;
            }
            if !is_open(*head) {
                continue;
            }
            let places = self.lines.get(line).into_iter().flatten().copied();
            let run = places.take_while(|offset| is_open(*offset));
            let run: Vec<u64> = run.take(run_max.min(left)).collect();
            left -= run.len();
            runs.push(run);
        }
        runs
    }

    /// Records of the same line behind this one, in order.
    #[must_use]
    pub fn behind(&self, offset: u64) -> Vec<u64> {
        let head = self
            .heads
            .get(&offset)
            .and_then(|line| self.lines.get(line));
        let line = head.or_else(|| self.lines.values().find(|line| line.contains(&offset)));
        let places = line.into_iter().flatten();
        places.copied().filter(|other| *other > offset).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_missing_message_group_is_no_empty_one() {
        assert_ne!(Line::of(None), Line::of(Some("")));
        assert_eq!(Line::of(Some("a")), Line::of(Some("a")));
        assert_ne!(Line::of(Some("a")), Line::of(Some("b")));
    }

    proptest! {
        /// Against the definition: a record is open if it is not taken and nothing
        /// before it in its line is unfinished, but for its own run.
        #[test]
        fn the_first_of_each_line_is_open(
            lines in prop::collection::vec(0..4_u8, 1..40),
            steps in prop::collection::vec((0..40_u64, 0..3_u8, 1..4_usize, 1..5_usize), 0..60),
        ) {
            let line = |offset: u64| Line(u64::from(lines[offset as usize]));
            let (mut finished, mut taken) = (BTreeSet::new(), BTreeSet::new());
            let mut order = Order::starting_at(0, 0);
            for (number, what, run_max, max) in steps {
                let end = lines.len() as u64;
                match what {
                    0 => {
                        let upto = (order.scanned() + number % 5).min(end);
                        let found = (order.scanned()..upto).map(|offset| (offset, line(offset)));
                        order.add(found.collect::<Vec<_>>(), upto);
                    }
                    1 if number < end => { finished.insert(number); taken.remove(&number); }
                    _ => {
                        order.advance(|offset| finished.contains(&offset));
                        let is_open = |offset| !finished.contains(&offset) && !taken.contains(&offset);
                        let runs = order.open(is_open, max, run_max);
                        prop_assert!(runs.iter().map(Vec::len).sum::<usize>() <= max);
                        for run in &runs {
                            prop_assert!((1..=run_max).contains(&run.len()));
                            for &offset in run {
                                let before = (0..offset).filter(|&o| line(o) == line(offset) && !finished.contains(&o));
                                prop_assert!(before.into_iter().all(|o| run.contains(&o)), "{offset} comes too early");
                            }
                        }
                        // As many lines as can be are served.
                        let heads = (0..order.scanned()).filter(|&offset| {
                            let mut before = (0..offset).filter(|&o| line(o) == line(offset));
                            is_open(offset) && before.all(|o| finished.contains(&o))
                        });
                        let served = runs.iter().map(Vec::len).sum::<usize>();
                        prop_assert!(served >= heads.count().min(max));
                        taken.extend(runs.into_iter().flatten());
                    }
                }
            }
        }
    }
}
