//! A whole segment described, for an operator: what it says it holds, and every
//! part of it that cannot be read, with its bytes and offsets. Goes on behind
//! damage as far as what is left allows.

use std::ops::Range;

use bytes::Bytes;

use super::{
    HEADER_BYTES, KeyFilter, KeyIndex, MAGIC, Part, PositionIndex, Section, SegmentError,
    SegmentId, SegmentIndex, Totals, Trailer, decode_header,
};

/// What is in an object.
#[derive(Clone, Debug)]
pub struct Description {
    /// Length of the object.
    pub bytes: u64,
    /// From the trailer, or else from the header.
    pub id: Option<SegmentId>,
    /// Unless the trailer is damaged.
    pub totals: Option<Totals>,
    /// Where each section lies, unless the trailer is damaged.
    pub sections: Vec<(Section, Range<u64>)>,
    /// Queues and chunks, unless the chunk index is damaged.
    pub index: Option<SegmentIndex>,
    /// Blocks of the key and of the position index.
    pub key_blocks: usize,
    pub position_blocks: usize,
    /// All that was found wrong, front to back within each kind.
    pub damage: Vec<SegmentError>,
}

/// Whether an object seems to be a segment, by its first or last bytes.
#[must_use]
pub fn is_segment(first: &[u8], last: &[u8]) -> bool {
    first.starts_with(&MAGIC) || last.ends_with(&MAGIC)
}

/// Reads everything in an object.
#[must_use]
pub fn inspect(object: &Bytes) -> Description {
    let mut found = Description {
        bytes: object.len() as u64,
        id: None,
        totals: None,
        sections: Vec::new(),
        index: None,
        key_blocks: 0,
        position_blocks: 0,
        damage: Vec::new(),
    };
    let header = found.keep(decode_header(object));
    let trailer = found.keep(Trailer::decode_any(object, found.bytes));
    found.id = trailer.as_ref().map(|trailer| trailer.id).or(header);
    let Some(trailer) = trailer else {
        return found;
    };
    if header.is_some_and(|header| header != trailer.id) {
        // Both are whole, so it is the front of another segment.
        found.damage.push(SegmentError::Damaged {
            part: Part::Header,
            bytes: 0..HEADER_BYTES as u64,
        });
    }
    found.totals = Some(trailer.totals);
    found.sections = Section::ALL
        .map(|section| (section, trailer.section(section)))
        .to_vec();
    found.read(object, &trailer);
    found
}

impl Description {
    /// What was read, or a note of why not.
    fn keep<T>(&mut self, read: Result<T, SegmentError>) -> Option<T> {
        read.map_err(|error| self.damage.push(error)).ok()
    }

    fn read(&mut self, object: &Bytes, trailer: &Trailer) {
        let piece = |range: Range<u64>| object.slice(range.start as usize..range.end as usize);
        let stored = piece(trailer.section(Section::Filter));
        let filter = self.keep(KeyFilter::open(trailer, &stored));
        let stored = piece(trailer.section(Section::Keys));
        let keys = self.keep(KeyIndex::decode(trailer, &stored));
        let stored = piece(trailer.section(Section::Positions));
        let positions = self.keep(PositionIndex::decode(trailer, &stored));
        let stored = piece(trailer.section(Section::Chunks));
        let Some(index) = self.keep(SegmentIndex::decode(trailer, &stored)) else {
            return;
        };
        for chunk in index.chunks() {
            self.keep(index.open_chunk(chunk, &piece(chunk.range())));
        }
        if let Some(keys) = keys {
            self.key_blocks = keys.blocks().len();
            self.read_keys(&keys, &index, filter.as_ref(), piece);
        }
        if let Some(positions) = positions {
            self.position_blocks = positions.blocks().len();
            for block in positions.blocks() {
                self.keep(positions.runs(block, &piece(block.range()), &index));
            }
        }
        self.index = Some(index);
    }

    fn read_keys(
        &mut self,
        keys: &KeyIndex,
        index: &SegmentIndex,
        filter: Option<&KeyFilter>,
        piece: impl Fn(Range<u64>) -> Bytes,
    ) {
        let mut missed = false;
        for block in keys.blocks() {
            let rows = self.keep(keys.open(block, &piece(block.range()), index));
            let mut hashes = rows.iter().flatten().map(|(hash, _)| *hash);
            missed |= filter.is_some_and(|filter| hashes.any(|hash| !filter.may_hold(hash)));
        }
        if missed {
            // It would hide records from whoever asks it.
            self.damage.push(SegmentError::DamagedFilter);
        }
    }
}
