//! Pauses at every step of disk and stores, so that threads meet in orders that a
//! quiet machine never shows. Off unless `FIRN_NAPS` says in how many steps there is
//! one: `make nightly`. Faults found so need not come again with the same seed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use firn_runtime::clock;
use firn_storage_node::disk::{Disk, DiskFile};

use crate::crash::number;
use crate::power::Dice;

/// The longest pause: longer than any step, shorter than what anybody waits for.
const NAP_MAX_US: u64 = 30_000;

/// When there are pauses.
#[derive(Clone, Default)]
pub(crate) struct Naps {
    one_in: u64,
    steps: Arc<AtomicU64>,
}

impl Naps {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            one_in: number("FIRN_NAPS").unwrap_or(0),
            steps: Arc::new(AtomicU64::new(seed)),
        }
    }

    /// A step; perhaps it takes long.
    pub(crate) fn step(&self) {
        if self.one_in == 0 {
            return;
        }
        let mut dice = Dice(self.steps.fetch_add(1, Ordering::Relaxed) << 20);
        if dice.one_in(self.one_in) {
            clock::pause_thread(Duration::from_micros(dice.below(NAP_MAX_US)));
        }
    }
}

/// A disk or file with pauses before each step.
pub(crate) struct Napping<D: ?Sized>(pub(crate) Arc<D>, pub(crate) Naps);

impl<D: ?Sized> Napping<D> {
    fn inner(&self) -> &D {
        self.1.step();
        &self.0
    }
}

impl<D: Disk> Napping<D> {
    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Napping(file, self.1.clone()))
    }
}

impl<D: Disk> Disk for Napping<D> {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner().create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner().list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.inner().create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.inner().open(path).map(|file| self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner().remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner().sync_dir(dir)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.inner().free_bytes()
    }
}

impl DiskFile for Napping<dyn DiskFile> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner().read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner().write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner().sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.inner().len()
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.inner().preallocate(bytes)
    }
}
