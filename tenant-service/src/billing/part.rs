//! A part of the books as it is kept in the object store: rows that were written
//! between two marks. Parts follow one another without a gap, are numbered from 1, and
//! never change; together they are the books but for what is open, which comes of the
//! events again (docs/decisions/0025-books-in-the-bucket.md).
//!
//! As bytes: magic, version, catalogue, line, first and last mark, length of the body,
//! body (postcard, packed with zstd), CRC-32C over all before it.

use std::io::Read as _;

use firn_protocol::{InstanceId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::ExportError;

const MAGIC: [u8; 4] = *b"FBOK";
/// The newest that is read, and the one that is written.
pub(crate) const VERSION: u16 = 1;
/// Magic, version, catalogue, line, marks, length.
const HEAD_BYTES: usize = 4 + 2 + 16 + 16 + 8 + 8 + 4;
const CHECKSUM_BYTES: usize = 4;
/// The body before it is packed.
const BODY_BYTES_MAX: u32 = 1 << 30;
const OBJECT_BYTES_MAX: usize = 512 << 20;
const ZSTD_LEVEL: i32 = 3;
/// Memory of the unpacker, whatever the bytes ask for: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// What every version says of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartHead {
    pub version: u16,
    /// Whose books these are.
    pub catalogue: u128,
    /// Drawn by each database anew: tells one's own earlier attempt from what another
    /// machine wrote under the same number.
    pub line: u128,
    /// The last mark of the part before; `None` in the first.
    pub after: Option<u64>,
    /// The last mark that it has.
    pub to: u64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BooksPart {
    pub head: PartHead,
    pub(crate) rows: Rows,
}

/// The rows of a part. Numbers are as the database has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rows {
    /// Since when there are books, in ms.
    pub(crate) since: Option<u64>,
    /// The last month whose bills are closed.
    pub(crate) closed_month: Option<u32>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) calls: Vec<CallsRow>,
    pub(crate) samples: Vec<SampleRow>,
    /// Those that closed, whole.
    pub(crate) revisions: Vec<RevisionRow>,
    pub(crate) bills: Vec<BillRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) broker: i64,
    pub(crate) generation: i64,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    pub(crate) tenant: i64,
    pub(crate) instance: i64,
    pub(crate) received_at: i64,
    /// What `event::pack` makes.
    pub(crate) counts: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallsRow {
    pub(crate) source: Vec<u8>,
    pub(crate) number: i64,
    pub(crate) instance: i64,
    pub(crate) hour: i64,
    pub(crate) received_at: i64,
    pub(crate) calls: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SampleRow {
    pub(crate) broker: i64,
    pub(crate) hour: i64,
    pub(crate) instance: i64,
    /// What `stored::point` makes.
    pub(crate) points: String,
    pub(crate) until: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RevisionRow {
    pub(crate) instance: i64,
    pub(crate) hour: i64,
    pub(crate) revision: i64,
    pub(crate) opened_at: i64,
    pub(crate) closed_at: i64,
    pub(crate) month: i64,
    pub(crate) topics: Vec<TopicRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicRow {
    pub(crate) kind: i64,
    pub(crate) topic: i64,
    /// In the order of the table's columns.
    pub(crate) sums: [i64; 9],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BillRow {
    pub(crate) tenant: i64,
    pub(crate) month: i64,
    pub(crate) closed_at: i64,
    /// Empty until it was worked out.
    pub(crate) body: String,
}

/// What an instance was from a time on; goes with the catalogue, see `export`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredTerm {
    pub(crate) instance: InstanceId,
    pub(crate) tenant: TenantId,
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) plan: String,
    pub(crate) since: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) expires: Option<Timestamp>,
}

impl Rows {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.calls.is_empty()
            && self.samples.is_empty()
            && self.revisions.is_empty()
            && self.bills.is_empty()
    }
}

impl BooksPart {
    /// Nothing happened that a part would tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The object.
    ///
    /// # Errors
    /// When it is larger than a reader would take.
    pub fn pack(&self) -> Result<Vec<u8>, ExportError> {
        let plain = postcard::to_stdvec(&self.rows)
            .map_err(|_| ExportError::Damaged("a row does not encode"))?;
        let too_large = |bytes: usize, max: u64| ExportError::TooLarge {
            bytes: bytes as u64,
            max,
        };
        let body_bytes = u32::try_from(plain.len())
            .ok()
            .filter(|bytes| *bytes <= BODY_BYTES_MAX)
            .ok_or_else(|| too_large(plain.len(), BODY_BYTES_MAX.into()))?;
        let body = zstd::bulk::compress(&plain, ZSTD_LEVEL)
            .map_err(|_| ExportError::Damaged("the body does not pack"))?;
        let mut out = Vec::with_capacity(HEAD_BYTES + body.len() + CHECKSUM_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.head.version.to_le_bytes());
        out.extend_from_slice(&self.head.catalogue.to_le_bytes());
        out.extend_from_slice(&self.head.line.to_le_bytes());
        // No mark is as high: none before is stored as this.
        out.extend_from_slice(&self.head.after.unwrap_or(u64::MAX).to_le_bytes());
        out.extend_from_slice(&self.head.to.to_le_bytes());
        out.extend_from_slice(&body_bytes.to_le_bytes());
        out.extend_from_slice(&body);
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        if out.len() > OBJECT_BYTES_MAX {
            return Err(too_large(out.len(), OBJECT_BYTES_MAX as u64));
        }
        Ok(out)
    }

    /// Reads a part back.
    ///
    /// # Errors
    /// When the bytes are damaged or of a newer version.
    pub fn unpack(bytes: &[u8]) -> Result<Self, ExportError> {
        let (head, body_bytes, packed) = open(bytes)?;
        if head.version > VERSION {
            return Err(ExportError::Newer {
                found: head.version,
                known: VERSION,
            });
        }
        let damaged = ExportError::Damaged;
        let plain = inflate(packed, body_bytes)?;
        let (rows, rest) =
            postcard::take_from_bytes(&plain).map_err(|_| damaged("its body is malformed"))?;
        if !rest.is_empty() {
            return Err(damaged("bytes follow its body"));
        }
        Ok(Self { head, rows })
    }
}

impl PartHead {
    /// What every version says about itself.
    ///
    /// # Errors
    /// When the bytes are no part of any books, or damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, ExportError> {
        open(bytes).map(|(head, ..)| head)
    }
}

/// Head, length of the body, and the packed body, once the checksum fits.
fn open(bytes: &[u8]) -> Result<(PartHead, u32, &[u8]), ExportError> {
    let damaged = ExportError::Damaged;
    if bytes.len() > OBJECT_BYTES_MAX {
        return Err(damaged("it is too large"));
    }
    let (covered, checksum) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(damaged("it is too short"))?;
    if covered.len() < HEAD_BYTES {
        return Err(damaged("it is too short"));
    }
    let (head, body) = covered.split_at(HEAD_BYTES);
    if head[..4] != MAGIC {
        return Err(damaged("it is no part of the books"));
    }
    if *checksum != crc32c::crc32c(covered).to_le_bytes() {
        return Err(damaged("its checksum does not fit"));
    }
    let wide = |at: usize| {
        let mut field = [0; 16];
        field.copy_from_slice(&head[at..at + 16]);
        u128::from_le_bytes(field)
    };
    let mark = |at: usize| {
        let mut field = [0; 8];
        field.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(field)
    };
    let version = u16::from_le_bytes([head[4], head[5]]);
    if version == 0 {
        return Err(damaged("its head is malformed"));
    }
    let head_read = PartHead {
        version,
        catalogue: wide(6),
        line: wide(22),
        after: Some(mark(38)).filter(|after| *after != u64::MAX),
        to: mark(46),
    };
    let body_bytes = u32::from_le_bytes([head[54], head[55], head[56], head[57]]);
    Ok((head_read, body_bytes, body))
}

/// Grows with what really comes out, up to one byte more than was announced.
fn inflate(packed: &[u8], body_bytes: u32) -> Result<Vec<u8>, ExportError> {
    let broken = |_| ExportError::Damaged("its body does not unpack");
    if body_bytes > BODY_BYTES_MAX {
        return Err(ExportError::Damaged("its body is too large"));
    }
    let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(broken)?;
    decoder
        .window_log_max(ZSTD_WINDOW_LOG_MAX)
        .map_err(broken)?;
    let mut plain = Vec::new();
    let mut body = decoder.take(u64::from(body_bytes) + 1);
    body.read_to_end(&mut plain).map_err(broken)?;
    match plain.len() as u64 == u64::from(body_bytes) {
        true => Ok(plain),
        false => Err(ExportError::Damaged(
            "its body has another length than it says",
        )),
    }
}

#[cfg(test)]
mod tests;
