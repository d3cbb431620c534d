//! Groups whose failing records are handed out again where they are: ordered
//! groups and members of a broadcast (RULES 16, 19). Pure, without clock or I/O.
//!
//! A record that failed, or whose lease passed, is open again at its place, with
//! the number of its next delivery. It may have to wait for its time, or be
//! parked until an operator lets it go.

use std::collections::BTreeMap;

use firn_protocol::catalogue::OnPoison;
use firn_protocol::ids::{GroupId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How a group takes failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPlaceRules {
    /// Records of a message group one after the other.
    pub is_ordered: bool,
    pub on_poison: OnPoison,
}

/// A record that was handed out before and is to be handed out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Of the next delivery, or of the one that is under way; from 2.
    pub attempt: u32,
    pub when: When,
}

/// When a record may be handed out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    Now,
    /// Not before this time.
    At(Timestamp),
    /// Not before an operator says so; since this time.
    Parked(Timestamp),
}

/// Whose member has this progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub group: GroupId,
    /// The member's id.
    pub name: String,
}

/// A group of this kind on one broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InPlace {
    /// Of the catalogue's row that the rules come from.
    pub version: u64,
    pub rules: InPlaceRules,
    /// If it is no group but a member of one.
    pub member: Option<Membership>,
    again: BTreeMap<QueueKey, BTreeMap<u64, Again>>,
}

impl InPlace {
    /// What is known of a record that was handed out before.
    #[must_use]
    pub fn again(&self, queue: QueueKey, offset: u64) -> Option<Again> {
        self.again.get(&queue)?.get(&offset).copied()
    }

    /// Number of the next delivery of a record, or of the one under way.
    #[must_use]
    pub fn attempt(&self, queue: QueueKey, offset: u64) -> u32 {
        self.again(queue, offset).map_or(1, |again| again.attempt)
    }

    /// Whether nothing but other records keeps a record from being handed out.
    #[must_use]
    pub fn is_ready(&self, queue: QueueKey, offset: u64) -> bool {
        self.again(queue, offset)
            .is_none_or(|again| again.when == When::Now)
    }

    /// Records of a queue that may not be handed out yet, in order.
    pub fn not_ready(&self, queue: QueueKey) -> impl Iterator<Item = u64> {
        let all = self.again.get(&queue).into_iter().flatten();
        all.filter(|(_, again)| again.when != When::Now)
            .map(|(&offset, _)| offset)
    }

    /// Records that are parked, and since when.
    pub fn parked(&self) -> impl Iterator<Item = (QueueKey, u64, Again)> {
        self.each()
            .filter(|(.., again)| matches!(again.when, When::Parked(_)))
    }

    /// Records that wait for a time: for the index of what is due.
    pub fn waiting(&self) -> impl Iterator<Item = (QueueKey, u64, Timestamp)> {
        self.each()
            .filter_map(|(queue, offset, again)| match again.when {
                When::At(at) => Some((queue, offset, at)),
                When::Now | When::Parked(_) => None,
            })
    }

    fn each(&self) -> impl Iterator<Item = (QueueKey, u64, Again)> {
        let queues = self.again.iter();
        queues.flat_map(|(&queue, records)| {
            let records = records.iter();
            records.map(move |(&offset, &again)| (queue, offset, again))
        })
    }

    /// Says when a record may be handed out again; the time that it waited for
    /// until now, if it did.
    pub fn set(&mut self, queue: QueueKey, offset: u64, again: Again) -> Option<Timestamp> {
        let before = self.again.entry(queue).or_default().insert(offset, again);
        before.and_then(waited)
    }

    /// A record is finished; the time that it waited for, if it did.
    pub fn forget(&mut self, queue: QueueKey, offset: u64) -> Option<Timestamp> {
        let records = self.again.get_mut(&queue)?;
        let before = records.remove(&offset)?;
        if records.is_empty() {
            self.again.remove(&queue);
        }
        waited(before)
    }

    /// Records of a queue below `min` are gone; those that waited, with their times.
    pub fn trim(&mut self, queue: QueueKey, min: u64) -> Vec<(u64, Timestamp)> {
        let Some(records) = self.again.get_mut(&queue) else {
            return Vec::new();
        };
        let kept = records.split_off(&min);
        let gone = std::mem::replace(records, kept);
        if records.is_empty() {
            self.again.remove(&queue);
        }
        times(gone)
    }

    /// Everything of a topic starts over; those that waited, with their times.
    pub fn drop_topic(&mut self, topic: TopicKey) -> Vec<(QueueKey, u64, Timestamp)> {
        let mut ended = Vec::new();
        self.again.retain(|&queue, records| {
            let goes = queue.topic == topic;
            if goes {
                let gone = times(std::mem::take(records)).into_iter();
                ended.extend(gone.map(|(offset, at)| (queue, offset, at)));
            }
            !goes
        });
        ended
    }
}

fn waited(again: Again) -> Option<Timestamp> {
    match again.when {
        When::At(at) => Some(at),
        When::Now | When::Parked(_) => None,
    }
}

fn times(records: BTreeMap<u64, Again>) -> Vec<(u64, Timestamp)> {
    let records = records.into_iter();
    records
        .filter_map(|(offset, again)| Some((offset, waited(again)?)))
        .collect()
}

/// All groups of this kind on a broker.
pub type InPlaceGroups = BTreeMap<GroupId, InPlace>;
