//! One suite for every disk, and what each promises beyond it.

use std::path::Path;
use std::sync::Arc;

use super::*;

fn conformance(disk: &dyn Disk) {
    let dir = Path::new("a/b");
    disk.create_dir(dir).expect("makes");
    disk.create_dir(dir).expect("makes again");
    let (one, two) = (dir.join("one"), dir.join("two"));
    assert!(disk.open(&one).is_err());
    let file = disk.create(&one).expect("creates");
    assert!(file.is_empty().expect("has a length"));
    let taken = disk.create(&one).err().map(|error| error.kind());
    assert_eq!(taken, Some(io::ErrorKind::AlreadyExists));
    file.preallocate(1000).expect("allocates");
    file.preallocate(10).expect("is long enough");
    file.write_at(b"hello", 998).expect("writes");
    assert_eq!(file.len().expect("has a length"), 1003);
    let mut buffer = [9; 8];
    assert_eq!(file.read_at(&mut buffer, 996).expect("reads"), 7);
    assert_eq!(&buffer, b"\0\0hello\x09");
    assert_eq!(file.read_at(&mut buffer, 2000).expect("reads"), 0);
    file.sync_data().expect("syncs");
    disk.create(&two).expect("creates");
    assert_eq!(disk.list(dir).expect("lists"), ["one", "two"]);
    disk.rename(&one, &two).expect("renames over");
    disk.sync_dir(dir).expect("syncs");
    assert_eq!(disk.list(dir).expect("lists"), ["two"]);
    let again = disk.open(&two).expect("opens");
    assert_eq!(again.len().expect("has a length"), 1003);
    disk.remove(&two).expect("removes");
    assert!(disk.remove(&two).is_err());
    assert_eq!(file.read_at(&mut buffer[..5], 998).expect("reads"), 5);
    assert!(disk.free_bytes().expect("tells") > 0);
}

#[test]
fn every_disk_conforms() {
    let root = tempfile::tempdir().expect("a temporary directory");
    conformance(&RealDisk::open(root.path().join("new/deep")).expect("opens"));
    conformance(&FaultyDisk::new(1));
    let inner = Arc::new(FaultyDisk::new(1));
    conformance(&Budgeted::new(inner, &[], 1 << 20).expect("wraps"));
}

#[test]
fn a_crash_keeps_what_was_synced_and_may_lose_the_rest() {
    let dir = Path::new("d");
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let disk = FaultyDisk::new(seed);
        disk.create_dir(dir).expect("makes");
        let file = disk.create(&dir.join("f")).expect("creates");
        file.write_at(&[1; 2048], 0).expect("writes");
        file.sync_data().expect("syncs");
        disk.sync_dir(dir).expect("syncs");
        file.write_at(&[2; 1024], 512).expect("writes");
        file.write_at(&[3; 512], 2048).expect("writes");
        disk.create(&dir.join("g")).expect("creates");
        disk.crash(seed);
        assert!(file.len().is_err(), "old handles are dead");
        let bytes = disk.contents(&dir.join("f"));
        assert!(bytes[..512].iter().all(|byte| *byte == 1));
        for sector in bytes.chunks(512) {
            assert!(
                sector.iter().all(|byte| *byte == sector[0]),
                "sectors are whole"
            );
        }
        let sectors: Vec<_> = bytes.chunks(512).map(|sector| sector[0]).collect();
        outcomes.insert((sectors, disk.list(dir).expect("lists").len()));
        // What a crash has settled stays.
        disk.crash(seed + 1);
        assert_eq!(disk.contents(&dir.join("f")), bytes);
    }
    let later_first = outcomes
        .iter()
        .any(|(sectors, _)| sectors == &[1, 1, 1, 1, 3]);
    assert!(later_first, "a later write may survive an earlier one");
    assert!(outcomes.len() > 10, "{outcomes:?}");
}

/// A thread that outlives its process in a test must not do what no dead process can.
#[test]
fn who_died_reaches_nothing_of_a_later_life() {
    let disk = FaultyDisk::new(1);
    disk.create_dir(Path::new("d")).expect("makes");
    let (old, file) = (disk.mounted(), Path::new("d/one"));
    old.create(file).expect("lives").sync_data().expect("syncs");
    old.sync_dir(Path::new("d")).expect("syncs");
    for die in [FaultyDisk::restart, |disk: &FaultyDisk| disk.crash(7)] {
        let old = disk.mounted();
        die(&disk);
        assert!(old.rename(file, Path::new("d/two")).is_err());
        assert!(old.create(Path::new("d/two")).is_err());
        assert!(old.remove(file).is_err() && old.open(file).is_err());
        assert!(old.sync_dir(Path::new("d")).is_err());
        assert_eq!(disk.mounted().list(Path::new("d")).expect("lists"), ["one"]);
    }
}

#[test]
fn a_sync_after_a_failed_one_promises_nothing() {
    let mut lost = 0;
    for seed in 0..50 {
        let disk = FaultyDisk::new(seed);
        let path = Path::new("f");
        let file = disk.create(path).expect("creates");
        file.write_at(&[1; 512], 0).expect("writes");
        file.sync_data().expect("syncs");
        disk.sync_dir(Path::new("")).expect("syncs");
        file.write_at(&[2; 512], 0).expect("writes");
        disk.fail_sync(1);
        assert!(file.sync_data().is_err());
        file.sync_data().expect("the second one succeeds");
        let mut byte = [0];
        file.read_at(&mut byte, 0).expect("reads");
        assert_eq!(byte, [2], "and reads show the write");
        disk.crash(seed);
        lost += u32::from(disk.contents(path)[0] == 1);
    }
    assert!(lost > 10 && lost < 50);
}

#[test]
fn a_budget_counts_all_files_and_what_is_elsewhere() {
    let inner = Arc::new(FaultyDisk::new(1));
    let old = inner.create(Path::new("old")).expect("creates");
    old.write_at(&[1; 100], 0).expect("writes");
    let disk = Budgeted::new(inner, &[Path::new("")], 1000).expect("wraps");
    assert_eq!(disk.used(), 100);
    let file = disk.create(Path::new("new")).expect("creates");
    file.preallocate(800).expect("fits");
    file.write_at(&[1; 800], 0).expect("is charged already");
    let error = file.write_at(&[1; 101], 800).expect_err("does not fit");
    assert!(is_full(&error));
    disk.set_elsewhere(50);
    assert_eq!(disk.free_bytes().expect("tells"), 50);
    assert!(file.write_at(&[1; 51], 800).is_err());
    file.write_at(&[1; 50], 800).expect("fits");
    disk.remove(Path::new("old")).expect("removes");
    file.write_at(&[1; 100], 850).expect("fits now");
    disk.rename(Path::new("new"), Path::new("newer"))
        .expect("renames");
    disk.remove(Path::new("newer")).expect("removes");
    assert_eq!(disk.used(), 50);
    disk.set_budget(60);
    let file = disk.create(Path::new("x")).expect("creates");
    assert!(file.preallocate(11).is_err());
    file.preallocate(10).expect("fits");
}
