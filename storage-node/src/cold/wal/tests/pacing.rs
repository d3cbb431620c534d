//! When puts begin, and how many.

use super::*;

#[tokio::test]
async fn after_idleness_a_put_begins_at_once() {
    let rig = Rig::new(paced());
    for lsn in 1..=3 {
        rig.push([lsn]);
        settle().await;
        assert_eq!(rig.writer.durable(), Lsn(lsn), "without time passing");
        assert_eq!(rig.puts(), lsn);
        rig.pass(ms(50)).await;
    }
}

#[tokio::test]
async fn soon_after_a_put_frames_gather_until_the_interval_is_over() {
    let rig = Rig::new(paced());
    rig.push([1]);
    settle().await;
    rig.pass(ms(20)).await;
    rig.push([2]);
    rig.pass(ms(29)).await;
    rig.push([3]);
    settle().await;
    assert_eq!((rig.puts(), rig.writer.durable()), (1, Lsn(1)));
    rig.pass(ms(1)).await;
    assert_eq!((rig.puts(), rig.writer.durable()), (2, Lsn(3)));
}

#[tokio::test]
async fn a_flood_makes_one_put_an_interval() {
    let rig = Rig::new(paced());
    rig.faulty.set_latency(ms(30), ms(90));
    for lsn in 1..=10_000 {
        rig.push([lsn]);
        rig.pass(ms(1)).await;
    }
    rig.pass(ms(200)).await;
    assert_eq!(rig.writer.durable(), Lsn(10_000));
    assert!((190..=201).contains(&rig.puts()), "{}", rig.puts());
}

/// A lone writer sends each message when the one before is answered.
#[tokio::test]
async fn a_few_puts_in_a_row_wait_for_nothing() {
    let rig = Rig::new(WalSettings {
        burst: 4,
        ..WalSettings::default()
    });
    for lsn in 1..=4 {
        rig.push([lsn]);
        settle().await;
        assert_eq!(rig.writer.durable(), Lsn(lsn), "without time passing");
    }
    rig.push([5]);
    rig.pass(ms(49)).await;
    assert_eq!(
        rig.writer.durable(),
        Lsn(4),
        "all that was saved up is used"
    );
    rig.pass(ms(1)).await;
    assert_eq!(rig.writer.durable(), Lsn(5));
    // Two intervals without a put are two puts in a row, no more.
    rig.pass(ms(100)).await;
    for lsn in 6..=8 {
        rig.push([lsn]);
        settle().await;
    }
    assert_eq!((rig.puts(), rig.writer.durable()), (7, Lsn(7)));
}

/// Objects that are full go at once, however many; that costs others no more
/// than a pause.
#[tokio::test]
async fn full_objects_use_up_nothing_of_later() {
    let rig = Rig::new(WalSettings {
        burst: 4,
        object_bytes_max: 10_000,
        ..WalSettings::default()
    });
    for n in 0..30 {
        rig.writer
            .push([sized(n * 2 + 1, 6000), sized(n * 2 + 2, 6000)], true);
        settle().await;
    }
    rig.pass(ms(50)).await;
    assert_eq!(rig.writer.durable(), Lsn(60));
}

#[tokio::test]
async fn what_is_saved_up_has_its_bound() {
    let rig = Rig::new(WalSettings {
        burst: 4,
        ..WalSettings::default()
    });
    rig.pass(ms(10_000)).await;
    for lsn in 1..=10_000 {
        rig.push([lsn]);
        rig.pass(ms(1)).await;
    }
    rig.pass(ms(200)).await;
    assert_eq!(rig.writer.durable(), Lsn(10_000));
    assert!((200..=204).contains(&rig.puts()), "{}", rig.puts());
}

#[tokio::test]
async fn a_full_object_goes_at_once() {
    let settings = WalSettings {
        object_bytes_max: 10_000,
        ..paced()
    };
    let rig = Rig::new(settings);
    rig.write([1]).await;
    rig.writer.push((2..=10).map(|lsn| sized(lsn, 1000)), true);
    settle().await;
    assert_eq!(rig.puts(), 1, "9 times 1064 bytes are not enough");
    rig.writer.push([sized(11, 1000), sized(12, 1000)], true);
    settle().await;
    assert_eq!((rig.puts(), rig.writer.durable()), (2, Lsn(10)));
    rig.pass(ms(50)).await;
    assert_eq!((rig.puts(), rig.writer.durable()), (3, Lsn(12)));
    rig.writer.push([sized(13, 30_000)], true);
    settle().await;
    assert_eq!(rig.writer.durable(), Lsn(13), "a large frame goes alone");
}

#[tokio::test]
async fn large_objects_are_packed_on_another_thread() {
    let rig = Rig::new(paced());
    rig.writer
        .push((1..=90).map(|lsn| sized(lsn, 100 << 10)), true);
    assert_eq!(driven(&rig.clock, rig.writer.wait(Lsn(90))).await, Ok(()));
    assert_eq!(rig.stored().await, [1, 2]);
    let (end, shown) = recover(&rig.clock, &rig.store).await;
    assert_eq!((end, shown.len()), (2, 90));
    assert!(
        shown
            .into_iter()
            .all(|frame| frame == sized(frame.lsn.0, 100 << 10))
    );
}

#[tokio::test]
async fn frames_that_nobody_waits_for_go_within_a_second_or_ride_along() {
    let rig = Rig::new(paced());
    rig.writer.push(frames([1]), false);
    rig.pass(ms(500)).await;
    rig.writer.push(frames([2]), false);
    rig.pass(ms(499)).await;
    assert_eq!(rig.puts(), 0);
    rig.pass(ms(1)).await;
    assert_eq!((rig.puts(), rig.writer.durable()), (1, Lsn(2)));
    rig.pass(ms(1000)).await;
    rig.writer.push(frames([3]), false);
    rig.pass(ms(100)).await;
    rig.push([4]);
    settle().await;
    assert_eq!((rig.puts(), rig.writer.durable()), (2, Lsn(4)));
}

#[tokio::test]
async fn idleness_asks_nothing_of_the_store() {
    let rig = Rig::new(paced());
    pass(
        &rig.clock,
        Duration::from_secs(86_400),
        Duration::from_secs(10),
    )
    .await;
    assert_eq!(rig.store.metrics().requests_total(), 0);
    rig.write(1..=5).await;
    rig.writer.forget_before(Lsn(6));
    let before = rig.store.metrics().requests_total();
    pass(
        &rig.clock,
        Duration::from_secs(86_400),
        Duration::from_secs(10),
    )
    .await;
    assert_eq!(rig.store.metrics().requests_total(), before);
}

#[tokio::test]
async fn puts_in_flight_are_bounded_and_so_is_what_waits() {
    let settings = WalSettings {
        pending_bytes_max: 100 * 84,
        ..paced()
    };
    let rig = Rig::new(settings);
    let slow = Duration::from_secs(10);
    rig.faulty.set_latency(slow, slow);
    for lsn in 1..=100 {
        assert!(!rig.writer.is_full(), "at {lsn}");
        rig.push([lsn]);
        rig.pass(ms(10)).await;
    }
    assert!(rig.writer.is_full());
    assert_eq!(rig.writer.pending_bytes(), 100 * 84);
    assert_eq!(rig.puts(), 4);
    rig.pass(slow).await;
    assert!(!rig.writer.is_full());
    rig.pass(slow).await;
    assert_eq!(
        (rig.writer.durable(), rig.writer.pending_bytes()),
        (Lsn(100), 0)
    );
    assert_eq!(rig.puts(), 5, "what gathered went together");
}

#[tokio::test]
async fn numbers_stored_behind_one_that_hangs_are_bounded() {
    let rig = Rig::new(paced());
    rig.faulty.hang(1);
    for lsn in 1..=50 {
        rig.push([lsn]);
        rig.pass(ms(100)).await;
    }
    assert_eq!(rig.stored().await, [2, 3, 4]);
    rig.faulty.heal();
    assert_eq!(driven(&rig.clock, rig.writer.wait(Lsn(50))).await, Ok(()));
}

#[tokio::test]
async fn what_was_counted_is_what_happened() {
    let rig = Rig::new(paced());
    rig.write(1..=3).await;
    let metrics = rig.writer.metrics();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(count(&metrics.frames), 3);
    assert_eq!(count(&metrics.objects), 3);
    assert_eq!(count(&metrics.raw_bytes), 3 * 84);
    let sent = rig.store.metrics().sent_bytes.load(Ordering::Relaxed);
    assert_eq!(count(&metrics.object_bytes), sent);
    assert_eq!(count(&metrics.pending_bytes), 0);
    assert_eq!(count(&metrics.in_flight), 0);
    assert_eq!(count(&metrics.fenced), 0);
}
