//! What can go wrong with WAL objects.

use firn_protocol::error::ErrorCode;

use crate::cold::error::{ColdError, Failure};
use crate::log::{Lsn, VisitError};

/// A frame is not known to be durable, and this writer will never say that it
/// is: whether it counts is for whoever fences this incarnation to find out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// A number of this incarnation was taken by somebody else: the node is not
    /// the owner of its brokers any more (RULES 6).
    #[error("{object} was created by somebody else: this incarnation is fenced")]
    Fenced { object: String },
    /// The object store refused in a way that trying again does not change.
    #[error("the WAL cannot be written")]
    Store(#[from] ColdError),
    /// What was pushed cannot be written: a fault of the caller.
    #[error("the WAL cannot take frame {lsn}: {rule}")]
    Frame { lsn: Lsn, rule: &'static str },
    /// The writer was stopped, or its driver went away.
    #[error("the WAL writer has stopped")]
    Stopped,
    /// [`super::WalWriter::run`] was called twice.
    #[error("the WAL writer is running already")]
    Running,
}

impl WalError {
    /// The public code. Whichever it is, the request may have taken effect.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Fenced { .. } => ErrorCode::NotOwner,
            Self::Store(error) => error.code(),
            Self::Stopped => ErrorCode::StorageUnavailable,
            Self::Frame { .. } | Self::Running => ErrorCode::Internal,
        }
    }

    /// Whether somebody else has taken over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Fenced { .. })
    }

    /// Whether putting the same object again can help, now or once a person has
    /// made room or renewed credentials. Nobody gains from giving up early: that
    /// ends all sends of the node, and waiting loses nothing.
    pub(super) fn may_pass(error: &ColdError) -> bool {
        !matches!(
            error.failure,
            Failure::NotFound | Failure::Short | Failure::TooLarge
        )
    }
}

/// An incarnation's objects cannot be fenced, replayed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum WalReadError {
    /// Its bytes are not those that were written, or are another object's.
    #[error("{name} is damaged: {reason}")]
    Damaged { name: String, reason: &'static str },
    /// A later program wrote it (RULES 12).
    #[error("{name} has format version {found}, this program reads up to {known}; use a newer one")]
    Newer {
        name: String,
        found: u16,
        known: u16,
    },
    /// It is needed and not there.
    #[error("{name} is missing")]
    Missing { name: String },
    /// Its frames are not all behind those of the object before.
    #[error("{name} goes back to frame {found} after frame {last}")]
    OutOfOrder { name: String, last: Lsn, found: Lsn },
    /// A fence where frames were expected: the end was given too high.
    #[error("{name} is a fence, and holds no frames")]
    BehindTheEnd { name: String },
    /// An incarnation that nobody fenced is not to be deleted.
    #[error("{name} is not a fence")]
    NotFenced { name: String },
    /// The old owner went on writing, faster than it could be fenced.
    #[error("{name} and all before it were taken by a live owner")]
    Contended { name: String },
    /// The visitor of a replay failed.
    #[error("replay of {name} stopped by its reader")]
    Visit {
        name: String,
        #[source]
        source: VisitError,
    },
    /// The object store failed.
    #[error("reading or writing WAL objects")]
    Store(#[from] ColdError),
}

impl WalReadError {
    /// Whether the same call may succeed later by itself.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.failure.is_retryable(),
            Self::Contended { .. } => true,
            Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Missing { .. }
            | Self::OutOfOrder { .. }
            | Self::BehindTheEnd { .. }
            | Self::NotFenced { .. }
            | Self::Visit { .. } => false,
        }
    }
}
