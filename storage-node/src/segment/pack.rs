//! Compression of parts, where it pays. What is stored raw has the same stored
//! and raw length; what is compressed is always shorter, so no flag is needed.

use std::borrow::Cow;
use std::cell::RefCell;

use bytes::Bytes;

use super::error::SegmentError;

/// A part is compressed when that saves at least one byte in this many:
/// below it, unpacking costs more than the bytes do.
const SAVING_MIN: usize = 16;

/// A compressor, kept because making one is dear.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    pub(super) fn new(level: i32) -> Result<Self, SegmentError> {
        let made = zstd::bulk::Compressor::new(level);
        made.map(Self).map_err(compressor_failed)
    }

    /// What to store for `raw`.
    pub(super) fn pack<'a>(&mut self, raw: &'a [u8]) -> Result<Cow<'a, [u8]>, SegmentError> {
        let packed = self.0.compress(raw).map_err(compressor_failed)?;
        let pays = packed.len() + raw.len() / SAVING_MIN < raw.len();
        Ok(if pays {
            Cow::Owned(packed)
        } else {
            Cow::Borrowed(raw)
        })
    }
}

thread_local! {
    /// Kept, because making one costs as much as unpacking some KiB. It keeps nothing
    /// of what it unpacked.
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

fn decompress(stored: &[u8], raw_bytes: usize) -> Option<Vec<u8>> {
    UNPACKER.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = zstd::bulk::Decompressor::new().ok();
        }
        kept.as_mut()?.decompress(stored, raw_bytes).ok()
    })
}

fn compressor_failed(error: std::io::Error) -> SegmentError {
    SegmentError::Compressor(error.to_string())
}

/// What was packed into `stored`; `None` if that is not `raw_bytes` long or
/// longer than `max`. Allocates `raw_bytes` and never more than `max`.
pub(super) fn unpack(stored: &Bytes, raw_bytes: u32, max: usize) -> Option<Bytes> {
    let raw_bytes = raw_bytes as usize;
    if raw_bytes > max || stored.len() > raw_bytes {
        return None;
    }
    if stored.len() == raw_bytes {
        return Some(stored.clone());
    }
    #[cfg(test)]
    watermark::note(raw_bytes);
    let raw = decompress(stored, raw_bytes)?;
    (raw.len() == raw_bytes).then(|| raw.into())
}

/// The largest buffer that was asked for, for tests that feed hostile lengths.
#[cfg(test)]
pub(super) mod watermark {
    use std::cell::Cell;

    thread_local! {
        static HIGHEST: Cell<usize> = const { Cell::new(0) };
    }

    pub(in crate::segment) fn note(bytes: usize) {
        HIGHEST.with(|highest| highest.set(highest.get().max(bytes)));
    }

    pub(in crate::segment) fn take() -> usize {
        HIGHEST.with(Cell::take)
    }
}
