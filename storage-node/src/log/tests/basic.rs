//! What a log does on a disk that behaves.

use super::*;

#[test]
fn frames_come_back_in_order_across_many_files() {
    let disk = FaultyDisk::new(1);
    let opened = open(&disk);
    assert!(opened.recovery.created);
    let mut waiting = Vec::new();
    for seq in 0..400 {
        let (lsn, answer) = submit(&opened.log, seq).expect("taken");
        assert_eq!(lsn, Lsn(seq + 1));
        waiting.push(answer);
        if seq % 7 == 0 {
            for answer in waiting.drain(..) {
                answer.blocking_recv().expect("answered").expect("commits");
            }
        }
    }
    opened.log.close().expect("closes");
    assert_eq!(opened.log.durable(), Lsn(400));
    assert_eq!(submit(&opened.log, 0).err(), Some(SubmitError::Closed));

    // The sink got the same, in order, and what it got can be read in place.
    let sink = opened.sink.frames.lock().clone();
    assert_eq!(sink.len(), 400);
    let published = opened.sink.published.lock().clone();
    assert!(published.is_sorted());
    assert_eq!(published.last(), Some(&Lsn(400)));
    let again = open(&disk);
    assert!(!again.recovery.created);
    assert_eq!(again.recovery.end, Lsn(400));
    assert_eq!(again.recovery.incarnation, 2);
    assert!(again.recovery.damage.is_empty() && again.recovery.torn.is_none());
    assert!(again.log.0.core.files.all().len() > 5);
    for (n, frame) in sink.iter().enumerate() {
        let seq = n as u64;
        assert_eq!(frame.lsn, Lsn(seq + 1));
        assert_eq!(frame.header, header(seq));
        assert_eq!(frame.payload, payload(seq));
        assert_eq!(again.places[n], frame.place);
        assert_eq!(again.frames[n], (frame.lsn, header(seq), payload(seq)));
        assert_eq!(
            again.log.read_at(frame.place).expect("reads"),
            frame.payload
        );
    }
}

#[test]
fn replay_starts_where_it_is_asked_to() {
    let disk = FaultyDisk::new(1);
    let opened = open(&disk);
    for seq in 0..200 {
        put(&opened.log, seq).expect("commits");
    }
    opened.log.close().expect("closes");
    for from in [1, 2, 50, 51, 52, 150, 199, 200, 201] {
        let before = disk.counts().bytes_read;
        let again = try_open(&disk, config(), Lsn(from)).expect("opens");
        let lsns: Vec<_> = again.frames.iter().map(|(lsn, ..)| lsn.0).collect();
        assert_eq!(lsns, (from..=200).collect::<Vec<_>>());
        let read = disk.counts().bytes_read - before;
        let all = again.log.0.core.files.all().len() as u64 * (16 << 10);
        assert!(from < 150 || read < all / 2, "older files are not read");
        again.log.close().expect("closes");
        let mut lsns = Vec::new();
        let replayed = again.log.replay_committed(Lsn(from), &mut |frame| {
            lsns.push(frame.lsn.0);
            Ok(())
        });
        assert_eq!(lsns, (from..=200).collect::<Vec<_>>());
        assert_eq!(replayed.expect("replays").end, Lsn(200));
    }
}

#[test]
fn an_idle_log_writes_nothing() {
    let disk = FaultyDisk::new(1);
    let opened = open(&disk);
    put(&opened.log, 1).expect("commits");
    opened.log.close().expect("closes");
    drop(opened);
    let opened = open(&disk);
    opened.log.close().expect("closes");
    let counts = disk.counts();
    opened.log.close().expect("closes again");
    drop(opened);
    assert_eq!(disk.counts(), counts);
    let error = try_open(&disk, config(), Lsn(7));
    assert_eq!(error.expect("opens").recovery.end, Lsn(1));
}

#[test]
fn what_is_too_large_or_too_much_is_refused() {
    let disk = FaultyDisk::new(1);
    let mut limited = config();
    limited.pending_bytes_max = 6000;
    let held = Arc::new(Mutex::new(()));
    let gate = held.clone();
    limited.crash_points = CrashPoints::new(move |point| {
        if point == CrashPoint::BeforeWrite {
            drop(gate.lock());
        }
        true
    });
    let opened = try_open(&disk, limited, Lsn::ZERO).expect("opens");
    let log = &opened.log;
    let whole = config().capacity() as usize - 72 - 48;
    let error = submit_bytes(log, 1, &vec![7; whole + 1]).err();
    let bytes = whole as u64 + 49;
    assert_eq!(error, Some(SubmitError::TooLarge { bytes }));
    let (_, answer) = submit_bytes(log, 1, &payload_of(1, whole)).expect("taken");
    answer.blocking_recv().expect("answered").expect("commits");

    let stalled = held.lock();
    let mut answers = Vec::new();
    let refused = loop {
        match submit_bytes(log, 2, &payload_of(2, 1000)) {
            Ok((_, answer)) => answers.push(answer),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, SubmitError::Overloaded);
    assert_eq!(answers.len(), 5);
    drop(stalled);
    for answer in answers {
        answer.blocking_recv().expect("answered").expect("commits");
    }
    put(log, 3).expect("goes on");
    assert_eq!(log.metrics().refused_overloaded.load(Ordering::Relaxed), 1);
}

/// Sees at each call how far the log says it is.
#[derive(Default)]
struct Watching {
    log: std::sync::OnceLock<Log>,
    calls: Mutex<Vec<(&'static str, Lsn, Lsn)>>,
}

impl Watching {
    fn note(&self, what: &'static str, told: Lsn) {
        let durable = self
            .log
            .get()
            .expect("set before the first submit")
            .durable();
        self.calls.lock().push((what, told, durable));
    }
}

impl CommitSink for Watching {
    fn committed(&self, batch: CommittedBatch) {
        self.note("committed", batch.frames[0].lsn);
    }
    fn published(&self, durable: Lsn) {
        self.note("published", durable);
    }
}

#[test]
fn the_sink_has_a_batch_before_readers_may_look_and_senders_are_answered() {
    let disk = Arc::new(FaultyDisk::new(1));
    let sink = Arc::new(Watching::default());
    let opened = Log::open(disk, config(), sink.clone(), Lsn::ZERO, &mut |_| Ok(()));
    let (log, _) = opened.expect("opens");
    assert!(sink.log.set(log.clone()).is_ok());
    for seq in 0..20 {
        let lsn = put(&log, seq).expect("commits");
        let calls = std::mem::take(&mut *sink.calls.lock());
        let expected = [("committed", lsn, lsn.prev()), ("published", lsn, lsn)];
        assert_eq!(calls, expected);
    }
    log.close().expect("closes");
}

#[test]
fn an_inspection_names_everything() {
    let disk = FaultyDisk::new(1);
    let opened = open(&disk);
    for seq in 2..60 {
        put(&opened.log, seq).expect("commits");
    }
    let place = opened.sink.frames.lock()[10].place;
    opened.log.close().expect("closes");
    drop(opened);
    disk.flip(&file(place.file), u64::from(place.offset) + 50, 1);
    let rows: Result<Vec<_>, _> = inspect(&disk, Path::new("log")).expect("opens").collect();
    let rows = rows.expect("reads");
    let count = |wanted: fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count();
    assert_eq!(count(|row| matches!(row, Row::Frame { .. })), 57);
    assert!(
        count(|row| matches!(
            row,
            Row::File {
                header: Some(_),
                ..
            }
        )) > 1
    );
    assert!(count(|row| matches!(row, Row::Batch { header, .. } if header.terminator)) > 0);
    // No header calls durable what was not yet.
    let marks = |row: &Row| match row {
        Row::Batch { header, .. } => header.synced == header.first_lsn.prev(),
        Row::File { .. } | Row::Frame { .. } | Row::BadFrames { .. } | Row::Unknown { .. } => true,
    };
    assert!(rows.iter().all(marks));
    assert!(rows.contains(&Row::BadFrames {
        file: place.file,
        bytes: place.offset.into()..u64::from(place.offset) + 48 + u64::from(place.len),
        lsns: place.lsn..place.lsn.next(),
        header: Some(header(12)),
    }));
    let unused = rows
        .iter()
        .all(|row| !matches!(row, Row::Unknown { is_zero: false, .. }));
    assert!(unused);
}
