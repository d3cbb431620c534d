//! What a start does with volumes that are damaged, foreign, newer or in use.

use super::*;

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

/// A full volume that is filled further, because the newer ones were no good
/// and volumes may be larger now, holds more than its directory said.
#[test]
fn a_volume_that_grows_again_is_read_whole() {
    let log = plain_log(30, 150);
    let mut home = OnDisk::filled(&log);
    home.close();
    let volumes = home.volumes();
    fs::remove_file(volumes[2].join("stamp")).expect("removed");
    home.settings.volume_bytes = 3000;
    assert!(home.open(log.end()).is_some());
    assert_eq!(home.volumes(), volumes[..2]);
    home.refill_and_check(&log);
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
