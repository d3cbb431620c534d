//! Runs on their way into a segment: checked record by record before anything is
//! written, because what is written wrong is wrong for ever.

use std::ops::Range;

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, Offset, QueueKey};
use smallvec::SmallVec;

use super::error::SegmentError;
use super::format::SegmentId;
use super::hash::{KeyHash, Seed};
use super::keys::KeyRow;
use super::limits::CHUNK_RAW_BYTES_MAX;
use super::tags::TagSet;
use crate::record::{RUN_HEADER_BYTES, RecordError, Run, RunHeader, StoredRecord};

/// A run that is what it says.
pub(super) struct ParsedRun {
    pub(super) header: RunHeader,
    /// Of the bytes that were given.
    pub(super) bytes: Range<usize>,
    pub(super) tags: TagSet,
}

/// Consecutive runs with what they add to the key index.
pub(super) struct Intake {
    pub(super) runs: Vec<ParsedRun>,
    /// With absolute offsets, and no queue yet.
    pub(super) rows: Vec<KeyRow>,
    pub(super) first: Offset,
}

/// Reads consecutive runs of one queue.
///
/// # Errors
/// `Malformed`, `RunTooLong`, `OutOfOrder`.
pub(super) fn parse(id: SegmentId, queue: QueueKey, runs: &Bytes) -> Result<Intake, SegmentError> {
    let mut intake = Intake {
        runs: Vec::new(),
        rows: Vec::new(),
        first: Offset(0),
    };
    let mut rest = runs.clone();
    let mut next = None;
    while !rest.is_empty() || next.is_none() {
        let offset = next.unwrap_or_default();
        let malformed = |source| SegmentError::Malformed {
            queue,
            offset,
            source,
        };
        let start = runs.len() - rest.len();
        let run = Run::split_from(&mut rest).map_err(malformed)?;
        let (header, bytes) = (run.header, run.bytes_len());
        let offset = header.first_offset;
        if next.is_some_and(|next| next != offset) {
            return Err(SegmentError::OutOfOrder { queue, offset });
        }
        if bytes > CHUNK_RAW_BYTES_MAX {
            return Err(SegmentError::RunTooLong {
                queue,
                offset,
                bytes,
                max: CHUNK_RAW_BYTES_MAX,
            });
        }
        if next.is_none() {
            intake.first = offset;
        }
        next = Some(header.end_offset());
        let tags = records(id, &run, &mut intake.rows);
        intake.runs.push(ParsedRun {
            header,
            bytes: start..start + bytes,
            tags: tags.map_err(|source| SegmentError::Malformed {
                queue,
                offset,
                source,
            })?,
        });
    }
    Ok(intake)
}

fn records(id: SegmentId, run: &Run, rows: &mut Vec<KeyRow>) -> Result<TagSet, RecordError> {
    let mut tags = TagSet::default();
    let mut bytes = RUN_HEADER_BYTES;
    for record in run.records() {
        let record = record?;
        bytes += 4 + record.bytes_len();
        let (seed, broker) = (id.seed, id.broker.broker);
        tags.add(record.summary()?.tag.map(|tag| seed.tag_hash(tag)));
        for hash in hashes(&record, seed, broker)? {
            rows.push(KeyRow {
                hash,
                position: record.position,
                queue: 0,
                offset: record.offset.0,
            });
        }
    }
    if bytes == run.bytes_len() {
        Ok(tags)
    } else {
        Err(RecordError("bytes behind the records"))
    }
}

/// Hashes of the keys and of the id, each once.
fn hashes(
    record: &StoredRecord,
    seed: Seed,
    broker: BrokerId,
) -> Result<SmallVec<[KeyHash; 4]>, RecordError> {
    let keys = record.summary()?.keys();
    let mut hashes: SmallVec<[KeyHash; 4]> = keys.map(|key| seed.key_hash(key)).collect();
    hashes.push(seed.id_hash(&record.message_id(broker)?));
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes)
}
