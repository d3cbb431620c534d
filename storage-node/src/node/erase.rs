//! Removes a broker for ever: its entry of the log says that nothing before is needed,
//! and every object under its name goes, whatever its age. Nobody reads from a broker
//! that is erased, so no grace is given.

use firn_protocol::api::admin::Erased;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::BrokerId;

use super::StorageNode;
use super::tier::TierError;
use crate::broker::entry::Head;
use crate::cold::paths::{ObjectName, Prefix};
use crate::hot::BrokerKey;

impl StorageNode {
    pub(super) async fn erase_broker(
        &self,
        ctx: &RequestContext,
        id: BrokerId,
    ) -> Result<Erased, ApiError> {
        let key = BrokerKey {
            tenant: ctx.tenant,
            instance: ctx.instance,
            broker: id,
        };
        let is_still = self.erase_here(key).await?;
        let (objects, bytes, is_empty) = self
            .erase_objects(key)
            .await
            .map_err(TierError::for_reader)?;
        Ok(Erased {
            objects,
            bytes,
            is_complete: is_still && is_empty,
        })
    }

    /// Whether nobody is at work on the broker any more, who might make an object.
    async fn erase_here(&self, key: BrokerKey) -> Result<bool, ApiError> {
        let found = self.shared.brokers.read().get(&key.broker).cloned();
        let Some(broker) = found.filter(|broker| broker.key == key) else {
            return Ok(true);
        };
        if !broker.lock_any().state.is_erased {
            // Refused while the log is being recovered, or the broker is elsewhere.
            let mut core = broker.lock()?;
            self.submit(&broker, &mut core, &Head::Erase, None, None)?;
            core.forget_all();
        }
        let (mark, is_still) = {
            let core = broker.lock_any();
            (core.mark(), !core.is_tiering)
        };
        self.outcome(mark).await?;
        self.forget_erased(key).await;
        Ok(is_still)
    }

    /// Takes an erased broker off the books, once the meter has what it used.
    async fn forget_erased(&self, key: BrokerKey) {
        if !self.take_erased(key) {
            return;
        }
        let states = self.stores.states.clone();
        // A checkpoint that has begun might write it once more.
        let alone = self.settle_alone().await;
        let removed = firn_runtime::tasks::blocking(move || {
            let _alone = alone;
            states.remove(key)
        })
        .await;
        if let Err(error) = removed {
            // A small snapshot that says that the broker is erased stays.
            tracing::warn!(%error, broker = %key.broker, "the snapshot of an erased broker stays");
        }
    }

    /// Whether nothing of a broker is needed any more, not even what it used; then
    /// nobody finds it from now on.
    fn take_erased(&self, key: BrokerKey) -> bool {
        let mut brokers = self.shared.brokers.write();
        let Some(broker) = brokers.get(&key.broker) else {
            return false;
        };
        let is_done = {
            let mut core = broker.lock_any();
            let usage = &core.state.usage;
            let is_used = usage.has_open() || !usage.closed().is_empty();
            let is_done = core.state.is_erased && !is_used && !core.is_tiering;
            if is_done {
                self.shared.timers.disarm(key.broker, &mut core);
            }
            is_done
        };
        if is_done {
            brokers.remove(&key.broker);
        }
        is_done
    }

    /// Deletes what is there; how much it was, and whether it was nothing.
    async fn erase_objects(&self, key: BrokerKey) -> Result<(u64, u64, bool), TierError> {
        let store = self.cold.store.background();
        let listed = store.list(Prefix::Broker(key)).await?;
        let bytes = listed.iter().filter(|found| found.name.is_some());
        let bytes: u64 = bytes.map(|found| found.bytes).sum();
        let names: Vec<ObjectName> = listed.iter().filter_map(|found| found.name).collect();
        for foreign in listed.iter().filter(|found| found.name.is_none()) {
            let path = &foreign.path;
            tracing::warn!(
                path,
                "an object whose name is not ours under an erased broker; left alone"
            );
        }
        if !names.is_empty() {
            store.delete(&names).await?;
            tracing::info!(broker = %key.broker, objects = names.len(), bytes, "objects of a removed broker are deleted");
        }
        Ok((names.len() as u64, bytes, names.is_empty()))
    }
}
