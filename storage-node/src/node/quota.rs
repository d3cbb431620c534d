//! What instances store, and whether they may store more (RULES 27, SEED_SPEC
//! 3.1). A send asks memory alone: what it brings is added at once, and all is
//! counted anew at every look of the tiering, from states and manifests. So an
//! instance goes beyond its plan by less than one request, and by what arrives
//! while a count is made.
//!
//! The disk counts as full as the node's own data makes it: log, what no segment
//! has, and segments that lie on the same disk, against these and the room that
//! is left. What others keep on the disk counts by the room that it takes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firn_protocol::catalogue::DiskPolicy;
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{InstanceId, TenantId};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use super::StorageNode;
use crate::disk::Disk;
use crate::retention::StorageRule;

/// Parts of the disk in use above which sends are refused or old data goes.
pub(super) const HIGH_WATER: f64 = 0.85;

/// What is known of all instances with a rule, as counted last.
pub(super) struct Quotas {
    disk: Arc<dyn Disk>,
    instances: RwLock<FxHashMap<InstanceId, Arc<Stored>>>,
    /// Part of the disk in use, in millionths.
    disk_used: AtomicU64,
    /// Bytes that are the node's own or free.
    disk_bytes: AtomicU64,
}

/// What one instance stores on this node.
pub(super) struct Stored {
    pub(super) rule: StorageRule,
    /// Of records, before compression.
    bytes: AtomicU64,
}

impl Stored {
    /// Bytes beyond what the instance may store.
    pub(super) fn excess(&self) -> u64 {
        let bytes_max = self.rule.bytes_max.unwrap_or(u64::MAX);
        self.bytes.load(Ordering::Relaxed).saturating_sub(bytes_max)
    }

    fn is_used_up(&self) -> bool {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.rule.bytes_max.is_some_and(|max| bytes >= max)
    }
}

impl Quotas {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            instances: RwLock::default(),
            disk_used: AtomicU64::new(0),
            disk_bytes: AtomicU64::new(0),
        }
    }

    /// Takes note of a send, or refuses it.
    ///
    /// # Errors
    /// `QUOTA_EXCEEDED` when the instance stores all it may, `DISK_FULL` when the
    /// disk is nearly full; never for one that lets old data go instead.
    pub(super) fn admit(&self, ctx: &RequestContext, bytes: u64) -> Result<(), ApiError> {
        let Some(stored) = self.instances.read().get(&ctx.instance).cloned() else {
            return Ok(());
        };
        if stored.rule.policy == DiskPolicy::DataFirst {
            if stored.is_used_up() {
                return Err(quota_exceeded(&stored));
            }
            if self.is_disk_high() {
                return Err(disk_nearly_full(self.disk_used()));
            }
        }
        stored.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn is_disk_high(&self) -> bool {
        self.disk_used() > HIGH_WATER
    }

    /// Bytes to free so that the disk is below its mark by a part of it.
    pub(super) fn disk_excess(&self, spare: f64) -> u64 {
        let beyond = (self.disk_used() - HIGH_WATER + spare).max(0.0);
        (beyond * self.disk_bytes.load(Ordering::Relaxed) as f64) as u64
    }

    /// Part of the disk in use, and the bytes that are the node's own or free.
    pub(super) fn disk(&self) -> (f64, u64) {
        (self.disk_used(), self.disk_bytes.load(Ordering::Relaxed))
    }

    fn disk_used(&self) -> f64 {
        self.disk_used.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// Instances as counted last.
    pub(super) fn all(&self) -> Vec<(InstanceId, Arc<Stored>)> {
        let instances = self.instances.read();
        instances.iter().map(|(&id, it)| (id, it.clone())).collect()
    }
}

impl StorageNode {
    /// Counts what every instance stores, and how full the disk is.
    pub(super) fn count_stored(&self) {
        let brokers: Vec<_> = self.shared.brokers.read().values().cloned().collect();
        let mut counted: FxHashMap<(TenantId, InstanceId), u64> = FxHashMap::default();
        let (mut untiered, mut cold) = (0, 0);
        for broker in brokers {
            let (waiting, manifest) = {
                let core = broker.lock_any();
                let tier = &core.state.tier;
                (tier.waiting_bytes, tier.manifest)
            };
            let (record_bytes, object_bytes) = self.cold.stored_bytes(broker.key, manifest);
            untiered += waiting;
            cold += object_bytes;
            let instance = (broker.key.tenant, broker.key.instance);
            *counted.entry(instance).or_default() += waiting + record_bytes;
        }
        let rules = &self.config.tier.rules;
        let stored = counted.into_iter().filter_map(|((tenant, id), bytes)| {
            let rule = rules.storage(tenant, id)?;
            let bytes = AtomicU64::new(bytes);
            Some((id, Arc::new(Stored { rule, bytes })))
        });
        *self.quotas.instances.write() = stored.collect();
        let log: u64 = self.log.files().iter().map(|(_, bytes)| bytes).sum();
        let cold = if self.config.tier.is_cold_local {
            cold
        } else {
            0
        };
        self.note_disk(log + untiered + cold);
    }

    fn note_disk(&self, own: u64) {
        let free = match self.quotas.disk.free_bytes() {
            Ok(free) => free,
            Err(error) => {
                tracing::warn!(%error, "cannot tell how full the disk is");
                return;
            }
        };
        // Files that the log has made ahead are room.
        let spares = self.log.space().spare_files as u64 * self.config.log.file_bytes;
        let all = own.saturating_add(free).saturating_add(spares).max(1);
        let used = own as f64 / all as f64;
        let before = self.quotas.is_disk_high();
        self.quotas.disk_bytes.store(all, Ordering::Relaxed);
        self.quotas
            .disk_used
            .store((used * 1e6) as u64, Ordering::Relaxed);
        self.metrics.disk_used.set(used);
        if self.quotas.is_disk_high() != before {
            tracing::warn!(
                used,
                high_water = HIGH_WATER,
                "the disk crosses its high-water mark"
            );
        }
    }
}

fn quota_exceeded(stored: &Stored) -> ApiError {
    let bytes_max = stored.rule.bytes_max.unwrap_or(u64::MAX);
    ApiError::new(
        ErrorCode::QuotaExceeded,
        format!(
            "the instance stores all that its plan allows ({} GiB)",
            bytes_max >> 30
        ),
    )
}

/// The text that clients and operators know (SEED_SPEC 9, 8.1-4).
fn disk_nearly_full(used: f64) -> ApiError {
    ApiError::new(
        ErrorCode::DiskFull,
        format!(
            "service not available now, maybe disk full, CL: {used:.2} CQ: {used:.2} \
             INDEX: {used:.2}, maybe your broker machine memory too small."
        ),
    )
}
