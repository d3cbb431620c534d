//! The key index: every key and message id by its hash. A look-up is in two
//! steps: which blocks can hold the hash, then the hits in each of them.
//!
//! Row of a block: hash above the row before, queue by number in the chunk index,
//! offset above the queue's first, position above the segment's first. Rows stand
//! in order of (hash, position), so that records which share a key come oldest
//! first and a search can go on where another ended.

use std::ops::Range;

use bytes::Bytes;
use firn_protocol::ids::Position;

use super::blocks::BlockPlace;
use super::chunks::SegmentIndex;
use super::error::{Part, SegmentError};
use super::format::SegmentId;
use super::hash::KeyHash;
use super::limits::BLOCKS_MAX;
use super::tags::u32_of;
use super::trailer::{Section, Trailer};
use crate::hot::Hit;
use crate::varint::{self, Reader};

/// A row, as the writer sorts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyRow {
    pub(super) hash: KeyHash,
    pub(super) position: Position,
    /// Number of the queue in the segment.
    pub(super) queue: u32,
    /// Above the first of the queue.
    pub(super) offset: u64,
}

/// The first entry of a block, and where the block lies.
#[derive(Clone, Copy, Debug)]
pub struct KeyBlock {
    first: (KeyHash, Position),
    place: BlockPlace,
}

impl KeyBlock {
    pub(super) fn new(first: (KeyHash, Position), place: BlockPlace) -> Self {
        Self { first, place }
    }

    /// The bytes to fetch.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.place.range()
    }

    pub(super) fn damaged(&self) -> SegmentError {
        self.place.damaged(Part::KeyBlock)
    }
}

/// Sorted rows as raw blocks, each closed at `block_bytes`, with the first entry.
pub(super) fn encode_blocks(
    rows: &[KeyRow],
    block_bytes: usize,
    base: Position,
) -> impl Iterator<Item = ((KeyHash, Position), Vec<u8>)> {
    let mut rows = rows.iter().peekable();
    std::iter::from_fn(move || {
        let first = rows.peek().map(|row| (row.hash, row.position))?;
        let mut out = Vec::with_capacity(block_bytes + super::blocks::ROW_BYTES_MAX);
        let mut before = first.0;
        while let Some(row) = rows.next_if(|_| out.len() < block_bytes) {
            varint::put(&mut out, row.hash.0 - before.0);
            varint::put(&mut out, row.queue.into());
            varint::put(&mut out, row.offset);
            varint::put(&mut out, row.position.0 - base.0);
            before = row.hash;
        }
        Some((first, out))
    })
}

/// The table of fences, raw.
pub(super) fn encode(blocks: &[KeyBlock], base: Position) -> Vec<u8> {
    let mut out = Vec::new();
    for block in blocks {
        out.extend_from_slice(&block.first.0.0.to_le_bytes());
        varint::put(&mut out, block.first.1.0 - base.0);
        block.place.encode(&mut out);
    }
    out
}

/// The fences of the key index in memory.
#[derive(Clone, Debug)]
pub struct KeyIndex {
    id: SegmentId,
    base: Position,
    blocks: Vec<KeyBlock>,
}

impl KeyIndex {
    /// Reads [`Section::Keys`] as fetched.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn decode(trailer: &Trailer, stored: &Bytes) -> Result<Self, SegmentError> {
        let raw = trailer.open(Section::Keys, stored)?;
        Self::parse(&raw, trailer).ok_or_else(|| trailer.damaged(Section::Keys))
    }

    pub(super) fn parse(raw: &[u8], trailer: &Trailer) -> Option<Self> {
        let base = trailer.totals.positions.0;
        let mut reader = Reader::new(raw);
        let mut at = trailer.key_blocks().start;
        let mut blocks: Vec<KeyBlock> = Vec::new();
        while !reader.is_at_end() {
            let low = u64::from(u32_of(&mut reader)?);
            let hash = KeyHash(low | u64::from(u32_of(&mut reader)?) << 32);
            let position = Position(base.0.checked_add(reader.number()?)?);
            let first = (hash, position);
            let follows = blocks.last().is_none_or(|last| last.first <= first);
            if !follows || blocks.len() == BLOCKS_MAX {
                return None;
            }
            let place = BlockPlace::decode(&mut reader, &mut at)?;
            blocks.push(KeyBlock { first, place });
        }
        (at == trailer.key_blocks().end).then_some(Self {
            id: trailer.id,
            base,
            blocks,
        })
    }

    /// All blocks, by hash.
    #[must_use]
    pub fn blocks(&self) -> &[KeyBlock] {
        &self.blocks
    }

    /// The blocks that can hold records with this hash at `from` or later, in
    /// order of position. One or two, except for a key that thousands share.
    /// They lie side by side.
    #[must_use]
    pub fn blocks_for(&self, hash: KeyHash, from: Position) -> &[KeyBlock] {
        let end = self.blocks.partition_point(|block| block.first.0 <= hash);
        let upto = self
            .blocks
            .partition_point(|block| block.first <= (hash, from));
        &self.blocks[upto.saturating_sub(1)..end]
    }

    /// The records with this hash at `from` or later in a block whose stored bytes
    /// were fetched, in order of position. `index` is the same segment's.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn hits(
        &self,
        block: &KeyBlock,
        stored: &Bytes,
        index: &SegmentIndex,
        (hash, from): (KeyHash, Position),
    ) -> Result<Vec<Hit>, SegmentError> {
        let mut rows = self.open(block, stored, index)?;
        rows.retain(|(row, hit)| *row == hash && hit.position >= from);
        Ok(rows.into_iter().map(|(_, hit)| hit).collect())
    }

    /// All rows of a block.
    pub(super) fn open(
        &self,
        block: &KeyBlock,
        stored: &Bytes,
        index: &SegmentIndex,
    ) -> Result<Vec<(KeyHash, Hit)>, SegmentError> {
        assert_eq!(self.id, index.id(), "both indexes are of one segment");
        let binding = self.id.binding();
        let raw = block.place.open(binding, Part::KeyBlock, stored)?;
        self.parse_block(block, &raw, index)
            .ok_or_else(|| block.damaged())
    }

    pub(super) fn parse_block(
        &self,
        block: &KeyBlock,
        raw: &[u8],
        index: &SegmentIndex,
    ) -> Option<Vec<(KeyHash, Hit)>> {
        let mut reader = Reader::new(raw);
        let mut rows = Vec::new();
        let mut before = block.first;
        while !reader.is_at_end() {
            let hash = KeyHash(before.0.0.checked_add(reader.number()?)?);
            let (queue, offset) = index.resolve(reader.number()?, reader.number()?)?;
            let position = Position(self.base.0.checked_add(reader.number()?)?);
            if (hash, position) < before {
                return None;
            }
            before = (hash, position);
            let hit = Hit {
                queue,
                offset,
                position,
            };
            rows.push((hash, hit));
        }
        let first = rows.first().map(|(hash, hit)| (*hash, hit.position));
        (first == Some(block.first)).then_some(rows)
    }
}
