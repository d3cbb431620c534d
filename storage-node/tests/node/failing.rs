//! Syncs that fail while the node goes on: recovery in place.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use firn_protocol::api::storage::{AckStatus, AppendRequest, Received, StorageApi, WaitRequest};
use firn_protocol::error::ErrorCode;
use firn_protocol::filter::Filter;
use firn_runtime::clock::pause_thread;
use firn_storage_node::log::{CrashPoint, CrashPoints};

use crate::history::{History, NEVER, receive};
use crate::power::{BROKERS, GROUP, Life, TOPIC, World, ctx, queue};
use crate::work::{is_unknown, work};

async fn send(life: &Life, history: &RefCell<History>) -> Result<(), firn_protocol::ApiError> {
    let (broker, queue) = (BROKERS[0], queue(0));
    let (first, messages) = history.borrow_mut().sending(broker, queue, &[100]);
    let request = AppendRequest {
        broker,
        queue,
        messages,
    };
    let stored = life.node.append(&ctx(), request).await?;
    let placed = history
        .borrow_mut()
        .stored(broker, queue, stored.offset, (first, 1));
    placed.expect("offsets keep their meaning");
    Ok(())
}

fn started(seed: u64) -> (World, Life, RefCell<History>) {
    let mut world = World::new(seed, None);
    let mut life = world.open().expect("opens");
    life.start();
    (world, life, RefCell::default())
}

#[tokio::test]
async fn a_failed_sync_is_told_and_mended_again_and_again() {
    let (world, life, history) = started(1);
    for round in 1..=6 {
        send(&life, &history).await.expect("well");
        world.disk.fail_sync(1);
        // Zero-filling may take the fault; then there is nothing to tell.
        let error = send(&life, &history).await;
        if let Err(error) = error {
            assert_eq!(error.code, ErrorCode::StorageUnavailable);
            assert!(is_unknown(&error), "round {round}: {error:?}");
        }
        assert!(life.healthy().await, "round {round}: it does not recover");
        let mut known = history.take();
        known
            .verify(&life.node)
            .await
            .expect("every promise is kept");
        history.replace(known);
        send(&life, &history)
            .await
            .expect("sends are accepted again");
    }
    assert!(life.counter("firn_storage_log_recoveries_total") > 0);
    life.close().await;
}

#[tokio::test]
async fn load_during_failures_keeps_every_promise() {
    let mut failures = 0;
    for seed in 1..=12 {
        let (world, life, history) = started(seed);
        for round in 0..6 {
            world.disk.fail_sync(1 + (seed + round) % 7);
            work(&world, &life, &history, seed * 100 + round, 8)
                .await
                .expect("every promise is kept");
            // One that has not come yet would come while the promises are checked.
            world.disk.fail_sync(0);
            assert!(life.healthy().await, "seed {seed}: it does not recover");
            let mut known = history.take();
            known
                .verify(&life.node)
                .await
                .expect("every promise is kept");
            history.replace(known);
        }
        failures += life.counter("firn_storage_log_recoveries_total");
        let mut known = history.take();
        known
            .drain(&world, &life.node)
            .await
            .expect("all is delivered");
        known
            .verify_index(&life.node)
            .await
            .expect("the index is whole");
        life.close().await;
    }
    assert!(failures > 12, "only {failures} failures");
}

/// Stops the commit thread between write and sync, and then lets the sync fail.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicU8>);

const HOLD: u8 = 1;
const FAIL: u8 = 2;

impl Gate {
    fn set(&self, state: u8) {
        self.0.store(state, Ordering::SeqCst);
    }

    fn points(&self) -> CrashPoints {
        let gate = self.0.clone();
        CrashPoints::new(move |at| {
            if at != CrashPoint::AfterWriteBeforeSync {
                return true;
            }
            while gate.load(Ordering::SeqCst) == HOLD {
                pause_thread(Duration::from_millis(1));
            }
            gate.compare_exchange(FAIL, 0, Ordering::SeqCst, Ordering::SeqCst)
                .is_err()
        })
    }
}

/// A node with one message leased, durably or not, whose commits are held.
async fn leased(gate: &Gate, durably: bool) -> (World, Life, Received) {
    let mut world = World::new(3, None);
    world.log.crash_points = gate.points();
    let life = world.open().expect("opens");
    let empty = receive(&life.node, BROKERS[0], 1, 1000)
        .await
        .expect("well");
    assert!(empty.deliveries.is_empty());
    send(&life, &RefCell::default()).await.expect("well");
    if !durably {
        gate.set(HOLD);
    }
    let received = receive(&life.node, BROKERS[0], 1, 600_000)
        .await
        .expect("well");
    assert_eq!(received.deliveries.len(), 1);
    if durably {
        life.node
            .lag(&ctx(), BROKERS[0], GROUP.id)
            .await
            .expect("settles");
        gate.set(HOLD);
    }
    (world, life, received)
}

/// A lease that was not durable is gone, and whoever waits is told.
#[tokio::test]
async fn lost_leases_wake_those_who_wait() {
    let gate = Gate::default();
    let (_world, mut life, before) = leased(&gate, false).await;
    life.start();
    let empty = receive(&life.node, BROKERS[0], 1, 1000)
        .await
        .expect("well");
    let ctx = ctx();
    let wait = life.node.wait(
        &ctx,
        WaitRequest {
            group: GROUP.id,
            topic: TOPIC,
            brokers: vec![(BROKERS[0], empty.seen)],
            filter: Filter::All,
            until: NEVER,
        },
    );
    let (woken, ()) = tokio::join!(wait, async { gate.set(FAIL) });
    assert_eq!(woken.expect("parked before the failure"), Some(BROKERS[0]));
    let again = receive(&life.node, BROKERS[0], 1, 600_000)
        .await
        .expect("well");
    assert_eq!(
        again.deliveries.len(),
        1,
        "a speculative lease is left over"
    );
    let (old, new) = (before.deliveries[0].receipt, again.deliveries[0].receipt);
    assert_ne!(old.generation, new.generation);
    let late = life
        .node
        .ack(&ctx, BROKERS[0], GROUP.id, vec![old])
        .await
        .expect("well");
    assert_eq!(late, [AckStatus::LeaseExpired]);
    life.close().await;
}

/// After a failure the log gives the same numbers to other entries; an ack that
/// waits for such a number must not take theirs for its own.
#[tokio::test]
async fn an_ack_lost_in_a_failure_is_never_confirmed() {
    let ctx = ctx();
    let gate = Gate::default();
    let (_world, mut life, received) = leased(&gate, true).await;
    let receipts = vec![received.deliveries[0].receipt];
    let node = life.node.clone();
    let ack = node.ack(&ctx, BROKERS[0], GROUP.id, receipts.clone());
    let (first, ()) = tokio::join!(ack, async { gate.set(FAIL) });
    assert!(is_unknown(&first.expect_err("its sync failed")));
    // Nobody has recovered yet: memory still says that it is acked.
    let again = node.ack(&ctx, BROKERS[0], GROUP.id, receipts);
    let others = async {
        life.start();
        assert!(life.healthy().await);
        let broker = BROKERS[0];
        for _ in 0..3 {
            let (_, messages) = History::default().sending(broker, queue(0), &[100]);
            let request = AppendRequest {
                broker,
                queue: queue(0),
                messages,
            };
            life.node.append(&ctx, request).await.expect("well");
        }
    };
    let (again, ()) = tokio::join!(again, others);
    assert!(again.is_err(), "confirmed though lost: {again:?}");
    life.close().await;
}

/// State that was never durable is not written out, and stopping does not wait for it.
#[tokio::test]
async fn a_stop_after_a_failure_saves_nothing_that_was_lost() {
    let ctx = ctx();
    let gate = Gate::default();
    let (mut world, life, received) = leased(&gate, true).await;
    let receipts = vec![received.deliveries[0].receipt];
    let ack = life.node.ack(&ctx, BROKERS[0], GROUP.id, receipts.clone());
    let (lost, ()) = tokio::join!(ack, async { gate.set(FAIL) });
    assert!(lost.is_err());
    life.close().await;
    world.disk.crash(5);
    // The torn write may have reached the disk whole; both outcomes are allowed,
    // but state and log must agree.
    let life = world.open().expect("opens");
    let (_, states, end) = life.opened.markers;
    assert!(states <= end);
    let statuses = life
        .node
        .ack(&ctx, BROKERS[0], GROUP.id, receipts)
        .await
        .expect("well");
    assert!(matches!(
        statuses[0],
        AckStatus::Ok | AckStatus::AlreadyAcked
    ));
    life.close().await;
}
