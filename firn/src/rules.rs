//! The catalogue's rules as the storage node asks for them: from memory, by
//! number. What the catalogue does not know has no rule, so that nothing of it
//! is deleted.

use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::Instance;
use firn_protocol::ids::{InstanceId, TenantId, TopicKey};
use firn_storage_node::retention::{ForcedRemoval, RetentionRules, StorageRule};

const GIB: u64 = 1 << 30;

/// Rules of the instances, topics and plans of a catalogue.
pub(crate) struct CatalogueRules(Arc<dyn TenantApi>);

impl CatalogueRules {
    pub(crate) fn new(tenants: Arc<dyn TenantApi>) -> Self {
        Self(tenants)
    }

    fn instance(&self, tenant: TenantId, id: InstanceId) -> Option<Arc<Instance>> {
        let instance = self.0.instance(id);
        instance.filter(|instance| instance.tenant == tenant)
    }
}

impl RetentionRules for CatalogueRules {
    fn retention(&self, tenant: TenantId, id: InstanceId, topic: TopicKey) -> Option<Duration> {
        let instance = self.instance(tenant, id)?;
        let own = match topic {
            TopicKey::User(topic) => self.0.topic_by_id(id, topic)?.retention_hours,
            TopicKey::Retry(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => None,
        };
        let hours = own.unwrap_or(instance.retention_hours);
        Some(Duration::from_secs(u64::from(hours) * 3600))
    }

    fn storage(&self, tenant: TenantId, id: InstanceId) -> Option<StorageRule> {
        let instance = self.instance(tenant, id)?;
        // Zero means no cap.
        let gib = self
            .0
            .plan(&instance.plan)
            .map_or(0, |plan| plan.storage_gib);
        Some(StorageRule {
            bytes_max: (gib > 0).then(|| gib.saturating_mul(GIB)),
            policy: instance.disk_policy,
        })
    }

    /// The log is the place where an operator finds it; the catalogue's audit
    /// holds changes of the catalogue.
    fn removed(&self, removal: &ForcedRemoval) {
        let instance = self.0.instance(removal.instance);
        let name = instance.map(|instance| instance.name.clone());
        for (queue, first, end) in &removal.ranges {
            tracing::warn!(
                target: "firn::audit",
                tenant = %removal.tenant, instance = %removal.instance, name, %queue,
                first, last = end - 1, at = removal.at.0,
                "records were removed before their time to make room"
            );
        }
    }
}

#[cfg(test)]
mod tests;
