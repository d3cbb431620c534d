//! Purge: all of a topic is gone for every group, and nothing brings it back.

use firn_protocol::api::admin::{AdminApi, PurgeRequest};
use firn_protocol::api::hold::{HoldApi, HoldRequest};
use firn_protocol::api::storage::{
    AckStatus, GroupMode, GroupSpec, KeyQuery, ReceiveRequest, StorageApi, VisibilityRequest,
};
use firn_protocol::catalogue::OnPoison;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{Offset, TopicKey};
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

use crate::harness::*;
use crate::retention::{HOUR_MS, Rules, check_named, key, newest, with};
use crate::tiers::{objects, read, seal, send};
use firn_storage_node::cold::paths::ObjectName;

async fn purge(bench: &Bench, topic: TopicKey, before: Option<u64>) -> u64 {
    let request = PurgeRequest {
        broker: BROKERS[0],
        topic,
        before: before.map(Timestamp),
    };
    let purged = bench.node().purge(&context(1), request).await;
    purged.expect("purged")
}

pub(crate) async fn fail(bench: &Bench, receipt: Receipt) {
    let request = VisibilityRequest {
        broker: BROKERS[0],
        group: group(GROUP),
        receipt,
        invisible_ms: 0,
    };
    let failed = bench.node().change_visibility(&context(1), request).await;
    failed.expect("answered");
}

/// Lag, in flight and scheduled of the group, over all its queues.
async fn lag(bench: &Bench) -> (u64, u64, u64) {
    let rows = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
    let rows = rows.expect("lag").into_iter();
    rows.fold((0, 0, 0), |sum, row| {
        (
            sum.0 + row.lag,
            sum.1 + row.in_flight,
            sum.2 + row.scheduled,
        )
    })
}

/// What comes within a day, by offset, acknowledged.
async fn all_of_a_day(bench: &Bench) -> Vec<u64> {
    let mut got = Vec::new();
    for _ in 0..24 {
        for _ in 0..3 {
            let taken = bench.take(64, &Filter::All).await;
            got.extend(offsets(&taken));
            for delivery in taken.deliveries {
                bench.ack(delivery.receipt).await;
            }
            bench.settle_stores().await;
        }
        bench.advance(HOUR_MS);
    }
    got
}

#[tokio::test]
async fn a_purged_topic_is_empty_and_its_retries_do_not_bring_it_back() {
    let mut bench = Bench::new(|_| {});
    bench
        .send_all((0..6).map(|n| message(n, None)).collect())
        .await;
    let held = HoldRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages: vec![NewMessage {
            deliver_at: Some(Timestamp(START_MS + HOUR_MS)),
            ..message(99, None)
        }],
    };
    bench.node().hold(&context(1), held).await.expect("held");
    let taken = bench.take(4, &Filter::All).await.deliveries;
    // One is done, one waits to come again, one comes again now, one is in flight.
    bench.ack(taken[0].receipt).await;
    fail(&bench, taken[2].receipt).await;
    bench.advance(10_000);
    let again = bench.take(1, &Filter::All).await;
    bench.settle_stores().await;
    let again = [again, bench.take(1, &Filter::All).await];
    assert!(
        again
            .iter()
            .flat_map(|it| &it.deliveries)
            .any(|it| it.message.attempt == 2)
    );
    fail(&bench, taken[1].receipt).await;
    assert_eq!(lag(&bench).await.2, 1, "one waits");
    let topic = topic(1).key;
    assert_eq!(purge(&bench, topic, None).await, 6);
    assert_eq!(lag(&bench).await, (0, 0, 0));
    assert_eq!(purge(&bench, topic, None).await, 0, "nothing is left");
    let late = bench.ack(taken[3].receipt).await;
    assert_ne!(late, AckStatus::Ok, "its lease ended");
    for keep in [true, false] {
        assert_eq!(read(&bench, 0, 3, 9).await, []);
        bench.restart(keep).await;
        assert_eq!(lag(&bench).await, (0, 0, 0));
    }
    bench.send(6, None).await;
    // The delayed one was not purged.
    assert_eq!(all_of_a_day(&bench).await, [6, 7]);
    bench.close().await;
    bench.check_snapshots();
}

#[tokio::test]
async fn a_purge_may_end_at_a_time() {
    let bench = Bench::new(|_| {});
    bench
        .send_all((0..3).map(|n| message(n, None)).collect())
        .await;
    let taken = bench.take(3, &Filter::All).await.deliveries;
    fail(&bench, taken[2].receipt).await;
    bench.advance(5_000);
    bench
        .send_all((3..6).map(|n| message(n, None)).collect())
        .await;
    let taken = bench.take(1, &Filter::All).await.deliveries;
    fail(&bench, taken[0].receipt).await;
    let topic = topic(1).key;
    assert_eq!(purge(&bench, topic, Some(START_MS)).await, 0);
    assert_eq!(lag(&bench).await.2, 2);
    assert_eq!(purge(&bench, topic, Some(START_MS + 5_000)).await, 3);
    assert_eq!(lag(&bench).await, (3, 0, 1), "4 and 5, and the retry of 3");
    bench.advance(10_000);
    let mut got = Vec::new();
    for _ in 0..3 {
        let taken = bench.take(9, &Filter::All).await.deliveries;
        got.extend(taken.iter().map(|it| it.message.content.body.clone()));
        bench.settle_stores().await;
    }
    // Whether the retry or the first deliveries come first is open: the node
    // may have found the retry due before it is asked.
    got.sort_unstable();
    assert_eq!(got, ["body 3", "body 4", "body 5"]);
}

#[tokio::test]
async fn dead_letters_are_purged_like_a_topic() {
    let bench = Bench::new(|_| {});
    let spec = GroupSpec {
        max_retries: 0,
        ..group(GROUP)
    };
    bench
        .send_all((0..4).map(|n| message(n, None)).collect())
        .await;
    let request = ReceiveRequest {
        group: spec,
        ..receive(2, &Filter::All)
    };
    let taken = bench
        .node()
        .receive(&context(1), request)
        .await
        .expect("received");
    for delivery in taken.deliveries {
        let request = VisibilityRequest {
            broker: BROKERS[0],
            group: spec,
            receipt: delivery.receipt,
            invisible_ms: 0,
        };
        let failed = bench.node().change_visibility(&context(1), request).await;
        failed.expect("answered");
    }
    let letters = TopicKey::DeadLetter(GROUP);
    assert_eq!(purge(&bench, topic(1).key, None).await, 4);
    let bounds = bench.node().bounds(&context(1), BROKERS[0], letters).await;
    assert_eq!(
        bounds.expect("answered")[0].1,
        Offset(0),
        "not of the topic"
    );
    assert_eq!(purge(&bench, letters, None).await, 2);
    let bounds = bench.node().bounds(&context(1), BROKERS[0], letters).await;
    assert_eq!(bounds.expect("answered")[0].1, Offset(2));
}

#[tokio::test]
async fn what_is_parked_goes_too_and_blocks_nothing() {
    let bench = Bench::new(|_| {});
    let spec = GroupSpec {
        mode: GroupMode::Ordered(OnPoison::Park),
        max_retries: 0,
        ..group(GROUP)
    };
    let line = |n| NewMessage {
        message_group: Some("g".to_owned()),
        ..message(n, None)
    };
    let take = || async {
        let request = ReceiveRequest {
            group: spec,
            ..receive(9, &Filter::All)
        };
        let taken = bench.node().receive(&context(1), request).await;
        taken.expect("received").deliveries
    };
    bench.send_all(vec![line(0), line(1)]).await;
    let request = VisibilityRequest {
        broker: BROKERS[0],
        group: spec,
        receipt: take().await[0].receipt,
        invisible_ms: 0,
    };
    let failed = bench.node().change_visibility(&context(1), request).await;
    failed.expect("answered");
    let parked = || async {
        let parked = bench.node().parked(&context(1), BROKERS[0], GROUP).await;
        parked.expect("answered").len()
    };
    assert_eq!((parked().await, take().await.len()), (1, 0));
    assert_eq!(purge(&bench, topic(1).key, None).await, 2);
    assert_eq!(parked().await, 0);
    bench.send_all(vec![line(2)]).await;
    assert_eq!(take().await[0].message.offset, Offset(2));
}

/// In segments and not yet in any: the bytes go as those of old records do.
#[tokio::test]
async fn the_space_of_a_purged_topic_is_given_back() {
    for restarts in [false, true] {
        let rules = Rules::hours(72);
        let mut bench = Bench::new(with(&rules));
        send(&bench, 0..40).await;
        seal(&bench).await;
        let segment = ObjectName::Segment(key(), newest(&bench).await.segments[0].name);
        let position = read(&bench, 0, 3, 1).await[0].position;
        send(&bench, 40..44).await;
        assert_eq!(purge(&bench, topic(1).key, None).await, 44);
        if restarts {
            bench.restart(true).await;
        }
        for _ in 0..2 {
            bench.advance(60_000);
            bench.node().tier_step().await;
        }
        assert_eq!(
            newest(&bench).await.segments,
            [],
            "neither old nor new records"
        );
        assert!(
            objects(&bench).await.contains(&segment),
            "readers have time"
        );
        let ctx = context(1);
        let found = bench.node().by_position(&ctx, BROKERS[0], position).await;
        assert_eq!(found.expect("asked"), None);
        let query = KeyQuery::Key("key-41".to_owned());
        let found = bench.node().by_key(&ctx, BROKERS[0], None, query, 0, 9);
        assert_eq!(found.await.expect("asked").messages, []);
        for _ in 0..3 {
            bench.advance(HOUR_MS + 60_000);
            bench.node().tier_step().await;
        }
        assert!(
            !objects(&bench).await.contains(&segment),
            "the grace is over"
        );
        check_named(&bench).await;
        send(&bench, 44..46).await;
        assert_eq!(read(&bench, 0, 22, 9).await.len(), 1, "offsets go on");
    }
}
