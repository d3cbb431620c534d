//! A broker that is removed for ever: nothing of it is left, on the node or in object
//! storage, whatever happens in between; and nothing else is touched.

use firn_protocol::api::admin::{AdminApi as _, Erased};
use firn_protocol::api::storage::{AppendRequest, StorageApi};
use firn_protocol::api::usage::UsageApi as _;
use firn_protocol::error::ErrorCode;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{BrokerId, Offset};
use firn_storage_node::cold::paths::ObjectName;

use crate::harness::{BROKERS, Bench, TOPIC, context, poll_once, queue_key};
use crate::tiers::{big, objects, seal, send, small};

async fn send_to(bench: &Bench, broker: BrokerId, n: u64) -> Result<(), ErrorCode> {
    let request = AppendRequest {
        broker,
        queue: queue_key(TOPIC, 0),
        messages: vec![big(n)],
    };
    let sent = bench.node().append(&context(1), request).await;
    sent.map(drop).map_err(|error| error.code)
}

async fn stored(bench: &Bench, broker: BrokerId) -> Result<usize, ErrorCode> {
    let ctx = context(1);
    let read = bench
        .node()
        .read(&ctx, broker, queue_key(TOPIC, 0), Offset(0), 1000);
    read.await
        .map(|found| found.len())
        .map_err(|error| error.code)
}

async fn step(bench: &Bench) -> Erased {
    let erased = bench.node().erase(&context(1), BROKERS[0]).await;
    erased.expect("erased")
}

async fn erase(bench: &Bench) -> (u64, u64) {
    let (mut objects, mut bytes) = (0, 0);
    for _ in 0..3 {
        let erased = step(bench).await;
        objects += erased.objects;
        bytes += erased.bytes;
        if erased.is_complete {
            return (objects, bytes);
        }
    }
    panic!("something is left");
}

async fn of_broker(bench: &Bench, broker: BrokerId) -> Vec<ObjectName> {
    let mut all = objects(bench).await;
    all.retain(|name| name.broker().is_some_and(|key| key.broker == broker));
    all
}

#[tokio::test]
async fn nothing_of_it_is_left_and_its_neighbour_has_all() {
    for keep_stores in [true, false] {
        let mut bench = Bench::new(small);
        send(&bench, 0..60).await;
        for n in 0..20 {
            send_to(&bench, BROKERS[1], n).await.expect("sent");
        }
        bench.take(5, &Filter::All).await;
        seal(&bench).await;
        send(&bench, 60..70).await;
        let mine = of_broker(&bench, BROKERS[0]).await;
        let others = of_broker(&bench, BROKERS[1]).await;
        assert!(mine.len() >= 2 && !others.is_empty());

        let (gone, bytes) = erase(&bench).await;
        assert_eq!(gone as usize, mine.len());
        assert!(bytes > 10_000, "{bytes}");
        assert_eq!(of_broker(&bench, BROKERS[0]).await, []);
        assert_eq!(of_broker(&bench, BROKERS[1]).await, others);
        // What it used is still to be paid, and then it is unknown.
        let usage = bench.node().usage().await.expect("answered");
        let mut keys = Vec::new();
        for event in usage {
            keys.push(event.key);
        }
        assert!(keys.iter().any(|key| key.broker == BROKERS[0]));
        assert_eq!(
            send_to(&bench, BROKERS[0], 1).await,
            Err(ErrorCode::NotFound)
        );
        bench.node().usage_taken(&keys).await.expect("taken");
        assert_eq!(erase(&bench).await, (0, 0));

        // Nobody brings it back.
        bench.crash(5, keep_stores).await;
        assert_eq!(stored(&bench, BROKERS[1]).await, Ok(20));
        bench.node().tier_step().await;
        assert!(bench.node().seal_all().await);
        assert_eq!(of_broker(&bench, BROKERS[0]).await, []);
        bench.restart(keep_stores).await;
        assert_eq!(of_broker(&bench, BROKERS[0]).await, []);
        assert_eq!(stored(&bench, BROKERS[1]).await, Ok(20));
        assert_eq!(erase(&bench).await, (0, 0));
    }
}

#[tokio::test]
async fn it_goes_on_after_a_crash_and_a_long_life() {
    let mut bench = Bench::new(small);
    for n in 0..20 {
        send_to(&bench, BROKERS[1], n).await.expect("sent");
    }
    send(&bench, 0..60).await;
    seal(&bench).await;
    step(&bench).await;
    bench.crash(9, false).await;
    erase(&bench).await;
    // The log goes on without what stood before, and forgets it.
    for n in 20..120 {
        send_to(&bench, BROKERS[1], n).await.expect("sent");
        if n % 30 == 0 {
            seal(&bench).await;
            bench.settle_stores().await;
            bench.node().tier_step().await;
        }
    }
    for keep_stores in [true, false] {
        bench.crash(11, keep_stores).await;
        assert_eq!(stored(&bench, BROKERS[1]).await, Ok(120));
        assert_eq!(of_broker(&bench, BROKERS[0]).await, []);
    }
}

#[tokio::test]
async fn what_is_on_its_way_into_object_storage_goes_too() {
    let bench = Bench::new(small);
    send(&bench, 0..60).await;
    let node = bench.node().clone();
    // A seal that is somewhere between cut and manifest.
    let sealing = node.seal_all();
    tokio::pin!(sealing);
    assert!(poll_once(&mut sealing).is_pending());
    step(&bench).await;
    sealing.await;
    erase(&bench).await;
    assert_eq!(objects(&bench).await, []);
}

#[tokio::test]
async fn another_instance_erases_nothing_of_ours() {
    let bench = Bench::new(small);
    send(&bench, 0..60).await;
    seal(&bench).await;
    let before = objects(&bench).await;
    let erased = bench.node().erase(&context(2), BROKERS[0]).await;
    let erased = erased.expect("nothing is there");
    assert_eq!((erased.objects, erased.is_complete), (0, true));
    assert_eq!(objects(&bench).await, before);
    assert_eq!(stored(&bench, BROKERS[0]).await, Ok(30));
}
