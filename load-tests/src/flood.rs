//! What a tenant's flood does to its neighbour, and how much of it passes (RELIABILITY
//! R13): one sends ten times what its plan lets pass, in several ways, and another a
//! little beside it. With a plan that limits nothing, only the node itself stands
//! between the two.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde::Serialize;

use crate::beside::{Caller, Neighbour};
use crate::clock;
use crate::driver::firn::{Cold, Starting, bootstrap};
use crate::driver::{Kind, Programs, System as _};
use crate::machine::Machine;
use crate::process::DataFolder;
use crate::table;

/// Connections of the neighbour.
const BESIDE: u64 = 4;

/// How much of what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Plan {
    /// Messages a second that the flooding tenant may send; 0 for no limit.
    pub tps: u64,
    /// That it tries to send; 0 for as many as it can.
    pub offered: u64,
    /// Connections of the flood.
    pub connections: u64,
    /// Messages of the larger requests.
    pub batch: u64,
    /// The durability class of both.
    pub durability: Durability,
    pub body_bytes: usize,
    pub neighbour_rate: u64,
    pub phase: Duration,
}

/// What makes a send durable.
#[derive(Clone, Copy, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The node's log.
    Local,
    /// The object store.
    Object,
}

impl Durability {
    fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Object => "object",
        }
    }
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub version: String,
    pub plan: Plan,
    pub phases: Vec<Phase>,
}

/// A part of the run.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    pub name: &'static str,
    pub seconds: f64,
    /// Messages of the flood, a second.
    pub offered: f64,
    pub accepted: f64,
    /// Requests of the flood that the node was too busy for, a second.
    pub overloaded: f64,
    /// Sends of the neighbour that were answered, a second.
    pub neighbour_rate: f64,
    /// And that were refused, all together.
    pub neighbour_refused: u64,
    /// A neighbour's send, microseconds: half of them, and 99 of 100, were faster.
    pub neighbour_micros: [f64; 2],
}

/// Runs the plan.
///
/// # Errors
/// Firn is not there or fails, or lets more pass than it should.
pub async fn run(plan: Plan, programs: &Programs, data_root: &Path) -> Result<Report> {
    let version = programs.version(Kind::Firn).map_err(anyhow::Error::msg)?;
    let data = DataFolder::create(data_root)?;
    let folder = data.fresh("firn")?;
    let file = folder.join(bootstrap::FILE);
    fs::write(file, bootstrap::flood(plan.tps, plan.durability.as_str()))
        .context("write the bootstrap file")?;
    let firn = Starting::spawn(&programs.firn, folder, &Cold::default())?
        .ready()
        .await?;
    let address = firn.http_address();
    let neighbour = Neighbour::default();
    let beside = neighbour.start(address, plan.neighbour_rate, BESIDE);
    // What a process pays once.
    clock::sleep(Duration::from_secs(3)).await;
    let mut phases = Vec::new();
    for (name, batch) in [
        ("alone", 0),
        ("single sends", 1),
        ("batches", plan.batch),
        ("alone again", 0),
    ] {
        neighbour.start_over();
        let begin = clock::now();
        let flooded = match batch {
            0 => {
                clock::sleep(plan.phase).await;
                Flooded::default()
            }
            batch => flood(address, plan, batch).await?,
        };
        let seconds = clock::now().duration_since(begin).as_secs_f64();
        let most = plan.tps as f64 * (seconds + 0.1);
        let accepted = flooded.accepted;
        ensure!(
            plan.tps == 0 || accepted as f64 <= most,
            "{accepted} passed, at most {most:.0} should"
        );
        let latency = neighbour.latency();
        phases.push(Phase {
            name,
            seconds,
            offered: flooded.offered as f64 / seconds,
            accepted: accepted as f64 / seconds,
            overloaded: flooded.overloaded as f64 / seconds,
            neighbour_rate: latency.count() as f64 / seconds,
            neighbour_refused: neighbour.refused(),
            neighbour_micros: [0.5, 0.99].map(|share| latency.micros_at(share)),
        });
    }
    neighbour.end(beside)?;
    firn.into_process().stop().await?;
    Ok(Report {
        machine: Machine::describe(),
        version,
        plan,
        phases,
    })
}

/// What became of a flood.
#[derive(Clone, Copy, Default)]
struct Flooded {
    /// Messages.
    offered: u64,
    accepted: u64,
    /// Requests.
    overloaded: u64,
}

/// Sends as much as is to be offered, or as fast as it goes.
async fn flood(address: SocketAddr, plan: Plan, batch: u64) -> Result<Flooded> {
    let entry = format!(r#"{{"body":"{}"}}"#, "x".repeat(plan.body_bytes));
    let entries = vec![entry; usize::try_from(batch)?].join(",");
    let request = format!(r#"{{"messages":[{entries}]}}"#).into_bytes();
    let begin = clock::now();
    let (turns, flooded) = (Cell::new(0_u64), Cell::new(Flooded::default()));
    let parts = (0..plan.connections).map(|_| async {
        let mut caller = Caller::connect(address).await?;
        while clock::now().duration_since(begin) < plan.phase {
            let turn = turns.get();
            turns.set(turn + 1);
            let after = (turn * batch * 1_000_000_000).checked_div(plan.offered);
            let due = begin + Duration::from_nanos(after.unwrap_or(0));
            clock::sleep(due.saturating_duration_since(clock::now())).await;
            let (status, answer) = caller.ask(bootstrap::FLOOD, &request).await?;
            ensure!(matches!(status, 200 | 429 | 503), "answered {status}");
            let text = std::str::from_utf8(&answer)?;
            let mut sum = flooded.get();
            sum.offered += batch;
            sum.accepted += text.matches("\"messageId\"").count() as u64;
            sum.overloaded += u64::from(status == 503);
            flooded.set(sum);
        }
        Ok(())
    });
    try_join_all(parts).await?;
    Ok(flooded.get())
}

/// The report as text.
#[must_use]
pub fn render(report: &Report) -> String {
    let plan = match report.plan.tps {
        0 => "a plan without a limit".to_owned(),
        tps => format!("a plan of {tps} messages a second"),
    };
    let what = format!("{plan}, {} a second beside it", report.plan.neighbour_rate);
    let header = [
        "flood",
        "took",
        "offered a second",
        "passed a second",
        "overloaded a second",
        "neighbour a second",
        "refused",
        "neighbour p50",
        "neighbour p99",
    ];
    let rows = report.phases.iter().map(|phase| {
        let [half, most] = phase.neighbour_micros;
        vec![
            phase.name.to_owned(),
            table::seconds(phase.seconds),
            format!("{:.0}", phase.offered),
            format!("{:.0}", phase.accepted),
            format!("{:.0}", phase.overloaded),
            format!("{:.0}", phase.neighbour_rate),
            phase.neighbour_refused.to_string(),
            table::millis(half),
            table::millis(most),
        ]
    });
    table::report(&report.machine, &report.version, &what, &header, rows)
}
