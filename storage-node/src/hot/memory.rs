//! The hot store and the state store in ordered maps: for simulation and tests.
//! The same answers as on disk, nothing kept when the process ends.

use std::collections::BTreeMap;

use bytes::Bytes;
use firn_protocol::ids::{Offset, Position, QueueId, QueueKey, TopicId, TopicKey};
use parking_lot::RwLock;

use super::{BrokerKey, Chunk, Hit, HotBatch, HotError, HotStore, IndexEntry, Lsn, StateStore};

/// Hot store in memory.
#[derive(Debug, Default)]
pub struct MemoryHotStore(RwLock<Content>);

type Place = (BrokerKey, QueueKey, Offset);

#[derive(Debug, Default)]
struct Content {
    marker: Lsn,
    closed: bool,
    chunks: BTreeMap<Place, Kept>,
    positions: BTreeMap<(BrokerKey, Position), (QueueKey, Offset, Lsn)>,
}

#[derive(Debug)]
struct Kept {
    chunk: Chunk,
    index: Vec<IndexEntry>,
    /// Marker of the batch that brought it.
    marker: Lsn,
}

impl MemoryHotStore {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn look<T>(&self, work: impl FnOnce(&Content) -> T) -> Result<T, HotError> {
        let content = self.0.read();
        refuse_if(content.closed)?;
        Ok(work(&content))
    }
}

/// Nothing stands before it.
const FIRST_QUEUE: QueueKey = QueueKey {
    topic: TopicKey::User(TopicId(0)),
    queue: QueueId(0),
};

fn end_of(chunk: &Chunk) -> u64 {
    chunk.first_offset.0 + u64::from(chunk.count)
}

impl Content {
    /// The last chunk that starts at or before an offset; none lies in another.
    fn before(&self, broker: BrokerKey, queue: QueueKey, offset: Offset) -> Option<&Chunk> {
        let places = (broker, queue, Offset(0))..=(broker, queue, offset);
        let (_, kept) = self.chunks.range(places).next_back()?;
        Some(&kept.chunk)
    }
}

impl HotStore for MemoryHotStore {
    fn marker(&self) -> Lsn {
        self.0.read().marker
    }

    fn fill(&self, batch: &HotBatch) -> Result<(), HotError> {
        let mut content = self.0.write();
        refuse_if(content.closed)?;
        for new in &batch.chunks {
            let (broker, queue, first) = (new.broker, new.queue, new.chunk.first_offset);
            let end = end_of(&new.chunk);
            let before = content.before(broker, queue, first);
            // The same again, perhaps behind a place that will be asked for.
            if before.is_some_and(|before| end_of(before) >= end)
                && let Some((_, kept)) = content
                    .chunks
                    .range_mut((broker, queue, Offset(0))..=(broker, queue, first))
                    .next_back()
            {
                kept.marker = kept.marker.max(batch.marker);
                continue;
            }
            let places = (broker, queue, first)..(broker, queue, Offset(end));
            let inner = content.chunks.range(places);
            let inner: Vec<Place> = inner
                .filter(|(_, kept)| end_of(&kept.chunk) <= end)
                .map(|(place, _)| *place)
                .collect();
            for place in inner {
                content.chunks.remove(&place);
            }
            let place = (broker, queue, first);
            let kept = Kept {
                chunk: new.chunk.clone(),
                index: new.index.clone(),
                marker: batch.marker,
            };
            content.chunks.insert(place, kept);
        }
        for (broker, runs) in &batch.positions {
            for run in runs {
                for index in 0..u64::from(run.count) {
                    let position = Position(run.first.0 + index);
                    let place = (run.queue, run.offset.plus(index), batch.marker);
                    content.positions.insert((*broker, position), place);
                }
            }
        }
        content.marker = content.marker.max(batch.marker);
        Ok(())
    }

    fn chunk_at(
        &self,
        broker: BrokerKey,
        queue: QueueKey,
        offset: Offset,
    ) -> Result<Option<Chunk>, HotError> {
        self.look(|content| {
            let chunk = content.before(broker, queue, offset)?;
            (offset.0 < end_of(chunk)).then(|| chunk.clone())
        })
    }

    fn locate(
        &self,
        broker: BrokerKey,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, HotError> {
        self.look(|content| {
            let found = content.positions.get(&(broker, position));
            found.map(|&(queue, offset, _)| (queue, offset))
        })
    }

    fn find(
        &self,
        broker: BrokerKey,
        topic: Option<TopicKey>,
        hash: u64,
        from: Position,
        max: usize,
    ) -> Result<Vec<Hit>, HotError> {
        self.look(|content| {
            let mut hits = BTreeMap::new();
            let from_broker = content.chunks.range((broker, FIRST_QUEUE, Offset(0))..);
            for ((owner, queue, first), kept) in from_broker {
                if *owner != broker {
                    break;
                }
                if topic.is_some_and(|topic| topic != queue.topic) {
                    continue;
                }
                for entry in kept.index.iter().filter(|entry| entry.hash == hash) {
                    if entry.position >= from {
                        let hit = Hit {
                            queue: *queue,
                            offset: first.plus(entry.index.into()),
                            position: entry.position,
                        };
                        hits.insert(entry.position, hit);
                    }
                }
            }
            hits.into_values().take(max).collect()
        })
    }

    fn forget_before(&self, lsn: Lsn) -> Result<(), HotError> {
        let mut content = self.0.write();
        refuse_if(content.closed)?;
        // A batch reaches to its marker, which is one past its last frame.
        content.chunks.retain(|_, kept| kept.marker > lsn);
        content.positions.retain(|_, (_, _, marker)| *marker > lsn);
        Ok(())
    }

    fn close(&self) -> Result<(), HotError> {
        self.0.write().closed = true;
        Ok(())
    }
}

/// State store in memory.
#[derive(Debug, Default)]
pub struct MemoryStateStore(RwLock<States>);

#[derive(Debug, Default)]
struct States {
    marker: Lsn,
    closed: bool,
    snapshots: BTreeMap<BrokerKey, (u64, Bytes)>,
}

fn refuse_if(closed: bool) -> Result<(), HotError> {
    if closed {
        return Err(HotError::Store("store is closed".to_owned()));
    }
    Ok(())
}

impl MemoryStateStore {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl StateStore for MemoryStateStore {
    fn marker(&self) -> Lsn {
        self.0.read().marker
    }

    fn load(&self) -> Result<Vec<(BrokerKey, u64, Bytes)>, HotError> {
        let content = self.0.read();
        refuse_if(content.closed)?;
        let copy = |(broker, (sequence, bytes)): (&BrokerKey, &(u64, Bytes))| {
            (*broker, *sequence, bytes.clone())
        };
        Ok(content.snapshots.iter().map(copy).collect())
    }

    fn save(&self, snapshots: Vec<(BrokerKey, u64, Bytes)>, marker: Lsn) -> Result<(), HotError> {
        let mut content = self.0.write();
        refuse_if(content.closed)?;
        content.marker = marker;
        for (broker, sequence, bytes) in snapshots {
            content.snapshots.insert(broker, (sequence, bytes));
        }
        Ok(())
    }

    fn remove(&self, broker: BrokerKey) -> Result<(), HotError> {
        let mut content = self.0.write();
        refuse_if(content.closed)?;
        content.snapshots.remove(&broker);
        Ok(())
    }

    fn close(&self) -> Result<(), HotError> {
        self.0.write().closed = true;
        Ok(())
    }
}
