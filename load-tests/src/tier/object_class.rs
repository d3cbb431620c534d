//! Sends of the durability class `object`: each waits for the object store.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::bucket::Bucket;
use super::{Plan, catch_up_with};
use crate::driver::firn::Starting;
use crate::driver::firn::bootstrap;
use crate::driver::{Programs, System as _};
use crate::generator::{Figures, closed};
use crate::process::DataFolder;
use crate::verify::{Ledger, Verdict};

const MESSAGE_BYTES: usize = 1 << 10;
/// What a WAL object of a lone send is like.
const PLAIN_PUT_BYTES: usize = 4 << 10;
const PLAIN_WINDOW: Duration = Duration::from_secs(2);
const LOADS: [(usize, usize); 5] = [(1, 1), (64, 1), (256, 1), (1024, 1), (16, 100)];
const MESSAGES_MAX: u64 = 1 << 20;

/// What was found.
#[derive(Debug, Serialize)]
pub struct ObjectClass {
    /// A put of 4 KiB without Firn, one after the other: half of them and 99 % took less.
    pub put_p50_us: f64,
    pub put_p99_us: f64,
    pub cells: Vec<Cell>,
}

/// One closed loop.
#[derive(Debug, Serialize)]
pub struct Cell {
    pub in_flight: usize,
    pub batch: usize,
    pub figures: Figures,
    /// WAL objects put for a thousand messages.
    pub puts_per_thousand: f64,
    pub verdict: Verdict,
}

impl ObjectClass {
    pub(super) fn has_faults(&self) -> bool {
        !self.cells.iter().all(|cell| cell.verdict.is_clean())
    }
}

pub(super) async fn run(
    plan: &Plan,
    programs: &Programs,
    data: &DataFolder,
) -> Result<ObjectClass> {
    let mut cells = Vec::new();
    let mut put_us = (0.0, 0.0);
    for (number, (in_flight, batch)) in LOADS.into_iter().enumerate() {
        let folder = data.fresh("class")?;
        let bucket = Bucket::start(plan.store, plan.distance, &folder)?;
        if number == 0 {
            let latency = bucket.put_alone(PLAIN_PUT_BYTES, PLAIN_WINDOW).await?;
            put_us = (latency.micros_at(0.5), latency.micros_at(0.99));
        }
        let machine = folder.join("machine");
        fs::create_dir(&machine).context("create the server's folder")?;
        let file = bootstrap::single("object");
        fs::write(machine.join(bootstrap::FILE), file).context("write the bootstrap file")?;
        let starting = Starting::spawn(&programs.firn, machine, bucket.cold())?;
        let firn = starting.ready().await?;
        let loop_plan = closed::Plan {
            in_flight,
            batch,
            message_bytes: MESSAGE_BYTES,
            warmup: Duration::from_secs(1),
            window: plan.window,
            messages_max: MESSAGES_MAX,
        };
        let books = Rc::new(RefCell::new(Ledger::new(number as u32 + 100, in_flight)));
        let figures = closed::run(&firn, &loop_plan, &books).await?;
        let puts = firn.metric("firn_storage_wal_objects_total", "").await?;
        let sent = books.borrow().sent();
        catch_up_with(&firn, 1, MESSAGE_BYTES, &books).await?;
        let verdict = books.borrow().verdict();
        eprintln!(
            "class object, {in_flight} × {batch}: {:.0}/s, {verdict}",
            figures.rate
        );
        cells.push(Cell {
            in_flight,
            batch,
            figures,
            puts_per_thousand: puts * 1000.0 / sent as f64,
            verdict,
        });
        firn.into_process().stop().await?;
    }
    Ok(ObjectClass {
        put_p50_us: put_us.0,
        put_p99_us: put_us.1,
        cells,
    })
}
