//! What goes wrong on the way into object storage and back.

use std::ops::Range;

use firn_protocol::error::{ApiError, Detail, ErrorCode};
use firn_protocol::ids::{BrokerId, QueueKey};

use crate::cold::manifest::ManifestError;
use crate::cold::paths::{NodeId, ObjectName};
use crate::cold::{ColdError, Failure};
use crate::record::RecordError;
use crate::segment::SegmentError;

/// Why a broker was not sealed, carried forward, or read from object storage.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TierError {
    #[error(transparent)]
    Store(#[from] ColdError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("{object}: {source}")]
    Segment {
        object: ObjectName,
        source: SegmentError,
    },
    /// Records that a reader wants are in something that is damaged or gone.
    #[error("offsets {first} to {last} of {queue}: {source}")]
    Unreadable {
        queue: QueueKey,
        first: u64,
        last: u64,
        source: Box<TierError>,
    },
    #[error("writing a segment: {0}")]
    Write(SegmentError),
    #[error("the state of broker {broker} cannot be read back: {source}")]
    State {
        broker: BrokerId,
        source: RecordError,
    },
    /// The broker's state in memory was thrown away meanwhile, or it is being
    /// tiered by somebody else.
    #[error("the broker changed hands in memory")]
    Interrupted,
    #[error("broker {broker} belongs to node {owner} by its manifest {number}")]
    Fenced {
        broker: BrokerId,
        owner: NodeId,
        number: u64,
    },
    /// Log, hot store or snapshots, in their own words.
    #[error("{0}")]
    Local(String),
    #[error(transparent)]
    Node(#[from] ApiError),
}

impl TierError {
    /// Whether nothing is wrong and a later attempt will do.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// Whether something in object storage is not what was put there; another
    /// attempt finds the same.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Segment { .. } | Self::State { .. } | Self::Unreadable { .. } => true,
            // What a manifest names and nobody finds is lost.
            Self::Store(error) | Self::Manifest(ManifestError::Store(error)) => {
                matches!(error.failure, Failure::NotFound | Failure::Short)
            }
            Self::Manifest(error) => matches!(
                error,
                ManifestError::Damaged { .. }
                    | ManifestError::Newer { .. }
                    | ManifestError::Missing { .. }
            ),
            Self::Write(_)
            | Self::Interrupted
            | Self::Fenced { .. }
            | Self::Local(_)
            | Self::Node(_) => false,
        }
    }

    /// The same, saying which records cannot be read for it.
    pub(super) fn of_range(self, queue: QueueKey, offsets: Range<u64>) -> Self {
        if !self.is_damage() || self.damaged_range().is_some() || offsets.is_empty() {
            return self;
        }
        Self::Unreadable {
            queue,
            first: offsets.start,
            last: offsets.end - 1,
            source: Box::new(self),
        }
    }

    /// The records that cannot be read for it, if it is damage and they are known.
    fn damaged_range(&self) -> Option<(QueueKey, u64, u64)> {
        match self {
            Self::Segment {
                source: SegmentError::DamagedChunk { queue, offsets, .. },
                ..
            } => Some((*queue, offsets.start.0, offsets.end.0.saturating_sub(1))),
            Self::Unreadable {
                queue, first, last, ..
            } => Some((*queue, *first, *last)),
            Self::Store(_)
            | Self::Manifest(_)
            | Self::Segment { .. }
            | Self::Write(_)
            | Self::State { .. }
            | Self::Interrupted
            | Self::Fenced { .. }
            | Self::Local(_)
            | Self::Node(_) => None,
        }
    }

    /// As a reader is told; logged with all that is known.
    pub(in crate::node) fn for_reader(self) -> ApiError {
        if let Self::Node(error) = self {
            return error;
        }
        tracing::error!(error = %self, "cannot read from object storage");
        if let Some((queue, first, last)) = self.damaged_range() {
            let queue = queue.queue;
            let text =
                format!("offsets {first} to {last} of queue {queue} are damaged in object storage");
            return ApiError::new(ErrorCode::DataDamaged, text)
                .with("firstOffset", Detail::Number(first))
                .with("lastOffset", Detail::Number(last));
        }
        if self.is_damage() {
            let text = "an object in object storage is damaged";
            return ApiError::new(ErrorCode::DataDamaged, text);
        }
        if let Self::Store(error) | Self::Manifest(ManifestError::Store(error)) = &self {
            return ApiError::new(error.code(), "object storage cannot be read now");
        }
        let text = "object storage cannot be used now";
        ApiError::new(ErrorCode::StorageUnavailable, text)
    }
}
