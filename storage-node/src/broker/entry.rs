//! What a broker's log says: every change that must survive is an entry. It
//! carries the time and the numbers that it needs, so that applying it takes no
//! clock and no I/O.
//!
//! Stored as format version, length of the head, head (postcard), in version 2 length
//! and what the entry counts for the bill, then the run of records if the entry stores
//! any. Variants and fields are only ever added at the end; golden bytes in the tests
//! hold that.

use bytes::Bytes;
use firn_protocol::catalogue::Durability;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, QueueId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::held::HeldHead;
use super::in_place::InPlaceHead;
use super::tier::TierState;
use super::unique::UniqueHead;
use super::usage::{Metered, UsageHead};
use crate::record::{RecordError, RunHeader, header_of};
use crate::varint::{self, Reader};

/// Of entries that count nothing.
const VERSION_PLAIN: u8 = 1;
const VERSION_METERED: u8 = 2;

/// A half-open range of offsets.
pub type OffsetRange = (u64, u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Head {
    /// Stores the run in a queue.
    Append {
        queue: QueueKey,
    },
    /// A group takes up a topic, with new queues, a new filter, or newer settings.
    Subscribe(Subscribe),
    /// A filter has no member any more.
    Unsubscribe {
        group: GroupId,
        topic: TopicKey,
        filter: Filter,
    },
    /// Records go to a member, or are finished because nobody wants them.
    Receive(Receive),
    /// A member has finished records.
    Ack {
        group: GroupId,
        records: Vec<(QueueKey, Vec<u64>)>,
    },
    /// A lease lasts longer or shorter.
    Renew {
        group: GroupId,
        queue: QueueKey,
        offset: u64,
        deadline: Timestamp,
    },
    /// Records never reached their member.
    GiveBack {
        group: GroupId,
        records: Vec<(QueueKey, Vec<u64>)>,
    },
    /// A record leaves its queue for another as a copy, which is the run.
    Transfer(Transfer),
    /// A group starts over on a topic.
    Seek {
        time: Timestamp,
        group: GroupId,
        topic: TopicKey,
        starts: Vec<(QueueId, u64)>,
    },
    DropTopic {
        topic: TopicKey,
    },
    DropGroup {
        group: GroupId,
    },
    /// All that the log had of the broker before is not needed any more: it is
    /// here, in object storage, or follows.
    Carry(Carry),
    /// Stores the run, which an earlier entry stored, once more at this place.
    Again {
        queue: QueueKey,
    },
    /// From this entry on the broker is of this durability class.
    Class(Durability),
    /// Records are gone, because of their age or to make room.
    Trim(Trim),
    /// Something happens to held messages.
    Held(HeldHead),
    /// Something happens to records that are handed out again where they are.
    InPlace(InPlaceHead),
    /// Stores the run, one message that was sent under an id.
    Unique(UniqueHead),
    /// Sends that keep an order go by this version of the topic's row, or a newer one.
    Shape {
        topic: TopicKey,
        version: u64,
    },
    /// Counts for the bill are cut, or taken.
    Usage(UsageHead),
    /// The broker is removed: nothing that was stored before is needed any more.
    Erase,
}

/// Why records are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrimReason {
    /// Older than their topic keeps them.
    Age,
    /// The instance stores more than it may.
    Quota,
    /// The disk is nearly full.
    Disk,
    /// Somebody wants them gone. Retries of them go, too.
    Purge,
}

/// Low marks rise. Bodies that still wait for their time stay, whatever is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trim {
    pub time: Timestamp,
    pub reason: TrimReason,
    /// First offset that is left, of each queue that loses some.
    pub marks: Vec<(QueueKey, u64)>,
}

/// The broker as it was right before this entry, and what holds from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Carry {
    pub tier: TierState,
    /// See [`super::state::BrokerState::snapshot`]; its tier is outdated.
    pub snapshot: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscribe {
    pub group: GroupId,
    /// Of the catalogue's row; an older one changes no settings.
    pub version: u64,
    pub max_retries: u32,
    pub topic: TopicKey,
    /// Queues that are new to the group, and where it starts on them.
    pub starts: Vec<(QueueId, u64)>,
    pub filter: Option<Filter>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receive {
    pub group: GroupId,
    pub topic: TopicKey,
    pub deadline: Timestamp,
    pub parts: Vec<ReceivePart>,
}

/// One queue's share. Leases are numbered in the order in which they stand here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReceivePart {
    pub queue: QueueKey,
    pub leased: Vec<OffsetRange>,
    pub skipped: Vec<OffsetRange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    pub group: GroupId,
    pub reason: TransferReason,
    /// The record that leaves: finished for the group, or no longer waiting.
    pub from: QueueKey,
    pub from_offset: u64,
    /// Where the copy goes: `%RETRY%`, `%DLQ%`, the waiting bodies, or, as a message
    /// like any other, the topic of its original.
    pub to: QueueKey,
    pub copy: Copy,
    /// When a waiting copy becomes available.
    pub due: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferReason {
    /// The lease passed: available again at once.
    Expired,
    /// The member reported a failure: waits for the pause of the retry table.
    Failed,
    /// The pause is over.
    Due,
    /// All redeliveries failed.
    Exhausted,
    /// An operator sent a dead letter back.
    Redriven,
}

/// What the state must know of a copy without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// Topic of the original: receive on it takes the copy (RULES 16).
    pub topic: TopicKey,
    pub queue: QueueId,
    pub offset: u64,
    /// Of the next delivery, from 1.
    pub attempt: u32,
}

/// An entry with its run.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub head: Head,
    pub metered: Option<Metered>,
    pub run: Option<Bytes>,
}

impl Head {
    /// Number of the kind in the frame, for tools that list frames.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Append { .. } => 1,
            Self::Subscribe(_) => 2,
            Self::Unsubscribe { .. } => 3,
            Self::Receive(_) => 4,
            Self::Ack { .. } => 5,
            Self::Renew { .. } => 6,
            Self::GiveBack { .. } => 7,
            Self::Transfer(_) => 8,
            Self::Seek { .. } => 9,
            Self::DropTopic { .. } => 10,
            Self::DropGroup { .. } => 11,
            Self::Carry(_) => 12,
            Self::Again { .. } => 13,
            Self::Class(_) => 14,
            Self::Trim(_) => 15,
            Self::Held(held) => held.kind(),
            Self::InPlace(in_place) => in_place.kind(),
            Self::Unique(_) => 26,
            Self::Shape { .. } => 27,
            Self::Usage(_) => 28,
            Self::Erase => 29,
        }
    }

    /// The queue that the run goes to, if the entry has one.
    #[must_use]
    pub fn run_queue(&self) -> Option<QueueKey> {
        match self {
            Self::Append { queue } | Self::Again { queue } => Some(*queue),
            Self::Transfer(transfer) => Some(transfer.to),
            Self::Held(held) => held.run_queue(),
            Self::Unique(unique) => Some(unique.queue),
            Self::Subscribe(_)
            | Self::Unsubscribe { .. }
            | Self::Receive(_)
            | Self::Ack { .. }
            | Self::Renew { .. }
            | Self::GiveBack { .. }
            | Self::Seek { .. }
            | Self::DropTopic { .. }
            | Self::DropGroup { .. }
            | Self::Carry(_)
            | Self::Class(_)
            | Self::Trim(_)
            | Self::InPlace(_)
            | Self::Shape { .. }
            | Self::Usage(_)
            | Self::Erase => None,
        }
    }

    /// Whether somebody waits for the entry to be durable, as a rule.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        match self {
            Self::Append { .. }
            | Self::Subscribe(_)
            | Self::Ack { .. }
            | Self::Renew { .. }
            | Self::Seek { .. }
            | Self::DropTopic { .. }
            | Self::DropGroup { .. }
            | Self::Erase
            | Self::Unique(_) => true,
            Self::Held(held) => held.is_awaited(),
            Self::Trim(trim) => trim.reason == TrimReason::Purge,
            Self::Transfer(transfer) => matches!(
                transfer.reason,
                TransferReason::Failed | TransferReason::Redriven
            ),
            Self::Unsubscribe { .. }
            | Self::Receive(_)
            | Self::GiveBack { .. }
            | Self::Carry(_)
            | Self::Again { .. }
            | Self::Shape { .. }
            | Self::Usage(_)
            | Self::Class(_) => false,
            Self::InPlace(in_place) => matches!(in_place, InPlaceHead::Again(_)),
        }
    }

    /// The queue that the run lengthens, if the entry has a run that does.
    #[must_use]
    pub fn new_run_queue(&self) -> Option<QueueKey> {
        let is_new = !matches!(self, Self::Again { .. });
        self.run_queue().filter(|_| is_new)
    }

    /// Writes everything but the run, which follows directly: the head, and what the
    /// entry counts.
    ///
    /// # Panics
    /// Never: the head holds nothing that postcard cannot encode.
    pub fn encode(&self, metered: Option<&Metered>, out: &mut Vec<u8>) {
        let head = postcard::to_stdvec(self).expect("plain data always encodes");
        out.push(match metered {
            None => VERSION_PLAIN,
            Some(_) => VERSION_METERED,
        });
        varint::put_bytes(out, &head);
        if let Some(metered) = metered {
            let metered = postcard::to_stdvec(metered).expect("plain data always encodes");
            varint::put_bytes(out, &metered);
        }
    }
}

impl Entry {
    /// Reads an entry; the run shares the bytes.
    ///
    /// # Errors
    /// When the bytes are no entry of a version that this build knows.
    pub fn decode(payload: &Bytes) -> Result<Self, RecordError> {
        let mut reader = Reader::new(payload);
        let is_metered = match reader.byte() {
            Some(VERSION_PLAIN) => false,
            Some(VERSION_METERED) => true,
            _ => return Err(RecordError("entry has an unknown format version")),
        };
        let head = reader.bytes().ok_or(RecordError("entry head is cut"))?;
        let head: Head =
            postcard::from_bytes(head).map_err(|_| RecordError("entry head is malformed"))?;
        let metered = match is_metered {
            true => {
                let bytes = reader.bytes().ok_or(RecordError("entry counts are cut"))?;
                let read = postcard::from_bytes(bytes);
                Some(read.map_err(|_| RecordError("entry counts are malformed"))?)
            }
            false => None,
        };
        let run = payload.slice(reader.at()..);
        let run = (!run.is_empty()).then_some(run);
        if head.run_queue().is_some() != run.is_some() {
            return Err(RecordError("entry and run do not match"));
        }
        Ok(Self { head, metered, run })
    }

    /// Header of the run, if there is one.
    ///
    /// # Errors
    /// When the run is malformed.
    pub fn run_header(&self) -> Result<Option<RunHeader>, RecordError> {
        self.run.as_deref().map(header_of).transpose()
    }
}

#[cfg(test)]
mod tests;
