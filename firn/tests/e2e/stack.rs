//! The whole service inside the test's process, behind a real socket, with a
//! clock that stands still until the test moves it and a disk that the test
//! can fill.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use firn::erasures::Erasures;
use firn::meter::{Meter, MeterMetrics};
use firn_gateway::{Gateway, GatewayConfig};
use firn_protocol::TenantId;
use firn_protocol::api::tenant::TenantApi as _;
use firn_protocol::catalogue::Durability;
use firn_runtime::{Clock, Stop, Tasks, tasks};
use firn_storage_node::cold::paths::{NodeId, Prefix};
use firn_storage_node::config::StorageConfig;
use firn_storage_node::disk::FaultyDisk;
use firn_storage_node::log::LogConfig;
use firn_storage_node::node::{ColdParts, Restorable, StorageNode, Stores};
use firn_tenant_service::{BooksMutant, Secret, TenantConfig, TenantService};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::http::Http;
use crate::kept::Kept;

/// 2025-01-01, a whole day.
pub(crate) const START_MS: u64 = 1_735_689_600_000;
pub(crate) const OPERATOR_PASSWORD: &str = "a long enough password";
pub(crate) const ACME: &str = "/v1/instances/demo";
/// Log files hold this; a largest message has to fit.
const LOG_FILE_BYTES: u64 = 16 << 20;
const YEAR_MS: u64 = 365 * 86_400_000;

/// Two tenants that call everything the same, and a third user with one topic.
/// Their plan lets any number of messages pass: a clock that stands still fills
/// no limit of messages a second.
const BOOTSTRAP: &str = r#"
[[plan]]
name = "unlimited"
tps = 0
topic_tps = 0
[[tenant]]
id = 2
name = "acme"
[[tenant.instance]]
name = "demo"
plan = "unlimited"
brokers = ["a", "b"]
[[tenant.instance.user]]
access_key = "demo"
secret_key = "demo-secret"
[[tenant.instance.user]]
access_key = "limited"
secret_key = "limited-secret"
topics = ["orders"]
[[tenant.instance.topic]]
name = "orders"
queues = 4
[[tenant.instance.topic]]
name = "single"
queues = 1
brokers = ["a"]
[[tenant.instance.group]]
name = "workers"
[[tenant.instance.group]]
name = "brittle"
max_retries = 0

[[tenant]]
id = 3
name = "umbrella"
[[tenant.instance]]
name = "demo"
plan = "unlimited"
brokers = ["a", "b"]
[[tenant.instance.user]]
access_key = "other"
secret_key = "other-secret"
[[tenant.instance.topic]]
name = "orders"
queues = 4
[[tenant.instance.topic]]
name = "single"
queues = 1
brokers = ["a"]
[[tenant.instance.group]]
name = "workers"
[[tenant.instance.group]]
name = "brittle"
max_retries = 0
"#;

/// What is done to a storage node's settings.
pub(crate) type Tune = Box<dyn Fn(&mut StorageConfig)>;

/// What a stack is made of.
pub(crate) struct Setup {
    pub(crate) clock: Clock,
    /// Object storage.
    pub(crate) cold: ColdParts,
    pub(crate) tune: Tune,
    pub(crate) bootstrap: String,
    pub(crate) config: GatewayConfig,
    /// A deliberate fault of the books.
    pub(crate) books: Option<BooksMutant>,
    /// Whether the gateway has its limits from the tenant service. It renews them on a
    /// thread of its own, so after a jump of the clock it is chance what passes first.
    pub(crate) shares: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let clock = Clock::manual(START_MS);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            cold: ColdParts::memory(&clock),
            clock,
            tune: Box::new(|_| {}),
            bootstrap: BOOTSTRAP.to_owned(),
            config: GatewayConfig {
                http_listen: any_port,
                grpc_listen: any_port,
                ops_listen: any_port,
                workers: 1,
                // Scenes move the clock while bodies are on their way.
                body_timeout_ms: YEAR_MS,
                ..GatewayConfig::default()
            },
            books: None,
            shares: true,
        }
    }
}

pub(crate) struct Stack {
    pub(crate) clock: Clock,
    pub(crate) disk: FaultyDisk,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) ops: SocketAddr,
    running: Option<(Tasks, Arc<StorageNode>, Arc<TenantService>)>,
    /// Collects when the test says so.
    meter: Option<Meter>,
    config: GatewayConfig,
    tune: Tune,
    bootstrap: String,
    books: Option<BooksMutant>,
    shares: bool,
    /// Object storage, which outlives the services.
    cold: ColdParts,
    /// What the node writes of its brokers, once what it says is durable.
    states: Arc<Kept>,
    first_incarnation: u64,
    runtime: Runtime,
    dir: TempDir,
}

impl Stack {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(configure: impl FnOnce(&mut GatewayConfig)) -> Self {
        let mut setup = Setup::default();
        configure(&mut setup.config);
        Self::of(setup)
    }

    pub(crate) fn of(setup: Setup) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads");
        let dir = TempDir::new().expect("temporary directory");
        let mut stack = Self {
            clock: setup.clock,
            disk: FaultyDisk::new(1),
            http: setup.config.http_listen,
            grpc: setup.config.grpc_listen,
            ops: setup.config.ops_listen,
            running: None,
            meter: None,
            config: setup.config,
            tune: setup.tune,
            bootstrap: setup.bootstrap,
            books: setup.books,
            shares: setup.shares,
            cold: setup.cold,
            states: Arc::default(),
            first_incarnation: LogConfig::new("log").first_incarnation,
            runtime,
            dir,
        };
        stack.open();
        stack
    }

    fn open(&mut self) {
        let started = self.runtime.block_on(serve(self));
        (self.http, self.grpc, self.ops) = started.addresses;
        self.meter = Some(started.meter);
        self.running = Some((started.tasks, started.storage, started.tenants));
    }

    /// Stops everything in order and starts it again, at another address.
    pub(crate) fn restart(&mut self) {
        self.close();
        self.open();
    }

    /// Power loss: the disk forgets what was not synced, as the seed says; the
    /// catalogue is another matter and stays.
    pub(crate) fn cut_power(&mut self, seed: u64) {
        self.disk.power_off();
        self.close();
        self.disk.crash(seed);
        self.open();
    }

    /// Stops in order, loses disk and stores, and comes back from object storage
    /// alone, as another owner. Says whether all of it was there at the stop.
    pub(crate) fn lose_machine(&mut self) -> bool {
        let is_whole = self.wait(async |node| node.seal_all().await);
        self.close();
        self.disk = FaultyDisk::new(1);
        self.states = Arc::default();
        self.cold.owner = NodeId(self.cold.owner.0 + 1);
        let registry = prometheus::Registry::new();
        let found = self.runtime.block_on(Restorable::read(&self.cold.store));
        let found = found.expect("readable");
        self.first_incarnation = found.next_generation().0.into();
        self.runtime.block_on(async {
            let node = open_node(self, &registry).await;
            node.restore(found).await.expect("restored");
            node.close().await;
        });
        self.open();
        is_whole
    }

    /// Does something with the storage node.
    pub(crate) fn wait<T>(&self, work: impl AsyncFnOnce(&Arc<StorageNode>) -> T) -> T {
        let (_, node, _) = self.running.as_ref().expect("it runs");
        self.runtime.block_on(work(node))
    }

    /// Brings all that was counted into the books.
    pub(crate) fn collect(&self) {
        let meter = self.meter.as_ref().expect("it runs");
        self.runtime.block_on(meter.step()).expect("kept");
    }

    pub(crate) fn tenants(&self) -> &Arc<TenantService> {
        &self.running.as_ref().expect("it runs").2
    }

    pub(crate) fn storage(&self) -> Arc<StorageNode> {
        self.running.as_ref().expect("it runs").1.clone()
    }

    /// Closes in the books what is due.
    pub(crate) fn close_books(&self) {
        let closed = self.runtime.block_on(self.tenants().close_books());
        closed.expect("closed");
    }

    /// Where clients of tests do their work.
    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn close(&mut self) {
        if let Some((tasks, storage, tenants)) = self.running.take() {
            self.runtime.block_on(async {
                tasks.join(Duration::from_secs(10)).await;
                storage.close().await;
                tenants.close().await;
            });
        }
    }

    /// The user of acme who may do everything there.
    pub(crate) fn demo(&self) -> Http {
        Http::user(self.http, "demo", "demo-secret")
    }

    /// The same user of the other tenant.
    pub(crate) fn other(&self) -> Http {
        Http::user(self.http, "other", "other-secret")
    }

    pub(crate) fn operator(&self) -> Http {
        let mut http = Http::new(self.http);
        let login = json!({"username": "operator", "password": OPERATOR_PASSWORD});
        let token = http.post("/v1/auth/login", &login).ok()["token"].clone();
        http.authorize(&format!("Bearer {}", token.as_str().expect("a token")))
    }

    /// Rows of acme's audit log, newest first: action, object, detail.
    pub(crate) fn audit(&self) -> Vec<(String, String, Value)> {
        let (_, _, tenants) = self.running.as_ref().expect("it runs");
        let rows = self
            .runtime
            .block_on(tenants.audit(Some(TenantId(2)), None, 100));
        let rows = rows.expect("readable").into_iter();
        rows.map(|row| {
            let detail = serde_json::from_str(&row.detail).expect("JSON");
            (row.action, row.object, detail)
        })
        .collect()
    }

    /// Erases what belongs to instances that were removed.
    pub(crate) fn erase_removed(&self) {
        let (_, storage, tenants) = self.running.as_ref().expect("it runs");
        let erasures = Erasures::new(tenants.clone(), storage.clone(), self.clock.clone());
        self.runtime.block_on(erasures.step());
    }

    /// The catalogue does what is due.
    pub(crate) fn tick_catalogue(&self) {
        let (_, _, tenants) = self.running.as_ref().expect("it runs");
        self.runtime.block_on(tenants.tick());
    }

    /// Brings everything into object storage.
    pub(crate) fn seal(&self) {
        let (_, storage, _) = self.running.as_ref().expect("it runs");
        assert!(self.runtime.block_on(storage.seal_all()), "sealed");
    }

    /// Objects of brokers, by the names of their instances' numbers.
    pub(crate) fn objects_of(&self, tenant: u64) -> usize {
        let listed = self.cold.store.list(Prefix::All);
        let listed = self.runtime.block_on(listed).expect("listed").into_iter();
        let brokers = listed.filter_map(|found| found.name?.broker());
        brokers.filter(|key| key.tenant.0 == tenant).count()
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// Runs a client on a thread of its own, moving the clock a step at a time
    /// until it is done: for calls that wait. The gateway answers another call
    /// before each step, so that on a busy machine time does not run away from
    /// those that it is for.
    pub(crate) fn while_time_passes<T: Send + 'static>(
        &self,
        step_ms: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let worker = tasks::thread("client", work).expect("a thread");
        let mut pace = Http::new(self.http);
        while !worker.is_finished() {
            pace.get("/v1/nothing").error(404, "NOT_FOUND");
            self.advance_ms(step_ms);
        }
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.close();
    }
}

struct Started {
    /// HTTP, gRPC, metrics.
    addresses: (SocketAddr, SocketAddr, SocketAddr),
    tasks: Tasks,
    storage: Arc<StorageNode>,
    tenants: Arc<TenantService>,
    meter: Meter,
}

async fn serve(stack: &Stack) -> Started {
    let (config, clock) = (stack.config.clone(), stack.clock.clone());
    let path = |name: &str| stack.dir.path().join(name);
    let tenants = TenantConfig {
        catalogue: format!("sqlite://{}", path("catalogue.db").display()),
        master_key_file: path("master.key"),
        operator_password: Some(Secret::new(OPERATOR_PASSWORD)),
        durability: Durability::Local,
    };
    let tenants = TenantService::open(tenants, clock.clone()).await;
    let tenants = tenants.expect("a new catalogue");
    let report = tenants.apply_bootstrap(&stack.bootstrap).await;
    report.expect("a good bootstrap file");
    if let Some(mutant) = stack.books {
        tenants.corrupt_books(mutant);
    }
    let registry = prometheus::Registry::new();
    let storage = open_node(stack, &registry).await;
    let metrics = MeterMetrics::new(&registry).expect("new names");
    let parts = (storage.clone(), tenants.clone());
    let gateway = Gateway::new(config, parts.0, parts.1, clock.clone(), registry);
    let gateway = gateway.with_billing(tenants.clone());
    let gateway = match stack.shares {
        true => gateway.with_shares(tenants.clone()),
        false => gateway,
    };
    let (node, books) = (storage.clone(), tenants.clone());
    let meter = Meter::new(node, books, gateway.calls(), clock, metrics);
    let gateway = gateway.bind().expect("free ports");
    let (http, grpc) = (gateway.http_address(), gateway.grpc_address());
    let addresses = (http, grpc, gateway.ops_address());
    let mut tasks = Tasks::new();
    tenants.start(&mut tasks);
    storage.start(&mut tasks);
    tasks.spawn("gateway", |stop: Stop| gateway.run(stop));
    Started {
        addresses,
        tasks,
        storage,
        tenants,
        meter,
    }
}

async fn open_node(stack: &Stack, registry: &prometheus::Registry) -> Arc<StorageNode> {
    let mut config = StorageConfig::new(stack.dir.path());
    config.log.file_bytes = LOG_FILE_BYTES;
    // Files are made in few steps, and a full disk is looked at again at once.
    config.log.zero_bytes = LOG_FILE_BYTES;
    config.log.retry_pause = Duration::from_millis(5);
    config.log.first_incarnation = stack.first_incarnation;
    (stack.tune)(&mut config);
    let (disk, states) = (Arc::new(stack.disk.clone()), stack.states.clone());
    let stores = Box::new(move |_| {
        Ok(Stores {
            states,
            ..Stores::memory()
        })
    });
    let (cold, clock, registry) = (stack.cold.clone(), stack.clock.clone(), registry.clone());
    let opened =
        tasks::blocking(move || StorageNode::open(config, disk, stores, cold, clock, &registry));
    opened.await.expect("a disk that works").node
}

/// Sends messages to a topic of instance `demo`; the results.
#[track_caller]
pub(crate) fn send(http: &mut Http, topic: &str, messages: &Value) -> Vec<Value> {
    let path = format!("{ACME}/topics/{topic}/messages");
    let answer = http.post(&path, &json!({"messages": messages})).ok();
    let results = answer["results"].as_array().expect("results").clone();
    for result in &results {
        assert!(result["error"].is_null(), "{result}");
    }
    results
}

/// Receives for a group of instance `demo`, without waiting.
#[track_caller]
pub(crate) fn receive(http: &mut Http, group: &str, topic: &str, form: &Value) -> Vec<Value> {
    let path = format!("{ACME}/groups/{group}/topics/{topic}/receive");
    let answer = http.post(&path, form).ok();
    answer["messages"].as_array().expect("messages").clone()
}

/// Acknowledges what was received; the statuses.
#[track_caller]
pub(crate) fn ack(http: &mut Http, group: &str, topic: &str, messages: &[Value]) -> Vec<String> {
    let handles: Vec<&Value> = messages.iter().map(|m| &m["receiptHandle"]).collect();
    let path = format!("{ACME}/groups/{group}/topics/{topic}/ack");
    let answer = http.post(&path, &json!({"receiptHandles": handles})).ok();
    let results = answer["results"].as_array().expect("results").iter();
    let statuses = results.map(|result| result["status"].as_str().expect("a status").to_owned());
    statuses.collect()
}

/// Reports a failure of a delivery.
#[track_caller]
pub(crate) fn fail(http: &mut Http, group: &str, topic: &str, message: &Value) {
    let path = format!("{ACME}/groups/{group}/topics/{topic}/visibility");
    let form = json!({"receiptHandle": message["receiptHandle"], "invisibleSeconds": 0});
    http.post(&path, &form).ok();
}

/// The bodies of messages, in their order.
pub(crate) fn bodies(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|m| m["body"].as_str().expect("text"))
        .collect()
}
