//! A filter over the hashes of a segment's keys and ids: it says *certainly not
//! here* or *maybe*. A split-block Bloom filter as Apache Parquet specifies it:
//! blocks of 256 bits, one bit in each of their eight words.
//!
//! Stored: version, CRC-32C over all the rest, seed, blocks. It carries the seed
//! so that a manifest that holds it needs nothing of the segment.

use bytes::Bytes;

use super::error::{Part, SegmentError};
use super::format::take;
use super::hash::{KeyHash, Seed};
use super::limits::FILTER_BYTES_MAX;
use super::trailer::{Section, Trailer};

/// Version of the stored filter, which also stands outside segments.
pub(super) const FILTER_FORMAT: u32 = 1;
/// Version, checksum, seed.
const HEAD_BYTES: usize = 4 + 4 + 16;
const BLOCK_BYTES: usize = 32;
/// Room for a hash while the bound allows it: one look-up in 200 is in vain.
const BITS_A_HASH: usize = 12;
/// Given by the specification of the filter.
const SALTS: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// A filter over shared bytes.
#[derive(Clone, Debug)]
pub struct KeyFilter {
    seed: Seed,
    blocks: Bytes,
}

impl KeyFilter {
    /// Reads [`Section::Filter`] as fetched.
    ///
    /// # Errors
    /// `Damaged`, `DamagedFilter`, or `Newer`.
    pub fn open(trailer: &Trailer, stored: &Bytes) -> Result<Self, SegmentError> {
        Self::decode(&trailer.open(Section::Filter, stored)?)
    }

    /// Reads a filter as [`super::SegmentSummary`] has it; copies nothing.
    ///
    /// # Errors
    /// `DamagedFilter`, or `Newer`.
    pub fn decode(bytes: &Bytes) -> Result<Self, SegmentError> {
        let mut rest = &bytes[..];
        let mut read = || {
            let version = u32::from_le_bytes(take(&mut rest)?);
            let sum = u32::from_le_bytes(take(&mut rest)?);
            let fits = sum == checksum(version, rest) && bytes.len() <= FILTER_BYTES_MAX;
            let seed = Seed(take(&mut rest)?);
            let whole = !rest.is_empty() && rest.len().is_multiple_of(BLOCK_BYTES);
            (fits && version > 0).then_some((version, seed, whole))
        };
        let (version, seed, whole) = read().ok_or(SegmentError::DamagedFilter)?;
        // Only now: a flipped bit must not pass for a newer version.
        if version > FILTER_FORMAT {
            return Err(SegmentError::Newer {
                part: Part::Filter,
                found: version,
                known: FILTER_FORMAT,
            });
        }
        if !whole {
            return Err(SegmentError::DamagedFilter);
        }
        Ok(Self {
            seed,
            blocks: bytes.slice(HEAD_BYTES..),
        })
    }

    /// What hashes are made with.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// `false`: no record of the segment has this hash.
    #[must_use]
    pub fn may_hold(&self, hash: KeyHash) -> bool {
        let at = block_of(hash, self.blocks.len() / BLOCK_BYTES) * BLOCK_BYTES;
        let mut words = &self.blocks[at..at + BLOCK_BYTES];
        bits_of(hash).iter().all(|bit| {
            let word = take(&mut words).map(u32::from_le_bytes);
            word.is_some_and(|word| word & bit != 0)
        })
    }
}

/// The stored filter over these hashes, at most `bytes_max` long and never longer
/// than [`FILTER_BYTES_MAX`]. Too little room makes it say *maybe* more often.
pub(super) fn encode(
    seed: Seed,
    hashes: impl ExactSizeIterator<Item = KeyHash>,
    bytes_max: usize,
) -> Vec<u8> {
    let room = bytes_max.min(FILTER_BYTES_MAX).saturating_sub(HEAD_BYTES) / BLOCK_BYTES;
    let wanted = (hashes.len() * BITS_A_HASH).div_ceil(BLOCK_BYTES * 8);
    let count = wanted.min(room).max(1);
    let mut blocks = vec![[0_u32; 8]; count];
    for hash in hashes {
        let block = &mut blocks[block_of(hash, count)];
        for (word, bit) in block.iter_mut().zip(bits_of(hash)) {
            *word |= bit;
        }
    }
    let mut out = Vec::with_capacity(HEAD_BYTES + count * BLOCK_BYTES);
    out.extend_from_slice(&FILTER_FORMAT.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&seed.0);
    for word in blocks.iter().flatten() {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let sum = checksum(FILTER_FORMAT, &out[8..]);
    out[4..8].copy_from_slice(&sum.to_le_bytes());
    out
}

fn block_of(hash: KeyHash, blocks: usize) -> usize {
    (((hash.0 >> 32) * blocks as u64) >> 32) as usize
}

fn bits_of(hash: KeyHash) -> [u32; 8] {
    SALTS.map(|salt| 1 << ((hash.0 as u32).wrapping_mul(salt) >> 27))
}

fn checksum(version: u32, rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&version.to_le_bytes()), rest)
}
