//! Which stores a node keeps behind its log.

use std::path::Path;
use std::sync::Arc;

use crate::hot::memory::{MemoryHotStore, MemoryStateStore};
use crate::hot::metrics::HotMetrics;
use crate::hot::sled::{SledHotStore, SledSettings, SledStateStore};
use crate::hot::{HotError, HotStore, Lsn, StateStore};

/// Hot store and state store, with what they count.
#[derive(Clone)]
pub struct Stores {
    pub hot: Arc<dyn HotStore>,
    pub states: Arc<dyn StateStore>,
    pub metrics: Arc<HotMetrics>,
}

impl Stores {
    /// Stores in sled below `dir`; what cannot be trusted is begun anew. Blocks.
    ///
    /// # Errors
    /// When a newer version made them, or another process holds them.
    pub fn sled(dir: &Path, volume_bytes: u64, log_end: Lsn) -> Result<Self, HotError> {
        let metrics = Arc::new(HotMetrics::default());
        let settings = SledSettings {
            volume_bytes,
            ..SledSettings::default()
        };
        let hot = SledHotStore::open(&dir.join("records"), settings, log_end, metrics.clone())?;
        let states = SledStateStore::open(&dir.join("state"), log_end)?;
        Ok(Self {
            hot: Arc::new(hot.store),
            states: Arc::new(states.store),
            metrics,
        })
    }

    /// Stores in memory, for simulation and tests.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            hot: Arc::new(MemoryHotStore::new()),
            states: Arc::new(MemoryStateStore::new()),
            metrics: Arc::new(HotMetrics::default()),
        }
    }
}
