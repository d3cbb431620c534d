//! The fixed front of a segment, and how its checksums are bound to the segment
//! and to a place in it. Numbers are little-endian.

use firn_protocol::ids::{BrokerId, Generation, InstanceId, Offset, QueueKey, TenantId};

use super::error::{Part, SegmentError};
use super::hash::Seed;
use crate::hot::BrokerKey;

/// First and last eight bytes of every segment, in every version.
pub const MAGIC: [u8; 8] = *b"firn-seg";
/// Version of all parts of a segment; a newer one is refused (RULES 12).
pub const FORMAT: u32 = 1;
/// Magic, version, identity, checksum.
pub const HEADER_BYTES: usize = 8 + 4 + ID_BYTES + 4;

pub(super) const ID_BYTES: usize = 8 + 8 + 4 + 4 + 16;

/// Which segment it is. No two segments have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentId {
    /// The only broker whose records are in it.
    pub broker: BrokerKey,
    /// Of the owner that wrote it.
    pub generation: Generation,
    /// Drawn anew for each attempt to write a segment.
    pub seed: Seed,
}

impl SegmentId {
    pub(super) fn encode(&self) -> [u8; ID_BYTES] {
        let mut out = [0; ID_BYTES];
        out[..8].copy_from_slice(&self.broker.tenant.0.to_le_bytes());
        out[8..16].copy_from_slice(&self.broker.instance.0.to_le_bytes());
        out[16..20].copy_from_slice(&self.broker.broker.0.to_le_bytes());
        out[20..24].copy_from_slice(&self.generation.0.to_le_bytes());
        out[24..].copy_from_slice(&self.seed.0);
        out
    }

    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            broker: BrokerKey {
                tenant: TenantId(take_u64(bytes)?),
                instance: InstanceId(take_u64(bytes)?),
                broker: BrokerId(take_u32(bytes)?),
            },
            generation: Generation(take_u32(bytes)?),
            seed: Seed(take(bytes)?),
        })
    }

    pub(super) fn binding(&self) -> Binding {
        Binding(crc32c::crc32c(&self.encode()))
    }
}

/// What every checksum of a segment begins with, so that bytes of another
/// segment do not pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding(u32);

impl Binding {
    /// Checksum of the stored bytes of a chunk.
    pub(super) fn chunk(self, queue: QueueKey, first: Offset, stored: &[u8]) -> u32 {
        let mut place = [0; 20];
        // No part has the number 0.
        place[1] = queue.topic.kind();
        place[2..10].copy_from_slice(&queue.topic.number().to_le_bytes());
        place[10..12].copy_from_slice(&queue.queue.0.to_le_bytes());
        place[12..].copy_from_slice(&first.0.to_le_bytes());
        self.over(&place, stored)
    }

    /// Checksum of the stored bytes of another part, which begins at `at`.
    pub(super) fn part(self, part: Part, at: u64, stored: &[u8]) -> u32 {
        let mut place = [0; 9];
        place[0] = part as u8;
        place[1..].copy_from_slice(&at.to_le_bytes());
        self.over(&place, stored)
    }

    fn over(self, place: &[u8], stored: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, place), stored)
    }
}

pub(super) fn encode_header(id: &SegmentId) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    out[12..HEADER_BYTES - 4].copy_from_slice(&id.encode());
    let sum = crc32c::crc32c(&out[..HEADER_BYTES - 4]);
    out[HEADER_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
    out
}

/// Whose segment it is, from the first [`HEADER_BYTES`] or more. A reader needs
/// it only where the trailer is lost.
///
/// # Errors
/// `Damaged`, `Cut` or `Newer`.
pub fn decode_header(object: &[u8]) -> Result<SegmentId, SegmentError> {
    let damaged = || SegmentError::Damaged {
        part: Part::Header,
        bytes: 0..HEADER_BYTES as u64,
    };
    let mut rest = object.get(..HEADER_BYTES).ok_or(SegmentError::Cut {
        bytes: object.len() as u64,
    })?;
    let sum = crc32c::crc32c(&rest[..HEADER_BYTES - 4]);
    let mut read = || {
        let magic: [u8; 8] = take(&mut rest)?;
        let version = take_u32(&mut rest)?;
        let id = SegmentId::decode(&mut rest)?;
        let fits = magic == MAGIC && version > 0 && take_u32(&mut rest)? == sum;
        fits.then_some((version, id))
    };
    let (version, id) = read().ok_or_else(damaged)?;
    known(Part::Header, version)?;
    Ok(id)
}

/// Refuses a newer version; called once a checksum has vouched for the number.
pub(super) fn known(part: Part, found: u32) -> Result<(), SegmentError> {
    if found > FORMAT {
        return Err(SegmentError::Newer {
            part,
            found,
            known: FORMAT,
        });
    }
    Ok(())
}

/// Splits the first `N` bytes off.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

pub(super) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(u32::from_le_bytes)
}

pub(super) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}
