//! The bootstrap file (DESIGN 7): ensures, never deletes, never overwrites.
//! The whole file is checked against a copy of memory before anything is written.

mod compare;
mod file;

use std::collections::BTreeMap;

use firn_protocol::api::tenant::InstanceChange;
use firn_protocol::catalogue::{Durability, Instance, Tenant};
use firn_protocol::{ApiError, ApiResult, ErrorCode, Timestamp};
use serde_json::json;

use super::memory::Memory;
use super::{
    Audit, Change, Draft, Numbers, groups, instances, plans, prices, tenants, topics, users,
};
use crate::error::BootstrapError;
use compare::Differences;
pub(crate) use file::{File, parse};
use file::{InstanceEntry, PriceListEntry, TenantEntry};

/// What applying a bootstrap file did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootstrapReport {
    /// New rows by kind; empty when everything was there already.
    pub created: BTreeMap<&'static str, usize>,
    /// Where the catalogue says something else than the file, and was left as
    /// it is. Never holds a secret.
    pub differences: Vec<String>,
}

/// The changes that make a file true.
pub(crate) struct Plan {
    pub(crate) changes: Vec<Change>,
    pub(crate) numbers: Numbers,
    pub(crate) created: BTreeMap<&'static str, usize>,
    pub(crate) differences: Vec<String>,
}

/// The audit entry of a file that changed something.
pub(crate) fn audit(report: &BootstrapReport) -> Audit {
    Audit {
        tenant: None,
        action: "bootstrap.apply",
        object: "bootstrap file".to_owned(),
        detail: json!(report.created),
    }
}

/// Works out the changes, entry by entry, each on top of those before it.
///
/// # Errors
/// The path of the first entry that breaks a rule.
pub(crate) fn plan(
    file: &File,
    staged: Memory,
    numbers: Numbers,
    now: Timestamp,
    durability: Durability,
) -> Result<Plan, BootstrapError> {
    let mut stage = Stage {
        memory: staged,
        now,
        durability,
        plan: Plan {
            changes: Vec::new(),
            numbers,
            created: BTreeMap::new(),
            differences: Vec::new(),
        },
    };
    for (n, entry) in file.price_lists.iter().enumerate() {
        stage.price_list(&format!("price_list[{n}]"), entry)?;
    }
    for (n, entry) in file.plans.iter().enumerate() {
        let path = format!("plan[{n}]");
        match stage.memory.plans.get(&entry.name).cloned() {
            Some(stored) => stage.compare(&path, |found| found.plan(&stored, entry)),
            None => {
                stage.rule(&path, |draft| plans::create(draft, entry.to_plan()))?;
            }
        }
    }
    for (n, entry) in file.tenants.iter().enumerate() {
        stage.tenant(&format!("tenant[{n}]"), entry)?;
    }
    Ok(stage.plan)
}

struct Stage {
    memory: Memory,
    now: Timestamp,
    durability: Durability,
    plan: Plan,
}

impl Stage {
    fn price_list(&mut self, path: &str, entry: &PriceListEntry) -> Result<(), BootstrapError> {
        let list = entry.to_list();
        let mut versions = self.memory.prices.versions(&entry.name).iter();
        let stored = versions.find(|stored| stored.valid_from == list.valid_from);
        match stored.cloned() {
            Some(stored) => self.compare(path, |found| {
                found.field("currency", &stored.currency, &list.currency);
                found.field("price", &json!(stored.prices), &json!(list.prices));
            }),
            None if self.is_new_list(&entry.name) => {
                self.rule(path, |draft| prices::begin(draft, list))?;
            }
            None => {
                self.rule(path, |draft| prices::add(draft, list))?;
            }
        }
        Ok(())
    }

    /// Whether no version of it was there before this file.
    fn is_new_list(&self, name: &str) -> bool {
        let is_of =
            |change: &&Change| matches!(change, Change::AddPrices(list) if list.name == name);
        let staged = self.plan.changes.iter().filter(is_of).count();
        self.memory.prices.versions(name).len() == staged
    }

    fn tenant(&mut self, path: &str, entry: &TenantEntry) -> Result<(), BootstrapError> {
        match self.memory.tenants.get(&entry.id).cloned() {
            Some(stored) => {
                self.compare(path, |found| found.field("name", &stored.name, &entry.name))
            }
            None => {
                let tenant = Tenant {
                    id: entry.id,
                    name: entry.name.clone(),
                };
                self.rule(path, |draft| tenants::create(draft, tenant))?;
            }
        }
        for (n, instance) in entry.instances.iter().enumerate() {
            self.instance(&format!("{path}.instance[{n}]"), entry, instance)?;
        }
        Ok(())
    }

    fn instance(
        &mut self,
        path: &str,
        tenant: &TenantEntry,
        entry: &InstanceEntry,
    ) -> Result<(), BootstrapError> {
        let stored = self.memory.find_instance(Some(tenant.id), &entry.name);
        let instance = match stored {
            // An id found by chance is no name; creation will say so.
            Ok(stored) if stored.name == entry.name => {
                self.compare(path, |found| found.instance(&stored, entry));
                self.grow(path, &stored, entry)?;
                stored
            }
            Ok(_) | Err(_) => {
                let durability = self.durability;
                let new = entry.to_new(tenant.id);
                self.rule(path, |draft| instances::create(draft, new, durability))?
            }
        };
        for (n, user) in entry.users.iter().enumerate() {
            self.user(&format!("{path}.user[{n}]"), &instance, user)?;
        }
        for (n, topic) in entry.topics.iter().enumerate() {
            self.topic(&format!("{path}.topic[{n}]"), &instance, topic)?;
        }
        for (n, group) in entry.groups.iter().enumerate() {
            self.group(&format!("{path}.group[{n}]"), &instance, group)?;
        }
        Ok(())
    }

    /// Adds the brokers that an instance lacks.
    fn grow(
        &mut self,
        path: &str,
        stored: &Instance,
        entry: &InstanceEntry,
    ) -> Result<(), BootstrapError> {
        let listed = entry.brokers.iter().flatten();
        let lacks = |name: &&String| !stored.brokers.iter().any(|broker| &broker.name == *name);
        let add_brokers: Vec<_> = listed.filter(lacks).cloned().collect();
        if add_brokers.is_empty() {
            return Ok(());
        }
        let added = add_brokers.len();
        let change = InstanceChange {
            add_brokers,
            ..InstanceChange::default()
        };
        self.rule(path, |draft| instances::change(draft, stored.id, change))?;
        *self.plan.created.entry("broker").or_default() += added;
        Ok(())
    }

    fn user(
        &mut self,
        path: &str,
        instance: &Instance,
        entry: &file::UserEntry,
    ) -> Result<(), BootstrapError> {
        let stored = self.memory.users.get(&entry.access_key).cloned();
        match stored.filter(|row| row.user.instance == instance.id) {
            Some(stored) => self.compare(path, |found| found.user(&stored, entry)),
            None => {
                self.rule(path, |draft| {
                    users::create(draft, instance.id, &entry.access_key, entry.fields())
                })?;
            }
        }
        Ok(())
    }

    fn topic(
        &mut self,
        path: &str,
        instance: &Instance,
        entry: &file::TopicEntry,
    ) -> Result<(), BootstrapError> {
        let contents = self.memory.contents(instance.id);
        let stored = contents
            .ok()
            .and_then(|contents| contents.topics.named(&entry.name));
        match stored.cloned() {
            Some(stored) => self.compare(path, |found| found.topic(instance, &stored, entry)),
            None => {
                self.rule(path, |draft| {
                    topics::create(draft, instance.id, &entry.name, entry.fields())
                })?;
            }
        }
        Ok(())
    }

    fn group(
        &mut self,
        path: &str,
        instance: &Instance,
        entry: &file::GroupEntry,
    ) -> Result<(), BootstrapError> {
        let contents = self.memory.contents(instance.id);
        let stored = contents
            .ok()
            .and_then(|contents| contents.groups.named(&entry.name));
        match stored.cloned() {
            Some(stored) => self.compare(path, |found| found.group(&stored, entry)),
            None => {
                self.rule(path, |draft| {
                    groups::create(draft, instance.id, &entry.name, entry.fields())
                })?;
            }
        }
        Ok(())
    }

    /// Carries out a rule on the copy of memory.
    fn rule<R>(
        &mut self,
        path: &str,
        rule: impl FnOnce(&mut Draft<'_>) -> ApiResult<R>,
    ) -> Result<R, BootstrapError> {
        let mut draft = Draft::new(&self.memory, self.plan.numbers, self.now);
        let answer = rule(&mut draft).map_err(|error| entry_error(path, error))?;
        let (changes, numbers) = (draft.changes, draft.numbers);
        self.plan.numbers = numbers;
        for change in changes {
            self.memory.apply(&change);
            if !matches!(change, Change::SetInstance(_)) {
                *self.plan.created.entry(change.kind()).or_default() += 1;
            }
            self.plan.changes.push(change);
        }
        Ok(answer)
    }

    fn compare(&mut self, path: &str, compare: impl FnOnce(&mut Differences<'_>)) {
        compare(&mut Differences {
            path,
            found: &mut self.plan.differences,
        });
    }
}

/// Errors of a field begin with its name as the API writes it; here it becomes
/// the end of the path, as the file writes it.
fn entry_error(path: &str, mut source: ApiError) -> BootstrapError {
    let of_field = matches!(source.code, ErrorCode::BadRequest | ErrorCode::InvalidName);
    let mut path = path.to_owned();
    if let Some((field, rule)) = source.message.split_once(": ")
        && of_field
        && field.bytes().all(|b| b.is_ascii_alphabetic())
    {
        path.push('.');
        path.push_str(&file_key(field));
        source.message = rule.to_owned();
    }
    BootstrapError::Entry { path, source }
}

fn file_key(field: &str) -> String {
    let mut key = String::new();
    for letter in field.chars() {
        if letter.is_ascii_uppercase() {
            key.push('_');
        }
        key.push(letter.to_ascii_lowercase());
    }
    key
}

#[cfg(test)]
mod tests;
