//! Broadcast: each member gets every record, with a progress of its own.

use firn_protocol::api::storage::*;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, Offset, QueueId, QueueKey, TopicKey};
use firn_protocol::receipt::Receipt;

use crate::harness::*;

const DAY_MS: u64 = 24 * 3600 * 1000;

fn member(name: &str) -> GroupSpec {
    GroupSpec {
        id: GROUP.member(name),
        mode: GroupMode::Member { of: GROUP },
        ..group(GROUP)
    }
}

async fn take(bench: &Bench, name: &str) -> Vec<Delivery> {
    let request = ReceiveRequest {
        group: member(name),
        member: name.to_owned(),
        ..receive(256, &Filter::All)
    };
    let received = bench.node().receive(&context(1), request).await;
    received.expect("received").deliveries
}

/// As a client does: under the name of the group.
async fn ack(bench: &Bench, group: GroupId, receipt: Receipt) -> AckStatus {
    let ctx = context(1);
    let acked = bench.node().ack(&ctx, BROKERS[0], group, vec![receipt]);
    acked.await.expect("answered")[0]
}

async fn fail(bench: &Bench, receipt: Receipt) -> VisibilityAnswer {
    let request = VisibilityRequest {
        broker: BROKERS[0],
        group: group(GROUP),
        receipt,
        invisible_ms: 0,
    };
    let ctx = context(1);
    let answer = bench.node().change_visibility(&ctx, request).await;
    answer.expect("answered")
}

fn places(deliveries: &[Delivery]) -> Vec<(u64, u32)> {
    let deliveries = deliveries.iter();
    deliveries
        .map(|one| (one.message.offset.0, one.message.attempt))
        .collect()
}

#[tokio::test]
async fn every_member_gets_every_record_and_goes_on_where_it_was() {
    let mut bench = Bench::new(|_| {});
    for n in 0..3 {
        bench.send(n, None).await;
    }
    let names = ["x", "y", "z"];
    for name in names {
        let got = take(&bench, name).await;
        assert_eq!(places(&got), [(0, 1), (1, 1), (2, 1)], "{name}");
        for delivery in &got[..2] {
            assert_eq!(ack(&bench, GROUP, delivery.receipt).await, AckStatus::Ok);
            assert_eq!(
                ack(&bench, GROUP, delivery.receipt).await,
                AckStatus::AlreadyAcked
            );
        }
    }
    assert_eq!(
        offsets(&bench.take(256, &Filter::All).await),
        [0, 1, 2],
        "the group itself"
    );
    bench.crash(7, false).await;
    bench.advance(30_000);
    for name in names {
        let got = take(&bench, name).await;
        assert_eq!(places(&got), [(2, 2)], "{name}");
        assert_eq!(ack(&bench, GROUP, got[0].receipt).await, AckStatus::Ok);
        assert_eq!(places(&take(&bench, name).await), []);
    }
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn a_failing_record_waits_in_its_place_and_is_a_dead_letter_of_the_group() {
    let bench = Bench::new(|_| {});
    bench.send(0, None).await;
    bench.send(1, None).await;
    let mut got = take(&bench, "x").await;
    assert_eq!(ack(&bench, GROUP, got[1].receipt).await, AckStatus::Ok);
    for (attempt, pause) in [(2, 10_000), (3, 30_000)] {
        fail(&bench, got[0].receipt).await;
        bench.advance(pause - 1);
        assert_eq!(places(&take(&bench, "x").await), []);
        bench.advance(1);
        got = take(&bench, "x").await;
        assert_eq!(places(&got), [(0, attempt)]);
    }
    fail(&bench, got[0].receipt).await;
    bench.advance(DAY_MS);
    assert_eq!(places(&take(&bench, "x").await), []);
    let dead = QueueKey {
        topic: TopicKey::DeadLetter(GROUP),
        queue: QueueId(0),
    };
    let ctx = context(1);
    let letters = bench
        .node()
        .read(&ctx, BROKERS[0], dead, Offset(0), 9)
        .await;
    let letters = letters.expect("read");
    assert_eq!((letters.len(), letters[0].attempt), (1, 3));
    assert_eq!(
        places(&take(&bench, "y").await),
        [(0, 1), (1, 1)],
        "another member"
    );
}

#[tokio::test]
async fn dead_letters_of_members_go_back_to_the_topic_once() {
    let mut bench = Bench::new(|_| {});
    bench.send(0, None).await;
    for pause in [10_000, 30_000, 0] {
        let got = take(&bench, "x").await;
        fail(&bench, got[0].receipt).await;
        bench.advance(pause);
    }
    for (keep, sent) in [(true, 1), (false, 0)] {
        let request = RedriveRequest {
            broker: BROKERS[0],
            group: group(GROUP),
            topic: None,
            message_ids: None,
            to_topic: true,
            from: Offset(0),
            max: u64::MAX,
        };
        let redriven = bench.node().redrive(&context(1), request).await;
        assert_eq!(redriven.expect("redriven").sent, sent);
        bench.restart(keep).await;
    }
    assert_eq!(places(&take(&bench, "x").await), [(1, 1)]);
    assert_eq!(places(&take(&bench, "y").await), [(0, 1), (1, 1)]);
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn a_receipt_of_another_group_s_member_is_refused() {
    let bench = Bench::new(|_| {});
    bench.send(0, None).await;
    let got = take(&bench, "x").await;
    assert_eq!(
        ack(&bench, GroupId(8), got[0].receipt).await,
        AckStatus::Invalid
    );
    assert_eq!(ack(&bench, GROUP, got[0].receipt).await, AckStatus::Ok);
}

#[tokio::test]
async fn a_late_receipt_of_a_member_leaves_the_group_s_copy_alone() {
    let bench = Bench::new(|_| {});
    bench.send(0, None).await;
    let mine = take(&bench, "x").await;
    let theirs = bench.take(1, &Filter::All).await;
    assert_eq!(theirs.deliveries.len(), 1);
    bench.advance(30_000);
    // The group's record has moved on as a copy; the member's is where it was.
    assert_eq!(places(&take(&bench, "x").await), [(0, 2)]);
    assert_eq!(
        ack(&bench, GROUP, mine[0].receipt).await,
        AckStatus::LeaseExpired
    );
    bench.settle_stores().await;
    let copy = bench.take(1, &Filter::All).await;
    assert_eq!(copy.deliveries[0].message.attempt, 2);
}

#[tokio::test]
async fn a_member_that_does_nothing_for_days_is_let_go() {
    let bench = Bench::new(|_| {});
    bench.send(0, None).await;
    for name in ["old", "busy"] {
        let got = take(&bench, name).await;
        assert_eq!(ack(&bench, GROUP, got[0].receipt).await, AckStatus::Ok);
    }
    for _ in 0..4 {
        bench.advance(DAY_MS);
        assert_eq!(places(&take(&bench, "busy").await), []);
    }
    take(&bench, "new").await;
    assert_eq!(places(&take(&bench, "busy").await), []);
    assert_eq!(
        places(&take(&bench, "old").await),
        [(0, 1)],
        "it begins anew"
    );
}

#[tokio::test]
async fn members_follow_a_seek_and_go_with_their_group() {
    let bench = Bench::new(|_| {});
    bench.send(0, None).await;
    let got = take(&bench, "x").await;
    assert_eq!(ack(&bench, GROUP, got[0].receipt).await, AckStatus::Ok);
    bench.seek_earliest().await;
    let again = take(&bench, "x").await;
    assert_eq!(places(&again), [(0, 1)]);
    let ctx = context(1);
    let dropped = bench.node().drop_group(&ctx, BROKERS[0], GROUP).await;
    dropped.expect("dropped");
    let lag = bench.node().lag(&ctx, BROKERS[0], GROUP.member("x")).await;
    assert_eq!(lag.expect("answered"), []);
}
