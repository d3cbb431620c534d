//! The hot store: what the log has durably, arranged for reading. It is filled
//! behind the log, in log order, and may be thrown away at any time, because the
//! log (later: the object store) is the truth. No answer waits for it.
//!
//! Two implementations pass one conformance suite: sled for real nodes, an
//! ordered map in memory for simulation.

#[cfg(test)]
mod conformance;
pub mod fill;
pub mod hash;
mod keys;
pub mod memory;
pub mod metrics;
pub mod sled;

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, InstanceId, Offset, Position, QueueKey, TenantId};
use firn_protocol::time::Timestamp;

/// A broker with the tenant and instance under which all its keys stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerKey {
    pub tenant: TenantId,
    pub instance: InstanceId,
    pub broker: BrokerId,
}

pub use crate::log::Lsn;

/// Consecutive records of one queue, as concatenated runs ([`crate::record`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub first_offset: Offset,
    pub count: u32,
    /// Of the first and last record.
    pub stored_at: (Timestamp, Timestamp),
    pub runs: Bytes,
}

/// What the index of a chunk says about one of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Hash of a key or of the message id; the reader compares the full text.
    pub hash: u64,
    /// Record `first_offset + index` of the chunk.
    pub index: u32,
    pub position: Position,
}

/// A chunk on its way into the store.
#[derive(Clone, Debug)]
pub struct NewChunk {
    pub broker: BrokerKey,
    pub queue: QueueKey,
    pub chunk: Chunk,
    pub index: Vec<IndexEntry>,
}

/// Consecutive positions of a broker that went to one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionRun {
    pub first: Position,
    pub count: u32,
    pub queue: QueueKey,
    pub offset: Offset,
}

/// One atomic step of filling: a stretch of the log without gaps, except where
/// another batch has filled it. The chunks of one queue stand in order and do
/// not overlap.
#[derive(Clone, Debug, Default)]
pub struct HotBatch {
    pub chunks: Vec<NewChunk>,
    /// In order of position for each broker.
    pub positions: Vec<(BrokerKey, Vec<PositionRun>)>,
    /// Everything before this place is in the store once the batch is.
    pub marker: Lsn,
}

/// A record found by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub queue: QueueKey,
    pub offset: Offset,
    pub position: Position,
}

/// Why the hot store cannot answer. The caller reads from the log instead, or
/// throws the store away and fills it again.
#[derive(Debug, thiserror::Error)]
pub enum HotError {
    #[error("hot store: {0}")]
    Store(String),
    #[error("hot store: chunk of {queue} at {offset} is damaged")]
    Damaged { queue: QueueKey, offset: Offset },
    #[error("hot store: index damaged where position {position} is looked for")]
    DamagedIndex { position: Position },
    #[error("hot store: {what} has format {found}, this program knows up to {known}")]
    Newer {
        what: String,
        found: u32,
        known: u32,
    },
    #[error("hot store: {0} is in use by another process")]
    InUse(String),
    #[error("hot store: i/o")]
    Io(#[from] std::io::Error),
}

/// Chunks of records, their indexes, and how far the log has been filled in.
/// Calls block on disk; async callers go through a blocking thread. Filling what
/// is already there is harmless, also when it is cut into other chunks.
pub trait HotStore: Send + Sync + 'static {
    /// Everything before this place of the log is here.
    fn marker(&self) -> Lsn;

    /// Adds a batch, all or nothing, the marker with it.
    ///
    /// # Errors
    /// When the store cannot take it; nothing is then assumed about the batch.
    fn fill(&self, batch: &HotBatch) -> Result<(), HotError>;

    /// The chunk that holds `offset`, its checksum tested; `None` if it is not here.
    ///
    /// # Errors
    /// When the store cannot be read, or `Damaged`.
    fn chunk_at(
        &self,
        broker: BrokerKey,
        queue: QueueKey,
        offset: Offset,
    ) -> Result<Option<Chunk>, HotError>;

    /// Queue and offset of the record at a position; `None` if it is not here.
    ///
    /// # Errors
    /// See [`Self::chunk_at`].
    fn locate(
        &self,
        broker: BrokerKey,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, HotError>;

    /// Records with this hash at or after `from`, in order of position, at most
    /// `max`; `topic` limits the search to one topic's queues.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn find(
        &self,
        broker: BrokerKey,
        topic: Option<firn_protocol::ids::TopicKey>,
        hash: u64,
        from: Position,
        max: usize,
    ) -> Result<Vec<Hit>, HotError>;

    /// Says that nothing before this place of the log is asked for any more;
    /// what holds nothing else may go.
    ///
    /// # Errors
    /// When it cannot be removed; it goes another time.
    fn forget_before(&self, lsn: Lsn) -> Result<(), HotError>;

    /// Ends the work of the store in an orderly way; what comes later is refused.
    ///
    /// # Errors
    /// When it could not be closed cleanly, which may cost a refill at the next start.
    fn close(&self) -> Result<(), HotError>;
}

/// Snapshots of broker state, in a small store of their own with its own marker.
pub trait StateStore: Send + Sync + 'static {
    /// Replaying the log from this place on top of the snapshots gives the state.
    fn marker(&self) -> Lsn;

    /// Every broker's newest snapshot with the sequence that it covers.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn load(&self) -> Result<Vec<(BrokerKey, u64, Bytes)>, HotError>;

    /// Replaces the snapshots of some brokers, atomically with the marker.
    ///
    /// # Errors
    /// When the store cannot take it.
    fn save(&self, snapshots: Vec<(BrokerKey, u64, Bytes)>, marker: Lsn) -> Result<(), HotError>;

    /// Forgets a broker.
    ///
    /// # Errors
    /// When the store cannot take it.
    fn remove(&self, broker: BrokerKey) -> Result<(), HotError>;

    /// See [`HotStore::close`].
    ///
    /// # Errors
    /// See [`HotStore::close`].
    fn close(&self) -> Result<(), HotError>;
}
