//! One client: what it does with which topic, and since when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use firn_protocol::client::{ClientProtocol, ConsumeType, MessageModel};
use firn_protocol::filter::Filter;
use firn_protocol::limits::{CLIENT_AGENT_BYTES_MAX, CLIENT_TOPICS_MAX, ONLINE_MS};
use firn_protocol::{GroupId, Timestamp, TopicKey};
use firn_runtime::Clock;
use parking_lot::Mutex;

use super::{Client, Part};

/// What is kept of one client.
pub(super) struct Row {
    clock: Clock,
    first_seen: Timestamp,
    state: Mutex<State>,
}

struct State {
    address: Box<str>,
    agent: Box<str>,
    protocol: ClientProtocol,
    consumes: Option<(ConsumeType, MessageModel)>,
    uses: Vec<Use>,
}

/// A topic, and for consumers what they want of it.
struct Use {
    topic: TopicKey,
    filter: Option<Filter>,
    presence: Arc<Presence>,
}

/// Calls that are open, and when the last one ended.
struct Presence {
    clock: Clock,
    open: AtomicU32,
    ended_ms: AtomicU64,
}

/// A call in progress; dropping it ends the call.
#[must_use = "the client is online as long as this lives"]
pub(crate) struct Online(Arc<Presence>);

/// A client that is online, as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// None for producers.
    pub(crate) group: Option<GroupId>,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) agent: String,
    pub(crate) protocol: ClientProtocol,
    pub(crate) consumes: Option<(ConsumeType, MessageModel)>,
    /// In a fixed order; one topic more than once if it is wanted with several filters.
    pub(crate) topics: Vec<(TopicKey, Option<Filter>)>,
    pub(crate) first_seen: Timestamp,
    pub(crate) last_seen: Timestamp,
}

impl Row {
    pub(super) fn new(client: &Client<'_>, clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            first_seen: Timestamp(clock.now_ms()),
            state: Mutex::new(State {
                address: client.address.into(),
                agent: kept(client.agent).into(),
                protocol: client.protocol,
                consumes: None,
                uses: Vec::new(),
            }),
        }
    }

    pub(super) fn enter(&self, client: &Client<'_>, topic: TopicKey, part: Part<'_>) -> Online {
        let mut state = self.state.lock();
        state.renew(client, part);
        let filter = match part {
            Part::Produces => None,
            Part::Consumes { filter, .. } => Some(filter),
        };
        let known = |known: &&Use| known.topic == topic && known.filter.as_ref() == filter;
        if let Some(known) = state.uses.iter().find(known) {
            return Online::new(&known.presence);
        }
        state.make_room(self.clock.now_ms());
        let presence = Arc::new(Presence {
            clock: self.clock.clone(),
            open: AtomicU32::new(0),
            ended_ms: AtomicU64::new(0),
        });
        let online = Online::new(&presence);
        state.uses.push(Use {
            topic,
            filter: filter.cloned(),
            presence,
        });
        online
    }

    pub(super) fn is_online(&self, now_ms: u64) -> bool {
        self.last_seen_ms(now_ms) + ONLINE_MS > now_ms
    }

    /// `now` while a call is open.
    pub(super) fn last_seen_ms(&self, now_ms: u64) -> u64 {
        let state = self.state.lock();
        let seen = state.uses.iter().map(|u| u.presence.last_seen_ms(now_ms));
        seen.max().unwrap_or_default()
    }

    /// None for a client that is not online any more.
    pub(super) fn session(&self, group: Option<GroupId>, name: &str) -> Option<Session> {
        let now_ms = self.clock.now_ms();
        let state = self.state.lock();
        let live = state.uses.iter().filter(|u| u.presence.is_live(now_ms));
        let last_seen = live
            .clone()
            .map(|u| u.presence.last_seen_ms(now_ms))
            .max()?;
        let mut topics: Vec<_> = live.map(|u| (u.topic, u.filter.clone())).collect();
        topics.sort_unstable();
        Some(Session {
            group,
            name: name.to_owned(),
            address: state.address.to_string(),
            agent: state.agent.to_string(),
            protocol: state.protocol,
            consumes: state.consumes,
            topics,
            first_seen: self.first_seen,
            last_seen: Timestamp(last_seen),
        })
    }
}

impl State {
    /// A client that started again has another connection or version.
    fn renew(&mut self, client: &Client<'_>, part: Part<'_>) {
        if *self.address != *client.address {
            self.address = client.address.into();
        }
        if *self.agent != *kept(client.agent) {
            self.agent = kept(client.agent).into();
        }
        self.protocol = client.protocol;
        if let Part::Consumes {
            consume_type,
            model,
            ..
        } = part
        {
            self.consumes = Some((consume_type, model));
        }
    }

    /// Room for one more topic: what is not live goes, then the oldest.
    fn make_room(&mut self, now_ms: u64) {
        self.uses.retain(|u| u.presence.is_live(now_ms));
        if self.uses.len() < CLIENT_TOPICS_MAX {
            return;
        }
        let ages = self.uses.iter().enumerate();
        let oldest = ages.min_by_key(|(_, u)| u.presence.last_seen_ms(now_ms));
        if let Some((oldest, _)) = oldest {
            self.uses.swap_remove(oldest);
        }
    }
}

impl Presence {
    fn last_seen_ms(&self, now_ms: u64) -> u64 {
        if self.open.load(Ordering::Acquire) > 0 {
            return now_ms;
        }
        self.ended_ms.load(Ordering::Acquire)
    }

    fn is_live(&self, now_ms: u64) -> bool {
        self.last_seen_ms(now_ms) + ONLINE_MS > now_ms
    }
}

impl Online {
    fn new(presence: &Arc<Presence>) -> Self {
        presence.open.fetch_add(1, Ordering::AcqRel);
        Self(presence.clone())
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        let ended_ms = self.0.clock.now_ms();
        self.0.ended_ms.fetch_max(ended_ms, Ordering::AcqRel);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// No more of a client's own words than is shown.
fn kept(agent: &str) -> &str {
    &agent[..agent.floor_char_boundary(CLIENT_AGENT_BYTES_MAX.min(agent.len()))]
}
