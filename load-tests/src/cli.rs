//! Flags of `firn-bench`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use firn_load_tests::driver::firn::bootstrap::Census;
use firn_load_tests::driver::{Kind, Programs};
use firn_load_tests::workload::Workload;
use firn_load_tests::{bill, body, flood, quota, setup, tier, waiting};
use serde::Serialize;

/// Measures Firn and the servers it is compared with, side by side.
#[derive(Parser)]
#[command(name = "firn-bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a workload and print the comparison. Ends with 1 when a message was lost,
    /// altered, doubled or out of order, or a system failed; never because of speed.
    Run(Run),
    /// Start Firn with many idle brokers and topics, and see what they cost.
    Idle(Idle),
    /// Measure the tier in object storage: sealing, a lost machine, catching up, starting
    /// with much of it, and the durability class `object`.
    Tier(Tier),
    /// Measure what very many delayed and failing messages cost, and how late the
    /// delayed ones come.
    Waiting(Waiting),
    /// Measure what a tenant's flood does to its neighbour, and how much of it passes.
    Flood(Flood),
    /// Measure how exactly plans of several rates let messages pass.
    Quota(Quota),
    /// Send and receive, kill the process on the way, and compare the bill with what
    /// happened. Ends with 1 when it is not the same.
    Bill(Bill),
    /// Install the servers that Firn is compared with.
    Setup(ProgramArgs),
    /// The floor: a trivial HTTP handler with a group-commit log. `run` starts it.
    FloorServer {
        #[arg(long)]
        listen: SocketAddr,
        /// Folder for its files, which must exist.
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct ProgramArgs {
    /// The `firn` program.
    #[arg(long, default_value = "target/release/firn")]
    firn_bin: PathBuf,
    /// The `redis-server` program.
    #[arg(long, default_value = "redis-server")]
    redis_bin: PathBuf,
    /// The `nats-server` program [default: that of `setup`, else the one in PATH].
    #[arg(long)]
    nats_bin: Option<PathBuf>,
}

impl ProgramArgs {
    pub(crate) fn resolve(&self) -> Programs {
        Programs {
            firn: absolute(&self.firn_bin),
            redis: absolute(&self.redis_bin),
            nats: absolute(&self.nats_bin.clone().unwrap_or_else(setup::nats_program)),
        }
    }
}

/// Servers run in their own folders, so a path must not depend on ours; a bare name is
/// looked up in PATH.
fn absolute(program: &Path) -> PathBuf {
    program
        .canonicalize()
        .unwrap_or_else(|_| program.to_owned())
}

/// Where data and figures go.
#[derive(Args)]
pub(crate) struct Output {
    /// Folder for the servers' data; emptied of it at the end.
    #[arg(long, default_value = "./bench-data")]
    pub(crate) data: PathBuf,
    /// Also write everything measured to this file.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Run {
    /// The workload file [default: the built-in standard workload].
    #[arg(long, conflicts_with = "quick")]
    pub(crate) workload: Option<PathBuf>,
    /// The built-in short workload: one round, a second or two a cell.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Systems to measure.
    #[arg(long, value_delimiter = ',', default_value = "floor,firn,redis,nats")]
    pub(crate) systems: Vec<Kind>,
    /// Only cells whose name contains this.
    #[arg(long)]
    cells: Option<String>,
    /// Length of a cell's measurement, instead of the workload's.
    #[arg(long)]
    seconds: Option<f64>,
    /// Number of rounds, instead of the workload's.
    #[arg(long)]
    rounds: Option<usize>,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
}

impl Run {
    /// Lets flags win over the workload's file.
    pub(crate) fn apply(&self, workload: &mut Workload) {
        workload.seconds = self.seconds.unwrap_or(workload.seconds);
        workload.rounds = self.rounds.unwrap_or(workload.rounds);
        if let Some(part) = &self.cells {
            workload.cells.retain(|cell| cell.name.contains(part));
        }
    }
}

#[derive(Args)]
pub(crate) struct Idle {
    /// Number of brokers.
    #[arg(long, default_value_t = 10_000)]
    brokers: usize,
    /// Number of topics.
    #[arg(long, default_value_t = 100_000)]
    topics: usize,
    #[arg(long, default_value_t = 10)]
    brokers_per_instance: usize,
    #[arg(long, default_value_t = 10)]
    instances_per_tenant: usize,
    /// How long to leave it alone.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
}

impl Idle {
    pub(crate) fn census(&self) -> Census {
        Census {
            brokers: self.brokers,
            topics: self.topics,
            brokers_per_instance: self.brokers_per_instance,
            instances_per_tenant: self.instances_per_tenant,
        }
    }

    pub(crate) fn rest(&self) -> Duration {
        Duration::from_secs(self.seconds.max(1))
    }
}

#[derive(Args)]
pub(crate) struct Tier {
    /// The object store.
    #[arg(long, default_value = "s3")]
    store: tier::Kind,
    /// Answer of an S3 server after at least so many milliseconds.
    #[arg(long)]
    latency_ms: Option<u64>,
    /// MiB a second of one connection to an S3 server that is away.
    #[arg(long, default_value_t = 90)]
    connection_mib: u32,
    /// Bodies written, lost with the machine and caught up with, MiB.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Lengths of messages, each measured alone.
    #[arg(long, value_delimiter = ',', default_value = "1024,16384")]
    message_bytes: Vec<usize>,
    /// Bodies of the same filler written on top, MiB.
    #[arg(long, default_value_t = 7168)]
    sparse_mib: u64,
    /// Length of each measurement of the class `object`; 0 for none.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
}

impl Tier {
    pub(crate) fn plan(&self) -> Result<tier::Plan> {
        let lengths = body::HEAD_BYTES..=body::BODY_BYTES_MAX;
        let are_possible = self.message_bytes.iter().all(|n| lengths.contains(n));
        ensure!(are_possible, "a message has {lengths:?} bytes");
        Ok(tier::Plan {
            store: self.store,
            distance: self.latency_ms.map(|millis| tier::Distance {
                latency: Duration::from_millis(millis),
                bytes_per_second: f64::from(self.connection_mib.max(1)) * f64::from(1 << 20),
            }),
            mib: self.mib.max(1),
            message_bytes: self.message_bytes.clone(),
            sparse_mib: self.sparse_mib,
            window: Duration::from_secs(self.seconds),
        })
    }
}

#[derive(Args)]
pub(crate) struct Waiting {
    /// Delayed messages.
    #[arg(long, default_value_t = 1_000_000)]
    delayed: u64,
    /// Time within which they are due.
    #[arg(long, default_value_t = 120)]
    due_seconds: u64,
    /// Messages that fail and wait for their redelivery.
    #[arg(long, default_value_t = 100_000)]
    failing: u64,
    #[arg(long, default_value_t = 256)]
    body_bytes: usize,
    /// Sends a second of another tenant beside it, over one connection: few enough that
    /// one does not wait for the one before.
    #[arg(long, default_value_t = 100)]
    neighbour_rate: u64,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
}

impl Waiting {
    pub(crate) fn plan(&self) -> waiting::Plan {
        waiting::Plan {
            delayed: self.delayed.max(1),
            due_within: Duration::from_secs(self.due_seconds.max(1)),
            failing: self.failing,
            body_bytes: self.body_bytes,
            neighbour_rate: self.neighbour_rate.max(1),
        }
    }
}

#[derive(Args)]
pub(crate) struct Flood {
    /// Messages a second that the flooding tenant may send; it tries ten times as many.
    /// 0: no limit, and it sends as fast as it can.
    #[arg(long, default_value_t = 5000)]
    tps: u64,
    /// Connections of the flood.
    #[arg(long, default_value_t = 16)]
    connections: u64,
    /// Messages of the flood's larger requests.
    #[arg(long, default_value_t = 100)]
    batch: u64,
    /// What makes a send durable.
    #[arg(long, default_value = "local")]
    durability: flood::Durability,
    #[arg(long, default_value_t = 256)]
    body_bytes: usize,
    /// Sends a second of another tenant beside it.
    #[arg(long, default_value_t = 500)]
    neighbour_rate: u64,
    /// Of each phase.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
}

impl Flood {
    pub(crate) fn plan(&self) -> flood::Plan {
        flood::Plan {
            tps: self.tps,
            offered: 10 * self.tps,
            connections: self.connections.max(1),
            batch: self.batch.max(1),
            durability: self.durability,
            body_bytes: self.body_bytes,
            neighbour_rate: self.neighbour_rate.max(1),
            phase: Duration::from_secs(self.seconds.max(1)),
        }
    }
}

#[derive(Args)]
pub(crate) struct Quota {
    /// Messages a second of the plans.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,5000,20000")]
    tps: Vec<u64>,
    #[arg(long, default_value_t = 256)]
    body_bytes: usize,
    /// Of each measurement.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
}

impl Quota {
    pub(crate) fn plan(&self) -> quota::Plan {
        quota::Plan {
            tps: self.tps.iter().map(|tps| *tps.max(&1)).collect(),
            body_bytes: self.body_bytes,
            phase: Duration::from_secs(self.seconds.max(1)),
        }
    }
}

#[derive(Args)]
pub(crate) struct Bill {
    /// Messages to send at least.
    #[arg(long, default_value_t = 300_000)]
    messages: u64,
    /// How often the process is killed while it is sent to.
    #[arg(long, default_value_t = 2)]
    kills: u64,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
}

impl Bill {
    pub(crate) fn plan(&self) -> bill::Plan {
        bill::Plan {
            messages: self.messages.max(1),
            kills: self.kills,
        }
    }
}

/// Writes `value` to `file`, if there is one.
pub(crate) fn write_json(file: Option<&Path>, value: &impl Serialize) -> Result<()> {
    let Some(file) = file else {
        return Ok(());
    };
    let text = serde_json::to_vec_pretty(value).context("write JSON")?;
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}
