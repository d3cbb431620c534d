//! What object storage costs and gives: sealing, catching up from it, a lost machine, a
//! restart with much of it, and the durability class `object`.
//!
//! Owns the order of things. One object store at a time; what Firn reads is set against
//! plain gets of the same objects in the same run.

mod bucket;
mod distance;
mod object_class;
mod reader;
mod report;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::body::SPARSE_RUNS;
use crate::clock;
use crate::driver::firn::bootstrap;
use crate::driver::firn::{Firn, Starting};
use crate::driver::{Kind as System, Programs, System as _};
use crate::generator::{Books, Figures, backlog, closed};
use crate::machine::{self, Machine};
use crate::process::DataFolder;
use crate::verify::{Ledger, Verdict};

pub use self::bucket::Kind;
use self::bucket::{Bucket, Census};
pub use self::distance::Distance;
pub use self::object_class::ObjectClass;
pub use self::reader::TierRead;
pub use self::report::render;

const FILL_IN_FLIGHT: usize = 16;
const FILL_BYTES: usize = 400 << 10;
const RECEIVE_MAX: usize = firn_protocol::limits::RECEIVE_MESSAGES_MAX;
/// What a reader of a store without Firn would ask for at a time.
const PLAIN_BLOCK: u64 = 8 << 20;
/// So many streams of plain gets, readers of the tier alone, and consumers.
const PLAIN_STREAMS: [usize; 2] = [1, 4];
const SPARSE_MESSAGE_BYTES: usize = 4 << 10;
const LIMIT: Duration = Duration::from_secs(600);

/// What is measured.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub store: Kind,
    /// How far away an S3 server is put.
    pub distance: Option<Distance>,
    /// Bodies written, lost with the machine and caught up with, MiB.
    pub mib: u64,
    /// Lengths of them, each measured alone.
    pub message_bytes: Vec<usize>,
    /// Bodies of the same filler written on top, MiB, to start again with more.
    pub sparse_mib: u64,
    /// Length of each measurement of the class `object`; 0 for none.
    pub window: Duration,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub version: String,
    pub plan: Plan,
    pub rounds: Vec<Round>,
    pub restarts: Vec<Restart>,
    pub object_class: Option<ObjectClass>,
}

/// One length of messages: written, sealed, lost with the machine, caught up with.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    pub message_bytes: usize,
    pub fill_seconds: f64,
    /// From SIGTERM to the end of the process: the rest is sealed.
    pub stop_seconds: f64,
    pub segments: usize,
    pub segment_mib: f64,
    /// `firn restore` into an empty directory, and the first start on it.
    pub restore_seconds: f64,
    pub ready_seconds: f64,
    pub ready_mib: f64,
    /// Plain ranged gets of all segments, one and several at a time, MiB in a second:
    /// before catching up and after it.
    pub plain: Vec<(usize, f64, f64)>,
    /// By as many readers as there were streams of plain gets.
    pub tier: Vec<TierRead>,
    /// Receive and ack over HTTP, by as many consumers.
    pub catch_up: Vec<CatchUp>,
}

/// Consumers that caught up with everything.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CatchUp {
    pub consumers: usize,
    pub figures: Figures,
    /// MiB of bodies in a second.
    pub mib_per_second: f64,
    /// What they read from the object store.
    pub gets: f64,
    pub read_mib: f64,
    pub verdict: Verdict,
}

/// A start after a clean stop.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Restart {
    /// Bodies written so far.
    pub cold_mib: u64,
    pub segments: usize,
    pub ready_seconds: f64,
    pub cpu_seconds: f64,
    pub ready_mib: f64,
}

impl Report {
    /// Whether a message came back other than it was sent.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        let mut caught_up = self.rounds.iter().flat_map(|round| &round.catch_up);
        !caught_up.all(|catch_up| catch_up.verdict.is_clean())
            || self
                .object_class
                .as_ref()
                .is_some_and(ObjectClass::has_faults)
    }
}

/// Measures everything in `plan`.
///
/// # Errors
/// Firn or the object store is not there, or does not do what it is told.
pub async fn run(plan: Plan, programs: &Programs, data_root: &Path) -> Result<Report> {
    let version = programs.version(System::Firn).map_err(anyhow::Error::msg)?;
    let data = DataFolder::create(data_root)?;
    let (mut rounds, mut restarts) = (Vec::new(), Vec::new());
    for (number, &bytes) in plan.message_bytes.iter().enumerate() {
        let folder = data.fresh("tier")?;
        let bucket = Bucket::start(plan.store, plan.distance, &folder)?;
        let place = Place {
            firn: &programs.firn,
            bucket: &bucket,
            folder,
        };
        let (round, firn) = place.round(&plan, number as u32 + 1, bytes).await?;
        rounds.push(round);
        let is_last = number + 1 == plan.message_bytes.len();
        let firn = match is_last && plan.sparse_mib > 0 {
            true => place.with_more(&plan, firn, &mut restarts).await?,
            false => firn,
        };
        firn.into_process().stop().await?;
    }
    let object_class = match plan.window.is_zero() {
        true => None,
        false => Some(object_class::run(&plan, programs, &data).await?),
    };
    Ok(Report {
        machine: Machine::describe(),
        version,
        plan,
        rounds,
        restarts,
        object_class,
    })
}

/// One object store and the servers on it.
struct Place<'a> {
    firn: &'a Path,
    bucket: &'a Bucket,
    folder: PathBuf,
}

impl Place<'_> {
    async fn round(&self, plan: &Plan, run: u32, message_bytes: usize) -> Result<(Round, Firn)> {
        let data = self.fresh("first")?;
        let firn = self.start(&data).await?;
        let books = books(run);
        let begin = clock::now();
        fill(&firn, plan.mib, message_bytes, &books).await?;
        let fill_seconds = since(begin);
        let begin = clock::now();
        let lost = firn.into_process().stop_keeping_data().await?;
        let stop_seconds = since(begin);
        eprintln!(
            "{message_bytes} B: written in {fill_seconds:.1} s, put away in {stop_seconds:.1} s"
        );

        let key = self.folder.join("kept.key");
        fs::copy(lost.join("data/master.key"), &key).context("keep the key")?;
        fs::remove_dir_all(&lost).context("lose the machine")?;
        let data = self.fresh("second")?;
        let begin = clock::now();
        self.restore(&data, &key)?;
        let restore_seconds = since(begin);
        let census = self.bucket.segments().await?;
        let before = self.plain(&census).await?;

        let begin = clock::now();
        let firn = self.start(&data).await?;
        let ready_seconds = since(begin);
        let (ready_mib, mut checksum) = (resident_mib(&firn)?, 0);
        let mut catch_up = Vec::new();
        for (number, consumers) in PLAIN_STREAMS.into_iter().enumerate() {
            if number > 0 {
                firn.seek_to_start().await?;
            }
            let books = Rc::new(RefCell::new(books.borrow().again()));
            let caught_up = catch_up_with(&firn, consumers, message_bytes, &books).await?;
            let (rate, verdict) = (caught_up.figures.rate, caught_up.verdict);
            eprintln!("{message_bytes} B: {consumers} caught up at {rate:.0}/s, {verdict}");
            checksum = books.borrow().checksum();
            catch_up.push(caught_up);
        }
        let data = firn.into_process().stop_keeping_data().await?;
        let mut tier = Vec::new();
        for readers in PLAIN_STREAMS {
            let read = reader::read(self.firn, self.bucket.cold(), &data, readers)?;
            ensure!(
                read.checksum == checksum,
                "the tier gave other bodies than the consumers"
            );
            tier.push(read);
        }
        let after = self.plain(&census).await?;
        let plain = PLAIN_STREAMS.iter().zip(before).zip(after);
        let round = Round {
            message_bytes,
            fill_seconds,
            stop_seconds,
            segments: census.objects.len(),
            segment_mib: mib(census.bytes as f64),
            restore_seconds,
            ready_seconds,
            ready_mib,
            plain: plain.map(|((n, a), b)| (*n, a, b)).collect(),
            tier,
            catch_up,
        };
        Ok((round, self.start(&data).await?))
    }

    /// Starts again with what there is, and with `sparse_mib` more.
    async fn with_more(
        &self,
        plan: &Plan,
        firn: Firn,
        restarts: &mut Vec<Restart>,
    ) -> Result<Firn> {
        let (mut firn, mut cold_mib) = (firn, plan.mib);
        // An eighth and the rest: the same work before each start, more in the store.
        let first = plan.sparse_mib / 8;
        for (run, mib) in (SPARSE_RUNS..).zip([first, plan.sparse_mib - first]) {
            fill(&firn, mib, SPARSE_MESSAGE_BYTES, &books(run)).await?;
            cold_mib += mib;
            let (started, restart) = self.restart(firn, cold_mib).await?;
            restarts.push(restart);
            firn = started;
        }
        Ok(firn)
    }

    async fn restart(&self, firn: Firn, cold_mib: u64) -> Result<(Firn, Restart)> {
        let folder = firn.into_process().stop_keeping_data().await?;
        let begin = clock::now();
        let firn = self.start(&folder).await?;
        let restart = Restart {
            cold_mib,
            segments: self.bucket.segments().await?.objects.len(),
            ready_seconds: since(begin),
            cpu_seconds: machine::cpu_time(firn.process().pid())?.as_secs_f64(),
            ready_mib: resident_mib(&firn)?,
        };
        Ok((firn, restart))
    }

    async fn plain(&self, census: &Census) -> Result<Vec<f64>> {
        let mut rates = Vec::new();
        for streams in PLAIN_STREAMS {
            rates.push(self.bucket.read(census, PLAIN_BLOCK, streams).await?);
        }
        Ok(rates)
    }

    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder).context("create a machine's folder")?;
        fs::write(folder.join(bootstrap::FILE), bootstrap::single("local"))
            .context("write the bootstrap file")?;
        Ok(folder)
    }

    async fn start(&self, folder: &Path) -> Result<Firn> {
        let starting = Starting::spawn(self.firn, folder.to_owned(), self.bucket.cold())?;
        starting.ready().await
    }

    fn restore(&self, folder: &Path, key: &Path) -> Result<()> {
        let mut command = Command::new(self.firn);
        command
            .arg("restore")
            .arg("--data-dir")
            .arg(folder.join("data"));
        command.arg("--master-key-file").arg(key);
        command.env_remove("FIRN_CONFIG");
        self.bucket.cold().tell(&mut command);
        let output = command.output().context("run firn restore")?;
        ensure!(
            output.status.success(),
            "firn restore: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

fn books(run: u32) -> Books {
    Rc::new(RefCell::new(Ledger::new(run, FILL_IN_FLIGHT)))
}

async fn fill(firn: &Firn, mib: u64, message_bytes: usize, books: &Books) -> Result<()> {
    let plan = closed::Plan {
        in_flight: FILL_IN_FLIGHT,
        batch: (FILL_BYTES / message_bytes).clamp(1, 100),
        message_bytes,
        warmup: Duration::ZERO,
        window: LIMIT,
        messages_max: (mib << 20) / message_bytes as u64,
    };
    clock::within(LIMIT, "filling", closed::fill(firn, &plan, books)).await
}

/// Everything, by so many consumers.
async fn catch_up_with(
    firn: &Firn,
    consumers: usize,
    message_bytes: usize,
    books: &Books,
) -> Result<CatchUp> {
    let mut all = Vec::new();
    for _ in 0..consumers {
        all.push(firn.consumer().await?.context("Firn has consumers")?);
    }
    let (gets, bytes) = cold_reads(firn).await?;
    let drained = backlog::drain(firn, &mut all, RECEIVE_MAX, books);
    let figures = clock::within(LIMIT, "catching up", drained).await?;
    let (gets_after, bytes_after) = cold_reads(firn).await?;
    Ok(CatchUp {
        consumers,
        figures,
        mib_per_second: mib(figures.rate * message_bytes as f64),
        gets: gets_after - gets,
        read_mib: mib(bytes_after - bytes),
        verdict: books.borrow().verdict(),
    })
}

/// Gets of the object store so far, and the bytes that they gave.
async fn cold_reads(firn: &Firn) -> Result<(f64, f64)> {
    let gets = firn.metric("firn_storage_cold_requests_total", "get");
    let (gets, bytes) = (
        gets.await?,
        firn.metric("firn_storage_cold_bytes_total", "received")
            .await?,
    );
    Ok((gets, bytes))
}

fn resident_mib(firn: &Firn) -> Result<f64> {
    Ok(mib(machine::resident_bytes(firn.process().pid())? as f64))
}

fn since(begin: std::time::Instant) -> f64 {
    clock::now().duration_since(begin).as_secs_f64()
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}
