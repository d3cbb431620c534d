//! Runs of ordered groups: what was handed out together goes back together, and
//! what is in flight keeps its place, whatever is known in memory.

use firn_protocol::api::storage::AckStatus;
use firn_protocol::catalogue::OnPoison;
use firn_protocol::message::NewMessage;

use crate::harness::*;
use crate::ordered::{Member, ack_all, places, send};

/// Which of them are one run is known nowhere but in the records.
#[tokio::test]
async fn a_run_of_before_a_start_fails_together() {
    for told in [true, false] {
        let mut bench = Bench::new(|_| {});
        send(&bench, &[(0, "a"), (1, "b"), (2, "a"), (3, "a")]).await;
        let run = Member::new(&bench, OnPoison::Block).take(10, 3).await;
        assert_eq!(places(&run), [(0, 1), (2, 1), (3, 1), (1, 1)]);
        bench.restart(told).await;
        let member = Member::new(&bench, OnPoison::Block);
        if told {
            member.fail(run[0].receipt).await;
            bench.advance(1_000);
        } else {
            bench.advance(30_000);
        }
        let again = member.take(10, 3).await;
        let others: &[(u64, u32)] = if told { &[] } else { &[(1, 2)] };
        let expected = [&[(0, 2), (2, 1), (3, 1)], others].concat();
        assert_eq!(places(&again), expected, "told: {told}");
        bench.close().await;
        bench.check_snapshots();
    }
}

#[tokio::test]
async fn what_comes_behind_a_dead_letter_goes_back_uncounted() {
    for told in [true, false] {
        let bench = Bench::new(|_| {});
        let member = Member::new(&bench, OnPoison::DeadLetter);
        send(&bench, &[(0, "a"), (1, "a"), (2, "b")]).await;
        for _ in 1..=2 {
            let got = member.take(1, 1).await;
            member.fail(got[0].receipt).await;
            bench.advance(1_000);
        }
        let run = member.take(10, 2).await;
        assert_eq!(places(&run), [(0, 3), (1, 1), (2, 1)]);
        if told {
            member.fail(run[0].receipt).await;
            assert_eq!(places(&member.take(10, 2).await), [(1, 1)]);
        } else {
            bench.advance(30_000);
            assert_eq!(places(&member.take(10, 2).await), [(1, 1), (2, 2)]);
        }
    }
}

#[tokio::test]
async fn the_last_lease_counts_until_the_next_and_none_before() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::Block);
    send(&bench, &[(0, "a")]).await;
    let mut leases = Vec::new();
    for _ in 0..2 {
        leases.push(member.take(1, 1).await.remove(0).receipt);
        bench.advance(30_000);
    }
    bench.node().timer_step().await;
    assert_eq!(bench.ack(leases[0]).await, AckStatus::LeaseExpired);
    assert_eq!(bench.ack(leases[1]).await, AckStatus::Ok);
}

fn wants<'a>(bench: &'a Bench, tag: &str) -> Member<'a> {
    Member {
        filter: tags(&[tag]),
        ..Member::new(bench, OnPoison::Block)
    }
}

/// The member that holds it has asked for nothing else for so long that its filter
/// is forgotten.
#[tokio::test]
async fn what_is_in_flight_keeps_its_place_though_no_filter_wants_it() {
    for fails in [false, true] {
        let mut bench = Bench::new(|_| {});
        let tagged = [("x", 0), ("y", 1)].map(|(tag, n)| NewMessage {
            message_group: Some("a".to_owned()),
            ..message(n, Some(tag))
        });
        assert_eq!(places(&wants(&bench, "y").take(1, 1).await), []);
        bench.send_all(tagged.to_vec()).await;
        let held = wants(&bench, "x").take(1, 1).await;
        assert_eq!(places(&held), [(0, 1)]);
        let renewed = wants(&bench, "x").renew(held[0].receipt, 600_000).await;
        assert_eq!(renewed, AckStatus::Ok);
        bench.advance(31_000);
        assert_eq!(places(&wants(&bench, "y").take(9, 1).await), []);
        bench.restart(fails).await;
        let other = wants(&bench, "y");
        assert_eq!(
            places(&other.take(9, 1).await),
            [],
            "the first is in flight"
        );
        if fails {
            other.fail(held[0].receipt).await;
            bench.advance(1_000);
        } else {
            ack_all(&bench, &held).await;
        }
        assert_eq!(places(&other.take(9, 1).await), [(1, 1)]);
    }
}
