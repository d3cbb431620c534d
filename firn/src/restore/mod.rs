//! `firn restore`: a data directory from the object store alone.
//!
//! Owns the order: everything that can be refused is looked at before anything
//! is made; then identity, catalogue, brokers. Promises that a directory that is
//! not complete is never served, and that brokers are taken from whoever served
//! them before. Formats are the services' own.

mod books;
mod bucket;
mod summary;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use firn_protocol::catalogue::Durability;
use firn_runtime::config::Secret;
use firn_runtime::telemetry::{self, LogFormat};
use firn_runtime::{Clock, tasks};
use firn_storage_node::cold::paths::NodeId;
use firn_storage_node::cold::{ColdStore, ColdUrl, probe};
use firn_storage_node::config::StorageConfig;
use firn_storage_node::disk::RealDisk;
use firn_storage_node::node::{ColdParts, Restorable, StorageNode, Stores};
use firn_tenant_service::{CatalogueExport, Restored, TenantConfig, TenantService, Unpacked};

use crate::exports;
use crate::object_store;
use crate::settings::Catalog;
use crate::standalone::deployment_id;
use crate::startup::{DataDir, check_empty};
use bucket::Bucket;
use summary::{Stored, Summary};

/// Bring a deployment back from its object store, into a new data directory.
#[derive(Args)]
#[command(
    after_help = "Stop whatever served the deployment before: its brokers go over to the new data \
        directory.\nWithout the master key file, secrets are made anew and printed.\n\nExample:\n  \
        firn restore --object-store s3://bucket/firn --data-dir /var/lib/firn \\\n      \
        --master-key-file /safe/master.key"
)]
pub struct Restore {
    /// Where the deployment's objects are: file:///DIR or s3://BUCKET/PREFIX (with the AWS_* variables).
    #[arg(long, value_name = "URL", env = "FIRN_OBJECT_STORE", value_parser = ColdUrl::parse)]
    object_store: ColdUrl,
    /// The data directory to make; must be empty or not exist.
    #[arg(
        long,
        value_name = "DIR",
        env = "FIRN_DATA_DIR",
        default_value = "./data"
    )]
    data_dir: PathBuf,
    /// A copy of the deployment's master key file; it is copied into the data directory.
    #[arg(long, value_name = "FILE", env = "FIRN_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
    /// Where to make the catalogue, if not in the data directory: sqlite:///FILE or
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE, a database that has none yet.
    #[arg(long, value_name = "URL", env = "FIRN_CATALOG", hide_env_values = true, value_parser = unchecked)]
    catalog: Option<Secret>,
    /// The export of the catalogue to go back to, if not the newest.
    #[arg(long, value_name = "NUMBER")]
    catalogue_export: Option<u64>,
    /// Begin the meter's books anew, in place of bringing usage and bills back.
    #[arg(long)]
    without_books: bool,
}

/// Runs the verb; errors go to standard error in one line.
pub fn main(args: &Restore) -> ExitCode {
    telemetry::start_logs(LogFormat::Text, "warn");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("firn")
        .enable_all()
        .build()
        .context("cannot start threads");
    match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(summary) => {
            // Whoever reads us may have gone; all is done.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), summary.text().as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let text = format!("{error:#}").replace('\n', " ");
            eprintln!("firn: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Restore) -> anyhow::Result<Summary> {
    let clock = Clock::system();
    let place = catalog(args)?;
    check_empty(&args.data_dir)?;
    let store = object_store::connect(&args.object_store, &clock)?;
    probe(&store).await.context("object store")?;
    let (number, found) = read_export(&store, args.catalogue_export).await?;
    if let Some(file) = &args.master_key_file {
        found.export.check_key(file)?;
    }
    let mut bucket = Bucket::scan(&store).await?;
    let brokers = Restorable::read(&store).await.context("brokers")?;
    bucket.note_wal(&brokers);

    let mut data = DataDir::begin_restore(&args.data_dir, clock.now_ms())?;
    let (tenants, restored) = catalogue(args, &place, &clock, &found, &bucket).await?;
    data.belong_to(&deployment_id(&tenants))?;
    let operator_password = tenants.take_generated_password();
    let parts = match args.without_books {
        true => Ok(0),
        false => books::restore(&store, &tenants, found.head.catalogue).await,
    };
    tenants.close().await;
    let parts = parts.with_context(|| unfinished(&args.data_dir))?;
    let stored = storage(&data, store, brokers, &clock).await?;
    data.finish_restore()?;
    Ok(Summary {
        data_dir: args.data_dir.clone(),
        number,
        strangers: bucket.strangers(&found.export),
        export: found.export,
        restored,
        operator_password,
        parts,
        stored,
    })
}

/// The newest export, or the one that is asked for.
async fn read_export(store: &ColdStore, wanted: Option<u64>) -> anyhow::Result<(u64, Unpacked)> {
    let numbers = exports::numbers(store).await?;
    let Some(&newest) = numbers.last() else {
        anyhow::bail!("the object store has no export of a catalogue, so nothing to restore");
    };
    let number = wanted.unwrap_or(newest);
    let Some(bytes) = exports::read(store, number).await? else {
        let (first, last) = (numbers.first().unwrap_or(&newest), newest);
        anyhow::bail!("there is no catalogue export {number}; there are {first} to {last}");
    };
    let found = tasks::blocking(move || CatalogueExport::unpack(&bytes)).await;
    let found = found.with_context(|| {
        let earlier = numbers.range(..number).next_back();
        let hint = earlier.map_or_else(String::new, |earlier| {
            format!(" (an earlier one, which lacks later changes: --catalogue-export {earlier})")
        });
        format!("catalogue export {number}{hint}")
    });
    Ok((number, found?))
}

/// Checked later, by what does not repeat a password.
fn unchecked(url: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(url))
}

/// Where the catalogue goes.
fn catalog(args: &Restore) -> anyhow::Result<Catalog> {
    let Some(url) = &args.catalog else {
        return Ok(Catalog::Sqlite(args.data_dir.join("catalogue.db")));
    };
    Catalog::parse(url.expose()).map_err(|rule| anyhow::anyhow!("--catalog: {rule}"))
}

async fn catalogue(
    args: &Restore,
    place: &Catalog,
    clock: &Clock,
    found: &Unpacked,
    bucket: &Bucket,
) -> anyhow::Result<(Arc<TenantService>, Restored)> {
    let config = TenantConfig {
        catalogue: place.url(),
        master_key_file: args.data_dir.join("master.key"),
        operator_password: None,
        durability: Durability::Local,
    };
    let key = args.master_key_file.as_deref();
    let opened = TenantService::restore(config, clock.clone(), found, key, bucket.in_use()).await;
    opened.with_context(|| unfinished(&args.data_dir))
}

/// The one place that knows how a node takes its brokers over.
async fn storage(
    data: &DataDir,
    store: ColdStore,
    found: Restorable,
    clock: &Clock,
) -> anyhow::Result<Stored> {
    let id = &data.identity().node_id;
    let owner = NodeId::parse(id).context("node.json has no node id of 32 hex digits")?;
    let mut config = StorageConfig::new(data.path());
    config.log.first_incarnation = found.next_generation().0.into();
    let (hot_dir, volume_bytes) = (config.hot_dir.clone(), config.volume_bytes);
    // The data directory's lock is held by the caller.
    let disk = Arc::new(RealDisk::unlocked(data.path()));
    let (clock, registry) = (clock.clone(), prometheus::Registry::new());
    let opened = tasks::blocking(move || {
        let stores = Box::new(move |end| Stores::sled(&hot_dir, volume_bytes, end));
        StorageNode::open(
            config,
            disk,
            stores,
            ColdParts { store, owner },
            clock,
            &registry,
        )
    });
    let node = opened.await.with_context(|| unfinished(data.path()))?.node;
    let stored = Stored {
        brokers: found.brokers(),
        records: found.records(),
    };
    let restored = node.restore(found).await;
    node.close().await;
    restored.with_context(|| unfinished(data.path()))?;
    Ok(stored)
}

fn unfinished(data_dir: &Path) -> String {
    let path = data_dir.display();
    format!("the restore did not end (delete {path} before the next attempt)")
}
