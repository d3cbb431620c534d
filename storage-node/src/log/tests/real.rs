//! The log on the machine's file system, with many threads.

use super::*;
use crate::disk::RealDisk;

fn open_real(root: &Path) -> Opened {
    let mut config = config();
    config.file_bytes = 64 << 10;
    let disk = Arc::new(RealDisk::open(root).expect("nobody else has it"));
    let sink = Arc::new(Kept::default());
    let (mut frames, mut places) = (Vec::new(), Vec::new());
    let (log, recovery) = Log::open(disk, config, sink.clone(), Lsn::ZERO, &mut |frame| {
        frames.push((frame.lsn, frame.header, frame.payload.to_vec()));
        places.push(frame.place);
        Ok(())
    })
    .expect("opens");
    Opened {
        log,
        recovery,
        frames,
        places,
        sink,
    }
}

#[test]
fn many_threads_submit_read_and_truncate() {
    const THREADS: u64 = 6;
    const EACH: u64 = 300;
    let root = tempfile::tempdir().expect("a temporary directory");
    let opened = open_real(root.path());
    let log = &opened.log;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let sink = &opened.sink;
            scope.spawn(move || {
                let mut last = Lsn::ZERO;
                for n in 0..EACH {
                    let seq = thread * EACH + n;
                    if n % 3 == 0 {
                        let lsn = put(log, seq).expect("commits");
                        assert!(lsn > last);
                        last = lsn;
                        let place = {
                            let frames = sink.frames.lock();
                            frames
                                .iter()
                                .rev()
                                .find(|it| it.header.seq == seq)
                                .map(|it| it.place)
                        };
                        let bytes = log.read_at(place.expect("the sink has it before the answer"));
                        assert_eq!(bytes.expect("reads"), payload(seq));
                    } else {
                        last = submit(log, seq).expect("taken").0;
                    }
                }
            });
        }
        scope.spawn(move || {
            for _ in 0..20 {
                let mut next = 1;
                let replayed = log.replay_committed(Lsn(1), &mut |frame| {
                    assert_eq!(frame.lsn.0, next);
                    next += 1;
                    Ok(())
                });
                assert!(replayed.expect("replays").damage.is_empty());
            }
        });
    });
    log.close().expect("closes");
    assert!(RealDisk::open(root.path()).is_err(), "one owner at a time");
    let kept = opened.sink.frames.lock().clone();
    drop(opened);

    let again = open_real(root.path());
    assert_eq!(again.recovery.end, Lsn(THREADS * EACH));
    assert_eq!(again.frames.len(), kept.len());
    for ((lsn, header, bytes), kept) in again.frames.iter().zip(&kept) {
        assert_eq!((*lsn, *header), (kept.lsn, kept.header));
        assert_eq!(*bytes, kept.payload);
    }
    let gone = again.log.truncate_before(Lsn(1000)).expect("truncates");
    assert!(gone > 2);
    put(&again.log, 7).expect("commits");
    drop(again);
    let last = open_real(root.path());
    assert_eq!(last.recovery.end, Lsn(THREADS * EACH + 1));
    assert!(last.recovery.first > Lsn(1) && last.recovery.damage.is_empty());
}
