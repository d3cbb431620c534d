//! Open event streams and what their members have not acknowledged yet. Lets
//! an ack that comes by another request free a place in the stream's window.
//! Kept in memory alone; a lease that passes frees its place without help.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firn_protocol::receipt::Receipt;
use firn_protocol::{BrokerId, Generation, Timestamp};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

type Lease = (BrokerId, Generation, u64);

fn lease(receipt: &Receipt) -> Lease {
    (receipt.broker, receipt.generation, receipt.lease)
}

/// All open streams of this process.
#[derive(Default)]
pub(crate) struct Streams {
    held: AtomicUsize,
    owners: Mutex<FxHashMap<Lease, Arc<Window>>>,
}

/// Unacknowledged deliveries of one stream.
#[derive(Default)]
struct Window {
    open: Mutex<FxHashMap<Lease, (Receipt, Timestamp)>>,
    freed: Notify,
}

/// One stream's side; closes when dropped.
pub(crate) struct OpenStream {
    streams: Arc<Streams>,
    window: Arc<Window>,
}

impl Streams {
    /// A delivery was finished or failed.
    pub(crate) fn settled(&self, receipt: &Receipt) {
        let _ = self.release(receipt);
    }

    /// A lease was renewed under a new receipt.
    pub(crate) fn renewed(&self, old: &Receipt, new: &Receipt, until: Timestamp) {
        if let Some(window) = self.release(old) {
            self.hold(&window, new, until);
        }
    }

    fn release(&self, receipt: &Receipt) -> Option<Arc<Window>> {
        // Most acks come while no stream is open; they take no lock.
        if self.held.load(Ordering::Acquire) == 0 {
            return None;
        }
        let window = self.owners.lock().remove(&lease(receipt))?;
        self.held.fetch_sub(1, Ordering::AcqRel);
        window.open.lock().remove(&lease(receipt));
        window.freed.notify_one();
        Some(window)
    }

    fn hold(&self, window: &Arc<Window>, receipt: &Receipt, until: Timestamp) {
        let key = lease(receipt);
        window.open.lock().insert(key, (*receipt, until));
        if self.owners.lock().insert(key, window.clone()).is_none() {
            self.held.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl OpenStream {
    pub(crate) fn new(streams: &Arc<Streams>) -> Self {
        Self {
            streams: streams.clone(),
            window: Arc::default(),
        }
    }

    /// Counts a delivery as not acknowledged.
    pub(crate) fn hold(&self, receipt: &Receipt, until: Timestamp) {
        self.streams.hold(&self.window, receipt, until);
    }

    /// How many deliveries are not acknowledged; leases that passed are not counted.
    pub(crate) fn unacked(&self, now: Timestamp) -> usize {
        let mut passed = Vec::new();
        let mut open = self.window.open.lock();
        open.retain(|key, (_, until)| {
            let keep = *until > now;
            if !keep {
                passed.push(*key);
            }
            keep
        });
        let count = open.len();
        drop(open);
        self.forget(&passed);
        count
    }

    /// When the next lease passes.
    pub(crate) fn next_passing(&self) -> Option<Timestamp> {
        self.window
            .open
            .lock()
            .values()
            .map(|(_, until)| *until)
            .min()
    }

    /// Those whose leases pass before a time.
    pub(crate) fn passing_before(&self, time: Timestamp) -> Vec<Receipt> {
        let open = self.window.open.lock();
        let passing = open.values().filter(|(_, until)| *until < time);
        passing.map(|(receipt, _)| *receipt).collect()
    }

    /// Returns when a place may have become free.
    pub(crate) async fn freed(&self) {
        self.window.freed.notified().await;
    }

    /// Takes everything that is not acknowledged, to give it back.
    pub(crate) fn close(&self) -> Vec<Receipt> {
        let open = std::mem::take(&mut *self.window.open.lock());
        let keys: Vec<Lease> = open.keys().copied().collect();
        self.forget(&keys);
        open.into_values().map(|(receipt, _)| receipt).collect()
    }

    fn forget(&self, keys: &[Lease]) {
        if keys.is_empty() {
            return;
        }
        let mut owners = self.streams.owners.lock();
        for key in keys {
            if owners.remove(key).is_some() {
                self.streams.held.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}
