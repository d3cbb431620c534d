//! Time. Monotonic, anchored once: a wall clock that jumps while the process
//! runs changes nothing (RULES 11). Tests hold a clock that they advance.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the seam that the lint points to"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A source of time; clones share it.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    System {
        anchor: Instant,
        anchor_ms: AtomicU64,
    },
    Manual(Mutex<Manual>),
}

struct Manual {
    now_ms: u64,
    next_waiter: u64,
    waiters: BTreeMap<(u64, u64), oneshot::Sender<()>>,
}

impl Clock {
    /// The machine's clock, read once; afterwards only its monotonic part counts.
    #[must_use]
    pub fn system() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(Arc::new(Source::System {
            anchor: Instant::now(),
            anchor_ms: AtomicU64::new(wall.as_millis() as u64),
        }))
    }

    /// A clock that stands still until [`Self::advance`].
    #[must_use]
    pub fn manual(now_ms: u64) -> Self {
        let manual = Manual {
            now_ms,
            next_waiter: 0,
            waiters: BTreeMap::new(),
        };
        Self(Arc::new(Source::Manual(Mutex::new(manual))))
    }

    /// Milliseconds since 1970 UTC; never falls.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match &*self.0 {
            Source::System { anchor, anchor_ms } => {
                anchor_ms.load(Ordering::Relaxed) + anchor.elapsed().as_millis() as u64
            }
            Source::Manual(manual) => manual.lock().now_ms,
        }
    }

    /// Makes sure that time is at least `ms`: called at start with the last
    /// time found in the log, so that entry times never fall.
    pub fn raise_to(&self, ms: u64) {
        let behind = ms.saturating_sub(self.now_ms());
        match &*self.0 {
            Source::System { anchor_ms, .. } => {
                anchor_ms.fetch_add(behind, Ordering::Relaxed);
            }
            Source::Manual(_) => self.advance(Duration::from_millis(behind)),
        }
    }

    /// Sleeps for a time by this clock.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until_ms(self.now_ms().saturating_add(time.as_millis() as u64))
            .await;
    }

    /// Sleeps until a point in time by this clock.
    pub async fn sleep_until_ms(&self, at_ms: u64) {
        match &*self.0 {
            Source::System { .. } => {
                let wait = at_ms.saturating_sub(self.now_ms());
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            Source::Manual(manual) => {
                let waiter = {
                    let mut manual = manual.lock();
                    if manual.now_ms >= at_ms {
                        return;
                    }
                    let (tx, rx) = oneshot::channel();
                    let key = (at_ms, manual.next_waiter);
                    manual.next_waiter += 1;
                    manual.waiters.insert(key, tx);
                    rx
                };
                let _ = waiter.await;
            }
        }
    }

    /// Moves a manual clock forward and wakes who is due. A system clock goes by itself.
    pub fn advance(&self, by: Duration) {
        let Source::Manual(manual) = &*self.0 else {
            return;
        };
        let mut manual = manual.lock();
        manual.now_ms += by.as_millis() as u64;
        let later = (manual.now_ms + 1, 0);
        let rest = manual.waiters.split_off(&later);
        for (_, waiter) in std::mem::replace(&mut manual.waiters, rest) {
            let _ = waiter.send(());
        }
    }
}

/// Measures how long something took, for logs and metrics; decisions use [`Clock`].
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Blocks a dedicated thread; async code uses [`Clock::sleep`].
pub fn pause_thread(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_who_is_due_and_nobody_else() {
        let clock = Clock::manual(1000);
        let early = clock.sleep_until_ms(1500);
        let late = clock.sleep_until_ms(1501);
        tokio::pin!(early, late);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(early.as_mut().poll(&mut context).is_pending());
        assert!(late.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_millis(500));
        assert!(early.as_mut().poll(&mut context).is_ready());
        assert!(late.as_mut().poll(&mut context).is_pending());
        clock.raise_to(1501);
        assert!(late.as_mut().poll(&mut context).is_ready());
        assert_eq!(clock.now_ms(), 1501);
    }
}
