//! What can go wrong with the log.

use std::io;

use super::frame::Lsn;

/// What a replay's visitor may fail with.
pub type VisitError = Box<dyn std::error::Error + Send + Sync>;

/// Opening, replaying, recovering or truncating failed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("log setting: {0}")]
    Config(&'static str),
    #[error("{action} in the log directory")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(
        "log file {file:016x} has format version {version}, this program reads up to 1; use a newer one"
    )]
    Newer { file: u64, version: u16 },
    #[error("log file {file:016x} belongs to another log")]
    Foreign { file: u64 },
    #[error("no log file has a readable header; nothing was changed")]
    Unreadable,
    #[error("replay stopped by its reader")]
    Visit(#[source] VisitError),
    #[error("the log has not failed, there is nothing to recover from")]
    NotFailed,
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    /// For `map_err`: names what was being done.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// A frame was not taken; it will never be in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    #[error("too many bytes wait for their commit")]
    Overloaded,
    #[error("the disk is full")]
    DiskFull,
    #[error("a frame of {bytes} bytes does not fit a log file")]
    TooLarge { bytes: u64 },
    #[error("the log has failed and is not recovered yet")]
    Failed,
    #[error("the log is closed")]
    Closed,
}

/// A frame that was taken did not become durable as far as this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// It may be found by a later replay, or not.
    #[error("writing the log failed; whether the entry is durable is unknown")]
    OutcomeUnknown,
}

/// A frame cannot be read at its place.
#[derive(Debug, thiserror::Error)]
pub enum ReadAtError {
    /// Its file was truncated away.
    #[error("log file {file:016x} is not there any more")]
    Gone { file: u64 },
    /// What is stored there is not that frame.
    #[error("frame {lsn} is damaged")]
    Damaged { lsn: Lsn },
    #[error("reading frame {lsn}")]
    Io {
        lsn: Lsn,
        #[source]
        source: io::Error,
    },
}
