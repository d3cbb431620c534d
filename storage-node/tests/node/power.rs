//! A node that can lose its power: a disk that forgets what was not synced, and
//! stores that survive or do not.

use std::cell::Cell;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::RequestContext;
use firn_protocol::api::storage::{GroupSpec, StorageApi, TopicSpec};
use firn_protocol::catalogue::{Durability, StartPosition};
use firn_protocol::ids::{
    BrokerId, GroupId, InstanceId, Offset, Position, QueueId, QueueKey, TenantId, TopicId, TopicKey,
};
use firn_runtime::{Clock, Tasks};
use firn_storage_node::cold::paths::NodeId;
use firn_storage_node::cold::wal::WalSettings;
use firn_storage_node::cold::{ColdSettings, ColdStore, FaultyObjects};
use firn_storage_node::config::{StorageConfig, TierConfig};
use firn_storage_node::disk::FaultyDisk;
use firn_storage_node::hot::memory::{MemoryHotStore, MemoryStateStore};
use firn_storage_node::hot::metrics::HotMetrics;
use firn_storage_node::hot::{
    BrokerKey, Chunk, Hit, HotBatch, HotError, HotStore, Lsn, StateStore,
};
use firn_storage_node::log::{DamagedRange, LogConfig, Mutant};
use firn_storage_node::node::{
    ColdParts, OpenError, Opened, Restorable, StorageNode, Stores, TierError,
};
use parking_lot::RwLock;
use prometheus::Registry;

use crate::naps::{Napping, Naps};

pub(crate) const FILE_BYTES: u64 = 16 << 10;
pub(crate) const BROKERS: [BrokerId; 2] = [BrokerId(1), BrokerId(2)];
pub(crate) const TOPIC: TopicSpec = TopicSpec {
    key: TopicKey::User(TopicId(1)),
    queues: 2,
};
pub(crate) const GROUP: GroupSpec = GroupSpec {
    id: GroupId(1),
    max_retries: 3,
    start: StartPosition::Earliest,
    mode: firn_protocol::api::storage::GroupMode::Unordered,
    version: 1,
};

pub(crate) fn queue(number: u16) -> QueueKey {
    QueueKey {
        topic: TOPIC.key,
        queue: QueueId(number),
    }
}

thread_local! {
    /// A test has a thread of its own, and so its own class.
    static CLASS: Cell<Durability> = const { Cell::new(Durability::Local) };
}

/// The instances of this test are of this class from now on.
pub(crate) fn set_class(class: Durability) {
    CLASS.set(class);
}

pub(crate) fn class() -> Durability {
    CLASS.get()
}

pub(crate) fn ctx() -> RequestContext {
    RequestContext {
        tenant: TenantId(1),
        instance: InstanceId(1),
        durability: class(),
        request_id: "test".into(),
    }
}

/// Splitmix: the same seed gives the same choices everywhere.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Small files, no pauses.
pub(crate) fn log_config() -> LogConfig {
    LogConfig {
        file_bytes: FILE_BYTES,
        batch_bytes: 8 << 10,
        zero_bytes: 8 << 10,
        zero_pause: Duration::ZERO,
        retry_pause: Duration::from_millis(1),
        ..LogConfig::new("log")
    }
}

/// What outlives a process.
pub(crate) struct World {
    pub(crate) disk: FaultyDisk,
    pub(crate) clock: Clock,
    pub(crate) log: LogConfig,
    pub(crate) tail_bytes_max: u64,
    pub(crate) tier: TierConfig,
    pub(crate) wal: WalSettings,
    pub(crate) owner: NodeId,
    pub(crate) objects: FaultyObjects,
    naps: Naps,
    hot: Arc<MemoryHotStore>,
    states: Arc<MemoryStateStore>,
}

/// One run of the process.
pub(crate) struct Life {
    pub(crate) node: Arc<StorageNode>,
    pub(crate) opened: Report,
    pub(crate) registry: Registry,
    tasks: Option<Tasks>,
    alive: Alive,
}

/// What opening said.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) damage: Vec<DamagedRange>,
    /// Hot and state markers before, and the log's end.
    pub(crate) markers: (Lsn, Lsn, Lsn),
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let clock = Clock::manual(1_700_000_000_000);
        Self {
            disk: FaultyDisk::new(seed),
            clock: clock.clone(),
            log: LogConfig {
                mutant,
                ..log_config()
            },
            tail_bytes_max: 8 << 10,
            tier: TierConfig::default(),
            wal: WalSettings::default(),
            owner: NodeId(7),
            objects: FaultyObjects::new(seed, &clock),
            naps: Naps::new(seed),
            hot: Arc::default(),
            states: Arc::default(),
        }
    }

    /// The stores are thrown away, as a new machine would have none.
    pub(crate) fn forget_hot(&mut self) {
        self.hot = Arc::default();
    }

    pub(crate) fn forget_states(&mut self) {
        self.states = Arc::default();
    }

    /// Object storage, answered at once or not at all: nobody waits for a retry.
    pub(crate) fn cold(&self) -> ColdParts {
        let mut settings = ColdSettings::default();
        settings.retry.attempts_max = 1;
        settings.part_bytes = 2 << 10;
        let objects = Arc::new(self.objects.clone());
        ColdParts {
            store: ColdStore::new(objects, settings, &self.clock),
            owner: self.owner,
        }
    }

    fn config(&self) -> StorageConfig {
        StorageConfig {
            checkpoint_bytes: 8 << 10,
            log: self.log.clone(),
            tail_bytes_max: self.tail_bytes_max,
            tier: self.tier.clone(),
            wal: self.wal,
            ..StorageConfig::new("unused")
        }
    }

    /// Starts the node on what is there, without background work.
    pub(crate) fn open(&mut self) -> Result<Life, OpenError> {
        self.objects.heal();
        let (config, cold) = (self.config(), self.cold());
        let alive = Alive(Arc::new(RwLock::new(true)), self.naps.clone());
        let mut markers = None;
        let (hot, states) = (&mut self.hot, &mut self.states);
        let own = alive.clone();
        let stores = |log_end: Lsn| {
            // A store that is ahead of the log is not its store: as sled's directory judges.
            if hot.marker() > log_end {
                *hot = Arc::default();
            }
            markers = Some((hot.marker(), states.marker(), log_end));
            if states.marker() > log_end {
                *states = Arc::default();
            }
            Ok(Stores {
                hot: Arc::new(Mortal(hot.clone(), own.clone())),
                states: Arc::new(Mortal(states.clone(), own)),
                metrics: Arc::new(HotMetrics::default()),
            })
        };
        let registry = Registry::new();
        let mounted = Arc::new(self.disk.mounted());
        let disk = Arc::new(Napping(mounted, self.naps.clone()));
        let stores = Box::new(stores);
        let opened = StorageNode::open(config, disk, stores, cold, self.clock.clone(), &registry);
        let Opened { node, damage, .. } = opened?;
        Ok(Life {
            node,
            opened: Report {
                damage,
                markers: markers.expect("stores are opened"),
            },
            registry,
            tasks: None,
            alive,
        })
    }

    /// Another machine takes over: nothing is left but object storage.
    pub(crate) async fn move_machine(&mut self, seed: u64) -> Result<(), TierError> {
        self.disk = FaultyDisk::new(seed);
        self.forget_hot();
        self.forget_states();
        self.owner = NodeId(self.owner.0 + 1);
        self.objects.heal();
        let found = Restorable::read(&self.cold().store).await?;
        self.log.first_incarnation = found.next_generation().0.into();
        let life = self.open().expect("an empty disk opens");
        let restored = life.node.restore(found).await;
        life.close().await;
        restored
    }

    /// Names of the log's files, oldest first.
    pub(crate) fn log_files(&self) -> Vec<PathBuf> {
        use firn_storage_node::disk::Disk;
        let names = self.disk.list(Path::new("log")).expect("lists");
        let logs = names.into_iter().filter(|name| name.ends_with(".log"));
        logs.map(|name| Path::new("log").join(name)).collect()
    }
}

impl Life {
    pub(crate) fn start(&mut self) {
        let mut tasks = Tasks::new();
        self.node.start(&mut tasks);
        self.tasks = Some(tasks);
    }

    /// The process dies here: what it would still do reaches nothing.
    pub(crate) async fn kill(self, world: &World) {
        world.objects.crash();
        let disk = &world.disk;
        self.alive.end();
        disk.power_off();
        let clock = world.clock.clone();
        // A dead process waits for nothing: its time passes at once.
        let passes = async {
            while class() == Durability::Object {
                pause().await;
                clock.advance(Duration::from_millis(500));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.close() => {}
            () = passes => {}
        }
    }

    /// An orderly stop.
    pub(crate) async fn close(self) {
        if let Some(tasks) = self.tasks {
            tasks.join(Duration::from_secs(5)).await;
        }
        self.node.close().await;
        self.alive.end();
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        family.map_or(0, |it| it.get_metric()[0].get_counter().get_value() as u64)
    }

    /// After an error: waits for the recovery if there is one; false if it is over.
    pub(crate) async fn healthy_again(&self) -> bool {
        self.tasks.is_some() && self.healthy().await
    }

    /// Waits until sends are possible; false if that takes too long.
    pub(crate) async fn healthy(&self) -> bool {
        for _ in 0..10_000 {
            if self.node.health().is_ok()
                && self
                    .node
                    .bounds(&ctx(), BROKERS[0], TOPIC.key)
                    .await
                    .is_ok()
            {
                return true;
            }
            pause().await;
        }
        false
    }
}

/// Gives other threads time; nothing depends on how long.
pub(crate) async fn pause() {
    Clock::system().sleep(Duration::from_millis(1)).await;
}

/// Time passes in steps, for as long as somebody waits.
pub(crate) async fn passes(clock: Clock, step: Duration) -> Infallible {
    loop {
        pause().await;
        clock.advance(step);
    }
}

/// Whether a process lives, and how fast.
#[derive(Clone)]
struct Alive(Arc<RwLock<bool>>, Naps);

impl Alive {
    /// The process dies, once what it does at this moment is done.
    fn end(&self) {
        *self.0.write() = false;
    }
}

/// A store whose process may die: then nothing reaches it, and closing never does.
struct Mortal<S>(Arc<S>, Alive);

impl<S> Mortal<S> {
    /// The whole of a step is before the death or not at all: a step that was let
    /// in before and ends behind it would write into another life.
    fn alive<T>(&self, step: impl FnOnce(&S) -> Result<T, HotError>) -> Result<T, HotError> {
        let is_alive = self.1.0.read();
        if !*is_alive {
            return Err(HotError::Store("the process is dead".to_owned()));
        }
        self.1.1.step();
        step(&self.0)
    }
}

impl HotStore for Mortal<MemoryHotStore> {
    fn marker(&self) -> Lsn {
        self.0.marker()
    }

    fn fill(&self, batch: &HotBatch) -> Result<(), HotError> {
        self.alive(|it| it.fill(batch))
    }

    fn chunk_at(
        &self,
        broker: BrokerKey,
        queue: QueueKey,
        offset: Offset,
    ) -> Result<Option<Chunk>, HotError> {
        self.alive(|it| it.chunk_at(broker, queue, offset))
    }

    fn locate(
        &self,
        broker: BrokerKey,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, HotError> {
        self.alive(|it| it.locate(broker, position))
    }

    fn find(
        &self,
        broker: BrokerKey,
        topic: Option<TopicKey>,
        hash: u64,
        from: Position,
        max: usize,
    ) -> Result<Vec<Hit>, HotError> {
        self.alive(|it| it.find(broker, topic, hash, from, max))
    }

    fn forget_before(&self, lsn: Lsn) -> Result<(), HotError> {
        self.alive(|it| it.forget_before(lsn))
    }

    fn close(&self) -> Result<(), HotError> {
        Ok(())
    }
}

impl StateStore for Mortal<MemoryStateStore> {
    fn marker(&self) -> Lsn {
        self.0.marker()
    }

    fn load(&self) -> Result<Vec<(BrokerKey, u64, Bytes)>, HotError> {
        self.alive(|it| it.load())
    }

    fn save(&self, snapshots: Vec<(BrokerKey, u64, Bytes)>, marker: Lsn) -> Result<(), HotError> {
        self.alive(|it| it.save(snapshots, marker))
    }

    fn remove(&self, broker: BrokerKey) -> Result<(), HotError> {
        self.alive(|it| it.remove(broker))
    }

    fn close(&self) -> Result<(), HotError> {
        Ok(())
    }
}
