//! Committing a manifest, and finding the newest.

use super::manifest::full;
use super::*;
use crate::cold::manifest::*;
use crate::cold::paths::NodeId;

fn by(owner: u128, number: u64) -> Manifest {
    Manifest {
        owner: NodeId(owner),
        nonce: Nonce(owner * 1000),
        ..full(number)
    }
}

async fn committed(store: &ColdStore, manifest: &Manifest) {
    assert_eq!(commit(store, manifest).await, Ok(Commit::Committed));
}

#[tokio::test]
async fn the_highest_number_is_the_truth() {
    let clock = Clock::manual(0);
    let (_, store) = faulty(1, &clock);
    assert_eq!(load_newest(&store, BROKER).await, Ok(None));
    for number in [1, 2, 9, 10, 11] {
        committed(&store, &by(1, number)).await;
    }
    assert_eq!(load_newest(&store, BROKER).await, Ok(Some(by(1, 11))));
}

#[tokio::test]
async fn of_two_committers_of_one_number_one_learns_who_won() {
    let clock = Clock::manual(0);
    let (_, store) = faulty(1, &clock);
    committed(&store, &by(1, 1)).await;
    let (one, two) = (by(1, 2), by(2, 2));
    let (first, second) = tokio::join!(commit(&store, &one), commit(&store, &two));
    assert_eq!(first, Ok(Commit::Committed));
    let lost = Commit::LostTo {
        owner: NodeId(1),
        number: 2,
    };
    assert_eq!(second, Ok(lost));
    assert_eq!(load_newest(&store, BROKER).await, Ok(Some(one)));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_ours_and_nobody_elses() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    faulty.lose_answer(1);
    let commit_one = driven(&clock, commit(&store, &by(1, 1))).await;
    assert_eq!(commit_one, Ok(Commit::Committed));
    // The same owner with another nonce is another commit: after a restart
    // it must not take what it finds for its own.
    let again = Manifest {
        nonce: Nonce(5),
        ..by(1, 1)
    };
    let lost = Commit::LostTo {
        owner: NodeId(1),
        number: 1,
    };
    assert_eq!(commit(&store, &again).await, Ok(lost));
}

#[tokio::test]
async fn what_a_stale_list_hides_is_found() {
    let clock = Clock::manual(1_000_000);
    let (faulty, store) = faulty(1, &clock);
    committed(&store, &by(1, 1)).await;
    clock.advance(Duration::from_secs(60));
    faulty.set_stale_lists(Duration::from_secs(30));
    for number in 2..=5 {
        committed(&store, &by(1, number)).await;
    }
    let listed = store
        .list(crate::cold::paths::Prefix::Manifests(BROKER))
        .await;
    assert_eq!(listed.expect("lists").len(), 1, "the list is stale");
    assert_eq!(load_newest(&store, BROKER).await, Ok(Some(by(1, 5))));
    let other = BrokerKey {
        broker: BrokerId(10),
        ..BROKER
    };
    let first = Manifest {
        broker: other,
        ..by(1, 1)
    };
    committed(&store, &first).await;
    assert_eq!(load_newest(&store, other).await, Ok(Some(first)));
}

#[tokio::test]
async fn a_damaged_newest_is_named_and_no_older_one_taken() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    committed(&store, &by(1, 1)).await;
    committed(&store, &by(1, 2)).await;
    let path = by(1, 2).name().to_string();
    let flip = faulty.damage(&path, |bytes| bytes[20] ^= 1);
    flip.await.expect("is there");
    let error = load_newest(&store, BROKER).await.expect_err("is damaged");
    assert!(error.to_string().contains(&path), "{error}");
    // A commit of that number learns that it is taken.
    let error = commit(&store, &by(2, 2)).await.expect_err("is damaged");
    assert!(matches!(error, ManifestError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_crash_at_a_named_point_leaves_the_old_or_the_new() {
    let clock = Clock::manual(0);
    for (point, newest) in [("manifest.before_commit", 1), ("manifest.after_commit", 2)] {
        let (faulty, store) = faulty(1, &clock);
        committed(&store, &by(1, 1)).await;
        faulty.crash_at(point);
        assert!(commit(&store, &by(1, 2)).await.is_err());
        assert_eq!(faulty.reached().last(), Some(&point));
        faulty.heal();
        assert_eq!(load_newest(&store, BROKER).await, Ok(Some(by(1, newest))));
    }
}

#[tokio::test]
async fn the_newest_costs_three_requests_however_many_there_are() {
    let clock = Clock::manual(0);
    let (_, store) = faulty(1, &clock);
    for number in 1..=50 {
        committed(&store, &by(1, number)).await;
    }
    let before = store.metrics().requests_total();
    load_newest(&store, BROKER).await.expect("loads");
    assert_eq!(store.metrics().requests_total() - before, 3);
}
