//! Objects on their way: numbers without gaps, settled in order of number
//! however their puts end.

use std::collections::VecDeque;

use crate::log::Lsn;

/// An object whose put has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flying {
    pub(super) sequence: u64,
    /// Its last frame, or the last before it.
    pub(super) last: Lsn,
    pub(super) bytes: u64,
    /// What it says about those before it.
    pub(super) floor: u64,
    stored: bool,
}

/// All objects of a writer that are not settled, oldest first.
#[derive(Default)]
pub(super) struct Flight {
    /// The last number of which it and all before are stored.
    settled: u64,
    flying: VecDeque<Flying>,
}

impl Flight {
    /// The last number of which it and all before are stored; 0 at first.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// Objects that are not settled, also those that are stored but wait for an
    /// earlier one: what lies behind a fence is then never more than the bound.
    pub(super) fn len(&self) -> usize {
        self.flying.len()
    }

    /// Gives an object the next number.
    pub(super) fn begin(&mut self, last: Lsn, bytes: u64, floor: u64) -> u64 {
        let sequence = self.settled + self.flying.len() as u64 + 1;
        self.flying.push_back(Flying {
            sequence,
            last,
            bytes,
            floor,
            stored: false,
        });
        sequence
    }

    /// An object is stored. Gives those that this settles, in order.
    pub(super) fn stored(&mut self, sequence: u64) -> Vec<Flying> {
        let place = self
            .flying
            .iter_mut()
            .find(|flying| flying.sequence == sequence);
        if let Some(flying) = place {
            flying.stored = true;
        }
        let mut settled = Vec::new();
        while let Some(first) = self.flying.pop_front_if(|first| first.stored) {
            self.settled = first.sequence;
            settled.push(first);
        }
        settled
    }
}
