//! A cut through a broker: what is to leave the log, fixed under its lock.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{Generation, QueueKey};
use firn_protocol::time::Timestamp;

use super::error::TierError;
use crate::broker::owner::{Broker, Core, Mark};
use crate::log::{Log, Lsn};
use crate::node::StorageNode;
use crate::node::read::ReadLimit;
use crate::record::{StoredRecord, encode_records};

/// Records read at a time, and their bytes.
const PIECE: ReadLimit = ReadLimit {
    records: 4096,
    bytes: 2 << 20,
};

/// What a broker was at one entry, and which records no segment had then.
pub(super) struct Cut {
    /// Of the last entry that counts.
    pub(super) seq: u64,
    pub(super) generation: Generation,
    /// What the log has of the broker up to the cut stands before this place, and
    /// all that comes later behind it.
    pub(super) log_from: Lsn,
    /// What must be durable before anything is written.
    pub(super) mark: Mark,
    /// Of the manifest that holds so far; 0 if there is none.
    pub(super) manifest: u64,
    pub(super) covered: u64,
    /// First and one past the last record of each queue, where there are any.
    pub(super) ranges: BTreeMap<QueueKey, Range<u64>>,
    /// First offset that is still to be read, of each queue that there is.
    pub(super) mins: BTreeMap<QueueKey, u64>,
    pub(super) waiting_bytes: u64,
    pub(super) last_time: Timestamp,
    pub(super) snapshot: Bytes,
    life: u64,
}

impl Cut {
    /// Takes a cut; nobody else tiers the broker until [`Tiering`] is dropped.
    pub(super) fn take(core: &Core, log: &Log) -> Self {
        let tier = &core.state.tier;
        let ranges = core.state.queues.iter().map(|(&queue, state)| {
            let first = tier.end(queue).max(state.min);
            (queue, first..state.end)
        });
        let mins = core.state.queues.iter();
        Self {
            seq: core.state.seq,
            generation: core.generation,
            log_from: core.last_lsn.max(log.durable()).next(),
            mark: core.mark(),
            manifest: tier.manifest,
            covered: tier.covered,
            ranges: ranges.filter(|(_, range)| !range.is_empty()).collect(),
            mins: mins.map(|(&queue, state)| (queue, state.min)).collect(),
            waiting_bytes: tier.waiting_bytes,
            last_time: core.state.last_time,
            snapshot: core.state.snapshot(),
            life: core.life,
        }
    }

    /// Whether the state in memory still is the one that was cut.
    pub(super) fn is_current(&self, core: &Core) -> bool {
        core.life == self.life
    }
}

/// The right to tier a broker, given back when dropped.
pub(super) struct Tiering<'a>(&'a Broker);

impl<'a> Tiering<'a> {
    /// Takes the right and a cut.
    pub(super) fn begin(broker: &'a Broker, log: &Log) -> Result<(Self, Cut), TierError> {
        let mut core = broker.lock()?;
        if std::mem::replace(&mut core.is_tiering, true) {
            return Err(TierError::Interrupted);
        }
        let cut = Cut::take(&core, log);
        drop(core);
        Ok((Self(broker), cut))
    }
}

impl Drop for Tiering<'_> {
    fn drop(&mut self) {
        self.0.lock_any().is_tiering = false;
    }
}

impl StorageNode {
    /// The next runs of a queue, each piece without a gap, with the offset behind
    /// them; none if all that is left is lost, or the queue is gone.
    pub(super) async fn next_runs(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        range: Range<u64>,
    ) -> Result<(Vec<Bytes>, u64), ApiError> {
        let found = self.read_range(broker, queue, range.clone(), PIECE).await?;
        let follows = |a: &StoredRecord, b: &StoredRecord| a.offset.plus(1) == b.offset;
        let pieces = found.records.chunk_by(follows);
        let is_gone = found.upto <= range.start;
        let upto = if is_gone { range.end } else { found.upto };
        Ok((
            pieces.map(|piece| encode_records(piece).into()).collect(),
            upto,
        ))
    }
}
