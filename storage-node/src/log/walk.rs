//! Walks the frames of one batch, and finds headers where none was expected.

use std::io;
use std::ops::Range;

use super::format::{BATCH_FRAMES_MAX, BATCH_HEADER_BYTES, BLOCK, BatchHeader, Found};
use super::frame::{self, FRAME_HEADER_BYTES, FrameHeader, Lsn, RawFrame, Seed};
use super::window::Window;

/// Reading a log file failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("format version {0}")]
    Newer(u16),
}

/// The batch header at a boundary: `None` for anything but a valid one of this
/// log and file that lies wholly in the file.
pub(super) fn batch_at(
    window: &mut Window,
    log_id: u64,
    file: u64,
    at: u64,
) -> Result<Option<BatchHeader>, ReadError> {
    match BatchHeader::decode(window.get(at, BATCH_HEADER_BYTES)?) {
        Found::Valid(header) => {
            let ours = header.log_id == log_id && header.file == file;
            let whole = at + header.extent() <= window.len();
            let frames = u64::from(header.frame_count) * FRAME_HEADER_BYTES as u64;
            let sane = frames <= u64::from(header.frame_bytes)
                && header.frame_count as usize <= BATCH_FRAMES_MAX
                && header.terminator == (header.frame_count == 0);
            Ok((ours && whole && sane).then_some(header))
        }
        Found::Newer {
            version,
            log_id: theirs,
        } if theirs == log_id => Err(ReadError::Newer(version)),
        Found::Newer { .. } | Found::Nothing => Ok(None),
    }
}

/// The first valid batch header at or after a boundary that `wanted` accepts.
pub(super) fn find_batch(
    window: &mut Window,
    log_id: u64,
    file: u64,
    from: u64,
    wanted: impl Fn(&BatchHeader) -> bool,
) -> Result<Option<(u64, BatchHeader)>, ReadError> {
    let mut at = from;
    while at + BLOCK <= window.len() {
        if let Some(header) = batch_at(window, log_id, file, at)?
            && wanted(&header)
        {
            return Ok(Some((at, header)));
        }
        at += BLOCK;
    }
    Ok(None)
}

/// A step through a batch.
pub(super) enum Step {
    /// A frame whose header and payload are right; `at` is where its header begins.
    Good { lsn: Lsn, at: u64, raw: RawFrame },
    /// Frames that cannot be read, with the header if that is right.
    Bad {
        bytes: Range<u64>,
        lsns: Range<Lsn>,
        header: Option<FrameHeader>,
    },
}

/// Position in a batch.
pub(super) struct Walk {
    batch: BatchHeader,
    index: u32,
    at: u64,
    end: u64,
}

impl Walk {
    pub(super) fn new(batch: BatchHeader, at: u64) -> Self {
        let at = at + BATCH_HEADER_BYTES as u64;
        Self {
            batch,
            index: 0,
            at,
            end: at + u64::from(batch.frame_bytes),
        }
    }

    fn seed(&self, index: u32) -> Seed {
        Seed {
            log_id: self.batch.log_id,
            incarnation: self.batch.incarnation,
            lsn: self.lsn(index),
        }
    }

    fn lsn(&self, index: u32) -> Lsn {
        Lsn(self.batch.first_lsn.0 + u64::from(index))
    }

    /// The header of frame `index`, if it stands at `at` and its payload fits.
    fn header_at(&self, bytes: &[u8], at: u64, index: u32) -> Option<RawFrame> {
        let raw = frame::open(bytes, index as u16, self.seed(index))?;
        let end = at + FRAME_HEADER_BYTES as u64 + u64::from(raw.len);
        (end <= self.end).then_some(raw)
    }

    /// The next frame or gap; `None` at the end of the batch.
    ///
    /// # Errors
    /// When the disk cannot read.
    pub(super) fn step(&mut self, window: &mut Window) -> io::Result<Option<Step>> {
        if self.index >= self.batch.frame_count {
            return Ok(None);
        }
        let (at, index) = (self.at, self.index);
        let room = (self.end - at).min(FRAME_HEADER_BYTES as u64) as usize;
        let Some(raw) = self.header_at(window.get(at, room)?, at, index) else {
            return self.skip(window).map(Some);
        };
        let body = at + FRAME_HEADER_BYTES as u64;
        let end = body + u64::from(raw.len);
        let payload = window.get(body, raw.len as usize)?;
        let good = raw.verify(payload, self.seed(index));
        self.at = end;
        self.index += 1;
        let lsn = self.lsn(index);
        Ok(Some(if good {
            Step::Good { lsn, at, raw }
        } else {
            Step::Bad {
                bytes: at..end,
                lsns: lsn..lsn.next(),
                header: Some(raw.header),
            }
        }))
    }

    /// Looks for the next frame whose header is right; what lies before is lost.
    fn skip(&mut self, window: &mut Window) -> io::Result<Step> {
        let (from, first) = (self.at, self.index);
        let mut at = from + 1;
        while at + FRAME_HEADER_BYTES as u64 <= self.end {
            let bytes = window.get(at, FRAME_HEADER_BYTES)?;
            let index = u32::from(frame::claimed_index(bytes));
            let later = (first + 1..self.batch.frame_count).contains(&index);
            if later && self.header_at(bytes, at, index).is_some() {
                break;
            }
            at += 1;
        }
        let found = at + FRAME_HEADER_BYTES as u64 <= self.end;
        if found {
            let bytes = window.get(at, FRAME_HEADER_BYTES)?;
            self.index = u32::from(frame::claimed_index(bytes));
            self.at = at;
        } else {
            self.index = self.batch.frame_count;
            self.at = self.end;
        }
        Ok(Step::Bad {
            bytes: from..self.at,
            lsns: self.lsn(first)..self.lsn(self.index),
            header: None,
        })
    }
}
