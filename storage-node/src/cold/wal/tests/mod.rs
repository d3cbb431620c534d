//! Tests of the WAL objects, on a clock that only tests move.

mod bytes;
mod clearing;
mod deleting;
mod fencing;
mod history;
mod order;
mod pacing;
mod replaying;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::bytes::Bytes;
use firn_protocol::ids::{BrokerId, Generation, InstanceId, TenantId};
use firn_runtime::{Clock, Stop, tasks};
use parking_lot::Mutex;

use super::*;
use crate::cold::error::{Failure, Operation};
use crate::cold::objects::Objects;
use crate::cold::paths::{NodeId, Nonce, ObjectName};
use crate::cold::{ColdSettings, ColdStore, FaultyObjects, RealObjects};
use crate::log::VisitError;

const NODE: NodeId = NodeId(0xA0DE);
const WAL: Wal = Wal {
    node: NODE,
    incarnation: 3,
};
/// When every test begins.
const START_MS: u64 = 1_000_000_000;

/// The defaults, but a put never follows another without its pause.
fn paced() -> WalSettings {
    WalSettings {
        burst: 1,
        ..WalSettings::default()
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A frame that differs from others in all its parts.
fn frame(lsn: u64) -> WalFrame {
    sized(lsn, 20)
}

fn sized(lsn: u64, bytes: usize) -> WalFrame {
    // Does not compress: sizes in tests are what they seem.
    let mut seed = lsn;
    let payload: Vec<u8> = std::iter::repeat_with(|| next(&mut seed) as u8)
        .take(bytes)
        .collect();
    WalFrame {
        lsn: Lsn(lsn),
        header: FrameHeader {
            tenant: TenantId(2 + lsn % 3),
            instance: InstanceId(7 + lsn % 2),
            broker: BrokerId(lsn as u32 % 5),
            generation: Generation(1),
            seq: lsn * 10,
            kind: (lsn % 4) as u8,
        },
        payload: payload.into(),
    }
}

fn frames(lsns: impl IntoIterator<Item = u64>) -> Vec<WalFrame> {
    lsns.into_iter().map(frame).collect()
}

/// A small seeded generator (splitmix64).
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn cold(objects: impl Objects, clock: &Clock) -> ColdStore {
    let settings = ColdSettings::default();
    ColdStore::with_draw(Arc::new(objects), settings, clock, Arc::new(|| 7))
}

/// Lets everything run that can run without time passing.
async fn settle() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

/// Moves the clock in steps, and lets everything run after each.
async fn pass(clock: &Clock, time: Duration, step: Duration) {
    let mut left = time;
    settle().await;
    while !left.is_zero() {
        let now = left.min(step);
        clock.advance(now);
        left -= now;
        settle().await;
    }
}

/// Runs work while the clock moves on whenever nothing else can happen.
async fn driven<T>(clock: &Clock, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    for _ in 0..864_000 {
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = settle() => clock.advance(ms(100)),
        }
    }
    panic!("the work does not end");
}

/// A process with a writer, on an object store that outlives it.
struct Rig {
    clock: Clock,
    /// What is stored, without faults.
    truth: Arc<RealObjects>,
    /// The store as the writer sees it.
    faulty: FaultyObjects,
    store: ColdStore,
    writer: WalWriter,
    stop: Stop,
    /// Ends the process between two steps.
    kill: Stop,
    result: Arc<Mutex<Option<Result<(), WalError>>>>,
}

impl Rig {
    fn new(settings: WalSettings) -> Self {
        Self::seeded(1, settings)
    }

    fn seeded(seed: u64, settings: WalSettings) -> Self {
        let clock = Clock::manual(START_MS);
        let truth = Arc::new(RealObjects::memory());
        let faulty = FaultyObjects::over(truth.clone(), seed, &clock);
        let store = cold(faulty.clone(), &clock);
        let writer = WalWriter::new(store.clone(), NODE, WAL.incarnation, settings, &clock);
        let rig = Self {
            clock,
            truth,
            faulty,
            store,
            writer,
            stop: Stop::new(),
            kill: Stop::new(),
            result: Arc::default(),
        };
        let run = rig.writer.clone().run(rig.stop.clone());
        let (kill, result) = (rig.kill.clone(), rig.result.clone());
        tasks::detach(async move {
            tokio::select! {
                biased;
                () = kill.cancelled() => {}
                ended = run => *result.lock() = Some(ended),
            }
        });
        rig
    }

    /// The store as another process sees it, with faults of its own.
    fn other(&self) -> (FaultyObjects, ColdStore) {
        let faulty = FaultyObjects::over(self.truth.clone(), 9, &self.clock);
        (faulty.clone(), cold(faulty, &self.clock))
    }

    fn push(&self, lsns: impl IntoIterator<Item = u64>) {
        self.writer.push(frames(lsns), true);
    }

    async fn pass(&self, time: Duration) {
        pass(&self.clock, time, ms(1)).await;
    }

    /// Puts that were begun, first attempts and others.
    fn puts(&self) -> u64 {
        self.store.metrics().requests(Operation::Create)
    }

    /// Writes one object for each range, all durable.
    async fn write(&self, lsns: impl IntoIterator<Item = u64>) {
        for lsn in lsns {
            self.push([lsn]);
            settle().await;
            let waited = driven(&self.clock, self.writer.wait(Lsn(lsn))).await;
            assert_eq!(waited, Ok(()));
        }
    }

    /// The numbers that are stored, the mark included.
    async fn stored(&self) -> Vec<u64> {
        numbers(&*self.truth, WAL).await
    }

    /// One who waits, and what he was told so far.
    fn wait(&self, lsn: u64) -> Told {
        let told = Told::default();
        let (writer, tell) = (self.writer.clone(), told.clone());
        tasks::detach(async move {
            let result = writer.wait(Lsn(lsn)).await;
            *tell.0.lock() = Some(result);
        });
        told
    }
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Option<Result<(), WalError>>>>);

impl Told {
    fn get(&self) -> Option<Result<(), WalError>> {
        self.0.lock().clone()
    }
}

async fn numbers(objects: &dyn Objects, wal: Wal) -> Vec<u64> {
    let prefix = crate::cold::paths::Prefix::Wal(wal.node, wal.incarnation).to_string();
    let listed = objects.list(&prefix).await.expect("lists");
    let mut numbers: Vec<u64> = listed
        .iter()
        .filter_map(|stored| match ObjectName::parse(&stored.path) {
            Some(ObjectName::Wal { sequence, .. }) => Some(sequence),
            Some(_) | None => None,
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Fences and replays, as the next life of a node does.
async fn recover(clock: &Clock, store: &ColdStore) -> (u64, Vec<WalFrame>) {
    let end = driven(clock, fence(store, NODE, WAL.incarnation)).await;
    let end = end.expect("fences");
    let shown = driven(clock, shown(store, end)).await.expect("replays");
    (end, shown)
}

async fn shown(store: &ColdStore, end: u64) -> Result<Vec<WalFrame>, WalReadError> {
    let mut shown = Vec::new();
    let visit = &mut |frame| {
        shown.push(frame);
        Ok(())
    };
    let last = replay(store, NODE, WAL.incarnation, end, visit).await?;
    assert_eq!(last, shown.last().map_or(Lsn::ZERO, |frame| frame.lsn));
    Ok(shown)
}

fn lsns(frames: &[WalFrame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.lsn.0).collect()
}
