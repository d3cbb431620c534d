//! Receives that found nothing and wait. One event wakes one waiter whose filter
//! can match; the wake is a hint, the waiter looks again (RULES 20).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use firn_protocol::filter::Filter;
use firn_protocol::ids::{BrokerId, GroupId, TopicKey};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Somebody who waits, possibly on several brokers at once.
pub struct Waiter {
    pub filter: Filter,
    wake: Mutex<Option<oneshot::Sender<BrokerId>>>,
}

impl Waiter {
    #[must_use]
    pub fn new(filter: Filter) -> (Arc<Self>, oneshot::Receiver<BrokerId>) {
        let (wake, woken) = oneshot::channel();
        (
            Arc::new(Self {
                filter,
                wake: Mutex::new(Some(wake)),
            }),
            woken,
        )
    }

    /// Wakes it; false if it has been woken or is gone.
    pub fn wake(&self, broker: BrokerId) -> bool {
        self.wake
            .lock()
            .take()
            .is_some_and(|wake| wake.send(broker).is_ok())
    }
}

/// The waiters of one broker, first come first served.
#[derive(Default)]
pub struct Waiters {
    topics: HashMap<TopicKey, HashMap<GroupId, BTreeMap<u64, Arc<Waiter>>>>,
    next: u64,
}

impl Waiters {
    /// Parks a waiter; the ticket takes it out again.
    pub fn park(&mut self, group: GroupId, topic: TopicKey, waiter: Arc<Waiter>) -> u64 {
        self.next += 1;
        self.topics
            .entry(topic)
            .or_default()
            .entry(group)
            .or_default()
            .insert(self.next, waiter);
        self.next
    }

    pub fn leave(&mut self, group: GroupId, topic: TopicKey, ticket: u64) {
        let Some(groups) = self.topics.get_mut(&topic) else {
            return;
        };
        if let Some(waiters) = groups.get_mut(&group) {
            waiters.remove(&ticket);
            if waiters.is_empty() {
                groups.remove(&group);
            }
        }
        if groups.is_empty() {
            self.topics.remove(&topic);
        }
    }

    #[must_use]
    pub fn has_any(&self, topic: TopicKey) -> bool {
        self.topics.contains_key(&topic)
    }

    /// Wakes one waiter of one group whose filter passes `matches`.
    pub fn wake_one(
        &mut self,
        broker: BrokerId,
        group: GroupId,
        topic: TopicKey,
        matches: &dyn Fn(&Filter) -> bool,
    ) {
        let Some(waiters) = self
            .topics
            .get_mut(&topic)
            .and_then(|groups| groups.get_mut(&group))
        else {
            return;
        };
        let mut gone = Vec::new();
        for (&ticket, waiter) in waiters.iter() {
            if matches(&waiter.filter) {
                gone.push(ticket);
                if waiter.wake(broker) {
                    break;
                }
            }
        }
        for ticket in gone {
            self.leave(group, topic, ticket);
        }
    }

    /// Wakes one waiter of a group for each different filter among its waiters:
    /// for when records are available and it is not known who wants them.
    pub fn wake_each_filter(&mut self, broker: BrokerId, group: GroupId, topic: TopicKey) {
        let Some(waiters) = self.topics.get(&topic).and_then(|g| g.get(&group)) else {
            return;
        };
        let filters: BTreeSet<Filter> = waiters.values().map(|w| w.filter.clone()).collect();
        for filter in filters {
            self.wake_one(broker, group, topic, &|found| *found == filter);
        }
    }

    /// Wakes everybody: what was handed out may be there again.
    pub fn wake_all(&mut self, broker: BrokerId) {
        let topics = std::mem::take(&mut self.topics);
        let groups = topics.into_values().flat_map(HashMap::into_values);
        for waiter in groups.flat_map(BTreeMap::into_values) {
            waiter.wake(broker);
        }
    }

    /// Wakes one waiter of every group on a topic.
    pub fn wake_each_group(
        &mut self,
        broker: BrokerId,
        topic: TopicKey,
        matches: &dyn Fn(&Filter) -> bool,
    ) {
        let Some(groups) = self.topics.get(&topic) else {
            return;
        };
        let groups: Vec<GroupId> = groups.keys().copied().collect();
        for group in groups {
            self.wake_one(broker, group, topic, matches);
        }
    }
}
