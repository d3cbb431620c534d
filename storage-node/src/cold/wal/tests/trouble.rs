//! A store that fails, and a process that stops.

use super::*;
use crate::cold::Chances;
use crate::cold::error::ColdError;

#[tokio::test]
async fn a_store_that_is_away_for_a_minute_costs_waiting_only() {
    let rig = Rig::new(paced());
    rig.write([1]).await;
    rig.faulty.storm(u64::MAX);
    let told: Vec<Told> = (2..=61).map(|lsn| rig.wait(lsn)).collect();
    for lsn in 2..=61 {
        rig.push([lsn]);
        pass(&rig.clock, Duration::from_secs(1), ms(50)).await;
    }
    assert!(told.iter().all(|told| told.get().is_none()));
    assert_eq!(rig.writer.durable(), Lsn(1));
    rig.faulty.heal();
    assert_eq!(driven(&rig.clock, rig.writer.wait(Lsn(61))).await, Ok(()));
    settle().await;
    assert!(told.iter().all(|told| told.get() == Some(Ok(()))));
    assert_eq!(rig.stored().await, [1, 2, 3, 4, 5, 6]);
    let (_, shown) = recover(&rig.clock, &rig.store).await;
    assert_eq!(shown, frames(1..=61));
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_meets_itself() {
    let rig = Rig::new(paced());
    rig.faulty.lose_answer(1);
    rig.write([1, 2]).await;
    assert_eq!(rig.puts(), 3);
    assert_eq!(rig.stored().await, [1, 2]);
}

#[tokio::test]
async fn a_put_that_is_begun_again_has_the_very_same_bytes() {
    let rig = Rig::new(paced());
    // Stored, but nothing of it can be learnt, for longer than the cold store
    // itself goes on.
    rig.faulty.set_chances(Chances {
        answer_lost: 1000,
        ..Chances::default()
    });
    rig.push([1]);
    pass(&rig.clock, Duration::from_secs(120), ms(50)).await;
    assert_eq!(rig.writer.durable(), Lsn(0));
    let again = rig.writer.metrics().puts_again.load(Ordering::Relaxed);
    assert!(again > 1, "{again}");
    rig.faulty.heal();
    assert_eq!(driven(&rig.clock, rig.writer.wait(Lsn(1))).await, Ok(()));
    assert_eq!(rig.stored().await, [1]);
}

#[tokio::test]
async fn a_conflict_is_not_a_fence() {
    let rig = Rig::new(paced());
    rig.faulty.conflict(20);
    rig.write([1]).await;
    assert_eq!(rig.stored().await, [1]);
}

#[test]
fn only_what_can_never_pass_ends_the_writer() {
    let passes = |failure| {
        let error = ColdError::new(Operation::Create, "wal", failure, "");
        WalError::may_pass(&error)
    };
    let fatal: Vec<_> = Failure::ALL
        .into_iter()
        .filter(|one| !passes(*one))
        .collect();
    assert_eq!(
        fatal,
        [Failure::NotFound, Failure::Short, Failure::TooLarge]
    );
}

#[tokio::test]
async fn a_stop_puts_what_is_pending_without_lingering() {
    let rig = Rig::new(paced());
    rig.faulty.set_latency(ms(300), ms(300));
    rig.push([1]);
    settle().await;
    rig.push([2]);
    rig.writer.push(frames([3]), false);
    let told = rig.wait(3);
    rig.stop.cancel();
    rig.pass(ms(100)).await;
    assert_eq!(rig.puts(), 2, "both are on their way");
    // What comes while it flushes goes, too.
    rig.push([4]);
    rig.pass(ms(400)).await;
    assert_eq!(told.get(), Some(Ok(())));
    assert_eq!(*rig.result.lock(), Some(Ok(())));
    assert_eq!(rig.writer.durable(), Lsn(4));
    rig.push([5]);
    assert_eq!(rig.writer.wait(Lsn(5)).await, Err(WalError::Stopped));
    assert_eq!(
        rig.writer.wait(Lsn(4)).await,
        Ok(()),
        "what is durable stays so"
    );
}

#[tokio::test]
async fn a_stop_of_a_writer_with_nothing_pending_is_immediate() {
    let rig = Rig::new(paced());
    rig.write([1]).await;
    rig.stop.cancel();
    settle().await;
    assert_eq!(*rig.result.lock(), Some(Ok(())));
    assert_eq!(rig.stored().await, [1]);
}

#[tokio::test]
async fn a_stop_ends_in_time_though_the_store_is_away() {
    let rig = Rig::new(paced());
    rig.faulty.storm(u64::MAX);
    rig.push([1]);
    let told = rig.wait(1);
    rig.pass(ms(100)).await;
    rig.stop.cancel();
    pass(&rig.clock, ms(9_900), ms(50)).await;
    assert_eq!((told.get(), rig.result.lock().clone()), (None, None));
    pass(&rig.clock, ms(200), ms(50)).await;
    assert_eq!(told.get(), Some(Err(WalError::Stopped)));
    assert_eq!(*rig.result.lock(), Some(Ok(())));
    assert_eq!(rig.writer.pending_bytes(), 0);
}

#[tokio::test]
async fn who_waits_is_told_when_the_driver_dies() {
    let rig = Rig::new(paced());
    rig.faulty.storm(u64::MAX);
    rig.push([1]);
    let told = rig.wait(1);
    rig.pass(ms(100)).await;
    rig.kill.cancel();
    settle().await;
    assert_eq!(told.get(), Some(Err(WalError::Stopped)));
    assert_eq!(rig.writer.ended(), Some(WalError::Stopped));
}
