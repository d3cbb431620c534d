//! What goes while the writer lives, and what stays.

use super::*;

fn settings() -> WalSettings {
    WalSettings {
        delete_batch: 4,
        ..paced()
    }
}

const AFTER: Duration = Duration::from_secs(60);

async fn pass_after(rig: &Rig) {
    pass(&rig.clock, AFTER + ms(100), ms(50)).await;
}

#[tokio::test]
async fn what_is_forgotten_goes_once_a_later_object_has_said_so_for_a_while() {
    let rig = Rig::new(settings());
    rig.write(1..=10).await;
    rig.writer.forget_before(Lsn(8));
    settle().await;
    assert_eq!(rig.stored().await, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    rig.pass(ms(100)).await;
    assert_eq!(
        rig.stored().await.len(),
        11,
        "one says so, because it is much"
    );
    pass(&rig.clock, AFTER - ms(200), ms(50)).await;
    assert_eq!(rig.stored().await.len(), 11, "not yet");
    rig.pass(ms(300)).await;
    assert_eq!(rig.stored().await, [8, 9, 10, 11]);
    assert_eq!(rig.writer.metrics().deleted.load(Ordering::Relaxed), 7);
    assert_eq!(rig.store.metrics().requests(Operation::Delete), 1);
    let (end, shown) = recover(&rig.clock, &rig.store).await;
    assert_eq!((end, shown), (11, frames(8..=10)));
}

#[tokio::test]
async fn a_frame_that_is_needed_keeps_its_object_and_all_behind() {
    let rig = Rig::new(settings());
    for lsn in [1, 11, 21, 31, 41, 51] {
        rig.push(lsn..lsn + 10);
        rig.pass(ms(50)).await;
    }
    // 50 is the last of the fifth object.
    rig.writer.forget_before(Lsn(50));
    rig.write([61]).await;
    pass_after(&rig).await;
    assert_eq!(rig.stored().await[0], 5);
    let (_, shown) = recover(&rig.clock, &rig.store).await;
    assert_eq!(shown, frames(41..=61));
}

#[tokio::test]
async fn the_newest_stays_whatever_is_forgotten() {
    let rig = Rig::new(settings());
    for round in 0..5 {
        rig.write(round * 10 + 1..=round * 10 + 10).await;
        rig.writer.forget_before(Lsn(u64::MAX));
        pass_after(&rig).await;
    }
    let stored = rig.stored().await;
    let puts = rig.puts();
    assert_eq!(stored.last(), Some(&puts));
    assert!(stored.len() <= 5, "{stored:?}");
    // Nothing more comes of it.
    for _ in 0..5 {
        pass_after(&rig).await;
    }
    assert_eq!((rig.stored().await, rig.puts()), (stored, puts));
    let (end, _) = recover(&rig.clock, &rig.store).await;
    assert_eq!(end, puts);
}

#[tokio::test]
async fn little_goes_with_what_comes_later() {
    let rig = Rig::new(settings());
    rig.write(1..=5).await;
    rig.writer.forget_before(Lsn(4));
    pass_after(&rig).await;
    assert_eq!(rig.puts(), 5, "three are not worth an object");
    rig.writer.forget_before(Lsn(2));
    rig.write([6]).await;
    rig.writer.forget_before(Lsn(6));
    rig.write([7]).await;
    pass_after(&rig).await;
    assert_eq!(rig.stored().await, [6, 7]);
}

#[tokio::test]
async fn what_is_not_durable_is_not_forgotten() {
    let rig = Rig::new(settings());
    rig.write(1..=6).await;
    rig.pass(ms(50)).await;
    rig.faulty.set_latency(ms(5_000), ms(5_000));
    rig.push([7]);
    rig.pass(ms(50)).await;
    rig.faulty.set_latency(ms(0), ms(0));
    rig.push([8]);
    rig.writer.forget_before(Lsn(9));
    rig.pass(ms(100)).await;
    assert_eq!(rig.stored().await, [1, 2, 3, 4, 5, 6, 8]);
    let (_, store) = rig.other();
    assert_eq!(recover(&rig.clock, &store).await.0, 6);
}

#[tokio::test]
async fn what_is_pushed_later_is_not_forgotten_in_advance() {
    let rig = Rig::new(settings());
    rig.write(1..=6).await;
    rig.writer.forget_before(Lsn(u64::MAX));
    rig.write(7..=20).await;
    pass_after(&rig).await;
    let (_, shown) = recover(&rig.clock, &rig.store).await;
    assert_eq!(shown, frames(7..=20));
}

/// What was forgotten while an object was on its way is not in it.
#[tokio::test]
async fn only_what_a_durable_object_says_is_deleted() {
    let rig = Rig::new(settings());
    rig.write(1..=5).await;
    rig.pass(ms(50)).await;
    rig.faulty.set_latency(ms(1_000), ms(1_000));
    rig.writer.forget_before(Lsn(5));
    rig.push([6]);
    rig.pass(ms(50)).await;
    rig.writer.forget_before(Lsn(6));
    rig.pass(ms(1_000)).await;
    rig.faulty.set_latency(ms(0), ms(0));
    pass_after(&rig).await;
    assert_eq!(rig.stored().await, [5, 6]);
    assert_eq!(recover(&rig.clock, &rig.store).await, (6, frames(5..=6)));
}

#[tokio::test]
async fn a_deletion_that_fails_is_made_again_and_harms_nobody() {
    let rig = Rig::new(settings());
    rig.write(1..=10).await;
    rig.writer.forget_before(Lsn(9));
    rig.write([11]).await;
    rig.faulty.crash_at("wal.before_delete");
    pass_after(&rig).await;
    assert!(rig.faulty.is_crashed());
    // As if the store had got some way.
    let some = [WAL.object(2).to_string(), WAL.object(5).to_string()];
    rig.truth.delete(&some).await.expect("deletes");
    let (_, store) = rig.other();
    let (_, shown) = recover(&rig.clock, &store).await;
    assert_eq!(shown, frames(9..=11));
    rig.faulty.heal();
    pass(&rig.clock, Duration::from_secs(10), ms(50)).await;
    assert_eq!(rig.stored().await, [9, 10, 11, 12]);
    assert!(rig.writer.metrics().deletes_failed.load(Ordering::Relaxed) > 0);
}
