//! Broker states that a restart finds again: nothing in the log says them once it
//! was given back.

use bytes::Bytes;
use firn_storage_node::hot::memory::MemoryStateStore;
use firn_storage_node::hot::{BrokerKey, HotError, StateStore};
use firn_storage_node::log::Lsn;

/// Outlives the node that closes it.
#[derive(Default)]
pub(crate) struct Kept(MemoryStateStore);

impl StateStore for Kept {
    fn marker(&self) -> Lsn {
        self.0.marker()
    }

    fn load(&self) -> Result<Vec<(BrokerKey, u64, Bytes)>, HotError> {
        self.0.load()
    }

    fn save(&self, snapshots: Vec<(BrokerKey, u64, Bytes)>, marker: Lsn) -> Result<(), HotError> {
        self.0.save(snapshots, marker)
    }

    fn remove(&self, broker: BrokerKey) -> Result<(), HotError> {
        self.0.remove(broker)
    }

    fn close(&self) -> Result<(), HotError> {
        Ok(())
    }
}
