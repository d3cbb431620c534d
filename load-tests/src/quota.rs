//! How exactly plans let messages pass (RULES 25): sends one at a time, in batches, and
//! receives, each asked for at twice the plan's rate at least.
//!
//! Owns one run of Firn with an instance for each plan. A plan's first burst is let pass
//! before it is measured; that no more than `rate * time + burst` passed is checked from
//! the first call on.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde::Serialize;
use serde_json::{Value, json};

use crate::beside::Caller;
use crate::clock;
use crate::driver::firn::{Cold, Starting, bootstrap};
use crate::driver::{Kind, Programs, System as _};
use crate::machine::Machine;
use crate::process::DataFolder;
use crate::table;

const CONNECTIONS: u64 = 16;
/// In which a plan's first burst passes.
const LEAD: Duration = Duration::from_secs(1);
const BATCH: u64 = 100;
/// Calls a second at least: what comes between two calls has to fit the burst of 0.1 s.
const CALLS_MIN: u64 = 50;

/// How much of what.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Messages a second of each plan.
    pub tps: Vec<u64>,
    pub body_bytes: usize,
    /// Of each measurement.
    pub phase: Duration,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub version: String,
    pub plan: Plan,
    pub rows: Vec<Row>,
}

/// One way of asking for messages, under one plan.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    pub tps: u64,
    pub way: Way,
    /// Messages a second that were asked for.
    pub asked: f64,
    pub passed: f64,
    pub off_percent: f64,
}

/// How messages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Way {
    Single,
    Batch,
    Receive,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "single sends",
            Self::Batch => "batches of 100",
            Self::Receive => "receives of 100",
        }
    }

    /// Messages of one call.
    fn messages(self) -> u64 {
        match self {
            Self::Single => 1,
            Self::Batch | Self::Receive => BATCH,
        }
    }
}

/// What was asked for and what passed so far.
struct Counter {
    begin: Instant,
    until: Instant,
    turns: Cell<u64>,
    asked: Cell<u64>,
    passed: Cell<u64>,
    /// Before the measurement began.
    early: Cell<[u64; 2]>,
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
    fs::write(file, bootstrap::plans(&plan.tps)).context("write the bootstrap file")?;
    let firn = Starting::spawn(&programs.firn, folder, &Cold::default())?
        .ready()
        .await?;
    let mut rows = Vec::new();
    for tps in &plan.tps {
        for way in [Way::Single, Way::Batch, Way::Receive] {
            rows.push(measure(firn.http_address(), &plan, *tps, way).await?);
        }
    }
    firn.into_process().stop().await?;
    Ok(Report {
        machine: Machine::describe(),
        version,
        plan,
        rows,
    })
}

async fn measure(address: SocketAddr, plan: &Plan, tps: u64, way: Way) -> Result<Row> {
    // What the one before took has come back.
    clock::sleep(LEAD).await;
    let begin = clock::now();
    let counter = Counter {
        begin,
        until: begin + LEAD + plan.phase,
        turns: Cell::new(0),
        asked: Cell::new(0),
        passed: Cell::new(0),
        early: Cell::new([0; 2]),
    };
    let entry = json!({"body": "x".repeat(plan.body_bytes)});
    let entries = vec![entry; usize::try_from(way.messages())?];
    let send = serde_json::to_vec(&json!({ "messages": entries }))?;
    let calls = (2 * tps / way.messages()).max(CALLS_MIN);
    let parts = (0..CONNECTIONS).map(|_| async {
        let mut caller = Caller::connect(address).await?;
        while let Some(at) = counter.turn(calls) {
            clock::sleep(at.saturating_duration_since(clock::now())).await;
            let passed = match way {
                Way::Single | Way::Batch => send_once(&mut caller, tps, &send).await?,
                Way::Receive => receive_once(&mut caller, tps).await?,
            };
            counter.count(way.messages(), passed);
        }
        Ok::<_, anyhow::Error>(())
    });
    try_join_all(parts).await?;
    let whole = clock::now().duration_since(begin).as_secs_f64();
    let most = tps as f64 * (whole + bootstrap::BURST_SECONDS) + 1.0;
    let passed = counter.passed.get();
    ensure!(
        passed as f64 <= most,
        "{} of a plan of {tps}: {passed} passed, at most {most:.0} should",
        way.name()
    );
    let seconds = whole - LEAD.as_secs_f64();
    let [asked_early, passed_early] = counter.early.get();
    let passed = (passed - passed_early) as f64 / seconds;
    Ok(Row {
        tps,
        way,
        asked: (counter.asked.get() - asked_early) as f64 / seconds,
        passed,
        off_percent: 100.0 * (passed / tps as f64 - 1.0),
    })
}

impl Counter {
    /// When the next call is due; none when the time is over.
    fn turn(&self, calls: u64) -> Option<Instant> {
        let turn = self.turns.get();
        self.turns.set(turn + 1);
        let at = self.begin + Duration::from_nanos(turn * 1_000_000_000 / calls);
        (at.max(clock::now()) < self.until).then_some(at)
    }

    fn count(&self, asked: u64, passed: u64) {
        self.asked.set(self.asked.get() + asked);
        self.passed.set(self.passed.get() + passed);
        if clock::now() < self.begin + LEAD {
            self.early.set([self.asked.get(), self.passed.get()]);
        }
    }
}

async fn send_once(caller: &mut Caller, tps: u64, request: &[u8]) -> Result<u64> {
    let path = format!("{}/topics/quota/messages", bootstrap::plan_name(tps));
    let (status, answer) = caller.ask(&path, request).await?;
    ensure!(matches!(status, 200 | 429), "a send: {status}");
    let text = std::str::from_utf8(&answer)?;
    Ok(text.matches("\"messageId\"").count() as u64)
}

async fn receive_once(caller: &mut Caller, tps: u64) -> Result<u64> {
    let base = format!("{}/groups/quota/topics/quota", bootstrap::plan_name(tps));
    let request = format!(r#"{{"max":{BATCH},"invisibleSeconds":600}}"#);
    let path = format!("{base}/receive");
    let (status, answer) = caller.ask(&path, request.as_bytes()).await?;
    if status == 429 {
        return Ok(0);
    }
    ensure!(status == 200, "a receive: {status}");
    let answer: Value = serde_json::from_slice(&answer)?;
    let messages = answer["messages"].as_array().context("a list")?;
    let handles: Vec<&Value> = messages.iter().map(|one| &one["receiptHandle"]).collect();
    if !handles.is_empty() {
        let request = serde_json::to_vec(&json!({ "receiptHandles": handles }))?;
        caller.post(&format!("{base}/ack"), &request).await?;
    }
    Ok(messages.len() as u64)
}

/// The report as text.
#[must_use]
pub fn render(report: &Report) -> String {
    let what = format!(
        "{} s of each, after a second; {} bytes, load average {} at the end",
        report.plan.phase.as_secs(),
        report.plan.body_bytes,
        report.machine.load,
    );
    let header = [
        "plan",
        "asked for as",
        "asked a second",
        "passed a second",
        "off",
    ];
    let rows = report.rows.iter().map(|row| {
        vec![
            row.tps.to_string(),
            row.way.name().to_owned(),
            format!("{:.0}", row.asked),
            format!("{:.1}", row.passed),
            format!("{:+.2} %", row.off_percent),
        ]
    });
    table::report(&report.machine, &report.version, &what, &header, rows)
}
