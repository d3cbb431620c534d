//! What the hot store and its filler count. Plain numbers: who exports them
//! gives them names.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters and gauges of one hot store, shared by store and filler.
#[derive(Debug, Default)]
pub struct HotMetrics {
    /// Gauge: bytes of records that the log has and the store has not.
    pub lag_bytes: AtomicU64,
    /// Gauge: frames of the log that the store had not at the last batch.
    pub lag_frames: AtomicU64,
    /// Gauge: volumes on disk.
    pub volumes: AtomicU64,
    /// Starts that had to throw volumes away.
    pub rebuilds: AtomicU64,
    /// Volumes that failed while running.
    pub volumes_broken: AtomicU64,
    /// Values whose checksum did not fit.
    pub checksum_misses: AtomicU64,
    /// Batches put in.
    pub batches: AtomicU64,
    /// Bytes of records put in.
    pub filled_bytes: AtomicU64,
    /// Times that the filler's queue was full and the log is read again.
    pub overflows: AtomicU64,
    /// Batches that were tried again.
    pub retries: AtomicU64,
}

impl HotMetrics {
    pub(super) fn count(counter: &AtomicU64) {
        Self::add(counter, 1);
    }

    pub(super) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn take(gauge: &AtomicU64, by: u64) {
        // Two threads move the gauges; the order of their steps is not fixed.
        let _ = gauge.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| {
            Some(value.saturating_sub(by))
        });
    }
}
