//! `firn standalone`: the whole service in one process. Owns the order of
//! starting and stopping; what is served is the services' own.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use firn_gateway::{Gateway, GatewayConfig};
use firn_protocol::api::tenant::TenantApi as _;
use firn_protocol::catalogue::Durability;
use firn_runtime::config::Secret;
use firn_runtime::{Clock, Tasks, config, telemetry};
use firn_storage_node::cold::ColdUrl;
use firn_storage_node::config::StorageConfig;
use firn_storage_node::disk::{Disk, RealDisk};
use firn_storage_node::node::{ColdParts, StorageNode, Stores};
use firn_tenant_service::{TenantConfig, TenantService};

use crate::disk_budget;
use crate::erasures::Erasures;
use crate::exports::{BeginError, BooksExporter, Exporter, ExporterParts};
use crate::meter::{Meter, MeterMetrics};
use crate::metrics::ExportMetrics;
use crate::object_store;
use crate::rules::CatalogueRules;
use crate::settings::{Flags, Settings, Warning};
use crate::startup::{DataDir, HANDLES_WANTED, own_certificate, raise_handles};
use crate::termination::Termination;
use crate::welcome::Welcome;

/// How long each task may take to end.
const TASK_STOP_MAX: Duration = Duration::from_secs(10);

/// Resolves the settings and runs until the process is told to stop.
pub fn main(flags: &Flags) -> ExitCode {
    let (settings, warnings) = match Settings::load(flags, &config::variable) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error.to_string()),
    };
    if settings.check_config {
        return check(&warnings);
    }
    telemetry::start_logs(settings.log_format, &settings.log_level);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    match run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        // With its causes, on one line.
        Err(error) => refuse(&format!("{error:#}")),
    }
}

/// Runs the service until it is told to stop.
///
/// # Errors
/// When a start-up check fails or a service does not start; one line.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let handles = raise_handles();
    if let Some(limit) = handles.limit.filter(|_| handles.are_few()) {
        tracing::warn!(
            limit,
            wanted = HANDLES_WANTED,
            "few file handles; raise `ulimit -n`"
        );
    }
    let clock = Clock::system();
    let data = DataDir::open(&settings.data_dir, clock.now_ms())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("firn")
        .enable_all()
        .build()
        .context("cannot start threads")?;
    runtime.block_on(serve(settings, data, clock))
}

/// Starts the services from the bottom up, serves, and stops them top down.
async fn serve(settings: &Settings, mut data: DataDir, clock: Clock) -> anyhow::Result<()> {
    let registry = prometheus::Registry::new();
    let tenants = open_tenants(settings, &clock).await?;
    tenants.register_metrics(&registry)?;
    data.belong_to(&deployment_id(&tenants))?;
    if let Some(path) = &settings.bootstrap {
        bootstrap(&tenants, path).await?;
    }
    let opened = object_store::open(&settings.object_store, &data, &clock).await?;
    let exports = open_exports(&opened, &tenants, &clock, &registry).await?;
    let mut storage = storage_config(settings);
    storage.tier.rules = Arc::new(CatalogueRules::new(tenants.clone()));
    // The data directory's lock is held here.
    let disk = Arc::new(RealDisk::unlocked(&settings.data_dir));
    let (disk, budget) = disk_budget::fit(disk, &mut storage, settings.disk_budget, &clock)?;
    let storage = open_storage(storage, disk, opened.cold, clock.clone(), &registry).await?;
    let config = gateway_config(settings)?;
    let stop_clock = clock.clone();
    let metrics = MeterMetrics::new(&registry)?;
    let parts = (storage.clone(), tenants.clone());
    let gateway = Gateway::new(config, parts.0, parts.1, clock.clone(), registry);
    let gateway = gateway.with_billing(tenants.clone());
    let gateway = gateway.with_shares(tenants.clone());
    let (node, books) = (storage.clone(), tenants.clone());
    let meter = Meter::new(node, books, gateway.calls(), clock, metrics);
    let gateway = gateway.bind()?;
    let generated = tenants.take_generated_password();
    let welcome = Welcome {
        http: gateway.http_address(),
        grpc: gateway.grpc_address(),
        ops: gateway.ops_address(),
        operator_password: generated.map(|secret| Secret::new(secret.expose())),
    };

    let mut tasks = Tasks::new();
    tenants.start(&mut tasks);
    storage.start(&mut tasks);
    if let Some(budget) = budget {
        tasks.spawn("disk-budget", |stop| budget.run(stop));
    }
    storage.wait_object_class().await;
    // Before anybody is told that it runs: who reads the welcome may stop it.
    let mut termination = Termination::listen().context("cannot listen to signals")?;
    // Stopped after gateway and meter: their last ones have the last change and count.
    exports.spawn(&mut tasks);
    let erasures = Erasures::new(tenants.clone(), storage.clone(), stop_clock.clone());
    tasks.spawn("erasures", |stop| erasures.run(stop));
    // Stopped after the gateway, too: what it answered last is in the books.
    tasks.spawn("meter", |stop| meter.run(stop));
    tasks.spawn("gateway", |stop| gateway.run(stop));
    welcome.print(settings, &*tenants);
    let stop = tasks.stop();
    tokio::select! {
        () = stop.cancelled() => {}
        signal = termination.signalled() => tracing::info!(signal, "stopping"),
    }
    let failed = stop.is_cancelled();
    tasks.join(TASK_STOP_MAX).await;
    // A broker's last manifest lets another machine go on where this one stops.
    tokio::select! {
        whole = storage.seal_all() => if !whole {
            tracing::warn!("some brokers are not up to date in the object store");
        },
        () = stop_clock.sleep(settings.stop_timeout) => {
            tracing::warn!("no time left to bring the object store up to date");
        }
    }
    storage.close().await;
    tenants.close().await;
    anyhow::ensure!(!failed, "a task failed, see the log");
    tracing::info!("stopped");
    Ok(())
}

async fn open_tenants(settings: &Settings, clock: &Clock) -> anyhow::Result<Arc<TenantService>> {
    let password = settings.operator_password.as_ref();
    let config = TenantConfig {
        catalogue: settings.catalog.url(),
        master_key_file: settings.master_key_file.clone(),
        operator_password: password.map(|secret| firn_tenant_service::Secret::new(secret.expose())),
        durability: Durability::Local,
    };
    Ok(TenantService::open(config, clock.clone()).await?)
}

async fn bootstrap(tenants: &TenantService, path: &Path) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("--bootstrap {}", path.display()))?;
    let report = tenants.apply_bootstrap(&text).await;
    let report = report.with_context(|| format!("--bootstrap {}", path.display()))?;
    tracing::info!(?report, "bootstrap file applied");
    Ok(())
}

/// Makes sure that the object store belongs to this catalogue or to none.
async fn open_exports(
    opened: &object_store::Opened,
    tenants: &Arc<TenantService>,
    clock: &Clock,
    registry: &prometheus::Registry,
) -> anyhow::Result<Exports> {
    let mut exporter = Exporter::new(ExporterParts {
        tenants: tenants.clone(),
        store: opened.cold.store.clone(),
        owner: opened.cold.owner,
        clock: clock.clone(),
        metrics: ExportMetrics::new(registry)?,
    });
    if opened.answers {
        match exporter.begin().await {
            Ok(()) => {}
            Err(error @ BeginError::Foreign { .. }) => return Err(error.into()),
            // It began well; the task looks again.
            Err(BeginError::Store(error)) => {
                tracing::warn!(%error, "exports of the catalogue cannot be read yet");
            }
        }
    }
    let books = BooksExporter::new(tenants.clone(), &opened.cold.store, clock.clone());
    Ok(Exports {
        catalogue: exporter,
        books,
    })
}

/// What the tenant service has in the object store.
struct Exports {
    catalogue: Exporter,
    books: BooksExporter,
}

impl Exports {
    fn spawn(self, tasks: &mut Tasks) {
        tasks.spawn("catalogue-export", |stop| self.catalogue.run(stop));
        tasks.spawn("books-export", |stop| self.books.run(stop));
    }
}

fn gateway_config(settings: &Settings) -> anyhow::Result<GatewayConfig> {
    Ok(GatewayConfig {
        http_listen: settings.http_listen,
        grpc_listen: settings.grpc_listen,
        ops_listen: settings.ops_listen,
        tls: settings.tls.clone(),
        mq_http_invisible: settings.mq_http_invisible,
        grpc_tls: match &settings.tls {
            Some(_) => None,
            None => Some(own_certificate(&settings.data_dir)?),
        },
        compat_always_200: settings.compat.always_200,
        compat_open_account_endpoint: settings.compat.open_account_endpoint,
        compat_account_allow: settings.compat.account_allow.clone(),
        ..GatewayConfig::default()
    })
}

fn storage_config(settings: &Settings) -> StorageConfig {
    let mut config = StorageConfig::new(&settings.data_dir);
    config.log.file_bytes = settings.log_file_bytes.0;
    config.tail_bytes_max = settings.tail_bytes.0;
    config.tier.untiered_bytes_max = settings.hot_bytes.0;
    config.tier.seal_bytes = settings.seal_bytes.0;
    config.tier.seal_age = settings.seal_age;
    config.tier.is_cold_local = matches!(settings.object_store, ColdUrl::Directory(_));
    config
}

async fn open_storage(
    config: StorageConfig,
    disk: Arc<dyn Disk>,
    cold: ColdParts,
    clock: Clock,
    registry: &prometheus::Registry,
) -> anyhow::Result<Arc<StorageNode>> {
    let (hot_dir, volume_bytes) = (config.hot_dir.clone(), config.volume_bytes);
    let registry = registry.clone();
    let opened = firn_runtime::tasks::blocking(move || {
        let stores = Box::new(move |end| Stores::sled(&hot_dir, volume_bytes, end));
        StorageNode::open(config, disk, stores, cold, clock, &registry)
    })
    .await?;
    for range in &opened.damage {
        tracing::error!(
            ?range,
            "the write-ahead log is damaged; what can be read is served"
        );
    }
    tracing::info!(brokers = opened.brokers, "storage node is open");
    Ok(opened.node)
}

/// The name under which a data directory and its catalogue know each other.
pub(crate) fn deployment_id(tenants: &TenantService) -> String {
    let key = tenants.derived_key("deployment identity");
    key[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(warnings: &[Warning]) -> ExitCode {
    for warning in warnings {
        eprintln!("firn: {warning}");
    }
    if warnings.is_empty() {
        eprintln!("firn: the configuration is valid");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

fn refuse(error: &str) -> ExitCode {
    eprintln!("firn: {error}");
    ExitCode::FAILURE
}
