//! What goes wrong on the way into object storage and back.

use firn_protocol::error::{ApiError, Detail, ErrorCode};
use firn_protocol::ids::BrokerId;

use crate::cold::ColdError;
use crate::cold::manifest::ManifestError;
use crate::cold::paths::{NodeId, ObjectName};
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

    /// As a reader is told; logged with all that is known.
    pub(in crate::node) fn for_reader(self) -> ApiError {
        let named = |message: String| ApiError::new(ErrorCode::DataDamaged, message);
        let answer = match &self {
            Self::Node(error) => return error.clone(),
            Self::Segment {
                source: SegmentError::DamagedChunk { queue, offsets, .. },
                ..
            } => named(format!(
                "offsets {} to {} of queue {} are damaged in object storage",
                offsets.start,
                offsets.end.0.saturating_sub(1),
                queue.queue
            ))
            .with("firstOffset", Detail::Number(offsets.start.0))
            .with(
                "lastOffset",
                Detail::Number(offsets.end.0.saturating_sub(1)),
            ),
            Self::Segment { .. }
            | Self::State { .. }
            | Self::Manifest(
                ManifestError::Damaged { .. }
                | ManifestError::Newer { .. }
                | ManifestError::Missing { .. },
            ) => named("an object in object storage is damaged".to_owned()),
            Self::Store(error) | Self::Manifest(ManifestError::Store(error)) => {
                ApiError::new(error.code(), "object storage cannot be read now")
            }
            Self::Manifest(ManifestError::Invalid { .. })
            | Self::Write(_)
            | Self::Local(_)
            | Self::Interrupted
            | Self::Fenced { .. } => ApiError::new(
                ErrorCode::StorageUnavailable,
                "object storage cannot be used now",
            ),
        };
        tracing::error!(error = %self, "cannot read from object storage");
        answer
    }
}
