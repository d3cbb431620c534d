//! The suite on disk, and what only a disk can do; a start is in `start.rs`.

mod start;

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::stamp::Stamp;
use super::*;
use crate::hot::StateStore;
use crate::hot::conformance::{
    Home, Log, TINY, any_log, any_steps, broker, chunks_cut_anew_hide_nothing, fill_and_check,
    message, plain_log, queue, states_are_kept,
};
use crate::hot::fill::Cut;
use crate::hot::keys::{Kind, chunk_key, volume as record};

const SMALL: SledSettings = SledSettings {
    volume_bytes: 1500,
    volumes_open: 2,
};

/// In memory where the system has such a place: these tests open and sync
/// hundreds of databases.
fn scratch() -> TempDir {
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    memory.expect("a directory")
}

struct OnDisk {
    dir: TempDir,
    settings: SledSettings,
    store: Option<SledHotStore>,
}

impl OnDisk {
    fn new(settings: SledSettings) -> Self {
        let mut home = Self {
            dir: scratch(),
            settings,
            store: None,
        };
        assert_eq!(home.open(Lsn(0)), None);
        home
    }

    /// A store of some volumes that holds the log, left without a close.
    fn filled(log: &Log) -> Self {
        let home = Self::new(SMALL);
        log.fill(home.hot(), 0, log.frames.len(), TINY);
        home
    }

    fn hot(&self) -> &SledHotStore {
        self.store.as_ref().expect("open")
    }

    fn open(&mut self, log_end: Lsn) -> Option<String> {
        self.open_on(log_end, Machine::real())
    }

    fn open_on(&mut self, log_end: Lsn, machine: Machine) -> Option<String> {
        self.store = None;
        let metrics = Arc::new(HotMetrics::default());
        let opened =
            SledHotStore::open_on(self.dir.path(), self.settings, log_end, metrics, machine);
        let opened = opened.expect("opens");
        let rebuilds = opened.store.metrics.rebuilds.load(Ordering::Relaxed);
        assert_eq!(rebuilds, u64::from(opened.rebuilt.is_some()));
        self.store = Some(opened.store);
        opened.rebuilt
    }

    fn crash(&mut self) {
        self.store = None;
    }

    fn close(&mut self) {
        self.hot().close().expect("closes");
        self.store = None;
    }

    fn volumes(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path()).expect("listed");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("one").path()).collect();
        paths.sort();
        paths
    }

    /// Fills what is missing and finds all.
    fn refill_and_check(&self, log: &Log) {
        let marker = self.hot().marker().0 as usize;
        log.fill(
            self.hot(),
            marker,
            log.frames.len(),
            Cut {
                chunk_bytes: 250,
                ..TINY
            },
        );
        log.check(self.hot());
    }
}

impl Home for OnDisk {
    fn store(&self) -> &dyn HotStore {
        self.hot()
    }

    fn reopen(&mut self, log_end: Lsn, cleanly: bool) {
        if cleanly {
            self.close();
        } else {
            self.crash();
        }
        assert_eq!(self.open(log_end), None);
    }
}

fn other_boot() -> Machine {
    Machine {
        boot_id: Some("another".into()),
        ..Machine::real()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 100, ..ProptestConfig::with_cases(24) })]
    #[test]
    fn sled_finds_every_record(
        log in any_log(0..25),
        steps in any_steps(),
        volumes in 1_u64..5,
        volumes_open in prop_oneof![1 => 1_usize..3, 4 => Just(8_usize)],
    ) {
        let items = log.frames.iter().flatten();
        let bytes: usize = items.map(|item| item.run.len() * 2 + 100).sum();
        let mut home = OnDisk::new(SledSettings {
            volume_bytes: bytes as u64 / volumes,
            volumes_open,
        });
        fill_and_check(&mut home, &log, &steps);
        // What is sealed is closed but for the few.
        let volumes = home.hot().volumes.read().clone();
        let open = volumes.iter().filter(|volume| volume.is_open()).count();
        prop_assert!(open <= volumes_open + 1);
        // A foreign machine after a clean stop loses nothing.
        home.close();
        prop_assert_eq!(home.open_on(log.end(), other_boot()), None);
        log.check(home.hot());
    }

    #[test]
    fn no_bytes_in_place_of_a_volume_hurt(
        file in prop_oneof!["data/db", "data/conf", "stamp", "directory"],
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        volume in 0_usize..3,
        cleanly: bool,
    ) {
        let log = plain_log(30, 150);
        let mut home = OnDisk::filled(&log);
        if cleanly { home.close() } else { home.crash() }
        let volumes = home.volumes();
        prop_assert!(volumes.len() >= 4);
        let damaged = &volumes[volumes.len() - 1 - volume];
        fs::write(damaged.join(file), bytes).expect("written");
        home.open(log.end());
        home.refill_and_check(&log);
    }
}

#[test]
fn sled_hides_nothing() {
    chunks_cut_anew_hide_nothing(OnDisk::new(SledSettings::default()).hot());
    chunks_cut_anew_hide_nothing(OnDisk::new(SMALL).hot());
}

#[test]
fn sled_keeps_states() {
    let dir = scratch();
    let path = dir.path().join("state");
    let open = |end| SledStateStore::open(&path, Lsn(end)).expect("opens");
    let store = open(0);
    assert_eq!(store.rebuilt, None);
    let reopen_after = std::cell::Cell::new(false);
    states_are_kept(store.store, |store| {
        // Once with a close and once without.
        if reopen_after.replace(true) {
            store.close().expect("closes");
        }
        drop(store);
        let opened = open(12);
        assert_eq!(opened.rebuilt, None);
        opened.store
    });
    assert_eq!(open(12).store.marker(), Lsn(12));
    let ahead = open(11);
    assert!(ahead.rebuilt.is_some());
    assert_eq!(ahead.store.marker(), Lsn(0));
    ahead
        .store
        .save(vec![(broker(0), 1, "x".into())], Lsn(1))
        .expect("saved");
    drop(ahead);
    let opened = SledStateStore::open_on(&path, Lsn(1), &other_boot()).expect("opens");
    assert!(opened.rebuilt.is_some());
    assert_eq!(opened.store.load().expect("read"), []);
}

#[test]
fn no_flipped_byte_is_read() {
    let log = plain_log(4, 150);
    let home = OnDisk::filled(&log);
    let store = home.hot();
    let (_, first) = &log.messages[0];
    let key = chunk_key(broker(1), Kind::Chunk, first.queue, first.offset);
    let volume = store.last_volume();
    let tree = |work: &dyn Fn(&::sled::Tree)| {
        let done = store.ask(&volume, |database| {
            database.run(|tree| {
                work(tree);
                Ok(())
            })
        });
        assert!(done.is_ok());
    };
    let misses = || store.metrics.checksum_misses.load(Ordering::Relaxed);
    tree(&|tree| {
        let good = tree.get(&key).expect("read").expect("there");
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 1 << (at % 8);
            tree.insert(&key, bad).expect("written");
            let got = store.chunk_at(broker(1), first.queue, first.offset);
            assert!(matches!(got, Err(HotError::Damaged { .. })), "byte {at}");
        }
        tree.insert(&key, good.clone()).expect("written");
        assert_eq!(misses(), good.len() as u64);
        // A good value under a wrong key is damage, too.
        let other = chunk_key(broker(1), Kind::Chunk, queue(5), Offset(0));
        tree.insert(&other, good).expect("written");
        let got = store.chunk_at(broker(1), queue(5), Offset(0));
        assert!(matches!(got, Err(HotError::Damaged { .. })));
        tree.remove(&other).expect("removed");
    });
    log.check(store);
}

#[test]
fn a_damaged_chunk_is_healed_by_a_refill() {
    let log = plain_log(4, 150);
    let home = OnDisk::filled(&log);
    let (_, first) = &log.messages[0];
    let key = chunk_key(broker(1), Kind::Chunk, first.queue, first.offset);
    let volume = home.hot().last_volume();
    let spoilt = home.hot().ask(&volume, |database| {
        database.run(|tree| tree.insert(&key, &b"spoilt"[..]))
    });
    assert!(spoilt.is_ok());
    log.fill(home.hot(), 0, log.frames.len(), TINY);
    log.check(home.hot());
}

/// Reads the record about the volume beside a running fill: chunks must never
/// come after the marker that covers them.
#[test]
fn the_marker_never_runs_ahead_of_the_chunks() {
    let log = plain_log(400, 2000);
    let home = OnDisk::new(SledSettings::default());
    let store = home.hot();
    let volume = store.last_volume();
    std::thread::scope(|scope| {
        let filling = scope.spawn(|| {
            let cut = Cut {
                batch_bytes: 60_000,
                ..TINY
            };
            log.fill(store, 0, log.frames.len(), cut);
        });
        let mut seen = 0;
        while seen < log.end().0 {
            let value = store.ask(&volume, |database| {
                database.run(|tree| tree.get(record::KEY))
            });
            let value = value.expect("read").expect("here").expect("written");
            seen = record::decode(&value).expect("good").marker.0;
            if let Some((_, last)) = seen.checked_sub(1).map(|at| &log.messages[at as usize]) {
                let chunk = store
                    .chunk_at(broker(1), last.queue, last.offset)
                    .expect("read");
                assert!(chunk.is_some(), "marker {seen}");
            }
        }
        filling.join().expect("filled");
    });
}

#[test]
fn volumes_are_dropped_whole_and_only_when_all_in_them_may_go() {
    let log = plain_log(30, 150);
    let mut home = OnDisk::filled(&log);
    let reaches: Vec<_> = home
        .hot()
        .volumes
        .read()
        .iter()
        .map(|volume| volume.reach())
        .collect();
    let second = reaches[1];
    let drop_before = |home: &OnDisk, lsn| home.hot().drop_volumes_before(lsn).expect("dropped");
    assert_eq!(drop_before(&home, Lsn(second.marker.0 - 1)), 1);
    assert_eq!(drop_before(&home, second.marker), 1);
    assert_eq!(home.volumes().len(), reaches.len() - 2);
    let check_rest = |home: &OnDisk| {
        for (at, (owner, message)) in log.messages.iter().enumerate() {
            let there = at as u64 >= second.marker.0;
            let chunk = home.hot().chunk_at(*owner, message.queue, message.offset);
            assert_eq!(chunk.expect("read").is_some(), there, "{at}");
            let place = home.hot().locate(*owner, message.position);
            assert_eq!(place.expect("read").is_some(), there, "{at}");
        }
    };
    check_rest(&home);
    home.crash();
    assert_eq!(home.open(log.end()), None);
    check_rest(&home);
    // The one that is filled stays, whatever is asked.
    assert_eq!(drop_before(&home, Lsn(u64::MAX)), reaches.len() - 3);
    assert_eq!(home.volumes().len(), 1);
    assert_eq!(home.hot().marker(), log.end());
    assert_eq!(home.hot().metrics.volumes.load(Ordering::Relaxed), 1);
}

#[test]
fn directories_say_what_a_volume_holds() {
    let mut log = Log::default();
    for _ in 0..3 {
        log.push(&[
            (0, 0, vec![message(&[], 9); 2]),
            (1, 4, vec![message(&[], 9)]),
        ]);
    }
    let home = OnDisk::new(SMALL);
    log.fill(home.hot(), 0, 3, TINY);
    let volume = home.hot().last_volume();
    let made = home
        .hot()
        .ask(&volume, |database| database.run(Directory::of));
    let made = made.expect("read").expect("here");
    made.write(&volume.dir).expect("written");
    assert_eq!(Directory::read(&volume.dir).as_ref(), Some(&made));
    let has = |owner, number, offset| made.has(broker(owner), queue(number), Offset(offset));
    assert_eq!(
        [2, 3, 8, 9].map(|at| has(0, 0, at)),
        [false, true, true, false]
    );
    assert_eq!(
        [2, 3, 5, 6].map(|at| has(1, 4, at)),
        [false, true, true, false]
    );
    assert!(!has(0, 4, 3) && !has(1, 0, 3) && !has(2, 0, 3));
    assert_eq!(made.positions(broker(0)), Some((11, 17)));
    assert_eq!(made.positions(broker(1)), Some((11, 14)));
    assert_eq!(made.positions(broker(2)), None);
    assert!(made.has_topic(broker(0), Some(queue(0).topic)));
    assert!(!made.has_topic(broker(0), Some(queue(1).topic)));
    assert!(made.has_topic(broker(1), None) && !made.has_topic(broker(2), None));
    // One bit anywhere and it is made again instead of believed.
    let path = volume.dir.join("directory");
    let good = fs::read(&path).expect("read");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&path, bad).expect("written");
        assert_eq!(Directory::read(&volume.dir), None);
    }
}

#[test]
fn batches_that_overlap_in_themselves_are_refused() {
    let log = plain_log(4, 150);
    let home = OnDisk::new(SMALL);
    let mut builder = crate::hot::fill::BatchBuilder::new(TINY, Lsn(0));
    log.frames
        .iter()
        .flatten()
        .for_each(|item| builder.add(item).expect("a run"));
    let mut batch = builder.take();
    batch.chunks.push(batch.chunks[0].clone());
    assert!(home.hot().fill(&batch).is_err());
    assert_eq!(home.hot().marker(), Lsn(0));
}

#[test]
fn stamps_round_trip() {
    let dir = scratch();
    let reach = Reach {
        begins: Lsn(1),
        marker: Lsn(u64::MAX),
        bytes: 3,
    };
    let files = vec![("conf".to_owned(), 5), ("blobs/a b".to_owned(), 0)];
    for stamp in [
        Stamp::Open {
            boot_id: String::new(),
        },
        Stamp::Open {
            boot_id: "1-2".into(),
        },
        Stamp::Clean { reach, files },
        Stamp::Clean {
            reach,
            files: Vec::new(),
        },
    ] {
        stamp.write(dir.path()).expect("written");
        assert_eq!(Stamp::read(dir.path()).expect("known"), Some(stamp));
    }
}
