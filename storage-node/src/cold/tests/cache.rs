//! The block cache: one request for many readers, a bound, no memory of failures.

use super::*;
use crate::cold::cache::{BlockCache, CacheSettings, CachedObject};

pub(super) const BYTES: u64 = 10_050;

pub(super) fn cache_settings() -> CacheSettings {
    CacheSettings {
        bytes_max: 1 << 20,
        block_bytes: 1000,
        ahead_blocks: (2, 2),
        span_blocks: 1,
        ahead_at_once: 3,
    }
}

/// A cache over one object of ten blocks and a bit.
pub(super) async fn cached(
    clock: &Clock,
    settings: CacheSettings,
) -> (FaultyObjects, BlockCache, CachedObject) {
    let (faulty, store) = faulty(1, clock);
    let name = segment(1);
    let put = store.put_unique(name, [pattern(BYTES as usize)]).await;
    put.expect("is stored");
    let object = CachedObject { name, bytes: BYTES };
    (faulty, BlockCache::new(store, settings), object)
}

pub(super) fn gets(store: &BlockCache) -> u64 {
    store.metrics().requests(Operation::Get)
}

#[tokio::test]
async fn every_range_is_what_is_stored() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, cache_settings()).await;
    let body = pattern(BYTES as usize);
    for (from, to) in [
        (0, 1),
        (0, 1000),
        (999, 1001),
        (1, 2999),
        (500, 9_500),
        (0, BYTES),
        (10_000, BYTES),
        (10_049, BYTES),
        (77, 77),
        (BYTES, BYTES),
    ] {
        let read = cache.read(object, from, to).await.expect("reads");
        assert_eq!(read, body[from as usize..to as usize], "{from}..{to}");
    }
    assert_eq!(gets(&cache), 11, "each block once");
    let beyond = cache.read(object, 0, BYTES + 1).await;
    assert_eq!(beyond.map_err(|error| error.failure), Err(Failure::Short));
}

#[tokio::test]
async fn readers_of_one_block_share_a_request() {
    let clock = Clock::manual(0);
    let (faulty, cache, object) = cached(&clock, cache_settings()).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    let reads = (0..50).map(|i| cache.read(object, i, 1500 + i));
    let reads = driven(&clock, futures_util::future::join_all(reads)).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(gets(&cache), 2);
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_waited_and_forgotten() {
    let clock = Clock::manual(0);
    let (faulty, cache, object) = cached(&clock, cache_settings()).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    faulty.storm(6);
    let reads = (0..10).map(|_| cache.read(object, 0, 10));
    let reads = driven(&clock, futures_util::future::join_all(reads)).await;
    for read in reads {
        assert_eq!(read.map_err(|error| error.failure), Err(Failure::Busy));
    }
    assert_eq!(gets(&cache), 6, "one reader's attempts for all");
    let read = driven(&clock, cache.read(object, 0, 10)).await;
    assert_eq!(read, Ok(pattern(10)));
}

#[tokio::test]
async fn a_reader_that_gives_up_leaves_the_block_to_the_others() {
    let clock = Clock::manual(0);
    let (faulty, cache, object) = cached(&clock, cache_settings()).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    let second = cache.read(object, 0, 20);
    tokio::pin!(second);
    {
        let first = cache.read(object, 0, 10);
        tokio::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
    }
    let second = driven(&clock, second).await;
    assert_eq!(second, Ok(pattern(20)));
}

#[tokio::test]
async fn the_bound_is_kept() {
    let clock = Clock::manual(0);
    let settings = CacheSettings {
        bytes_max: 4 * 1300,
        ..cache_settings()
    };
    let (_, cache, object) = cached(&clock, settings).await;
    for from in (0..10_000).step_by(1000) {
        cache.read(object, from, from + 1000).await.expect("reads");
        assert!(cache.held_bytes().await <= settings.bytes_max);
    }
    assert!(cache.held_bytes().await > 3 * 1000, "and used");
    // The newest are kept.
    let before = gets(&cache);
    cache.read(object, 9000, 10_000).await.expect("reads");
    assert_eq!(gets(&cache), before);
}
