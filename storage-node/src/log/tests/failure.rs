//! A disk that fails while the log is in use.

use super::*;

#[test]
fn a_failed_sync_stops_the_log_until_it_is_recovered() {
    let disk = FaultyDisk::new(5);
    let opened = open(&disk);
    let log = &opened.log;
    for seq in 0..3 {
        put(log, seq).expect("commits");
    }
    quiet(&opened.log);
    disk.fail_sync(1);
    assert_eq!(put(log, 3), Err(CommitError::OutcomeUnknown));
    assert_eq!(log.state(), LogState::Failed);
    assert_eq!(submit(log, 4).err(), Some(SubmitError::Failed));
    assert_eq!(log.durable(), Lsn(3));
    assert_eq!(opened.sink.frames.lock().len(), 3);
    assert_eq!(*opened.sink.failed.lock(), [Lsn(3)]);
    let mut seen = 0;
    let replayed = log.replay_committed(Lsn::ZERO, &mut |_| {
        seen += 1;
        Ok(())
    });
    assert_eq!((seen, replayed.expect("replays").end), (3, Lsn(3)));
    // Syncs work again, and that says nothing.
    let incarnation = log.incarnation();
    log.recover().expect("recovers");
    assert!(matches!(log.recover(), Err(LogError::NotFailed)));
    assert_eq!(log.incarnation(), incarnation + 1);
    assert_eq!(put(log, 50), Ok(Lsn(4)));
    log.close().expect("closes");
    drop(opened);
    disk.crash(9);
    let seqs: Vec<_> = open(&disk).frames.iter().map(|(_, it, _)| it.seq).collect();
    assert_eq!(seqs, [0, 1, 2, 50]);
}

/// Frames of a failed sync that reached the disk all the same must not come
/// back where others were answered since.
pub(super) fn superseded_tail_stays_dead(seed: u64, mutant: Option<Mutant>) -> Result<(), String> {
    let disk = FaultyDisk::new(seed);
    let mut config = config();
    config.mutant = mutant;
    let opened = try_open(&disk, config.clone(), Lsn::ZERO).expect("opens");
    let log = &opened.log;
    put(log, 0).expect("commits");
    quiet(&opened.log);
    disk.fail_sync(1);
    assert!(put(log, 1).is_err());
    log.recover().expect("recovers");
    put(log, 2).expect("commits");
    put(log, 3).expect("commits");
    drop(opened);
    disk.crash(seed);
    let again = try_open(&disk, config, Lsn::ZERO).map_err(|error| error.to_string())?;
    let seqs: Vec<_> = again.frames.iter().map(|(_, it, _)| it.seq).collect();
    if seqs != [0, 2, 3] {
        return Err(format!("replayed {seqs:?}"));
    }
    Ok(())
}

#[test]
fn a_superseded_tail_stays_dead_even_without_the_header_that_says_so() {
    for seed in 0..40 {
        superseded_tail_stays_dead(seed, None).expect("holds");
    }
    // The new file's header and its first batch are damaged: a later batch
    // still says since when its incarnation counts.
    for seed in 0..40 {
        let disk = FaultyDisk::new(seed);
        let opened = open(&disk);
        put(&opened.log, 0).expect("commits");
        quiet(&opened.log);
        disk.fail_sync(1);
        assert!(put(&opened.log, 1).is_err());
        opened.log.recover().expect("recovers");
        for seq in 2..5 {
            put(&opened.log, seq).expect("commits");
        }
        drop(opened);
        disk.crash(seed);
        disk.flip(&file(2), 20, 1);
        disk.flip(&file(2), 512 + 20, 1);
        let again = open(&disk);
        let seqs: Vec<_> = again.frames.iter().map(|(_, it, _)| it.seq).collect();
        assert_eq!(seqs, [0, 3, 4]);
        let lost: Vec<_> = again
            .recovery
            .damage
            .iter()
            .map(|it| it.lsns.clone())
            .collect();
        assert!(lost.contains(&(Lsn(2)..Lsn(3))), "{lost:?}");
    }
}

#[test]
fn a_recovery_that_fails_can_be_tried_again() {
    let disk = FaultyDisk::new(2);
    let opened = open(&disk);
    put(&opened.log, 0).expect("commits");
    quiet(&opened.log);
    disk.fail_write(1);
    assert!(put(&opened.log, 1).is_err());
    quiet(&opened.log);
    disk.fail_sync_dir(1);
    assert!(opened.log.recover().is_err());
    assert_eq!(opened.log.state(), LogState::Failed);
    opened.log.recover().expect("recovers");
    put(&opened.log, 2).expect("commits");
    drop(opened);
    disk.crash(3);
    let seqs: Vec<_> = open(&disk).frames.iter().map(|(_, it, _)| it.seq).collect();
    assert_eq!(seqs, [0, 2]);
}

#[test]
fn a_read_that_fails_is_no_torn_tail() {
    let disk = FaultyDisk::new(2);
    let opened = open(&disk);
    for seq in 0..100 {
        put(&opened.log, seq).expect("commits");
    }
    let place = opened.sink.frames.lock()[50].place;
    disk.fail_read(1);
    let read = opened.log.read_at(place);
    assert!(matches!(read, Err(ReadAtError::Io { .. })));
    assert_eq!(opened.log.read_at(place).expect("reads"), payload(50));
    drop(opened);
    let mut failures = 0;
    for n in 1.. {
        disk.fail_read(n);
        match try_open(&disk, config(), Lsn::ZERO) {
            Err(error) => {
                assert!(matches!(error, LogError::Io { .. }), "{error}");
                failures += 1;
            }
            Ok(opened) => {
                assert_eq!(opened.frames.len(), 100);
                break;
            }
        }
        disk.restart();
    }
    assert!(failures > 5);
    disk.restart();
    let again = open(&disk);
    assert_eq!(again.frames.len(), 100);
    assert!(again.recovery.damage.is_empty());
}

/// A visitor's error comes back, and nothing was changed.
#[test]
fn a_visitor_may_stop_a_replay() {
    let disk = FaultyDisk::new(2);
    let opened = open(&disk);
    put(&opened.log, 1).expect("commits");
    drop(opened);
    let counts = disk.counts();
    let result = Log::open(
        Arc::new(disk.clone()),
        config(),
        Arc::new(Kept::default()),
        Lsn::ZERO,
        &mut |_| Err("enough".into()),
    );
    assert!(matches!(result, Err(LogError::Visit(_))));
    assert_eq!(disk.counts().changes, counts.changes);
}
