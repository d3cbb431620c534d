//! What a full volume holds: the span of offsets of each queue and the span of
//! positions of each broker, so that a read knows its volume without opening
//! any. Written beside the volume when it is full, made again from the volume
//! if that file is no good, and kept in memory only while it is used: a topic
//! that is idle costs nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use firn_protocol::ids::{
    BrokerId, InstanceId, Offset, Position, QueueId, QueueKey, TenantId, TopicKey,
};
use parking_lot::Mutex;

use super::stamp;
use crate::hot::BrokerKey;
use crate::hot::keys::{
    FORMAT, Kind, after, chunk, chunk_key, parse_chunk_key, parse_prefix, position, prefix,
    queue_prefix, u32_le,
};
use crate::varint::{self, Reader};

const NAME: &str = "directory";
/// Directories in memory, all volumes together; the one in use always fits.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Spans of one volume, each list in order of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory {
    brokers: Vec<BrokerSpan>,
    queues: Vec<QueueSpan>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BrokerSpan {
    broker: BrokerKey,
    /// First position and one past the last; `None` without positions.
    positions: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct QueueSpan {
    /// Index in the list of brokers.
    broker: u32,
    queue: QueueKey,
    first: u64,
    end: u64,
}

impl Directory {
    /// Reads what a volume holds, jumping from span to span.
    pub(super) fn of(tree: &::sled::Tree) -> ::sled::Result<Self> {
        let mut found = Self::default();
        // Behind the record about the volume, whose key has one byte.
        let mut from = vec![0, 0];
        while let Some((key, _)) = tree.range(from..).next().transpose()? {
            let Some((broker, kind)) = parse_prefix(&key) else {
                return Err(::sled::Error::Unsupported("key of no known kind".into()));
            };
            let index = found.broker(broker);
            let next = if kind == Kind::Chunk as u8
                && let Some((queue, first)) = parse_chunk_key(&key)
            {
                found.add_queue(tree, index, queue, first)?
            } else if kind == Kind::Position as u8
                && let Some(first) = position::parse_key(&key)
            {
                found.add_positions(tree, index, first)?
            } else {
                after(&key[..key.len().min(21)])
            };
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(found)
    }

    /// Index of the broker, which keys in order name last or not yet.
    fn broker(&mut self, broker: BrokerKey) -> u32 {
        if self.brokers.last().is_none_or(|last| last.broker != broker) {
            self.brokers.push(BrokerSpan {
                broker,
                positions: None,
            });
        }
        (self.brokers.len() - 1) as u32
    }

    fn add_queue(
        &mut self,
        tree: &::sled::Tree,
        broker: u32,
        queue: QueueKey,
        first: Offset,
    ) -> ::sled::Result<Option<Vec<u8>>> {
        let key = self.brokers[broker as usize].broker;
        let start = queue_prefix(key, Kind::Chunk, queue);
        let last = chunk_key(key, Kind::Chunk, queue, Offset(u64::MAX));
        if let Some((key, value)) = tree.range(start.clone()..=last).next_back().transpose()? {
            self.queues.push(QueueSpan {
                broker,
                queue,
                first: first.0,
                // A damaged chunk is found by whoever reads it.
                end: chunk::end(&key, &value).unwrap_or(u64::MAX),
            });
        }
        Ok(after(&start))
    }

    fn add_positions(
        &mut self,
        tree: &::sled::Tree,
        broker: u32,
        first: Position,
    ) -> ::sled::Result<Option<Vec<u8>>> {
        let span = &mut self.brokers[broker as usize];
        let start = prefix(span.broker, Kind::Position).to_vec();
        let last = position::key(span.broker, Position(u64::MAX));
        if let Some((key, value)) = tree.range(start.clone()..=last).next_back().transpose()? {
            let end = position::end(&key, &value).unwrap_or(u64::MAX);
            span.positions = Some((first.0, end));
        }
        Ok(after(&start))
    }

    /// Whether a chunk with this offset may be there.
    pub(super) fn has(&self, broker: BrokerKey, queue: QueueKey, offset: Offset) -> bool {
        self.broker_index(broker).is_some_and(|index| {
            let at = self
                .queues
                .partition_point(|span| (span.broker, span.queue) < (index, queue));
            self.queues.get(at).is_some_and(|span| {
                (span.broker, span.queue) == (index, queue)
                    && (span.first..span.end).contains(&offset.0)
            })
        })
    }

    /// Whether the broker has records there, of this topic if one is given.
    pub(super) fn has_topic(&self, broker: BrokerKey, topic: Option<TopicKey>) -> bool {
        self.broker_index(broker).is_some_and(|index| {
            topic.is_none_or(|topic| {
                let from = QueueKey {
                    topic,
                    queue: QueueId(0),
                };
                let at = self
                    .queues
                    .partition_point(|span| (span.broker, span.queue) < (index, from));
                let span = self.queues.get(at);
                span.is_some_and(|span| (span.broker, span.queue.topic) == (index, topic))
            })
        })
    }

    /// First position and one past the last of a broker.
    pub(super) fn positions(&self, broker: BrokerKey) -> Option<(u64, u64)> {
        self.brokers[self.broker_index(broker)? as usize].positions
    }

    /// Every queue with its first offset and one past its last.
    pub(super) fn queues(&self) -> Vec<(BrokerKey, QueueKey, u64, u64)> {
        let named = |span: &QueueSpan| {
            let broker = self.brokers.get(span.broker as usize)?.broker;
            Some((broker, span.queue, span.first, span.end))
        };
        self.queues.iter().filter_map(named).collect()
    }

    fn broker_index(&self, broker: BrokerKey) -> Option<u32> {
        let found = self
            .brokers
            .binary_search_by_key(&broker, |span| span.broker);
        found.ok().map(|index| index as u32)
    }

    fn bytes_len(&self) -> usize {
        self.brokers.len() * size_of::<BrokerSpan>() + self.queues.len() * size_of::<QueueSpan>()
    }
}

/// The file.
impl Directory {
    /// The directory of a volume; `None` if there is none or it is damaged.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        Self::decode(&fs::read(dir.join(NAME)).ok()?)
    }

    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        stamp::replace(&dir.join(NAME), &self.encode())
    }

    /// A volume that grows again has none.
    pub(super) fn remove(dir: &Path) -> std::io::Result<()> {
        match fs::remove_file(dir.join(NAME)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        varint::put(&mut out, self.brokers.len() as u64);
        for span in &self.brokers {
            varint::put(&mut out, span.broker.tenant.0);
            varint::put(&mut out, span.broker.instance.0);
            varint::put(&mut out, span.broker.broker.0.into());
            let (first, end) = span.positions.unwrap_or((1, 0));
            varint::put(&mut out, first);
            varint::put(&mut out, end);
        }
        varint::put(&mut out, self.queues.len() as u64);
        for span in &self.queues {
            varint::put(&mut out, span.broker.into());
            out.push(span.queue.topic.kind());
            varint::put(&mut out, span.queue.topic.number());
            varint::put(&mut out, span.queue.queue.0.into());
            varint::put(&mut out, span.first);
            varint::put(&mut out, span.end);
        }
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if u32_le(sum, 0)? != crc32c::crc32c(body) {
            return None;
        }
        let mut reader = Reader::new(body);
        if reader.byte()? != FORMAT {
            return None;
        }
        let mut found = Self::default();
        for _ in 0..reader.number()? {
            let broker = BrokerKey {
                tenant: TenantId(reader.number()?),
                instance: InstanceId(reader.number()?),
                broker: BrokerId(u32::try_from(reader.number()?).ok()?),
            };
            let span = (reader.number()?, reader.number()?);
            found.brokers.push(BrokerSpan {
                broker,
                positions: (span.0 < span.1).then_some(span),
            });
        }
        for _ in 0..reader.number()? {
            let broker = u32::try_from(reader.number()?).ok()?;
            let kind = reader.byte()?;
            let topic = TopicKey::from_parts(kind, reader.number()?)?;
            let queue = QueueId(u16::try_from(reader.number()?).ok()?);
            found.queues.push(QueueSpan {
                broker,
                queue: QueueKey { topic, queue },
                first: reader.number()?,
                end: reader.number()?,
            });
        }
        reader.is_at_end().then_some(found)
    }
}

/// The directories used last, within a budget of bytes.
#[derive(Debug, Default)]
pub(super) struct Directories(Mutex<Vec<(u64, Arc<Directory>)>>);

impl Directories {
    pub(super) fn get(&self, volume: u64) -> Option<Arc<Directory>> {
        let mut kept = self.0.lock();
        let at = kept.iter().position(|(number, _)| *number == volume)?;
        let entry = kept.remove(at);
        let directory = entry.1.clone();
        kept.push(entry);
        Some(directory)
    }

    pub(super) fn put(&self, volume: u64, directory: Arc<Directory>) {
        let mut kept = self.0.lock();
        kept.retain(|(number, _)| *number != volume);
        kept.push((volume, directory));
        let mut bytes: usize = kept.iter().map(|(_, kept)| kept.bytes_len()).sum();
        while bytes > CACHE_BYTES && kept.len() > 1 {
            bytes -= kept.remove(0).1.bytes_len();
        }
    }

    pub(super) fn forget(&self, volume: u64) {
        self.0.lock().retain(|(number, _)| *number != volume);
    }
}
