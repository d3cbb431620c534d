//! Opening: replay, then a definite end.
//!
//! What a replay found beyond the last synced mark is in memory but perhaps not
//! on the disk: the process may have died before its sync, or after one that
//! failed, whose pages a second sync would not write. So the last batch is
//! written again, a terminator of the new incarnation behind it, and both are
//! synced, before anybody may rely on what was replayed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use parking_lot::{Condvar, Mutex};

use super::commit::{CommitSink, Core};
use super::config::{CrashPoint, LogConfig, Mutant};
use super::error::LogError;
use super::files::{Files, Listing, LogFile, list, load};
use super::format::{BATCH_HEADER_BYTES, BLOCK};
use super::frame::Lsn;
use super::metrics::LogMetrics;
use super::queue::{Queue, QueueLimits};
use super::replay::{DamagedRange, LastUnit, Outcome, Span, TornTail, Visitor, replay};
use super::spares::Spares;
use super::walk::{Step, Walk};
use super::writer::{Life, Parts, Writer};
use crate::disk::Disk;

/// What opening a log found.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Whether there was no log before.
    pub created: bool,
    /// Random number given to the log when it was made.
    pub log_id: u64,
    /// First LSN that is kept.
    pub first: Lsn,
    /// Last LSN; all up to here is durable.
    pub end: Lsn,
    /// This life's number; higher than any before.
    pub incarnation: u64,
    /// Answered frames that cannot be read.
    pub damage: Vec<DamagedRange>,
    /// What was being written when the log was left.
    pub torn: Option<TornTail>,
}

/// Opens or creates a log, without its threads.
pub(super) fn open(
    disk: Arc<dyn Disk>,
    config: LogConfig,
    sink: Arc<dyn CommitSink>,
    from: Lsn,
    visit: &mut Visitor<'_>,
) -> Result<(Core, Recovery), LogError> {
    config.validate()?;
    disk.create_dir(&config.dir)
        .map_err(LogError::io("make the directory"))?;
    let listing = list(&*disk, &config.dir)?;
    if listing.logs.is_empty() {
        return create(disk, config, sink, &listing);
    }
    let (log_id, files) = load(&*disk, &config.dir, &listing.logs)?;
    let span = Span { from, until: None };
    let outcome = replay(log_id, &files, span, config.mutant, visit)?;
    // Names that the process before left unsynced must not vanish under what
    // is written from now on.
    disk.sync_dir(&config.dir)
        .map_err(LogError::io("sync the directory"))?;
    let recovery = Recovery {
        created: false,
        log_id,
        first: files[0].first_lsn.unwrap_or(outcome.end.next()),
        end: outcome.end,
        incarnation: outcome.incarnation + 1,
        damage: outcome.damage.clone(),
        torn: outcome.torn.clone(),
    };
    let table = Arc::new(Files::new(disk, config.dir.clone(), log_id, &files));
    let life = Life {
        incarnation: recovery.incarnation,
        began: outcome.end.next(),
    };
    let base = Base::new(config, table, &listing);
    let writer = settle(&base, &files, &outcome, life)?;
    Ok((base.core(sink, writer, outcome.end), recovery))
}

fn create(
    disk: Arc<dyn Disk>,
    config: LogConfig,
    sink: Arc<dyn CommitSink>,
    listing: &Listing,
) -> Result<(Core, Recovery), LogError> {
    let log_id = firn_runtime::random::number();
    let files = Files::new(disk, config.dir.clone(), log_id, &[]);
    let base = Base::new(config, Arc::new(files), listing);
    let life = Life {
        incarnation: base.config.first_incarnation,
        began: Lsn::ZERO.next(),
    };
    let writer = base.roll(life)?;
    let recovery = Recovery {
        created: true,
        log_id,
        first: life.began,
        end: Lsn::ZERO,
        incarnation: life.incarnation,
        damage: Vec::new(),
        torn: None,
    };
    Ok((base.core(sink, writer, Lsn::ZERO), recovery))
}

/// What exists before there is a writer.
struct Base {
    config: LogConfig,
    files: Arc<Files>,
    spares: Arc<Spares>,
    metrics: Arc<LogMetrics>,
}

impl Base {
    fn new(config: LogConfig, files: Arc<Files>, listing: &Listing) -> Self {
        let metrics = Arc::new(LogMetrics::default());
        let spares = Spares::open(&config, files.clone(), metrics.clone(), listing);
        Self {
            config,
            files,
            spares: Arc::new(spares),
            metrics,
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            config: &self.config,
            files: &self.files,
            metrics: &self.metrics,
        }
    }

    /// A new file for a new life.
    fn roll(&self, life: Life) -> Result<Writer, LogError> {
        let spare = self.spares.take_now();
        let begun = spare.and_then(|spare| Writer::begin(&self.parts(), spare, life.began, life));
        begun.map_err(LogError::io("begin a file"))
    }

    fn core(self, sink: Arc<dyn CommitSink>, writer: Writer, end: Lsn) -> Core {
        // On a disk that is nearly full, sends are refused from the start rather
        // than after the first roll.
        self.spares.refill();
        let limits = QueueLimits {
            batch_bytes: self.config.batch_bytes,
            capacity: self.config.capacity(),
            pending_bytes: self.config.pending_bytes_max,
        };
        Core {
            queue: Mutex::new(Queue::new(end.next(), limits)),
            work: Condvar::new(),
            durable: AtomicU64::new(end.0),
            incarnation: AtomicU64::new(writer.life.incarnation),
            room: AtomicU64::new(writer.room()),
            failed: AtomicBool::new(false),
            writer: Mutex::new(writer),
            config: self.config,
            files: self.files,
            spares: self.spares,
            metrics: self.metrics,
            sink,
        }
    }
}

/// Makes what was replayed durable for certain, and says on disk where the new
/// life begins.
fn settle(
    base: &Base,
    files: &[Arc<LogFile>],
    outcome: &Outcome,
    life: Life,
) -> Result<Writer, LogError> {
    let here = Writer {
        file: files[outcome.index].clone(),
        at: outcome.at,
        life,
        dirty: false,
    };
    let is_last = outcome.index + 1 == files.len();
    let usable = is_last && here.file.header.is_some() && !here.file.is_cut();
    let terminate = usable && here.room() >= BLOCK;
    let write = LogError::io("settle the log's end");
    if base.config.is(Mutant::NoTerminator) {
        return Ok(here);
    }
    settle_tail(base, files, outcome, &here, terminate).map_err(write)?;
    if !terminate {
        return base.roll(life);
    }
    Ok(Writer {
        at: here.at + BLOCK,
        ..here
    })
}

/// Writes the last batch again, and a terminator behind it if there is room.
fn settle_tail(
    base: &Base,
    files: &[Arc<LogFile>],
    outcome: &Outcome,
    here: &Writer,
    terminate: bool,
) -> io::Result<()> {
    let points = &base.config.crash_points;
    points.reach(CrashPoint::OpenBeforeTerminator)?;
    let last = outcome.last.filter(|_| !base.config.is(Mutant::TrustTail));
    if let Some(unit) = last {
        let file = &files[unit.index];
        let bytes = unit_bytes(file, &unit)?;
        file.handle.write_at(&bytes, unit.at)?;
        // Before the terminator is written: that one says that this is durable.
        file.handle.sync_data()?;
    }
    if terminate {
        let block = here.terminator(&base.parts(), outcome.end);
        here.file.handle.write_at(&block, here.at)?;
        points.reach(CrashPoint::OpenAfterTerminatorBeforeSync)?;
        here.file.handle.sync_data()?;
    }
    points.reach(CrashPoint::OpenAfterTerminatorSync)
}

/// A batch as it should be on disk, proved once more: what is written back must
/// not be worse than what was read.
fn unit_bytes(file: &LogFile, unit: &LastUnit) -> io::Result<Vec<u8>> {
    let header = &unit.header;
    let mut bytes = vec![0; header.extent() as usize];
    let used = BATCH_HEADER_BYTES + header.frame_bytes as usize;
    file.handle.read_at(&mut bytes[..used], unit.at)?;
    let mut window = file.window();
    let mut walk = Walk::new(*header, unit.at);
    while let Some(step) = walk.step(&mut window)? {
        if let Step::Bad { .. } = step {
            return Err(io::Error::other(
                "the log's last batch reads differently each time",
            ));
        }
    }
    header.encode(&mut bytes);
    Ok(bytes)
}
