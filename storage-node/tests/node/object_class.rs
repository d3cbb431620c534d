//! Scenes of the durability class `object`: what an answer means, what is seen
//! while the object store is away, and who is fenced.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::api::storage::{AppendRequest, Appended, Delivery, StorageApi as _};
use firn_protocol::catalogue::Durability;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{BrokerId, Offset};
use firn_protocol::message::NewMessage;
use firn_storage_node::cold::paths::Prefix;
use firn_storage_node::config::{TierConfig, TierMutant};

use crate::cold::time;
use crate::history::receive;
use crate::object_histories::ready;
use crate::power::{BROKERS, GROUP, Life, TOPIC, World, ctx, passes, pause, queue, set_class};
use crate::work::is_unknown;

async fn begin() -> (World, Life) {
    begin_with(None).await
}

pub(crate) async fn begin_with(mutant: Option<TierMutant>) -> (World, Life) {
    set_class(Durability::Object);
    let mut world = World::new(11, None);
    world.tier = TierConfig {
        carry_bytes_max: 1,
        mutant,
        ..TierConfig::default()
    };
    world.wal.delete_batch = 2;
    let life = start(&mut world).await;
    (world, life)
}

pub(crate) async fn start(world: &mut World) -> Life {
    let mut life = world.open().expect("opens");
    life.start();
    assert!(ready(world, &life).await, "the node answers");
    for broker in BROKERS {
        // The first change makes them of the class, once the node is ready for it.
        let ctx = ctx();
        let subscribed = life.node.subscribe(&ctx, broker, GROUP, TOPIC);
        passing(world, subscribed).await.expect("subscribed");
    }
    life
}

/// Lets time pass until something is done.
pub(crate) async fn passing<T>(world: &World, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = time(world) => match never {},
    }
}

pub(crate) async fn send(life: &Life, broker: BrokerId, number: u64) -> Result<Appended, ApiError> {
    let message = NewMessage {
        body: number.to_string().into(),
        ..NewMessage::default()
    };
    let request = AppendRequest {
        broker,
        queue: queue(0),
        messages: vec![message],
    };
    life.node.append(&ctx(), request).await
}

pub(crate) async fn end(life: &Life, broker: BrokerId) -> u64 {
    let bounds = life.node.bounds(&ctx(), broker, TOPIC.key).await;
    bounds.expect("bounds").first().map_or(0, |row| row.2.0)
}

pub(crate) async fn bodies(life: &Life, broker: BrokerId) -> Vec<String> {
    let ctx = ctx();
    let read = life.node.read(&ctx, broker, queue(0), Offset(0), 1000);
    let read = read.await.expect("reads");
    let bodies = read.iter().map(|it| it.content.body.to_vec());
    bodies
        .map(|it| String::from_utf8(it).expect("a number"))
        .collect()
}

pub(crate) fn numbers(count: u64) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

/// Another machine takes over, whatever becomes of the one before.
async fn move_machine(world: &mut World) {
    let clock = world.clock.clone();
    let passes = passes(clock, Duration::from_millis(20));
    tokio::select! {
        moved = world.move_machine(99) => moved.expect("restored"),
        never = passes => match never {},
    }
}

/// The machine is lost without a word.
pub(crate) async fn lose_machine(world: &mut World, life: Life) {
    life.kill(world).await;
    move_machine(world).await;
}

#[tokio::test]
async fn what_was_answered_outlives_the_machine() {
    let (mut world, mut life) = begin().await;
    for n in 0..30 {
        passing(&world, send(&life, BROKERS[0], n))
            .await
            .expect("answered");
    }
    let taken = passing(&world, receive(&life.node, BROKERS[0], 5, 30_000)).await;
    let taken = taken.expect("received").deliveries;
    let receipts = taken[..2].iter().map(|it| it.receipt).collect();
    let ctx = ctx();
    let acked = life.node.ack(&ctx, BROKERS[0], GROUP.id, receipts);
    passing(&world, acked).await.expect("acked");
    for round in 0..3 {
        lose_machine(&mut world, life).await;
        life = start(&mut world).await;
        assert_eq!(bodies(&life, BROKERS[0]).await, numbers(30 + round));
        let sent = passing(&world, send(&life, BROKERS[0], 30 + round)).await;
        assert_eq!(sent.expect("answered").offset, Offset(30 + round));
    }
    world.clock.advance(Duration::from_secs(60));
    let again = passing(&world, receive(&life.node, BROKERS[0], 100, 30_000)).await;
    let again = again.expect("received").deliveries;
    // By body: a copy for redelivery has an offset of its own queue.
    let body = |it: &Delivery| it.message.content.body.clone();
    let again: Vec<Bytes> = again.iter().map(body).collect();
    assert!(again.contains(&Bytes::from("5")), "{again:?}");
    for acked in taken[..2].iter().map(body) {
        assert!(!again.contains(&acked), "{acked:?} was acked: {again:?}");
    }
    life.close().await;
}

#[tokio::test]
async fn nothing_is_answered_or_seen_before_the_object_store_has_it() {
    let (mut world, life) = begin().await;
    passing(&world, send(&life, BROKERS[0], 0))
        .await
        .expect("answered");
    world.objects.storm(u64::MAX);
    let refused = passing(&world, send(&life, BROKERS[0], 1)).await;
    let error = refused.expect_err("nobody can promise it");
    assert_eq!(error.code, ErrorCode::StorageUnavailable);
    assert!(is_unknown(&error), "{error}");
    assert_eq!(end(&life, BROKERS[0]).await, 1, "it is not seen");
    // Another instance, whose sends do not need the object store, goes on.
    set_class(Durability::Local);
    send(&life, BROKERS[1], 7).await.expect("answered");
    assert_eq!(end(&life, BROKERS[1]).await, 1);
    set_class(Durability::Object);
    // It is in the log, so a start of the same machine keeps it, and then for good.
    life.kill(&world).await;
    world.disk.restart();
    let life = start(&mut world).await;
    assert_eq!(bodies(&life, BROKERS[0]).await, numbers(2));
    lose_machine(&mut world, life).await;
    let life = start(&mut world).await;
    assert_eq!(bodies(&life, BROKERS[0]).await, numbers(2));
    assert_eq!(
        end(&life, BROKERS[1]).await,
        0,
        "that class promised its disk"
    );
    life.close().await;
}

#[tokio::test]
async fn what_waited_for_the_object_store_is_seen_once_it_is_back() {
    let (world, life) = begin().await;
    world.objects.storm(u64::MAX);
    let mut sending = Box::pin(send(&life, BROKERS[0], 0));
    tokio::select! {
        sent = &mut sending => panic!("answered too early: {sent:?}"),
        () = async {
            while life.counter("firn_storage_wal_puts_again_total") < 3 {
                pause().await;
                world.clock.advance(Duration::from_millis(20));
            }
        } => {}
    }
    assert_eq!(end(&life, BROKERS[0]).await, 0);
    world.objects.heal();
    passing(&world, sending).await.expect("answered");
    assert_eq!(end(&life, BROKERS[0]).await, 1, "who was answered sees it");
    life.close().await;
}

#[tokio::test]
async fn too_much_that_waits_refuses_sends_and_nothing_is_lost() {
    let (mut world, life) = begin().await;
    life.kill(&world).await;
    world.disk.restart();
    world.wal.pending_bytes_max = 2000;
    let life = start(&mut world).await;
    world.objects.storm(u64::MAX);
    let mut refused = 0;
    let mut waiting = Vec::new();
    for n in 0..60 {
        let mut sending = Box::pin(send(&life, BROKERS[0], n));
        tokio::select! {
            biased;
            sent = &mut sending => {
                let error = sent.expect_err("not answered");
                assert_eq!(error.code, ErrorCode::Overloaded, "{error}");
                assert!(!is_unknown(&error), "it was not taken");
                refused += 1;
            }
            () = async { for _ in 0..5 { pause().await } } => waiting.push(sending),
        }
    }
    assert!(refused > 0 && !waiting.is_empty());
    world.objects.heal();
    let taken = waiting.len() as u64;
    for sending in waiting {
        passing(&world, sending).await.expect("answered");
    }
    assert_eq!(end(&life, BROKERS[0]).await, taken);
    life.close().await;
}

#[tokio::test]
async fn a_machine_that_was_given_up_answers_nothing_more() {
    let (mut world, old) = begin().await;
    passing(&world, send(&old, BROKERS[0], 0))
        .await
        .expect("answered");
    move_machine(&mut world).await;
    let late = passing(&world, send(&old, BROKERS[0], 1)).await;
    assert!(late.is_err(), "a fenced owner answered {late:?}");
    let later = passing(&world, send(&old, BROKERS[0], 2)).await;
    assert_eq!(later.expect_err("fenced").code, ErrorCode::NotOwner);
    let new = start(&mut world).await;
    assert_eq!(bodies(&new, BROKERS[0]).await, numbers(1));
    passing(&world, send(&new, BROKERS[0], 1))
        .await
        .expect("answered");
    new.close().await;
    old.close().await;
}

#[tokio::test]
async fn an_instance_that_changes_its_class_keeps_what_it_has() {
    let (mut world, life) = begin().await;
    set_class(Durability::Local);
    for n in 0..10 {
        send(&life, BROKERS[0], n).await.expect("answered");
    }
    set_class(Durability::Object);
    for n in 10..15 {
        passing(&world, send(&life, BROKERS[0], n))
            .await
            .expect("answered");
    }
    passing(&world, life.node.tier_step()).await;
    lose_machine(&mut world, life).await;
    let life = start(&mut world).await;
    assert_eq!(bodies(&life, BROKERS[0]).await, numbers(15));
    // Back again: what was answered by the object store stays there.
    passing(&world, send(&life, BROKERS[0], 15))
        .await
        .expect("answered");
    set_class(Durability::Local);
    send(&life, BROKERS[0], 16).await.expect("answered");
    world.objects.storm(u64::MAX);
    send(&life, BROKERS[0], 17)
        .await
        .expect("needs no object store");
    assert_eq!(end(&life, BROKERS[0]).await, 18);
    lose_machine(&mut world, life).await;
    let life = start(&mut world).await;
    let there = bodies(&life, BROKERS[0]).await;
    assert_eq!(there[..16], numbers(18)[..16], "{there:?}");
    life.close().await;
}

#[tokio::test]
async fn the_number_of_puts_follows_the_time_and_not_the_sends() {
    let (world, life) = begin().await;
    let objects = || life.counter("firn_storage_wal_objects_total");
    passing(&world, send(&life, BROKERS[0], 0))
        .await
        .expect("answered");
    let (before, since) = (objects(), world.clock.now_ms());
    // All of them while one interval passes.
    let sends = (1..200).map(|n| send(&life, BROKERS[n as usize % 2], n));
    let sends = futures_util::future::join_all(sends);
    let answers = passing(&world, sends).await;
    assert!(answers.iter().all(Result::is_ok));
    let interval_ms = world.wal.interval.as_millis() as u64;
    let intervals = (world.clock.now_ms() - since).div_ceil(interval_ms);
    let puts = objects() - before;
    // How many intervals the answers took is up to the machine.
    assert!(
        puts <= intervals + u64::from(world.wal.burst),
        "{puts} puts in {intervals} intervals"
    );
    // Whoever has nothing to say says nothing.
    for _ in 0..10 {
        passing(&world, life.node.tier_step()).await;
        world.clock.advance(Duration::from_secs(700));
        // What is covered by now is deleted by a task of its own.
        for _ in 0..10 {
            pause().await;
        }
    }
    let (quiet, changes) = (objects(), world.objects.changes());
    for _ in 0..10 {
        passing(&world, life.node.tier_step()).await;
        world.clock.advance(Duration::from_secs(3600));
        pause().await;
    }
    assert_eq!((objects(), world.objects.changes()), (quiet, changes));
    life.close().await;
}

#[tokio::test]
async fn wals_go_once_manifests_cover_them() {
    let (mut world, mut life) = begin().await;
    for round in 0..4 {
        for n in 0..20 {
            let sent = passing(&world, send(&life, BROKERS[0], 20 * round + n)).await;
            sent.expect("answered");
        }
        life.kill(&world).await;
        world.disk.restart();
        life = start(&mut world).await;
    }
    let count = async || {
        let store = world.cold().store;
        store.list(Prefix::Wals).await.expect("lists").len()
    };
    let before = count().await;
    for _ in 0..40 {
        passing(&world, life.node.seal_all()).await;
        passing(&world, life.node.tier_step()).await;
        world.clock.advance(Duration::from_secs(3600 * 12));
        for _ in 0..5 {
            pause().await;
        }
    }
    let after = count().await;
    assert!(before > 10 && after <= 4, "{before} objects, then {after}");
    assert_eq!(bodies(&life, BROKERS[0]).await, numbers(80));
    life.close().await;
}
