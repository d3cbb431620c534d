//! A disk in memory that behaves as badly as disks may.
//!
//! Keeps what was *written* apart from what was *synced*, for contents and for
//! names. A crash keeps all that was synced; of the rest each write is kept,
//! dropped or torn at 512-byte sectors, each on its own, so that a later write
//! may survive an earlier one. Failures are injected by number, place or budget.
//! Every choice follows from a seed. Directories themselves are always durable.

mod contents;
mod names;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::{Disk, DiskFile};
use contents::Contents;
use names::Names;

/// The disk; clones share it.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
    /// The only epoch in which this one reaches anything; `None` for all.
    epoch: Option<u64>,
}

struct State {
    dirs: BTreeMap<PathBuf, Names>,
    inodes: BTreeMap<u64, Contents>,
    inode_next: u64,
    /// Open handles of each file: what has no name lives as long as they do.
    handles: BTreeMap<u64, usize>,
    /// Handles of an earlier epoch are dead.
    epoch: u64,
    /// Whether every operation fails until the next restart.
    off: bool,
    random: Random,
    budget: Option<u64>,
    faults: Faults,
    counts: Counts,
}

/// Failures still to come.
#[derive(Default)]
struct Faults {
    /// Countdowns: the operation that brings one to 0 fails.
    sync: u64,
    sync_dir: u64,
    write: u64,
    read: u64,
    /// Changing operations until the power goes off; 0 = never.
    power: u64,
}

/// What the disk has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub syncs: u64,
    pub dir_syncs: u64,
    pub writes: u64,
    pub bytes_written: u64,
    pub bytes_read: u64,
    /// Operations that change something, syncs included.
    pub changes: u64,
}

/// A small seeded generator (splitmix64): the same seed gives the same crash everywhere.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

impl FaultyDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            dirs: BTreeMap::from([(PathBuf::new(), Names::default())]),
            inodes: BTreeMap::new(),
            inode_next: 1,
            handles: BTreeMap::new(),
            epoch: 0,
            off: false,
            random: Random(seed),
            budget: None,
            faults: Faults::default(),
            counts: Counts::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            epoch: None,
        }
    }

    /// The disk as one process sees it: after [`Self::crash`] and [`Self::restart`]
    /// nothing that it does reaches the disk any more, as of a process that is dead.
    #[must_use]
    pub fn mounted(&self) -> Self {
        Self {
            state: self.state.clone(),
            epoch: Some(self.state.lock().epoch),
        }
    }

    /// Power loss and restart: what was not synced is kept, dropped or torn as
    /// the seed says. Handles opened before are dead; faults still to come are forgotten.
    pub fn crash(&self, seed: u64) {
        let state = &mut *self.state.lock();
        state.restart();
        let mut random = Random(seed);
        for names in state.dirs.values_mut() {
            names.crash(&mut random);
        }
        for contents in state.inodes.values_mut() {
            contents.crash(&mut random);
        }
    }

    /// The process dies and starts again, the machine stays up: nothing that was
    /// written is lost, and nothing more is durable than before.
    pub fn restart(&self) {
        self.state.lock().restart();
    }

    /// From now on every operation fails, until [`Self::crash`] or [`Self::restart`].
    pub fn power_off(&self) {
        self.state.lock().off = true;
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state.lock().off
    }

    /// Goes off by itself at the `n`-th changing operation from now, which does
    /// not happen any more. For trying every place where a program can be stopped.
    pub fn power_off_at_change(&self, n: u64) {
        self.state.lock().faults.power = n;
    }

    /// The `n`-th file sync from now fails (1 = the next). Part of what was not
    /// synced reaches the disk, the rest never will: the kernel takes those
    /// pages for clean, so reads show them and a second sync succeeds.
    pub fn fail_sync(&self, n: u64) {
        self.state.lock().faults.sync = n;
    }

    /// The `n`-th directory sync from now fails.
    pub fn fail_sync_dir(&self, n: u64) {
        self.state.lock().faults.sync_dir = n;
    }

    /// The `n`-th write from now fails after a part of it.
    pub fn fail_write(&self, n: u64) {
        self.state.lock().faults.write = n;
    }

    /// The `n`-th read from now fails.
    pub fn fail_read(&self, n: u64) {
        self.state.lock().faults.read = n;
    }

    /// Bytes that all files together may have; `None` = no bound. Growth beyond
    /// it is `StorageFull`.
    pub fn set_budget(&self, bytes: Option<u64>) {
        self.state.lock().budget = bytes;
    }

    /// Bytes that all files have.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state.lock().used()
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.lock().counts
    }

    /// Flips bits of one stored byte, as bit rot does.
    ///
    /// # Panics
    /// When there is no such byte.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) {
        self.damage(path, |contents| contents.flip(offset as usize, mask));
    }

    /// Cuts a file, as a repair tool might.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn truncate(&self, path: &Path, len: u64) {
        self.damage(path, |contents| contents.truncate(len as usize));
    }

    /// Overwrites stored bytes durably, behind the user's back.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) {
        self.damage(path, |contents| contents.overwrite(offset as usize, bytes));
    }

    /// What a file reads as.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.damage(path, |contents| bytes = contents.live.clone());
        bytes
    }

    fn damage(&self, path: &Path, change: impl FnOnce(&mut Contents)) {
        let state = &mut *self.state.lock();
        let inode = state.lookup(path).expect("the caller names a file");
        change(state.inodes.get_mut(&inode).expect("inode of a name"));
    }
}

impl State {
    fn restart(&mut self) {
        self.epoch += 1;
        self.handles.clear();
        self.off = false;
        self.faults = Faults::default();
    }

    fn used(&self) -> u64 {
        self.inodes.values().map(|c| c.live.len() as u64).sum()
    }

    fn powered(&self) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    /// Counts an operation that changes something; the power may go off before it.
    fn change(&mut self) -> io::Result<()> {
        self.powered()?;
        if fires(&mut self.faults.power) {
            self.off = true;
        }
        self.powered()?;
        self.counts.changes += 1;
        Ok(())
    }

    fn names(&mut self, dir: &Path) -> io::Result<&mut Names> {
        self.dirs.get_mut(dir).ok_or_else(not_found)
    }

    fn names_of(&mut self, path: &Path) -> io::Result<(&mut Names, String)> {
        let (dir, name) = split(path)?;
        Ok((self.names(&dir)?, name))
    }

    fn lookup(&mut self, path: &Path) -> io::Result<u64> {
        let (names, name) = self.names_of(path)?;
        names.live.get(&name).copied().ok_or_else(not_found)
    }

    /// Forgets contents that no name leads to, now or after a crash.
    fn sweep(&mut self) {
        let (dirs, handles) = (&self.dirs, &self.handles);
        self.inodes.retain(|inode, _| {
            handles.contains_key(inode) || dirs.values().any(|names| names.refers_to(*inode))
        });
    }
}

/// Counts down; true for the one that fires.
fn fires(countdown: &mut u64) -> bool {
    if *countdown == 0 {
        return false;
    }
    *countdown -= 1;
    *countdown == 0
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn eio() -> io::Error {
    io::Error::other("injected input/output error")
}

fn split(path: &Path) -> io::Result<(PathBuf, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let dir = path.parent().unwrap_or(Path::new(""));
    Ok((dir.to_owned(), name.to_owned()))
}

impl Disk for FaultyDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let state = &mut *self.locked()?;
        state.powered()?;
        for ancestor in dir.ancestors() {
            state.dirs.entry(ancestor.to_owned()).or_default();
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = &mut *self.locked()?;
        state.powered()?;
        Ok(state.names(dir)?.live.keys().cloned().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.locked()?;
        state.change()?;
        let inode = state.inode_next;
        let (names, name) = state.names_of(path)?;
        names.create(name, inode)?;
        state.inode_next += 1;
        state.inodes.insert(inode, Contents::default());
        Ok(self.handle(inode, state))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.locked()?;
        state.powered()?;
        let inode = state.lookup(path)?;
        Ok(self.handle(inode, state))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.locked()?;
        state.change()?;
        let (from_dir, from) = split(from)?;
        let (to_dir, to) = split(to)?;
        if from_dir != to_dir {
            return Err(io::ErrorKind::Unsupported.into());
        }
        state.names(&from_dir)?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.locked()?;
        state.change()?;
        let (names, name) = state.names_of(path)?;
        names.remove(name)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let state = &mut *self.locked()?;
        state.change()?;
        state.counts.dir_syncs += 1;
        let failed = fires(&mut state.faults.sync_dir);
        let mut random = state.random.clone();
        let names = state.names(dir)?;
        if failed {
            names.fail_sync(&mut random);
        } else {
            names.sync();
        }
        state.random = random;
        state.sweep();
        if failed { Err(eio()) } else { Ok(()) }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.locked()?;
        state.powered()?;
        Ok(state
            .budget
            .map_or(u64::MAX, |budget| budget.saturating_sub(state.used())))
    }
}

impl FaultyDisk {
    /// Refuses who died with an earlier epoch.
    fn locked(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state.lock();
        match self.epoch {
            Some(epoch) if epoch != state.epoch => Err(io::Error::other("the process is dead")),
            Some(_) | None => Ok(state),
        }
    }

    fn handle(&self, inode: u64, state: &mut State) -> Arc<dyn DiskFile> {
        *state.handles.entry(inode).or_default() += 1;
        Arc::new(FaultyFile {
            disk: self.clone(),
            inode,
            epoch: state.epoch,
        })
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    inode: u64,
    epoch: u64,
}

impl Drop for FaultyFile {
    fn drop(&mut self) {
        let state = &mut *self.disk.state.lock();
        if self.epoch != state.epoch {
            return;
        }
        let count = state.handles.entry(self.inode).or_default();
        *count = count.saturating_sub(1);
        if *count == 0 {
            state.handles.remove(&self.inode);
        }
    }
}

impl FaultyFile {
    fn with<T>(
        &self,
        changes: bool,
        work: impl FnOnce(&mut State, &mut Contents) -> io::Result<T>,
    ) -> io::Result<T> {
        let state = &mut *self.disk.state.lock();
        if self.epoch != state.epoch {
            return Err(io::Error::other("this handle is from before the restart"));
        }
        if changes {
            state.change()?;
        }
        state.powered()?;
        let mut contents = state.inodes.remove(&self.inode).ok_or_else(not_found)?;
        let result = work(state, &mut contents);
        state.inodes.insert(self.inode, contents);
        result
    }

    /// Whether the file may grow to `end` bytes.
    fn fits(state: &State, contents: &Contents, end: u64) -> io::Result<()> {
        let grown = end.saturating_sub(contents.live.len() as u64);
        let used = state.used() + contents.live.len() as u64;
        if grown > 0 && state.budget.is_some_and(|budget| used + grown > budget) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(false, |state, contents| {
            if fires(&mut state.faults.read) {
                return Err(eio());
            }
            let from = contents.live.len().min(offset as usize);
            let n = buffer.len().min(contents.live.len() - from);
            buffer[..n].copy_from_slice(&contents.live[from..from + n]);
            state.counts.bytes_read += n as u64;
            Ok(n)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(true, |state, contents| {
            let failed = fires(&mut state.faults.write);
            let n = if failed { bytes.len() / 2 } else { bytes.len() };
            Self::fits(state, contents, offset + n as u64)?;
            contents.write(&bytes[..n], offset as usize);
            state.counts.writes += 1;
            state.counts.bytes_written += n as u64;
            if failed { Err(eio()) } else { Ok(()) }
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(true, |state, contents| {
            state.counts.syncs += 1;
            if fires(&mut state.faults.sync) {
                contents.fail_sync(&mut state.random);
                return Err(eio());
            }
            contents.sync();
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(false, |_, contents| Ok(contents.live.len() as u64))
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.with(true, |state, contents| {
            Self::fits(state, contents, bytes)?;
            contents.grow(bytes as usize);
            Ok(())
        })
    }
}
