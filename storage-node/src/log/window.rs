//! Reads a file front to back in large pieces, and hands out slices of them.

use std::io;
use std::sync::Arc;

use crate::disk::DiskFile;

/// Bytes asked from the disk at once.
const READ_BYTES: usize = 1 << 20;

/// A moving view of one file. Memory is bounded by the largest slice asked for
/// (never beyond the file's length) and one read.
pub(super) struct Window {
    file: Arc<dyn DiskFile>,
    len: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl Window {
    /// A view of the first `len` bytes of a file.
    pub(super) fn new(file: Arc<dyn DiskFile>, len: u64) -> Self {
        Self {
            file,
            len,
            start: 0,
            buffer: Vec::new(),
        }
    }

    /// Bytes that can be read.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The bytes from `at`, `n` of them or what is left of the file.
    ///
    /// # Errors
    /// When the disk cannot read them.
    pub(super) fn get(&mut self, at: u64, n: usize) -> io::Result<&[u8]> {
        let at = at.min(self.len);
        let n = (self.len - at).min(n as u64) as usize;
        let held = self.start..self.start + self.buffer.len() as u64;
        if at < held.start || at + n as u64 > held.end {
            self.load(at, n)?;
        }
        let from = (at - self.start) as usize;
        Ok(&self.buffer[from..from + n])
    }

    fn load(&mut self, at: u64, n: usize) -> io::Result<()> {
        let end = self.start + self.buffer.len() as u64;
        if (self.start..end).contains(&at) {
            self.buffer.drain(..(at - self.start) as usize);
        } else {
            self.buffer.clear();
        }
        self.start = at;
        let wanted = n.max(READ_BYTES).min((self.len - at) as usize);
        let had = self.buffer.len();
        self.buffer.resize(wanted.max(had), 0);
        let read = self.file.read_at(&mut self.buffer[had..], at + had as u64);
        match read {
            Ok(read) if had + read >= n => {
                self.buffer.truncate(had + read);
                Ok(())
            }
            // The file became shorter while it was read.
            Ok(_) => {
                self.buffer.clear();
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Err(error) => {
                self.buffer.clear();
                Err(error)
            }
        }
    }
}
