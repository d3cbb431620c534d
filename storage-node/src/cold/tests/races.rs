//! Of several creators of one name exactly one wins, and knows it.

use std::sync::atomic::Ordering;

use super::*;

/// The creators that were told that they won, and the object's bytes.
pub(super) async fn race(
    store: &ColdStore,
    name: ObjectName,
    creators: usize,
) -> (Vec<Bytes>, Bytes) {
    let attempts = (0..creators).map(|creator| {
        let (store, body) = (store.clone(), Bytes::from(format!("creator {creator}")));
        async move {
            let created = store.create(name, body.clone()).await.expect("answers");
            (created, body)
        }
    });
    let results = futures_util::future::join_all(attempts).await;
    let object = store.get(name).await.expect("is there");
    let mut winners = Vec::new();
    for (created, body) in results {
        match created {
            Created::Won => winners.push(body),
            Created::Lost(found) => assert_eq!(found, object, "losers see who won"),
        }
    }
    (winners, object)
}

async fn one_of_16_wins(store: &ColdStore) {
    for round in 1..=10 {
        let (winners, object) = race(store, ObjectName::Manifest(BROKER, round), 16).await;
        assert_eq!(winners, [object]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_16_creators_wins_in_memory() {
    one_of_16_wins(&store(RealObjects::memory(), &Clock::system())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_16_creators_wins_in_a_directory() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let url = ColdUrl::Directory(root.path().to_owned());
    let objects = url.open(&|_| None).expect("opens");
    one_of_16_wins(&store(objects, &Clock::system())).await;
}

#[tokio::test]
async fn one_of_16_creators_wins_though_answers_get_lost() {
    for seed in 0..50 {
        let clock = Clock::manual(1_000_000);
        let (faulty, store) = faulty(seed, &clock);
        faulty.set_latency(Duration::ZERO, Duration::from_secs(2));
        faulty.set_chances(Chances {
            busy: 50,
            answer_lost: 150,
            broken: 50,
        });
        let name = ObjectName::Manifest(BROKER, 1);
        let (winners, object) = driven(&clock, race(&store, name, 16)).await;
        assert_eq!(winners, [object], "seed {seed}");
    }
}

#[tokio::test]
async fn a_create_that_meets_itself_wins() {
    let clock = Clock::manual(1_000_000);
    let (faulty, store) = faulty(1, &clock);
    faulty.lose_answer(1);
    let name = ObjectName::Manifest(BROKER, 1);
    let created = driven(&clock, store.create(name, "mine".into())).await;
    assert_eq!(created, Ok(Created::Won));
    assert_eq!(store.metrics().requests(Operation::Create), 2);
    assert_eq!(store.metrics().met_itself.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_create_that_is_tried_again_and_meets_another_loses() {
    let clock = Clock::manual(1_000_000);
    let (faulty, store) = faulty(1, &clock);
    let name = ObjectName::Manifest(BROKER, 1);
    faulty.storm(1);
    let mine = store.create(name, "mine".into());
    tokio::pin!(mine);
    let waiting = futures_util::poll!(&mut mine);
    assert!(waiting.is_pending(), "it pauses before its second attempt");
    let theirs = store.create(name, "theirs".into()).await;
    assert_eq!(theirs, Ok(Created::Won));
    let mine = driven(&clock, mine).await;
    assert_eq!(mine, Ok(Created::Lost("theirs".into())));
}

#[tokio::test]
async fn a_conflict_is_no_proof_that_the_name_is_taken() {
    let clock = Clock::manual(1_000_000);
    let (faulty, store) = faulty(1, &clock);
    let name = ObjectName::Manifest(BROKER, 1);
    faulty.conflict(5);
    let created = driven(&clock, store.create(name, "mine".into())).await;
    assert_eq!(created, Ok(Created::Won));
    let pauses_ms = clock.now_ms() - 1_000_000;
    assert!(pauses_ms >= 1500, "it gives the others time: {pauses_ms}");
    let next = ObjectName::Manifest(BROKER, 2);
    faulty.conflict(100);
    let error = driven(&clock, store.create(next, "mine".into())).await;
    let error = error.expect_err("nobody wins");
    assert!(
        error.is_outcome_unknown() && error.code().is_retryable(),
        "{error}"
    );
    assert_eq!(store.find(next).await, Ok(None));
}

#[tokio::test]
async fn an_unread_answer_to_a_create_stays_unknown_and_may_be_asked_again() {
    let clock = Clock::manual(1_000_000);
    let (faulty, store) = faulty(1, &clock);
    let name = ObjectName::Manifest(BROKER, 1);
    faulty.crash_after_change(1);
    let error = driven(&clock, store.create(name, "mine".into())).await;
    let error = error.expect_err("the process is dead");
    assert!(error.is_outcome_unknown(), "{error}");
    faulty.heal();
    let again = store.create(name, "mine".into()).await;
    assert_eq!(again, Ok(Created::Won));
}
