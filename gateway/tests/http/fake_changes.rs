//! What a change does to a row of the catalogue made up for tests.

use firn_protocol::api::tenant::{GroupFields, TopicFields};
use firn_protocol::catalogue::{Group, Topic};

pub(crate) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

pub(crate) fn apply_topic(topic: &mut Topic, f: TopicFields) {
    set(&mut topic.topic_type, f.topic_type);
    set(&mut topic.queues, f.queues);
    set(&mut topic.permission, f.permission);
    set(&mut topic.ordered, f.ordered);
    set(&mut topic.remark, f.remark);
    set(&mut topic.allowed_groups, f.allowed_groups);
}

pub(crate) fn apply_group(group: &mut Group, f: GroupFields) {
    set(&mut group.ordered, f.ordered);
    set(&mut group.max_retries, f.max_retries);
    set(&mut group.enabled, f.enabled);
    set(&mut group.start, f.start);
    set(&mut group.is_start_by_client, f.is_start_by_client);
    set(&mut group.pull_mechanism, f.pull_mechanism);
    set(&mut group.subscriptions, f.subscriptions);
    set(&mut group.remark, f.remark);
    group.version += 1;
}
