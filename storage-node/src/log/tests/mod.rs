//! The claims of the log, tried on a disk that misbehaves.

mod basic;
mod crash;
mod damage;
mod failure;
mod format;
mod mutants;
mod real;
mod space;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::{BrokerId, Generation, InstanceId, TenantId};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::disk::FaultyDisk;

/// Small files, no pauses.
fn config() -> LogConfig {
    LogConfig {
        file_bytes: 16 << 10,
        batch_bytes: 8 << 10,
        zero_bytes: 8 << 10,
        zero_pause: Duration::ZERO,
        retry_pause: Duration::from_millis(1),
        ..LogConfig::new("log")
    }
}

/// Keeps what was committed.
#[derive(Default)]
struct Kept {
    frames: Mutex<Vec<CommittedFrame>>,
    published: Mutex<Vec<Lsn>>,
    failed: Mutex<Vec<Lsn>>,
}

impl CommitSink for Kept {
    fn committed(&self, batch: CommittedBatch) {
        self.frames.lock().extend(batch.frames);
    }
    fn published(&self, durable: Lsn) {
        self.published.lock().push(durable);
    }
    fn failed(&self, durable: Lsn) {
        self.failed.lock().push(durable);
    }
}

fn header(seq: u64) -> FrameHeader {
    FrameHeader {
        tenant: TenantId(seq % 3),
        instance: InstanceId(seq % 5),
        broker: BrokerId(seq as u32 % 7),
        generation: Generation(1),
        seq,
        kind: (seq % 11) as u8,
    }
}

/// The payload that belongs to a number: its length too follows from it.
fn payload(seq: u64) -> Vec<u8> {
    let len = match seq % 17 {
        0 => 0,
        1 => 3000 + seq % 2000,
        n => n * 29 + seq % 13,
    };
    payload_of(seq, len as usize)
}

fn payload_of(seq: u64, len: usize) -> Vec<u8> {
    let mut word = seq.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        bytes.push(word as u8);
    }
    bytes
}

type Frames = Vec<(Lsn, FrameHeader, Vec<u8>)>;

struct Opened {
    log: Log,
    recovery: Recovery,
    frames: Frames,
    places: Vec<LogPlace>,
    sink: Arc<Kept>,
}

fn try_open(disk: &FaultyDisk, config: LogConfig, from: Lsn) -> Result<Opened, LogError> {
    let sink = Arc::new(Kept::default());
    let (mut frames, mut places) = (Vec::new(), Vec::new());
    let (log, recovery) = Log::open(
        Arc::new(disk.clone()),
        config,
        sink.clone(),
        from,
        &mut |frame| {
            frames.push((frame.lsn, frame.header, frame.payload.to_vec()));
            places.push(frame.place);
            Ok(())
        },
    )?;
    Ok(Opened {
        log,
        recovery,
        frames,
        places,
        sink,
    })
}

fn open(disk: &FaultyDisk) -> Opened {
    try_open(disk, config(), Lsn::ZERO).expect("opens")
}

type Answer = oneshot::Receiver<Result<Lsn, CommitError>>;

fn submit(log: &Log, seq: u64) -> Result<(Lsn, Answer), SubmitError> {
    submit_bytes(log, seq, &payload(seq))
}

fn submit_bytes(log: &Log, seq: u64, bytes: &[u8]) -> Result<(Lsn, Answer), SubmitError> {
    let (done, answer) = oneshot::channel();
    let (a, b) = bytes.split_at(bytes.len() / 3);
    let lsn = log.submit(header(seq), FrameClass::Other, &[a, b], Some(done))?;
    Ok((lsn, answer))
}

/// Submits and waits for the answer.
fn put(log: &Log, seq: u64) -> Result<Lsn, CommitError> {
    let (lsn, answer) = submit(log, seq).expect("taken");
    let result = answer
        .blocking_recv()
        .expect("every completion is answered");
    if let Ok(answered) = result {
        assert_eq!(answered, lsn);
        assert!(log.durable() >= lsn);
    }
    result
}

/// Waits, without a clock, until something is so.
fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

/// Waits until the spare files are made, so that the next operation of the disk
/// is one of a commit.
fn quiet(log: &Log) {
    until(|| log.0.core.spares.is_idle());
}

/// Waits until it is known whether there is room for the spare files.
fn settled(log: &Log) {
    let ahead = log.0.core.config.files_ahead;
    until(|| log.0.core.spares.blocked() || log.space().spare_files >= ahead);
}

/// Waits for an answer; `None` when the power goes off first.
fn answer_or_off(disk: &FaultyDisk, answer: &mut Answer) -> Option<Result<Lsn, CommitError>> {
    loop {
        match answer.try_recv() {
            Ok(result) => return Some(result),
            Err(TryRecvError::Closed) => return None,
            Err(TryRecvError::Empty) if disk.is_off() => return None,
            Err(TryRecvError::Empty) => std::thread::yield_now(),
        }
    }
}

fn file(number: u64) -> PathBuf {
    Path::new("log").join(files::log_name(number))
}

/// What is known about a log from outside.
#[derive(Default)]
struct Model {
    next_seq: u64,
    /// What may stand at each LSN: submitted there and not known to be superseded.
    possible: BTreeMap<Lsn, Vec<u64>>,
    /// What must stand there: answered, or shown by a replay.
    certain: BTreeMap<Lsn, u64>,
    /// What is below was given back.
    truncated: Lsn,
}

impl Model {
    fn submit(&mut self, log: &Log) -> Option<(Lsn, u64, Answer)> {
        let seq = self.next_seq;
        self.next_seq += 1;
        let (lsn, answer) = submit(log, seq).ok()?;
        self.possible.entry(lsn).or_default().push(seq);
        Some((lsn, seq, answer))
    }

    /// Holds a replay from `from` against what is known; from now on it is certain.
    fn check(&mut self, from: Lsn, frames: &Frames) -> Result<(), String> {
        let mut found = BTreeMap::new();
        let mut before = from.prev();
        for (lsn, header, bytes) in frames {
            if *lsn != before.next() {
                return Err(format!("{lsn} follows {before}"));
            }
            before = *lsn;
            let possible = self.possible.get(lsn).map_or(&[][..], Vec::as_slice);
            if !possible.contains(&header.seq) {
                return Err(format!("phantom {} at {lsn}", header.seq));
            }
            if *header != super::tests::header(header.seq) || *bytes != payload(header.seq) {
                return Err(format!("frame {lsn} is altered"));
            }
            found.insert(*lsn, header.seq);
        }
        for (lsn, seq) in self.certain.range(from..) {
            if found.get(lsn) != Some(seq) {
                return Err(format!("lost {seq} at {lsn}, found {:?}", found.get(lsn)));
            }
        }
        self.possible.retain(|lsn, _| *lsn <= before);
        self.certain.extend(found);
        Ok(())
    }
}
