//! Why a segment cannot be written or read: what, and where in it.

use std::fmt;
use std::ops::Range;

use firn_protocol::ids::{Offset, Position, QueueKey};

use crate::hot::BrokerKey;
use crate::record::RecordError;

/// A part of a segment that is not a chunk. The numbers go into checksums and
/// are never reassigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    Header = 1,
    Trailer = 2,
    ChunkIndex = 3,
    KeyIndex = 4,
    KeyBlock = 5,
    PositionIndex = 6,
    PositionBlock = 7,
    Filter = 8,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Trailer => "trailer",
            Self::ChunkIndex => "chunk index",
            Self::KeyIndex => "key index",
            Self::KeyBlock => "block of the key index",
            Self::PositionIndex => "position index",
            Self::PositionBlock => "block of the position index",
            Self::Filter => "filter",
        })
    }
}

/// Why a segment cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    #[error("segment: {part} is damaged (bytes {}..{})", bytes.start, bytes.end)]
    Damaged { part: Part, bytes: Range<u64> },
    #[error(
        "segment: chunk of {queue} at {} is damaged (offsets until {}, bytes {}..{})",
        offsets.start, offsets.end, bytes.start, bytes.end
    )]
    DamagedChunk {
        queue: QueueKey,
        offsets: Range<Offset>,
        bytes: Range<u64>,
    },
    #[error("segment: filter is damaged")]
    DamagedFilter,
    #[error("segment: {bytes} bytes are too few to be one")]
    Cut { bytes: u64 },
    #[error("segment: {part} has format {found}, this program knows up to {known}")]
    Newer { part: Part, found: u32, known: u32 },
    #[error(
        "segment: belongs to broker {} of instance {} of tenant {}, not to broker {} of instance {} of tenant {}",
        found.broker, found.instance, found.tenant, expected.broker, expected.instance, expected.tenant
    )]
    Foreign {
        found: BrokerKey,
        expected: BrokerKey,
    },

    /// Nothing was added by the call.
    #[error("segment: run of {queue} at {offset} does not follow what was added before")]
    OutOfOrder { queue: QueueKey, offset: Offset },
    /// Nothing was added by the call.
    #[error("segment: run of {queue} at {offset} cannot be stored")]
    Malformed {
        queue: QueueKey,
        offset: Offset,
        #[source]
        source: RecordError,
    },
    /// Nothing was added by the call.
    #[error("segment: run of {queue} at {offset} has {bytes} bytes, at most {max} are allowed")]
    RunTooLong {
        queue: QueueKey,
        offset: Offset,
        bytes: usize,
        max: usize,
    },
    /// Nothing was added by the call: finish this segment and begin another.
    #[error("segment: no room for run of {queue} at {offset}")]
    Full { queue: QueueKey, offset: Offset },
    #[error("segment: two records have position {position}")]
    PositionsOverlap { position: Position },
    #[error("segment: there is no record to write")]
    Empty,
    #[error("segment: compression failed: {0}")]
    Compressor(String),
}

impl SegmentError {
    /// The bytes of the object that are damaged, where that is the reason.
    #[must_use]
    pub fn bytes(&self) -> Option<Range<u64>> {
        match self {
            Self::Damaged { bytes, .. } | Self::DamagedChunk { bytes, .. } => Some(bytes.clone()),
            Self::DamagedFilter
            | Self::Cut { .. }
            | Self::Newer { .. }
            | Self::Foreign { .. }
            | Self::OutOfOrder { .. }
            | Self::Malformed { .. }
            | Self::RunTooLong { .. }
            | Self::Full { .. }
            | Self::PositionsOverlap { .. }
            | Self::Empty
            | Self::Compressor(_) => None,
        }
    }
}
