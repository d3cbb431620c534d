//! What a deployment costs that nobody uses: start time, memory and CPU with many idle
//! brokers and topics.
//!
//! Starts Firn twice on the same data: first with everything in the bootstrap file still
//! to be created, then as it would restart. Only the second is what a deployment sees.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::clock;
use crate::driver::firn::bootstrap::{self, Census};
use crate::driver::firn::{Cold, Firn, Starting};
use crate::driver::{Kind, Programs, System};
use crate::machine::{self, Machine};
use crate::process::DataFolder;
use crate::table;

/// One start.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    /// From starting the process to its being ready.
    pub start_seconds: f64,
    /// Memory when ready, and after the idle time, MiB.
    pub ready_mib: f64,
    pub idle_mib: f64,
    /// CPU time from starting the process to its being ready.
    pub start_cpu_seconds: f64,
    /// CPU time over the idle time, as a share of one core, percent.
    pub idle_cpu_percent: f64,
    /// Bytes on disk, MiB.
    pub disk_mib: u64,
}

/// Both starts, and of what.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub version: String,
    pub brokers: usize,
    pub topics: usize,
    pub instances: usize,
    pub first: Idle,
    pub second: Idle,
}

/// Starts Firn with `census`, leaves it alone for `rest`, and again.
///
/// # Errors
/// Firn is not there, or does not get ready.
pub async fn run(
    census: Census,
    rest: Duration,
    programs: &Programs,
    data_root: &Path,
) -> Result<Report> {
    let version = programs.version(Kind::Firn).map_err(anyhow::Error::msg)?;
    let data = DataFolder::create(data_root)?;
    let folder = data.fresh("firn")?;
    fs::write(folder.join(bootstrap::FILE), census.bootstrap()?)
        .context("write the bootstrap file")?;
    let (first, firn) = observe(&programs.firn, &folder, rest).await?;
    let folder = firn.into_process().stop_keeping_data().await?;
    let (second, firn) = observe(&programs.firn, &folder, rest).await?;
    firn.into_process().stop().await?;
    Ok(Report {
        machine: Machine::describe(),
        version,
        brokers: census.brokers,
        topics: census.topics,
        instances: census.instances(),
        first,
        second,
    })
}

async fn observe(program: &Path, folder: &Path, rest: Duration) -> Result<(Idle, Firn)> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let begin = clock::now();
    let firn = Starting::spawn(program, folder.to_owned(), &Cold::default())?
        .ready()
        .await?;
    let start = clock::now().duration_since(begin);
    let pid = firn.process().pid();
    let start_cpu = machine::cpu_time(pid)?;
    let ready_mib = mib(machine::resident_bytes(pid)?);
    clock::sleep(rest).await;
    let used = machine::cpu_time(pid)?.saturating_sub(start_cpu);
    let idle = Idle {
        start_seconds: start.as_secs_f64(),
        ready_mib,
        idle_mib: mib(machine::resident_bytes(pid)?),
        start_cpu_seconds: start_cpu.as_secs_f64(),
        idle_cpu_percent: 100.0 * used.as_secs_f64() / rest.as_secs_f64(),
        disk_mib: firn.process().disk_bytes() >> 20,
    };
    Ok((idle, firn))
}

/// The report as text.
#[must_use]
pub fn render(report: &Report) -> String {
    let what = format!(
        "{} brokers, {} topics, {} instances, all idle",
        report.brokers, report.topics, report.instances
    );
    let header = [
        "start",
        "ready after",
        "CPU for it",
        "RSS ready",
        "RSS idle",
        "idle CPU",
        "disk",
    ];
    let rows = [("first", report.first), ("again", report.second)];
    let rows = rows.map(|(name, idle)| {
        vec![
            name.to_owned(),
            format!("{:.2} s", idle.start_seconds),
            format!("{:.2} s", idle.start_cpu_seconds),
            format!("{:.0} MiB", idle.ready_mib),
            format!("{:.0} MiB", idle.idle_mib),
            format!("{:.2} %", idle.idle_cpu_percent),
            format!("{} MiB", idle.disk_mib),
        ]
    });
    table::report(&report.machine, &report.version, &what, &header, rows)
}
