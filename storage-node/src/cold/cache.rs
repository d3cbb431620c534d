//! Blocks of objects in memory, for ranged reads.
//!
//! Owns a bounded number of bytes. Promises that readers who want the same
//! block at the same time cost one request, that a failure is told to those
//! who waited for it and not remembered, and that reading ahead never takes
//! more than its bound. Objects never change, so nothing is ever stale.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use firn_runtime::tasks::detach;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use tokio::sync::Semaphore;

use super::error::{ColdError, Failure, Operation};
use super::metrics::ColdMetrics;
use super::paths::ObjectName;
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
    /// Blocks fetched ahead of a sequential reader.
    pub ahead_blocks: u64,
    /// Blocks being fetched ahead at a time, of all readers.
    pub ahead_at_once: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            block_bytes: 256 << 10,
            ahead_blocks: 4,
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
    ahead: Arc<Semaphore>,
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
                ..settings
            },
            ahead: Arc::new(Semaphore::new(settings.ahead_at_once)),
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
    /// that holds `from` on. Those that are here, and those that would be more
    /// than the bound, are left out.
    pub fn fetch_ahead(&self, object: CachedObject, from: u64, blocks: u64) {
        let first = from / self.settings.block_bytes;
        let end = object.bytes.div_ceil(self.settings.block_bytes);
        for index in first..end.min(first.saturating_add(blocks)) {
            if self.blocks.contains_key(&(object.name, index)) {
                continue;
            }
            let Ok(permit) = self.ahead.clone().try_acquire_owned() else {
                return;
            };
            ColdMetrics::add(&self.store.metrics().prefetches, 1);
            let cache = self.clone();
            detach(async move {
                // Whoever wants the block learns of the failure by trying.
                let _ = cache.block(object, index).await;
                drop(permit);
            });
        }
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
    /// Where the last read ended, and in what.
    last: Option<(ObjectName, u64)>,
    /// How far blocks have been asked for.
    asked_to: u64,
}

impl ReadAhead {
    /// Reads through the cache; see [`BlockCache::read`].
    ///
    /// # Errors
    /// See [`BlockCache::read`].
    pub async fn read(
        &mut self,
        cache: &BlockCache,
        object: CachedObject,
        from: u64,
        to: u64,
    ) -> Result<Bytes, ColdError> {
        match self.last == Some((object.name, from)) {
            true => self.ask(cache, object, to),
            false => self.asked_to = 0,
        }
        self.last = Some((object.name, to));
        cache.read(object, from, to).await
    }

    /// Asks for what lies behind `to` and has not been asked for.
    fn ask(&mut self, cache: &BlockCache, object: CachedObject, to: u64) {
        let size = cache.settings.block_bytes;
        let begun = to.div_ceil(size);
        let first = begun.max(self.asked_to / size);
        let end = begun + cache.settings.ahead_blocks;
        if first < end {
            cache.fetch_ahead(object, first * size, end - first);
            self.asked_to = end * size;
        }
    }
}
