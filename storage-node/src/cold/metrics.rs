//! What the cold store counts. Plain numbers: who exports them gives them names.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Failure, Operation};

/// Counters of one cold store, shared by its layers and its cache.
#[derive(Debug, Default)]
pub struct ColdMetrics {
    requests: [AtomicU64; Operation::ALL.len()],
    errors: [[AtomicU64; Failure::ALL.len()]; Operation::ALL.len()],
    /// Bytes of objects sent, failed attempts included.
    pub sent_bytes: AtomicU64,
    /// Bytes of objects received.
    pub received_bytes: AtomicU64,
    /// Attempts after the first.
    pub retries: AtomicU64,
    /// Retries that the budget refused.
    pub retries_refused: AtomicU64,
    /// Creates that found their own earlier attempt.
    pub met_itself: AtomicU64,
    /// Blocks found in the cache.
    pub cache_hits: AtomicU64,
    /// Blocks that had to be fetched.
    pub cache_misses: AtomicU64,
    /// Blocks fetched ahead of a reader.
    pub prefetches: AtomicU64,
}

impl ColdMetrics {
    /// Requests of one kind. A list counts once a thousand objects, as does a
    /// delete, because that is what a store charges.
    #[must_use]
    pub fn requests(&self, operation: Operation) -> u64 {
        self.requests[operation as usize].load(Ordering::Relaxed)
    }

    /// Requests of all kinds.
    #[must_use]
    pub fn requests_total(&self) -> u64 {
        Operation::ALL.iter().map(|one| self.requests(*one)).sum()
    }

    /// Requests of one kind that failed in one way.
    #[must_use]
    pub fn errors(&self, operation: Operation, failure: Failure) -> u64 {
        self.errors[operation as usize][failure as usize].load(Ordering::Relaxed)
    }

    pub(super) fn request(&self, operation: Operation, count: u64) {
        Self::add(&self.requests[operation as usize], count);
    }

    pub(super) fn error(&self, operation: Operation, failure: Failure) {
        Self::add(&self.errors[operation as usize][failure as usize], 1);
    }

    pub(super) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}
