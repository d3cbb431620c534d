//! WAL objects: the log of the durability class `object`, in the object store.
//!
//! Owns the objects `wal/<node>/<incarnation>/<sequence>`, each with frames of
//! many brokers in rising LSN order: their format, the writer that gathers and
//! puts them, the fence that ends an incarnation for good, the replay, and what
//! of them may be deleted. Promises that a frame whose wait said `Ok` is shown
//! by every later replay until it was forgotten; that frames become durable in
//! LSN order however puts end; and that a writer that somebody fenced answers
//! nothing more (RULES 6 and 8). Leaves the meaning of frames, and when they
//! are covered elsewhere, to the brokers.
//!
//! What an object says beside its frames:
//! - *settled*: objects up to this number were durable when it was packed, so
//!   the end of an incarnation is looked for above it, whatever lists show;
//! - *floor*: objects below this number are not needed and may be gone, so that
//!   one that is missing at or above it is a loss and not a deletion.
//!
//! Bytes: `codec`. Writing: `queue`, `flight`, `waiters`, `cover` (plain state),
//! `writer`, `driver`. Reading: `fence`, `replay`. Deleting: `clear`.

mod clear;
mod codec;
mod cover;
mod driver;
mod error;
mod fence;
mod flight;
mod metrics;
mod queue;
mod replay;
mod settings;
mod waiters;
mod writer;

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::paths::{NodeId, ObjectName};
use crate::log::{CommittedFrame, FrameHeader, Lsn};

pub use clear::{CLEARED_KEPT, Incarnation, all_incarnations, delete_incarnation, incarnations};
pub use codec::{BODY_BYTES_MAX, FRAME_BYTES_MAX};
pub use error::{WalError, WalReadError};
pub use fence::fence;
pub use metrics::WalMetrics;
pub use replay::{WalVisitor, last_frame, replay};
pub use settings::WalSettings;
pub use writer::WalWriter;

/// An entry of one broker, as the node's log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalFrame {
    /// Its place in the node's log. Rises from frame to frame, with gaps where
    /// entries are of the class `local`.
    pub lsn: Lsn,
    /// Whose entry it is, and what.
    pub header: FrameHeader,
    /// At most [`FRAME_BYTES_MAX`]. A slice of a commit's buffer keeps that
    /// whole buffer in memory until the object is packed.
    pub payload: Bytes,
}

impl From<&CommittedFrame> for WalFrame {
    fn from(frame: &CommittedFrame) -> Self {
        Self {
            lsn: frame.lsn,
            header: frame.header,
            payload: frame.payload.clone(),
        }
    }
}

/// The number of the mark which says that a whole incarnation is covered; no
/// writer comes that far.
const MARK_SEQUENCE: u64 = u64::MAX;

/// One incarnation of one node's WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wal {
    node: NodeId,
    incarnation: u64,
}

impl Wal {
    fn object(self, sequence: u64) -> ObjectName {
        ObjectName::Wal {
            node: self.node,
            incarnation: self.incarnation,
            sequence,
        }
    }
}
