//! Full disks, and files that are given back.

use std::sync::Arc;

use super::*;
use crate::disk::Disk;
use crate::log::files::{Files, Listing};
use crate::log::spares::Spares;

fn send(log: &Log, seq: u64) -> Result<Lsn, SubmitError> {
    log.submit(header(seq), FrameClass::Send, &[&payload(seq)], None)
}

#[test]
fn a_full_disk_stops_sends_and_not_acks_and_service_resumes_by_itself() {
    let disk = FaultyDisk::new(1);
    let mut config = config();
    config.batch_bytes = 1 << 10;
    let opened = try_open(&disk, config, Lsn::ZERO).expect("opens");
    let log = &opened.log;
    quiet(log);
    disk.set_budget(Some(disk.used()));
    let mut sent = 0;
    while send(log, sent * 17 + 2).is_ok() {
        settled(log);
        put(log, sent * 17 + 3).expect("others commit");
        sent += 1;
        assert!(sent < 1000, "sends go on on a full disk");
    }
    assert_eq!(send(log, 2), Err(SubmitError::DiskFull));
    let space = log.space();
    assert!(space.full && space.problem.is_some());
    assert!(log.metrics().refused_disk_full.load(Ordering::Relaxed) > 0);
    // A file's worth of acks still finds room.
    let mut others = 0;
    while others < 14 << 10 {
        put(log, 3).expect("others commit");
        others += 512;
    }
    // Until there is none at all; then they too are told so.
    let refused = loop {
        settled(log);
        match submit(log, 4) {
            Ok((_, answer)) => answer.blocking_recv().expect("answered").expect("commits"),
            Err(error) => break error,
        };
    };
    assert_eq!(refused, SubmitError::DiskFull);
    let durable = log.durable();
    disk.set_budget(None);
    log.retry_space();
    until(|| !log.space().full);
    assert_eq!(put(log, 9), Ok(durable.next()));
    send(log, 10).expect("sends are back");
    log.close().expect("closes");
    drop(opened);
    disk.crash(1);
    assert_eq!(open(&disk).frames.len() as u64, durable.0 + 2);
}

/// The thread that makes spares may be slow: whoever takes one knows at once that
/// no other can be made, so that sends leave alone what is kept for acks.
#[test]
fn whoever_takes_a_spare_finds_out_that_the_disk_is_full() {
    let disk = FaultyDisk::new(1);
    let mut config = config();
    config.files_ahead = 3;
    disk.create_dir(&config.dir).expect("creates");
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let files = Arc::new(Files::new(shared, config.dir.clone(), 1, &[]));
    // Without its thread.
    let spares = Spares::open(&config, files, Arc::default(), &Listing::default());
    assert_eq!(
        (spares.ready(), spares.blocked()),
        (config.files_ahead, false)
    );
    disk.set_budget(Some(disk.used()));
    spares.take().expect("there is one");
    let left = config.files_ahead - 1;
    assert_eq!((spares.ready(), spares.blocked()), (left, true));
    assert!(left >= FILES_RESERVED, "what is kept is still there");
    disk.set_budget(None);
    spares.refill();
    spares.take().expect("there is one");
}

#[test]
fn a_small_disk_starts_full_rather_than_without_room_for_acks() {
    let disk = FaultyDisk::new(1);
    disk.set_budget(Some(40 << 10));
    let opened = open(&disk);
    assert_eq!(send(&opened.log, 1), Err(SubmitError::DiskFull));
    put(&opened.log, 2).expect("acks commit");
    drop(opened);
    let disk = FaultyDisk::new(1);
    disk.set_budget(Some(8 << 10));
    assert!(try_open(&disk, config(), Lsn::ZERO).is_err());
}

#[test]
fn a_commit_waits_for_room_and_a_closing_log_does_not() {
    for closes in [false, true] {
        let disk = FaultyDisk::new(1);
        let held = Arc::new(Mutex::new(()));
        let gate = held.clone();
        let mut config = config();
        config.crash_points = CrashPoints::new(move |point| {
            if point == CrashPoint::BeforeWrite {
                drop(gate.lock());
            }
            true
        });
        let opened = try_open(&disk, config, Lsn::ZERO).expect("opens");
        let log = &opened.log;
        quiet(log);
        // Taken before anybody knows that the disk is full: more than all files
        // at hand have room for.
        disk.set_budget(Some(disk.used()));
        let stalled = held.lock();
        let mut answers = Vec::new();
        while let Ok((_, answer)) = submit_bytes(log, 5, &payload_of(5, 7000)) {
            answers.push(answer);
            if answers.len() == 20 {
                break;
            }
        }
        assert_eq!(answers.len(), 20);
        drop(stalled);
        until(|| log.space().spare_files == 0);
        if closes {
            let _ = log.close();
        } else {
            disk.set_budget(None);
            log.retry_space();
        }
        let results = answers.into_iter().map(|answer| answer.blocking_recv());
        let results: Vec<_> = results.map(|it| it.expect("answered either way")).collect();
        let lost = results.iter().filter(|it| it.is_err()).count();
        assert_eq!(lost > 0, closes);
        let first_lost = results.iter().position(Result::is_err);
        drop(opened);
        disk.crash(1);
        disk.set_budget(None);
        let again = try_open(&disk, super::config(), Lsn::ZERO).expect("opens");
        assert!(again.frames.len() >= first_lost.unwrap_or(results.len()));
    }
}

#[test]
fn files_below_a_position_are_recycled_and_their_old_frames_never_count() {
    let disk = FaultyDisk::new(1);
    let mut seq = 0;
    let mut first = Lsn(1);
    for round in 0..12 {
        let opened = open(&disk);
        let log = &opened.log;
        assert_eq!(opened.recovery.first, first, "round {round}");
        assert!(opened.recovery.damage.is_empty());
        for (lsn, header, bytes) in &opened.frames {
            assert_eq!(header.seq + 1, lsn.0);
            assert_eq!(*bytes, payload(header.seq));
        }
        for _ in 0..60 {
            put(log, seq).expect("commits");
            seq += 1;
        }
        let place = opened.sink.frames.lock()[0].place;
        let keep = Lsn(log.durable().0 - 20);
        log.truncate_before(keep).expect("truncates");
        assert_eq!(log.truncate_before(keep).expect("truncates"), 0);
        let files = log.0.core.files.all();
        first = files[0].first_lsn.expect("header");
        assert!(first <= keep && files.len() <= 4);
        assert!(matches!(log.read_at(place), Err(ReadAtError::Gone { .. })));
        // What lies past the end in a recycled file is older than the log's end.
        if round % 3 == 0 {
            log.close().expect("closes");
        }
        drop(opened);
        disk.crash(round);
    }
    let names = disk.list(Path::new("log")).expect("lists");
    assert!(names.len() < 10, "{names:?}");
}

#[test]
fn truncation_recycles_when_spares_are_wanted() {
    let disk = FaultyDisk::new(1);
    let opened = open(&disk);
    let log = &opened.log;
    quiet(log);
    let recycled = || log.metrics().files_recycled.load(Ordering::Relaxed);
    disk.set_budget(Some(disk.used()));
    let mut seq = 0;
    // On a full disk only recycling keeps a log going.
    while log.durable() < Lsn(500) {
        settled(log);
        match submit(log, seq) {
            Ok((_, answer)) => {
                answer.blocking_recv().expect("answered").expect("commits");
                seq += 1;
            }
            Err(_) => {
                log.truncate_before(Lsn(seq)).expect("truncates");
            }
        }
    }
    assert!(recycled() > 10);
    log.close().expect("closes");
    drop(opened);
    disk.crash(4);
    let again = open(&disk);
    assert_eq!(again.recovery.end, Lsn(500));
    for (lsn, header, bytes) in &again.frames {
        assert_eq!(header.seq + 1, lsn.0);
        assert_eq!(*bytes, payload(header.seq));
    }
}

#[test]
fn a_reader_keeps_its_file_while_it_is_truncated() {
    let disk = FaultyDisk::new(1);
    let opened = open(&disk);
    let log = &opened.log;
    for seq in 0..200 {
        put(log, seq).expect("commits");
    }
    let mut frames = Vec::new();
    let replayed = log.replay_committed(Lsn(1), &mut |frame| {
        if frames.is_empty() {
            log.truncate_before(Lsn(200)).expect("truncates");
            for seq in 200..260 {
                put(log, seq).expect("commits");
            }
        }
        frames.push(frame.lsn.0);
        Ok(())
    });
    assert!(replayed.expect("replays").damage.is_empty());
    assert_eq!(frames, (1..=200).collect::<Vec<_>>());
}
