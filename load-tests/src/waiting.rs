//! What waiting messages cost: very many delayed ones and very many that failed, in
//! memory and in a neighbour's latency; and how late delayed ones come.
//!
//! Owns one run of Firn with two tenants. What is delivered is counted; nothing may be
//! early.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde::Serialize;
use serde_json::{Value, json};

use crate::beside::{Caller, Neighbour};
use crate::clock;
use crate::driver::firn::{Cold, Firn, Starting, bootstrap};
use crate::driver::{Kind, Programs, System as _};
use crate::machine::{self, Machine};
use crate::process::DataFolder;
use crate::stats::Latency;
use crate::table;

const CONNECTIONS: u64 = 4;
const BATCH: u64 = 1000;
const RECEIVE_MAX: usize = firn_protocol::limits::RECEIVE_MESSAGES_MAX;
/// Time for the delayed messages to be sent before the first is due.
const LEAD: Duration = Duration::from_secs(90);
const LIMIT: Duration = Duration::from_secs(600);

/// How much of what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Plan {
    pub delayed: u64,
    /// They are due within this time, evenly.
    pub due_within: Duration,
    pub failing: u64,
    pub body_bytes: usize,
    /// Sends a second of the neighbour.
    pub neighbour_rate: u64,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub version: String,
    pub plan: Plan,
    pub phases: Vec<Phase>,
    pub delivered: u64,
    /// Milliseconds from the due time to the time of being stored in the queue.
    pub late_ms: [f64; 3],
}

/// A part of the run.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    pub name: &'static str,
    pub seconds: f64,
    /// Of the main work, a second.
    pub rate: f64,
    /// Memory at its end.
    pub resident_mib: f64,
    /// A neighbour's send, microseconds: half of them, and 99 of 100, were faster.
    pub neighbour_micros: [f64; 2],
}

/// Runs the plan.
///
/// # Errors
/// Firn is not there, fails, loses a message or delivers one early.
pub async fn run(plan: Plan, programs: &Programs, data_root: &Path) -> Result<Report> {
    let version = programs.version(Kind::Firn).map_err(anyhow::Error::msg)?;
    let data = DataFolder::create(data_root)?;
    let folder = data.fresh("firn")?;
    fs::write(folder.join(bootstrap::FILE), bootstrap::waiting())
        .context("write the bootstrap file")?;
    let firn = Starting::spawn(&programs.firn, folder, &Cold::default())?
        .ready()
        .await?;
    let address = firn.http_address();
    let neighbour = Neighbour::default();
    let beside = neighbour.start(address, plan.neighbour_rate, 1);
    let mut phases = Vec::new();
    let mut bench = Bench {
        firn: &firn,
        neighbour: &neighbour,
        phases: &mut phases,
    };
    bench
        .phase("nothing", async {
            clock::sleep(Duration::from_secs(5)).await;
            Ok(0)
        })
        .await?;
    let first_due = clock::unix_millis() + LEAD.as_millis() as u64;
    bench
        .phase("sending delayed", hold_all(address, plan, first_due))
        .await?;
    bench.phase("failing", fail_all(address, plan)).await?;
    let late = Rc::new(RefCell::new(Latency::default()));
    let work = take_all(address, plan, late.clone());
    bench.phase("delivering delayed", work).await?;
    neighbour.end(beside)?;
    let (delivered, late_ms) = {
        let late = late.borrow();
        let parts = [0.5, 0.99, 1.0];
        (
            late.count(),
            parts.map(|share| late.micros_at(share) / 1000.0),
        )
    };
    let report = Report {
        machine: Machine::describe(),
        version,
        plan,
        phases,
        delivered,
        late_ms,
    };
    firn.into_process().stop().await?;
    Ok(report)
}

struct Bench<'a> {
    firn: &'a Firn,
    neighbour: &'a Neighbour,
    phases: &'a mut Vec<Phase>,
}

impl Bench<'_> {
    async fn phase(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<u64>>,
    ) -> Result<()> {
        self.neighbour.start_over();
        let begin = clock::now();
        let count = clock::within(LIMIT, name, work).await?;
        let seconds = clock::now().duration_since(begin).as_secs_f64();
        let latency = self.neighbour.latency();
        let resident = machine::resident_bytes(self.firn.process().pid())?;
        self.phases.push(Phase {
            name,
            seconds,
            rate: count as f64 / seconds,
            resident_mib: resident as f64 / f64::from(1 << 20),
            neighbour_micros: [0.5, 0.99].map(|share| latency.micros_at(share)),
        });
        Ok(())
    }
}

async fn hold_all(address: SocketAddr, plan: Plan, first_due: u64) -> Result<u64> {
    let body = "x".repeat(plan.body_bytes);
    let span = plan.due_within.as_millis() as u64;
    let parts = (0..CONNECTIONS).map(|part| {
        let body = &body;
        async move {
            let mut caller = Caller::connect(address).await?;
            let mut at = part * BATCH;
            while at < plan.delayed {
                let batch = (at..(at + BATCH).min(plan.delayed)).map(|n| {
                    let due = first_due + span * n / plan.delayed.max(1);
                    json!({"body": body, "deliverAt": due})
                });
                let batch: Vec<Value> = batch.collect();
                let request = serde_json::to_vec(&json!({"messages": batch}))?;
                caller.post(bootstrap::LATER, &request).await?;
                at += BATCH * CONNECTIONS;
            }
            Ok::<_, anyhow::Error>(())
        }
    });
    try_join_all(parts).await?;
    Ok(plan.delayed)
}

/// Sends messages, receives each and says that it failed.
async fn fail_all(address: SocketAddr, plan: Plan) -> Result<u64> {
    let body = "x".repeat(plan.body_bytes);
    let left = Cell::new(plan.failing);
    let parts = (0..CONNECTIONS).map(|_| async {
        let mut caller = Caller::connect(address).await?;
        while left.get() > 0 {
            let count = left.get().min(RECEIVE_MAX as u64);
            left.set(left.get() - count);
            let batch: Vec<Value> = (0..count).map(|_| json!({"body": body})).collect();
            let request = serde_json::to_vec(&json!({"messages": batch}))?;
            caller.post(bootstrap::FAILING, &request).await?;
            let mut taken = 0;
            while taken < count {
                let request = format!(r#"{{"max":{},"waitSeconds":5}}"#, count - taken);
                let answer = caller.post(&failing("receive"), request.as_bytes()).await?;
                let answer: Value = serde_json::from_slice(&answer)?;
                for message in answer["messages"].as_array().into_iter().flatten() {
                    taken += 1;
                    let handle = &message["receiptHandle"];
                    let request = json!({"receiptHandle": handle, "invisibleSeconds": 0});
                    let request = serde_json::to_vec(&request)?;
                    caller.post(&failing("visibility"), &request).await?;
                }
            }
        }
        Ok::<_, anyhow::Error>(())
    });
    try_join_all(parts).await?;
    Ok(plan.failing)
}

fn failing(verb: &str) -> String {
    format!("{}/{verb}", bootstrap::FAILING_GROUP)
}

/// Receives and acknowledges the delayed messages as they come.
async fn take_all(address: SocketAddr, plan: Plan, late: Rc<RefCell<Latency>>) -> Result<u64> {
    let parts = (0..CONNECTIONS).map(|_| {
        let late = late.clone();
        async move {
            let mut caller = Caller::connect(address).await?;
            while late.borrow().count() < plan.delayed {
                let path = |verb: &str| format!("{}/{verb}", bootstrap::LATER_GROUP);
                let request = format!(r#"{{"max":{RECEIVE_MAX},"waitSeconds":2}}"#);
                let answer = caller.post(&path("receive"), request.as_bytes()).await?;
                let answer: Value = serde_json::from_slice(&answer)?;
                let messages = answer["messages"].as_array().context("a list")?;
                let mut handles = Vec::with_capacity(messages.len());
                for message in messages {
                    let time = |field: &str| message[field].as_u64().context("a time");
                    let (due, stored) = (time("deliverAt")?, time("storeTimestamp")?);
                    ensure!(stored >= due, "a message came {} ms early", due - stored);
                    late.borrow_mut()
                        .record(Duration::from_millis(stored - due));
                    handles.push(&message["receiptHandle"]);
                }
                if !handles.is_empty() {
                    let request = serde_json::to_vec(&json!({"receiptHandles": handles}))?;
                    caller.post(&path("ack"), &request).await?;
                }
            }
            Ok::<_, anyhow::Error>(())
        }
    });
    try_join_all(parts).await?;
    let count = late.borrow().count();
    ensure!(count == plan.delayed, "{count} of {} came", plan.delayed);
    Ok(count)
}

/// The report as text.
#[must_use]
pub fn render(report: &Report) -> String {
    let plan = &report.plan;
    let what = format!(
        "{} delayed and {} failing messages of {} bytes",
        plan.delayed, plan.failing, plan.body_bytes,
    );
    let header = [
        "phase",
        "took",
        "a second",
        "RSS at its end",
        "neighbour p50",
        "neighbour p99",
    ];
    let rows = report.phases.iter().map(|phase| {
        let [half, most] = phase.neighbour_micros;
        vec![
            phase.name.to_owned(),
            table::seconds(phase.seconds),
            format!("{:.0}", phase.rate),
            format!("{:.0} MiB", phase.resident_mib),
            table::millis(half),
            table::millis(most),
        ]
    });
    let [half, most, all] = report.late_ms;
    let table = table::report(&report.machine, &report.version, &what, &header, rows);
    format!(
        "{table}\n{} delivered, none early; late by {half:.0} ms (p50), {most:.0} ms (p99), {all:.0} ms (all)\n",
        report.delivered,
    )
}
