//! What a topic name in a request means: a topic of the catalogue, or one of
//! the two that every group has of its own.

use std::borrow::Cow;
use std::sync::Arc;

use firn_protocol::api::storage::{GroupMode, GroupSpec, TopicSpec};
use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::{Group, Instance, Topic};
use firn_protocol::names::{DEAD_LETTER_PREFIX, RETRY_PREFIX};
use firn_protocol::{BrokerId, InstanceId, TopicKey};

/// Retry and dead-letter topics have one queue on each broker (SEED_SPEC 3).
const OWN_QUEUES: u16 = 1;

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Topic(Arc<Topic>),
    Retry(Arc<Group>),
    DeadLetter(Arc<Group>),
}

impl Target {
    pub(crate) fn resolve(
        tenants: &dyn TenantApi,
        instance: InstanceId,
        name: &str,
    ) -> Option<Self> {
        if let Some(group) = name.strip_prefix(DEAD_LETTER_PREFIX) {
            tenants.group(instance, group).map(Self::DeadLetter)
        } else if let Some(group) = name.strip_prefix(RETRY_PREFIX) {
            tenants.group(instance, group).map(Self::Retry)
        } else {
            tenants.topic(instance, name).map(Self::Topic)
        }
    }

    /// The topic that a stored key stands for; `None` if it was removed.
    pub(crate) fn of_key(
        tenants: &dyn TenantApi,
        instance: InstanceId,
        key: TopicKey,
    ) -> Option<Self> {
        match key {
            TopicKey::User(id) => tenants.topic_by_id(instance, id).map(Self::Topic),
            TopicKey::Retry(id) => tenants.group_by_id(instance, id).map(Self::Retry),
            TopicKey::DeadLetter(id) => tenants.group_by_id(instance, id).map(Self::DeadLetter),
            TopicKey::Waiting => None,
        }
    }

    pub(crate) fn key(&self) -> TopicKey {
        match self {
            Self::Topic(topic) => TopicKey::User(topic.id),
            Self::Retry(group) => TopicKey::Retry(group.id),
            Self::DeadLetter(group) => TopicKey::DeadLetter(group.id),
        }
    }

    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Topic(topic) => Cow::Borrowed(&topic.name),
            Self::Retry(group) => Cow::Owned(format!("{RETRY_PREFIX}{}", group.name)),
            Self::DeadLetter(group) => Cow::Owned(format!("{DEAD_LETTER_PREFIX}{}", group.name)),
        }
    }

    pub(crate) fn spec(&self) -> TopicSpec {
        let queues = match self {
            Self::Topic(topic) => topic.queues,
            Self::Retry(_) | Self::DeadLetter(_) => OWN_QUEUES,
        };
        TopicSpec {
            key: self.key(),
            queues,
        }
    }

    /// The brokers that carry it, in the instance's order.
    pub(crate) fn brokers(&self, instance: &Instance) -> Vec<BrokerId> {
        let limited: &[BrokerId] = match self {
            Self::Topic(topic) => &topic.brokers,
            Self::Retry(_) | Self::DeadLetter(_) => &[],
        };
        instance
            .brokers
            .iter()
            .map(|broker| broker.id)
            .filter(|id| limited.is_empty() || limited.contains(id))
            .collect()
    }
}

/// A group as storage calls need it.
pub(crate) fn group_spec(group: &Group) -> GroupSpec {
    GroupSpec {
        id: group.id,
        max_retries: group.max_retries,
        start: group.start,
        mode: match group.ordered {
            true => GroupMode::Ordered(group.on_poison),
            false => GroupMode::Unordered,
        },
        version: group.version,
    }
}
