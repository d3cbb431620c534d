//! Blocks of objects in memory, for ranged reads.
//!
//! Owns a bounded number of bytes. Promises that readers who want the same
//! block at the same time cost one request, that a failure is told to those
//! who waited for it and not remembered, and that reading ahead never takes
//! more than its bound. Objects never change, so nothing is ever stale. Who
//! reads on and on, and how far ahead of him to fetch, is known in [`super::ahead`].

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use firn_runtime::tasks::Elsewhere;
use futures_util::{FutureExt as _, TryFutureExt as _};
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use super::error::{ColdError, Failure, Operation};
use super::metrics::ColdMetrics;
use super::paths::ObjectName;
use super::permits::{Permit, Permits};
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
    /// has had to wait for the store again and again.
    pub ahead_blocks: (u64, u64),
    /// Neighbours that one request fetches at most.
    pub span_blocks: u64,
    /// Requests that fetch ahead at a time, of all readers; one instance alone
    /// leaves a quarter of them to others.
    pub ahead_at_once: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            bytes_max: 128 << 20,
            block_bytes: 256 << 10,
            ahead_blocks: (4, 64),
            span_blocks: 8,
            ahead_at_once: 16,
        }
    }
}

/// Who waits for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A reader does, or will in a moment.
    Wanted,
    /// Perhaps somebody, later: it is bounded how many such requests there are.
    Ahead,
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
    /// Where objects are fetched and unpacked: not on the thread that answers.
    elsewhere: Elsewhere,
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
            elsewhere: Elsewhere::here(),
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

    /// Begins to fetch blocks: neighbours by one request, those that are here not.
    /// What nobody waits for yet is fetched only as far as the bound allows.
    /// Answers up to which block everything is here or asked for. Sets `failed`
    /// when a request fails.
    pub(super) fn fetch(
        &self,
        object: CachedObject,
        blocks: Range<u64>,
        urgency: Urgency,
        failed: &Arc<AtomicBool>,
    ) -> u64 {
        let end = blocks.end.min(self.blocks_of(object));
        let mut at = blocks.start;
        while at < end {
            if self.has(object, at) {
                at += 1;
                continue;
            }
            let span_end = end.min(at + self.settings.span_blocks);
            let upto = (at + 1..span_end).find(|index| self.has(object, *index));
            let span = at..upto.unwrap_or(span_end);
            let instance = object.name.broker().map(|broker| broker.instance);
            let permit = match urgency {
                Urgency::Wanted => None,
                Urgency::Ahead => match self.ahead.take(instance) {
                    Some(permit) => Some(permit),
                    None => return at,
                },
            };
            at = span.end;
            if permit.is_some() {
                ColdMetrics::add(&self.store.metrics().prefetches, span.end - span.start);
            }
            self.begin(object, span, permit, failed.clone());
        }
        at
    }

    /// Whether a block is here.
    pub(super) fn has(&self, object: CachedObject, index: u64) -> bool {
        self.blocks.contains_key(&(object.name, index))
    }

    /// How many blocks an object has.
    pub(super) fn blocks_of(&self, object: CachedObject) -> u64 {
        object.bytes.div_ceil(self.settings.block_bytes)
    }

    /// Blocks that each of so many readers may have fetched ahead: what all of them
    /// ask for fits into half of the memory, so that nothing goes before it is read.
    /// (Until then as much is read elsewhere as is fetched.)
    pub(super) fn share(&self, readers: u64) -> u64 {
        let block = self.settings.block_bytes + BLOCK_OVERHEAD_BYTES;
        (self.settings.bytes_max / block / 2 / readers.max(1)).max(1)
    }

    pub(super) fn settings(&self) -> &CacheSettings {
        &self.settings
    }

    /// Fetches a span in the background. It is known as on its way before this
    /// returns: who wants one of its blocks from now on waits for it.
    fn begin(
        &self,
        object: CachedObject,
        span: Range<u64>,
        permit: Option<Permit>,
        failed: Arc<AtomicBool>,
    ) {
        let size = self.settings.block_bytes;
        let (from, to) = (span.start * size, object.bytes.min(span.end * size));
        let (store, elsewhere) = (self.store.clone(), self.elsewhere.clone());
        // Begun by the first block that nobody else is fetching already.
        let fetched = async move {
            let fetch = elsewhere.run(async move {
                let fetched = store.get_range(object.name, from, to).await;
                drop(permit);
                fetched.inspect_err(|_| failed.store(true, Ordering::Relaxed))
            });
            fetch.await
        };
        let cache = self.clone();
        let mut kept = Box::pin(async move { cache.keep(object, span, fetched).await });
        // The task that it becomes polls it again.
        let mut nobody = Context::from_waker(Waker::noop());
        if kept.as_mut().poll(&mut nobody).is_pending() {
            self.elsewhere.detach(kept);
        }
    }

    /// Keeps the blocks of a span. Who wants one of them meanwhile waits for it;
    /// who wants it later learns of a failure by trying.
    async fn keep(
        &self,
        object: CachedObject,
        span: Range<u64>,
        fetched: impl Future<Output = Result<Bytes, ColdError>> + Send,
    ) {
        let size = self.settings.block_bytes;
        let from = span.start * size;
        let fetched = fetched.map_err(Arc::new).shared();
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

    /// Runs work beside the thread that asks for it.
    pub(crate) fn elsewhere(&self) -> &Elsewhere {
        &self.elsewhere
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
