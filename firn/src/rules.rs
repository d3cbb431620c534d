//! The catalogue's rules as the storage node asks for them: from memory, by
//! number. What the catalogue does not know has no rule, so that nothing of it
//! is deleted.

use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::Instance;
use firn_protocol::ids::{InstanceId, TenantId, TopicKey};
use firn_runtime::tasks;
use firn_storage_node::retention::{ForcedRemoval, RetentionRules, StorageRule};
use serde_json::json;

const GIB: u64 = 1 << 30;
/// The action of an audit row.
const REMOVED: &str = "records.remove";
/// Queues of one removal that its audit row names.
const QUEUES_SHOWN_MAX: usize = 100;

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

    /// In the audit log of the catalogue, and in the node's log in case that
    /// cannot be written.
    fn removed(&self, removal: &ForcedRemoval) {
        let instance = self.0.instance(removal.instance);
        let name = instance.map_or_else(
            || removal.instance.to_string(),
            |instance| instance.name.clone(),
        );
        for (queue, first, end) in &removal.ranges {
            tracing::warn!(
                target: "firn::audit",
                tenant = %removal.tenant, instance = %removal.instance, name, %queue,
                first, last = end - 1, at = removal.at.0,
                "records were removed before their time to make room"
            );
        }
        let (tenants, tenant) = (self.0.clone(), removal.tenant);
        let detail = self.detail(removal).to_string();
        tasks::detach(async move {
            let noted = tenants.note(tenant, REMOVED, name, detail).await;
            if let Err(error) = noted {
                tracing::error!(%error, %tenant, "a forced removal is missing in the audit log");
            }
        });
    }
}

impl CatalogueRules {
    /// What went, by topic and queue, as far as one row should hold it.
    fn detail(&self, removal: &ForcedRemoval) -> serde_json::Value {
        let records: u64 = removal
            .ranges
            .iter()
            .map(|(_, first, end)| end - first)
            .sum();
        let queues = removal.ranges.iter().take(QUEUES_SHOWN_MAX);
        let queues: Vec<serde_json::Value> = queues
            .map(|(queue, first, end)| {
                json!({
                    "topic": self.topic_name(removal.instance, queue.topic),
                    "queueId": queue.queue.0,
                    "firstOffset": first,
                    "lastOffset": end - 1,
                })
            })
            .collect();
        json!({
            "at": removal.at.0,
            "records": records,
            "queueCount": removal.ranges.len(),
            "queues": queues,
        })
    }

    fn topic_name(&self, instance: InstanceId, topic: TopicKey) -> String {
        let group = |id| match self.0.group_by_id(instance, id) {
            Some(group) => group.name.clone(),
            None => id.to_string(),
        };
        match topic {
            TopicKey::User(id) => match self.0.topic_by_id(instance, id) {
                Some(topic) => topic.name.clone(),
                None => id.to_string(),
            },
            TopicKey::Retry(id) => format!("%RETRY%{}", group(id)),
            TopicKey::DeadLetter(id) => format!("%DLQ%{}", group(id)),
            TopicKey::Waiting => "waiting for redelivery".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
