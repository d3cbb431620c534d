//! The storage node as its callers see it: brokers over one log.
//!
//! Owns the wiring of log, brokers, hot store and timers, and one file for each
//! operation. Promises what [`firn_protocol::api::storage::StorageApi`] says. Leaves names, credentials and
//! quota to the gateway.

mod ack;
mod api;
mod api_hold;
mod append;
mod broadcast;
mod broker_facts;
mod checkpoint;
mod delay;
mod durable;
mod entrance;
mod erase;
mod in_place;
mod journal;
mod lag;
mod lookup;
mod object_class;
mod open;
mod ordered;
mod pace;
mod purge;
mod quota;
mod read;
mod rebuild;
mod receive;
mod recover;
mod redrive;
mod repeat;
mod route;
mod run;
mod seek;
mod settle;
mod shared;
mod source;
mod stores;
mod subscribe;
mod tier;
mod timers;
mod transaction;
mod unique;
mod usage;
mod visibility;
mod wait;
mod wake;

use std::sync::{Arc, OnceLock};

use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{BrokerId, Generation};
use firn_protocol::time::Timestamp;
use firn_runtime::{Clock, Tasks};

use crate::broker::owner::Broker;
use crate::broker::state::BrokerState;
use crate::config::StorageConfig;
use crate::hot::BrokerKey;
use crate::hot::fill::Filler;
use crate::log::Log;
use crate::metrics::Metrics;

pub use open::{OpenError, OpenStores, Opened};
use shared::Shared;
pub use stores::Stores;
pub use tier::{ColdParts, Restorable, TierError};

/// A storage node; clones of the `Arc` share it.
pub struct StorageNode {
    config: StorageConfig,
    clock: Clock,
    opened_at: Timestamp,
    log: Log,
    stores: Stores,
    /// Set once, at the end of opening.
    filler: OnceLock<Arc<Filler>>,
    cold: tier::Cold,
    shared: Arc<Shared>,
    quotas: quota::Quotas,
    metrics: Metrics,
    /// Held while snapshots are written, while the log that they make up for is
    /// given back, and while state is rebuilt from both: the marker of one checkpoint
    /// must not overtake the snapshots of another. Work on another thread goes on
    /// when nobody waits for it any more, so it holds this itself ([`Alone`]).
    settling: Arc<tokio::sync::Mutex<()>>,
    /// What the durability class `object` runs; it outlives the other tasks.
    object_tasks: parking_lot::Mutex<Option<Tasks>>,
}

/// Nobody else settles the stores for as long as one of these is there.
type Alone = Arc<tokio::sync::OwnedMutexGuard<()>>;

impl StorageNode {
    async fn settle_alone(&self) -> Alone {
        Arc::new(self.settling.clone().lock_owned().await)
    }

    /// The broker that a call names. It is made on first use; one that belongs
    /// to another instance is answered as one that does not exist.
    fn broker(&self, ctx: &RequestContext, id: BrokerId) -> Result<Arc<Broker>, ApiError> {
        let key = BrokerKey {
            tenant: ctx.tenant,
            instance: ctx.instance,
            broker: id,
        };
        let found = self.shared.brokers.read().get(&id).cloned();
        let broker = match found {
            Some(broker) => broker,
            None => self.make_broker(key)?,
        };
        if broker.key == key {
            Ok(broker)
        } else {
            Err(ApiError::new(ErrorCode::NotFound, "broker not found"))
        }
    }

    fn make_broker(&self, key: BrokerKey) -> Result<Arc<Broker>, ApiError> {
        let mut brokers = self.shared.brokers.write();
        if self.shared.is_recovering() {
            return Err(ApiError::new(
                ErrorCode::StorageUnavailable,
                "the storage node is recovering its log",
            ));
        }
        let make = || Broker::new(key, BrokerState::default(), self.generation());
        Ok(brokers.entry(key.broker).or_insert_with(make).clone())
    }

    /// Leases of before this opening of the log carry a lower generation.
    fn generation(&self) -> Generation {
        Generation(self.log.incarnation() as u32)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }
}
