//! What a node holds of object storage in memory: blocks, manifests and the
//! indexes of segments, each under a bound, each fetched when first asked for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::ids::QueueKey;
use firn_protocol::time::Timestamp;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::ColdParts;
use super::error::TierError;
use super::facts::{Facts, KnownFacts};
use crate::cold::ColdStore;
use crate::cold::ahead::{Part, ReadAhead};
use crate::cold::cache::{BlockCache, CacheSettings, CachedObject};
use crate::cold::manifest::{Manifest, SegmentEntry};
use crate::cold::paths::{NodeId, Nonce, ObjectName};
use crate::hot::BrokerKey;
use crate::segment::{
    ChunkEntry, KeyFilter, KeyIndex, PositionIndex, Section, SegmentError, SegmentIndex,
    TRAILER_BYTES, Trailer,
};

/// Readers of queues whose place is remembered, for reading ahead.
const READERS_MAX: u64 = 4096;
/// One that has not read for so long does not read on.
const READER_IDLE: Duration = Duration::from_secs(30);
/// Parts of the memory for blocks that manifests and indexes may take beside it.
const INDEX_SHARE: u64 = 4;
/// And those that unpacked chunks may take.
const CHUNK_SHARE: u64 = 8;
/// What an index entry of a chunk or of a block takes in memory, roughly.
const ENTRY_BYTES: u64 = 128;

/// Object storage as a node uses it.
pub(in crate::node) struct Cold {
    pub(in crate::node) store: ColdStore,
    pub(in crate::node) owner: NodeId,
    blocks: BlockCache,
    manifests: Cache<BrokerKey, Arc<Manifest>>,
    indexes: Cache<ObjectName, Arc<OpenSegment>>,
    /// By object and first byte.
    chunks: Cache<(ObjectName, u64), Bytes>,
    readers: Cache<(BrokerKey, QueueKey), Arc<Mutex<ReadAhead>>>,
    /// Manifests whose commit was begun and is not known to have ended.
    pub(super) attempts: Attempts,
    pub(in crate::node) facts: KnownFacts,
    /// When to look next what has expired, in ms.
    next_look: AtomicU64,
    /// When to free the disk again, in ms.
    next_room: AtomicU64,
}

/// See [`Cold::attempts`]: how an owner knows a manifest of its own whose answer
/// got lost.
#[derive(Default)]
pub(super) struct Attempts(Mutex<FxHashMap<BrokerKey, Vec<Nonce>>>);

impl Attempts {
    pub(super) fn add(&self, broker: BrokerKey, nonce: Nonce) {
        self.0.lock().entry(broker).or_default().push(nonce);
    }

    pub(super) fn contains(&self, broker: BrokerKey, nonce: Nonce) -> bool {
        let attempts = self.0.lock();
        attempts.get(&broker).is_some_and(|it| it.contains(&nonce))
    }

    pub(super) fn forget(&self, broker: BrokerKey) {
        self.0.lock().remove(&broker);
    }
}

/// A segment whose end has been read.
pub(super) struct OpenSegment {
    pub(super) object: CachedObject,
    pub(super) trailer: Trailer,
    pub(super) index: SegmentIndex,
}

impl Cold {
    pub(in crate::node) fn new(parts: ColdParts, settings: CacheSettings) -> Self {
        let index_bytes = settings.bytes_max / INDEX_SHARE;
        let chunk_bytes = settings.bytes_max / CHUNK_SHARE;
        let weight = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            blocks: BlockCache::new(parts.store.clone(), settings),
            store: parts.store,
            owner: parts.owner,
            manifests: Cache::builder()
                .max_capacity(index_bytes)
                .weigher(move |_, manifest: &Arc<Manifest>| weight(manifest_bytes(manifest)))
                .build(),
            indexes: Cache::builder()
                .max_capacity(index_bytes)
                .weigher(move |_, open: &Arc<OpenSegment>| {
                    weight((open.index.chunks().len() as u64 + 8) * ENTRY_BYTES)
                })
                .build(),
            chunks: Cache::builder()
                .max_capacity(chunk_bytes)
                .weigher(move |_, runs: &Bytes| weight(runs.len() as u64 + ENTRY_BYTES))
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            readers: Cache::builder()
                .max_capacity(READERS_MAX)
                .time_to_idle(READER_IDLE)
                .build(),
            attempts: Attempts::default(),
            facts: KnownFacts::default(),
            next_look: AtomicU64::new(0),
            next_room: AtomicU64::new(0),
        }
    }

    /// Whether it is time to look what has expired.
    pub(super) fn is_look_due(&self, now: Timestamp) -> bool {
        self.next_look.load(Ordering::Relaxed) <= now.0
    }

    pub(super) fn look_again_at(&self, at: Timestamp) {
        self.next_look.store(at.0, Ordering::Relaxed);
    }

    /// Whether what was freed last has had the time to go.
    pub(super) fn is_room_due(&self, now: Timestamp) -> bool {
        self.next_room.load(Ordering::Relaxed) <= now.0
    }

    pub(super) fn make_room_again_at(&self, at: Timestamp) {
        self.next_room.store(at.0, Ordering::Relaxed);
    }

    /// Bytes of records, and of objects, that a broker's newest manifest names;
    /// none until it has been read.
    pub(in crate::node) fn stored_bytes(&self, broker: BrokerKey, manifest: u64) -> (u64, u64) {
        let bytes = |facts: &Facts| (facts.record_bytes, facts.object_bytes);
        self.facts.ask(broker, manifest, bytes).unwrap_or_default()
    }

    /// The manifest with this number, which was committed.
    pub(super) async fn manifest(
        &self,
        broker: BrokerKey,
        number: u64,
    ) -> Result<Arc<Manifest>, TierError> {
        if let Some(found) = self.manifests.get(&broker).await
            && found.number == number
        {
            return Ok(found);
        }
        let name = ObjectName::Manifest(broker, number);
        let bytes = self.store.get(name).await?;
        let manifest = Arc::new(Manifest::decode(name, &bytes)?);
        self.manifests.insert(broker, manifest.clone()).await;
        Ok(manifest)
    }

    /// Keeps a manifest that has just become the newest.
    pub(super) async fn keep(&self, manifest: Manifest) -> Arc<Manifest> {
        let (broker, manifest) = (manifest.broker, Arc::new(manifest));
        self.manifests.insert(broker, manifest.clone()).await;
        manifest
    }

    /// A segment, opened.
    pub(super) async fn open(
        &self,
        broker: BrokerKey,
        entry: &SegmentEntry,
    ) -> Result<Arc<OpenSegment>, TierError> {
        let object = CachedObject {
            name: ObjectName::Segment(broker, entry.name),
            bytes: entry.bytes,
        };
        let opened = self
            .indexes
            .try_get_with(object.name, self.open_object(broker, object));
        opened
            .await
            .map_err(|error: Arc<TierError>| error.as_ref().clone())
    }

    async fn open_object(
        &self,
        broker: BrokerKey,
        object: CachedObject,
    ) -> Result<Arc<OpenSegment>, TierError> {
        let of_segment = |source| TierError::Segment {
            object: object.name,
            source,
        };
        let from = object.bytes.saturating_sub(TRAILER_BYTES as u64);
        let tail = self.blocks.read(object, from, object.bytes).await?;
        let trailer = Trailer::decode(&tail, object.bytes, broker).map_err(of_segment)?;
        let place = trailer.section(Section::Chunks);
        let stored = self.blocks.read(object, place.start, place.end).await?;
        let index = SegmentIndex::decode(&trailer, &stored).map_err(of_segment)?;
        Ok(Arc::new(OpenSegment {
            object,
            trailer,
            index,
        }))
    }

    /// The runs of a chunk, unpacked once for all who want it at about the same
    /// time: one who takes it in several steps, and the groups of a topic. The same
    /// read will want the object up to `until`.
    pub(super) async fn chunk(
        &self,
        broker: BrokerKey,
        segment: &Arc<OpenSegment>,
        chunk: &ChunkEntry,
        until: u64,
    ) -> Result<Bytes, TierError> {
        let key = (segment.object.name, chunk.range().start);
        let read = self.read_chunk(broker, segment, chunk, until);
        let opened = self.chunks.try_get_with(key, read).await;
        opened.map_err(|error: Arc<TierError>| error.as_ref().clone())
    }

    /// One who reads a queue on and on has the next blocks fetched meanwhile.
    async fn read_chunk(
        &self,
        broker: BrokerKey,
        segment: &Arc<OpenSegment>,
        chunk: &ChunkEntry,
        until: u64,
    ) -> Result<Bytes, TierError> {
        let reader = self
            .readers
            .get_with((broker, chunk.queue), std::future::ready(Arc::default()))
            .await;
        let (from, to) = (chunk.range().start, chunk.range().end);
        let part = Part { from, to, until };
        let readers = self.readers.entry_count();
        reader
            .lock()
            .ask(&self.blocks, segment.object, part, readers);
        let stored = self.blocks.read(segment.object, from, to).await?;
        let (segment, chunk) = (segment.clone(), chunk.clone());
        let unpacked = self.blocks.elsewhere().run(async move {
            let opened = segment.index.open_chunk(&chunk, &stored);
            opened.map_err(|source| segment.wrong(source))
        });
        Ok(unpacked.await?.runs)
    }

    pub(super) async fn filter(&self, segment: &OpenSegment) -> Result<KeyFilter, TierError> {
        let stored = self.section(segment, Section::Filter).await?;
        KeyFilter::open(&segment.trailer, &stored).map_err(|source| segment.wrong(source))
    }

    pub(super) async fn keys(&self, segment: &OpenSegment) -> Result<KeyIndex, TierError> {
        let stored = self.section(segment, Section::Keys).await?;
        KeyIndex::decode(&segment.trailer, &stored).map_err(|source| segment.wrong(source))
    }

    pub(super) async fn positions(
        &self,
        segment: &OpenSegment,
    ) -> Result<PositionIndex, TierError> {
        let stored = self.section(segment, Section::Positions).await?;
        PositionIndex::decode(&segment.trailer, &stored).map_err(|source| segment.wrong(source))
    }

    fn section<'a>(
        &'a self,
        segment: &'a OpenSegment,
        section: Section,
    ) -> impl Future<Output = Result<Bytes, TierError>> + 'a {
        self.bytes(segment, segment.trailer.section(section))
    }

    /// Bytes of a segment, through the cache.
    pub(super) async fn bytes(
        &self,
        segment: &OpenSegment,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes, TierError> {
        Ok(self
            .blocks
            .read(segment.object, range.start, range.end)
            .await?)
    }
}

impl OpenSegment {
    /// What is wrong with this segment.
    pub(super) fn wrong(&self, source: SegmentError) -> TierError {
        TierError::Segment {
            object: self.object.name,
            source,
        }
    }
}

fn manifest_bytes(manifest: &Manifest) -> u64 {
    let queues = |entry: &SegmentEntry| entry.queues.len() as u64 + 2;
    let rows: u64 = manifest.segments.iter().map(queues).sum();
    (rows + manifest.low_marks.len() as u64 + manifest.released.len() as u64 + 8) * ENTRY_BYTES
}
