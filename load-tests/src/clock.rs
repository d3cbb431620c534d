//! The bench's time: one monotonic clock, its timers, and a pacer for open-loop schedules.
//!
//! Owns every reading of the machine's clock in this crate. Promises that stamps never
//! fall within a run. Knows nothing of what is measured.
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine's time; this crate may not use the services' runtime"
)]

use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

static START: OnceLock<Instant> = OnceLock::new();

/// Now, on the monotonic clock.
#[must_use]
pub fn now() -> Instant {
    let now = Instant::now();
    START.get_or_init(|| now);
    now
}

/// Now, as messages carry it: milliseconds since 1970 UTC.
#[must_use]
pub fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Nanoseconds from the process's first reading of the clock to `at`; what message
/// bodies carry as their time of sending.
#[must_use]
pub fn stamp(at: Instant) -> u64 {
    let start = *START.get_or_init(|| at);
    u64::try_from(at.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}

/// Waits without holding the thread; the runtime's timer has a step of 1 ms.
pub async fn sleep(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// Holds the thread until `at`, with the kernel's timer: about 0.06 ms late at most on
/// an idle machine, where the runtime's timer is up to 1 ms late.
pub fn block_until(at: Instant) {
    let left = at.saturating_duration_since(now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

/// Awaits `work`, but not longer than `limit`.
///
/// # Errors
/// What `work` answers, or that it did not end in time, naming `what`.
pub async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(limit, work)
        .await
        .with_context(|| format!("{what} did not end within {limit:?}"))?
}
