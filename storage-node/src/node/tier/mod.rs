//! Tiering: a broker's records go from the log into segments in object storage,
//! and are read back from there.
//!
//! Owns the order of things. Sealing: what is durable is cut off, written into
//! segments, named by a manifest, and only then does an entry in the log say
//! that the log before is not needed (`cut`, `write`, `seal`). A broker with
//! little is carried to the head of the log instead (`carry`), so that it pins no
//! file and makes no tiny segment. Reads go on where memory, log and hot store
//! end (`cold_read`, `cold_find`). What is older than it is kept goes (`expire`), and
//! what nothing names any more is taken away (`sweep`). Small segments become large ones (`merge`). Promises that at every moment log and object
//! storage together have every record, that what a manifest names is never
//! written by two owners, and that a broker with nothing new causes no request.
//! Leaves requests, retries and names to [`crate::cold`], bytes to [`crate::segment`].

mod carry;
mod choose;
mod cold_find;
mod cold_read;
mod cut;
mod error;
mod expire;
mod facts;
mod merge;
mod place;
mod restorable;
mod restore;
mod room;
mod run;
mod seal;
mod sweep;
mod write;

use std::sync::atomic::{AtomicU64, Ordering};

use firn_runtime::Clock;
use tokio::sync::Notify;

use crate::cold::paths::NodeId;
use crate::cold::{ColdSettings, ColdStore, RealObjects};

pub(super) use cold_find::ColdQuery;
pub use error::TierError;
pub(super) use place::Cold;
pub use restorable::Restorable;
pub(super) use restore::wanted;

/// Where a node keeps what is cold, and under which name it owns it.
#[derive(Clone)]
pub struct ColdParts {
    pub store: ColdStore,
    pub owner: NodeId,
}

impl ColdParts {
    /// A store in memory, for simulation and tests.
    #[must_use]
    pub fn memory(clock: &Clock) -> Self {
        let objects = std::sync::Arc::new(RealObjects::memory());
        Self {
            store: ColdStore::new(objects, ColdSettings::default(), clock),
            owner: NodeId(1),
        }
    }
}

/// Bytes of new records after which tiering looks before its time.
const LOOK_BYTES: u64 = 8 << 20;

/// Wakes the tiering task when much has come.
#[derive(Default)]
pub(super) struct TierSignal {
    bytes: AtomicU64,
    wanted: Notify,
}

impl TierSignal {
    /// Counts the bytes of a new run.
    pub(super) fn note(&self, bytes: u64) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before < LOOK_BYTES && before + bytes >= LOOK_BYTES {
            self.wanted.notify_one();
        }
    }

    /// Resolves once enough has come; counting then begins anew.
    async fn wanted(&self) {
        self.wanted.notified().await;
    }

    fn start_over(&self) {
        self.bytes.store(0, Ordering::Relaxed);
    }
}
