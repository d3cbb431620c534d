//! What one group has done with one queue: pure, without clock or I/O.
//!
//! Below `low` everything is finished. From `low` to `next` each record is
//! finished, leased, or a hole (to be handed out again). At and past `next`
//! nothing has been handed out, though an ack that outlived a crash may already
//! have finished a record there (RULES 2).

use std::collections::BTreeMap;
use std::ops::Range;

use firn_protocol::ids::Generation;
use firn_protocol::time::Timestamp;
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::ranges::Ranges;

/// A record in the hands of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub deadline: Timestamp,
    /// Number of the delivery; with the generation it names it for ever.
    pub number: u64,
    pub generation: Generation,
}

impl Lease {
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery {
            generation: self.generation,
            number: self.number,
        }
    }
}

/// Names one delivery of a broker for ever. A later one is greater: numbers rise
/// within a generation, and those that a crash takes back come again in a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Delivery {
    pub generation: Generation,
    pub number: u64,
}

/// Where a record stands for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Finished,
    Leased(Lease),
    /// Handed out before and to be handed out again, or never handed out.
    Open,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueProgress {
    low: u64,
    next: u64,
    done: RoaringTreemap,
    holes: Ranges,
    leases: BTreeMap<u64, Lease>,
    /// The last delivery of open records, as far as it is known: their own, or that of
    /// the record whose copy they are (R6). Stored by the broker's snapshot behind
    /// everything else.
    #[serde(skip)]
    returned: BTreeMap<u64, Delivery>,
}

impl QueueProgress {
    /// Progress of a group that starts at `offset`.
    #[must_use]
    pub fn starting_at(offset: u64) -> Self {
        Self {
            low: offset,
            next: offset,
            ..Self::default()
        }
    }

    /// All below are finished: the committed offset.
    #[must_use]
    pub fn low(&self) -> u64 {
        self.low
    }

    /// Everything from here on has never been handed out.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Records stored below `end` and not finished.
    #[must_use]
    pub fn lag(&self, end: u64) -> u64 {
        let finished = self.low.min(end) + self.done.range_cardinality(self.low..end.max(self.low));
        end - finished.min(end)
    }

    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.leases.len() as u64
    }

    pub fn leases(&self) -> impl Iterator<Item = (u64, &Lease)> {
        self.leases.iter().map(|(&offset, lease)| (offset, lease))
    }

    /// Records behind one that are leased, in order.
    pub fn leases_behind(&self, offset: u64) -> impl Iterator<Item = u64> + use<'_> {
        self.leases
            .range(offset.saturating_add(1)..)
            .map(|(&offset, _)| offset)
    }

    #[must_use]
    pub fn standing(&self, offset: u64) -> Standing {
        if offset < self.low || self.done.contains(offset) {
            Standing::Finished
        } else if let Some(&lease) = self.leases.get(&offset) {
            Standing::Leased(lease)
        } else {
            Standing::Open
        }
    }

    /// The newest delivery of a record that is known: the one under way, or the last
    /// one if it came back.
    #[must_use]
    pub fn last_delivery(&self, offset: u64) -> Option<Delivery> {
        let lease = self.leases.get(&offset).map(Lease::delivery);
        lease.or_else(|| self.returned.get(&offset).copied())
    }

    /// The last deliveries of open records.
    pub fn returned(&self) -> impl Iterator<Item = (u64, Delivery)> {
        self.returned.iter().map(|(&offset, &last)| (offset, last))
    }

    /// Notes the last delivery of an open record, or of what it is a copy of.
    pub fn set_returned(&mut self, offset: u64, last: Delivery) {
        if self.standing(offset) == Standing::Open {
            self.returned.insert(offset, last);
        }
    }

    /// As a snapshot of before has it.
    #[cfg(test)]
    pub fn forget_returned(&mut self) {
        self.returned.clear();
    }

    /// Ranges that may be handed out, in order, below `end`: holes first, then
    /// what was never handed out. Finished records are left out.
    #[must_use]
    pub fn open_ranges(&self, end: u64, taken: &Ranges, max: u64) -> Vec<Range<u64>> {
        let mut open = Vec::new();
        let mut left = max;
        let fresh = self.next..end.max(self.next);
        for candidate in self.holes.iter().chain(std::iter::once(fresh)) {
            let mut at = candidate.start;
            while left > 0 && at < candidate.end {
                // The next stretch that is neither taken nor finished.
                if let Some(busy) = taken.within(at..candidate.end).next()
                    && busy.start == at
                {
                    at = busy.end;
                    continue;
                }
                if self.done.contains(at) {
                    at += 1;
                    continue;
                }
                let mut stop = candidate.end.min(at.saturating_add(left));
                if let Some(busy) = taken.within(at..stop).next() {
                    stop = busy.start;
                }
                if let Some(finished) = self.next_done(at..stop) {
                    stop = finished;
                }
                left -= stop - at;
                open.push(at..stop);
                at = stop;
            }
        }
        open
    }

    /// Whether there is anything to hand out below `end`.
    #[must_use]
    pub fn has_open(&self, end: u64, taken: &Ranges) -> bool {
        !self.open_ranges(end, taken, 1).is_empty()
    }

    /// Moves `next` past a range that is about to be leased or finished; what
    /// is jumped over becomes a hole.
    fn claim(&mut self, range: Range<u64>) {
        if range.start > self.next {
            self.open_hole(self.next..range.start);
        }
        self.holes.remove(range.clone());
        self.next = self.next.max(range.end);
    }

    /// A hole must not cover finished records.
    fn open_hole(&mut self, range: Range<u64>) {
        self.holes.insert(range.clone());
        let mut at = range.start;
        while let Some(finished) = self.next_done(at..range.end) {
            self.holes.remove(finished..finished + 1);
            at = finished + 1;
        }
    }

    /// Hands a record out.
    pub fn lease(&mut self, offset: u64, lease: Lease) {
        if self.standing(offset) == Standing::Finished {
            return;
        }
        self.claim(offset..offset + 1);
        self.returned.remove(&offset);
        self.leases.insert(offset, lease);
    }

    /// Finishes a record; its lease, if it had one.
    pub fn finish(&mut self, offset: u64) -> Option<Lease> {
        if offset < self.low {
            return None;
        }
        let lease = self.leases.remove(&offset);
        self.returned.remove(&offset);
        self.holes.remove(offset..offset + 1);
        if offset == self.low {
            self.low += 1;
            self.advance();
        } else {
            self.done.insert(offset);
        }
        lease
    }

    /// Finishes a range without leases: records that no live filter wants.
    pub fn skip(&mut self, range: Range<u64>) {
        let range = range.start.max(self.low)..range.end;
        if range.is_empty() {
            return;
        }
        self.claim(range.clone());
        let returned = self
            .returned
            .range(range.clone())
            .map(|(&offset, _)| offset);
        for offset in returned.collect::<Vec<_>>() {
            self.returned.remove(&offset);
        }
        if range.start == self.low {
            self.low = range.end;
            self.done.remove_range(range);
            self.advance();
        } else {
            self.done.insert_range(range);
        }
    }

    /// Takes a lease back without finishing the record; the lease, if there was one.
    pub fn give_back(&mut self, offset: u64) -> Option<Lease> {
        let lease = self.leases.remove(&offset)?;
        self.holes.insert(offset..offset + 1);
        self.returned.insert(offset, lease.delivery());
        Some(lease)
    }

    /// Moves the deadline of a lease; the former one, if there was one.
    pub fn renew(&mut self, offset: u64, deadline: Timestamp) -> Option<Timestamp> {
        let lease = self.leases.get_mut(&offset)?;
        Some(std::mem::replace(&mut lease.deadline, deadline))
    }

    /// First and last of the records below `end` that are not finished, and how
    /// many; `None` if all are.
    #[must_use]
    pub fn unfinished_below(&self, end: u64) -> Option<(u64, u64, u64)> {
        // The one at `low` never is.
        let last = (self.low..end).rev().find(|at| !self.done.contains(*at))?;
        Some((self.low, last, self.lag(end)))
    }

    /// Records below `min` are gone, so they count as finished; the leases that end.
    pub fn trim(&mut self, min: u64) -> Vec<(u64, Lease)> {
        if min <= self.low {
            return Vec::new();
        }
        let kept = self.leases.split_off(&min);
        let ended = std::mem::replace(&mut self.leases, kept);
        self.returned = self.returned.split_off(&min);
        self.holes.remove(0..min);
        self.done.remove_range(..min);
        self.low = min;
        self.advance();
        ended.into_iter().collect()
    }

    /// Starts over at `offset`: leases and finished marks of before are void.
    pub fn reset(&mut self, offset: u64) {
        *self = Self::starting_at(offset);
    }

    fn next_done(&self, range: Range<u64>) -> Option<u64> {
        if self.done.is_empty() {
            return None;
        }
        let mut finished = self.done.iter();
        finished.advance_to(range.start);
        finished.next().filter(|&offset| offset < range.end)
    }

    fn advance(&mut self) {
        while self.done.remove(self.low) {
            self.low += 1;
        }
        self.next = self.next.max(self.low);
    }

    /// What must hold after every step; named breach, if any.
    #[must_use]
    pub fn breach(&self) -> Option<&'static str> {
        if self.next < self.low {
            return Some("next is below low");
        }
        if self.done.contains(self.low) {
            return Some("low did not advance");
        }
        for offset in self.low..self.next.min(self.low + 10_000) {
            let places = u8::from(self.done.contains(offset))
                + u8::from(self.leases.contains_key(&offset))
                + u8::from(self.holes.contains(offset));
            if places != 1 {
                return Some("a record below next is not in exactly one place");
            }
        }
        if self.leases.keys().any(|&o| o < self.low || o >= self.next) {
            return Some("a lease lies outside low..next");
        }
        if self
            .returned
            .keys()
            .any(|&offset| self.standing(offset) != Standing::Open)
        {
            return Some("a record that came back is not open");
        }
        if self
            .holes
            .iter()
            .any(|r| r.start < self.low || r.end > self.next)
        {
            return Some("a hole lies outside low..next");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lease(number: u64) -> Lease {
        Lease {
            deadline: Timestamp(number),
            number,
            generation: Generation(1),
        }
    }

    #[test]
    fn the_lowest_unacked_rule() {
        // SEED_SPEC 2.2: acks of 1, 3, 4, 5 with 2 open commit 2.
        let mut progress = QueueProgress::starting_at(1);
        for offset in 1..6 {
            progress.lease(offset, lease(offset));
        }
        for offset in [1, 3, 4, 5] {
            progress.finish(offset);
        }
        assert_eq!(
            (progress.low(), progress.lag(6), progress.in_flight()),
            (2, 1, 1)
        );
        progress.finish(2);
        assert_eq!(
            (progress.low(), progress.lag(6), progress.in_flight()),
            (6, 0, 0)
        );
    }

    #[test]
    fn an_ack_beyond_next_survives_and_is_not_handed_out() {
        let mut progress = QueueProgress::starting_at(0);
        progress.finish(3);
        assert_eq!(
            progress.open_ranges(6, &Ranges::default(), 100),
            [0..3, 4..6]
        );
        progress.lease(4, lease(1));
        assert_eq!(
            progress.open_ranges(6, &Ranges::default(), 100),
            [0..3, 5..6]
        );
        assert_eq!(progress.breach(), None);
    }

    #[derive(Clone, Debug)]
    enum Op {
        Hand(u64),
        Finish(u64),
        Skip(u64, u64),
        GiveBack(u64),
        Reset(u64),
        Trim(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (1..6_u64).prop_map(Op::Hand),
            4 => (0..40_u64).prop_map(Op::Finish),
            2 => (0..40_u64, 0..6_u64).prop_map(|(a, n)| Op::Skip(a, n)),
            2 => (0..40_u64).prop_map(Op::GiveBack),
            1 => (0..40_u64).prop_map(Op::Reset),
            1 => (0..41_u64).prop_map(Op::Trim),
        ]
    }

    proptest! {
        /// Against the obvious model: one state for each record.
        #[test]
        fn behaves_like_a_row_of_states(ops in proptest::collection::vec(op(), 0..80)) {
            const END: u64 = 40;
            let mut progress = QueueProgress::starting_at(0);
            let mut model = vec!['o'; END as usize];
            // Whether a record came back, and which delivery it was handed out in last.
            let mut handed = vec![(false, 0); END as usize];
            for (number, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Hand(n) => {
                        for range in progress.open_ranges(END, &Ranges::default(), n) {
                            for offset in range {
                                prop_assert_eq!(model[offset as usize], 'o');
                                model[offset as usize] = 'l';
                                handed[offset as usize] = (false, number as u64);
                                progress.lease(offset, lease(number as u64));
                            }
                        }
                    }
                    Op::Finish(offset) => {
                        model[offset as usize] = 'f';
                        progress.finish(offset);
                    }
                    Op::Skip(start, n) => {
                        let range = start..(start + n).min(END);
                        if model[start as usize..range.end.max(start) as usize].contains(&'l') {
                            continue;
                        }
                        for offset in range.clone() {
                            model[offset as usize] = 'f';
                        }
                        progress.skip(range);
                    }
                    Op::GiveBack(offset) => {
                        let was = progress.give_back(offset).is_some();
                        prop_assert_eq!(was, model[offset as usize] == 'l');
                        if was {
                            handed[offset as usize].0 = true;
                            model[offset as usize] = 'o';
                        }
                    }
                    Op::Reset(to) => {
                        progress.reset(to);
                        handed.fill((false, 0));
                        for (offset, state) in model.iter_mut().enumerate() {
                            *state = if (offset as u64) < to { 'f' } else { 'o' };
                        }
                    }
                    Op::Trim(min) => {
                        let left: Vec<u64> = (0..min).filter(|&o| model[o as usize] != 'f').collect();
                        let told = left.first().map(|&first| (first, left[left.len() - 1], left.len() as u64));
                        prop_assert_eq!(progress.unfinished_below(min), told);
                        let leased: Vec<u64> = (0..min).filter(|&o| model[o as usize] == 'l').collect();
                        let ended: Vec<u64> = progress.trim(min).into_iter().map(|(o, _)| o).collect();
                        prop_assert_eq!(ended, leased);
                        model[..min as usize].fill('f');
                    }
                }
                prop_assert_eq!(progress.breach(), None);
                let lag = model.iter().filter(|&&s| s != 'f').count() as u64;
                prop_assert_eq!(progress.lag(END), lag);
                prop_assert_eq!(progress.in_flight(), model.iter().filter(|&&s| s == 'l').count() as u64);
                let open: Vec<u64> = progress.open_ranges(END, &Ranges::default(), u64::MAX).into_iter().flatten().collect();
                let expected: Vec<u64> = (0..END).filter(|&o| model[o as usize] == 'o').collect();
                prop_assert_eq!(open, expected);
                for offset in 0..END {
                    let standing = match progress.standing(offset) {
                        Standing::Finished => 'f',
                        Standing::Leased(_) => 'l',
                        Standing::Open => 'o',
                    };
                    prop_assert_eq!(standing, model[offset as usize]);
                }
                let bytes = postcard::to_stdvec(&progress).expect("encodes");
                let mut read: QueueProgress = postcard::from_bytes(&bytes).expect("decodes");
                for (offset, last) in progress.returned() {
                    read.set_returned(offset, last);
                }
                prop_assert_eq!(&read, &progress);
                for (offset, &(is_open, last)) in handed.iter().enumerate() {
                    let known = progress.returned().find(|(at, _)| *at == offset as u64);
                    let expected = (is_open && model[offset] == 'o').then_some(last);
                    prop_assert_eq!(known.map(|(_, last)| last.number), expected);
                }
            }
        }

        #[test]
        fn taken_ranges_are_left_out(taken in proptest::collection::vec((0..40_u64, 0..9_u64), 0..6), finished in proptest::collection::vec(0..40_u64, 0..9)) {
            let mut progress = QueueProgress::starting_at(0);
            let mut busy = Ranges::default();
            for offset in &finished { progress.finish(*offset); }
            for (start, len) in taken { busy.insert(start..start + len); }
            let open: Vec<u64> = progress.open_ranges(40, &busy, u64::MAX).into_iter().flatten().collect();
            let expected: Vec<u64> = (0..40).filter(|o| !busy.contains(*o) && !finished.contains(o)).collect();
            prop_assert_eq!(open, expected);
        }
    }
}
