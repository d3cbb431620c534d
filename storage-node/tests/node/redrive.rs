//! Dead letters that go back to their topic: a message like any other for every
//! group, once (RULES 22).

use firn_protocol::api::storage::{
    GroupSpec, ReceiveRequest, RedriveRequest, Redriven, StorageApi, VisibilityRequest, WaitRequest,
};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, Offset};
use firn_protocol::message::Message;
use firn_protocol::time::Timestamp;

use crate::harness::*;

const OTHER: GroupId = GroupId(8);

/// A group whose first failure is the last.
fn brittle() -> GroupSpec {
    GroupSpec {
        max_retries: 0,
        ..group(GROUP)
    }
}

async fn take(bench: &Bench, group: GroupSpec) -> Vec<Message> {
    let request = ReceiveRequest {
        group,
        ..receive(64, &Filter::All)
    };
    let received = bench.node().receive(&context(1), request).await;
    let deliveries = received.expect("received").deliveries.into_iter();
    let mut messages = Vec::new();
    for delivery in deliveries {
        let ctx = context(1);
        let acked = bench
            .node()
            .ack(&ctx, BROKERS[0], group.id, vec![delivery.receipt]);
        acked.await.expect("acked");
        messages.push(delivery.message);
    }
    messages
}

/// Sends messages that the group cannot consume, and the other one can.
async fn letters(bench: &Bench, count: u64) -> Vec<Message> {
    bench
        .send_all((0..count).map(|n| message(n, Some("t"))).collect())
        .await;
    let request = ReceiveRequest {
        group: brittle(),
        ..receive(64, &Filter::All)
    };
    let taken = bench.node().receive(&context(1), request).await;
    let taken = taken.expect("received").deliveries;
    for delivery in &taken {
        let request = VisibilityRequest {
            broker: BROKERS[0],
            group: brittle(),
            receipt: delivery.receipt,
            invisible_ms: 0,
        };
        let failed = bench.node().change_visibility(&context(1), request).await;
        failed.expect("failed");
    }
    take(bench, group(OTHER)).await
}

fn to_topic() -> RedriveRequest {
    RedriveRequest {
        broker: BROKERS[0],
        group: brittle(),
        topic: None,
        message_ids: None,
        to_topic: true,
        from: Offset(0),
        max: u64::MAX,
    }
}

async fn redrive(bench: &Bench, request: RedriveRequest) -> Redriven {
    let redriven = bench.node().redrive(&context(1), request).await;
    redriven.expect("redriven")
}

fn places(messages: &[Message]) -> Vec<(u64, u32, bool)> {
    let messages = messages.iter();
    messages
        .map(|it| (it.offset.0, it.attempt, it.origin.is_some()))
        .collect()
}

#[tokio::test]
async fn every_group_gets_it_once_more_as_a_new_message() {
    let mut bench = Bench::new(|_| {});
    let originals = letters(&bench, 3).await;
    assert_eq!(
        redrive(&bench, to_topic()).await,
        Redriven {
            sent: 3,
            next: None
        }
    );
    for keep in [true, false] {
        bench.restart(keep).await;
        let again = redrive(&bench, to_topic()).await;
        assert_eq!(again.sent, 0, "the letters are marked");
        let to_group = RedriveRequest {
            to_topic: false,
            ..to_topic()
        };
        assert_eq!(redrive(&bench, to_group).await.sent, 0, "for either way");
    }
    for spec in [brittle(), group(OTHER)] {
        let got = take(&bench, spec).await;
        assert_eq!(places(&got), [(3, 1, false), (4, 1, false), (5, 1, false)]);
        for (new, old) in got.iter().zip(&originals) {
            assert_eq!(
                (new.message_id, &new.content),
                (old.message_id, &old.content)
            );
        }
    }
    let named = RedriveRequest {
        message_ids: Some(vec![originals[1].message_id]),
        ..to_topic()
    };
    assert_eq!(redrive(&bench, named).await.sent, 1, "it is named");
    assert_eq!(places(&take(&bench, group(OTHER)).await), [(6, 1, false)]);
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn it_goes_on_where_it_stopped() {
    let bench = Bench::new(|_| {});
    letters(&bench, 5).await;
    let mut request = RedriveRequest {
        max: 2,
        ..to_topic()
    };
    for (sent, next) in [(2, Some(2)), (2, Some(4)), (1, None)] {
        let done = redrive(&bench, request.clone()).await;
        assert_eq!((done.sent, done.next.map(|next| next.0)), (sent, next));
        request.from = done.next.unwrap_or_default();
    }
    assert_eq!(take(&bench, group(OTHER)).await.len(), 5);
}

#[tokio::test]
async fn letters_of_a_dropped_topic_are_skipped() {
    let bench = Bench::new(|_| {});
    letters(&bench, 2).await;
    let (ctx, key) = (context(1), topic(1).key);
    let dropped = bench.node().drop_topic(&ctx, BROKERS[0], key).await;
    dropped.expect("dropped");
    assert_eq!(redrive(&bench, to_topic()).await, Redriven::default());
    let bounds = bench.node().bounds(&ctx, BROKERS[0], key).await;
    assert_eq!(bounds.expect("answered"), []);
}

#[tokio::test]
async fn who_waits_is_woken() {
    let bench = Bench::new(|_| {});
    letters(&bench, 1).await;
    let request = ReceiveRequest {
        group: group(OTHER),
        ..receive(4, &Filter::All)
    };
    let empty = bench.node().receive(&context(1), request).await;
    let wait = WaitRequest {
        group: OTHER,
        topic: topic(1),
        brokers: vec![(BROKERS[0], empty.expect("received").seen)],
        filter: Filter::All,
        until: Timestamp(bench.now() + 1_000_000),
    };
    let ctx = context(1);
    let mut wait = bench.node().wait(&ctx, wait);
    assert!(poll_once(&mut wait).is_pending());
    assert_eq!(redrive(&bench, to_topic()).await.sent, 1);
    assert!(poll_once(&mut wait).is_ready());
}
