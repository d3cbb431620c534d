//! Writes a segment front to back. What is ready can be taken away while more is
//! added, so that an upload in parts never holds the whole; what stays until the
//! end is one chunk in the making, 32 bytes a hash and 24 a run.
//!
//! Whoever uses it adds runs by (queue, offset) and ends the segment once it is
//! full; a call that fails has added nothing.

use bytes::Bytes;
use firn_protocol::ids::{Offset, Position, QueueKey};
use firn_protocol::limits::{KIB, MIB};
use firn_protocol::time::Timestamp;

use super::blocks::block_bytes;
use super::chunks::{self, ChunkEntry, QueueSummary};
use super::error::{Part, SegmentError};
use super::filter;
use super::format::SegmentId;
use super::intake::{self, Intake, ParsedRun};
use super::keys::{self, KeyBlock, KeyRow};
use super::limits::{CHUNKS_MAX, HASHES_MAX};
use super::output::Output;
use super::positions::{self, PositionBlock, PositionRow};
use super::tags::TagSet;
use super::trailer::{Sealed, Section, Totals, Trailer};

/// Where a segment and its parts are cut. Not part of the format: any reader
/// reads any cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// A segment with this many stored bytes is full.
    pub segment_bytes: u64,
    /// So is one with this many keys and ids.
    pub hashes: usize,
    /// A chunk has no more than this, uncompressed, except for one single run.
    pub chunk_bytes: usize,
    /// A block of the key or position index is closed at this, uncompressed.
    pub block_bytes: usize,
    /// The filter is no longer than this.
    pub filter_bytes_max: usize,
    /// Of zstd: higher is smaller and slower.
    pub compression_level: i32,
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * MIB,
            hashes: 1024 * 1024,
            chunk_bytes: 128 * KIB as usize,
            block_bytes: 16 * KIB as usize,
            filter_bytes_max: 256 * KIB as usize,
            compression_level: 3,
        }
    }
}

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub struct SegmentSpec {
    pub id: SegmentId,
    pub cut: Cut,
}

/// What a manifest needs to know of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    pub id: SegmentId,
    pub totals: Totals,
    pub queues: Vec<QueueSummary>,
    /// See [`super::KeyFilter::decode`]; it stands in the segment as well.
    pub filter: Bytes,
    /// Length of the object.
    pub object_bytes: u64,
    /// CRC-32C of the object.
    pub checksum: u32,
}

/// A segment in the making.
#[derive(Debug)]
pub struct SegmentWriter {
    id: SegmentId,
    cut: Cut,
    out: Output,
    /// Offset of the first record of each queue.
    firsts: Vec<Offset>,
    growing: Option<Growing>,
    chunks: Vec<ChunkEntry>,
    keys: Vec<KeyRow>,
    positions: Vec<PositionRow>,
}

/// A chunk that may still grow.
#[derive(Debug)]
struct Growing {
    queue: QueueKey,
    first: Offset,
    end: Offset,
    stored_at: (Timestamp, Timestamp),
    tags: TagSet,
    runs: Vec<u8>,
}

impl SegmentWriter {
    /// Begins a segment. The seed in `spec` must never have been used before.
    ///
    /// # Errors
    /// `Compressor`.
    pub fn new(spec: SegmentSpec) -> Result<Self, SegmentError> {
        Ok(Self {
            id: spec.id,
            cut: spec.cut,
            out: Output::new(&spec.id, spec.cut.compression_level)?,
            firsts: Vec::new(),
            growing: None,
            chunks: Vec::new(),
            keys: Vec::new(),
            positions: Vec::new(),
        })
    }

    /// Adds consecutive records of one queue, as concatenated runs; they stand
    /// behind all that was added before, by (queue, offset).
    ///
    /// # Errors
    /// `Malformed`, `RunTooLong` or `OutOfOrder` for what can never be added;
    /// `Full` for what belongs in the next segment; nothing was added then.
    /// `Compressor`: the segment is to be given up.
    pub fn add(&mut self, queue: QueueKey, runs: &Bytes) -> Result<(), SegmentError> {
        let is_new = self.last().is_none_or(|(last, _)| last < queue);
        let Intake {
            runs: parsed,
            mut rows,
            first,
        } = intake::parse(self.id, queue, runs)?;
        let behind = is_new || self.last().is_none_or(|last| last <= (queue, first));
        if !behind {
            return Err(SegmentError::OutOfOrder {
                queue,
                offset: first,
            });
        }
        // Two chunks side by side are longer together than the cut.
        let chunks = 2 + 2 * runs.len() / self.cut.chunk_bytes.max(1);
        let chunks = self.chunks.len() + chunks.min(parsed.len() + 1);
        if chunks > CHUNKS_MAX || self.keys.len() + rows.len() > HASHES_MAX {
            return Err(SegmentError::Full {
                queue,
                offset: first,
            });
        }
        if is_new {
            self.firsts.push(first);
        }
        let (nth, base) = self.nth_queue();
        for row in &mut rows {
            row.queue = nth;
            row.offset -= base.0;
        }
        self.keys.append(&mut rows);
        for run in &parsed {
            self.positions.push(PositionRow {
                first: run.header.first_position,
                count: run.header.count,
                queue: nth,
                offset: run.header.first_offset.0 - base.0,
            });
            self.append(queue, run, &runs[run.bytes.clone()])?;
        }
        Ok(())
    }

    /// Queue and end of what was added last.
    fn last(&self) -> Option<(QueueKey, Offset)> {
        let growing = self.growing.as_ref().map(|chunk| (chunk.queue, chunk.end));
        growing.or_else(|| {
            let chunk = self.chunks.last()?;
            Some((chunk.queue, chunk.end_offset()))
        })
    }

    /// Number and first offset of the queue that is being added.
    fn nth_queue(&self) -> (u32, Offset) {
        let nth = self.firsts.len().saturating_sub(1);
        (nth as u32, self.firsts.last().copied().unwrap_or_default())
    }

    fn append(
        &mut self,
        queue: QueueKey,
        run: &ParsedRun,
        bytes: &[u8],
    ) -> Result<(), SegmentError> {
        let header = run.header;
        let goes_on = self.growing.as_ref().is_some_and(|chunk| {
            chunk.queue == queue
                && chunk.end == header.first_offset
                && chunk.runs.len() + bytes.len() <= self.cut.chunk_bytes
        });
        if !goes_on {
            self.close()?;
        }
        let at = header.stored_at;
        let chunk = self.growing.get_or_insert_with(|| Growing {
            queue,
            first: header.first_offset,
            end: header.first_offset,
            stored_at: (at, at),
            tags: TagSet::default(),
            runs: Vec::new(),
        });
        chunk.end = header.end_offset();
        chunk.stored_at = (chunk.stored_at.0.min(at), chunk.stored_at.1.max(at));
        chunk.tags.merge(&run.tags);
        chunk.runs.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes the chunk that was growing.
    fn close(&mut self) -> Result<(), SegmentError> {
        let Some(chunk) = self.growing.take() else {
            return Ok(());
        };
        let at = self.out.at();
        let (stored_bytes, checksum) = self.out.pack(&chunk.runs, |binding, _, stored| {
            binding.chunk(chunk.queue, chunk.first, stored)
        })?;
        self.chunks.push(ChunkEntry {
            queue: chunk.queue,
            first_offset: chunk.first,
            count: (chunk.end.0 - chunk.first.0) as u32,
            stored_at: chunk.stored_at,
            at,
            stored_bytes,
            raw_bytes: chunk.runs.len() as u32,
            tags: chunk.tags.summary(),
            checksum,
        });
        Ok(())
    }

    /// Whether the segment should be finished rather than added to.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.out.at() >= self.cut.segment_bytes
            || self.keys.len() >= self.cut.hashes
            || self.chunks.len() >= CHUNKS_MAX / 2
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Bytes written so far, taken or not.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.out.at()
    }

    /// The next `part_bytes` of the object, once there are as many: parts of an
    /// upload are of one size, except for the last.
    pub fn take_ready(&mut self, part_bytes: usize) -> Option<Bytes> {
        self.out.take(part_bytes)
    }

    /// Ends the segment. Returns what has not been taken, which may be more than
    /// one part, and what to put into the manifest.
    ///
    /// # Errors
    /// `Empty`, `PositionsOverlap`, `Compressor`; what was uploaded is to be given up.
    pub fn finish(mut self) -> Result<(Bytes, SegmentSummary), SegmentError> {
        self.close()?;
        let mut keys = std::mem::take(&mut self.keys);
        keys.sort_unstable();
        let positions = positions::arrange(std::mem::take(&mut self.positions))?;
        let totals = self.totals(&keys, &positions)?;
        let base = totals.positions.0;

        let mut borders = vec![self.out.at()];
        let key_blocks = self.put_keys(&keys, base)?;
        borders.push(self.out.at());
        let position_blocks = self.put_positions(&positions)?;
        borders.push(self.out.at());
        let hashes = keys.iter().map(|row| row.hash);
        let filter = filter::encode(self.id.seed, hashes, self.cut.filter_bytes_max);

        let sections = [
            (Section::Filter, filter.clone()),
            (Section::Keys, keys::encode(&key_blocks, base)),
            (
                Section::Positions,
                positions::encode(&position_blocks, base),
            ),
            (Section::Chunks, chunks::encode(&self.chunks, &totals)),
        ];
        let mut sealed = [Sealed::default(); 4];
        for ((section, raw), sealed) in sections.iter().zip(&mut sealed) {
            *sealed = self.out.section(*section, raw)?;
            borders.push(self.out.at());
        }
        Ok(self.end(&borders, sealed, totals, filter.into()))
    }

    fn totals(&self, keys: &[KeyRow], positions: &[PositionRow]) -> Result<Totals, SegmentError> {
        let ends = positions.first().zip(positions.last());
        let Some(((first, last), stored_at)) = ends.zip(chunks::times(&self.chunks)) else {
            return Err(SegmentError::Empty);
        };
        let sum =
            |part: fn(&ChunkEntry) -> u32| self.chunks.iter().map(|c| u64::from(part(c))).sum();
        Ok(Totals {
            records: sum(|chunk| chunk.count),
            raw_bytes: sum(|chunk| chunk.raw_bytes),
            positions: (first.first, Position(last.end().0 - 1)),
            stored_at,
            queues: self.firsts.len() as u32,
            chunks: self.chunks.len() as u32,
            hashes: keys.len() as u64,
        })
    }

    fn put_keys(&mut self, rows: &[KeyRow], base: Position) -> Result<Vec<KeyBlock>, SegmentError> {
        let bytes = block_bytes(self.cut.block_bytes, rows.len());
        let mut blocks = Vec::new();
        for (first, raw) in keys::encode_blocks(rows, bytes, base) {
            let place = self.out.block(Part::KeyBlock, &raw)?;
            blocks.push(KeyBlock::new(first, place));
        }
        Ok(blocks)
    }

    fn put_positions(&mut self, rows: &[PositionRow]) -> Result<Vec<PositionBlock>, SegmentError> {
        let bytes = block_bytes(self.cut.block_bytes, rows.len());
        let mut blocks = Vec::new();
        for (first, raw) in positions::encode_blocks(rows, bytes) {
            let place = self.out.block(Part::PositionBlock, &raw)?;
            blocks.push(PositionBlock::new(first, place));
        }
        Ok(blocks)
    }

    /// Puts the trailer behind the sections.
    fn end(
        mut self,
        borders: &[u64],
        sealed: [Sealed; 4],
        totals: Totals,
        filter: Bytes,
    ) -> (Bytes, SegmentSummary) {
        let start = super::HEADER_BYTES as u64;
        let befores = std::iter::once(start).chain(borders.iter().copied());
        let mut regions = [0; 7];
        for ((region, before), border) in regions.iter_mut().zip(befores).zip(borders) {
            *region = border - before;
        }
        let trailer = Trailer {
            id: self.id,
            totals,
            object_bytes: self.out.at() + super::TRAILER_BYTES as u64,
            regions,
            sealed,
        };
        self.out.put(&trailer.encode());
        let summary = SegmentSummary {
            id: self.id,
            totals,
            queues: chunks::summaries(&self.chunks),
            filter,
            object_bytes: self.out.at(),
            checksum: self.out.checksum(),
        };
        (self.out.rest(), summary)
    }
}
