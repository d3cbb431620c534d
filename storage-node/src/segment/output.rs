//! The bytes of a segment on their way out, front to back: compressed where it
//! pays, counted and summed, and kept until somebody takes them.

use bytes::{Bytes, BytesMut};

use super::blocks::BlockPlace;
use super::error::{Part, SegmentError};
use super::format::{Binding, SegmentId, encode_header};
use super::pack::Packer;
use super::trailer::{Sealed, Section};

/// What has been written and not taken.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) binding: Binding,
    packer: Packer,
    pending: BytesMut,
    at: u64,
    checksum: u32,
}

impl Output {
    /// Begins with the header.
    pub(super) fn new(id: &SegmentId, compression_level: i32) -> Result<Self, SegmentError> {
        let mut out = Self {
            binding: id.binding(),
            packer: Packer::new(compression_level)?,
            pending: BytesMut::new(),
            at: 0,
            checksum: 0,
        };
        out.put(&encode_header(id));
        Ok(out)
    }

    /// Length of all that was written.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// CRC-32C of all that was written.
    pub(super) fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The next `part_bytes`, once there are as many.
    pub(super) fn take(&mut self, part_bytes: usize) -> Option<Bytes> {
        let ready = part_bytes > 0 && self.pending.len() >= part_bytes;
        ready.then(|| self.pending.split_to(part_bytes).freeze())
    }

    /// All that was not taken.
    pub(super) fn rest(self) -> Bytes {
        self.pending.freeze()
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
    }

    /// Writes something packed; returns its stored length and the checksum that
    /// `sum` makes of the place and the stored bytes.
    pub(super) fn pack(
        &mut self,
        raw: &[u8],
        sum: impl Fn(Binding, u64, &[u8]) -> u32,
    ) -> Result<(u32, u32), SegmentError> {
        let stored = self.packer.pack(raw)?;
        let sum = sum(self.binding, self.at, &stored);
        self.put(&stored);
        Ok((stored.len() as u32, sum))
    }

    /// Writes a block of an index and says where it is.
    pub(super) fn block(&mut self, part: Part, raw: &[u8]) -> Result<BlockPlace, SegmentError> {
        let at = self.at;
        let (stored_bytes, checksum) =
            self.pack(raw, |binding, at, stored| binding.part(part, at, stored))?;
        Ok(BlockPlace {
            at,
            stored_bytes,
            raw_bytes: raw.len() as u32,
            checksum,
        })
    }

    /// Writes a section.
    pub(super) fn section(&mut self, section: Section, raw: &[u8]) -> Result<Sealed, SegmentError> {
        let part = section.part();
        let (_, checksum) = self.pack(raw, |binding, at, stored| binding.part(part, at, stored))?;
        Ok(Sealed {
            raw_bytes: raw.len() as u32,
            checksum,
        })
    }
}
