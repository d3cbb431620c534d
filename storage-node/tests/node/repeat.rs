//! A receive that is made again under its attempt id (RULES 20).

use firn_protocol::api::storage::{
    AckStatus, Delivery, GroupMode, GroupSpec, ReceiveRequest, RepeatRequest, StorageApi,
    VisibilityRequest,
};
use firn_protocol::catalogue::OnPoison;
use firn_protocol::filter::Filter;
use firn_protocol::ids::AttemptId;
use firn_protocol::time::Timestamp;

use crate::harness::{BROKERS, Bench, GROUP, context, group, receive, topic};

async fn take(bench: &Bench, spec: GroupSpec, max: usize, attempt: &str) -> Vec<Delivery> {
    let request = ReceiveRequest {
        group: spec,
        attempt: Some(AttemptId::of(attempt)),
        ..receive(max, &Filter::All)
    };
    let received = bench.node().receive(&context(1), request).await;
    received.expect("received").deliveries
}

async fn again(bench: &Bench, attempt: &str) -> Vec<Delivery> {
    let request = RepeatRequest {
        broker: BROKERS[0],
        group: GROUP,
        topic: topic(1).key,
        attempt: AttemptId::of(attempt),
    };
    let repeated = bench.node().repeat(&context(1), request).await;
    repeated.expect("answered")
}

fn same(one: &[Delivery], other: &[Delivery]) {
    let parts = |all: &[Delivery]| -> Vec<_> {
        let parts = all.iter();
        let parts = parts.map(|one| (one.message.clone(), one.receipt, one.invisible_until));
        parts.collect()
    };
    assert_eq!(parts(one), parts(other));
}

#[tokio::test]
async fn the_same_answer_comes_again_until_its_leases_end() {
    // With bodies in memory, and with bodies that are read back.
    for tail in [1 << 20, 0] {
        let bench = Bench::new(|config| config.tail_bytes_max = tail);
        for n in 0..5 {
            bench.send(n, None).await;
        }
        assert!(again(&bench, "a").await.is_empty());
        let first = take(&bench, group(GROUP), 3, "a").await;
        let other = take(&bench, group(GROUP), 3, "b").await;
        assert_eq!((first.len(), other.len()), (3, 2));
        same(&again(&bench, "a").await, &first);
        same(&again(&bench, "a").await, &first);
        same(&again(&bench, "b").await, &other);

        assert_eq!(bench.ack(first[1].receipt).await, AckStatus::Ok);
        let left = [first[0].clone(), first[2].clone()];
        same(&again(&bench, "a").await, &left);

        // A lease that was renewed is shown as it is now.
        let renewed = VisibilityRequest {
            broker: BROKERS[0],
            group: group(GROUP),
            receipt: first[0].receipt,
            invisible_ms: 60_000,
        };
        let changed = bench.node().change_visibility(&context(1), renewed).await;
        changed.expect("renewed");
        let mut renewed = left[0].clone();
        renewed.invisible_until = Timestamp(bench.now() + 60_000);
        same(
            &again(&bench, "a").await,
            &[renewed.clone(), left[1].clone()],
        );

        bench.advance(30_000);
        same(&again(&bench, "a").await, &[renewed]);
        assert!(again(&bench, "b").await.is_empty());
        assert_eq!(bench.ack(first[2].receipt).await, AckStatus::Ok);
    }
}

#[tokio::test]
async fn what_was_given_back_or_lost_with_the_node_does_not_come_again() {
    let mut bench = Bench::new(|_| {});
    for n in 0..3 {
        bench.send(n, None).await;
    }
    let first = take(&bench, group(GROUP), 1, "a").await;
    let second = take(&bench, group(GROUP), 1, "b").await;
    let (ctx, receipts) = (context(1), vec![first[0].receipt]);
    let back = bench.node().give_back(&ctx, BROKERS[0], GROUP, receipts);
    back.await.expect("given back");
    assert!(again(&bench, "a").await.is_empty());
    let later = take(&bench, group(GROUP), 1, "a").await;
    assert_eq!(later[0].message.offset, first[0].message.offset);
    same(&again(&bench, "a").await, &later);

    bench.close().await;
    bench.open();
    assert!(again(&bench, "a").await.is_empty());
    assert_eq!(bench.ack(second[0].receipt).await, AckStatus::Ok);
}

/// An ordered group that lost an answer would wait for its leases otherwise.
#[tokio::test]
async fn a_message_group_goes_on_where_its_answer_was_lost() {
    let bench = Bench::new(|_| {});
    for n in 0..3 {
        bench.send(n, None).await;
    }
    let ordered = GroupSpec {
        mode: GroupMode::Ordered(OnPoison::Block),
        ..group(GROUP)
    };
    let first = take(&bench, ordered, 8, "a").await;
    assert_eq!(first.len(), 1);
    assert!(take(&bench, ordered, 8, "b").await.is_empty());
    same(&again(&bench, "a").await, &first);
    assert!(again(&bench, "b").await.is_empty());
    assert_eq!(bench.ack(first[0].receipt).await, AckStatus::Ok);
    assert!(again(&bench, "a").await.is_empty());
    let next = take(&bench, ordered, 8, "a").await;
    assert_eq!(next[0].message.offset.0, 1);
}

#[tokio::test]
async fn nobody_else_gets_the_answer() {
    let bench = Bench::new(|_| {});
    bench.send(0, None).await;
    let first = take(&bench, group(GROUP), 1, "a").await;
    assert_eq!(first.len(), 1);
    let request = RepeatRequest {
        broker: BROKERS[0],
        group: GROUP,
        topic: topic(1).key,
        attempt: AttemptId::of("a"),
    };
    let other = RepeatRequest {
        group: firn_protocol::GroupId(GROUP.0 + 1),
        ..request
    };
    let repeated = bench.node().repeat(&context(1), other).await;
    assert!(repeated.expect("answered").is_empty());
    let stranger = bench.node().repeat(&context(2), request).await;
    assert!(stranger.is_err());
}
