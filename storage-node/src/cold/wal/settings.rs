//! Settings of a WAL writer.

use std::time::Duration;

use super::codec::BODY_BYTES_MAX;

/// See each; the defaults are for S3.
#[derive(Clone, Copy, Debug)]
pub struct WalSettings {
    /// Time between the beginnings of two puts in the long run: the price of
    /// requests against the wait for an answer (RULES 28).
    pub interval: Duration,
    /// Puts that may follow each other without that pause once as many intervals
    /// have passed without one: a lone writer that sends a few messages one after
    /// the other waits for none; at least 1.
    pub burst: u32,
    /// Frame bytes of an object that make it go at once; at most half of
    /// [`super::BODY_BYTES_MAX`].
    pub object_bytes_max: u64,
    /// Objects that may be on their way, those that wait for an earlier one included.
    pub in_flight_max: usize,
    /// Frame bytes above which the writer calls itself full.
    pub pending_bytes_max: u64,
    /// How long frames that nobody waits for may lie (RULES 8).
    pub lazy_max: Duration,
    /// The pause before a failed put is begun again; doubles each time.
    pub pause_first: Duration,
    /// The longest such pause.
    pub pause_max: Duration,
    /// How long a stop may take to put what is pending.
    pub flush_max: Duration,
    /// Objects that are deleted together; at least 2.
    pub delete_batch: u64,
    /// How long an object must have been durable before those that it calls
    /// unneeded go. Longer than lists lag behind: see `fence`.
    pub delete_after: Duration,
}

impl Default for WalSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(50),
            burst: 8,
            object_bytes_max: 8 << 20,
            in_flight_max: 4,
            pending_bytes_max: 64 << 20,
            lazy_max: Duration::from_secs(1),
            pause_first: Duration::from_millis(200),
            pause_max: Duration::from_secs(5),
            flush_max: Duration::from_secs(10),
            delete_batch: 64,
            delete_after: Duration::from_secs(60),
        }
    }
}

impl WalSettings {
    /// The same, with what makes no sense moved to what does.
    pub(super) fn within_bounds(self) -> Self {
        let body_max = BODY_BYTES_MAX as u64 / 2;
        Self {
            object_bytes_max: self.object_bytes_max.clamp(1, body_max),
            burst: self.burst.max(1),
            in_flight_max: self.in_flight_max.max(1),
            // An object that only says a floor is itself soon unneeded: with 1 it
            // would call for the next one, without end.
            delete_batch: self.delete_batch.max(2),
            pause_first: self.pause_first.max(Duration::from_millis(1)),
            pause_max: self.pause_max.max(self.pause_first),
            ..self
        }
    }
}
