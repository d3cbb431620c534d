//! `firn verify`: every message that the object store holds, read back on the way
//! on which a consumer gets it.
//!
//! Promises to change nothing in the object store, and to name the first message that
//! cannot be read. What is not in the object store yet is not looked at.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use clap::Args;
use firn_protocol::api::storage::StorageApi as _;
use firn_protocol::catalogue::Durability;
use firn_protocol::context::RequestContext;
use firn_protocol::ids::{Offset, QueueKey, TopicKey};
use firn_protocol::limits::RECEIVE_MESSAGES_MAX;
use firn_runtime::telemetry::{self, LogFormat};
use firn_runtime::{Clock, tasks};
use firn_storage_node::cold::manifest::load_newest;
use firn_storage_node::cold::paths::{NodeId, ObjectName, Prefix};
use firn_storage_node::cold::{ColdStore, ColdUrl, Operation};
use firn_storage_node::config::StorageConfig;
use firn_storage_node::disk::RealDisk;
use firn_storage_node::hot::BrokerKey;
use firn_storage_node::node::{ColdParts, StorageNode, Stores};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::object_store;
use crate::startup::{DataDir, NODE_FILE};

const READERS_MAX: usize = 64;

/// Read back every message that the object store holds.
#[derive(Args)]
#[command(
    after_help = "The data directory must not be in use: stop the server, or restore into a directory \
        of its own.\nNothing is changed in the object store.\n\nExample:\n  \
        firn verify --object-store s3://bucket/firn --data-dir /var/lib/firn"
)]
pub struct Verify {
    /// Where the deployment's objects are: file:///DIR or s3://BUCKET/PREFIX (with the AWS_* variables).
    #[arg(long, value_name = "URL", env = "FIRN_OBJECT_STORE", value_parser = ColdUrl::parse)]
    object_store: ColdUrl,
    /// The data directory of the node that has the messages.
    #[arg(
        long,
        value_name = "DIR",
        env = "FIRN_DATA_DIR",
        default_value = "./data"
    )]
    data_dir: PathBuf,
    /// Queues read at the same time.
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    readers: usize,
    /// One JSON object, for scripts.
    #[arg(long)]
    json: bool,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    queues: usize,
    messages: u64,
    body_bytes: u64,
    /// CRC-32C of every body, added up: the same whatever the order.
    checksum: u64,
    /// Of reading alone.
    seconds: f64,
    /// Requests of the object store for reading, and the bytes that they gave.
    gets: u64,
    read_bytes: u64,
}

/// Messages of one queue, from the first that is still to be read to the last that
/// the object store has.
struct Part {
    broker: BrokerKey,
    queue: QueueKey,
    offsets: std::ops::Range<u64>,
}

/// Runs the verb; errors go to standard error in one line.
pub fn main(args: &Verify) -> ExitCode {
    telemetry::start_logs(LogFormat::Text, "warn");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("firn")
        .enable_all()
        .build()
        .context("cannot start threads");
    match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(summary) => {
            // Whoever reads us may have gone; all is done.
            let _ =
                std::io::Write::write_all(&mut std::io::stdout(), text(args, &summary).as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let text = format!("{error:#}").replace('\n', " ");
            eprintln!("firn: {text}");
            ExitCode::FAILURE
        }
    }
}

fn text(args: &Verify, summary: &Summary) -> String {
    if args.json {
        return serde_json::json!(summary).to_string() + "\n";
    }
    format!(
        "{} messages of {} queues, {} bytes, checksum {:016x}: all can be read\n\
         {:.1} s, {} requests for {} bytes\n",
        summary.messages,
        summary.queues,
        summary.body_bytes,
        summary.checksum,
        summary.seconds,
        summary.gets,
        summary.read_bytes,
    )
}

async fn run(args: &Verify) -> anyhow::Result<Summary> {
    let readers = 1..=READERS_MAX;
    ensure!(
        readers.contains(&args.readers),
        "--readers: {readers:?} are possible"
    );
    let clock = Clock::system();
    let dir = args.data_dir.display();
    ensure!(
        args.data_dir.join(NODE_FILE).exists(),
        "{dir}: not a data directory"
    );
    let data = DataDir::open(&args.data_dir, clock.now_ms())?;
    let store = object_store::connect(&args.object_store, &clock)?;
    let node = open(&data, store.clone(), &clock).await?;
    let read = read_all(&node, &store, args.readers, &clock).await;
    node.close().await;
    read
}

/// The node, doing nothing by itself.
async fn open(data: &DataDir, store: ColdStore, clock: &Clock) -> anyhow::Result<Arc<StorageNode>> {
    let id = &data.identity().node_id;
    let owner = NodeId::parse(id).context("node.json has no node id of 32 hex digits")?;
    let config = StorageConfig::new(data.path());
    let (hot_dir, volume_bytes) = (config.hot_dir.clone(), config.volume_bytes);
    // The data directory's lock is held by the caller.
    let disk = Arc::new(RealDisk::unlocked(data.path()));
    let (clock, cold) = (clock.clone(), ColdParts { store, owner });
    let opened = tasks::blocking(move || {
        let stores = Box::new(move |end| Stores::sled(&hot_dir, volume_bytes, end));
        StorageNode::open(
            config,
            disk,
            stores,
            cold,
            clock,
            &prometheus::Registry::new(),
        )
    });
    Ok(opened.await?.node)
}

async fn read_all(
    node: &Arc<StorageNode>,
    store: &ColdStore,
    readers: usize,
    clock: &Clock,
) -> anyhow::Result<Summary> {
    let parts: Arc<[Part]> = parts(node, store).await?.into();
    let count = || {
        let metrics = store.metrics();
        let bytes = metrics.received_bytes.load(Ordering::Relaxed);
        (metrics.requests(Operation::Get), bytes)
    };
    let (before, begin) = (count(), clock.now_ms());
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..readers {
        let (node, parts, next) = (node.clone(), parts.clone(), next.clone());
        tasks.spawn(async move {
            let mut sum = Summary::default();
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                read_part(&node, part, &mut sum).await?;
            }
            anyhow::Ok(sum)
        });
    }
    let mut total = Summary {
        queues: parts.len(),
        ..Summary::default()
    };
    while let Some(read) = tasks.join_next().await {
        let read = match read.context("a reader failed").flatten() {
            Ok(read) => read,
            Err(error) => {
                // Nobody reads from a node that is being closed.
                tasks.shutdown().await;
                return Err(error);
            }
        };
        total.messages += read.messages;
        total.body_bytes += read.body_bytes;
        total.checksum = total.checksum.wrapping_add(read.checksum);
    }
    total.seconds = clock.now_ms().saturating_sub(begin) as f64 / 1000.0;
    let after = count();
    (total.gets, total.read_bytes) = (after.0 - before.0, after.1 - before.1);
    Ok(total)
}

/// What there is to read, by the newest manifest of every broker.
async fn parts(node: &StorageNode, store: &ColdStore) -> anyhow::Result<Vec<Part>> {
    let listed = store.list(Prefix::All).await.context("object store")?;
    let mut brokers: Vec<BrokerKey> = listed
        .iter()
        .filter_map(|found| match found.name {
            Some(ObjectName::Manifest(broker, _)) => Some(broker),
            Some(_) | None => None,
        })
        .collect();
    brokers.dedup();
    let mut parts = Vec::new();
    for broker in brokers {
        let manifest = load_newest(store, broker).await.context("object store")?;
        let mut ends = std::collections::BTreeMap::<QueueKey, u64>::new();
        for row in manifest.iter().flat_map(|manifest| &manifest.segments) {
            for row in &row.queues {
                let end = ends.entry(row.queue).or_default();
                *end = row.end.0.max(*end);
            }
        }
        for (queue, end) in ends {
            // Bodies that wait are read when their time comes, and are then elsewhere.
            if queue.topic == TopicKey::Waiting {
                continue;
            }
            let bounds = node
                .bounds(&context(broker), broker.broker, queue.topic)
                .await?;
            let known = bounds.iter().find(|(number, _, _)| *number == queue.queue);
            let Some((_, first, _)) = known else { continue };
            let offsets = first.0..end;
            parts.push(Part {
                broker,
                queue,
                offsets,
            });
        }
    }
    Ok(parts)
}

async fn read_part(node: &StorageNode, part: &Part, sum: &mut Summary) -> anyhow::Result<()> {
    let (ctx, broker) = (context(part.broker), part.broker.broker);
    let mut next = part.offsets.start;
    while next < part.offsets.end {
        let at = Offset(next);
        let left = (part.offsets.end - next).min(RECEIVE_MESSAGES_MAX as u64);
        let read = node.read(&ctx, broker, part.queue, at, left as usize).await;
        let place = || format!("broker {broker}, queue {}, offset {next}", part.queue);
        let read = read.with_context(place)?;
        // Records that were lost before they were sealed are in no segment.
        let Some(last) = read.last() else {
            anyhow::bail!("{}: nothing can be read", place());
        };
        let upto = last.offset.0 + 1;
        for message in &read {
            sum.messages += 1;
            sum.body_bytes += message.content.body.len() as u64;
            let check = crc32c::crc32c(&message.content.body);
            sum.checksum = sum.checksum.wrapping_add(check.into());
        }
        next = upto;
    }
    Ok(())
}

fn context(broker: BrokerKey) -> RequestContext {
    RequestContext {
        tenant: broker.tenant,
        instance: broker.instance,
        durability: Durability::Local,
        request_id: "verify".into(),
    }
}
