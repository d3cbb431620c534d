//! Open connections of each instance, for the quota `connections` of its plan. A
//! connection belongs to an instance from the first send, receive or stream on it until
//! it closes; whoever administers, looks messages up or acknowledges needs no place, so
//! that a full instance can be looked after and what was delivered finished. Owns the
//! counts of this gateway and knows those of others as of their last renewal. Edges carry
//! a [`Connection`] with each connection of theirs.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::Instance;
use firn_protocol::error::Detail;
use firn_protocol::{ApiError, ApiResult, ErrorCode, InstanceId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Instances that one connection may belong to at once; nearly all serve one.
const INSTANCES_MAX: usize = 64;

/// See the module.
#[derive(Default)]
pub(crate) struct Connections(Mutex<FxHashMap<InstanceId, Count>>);

#[derive(Clone, Copy, Default)]
struct Count {
    here: u32,
    elsewhere: u32,
}

/// A client's connection, with the instances that it belongs to.
#[derive(Default)]
pub(crate) struct Connection(Mutex<SmallVec<[Place; 1]>>);

/// One of an instance's connections; free again when it is dropped.
struct Place {
    instance: InstanceId,
    connections: Arc<Connections>,
}

impl Connection {
    /// Makes the connection one of the instance's, if it is not yet.
    ///
    /// # Errors
    /// `QUOTA_EXCEEDED` when the instance has as many as its plan allows.
    pub(crate) fn belong(
        &self,
        connections: &Arc<Connections>,
        tenants: &dyn TenantApi,
        instance: &Instance,
    ) -> ApiResult<()> {
        let mut places = self.0.lock();
        if places.iter().any(|place| place.instance == instance.id) {
            return Ok(());
        }
        let plan = tenants.plan(&instance.plan);
        let max = plan.map_or(0, |plan| plan.connections);
        connections.take(instance, max)?;
        if places.len() >= INSTANCES_MAX {
            places.remove(0);
        }
        places.push(Place {
            instance: instance.id,
            connections: connections.clone(),
        });
        Ok(())
    }
}

impl Connections {
    /// Zero is no limit.
    fn take(&self, instance: &Instance, max: u64) -> ApiResult<()> {
        let mut counts = self.0.lock();
        let known = counts.get(&instance.id).copied().unwrap_or_default();
        let open = u64::from(known.here) + u64::from(known.elsewhere);
        if max > 0 && open >= max {
            let text = format!(
                "instance '{}' has {max} connections open, as many as its plan allows",
                instance.name
            );
            return Err(ApiError::new(ErrorCode::QuotaExceeded, text)
                .with("limit", Detail::Text("connections".to_owned()))
                .with("limitConnections", Detail::Number(max)));
        }
        counts.entry(instance.id).or_default().here += 1;
        Ok(())
    }

    /// Of one instance, as far as it is known how many others have.
    pub(crate) fn open(&self, instance: InstanceId) -> u64 {
        let counts = self.0.lock();
        let known = counts.get(&instance).copied().unwrap_or_default();
        u64::from(known.here) + u64::from(known.elsewhere)
    }

    /// Of each instance that has any here.
    pub(crate) fn counts(&self) -> Vec<(InstanceId, u32)> {
        let counts = self.0.lock();
        counts.iter().map(|(id, count)| (*id, count.here)).collect()
    }

    /// How many are open at other gateways. Of an instance without a connection here
    /// this is not known: its first one comes in, and is counted from the next renewal.
    pub(crate) fn know_of_others(&self, elsewhere: impl Iterator<Item = (InstanceId, u32)>) {
        let mut counts = self.0.lock();
        for (instance, count) in elsewhere {
            if let Some(known) = counts.get_mut(&instance) {
                known.elsewhere = count;
            }
        }
    }

    /// All that belong to some instance here, counted once for each.
    pub(crate) fn total(&self) -> usize {
        let counts = self.0.lock();
        counts.values().map(|count| count.here as usize).sum()
    }

    fn free(&self, instance: InstanceId) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(&instance) {
            count.here = count.here.saturating_sub(1);
            if count.here == 0 {
                counts.remove(&instance);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.free(self.instance);
    }
}
