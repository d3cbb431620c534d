//! Where a broker's positions went: one record per batch and broker (more when
//! it gets long), under the first position in it.

use firn_protocol::ids::{Offset, Position, QueueId, QueueKey, TopicKey};

use super::{Envelope, Kind, PREFIX_BYTES, ValueError, prefix, u64_be, unseal};
use crate::hot::{BrokerKey, PositionRun};
use crate::varint::{self, Reader};

/// Runs in one record: at most some 20 bytes each, so below 32 KiB.
pub(in crate::hot) const RUNS_MAX: usize = 1024;

const KEY_BYTES: usize = PREFIX_BYTES + 8;

pub(in crate::hot) fn key(broker: BrokerKey, first: Position) -> Vec<u8> {
    let mut key = Vec::with_capacity(KEY_BYTES);
    key.extend_from_slice(&prefix(broker, Kind::Position));
    key.extend_from_slice(&first.0.to_be_bytes());
    key
}

pub(in crate::hot) fn parse_key(key: &[u8]) -> Option<Position> {
    if key.len() != KEY_BYTES {
        return None;
    }
    u64_be(key, PREFIX_BYTES).map(Position)
}

/// One past the last position of a run.
pub(in crate::hot) fn end_of(run: &PositionRun) -> u64 {
    run.first.0.saturating_add(run.count.into())
}

/// Runs in order of position; the first is the key's.
pub(in crate::hot) fn encode(key: &[u8], runs: &[PositionRun]) -> Vec<u8> {
    let mut value = Envelope::with_capacity(runs.len() * 12 + 4);
    let out = &mut value.0;
    varint::put(out, runs.len() as u64);
    let mut expected = runs.first().map_or(0, |run| run.first.0);
    for run in runs {
        varint::put(out, run.first.0.saturating_sub(expected));
        varint::put(out, run.count.into());
        out.push(run.queue.topic.kind());
        varint::put(out, run.queue.topic.number());
        varint::put(out, run.queue.queue.0.into());
        varint::put(out, run.offset.0);
        expected = end_of(run);
    }
    value.seal(key)
}

pub(in crate::hot) fn decode(key: &[u8], value: &[u8]) -> Result<Vec<PositionRun>, ValueError> {
    let mut reader = Reader::new(unseal(key, value)?);
    let read = || {
        let mut expected = parse_key(key)?.0;
        let count = reader.number()?;
        let mut runs = Vec::new();
        for _ in 0..count {
            let first = expected.checked_add(reader.number()?)?;
            let count = u32::try_from(reader.number()?).ok()?;
            let kind = reader.byte()?;
            let topic = TopicKey::from_parts(kind, reader.number()?)?;
            let queue = QueueId(u16::try_from(reader.number()?).ok()?);
            let offset = Offset(reader.number()?);
            expected = first.checked_add(count.into())?;
            runs.push(PositionRun {
                first: Position(first),
                count,
                queue: QueueKey { topic, queue },
                offset,
            });
        }
        reader.is_at_end().then_some(runs)
    };
    let mut read = read;
    read().ok_or(ValueError::Damaged)
}

/// One past the last position in a record.
pub(in crate::hot) fn end(key: &[u8], value: &[u8]) -> Result<u64, ValueError> {
    let runs = decode(key, value)?;
    runs.last().map(end_of).ok_or(ValueError::Damaged)
}

/// Queue and offset of a position among runs in order.
pub(in crate::hot) fn locate(runs: &[PositionRun], at: Position) -> Option<(QueueKey, Offset)> {
    let behind = runs.partition_point(|run| run.first <= at);
    let run = runs.get(behind.checked_sub(1)?)?;
    let index = at.0 - run.first.0;
    (index < u64::from(run.count)).then(|| (run.queue, run.offset.plus(index)))
}
