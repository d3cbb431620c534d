//! After a failed write: nothing that was not durable is believed. Memory is
//! thrown away and rebuilt from the log's verified part (RULES 1).

use std::sync::Arc;
use std::time::Duration;

use firn_runtime::{Stop, tasks};

use super::StorageNode;
use crate::log::LogState;

use super::open::OpenError;
use super::rebuild::rebuild;

/// Pause between attempts.
const RETRY: Duration = Duration::from_millis(500);

impl StorageNode {
    pub(super) async fn run_recovery(self: Arc<Self>, stop: Stop) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shared.failed.notified() => {}
            }
            tracing::error!("the write-ahead log failed; recovering from its durable part");
            while let Err(error) = self.recover().await {
                tracing::error!(%error, "recovery failed, trying again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.clock.sleep(RETRY) => {}
                }
            }
            tracing::warn!("the write-ahead log is recovered; sends are accepted again");
        }
    }

    async fn recover(self: &Arc<Self>) -> Result<(), OpenError> {
        self.metrics.recoveries.inc();
        self.shared.suspend_all();
        // If the log itself is well, what was taken before is still on its way.
        for mark in self.shared.marks() {
            let _ = self.settled_here(mark).await;
        }
        let node = self.clone();
        let alone = self.settle_alone().await;
        tasks::blocking(move || {
            let _alone = alone;
            if node.log.state() == LogState::Failed {
                node.log.recover()?;
            }
            let (rebuilt, damage) = rebuild(&node.log, &*node.stores.hot, &*node.stores.states)?;
            for range in damage {
                tracing::error!(?range, "the log is damaged");
            }
            node.shared.clear_tails();
            node.shared.reset_all(node.generation());
            node.install(rebuilt);
            node.shared.resume_all();
            Ok(())
        })
        .await
    }
}
