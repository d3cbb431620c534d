//! Turns committed runs into batches for the hot store: pure, no clock, no
//! store. Gathers the runs of each queue into chunks, with the hashes of keys
//! and ids, and notes where each position went.

use std::collections::BTreeMap;

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, Offset, QueueKey};
use firn_protocol::time::Timestamp;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::hot::hash::{id_hash, key_hash};
use crate::hot::{BrokerKey, Chunk, HotBatch, IndexEntry, Lsn, NewChunk, PositionRun};
use crate::record::{RUN_HEADER_BYTES, RecordError, Run, RunHeader, encode_run, header_of};

/// One committed run, as the log has it.
#[derive(Clone, Debug)]
pub struct FillItem {
    /// The frame that it stands in.
    pub lsn: Lsn,
    pub broker: BrokerKey,
    pub queue: QueueKey,
    /// Exactly one run ([`crate::record::Run`]).
    pub run: Bytes,
}

/// Where chunks and batches are cut, in bytes of runs.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// A chunk is closed when it has this much.
    pub chunk_bytes: usize,
    /// No chunk is longer than this, except for one single record.
    pub chunk_bytes_max: usize,
    /// A batch is put in when it has this much.
    pub batch_bytes: usize,
}

impl Default for Cut {
    /// As measured to be best for sled (HOT_STORE).
    fn default() -> Self {
        Self {
            chunk_bytes: 32 * 1024,
            chunk_bytes_max: 64 * 1024,
            batch_bytes: 1024 * 1024,
        }
    }
}

/// A batch in the making.
#[derive(Debug)]
pub struct BatchBuilder {
    cut: Cut,
    reached: Lsn,
    bytes: usize,
    closed: Vec<NewChunk>,
    growing: FxHashMap<(BrokerKey, QueueKey), Growing>,
    positions: BTreeMap<BrokerKey, Vec<PositionRun>>,
    /// One past the last record of each queue.
    ends: FxHashMap<(BrokerKey, QueueKey), Offset>,
}

/// A chunk that may still grow.
#[derive(Debug)]
struct Growing {
    first: Offset,
    count: u32,
    stored_at: (Timestamp, Timestamp),
    runs: Vec<u8>,
    index: Vec<IndexEntry>,
}

/// What a record adds to the index, and how long it is with its length field.
struct Parsed {
    bytes: usize,
    hashes: SmallVec<[u64; 4]>,
}

impl BatchBuilder {
    /// Nothing before `reached` will be added.
    #[must_use]
    pub fn new(cut: Cut, reached: Lsn) -> Self {
        Self {
            cut,
            reached,
            bytes: 0,
            closed: Vec::new(),
            growing: FxHashMap::default(),
            positions: BTreeMap::new(),
            ends: FxHashMap::default(),
        }
    }

    /// Everything before this place has been added.
    #[must_use]
    pub fn reached(&self) -> Lsn {
        self.reached
    }

    /// Says that everything before `lsn` has been added.
    pub fn reach(&mut self, lsn: Lsn) {
        self.reached = self.reached.max(lsn);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Bytes of runs added.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the batch should be put in before the next frame is added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= self.cut.batch_bytes
    }

    /// Whether a run stands before records of its queue that are in the batch:
    /// it was carried forward in the log and belongs in another batch.
    #[must_use]
    pub fn goes_back(&self, item: &FillItem) -> bool {
        let end = self.ends.get(&(item.broker, item.queue));
        end.is_some_and(|end| header_of(&item.run).is_ok_and(|run| run.first_offset < *end))
    }

    /// Adds a run, which follows all runs of its queue that were added before.
    ///
    /// # Errors
    /// When the bytes are not one run; nothing is added then.
    pub fn add(&mut self, item: &FillItem) -> Result<(), RecordError> {
        let run = Run::parse(item.run.clone())?;
        let records = parse(&run, item.broker.broker)?;
        let header = run.header;
        self.bytes += item.run.len();
        self.note_positions(item, &header);
        let place = (item.broker, item.queue);
        self.ends.insert(place, header.end_offset());
        if item.run.len() <= self.cut.chunk_bytes_max {
            self.append(item, &header, &item.run[RUN_HEADER_BYTES..], &records);
            return Ok(());
        }
        let (mut record, mut at) = (0, RUN_HEADER_BYTES);
        while record < records.len() {
            let (count, bytes) = self.piece(&records[record..]);
            let piece = RunHeader {
                first_offset: header.first_offset.plus(record as u64),
                first_position: firn_protocol::ids::Position(
                    header.first_position.0 + record as u64,
                ),
                stored_at: header.stored_at,
                count: count as u32,
                bytes: bytes as u32,
            };
            let parsed = &records[record..record + count];
            self.append(item, &piece, &item.run[at..at + bytes], parsed);
            record += count;
            at += bytes;
        }
        Ok(())
    }

    /// How many of the records make one piece of a long run, and their bytes.
    fn piece(&self, records: &[Parsed]) -> (usize, usize) {
        let room = self.cut.chunk_bytes.saturating_sub(RUN_HEADER_BYTES);
        let (mut count, mut bytes) = (1, records[0].bytes);
        for record in &records[1..] {
            if bytes + record.bytes > room {
                break;
            }
            count += 1;
            bytes += record.bytes;
        }
        (count, bytes)
    }

    fn append(&mut self, item: &FillItem, header: &RunHeader, bytes: &[u8], parsed: &[Parsed]) {
        let place = (item.broker, item.queue);
        let len = RUN_HEADER_BYTES + bytes.len();
        let fits = self.growing.get(&place).is_none_or(|chunk| {
            chunk.first.plus(chunk.count.into()) == header.first_offset
                && chunk.runs.len() + len <= self.cut.chunk_bytes_max
        });
        if !fits {
            self.close(place);
        }
        let chunk = self.growing.entry(place).or_insert_with(|| Growing {
            first: header.first_offset,
            count: 0,
            stored_at: (header.stored_at, header.stored_at),
            runs: Vec::new(),
            index: Vec::new(),
        });
        for (nth, record) in (0_u32..).zip(parsed) {
            let position = firn_protocol::ids::Position(header.first_position.0 + u64::from(nth));
            chunk
                .index
                .extend(record.hashes.iter().map(|&hash| IndexEntry {
                    hash,
                    index: chunk.count + nth,
                    position,
                }));
        }
        encode_run(&mut chunk.runs, header, bytes);
        chunk.count += header.count;
        chunk.stored_at.1 = header.stored_at;
        if chunk.runs.len() >= self.cut.chunk_bytes {
            self.close(place);
        }
    }

    fn close(&mut self, place: (BrokerKey, QueueKey)) {
        if let Some(chunk) = self.growing.remove(&place) {
            self.closed.push(chunk.finish(place));
        }
    }

    fn note_positions(&mut self, item: &FillItem, header: &RunHeader) {
        let runs = self.positions.entry(item.broker).or_default();
        if let Some(last) = runs.last_mut() {
            let count = u64::from(last.count);
            let goes_on = last.queue == item.queue
                && last.first.0 + count == header.first_position.0
                && last.offset.plus(count) == header.first_offset;
            if goes_on && let Some(sum) = last.count.checked_add(header.count) {
                last.count = sum;
                return;
            }
        }
        runs.push(PositionRun {
            first: header.first_position,
            count: header.count,
            queue: item.queue,
            offset: header.first_offset,
        });
    }

    /// The batch of what was added, and a fresh start behind it.
    #[must_use]
    pub fn take(&mut self) -> HotBatch {
        let mut rest: Vec<_> = self.growing.drain().collect();
        rest.sort_unstable_by_key(|(place, _)| *place);
        let mut chunks = std::mem::take(&mut self.closed);
        chunks.extend(rest.into_iter().map(|(place, chunk)| chunk.finish(place)));
        self.bytes = 0;
        self.ends.clear();
        let mut positions: Vec<_> = std::mem::take(&mut self.positions).into_iter().collect();
        for (_, runs) in &mut positions {
            // Runs that were carried forward come queue by queue.
            runs.sort_unstable_by_key(|run| run.first);
        }
        HotBatch {
            chunks,
            positions,
            marker: self.reached,
        }
    }
}

impl Growing {
    fn finish(self, (broker, queue): (BrokerKey, QueueKey)) -> NewChunk {
        NewChunk {
            broker,
            queue,
            chunk: Chunk {
                first_offset: self.first,
                count: self.count,
                stored_at: self.stored_at,
                runs: self.runs.into(),
            },
            index: self.index,
        }
    }
}

fn parse(run: &Run, broker: BrokerId) -> Result<Vec<Parsed>, RecordError> {
    let mut parsed = Vec::with_capacity(run.header.count as usize);
    let mut bytes = RUN_HEADER_BYTES;
    for record in run.records() {
        let record = record?;
        let mut hashes: SmallVec<[u64; 4]> = record.summary()?.keys().map(key_hash).collect();
        hashes.push(id_hash(&record.message_id(broker)?));
        let len = 4 + record.bytes_len();
        bytes += len;
        parsed.push(Parsed { bytes: len, hashes });
    }
    if bytes == run.bytes_len() {
        Ok(parsed)
    } else {
        Err(RecordError("bytes behind the records"))
    }
}
