//! Reading ahead: what is wanted comes in few requests, a reader that goes on does
//! not wait, and one that stops, jumps or fails asks for nothing more.

use std::sync::atomic::Ordering;

use super::cache::{BYTES, cache_settings, cached, gets};
use super::*;
use crate::cold::ahead::{Part, ReadAhead};
use crate::cold::cache::{BlockCache, CacheSettings, CachedObject};

/// Blocks of 100 bytes, so that the object has 101 of them; requests of eight.
fn small_blocks() -> CacheSettings {
    CacheSettings {
        block_bytes: 100,
        ahead_blocks: (2, 64),
        span_blocks: 8,
        ahead_at_once: 100,
        ..cache_settings()
    }
}

/// One reader among `readers`.
struct Reader<'a> {
    cache: &'a BlockCache,
    object: CachedObject,
    ahead: ReadAhead,
    readers: u64,
}

impl<'a> Reader<'a> {
    fn new(cache: &'a BlockCache, object: CachedObject) -> Self {
        let (ahead, readers) = (ReadAhead::default(), 1);
        Self {
            cache,
            object,
            ahead,
            readers,
        }
    }

    async fn try_read(&mut self, from: u64, to: u64, until: u64) -> Result<Bytes, ColdError> {
        let part = Part { from, to, until };
        self.ahead.ask(self.cache, self.object, part, self.readers);
        self.cache.read(self.object, from, to).await
    }

    /// Reads, checks what came, and lets the store answer whatever was asked.
    async fn read(&mut self, from: u64, to: u64, until: u64) {
        let read = self.try_read(from, to, until).await.expect("reads");
        assert_eq!(read, pattern(BYTES as usize)[from as usize..to as usize]);
        settle().await;
    }
}

fn prefetches(cache: &BlockCache) -> u64 {
    cache.metrics().prefetches.load(Ordering::Relaxed)
}

fn misses(cache: &BlockCache) -> u64 {
    cache.metrics().cache_misses.load(Ordering::Relaxed)
}

fn received(cache: &BlockCache) -> u64 {
    cache.metrics().received_bytes.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_sequential_reader_finds_the_next_blocks_fetched() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, cache_settings()).await;
    let mut reader = Reader::new(&cache, object);
    for from in (0..BYTES).step_by(500) {
        reader.read(from, BYTES.min(from + 500), 0).await;
    }
    assert_eq!(gets(&cache), 11, "each block once");
    assert_eq!(prefetches(&cache), 10);
    // Only the first had to be waited for.
    assert_eq!(misses(&cache), 1);
}

/// Who reads on and on asks for more at a time, in whole requests.
#[tokio::test]
async fn a_long_reader_fetches_more_at_a_time() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, small_blocks()).await;
    let mut reader = Reader::new(&cache, object);
    for from in (0..BYTES).step_by(50) {
        if from % 300 == 100 {
            // What was read is read again.
            reader.read(from - 50, from, 0).await;
        }
        reader.read(from, BYTES.min(from + 50), 0).await;
    }
    assert_eq!(misses(&cache), 1);
    assert_eq!(prefetches(&cache), 100);
    assert_eq!(received(&cache), BYTES, "once");
    assert!(
        gets(&cache) <= 17,
        "{} requests for 101 blocks",
        gets(&cache)
    );
}

/// What a read will want is asked for at its start: in whole requests, at the same
/// time, and nothing behind it before the reader is seen to go on.
#[tokio::test]
async fn what_is_wanted_is_asked_for_at_once() {
    let clock = Clock::manual(0);
    let (faulty, cache, object) = cached(&clock, small_blocks()).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    let mut reader = Reader::new(&cache, object);
    let begin = clock.now_ms();
    for from in (1000..3200).step_by(50) {
        let read = driven(&clock, reader.try_read(from, from + 50, 3200)).await;
        assert_eq!(
            read,
            Ok(pattern(BYTES as usize).slice(from as usize..).slice(..50))
        );
    }
    let took = clock.now_ms() - begin;
    assert!(took < 2000, "{took} ms: the time of more than one answer");
    assert_eq!(received(&cache), 2200, "what was wanted");
    // And the window that the second step of the read has opened.
    settle().await;
    clock.advance(Duration::from_secs(1));
    settle().await;
    assert_eq!((gets(&cache), received(&cache)), (4, 2400));
}

/// A reader that is faster than its window waits, and reads further ahead from then
/// on, until it waits no more.
#[tokio::test]
async fn a_reader_that_waits_reads_further_ahead() {
    let clock = Clock::manual(0);
    let (faulty, cache, object) = cached(&clock, small_blocks()).await;
    faulty.set_latency(Duration::from_millis(1000), Duration::from_millis(1000));
    let mut reader = Reader::new(&cache, object);
    let mut waits = Vec::new();
    for from in (0..BYTES).step_by(100) {
        let begin = clock.now_ms();
        let read = reader.try_read(from, BYTES.min(from + 100), 0);
        driven(&clock, read).await.expect("reads");
        waits.push(clock.now_ms() - begin);
        // Some 25 blocks in the time of an answer: more than two requests hold.
        clock.advance(Duration::from_millis(40));
        settle().await;
    }
    let late = waits.split_off(60);
    assert!(waits.iter().filter(|ms| **ms > 0).count() > 3, "{waits:?}");
    assert_eq!(late, vec![0; 41], "once the window is wide enough");
    assert_eq!(received(&cache), BYTES, "once");
}

/// One that is slower than the store never has more than the two requests ahead.
#[tokio::test]
async fn a_reader_that_does_not_wait_reads_no_further_ahead() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, small_blocks()).await;
    let mut reader = Reader::new(&cache, object);
    for from in (0..8000).step_by(100) {
        reader.read(from, from + 100, 0).await;
        assert!(received(&cache) <= from + 100 + 16 * 100, "at {from}");
    }
}

/// With many readers each has its share, and nothing goes before it is read.
#[tokio::test]
async fn many_readers_share_the_cache() {
    let clock = Clock::manual(0);
    let settings = CacheSettings {
        bytes_max: 20 * (100 + 256),
        ..small_blocks()
    };
    let (_, cache, object) = cached(&clock, settings).await;
    let one = || Reader {
        readers: 4,
        ..Reader::new(&cache, object)
    };
    let mut readers = [one(), one(), one(), one()];
    for step in (0..2000).step_by(50) {
        for (number, reader) in readers.iter_mut().enumerate() {
            let from = number as u64 * 2500 + step;
            // All of them would like to have more than the cache holds.
            reader.read(from, from + 50, from + 2000).await;
        }
    }
    assert_eq!(misses(&cache), 4);
    assert!(received(&cache) <= 4 * 2300, "{}", received(&cache));
}

/// Who wants a block that is on its way waits for it, from the first moment on.
#[tokio::test]
async fn a_block_on_its_way_is_not_fetched_twice() {
    let clock = Clock::manual(0);
    let (faulty, cache, object) = cached(&clock, small_blocks()).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    let (mut one, mut two) = (Reader::new(&cache, object), Reader::new(&cache, object));
    let reads = [one.try_read(0, 100, 700), two.try_read(100, 200, 700)];
    let reads = driven(&clock, futures_util::future::join_all(reads)).await;
    assert!(reads.iter().all(Result::is_ok));
    let read = driven(&clock, cache.read(object, 650, 700)).await;
    assert_eq!(read, Ok(pattern(BYTES as usize).slice(650..700)));
    assert_eq!(gets(&cache), 1);
}

#[tokio::test]
async fn a_jumping_reader_fetches_nothing_ahead() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, cache_settings()).await;
    let mut reader = Reader::new(&cache, object);
    for from in [5000, 0, 7000, 3000] {
        reader.read(from, from + 10, 0).await;
    }
    assert_eq!(gets(&cache), 4);
}

/// A part that is longer than a block comes by one request.
#[tokio::test]
async fn a_part_over_several_blocks_is_one_request() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, small_blocks()).await;
    let mut reader = Reader::new(&cache, object);
    reader.read(5050, 5450, 0).await;
    assert_eq!((gets(&cache), received(&cache)), (1, 500));
}

/// A reader that goes away asks for nothing more; what is on its way ends, and the
/// place among those that read ahead is free again.
#[tokio::test]
async fn a_reader_that_gives_up_asks_for_nothing_more() {
    let clock = Clock::manual(0);
    let settings = CacheSettings {
        ahead_at_once: 2,
        ..small_blocks()
    };
    let (faulty, cache, object) = cached(&clock, settings).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    {
        let mut reader = Reader::new(&cache, object);
        let read = reader.try_read(0, 100, 10_000);
        tokio::pin!(read);
        assert!(futures_util::poll!(&mut read).is_pending());
    }
    settle().await;
    assert_eq!(gets(&cache), 3, "one that is waited for, two ahead");
    clock.advance(Duration::from_secs(60));
    settle().await;
    assert_eq!((gets(&cache), received(&cache)), (3, 2400));
    let mut next = Reader::new(&cache, object);
    let read = next.try_read(5000, 5100, 10_000);
    tokio::pin!(read);
    assert!(futures_util::poll!(&mut read).is_pending());
    settle().await;
    assert_eq!(gets(&cache), 6, "the same again");
}

/// No more requests ahead at a time than the bound, and what was not allowed is
/// asked for later.
#[tokio::test]
async fn reading_ahead_is_bounded() {
    let clock = Clock::manual(0);
    let settings = CacheSettings {
        ahead_at_once: 3,
        ..small_blocks()
    };
    let (faulty, cache, object) = cached(&clock, settings).await;
    faulty.set_latency(Duration::from_secs(1), Duration::from_secs(1));
    let (mut one, mut two) = (Reader::new(&cache, object), Reader::new(&cache, object));
    {
        let reads = [one.try_read(0, 100, 5000), two.try_read(5000, 5100, BYTES)];
        let reads = futures_util::future::join_all(reads);
        tokio::pin!(reads);
        assert!(futures_util::poll!(&mut reads).is_pending());
        settle().await;
        assert_eq!(gets(&cache), 2 + 3, "those waited for, and three ahead");
        let reads = driven(&clock, reads).await;
        assert!(reads.iter().all(Result::is_ok));
    }
    settle().await;
    for from in (100..5000).step_by(100) {
        let read = driven(&clock, one.try_read(from, from + 100, 5000)).await;
        assert_eq!(
            read,
            Ok(pattern(BYTES as usize).slice(from as usize..).slice(..100))
        );
    }
    assert!(gets(&cache) <= 5 + 7, "{} requests", gets(&cache));
}

/// A store that fails is asked once for what is wanted, not for what lies behind it;
/// once it answers again, reading ahead begins anew.
#[tokio::test]
async fn a_failing_store_is_not_asked_ahead() {
    let clock = Clock::manual(0);
    let (faulty, cache, object) = cached(&clock, small_blocks()).await;
    let mut reader = Reader::new(&cache, object);
    for from in (0..1000).step_by(100) {
        reader.read(from, from + 100, 0).await;
    }
    faulty.storm(u64::MAX);
    let mut failures = 0;
    let mut from = 1000;
    while driven(&clock, reader.try_read(from, from + 100, 9000))
        .await
        .is_ok()
    {
        from += 100;
        assert!(from < 3600, "only what was here can be read");
    }
    // What had been asked for ahead fails as well, each with its attempts.
    for _ in 0..10 {
        clock.advance(Duration::from_secs(600));
        settle().await;
    }
    for _ in 0..20 {
        let before = cache.metrics().requests(Operation::Get);
        let read = driven(&clock, reader.try_read(from, from + 100, 9000)).await;
        failures += u64::from(read.is_err());
        clock.advance(Duration::from_secs(600));
        settle().await;
        let asked = cache.metrics().requests(Operation::Get) - before;
        assert!(asked <= 6, "{asked} requests: one's attempts");
    }
    assert_eq!(failures, 20);
    faulty.heal();
    let before = gets(&cache);
    for from in (from..9000).step_by(100) {
        let read = driven(&clock, reader.try_read(from, from + 100, 9000)).await;
        assert_eq!(
            read,
            Ok(pattern(BYTES as usize).slice(from as usize..).slice(..100))
        );
    }
    let asked = gets(&cache) - before;
    assert!(asked <= 15, "{asked} requests for what is left");
}

/// Of several who read one queue, one a little behind does not stop the others from
/// reading ahead, and who passes over what others have unpacked still reads on.
#[tokio::test]
async fn readers_that_share_a_place_read_on() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, small_blocks()).await;
    let mut reader = Reader::new(&cache, object);
    for from in (0..8000).step_by(400) {
        for part in [200, 0, 300] {
            let at = from + part;
            reader.read(at, at + 100, from + 400).await;
        }
    }
    assert!(misses(&cache) <= 4, "{} waits", misses(&cache));
    assert!(gets(&cache) <= 18, "{} requests", gets(&cache));
}

/// A reader that goes on in the next object does not begin anew.
#[tokio::test]
async fn the_next_object_is_read_on() {
    let clock = Clock::manual(0);
    let (_, cache, object) = cached(&clock, small_blocks()).await;
    let mut reader = Reader::new(&cache, object);
    for from in (0..5000).step_by(100) {
        reader.read(from, from + 100, 0).await;
    }
    let before = gets(&cache);
    reader.object.name = segment(2);
    let part = (0, 100, 0);
    // There is none: what counts is what was asked for.
    assert!(reader.try_read(part.0, part.1, part.2).await.is_err());
    settle().await;
    assert_eq!(gets(&cache) - before, 1 + 2, "the part, and the window");
}
