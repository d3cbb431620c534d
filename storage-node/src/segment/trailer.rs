//! The end of a segment: of fixed size, so that a reader who knows the object's
//! length needs one small read to know where everything lies.
//!
//! Identity, lengths of the seven regions between header and trailer, raw length
//! and checksum of the four sections, totals, zeros for later, checksum, version,
//! magic. Regions follow one another without gaps, so their lengths are their places.

use std::ops::Range;

use bytes::Bytes;
use firn_protocol::ids::Position;
use firn_protocol::time::Timestamp;

use super::error::{Part, SegmentError};
use super::format::{FORMAT, HEADER_BYTES, MAGIC, SegmentId, known, take, take_u32, take_u64};
use super::limits::{
    CHUNK_INDEX_RAW_BYTES_MAX, CHUNKS_MAX, FENCES_RAW_BYTES_MAX, FILTER_BYTES_MAX, HASHES_MAX,
};
use super::pack;
use crate::hot::BrokerKey;

/// Length of the trailer, in every version.
pub const TRAILER_BYTES: usize = 256;
/// Where the checksum stands; it covers all before and behind it.
const CHECKSUM_AT: usize = TRAILER_BYTES - 16;
const REGIONS: usize = 7;

/// A part that is fetched as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Filter,
    Keys,
    Positions,
    Chunks,
}

impl Section {
    /// In the order in which they stand.
    pub const ALL: [Self; 4] = [Self::Filter, Self::Keys, Self::Positions, Self::Chunks];

    pub(super) fn part(self) -> Part {
        match self {
            Self::Filter => Part::Filter,
            Self::Keys => Part::KeyIndex,
            Self::Positions => Part::PositionIndex,
            Self::Chunks => Part::ChunkIndex,
        }
    }

    fn raw_bytes_max(self) -> usize {
        match self {
            Self::Filter => FILTER_BYTES_MAX,
            Self::Keys | Self::Positions => FENCES_RAW_BYTES_MAX,
            Self::Chunks => CHUNK_INDEX_RAW_BYTES_MAX,
        }
    }
}

/// What a segment adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub records: u64,
    /// Runs, uncompressed.
    pub raw_bytes: u64,
    /// Lowest and highest; there may be gaps between them.
    pub positions: (Position, Position),
    /// Earliest and latest.
    pub stored_at: (Timestamp, Timestamp),
    pub queues: u32,
    pub chunks: u32,
    /// Entries of the key index.
    pub hashes: u64,
}

/// Raw length and checksum of a section; its place is in the regions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sealed {
    pub(super) raw_bytes: u32,
    pub(super) checksum: u32,
}

/// The trailer, checked as far as it can be by itself.
#[derive(Clone, Debug)]
pub struct Trailer {
    pub id: SegmentId,
    pub totals: Totals,
    /// Length of the object.
    pub object_bytes: u64,
    /// Chunks, key blocks, position blocks, then the sections.
    pub(super) regions: [u64; REGIONS],
    pub(super) sealed: [Sealed; 4],
}

impl Trailer {
    /// Reads the trailer of a segment of `broker` from the end of an object;
    /// `tail` may begin before the trailer.
    ///
    /// # Errors
    /// `Damaged`, `Cut`, `Newer`, or `Foreign` when it is another broker's.
    pub fn decode(tail: &[u8], object_bytes: u64, broker: BrokerKey) -> Result<Self, SegmentError> {
        let trailer = Self::decode_any(tail, object_bytes)?;
        if trailer.id.broker != broker {
            return Err(SegmentError::Foreign {
                found: trailer.id.broker,
                expected: broker,
            });
        }
        Ok(trailer)
    }

    /// As [`Self::decode`], whosever it is: for inspection only.
    pub(super) fn decode_any(tail: &[u8], object_bytes: u64) -> Result<Self, SegmentError> {
        let short = (HEADER_BYTES + TRAILER_BYTES) as u64;
        let Some((_, bytes)) = tail
            .split_last_chunk::<TRAILER_BYTES>()
            .filter(|_| object_bytes >= short)
        else {
            return Err(SegmentError::Cut {
                bytes: object_bytes.min(tail.len() as u64),
            });
        };
        let damaged = || SegmentError::Damaged {
            part: Part::Trailer,
            bytes: object_bytes - TRAILER_BYTES as u64..object_bytes,
        };
        let version = version_of(bytes).ok_or_else(damaged)?;
        known(Part::Trailer, version)?;
        Self::parse(bytes, object_bytes).ok_or_else(damaged)
    }

    /// Reads what a checksum has vouched for.
    pub(super) fn parse(mut bytes: &[u8], object_bytes: u64) -> Option<Self> {
        let rest = &mut bytes;
        let id = SegmentId::decode(rest)?;
        let mut regions = [0; REGIONS];
        for region in &mut regions {
            *region = take_u64(rest)?;
        }
        let mut sealed = [Sealed::default(); 4];
        for sealed in &mut sealed {
            sealed.raw_bytes = take_u32(rest)?;
            sealed.checksum = take_u32(rest)?;
        }
        let totals = Totals {
            records: take_u64(rest)?,
            raw_bytes: take_u64(rest)?,
            positions: (Position(take_u64(rest)?), Position(take_u64(rest)?)),
            stored_at: (Timestamp(take_u64(rest)?), Timestamp(take_u64(rest)?)),
            queues: take_u32(rest)?,
            chunks: take_u32(rest)?,
            hashes: take_u64(rest)?,
        };
        let trailer = Self {
            id,
            totals,
            object_bytes,
            regions,
            sealed,
        };
        trailer.is_sound().then_some(trailer)
    }

    fn is_sound(&self) -> bool {
        let totals = &self.totals;
        let fixed = (HEADER_BYTES + TRAILER_BYTES) as u64;
        let sum = (self.regions.iter()).try_fold(fixed, |sum, region| sum.checked_add(*region));
        let sections = Section::ALL.iter().all(|&section| {
            let (stored, raw) = (self.regions[3 + section as usize], self.sealed_of(section));
            stored <= u64::from(raw.raw_bytes) && raw.raw_bytes as usize <= section.raw_bytes_max()
        });
        sum == Some(self.object_bytes)
            && sections
            && totals.chunks as usize <= CHUNKS_MAX
            && (1..=totals.chunks).contains(&totals.queues)
            && totals.hashes <= HASHES_MAX as u64
            && totals.positions.0 <= totals.positions.1
            && totals.stored_at.0 <= totals.stored_at.1
    }

    pub(super) fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut out = Vec::with_capacity(TRAILER_BYTES);
        out.extend_from_slice(&self.id.encode());
        for region in self.regions {
            out.extend_from_slice(&region.to_le_bytes());
        }
        for sealed in self.sealed {
            out.extend_from_slice(&sealed.raw_bytes.to_le_bytes());
            out.extend_from_slice(&sealed.checksum.to_le_bytes());
        }
        let totals = &self.totals;
        for number in [
            totals.records,
            totals.raw_bytes,
            totals.positions.0.0,
            totals.positions.1.0,
            totals.stored_at.0.0,
            totals.stored_at.1.0,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&totals.queues.to_le_bytes());
        out.extend_from_slice(&totals.chunks.to_le_bytes());
        out.extend_from_slice(&totals.hashes.to_le_bytes());
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..out.len()].copy_from_slice(&out);
        seal(&mut bytes, FORMAT);
        bytes
    }

    /// Where a section lies in the object.
    #[must_use]
    pub fn section(&self, section: Section) -> Range<u64> {
        self.region(3 + section as usize)
    }

    pub(super) fn chunks(&self) -> Range<u64> {
        self.region(0)
    }

    pub(super) fn key_blocks(&self) -> Range<u64> {
        self.region(1)
    }

    pub(super) fn position_blocks(&self) -> Range<u64> {
        self.region(2)
    }

    fn region(&self, nth: usize) -> Range<u64> {
        let before: u64 = self.regions[..nth].iter().sum();
        let start = HEADER_BYTES as u64 + before;
        start..start + self.regions[nth]
    }

    fn sealed_of(&self, section: Section) -> Sealed {
        self.sealed[section as usize]
    }

    /// The raw bytes of a section whose stored bytes were fetched.
    pub(super) fn open(&self, section: Section, stored: &Bytes) -> Result<Bytes, SegmentError> {
        let (range, sealed) = (self.section(section), self.sealed_of(section));
        let sum = self.id.binding().part(section.part(), range.start, stored);
        let whole = stored.len() as u64 == range.end - range.start && sum == sealed.checksum;
        let raw = whole.then(|| pack::unpack(stored, sealed.raw_bytes, section.raw_bytes_max()));
        raw.flatten().ok_or_else(|| self.damaged(section))
    }

    pub(super) fn damaged(&self, section: Section) -> SegmentError {
        SegmentError::Damaged {
            part: section.part(),
            bytes: self.section(section),
        }
    }
}

/// Puts version, magic and checksum behind what is encoded.
pub(super) fn seal(bytes: &mut [u8; TRAILER_BYTES], version: u32) {
    bytes[CHECKSUM_AT + 4..CHECKSUM_AT + 8].copy_from_slice(&version.to_le_bytes());
    bytes[CHECKSUM_AT + 8..].copy_from_slice(&MAGIC);
    let sum = checksum(bytes);
    bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
}

fn checksum(bytes: &[u8; TRAILER_BYTES]) -> u32 {
    crc32c::crc32c_append(
        crc32c::crc32c(&bytes[..CHECKSUM_AT]),
        &bytes[CHECKSUM_AT + 4..],
    )
}

/// The version of a trailer that is whole.
fn version_of(bytes: &[u8; TRAILER_BYTES]) -> Option<u32> {
    let mut rest = &bytes[CHECKSUM_AT..];
    let sum = take_u32(&mut rest)?;
    let version = take_u32(&mut rest)?;
    let magic: [u8; 8] = take(&mut rest)?;
    (sum == checksum(bytes) && magic == MAGIC && version > 0).then_some(version)
}
