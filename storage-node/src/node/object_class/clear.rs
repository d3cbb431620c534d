//! WAL objects go once manifests cover what they have.

use firn_protocol::time::Timestamp;

use super::StorageNode;
use crate::broker::owner::Mark;
use crate::cold::paths::NodeId;
use crate::cold::wal::delete_incarnation;
use crate::config::TierMutant;
use crate::log::Lsn;
use crate::node::tier::TierError;

/// Between two attempts at an old WAL whose fence has to stay for a while.
const AGAIN_MS: u64 = 3600 * 1000;

/// The WAL of an earlier life of this node, or of a node that was restored from.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct OldWal {
    pub(in crate::node) node: NodeId,
    pub(in crate::node) incarnation: u64,
    /// Number of its last object.
    pub(in crate::node) end: u64,
    /// Its last frame; 0 if it has none, or none that is needed.
    pub(in crate::node) last: Lsn,
    /// When it is looked at next.
    pub(in crate::node) due: Timestamp,
}

impl super::ObjectClass {
    /// Takes over the clearing of other WALs whose frames nobody needs.
    pub(in crate::node) fn add_old(&self, wals: impl IntoIterator<Item = OldWal>) {
        self.old.lock().extend(wals);
    }
}

impl StorageNode {
    /// Forgets what no broker needs of the WAL, and deletes old WALs.
    pub(in crate::node) async fn clear_wal(&self) -> Result<(), TierError> {
        let object = &self.shared.object;
        if !object.is_ready() {
            return Ok(());
        }
        let Ok(writer) = object.writer() else {
            return Ok(());
        };
        let mut needed = object.published().next();
        // What a state says of the WAL counts once the state is there itself.
        let mut last: Option<Mark> = None;
        for broker in self.shared.all() {
            let core = broker.lock_any();
            if core.suspended {
                return Ok(());
            }
            let class = core.state.class;
            if class.needs_old_wal(core.state.tier.covered) {
                needed = Lsn::ZERO;
            }
            if class.is_object() {
                needed = needed.min(core.needed_from().unwrap_or(needed));
                if last.is_none_or(|last| last.lsn < core.last_lsn) {
                    last = Some(core.mark());
                }
            }
        }
        if let Some(mark) = last {
            self.settled(mark).await?;
        }
        if self.config.tier.mutant == Some(TierMutant::ForgetUncovered) {
            needed = object.published().next();
        }
        writer.forget_before(needed);
        self.delete_old_wals(needed).await
    }

    async fn delete_old_wals(&self, needed: Lsn) -> Result<(), TierError> {
        let now = self.now();
        let due: Vec<OldWal> = {
            let old = self.shared.object.old.lock();
            let is_due = |wal: &&OldWal| wal.last < needed && wal.due <= now;
            old.iter().filter(is_due).copied().collect()
        };
        for wal in due {
            let store = &self.cold.store;
            let gone = delete_incarnation(store, wal.node, wal.incarnation, wal.end, now).await;
            let is_it = |it: &OldWal| (it.node, it.incarnation) == (wal.node, wal.incarnation);
            let mut old = self.shared.object.old.lock();
            if matches!(gone, Ok(true)) {
                old.retain(|it| !is_it(it));
            } else if let Some(it) = old.iter_mut().find(|it| is_it(it)) {
                it.due = now.plus_ms(AGAIN_MS);
            }
            drop(old);
            gone.map_err(|error| TierError::Local(error.to_string()))?;
        }
        Ok(())
    }
}
