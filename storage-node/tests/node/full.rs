//! A full disk stops sends and nothing else, and ends by itself.

use std::time::Duration;

use firn_protocol::api::hold::{HoldApi, HoldRequest};
use firn_protocol::api::storage::{AckStatus, AppendRequest, StorageApi, VisibilityRequest};
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{QueueId, QueueKey, TopicId, TopicKey};
use firn_protocol::message::NewMessage;
use firn_protocol::time::Timestamp;

use crate::harness::poll_once;
use crate::history::{History, receive};
use crate::power::{BROKERS, GROUP, Life, World, ctx, pause, queue};

const BROKER: firn_protocol::BrokerId = BROKERS[0];

async fn send(life: &Life, history: &mut History) -> Result<(), ApiError> {
    let (first, messages) = history.sending(BROKER, queue(0), &[900]);
    let request = AppendRequest {
        broker: BROKER,
        queue: queue(0),
        messages,
    };
    match life.node.append(&ctx(), request).await {
        Ok(stored) => {
            let placed = history.stored(BROKER, queue(0), stored.offset, (first, 1));
            placed.expect("offsets keep their meaning");
            Ok(())
        }
        Err(error) => {
            history.refused(first);
            Err(error)
        }
    }
}

/// Holds a message until a time; the topic that it goes to.
async fn hold(life: &Life, due: u64) -> TopicKey {
    let queue = QueueKey {
        topic: TopicKey::User(TopicId(77)),
        queue: QueueId(0),
    };
    let request = HoldRequest {
        broker: BROKER,
        queue,
        messages: vec![NewMessage {
            deliver_at: Some(Timestamp(due)),
            ..NewMessage::default()
        }],
    };
    let held = life.node.hold(&ctx(), request).await;
    held.expect("held").remove(0).expect("held");
    queue.topic
}

/// Messages of a topic.
async fn delivered(life: &Life, topic: TopicKey) -> usize {
    let bounds = life.node.bounds(&ctx(), BROKER, topic).await;
    bounds.expect("answered").len()
}

async fn fill(life: &Life, history: &mut History) -> usize {
    for sent in 0..1000 {
        if let Err(error) = send(life, history).await {
            assert_eq!(error.code, ErrorCode::DiskFull);
            assert!(error.code.is_retryable());
            return sent;
        }
    }
    panic!("the disk is never full");
}

/// The disk has room again, and sends come back by themselves.
async fn free_space(world: &World, life: &Life, history: &mut History) {
    world.disk.set_budget(None);
    let mut tries = 0;
    while send(life, history).await.is_err() {
        tries += 1;
        assert!(tries < 10_000, "sends do not come back");
        pause().await;
    }
}

/// Receives, renews and acks a few; all of that goes on.
async fn consume(life: &Life, history: &mut History) {
    let since = history.tick;
    let received = receive(&life.node, BROKER, 4, 60_000)
        .await
        .expect("receives");
    assert!(!received.deliveries.is_empty());
    let mut numbers = Vec::new();
    for delivery in &received.deliveries {
        numbers.push(
            history
                .delivered(&delivery.message, since)
                .expect("genuine"),
        );
    }
    let renew = VisibilityRequest {
        broker: BROKER,
        group: GROUP,
        receipt: received.deliveries[0].receipt,
        invisible_ms: 90_000,
    };
    life.node
        .change_visibility(&ctx(), renew)
        .await
        .expect("renews");
    let receipts = received.deliveries.iter().map(|it| it.receipt).collect();
    let statuses = life
        .node
        .ack(&ctx(), BROKER, GROUP.id, receipts)
        .await
        .expect("acks");
    assert!(statuses.iter().all(|status| *status == AckStatus::Ok));
    for number in numbers {
        history.acked(number);
    }
}

#[tokio::test]
async fn a_full_disk_stops_sends_and_nothing_else() {
    let mut world = World::new(11, None);
    let mut life = world.open().expect("opens");
    life.start();
    let mut history = History::default();
    send(&life, &mut history).await.expect("well");
    let later = hold(&life, world.clock.now_ms() + 10_000).await;
    world.disk.set_budget(Some(world.disk.used() + 40_000));
    let sent = fill(&life, &mut history).await;
    assert!(sent > 20, "{sent}");
    let health = life.node.health().expect_err("a full disk shows");
    assert_eq!(health.code, ErrorCode::DiskFull);
    // A delayed message that is due cannot be stored now, and keeps nobody waiting.
    world.clock.advance(Duration::from_secs(10));
    for _ in 0..5 {
        consume(&life, &mut history).await;
        assert!(send(&life, &mut history).await.is_err());
    }
    history
        .verify(&life.node)
        .await
        .expect("every promise is kept");
    life.kill(&world).await;
    world.disk.crash(11);

    // Still full after the restart.
    let mut life = world.open().expect("opens on a full disk");
    life.start();
    history
        .verify(&life.node)
        .await
        .expect("every promise is kept");
    assert_eq!(
        send(&life, &mut history).await.expect_err("full").code,
        ErrorCode::DiskFull
    );
    consume(&life, &mut history).await;

    free_space(&world, &life, &mut history).await;
    life.node.health().expect("well again");
    let mut tries = 0;
    while delivered(&life, later).await == 0 {
        tries += 1;
        assert!(tries < 10_000, "the delayed message does not come");
        // The timers try again after a second; a send takes as long as a commit does.
        world.clock.advance(Duration::from_secs(1));
        life.node.timer_step().await;
        send(&life, &mut history).await.expect("well again");
        pause().await;
    }
    history
        .verify(&life.node)
        .await
        .expect("every promise is kept");
    history
        .drain(&world, &life.node)
        .await
        .expect("all is delivered");
    life.close().await;
}

/// A node that starts on a full disk with a delayed message that is due.
async fn due_on_a_full_disk(world: &mut World) -> (Life, TopicKey, History) {
    let life = world.open().expect("opens");
    let mut history = History::default();
    send(&life, &mut history).await.expect("well");
    let later = hold(&life, world.clock.now_ms() + 10_000).await;
    world.disk.set_budget(Some(world.disk.used()));
    fill(&life, &mut history).await;
    life.kill(world).await;
    world.disk.restart();
    world.clock.advance(Duration::from_secs(10));
    let life = world.open().expect("opens on a full disk");
    (life, later, history)
}

/// Space comes back; so does the delayed message, in a step of the timers.
async fn comes_now(world: &World, life: Life, later: TopicKey, mut history: History) {
    free_space(world, &life, &mut history).await;
    assert_eq!(delivered(&life, later).await, 0);
    assert!(life.node.has_due(), "it is forgotten");
    life.node.timer_step().await;
    assert_eq!(delivered(&life, later).await, 1);
    life.close().await;
}

#[tokio::test]
async fn two_who_look_for_a_delayed_message_do_not_lose_it() {
    let mut world = World::new(12, None);
    let (life, later, history) = due_on_a_full_disk(&mut world).await;
    // The second finds the slot being read by the first, which then fails.
    tokio::join!(life.node.timer_step(), life.node.timer_step());
    comes_now(&world, life, later, history).await;
}

#[tokio::test]
async fn who_looks_for_a_delayed_message_may_go_away() {
    // Where the reading thread was faster than we are nobody could leave: once more.
    for seed in 13..1013 {
        let mut world = World::new(seed, None);
        let (life, later, history) = due_on_a_full_disk(&mut world).await;
        let mut step = Box::pin(life.node.timer_step());
        let is_reading = poll_once(&mut step).is_pending();
        drop(step);
        if is_reading {
            return comes_now(&world, life, later, history).await;
        }
        life.close().await;
    }
    panic!("every read was over before anybody could leave");
}
