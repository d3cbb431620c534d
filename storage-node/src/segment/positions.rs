//! The position index: which queue and offset each position went to, as stretches
//! of positions that went on in one queue. Looked up in two steps like keys.
//!
//! Row of a block: positions left out before it, count, queue by number in the
//! chunk index, offset above the queue's first.

use std::ops::Range;

use bytes::Bytes;
use firn_protocol::ids::{Offset, Position, QueueKey};

use super::blocks::BlockPlace;
use super::chunks::SegmentIndex;
use super::error::{Part, SegmentError};
use super::format::SegmentId;
use super::limits::BLOCKS_MAX;
use super::trailer::{Section, Trailer};
use crate::hot::PositionRun;
use crate::varint::{self, Reader};

/// A row, as the writer sorts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PositionRow {
    pub(super) first: Position,
    pub(super) count: u32,
    /// Number of the queue in the segment.
    pub(super) queue: u32,
    /// Above the first of the queue.
    pub(super) offset: u64,
}

impl PositionRow {
    /// One past the last.
    pub(super) fn end(&self) -> Position {
        Position(self.first.0 + u64::from(self.count))
    }
}

/// Sorts rows and joins those that go on in one queue.
///
/// # Errors
/// `PositionsOverlap`.
pub(super) fn arrange(mut rows: Vec<PositionRow>) -> Result<Vec<PositionRow>, SegmentError> {
    rows.sort_unstable();
    let mut joined: Vec<PositionRow> = Vec::new();
    for row in rows {
        if let Some(last) = joined.last_mut() {
            if row.first < last.end() {
                return Err(SegmentError::PositionsOverlap {
                    position: row.first,
                });
            }
            let goes_on = row.queue == last.queue
                && row.first == last.end()
                && row.offset == last.offset + u64::from(last.count);
            if goes_on && let Some(sum) = last.count.checked_add(row.count) {
                last.count = sum;
                continue;
            }
        }
        joined.push(row);
    }
    Ok(joined)
}

/// The first position of a block, and where the block lies.
#[derive(Clone, Copy, Debug)]
pub struct PositionBlock {
    first: Position,
    place: BlockPlace,
}

impl PositionBlock {
    pub(super) fn new(first: Position, place: BlockPlace) -> Self {
        Self { first, place }
    }

    /// The bytes to fetch.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.place.range()
    }

    pub(super) fn damaged(&self) -> SegmentError {
        self.place.damaged(Part::PositionBlock)
    }
}

/// Arranged rows as raw blocks, each closed at `block_bytes`, with the first position.
pub(super) fn encode_blocks(
    rows: &[PositionRow],
    block_bytes: usize,
) -> impl Iterator<Item = (Position, Vec<u8>)> {
    let mut rows = rows.iter().peekable();
    std::iter::from_fn(move || {
        let first = rows.peek().map(|row| row.first)?;
        let mut out = Vec::with_capacity(block_bytes + super::blocks::ROW_BYTES_MAX);
        let mut end = first;
        while let Some(row) = rows.next_if(|_| out.len() < block_bytes) {
            varint::put(&mut out, row.first.0 - end.0);
            varint::put(&mut out, row.count.into());
            varint::put(&mut out, row.queue.into());
            varint::put(&mut out, row.offset);
            end = row.end();
        }
        Some((first, out))
    })
}

/// The table of fences, raw.
pub(super) fn encode(blocks: &[PositionBlock], base: Position) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = base;
    for block in blocks {
        varint::put(&mut out, block.first.0 - before.0);
        block.place.encode(&mut out);
        before = block.first;
    }
    out
}

/// The fences of the position index in memory.
#[derive(Clone, Debug)]
pub struct PositionIndex {
    id: SegmentId,
    blocks: Vec<PositionBlock>,
}

impl PositionIndex {
    /// Reads [`Section::Positions`] as fetched.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn decode(trailer: &Trailer, stored: &Bytes) -> Result<Self, SegmentError> {
        let raw = trailer.open(Section::Positions, stored)?;
        Self::parse(&raw, trailer).ok_or_else(|| trailer.damaged(Section::Positions))
    }

    pub(super) fn parse(raw: &[u8], trailer: &Trailer) -> Option<Self> {
        let mut reader = Reader::new(raw);
        let mut at = trailer.position_blocks().start;
        let mut before = trailer.totals.positions.0;
        let mut blocks = Vec::new();
        while !reader.is_at_end() {
            let first = Position(before.0.checked_add(reader.number()?)?);
            if blocks.len() == BLOCKS_MAX {
                return None;
            }
            let place = BlockPlace::decode(&mut reader, &mut at)?;
            blocks.push(PositionBlock { first, place });
            before = first;
        }
        (at == trailer.position_blocks().end).then_some(Self {
            id: trailer.id,
            blocks,
        })
    }

    /// All blocks, by position.
    #[must_use]
    pub fn blocks(&self) -> &[PositionBlock] {
        &self.blocks
    }

    /// The one block that can hold this position.
    #[must_use]
    pub fn block_for(&self, position: Position) -> Option<&PositionBlock> {
        let behind = self.blocks.partition_point(|block| block.first <= position);
        self.blocks.get(behind.checked_sub(1)?)
    }

    /// Queue and offset of the record at a position, from the block whose stored
    /// bytes were fetched; `None` if the segment has no such record. `index` is
    /// the same segment's.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn locate(
        &self,
        block: &PositionBlock,
        stored: &Bytes,
        index: &SegmentIndex,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, SegmentError> {
        let runs = self.runs(block, stored, index)?;
        let behind = runs.partition_point(|run| run.first <= position);
        let run = behind.checked_sub(1).and_then(|at| runs.get(at));
        Ok(run.and_then(|run| {
            let above = position.0 - run.first.0;
            (above < run.count.into()).then(|| (run.queue, run.offset.plus(above)))
        }))
    }

    /// All rows of a block whose stored bytes were fetched.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn runs(
        &self,
        block: &PositionBlock,
        stored: &Bytes,
        index: &SegmentIndex,
    ) -> Result<Vec<PositionRun>, SegmentError> {
        assert_eq!(self.id, index.id(), "both indexes are of one segment");
        let binding = self.id.binding();
        let raw = block.place.open(binding, Part::PositionBlock, stored)?;
        Self::parse_block(block, &raw, index).ok_or_else(|| block.damaged())
    }

    pub(super) fn parse_block(
        block: &PositionBlock,
        raw: &[u8],
        index: &SegmentIndex,
    ) -> Option<Vec<PositionRun>> {
        let mut reader = Reader::new(raw);
        let mut runs: Vec<PositionRun> = Vec::new();
        let mut end = block.first.0;
        while !reader.is_at_end() {
            let first = end.checked_add(reader.number()?)?;
            let count = u32::try_from(reader.number()?).ok()?;
            let (nth, above) = (reader.number()?, reader.number()?);
            end = first.checked_add(count.into())?;
            // Both ends: a row may go over several chunks.
            let last = above.checked_add(u64::from(count.checked_sub(1)?))?;
            index.resolve(nth, last)?;
            let (queue, offset) = index.resolve(nth, above)?;
            runs.push(PositionRun {
                first: Position(first),
                count,
                queue,
                offset,
            });
        }
        let first = runs.first().map(|run| run.first);
        (first == Some(block.first)).then_some(runs)
    }
}
