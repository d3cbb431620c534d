//! What was sent against what was received.
//!
//! Owns the count of answered messages for each producer and what came back of them.
//! Promises to tell apart each way of going wrong: missing, delivered twice, altered,
//! out of order, never sent. Leaves reading of bodies to [`crate::body`].

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::body::Stamp;

/// A message as a server handed it out.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Number of the queue it came from, dense from 0 within one consumer.
    pub queue: u32,
    /// Its place in that queue, as the server counts.
    pub position: u64,
    /// Its content.
    pub body: &'a [u8],
}

/// What went wrong, by kind; all zero is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Answered and never received.
    pub missing: u64,
    /// Received again without having been given back.
    pub duplicated: u64,
    /// Not as sent in every byte.
    pub altered: u64,
    /// Whole, but of another run or producer, or never answered.
    pub unknown: u64,
    /// Behind a later one: of its queue, or of its producer within its queue.
    pub disordered: u64,
}

/// The outcome of checking one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Messages whose sends were answered.
    pub sent: u64,
    /// Those that came back whole, each counted once.
    pub received: u64,
    /// What went wrong.
    pub faults: Faults,
}

impl Verdict {
    /// Whether everything sent came back, once, whole and in order.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.faults == Faults::default() && self.sent == self.received
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return write!(f, "all {} ok", self.sent);
        }
        let faults = self.faults;
        write!(
            f,
            "FAULTY: {} sent, {} received, {} missing, {} twice, {} altered, {} unknown, {} out of order",
            self.sent,
            self.received,
            faults.missing,
            faults.duplicated,
            faults.altered,
            faults.unknown,
            faults.disordered
        )
    }
}

/// The books of one run against one server.
///
/// Producers number their messages from 0 without gaps. Order is judged while
/// receiving, everything else by [`Ledger::verdict`]: a message may be received before
/// its own send is answered.
pub struct Ledger {
    run: u32,
    producers: Vec<Producer>,
    queues: HashMap<u32, Queue>,
    faults: Faults,
    received: u64,
    checksum: u64,
}

#[derive(Clone, Default)]
struct Producer {
    answered: u64,
    seen: Bits,
}

#[derive(Default)]
struct Queue {
    last_position: Option<u64>,
    last_sequences: HashMap<u16, u64>,
}

impl Ledger {
    /// Empty books for the run `run` of `producers` producers.
    #[must_use]
    pub fn new(run: u32, producers: usize) -> Self {
        Self {
            run,
            producers: vec![Producer::default(); producers],
            queues: HashMap::new(),
            faults: Faults::default(),
            received: 0,
            checksum: 0,
        }
    }

    /// Books of the same messages, none of them received: they are read again.
    #[must_use]
    pub fn again(&self) -> Self {
        let mut books = Self::new(self.run, self.producers.len());
        for (own, producer) in books.producers.iter_mut().zip(&self.producers) {
            own.answered = producer.answered;
        }
        books
    }

    /// CRC-32C of every whole body received, added up: the same whatever the order.
    #[must_use]
    pub fn checksum(&self) -> u64 {
        self.checksum
    }

    /// The run these books are for.
    #[must_use]
    pub fn run(&self) -> u32 {
        self.run
    }

    /// The next `count` messages of `producer` were answered.
    pub fn answered(&mut self, producer: u16, count: u64) {
        self.producers[usize::from(producer)].answered += count;
    }

    /// Messages answered so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.producers.iter().map(|p| p.answered).sum()
    }

    /// Distinct whole messages of this run received so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Enters a delivery and answers what its body says, when it can be believed.
    pub fn enter(&mut self, delivery: &Delivery<'_>) -> Option<Stamp> {
        let Some(stamp) = Stamp::read(delivery.body) else {
            self.faults.altered += 1;
            return None;
        };
        let producer = self.producers.get_mut(usize::from(stamp.producer));
        let Some(producer) =
            producer.filter(|_| stamp.run == self.run && stamp.sequence < SEQUENCE_MAX)
        else {
            self.faults.unknown += 1;
            return None;
        };
        if !producer.seen.insert(stamp.sequence) {
            self.faults.duplicated += 1;
            return None;
        }
        self.received += 1;
        let check = crc32c::crc32c(delivery.body);
        self.checksum = self.checksum.wrapping_add(check.into());
        if !self.in_order(delivery, stamp) {
            self.faults.disordered += 1;
        }
        Some(stamp)
    }

    fn in_order(&mut self, delivery: &Delivery<'_>, stamp: Stamp) -> bool {
        let queue = self.queues.entry(delivery.queue).or_default();
        let behind = queue.last_position.is_some_and(|p| p >= delivery.position);
        queue.last_position = Some(delivery.position);
        let before = queue.last_sequences.insert(stamp.producer, stamp.sequence);
        !behind && before.is_none_or(|sequence| sequence < stamp.sequence)
    }

    /// Closes the books.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut faults = self.faults;
        let mut received = 0;
        for producer in &self.producers {
            let answered = producer.seen.count_below(producer.answered);
            received += answered;
            faults.missing += producer.answered - answered;
            faults.unknown += producer.seen.count - answered;
        }
        Verdict {
            sent: self.sent(),
            received,
            faults,
        }
    }
}

/// Sequence numbers below this are believed; beyond it a body that passes its own check
/// would still make the bitmap grow without bound.
const SEQUENCE_MAX: u64 = 1 << 32;

/// A growing set of sequence numbers.
#[derive(Clone, Default)]
struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    /// False when `number` was there already.
    fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1u64 << (number % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u64::from(new);
        new
    }

    fn count_below(&self, end: u64) -> u64 {
        let whole = ((end / 64) as usize).min(self.words.len());
        let full: u64 = self.words[..whole]
            .iter()
            .map(|w| u64::from(w.count_ones()))
            .sum();
        let rest = (1u64 << (end % 64)) - 1;
        let part = match self.words.get((end / 64) as usize) {
            Some(word) => u64::from((word & rest).count_ones()),
            None => 0,
        };
        full + part
    }
}

#[cfg(test)]
mod tests;
