//! The hot store on disk: volumes of sled, filled one after the other. Owns the
//! volumes, which of them are open, and the rules of a start; promises that a
//! batch is in with its marker or not at all, and that damage is reported and
//! never read. Leaves the log to its caller, and the decision when a volume is
//! no longer needed.
//!
//! sled keeps in memory what it has touched, so only few volumes are open at a
//! time: the one that is filled, and those read last.

mod database;
mod directory;
pub mod inspect;
mod stamp;
mod start;
mod state;
#[cfg(test)]
mod tests;
mod volume;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use firn_protocol::ids::{Offset, Position, QueueKey, TopicKey};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

use self::database::{Database, Machine};
use self::directory::{Directories, Directory};
pub use self::state::{OpenedState, SledStateStore};
use self::volume::{Asked, Hits, Volume, Wanted};
use super::keys::volume::Reach;
use super::metrics::HotMetrics;
use super::{BrokerKey, Chunk, Hit, HotBatch, HotError, HotStore, Lsn};

/// How the store uses disk and memory.
#[derive(Clone, Copy, Debug)]
pub struct SledSettings {
    /// Bytes of keys and values after which the next volume is begun.
    pub volume_bytes: u64,
    /// Volumes open for reading beside the one that is filled. What is open is
    /// in memory, more or less.
    pub volumes_open: usize,
}

impl Default for SledSettings {
    fn default() -> Self {
        Self {
            volume_bytes: 128 * 1024 * 1024,
            volumes_open: 3,
        }
    }
}

/// A store, and why it had to throw volumes away, if it had to.
pub struct Opened {
    pub store: SledHotStore,
    pub rebuilt: Option<String>,
}

/// Hot store in volumes of sled.
pub struct SledHotStore {
    dir: PathBuf,
    settings: SledSettings,
    machine: Machine,
    metrics: Arc<HotMetrics>,
    /// Oldest first; the last one is filled.
    volumes: RwLock<Vec<Arc<Volume>>>,
    /// Open volumes beside the last one; the one used last stands last.
    open: Mutex<Vec<Arc<Volume>>>,
    directories: Directories,
    /// Held by whoever changes the list of volumes or fills.
    filling: Mutex<()>,
    marker: AtomicU64,
    closed: AtomicBool,
}

impl SledHotStore {
    /// Opens the store in `dir`, or makes it. Volumes that cannot be trusted are
    /// removed, with all that follow them; the log is then to be filled in again
    /// from [`HotStore::marker`]. Takes about 2 s a GiB of open volumes, so it is
    /// called on a blocking thread.
    ///
    /// # Errors
    /// `Newer` or `InUse`, with nothing touched; `Io` and `Store` when no new
    /// volume can be made.
    pub fn open(
        dir: &Path,
        settings: SledSettings,
        log_end: Lsn,
        metrics: Arc<HotMetrics>,
    ) -> Result<Opened, HotError> {
        Self::open_on(dir, settings, log_end, metrics, Machine::real())
    }

    fn open_on(
        dir: &Path,
        settings: SledSettings,
        log_end: Lsn,
        metrics: Arc<HotMetrics>,
        machine: Machine,
    ) -> Result<Opened, HotError> {
        let (found, rebuilt) = start::survey(dir, log_end, &machine)?;
        if let Some(reason) = &rebuilt {
            tracing::warn!(%reason, "volumes of the hot store are filled again from the log");
            HotMetrics::count(&metrics.rebuilds);
        }
        let mut volumes = Vec::new();
        for found in found {
            volumes.push(Arc::new(match found.database {
                Some(database) => Volume::open(found.number, &found.dir, database, found.reach),
                None => Volume::closed(found.number, &found.dir, found.reach),
            }));
        }
        match volumes.last() {
            // It will grow beyond what a directory of it says.
            Some(last) => Directory::remove(&last.dir)?,
            None => volumes.push(Arc::new(begin(dir, &machine, 1, Lsn(0))?)),
        }
        let last = volumes.len() - 1;
        let marker = volumes[last].reach().marker;
        let open = volumes[..last].iter().filter(|volume| volume.is_open());
        let store = Self {
            dir: dir.to_owned(),
            settings,
            machine,
            metrics,
            open: Mutex::new(open.cloned().collect()),
            volumes: RwLock::new(volumes),
            directories: Directories::default(),
            filling: Mutex::new(()),
            marker: AtomicU64::new(marker.0),
            closed: AtomicBool::new(false),
        };
        store.count_volumes();
        store.close_surplus();
        Ok(Opened { store, rebuilt })
    }

    /// Removes the oldest volumes that hold nothing at or behind `lsn`, never
    /// the one that is filled. Returns how many went.
    ///
    /// # Errors
    /// When files cannot be removed; what is gone from the store stays gone.
    pub fn drop_volumes_before(&self, lsn: Lsn) -> Result<usize, HotError> {
        self.check_open()?;
        let dropped: Vec<_> = {
            let _filling = self.filling.lock();
            let mut volumes = self.volumes.write();
            let sealed = &volumes[..volumes.len() - 1];
            let count = sealed.partition_point(|volume| volume.reach().marker <= lsn);
            volumes.drain(..count).collect()
        };
        for volume in &dropped {
            self.open.lock().retain(|open| open.number != volume.number);
            self.directories.forget(volume.number);
            volume.abandon();
            start::remove(&volume.dir)?;
        }
        self.count_volumes();
        Ok(dropped.len())
    }

    fn check_open(&self) -> Result<(), HotError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(HotError::Store("store is closed".to_owned()));
        }
        Ok(())
    }

    fn count_volumes(&self) {
        let count = self.volumes.read().len() as u64;
        self.metrics.volumes.store(count, Ordering::Relaxed);
    }

    /// The volume to fill: the last one, or a new one if that is full.
    fn volume_to_fill(&self) -> Result<Arc<Volume>, HotError> {
        let last = self.last_volume();
        if last.reach().bytes < self.settings.volume_bytes {
            return Ok(last);
        }
        self.directory_of(&last)?;
        let next = begin(
            &self.dir,
            &self.machine,
            last.number + 1,
            last.reach().marker,
        )?;
        let next = Arc::new(next);
        self.volumes.write().push(next.clone());
        self.open.lock().push(last);
        self.count_volumes();
        self.close_surplus();
        Ok(next)
    }

    fn last_volume(&self) -> Arc<Volume> {
        let volumes = self.volumes.read();
        volumes.last().expect("there is always one to fill").clone()
    }

    /// Works on a volume and keeps account of which are open.
    fn ask<T>(
        &self,
        volume: &Arc<Volume>,
        work: impl FnOnce(&Database) -> Result<T, HotError>,
    ) -> Result<Option<T>, HotError> {
        self.check_open()?;
        let broken = volume.is_broken();
        let asked = volume.ask(&self.machine, work).inspect_err(|error| {
            if matches!(
                error,
                HotError::Damaged { .. } | HotError::DamagedIndex { .. }
            ) {
                HotMetrics::count(&self.metrics.checksum_misses);
            } else if !broken && volume.is_broken() {
                HotMetrics::count(&self.metrics.volumes_broken);
            }
        })?;
        match asked {
            Asked::Answer(answer) => {
                self.touch(volume);
                Ok(Some(answer))
            }
            Asked::Opened(answer) => {
                self.open.lock().push(volume.clone());
                self.close_surplus();
                Ok(Some(answer))
            }
            Asked::Gone => self.check_open().map(|()| None),
        }
    }

    fn touch(&self, volume: &Volume) {
        let mut open = self.open.lock();
        if let Some(at) = open.iter().position(|open| open.number == volume.number) {
            open[at..].rotate_left(1);
        }
    }

    /// Closes the volumes that were used longest ago. One that does not close
    /// cleanly can still be read; it is only not trusted after a power cut.
    fn close_surplus(&self) {
        loop {
            let volume = {
                let mut open = self.open.lock();
                if open.len() <= self.settings.volumes_open {
                    return;
                }
                open.remove(0)
            };
            if let Err(error) = volume.close() {
                tracing::warn!(volume = volume.number, %error, "a volume of the hot store did not close cleanly");
            }
        }
    }

    /// What a full volume holds.
    fn directory_of(&self, volume: &Arc<Volume>) -> Result<Option<Arc<Directory>>, HotError> {
        if let Some(directory) = self.directories.get(volume.number) {
            return Ok(Some(directory));
        }
        let directory = match Directory::read(&volume.dir) {
            Some(directory) => directory,
            None => {
                let made = self.ask(volume, |database| database.run(Directory::of))?;
                let Some(directory) = made else {
                    return Ok(None);
                };
                if let Err(error) = directory.write(&volume.dir) {
                    // It is only made again next time.
                    tracing::warn!(volume = volume.number, %error, "cannot write a directory");
                }
                directory
            }
        };
        let directory = Arc::new(directory);
        self.directories.put(volume.number, directory.clone());
        Ok(Some(directory))
    }

    /// Asks volumes from the newest to the oldest for something that is whole in
    /// one of them; `may_have` spares those that cannot have it.
    fn first_answer<T>(
        &self,
        may_have: impl Fn(&Directory) -> bool,
        look: impl Fn(&Database) -> Result<Option<T>, HotError>,
    ) -> Result<Option<T>, HotError> {
        let volumes = self.volumes.read().clone();
        for (at, volume) in volumes.iter().enumerate().rev() {
            let filled = at + 1 == volumes.len();
            if !filled
                && !self
                    .directory_of(volume)?
                    .is_some_and(|directory| may_have(&directory))
            {
                continue;
            }
            if let Some(answer) = self.ask(volume, &look)?.flatten() {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }
}

/// Makes the volume that begins at a place of the log.
fn begin(dir: &Path, machine: &Machine, number: u64, at: Lsn) -> Result<Volume, HotError> {
    let path = start::dir_of(dir, number);
    if path.try_exists()? {
        // An earlier attempt that failed: it was never filled.
        start::remove(&path)?;
    }
    let reach = Reach {
        begins: at,
        marker: at,
        bytes: 0,
    };
    let database = Database::create(&path, machine, reach)?;
    Ok(Volume::open(number, &path, database, reach))
}

/// Refuses batches that break the contract of [`HotBatch`].
fn check(batch: &HotBatch) -> Result<(), HotError> {
    let mut ends = FxHashMap::default();
    for new in &batch.chunks {
        let end = new.chunk.first_offset.0.checked_add(new.chunk.count.into());
        let Some(end) = end.filter(|_| new.chunk.count > 0) else {
            return Err(HotError::Store("chunk without a range of offsets".into()));
        };
        let before = ends.insert((new.broker, new.queue), end);
        if before.is_some_and(|before| before > new.chunk.first_offset.0) {
            return Err(HotError::Store("chunks of a batch overlap".into()));
        }
    }
    Ok(())
}

impl HotStore for SledHotStore {
    fn marker(&self) -> Lsn {
        Lsn(self.marker.load(Ordering::Acquire))
    }

    fn fill(&self, batch: &HotBatch) -> Result<(), HotError> {
        check(batch)?;
        let _filling = self.filling.lock();
        let volume = self.volume_to_fill()?;
        self.ask(&volume, |database| volume.fill(database, batch))?;
        self.marker
            .store(volume.reach().marker.0, Ordering::Release);
        HotMetrics::count(&self.metrics.batches);
        Ok(())
    }

    fn chunk_at(
        &self,
        broker: BrokerKey,
        queue: QueueKey,
        offset: Offset,
    ) -> Result<Option<Chunk>, HotError> {
        self.first_answer(
            |directory| directory.has(broker, queue, offset),
            |database| volume::chunk_at(database, broker, queue, offset),
        )
    }

    fn locate(
        &self,
        broker: BrokerKey,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, HotError> {
        self.first_answer(
            |directory| {
                let span = directory.positions(broker);
                span.is_some_and(|(first, end)| (first..end).contains(&position.0))
            },
            |database| volume::locate(database, broker, position),
        )
    }

    /// Makes at most one pass over the index records of the broker (of the
    /// topic, if one is given), which are 1 to 4 KiB for each chunk of 32 KiB;
    /// volumes and records that cannot have an earlier hit than the `max` found
    /// are spared.
    fn find(
        &self,
        broker: BrokerKey,
        topic: Option<TopicKey>,
        hash: u64,
        from: Position,
        max: usize,
    ) -> Result<Vec<Hit>, HotError> {
        let wanted = Wanted {
            broker,
            topic,
            hash,
            from,
            max,
        };
        let mut hits = Hits::default();
        let volumes = self.volumes.read().clone();
        for (at, volume) in volumes.iter().enumerate() {
            if at + 1 < volumes.len() {
                let Some(directory) = self.directory_of(volume)? else {
                    continue;
                };
                let (first, end) = directory.positions(broker).unwrap_or((0, u64::MAX));
                if !directory.has_topic(broker, topic)
                    || end <= from.0
                    || hits.is_full_before(first, max)
                {
                    continue;
                }
            }
            self.ask(volume, |database| {
                volume::find(database, &wanted, &mut hits)
            })?;
        }
        Ok(hits.0.into_values().collect())
    }

    fn forget_before(&self, lsn: Lsn) -> Result<(), HotError> {
        self.drop_volumes_before(lsn).map(drop)
    }

    fn close(&self) -> Result<(), HotError> {
        let _filling = self.filling.lock();
        self.closed.store(true, Ordering::Release);
        let volumes = self.volumes.read().clone();
        self.open.lock().clear();
        let mut result = Ok(());
        // All are tried, whatever becomes of one.
        for volume in volumes {
            result = result.and(volume.shut());
        }
        result
    }
}
