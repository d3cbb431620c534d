//! What one tenant did, and what it was told.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::usage::Counts;
use serde_json::Value;

use super::content::Content;
use super::filters::Claims;
use super::model::Model;
use super::place::Tenant;

const HOUR_MS: u64 = 3_600_000;

/// A tenant's part of a life.
pub(super) struct Side {
    pub(super) tenant: &'static Tenant,
    /// Public ids of its instances.
    pub(super) uids: Vec<String>,
    pub(super) model: Model,
    pub(super) claims: Claims,
    pub(super) sent: u64,
    /// Transactions that are not decided.
    pub(super) open: Vec<(u64, String)>,
    /// Delayed messages that may be recalled.
    pub(super) delayed: Vec<(u64, String)>,
    pub(super) ids: BTreeMap<u64, (u64, Value)>,
    pub(super) told: Told,
    /// Of its large instance and of its small one.
    pub(super) history: [History; 2],
}

impl Side {
    pub(super) fn new(tenant: &'static Tenant) -> Self {
        Self {
            tenant,
            uids: Vec::new(),
            model: Model::default(),
            claims: Claims::default(),
            sent: 0,
            open: Vec::new(),
            delayed: Vec::new(),
            ids: BTreeMap::new(),
            told: Told::default(),
            history: Default::default(),
        }
    }

    pub(super) fn content(&self, number: u64) -> Content {
        let message = self.model.messages.get(&number);
        Content {
            owner: self.tenant.mark,
            number,
            mark: message.map(|message| message.mark).unwrap_or_default(),
        }
    }
}

/// What was answered, for the bill: by hour, and by topic.
#[derive(Default)]
pub(super) struct History {
    pub(super) hours: BTreeMap<u64, [Counts; 2]>,
    pub(super) topics: BTreeMap<String, [Counts; 2]>,
}

impl History {
    /// A message was sent, or handed out.
    pub(super) fn count(&mut self, now: u64, topic: &str, is_delivery: bool, counts: Counts) {
        let hour = now / HOUR_MS * HOUR_MS;
        for sums in [
            self.hours.entry(hour).or_default(),
            self.topics.entry(topic.to_owned()).or_default(),
        ] {
            let sum = &mut sums[usize::from(is_delivery)];
            *sum = sum.plus(counts);
        }
    }
}

/// Fields of answers that mean something to whoever has them.
const SECRETS: [&str; 6] = [
    "messageId",
    "offsetMessageId",
    "receiptHandle",
    "transactionId",
    "recallHandle",
    "cursor",
];

/// What a tenant was told that nobody else may see, or use.
#[derive(Default)]
pub(super) struct Told {
    /// By the field that told it.
    pub(super) by_field: BTreeMap<&'static str, Vec<String>>,
    all: BTreeSet<String>,
    /// Cursors, with the query that they go on with.
    pub(super) cursors: Vec<(String, String)>,
}

impl Told {
    pub(super) fn keep(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let secret = SECRETS.iter().find(|known| *known == name);
                    match (secret, value.as_str()) {
                        (Some(field), Some(text)) => {
                            if self.all.insert(text.to_owned()) {
                                self.by_field
                                    .entry(field)
                                    .or_default()
                                    .push(text.to_owned());
                            }
                        }
                        (Some(_) | None, _) => self.keep(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.keep(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The first text in an answer that only the owner of this may see.
    pub(super) fn found_in<'a>(&self, value: &'a Value) -> Option<&'a str> {
        match value {
            Value::Object(fields) => fields.values().find_map(|value| self.found_in(value)),
            Value::Array(items) => items.iter().find_map(|item| self.found_in(item)),
            Value::String(text) => self.all.contains(text).then_some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }
}
