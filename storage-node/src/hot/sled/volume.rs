//! One volume: a database that is filled up to a size, then only read. Knows
//! how batches become records and how records are found; which volumes are
//! open, and in which order they are asked, is the store's business.
//!
//! Replays may cut chunks elsewhere than before. Within a volume no chunk lies
//! inside another (and no position record either): the inner one is left out or
//! taken away. So the last one that starts at or before a place is the one that
//! reaches furthest, and one look answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use firn_protocol::ids::{Offset, Position, QueueKey, TopicKey};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::database::{Database, Machine};
use crate::hot::keys::index::Index;
use crate::hot::keys::volume::{self as record, Reach};
use crate::hot::keys::{
    Kind, ValueError, after, chunk, chunk_key, index, parse_chunk_key, position, prefix,
    topic_prefix,
};
use crate::hot::{BrokerKey, Chunk, Hit, HotBatch, HotError, Lsn};

#[derive(Debug)]
pub(super) struct Volume {
    pub(super) number: u64,
    pub(super) dir: PathBuf,
    state: RwLock<State>,
    begins: Lsn,
    marker: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug)]
enum State {
    Closed,
    Open(Database),
    /// Could not be opened again, or failed while it was open.
    Broken(String),
    /// Dropped for good.
    Gone,
}

/// What came of asking a volume.
pub(super) enum Asked<T> {
    Answer(T),
    /// The same, and the volume had to be opened.
    Opened(T),
    /// The volume was dropped meanwhile.
    Gone,
}

impl Volume {
    pub(super) fn open(number: u64, dir: &Path, database: Database, reach: Reach) -> Self {
        Self::with_state(number, dir, State::Open(database), reach)
    }

    pub(super) fn closed(number: u64, dir: &Path, reach: Reach) -> Self {
        Self::with_state(number, dir, State::Closed, reach)
    }

    fn with_state(number: u64, dir: &Path, state: State, reach: Reach) -> Self {
        Self {
            number,
            dir: dir.to_owned(),
            state: RwLock::new(state),
            begins: reach.begins,
            marker: AtomicU64::new(reach.marker.0),
            bytes: AtomicU64::new(reach.bytes),
        }
    }

    pub(super) fn reach(&self) -> Reach {
        Reach {
            begins: self.begins,
            marker: Lsn(self.marker.load(Ordering::Acquire)),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(&*self.state.read(), State::Open(_))
    }

    /// Lets the database be worked on, opening it if it was closed.
    pub(super) fn ask<T>(
        &self,
        machine: &Machine,
        work: impl FnOnce(&Database) -> Result<T, HotError>,
    ) -> Result<Asked<T>, HotError> {
        let mut state = self.state.read();
        let mut opened = false;
        if matches!(&*state, State::Closed) {
            drop(state);
            (state, opened) = self.open_again(machine);
        }
        match &*state {
            State::Open(database) => work(database).map(|answer| {
                if opened {
                    Asked::Opened(answer)
                } else {
                    Asked::Answer(answer)
                }
            }),
            State::Broken(why) => Err(HotError::Store(why.clone())),
            State::Closed => Err(HotError::Store("volume is closed".into())),
            State::Gone => Ok(Asked::Gone),
        }
    }

    fn open_again(&self, machine: &Machine) -> (RwLockReadGuard<'_, State>, bool) {
        let mut state = self.state.write();
        let closed = matches!(&*state, State::Closed);
        if closed {
            *state = match Database::open(&self.dir, machine) {
                Ok((database, reach)) if reach == self.reach() => State::Open(database),
                Ok(_) => State::Broken("volume is not the one that was closed".into()),
                Err(HotError::InUse(_)) => State::Closed,
                Err(error) => State::Broken(error.to_string()),
            };
            if let State::Broken(reason) = &*state {
                super::database::distrust(&self.dir);
                tracing::warn!(volume = self.number, %reason, "a volume of the hot store is lost until the next start");
            }
        }
        (RwLockWriteGuard::downgrade(state), closed)
    }

    /// Whether it failed while running.
    pub(super) fn is_broken(&self) -> bool {
        matches!(&*self.state.read(), State::Broken(_))
    }

    /// Closes the volume cleanly; readers that are in it finish first.
    pub(super) fn close(&self) -> Result<(), HotError> {
        let mut state = self.state.write();
        if !matches!(&*state, State::Open(_)) {
            return Ok(());
        }
        let State::Open(database) = std::mem::replace(&mut *state, State::Closed) else {
            return Ok(());
        };
        database.close(self.reach())
    }

    /// Closes the volume and lets nobody open it again.
    pub(super) fn shut(&self) -> Result<(), HotError> {
        let mut state = self.state.write();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Open(database) => database.close(self.reach()),
            State::Closed | State::Broken(_) | State::Gone => Ok(()),
        }
    }

    /// Lets go of everything, for a volume whose files are to be removed.
    pub(super) fn abandon(&self) {
        *self.state.write() = State::Gone;
    }

    /// Puts a batch in, all or nothing. Only one thread fills.
    pub(super) fn fill(&self, database: &Database, batch: &HotBatch) -> Result<(), HotError> {
        let before = self.reach();
        let mut reach = before;
        database.run(|tree| {
            let mut writes = Writes::default();
            for new in &batch.chunks {
                add_chunk(tree, &mut writes, new)?;
            }
            for (broker, runs) in &batch.positions {
                for piece in runs.chunks(position::RUNS_MAX) {
                    add_positions(tree, &mut writes, *broker, piece)?;
                }
            }
            reach.marker = before.marker.max(batch.marker);
            reach.bytes += writes.bytes;
            writes.put(&record::KEY, record::encode(reach));
            tree.apply_batch(writes.batch)
        })?;
        self.bytes.store(reach.bytes, Ordering::Relaxed);
        self.marker.store(reach.marker.0, Ordering::Release);
        Ok(())
    }
}

#[derive(Default)]
struct Writes {
    batch: ::sled::Batch,
    bytes: u64,
}

impl Writes {
    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.bytes += (key.len() + value.len()) as u64;
        self.batch.insert(key, value);
    }
}

fn add_chunk(
    tree: &::sled::Tree,
    writes: &mut Writes,
    new: &crate::hot::NewChunk,
) -> ::sled::Result<()> {
    let at = |kind, offset| chunk_key(new.broker, kind, new.queue, offset);
    let first = new.chunk.first_offset;
    let key = at(Kind::Chunk, first);
    let queue_start = at(Kind::Chunk, Offset(0));
    let end = first.0.saturating_add(new.chunk.count.into());
    let span = Span {
        queue_start: &queue_start,
        key: &key,
        last_key: &at(Kind::Chunk, Offset(end.saturating_sub(1))),
        end,
    };
    let Some(inner) = span.make_room(tree, chunk::end)? else {
        return Ok(());
    };
    for inner in inner {
        if let Some((_, offset)) = parse_chunk_key(&inner) {
            writes.batch.remove(at(Kind::Index, offset));
        }
        writes.batch.remove(inner);
    }
    writes.put(&key, chunk::encode(&key, &new.chunk));
    let index_key = at(Kind::Index, first);
    if !new.index.is_empty() {
        let value = index::encode(&index_key, &new.index);
        writes.put(&index_key, value);
    }
    Ok(())
}

fn add_positions(
    tree: &::sled::Tree,
    writes: &mut Writes,
    broker: BrokerKey,
    runs: &[crate::hot::PositionRun],
) -> ::sled::Result<()> {
    let (Some(first), Some(end)) = (runs.first(), runs.last().map(position::end_of)) else {
        return Ok(());
    };
    let key = position::key(broker, first.first);
    let span = Span {
        queue_start: &position::key(broker, Position(0)),
        key: &key,
        last_key: &position::key(broker, Position(end.saturating_sub(1))),
        end,
    };
    if let Some(inner) = span.make_room(tree, position::end)? {
        for inner in inner {
            writes.batch.remove(inner);
        }
        writes.put(&key, position::encode(&key, runs));
    }
    Ok(())
}

/// A new record on a line of places, among those that are there.
struct Span<'a> {
    queue_start: &'a [u8],
    key: &'a [u8],
    /// Key of a record that would start at the last place of the new one.
    last_key: &'a [u8],
    end: u64,
}

impl Span<'_> {
    /// The keys of records that lie inside the new one; `None` if it lies
    /// inside one that is there. A damaged record counts as lying inside.
    fn make_room(
        &self,
        tree: &::sled::Tree,
        end_of: fn(&[u8], &[u8]) -> Result<u64, ValueError>,
    ) -> ::sled::Result<Option<Vec<::sled::IVec>>> {
        let before = tree.range(self.queue_start..=self.key).next_back();
        if let Some((key, value)) = before.transpose()?
            && end_of(&key, &value).is_ok_and(|end| end >= self.end)
        {
            return Ok(None);
        }
        let mut inner = Vec::new();
        for entry in tree.range(self.key..=self.last_key) {
            let (key, value) = entry?;
            if end_of(&key, &value).is_ok_and(|end| end > self.end) {
                break;
            }
            // The same key is written over.
            if key != self.key {
                inner.push(key);
            }
        }
        Ok(Some(inner))
    }
}

/// The chunk of a volume that holds `offset`.
pub(super) fn chunk_at(
    database: &Database,
    broker: BrokerKey,
    queue: QueueKey,
    offset: Offset,
) -> Result<Option<Chunk>, HotError> {
    let from = chunk_key(broker, Kind::Chunk, queue, Offset(0));
    let to = chunk_key(broker, Kind::Chunk, queue, offset);
    let Some((key, value)) = database.run(|tree| tree.range(from..=to).next_back().transpose())?
    else {
        return Ok(None);
    };
    let chunk = chunk::decode(&key, &value).map_err(|_| HotError::Damaged { queue, offset })?;
    let index = offset.0 - chunk.first_offset.0;
    Ok((index < u64::from(chunk.count)).then_some(chunk))
}

/// Where the record at a position went, if this volume knows.
pub(super) fn locate(
    database: &Database,
    broker: BrokerKey,
    at: Position,
) -> Result<Option<(QueueKey, Offset)>, HotError> {
    let from = position::key(broker, Position(0));
    let to = position::key(broker, at);
    let Some((key, value)) = database.run(|tree| tree.range(from..=to).next_back().transpose())?
    else {
        return Ok(None);
    };
    let runs =
        position::decode(&key, &value).map_err(|_| HotError::DamagedIndex { position: at })?;
    Ok(position::locate(&runs, at))
}

/// What is looked for by hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) broker: BrokerKey,
    pub(super) topic: Option<TopicKey>,
    pub(super) hash: u64,
    pub(super) from: Position,
    pub(super) max: usize,
}

/// The first hits in order of position, each once whatever it lies in.
#[derive(Debug, Default)]
pub(super) struct Hits(pub(super) BTreeMap<Position, Hit>);

impl Hits {
    /// Whether nothing at or behind `position` can be among the first any more.
    pub(super) fn is_full_before(&self, position: u64, max: usize) -> bool {
        self.0.len() >= max
            && self
                .0
                .last_key_value()
                .is_none_or(|(last, _)| last.0 < position)
    }

    pub(super) fn add(&mut self, hit: Hit, max: usize) {
        self.0.insert(hit.position, hit);
        if self.0.len() > max {
            self.0.pop_last();
        }
    }
}

/// Adds a volume's hits: one pass over its index records of the broker, or of
/// the one topic.
pub(super) fn find(database: &Database, wanted: &Wanted, hits: &mut Hits) -> Result<(), HotError> {
    let from = match wanted.topic {
        Some(topic) => topic_prefix(wanted.broker, Kind::Index, topic),
        None => prefix(wanted.broker, Kind::Index).to_vec(),
    };
    // There is always a key behind, because the kind's number is small.
    let to = after(&from).unwrap_or_default();
    database.run(|tree| {
        for entry in tree.range(from..to) {
            let (key, value) = entry?;
            let Some((queue, first)) = parse_chunk_key(&key) else {
                return Ok(Err(HotError::DamagedIndex {
                    position: wanted.from,
                }));
            };
            let Ok(index) = Index::read(&key, &value) else {
                return Ok(Err(HotError::Damaged {
                    queue,
                    offset: first,
                }));
            };
            if index.last < wanted.from || hits.is_full_before(index.first.0, wanted.max) {
                continue;
            }
            for (at, position) in index.hits(wanted.hash) {
                if position >= wanted.from {
                    let offset = first.plus(at.into());
                    hits.add(
                        Hit {
                            queue,
                            offset,
                            position,
                        },
                        wanted.max,
                    );
                }
            }
        }
        Ok(Ok(()))
    })?
}
