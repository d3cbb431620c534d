//! Half messages of a broker: pure, without clock or I/O (SEED_SPEC 2.1).
//!
//! A half message is a record of one internal queue until it is decided. One that
//! stays undecided is handed to a producer of its group again and again; after
//! the last check it is given up: nobody is asked any more, but it can still be
//! decided.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::ids::{QueueId, QueueKey, TopicKey};
use firn_protocol::limits::TRANSACTION_CHECKS_MAX;
use firn_protocol::time::Timestamp;
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

/// The queue of all half messages of a broker.
pub const HALVES_QUEUE: QueueKey = QueueKey {
    topic: TopicKey::Waiting,
    queue: QueueId(1),
};

/// A half message that is not decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Half {
    /// The queue that it goes to when it is committed.
    pub target: QueueKey,
    /// Who may be asked: the name of a producer group.
    pub producers: String,
    pub since: Timestamp,
    /// When a producer is asked next; after the last check, when it is given up.
    pub next_check: Timestamp,
    /// How often a producer was asked.
    pub checks: u32,
}

impl Half {
    /// Whether nobody is asked any more.
    #[must_use]
    pub fn is_given_up(&self, now: Timestamp) -> bool {
        self.checks >= TRANSACTION_CHECKS_MAX && self.next_check <= now
    }

    fn check_key(&self, offset: u64) -> Option<CheckKey> {
        (self.checks < TRANSACTION_CHECKS_MAX).then(|| CheckKey {
            topic: self.target.topic,
            producers: self.producers.clone(),
            at: self.next_check,
            offset,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CheckKey {
    topic: TopicKey,
    producers: String,
    at: Timestamp,
    offset: u64,
}

/// What became of a half message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Open,
    Committed,
    RolledBack,
}

/// All half messages of a broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Halves {
    open: BTreeMap<u64, Half>,
    /// Those that were committed. One that is neither here nor open was rolled back.
    committed: RoaringTreemap,
    /// Who is to be asked about what, by time. Follows from the rest, so it is
    /// not stored.
    #[serde(skip)]
    checks: BTreeSet<CheckKey>,
}

impl Halves {
    /// What is not stored, from what is.
    pub fn index(&mut self) {
        let keys = self.open.iter();
        self.checks = keys
            .filter_map(|(&offset, half)| half.check_key(offset))
            .collect();
    }

    pub fn prepare(&mut self, offset: u64, half: Half) {
        self.checks.extend(half.check_key(offset));
        self.open.insert(offset, half);
    }

    /// Ends a half message; false if it is not open.
    pub fn decide(&mut self, offset: u64, commit: bool) -> bool {
        let Some(half) = self.open.remove(&offset) else {
            return false;
        };
        if let Some(key) = half.check_key(offset) {
            self.checks.remove(&key);
        }
        if commit {
            self.committed.insert(offset);
        }
        true
    }

    /// A producer was asked, and is asked again at `next`.
    pub fn note_check(&mut self, offset: u64, next: Timestamp) {
        let Some(half) = self.open.get_mut(&offset) else {
            return;
        };
        if let Some(key) = half.check_key(offset) {
            self.checks.remove(&key);
        }
        half.checks += 1;
        half.next_check = next;
        self.checks.extend(half.check_key(offset));
    }

    /// Half messages of a topic that its producers are to be asked about, by time.
    pub fn checks<'a>(
        &'a self,
        topic: TopicKey,
        producers: &str,
    ) -> impl Iterator<Item = (Timestamp, u64)> + use<'a> {
        let key = |at: Timestamp, offset: u64| CheckKey {
            topic,
            producers: producers.to_owned(),
            at,
            offset,
        };
        let all = key(Timestamp(0), 0)..=key(Timestamp(u64::MAX), u64::MAX);
        self.checks.range(all).map(|key| (key.at, key.offset))
    }

    /// Undecided ones from an offset on, in order.
    pub fn open(&self, from: u64) -> impl Iterator<Item = (u64, &Half)> {
        self.open
            .range(from..)
            .map(|(&offset, half)| (offset, half))
    }

    #[must_use]
    pub fn get(&self, offset: u64) -> Option<&Half> {
        self.open.get(&offset)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// What became of the half message at an offset below the queue's end.
    #[must_use]
    pub fn decision(&self, offset: u64) -> Decision {
        if self.open.contains_key(&offset) {
            Decision::Open
        } else if self.committed.contains(offset) {
            Decision::Committed
        } else {
            Decision::RolledBack
        }
    }

    /// First one that is not decided; `end` if all are.
    #[must_use]
    pub fn low(&self, end: u64) -> u64 {
        self.open.keys().next().copied().unwrap_or(end)
    }

    /// What goes to a topic goes nowhere any more.
    pub fn drop_topic(&mut self, topic: TopicKey) {
        self.open.retain(|_, half| half.target.topic != topic);
        self.checks.retain(|key| key.topic != topic);
    }

    /// Decisions below `min` are remembered no longer.
    pub fn trim(&mut self, min: u64) {
        self.committed.remove_range(..min);
    }
}
