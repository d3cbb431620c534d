//! The catalogue's rules: pure functions from what is in memory and a request
//! to a list of changes. Owns every check and default; promises that rows it
//! makes are valid. Leaves writing to [`crate::store`] and time, locks and
//! order to [`crate::service`].

pub(crate) mod bootstrap;
pub(crate) mod checks;
pub(crate) mod console;
pub(crate) mod groups;
pub(crate) mod instances;
pub(crate) mod lifecycle;
pub(crate) mod memory;
pub(crate) mod plans;
pub(crate) mod prices;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod topics;
pub(crate) mod users;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use firn_protocol::api::billing::PriceList;
use firn_protocol::catalogue::{
    ApiToken, AppUser, ConsoleUser, Erasure, Group, Instance, Plan, Tenant, Topic,
};
use firn_protocol::{GroupId, InstanceId, TenantId, Timestamp, TopicId};

use crate::secret::Secret;
use memory::Memory;

/// An application user with its secret.
#[derive(Clone)]
pub(crate) struct UserRow {
    pub(crate) user: Arc<AppUser>,
    pub(crate) secret: Arc<Secret>,
    /// The secret of before; there exactly while the user has a time for it.
    pub(crate) previous: Option<Arc<Secret>>,
}

/// An API token with the hash of what proves it.
#[derive(Clone)]
pub(crate) struct TokenRow {
    pub(crate) token: Arc<ApiToken>,
    pub(crate) hash: [u8; 32],
    /// When it was used last as far as that is in the database; 0 is never.
    pub(crate) noted_ms: u64,
    /// The same as it is; set by readers.
    pub(crate) used_ms: Arc<AtomicU64>,
}

/// A person with the hash of the password.
#[derive(Clone)]
pub(crate) struct ConsoleRow {
    pub(crate) user: ConsoleUser,
    pub(crate) password_hash: Arc<str>,
}

impl ConsoleRow {
    /// Marks the person with the password: equal ones differ too, by their salts.
    pub(crate) fn new(mut user: ConsoleUser, password_hash: Arc<str>) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(password_hash.as_bytes()).as_bytes();
        user.password_mark = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Self {
            user,
            password_hash,
        }
    }
}

/// One step of a change, understood by the database and by memory alike.
/// `Add` is of something new, `Set` of something that exists.
pub(crate) enum Change {
    AddTenant(Arc<Tenant>),
    SetTenant(Arc<Tenant>),
    /// With its console users.
    DropTenant(TenantId),
    AddPlan(Arc<Plan>),
    /// The next version of a list.
    AddPrices(Arc<PriceList>),
    AddInstance(Arc<Instance>),
    /// Brokers may have been added.
    SetInstance(Arc<Instance>),
    /// With its brokers, users, topics and groups.
    DropInstance(InstanceId),
    AddErasure(Arc<Erasure>),
    DropErasure(InstanceId),
    AddTopic(Arc<Topic>),
    SetTopic(Arc<Topic>),
    DropTopic(Arc<Topic>),
    AddGroup(Arc<Group>),
    SetGroup(Arc<Group>),
    DropGroup(Arc<Group>),
    AddUser(UserRow),
    SetUser(UserRow),
    DropUser(Arc<AppUser>),
    AddConsoleUser(ConsoleRow),
    SetConsoleUser(ConsoleRow),
    DropConsoleUser(ConsoleUser),
    AddApiToken(TokenRow),
    DropApiToken(String),
    /// When it was used last.
    NoteApiToken(String, Timestamp),
    RevokeToken(String, Timestamp),
    /// Revocations of tokens that are no longer valid anyway.
    PruneTokens(Timestamp),
}

impl Change {
    /// Its name as a metric label.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::AddTenant(_) | Self::SetTenant(_) | Self::DropTenant(_) => "tenant",
            Self::AddPlan(_) => "plan",
            Self::AddPrices(_) => "priceList",
            Self::AddInstance(_) | Self::SetInstance(_) | Self::DropInstance(_) => "instance",
            Self::AddErasure(_) | Self::DropErasure(_) => "erasure",
            Self::AddTopic(_) | Self::SetTopic(_) | Self::DropTopic(_) => "topic",
            Self::AddGroup(_) | Self::SetGroup(_) | Self::DropGroup(_) => "group",
            Self::AddUser(_) | Self::SetUser(_) | Self::DropUser(_) => "user",
            Self::AddConsoleUser(_) | Self::SetConsoleUser(_) | Self::DropConsoleUser(_) => {
                "consoleUser"
            }
            Self::AddApiToken(_) | Self::DropApiToken(_) | Self::NoteApiToken(..) => "apiToken",
            Self::RevokeToken(..) | Self::PruneTokens(_) => "token",
        }
    }
}

/// The next number of each kind; they only rise (RULES 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) instance: u64,
    pub(crate) broker: u64,
    pub(crate) topic: u64,
    pub(crate) group: u64,
    /// Versions of groups.
    pub(crate) revision: u64,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            instance: 1,
            broker: 1,
            topic: 1,
            group: 1,
            revision: 1,
        }
    }
}

impl Numbers {
    pub(crate) fn take_instance(&mut self) -> InstanceId {
        InstanceId(take(&mut self.instance))
    }

    pub(crate) fn take_topic(&mut self) -> TopicId {
        TopicId(take(&mut self.topic))
    }

    pub(crate) fn take_group(&mut self) -> GroupId {
        GroupId(take(&mut self.group))
    }

    pub(crate) fn take_revision(&mut self) -> u64 {
        take(&mut self.revision)
    }
}

pub(crate) fn take(next: &mut u64) -> u64 {
    let number = *next;
    *next += 1;
    number
}

/// The action of rows about calls that were refused.
pub(crate) const DENIED: &str = "denied";

/// What a change leaves in the audit log. Never holds a secret.
pub(crate) struct Audit {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) action: &'static str,
    pub(crate) object: String,
    pub(crate) detail: serde_json::Value,
}

/// A change in the making: what is there, and what the rules have added to it.
pub(crate) struct Draft<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) now: Timestamp,
    pub(crate) numbers: Numbers,
    pub(crate) changes: Vec<Change>,
    pub(crate) audit: Option<Audit>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(memory: &'a Memory, numbers: Numbers, now: Timestamp) -> Self {
        Self {
            memory,
            now,
            numbers,
            changes: Vec::new(),
            audit: None,
        }
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(crate) fn audit(
        &mut self,
        tenant: Option<TenantId>,
        action: &'static str,
        object: String,
        detail: serde_json::Value,
    ) {
        self.audit = Some(Audit {
            tenant,
            action,
            object,
            detail,
        });
    }
}
