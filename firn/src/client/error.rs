//! How a verb fails, and which exit code says so.

use std::io;

/// One line for standard error. Never holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, the environment or the profile asks for nothing sensible.
    #[error("{0}")]
    Usage(String),
    /// The server said no.
    #[error("{code}: {message} (request {request_id})")]
    Refused {
        code: String,
        message: String,
        request_id: String,
        /// Whether the same request may succeed later.
        retryable: bool,
        /// The server's `Retry-After`, in seconds.
        retry_after_secs: Option<u64>,
    },
    /// The request was served, but not for everything in it.
    #[error("{0}")]
    Partly(String),
    /// An answer that is not of this protocol.
    #[error("unexpected answer from {url}: {reason}")]
    Odd { url: String, reason: String },
    #[error("cannot reach {url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{what}: {source}")]
    Input {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// 0 ok, 1 refused, 2 usage, 3 not reachable.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            // Who closes the pipe has read enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Refused { .. } | Self::Partly(_) | Self::Odd { .. } | Self::Output(_) => 1,
            Self::Usage(_) | Self::Input { .. } => 2,
            Self::Unreachable { .. } => 3,
        }
    }

    /// Whether a loop that goes on for ever should try again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused { retryable, .. } => *retryable,
            Self::Unreachable { .. } => true,
            Self::Usage(_)
            | Self::Partly(_)
            | Self::Odd { .. }
            | Self::Input { .. }
            | Self::Output(_) => false,
        }
    }
}
