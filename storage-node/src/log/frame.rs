//! One frame: an entry of one broker in the log, version 1.
//!
//! 48 bytes of header and the payload. The header has a checksum of its own
//! that covers the payload's, so a reader can name a frame whose payload is
//! damaged. Both are seeded with log, incarnation and LSN: a frame is valid at
//! one place in the history of one log.

use std::fmt;

use crc32c::{crc32c, crc32c_append};
use firn_protocol::{BrokerId, Generation, InstanceId, TenantId};

/// Log sequence number: the frame's place in the log, dense, from 1; 0 is before all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before the first frame.
    pub const ZERO: Self = Self(0);

    /// The one after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The one before; 0 stays.
    #[must_use]
    pub fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whose entry a frame is. The log stores these and gives them no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    pub tenant: TenantId,
    pub instance: InstanceId,
    pub broker: BrokerId,
    pub generation: Generation,
    /// The entry's number in its broker.
    pub seq: u64,
    /// What the payload is.
    pub kind: u8,
}

/// Where a frame is stored; enough to read and verify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogPlace {
    pub lsn: Lsn,
    /// Number of the file.
    pub file: u64,
    /// Incarnation that wrote it.
    pub incarnation: u64,
    /// Byte in the file where the frame's header begins.
    pub offset: u32,
    /// Bytes of the payload.
    pub len: u32,
}

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 48;
/// Bytes of the frame header under its own checksum.
const COVERED: usize = 44;

/// What the checksums of one frame start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed {
    pub(super) log_id: u64,
    pub(super) incarnation: u64,
    pub(super) lsn: Lsn,
}

impl Seed {
    fn crc(self) -> u32 {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[16..].copy_from_slice(&self.lsn.0.to_le_bytes());
        crc32c(&bytes)
    }
}

/// A frame header as found in a batch, verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawFrame {
    pub(super) header: FrameHeader,
    pub(super) len: u32,
    payload_crc: u32,
}

/// Writes a frame's header over the first 48 bytes of `frame`, whose rest is the payload.
pub(super) fn seal(frame: &mut [u8], header: &FrameHeader, index: u16, seed: Seed) {
    let (head, payload) = frame.split_at_mut(FRAME_HEADER_BYTES);
    let len = u32::try_from(payload.len()).expect("a frame fits a file of at most 1 GiB");
    head[..4].copy_from_slice(&header.broker.0.to_le_bytes());
    head[4..8].copy_from_slice(&header.generation.0.to_le_bytes());
    head[8..16].copy_from_slice(&header.seq.to_le_bytes());
    head[16..24].copy_from_slice(&header.tenant.0.to_le_bytes());
    head[24..32].copy_from_slice(&header.instance.0.to_le_bytes());
    head[32] = header.kind;
    head[33] = 0;
    head[34..36].copy_from_slice(&index.to_le_bytes());
    head[36..40].copy_from_slice(&len.to_le_bytes());
    let seed = seed.crc();
    head[40..44].copy_from_slice(&crc32c_append(seed, payload).to_le_bytes());
    let crc = crc32c_append(seed, &head[..COVERED]);
    head[COVERED..].copy_from_slice(&crc.to_le_bytes());
}

/// The place in its batch that the header at the start of `bytes` claims, unverified.
pub(super) fn claimed_index(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[34], bytes[35]])
}

/// Reads a frame header; `None` if it is not the header of exactly this frame.
pub(super) fn open(bytes: &[u8], index: u16, seed: Seed) -> Option<RawFrame> {
    let head: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
    if claimed_index(head) != index || head[33] != 0 {
        return None;
    }
    if crc32c_append(seed.crc(), &head[..COVERED]) != u32_at(head, COVERED) {
        return None;
    }
    Some(RawFrame {
        header: FrameHeader {
            broker: BrokerId(u32_at(head, 0)),
            generation: Generation(u32_at(head, 4)),
            seq: u64_at(head, 8),
            tenant: TenantId(u64_at(head, 16)),
            instance: InstanceId(u64_at(head, 24)),
            kind: head[32],
        },
        len: u32_at(head, 36),
        payload_crc: u32_at(head, 40),
    })
}

impl RawFrame {
    /// Whether these are the bytes that the header was made for.
    pub(super) fn verify(&self, payload: &[u8], seed: Seed) -> bool {
        crc32c_append(seed.crc(), payload) == self.payload_crc
    }
}

/// Little-endian number at a place that the caller knows to be inside.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes[at..at + 4].try_into();
    u32::from_le_bytes(bytes.expect("the range has four bytes"))
}

/// Little-endian number at a place that the caller knows to be inside.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..at + 8].try_into();
    u64::from_le_bytes(bytes.expect("the range has eight bytes"))
}
