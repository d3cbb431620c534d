//! Settings of the log, and the hooks by which tests stop or spoil it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::limits::{KIB, MESSAGE_BYTES_MAX, MIB, REQUEST_BYTES_MAX};

use super::error::LogError;
use super::format::{BLOCK, FILE_BYTES_MAX};

/// Bytes of a log file.
pub const FILE_BYTES_DEFAULT: u64 = 64 * MIB;
/// Smallest file: small ones are for tests.
pub const FILE_BYTES_MIN: u64 = 4 * KIB;
/// Bytes after which a batch is closed, so that one commit stays short.
pub const BATCH_BYTES_DEFAULT: u64 = 8 * MIB;
/// Bytes that may wait for their commit.
pub const PENDING_BYTES_DEFAULT: u64 = 64 * MIB;
/// Spare files kept ready.
pub const FILES_AHEAD_DEFAULT: usize = 2;
/// Spare files that sends may not use when no more can be made (RULES 5).
pub const FILES_RESERVED: usize = 2;

const _: () = assert!(FILE_BYTES_DEFAULT <= FILE_BYTES_MAX);
const _: () = assert!(FILE_BYTES_DEFAULT >= 4 * MESSAGE_BYTES_MAX);
const _: () = assert!(PENDING_BYTES_DEFAULT >= 4 * REQUEST_BYTES_MAX);

/// Settings of a [`super::Log`].
#[derive(Clone)]
pub struct LogConfig {
    /// Directory of the log's files within the disk; nothing else may be in it.
    pub dir: PathBuf,
    /// Bytes of a file, a multiple of 512. Files of another size are still read.
    pub file_bytes: u64,
    /// Bytes after which a batch is closed; one frame may be larger.
    pub batch_bytes: u64,
    /// Bytes that may wait for their commit; beyond it, submits are refused.
    pub pending_bytes_max: u64,
    /// Spare files to keep ready.
    pub files_ahead: usize,
    /// Bytes zero-filled at once, and the pause after them.
    pub zero_bytes: u64,
    pub zero_pause: Duration,
    /// Pause between attempts to make a spare file on a full disk.
    pub retry_pause: Duration,
    /// Incarnation of a log that is made anew: higher than 1 when it goes on
    /// where another log is lost.
    pub first_incarnation: u64,
    /// Where tests stop the log.
    pub crash_points: CrashPoints,
    /// A deliberate fault, to prove that the tests see it.
    #[doc(hidden)]
    pub mutant: Option<Mutant>,
}

impl LogConfig {
    /// The defaults, for a directory.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            file_bytes: FILE_BYTES_DEFAULT,
            batch_bytes: BATCH_BYTES_DEFAULT,
            pending_bytes_max: PENDING_BYTES_DEFAULT,
            files_ahead: FILES_AHEAD_DEFAULT,
            zero_bytes: MIB,
            zero_pause: Duration::from_millis(2),
            retry_pause: Duration::from_secs(1),
            first_incarnation: 1,
            crash_points: CrashPoints::default(),
            mutant: None,
        }
    }

    pub(super) fn validate(&self) -> Result<(), LogError> {
        let file = self.file_bytes;
        if !(FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(&file) || !file.is_multiple_of(BLOCK) {
            return Err(LogError::Config(
                "log file size must be a multiple of 512 from 4 KiB to 1 GiB",
            ));
        }
        if self.files_ahead == 0 || self.batch_bytes < BLOCK || self.zero_bytes == 0 {
            return Err(LogError::Config(
                "log needs a spare file, batches of 512 bytes and zero-filling steps",
            ));
        }
        Ok(())
    }

    /// Bytes that batches may take in a file.
    pub(super) fn capacity(&self) -> u64 {
        self.file_bytes - BLOCK
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

/// Places where a test can stop the log as if the process died there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrashPoint {
    BeforeWrite,
    AfterWriteBeforeSync,
    AfterSyncBeforeAnswer,
    RollAfterHeaderBeforeSync,
    RollAfterHeaderSync,
    RollAfterCreateBeforeDirSync,
    RollAfterDirSync,
    OpenBeforeTerminator,
    OpenAfterTerminatorBeforeSync,
    OpenAfterTerminatorSync,
    SpareAfterAllocate,
    SpareAfterZeroFill,
    TruncateAfterRename,
}

impl CrashPoint {
    /// Every place, for tests that try them all.
    pub const ALL: [Self; 13] = [
        Self::BeforeWrite,
        Self::AfterWriteBeforeSync,
        Self::AfterSyncBeforeAnswer,
        Self::RollAfterHeaderBeforeSync,
        Self::RollAfterHeaderSync,
        Self::RollAfterCreateBeforeDirSync,
        Self::RollAfterDirSync,
        Self::OpenBeforeTerminator,
        Self::OpenAfterTerminatorBeforeSync,
        Self::OpenAfterTerminatorSync,
        Self::SpareAfterAllocate,
        Self::SpareAfterZeroFill,
        Self::TruncateAfterRename,
    ];
}

type Hook = dyn Fn(CrashPoint) -> bool + Send + Sync;

/// Asks a test's hook at each place whether to go on; without one it costs a null check.
#[derive(Clone, Default)]
pub struct CrashPoints(Option<Arc<Hook>>);

impl CrashPoints {
    /// A hook that answers whether to go on.
    pub fn new(hook: impl Fn(CrashPoint) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(super) fn reach(&self, point: CrashPoint) -> io::Result<()> {
        match &self.0 {
            Some(hook) if !hook(point) => Err(io::Error::other("stopped at a crash point")),
            Some(_) | None => Ok(()),
        }
    }
}

/// Deliberate faults that the tests must see (RULES 36).
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    AnswerBeforeSync,
    SkipSync,
    SkipDirSync,
    IgnoreSyncError,
    AcceptOldIncarnation,
    NoTerminator,
    TrustTail,
    CutDamageSilently,
}
