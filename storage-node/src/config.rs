//! Settings of the storage node.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::limits::{KIB, MIB};

use crate::cold::cache::CacheSettings;
use crate::cold::wal::WalSettings;
use crate::fair::FairSettings;
use crate::log::LogConfig;
use crate::retention::{FixedRules, RetentionRules};
use crate::segment::Cut;

/// Settings of a [`crate::node::StorageNode`]; complete defaults but for the directory.
#[derive(Clone)]
pub struct StorageConfig {
    /// Directory of the hot store; the log's directory is relative to its disk.
    pub hot_dir: PathBuf,
    pub log: LogConfig,
    /// Bytes of the newest records kept in memory, over all brokers.
    pub tail_bytes_max: u64,
    /// With more bytes than this in the log and not in the hot store, sends wait.
    pub fill_lag_bytes_max: u64,
    /// How instances share what lies behind sends.
    pub fair: FairSettings,
    /// Bytes of one volume of the hot store.
    pub volume_bytes: u64,
    /// Bytes of log after which changed broker state is written out.
    pub checkpoint_bytes: u64,
    /// Age after which changed broker state is written out.
    pub checkpoint_age: Duration,
    pub tier: TierConfig,
    /// WAL objects of the durability class `object`.
    pub wal: WalSettings,
    /// Timers, checkpoints, tiering and merging happen only when a test takes their
    /// steps, so that nothing happens beside what it does.
    #[doc(hidden)]
    pub is_stepped: bool,
    /// A deliberate fault, to prove that the tests see it.
    #[doc(hidden)]
    pub mutant: Option<Mutant>,
}

/// See [`StorageConfig::mutant`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Delayed messages are delivered up to a second before their time.
    FireEarly,
    /// Records of a message group do not wait for each other.
    BreakOrder,
    /// A copy whose pause is over is finished instead of being handed out.
    SkipRetry,
    /// An ack counts whosever lease it is.
    AckAnyLease,
    /// A half message that is committed does not appear.
    ForgetHalf,
    /// A message is stored however often it was sent under its id.
    ForgetIds,
    /// Whoever sends is believed to know the queues.
    TrustRoute,
    /// What only another member's filter wants is finished.
    ForgetFilter,
}

/// When brokers go into object storage, and how (DESIGN 4, RULES 5).
#[derive(Clone)]
pub struct TierConfig {
    /// A broker with this many bytes in no segment is sealed.
    pub seal_bytes: u64,
    /// So is one whose oldest such record has this age.
    pub seal_age: Duration,
    /// With more than this in no segment, over all brokers, those with most are sealed.
    pub untiered_bytes_max: u64,
    /// A broker with less than this is carried forward in the log, not sealed.
    pub carry_bytes_max: u64,
    /// How long a broker that was carried forward is left alone, unless the log
    /// is twice as long as it should be.
    pub carry_age: Duration,
    /// With more log than this, brokers that need its oldest part are carried
    /// forward or sealed.
    pub log_bytes_max: u64,
    /// How often a node looks whether something is to be done.
    pub look_every: Duration,
    /// How long an object is kept that no manifest names any more: readers may
    /// still hold the manifest before.
    pub release_grace: Duration,
    /// Brokers sealed at the same time.
    pub at_once: usize,
    pub cut: Cut,
    pub cache: CacheSettings,
    /// So many small neighbours of one broker are merged; not fewer.
    pub merge_segments_min: usize,
    /// A segment shorter than this is small, and a merged one is not.
    pub merge_bytes: u64,
    /// Merging reads so much, and writes about as much.
    pub merge_bytes_per_sec: u64,
    /// How long data is kept, and how much of it.
    pub rules: Arc<dyn RetentionRules>,
    /// Whether object storage lies on the node's own disk.
    pub is_cold_local: bool,
    /// How often a node looks what has expired.
    pub expire_every: Duration,
    /// A deliberate fault, to prove that the tests see it.
    #[doc(hidden)]
    pub mutant: Option<TierMutant>,
}

/// See [`TierConfig::mutant`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TierMutant {
    /// The log is given up before the manifest is there.
    CarryBeforeManifest,
    /// The manifest names segments whose upload has failed.
    ManifestBeforeSegment,
    /// What is cut off is not waited for.
    SealUnsettled,
    /// A manifest that somebody else made is taken for one's own.
    NoFence,
    /// One record more than has expired goes.
    TrimOneMore,
    /// Bodies that wait do not keep their segment.
    TrimWaiting,
    /// Segments are deleted before a manifest leaves them out.
    DeleteBeforeManifest,
    /// What is released goes at once.
    NoGrace,
    /// Merging leaves out the last part of each queue.
    MergeLoses,
    /// What was merged is named beside what it was merged from.
    MergeKeeps,
    /// An answer of the class `object` does not wait for the object store.
    AnswerBeforePut,
    /// Records of the class `object` are seen before they are there.
    ShowBeforePut,
    /// What an earlier life left only in its log is not put into the WAL.
    KeepTailLocal,
    /// WAL objects go although no manifest covers them.
    ForgetUncovered,
    /// What a damaged log has lost is not put back from the WAL.
    LeaveDamage,
}

impl Default for TierConfig {
    fn default() -> Self {
        Self {
            seal_bytes: 64 * MIB,
            seal_age: Duration::from_secs(600),
            untiered_bytes_max: 384 * MIB,
            carry_bytes_max: 64 * KIB,
            carry_age: Duration::from_secs(3600),
            log_bytes_max: 512 * MIB,
            look_every: Duration::from_secs(5),
            release_grace: Duration::from_secs(3600),
            at_once: 4,
            cut: Cut::default(),
            cache: CacheSettings::default(),
            merge_segments_min: 8,
            merge_bytes: 64 * MIB,
            merge_bytes_per_sec: 8 * MIB,
            rules: Arc::new(FixedRules::default()),
            is_cold_local: false,
            expire_every: Duration::from_secs(60),
            mutant: None,
        }
    }
}

impl StorageConfig {
    /// The defaults, for a data directory: the log in `log/`, the hot store in `hot/`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            hot_dir: data_dir.into().join("hot"),
            log: LogConfig::new("log"),
            tail_bytes_max: 128 * MIB,
            fill_lag_bytes_max: 256 * MIB,
            fair: FairSettings::default(),
            volume_bytes: 128 * MIB,
            checkpoint_bytes: 64 * MIB,
            checkpoint_age: Duration::from_secs(30),
            tier: TierConfig::default(),
            wal: WalSettings::default(),
            is_stepped: false,
            mutant: None,
        }
    }
}
