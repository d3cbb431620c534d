//! What a replay shows, and what it refuses to step over.

use super::*;
use crate::cold::wal::codec::{Head, Kind, encode};

/// Puts an object as no writer would.
async fn plant(rig: &Rig, sequence: u64, frames: &[WalFrame]) {
    let head = Head {
        kind: Kind::Frames,
        nonce: Nonce::draw(),
        settled: sequence - 1,
        floor: 1,
    };
    let path = WAL.object(sequence).to_string();
    let body = encode(WAL, sequence, head, frames);
    rig.truth.put(&path, &[body]).await.expect("stores");
}

#[tokio::test]
async fn all_frames_are_shown_in_order_with_their_bytes() {
    let rig = Rig::new(paced());
    for lsn in (1..100).step_by(7) {
        rig.writer.push(frames([lsn, lsn + 2, lsn + 3]), true);
        rig.pass(ms(60)).await;
    }
    let pushed: Vec<u64> = (1..100)
        .step_by(7)
        .flat_map(|lsn| [lsn, lsn + 2, lsn + 3])
        .collect();
    rig.faulty.set_latency(ms(0), ms(500));
    let (end, shown) = recover(&rig.clock, &rig.store).await;
    assert_eq!((end, shown), (15, frames(pushed)));
}

#[tokio::test]
async fn a_missing_number_is_an_error_and_named() {
    for missing in 1..=5 {
        let rig = Rig::new(paced());
        rig.write(1..=5).await;
        let path = WAL.object(missing).to_string();
        rig.truth
            .delete(std::slice::from_ref(&path))
            .await
            .expect("deletes");
        let error = driven(&rig.clock, shown(&rig.store, 5)).await;
        let error = error.expect_err("one is missing");
        let is_named = matches!(&error, WalReadError::Missing { name } if *name == path);
        assert!(is_named, "{error}");
    }
}

#[tokio::test]
async fn a_damaged_or_foreign_object_is_an_error_and_named() {
    for number in 1..=5 {
        let rig = Rig::new(paced());
        rig.write(1..=5).await;
        let path = WAL.object(number).to_string();
        rig.faulty
            .damage(&path, |bytes| bytes[90] ^= 4)
            .await
            .expect("is there");
        let error = shown(&rig.store, 5).await.expect_err("one is damaged");
        assert!(
            matches!(&error, WalReadError::Damaged { name, .. } if *name == path),
            "{error}"
        );
        // Another one's bytes are no better.
        let other = WAL.object(number % 5 + 1).to_string();
        let bytes = rig
            .truth
            .get(&other, crate::cold::objects::Wanted::All)
            .await;
        let bytes = bytes.expect("is there").bytes;
        rig.truth.put(&path, &[bytes]).await.expect("stores");
        let error = shown(&rig.store, 5).await.expect_err("one is another's");
        assert!(
            error.to_string().contains("it says that it is another one"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn frames_that_go_back_are_an_error_and_named() {
    let rig = Rig::new(paced());
    plant(&rig, 1, &frames([1, 2, 3])).await;
    plant(&rig, 2, &frames([3, 4])).await;
    let error = shown(&rig.store, 2).await.expect_err("3 comes twice");
    let WalReadError::OutOfOrder { name, last, found } = error else {
        panic!("{error}");
    };
    assert_eq!(name, WAL.object(2).to_string());
    assert_eq!((last, found), (Lsn(3), Lsn(3)));
}

#[tokio::test]
async fn a_fence_is_not_replayed() {
    let rig = Rig::new(paced());
    rig.write(1..=2).await;
    assert_eq!(recover(&rig.clock, &rig.store).await.0, 2);
    let error = shown(&rig.store, 3).await.expect_err("3 is the fence");
    assert!(
        matches!(error, WalReadError::BehindTheEnd { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_the_visitor_says_ends_the_replay() {
    let rig = Rig::new(paced());
    rig.write(1..=5).await;
    let mut seen = 0;
    let visit = &mut |_: WalFrame| -> Result<(), VisitError> {
        seen += 1;
        match seen {
            3 => Err("enough".into()),
            _ => Ok(()),
        }
    };
    let error = replay(&rig.store, NODE, WAL.incarnation, 5, visit).await;
    let error = error.expect_err("the visitor fails");
    assert!(matches!(error, WalReadError::Visit { .. }), "{error}");
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn a_few_objects_are_fetched_ahead_and_no_more() {
    let rig = Rig::new(paced());
    rig.write(1..=20).await;
    let (faulty, store) = rig.other();
    faulty.set_latency(ms(100), ms(100));
    let mut seen = 0;
    let gets = store.metrics().clone();
    let visit = &mut |frame: WalFrame| -> Result<(), VisitError> {
        seen += 1;
        let asked = gets.requests(Operation::Get);
        // The mark and the newest come first.
        assert!(asked <= 2 + frame.lsn.0 + 4, "{asked} at {}", frame.lsn);
        Ok(())
    };
    let work = replay(&store, NODE, WAL.incarnation, 20, visit);
    driven(&rig.clock, work).await.expect("replays");
    assert_eq!(seen, 20);
    let took_ms = rig.clock.now_ms();
    assert!(took_ms < START_MS + 3_000, "{took_ms}");
}
