//! The seam between the node and its disk.
//!
//! Owns the vocabulary of what durable code may ask of a file system, and says
//! when something is durable: file contents after [`DiskFile::sync_data`],
//! names after [`Disk::sync_dir`], nothing earlier. Leaves to its users what to
//! write. sled does its own I/O and does not come through here.
//!
//! Living implementations: [`RealDisk`], [`FaultyDisk`] (in memory, loses what
//! was not synced, fails on demand) and [`Budgeted`], which caps another one.

mod budget;
mod faulty;
mod real;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use budget::Budgeted;
pub use faulty::{Counts, FaultyDisk};
pub use real::RealDisk;

/// A tree of directories and files; every path is relative to its root.
pub trait Disk: Send + Sync + 'static {
    /// Makes a directory and its parents, durably; one that is there already is fine.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Names of the plain files of a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes an empty file. Its name is durable after [`Self::sync_dir`].
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name in one step, replacing a file of that name.
    /// Durable after [`Self::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away. Handles that are open stay readable.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that may still be allocated.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file; positional access only, so that handles can be shared.
pub trait DiskFile: Send + Sync + 'static {
    /// Reads as much as there is, up to the buffer's length; less only at the file's end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes; an error may leave any part of them written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes contents and length durable. After an error nothing may be assumed
    /// about what was written since the last success, **not even when a later
    /// call succeeds** (RELIABILITY, warning 4).
    fn sync_data(&self) -> io::Result<()>;

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Makes the file at least this long and reserves the space, so that later
    /// writes within it find room. New bytes read as zero.
    ///
    /// # Errors
    /// `StorageFull` when there is no room.
    fn preallocate(&self, bytes: u64) -> io::Result<()>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Whether an error says that the disk is full (or a quota is used up).
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
