//! Blocks of objects in memory, for ranged reads.
//!
//! Owns a bounded number of bytes. Promises that readers who want the same
//! block at the same time cost one request, that a failure is told to those
//! who waited for it and not remembered, and that reading ahead never takes
//! more than its bound. Objects never change, so nothing is ever stale.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use firn_runtime::tasks::detach;
use futures_util::{FutureExt as _, TryFutureExt as _};
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use super::error::{ColdError, Failure, Operation};
use super::metrics::ColdMetrics;
use super::paths::ObjectName;
use super::permits::Permits;
use super::store::ColdStore;

/// What the cache keeps beside the bytes of a block, roughly.
const BLOCK_OVERHEAD_BYTES: u64 = 256;

/// Settings of a [`BlockCache`].
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// Bytes of all blocks.
    pub bytes_max: u64,
    /// Bytes of one block, and of one request.
    pub block_bytes: u64,
    /// Blocks fetched ahead of a sequential reader: at first, and at most, once it
    /// has gone on for a while.
    pub ahead_blocks: (u64, u64),
    /// Blocks that one request fetches ahead at most.
    pub span_blocks: u64,
    /// Requests that fetch ahead at a time, of all readers; one instance alone
    /// leaves a quarter of them to others.
    pub ahead_at_once: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            block_bytes: 256 << 10,
            ahead_blocks: (4, 32),
            span_blocks: 8,
            ahead_at_once: 8,
        }
    }
}

/// An object to read from, with the length that its manifest gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedObject {
    pub name: ObjectName,
    pub bytes: u64,
}

/// The cache; clones share it.
#[derive(Clone)]
pub struct BlockCache {
    store: ColdStore,
    blocks: Cache<(ObjectName, u64), Bytes>,
    settings: CacheSettings,
    ahead: Permits,
}

impl BlockCache {
    #[must_use]
    pub fn new(store: ColdStore, settings: CacheSettings) -> Self {
        let weigh = |_: &(ObjectName, u64), block: &Bytes| {
            let bytes = block.len() as u64 + BLOCK_OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let blocks = Cache::builder()
            .max_capacity(settings.bytes_max)
            .weigher(weigh)
            // Newcomers are admitted: most blocks are read a few times in a
            // row, and one fetched ahead has not been read at all yet.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self {
            store,
            blocks,
            settings: CacheSettings {
                block_bytes: settings.block_bytes.max(1),
                span_blocks: settings.span_blocks.max(1),
                ..settings
            },
            ahead: Permits::new(settings.ahead_at_once),
        }
    }

    /// The bytes from `from` up to, but not including, `to`.
    ///
    /// # Errors
    /// When a block cannot be fetched; `Short` when the object ends before `to`.
    pub async fn read(&self, object: CachedObject, from: u64, to: u64) -> Result<Bytes, ColdError> {
        if to > object.bytes {
            let detail = format!("{} bytes, not {to}", object.bytes);
            return Err(ColdError::new(
                Operation::Get,
                object.name.to_string(),
                Failure::Short,
                detail,
            ));
        }
        if from >= to {
            return Ok(Bytes::new());
        }
        let size = self.settings.block_bytes;
        let (first, last) = (from / size, (to - 1) / size);
        if first == last {
            let block = self.block(object, first).await?;
            let start = (from - first * size) as usize;
            return Ok(block.slice(start..start + (to - from) as usize));
        }
        let blocks = (first..=last).map(|index| self.block(object, index));
        let blocks = futures_util::future::try_join_all(blocks).await?;
        let mut out = BytesMut::with_capacity((to - from) as usize);
        for (index, block) in (first..).zip(blocks) {
            let start = from.saturating_sub(index * size) as usize;
            let end = (to - index * size).min(size) as usize;
            out.extend_from_slice(&block[start..end]);
        }
        Ok(out.freeze())
    }

    /// Fetches up to the given number of blocks in the background, from the one
    /// that holds `from` on: neighbours by one request. Those that are here, and
    /// those that would be more than the bound, are left out.
    pub fn fetch_ahead(&self, object: CachedObject, from: u64, blocks: u64) {
        let first = from / self.settings.block_bytes;
        let end = object.bytes.div_ceil(self.settings.block_bytes);
        let end = end.min(first.saturating_add(blocks));
        let is_here = |index| self.blocks.contains_key(&(object.name, index));
        let mut at = first;
        while at < end {
            if is_here(at) {
                at += 1;
                continue;
            }
            let span_end = end.min(at + self.settings.span_blocks);
            let upto = (at..span_end).find(|index| is_here(*index));
            let span = at..upto.unwrap_or(span_end);
            at = span.end;
            let instance = object.name.broker().map(|broker| broker.instance);
            let Some(permit) = self.ahead.take(instance) else {
                return;
            };
            let count = span.end - span.start;
            ColdMetrics::add(&self.store.metrics().prefetches, count);
            let cache = self.clone();
            detach(async move {
                cache.fetch_span(object, span).await;
                drop(permit);
            });
        }
    }

    /// Brings neighbours here by one request. Who wants one of them meanwhile
    /// waits for it; who wants it later learns of a failure by trying.
    async fn fetch_span(&self, object: CachedObject, span: Range<u64>) {
        let size = self.settings.block_bytes;
        let (from, to) = (span.start * size, object.bytes.min(span.end * size));
        let fetch = self.store.get_range(object.name, from, to);
        let fetched = fetch.map_err(Arc::new).shared();
        let blocks = span.map(|index| {
            let fetched = fetched.clone();
            let block = async move {
                let bytes = fetched.await?;
                let start = (index * size - from) as usize;
                let end = bytes.len().min(start + size as usize);
                // Copied: a part would keep the whole span in memory.
                Ok::<_, Arc<ColdError>>(Bytes::copy_from_slice(&bytes[start..end]))
            };
            self.blocks.try_get_with((object.name, index), async move {
                block.await.map_err(|error| error.as_ref().clone())
            })
        });
        let _ = futures_util::future::join_all(blocks).await;
    }

    /// The counts of the store below, and of the cache.
    #[must_use]
    pub fn metrics(&self) -> &ColdMetrics {
        self.store.metrics()
    }

    /// Bytes held at the moment, after what is due was thrown out.
    pub async fn held_bytes(&self) -> u64 {
        self.blocks.run_pending_tasks().await;
        self.blocks.weighted_size()
    }

    async fn block(&self, object: CachedObject, index: u64) -> Result<Bytes, ColdError> {
        let metrics = self.store.metrics();
        let key = (object.name, index);
        if let Some(block) = self.blocks.get(&key).await {
            ColdMetrics::add(&metrics.cache_hits, 1);
            return Ok(block);
        }
        ColdMetrics::add(&metrics.cache_misses, 1);
        let from = index * self.settings.block_bytes;
        let to = object.bytes.min(from + self.settings.block_bytes);
        let fetch = self.store.get_range(object.name, from, to);
        let block = self.blocks.try_get_with(key, fetch).await;
        block.map_err(|error: Arc<ColdError>| error.as_ref().clone())
    }
}

/// One reader's place in an object: notices that it reads on where it stopped,
/// and has the next blocks fetched meanwhile.
#[derive(Debug, Default)]
pub struct ReadAhead {
    /// What was read last.
    last: Option<(ObjectName, Range<u64>)>,
    /// How far blocks have been asked for.
    asked_to: u64,
    /// So many blocks are asked for next; 0 at the begin.
    window: u64,
}

impl ReadAhead {
    /// Reads through the cache, which `readers` share; see [`BlockCache::read`].
    ///
    /// # Errors
    /// See [`BlockCache::read`].
    pub async fn read(
        &mut self,
        cache: &BlockCache,
        object: CachedObject,
        (from, to): (u64, u64),
        readers: u64,
    ) -> Result<Bytes, ColdError> {
        // One who takes a chunk in several steps reads it again each time.
        match &self.last {
            Some((name, last)) if *name == object.name => {
                if (last.start..=last.end).contains(&from) {
                    self.ask(cache, object, to, readers);
                } else {
                    (self.asked_to, self.window) = (0, 0);
                }
            }
            // A reader that went on and on goes on in the next object.
            Some(_) if self.window > 0 => {
                self.asked_to = 0;
                self.ask(cache, object, to, readers);
            }
            Some(_) | None => {}
        }
        self.last = Some((object.name, from..to));
        cache.read(object, from, to).await
    }

    /// Asks for what lies behind `to` once half of what was asked for is read,
    /// for twice as much each time. What all readers ask for fits into half of
    /// the cache, so that nothing goes before it is read.
    fn ask(&mut self, cache: &BlockCache, object: CachedObject, to: u64, readers: u64) {
        let settings = &cache.settings;
        let size = settings.block_bytes;
        let begun = to.div_ceil(size);
        let asked = self.asked_to / size;
        if asked > begun + self.window / 2 {
            return;
        }
        let (first, most) = settings.ahead_blocks;
        let share = settings.bytes_max / (size + BLOCK_OVERHEAD_BYTES) / 2 / readers.max(1);
        self.window = (self.window * 2).clamp(first, most).min(share.max(1));
        let end = begun + self.window;
        let begin = begun.max(asked);
        if begin < end {
            cache.fetch_ahead(object, begin * size, end - begin);
            self.asked_to = end * size;
        }
    }
}
