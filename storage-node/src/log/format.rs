//! Headers of log files and batches, version 1; all numbers little-endian.
//!
//! A file is a header block of 512 bytes and then batches, each at a 512-byte
//! boundary: header, frames, zeros up to the next boundary. Magic, version, log
//! id and the place of the checksum stay the same in every version, so that a newer
//! header is told from a damaged one. A header names its log and file, so what
//! a recycled file held before never passes for its contents.

use crc32c::crc32c;

use super::frame::{Lsn, u32_at, u64_at};

/// Batches begin at multiples of this; a disk writes this much in one piece.
pub(super) const BLOCK: u64 = 512;
/// Version that this code writes, and the newest it reads.
pub(super) const VERSION: u16 = 1;
/// Bytes of a batch before its frames.
pub(super) const BATCH_HEADER_BYTES: usize = 72;
/// Largest log file; keeps every length and offset in 32 bits.
pub const FILE_BYTES_MAX: u64 = 1 << 30;
/// Frames in one batch at most; their index is a `u16`.
pub(super) const BATCH_FRAMES_MAX: usize = 1 << 16;

const FILE_MAGIC: u32 = u32::from_le_bytes(*b"FRNL");
const BATCH_MAGIC: u32 = u32::from_le_bytes(*b"FRNB");
/// Where the checksum is in both headers; it covers what is before it.
const CRC_AT: usize = 64;

/// The batch has no frames: it marks where the log ended.
pub(super) const FLAG_TERMINATOR: u16 = 1;
/// The file held other things before; its unwritten part is not zero.
pub(super) const FLAG_RECYCLED: u16 = 1;

/// First block of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    pub log_id: u64,
    pub file: u64,
    /// Incarnation that began the file.
    pub incarnation: u64,
    /// First LSN of that incarnation: what earlier ones wrote from there on does not count.
    pub began: Lsn,
    /// First LSN in this file.
    pub first_lsn: Lsn,
    /// Bytes of the file when it was made; a shorter file has been cut.
    pub file_bytes: u64,
    /// Whether the file held other things before.
    pub recycled: bool,
}

/// Header of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub log_id: u64,
    pub file: u64,
    pub incarnation: u64,
    /// First LSN of that incarnation: what earlier ones wrote from there on does not count.
    pub began: Lsn,
    pub first_lsn: Lsn,
    /// All up to here was durable when this was written.
    pub synced: Lsn,
    /// Bytes of the frames, padding excluded.
    pub frame_bytes: u32,
    pub frame_count: u32,
    /// Marks the end of the log at an opening or a clean stop.
    pub terminator: bool,
}

/// What stands where a header should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<T> {
    Valid(T),
    /// A valid header of a later version of the format.
    Newer {
        version: u16,
        log_id: u64,
    },
    Nothing,
}

impl FileHeader {
    pub(super) fn encode(&self) -> [u8; BLOCK as usize] {
        let mut block = [0; BLOCK as usize];
        let flags = if self.recycled { FLAG_RECYCLED } else { 0 };
        begin(&mut block, FILE_MAGIC, flags);
        let numbers = [
            self.log_id,
            self.file,
            self.incarnation,
            self.began.0,
            self.first_lsn.0,
            self.file_bytes,
        ];
        finish(&mut block, numbers);
        block
    }

    pub(super) fn decode(bytes: &[u8]) -> Found<Self> {
        match check(bytes, FILE_MAGIC) {
            Found::Valid(flags) => Found::Valid(Self {
                log_id: u64_at(bytes, 8),
                file: u64_at(bytes, 16),
                incarnation: u64_at(bytes, 24),
                began: Lsn(u64_at(bytes, 32)),
                first_lsn: Lsn(u64_at(bytes, 40)),
                file_bytes: u64_at(bytes, 48),
                recycled: flags & FLAG_RECYCLED != 0,
            }),
            Found::Newer { version, log_id } => Found::Newer { version, log_id },
            Found::Nothing => Found::Nothing,
        }
    }
}

impl BatchHeader {
    pub(super) fn encode(&self, target: &mut [u8]) {
        let flags = if self.terminator { FLAG_TERMINATOR } else { 0 };
        begin(target, BATCH_MAGIC, flags);
        let numbers = [
            self.log_id,
            self.file,
            self.incarnation,
            self.began.0,
            self.first_lsn.0,
            self.synced.0,
        ];
        target[56..60].copy_from_slice(&self.frame_bytes.to_le_bytes());
        target[60..64].copy_from_slice(&self.frame_count.to_le_bytes());
        finish(target, numbers);
        target[CRC_AT + 4..BATCH_HEADER_BYTES].fill(0);
    }

    pub(super) fn decode(bytes: &[u8]) -> Found<Self> {
        match check(bytes, BATCH_MAGIC) {
            Found::Valid(flags) => Found::Valid(Self {
                log_id: u64_at(bytes, 8),
                file: u64_at(bytes, 16),
                incarnation: u64_at(bytes, 24),
                began: Lsn(u64_at(bytes, 32)),
                first_lsn: Lsn(u64_at(bytes, 40)),
                synced: Lsn(u64_at(bytes, 48)),
                frame_bytes: u32_at(bytes, 56),
                frame_count: u32_at(bytes, 60),
                terminator: flags & FLAG_TERMINATOR != 0,
            }),
            Found::Newer { version, log_id } => Found::Newer { version, log_id },
            Found::Nothing => Found::Nothing,
        }
    }

    /// Bytes from this batch to the next.
    pub(super) fn extent(&self) -> u64 {
        padded(BATCH_HEADER_BYTES as u64 + u64::from(self.frame_bytes))
    }

    /// The LSN after its last frame.
    pub(super) fn end(&self) -> Lsn {
        Lsn(self.first_lsn.0.saturating_add(u64::from(self.frame_count)))
    }
}

/// Rounds up to a block boundary.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

fn begin(target: &mut [u8], magic: u32, flags: u16) {
    target[..4].copy_from_slice(&magic.to_le_bytes());
    target[4..6].copy_from_slice(&VERSION.to_le_bytes());
    target[6..8].copy_from_slice(&flags.to_le_bytes());
}

/// Stores the numbers from byte 8 on, and the checksum over all before it.
fn finish(target: &mut [u8], numbers: [u64; 6]) {
    for (n, number) in numbers.iter().enumerate() {
        target[8 + 8 * n..16 + 8 * n].copy_from_slice(&number.to_le_bytes());
    }
    let crc = crc32c(&target[..CRC_AT]);
    target[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The flags of a valid header.
fn check(bytes: &[u8], magic: u32) -> Found<u16> {
    if bytes.len() < BATCH_HEADER_BYTES || u32_at(bytes, 0) != magic {
        return Found::Nothing;
    }
    if crc32c(&bytes[..CRC_AT]) != u32_at(bytes, CRC_AT) {
        return Found::Nothing;
    }
    let word = u32_at(bytes, 4);
    let (version, flags) = (word as u16, (word >> 16) as u16);
    match version {
        VERSION => Found::Valid(flags),
        0 => Found::Nothing,
        version => Found::Newer {
            version,
            log_id: u64_at(bytes, 8),
        },
    }
}
