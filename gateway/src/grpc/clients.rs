//! What is known of clients beside their calls: which telemetry streams are open,
//! who begins transactions in which topic, and what push consumers hold. A copy in
//! memory of this gateway that may be thrown away: a client that is not known here is
//! served all the same. Promises bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use firn_protocol::limits::{CLIENT_TOPICS_MAX, CLIENTS_MAX, ONLINE_MS};
use firn_protocol::{InstanceId, Timestamp, TopicId};
use moka::sync::Cache;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::leases::PushBatch;

/// A client's own name, within an instance.
pub(super) type ClientKey = (InstanceId, Box<str>);

pub(super) struct Clients {
    known: Cache<ClientKey, Arc<Client>>,
    /// Open streams of clients that begin transactions, by topic.
    deciders: Mutex<FxHashMap<TopicId, usize>>,
}

/// One client.
#[derive(Default)]
pub(super) struct Client {
    streams: AtomicUsize,
    seen_ms: AtomicU64,
    is_push: AtomicBool,
    /// Topics that it sent half messages to.
    half_topics: Mutex<Vec<TopicId>>,
    /// Tells the client's stream of another one.
    learned: Notify,
    pub(super) held: Mutex<Vec<PushBatch>>,
}

/// An open telemetry stream.
pub(super) struct OpenStream(Arc<Client>);

/// A stream whose client decides transactions of a topic.
pub(super) struct Decider {
    edge: Arc<super::Edge>,
    topic: TopicId,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            known: Cache::new(CLIENTS_MAX as u64),
            deciders: Mutex::default(),
        }
    }
}

impl Clients {
    /// The client of this name, which is there now.
    pub(super) fn seen(&self, key: &ClientKey, now: Timestamp) -> Arc<Client> {
        let client = self.known.get(key);
        let client = client.unwrap_or_else(|| self.known.get_with_by_ref(key, Arc::default));
        client.seen_ms.fetch_max(now.0, Ordering::Relaxed);
        client
    }

    pub(super) fn get(&self, key: &ClientKey) -> Option<Arc<Client>> {
        self.known.get(key)
    }

    /// The client says that it goes; what it holds goes back.
    pub(super) fn gone(&self, key: &ClientKey) {
        if let Some(client) = self.known.remove(key) {
            client.held.lock().clear();
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Client>> {
        self.known.iter().map(|(_, client)| client).collect()
    }

    /// Whether somebody is there who has begun transactions in this topic.
    pub(super) fn has_decider(&self, topic: TopicId) -> bool {
        self.deciders.lock().contains_key(&topic)
    }
}

impl Client {
    pub(super) fn open(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::AcqRel);
        OpenStream(self.clone())
    }

    /// Whether it is there: its stream is open, or it called not long ago.
    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        let seen_ms = self.seen_ms.load(Ordering::Relaxed);
        self.streams.load(Ordering::Acquire) > 0 || seen_ms + ONLINE_MS > now.0
    }

    pub(super) fn is_push(&self) -> bool {
        self.is_push.load(Ordering::Relaxed)
    }

    pub(super) fn set_push(&self, is_push: bool) {
        self.is_push.store(is_push, Ordering::Relaxed);
    }

    /// It begins transactions in this topic.
    pub(super) fn begins_in(&self, topic: TopicId) {
        let mut topics = self.half_topics.lock();
        if topics.contains(&topic) {
            return;
        }
        if topics.len() == CLIENT_TOPICS_MAX {
            topics.remove(0);
        }
        topics.push(topic);
        self.learned.notify_one();
    }

    pub(super) fn half_topics(&self) -> Vec<TopicId> {
        self.half_topics.lock().clone()
    }

    /// Returns when it may have begun transactions in another topic.
    pub(super) async fn learned(&self) {
        self.learned.notified().await;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Decider {
    pub(super) fn new(edge: &Arc<super::Edge>, topic: TopicId) -> Self {
        *edge.clients.deciders.lock().entry(topic).or_default() += 1;
        Self {
            edge: edge.clone(),
            topic,
        }
    }
}

impl Drop for Decider {
    fn drop(&mut self) {
        let mut deciders = self.edge.clients.deciders.lock();
        if let Some(count) = deciders.get_mut(&self.topic) {
            *count -= 1;
            if *count == 0 {
                deciders.remove(&self.topic);
            }
        }
    }
}
