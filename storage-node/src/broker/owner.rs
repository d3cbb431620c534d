//! The owner of a broker: one lock around its state and what only lives in
//! memory. Nothing in here waits on disk or network.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use firn_protocol::catalogue::Durability;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{BrokerId, Generation, GroupId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::attempts::Attempts;
use super::entry::Head;
use super::near::Near;
use super::order::Order;
use super::state::BrokerState;
use super::tail::QueueTail;
use super::waiters::Waiters;
use crate::consume::ranges::Ranges;
use crate::hot::BrokerKey;
use crate::log::Lsn;

/// A broker of this node.
pub struct Broker {
    pub key: BrokerKey,
    core: Mutex<Core>,
    /// Whether committed entries ride in WAL objects, too.
    in_wal: AtomicBool,
    /// Committed runs that are not shown yet; see the class `object`.
    pub held_runs: AtomicU64,
}

/// A place in the log as one life of the log gave it out. After a failure the
/// same numbers go to other entries, so the number alone says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub lsn: Lsn,
    pub generation: Generation,
    /// Whether it counts only once the object store has it.
    pub is_object: bool,
}

/// What the lock protects.
pub struct Core {
    pub state: BrokerState,
    pub generation: Generation,
    /// Last frame submitted; what the state says is durable once this is.
    pub last_lsn: Lsn,
    /// Last frame by which a group took something up; nothing is handed out before it is durable.
    pub last_subscribe_lsn: Lsn,
    /// Last frame submitted that stores records; the hot store knows them once it is filled.
    pub last_run_lsn: Lsn,
    pub tails: FxHashMap<QueueKey, QueueTail>,
    /// Delayed messages whose time is near.
    pub near: Near,
    /// Told when producers may have something new to be asked about.
    pub checks_changed: Arc<Notify>,
    /// Ranges that a receive is reading right now.
    pub claims: HashMap<(GroupId, QueueKey), Ranges>,
    pub members: HashMap<(GroupId, TopicKey), Members>,
    /// When members of broadcasts did something last, in this life of the state.
    pub members_seen: HashMap<GroupId, Timestamp>,
    /// Who may be next in the queues of ordered groups.
    pub orders: HashMap<(GroupId, QueueKey), Order>,
    pub waiters: Waiters,
    /// Topics whose queues are about to change. Whoever changes them opens them
    /// again; a life that ends in between lets everybody send.
    pub closing: HashMap<TopicKey, Closing>,
    /// Something that is due could not be handled: receives do not try before.
    pub settle_after: Timestamp,
    /// Answers that can be had again.
    pub attempts: Attempts,
    /// Frame of the broker's first entry, if it was written in this life of the
    /// state: nothing before it is needed. 0 if it is not known.
    pub first_lsn: Lsn,
    /// Somebody is at work to seal it or to carry it forward.
    pub is_tiering: bool,
    /// When its objects were looked through last, in this life of the process.
    pub swept_at: Option<Timestamp>,
    /// Another node owns the broker: nothing is answered any more (RULES 6).
    pub fenced: bool,
    /// Rises with events that make records available without a new record.
    pub returns: u64,
    /// When the node's timer will look at this broker.
    pub armed: Option<Timestamp>,
    /// Changed since its last snapshot.
    pub dirty: bool,
    /// Rises when the memory state is thrown away, so that work begun before does not go on.
    pub life: u64,
    /// The state is not usable: the log failed and it is being rebuilt.
    pub suspended: bool,
}

/// Who does not send to a topic for a while: those who know it as it was.
#[derive(Clone, Copy, Debug)]
pub struct Closing {
    pub version: u64,
    pub until: Timestamp,
}

/// What is known in memory of a group's members on a topic.
#[derive(Default)]
pub struct Members {
    /// Each filter with the end of the last call that used it.
    pub seen: BTreeMap<Filter, Timestamp>,
    /// Filters of those who wait right now, with their number: however long the
    /// wait, its member is there (RULES 18).
    pub waiting: BTreeMap<Filter, usize>,
    /// Records that a filter does not want and that another one does, so that
    /// they are not read again at each receive.
    pub passed: HashMap<(Filter, QueueKey), Ranges>,
    /// Where the next receive starts, so that queues take turns.
    pub turn: usize,
}

impl Members {
    /// A member begins to wait.
    pub fn begin_wait(&mut self, filter: Filter) {
        *self.waiting.entry(filter).or_default() += 1;
    }

    /// A member's wait is over.
    pub fn end_wait(&mut self, filter: Filter, now: Timestamp) {
        if let Some(count) = self.waiting.get_mut(&filter) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(&filter);
            }
        }
        self.seen.insert(filter, now);
    }

    /// What was sorted out no longer counts: records are read again.
    pub fn forget_passed(&mut self) {
        self.passed.clear();
    }
}

impl Broker {
    #[must_use]
    pub fn new(key: BrokerKey, state: BrokerState, generation: Generation) -> Arc<Self> {
        Arc::new(Self {
            key,
            in_wal: AtomicBool::new(state.class.is_object()),
            held_runs: AtomicU64::new(0),
            core: Mutex::new(Core::new(state, generation, 0)),
        })
    }

    /// Whether committed entries ride in WAL objects.
    #[must_use]
    pub fn in_wal(&self) -> bool {
        self.in_wal.load(Ordering::Acquire)
    }

    /// Entries that are committed from now on ride in WAL objects, or do not.
    pub fn set_in_wal(&self, in_wal: bool) {
        self.in_wal.store(in_wal, Ordering::Release);
    }

    /// Whether a committed entry rides in a WAL object. One that changes the
    /// class does, either way, so that a replay learns of it.
    pub fn note_class(&self, head: &Head) -> bool {
        let before = self.in_wal();
        if matches!(head, Head::Erase) {
            self.set_in_wal(false);
        }
        let Head::Class(durability) = head else {
            return before;
        };
        self.set_in_wal(*durability == Durability::Object);
        before || self.in_wal()
    }

    /// The state, if it may be used now.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` while it is being rebuilt, `NOT_OWNER` once another
    /// node has taken it over, `NOT_FOUND` once it is erased.
    pub fn lock(&self) -> Result<MutexGuard<'_, Core>, ApiError> {
        let core = self.lock_even_erased()?;
        if core.state.is_erased {
            return Err(ApiError::new(ErrorCode::NotFound, "broker not found"));
        }
        Ok(core)
    }

    /// The same for what goes on with a broker that is erased.
    ///
    /// # Errors
    /// As [`Self::lock`].
    pub fn lock_even_erased(&self) -> Result<MutexGuard<'_, Core>, ApiError> {
        let core = self.core.lock();
        if core.fenced {
            return Err(ApiError::new(
                ErrorCode::NotOwner,
                "another storage node has taken over this broker",
            ));
        }
        if core.suspended {
            return Err(ApiError::new(
                ErrorCode::StorageUnavailable,
                "the storage node is recovering its log",
            ));
        }
        Ok(core)
    }

    /// The state in any condition, for the commit path and recovery.
    pub fn lock_any(&self) -> MutexGuard<'_, Core> {
        self.core.lock()
    }
}

impl Core {
    fn new(state: BrokerState, generation: Generation, life: u64) -> Self {
        Self {
            near: Near::new(&state.delayed),
            checks_changed: Arc::default(),
            state,
            generation,
            last_lsn: Lsn::default(),
            last_subscribe_lsn: Lsn::default(),
            last_run_lsn: Lsn::default(),
            tails: FxHashMap::default(),
            claims: HashMap::new(),
            members: HashMap::new(),
            orders: HashMap::new(),
            members_seen: HashMap::new(),
            waiters: Waiters::default(),
            closing: HashMap::new(),
            settle_after: Timestamp::default(),
            attempts: Attempts::default(),
            first_lsn: Lsn::ZERO,
            is_tiering: false,
            swept_at: None,
            fenced: false,
            returns: 0,
            armed: None,
            dirty: false,
            life,
            suspended: false,
        }
    }

    /// Throws away what is in memory and starts from a rebuilt state; those who
    /// wait stay parked.
    pub fn rebuild(&mut self, state: BrokerState, generation: Generation) {
        let waiters = std::mem::take(&mut self.waiters);
        let (returns, fenced) = (self.returns, self.fenced);
        let (is_tiering, swept_at) = (self.is_tiering, self.swept_at);
        *self = Self::new(state, generation, self.life + 1);
        self.waiters = waiters;
        self.returns = returns + 1;
        self.fenced = fenced;
        self.is_tiering = is_tiering;
        self.swept_at = swept_at;
        self.dirty = true;
    }

    /// Lets go of what is in memory beside the state, which was erased.
    pub fn forget_all(&mut self) {
        self.life += 1;
        self.near = Near::new(&self.state.delayed);
        self.tails.clear();
        self.claims.clear();
        self.members.clear();
        self.members_seen.clear();
        self.orders.clear();
        self.closing.clear();
        self.attempts = Attempts::default();
        self.returns += 1;
    }

    /// Goes on from a state of elsewhere; nobody has used this one yet.
    pub fn adopt(&mut self, state: BrokerState) {
        self.near = Near::new(&state.delayed);
        self.state = state;
    }

    /// Nothing of the log before this place is needed for the broker; `None` if
    /// nothing of it is.
    #[must_use]
    pub fn needed_from(&self) -> Option<Lsn> {
        if self.state.is_erased {
            return None;
        }
        match (self.state.seq, self.state.tier.needed_from) {
            (0, _) => None,
            (_, 0) => Some(self.first_lsn),
            (_, lsn) => Some(Lsn(lsn)),
        }
    }

    /// When something of the broker happens by itself next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let own = self.state.next_due();
        own.into_iter().chain(self.near.wake()).min()
    }

    /// Records of a group became available without being new.
    pub fn has_news(&mut self, broker: BrokerId, group: GroupId, topic: TopicKey) {
        self.returns += 1;
        self.waiters.wake_each_filter(broker, group, topic);
    }

    /// What must be durable so that the state is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            lsn: self.last_lsn,
            generation: self.generation,
            is_object: self.state.class.is_object(),
        }
    }

    /// What must be durable so that every subscription is.
    #[must_use]
    pub fn subscribed(&self) -> Mark {
        Mark {
            lsn: self.last_subscribe_lsn,
            ..self.mark()
        }
    }

    /// One past the last committed record of a queue.
    #[must_use]
    pub fn visible_end(&self, queue: QueueKey) -> u64 {
        self.tails
            .get(&queue)
            .map_or_else(|| self.state.queue(queue).end, |tail| tail.visible)
    }

    /// The tail of a queue, made if there is none.
    pub fn tail_mut(&mut self, queue: QueueKey) -> &mut QueueTail {
        let end = self.state.queue(queue).end;
        self.tails
            .entry(queue)
            .or_insert_with(|| QueueTail::new(end))
    }

    /// Drops the tail of a queue when it says nothing any more.
    pub fn trim_tail(&mut self, queue: QueueKey) {
        let end = self.state.queue(queue).end;
        if self
            .tails
            .get(&queue)
            .is_some_and(|tail| tail.is_empty() && tail.visible >= end)
        {
            self.tails.remove(&queue);
        }
    }

    /// Forgets members of groups and topics that are no more.
    pub fn forget_members(&mut self) {
        let groups = &self.state.groups;
        self.members.retain(|(group, topic), _| {
            let state = groups.get(group);
            state.is_some_and(|state| state.topics.contains_key(topic))
        });
    }

    /// A number that rises whenever something may have become available to a
    /// group on a topic of `queues` queues.
    #[must_use]
    pub fn events(&self, group: GroupId, topic: TopicKey, queues: u16) -> u64 {
        let own: u64 = (0..queues)
            .map(|queue| {
                self.visible_end(QueueKey {
                    topic,
                    queue: firn_protocol::ids::QueueId(queue),
                })
            })
            .sum();
        own + self.visible_end(super::state::retry_queue(group)) + self.returns
    }

    /// Filters of a group's members that count now.
    #[must_use]
    pub fn live_filters(&self, group: GroupId, topic: TopicKey) -> Vec<Filter> {
        self.state
            .groups
            .get(&group)
            .and_then(|group| group.topics.get(&topic))
            .map(|topic| topic.filters.iter().cloned().collect())
            .unwrap_or_default()
    }
}
