//! Takes away objects of a broker that nothing names any more: released ones,
//! orphans of attempts that failed, manifests of long ago.
//!
//! Done right after a seal and at most once a day for each broker, so that a
//! broker with nothing new causes no request. The manifest that was just written
//! tells the store's time.

use std::sync::Arc;

use firn_protocol::time::Timestamp;

use super::error::TierError;
use crate::broker::owner::Broker;
use crate::cold::manifest::{Manifest, Released};
use crate::cold::paths::Prefix;
use crate::cold::sweep::{SweepRules, plan};
use crate::node::StorageNode;

/// Between two sweeps of one broker.
const EVERY_MS: u64 = 24 * 3600 * 1000;
/// What is released is named so much longer than its time, and then left to the
/// rule for orphans.
const RELEASED_KEPT_MS: u64 = 2 * EVERY_MS;

impl StorageNode {
    /// Sweeps a broker if it is time, once its newest manifest is committed.
    pub(super) async fn sweep_after(
        &self,
        broker: &Arc<Broker>,
        newest: &Manifest,
    ) -> Result<(), TierError> {
        {
            let now = self.now();
            let mut core = broker.lock()?;
            // The first time is a day after the start: nothing is urgent about it.
            let swept_at = *core.swept_at.get_or_insert(now);
            if now.since_ms(swept_at) < EVERY_MS {
                return Ok(());
            }
            core.swept_at = Some(now);
        }
        let store = self.cold.store.background();
        let listed = store.list(Prefix::Broker(broker.key)).await?;
        let written = listed
            .iter()
            .find(|found| found.name == Some(newest.name()));
        let Some(now) = written.map(|found| found.modified) else {
            // The list lags behind, so it is no ground to delete anything.
            return Ok(());
        };
        let newest = std::slice::from_ref(newest);
        let plan = plan(&listed, newest, now, &SweepRules::default());
        for path in &plan.foreign {
            tracing::warn!(path, "an object whose name is not ours; left alone");
        }
        if plan.delete.is_empty() {
            return Ok(());
        }
        self.cold.store.reach("sweep.before_delete")?;
        store.delete(&plan.delete).await?;
        let (objects, bytes) = (plan.delete.len(), plan.delete_bytes);
        tracing::info!(broker = %broker.key.broker, objects, bytes, "objects that nothing names are deleted");
        Ok(())
    }
}

/// What of an earlier manifest's released objects is to be named on.
pub(super) fn still_released(before: &[Released], now: Timestamp) -> Vec<Released> {
    let is_recent = |one: &&Released| now.since_ms(one.delete_at) < RELEASED_KEPT_MS;
    before.iter().filter(is_recent).copied().collect()
}
