//! `--disk-budget`: what the node may use of a disk (RULES 5).
//!
//! Counts the bytes of the files that go through it. What the node stores
//! elsewhere (sled's own files) is reported with [`Budgeted::set_elsewhere`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// A disk that reports `StorageFull` beyond a number of bytes.
#[derive(Clone)]
pub struct Budgeted {
    inner: Arc<dyn Disk>,
    usage: Arc<Mutex<Usage>>,
}

struct Usage {
    budget: u64,
    elsewhere: u64,
    files: BTreeMap<PathBuf, Arc<Mutex<u64>>>,
    used: u64,
}

impl Budgeted {
    /// Caps a disk; the files already in `dirs` count.
    ///
    /// # Errors
    /// When those files cannot be examined.
    pub fn new(inner: Arc<dyn Disk>, dirs: &[&Path], budget: u64) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut used = 0;
        for dir in dirs {
            inner.create_dir(dir)?;
            for name in inner.list(dir)? {
                let path = dir.join(name);
                let len = inner.open(&path)?.len()?;
                used += len;
                files.insert(path, Arc::new(Mutex::new(len)));
            }
        }
        let usage = Usage {
            budget,
            elsewhere: 0,
            files,
            used,
        };
        Ok(Self {
            inner,
            usage: Arc::new(Mutex::new(usage)),
        })
    }

    /// Tells how many bytes the node uses outside this seam.
    pub fn set_elsewhere(&self, bytes: u64) {
        self.usage.lock().elsewhere = bytes;
    }

    /// Changes the cap; what is used already stays.
    pub fn set_budget(&self, bytes: u64) {
        self.usage.lock().budget = bytes;
    }

    /// Bytes in use, here and elsewhere.
    #[must_use]
    pub fn used(&self) -> u64 {
        let usage = self.usage.lock();
        usage.used + usage.elsewhere
    }

    fn wrap(&self, path: &Path, file: Arc<dyn DiskFile>, len: u64) -> Arc<dyn DiskFile> {
        let mut usage = self.usage.lock();
        let entry = match usage.files.get(path) {
            Some(entry) => entry.clone(),
            None => {
                usage.used += len;
                let entry = Arc::new(Mutex::new(len));
                usage.files.insert(path.to_owned(), entry.clone());
                entry
            }
        };
        Arc::new(BudgetedFile {
            inner: file,
            len: entry,
            usage: self.usage.clone(),
        })
    }
}

impl Usage {
    /// Takes bytes from the budget.
    fn take(&mut self, bytes: u64) -> io::Result<()> {
        if self.used + self.elsewhere + bytes > self.budget {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the disk budget is used up",
            ));
        }
        self.used += bytes;
        Ok(())
    }

    fn forget(&mut self, path: &Path) {
        if let Some(entry) = self.files.remove(path) {
            // Writes through handles that are still open are charged no more.
            self.used -= std::mem::replace(&mut *entry.lock(), u64::MAX);
        }
    }
}

impl Disk for Budgeted {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.inner.create(path)?;
        Ok(self.wrap(path, file, 0))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.inner.open(path)?;
        let len = file.len()?;
        Ok(self.wrap(path, file, len))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)?;
        let mut usage = self.usage.lock();
        usage.forget(to);
        if let Some(entry) = usage.files.remove(from) {
            usage.files.insert(to.to_owned(), entry);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)?;
        self.usage.lock().forget(path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let usage = self.usage.lock();
        let left = usage.budget.saturating_sub(usage.used + usage.elsewhere);
        Ok(left.min(self.inner.free_bytes()?))
    }
}

struct BudgetedFile {
    inner: Arc<dyn DiskFile>,
    /// Length as charged; shared by all handles of the file.
    len: Arc<Mutex<u64>>,
    usage: Arc<Mutex<Usage>>,
}

impl BudgetedFile {
    /// Charges growth to `end` bytes before it happens. A failed write leaves
    /// the charge: the file may have grown.
    fn grow(&self, end: u64) -> io::Result<()> {
        let mut usage = self.usage.lock();
        let mut len = self.len.lock();
        if end > *len {
            usage.take(end - *len)?;
            *len = end;
        }
        Ok(())
    }
}

impl DiskFile for BudgetedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.grow(offset + bytes.len() as u64)?;
        self.inner.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.grow(bytes)?;
        self.inner.preallocate(bytes)
    }
}
