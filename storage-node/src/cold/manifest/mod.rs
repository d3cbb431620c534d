//! Manifests: what makes up a broker, as numbered objects that never change.
//!
//! The highest number is the truth. A manifest is committed by creating the
//! next number; whoever finds it taken is not the owner any more (RULES 6).
//! Promises that a damaged manifest is reported by its name and never stepped
//! over, and that an object it names is in it, not elsewhere: whoever holds
//! one knows all that must not be deleted. Leaves when to commit, and what, to
//! the jobs that seal and retain.

mod check;
mod codec;
mod commit;

use std::collections::BTreeMap;

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, Generation, InstanceId, Offset, Position, QueueKey, TenantId};
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::ColdError;
use super::paths::{NodeId, Nonce, ObjectName, SegmentName, StateName};
use crate::hot::BrokerKey;

pub use commit::{Commit, commit, load_newest};

/// Largest manifest, encoded.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;
/// A state snapshot up to this size is kept in the manifest itself.
pub const INLINE_STATE_BYTES_MAX: usize = 32 << 10;

/// What makes up a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// From 1, without gaps.
    pub number: u64,
    pub owner: NodeId,
    /// Drawn for this manifest; with the owner it tells whose it is.
    pub nonce: Nonce,
    #[serde(with = "BrokerKeyForm")]
    pub broker: BrokerKey,
    /// Of the owner.
    pub generation: Generation,
    /// The log up to here is in the segments and the state.
    pub covered: LogPlace,
    /// In order of their names.
    pub segments: Vec<SegmentEntry>,
    pub state: StatePlace,
    /// First offset that is still to be read, of queues that lost some.
    pub low_marks: BTreeMap<QueueKey, Offset>,
    /// Objects that earlier manifests named.
    pub released: Vec<Released>,
    /// Where the WALs of earlier owners end; what they wrote later counts for
    /// nothing.
    pub wal_ends: Vec<WalEnd>,
}

/// A place in a broker's log (RULES 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogPlace {
    pub generation: Generation,
    /// Of the last entry that it includes.
    pub sequence: u64,
}

/// A segment, with what a reader has to know before opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    pub name: SegmentName,
    /// Length of the object.
    pub bytes: u64,
    /// CRC-32C of the whole object.
    pub checksum: u32,
    /// 0 as sealed, higher after merging.
    pub level: u8,
    /// First position, and the one behind the last.
    pub positions: (Position, Position),
    pub records: u64,
    /// Of records, before compression.
    pub record_bytes: u64,
    /// In order of queue.
    pub queues: Vec<QueueRange>,
    /// Which keys and ids it may hold; the segment's own format.
    pub key_filter: Bytes,
}

/// What a segment holds of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRange {
    pub queue: QueueKey,
    pub first: Offset,
    /// Behind the last.
    pub end: Offset,
    /// Earliest and latest store time.
    pub stored_at: (Timestamp, Timestamp),
    pub records: u64,
    pub record_bytes: u64,
}

/// Where the state snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatePlace {
    /// The broker has none yet.
    None,
    /// Here: at most [`INLINE_STATE_BYTES_MAX`].
    Inline(Bytes),
    Object {
        name: StateName,
        bytes: u64,
        /// CRC-32C of the whole object.
        checksum: u32,
    },
}

/// An object that is not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    pub object: ReleasedObject,
    /// Readers that hold an earlier manifest may read it until then.
    pub delete_at: Timestamp,
}

/// See [`Released`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ReleasedObject {
    Segment(SegmentName),
    State(StateName),
}

/// Where the WAL of one incarnation of a node ends for this broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalEnd {
    pub node: NodeId,
    pub incarnation: u64,
    /// Of the last WAL object that counts.
    pub sequence: u64,
}

/// How a broker's key is stored.
#[derive(Serialize, Deserialize)]
#[serde(remote = "BrokerKey")]
struct BrokerKeyForm {
    tenant: TenantId,
    instance: InstanceId,
    broker: BrokerId,
}

/// Why there is no manifest to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("{name} is damaged: {reason}")]
    Damaged { name: String, reason: &'static str },
    #[error("{name} has format version {found}, this program reads up to {known}; use a newer one")]
    Newer {
        name: String,
        found: u16,
        known: u16,
    },
    #[error("manifest {number} of broker {broker} breaks a rule: {rule}")]
    Invalid {
        number: u64,
        broker: BrokerId,
        rule: &'static str,
    },
    #[error("{name} is listed, but cannot be found")]
    Missing { name: String },
    #[error("reading or writing a manifest")]
    Store(#[from] ColdError),
}

impl Manifest {
    /// The name of its object.
    #[must_use]
    pub fn name(&self) -> ObjectName {
        ObjectName::Manifest(self.broker, self.number)
    }

    /// The objects without which this manifest is worth nothing.
    pub fn objects(&self) -> impl Iterator<Item = ObjectName> {
        let broker = self.broker;
        let segments = self
            .segments
            .iter()
            .map(move |entry| ObjectName::Segment(broker, entry.name));
        let state = match &self.state {
            StatePlace::Object { name, .. } => Some(ObjectName::State(broker, *name)),
            StatePlace::None | StatePlace::Inline(_) => None,
        };
        segments.chain(state)
    }

    /// Objects that earlier manifests named, with the time from which they may go.
    pub fn released_objects(&self) -> impl Iterator<Item = (ObjectName, Timestamp)> {
        let broker = self.broker;
        self.released.iter().map(move |released| {
            let name = match released.object {
                ReleasedObject::Segment(name) => ObjectName::Segment(broker, name),
                ReleasedObject::State(name) => ObjectName::State(broker, name),
            };
            (name, released.delete_at)
        })
    }
}
