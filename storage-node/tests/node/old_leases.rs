//! A handle of an earlier delivery changes nothing once its record went to somebody
//! else, and counts as long as it did not (R6, RULES 2).

use firn_protocol::api::storage::{
    AckStatus, Delivery, GroupMode, GroupSpec, ReceiveRequest, StorageApi, VisibilityAnswer,
    VisibilityRequest,
};
use firn_protocol::catalogue::OnPoison;
use firn_protocol::filter::Filter;
use firn_protocol::receipt::Receipt;

use crate::harness::{BROKERS, Bench, GROUP, Gate, context, group, receive};
use crate::power::pause;
use crate::purge::fail;
use crate::retention::{HOUR_MS, Rules, with};
use crate::tiers::{seal, send};

const LEASE_MS: u64 = 30_000;

/// An unordered group, and one whose records are handed out again in their place.
fn kinds() -> [GroupSpec; 2] {
    let ordered = GroupSpec {
        mode: GroupMode::Ordered(OnPoison::Block),
        ..group(GROUP)
    };
    [group(GROUP), ordered]
}

async fn take(bench: &Bench, spec: GroupSpec) -> Delivery {
    let request = ReceiveRequest {
        group: spec,
        ..receive(1, &Filter::All)
    };
    let received = bench.node().receive(&context(1), request).await;
    let mut deliveries = received.expect("received").deliveries;
    assert_eq!(deliveries.len(), 1);
    deliveries.remove(0)
}

async fn give_back(bench: &Bench, receipt: Receipt) {
    let ctx = context(1);
    let back = bench
        .node()
        .give_back(&ctx, BROKERS[0], GROUP, vec![receipt]);
    back.await.expect("given back");
}

#[tokio::test]
async fn what_went_to_another_and_came_back_is_not_finished_by_the_first() {
    for spec in kinds() {
        for life in ["one", "a restart", "power loss"] {
            let mut bench = Bench::new(|_| {});
            bench.send(1, None).await;
            let first = take(&bench, spec).await.receipt;
            give_back(&bench, first).await;
            let second = take(&bench, spec).await.receipt;
            give_back(&bench, second).await;
            match life {
                "a restart" => bench.restart(true).await,
                "power loss" => {
                    // Something that is answered makes what came before durable.
                    bench.send(2, None).await;
                    bench.crash(7, false).await;
                }
                _ => {}
            }
            let status = bench.ack(first).await;
            assert_eq!(status, AckStatus::LeaseExpired, "{spec:?}, {life}");
            let third = take(&bench, spec).await;
            assert_eq!((third.message.offset.0, third.message.attempt), (0, 1));
            assert_eq!(bench.ack(second).await, AckStatus::LeaseExpired);
            give_back(&bench, third.receipt).await;
            let status = bench.ack(third.receipt).await;
            assert_eq!(status, AckStatus::Ok, "nobody else was given it");
            bench.close().await;
        }
    }
}

/// The copy that stands for a record whose lease passed was handed out, and came back.
#[tokio::test]
async fn a_copy_that_came_back_is_not_finished_by_the_handle_of_its_original() {
    for is_given in [false, true] {
        let mut bench = Bench::new(|_| {});
        bench.send(1, None).await;
        let original = take(&bench, group(GROUP)).await.receipt;
        bench.advance(LEASE_MS);
        bench.node().timer_step().await;
        // The copy is seen when it is durable.
        let lag = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
        assert_eq!(
            lag.expect("told").len(),
            2,
            "the topic's row and that of its copies"
        );
        if is_given {
            let copy = take(&bench, group(GROUP)).await;
            assert_eq!(copy.message.attempt, 2);
            give_back(&bench, copy.receipt).await;
            bench.restart(true).await;
        }
        let expected = if is_given {
            AckStatus::LeaseExpired
        } else {
            AckStatus::Ok
        };
        assert_eq!(bench.ack(original).await, expected, "{is_given}");
        bench.close().await;
    }
}

/// A lease that the log lost is the last one all the same: who has its handle has
/// done the work that nobody else was given.
#[tokio::test]
async fn a_lease_that_a_crash_took_counts_until_the_record_is_handed_out_again() {
    for is_handed_out in [false, true] {
        let gate = Gate::default();
        let points = gate.points();
        let mut bench = Bench::new(|config| config.log.crash_points = points);
        bench.send(1, None).await;
        let first = take(&bench, group(GROUP)).await.receipt;
        give_back(&bench, first).await;
        bench.send(2, None).await;
        gate.shut();
        let lost = take(&bench, group(GROUP)).await.receipt;
        bench.disk.power_off();
        gate.open();
        bench.crash(1, true).await;
        let expected = if is_handed_out {
            let again = take(&bench, group(GROUP)).await;
            assert_eq!(again.message.offset, lost.offset);
            give_back(&bench, again.receipt).await;
            assert_eq!(bench.ack(first).await, AckStatus::LeaseExpired);
            AckStatus::LeaseExpired
        } else {
            AckStatus::Ok
        };
        let status = bench.ack(lost).await;
        assert_eq!(status, expected, "handed out: {is_handed_out}");
        bench.close().await;
    }
}

/// The same for a record that came back as a copy, after a failure or a lease that
/// passed, when two had been given it before under one number of attempts.
#[tokio::test]
async fn the_first_of_two_is_not_the_one_whose_copy_it_finishes() {
    for is_told in [false, true] {
        let mut bench = Bench::new(|_| {});
        bench.send(1, None).await;
        let first = take(&bench, group(GROUP)).await.receipt;
        give_back(&bench, first).await;
        let second = take(&bench, group(GROUP)).await.receipt;
        if is_told {
            let request = VisibilityRequest {
                broker: BROKERS[0],
                group: group(GROUP),
                receipt: second,
                invisible_ms: 0,
            };
            let failed = bench.node().change_visibility(&context(1), request).await;
            assert!(matches!(failed, Ok(VisibilityAnswer::Changed { .. })));
        }
        // The pause of the retry table, or the lease.
        bench.advance(LEASE_MS);
        bench.restart(true).await;
        bench.node().timer_step().await;
        let lag = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
        assert_eq!(lag.expect("told").len(), 2);
        let status = bench.ack(first).await;
        assert_eq!(status, AckStatus::LeaseExpired, "told: {is_told}");
        assert_eq!(bench.ack(second).await, AckStatus::Ok, "told: {is_told}");
        bench.close().await;
    }
}

/// An ack with the handle of a copy that has expired says nothing of the newer copy.
#[tokio::test]
async fn the_ack_of_a_copy_that_has_gone_does_not_stand_for_a_newer_one() {
    let rules = Rules::hours(2);
    let bench = Bench::new(with(&rules));
    send(&bench, 2..3).await;
    // A failure that is due is moved on by the first look, and given out by a later one.
    let take_next = async || {
        for _ in 0..20 {
            if let Some(delivery) = bench.take(1, &Filter::All).await.deliveries.pop() {
                return delivery;
            }
            pause().await;
        }
        panic!("nothing is handed out");
    };
    let first = take_next().await.receipt;
    fail(&bench, first).await;
    bench.advance(30_000);
    let copy = take_next().await.receipt;
    seal(&bench).await;
    bench.advance(2 * HOUR_MS - 60_000);
    fail(&bench, copy).await;
    bench.advance(120_000);
    bench.node().tier_step().await;
    seal(&bench).await;
    bench.node().tier_step().await;
    let status = bench.ack(copy).await;
    let attempt = take_next().await.message.attempt;
    assert_eq!((status, attempt), (AckStatus::LeaseExpired, 3));
}
