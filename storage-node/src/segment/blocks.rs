//! Blocks of the key and position index: cut to some KiB, fetched one by one.
//! The first entry of each stands in a table of fences with its place. Blocks of
//! one kind follow one another, so a place is what the lengths before it add up to.

use std::ops::Range;

use bytes::Bytes;

use super::error::{Part, SegmentError};
use super::format::Binding;
use super::limits::{BLOCK_RAW_BYTES_MAX, BLOCKS_MAX};
use super::pack;
use super::tags::u32_of;
use crate::varint::{self, Reader};

/// Longest entry of a table of fences: hash, position, two lengths, checksum.
pub(super) const FENCE_BYTES_MAX: usize = 8 + 10 + 3 + 3 + 4;
/// Longest row of a block: hash or gap, queue, offset, position or count.
pub(super) const ROW_BYTES_MAX: usize = 10 + 3 + 10 + 10;

/// Where a block lies in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    pub(super) at: u64,
    pub(super) stored_bytes: u32,
    pub(super) raw_bytes: u32,
    pub(super) checksum: u32,
}

impl BlockPlace {
    /// The bytes to fetch.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.at..self.at + u64::from(self.stored_bytes)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.stored_bytes.into());
        varint::put(out, self.raw_bytes.into());
        out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    /// Reads the place of the block that begins at `at`, and moves `at` to its end.
    pub(super) fn decode(reader: &mut Reader<'_>, at: &mut u64) -> Option<Self> {
        let place = Self {
            at: *at,
            stored_bytes: u32::try_from(reader.number()?).ok()?,
            raw_bytes: u32::try_from(reader.number()?).ok()?,
            checksum: u32_of(reader)?,
        };
        *at = at.checked_add(place.stored_bytes.into())?;
        (place.raw_bytes as usize <= BLOCK_RAW_BYTES_MAX).then_some(place)
    }

    /// The raw bytes of a block whose stored bytes were fetched.
    pub(super) fn open(
        &self,
        binding: Binding,
        part: Part,
        stored: &Bytes,
    ) -> Result<Bytes, SegmentError> {
        let whole = stored.len() == self.stored_bytes as usize
            && binding.part(part, self.at, stored) == self.checksum;
        let raw = whole.then(|| pack::unpack(stored, self.raw_bytes, BLOCK_RAW_BYTES_MAX));
        raw.flatten().ok_or_else(|| self.damaged(part))
    }

    pub(super) fn damaged(&self, part: Part) -> SegmentError {
        SegmentError::Damaged {
            part,
            bytes: self.range(),
        }
    }
}

/// At how many bytes a block is closed, so that neither a block nor the table of
/// fences outgrows its bound.
pub(super) fn block_bytes(wanted: usize, rows: usize) -> usize {
    let least = rows * ROW_BYTES_MAX / (BLOCKS_MAX - 1) + 1;
    wanted.max(least).min(BLOCK_RAW_BYTES_MAX - ROW_BYTES_MAX)
}
