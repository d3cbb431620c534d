//! Snapshots of broker state, so that a start replays little of the log. A
//! snapshot is written only once all it says is durable in the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use firn_protocol::error::ApiError;
use firn_runtime::{Stop, tasks};

use super::{Alone, StorageNode};
use crate::broker::owner::Broker;
use crate::hot::HotError;

/// Brokers written in one step.
const STEP: usize = 64;

/// Why a checkpoint was not made; nothing is lost by that.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    #[error(transparent)]
    Store(#[from] HotError),
    #[error(transparent)]
    Log(#[from] ApiError),
}

impl StorageNode {
    pub(super) async fn run_checkpoints(self: Arc<Self>, stop: Stop) {
        let mut last_bytes = self.log_bytes();
        let mut last_at = self.clock.now_ms();
        let step = self.config.checkpoint_age / 10;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(step) => {}
            }
            let bytes = self.log_bytes();
            let age = self.clock.now_ms().saturating_sub(last_at);
            let is_old = bytes > last_bytes && age >= self.config.checkpoint_age.as_millis() as u64;
            if !is_old && bytes - last_bytes < self.config.checkpoint_bytes {
                continue;
            }
            if let Err(error) = self.checkpoint().await {
                tracing::warn!(%error, "checkpoint failed, the log keeps the state");
            }
            last_bytes = bytes;
            last_at = self.clock.now_ms();
        }
    }

    fn log_bytes(&self) -> u64 {
        self.log.metrics().batch_bytes.sum.load(Ordering::Relaxed)
    }

    /// Writes out the state of every broker that has changed.
    pub(super) async fn checkpoint(&self) -> Result<(), CheckpointError> {
        let alone = self.settle_alone().await;
        // Whoever has an entry before this place is dirty now, or was written since.
        let marker = self.log.durable().next();
        let dirty: Vec<Arc<Broker>> = {
            let brokers = self.shared.brokers.read();
            brokers
                .values()
                .filter(|broker| broker.lock_any().dirty)
                .cloned()
                .collect()
        };
        for step in dirty.chunks(STEP) {
            self.save(step, &alone).await?;
        }
        let states = self.stores.states.clone();
        if marker > states.marker() {
            tasks::blocking(move || {
                let _alone = alone;
                states.save(Vec::new(), marker)
            })
            .await?;
        }
        Ok(())
    }

    async fn save(&self, brokers: &[Arc<Broker>], alone: &Alone) -> Result<(), CheckpointError> {
        let unsaved = Unsaved(brokers);
        let mut snapshots = Vec::with_capacity(brokers.len());
        let mut marks = Vec::with_capacity(brokers.len());
        for broker in brokers {
            let mut core = broker.lock_even_erased()?;
            core.dirty = false;
            marks.push(core.mark());
            snapshots.push((broker.key, core.state.seq, core.state.snapshot()));
        }
        for mark in marks {
            self.settled_here(mark).await?;
        }
        let states = self.stores.states.clone();
        let alone = alone.clone();
        tasks::blocking(move || {
            let _alone = alone;
            let marker = states.marker();
            states.save(snapshots, marker)
        })
        .await?;
        unsaved.are_saved();
        Ok(())
    }
}

/// Brokers whose state is being written out. If that fails, or is given up, they
/// are to be written another time: no marker may move past them before.
struct Unsaved<'a>(&'a [Arc<Broker>]);

impl Unsaved<'_> {
    fn are_saved(mut self) {
        self.0 = &[];
    }
}

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        for broker in self.0 {
            broker.lock_any().dirty = true;
        }
    }
}
