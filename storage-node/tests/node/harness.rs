//! A node on a disk in memory, with a clock that stands still: opening, stopping
//! and crashing it. What the stores know may outlive it or not, as on a disk.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::api::storage::{
    AckStatus, AppendRequest, GroupSpec, ReceiveRequest, Received, SeekRequest, SeekTarget,
    StorageApi, TopicSpec,
};
use firn_protocol::catalogue::StartPosition;
use firn_protocol::context::RequestContext;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{
    BrokerId, GroupId, InstanceId, Offset, Position, QueueId, QueueKey, TenantId, TopicId, TopicKey,
};
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;
use firn_runtime::Clock;
use firn_storage_node::broker::entry::Entry;
use firn_storage_node::broker::state::BrokerState;
use firn_storage_node::config::StorageConfig;
use firn_storage_node::disk::{Disk as _, FaultyDisk};
use firn_storage_node::hot::memory::{MemoryHotStore, MemoryStateStore};
use firn_storage_node::hot::metrics::HotMetrics;
use firn_storage_node::hot::{
    BrokerKey, Chunk, Hit, HotBatch, HotError, HotStore, Lsn, StateStore,
};
use firn_storage_node::log::{CommitSink, CommittedBatch, CrashPoint, CrashPoints, Log, LogConfig};
use firn_storage_node::node::{ColdParts, StorageNode, Stores};
use parking_lot::{Condvar, Mutex};

use crate::given_up::Catch;

/// Where the clock starts.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

pub(crate) fn context(instance: u64) -> RequestContext {
    RequestContext {
        tenant: TenantId(1),
        instance: InstanceId(instance),
        durability: crate::power::class(),
        request_id: Arc::from("test"),
    }
}

pub(crate) fn queue_key(topic: u64, queue: u16) -> QueueKey {
    QueueKey {
        topic: TopicKey::User(TopicId(topic)),
        queue: QueueId(queue),
    }
}

/// Message number `n`, with a body that names it.
pub(crate) fn message(n: u64, tag: Option<&str>) -> NewMessage {
    NewMessage {
        tag: tag.map(str::to_owned),
        born_at: Timestamp(n),
        born_host: "10.1.2.3:4".to_owned(),
        body: Bytes::from(format!("body {n}")),
        ..NewMessage::default()
    }
}

/// Small files and no pauses.
pub(crate) fn log_config() -> LogConfig {
    LogConfig {
        file_bytes: 32 << 10,
        zero_bytes: 32 << 10,
        zero_pause: Duration::ZERO,
        retry_pause: Duration::from_millis(1),
        ..LogConfig::new("log")
    }
}

/// A node with everything that it stands on.
pub(crate) struct Bench {
    pub(crate) disk: FaultyDisk,
    pub(crate) clock: Clock,
    pub(crate) config: StorageConfig,
    node: Option<Arc<StorageNode>>,
    hot: Arc<MemoryHotStore>,
    states: Arc<MemoryStateStore>,
    /// The hot store takes nothing while this is set.
    pub(crate) hot_held: Arc<AtomicBool>,
    /// Holds up one writing of snapshots.
    pub(crate) save_held: Catch,
    /// Object storage, which outlives everything else.
    pub(crate) cold: ColdParts,
    /// Of the life that is now.
    registry: prometheus::Registry,
}

impl Bench {
    /// Opens a node on an empty disk.
    pub(crate) fn new(change: impl FnOnce(&mut StorageConfig)) -> Self {
        let mut config = StorageConfig::new("unused");
        config.log = log_config();
        change(&mut config);
        let clock = Clock::manual(START_MS);
        let mut bench = Self {
            disk: FaultyDisk::new(1),
            cold: ColdParts::memory(&clock),
            clock,
            config,
            node: None,
            hot: Arc::default(),
            states: Arc::default(),
            hot_held: Arc::default(),
            save_held: Catch::default(),
            registry: prometheus::Registry::new(),
        };
        bench.open();
        bench
    }

    pub(crate) fn node(&self) -> &Arc<StorageNode> {
        self.node.as_ref().expect("the node is open")
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// What a counter of this life says, over all its labels.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metrics = family.map_or(&[][..], |family| family.get_metric());
        let values = metrics.iter().map(|it| it.get_counter().get_value() as u64);
        values.sum()
    }

    /// What a gauge of this life says.
    pub(crate) fn gauge(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metric = family.and_then(|family| family.get_metric().first());
        metric.map_or(0.0, |metric| metric.get_gauge().get_value())
    }

    pub(crate) fn open(&mut self) {
        self.registry = prometheus::Registry::new();
        let stores = Stores {
            hot: Arc::new(Keeping(self.hot.clone(), self.hot_held.clone())),
            states: Arc::new(Keeping(self.states.clone(), self.save_held.clone())),
            metrics: Arc::new(HotMetrics::default()),
        };
        let opened = StorageNode::open(
            self.config.clone(),
            Arc::new(self.disk.mounted()),
            Box::new(move |_| Ok(stores)),
            self.cold.clone(),
            self.clock.clone(),
            &self.registry,
        )
        .expect("the node opens");
        assert_eq!(opened.damage, [], "an orderly disk has no damage");
        self.node = Some(opened.node);
    }

    pub(crate) async fn close(&mut self) {
        if let Some(node) = self.node.take() {
            node.close().await;
        }
    }

    /// The node is gone without having stopped.
    pub(crate) fn abandon(&mut self) -> Option<Arc<StorageNode>> {
        self.node.take()
    }

    /// Stops in order and opens again.
    pub(crate) async fn restart(&mut self, keep_stores: bool) {
        self.close().await;
        self.lose_stores_unless(keep_stores);
        self.open();
    }

    /// Power loss: what was not synced is dropped or torn as the seed says.
    pub(crate) async fn crash(&mut self, seed: u64, keep_stores: bool) {
        self.disk.power_off();
        self.close().await;
        self.disk.crash(seed);
        self.lose_stores_unless(keep_stores);
        self.open();
    }

    /// Another machine: nothing is left but object storage.
    pub(crate) async fn start_empty(&mut self) {
        self.close().await;
        self.disk = FaultyDisk::new(2);
        self.lose_stores_unless(false);
        self.open();
    }

    /// Bytes of the log's files.
    pub(crate) fn log_bytes(&self) -> u64 {
        let dir = self.config.log.dir.clone();
        let names = self.disk.list(&dir).expect("lists");
        let logs = names.iter().filter(|name| name.ends_with(".log"));
        logs.map(|_| self.config.log.file_bytes).sum()
    }

    /// Hot store and snapshots come up to the log.
    pub(crate) async fn settle_stores(&self) {
        self.node().settle_stores().await.expect("written");
    }

    fn lose_stores_unless(&mut self, keep: bool) {
        if !keep {
            self.hot = Arc::default();
            self.states = Arc::default();
        }
    }

    /// After a close: what it wrote out is what the log alone adds up to.
    pub(crate) fn check_snapshots(&self) {
        assert!(self.node.is_none(), "the node is closed");
        let saved = self.states.load().expect("loads");
        let mut states: Vec<(BrokerKey, BrokerState)> = Vec::new();
        let mut replay = |frame: &firn_storage_node::log::ReplayedFrame<'_>| {
            let header = frame.header;
            let key = BrokerKey {
                tenant: header.tenant,
                instance: header.instance,
                broker: header.broker,
            };
            let entry = Entry::decode(&Bytes::copy_from_slice(frame.payload)).expect("decodes");
            let run = entry.run_header().expect("a run");
            let at = states.iter().position(|(found, _)| *found == key);
            let at = at.unwrap_or_else(|| {
                states.push((key, BrokerState::default()));
                states.len() - 1
            });
            let state = &mut states[at].1;
            state
                .apply(
                    header.seq,
                    header.generation,
                    &entry.head,
                    entry.metered.as_ref(),
                    run.as_ref(),
                )
                .expect("every entry applies");
            Ok(())
        };
        let (log, _) = Log::open(
            Arc::new(self.disk.clone()),
            self.config.log.clone(),
            Arc::new(Nobody),
            Lsn::ZERO,
            &mut |frame| replay(&frame),
        )
        .expect("the log opens");
        log.close().expect("closes");
        assert_eq!(saved.len(), states.len(), "every broker was written out");
        for (key, _, bytes) in saved {
            let (_, state) = states
                .iter()
                .find(|(found, _)| *found == key)
                .expect("known");
            assert_eq!(state.snapshot(), bytes, "live state and log of {key:?}");
            let read = BrokerState::from_snapshot(&bytes).expect("reads");
            assert_eq!(read, *state, "a snapshot loses something");
        }
    }
}

struct Nobody;

impl CommitSink for Nobody {
    fn committed(&self, _batch: CommittedBatch) {}
    fn published(&self, _durable: Lsn) {}
    fn failed(&self, _durable: Lsn) {}
}

/// A store in memory that outlives the node which closes it, like one on disk.
struct Keeping<S, H>(Arc<S>, H);

impl HotStore for Keeping<MemoryHotStore, Arc<AtomicBool>> {
    fn marker(&self) -> Lsn {
        self.0.marker()
    }
    fn fill(&self, batch: &HotBatch) -> Result<(), HotError> {
        while self.1.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        self.0.fill(batch)
    }
    fn chunk_at(
        &self,
        broker: BrokerKey,
        queue: QueueKey,
        offset: Offset,
    ) -> Result<Option<Chunk>, HotError> {
        self.0.chunk_at(broker, queue, offset)
    }
    fn locate(
        &self,
        broker: BrokerKey,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, HotError> {
        self.0.locate(broker, position)
    }
    fn find(
        &self,
        broker: BrokerKey,
        topic: Option<TopicKey>,
        hash: u64,
        from: Position,
        max: usize,
    ) -> Result<Vec<Hit>, HotError> {
        self.0.find(broker, topic, hash, from, max)
    }
    fn forget_before(&self, lsn: Lsn) -> Result<(), HotError> {
        self.0.forget_before(lsn)
    }
    fn close(&self) -> Result<(), HotError> {
        Ok(())
    }
}

impl StateStore for Keeping<MemoryStateStore, Catch> {
    fn marker(&self) -> Lsn {
        self.0.marker()
    }
    fn load(&self) -> Result<Vec<(BrokerKey, u64, Bytes)>, HotError> {
        self.0.load()
    }
    fn save(&self, snapshots: Vec<(BrokerKey, u64, Bytes)>, marker: Lsn) -> Result<(), HotError> {
        match snapshots.is_empty() {
            true => self.0.save(snapshots, marker),
            false => self.1.pass(|| self.0.save(snapshots, marker)),
        }
    }
    fn remove(&self, broker: BrokerKey) -> Result<(), HotError> {
        self.0.remove(broker)
    }
    fn close(&self) -> Result<(), HotError> {
        Ok(())
    }
}

/// Brokers of the bench.
pub(crate) const BROKERS: [BrokerId; 2] = [BrokerId(1), BrokerId(2)];

/// Holds up the commits of a log, so that what was taken is not durable.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn points(&self) -> CrashPoints {
        let gate = self.clone();
        CrashPoints::new(move |point| {
            if point == CrashPoint::BeforeWrite {
                let (shut, changed) = &*gate.0;
                changed.wait_while(&mut shut.lock(), |shut| *shut);
            }
            true
        })
    }

    pub(crate) fn shut(&self) {
        *self.0.0.lock() = true;
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock() = false;
        self.0.1.notify_all();
    }
}

pub(crate) const GROUP: GroupId = GroupId(7);
pub(crate) const TOPIC: u64 = 3;

/// A group that starts at the beginning and has two redeliveries.
pub(crate) fn group(id: GroupId) -> GroupSpec {
    GroupSpec {
        id,
        max_retries: 2,
        start: StartPosition::Earliest,
        mode: firn_protocol::api::storage::GroupMode::Unordered,
        version: 1,
    }
}

pub(crate) fn topic(queues: u16) -> TopicSpec {
    TopicSpec {
        key: TopicKey::User(TopicId(TOPIC)),
        queues,
    }
}

pub(crate) fn tags(tags: &[&str]) -> Filter {
    if tags.is_empty() {
        return Filter::All;
    }
    Filter::Tags(tags.iter().map(|&tag| tag.to_owned()).collect())
}

pub(crate) fn sql(expression: &str) -> Filter {
    Filter::parse_sql(expression).expect("an expression")
}

/// A message with properties.
pub(crate) fn with(n: u64, tag: Option<&str>, properties: &[(&str, &str)]) -> NewMessage {
    let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    NewMessage {
        properties: properties.iter().map(own).collect(),
        ..message(n, tag)
    }
}

/// A receive of `GROUP` from one queue.
pub(crate) fn receive(max: usize, filter: &Filter) -> ReceiveRequest {
    ReceiveRequest {
        broker: BROKERS[0],
        group: group(GROUP),
        topic: topic(1),
        max,
        invisible_ms: 30_000,
        filter: filter.clone(),
        member: "member".to_owned(),
        run_max: 1,
        attempt: None,
    }
}

impl Bench {
    /// Sends message `n` to the first queue.
    pub(crate) async fn send(&self, n: u64, tag: Option<&str>) {
        self.send_all(vec![message(n, tag)]).await;
    }

    pub(crate) async fn send_all(&self, messages: Vec<NewMessage>) {
        let request = AppendRequest {
            broker: BROKERS[0],
            queue: queue_key(TOPIC, 0),
            messages,
        };
        let sent = self.node().append(&context(1), request).await;
        sent.expect("sent");
    }

    /// What a receive with this filter brings.
    pub(crate) async fn take(&self, max: usize, filter: &Filter) -> Received {
        let ctx = context(1);
        let received = self.node().receive(&ctx, receive(max, filter)).await;
        received.expect("received")
    }

    /// The group starts over on the topic.
    pub(crate) async fn seek_earliest(&self) {
        let request = SeekRequest {
            broker: BROKERS[0],
            group: group(GROUP),
            topic: topic(1),
            target: SeekTarget::Earliest,
            dry_run: false,
        };
        let sought = self.node().seek(&context(1), request).await;
        sought.expect("sought");
    }

    pub(crate) async fn ack(&self, receipt: Receipt) -> AckStatus {
        let (ctx, group) = (context(1), receipt.group);
        let acked = self.node().ack(&ctx, BROKERS[0], group, vec![receipt]);
        acked.await.expect("answered")[0]
    }
}

/// Offsets of what was delivered.
pub(crate) fn offsets(received: &Received) -> Vec<u64> {
    let deliveries = received.deliveries.iter();
    deliveries.map(|d| d.message.offset.0).collect()
}

/// Polls once, as far as it goes without waiting.
pub(crate) fn poll_once<F: Future + Unpin>(work: &mut F) -> Poll<F::Output> {
    Pin::new(work).poll(&mut Context::from_waker(Waker::noop()))
}
