//! What a flood does to a neighbour inside a node, on a real disk and without HTTP:
//! by hand, in a release build, with `--ignored --nocapture`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use firn_protocol::api::storage::{AppendRequest, StorageApi as _};
use firn_protocol::ids::BrokerId;
use firn_protocol::message::NewMessage;
use firn_runtime::clock::Stopwatch;
use firn_runtime::{Clock, tasks};
use firn_storage_node::config::StorageConfig;
use firn_storage_node::disk::RealDisk;
use firn_storage_node::fair::FairSettings;
use firn_storage_node::log::LogConfig;
use firn_storage_node::node::{ColdParts, StorageNode, Stores};
use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::harness::{context, queue_key};

const ROUNDS: usize = 5;
/// Less than the hot store may be behind by.
const FLOOD_BYTES: u64 = 192 << 20;
const NEIGHBOUR_RATE: u64 = 500;

#[derive(Clone, Copy)]
struct Flood {
    tasks: usize,
    messages: usize,
    body_bytes: usize,
}

/// A neighbour's sends, in microseconds; how many were refused; what passed of the flood.
#[derive(Default)]
struct Found {
    micros: Vec<u64>,
    refused: u64,
    bytes_per_second: Vec<f64>,
}

impl Found {
    fn say(&mut self, name: &str) {
        self.micros.sort_unstable();
        let at = |share: f64| {
            let nth = (self.micros.len() as f64 * share) as usize;
            self.micros.get(nth).copied().unwrap_or(0) as f64 / 1000.0
        };
        let passed: f64 = self.bytes_per_second.iter().sum();
        println!(
            "{name:>24}: p50 {:7.2} ms, p99 {:7.2} ms, {} sends, {} refused, flood {:.0} MB/s",
            at(0.5),
            at(0.99),
            self.micros.len(),
            self.refused,
            passed / self.bytes_per_second.len().max(1) as f64 / 1e6
        );
    }
}

fn request(broker: u32, messages: usize, body_bytes: usize) -> AppendRequest {
    let message = NewMessage {
        body: vec![7; body_bytes].into(),
        ..NewMessage::default()
    };
    AppendRequest {
        broker: BrokerId(broker),
        queue: queue_key(1, 0),
        messages: vec![message; messages],
    }
}

fn open(dir: &Path, fair: FairSettings, clock: &Clock) -> Arc<StorageNode> {
    let mut config = StorageConfig::new(dir);
    config.log = LogConfig::new("log");
    config.fair = fair;
    config.is_stepped = true;
    let opened = StorageNode::open(
        config,
        Arc::new(RealDisk::open(dir).expect("a directory")),
        Box::new(|_| Ok(Stores::memory())),
        ColdParts::memory(clock),
        clock.clone(),
        &prometheus::Registry::new(),
    );
    opened.expect("opens").node
}

/// A neighbour with four connections: microseconds of its sends.
#[derive(Clone, Default)]
struct Neighbour {
    micros: Arc<Mutex<Vec<u64>>>,
    refused: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Neighbour {
    async fn run(&self, node: &StorageNode, clock: &Clock, first: u64) {
        let (begun, ctx) = (Stopwatch::start(), context(2));
        let mut nth = first;
        while !self.is_over.load(Ordering::Relaxed) {
            let due = Duration::from_nanos(nth * 1_000_000_000 / NEIGHBOUR_RATE);
            clock.sleep(due.saturating_sub(begun.elapsed())).await;
            // A stall counts for all that it held up.
            let since = due.min(begun.elapsed());
            match node.append(&ctx, request(2, 1, 100)).await {
                Ok(_) => {
                    let took = begun.elapsed().saturating_sub(since);
                    self.micros.lock().push(took.as_micros() as u64);
                }
                Err(_) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            nth += 4;
        }
    }
}

async fn send_all(node: Arc<StorageNode>, left: Arc<AtomicU64>, flood: Flood) {
    let ctx = context(1);
    let bytes = (flood.messages * flood.body_bytes) as u64;
    while left.load(Ordering::Relaxed) > 0 {
        let sent = node.append(&ctx, request(1, flood.messages, flood.body_bytes));
        if sent.await.is_ok() {
            let less = |it: u64| Some(it.saturating_sub(bytes));
            let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }
}

/// One round: a node on an empty directory.
fn play(dir: &Path, fair: FairSettings, flood: Option<Flood>, found: &mut Found) {
    let clock = Clock::system();
    let node = open(dir, fair, &clock);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let neighbour = Neighbour::default();
    let (its, its_node, its_clock) = (neighbour.clone(), node.clone(), clock.clone());
    let thread = tasks::thread("neighbour", move || {
        // Of its own, so that its timers do not wait for the flood's tasks.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let parts = (0..4).map(|part| its.run(&its_node, &its_clock, part));
        runtime.block_on(join_all(parts));
    });
    match flood {
        None => runtime.block_on(clock.sleep(Duration::from_secs(2))),
        Some(flood) => {
            let (watch, left) = (Stopwatch::start(), Arc::new(AtomicU64::new(FLOOD_BYTES)));
            let sends = (0..flood.tasks)
                .map(|_| runtime.spawn(send_all(node.clone(), left.clone(), flood)));
            let sends: Vec<_> = sends.collect();
            runtime.block_on(join_all(sends));
            let seconds = watch.elapsed().as_secs_f64();
            found.bytes_per_second.push(FLOOD_BYTES as f64 / seconds);
        }
    }
    neighbour.is_over.store(true, Ordering::Relaxed);
    thread.expect("a thread").join().expect("well");
    found.micros.append(&mut neighbour.micros.lock());
    found.refused += neighbour.refused.load(Ordering::Relaxed);
    runtime.block_on(node.close());
}

#[test]
#[ignore = "measures, and proves nothing"]
fn a_flood_and_a_neighbour() {
    // As good as none: first in, first out, up to the log's own bound.
    let none = FairSettings {
        log_bytes: 1 << 40,
        wal_bytes: 1 << 40,
        ..FairSettings::default()
    };
    let window = |mib: u64| FairSettings {
        log_bytes: mib << 20,
        ..FairSettings::default()
    };
    let floods = [
        ("64 x 100 x 1 KiB", 64, 100, 1 << 10),
        ("64 x 1 MiB", 64, 256, 4 << 10),
        ("1024 x 1 KiB", 1024, 1, 1 << 10),
    ];
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, tasks, messages, body_bytes) in floods {
        let flood = Flood {
            tasks,
            messages,
            body_bytes,
        };
        let ways = [
            ("alone", none, None),
            ("first in, first out", none, Some(flood)),
            ("window of 1 MiB", window(1), Some(flood)),
            ("window of 2 MiB", window(2), Some(flood)),
            ("window of 4 MiB", window(4), Some(flood)),
            ("window of 8 MiB", window(8), Some(flood)),
        ];
        let mut found: Vec<Found> = ways.iter().map(|_| Found::default()).collect();
        for _ in 0..ROUNDS {
            for ((_, fair, flood), found) in ways.iter().zip(&mut found) {
                let dir = tempfile::tempdir_in(root).expect("a directory");
                play(dir.path(), *fair, *flood, found);
            }
        }
        println!("{name}");
        for ((name, ..), found) in ways.iter().zip(&mut found) {
            found.say(name);
        }
    }
}
