//! What the catalogue rules about an instance's data: how long it is kept, how
//! much of it, and what happens beyond. A node knows no names and no plans; it
//! asks, and whatever is not known to be expired stays.

use std::time::Duration;

use firn_protocol::catalogue::DiskPolicy;
use firn_protocol::ids::{InstanceId, QueueKey, TenantId, TopicKey};
use firn_protocol::time::Timestamp;

/// How much an instance may store (RULES 27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageRule {
    /// Bytes of records, before compression; `None` is without end.
    pub bytes_max: Option<u64>,
    /// What happens beyond (SEED_SPEC 3.1).
    pub policy: DiskPolicy,
}

/// Records that went before their time, to make room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedRemoval {
    pub tenant: TenantId,
    pub instance: InstanceId,
    pub at: Timestamp,
    /// Each queue with the first offset that went and the first that is left.
    pub ranges: Vec<(QueueKey, u64, u64)>,
}

/// Answered from memory, without waiting. Whoever is not known has no rule, and
/// data without a rule is left alone: silence deletes nothing.
pub trait RetentionRules: Send + Sync {
    /// How long records of a topic are kept after they were stored; `None` for as
    /// long as nobody says otherwise.
    fn retention(
        &self,
        tenant: TenantId,
        instance: InstanceId,
        topic: TopicKey,
    ) -> Option<Duration>;

    /// How much an instance may store; `None` for one that is not known.
    fn storage(&self, tenant: TenantId, instance: InstanceId) -> Option<StorageRule>;

    /// Records were removed before their time; called once for each removal.
    fn removed(&self, removal: &ForcedRemoval);
}

/// The same for everybody: for nodes without a catalogue, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedRules {
    pub retention: Option<Duration>,
    pub storage: Option<StorageRule>,
}

impl RetentionRules for FixedRules {
    fn retention(&self, _: TenantId, _: InstanceId, _: TopicKey) -> Option<Duration> {
        self.retention
    }

    fn storage(&self, _: TenantId, _: InstanceId) -> Option<StorageRule> {
        self.storage
    }

    fn removed(&self, _: &ForcedRemoval) {}
}
