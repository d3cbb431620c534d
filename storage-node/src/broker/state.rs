//! The state of a virtual broker: what its log adds up to.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use firn_protocol::ids::{GroupId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::class::ClassState;
use super::entry::Carry;
use super::tier::TierState;
use super::usage::UsageState;
use crate::consume::dedup::Dedup;
use crate::consume::delay::Delayed;
use crate::consume::group::{GroupState, WAITING_QUEUE};
use crate::consume::in_place::InPlaceGroups;
use crate::consume::progress::Delivery;
use crate::consume::transaction::Halves;
use crate::record::RecordError;

/// Version 1 had no tier, version 2 no class, version 3 no held messages,
/// no ordered groups and no ids, version 4 no shapes and no usage, version 5 no
/// records that came back.
const SNAPSHOT_VERSION: u8 = 6;

/// Last deliveries of records that are in nobody's hands: what a snapshot has behind
/// the state.
type Returned = Vec<(GroupId, QueueKey, u64, Delivery)>;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BrokerState {
    /// Sequence of the last entry applied; the first is 1.
    pub seq: u64,
    pub next_position: u64,
    /// Entry times never fall.
    pub last_time: Timestamp,
    pub next_lease: u64,
    pub queues: BTreeMap<QueueKey, QueueState>,
    pub groups: BTreeMap<GroupId, GroupState>,
    pub tier: TierState,
    pub class: ClassState,
    pub delayed: Delayed,
    pub halves: Halves,
    /// Groups whose records are handed out again where they are.
    pub in_place: InPlaceGroups,
    /// Messages that were sent under an id lately.
    pub dedup: Dedup,
    /// Of topics that keep an order: the version of the row that sends go by.
    pub shapes: BTreeMap<TopicKey, u64>,
    /// What was sent and handed out, for the bill.
    pub usage: UsageState,
    /// Nothing of it is needed but its usage, as long as nobody has taken that.
    pub is_erased: bool,
    /// Everything that happens by itself, by time: leases that pass and waiting
    /// copies that become due. Follows from the rest, so it is not stored.
    #[serde(skip)]
    pub due: BTreeSet<Due>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    pub at: Timestamp,
    pub group: GroupId,
    /// The leased record's queue, or the waiting queue.
    pub queue: QueueKey,
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueState {
    /// First offset that is stored.
    pub min: u64,
    /// Offset of the next record.
    pub end: u64,
    /// Store time of the newest record.
    pub last_at: Timestamp,
}

impl BrokerState {
    /// The state as stored bytes.
    ///
    /// # Panics
    /// Never: the state holds nothing that postcard cannot encode.
    #[must_use]
    pub fn snapshot(&self) -> Bytes {
        let out = vec![SNAPSHOT_VERSION];
        let state = postcard::to_extend(self, out);
        let whole = state.and_then(|out| postcard::to_extend(&self.returned(), out));
        whole.expect("plain data always encodes").into()
    }

    /// The state from stored bytes.
    ///
    /// # Errors
    /// When they are of another version or malformed.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, RecordError> {
        let (&version, rest) = bytes
            .split_first()
            .ok_or(RecordError("snapshot is empty"))?;
        let read = match version {
            1..SNAPSHOT_VERSION => read_parts(&with_new_parts(rest, version)),
            SNAPSHOT_VERSION => read_parts(rest),
            _ => return Err(RecordError("snapshot has an unknown format version")),
        };
        let (mut state, returned) = read.map_err(|_| RecordError("snapshot is malformed"))?;
        for (group, queue, offset, last) in returned {
            if let Some(group) = state.groups.get_mut(&group) {
                group.set_returned(queue, offset, last);
            }
        }
        state.index_due();
        state.halves.index();
        state.dedup.index();
        Ok(state)
    }

    /// What is left of it when it is erased.
    pub(super) fn erased(&self) -> Self {
        Self {
            seq: self.seq,
            next_position: self.next_position,
            last_time: self.last_time,
            next_lease: self.next_lease,
            usage: self.usage.clone(),
            is_erased: true,
            ..Self::default()
        }
    }

    /// The state of a broker that was erased by this entry, whatever stood in the log
    /// before.
    #[must_use]
    pub fn erased_at(seq: u64) -> Self {
        Self {
            seq,
            is_erased: true,
            ..Self::default()
        }
    }

    /// The state as an entry that carries it forward leaves it, whatever stood
    /// in the log before.
    ///
    /// # Errors
    /// When the snapshot in it cannot be read, or is of another place.
    pub fn from_carry(seq: u64, carry: &Carry) -> Result<Self, RecordError> {
        let mut state = Self::from_snapshot(&carry.snapshot)?;
        if state.seq + 1 != seq {
            return Err(RecordError("carried snapshot is of another place"));
        }
        state.seq = seq;
        state.tier = carry.tier.clone();
        Ok(state)
    }

    fn returned(&self) -> Returned {
        let groups = self.groups.iter();
        let all = groups.flat_map(|(&group, state)| {
            let returned = state.returned(group);
            returned.map(move |(queue, offset, last)| (group, queue, offset, last))
        });
        all.collect()
    }

    fn index_due(&mut self) {
        for (&group, state) in &self.in_place {
            let waiting = state.waiting();
            self.due.extend(waiting.map(|(queue, offset, at)| Due {
                at,
                group,
                queue,
                offset,
            }));
        }
        for (&group, state) in &self.groups {
            for (queue, progress) in state.each_progress(group) {
                self.due
                    .extend(progress.leases().map(|(offset, lease)| Due {
                        at: lease.deadline,
                        group,
                        queue,
                        offset,
                    }));
            }
            self.due
                .extend(state.retry.waiting.iter().map(|(&offset, waiting)| Due {
                    at: waiting.due,
                    group,
                    queue: WAITING_QUEUE,
                    offset,
                }));
        }
    }

    /// When something happens by itself next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|due| due.at)
    }

    #[must_use]
    pub fn queue(&self, queue: QueueKey) -> QueueState {
        self.queues.get(&queue).copied().unwrap_or_default()
    }
}

/// An older snapshot with parts at its end that say nothing.
fn with_new_parts(bytes: &[u8], version: u8) -> Vec<u8> {
    fn empty<T: Default + Serialize>() -> Vec<u8> {
        postcard::to_stdvec(&T::default()).expect("plain data always encodes")
    }
    let parts = [
        (1, empty::<TierState>()),
        (2, empty::<ClassState>()),
        (3, empty::<Delayed>()),
        (3, empty::<Halves>()),
        (3, empty::<InPlaceGroups>()),
        (3, empty::<Dedup>()),
        (4, empty::<BTreeMap<TopicKey, u64>>()),
        (4, empty::<UsageState>()),
        (4, empty::<bool>()),
        (5, empty::<Returned>()),
    ];
    let new = parts.into_iter().filter(|(last, _)| version <= *last);
    let new = new.flat_map(|(_, part)| part);
    bytes.iter().copied().chain(new).collect()
}

fn read_parts(bytes: &[u8]) -> postcard::Result<(BrokerState, Returned)> {
    let (state, rest) = postcard::take_from_bytes(bytes)?;
    Ok((state, postcard::from_bytes(rest)?))
}

/// The group's retry queue on this broker.
#[must_use]
pub fn retry_queue(group: GroupId) -> QueueKey {
    QueueKey {
        topic: firn_protocol::ids::TopicKey::Retry(group),
        queue: crate::consume::group::ONLY_QUEUE,
    }
}

/// The group's dead-letter queue on this broker.
#[must_use]
pub fn dead_letter_queue(group: GroupId) -> QueueKey {
    QueueKey {
        topic: firn_protocol::ids::TopicKey::DeadLetter(group),
        queue: crate::consume::group::ONLY_QUEUE,
    }
}

#[cfg(test)]
mod tests;
