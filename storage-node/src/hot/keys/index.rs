//! The index record of a chunk: the hashes of its keys and ids in order, with
//! the place of each. One record a chunk, because tiny values are dear.

use firn_protocol::ids::Position;

use super::{Envelope, ValueError, u32_le, u64_le, unseal};
use crate::hot::IndexEntry;

/// Count, lowest and highest position, width of a position.
const HEADER_BYTES: usize = 4 + 8 + 8 + 1;
const HASH_BYTES: usize = 8;
const INDEX_BYTES: usize = 4;

pub(in crate::hot) fn encode(key: &[u8], entries: &[IndexEntry]) -> Vec<u8> {
    let mut sorted = entries.to_vec();
    sorted.sort_unstable_by_key(|entry| (entry.hash, entry.index));
    let positions = || entries.iter().map(|entry| entry.position.0);
    let first = positions().min().unwrap_or(0);
    let last = positions().max().unwrap_or(0);
    let width = if last - first <= u64::from(u32::MAX) {
        4
    } else {
        8
    };
    let each = HASH_BYTES + INDEX_BYTES + width;
    let mut value = Envelope::with_capacity(HEADER_BYTES + sorted.len() * each);
    let out = &mut value.0;
    out.extend_from_slice(&(sorted.len() as u32).to_le_bytes());
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
    out.push(width as u8);
    for entry in &sorted {
        out.extend_from_slice(&entry.hash.to_le_bytes());
    }
    for entry in &sorted {
        out.extend_from_slice(&entry.index.to_le_bytes());
    }
    for entry in &sorted {
        let above = (entry.position.0 - first).to_le_bytes();
        out.extend_from_slice(&above[..width]);
    }
    value.seal(key)
}

/// An index record, searched where it lies.
pub(in crate::hot) struct Index<'a> {
    count: usize,
    /// Of the lowest and highest record in it.
    pub(in crate::hot) first: Position,
    pub(in crate::hot) last: Position,
    hashes: &'a [u8],
    indexes: &'a [u8],
    positions: &'a [u8],
    width: usize,
}

impl<'a> Index<'a> {
    pub(in crate::hot) fn read(key: &[u8], value: &'a [u8]) -> Result<Self, ValueError> {
        let payload = unseal(key, value)?;
        let read = || {
            let count = u32_le(payload, 0)? as usize;
            let width = usize::from(*payload.get(20)?);
            let (hashes, rest) =
                payload[HEADER_BYTES..].split_at_checked(count.checked_mul(HASH_BYTES)?)?;
            let (indexes, positions) = rest.split_at_checked(count.checked_mul(INDEX_BYTES)?)?;
            let whole = matches!(width, 4 | 8) && positions.len() == count.checked_mul(width)?;
            whole.then_some(Self {
                count,
                first: Position(u64_le(payload, 4)?),
                last: Position(u64_le(payload, 12)?),
                hashes,
                indexes,
                positions,
                width,
            })
        };
        read().ok_or(ValueError::Damaged)
    }

    /// Index in the chunk and position of each record with this hash.
    pub(in crate::hot) fn hits(&self, hash: u64) -> impl Iterator<Item = (u32, Position)> + '_ {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.hash(middle) < Some(hash) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..self.count)
            .take_while(move |&at| self.hash(at) == Some(hash))
            .filter_map(|at| Some((u32_le(self.indexes, at * INDEX_BYTES)?, self.position(at)?)))
    }

    fn hash(&self, at: usize) -> Option<u64> {
        u64_le(self.hashes, at * HASH_BYTES)
    }

    fn position(&self, at: usize) -> Option<Position> {
        let above = if self.width == 4 {
            u32_le(self.positions, at * 4)?.into()
        } else {
            u64_le(self.positions, at * 8)?
        };
        self.first.0.checked_add(above).map(Position)
    }
}
