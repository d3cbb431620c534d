//! Who is answered when.

use super::*;

#[tokio::test]
async fn nobody_is_answered_before_the_put_has_ended() {
    let rig = Rig::new(paced());
    rig.faulty.set_latency(ms(500), ms(500));
    rig.push([1, 2]);
    let told = rig.wait(1);
    rig.pass(ms(499)).await;
    assert_eq!(rig.puts(), 1);
    assert_eq!((told.get(), rig.writer.durable()), (None, Lsn(0)));
    rig.pass(ms(1)).await;
    assert_eq!((told.get(), rig.writer.durable()), (Some(Ok(())), Lsn(2)));
    assert_eq!(rig.stored().await, [1]);
}

#[tokio::test]
async fn answers_keep_the_order_of_numbers_when_puts_end_in_reverse() {
    let rig = Rig::new(paced());
    let told: Vec<Told> = (1..=4).map(|lsn| rig.wait(lsn)).collect();
    for (lsn, latency) in [(1, 900), (2, 600), (3, 300), (4, 100)] {
        rig.faulty.set_latency(ms(latency), ms(latency));
        rig.push([lsn]);
        rig.pass(ms(50)).await;
    }
    rig.pass(ms(600)).await;
    assert_eq!(
        rig.stored().await,
        [2, 3, 4],
        "all but the first are stored"
    );
    assert_eq!(rig.writer.durable(), Lsn(0));
    assert!(told.iter().all(|told| told.get().is_none()));
    rig.pass(ms(200)).await;
    assert_eq!(rig.writer.durable(), Lsn(4));
    assert!(told.iter().all(|told| told.get() == Some(Ok(()))));
}

#[tokio::test]
async fn a_number_is_answered_when_all_before_it_are_stored_and_no_later() {
    let rig = Rig::new(paced());
    for (lsn, latency) in [(1, 100), (2, 900), (3, 100)] {
        rig.faulty.set_latency(ms(latency), ms(latency));
        rig.push([lsn]);
        rig.pass(ms(50)).await;
    }
    rig.pass(ms(200)).await;
    assert_eq!(rig.stored().await, [1, 3]);
    assert_eq!(rig.writer.durable(), Lsn(1));
}

#[tokio::test]
async fn a_wait_may_come_late_or_early() {
    let rig = Rig::new(paced());
    let early = rig.wait(1);
    rig.write([1]).await;
    settle().await;
    assert_eq!(early.get(), Some(Ok(())));
    let late = rig.writer.wait(Lsn(1));
    assert_eq!(
        futures_util::poll!(std::pin::pin!(late)),
        std::task::Poll::Ready(Ok(()))
    );
    // Frames of the class `local` have numbers, too.
    rig.push([5]);
    assert_eq!(driven(&rig.clock, rig.writer.wait(Lsn(3))).await, Ok(()));
}

#[tokio::test]
async fn those_who_give_up_are_forgotten() {
    let rig = Rig::new(paced());
    rig.faulty.storm(u64::MAX);
    rig.push([1]);
    for _ in 0..100 {
        let wait = rig.writer.wait(Lsn(1));
        assert!(futures_util::poll!(std::pin::pin!(wait)).is_pending());
    }
    assert_eq!(rig.writer.0.state.lock().waiters.len(), 0);
}

#[tokio::test]
async fn frames_that_go_back_end_the_writer() {
    let rig = Rig::new(paced());
    rig.write([5]).await;
    rig.writer.push(frames([6, 6, 7]), true);
    let error = rig.writer.wait(Lsn(7)).await.expect_err("has ended");
    assert!(
        matches!(error, WalError::Frame { lsn: Lsn(6), .. }),
        "{error}"
    );
    settle().await;
    assert_eq!(*rig.result.lock(), Some(Err(error)));
    assert_eq!(rig.stored().await, [1], "nothing more is put");
}

#[tokio::test]
async fn a_frame_that_fits_no_object_ends_the_writer() {
    let rig = Rig::new(paced());
    let mut large = frame(1);
    large.payload = vec![0; FRAME_BYTES_MAX + 1].into();
    rig.writer.push([large, frame(2)], true);
    let error = rig.writer.wait(Lsn(2)).await.expect_err("has ended");
    assert!(error.to_string().contains("frame 1"), "{error}");
}

#[tokio::test]
async fn a_writer_is_driven_once() {
    let rig = Rig::new(paced());
    settle().await;
    let again = rig.writer.clone().run(Stop::new()).await;
    assert_eq!(again, Err(WalError::Running));
    rig.write([1]).await;
}
