//! What a broker knows of its way into object storage: which part of it is
//! there, and which part of the log it still needs.

use std::collections::BTreeMap;

use firn_protocol::ids::QueueKey;
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What of a broker is in object storage, and since when something waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierState {
    /// Number of the newest manifest; 0 before the first.
    pub manifest: u64,
    /// The manifest covers the entries up to this sequence.
    pub covered: u64,
    /// One past the last record that a segment has, of each queue.
    pub ends: BTreeMap<QueueKey, u64>,
    /// Entries before this place of the log are not needed; 0 until the broker
    /// was first carried forward.
    pub needed_from: u64,
    /// Bytes of the runs that no segment has.
    pub waiting_bytes: u64,
    /// Store time of the oldest of them, or a little earlier.
    pub waiting_since: Timestamp,
    /// When the broker was carried to the head of the log last.
    pub carried_at: Timestamp,
    /// Whether anything was changed that the manifest does not cover.
    pub is_changed: bool,
}

impl TierState {
    /// One past the last record of a queue that a segment has.
    #[must_use]
    pub fn end(&self, queue: QueueKey) -> u64 {
        self.ends.get(&queue).copied().unwrap_or(0)
    }

    /// Takes note of a run that no segment has.
    pub fn note_waiting(&mut self, bytes: u64, stored_at: Timestamp) {
        if self.waiting_bytes == 0 {
            self.waiting_since = stored_at;
        }
        self.waiting_bytes += bytes;
    }
}
