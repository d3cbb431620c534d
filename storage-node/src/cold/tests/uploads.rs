//! Objects in parts: whole or not at all, whatever gets lost on the way.

use super::*;
use crate::cold::paths::Prefix;

async fn upload(store: &ColdStore, clock: &Clock) -> Result<(), ColdError> {
    let pieces = pattern(3500);
    let pieces = pieces.chunks(700).map(Bytes::copy_from_slice);
    driven(clock, store.put_unique(segment(1), pieces)).await
}

#[tokio::test]
async fn a_lost_part_is_sent_again() {
    let clock = Clock::manual(0);
    for part in 1..=4 {
        let (faulty, store) = faulty(1, &clock);
        faulty.lose_part(part);
        upload(&store, &clock).await.expect("is stored");
        assert_eq!(store.get(segment(1)).await, Ok(pattern(3500)));
        assert_eq!(store.metrics().requests(Operation::Part), 5);
    }
}

#[tokio::test]
async fn an_upload_whose_every_answer_may_be_lost_is_whole() {
    let clock = Clock::manual(0);
    // Start, four parts, completion.
    for change in 1..=6 {
        let (faulty, store) = faulty(1, &clock);
        faulty.lose_answer(change);
        upload(&store, &clock).await.expect("is stored");
        assert_eq!(store.get(segment(1)).await, Ok(pattern(3500)), "{change}");
    }
}

/// A store whose background work does one thing at a time.
fn one_at_a_time(clock: &Clock) -> (FaultyObjects, ColdStore) {
    let faulty = FaultyObjects::new(1, clock);
    let settings = ColdSettings {
        background_at_once: 1,
        ..settings()
    };
    let objects = Arc::new(faulty.clone());
    let store = ColdStore::with_draw(objects, settings, clock, Arc::new(|| 7));
    (faulty, store)
}

#[tokio::test]
async fn a_background_upload_is_one_operation_from_its_start_to_its_end() {
    let clock = Clock::manual(0);
    let (_, store) = one_at_a_time(&clock);
    let background = store.background();
    let mut first = background.upload(segment(1));
    first.write(pattern(1500)).await.expect("is sent");
    let mut second = background.upload(segment(2));
    {
        let write = second.write(pattern(1500));
        tokio::pin!(write);
        assert!(futures_util::poll!(&mut write).is_pending());
        assert_eq!(first.finish().await, Ok(1500));
        write.await.expect("is sent");
    }
    second.abort().await;
    assert_eq!(background.find(segment(2)).await, Ok(None));
}

#[tokio::test]
async fn background_uploads_that_lose_answers_do_not_wait_for_one_another() {
    let clock = Clock::manual(0);
    let (faulty, store) = one_at_a_time(&clock);
    // Start, three parts, completion.
    faulty.lose_answer(5);
    let put = store.background();
    let put = put.put_unique(segment(1), [pattern(2500)]);
    driven(&clock, put).await.expect("is stored");
    assert_eq!(store.get(segment(1)).await, Ok(pattern(2500)));
}

#[tokio::test]
async fn an_upload_that_the_store_forgets_fails_and_leaves_nothing() {
    let clock = Clock::manual(0);
    for part in 1..=4 {
        let (faulty, store) = faulty(1, &clock);
        faulty.lose_upload(part);
        let error = upload(&store, &clock).await.expect_err("is lost");
        assert_eq!(error.failure, Failure::NotFound);
        assert_eq!(store.metrics().requests(Operation::Abort), 1);
        assert_eq!(store.list(Prefix::Segments(BROKER)).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    let mut upload = store.upload(segment(1));
    upload.write(pattern(1500)).await.expect("is sent");
    faulty.storm(6);
    let failed = driven(&clock, upload.write(pattern(1500))).await;
    assert!(failed.is_err());
    upload.abort().await;
    assert_eq!(store.metrics().requests(Operation::Abort), 1);
    assert_eq!(store.list(Prefix::Segments(BROKER)).await, Ok(vec![]));
}

#[tokio::test]
async fn one_part_at_most_is_held_back() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    let mut upload = store.upload(segment(1));
    for (piece, parts) in [(999, 0), (1, 0), (1, 1), (4000, 5)] {
        upload.write(pattern(piece)).await.expect("is sent");
        assert_eq!(store.metrics().requests(Operation::Part), parts);
    }
    assert_eq!(upload.finish().await, Ok(5001));
    assert_eq!(faulty.changes(), 1 + 6 + 1);
}

#[tokio::test]
async fn a_crash_at_any_place_leaves_all_or_nothing() {
    let clock = Clock::manual(0);
    let mut outcomes = std::collections::BTreeSet::new();
    for change in 1..=6 {
        for is_after in [false, true] {
            let (faulty, store) = faulty(1, &clock);
            match is_after {
                true => faulty.crash_after_change(change),
                false => faulty.crash_before_change(change),
            }
            assert!(upload(&store, &clock).await.is_err());
            assert!(faulty.is_crashed());
            faulty.heal();
            let found = store.find(segment(1)).await.expect("reads");
            outcomes.insert(found.is_some());
            assert!(found.is_none_or(|body| body == pattern(3500)));
        }
    }
    assert_eq!(outcomes.len(), 2);
}
