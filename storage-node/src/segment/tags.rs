//! Which tags a chunk holds, so that a filter can pass over it unread.

use smallvec::SmallVec;

use super::hash::TagHash;
use super::limits::TAGS_MAX;
use crate::varint::Reader;

/// In place of a number of hashes.
const ANY: u8 = 0xFF;
const UNTAGGED: u8 = 0x40;

/// Longest stored form.
pub(super) const TAGS_BYTES_MAX: usize = 1 + TAGS_MAX * 4;

/// Tags of the records of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagSummary {
    /// There are too many to list.
    Any,
    /// Exactly these, in order, and records without a tag if `untagged`.
    Exact {
        hashes: Box<[TagHash]>,
        untagged: bool,
    },
}

impl TagSummary {
    /// Whether a record with one of these tags may be in the chunk. A `false` is
    /// certain; a `true` may be due to a collision of hashes.
    #[must_use]
    pub fn may_hold(&self, tags: &[TagHash]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact { hashes, .. } => tags.iter().any(|tag| hashes.binary_search(tag).is_ok()),
        }
    }

    /// Whether a record without a tag may be in the chunk.
    #[must_use]
    pub fn may_hold_untagged(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Exact { untagged, .. } => *untagged,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Any => out.push(ANY),
            Self::Exact { hashes, untagged } => {
                let flag = if *untagged { UNTAGGED } else { 0 };
                out.push(hashes.len() as u8 | flag);
                for hash in hashes {
                    out.extend_from_slice(&hash.0.to_le_bytes());
                }
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let head = reader.byte()?;
        if head == ANY {
            return Some(Self::Any);
        }
        let count = usize::from(head & !UNTAGGED);
        if count > TAGS_MAX {
            return None;
        }
        let mut hashes = SmallVec::<[TagHash; TAGS_MAX]>::new();
        for _ in 0..count {
            let hash = TagHash(u32_of(reader)?);
            if hashes.last().is_some_and(|last| *last >= hash) {
                return None;
            }
            hashes.push(hash);
        }
        Some(Self::Exact {
            hashes: hashes.as_slice().into(),
            untagged: head & UNTAGGED != 0,
        })
    }
}

/// Four bytes, little-endian.
pub(super) fn u32_of(reader: &mut Reader<'_>) -> Option<u32> {
    let bytes = [
        reader.byte()?,
        reader.byte()?,
        reader.byte()?,
        reader.byte()?,
    ];
    Some(u32::from_le_bytes(bytes))
}

/// A summary in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct TagSet {
    hashes: SmallVec<[TagHash; 4]>,
    untagged: bool,
    overflown: bool,
}

impl TagSet {
    pub(super) fn add(&mut self, tag: Option<TagHash>) {
        let Some(tag) = tag else {
            self.untagged = true;
            return;
        };
        if let Err(at) = self.hashes.binary_search(&tag) {
            if self.hashes.len() < TAGS_MAX {
                self.hashes.insert(at, tag);
            } else {
                self.overflown = true;
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.untagged |= other.untagged;
        self.overflown |= other.overflown;
        other.hashes.iter().for_each(|&tag| self.add(Some(tag)));
    }

    pub(super) fn summary(&self) -> TagSummary {
        if self.overflown {
            return TagSummary::Any;
        }
        TagSummary::Exact {
            hashes: self.hashes.as_slice().into(),
            untagged: self.untagged,
        }
    }
}
