//! A run: every cell of the workload, every system in turn, so many rounds.
//!
//! Owns the order of things: each cell starts a fresh server, loads it, checks what it
//! kept, and ends it, so only one server is alive at a time and noise of the machine
//! hits all systems alike. Leaves measuring to generators and showing to the report.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::driver::firn::Firn;
use crate::driver::floor::Floor;
use crate::driver::nats::Nats;
use crate::driver::redis::Redis;
use crate::driver::{Kind, Place, Programs, System};
use crate::generator::{Books, Figures, backlog, closed, open};
use crate::machine::Machine;
use crate::process::DataFolder;
use crate::verify::{Ledger, Verdict};
use crate::workload::{Cell, Load, Workload};
use crate::{clock, disk};

const PROBE: Duration = Duration::from_secs(2);
/// Each stage of a cell has its own limit, so that one which is stuck is named.
const START_LIMIT: Duration = Duration::from_secs(150);
/// For filling and checking, besides the cell's declared time.
const LOAD_EXTRA_LIMIT: Duration = Duration::from_secs(300);
/// Connections and messages a request of filling a backlog.
const FILL_IN_FLIGHT: usize = 16;
const FILL_BATCH: usize = 100;
const CHECK_RECEIVE_MAX: usize = firn_protocol::limits::RECEIVE_MESSAGES_MAX;

/// Everything a run found.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub machine: Machine,
    pub workload: Workload,
    /// The systems measured and their versions, in order.
    pub systems: Vec<(Kind, String)>,
    /// Those left out, and why.
    pub skipped: Vec<(Kind, String)>,
    pub disk_before: disk::SyncRate,
    pub disk_after: disk::SyncRate,
    pub samples: Vec<Sample>,
}

/// One cell of one system in one round.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    pub cell: String,
    pub system: Kind,
    pub round: usize,
    #[serde(flatten)]
    pub result: CellResult,
}

/// How one cell went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CellResult {
    /// What was measured, and whether the messages came back as they were sent; no
    /// verdict for systems without consumers.
    Measured {
        figures: Figures,
        verdict: Option<Verdict>,
    },
    /// The system cannot do this.
    NotApplicable,
    /// It went wrong; the chain of causes.
    Failed(String),
}

impl Outcome {
    /// Whether anything failed or came back other than it was sent.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        self.samples.iter().any(|sample| match &sample.result {
            CellResult::Measured { verdict, .. } => verdict.is_some_and(|v| !v.is_clean()),
            CellResult::NotApplicable => false,
            CellResult::Failed(_) => true,
        })
    }
}

/// Runs the cells of `workload` on those of `kinds` that are installed.
///
/// # Errors
/// The data folder cannot be used, or no system is installed. What goes wrong with one
/// system is in its samples instead.
pub async fn run(
    workload: Workload,
    kinds: &[Kind],
    programs: &Programs,
    data_root: &Path,
) -> Result<Outcome> {
    let machine = Machine::describe();
    let data = DataFolder::create(data_root)?;
    let (mut systems, mut skipped) = (Vec::new(), Vec::new());
    for kind in kinds {
        match programs.version(*kind) {
            Ok(version) => systems.push((*kind, version)),
            Err(reason) => {
                eprintln!("SKIPPED {}: {reason}", kind.name());
                skipped.push((*kind, reason));
            }
        }
    }
    ensure!(!systems.is_empty(), "no system to measure is installed");
    let place = Place {
        data: &data,
        programs,
    };
    let disk_before = disk::probe(data.path(), PROBE)?;
    let mut samples = Vec::new();
    for round in 0..workload.rounds {
        for (number, cell) in workload.cells.iter().enumerate() {
            let id = (round * workload.cells.len() + number) as u32;
            for (kind, _) in &systems {
                let result = run_one(*kind, &place, &workload, cell, id).await;
                announce(round, cell, *kind, &result);
                samples.push(Sample {
                    cell: cell.name.clone(),
                    system: *kind,
                    round,
                    result,
                });
            }
        }
    }
    let disk_after = disk::probe(data.path(), PROBE)?;
    Ok(Outcome {
        machine,
        workload,
        systems,
        skipped,
        disk_before,
        disk_after,
        samples,
    })
}

fn announce(round: usize, cell: &Cell, kind: Kind, result: &CellResult) {
    let text = match result {
        CellResult::Measured { figures, verdict } => {
            let verdict = verdict.map_or("answers checked".to_owned(), |v| v.to_string());
            format!("{:.0} msg/s, {verdict}", figures.rate)
        }
        CellResult::NotApplicable => "not applicable".to_owned(),
        CellResult::Failed(error) => format!("FAILED: {error}"),
    };
    eprintln!(
        "round {}, {}, {}: {text}",
        round + 1,
        cell.name,
        kind.name()
    );
}

async fn run_one(
    kind: Kind,
    place: &Place<'_>,
    workload: &Workload,
    cell: &Cell,
    id: u32,
) -> CellResult {
    let result = match kind {
        Kind::Floor => run_cell::<Floor>(place, workload, cell, id).await,
        Kind::Firn => run_cell::<Firn>(place, workload, cell, id).await,
        Kind::Redis => run_cell::<Redis>(place, workload, cell, id).await,
        Kind::Nats => run_cell::<Nats>(place, workload, cell, id).await,
    };
    result.unwrap_or_else(|error| CellResult::Failed(format!("{error:#}")))
}

async fn run_cell<S: System>(
    place: &Place<'_>,
    workload: &Workload,
    cell: &Cell,
    id: u32,
) -> Result<CellResult> {
    let limit = workload.warmup() + workload.window() + LOAD_EXTRA_LIMIT;
    let system = clock::within(START_LIMIT, "starting", S::start(place)).await?;
    let loaded = load(&system, workload, cell, id);
    let result = clock::within(limit, "loading and checking", loaded).await;
    let disk_mib = system.process().disk_bytes() >> 20;
    let mut process = system.into_process();
    process.check_alive()?;
    process.stop().await.context("stop")?;
    ensure!(
        disk_mib <= workload.disk_mib_max,
        "{disk_mib} MiB on disk, more than disk_mib_max"
    );
    result
}

async fn load<S: System>(
    system: &S,
    workload: &Workload,
    cell: &Cell,
    id: u32,
) -> Result<CellResult> {
    let books = |producers| Rc::new(RefCell::new(Ledger::new(id, producers)));
    match cell.load {
        Load::Send { in_flight, batch } => {
            let plan = closed::Plan {
                in_flight,
                batch,
                message_bytes: workload.message_bytes,
                warmup: workload.warmup(),
                window: workload.window(),
                messages_max: workload.messages_max(),
            };
            let books = books(in_flight);
            let figures = closed::run(system, &plan, &books).await?;
            let verdict = check(system, &books).await.context("check what was kept")?;
            Ok(CellResult::Measured { figures, verdict })
        }
        Load::Receive { messages, max } => {
            receive(system, workload, messages, max, &books(FILL_IN_FLIGHT)).await
        }
        Load::EndToEnd {
            rate,
            connections,
            max,
        } => {
            let Some(mut consumer) = system.consumer().await? else {
                return Ok(CellResult::NotApplicable);
            };
            let plan = open::Plan {
                rate,
                connections,
                message_bytes: workload.message_bytes,
                receive_max: max,
                warmup: workload.warmup(),
                window: workload.window(),
            };
            let books = books(connections);
            let figures = open::run(system, &mut consumer, &plan, &books).await?;
            let verdict = Some(books.borrow().verdict());
            Ok(CellResult::Measured { figures, verdict })
        }
    }
}

async fn receive<S: System>(
    system: &S,
    workload: &Workload,
    messages: u64,
    max: usize,
    books: &Books,
) -> Result<CellResult> {
    let Some(mut consumer) = system.consumer().await? else {
        return Ok(CellResult::NotApplicable);
    };
    let plan = closed::Plan {
        in_flight: FILL_IN_FLIGHT,
        batch: FILL_BATCH,
        message_bytes: workload.message_bytes,
        warmup: workload.warmup(),
        window: workload.window(),
        messages_max: messages.min(workload.messages_max()),
    };
    closed::fill(system, &plan, books).await.context("fill")?;
    let figures = backlog::drain(system, std::slice::from_mut(&mut consumer), max, books).await?;
    let verdict = Some(books.borrow().verdict());
    Ok(CellResult::Measured { figures, verdict })
}

/// Receives all that a send cell left, to see that it is what was sent.
async fn check<S: System>(system: &S, books: &Books) -> Result<Option<Verdict>> {
    let Some(mut consumer) = system.consumer().await? else {
        return Ok(None);
    };
    backlog::drain(
        system,
        std::slice::from_mut(&mut consumer),
        CHECK_RECEIVE_MAX,
        books,
    )
    .await?;
    Ok(Some(books.borrow().verdict()))
}
