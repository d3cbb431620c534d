//! The chunk index: which queues a segment has, and of each queue which chunks,
//! with offsets, times, tags and place. Held in memory by readers, and all they
//! need to read by offset, by time and by tag.
//!
//! Chunks lie in the order of the index without gaps, so the index holds lengths
//! and no places. Between chunks of a queue there may be offsets that are
//! nowhere (damage); overlap there cannot be.

use std::ops::Range;

use bytes::Bytes;
use firn_protocol::ids::{Offset, QueueId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;

use super::error::SegmentError;
use super::format::SegmentId;
use super::limits::CHUNK_RAW_BYTES_MAX;
use super::pack;
use super::tags::{TAGS_BYTES_MAX, TagSummary, u32_of};
use super::trailer::{Section, Totals, Trailer};
use crate::hot::Chunk;
use crate::record::{RecordError, Run};
use crate::varint::{self, Reader};

/// Kind, number, queue id, number of chunks.
const QUEUE_BYTES_MAX: usize = 1 + 10 + 3 + 3;
/// Longest entry: a queue with one chunk.
pub(super) const CHUNK_ENTRY_BYTES_MAX: usize =
    QUEUE_BYTES_MAX + 10 + 5 + 10 + 10 + 4 + 4 + 4 + TAGS_BYTES_MAX;

/// What the index knows of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkEntry {
    pub queue: QueueKey,
    pub first_offset: Offset,
    pub count: u32,
    /// Earliest and latest of its records.
    pub stored_at: (Timestamp, Timestamp),
    /// Where it begins in the object.
    pub at: u64,
    pub stored_bytes: u32,
    /// Of its runs, uncompressed.
    pub raw_bytes: u32,
    pub tags: TagSummary,
    pub(super) checksum: u32,
}

impl ChunkEntry {
    /// One past the last offset.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.first_offset.plus(self.count.into())
    }

    /// The bytes to fetch.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.at..self.at + u64::from(self.stored_bytes)
    }

    pub(super) fn damaged(&self) -> SegmentError {
        SegmentError::DamagedChunk {
            queue: self.queue,
            offsets: self.first_offset..self.end_offset(),
            bytes: self.range(),
        }
    }
}

/// What a segment has of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSummary {
    pub queue: QueueKey,
    pub first_offset: Offset,
    /// One past the last; offsets between may be missing, see `records`.
    pub end_offset: Offset,
    /// Earliest and latest.
    pub stored_at: (Timestamp, Timestamp),
    pub records: u64,
    /// Runs, uncompressed.
    pub raw_bytes: u64,
    /// Chunks as stored.
    pub stored_bytes: u64,
    pub chunks: u32,
}

/// What each queue adds up to, in order.
pub(super) fn summaries(chunks: &[ChunkEntry]) -> Vec<QueueSummary> {
    let of_queue = |chunks: &[ChunkEntry]| {
        let sum = |part: fn(&ChunkEntry) -> u32| chunks.iter().map(|c| u64::from(part(c))).sum();
        let (first, last) = (chunks.first()?, chunks.last()?);
        Some(QueueSummary {
            queue: first.queue,
            first_offset: first.first_offset,
            end_offset: last.end_offset(),
            stored_at: times(chunks)?,
            records: sum(|chunk| chunk.count),
            raw_bytes: sum(|chunk| chunk.raw_bytes),
            stored_bytes: sum(|chunk| chunk.stored_bytes),
            chunks: chunks.len() as u32,
        })
    };
    let by_queue = chunks.chunk_by(|a, b| a.queue == b.queue);
    by_queue.filter_map(of_queue).collect()
}

/// Earliest and latest time in these chunks.
pub(super) fn times(chunks: &[ChunkEntry]) -> Option<(Timestamp, Timestamp)> {
    let earliest = chunks.iter().map(|chunk| chunk.stored_at.0).min()?;
    let latest = chunks.iter().map(|chunk| chunk.stored_at.1).max()?;
    Some((earliest, latest))
}

/// The stored form, raw. Times are counted from the earliest of the segment.
pub(super) fn encode(chunks: &[ChunkEntry], totals: &Totals) -> Vec<u8> {
    let mut out = Vec::new();
    varint::put(&mut out, totals.queues.into());
    for of_queue in chunks.chunk_by(|a, b| a.queue == b.queue) {
        let queue = of_queue[0].queue;
        out.push(queue.topic.kind());
        varint::put(&mut out, queue.topic.number());
        varint::put(&mut out, queue.queue.0.into());
        varint::put(&mut out, of_queue.len() as u64);
        let mut end = 0;
        for chunk in of_queue {
            let (earliest, latest) = chunk.stored_at;
            varint::put(&mut out, chunk.first_offset.0 - end);
            varint::put(&mut out, chunk.count.into());
            varint::put(&mut out, earliest.since_ms(totals.stored_at.0));
            varint::put(&mut out, latest.since_ms(earliest));
            varint::put(&mut out, chunk.stored_bytes.into());
            varint::put(&mut out, chunk.raw_bytes.into());
            out.extend_from_slice(&chunk.checksum.to_le_bytes());
            chunk.tags.encode(&mut out);
            end = chunk.end_offset().0;
        }
    }
    out
}

/// The chunk index in memory.
#[derive(Clone, Debug)]
pub struct SegmentIndex {
    id: SegmentId,
    queues: Vec<QueueSummary>,
    /// Where the chunks of each queue begin.
    starts: Vec<u32>,
    chunks: Vec<ChunkEntry>,
}

impl SegmentIndex {
    /// Reads [`Section::Chunks`] as fetched.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn decode(trailer: &Trailer, stored: &Bytes) -> Result<Self, SegmentError> {
        let raw = trailer.open(Section::Chunks, stored)?;
        Self::parse(&raw, trailer).ok_or_else(|| trailer.damaged(Section::Chunks))
    }

    pub(super) fn parse(raw: &[u8], trailer: &Trailer) -> Option<Self> {
        let totals = &trailer.totals;
        let mut reader = Reader::new(raw);
        let mut chunks: Vec<ChunkEntry> = Vec::new();
        let mut starts = Vec::new();
        let mut at = trailer.chunks().start;
        for _ in 0..reader.number()? {
            let queue = queue_of(&mut reader)?;
            let count = reader.number()?;
            let follows = chunks.last().is_none_or(|last| last.queue < queue);
            let left = u64::from(totals.chunks).checked_sub(chunks.len() as u64)?;
            if !follows || !(1..=left).contains(&count) {
                return None;
            }
            starts.push(chunks.len() as u32);
            let mut end = Offset(0);
            for _ in 0..count {
                let chunk = entry_of(&mut reader, queue, end, at, totals.stored_at.0)?;
                at = at.checked_add(chunk.stored_bytes.into())?;
                end = chunk.end_offset();
                chunks.push(chunk);
            }
        }
        let index = Self {
            id: trailer.id,
            queues: summaries(&chunks),
            starts,
            chunks,
        };
        let adds_up = at == trailer.chunks().end && index.adds_up(totals);
        (reader.is_at_end() && adds_up).then_some(index)
    }

    fn adds_up(&self, totals: &Totals) -> bool {
        let sum = |part: fn(&QueueSummary) -> u64| self.queues.iter().map(part).sum::<u64>();
        self.queues.len() == totals.queues as usize
            && self.chunks.len() == totals.chunks as usize
            && sum(|queue| queue.records) == totals.records
            && sum(|queue| queue.raw_bytes) == totals.raw_bytes
            && times(&self.chunks) == Some(totals.stored_at)
    }

    /// Of which segment.
    #[must_use]
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// All queues in order.
    #[must_use]
    pub fn queues(&self) -> &[QueueSummary] {
        &self.queues
    }

    /// One queue, if the segment has records of it.
    #[must_use]
    pub fn queue(&self, queue: QueueKey) -> Option<&QueueSummary> {
        self.queues.get(self.nth_queue(queue)?)
    }

    /// All chunks by queue and offset.
    #[must_use]
    pub fn chunks(&self) -> &[ChunkEntry] {
        &self.chunks
    }

    /// The chunk that holds `offset`.
    #[must_use]
    pub fn chunk_at(&self, queue: QueueKey, offset: Offset) -> Option<&ChunkEntry> {
        let next = self.chunks_from(queue, offset).first()?;
        (next.first_offset <= offset).then_some(next)
    }

    /// The chunks of a queue that hold `offset` or later ones, in order.
    #[must_use]
    pub fn chunks_from(&self, queue: QueueKey, offset: Offset) -> &[ChunkEntry] {
        let chunks = self.chunks_of(queue);
        &chunks[chunks.partition_point(|chunk| chunk.end_offset() <= offset)..]
    }

    /// The first chunk of a queue with a record stored at `time` or later;
    /// [`offset_at_time`] finds the record in it.
    #[must_use]
    pub fn chunk_at_time(&self, queue: QueueKey, time: Timestamp) -> Option<&ChunkEntry> {
        // Not searched by halves: nothing here depends on times that rise.
        let mut chunks = self.chunks_of(queue).iter();
        chunks.find(|chunk| chunk.stored_at.1 >= time)
    }

    /// The runs of a chunk whose stored bytes were fetched.
    ///
    /// # Errors
    /// `DamagedChunk`, also when the bytes are another chunk's.
    pub fn open_chunk(&self, entry: &ChunkEntry, stored: &Bytes) -> Result<Chunk, SegmentError> {
        let binding = self.id.binding();
        let sum = binding.chunk(entry.queue, entry.first_offset, stored);
        let whole = sum == entry.checksum && stored.len() == entry.stored_bytes as usize;
        let raw = whole.then(|| pack::unpack(stored, entry.raw_bytes, CHUNK_RAW_BYTES_MAX));
        let chunk = raw.flatten().and_then(|runs| chunk_of(entry, runs));
        chunk.ok_or_else(|| entry.damaged())
    }

    /// Number of a queue among the queues, as key and position rows name it.
    fn nth_queue(&self, queue: QueueKey) -> Option<usize> {
        let found = self.queues.binary_search_by_key(&queue, |row| row.queue);
        found.ok()
    }

    fn chunks_of(&self, queue: QueueKey) -> &[ChunkEntry] {
        let Some(nth) = self.nth_queue(queue) else {
            return &[];
        };
        let start = self.starts[nth] as usize;
        &self.chunks[start..start + self.queues[nth].chunks as usize]
    }

    /// The record that a row of an index block names, if the segment has it.
    pub(super) fn resolve(&self, nth_queue: u64, above: u64) -> Option<(QueueKey, Offset)> {
        let row = self.queues.get(usize::try_from(nth_queue).ok()?)?;
        let offset = Offset(row.first_offset.0.checked_add(above)?);
        self.chunk_at(row.queue, offset)?;
        Some((row.queue, offset))
    }
}

fn queue_of(reader: &mut Reader<'_>) -> Option<QueueKey> {
    let kind = reader.byte()?;
    Some(QueueKey {
        topic: TopicKey::from_parts(kind, reader.number()?)?,
        queue: QueueId(u16::try_from(reader.number()?).ok()?),
    })
}

fn entry_of(
    reader: &mut Reader<'_>,
    queue: QueueKey,
    end: Offset,
    at: u64,
    base: Timestamp,
) -> Option<ChunkEntry> {
    let number = |reader: &mut Reader<'_>| u32::try_from(reader.number()?).ok();
    let first = end.0.checked_add(reader.number()?)?;
    let count = number(reader)?;
    first.checked_add(count.into())?;
    let earliest = base.0.checked_add(reader.number()?)?;
    let latest = earliest.checked_add(reader.number()?)?;
    let (stored_bytes, raw_bytes) = (number(reader)?, number(reader)?);
    let bounded = stored_bytes <= raw_bytes && raw_bytes as usize <= CHUNK_RAW_BYTES_MAX;
    if count == 0 || !bounded {
        return None;
    }
    Some(ChunkEntry {
        queue,
        first_offset: Offset(first),
        count,
        stored_at: (Timestamp(earliest), Timestamp(latest)),
        at,
        stored_bytes,
        raw_bytes,
        checksum: u32_of(reader)?,
        tags: TagSummary::decode(reader)?,
    })
}

/// The chunk, if the runs are what the entry says.
fn chunk_of(entry: &ChunkEntry, runs: Bytes) -> Option<Chunk> {
    let mut rest = runs.clone();
    let mut next = entry.first_offset;
    let (mut ends, mut span) = (None, None);
    while !rest.is_empty() {
        let header = Run::split_from(&mut rest).ok()?.header;
        if header.first_offset != next {
            return None;
        }
        next = header.end_offset();
        let at = header.stored_at;
        let (first, _) = ends.unwrap_or((at, at));
        ends = Some((first, at));
        let (earliest, latest) = span.unwrap_or((at, at));
        span = Some((at.min(earliest), at.max(latest)));
    }
    let as_told = next == entry.end_offset() && span == Some(entry.stored_at);
    as_told.then_some(Chunk {
        first_offset: entry.first_offset,
        count: entry.count,
        stored_at: ends?,
        runs,
    })
}

/// The first record of a chunk that was stored at `time` or later.
///
/// # Errors
/// When the chunk does not hold runs.
pub fn offset_at_time(chunk: &Chunk, time: Timestamp) -> Result<Option<Offset>, RecordError> {
    let mut rest = chunk.runs.clone();
    while !rest.is_empty() {
        let header = Run::split_from(&mut rest)?.header;
        if header.stored_at >= time {
            return Ok(Some(header.first_offset));
        }
    }
    Ok(None)
}
