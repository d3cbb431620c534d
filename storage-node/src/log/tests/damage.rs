//! Bits that rot: damage is told from a torn tail, named exactly, and never cut.

use super::*;

/// A closed log of many small frames, and where they are.
fn written(disk: &FaultyDisk, frames: u64) -> Vec<LogPlace> {
    let opened = open(disk);
    let mut waiting = Vec::new();
    for seq in 0..frames {
        waiting.push(submit(&opened.log, seq).expect("taken").1);
        // Batches of one and of several frames.
        if seq % 5 == 0 || seq % 5 == 1 {
            for answer in waiting.drain(..) {
                answer.blocking_recv().expect("answered").expect("commits");
            }
        }
    }
    opened.log.close().expect("closes");
    let kept = opened.sink.frames.lock();
    kept.iter().map(|frame| frame.place).collect()
}

/// Opens and holds what is there against what is said to be lost.
fn check(
    disk: &FaultyDisk,
    mutant: Option<Mutant>,
    frames: u64,
) -> Result<Vec<DamagedRange>, String> {
    let mut config = config();
    config.mutant = mutant;
    let opened = try_open(disk, config, Lsn::ZERO).map_err(|error| error.to_string())?;
    let mut expected = Vec::new();
    let damage = opened.recovery.damage.clone();
    for seq in 0..frames {
        let lsn = Lsn(seq + 1);
        if !damage.iter().any(|range| range.lsns.contains(&lsn)) {
            expected.push((lsn, header(seq), payload(seq)));
        }
    }
    if opened.frames != expected {
        let (found, wanted) = (opened.frames.len(), expected.len());
        return Err(format!("{found} frames, wanted {wanted}: {damage:?}"));
    }
    if opened.recovery.end != Lsn(frames) {
        return Err(format!("ends at {}", opened.recovery.end));
    }
    // Whatever happened, the log goes on behind it.
    assert_eq!(put(&opened.log, frames), Ok(Lsn(frames + 1)));
    Ok(damage)
}

/// Flips one bit at a time in every part of the log.
pub(super) fn flip_is_seen(mutant: Option<Mutant>) -> Result<(), String> {
    let original = FaultyDisk::new(1);
    let places = written(&original, 60);
    let count = places.last().expect("frames").file;
    assert!(count > 1);
    for number in 1..=count {
        let contents = original.contents(&file(number));
        let mut offset = number * 3;
        while offset < contents.len() as u64 {
            let disk = FaultyDisk::new(2);
            copy(&original, &disk, count);
            disk.flip(&file(number), offset, 1 << (offset % 8));
            let damage = check(&disk, mutant, 60);
            let damage = damage.map_err(|error| format!("flip at {number}/{offset}: {error}"))?;
            expect_exact(&places, number, offset, &damage)?;
            offset += 61;
        }
    }
    Ok(())
}

/// No more frames may be lost than the flipped bit is in, or its batch's header.
fn expect_exact(
    places: &[LogPlace],
    file: u64,
    offset: u64,
    damage: &[DamagedRange],
) -> Result<(), String> {
    let hit = places.iter().find(|place| {
        let from = u64::from(place.offset);
        place.file == file && (from..from + 48 + u64::from(place.len)).contains(&offset)
    });
    let lost: Vec<_> = damage
        .iter()
        .filter(|range| !range.lsns.is_empty())
        .collect();
    match hit {
        Some(place) => {
            let [range] = lost[..] else {
                return Err(format!("frame {} hit, told {damage:?}", place.lsn));
            };
            let from = u64::from(place.offset);
            let bytes = from..from + 48 + u64::from(place.len);
            let in_payload = offset >= from + 48;
            let exact = range.file == file
                && range.bytes == bytes
                && range.lsns == (place.lsn..place.lsn.next())
                && range.frame.is_some() == in_payload;
            if !exact {
                return Err(format!("frame {place:?} hit, told {range:?}"));
            }
        }
        None => {
            for range in damage {
                let covers = range.file == file && range.bytes.contains(&offset);
                if !covers {
                    return Err(format!("{file}/{offset} hit, told {range:?}"));
                }
            }
        }
    }
    Ok(())
}

fn copy(from: &FaultyDisk, to: &FaultyDisk, files: u64) {
    to.create_dir(Path::new("log")).expect("works");
    for number in 1..=files {
        let path = file(number);
        let target = to.create(&path).expect("creates");
        target.write_at(&from.contents(&path), 0).expect("writes");
        target.sync_data().expect("syncs");
    }
    to.sync_dir(Path::new("log")).expect("syncs");
}

#[test]
fn a_flipped_bit_costs_what_it_hits_and_no_more() {
    flip_is_seen(None).expect("holds");
}

#[test]
fn a_run_of_bad_bytes_is_stepped_over() {
    let original = FaultyDisk::new(1);
    let places = written(&original, 60);
    let count = places.last().expect("frames").file;
    for n in 0..40 {
        let disk = FaultyDisk::new(2);
        copy(&original, &disk, count);
        let place = places[n as usize];
        let bytes = payload_of(n, 100 + n as usize * 50);
        let room = (16 << 10) - u64::from(place.offset);
        let end = bytes.len().min(room as usize);
        disk.overwrite(&file(place.file), place.offset.into(), &bytes[..end]);
        let damage = check(&disk, None, 60).unwrap_or_else(|error| panic!("{n}: {error}"));
        assert!(damage.iter().any(|range| range.lsns.contains(&place.lsn)));
    }
}

#[test]
fn a_missing_or_cut_or_zeroed_file_is_damage() {
    let original = FaultyDisk::new(1);
    let places = written(&original, 120);
    let count = places.last().expect("frames").file;
    assert!(count >= 4);
    let in_file = |number| places.iter().filter(|place| place.file == number).count() as u64;
    let lost = |damage: &[DamagedRange]| {
        let lost = damage
            .iter()
            .map(|range| range.lsns.end.0 - range.lsns.start.0);
        lost.sum::<u64>()
    };
    let disk = FaultyDisk::new(2);
    copy(&original, &disk, count);
    disk.remove(&file(2)).expect("removes");
    assert_eq!(lost(&check(&disk, None, 120).expect("opens")), in_file(2));

    let disk = FaultyDisk::new(2);
    copy(&original, &disk, count);
    disk.overwrite(&file(2), 0, &vec![0; 16 << 10]);
    assert_eq!(lost(&check(&disk, None, 120).expect("opens")), in_file(2));

    let cut = 5000;
    let disk = FaultyDisk::new(2);
    copy(&original, &disk, count);
    disk.truncate(&file(2), cut);
    let damage = check(&disk, None, 120).expect("opens");
    let beyond = |place: &&LogPlace| {
        place.file == 2 && u64::from(place.offset) + 48 + u64::from(place.len) > cut
    };
    assert!(lost(&damage) >= places.iter().filter(beyond).count() as u64);
    assert!(lost(&damage) < in_file(2));

    // The last file: how many frames are gone nobody knows, but that some are.
    let disk = FaultyDisk::new(2);
    copy(&original, &disk, count);
    disk.truncate(&file(count), 600);
    let opened = open(&disk);
    let damage = opened.recovery.damage.last().expect("damage");
    assert_eq!((damage.file, damage.bytes.end), (count, 16 << 10));
    put(&opened.log, 5).expect("goes on in a new file");

    // All gone.
    let disk = FaultyDisk::new(2);
    copy(&original, &disk, 1);
    disk.overwrite(&file(1), 0, &vec![0; 16 << 10]);
    let error = try_open(&disk, config(), Lsn::ZERO).err();
    assert!(matches!(error, Some(LogError::Unreadable)));
}

#[test]
fn the_last_batch_is_a_torn_tail_unless_something_vouches_for_it() {
    for closed in [false, true] {
        let disk = FaultyDisk::new(1);
        let opened = open(&disk);
        for seq in 2..6 {
            put(&opened.log, seq).expect("commits");
        }
        let place = opened.sink.frames.lock()[3].place;
        if closed {
            opened.log.close().expect("closes");
        }
        drop(opened);
        disk.flip(&file(1), u64::from(place.offset) + 50, 4);
        let again = open(&disk);
        assert_eq!(again.frames.len(), 3);
        if closed {
            assert_eq!(again.recovery.end, Lsn(4));
            assert_eq!(again.recovery.damage.len(), 1);
            assert_eq!(again.recovery.torn, None);
        } else {
            assert_eq!(again.recovery.end, Lsn(3));
            assert!(again.recovery.damage.is_empty());
            let torn = again.recovery.torn.clone().expect("torn");
            assert_eq!((torn.file, torn.from_byte), (1, place.offset.into()));
            assert_eq!(torn.lsns, Lsn(4)..Lsn(5));
            // The place is taken by others, now and for ever.
            assert_eq!(put(&again.log, 77), Ok(Lsn(4)));
            drop(again);
            let last = open(&disk);
            assert_eq!(last.frames[3].1.seq, 77);
            assert!(last.recovery.damage.is_empty() && last.recovery.torn.is_none());
        }
    }
}

#[test]
fn frames_before_the_tear_in_the_last_batch_stay() {
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
    let stalled = held.lock();
    let answers: Vec<_> = (2..8)
        .map(|seq| submit(&opened.log, seq).expect("taken").1)
        .collect();
    drop(stalled);
    for answer in answers {
        answer.blocking_recv().expect("answered").expect("commits");
    }
    let places: Vec<_> = opened
        .sink
        .frames
        .lock()
        .iter()
        .map(|it| it.place)
        .collect();
    drop(opened);
    // The fourth frame is torn; the third and the ones before are whole.
    disk.flip(&file(1), places[3].offset.into(), 1);
    let again = open(&disk);
    let seqs: Vec<_> = again.frames.iter().map(|(_, it, _)| it.seq).collect();
    assert_eq!(seqs, [2, 3, 4]);
    assert_eq!(put(&again.log, 90), Ok(Lsn(4)));
    drop(again);
    disk.crash(1);
    let seqs: Vec<_> = open(&disk).frames.iter().map(|(_, it, _)| it.seq).collect();
    assert_eq!(seqs, [2, 3, 4, 90]);
}

#[test]
fn another_log_s_file_is_refused() {
    let (disk, other) = (FaultyDisk::new(1), FaultyDisk::new(2));
    written(&disk, 60);
    written(&other, 60);
    disk.overwrite(&file(2), 0, &other.contents(&file(2)));
    let error = try_open(&disk, config(), Lsn::ZERO).err();
    assert!(matches!(error, Some(LogError::Foreign { file: 2 })));
}

#[test]
fn a_beginning_that_is_gone_is_named() {
    let disk = FaultyDisk::new(1);
    let places = written(&disk, 120);
    disk.remove(&file(1)).expect("removes");
    let kept = places.iter().find(|place| place.file == 2).expect("file 2");
    let opened = try_open(&disk, config(), Lsn(3)).expect("opens");
    assert_eq!(opened.recovery.damage[0].lsns, Lsn(3)..kept.lsn);
    assert_eq!(opened.recovery.first, kept.lsn);
}
