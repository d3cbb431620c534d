//! A full disk stops sends and nothing else, and ends by itself.

use firn_protocol::api::storage::{AckStatus, AppendRequest, StorageApi, VisibilityRequest};
use firn_protocol::error::{ApiError, ErrorCode};

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
    world.disk.set_budget(Some(world.disk.used() + 40_000));
    let sent = fill(&life, &mut history).await;
    assert!(sent > 20, "{sent}");
    let health = life.node.health().expect_err("a full disk shows");
    assert_eq!(health.code, ErrorCode::DiskFull);
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

    world.disk.set_budget(None);
    let mut tries = 0;
    while send(&life, &mut history).await.is_err() {
        tries += 1;
        assert!(tries < 10_000, "sends do not come back");
        pause().await;
    }
    life.node.health().expect("well again");
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
