use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::stamp::Stamp;
use super::*;
use crate::hot::StateStore;
use crate::hot::conformance::{
    Home, Log, TINY, any_log, any_steps, broker, fill_and_check, message, plain_log, queue,
    states_are_kept,
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
    #![proptest_config(ProptestConfig { max_shrink_iters: 100, ..ProptestConfig::with_cases(16) })]
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

/// Every way in which the newest volume can be no good: it goes, and what was
/// closed before it stays.
fn newest_is_rebuilt(log_end: Option<Lsn>, machine: Machine, spoil: impl Fn(&Path)) {
    let log = plain_log(30, 150);
    let mut home = OnDisk::filled(&log);
    home.crash();
    let before = home.volumes();
    spoil(before.last().expect("one"));
    let end = log_end.unwrap_or(log.end());
    let rebuilt = home.open_on(end, machine);
    assert!(rebuilt.is_some());
    let marker = home.hot().marker();
    assert!(marker < log.end() && marker <= end, "{marker:?}");
    assert!(marker > Lsn(0), "good volumes stay");
    home.refill_and_check(&log);
}

#[test]
fn an_empty_conf_is_rebuilt() {
    newest_is_rebuilt(None, Machine::real(), |volume| {
        fs::write(volume.join("data/conf"), []).expect("written");
    });
}

#[test]
fn a_cut_db_is_rebuilt() {
    newest_is_rebuilt(None, Machine::real(), |volume| {
        let db = fs::OpenOptions::new()
            .write(true)
            .open(volume.join("data/db"));
        db.expect("there").set_len(0).expect("cut");
    });
}

#[test]
fn random_bytes_are_rebuilt() {
    newest_is_rebuilt(None, Machine::real(), |volume| {
        for name in ["data/db", "data/conf", "data/snap.0000000000000000"] {
            let noise: Vec<u8> = (0..70_000_u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect();
            fs::write(volume.join(name), noise).expect("written");
        }
    });
}

#[test]
fn another_boot_without_a_clean_stop_is_rebuilt() {
    newest_is_rebuilt(None, other_boot(), |_| {});
    let nobody = Machine {
        boot_id: None,
        ..Machine::real()
    };
    newest_is_rebuilt(None, nobody, |_| {});
}

#[test]
fn a_marker_ahead_of_the_log_is_rebuilt() {
    newest_is_rebuilt(Some(Lsn(29)), Machine::real(), |_| {});
}

#[test]
fn a_panic_in_open_is_rebuilt() {
    let machine = Machine {
        open: |path| {
            let volume = path.parent().expect("a volume");
            let others = fs::read_dir(volume.parent().expect("a store")).expect("listed");
            let newest = others.map(|entry| entry.expect("one").path()).max();
            let is_new = !path.join("db").exists();
            assert!(is_new || newest.as_deref() != Some(volume), "cannot be");
            database::open_sled(path)
        },
        ..Machine::real()
    };
    newest_is_rebuilt(None, machine, |_| {});
}

#[test]
fn a_volume_that_does_not_follow_its_neighbour_is_rebuilt() {
    let log = plain_log(30, 150);
    let mut home = OnDisk::filled(&log);
    home.close();
    let volumes = home.volumes();
    fs::remove_dir_all(&volumes[1]).expect("removed");
    assert!(home.open(log.end()).is_some());
    assert_eq!(home.volumes(), volumes[..1]);
    home.refill_and_check(&log);
}

#[test]
fn without_a_clean_stop_the_same_boot_goes_on() {
    let log = plain_log(30, 150);
    let mut home = OnDisk::new(SMALL);
    log.fill(home.hot(), 0, 13, TINY);
    home.crash();
    assert_eq!(home.open(log.end()), None);
    assert_eq!(home.hot().marker(), Lsn(13));
    home.refill_and_check(&log);
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let log = plain_log(5, 150);
    let mut home = OnDisk::filled(&log);
    home.close();
    let stamp = home.volumes()[0].join("stamp");
    let body = "firn-hot 2\nnever seen";
    let sum = crc32c::crc32c(body.as_bytes());
    fs::write(&stamp, format!("{body}\nsum {sum:08x}\n")).expect("written");
    let open = || SledHotStore::open(home.dir.path(), SMALL, log.end(), Arc::default());
    let Err(error) = open() else {
        panic!("a newer version was opened");
    };
    assert!(
        matches!(
            error,
            HotError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(stamp.exists());
}

#[test]
fn a_store_in_use_is_left_alone() {
    let log = plain_log(5, 150);
    let home = OnDisk::filled(&log);
    let machine = Machine {
        open: |_| panic!("must not come to this"),
        ..Machine::real()
    };
    let second = database::Database::open(&home.volumes()[0], &machine);
    assert!(matches!(second, Err(HotError::InUse(_))));
    log.check(home.hot());
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
fn a_removal_that_was_cut_short_is_finished() {
    let log = plain_log(30, 150);
    let mut home = OnDisk::filled(&log);
    home.close();
    let oldest = home.volumes()[0].clone();
    fs::rename(&oldest, oldest.with_file_name("removed-0000000001")).expect("renamed");
    assert_eq!(home.open(log.end()), None);
    assert!(
        home.volumes()
            .iter()
            .all(|path| !path.to_string_lossy().contains("removed"))
    );
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
fn a_volume_that_cannot_be_opened_again_is_an_error_and_then_rebuilt() {
    let log = plain_log(30, 150);
    let mut home = OnDisk::new(SledSettings {
        volumes_open: 0,
        ..SMALL
    });
    log.fill(home.hot(), 0, log.frames.len(), TINY);
    let first = home.volumes()[0].clone();
    let noise = vec![7; 3000];
    fs::write(first.join("data/conf"), noise).expect("written");
    let (_, message) = &log.messages[0];
    let read = || {
        home.hot()
            .chunk_at(broker(1), message.queue, message.offset)
    };
    assert!(matches!(read(), Err(HotError::Store(_))));
    assert!(matches!(read(), Err(HotError::Store(_))));
    assert_eq!(home.hot().metrics.volumes_broken.load(Ordering::Relaxed), 1);
    home.crash();
    assert!(home.open(log.end()).is_some());
    assert_eq!(home.hot().marker(), Lsn(0));
    home.refill_and_check(&log);
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
