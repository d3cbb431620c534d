//! The twin behaves as told, and the same way each time.

use std::sync::Arc;

use super::*;

async fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match futures_util::poll!(&mut work) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("nothing here takes time"),
    }
}

/// What a number of calls were answered with.
async fn history(seed: u64) -> Vec<Result<(), Failure>> {
    let faulty = FaultyObjects::new(seed, &Clock::manual(0));
    faulty.set_chances(Chances {
        busy: 200,
        answer_lost: 200,
        broken: 100,
    });
    let mut answers = Vec::new();
    for n in 0..200 {
        let path = format!("a/{}", n % 50);
        let created = at_once(faulty.create(&path, &Bytes::new())).await;
        answers.push(created.map_err(|error| error.failure));
    }
    answers
}

#[tokio::test]
async fn a_seed_repeats_itself() {
    let one = history(1).await;
    assert_eq!(one, history(1).await);
    assert_ne!(one, history(2).await);
    for failure in [Failure::Busy, Failure::Connection, Failure::Exists] {
        assert!(one.contains(&Err(failure)));
    }
    assert!(one.contains(&Ok(())));
}

#[tokio::test]
async fn faults_fall_where_they_are_told_to() {
    let faulty = FaultyObjects::new(1, &Clock::manual(0));
    let create = async |path: &str| {
        let created = at_once(faulty.create(path, &Bytes::new())).await;
        created.map_err(|error| error.failure)
    };
    let is_there = async |path: &str| at_once(faulty.head(path)).await.is_ok();
    faulty.lose_answer(2);
    assert_eq!(create("1").await, Ok(()));
    assert_eq!(create("2").await, Err(Failure::Connection));
    assert!(is_there("2").await, "the answer is lost, the object is not");
    faulty.storm(1);
    assert_eq!(create("3").await, Err(Failure::Busy));
    assert!(!is_there("3").await);
    faulty.crash_before_change(1);
    assert_eq!(create("4").await, Err(Failure::Connection));
    assert!(faulty.is_crashed() && !is_there("2").await);
    faulty.heal();
    assert!(is_there("2").await && !is_there("4").await);
    faulty.crash_after_change(1);
    assert_eq!(create("5").await, Err(Failure::Connection));
    faulty.heal();
    assert!(is_there("5").await);
    assert_eq!(faulty.changes(), 3);
}

#[tokio::test]
async fn time_is_the_clocks() {
    let clock = Clock::manual(5_000);
    let faulty = FaultyObjects::new(1, &clock);
    let second = Duration::from_secs(1);
    faulty.set_latency(second, second);
    let body = Bytes::new();
    let create = faulty.create("a/1", &body);
    tokio::pin!(create);
    assert!(futures_util::poll!(&mut create).is_pending());
    clock.advance(second);
    assert!(futures_util::poll!(&mut create).is_ready());
    faulty.heal();
    faulty.set_stale_lists(second);
    assert_eq!(at_once(faulty.list("a")).await, Ok(vec![]));
    assert!(at_once(faulty.head("a/1")).await.is_ok(), "reads see it");
    clock.advance(second);
    let listed = at_once(faulty.list("a")).await.expect("lists");
    assert_eq!(listed[0].modified.0, 6_000);
}

#[tokio::test]
async fn what_hangs_hangs_until_it_is_healed() {
    let clock = Clock::manual(0);
    let faulty = FaultyObjects::new(1, &clock);
    faulty.hang(1);
    let list = faulty.list("a");
    tokio::pin!(list);
    assert!(futures_util::poll!(&mut list).is_pending());
    clock.advance(Duration::from_secs(1_000_000));
    assert!(futures_util::poll!(&mut list).is_pending());
    faulty.heal();
    let failure = list.await.map_err(|error| error.failure);
    assert_eq!(failure, Err(Failure::Connection));
    assert_eq!(at_once(faulty.list("a")).await, Ok(vec![]));
}

#[tokio::test]
async fn completing_an_upload_can_take_its_time() {
    let clock = Clock::manual(0);
    let inner: Arc<dyn Objects> = Arc::new(RealObjects::memory());
    let faulty = FaultyObjects::over(inner.clone(), 1, &clock);
    faulty.set_slow_complete(Duration::from_secs(60));
    let mut upload = at_once(faulty.start_upload("a/1")).await.expect("starts");
    let part = at_once(upload.part(0, &[Bytes::from_static(b"x")])).await;
    part.expect("is sent");
    let complete = upload.complete();
    tokio::pin!(complete);
    assert!(futures_util::poll!(&mut complete).is_pending());
    assert!(inner.head("a/1").await.is_err(), "not there yet");
    clock.advance(Duration::from_secs(60));
    assert!(futures_util::poll!(&mut complete).is_ready());
    assert!(inner.head("a/1").await.is_ok());
}
