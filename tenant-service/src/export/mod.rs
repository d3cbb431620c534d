//! The catalogue as one object, to be kept where the messages are kept: with
//! it, a bucket alone is enough to go on from (RULES 9).
//!
//! Owns what is in an export and its stored form (`form`, `codec`). Promises
//! that equal catalogues give equal exports, that no secret is in one but
//! sealed under the master key, and that whatever bytes are read give an export
//! whose rows fit together, or an error. Leaves when and where to export to
//! others, and so the audit log, which is not part of it.

mod codec;
mod form;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use firn_protocol::api::billing::PriceList;
use firn_protocol::catalogue::{
    ApiToken, AppUser, ConsoleUser, Erasure, Group, Instance, Plan, PullMechanism, StartPosition,
    Tenant, Topic,
};
use firn_protocol::{GroupId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::billing::part::StoredTerm;
use crate::catalogue::memory::Memory;
use crate::catalogue::{ConsoleRow, Numbers, UserRow, plans};
use crate::error::{ExportError, OpenError};
use crate::keys::Keys;
pub use codec::{ExportHead, Packed, Stamp, Unpacked};
use form::{InstanceTokenForm, NumbersForm, Row, TenantTokenForm};

/// Numbers left free of each kind at a restore: what was given out after the
/// export was made, and is known to clients alone, names nothing else later.
const NUMBERS_FREE: u64 = 1 << 20;
/// The same for brokers, whose numbers have 32 bits.
const BROKERS_FREE: u64 = 1 << 12;

/// Everything in a catalogue but its audit log.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogueExport {
    /// Tells the key that the secrets are sealed under from any other.
    key_check: String,
    #[serde(with = "NumbersForm")]
    numbers: Numbers,
    tenants: Vec<Row<Tenant>>,
    plans: Vec<Row<Plan>>,
    instances: Vec<Row<Instance>>,
    topics: Vec<Row<Topic>>,
    groups: Vec<Row<Group>>,
    pub(crate) users: Vec<SealedUser>,
    pub(crate) people: Vec<SealedPerson>,
    revoked: Vec<(String, Timestamp)>,
    /// Behind the rest.
    #[serde(skip)]
    extra: Extra,
    /// Behind that.
    #[serde(skip)]
    later: Later,
}

/// What version 2 added.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Extra {
    /// By access key, at most one for each.
    previous: Vec<SealedPrevious>,
    /// By id, with the hashes of what proves them.
    tokens: Vec<InstanceToken>,
    group_notes: Vec<GroupNote>,
    price_lists: Vec<Row<PriceList>>,
}

/// What version 3 added.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Later {
    /// By id.
    tenant_tokens: Vec<TenantToken>,
    /// Of instances that are gone already, by number.
    erasures: Vec<Row<Erasure>>,
    /// What instances were and when, also those that are gone; in order of their begin.
    terms: Vec<StoredTerm>,
}

/// A token of an instance with the hash of what proves it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct InstanceToken {
    #[serde(with = "InstanceTokenForm")]
    token: ApiToken,
    hash: [u8; 32],
}

/// The same for all instances of a tenant.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct TenantToken {
    #[serde(with = "TenantTokenForm")]
    token: ApiToken,
    hash: [u8; 32],
}

/// What a row of a group does not hold, where it is not the default.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
struct GroupNote {
    group: GroupId,
    is_start_by_client: bool,
    is_progress_with_client: bool,
}

/// The secret of a user of before its last rotation.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct SealedPrevious {
    access_key: String,
    valid_until: Timestamp,
    secret: Vec<u8>,
}

/// An application user, with the secret sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SealedUser {
    pub(crate) user: Row<AppUser>,
    secret: Vec<u8>,
}

/// A person, with the hash of the password sealed: whoever reads the bucket
/// must not be able to try out passwords.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SealedPerson {
    pub(crate) user: Row<ConsoleUser>,
    password_hash: Vec<u8>,
}

/// The highest numbers that something outside the catalogue carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdsInUse {
    pub instance: u64,
    pub broker: u64,
    pub topic: u64,
    pub group: u64,
}

/// Rows of a catalogue at one moment, not sealed yet.
pub(crate) struct Moment {
    numbers: Numbers,
    rows: CatalogueExport,
    users: Vec<UserRow>,
    people: Vec<ConsoleRow>,
}

impl Moment {
    /// Takes down what is in memory: pointers, for the most part.
    pub(crate) fn of(memory: &Memory, numbers: Numbers, terms: Vec<StoredTerm>) -> Self {
        let built_in: HashSet<String> = plans::built_in().into_iter().map(|it| it.name).collect();
        let made = memory.plans.values();
        let made = made.filter(|plan| !built_in.contains(&plan.name));
        let mut instances = memory.instances(None);
        instances.sort_by_key(|instance| instance.id);
        let (mut topics, mut groups) = (Vec::new(), Vec::new());
        for contents in instances.iter().flat_map(|it| memory.contents(it.id)) {
            topics.extend(contents.topics.all().into_iter().map(Row));
            groups.extend(contents.groups.all().into_iter().map(Row));
        }
        let revocations = memory.revocations();
        let mut revoked: Vec<_> = revocations.map(|(id, at)| (id.clone(), *at)).collect();
        revoked.sort();
        let mut users: Vec<UserRow> = memory.users.values().cloned().collect();
        users.sort_by(|a, b| a.user.access_key.cmp(&b.user.access_key));
        let group_notes = notes_of(&groups);
        let (tokens, tenant_tokens) = tokens_of(memory);
        let rows = CatalogueExport {
            key_check: String::new(),
            numbers,
            tenants: memory.tenants.values().cloned().map(Row).collect(),
            plans: made.cloned().map(Row).collect(),
            instances: instances.into_iter().map(Row).collect(),
            topics,
            groups,
            users: Vec::new(),
            people: Vec::new(),
            revoked,
            extra: Extra {
                previous: Vec::new(),
                tokens,
                group_notes,
                price_lists: memory.prices.added().cloned().map(Row).collect(),
            },
            later: Later {
                tenant_tokens,
                erasures: memory.erasures.values().cloned().map(Row).collect(),
                terms,
            },
        };
        Self {
            numbers,
            rows,
            users,
            people: memory.people().cloned().collect(),
        }
    }

    /// Seals the secrets, which takes a while for many.
    pub(crate) fn seal(self, keys: &Keys) -> CatalogueExport {
        let previous = self.users.iter().filter_map(|row| {
            let (secret, until) = (row.previous.as_ref()?, row.user.previous_valid_until?);
            Some(SealedPrevious {
                access_key: row.user.access_key.clone(),
                valid_until: until,
                secret: keys.seal_for_export(&previous_name(&row.user), secret.expose()),
            })
        });
        let extra = Extra {
            previous: previous.collect(),
            ..self.rows.extra
        };
        let users = self.users.into_iter().map(|row| SealedUser {
            secret: keys.seal_for_export(&user_name(&row.user), row.secret.expose()),
            user: Row(row.user),
        });
        let people = self.people.into_iter().map(|row| SealedPerson {
            password_hash: keys.seal_for_export(&person_name(&row.user), &row.password_hash),
            user: Row(Arc::new(ConsoleUser {
                password_mark: 0,
                ..row.user
            })),
        });
        CatalogueExport {
            key_check: keys.check_value(),
            numbers: self.numbers,
            users: users.collect(),
            people: people.collect(),
            extra,
            ..self.rows
        }
    }
}

/// By id: those of instances, and those for all of a tenant.
fn tokens_of(memory: &Memory) -> (Vec<InstanceToken>, Vec<TenantToken>) {
    let mut rows: Vec<_> = memory.api_tokens().collect();
    rows.sort_by(|a, b| a.token.id.cmp(&b.token.id));
    let (mut of_instances, mut of_tenants) = (Vec::new(), Vec::new());
    for row in rows {
        let (token, hash) = (ApiToken::clone(&row.token), row.hash);
        match token.instance {
            Some(_) => of_instances.push(InstanceToken { token, hash }),
            None => of_tenants.push(TenantToken { token, hash }),
        }
    }
    (of_instances, of_tenants)
}

fn notes_of(groups: &[Row<Group>]) -> Vec<GroupNote> {
    let notes = groups.iter().map(|row| GroupNote {
        group: row.0.id,
        is_start_by_client: row.0.is_start_by_client,
        is_progress_with_client: row.0.pull_mechanism == PullMechanism::Client,
    });
    notes
        .filter(|note| note.is_start_by_client || note.is_progress_with_client)
        .collect()
}

impl CatalogueExport {
    /// Puts what stands behind the rows into them. Of version 1 is known that groups
    /// without a start of their own left it to their clients.
    fn take_notes(&mut self, version: u16) {
        let notes: HashMap<GroupId, GroupNote> = {
            let notes = self.extra.group_notes.iter();
            notes.map(|note| (note.group, *note)).collect()
        };
        for row in &mut self.groups {
            let note = notes.get(&row.0.id);
            let by_client = match version {
                1 => row.0.start == StartPosition::Earliest,
                _ => note.is_some_and(|note| note.is_start_by_client),
            };
            let with_client = note.is_some_and(|note| note.is_progress_with_client);
            let group = Arc::make_mut(&mut row.0);
            group.is_start_by_client = by_client;
            group.pull_mechanism = match with_client {
                true => PullMechanism::Client,
                false => PullMechanism::Server,
            };
        }
        self.extra.group_notes = notes_of(&self.groups);
    }

    /// Whether the secrets in it are sealed under the key in this file.
    ///
    /// # Errors
    /// When the file cannot be read as a key, or holds another one.
    pub fn check_key(&self, master_key_file: &Path) -> Result<(), OpenError> {
        match self.is_sealed_with(&Keys::open(master_key_file, false)?) {
            true => Ok(()),
            false => Err(OpenError::WrongKey {
                path: master_key_file.to_owned(),
            }),
        }
    }

    pub(crate) fn is_sealed_with(&self, keys: &Keys) -> bool {
        self.key_check == keys.check_value()
    }

    pub fn tenants(&self) -> impl ExactSizeIterator<Item = &Tenant> {
        self.tenants.iter().map(|row| &*row.0)
    }

    pub fn plans(&self) -> impl ExactSizeIterator<Item = &Plan> {
        self.plans.iter().map(|row| &*row.0)
    }

    pub fn instances(&self) -> impl ExactSizeIterator<Item = &Instance> {
        self.instances.iter().map(|row| &*row.0)
    }

    pub fn price_lists(&self) -> impl ExactSizeIterator<Item = &PriceList> {
        self.extra.price_lists.iter().map(|row| &*row.0)
    }

    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Topic> {
        self.topics.iter().map(|row| &*row.0)
    }

    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.groups.iter().map(|row| &*row.0)
    }

    /// The secret of before of a user, and until when it is valid.
    ///
    /// # Errors
    /// When it cannot be read with these keys.
    pub(crate) fn previous(
        &self,
        user: &AppUser,
        keys: &Keys,
    ) -> Result<Option<(Timestamp, crate::Secret)>, ExportError> {
        let rows = &self.extra.previous;
        let found = rows.binary_search_by(|row| row.access_key.cmp(&user.access_key));
        let Ok(at) = found else {
            return Ok(None);
        };
        let opened = keys.unseal_export(&previous_name(user), &rows[at].secret);
        let secret = opened.map_err(ExportError::Damaged)?;
        Ok(Some((rows[at].valid_until, secret)))
    }

    /// Each with the hash of what proves it.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&ApiToken, [u8; 32])> {
        let of_instances = self.extra.tokens.iter().map(|it| (&it.token, it.hash));
        let of_tenants = self.later.tenant_tokens.iter();
        of_instances.chain(of_tenants.map(|it| (&it.token, it.hash)))
    }

    pub(crate) fn terms(&self) -> &[StoredTerm] {
        &self.later.terms
    }

    /// Instances that are gone, whose data is still to be erased.
    pub fn erasures(&self) -> impl ExactSizeIterator<Item = &Erasure> {
        self.later.erasures.iter().map(|row| &*row.0)
    }

    pub(crate) fn revoked(&self) -> &[(String, Timestamp)] {
        &self.revoked
    }

    /// The numbers to go on with when `used` is in use beside what is in here.
    pub(crate) fn numbers_after(&self, used: IdsInUse) -> Numbers {
        let above =
            |next: u64, used: u64, free: u64| next.max(used.saturating_add(1)).saturating_add(free);
        let next = self.numbers;
        Numbers {
            instance: above(next.instance, used.instance, NUMBERS_FREE),
            broker: above(next.broker, used.broker, BROKERS_FREE),
            topic: above(next.topic, used.topic, NUMBERS_FREE),
            group: above(next.group, used.group, NUMBERS_FREE),
            revision: above(next.revision, 0, NUMBERS_FREE),
        }
    }

    /// The first rule that is broken, in words.
    fn check(&self) -> Result<(), &'static str> {
        let tenants: HashSet<TenantId> = self.tenants().map(|tenant| tenant.id).collect();
        let built_in = plans::built_in();
        let mut plans: HashSet<&str> = self.plans().map(|plan| plan.name.as_str()).collect();
        plans.extend(built_in.iter().map(|plan| plan.name.as_str()));
        let mut instances = HashSet::new();
        for instance in self.instances() {
            require(tenants.contains(&instance.tenant), "a tenant is missing")?;
            require(plans.contains(&*instance.plan), "a plan is missing")?;
            require(!instance.brokers.is_empty(), "an instance has no broker")?;
            require(instances.insert(instance.id), "an instance stands twice")?;
            let mut brokers = instance.brokers.iter().map(|broker| u64::from(broker.id.0));
            require(
                instance.id.0 < self.numbers.instance && brokers.all(|id| id < self.numbers.broker),
                "a number is not given out yet",
            )?;
        }
        let topics = self
            .topics()
            .map(|it| (it.instance, it.id.0 < self.numbers.topic));
        let groups = self
            .groups()
            .map(|it| (it.instance, it.id.0 < self.numbers.group));
        let users = self.users.iter().map(|it| (it.user.0.instance, true));
        for (instance, is_given_out) in topics.chain(groups).chain(users) {
            require(instances.contains(&instance), "an instance is missing")?;
            require(is_given_out, "a number is not given out yet")?;
        }
        let previous = &self.extra.previous;
        let mut pairs = previous.windows(2);
        require(
            pairs.all(|pair| pair[0].access_key < pair[1].access_key),
            "secrets of before are out of order",
        )?;
        for (token, _) in self.tokens() {
            let is_there = token.instance.is_none_or(|id| instances.contains(&id));
            require(is_there, "an instance is missing")?;
            require(tenants.contains(&token.tenant), "a tenant is missing")?;
        }
        for erasure in self.erasures() {
            require(
                !instances.contains(&erasure.instance),
                "an instance is there and to be erased",
            )?;
            let mut brokers = erasure.brokers.iter().map(|id| u64::from(id.0));
            require(
                erasure.instance.0 < self.numbers.instance
                    && brokers.all(|id| id < self.numbers.broker),
                "a number is not given out yet",
            )?;
        }
        let owners = self.people.iter().filter_map(|it| it.user.0.tenant);
        for owner in owners {
            require(tenants.contains(&owner), "a tenant is missing")?;
        }
        Ok(())
    }
}

impl SealedUser {
    /// The secret in the clear; the error names the problem.
    pub(crate) fn open(&self, keys: &Keys) -> Result<crate::Secret, ExportError> {
        let opened = keys.unseal_export(&user_name(&self.user.0), &self.secret);
        opened.map_err(ExportError::Damaged)
    }
}

impl SealedPerson {
    /// The hash of the password; the error names the problem.
    pub(crate) fn open(&self, keys: &Keys) -> Result<crate::Secret, ExportError> {
        let opened = keys.unseal_export(&person_name(&self.user.0), &self.password_hash);
        opened.map_err(ExportError::Damaged)
    }
}

/// What a sealed secret is bound to.
fn user_name(user: &AppUser) -> String {
    format!("user {}", user.access_key)
}

fn previous_name(user: &AppUser) -> String {
    format!("previous {}", user.access_key)
}

fn person_name(user: &ConsoleUser) -> String {
    let tenant = user.tenant.map_or(0, |tenant| tenant.0);
    format!("person {tenant} {}", user.username)
}

fn require(holds: bool, rule: &'static str) -> Result<(), &'static str> {
    match holds {
        true => Ok(()),
        false => Err(rule),
    }
}

impl std::fmt::Debug for CatalogueExport {
    /// Counts alone: rows are many, and some are sealed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogueExport")
            .field("instances", &self.instances.len())
            .field("topics", &self.topics.len())
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}
