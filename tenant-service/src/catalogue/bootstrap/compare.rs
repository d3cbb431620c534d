//! Finds where the catalogue says something else than a bootstrap file. Only
//! keys that the file has are compared; secrets are never shown.

use std::fmt::Debug;

use firn_protocol::catalogue::{Group, Instance, Plan, Topic};

use super::file::{GroupEntry, InstanceEntry, PlanEntry, TopicEntry, UserEntry};
use crate::catalogue::UserRow;

/// Collects the differences of one entry.
pub(super) struct Differences<'a> {
    pub(super) path: &'a str,
    pub(super) found: &'a mut Vec<String>,
}

impl Differences<'_> {
    pub(super) fn field<T: PartialEq + Debug + ?Sized>(&mut self, key: &str, stored: &T, file: &T) {
        if stored != file {
            let path = self.path;
            let text = format!("{path}.{key}: the file says {file:?}, kept {stored:?}");
            self.found.push(text);
        }
    }

    fn given<T: PartialEq + Debug>(&mut self, key: &str, stored: &T, file: &Option<T>) {
        if let Some(file) = file {
            self.field(key, stored, file);
        }
    }

    pub(super) fn plan(&mut self, stored: &Plan, file: &PlanEntry) {
        self.given("tps", &stored.tps, &file.tps);
        self.given("topic_tps", &stored.topic_tps, &file.topic_tps);
        self.given("burst_seconds", &stored.burst_seconds, &file.burst_seconds);
        self.given("topics", &stored.topics, &file.topics);
        self.given("groups", &stored.groups, &file.groups);
        self.given("brokers", &stored.brokers, &file.brokers);
        self.given("storage_gib", &stored.storage_gib, &file.storage_gib);
        self.given(
            "retention_hours",
            &stored.retention_hours,
            &file.retention_hours,
        );
        self.given("message_bytes", &stored.message_bytes, &file.message_bytes);
        self.given("connections", &stored.connections, &file.connections);
        self.given("price_list", &stored.price_list, &file.price_list);
    }

    /// Brokers apart: those that are missing are added, those beyond the file stay.
    pub(super) fn instance(&mut self, stored: &Instance, file: &InstanceEntry) {
        self.given("plan", &stored.plan, &file.plan);
        self.given("durability", &stored.durability, &file.durability);
        self.given(
            "retention_hours",
            &stored.retention_hours,
            &file.retention_hours,
        );
        self.given("disk_policy", &stored.disk_policy, &file.disk_policy);
        self.given("remark", &stored.remark, &file.remark);
        self.given("time_zone", &stored.time_zone, &file.time_zone);
        if file.expires_at.is_some() {
            self.field("expires_at", &stored.expires_at, &file.expires_at);
        }
    }

    pub(super) fn user(&mut self, stored: &UserRow, file: &UserEntry) {
        if file
            .secret_key
            .as_ref()
            .is_some_and(|key| *key != *stored.secret)
        {
            let text = format!("{}.secret_key: differs, the stored one is kept", self.path);
            self.found.push(text);
        }
        self.given("topics", &stored.user.topics, &file.topics);
        self.given("description", &stored.user.description, &file.description);
        self.given("ip_allow", &stored.user.ip_allow, &file.ip_allow);
    }

    pub(super) fn topic(&mut self, instance: &Instance, stored: &Topic, file: &TopicEntry) {
        self.given("type", &stored.topic_type, &file.topic_type);
        self.given("queues", &stored.queues, &file.queues);
        self.given("permission", &stored.permission, &file.permission);
        self.given("ordered", &stored.ordered, &file.ordered);
        self.given("remark", &stored.remark, &file.remark);
        let brokers = instance.brokers.iter();
        let carriers = brokers.filter(|broker| stored.brokers.contains(&broker.id));
        let mut carriers: Vec<_> = carriers.map(|broker| broker.name.clone()).collect();
        carriers.sort();
        let listed = file.brokers.clone().map(|mut names| {
            names.sort();
            names
        });
        self.given("brokers", &carriers, &listed);
        self.given(
            "retention_hours",
            &stored.retention_hours.unwrap_or(0),
            &file.retention_hours,
        );
        self.given("tps", &stored.tps.unwrap_or(0), &file.tps);
        self.given(
            "allowed_groups",
            &stored.allowed_groups,
            &file.allowed_groups,
        );
    }

    pub(super) fn group(&mut self, stored: &Group, file: &GroupEntry) {
        self.given("ordered", &stored.ordered, &file.ordered);
        self.given("on_poison", &stored.on_poison, &file.on_poison);
        self.given("max_retries", &stored.max_retries, &file.max_retries);
        self.given("enabled", &stored.enabled, &file.enabled);
        self.given("start", &stored.start, &file.start);
        let mut subscriptions = stored.subscriptions.clone();
        subscriptions.sort();
        self.given("subscriptions", &subscriptions, &file.subscriptions());
        self.given("remark", &stored.remark, &file.remark);
    }
}
