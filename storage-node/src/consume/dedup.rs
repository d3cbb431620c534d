//! Which messages were sent under an id lately, so that a repeat is none (RULES
//! 23). Pure, without clock or I/O.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::ids::{QueueKey, UniqueId};
use firn_protocol::limits::{DEDUP_IDS_MAX, DEDUP_WINDOW_MS};
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where the first message of an id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    pub queue: QueueKey,
    pub offset: u64,
    pub position: u64,
    pub at: Timestamp,
}

/// The ids of the last ten minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dedup {
    first: BTreeMap<UniqueId, First>,
    /// The same by time. Follows from the rest, so it is not stored.
    #[serde(skip)]
    by_time: BTreeSet<(Timestamp, UniqueId)>,
}

impl Dedup {
    /// What is not stored, from what is.
    pub fn index(&mut self) {
        let first = self.first.iter();
        self.by_time = first.map(|(&id, first)| (first.at, id)).collect();
    }

    /// The first message of an id, if it is not too long ago.
    #[must_use]
    pub fn first(&self, id: UniqueId, now: Timestamp) -> Option<First> {
        let first = self.first.get(&id)?;
        (now.since_ms(first.at) < DEDUP_WINDOW_MS).then_some(*first)
    }

    /// Whether no further id can be remembered at this time.
    #[must_use]
    pub fn is_full(&self, now: Timestamp) -> bool {
        let oldest = self.by_time.first();
        let is_over = oldest.is_some_and(|(at, _)| now.since_ms(*at) >= DEDUP_WINDOW_MS);
        self.first.len() >= DEDUP_IDS_MAX && !is_over
    }

    /// Remembers the first message of an id, and lets go of what is too long ago.
    pub fn note(&mut self, id: UniqueId, first: First) {
        while let Some(&(at, old)) = self.by_time.first() {
            if first.at.since_ms(at) < DEDUP_WINDOW_MS {
                break;
            }
            self.by_time.pop_first();
            self.first.remove(&old);
        }
        if let Some(before) = self.first.insert(id, first) {
            self.by_time.remove(&(before.at, id));
        }
        self.by_time.insert((first.at, id));
    }

    /// Ids of a topic's messages mean nothing any more.
    pub fn forget(&mut self, is_gone: impl Fn(&First) -> bool) {
        self.first.retain(|_, first| !is_gone(first));
        let first = &self.first;
        self.by_time.retain(|(_, id)| first.contains_key(id));
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use firn_protocol::ids::{QueueId, TopicId, TopicKey};
    use proptest::prelude::*;

    use super::*;

    fn first(offset: u64, at: u64) -> First {
        First {
            queue: QueueKey {
                topic: TopicKey::User(TopicId(1)),
                queue: QueueId(0),
            },
            offset,
            position: offset,
            at: Timestamp(at),
        }
    }

    proptest! {
        /// Against the obvious model: each id with its last first.
        #[test]
        fn an_id_counts_for_its_window(steps in prop::collection::vec((0..6_u8, 0..400_000_u64), 1..80)) {
            let (mut dedup, mut model) = (Dedup::default(), BTreeMap::new());
            let mut now = 0;
            for (offset, (id, pause)) in (0..).zip(steps) {
                now += pause;
                let id = UniqueId([id; 16]);
                let known = model.get(&id).copied().filter(|first: &First| now - first.at.0 < DEDUP_WINDOW_MS);
                prop_assert_eq!(dedup.first(id, Timestamp(now)), known);
                if known.is_none() {
                    dedup.note(id, first(offset, now));
                    model.insert(id, first(offset, now));
                }
                let bytes = postcard::to_stdvec(&dedup).expect("encodes");
                let mut read: Dedup = postcard::from_bytes(&bytes).expect("decodes");
                read.index();
                prop_assert_eq!(&read, &dedup);
                let live = model.values().filter(|first| now - first.at.0 < DEDUP_WINDOW_MS);
                prop_assert!(dedup.len() <= live.count() + 6);
            }
        }
    }
}
