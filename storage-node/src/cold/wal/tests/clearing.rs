//! The end of old incarnations.

use firn_protocol::time::Timestamp;

use super::*;
use crate::cold::error::ColdError;

const WEEK: Duration = CLEARED_KEPT;

/// A process that wrote, and was fenced.
async fn fenced(objects: u64) -> (Rig, u64) {
    let rig = Rig::new(paced());
    rig.write(1..=objects).await;
    let end = driven(&rig.clock, fence(&rig.store, NODE, WAL.incarnation)).await;
    let end = end.expect("fences");
    assert_eq!(end, objects);
    (rig, end)
}

async fn delete(rig: &Rig, end: u64) -> Result<bool, WalReadError> {
    let now = Timestamp(rig.clock.now_ms());
    delete_incarnation(&rig.store, NODE, WAL.incarnation, end, now).await
}

#[tokio::test]
async fn an_old_incarnation_goes_and_its_fence_stays_a_week() {
    let (rig, end) = fenced(5).await;
    assert!(!delete(&rig, end).await.expect("deletes"));
    let rest = [5, 6, MARK_SEQUENCE];
    assert_eq!(rig.stored().await, rest);
    rig.clock.advance(WEEK);
    assert!(
        !delete(&rig, end).await.expect("deletes"),
        "not before it is over"
    );
    assert_eq!(rig.stored().await, rest);
    rig.clock.advance(ms(1));
    assert!(delete(&rig, end).await.expect("deletes"));
    assert_eq!(rig.stored().await, [0; 0]);
    let found = incarnations(&rig.store, NODE).await.expect("lists");
    assert_eq!(found, []);
}

#[tokio::test]
async fn a_restart_misses_nothing_of_what_is_covered() {
    let (rig, end) = fenced(5).await;
    delete(&rig, end).await.expect("deletes");
    for behind in [0, 3600] {
        rig.faulty.set_stale_lists(Duration::from_secs(behind));
        assert_eq!(recover(&rig.clock, &rig.store).await, (5, vec![]));
    }
    assert_eq!(rig.stored().await, [5, 6, MARK_SEQUENCE], "no second fence");
}

#[tokio::test]
async fn an_owner_that_slept_meets_the_fence() {
    let (rig, end) = fenced(5).await;
    rig.clock.advance(WEEK - ms(1));
    delete(&rig, end).await.expect("deletes");
    rig.push([6]);
    let told = driven(&rig.clock, rig.writer.wait(Lsn(6))).await;
    assert!(matches!(told, Err(WalError::Fenced { .. })), "{told:?}");
}

#[tokio::test]
async fn what_nobody_fenced_is_not_deleted() {
    let rig = Rig::new(paced());
    rig.write(1..=5).await;
    for end in [0, 4, 5] {
        let error = delete(&rig, end).await.expect_err("is not fenced");
        assert!(matches!(error, WalReadError::NotFenced { .. }), "{error}");
    }
    driven(&rig.clock, fence(&rig.store, NODE, WAL.incarnation))
        .await
        .expect("fences");
    delete(&rig, 4).await.expect_err("does not end there");
    assert_eq!(rig.stored().await, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_clearing_may_stop_anywhere_and_go_on() {
    for (point, late) in [
        ("wal.marked", false),
        ("wal.marked", true),
        ("wal.before_unmark", true),
    ] {
        let (rig, end) = fenced(5).await;
        if late {
            delete(&rig, end).await.expect("deletes");
            rig.clock.advance(WEEK + ms(1));
        }
        rig.faulty.crash_at(point);
        let stopped = driven(&rig.clock, delete(&rig, end)).await;
        assert!(stopped.expect_err("crashes").is_retryable());
        rig.faulty.heal();
        assert_eq!(recover(&rig.clock, &rig.store).await, (5, vec![]));
        assert_eq!(delete(&rig, end).await.expect("deletes"), late);
    }
}

#[tokio::test]
async fn incarnations_are_found_with_what_they_hold() -> Result<(), ColdError> {
    let (rig, end) = fenced(3).await;
    let next = Wal {
        incarnation: 4,
        ..WAL
    };
    let other = Wal {
        node: NodeId(5),
        ..WAL
    };
    for wal in [next, other] {
        let body = Bytes::from_static(b"whatever");
        rig.truth.create(&wal.object(1).to_string(), &body).await?;
    }
    let all = || async { incarnations(&rig.store, NODE).await.expect("lists") };
    let summary = |found: &Incarnation| (found.number, found.objects, found.is_covered);
    assert_eq!(
        all().await.iter().map(summary).collect::<Vec<_>>(),
        [(3, 4, false), (4, 1, false)]
    );
    assert_eq!(all().await[1].bytes, 8);
    delete(&rig, end).await.expect("deletes");
    assert_eq!(
        all().await.iter().map(summary).collect::<Vec<_>>(),
        [(3, 3, true), (4, 1, false)]
    );
    Ok(())
}
