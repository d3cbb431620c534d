//! What the log counts; the node exports it.

use std::sync::atomic::{AtomicU64, Ordering};

/// A histogram of whole numbers: bucket `n` counts values below 2^n (and not
/// below 2^(n-1)); the last one takes all the rest.
#[derive(Debug, Default)]
pub struct Histogram {
    pub buckets: [AtomicU64; 32],
    pub sum: AtomicU64,
}

impl Histogram {
    pub(super) fn record(&self, value: u64) {
        let bucket = (u64::BITS - value.leading_zeros()).min(31) as usize;
        add(&self.buckets[bucket], 1);
        add(&self.sum, value);
    }

    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        let buckets = self.buckets.iter();
        buckets.map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }
}

/// Counters since the log was opened.
#[derive(Debug, Default)]
pub struct LogMetrics {
    pub commit_micros: Histogram,
    pub sync_micros: Histogram,
    pub batch_frames: Histogram,
    pub batch_bytes: Histogram,
    /// Bytes waiting for their commit, now.
    pub pending_bytes: AtomicU64,
    pub commit_failures: AtomicU64,
    pub recoveries: AtomicU64,
    pub rolls: AtomicU64,
    pub spares_made: AtomicU64,
    pub spares_failed: AtomicU64,
    pub files_recycled: AtomicU64,
    pub files_removed: AtomicU64,
    pub refused_overloaded: AtomicU64,
    pub refused_disk_full: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
