//! The log as an operator sees it: every header and frame with its state, of a
//! log that nobody has open. Changes nothing.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::LogError;
use super::files::{LogFile, list, load};
use super::format::{BLOCK, BatchHeader, FileHeader};
use super::frame::{FrameHeader, Lsn};
use super::walk::{Step, Walk, batch_at, find_batch};
use super::window::Window;
use crate::disk::Disk;

/// One line of an inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A file begins; `None` for a header that is damaged.
    File {
        number: u64,
        bytes: u64,
        header: Option<FileHeader>,
    },
    /// A batch or terminator begins.
    Batch {
        file: u64,
        at: u64,
        header: BatchHeader,
    },
    /// A frame that is right.
    Frame {
        file: u64,
        at: u64,
        lsn: Lsn,
        header: FrameHeader,
        len: u32,
    },
    /// Frames of a batch that cannot be read, with the header if that is right.
    BadFrames {
        file: u64,
        bytes: Range<u64>,
        lsns: Range<Lsn>,
        header: Option<FrameHeader>,
    },
    /// Bytes between batches that are not a batch: unused, stale or damaged.
    Unknown {
        file: u64,
        bytes: Range<u64>,
        is_zero: bool,
    },
}

/// Rows of a log, file by file.
pub struct Inspection {
    log_id: u64,
    files: VecDeque<Arc<LogFile>>,
    current: Option<Cursor>,
}

struct Cursor {
    file: Arc<LogFile>,
    window: Window,
    at: u64,
    walk: Option<Walk>,
}

/// Looks at the log in a directory.
///
/// # Errors
/// When its files cannot be read or are of a newer version.
pub fn inspect(disk: &dyn Disk, dir: &Path) -> Result<Inspection, LogError> {
    let listing = list(disk, dir)?;
    let (log_id, files) = match listing.logs.as_slice() {
        [] => (0, Vec::new()),
        numbers => load(disk, dir, numbers)?,
    };
    Ok(Inspection {
        log_id,
        files: files.into(),
        current: None,
    })
}

impl Iterator for Inspection {
    type Item = Result<Row, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(cursor) = &mut self.current {
            match cursor.next(self.log_id) {
                Ok(None) => self.current = None,
                Ok(Some(row)) => return Some(Ok(row)),
                Err(error) => {
                    self.current = None;
                    return Some(Err(error));
                }
            }
        }
        let file = self.files.pop_front()?;
        let row = Row::File {
            number: file.number,
            bytes: file.len,
            header: file.header,
        };
        self.current = Some(Cursor {
            window: file.window(),
            file,
            at: BLOCK,
            walk: None,
        });
        Some(Ok(row))
    }
}

impl Cursor {
    fn next(&mut self, log_id: u64) -> Result<Option<Row>, LogError> {
        let file = self.file.number;
        if let Some(walk) = &mut self.walk {
            let step = walk.step(&mut self.window);
            match step.map_err(LogError::io("read a batch"))? {
                Some(step) => return Ok(Some(row_of(file, step))),
                None => self.walk = None,
            }
        }
        if self.at >= self.window.len() {
            return Ok(None);
        }
        let batch = batch_at(&mut self.window, log_id, file, self.at);
        if let Some(header) = batch.map_err(|error| error.of(file))? {
            let at = self.at;
            self.walk = Some(Walk::new(header, at));
            self.at += header.extent();
            return Ok(Some(Row::Batch { file, at, header }));
        }
        let from = self.at;
        let next = find_batch(&mut self.window, log_id, file, from + BLOCK, |_| true);
        let next = next.map_err(|error| error.of(file))?;
        self.at = next.map_or(self.window.len(), |(at, _)| at);
        Ok(Some(Row::Unknown {
            file,
            bytes: from..self.at,
            is_zero: self.is_zero(from..self.at)?,
        }))
    }

    fn is_zero(&mut self, bytes: Range<u64>) -> Result<bool, LogError> {
        let mut at = bytes.start;
        while at < bytes.end {
            let block = self.window.get(at, BLOCK as usize);
            let block = block.map_err(LogError::io("read a file"))?;
            if block.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += BLOCK;
        }
        Ok(true)
    }
}

fn row_of(file: u64, step: Step) -> Row {
    match step {
        Step::Good { lsn, at, raw } => Row::Frame {
            file,
            at,
            lsn,
            header: raw.header,
            len: raw.len,
        },
        Step::Bad {
            bytes,
            lsns,
            header,
        } => Row::BadFrames {
            file,
            bytes,
            lsns,
            header,
        },
    }
}
