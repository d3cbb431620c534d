//! One suite for every place for objects.

use super::*;
use crate::cold::paths::Prefix;

/// What every store has to do. `part_bytes` is the size of its parts.
pub(super) async fn conforms(store: &ColdStore, part_bytes: usize) {
    creates(store).await;
    puts(store, part_bytes).await;
    reads(store).await;
    lists(store).await;
    deletes(store).await;
    probe(store).await.expect("can be trusted");
}

async fn creates(store: &ColdStore) {
    let name = ObjectName::Manifest(BROKER, 1);
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
    assert_eq!(store.find(name).await, Ok(None));
    assert_eq!(store.create(name, one.clone()).await, Ok(Created::Won));
    let lost = store.create(name, two).await;
    assert_eq!(lost, Ok(Created::Lost(one.clone())));
    // The same bytes are the same attempt.
    assert_eq!(store.create(name, one.clone()).await, Ok(Created::Won));
    assert_eq!(store.get(name).await, Ok(one));
}

async fn puts(store: &ColdStore, part_bytes: usize) {
    for (sequence, bytes) in [0, 1, part_bytes, part_bytes + 1, part_bytes * 5 / 2]
        .into_iter()
        .enumerate()
    {
        let name = segment(sequence as u64 + 1);
        let body = pattern(bytes);
        let pieces = body.chunks(part_bytes / 3 + 1).map(Bytes::copy_from_slice);
        store.put_unique(name, pieces).await.expect("is stored");
        assert_eq!(store.get(name).await.expect("is there"), body, "{bytes}");
        let found = store.head(name).await.expect("is there");
        assert_eq!((found.name, found.bytes), (Some(name), bytes as u64));
        assert!(found.modified.0 > 0);
    }
}

async fn reads(store: &ColdStore) {
    let name = segment(100);
    let body = pattern(10_000);
    store
        .put_unique(name, [body.clone()])
        .await
        .expect("stored");
    for (from, to) in [(0, 1), (0, 10_000), (17, 4711), (9_999, 10_000)] {
        let got = store.get_range(name, from, to).await.expect("is there");
        assert_eq!(got, body[from as usize..to as usize]);
    }
    assert_eq!(store.get_range(name, 5, 5).await, Ok(Bytes::new()));
    let tail = store.get_tail(name, 100).await.expect("is there");
    assert_eq!(
        (&tail.bytes[..], tail.object_bytes),
        (&body[9_900..], 10_000)
    );
    let all = store.get_tail(name, 20_000).await.expect("is there");
    assert_eq!(all.bytes, body);
    let short = store.get_range(name, 9_000, 10_001).await;
    assert_eq!(short.map_err(|error| error.failure), Err(Failure::Short));
    let beyond = store.get_range(name, 10_000, 10_001).await;
    let failure = beyond.expect_err("there is nothing").failure;
    assert!(!failure.is_retryable(), "{failure:?}");
    let nothing = segment(4711);
    for failure in [
        store.get(nothing).await.map(drop),
        store.get_range(nothing, 0, 1).await.map(drop),
        store.get_tail(nothing, 1).await.map(drop),
        store.head(nothing).await.map(drop),
    ] {
        let failure = failure.map_err(|error| error.failure);
        assert_eq!(failure, Err(Failure::NotFound));
    }
}

async fn lists(store: &ColdStore) {
    let other = BrokerKey {
        broker: BrokerId(90),
        ..BROKER
    };
    for number in [10, 9, 100, 2] {
        let body = Bytes::from(format!("manifest {number}"));
        let name = ObjectName::Manifest(other, number);
        assert_eq!(store.create(name, body).await, Ok(Created::Won));
    }
    let found = store.list(Prefix::Manifests(other)).await.expect("lists");
    let names: Vec<_> = found.iter().map(|found| found.name).collect();
    let expected = [2, 9, 10, 100].map(|number| Some(ObjectName::Manifest(other, number)));
    assert_eq!(names, expected);
    assert!(found.iter().all(|one| one.path.contains("b0000000090")));
    assert_eq!(found[3].bytes, 12);
    let tenant = store.list(Prefix::Tenant(TenantId(2))).await;
    let tenant = tenant.expect("lists");
    assert_eq!(tenant.len(), 4 + 1 + 6);
    assert!(tenant.is_sorted_by(|one, next| one.path < next.path));
    assert_eq!(store.list(Prefix::Tenant(TenantId(20))).await, Ok(vec![]));
    assert_eq!(store.list(Prefix::Wals).await, Ok(vec![]));
}

async fn deletes(store: &ColdStore) {
    let there = store.list(Prefix::Segments(BROKER)).await.expect("lists");
    let mut names: Vec<_> = there.iter().filter_map(|found| found.name).collect();
    assert_eq!(names.len(), 6);
    // Some that are not there, before and behind.
    names.insert(0, segment(500));
    names.push(segment(501));
    store.delete(&names).await.expect("deletes");
    assert_eq!(store.list(Prefix::Segments(BROKER)).await, Ok(vec![]));
    store.delete(&names).await.expect("deletes nothing");
    store.delete(&[]).await.expect("deletes nothing");
    let left = store.find(ObjectName::Manifest(BROKER, 1)).await;
    assert!(left.expect("reads").is_some(), "only what was named");
}

#[tokio::test]
async fn memory_conforms() {
    let clock = Clock::manual(1_000_000);
    conforms(&store(RealObjects::memory(), &clock), 1000).await;
}

#[tokio::test]
async fn a_directory_conforms() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let url = ColdUrl::Directory(root.path().join("new/deep"));
    let objects = url.open(&|_| None).expect("opens");
    conforms(&store(objects, &Clock::system()), 1000).await;
}

#[tokio::test]
async fn background_work_conforms() {
    let clock = Clock::manual(1_000_000);
    let store = store(RealObjects::memory(), &clock);
    conforms(&store.background(), 1000).await;
}

#[tokio::test]
async fn a_store_with_faults_conforms_once_it_is_healed() {
    let clock = Clock::manual(1_000_000);
    let (faulty, store) = faulty(1, &clock);
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(2));
    faulty.storm(1_000_000);
    faulty.crash();
    let dead = driven(&clock, store.list(Prefix::Wals)).await;
    assert!(dead.is_err());
    faulty.heal();
    conforms(&store, 1000).await;
}

#[tokio::test]
async fn a_store_that_often_fails_conforms_through_retries() {
    for seed in 0..20 {
        let clock = Clock::manual(1_000_000);
        let (faulty, store) = faulty(seed, &clock);
        faulty.set_latency(Duration::ZERO, Duration::from_secs(1));
        faulty.set_chances(Chances {
            busy: 60,
            answer_lost: 60,
            broken: 30,
        });
        driven(&clock, conforms(&store, 1000)).await;
        assert!(
            store
                .metrics()
                .retries
                .load(std::sync::atomic::Ordering::Relaxed)
                > 0
        );
    }
}
