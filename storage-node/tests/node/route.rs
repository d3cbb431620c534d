//! Sends that keep an order and the queues of their topic (RULES 19).

use firn_protocol::api::admin::{AdminApi as _, Reshape, ReshapeRequest};
use firn_protocol::api::hold::{HoldApi as _, UniqueMessage, UniqueRequest};
use firn_protocol::api::storage::{AppendRequest, Routed, StorageApi};
use firn_protocol::error::{ApiResult, ErrorCode};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{QueueId, QueueKey, TopicId, UniqueId};
use firn_protocol::message::NewMessage;
use firn_protocol::routing::queue_of;
use firn_protocol::time::Timestamp;

use crate::harness::{BROKERS, Bench, TOPIC, context, message, offsets, queue_key};

/// A group that goes to the first of four queues, and of eight.
fn group() -> String {
    let names = (0..100).map(|n| format!("group {n}"));
    let mut first = names.filter(|name| [4, 8].map(|n| queue_of(name, n)) == [QueueId(0); 2]);
    first.next().expect("one of them does")
}

fn of_group(n: u64, group: &str) -> NewMessage {
    NewMessage {
        message_group: Some(group.to_owned()),
        ..message(n, None)
    }
}

async fn send(bench: &Bench, n: u64, version: u64, queues: u16) -> ApiResult<()> {
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages: vec![of_group(n, &group())],
    };
    let routed = Routed { version, queues };
    let sent = bench
        .node()
        .append_in_order(&context(1), request, routed)
        .await;
    sent.map(drop)
}

async fn reshape(bench: &Bench, version: u64, step: Reshape) {
    let request = ReshapeRequest {
        broker: BROKERS[0],
        topic: queue_key(TOPIC, 0).topic,
        version,
        step,
    };
    let done = bench.node().reshape(&context(1), request).await;
    done.expect("done");
}

fn refused(sent: ApiResult<()>) {
    assert_eq!(sent.expect_err("refused").code, ErrorCode::NotOwner);
}

async fn stored(bench: &Bench) -> Vec<u64> {
    offsets(&bench.take(64, &Filter::All).await)
}

#[tokio::test]
async fn an_old_copy_of_the_topic_sends_nothing() {
    let mut bench = Bench::new(|_| {});
    send(&bench, 0, 5, 4).await.expect("sent");
    send(&bench, 1, 7, 8).await.expect("a newer one");
    refused(send(&bench, 2, 5, 4).await);
    refused(send(&bench, 2, 6, 8).await);
    // Also after a loss of power, and after a clean stop.
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages: vec![message(3, None)],
    };
    let sent = bench.node().append(&context(1), request).await;
    sent.expect("what keeps no order needs no version");
    bench.crash(3, false).await;
    refused(send(&bench, 4, 5, 4).await);
    bench.close().await;
    bench.open();
    refused(send(&bench, 4, 6, 4).await);
    send(&bench, 4, 7, 8).await.expect("sent");
    assert_eq!(stored(&bench).await.len(), 4);
    // A topic that is made anew under another id knows nothing of it.
    let dropped = bench
        .node()
        .drop_topic(&context(1), BROKERS[0], queue_key(TOPIC, 0).topic)
        .await;
    dropped.expect("dropped");
    send(&bench, 5, 1, 4).await.expect("sent");
}

#[tokio::test]
async fn a_message_group_goes_to_its_own_queue_alone() {
    let bench = Bench::new(|_| {});
    let (own, routed) = (
        group(),
        Routed {
            version: 1,
            queues: 4,
        },
    );
    let wrong = (0..100).map(|n| format!("other {n}"));
    let wrong = wrong
        .into_iter()
        .find(|name| queue_of(name, 4) != QueueId(0));
    let messages = vec![of_group(0, &own), of_group(1, &wrong.expect("one"))];
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages,
    };
    let node = bench.node();
    let sent = node.append_in_order(&context(1), request, routed).await;
    refused(sent.map(drop));
    let unique = UniqueRequest {
        broker: BROKERS[0],
        queue: QueueKey {
            queue: QueueId(1),
            ..queue_key(TOPIC, 0)
        },
        messages: vec![UniqueMessage {
            message: of_group(2, &own),
            id: UniqueId::of(TopicId(TOPIC), "id"),
        }],
        routed: Some(routed),
    };
    let sent = node.append_unique(&context(1), unique).await;
    let sent = sent.expect("answered").remove(0);
    refused(sent.map(drop));
    assert!(stored(&bench).await.is_empty());
}

#[tokio::test]
async fn nobody_sends_while_the_queues_change() {
    let bench = Bench::new(|_| {});
    send(&bench, 0, 5, 4).await.expect("sent");
    let until = Timestamp(bench.now() + 30_000);
    reshape(&bench, 5, Reshape::Close { until }).await;
    refused(send(&bench, 1, 5, 4).await);
    refused(send(&bench, 1, 4, 4).await);
    // Somebody has seen the change before the broker is told.
    send(&bench, 1, 6, 8).await.expect("sent");
    reshape(&bench, 6, Reshape::Open).await;
    refused(send(&bench, 2, 5, 4).await);
    send(&bench, 2, 6, 8).await.expect("sent");

    // A change that came to nothing.
    let until = Timestamp(bench.now() + 30_000);
    reshape(&bench, 6, Reshape::Close { until }).await;
    refused(send(&bench, 3, 6, 8).await);
    reshape(&bench, 6, Reshape::Open).await;
    send(&bench, 3, 6, 8).await.expect("sent");

    // One whose author is gone.
    reshape(&bench, 6, Reshape::Close { until }).await;
    bench.advance(29_999);
    refused(send(&bench, 4, 6, 8).await);
    bench.advance(1);
    send(&bench, 4, 6, 8).await.expect("sent");
}
