//! Those who wait until a place in the log is durable.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::log::Lsn;

/// Answers by place, in order.
#[derive(Default)]
pub(super) struct DurableWaiters(Mutex<BTreeMap<Lsn, Vec<oneshot::Sender<bool>>>>);

impl DurableWaiters {
    /// Resolves to true once `lsn` is durable, to false if it never will be.
    pub(super) fn register(&self, lsn: Lsn) -> oneshot::Receiver<bool> {
        let (tx, rx) = oneshot::channel();
        let mut waiters = self.0.lock();
        let at = waiters.entry(lsn).or_default();
        if at.len() == at.capacity() {
            // A long outage must not gather those who gave up.
            at.retain(|waiter| !waiter.is_closed());
        }
        at.push(tx);
        rx
    }

    pub(super) fn committed(&self, upto: Lsn) {
        let mut waiters = self.0.lock();
        if waiters.is_empty() {
            return;
        }
        let rest = waiters.split_off(&upto.next());
        for waiter in std::mem::replace(&mut *waiters, rest)
            .into_values()
            .flatten()
        {
            let _ = waiter.send(true);
        }
    }

    pub(super) fn failed(&self) {
        for waiter in std::mem::take(&mut *self.0.lock()).into_values().flatten() {
            let _ = waiter.send(false);
        }
    }
}
