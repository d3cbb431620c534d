//! What a WAL writer counts. Plain numbers: who exports them gives them names.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one writer, and two values of now.
#[derive(Debug, Default)]
pub struct WalMetrics {
    /// Bytes of frames that were pushed and are not durable, now.
    pub pending_bytes: AtomicU64,
    /// Objects whose put has begun and that are not settled, now.
    pub in_flight: AtomicU64,
    /// Frames that were pushed.
    pub frames: AtomicU64,
    /// Objects that became durable in their turn.
    pub objects: AtomicU64,
    /// Frame bytes put into objects, before compression.
    pub raw_bytes: AtomicU64,
    /// Bytes of objects, each counted once however often it was tried.
    pub object_bytes: AtomicU64,
    /// Puts that the cold store gave up and that were begun again.
    pub puts_again: AtomicU64,
    /// Objects deleted.
    pub deleted: AtomicU64,
    /// Deletions that failed and will be tried again.
    pub deletes_failed: AtomicU64,
    /// 1 once somebody else has fenced this incarnation.
    pub fenced: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

pub(super) fn set(value: &AtomicU64, to: u64) {
    value.store(to, Ordering::Relaxed);
}
