//! Who is online: the one registry for the clients of every protocol. A client
//! counts until `limits::ONLINE_MS` after the end of its last call, and a call
//! that waits counts for its whole length. Promises bounded memory in which no
//! instance can push out another's clients, and that a call of a client which
//! is known already allocates nothing and shares every lock but the client's own.
//! Kept in memory alone and for this gateway; names, rights and what follows
//! from a client being online are left to others.

mod agent;
mod row;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use firn_protocol::client::{ClientKind, ClientProtocol, ConsumeType, MessageModel};
use firn_protocol::filter::Filter;
use firn_protocol::limits::{CLIENTS_INSTANCE_MAX, CLIENTS_MAX};
use firn_protocol::{GroupId, InstanceId, TopicKey};
use firn_runtime::Clock;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;

pub(crate) use agent::{Agent, from_where};
use row::Row;
pub(crate) use row::{Online, Session};

const SHARDS: usize = 16;
/// Which part of an instance's clients goes at once when they are too many, so
/// that looking for the oldest is paid for by many newcomers.
const THINNED_PART: usize = 16;

/// A client as its call shows it.
pub(crate) struct Client<'a> {
    /// What it calls itself, else what its connection is called.
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    /// Its library with the version, as it sent it.
    pub(crate) agent: &'a str,
    pub(crate) protocol: ClientProtocol,
}

/// What the client does with a topic.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    Produces,
    Consumes {
        group: GroupId,
        filter: &'a Filter,
        consume_type: ConsumeType,
        model: MessageModel,
    },
}

impl Part<'_> {
    fn group(&self) -> Option<GroupId> {
        match self {
            Self::Produces => None,
            Self::Consumes { group, .. } => Some(*group),
        }
    }
}

/// How many are online, over all instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) consumers: usize,
    pub(crate) producers: usize,
    /// Groups whose members do not want the same.
    pub(crate) groups_inconsistent: usize,
}

/// See the module.
pub(crate) struct Sessions {
    clock: Clock,
    shards: [RwLock<Shard>; SHARDS],
    count: AtomicUsize,
    instance_max: usize,
    total_max: usize,
}

type Shard = FxHashMap<InstanceId, Clients>;

/// Clients of one instance.
#[derive(Default)]
struct Clients {
    /// Consumers by their group, producers under `None`; then by name. Names
    /// are the clients' own choice, so their map has a keyed hash.
    by_group: FxHashMap<Option<GroupId>, HashMap<Box<str>, Row>>,
    count: usize,
}

impl Sessions {
    pub(crate) fn new(clock: Clock) -> Self {
        Self::bounded(clock, CLIENTS_INSTANCE_MAX, CLIENTS_MAX)
    }

    fn bounded(clock: Clock, instance_max: usize, total_max: usize) -> Self {
        Self {
            clock,
            shards: std::array::from_fn(|_| RwLock::default()),
            count: AtomicUsize::new(0),
            instance_max,
            total_max,
        }
    }

    /// A call of the client begins; it ends when the answer is dropped.
    pub(crate) fn enter(
        &self,
        instance: InstanceId,
        client: &Client<'_>,
        topic: TopicKey,
        part: Part<'_>,
    ) -> Online {
        if let Some(clients) = self.shard(instance).read().get(&instance) {
            let known = clients.by_group.get(&part.group());
            if let Some(row) = known.and_then(|names| names.get(client.name)) {
                return row.enter(client, topic, part);
            }
        }
        self.admit(instance, client, topic, part)
    }

    /// Makes a row, and room for it.
    fn admit(
        &self,
        instance: InstanceId,
        client: &Client<'_>,
        topic: TopicKey,
        part: Part<'_>,
    ) -> Online {
        if self.count.load(Ordering::Relaxed) >= self.total_max {
            self.thin_largest();
        }
        let mut shard = self.shard(instance).write();
        let clients = shard.entry(instance).or_default();
        if clients.count >= self.instance_max {
            self.forget(clients.sweep(self.now_ms()));
        }
        if clients.count >= self.instance_max {
            self.forget(clients.thin(self.now_ms()));
        }
        let names = clients.by_group.entry(part.group()).or_default();
        if let Some(row) = names.get(client.name) {
            return row.enter(client, topic, part);
        }
        clients.count += 1;
        self.count.fetch_add(1, Ordering::Relaxed);
        let row = names.entry(client.name.into());
        row.or_insert_with(|| Row::new(client, &self.clock))
            .enter(client, topic, part)
    }

    /// Clients of an instance that are online: members of one group, or all.
    pub(crate) fn online(&self, instance: InstanceId, group: Option<GroupId>) -> Vec<Session> {
        let shard = self.shard(instance).read();
        let Some(clients) = shard.get(&instance) else {
            return Vec::new();
        };
        match group {
            None => {
                let groups = clients.by_group.iter();
                groups
                    .flat_map(|(group, names)| sessions(*group, names))
                    .collect()
            }
            Some(_) => {
                let names = clients.by_group.get(&group).into_iter();
                names.flat_map(|names| sessions(group, names)).collect()
            }
        }
    }

    /// Whether all members of a group want the same (SEED_SPEC 2.2).
    pub(crate) fn is_consistent(&self, instance: InstanceId, group: GroupId) -> bool {
        agree(&self.online(instance, Some(group)))
    }

    /// Forgets who is not online any more, and counts the others.
    pub(crate) fn tick(&self) -> Census {
        let mut census = Census::default();
        for shard in &self.shards {
            let now_ms = self.now_ms();
            shard.write().retain(|_, clients| {
                self.forget(clients.sweep(now_ms));
                clients.count > 0
            });
            for clients in shard.read().values() {
                clients.count_into(&mut census);
            }
        }
        census
    }

    fn shard(&self, instance: InstanceId) -> &RwLock<Shard> {
        &self.shards[(instance.0 % SHARDS as u64) as usize]
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn forget(&self, clients: usize) {
        self.count.fetch_sub(clients, Ordering::Relaxed);
    }

    /// Takes the oldest clients of the instance that has most.
    fn thin_largest(&self) {
        let sizes = self.shards.iter().flat_map(|shard| {
            let shard = shard.read();
            let sizes = shard.iter().map(|(id, clients)| (clients.count, *id));
            sizes.collect::<Vec<_>>()
        });
        let Some((_, largest)) = sizes.max() else {
            return;
        };
        if let Some(clients) = self.shard(largest).write().get_mut(&largest) {
            self.forget(clients.thin(self.now_ms()));
        }
    }
}

impl Clients {
    /// Forgets who is not online; how many that were.
    fn sweep(&mut self, now_ms: u64) -> usize {
        self.retain(|row| row.is_online(now_ms))
    }

    /// Forgets those that were seen longest ago.
    fn thin(&mut self, now_ms: u64) -> usize {
        let rows = self.by_group.values().flat_map(HashMap::values);
        let mut seen: Vec<u64> = rows.map(|row| row.last_seen_ms(now_ms)).collect();
        if seen.is_empty() {
            return 0;
        }
        let wanted = seen.len().div_ceil(THINNED_PART);
        let (_, last, _) = seen.select_nth_unstable(wanted - 1);
        let (last, mut left) = (*last, wanted);
        // Many may have been seen at the same moment; no more go than wanted.
        self.retain(|row| {
            let goes = left > 0 && row.last_seen_ms(now_ms) <= last;
            left -= usize::from(goes);
            !goes
        })
    }

    fn retain(&mut self, mut keep: impl FnMut(&Row) -> bool) -> usize {
        let before = self.count;
        self.by_group.retain(|_, names| {
            names.retain(|_, row| keep(row));
            !names.is_empty()
        });
        self.count = self.by_group.values().map(HashMap::len).sum();
        before - self.count
    }

    fn count_into(&self, census: &mut Census) {
        for (group, names) in &self.by_group {
            match group {
                None => census.producers += names.len(),
                Some(_) => {
                    census.consumers += names.len();
                    let members: Vec<Session> = sessions(*group, names).collect();
                    census.groups_inconsistent += usize::from(!agree(&members));
                }
            }
        }
    }
}

fn sessions(
    group: Option<GroupId>,
    names: &HashMap<Box<str>, Row>,
) -> impl Iterator<Item = Session> {
    names
        .iter()
        .filter_map(move |(name, row)| row.session(group, name))
}

/// Whether members want the same topics, each with the same filter. A topic
/// that one member wants with two filters disagrees with itself: it stands for
/// two programs under one name, or for one that was changed. Dead letters are
/// looked after by whoever comes and do not count.
pub(crate) fn agree(members: &[Session]) -> bool {
    let mut first: Option<BTreeMap<TopicKey, &Filter>> = None;
    for member in members {
        let mut wanted = BTreeMap::new();
        for (topic, filter) in &member.topics {
            let Some(filter) = filter else { continue };
            if matches!(topic, TopicKey::DeadLetter(_)) {
                continue;
            }
            if wanted.insert(*topic, filter).is_some() {
                return false;
            }
        }
        match &first {
            _ if wanted.is_empty() => {}
            None => first = Some(wanted),
            Some(first) if *first == wanted => {}
            Some(_) => return false,
        }
    }
    true
}

impl Session {
    pub(crate) fn kind(&self) -> ClientKind {
        match self.group {
            None => ClientKind::Producer,
            Some(_) => ClientKind::Consumer,
        }
    }
}
