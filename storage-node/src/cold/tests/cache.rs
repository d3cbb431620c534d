//! The block cache: one request for many readers, a bound, no memory of failures.

use std::sync::atomic::Ordering;

use super::*;
use crate::cold::cache::{BlockCache, CacheSettings, CachedObject, ReadAhead};

const BYTES: u64 = 10_050;

fn cache_settings() -> CacheSettings {
    CacheSettings {
        bytes_max: 1 << 20,
        block_bytes: 1000,
        ahead_blocks: (2, 2),
        span_blocks: 1,
        ahead_at_once: 3,
    }
}

/// A cache over one object of ten blocks and a bit.
async fn cached(
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

fn gets(store: &BlockCache) -> u64 {
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

#[tokio::test]
async fn a_sequential_reader_finds_the_next_blocks_fetched() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, cache_settings()).await;
    let mut reader = ReadAhead::default();
    let mut read = Vec::new();
    for from in (0..BYTES).step_by(500) {
        let to = BYTES.min(from + 500);
        read.extend(
            reader
                .read(&cache, object, (from, to), 1)
                .await
                .expect("reads"),
        );
        settle().await;
    }
    assert_eq!(read, pattern(BYTES as usize));
    assert_eq!(gets(&cache), 11, "each block once");
    let metrics = cache.metrics();
    assert_eq!(metrics.prefetches.load(Ordering::Relaxed), 10);
    // Only the first had to be waited for.
    assert_eq!(metrics.cache_misses.load(Ordering::Relaxed), 1);
}

/// Who reads on and on asks for more at a time, in fewer requests.
#[tokio::test]
async fn a_long_reader_fetches_more_at_a_time() {
    let clock = Clock::manual(0);
    let settings = CacheSettings {
        block_bytes: 100,
        ahead_blocks: (2, 16),
        span_blocks: 8,
        ..cache_settings()
    };
    let (_, cache, object) = cached(&clock, settings).await;
    let mut reader = ReadAhead::default();
    let (mut read, mut most) = (Vec::new(), 0);
    for from in (0..BYTES).step_by(50) {
        let to = BYTES.min(from + 50);
        let before = gets(&cache);
        if from % 300 == 100 {
            // What was read is read again.
            let again = reader.read(&cache, object, (from - 50, from), 1).await;
            again.expect("reads");
        }
        read.extend(
            reader
                .read(&cache, object, (from, to), 1)
                .await
                .expect("reads"),
        );
        settle().await;
        most = most.max(gets(&cache) - before);
    }
    assert_eq!(read, pattern(BYTES as usize));
    let metrics = cache.metrics();
    assert_eq!(metrics.cache_misses.load(Ordering::Relaxed), 1);
    assert_eq!(metrics.prefetches.load(Ordering::Relaxed), 100);
    assert_eq!(
        metrics.received_bytes.load(Ordering::Relaxed),
        BYTES,
        "once"
    );
    assert!(
        gets(&cache) <= 16,
        "{} requests for 101 blocks",
        gets(&cache)
    );
    assert_eq!(most, 2, "what is allowed is asked for at once");
}

/// With many readers each has its share, and nothing goes before it is read.
#[tokio::test]
async fn many_readers_share_the_cache() {
    let clock = Clock::manual(0);
    let settings = CacheSettings {
        bytes_max: 20 * (100 + 256),
        block_bytes: 100,
        ahead_blocks: (4, 16),
        span_blocks: 8,
        ahead_at_once: 100,
    };
    let (_, cache, object) = cached(&clock, settings).await;
    let mut readers: Vec<ReadAhead> = (0..4).map(|_| ReadAhead::default()).collect();
    for step in (0..2000).step_by(50) {
        for (number, reader) in readers.iter_mut().enumerate() {
            let from = number as u64 * 2500 + step;
            let read = reader.read(&cache, object, (from, from + 50), 4).await;
            assert_eq!(
                read.expect("reads"),
                pattern(BYTES as usize)[from as usize..][..50]
            );
            settle().await;
        }
    }
    let metrics = cache.metrics();
    assert_eq!(metrics.cache_misses.load(Ordering::Relaxed), 4);
}

/// Who wants a block that is on its way waits for it; a failure is his to find.
#[tokio::test]
async fn a_block_of_a_span_is_not_fetched_twice() {
    let clock = Clock::manual(0);
    let settings = CacheSettings {
        span_blocks: 8,
        ..cache_settings()
    };
    let (faulty, cache, object) = cached(&clock, settings).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    cache.fetch_ahead(object, 0, 4);
    settle().await;
    let read = driven(&clock, cache.read(object, 2500, 2600)).await;
    assert_eq!(read, Ok(pattern(BYTES as usize).slice(2500..2600)));
    assert_eq!(gets(&cache), 1);
}

#[tokio::test]
async fn a_jumping_reader_fetches_nothing_ahead() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, cache_settings()).await;
    let mut reader = ReadAhead::default();
    for from in [5000, 0, 7000, 3000] {
        let read = reader.read(&cache, object, (from, from + 10), 1).await;
        read.expect("reads");
        settle().await;
    }
    assert_eq!(gets(&cache), 4);
}

#[tokio::test]
async fn reading_ahead_is_bounded() {
    let clock = Clock::manual(0);
    let (faulty, cache, object) = cached(&clock, cache_settings()).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    cache.fetch_ahead(object, 0, 100);
    cache.fetch_ahead(object, 5000, 100);
    settle().await;
    assert_eq!(gets(&cache), 3);
    clock.advance(Duration::from_secs(1));
    settle().await;
    cache.fetch_ahead(object, 0, 4);
    settle().await;
    assert_eq!(gets(&cache), 4, "what is here is not fetched again");
}
