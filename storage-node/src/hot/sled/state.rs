//! Snapshots of broker state on disk: a small database of their own, opened by
//! the same rules as a volume. A snapshot is cut into pieces.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use super::database::{Database, Machine};
use super::start::{self, Alone};
use crate::hot::keys::snapshot::{self, PIECE_BYTES, Piece};
use crate::hot::keys::volume::{self as record, Reach};
use crate::hot::keys::{Kind, after, parse_prefix, prefix};
use crate::hot::{BrokerKey, HotError, Lsn, StateStore};

/// A state store, and why it had to begin anew, if it had to.
pub struct OpenedState {
    pub store: SledStateStore,
    pub rebuilt: Option<String>,
}

/// State store in one database of sled.
pub struct SledStateStore {
    /// `None` once closed. Saving takes it for itself.
    database: RwLock<Option<Database>>,
    marker: AtomicU64,
}

impl SledStateStore {
    /// Opens the store in `dir`, or makes it. One that cannot be trusted is
    /// removed; the state is then made again from the log's start.
    ///
    /// # Errors
    /// `Newer` or `InUse`, with nothing touched; `Io` and `Store` when no new
    /// database can be made.
    pub fn open(dir: &Path, log_end: Lsn) -> Result<OpenedState, HotError> {
        Self::open_on(dir, log_end, &Machine::real())
    }

    pub(super) fn open_on(
        dir: &Path,
        log_end: Lsn,
        machine: &Machine,
    ) -> Result<OpenedState, HotError> {
        let (database, reach, rebuilt) = match start::open_alone(dir, log_end, machine)? {
            Alone::Good(database, reach) => (database, reach, None),
            Alone::New(rebuilt) => {
                let reach = Reach::default();
                (Database::create(dir, machine, reach)?, reach, rebuilt)
            }
        };
        if let Some(reason) = &rebuilt {
            tracing::warn!(%reason, "broker state is made again from the log");
        }
        let store = Self {
            database: RwLock::new(Some(database)),
            marker: AtomicU64::new(reach.marker.0),
        };
        Ok(OpenedState { store, rebuilt })
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, HotError>) -> Result<T, HotError> {
        let database = self.database.read();
        work(database.as_ref().ok_or_else(closed)?)
    }

    /// Changes the store with nobody else in it.
    fn change(
        &self,
        marker: Option<Lsn>,
        work: impl FnOnce(&::sled::Tree, &mut ::sled::Batch) -> ::sled::Result<()>,
    ) -> Result<(), HotError> {
        let database = self.database.write();
        let database = database.as_ref().ok_or_else(closed)?;
        let marker = marker.unwrap_or_else(|| self.marker());
        let reach = Reach {
            marker,
            ..Reach::default()
        };
        database.run(|tree| {
            let mut batch = ::sled::Batch::default();
            work(tree, &mut batch)?;
            batch.insert(&record::KEY, record::encode(reach));
            tree.apply_batch(batch)
        })?;
        self.marker.store(marker.0, Ordering::Release);
        Ok(())
    }
}

fn closed() -> HotError {
    HotError::Store("store is closed".to_owned())
}

fn put(
    tree: &::sled::Tree,
    batch: &mut ::sled::Batch,
    (broker, sequence, bytes): &(BrokerKey, u64, Bytes),
) -> ::sled::Result<()> {
    // An empty snapshot is one empty piece.
    let pieces = bytes.len().div_ceil(PIECE_BYTES).max(1);
    for number in 0..pieces {
        let from = number * PIECE_BYTES;
        let to = bytes.len().min(from + PIECE_BYTES);
        let key = snapshot::key(*broker, number as u32);
        let piece = Piece {
            sequence: *sequence,
            pieces: pieces as u32,
            bytes: &bytes[from..to],
        };
        let value = snapshot::encode(&key, piece);
        batch.insert(key, value);
    }
    remove_from(tree, batch, *broker, pieces as u32)
}

/// Takes away the pieces of an earlier, longer snapshot.
fn remove_from(
    tree: &::sled::Tree,
    batch: &mut ::sled::Batch,
    broker: BrokerKey,
    number: u32,
) -> ::sled::Result<()> {
    let end = after(&prefix(broker, Kind::Snapshot)).unwrap_or_default();
    for key in tree.range(snapshot::key(broker, number)..end).keys() {
        batch.remove(key?);
    }
    Ok(())
}

impl StateStore for SledStateStore {
    fn marker(&self) -> Lsn {
        Lsn(self.marker.load(Ordering::Acquire))
    }

    fn load(&self) -> Result<Vec<(BrokerKey, u64, Bytes)>, HotError> {
        let entries: Vec<_> = self.with(|database| {
            database.run(|tree| tree.range(vec![0, 0]..).collect::<::sled::Result<_>>())
        })?;
        let mut found: Vec<(BrokerKey, u64, Vec<u8>)> = Vec::new();
        let mut missing = 0;
        for (key, value) in &entries {
            let damaged = || HotError::Store("a snapshot is damaged".to_owned());
            let (broker, _) = parse_prefix(key).ok_or_else(damaged)?;
            let number = snapshot::parse_key(key).ok_or_else(damaged)?;
            let piece = snapshot::decode(key, value).map_err(|_| damaged())?;
            if missing == 0 && number == 0 {
                found.push((broker, piece.sequence, Vec::new()));
                missing = piece.pieces;
            }
            let (owner, sequence, bytes) = found.last_mut().ok_or_else(damaged)?;
            let expected = piece.pieces.checked_sub(missing);
            let left = missing.checked_sub(1).ok_or_else(damaged)?;
            if (*owner, *sequence, expected) != (broker, piece.sequence, Some(number)) {
                return Err(damaged());
            }
            bytes.extend_from_slice(piece.bytes);
            missing = left;
        }
        if missing > 0 {
            return Err(HotError::Store("a snapshot is cut".to_owned()));
        }
        let shared = |(broker, sequence, bytes)| (broker, sequence, Bytes::from(bytes));
        Ok(found.into_iter().map(shared).collect())
    }

    fn save(&self, snapshots: Vec<(BrokerKey, u64, Bytes)>, marker: Lsn) -> Result<(), HotError> {
        self.change(Some(marker), |tree, batch| {
            snapshots
                .iter()
                .try_for_each(|snapshot| put(tree, batch, snapshot))
        })
    }

    fn remove(&self, broker: BrokerKey) -> Result<(), HotError> {
        self.change(None, |tree, batch| remove_from(tree, batch, broker, 0))
    }

    fn close(&self) -> Result<(), HotError> {
        let reach = Reach {
            marker: self.marker(),
            ..Reach::default()
        };
        match self.database.write().take() {
            Some(database) => database.close(reach),
            None => Ok(()),
        }
    }
}
