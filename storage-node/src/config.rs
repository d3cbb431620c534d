//! Settings of the storage node.

use std::path::PathBuf;
use std::time::Duration;

use firn_protocol::limits::MIB;

use crate::log::LogConfig;

/// Settings of a [`crate::node::StorageNode`]; complete defaults but for the directory.
#[derive(Clone)]
pub struct StorageConfig {
    /// Directory of the hot store; the log's directory is relative to its disk.
    pub hot_dir: PathBuf,
    pub log: LogConfig,
    /// Bytes of the newest records kept in memory, over all brokers.
    pub tail_bytes_max: u64,
    /// Bytes of one volume of the hot store.
    pub volume_bytes: u64,
    /// Bytes of log after which changed broker state is written out.
    pub checkpoint_bytes: u64,
    /// Age after which changed broker state is written out.
    pub checkpoint_age: Duration,
}

impl StorageConfig {
    /// The defaults, for a data directory: the log in `log/`, the hot store in `hot/`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            hot_dir: data_dir.into().join("hot"),
            log: LogConfig::new("log"),
            tail_bytes_max: 128 * MIB,
            volume_bytes: 128 * MIB,
            checkpoint_bytes: 64 * MIB,
            checkpoint_age: Duration::from_secs(30),
        }
    }
}
