//! The start-up check sees through stores that do not keep their word.

use async_trait::async_trait;

use super::*;
use crate::cold::objects::{Got, Objects, PartUpload, Stored, Wanted};
use crate::cold::paths::Prefix;

/// How a store breaks its word.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    /// A create replaces what is there, as servers without conditional puts do.
    Replaces,
    /// The same, but it says that the name was taken.
    ReplacesAndDenies,
    /// A create looks first and writes later, as some servers do.
    LooksFirst,
    /// A create that changes nothing is reported as done.
    Pretends,
    /// Suffix ranges are ignored.
    WholeForTail,
    /// Lists are empty.
    ListsNothing,
}

struct Liar(RealObjects, Lie);

#[async_trait]
impl Objects for Liar {
    async fn create(&self, path: &str, body: &Bytes) -> Result<(), ColdError> {
        if self.1 == Lie::LooksFirst {
            let is_free = self.0.head(path).await.is_err();
            tokio::task::yield_now().await;
            if is_free {
                return self.0.put(path, std::slice::from_ref(body)).await;
            }
        }
        let created = self.0.create(path, body).await;
        match self.1 {
            Lie::Replaces => self.0.put(path, std::slice::from_ref(body)).await,
            Lie::ReplacesAndDenies => {
                self.0.put(path, std::slice::from_ref(body)).await?;
                created
            }
            Lie::Pretends => Ok(()),
            Lie::LooksFirst | Lie::None | Lie::WholeForTail | Lie::ListsNothing => created,
        }
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Result<(), ColdError> {
        self.0.put(path, body).await
    }

    async fn start_upload(&self, path: &str) -> Result<Box<dyn PartUpload>, ColdError> {
        self.0.start_upload(path).await
    }

    async fn get(&self, path: &str, wanted: Wanted) -> Result<Got, ColdError> {
        let is_tail = matches!(wanted, Wanted::Tail(_));
        match is_tail && self.1 == Lie::WholeForTail {
            true => self.0.get(path, Wanted::All).await,
            false => self.0.get(path, wanted).await,
        }
    }

    async fn head(&self, path: &str) -> Result<Stored, ColdError> {
        self.0.head(path).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, ColdError> {
        match self.1 == Lie::ListsNothing {
            true => Ok(vec![]),
            false => self.0.list(prefix).await,
        }
    }

    async fn delete(&self, paths: &[String]) -> Result<(), ColdError> {
        self.0.delete(paths).await
    }
}

#[tokio::test]
async fn lies_are_found_out_and_nothing_is_left_behind() {
    let clock = Clock::manual(0);
    for (lie, words) in [
        (Lie::Replaces, "ignores conditional writes"),
        (Lie::ReplacesAndDenies, "ignores conditional writes"),
        (Lie::Pretends, "ignores conditional writes"),
        (Lie::LooksFirst, "2 of two creates"),
        (Lie::WholeForTail, "other bytes"),
        (Lie::ListsNothing, "does not list"),
    ] {
        let store = store(Liar(RealObjects::memory(), lie), &clock);
        let error = probe(&store).await.expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(store.list(Prefix::Probes).await, Ok(vec![]));
    }
    let honest = store(Liar(RealObjects::memory(), Lie::None), &clock);
    probe(&honest).await.expect("is honest");
    assert_eq!(honest.list(Prefix::Probes).await, Ok(vec![]));
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_no_liar() {
    let clock = Clock::manual(0);
    let (faulty, store) = faulty(1, &clock);
    faulty.crash();
    let error = driven(&clock, probe(&store)).await;
    let error = error.expect_err("does not answer");
    assert!(matches!(error, ProbeError::Store(_)), "{error}");
}

#[tokio::test]
async fn what_interrupted_starts_left_is_taken_away() {
    let clock = Clock::manual(10_000_000);
    let (_, store) = faulty(1, &clock);
    let left = |number| ObjectName::Probe(Nonce(number));
    let created = store.create(left(1), "old".into()).await;
    assert_eq!(created, Ok(Created::Won));
    clock.advance(Duration::from_secs(1800));
    let created = store.create(left(2), "of one that runs".into()).await;
    assert_eq!(created, Ok(Created::Won));
    clock.advance(Duration::from_secs(1801));
    probe(&store).await.expect("is honest");
    let listed = store.list(Prefix::Probes).await.expect("lists");
    let names: Vec<_> = listed.iter().map(|found| found.name).collect();
    assert_eq!(names, [Some(left(2))]);
}

#[tokio::test]
async fn a_lost_answer_does_not_make_a_store_a_liar() {
    let clock = Clock::manual(0);
    for change in 1..=4 {
        let (faulty, store) = faulty(1, &clock);
        faulty.lose_answer(change);
        driven(&clock, probe(&store)).await.expect("is honest");
    }
}
