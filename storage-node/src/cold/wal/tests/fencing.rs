//! The end of an incarnation, against owners that are not as dead as they seem.

use super::*;

#[tokio::test]
async fn an_incarnation_that_never_wrote_ends_at_0() {
    let rig = Rig::new(paced());
    let (_, store) = rig.other();
    for _ in 0..2 {
        let (end, shown) = recover(&rig.clock, &store).await;
        assert_eq!((end, shown), (0, vec![]));
        assert_eq!(rig.stored().await, [1]);
    }
}

#[tokio::test]
async fn fencing_again_or_at_once_gives_the_same_end() {
    let rig = Rig::new(paced());
    rig.write(1..=3).await;
    let (faulty, store) = rig.other();
    faulty.set_latency(ms(0), ms(300));
    let fences = (0..5).map(|_| fence(&store, NODE, WAL.incarnation));
    let ends = driven(&rig.clock, futures_util::future::join_all(fences)).await;
    let ends: Vec<u64> = ends.into_iter().map(|end| end.expect("fences")).collect();
    assert_eq!(ends, [3; 5]);
    assert_eq!(recover(&rig.clock, &store).await, (3, frames(1..=3)));
    assert_eq!(rig.stored().await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_late_put_fails_and_those_who_wait_are_told() {
    let rig = Rig::new(paced());
    rig.write([1]).await;
    rig.faulty.set_latency(ms(5_000), ms(5_000));
    rig.pass(ms(100)).await;
    rig.push([2]);
    let told = [rig.wait(2), rig.wait(9)];
    rig.pass(ms(100)).await;
    let (_, store) = rig.other();
    assert_eq!(recover(&rig.clock, &store).await, (1, frames([1])));
    rig.pass(ms(10_000)).await;
    let fenced = WalError::Fenced {
        object: WAL.object(2).to_string(),
    };
    for told in told {
        assert_eq!(told.get(), Some(Err(fenced.clone())));
    }
    assert_eq!(*rig.result.lock(), Some(Err(fenced.clone())));
    assert_eq!(rig.writer.metrics().fenced.load(Ordering::Relaxed), 1);
    // For ever.
    rig.push([3]);
    assert_eq!(rig.writer.wait(Lsn(3)).await, Err(fenced));
    assert_eq!(rig.writer.wait(Lsn(1)).await, Ok(()));
    assert_eq!(
        (rig.writer.durable(), rig.writer.pending_bytes()),
        (Lsn(1), 0)
    );
    assert_eq!(rig.stored().await, [1, 2]);
}

#[tokio::test]
async fn an_idle_owner_learns_of_the_fence_with_its_next_put() {
    let rig = Rig::new(paced());
    rig.write([1]).await;
    let (_, store) = rig.other();
    assert_eq!(recover(&rig.clock, &store).await.0, 1);
    rig.push([2]);
    let told = driven(&rig.clock, rig.writer.wait(Lsn(2))).await;
    assert!(matches!(told, Err(WalError::Fenced { .. })), "{told:?}");
}

#[tokio::test]
async fn what_was_stored_behind_a_gap_never_counts() {
    let rig = Rig::new(paced());
    rig.write([1]).await;
    rig.pass(ms(50)).await;
    rig.faulty.set_latency(ms(5_000), ms(5_000));
    rig.push([2]);
    rig.pass(ms(50)).await;
    rig.faulty.set_latency(ms(10), ms(10));
    rig.push([3]);
    rig.pass(ms(50)).await;
    assert_eq!(rig.stored().await, [1, 3]);
    let (_, store) = rig.other();
    for _ in 0..2 {
        assert_eq!(recover(&rig.clock, &store).await, (1, frames([1])));
        assert_eq!(rig.stored().await, [1, 2, 3]);
    }
    rig.pass(ms(10_000)).await;
    assert_eq!(rig.writer.durable(), Lsn(1));
    let told = rig.writer.wait(Lsn(3)).await;
    assert!(matches!(told, Err(WalError::Fenced { .. })), "{told:?}");
}

#[tokio::test]
async fn a_put_that_wins_against_the_fence_counts() {
    let rig = Rig::new(paced());
    rig.write([1]).await;
    let (faulty, store) = rig.other();
    faulty.set_latency(ms(100), ms(100));
    let fencing = fence(&store, NODE, WAL.incarnation);
    tokio::pin!(fencing);
    // Mark, list, newest object; the create is on its way.
    for _ in 0..35 {
        assert!(futures_util::poll!(&mut fencing).is_pending());
        rig.pass(ms(10)).await;
    }
    rig.write([2]).await;
    let end = driven(&rig.clock, fencing).await.expect("fences");
    assert_eq!(end, 2);
    assert_eq!(rig.stored().await, [1, 2, 3]);
    assert_eq!(lsns(&recover(&rig.clock, &store).await.1), [1, 2]);
}

/// Ten puts while the fence is at one number: it would never catch up.
#[tokio::test]
async fn an_owner_that_is_faster_than_the_fence_is_stopped_ahead() {
    let settings = WalSettings {
        interval: ms(10),
        ..paced()
    };
    let rig = Rig::new(settings);
    let (faulty, store) = rig.other();
    faulty.set_latency(ms(50), ms(50));
    let fencing = fence(&store, NODE, WAL.incarnation);
    tokio::pin!(fencing);
    let mut lsn = 0;
    let end = loop {
        lsn += 1;
        assert!(lsn < 3_000, "30 s are enough");
        rig.push([lsn]);
        rig.pass(ms(10)).await;
        if let std::task::Poll::Ready(end) = futures_util::poll!(&mut fencing) {
            break end.expect("fences");
        }
    };
    assert!(end > 8, "{end}");
    rig.pass(ms(100)).await;
    assert!(matches!(rig.writer.ended(), Some(WalError::Fenced { .. })));
    let (again, shown) = recover(&rig.clock, &store).await;
    assert_eq!(
        (again, shown.last().map(|frame| frame.lsn)),
        (end, Some(rig.writer.durable()))
    );
}

#[tokio::test]
async fn lists_that_lag_hide_nothing() {
    let rig = Rig::new(paced());
    let (faulty, store) = (rig.faulty.clone(), rig.store.clone());
    for lsn in 1..=20 {
        rig.write([lsn]).await;
        rig.pass(ms(1000)).await;
    }
    for behind in [3600, 5, 0] {
        faulty.set_stale_lists(Duration::from_secs(behind));
        assert_eq!(recover(&rig.clock, &store).await, (20, frames(1..=20)));
    }
}

fn deleting() -> WalSettings {
    WalSettings {
        delete_batch: 2,
        delete_after: Duration::from_secs(30),
        ..paced()
    }
}

/// What was deleted is missing, what is young is not listed: the end is neither.
#[tokio::test]
async fn lists_that_lag_do_not_make_what_was_deleted_the_end() {
    for behind in [0, 1, 10, 29] {
        let rig = Rig::new(deleting());
        for lsn in 1..=30 {
            rig.write([lsn]).await;
            rig.writer.forget_before(Lsn(lsn));
            pass(&rig.clock, ms(2000), ms(100)).await;
        }
        let stored = rig.stored().await;
        assert!(stored[0] > 10, "{stored:?}");
        rig.faulty.set_stale_lists(Duration::from_secs(behind));
        let (end, shown) = recover(&rig.clock, &rig.store).await;
        assert_eq!(end, 30, "lists {behind} s behind");
        assert_eq!(shown.last(), Some(&frame(30)));
    }
}

/// The fence is slow, the owner alive: by the time that the number is taken it
/// had been written, answered, forgotten and deleted.
#[tokio::test]
async fn a_number_that_was_deleted_meanwhile_is_not_the_end() {
    let rig = Rig::new(deleting());
    rig.write([1]).await;
    let (faulty, store) = rig.other();
    // Mark, list, newest object, create.
    faulty.hang(4);
    let fencing = fence(&store, NODE, WAL.incarnation);
    tokio::pin!(fencing);
    for lsn in 2..=40 {
        assert!(futures_util::poll!(&mut fencing).is_pending());
        settle().await;
        rig.write([lsn]).await;
        rig.writer.forget_before(Lsn(lsn));
        // The attempt is given up, and made again, after 40 s.
        pass(&rig.clock, ms(990), ms(10)).await;
    }
    assert!(rig.stored().await[0] > 2);
    let end = driven(&rig.clock, fencing).await.expect("fences");
    assert_eq!(end, 40);
    let (again, shown) = recover(&rig.clock, &store).await;
    assert_eq!((again, shown.last()), (40, Some(&frame(40))));
}

#[tokio::test]
async fn a_fence_that_fails_may_be_tried_again() {
    for point in ["wal.before_fence", "wal.after_fence"] {
        let rig = Rig::new(paced());
        rig.write(1..=3).await;
        let (faulty, store) = rig.other();
        faulty.crash_at(point);
        let failed = driven(&rig.clock, fence(&store, NODE, WAL.incarnation)).await;
        assert!(failed.expect_err("crashes").is_retryable());
        faulty.heal();
        assert_eq!(recover(&rig.clock, &store).await, (3, frames(1..=3)));
    }
}

#[tokio::test]
async fn a_number_with_something_unreadable_is_named() {
    let rig = Rig::new(paced());
    rig.write(1..=3).await;
    let (faulty, store) = rig.other();
    let path = WAL.object(3).to_string();
    let damaged = faulty.damage(&path, |bytes| bytes[100] ^= 1);
    damaged.await.expect("is there");
    let error = fence(&store, NODE, WAL.incarnation).await;
    let text = error.expect_err("is refused").to_string();
    assert!(text.contains(&path) && text.contains("damaged"), "{text}");
    assert_eq!(
        rig.stored().await,
        [1, 2, 3],
        "nothing is fenced on a guess"
    );
}
