//! Stored records. A *run* is consecutive records of one queue that were stored
//! together; the same bytes stand in the log entry, in memory and in chunks of
//! the hot store, so a record is encoded once in its life.
//!
//! Run: header of 32 bytes (first offset, first position, store time, count, length),
//! then the records, each with its length before it. Runs may be concatenated.
//! The version of the format is carried by what holds the run (frame, chunk).

mod codec;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use firn_protocol::filter::Facts;
use firn_protocol::ids::{BrokerId, Offset, Position, QueueKey};
use firn_protocol::message::{Message, MessageId, NewMessage, Origin};
use firn_protocol::time::Timestamp;

/// Bytes of a run before its first record.
pub const RUN_HEADER_BYTES: usize = 32;

/// Stored bytes that are not a record. Never an answer to a client: it means
/// that a checksum failed to protect us or that the version is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored record is malformed: {0}")]
pub struct RecordError(pub &'static str);

/// What stands before the records of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunHeader {
    pub first_offset: Offset,
    pub first_position: Position,
    pub stored_at: Timestamp,
    pub count: u32,
    /// Of the records, without this header.
    pub bytes: u32,
}

impl RunHeader {
    /// One past the last offset.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.first_offset.plus(u64::from(self.count))
    }

    /// Bytes of the whole run.
    #[must_use]
    pub fn run_bytes(&self) -> u64 {
        RUN_HEADER_BYTES as u64 + u64::from(self.bytes)
    }
}

/// Records in stored form, before they have a place.
#[derive(Clone, Debug, Default)]
pub struct EncodedRecords {
    pub bytes: Vec<u8>,
    pub count: u32,
}

impl EncodedRecords {
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            count: 0,
        }
    }

    /// Adds an original: attempt 1, no origin.
    pub fn push_original(&mut self, content: &NewMessage) {
        self.push(content, content.message_id, 1, None, None);
    }

    /// Adds a message that is held until it goes to its queue.
    pub fn push_held(&mut self, content: &NewMessage, target: QueueKey) {
        self.push(content, content.message_id, 1, None, Some(target));
    }

    /// Adds a copy, which keeps its id and knows where it came from.
    pub fn push_copy(&mut self, content: &NewMessage, id: MessageId, attempt: u32, origin: Origin) {
        self.push(content, Some(id), attempt, Some(origin), None);
    }

    fn push(
        &mut self,
        content: &NewMessage,
        id: Option<MessageId>,
        attempt: u32,
        origin: Option<Origin>,
        target: Option<QueueKey>,
    ) {
        codec::encode_record(&mut self.bytes, content, id, attempt, origin, target);
        self.count += 1;
    }
}

/// What stands before the records of a run.
#[must_use]
pub fn encode_run_header(header: &RunHeader) -> [u8; RUN_HEADER_BYTES] {
    let mut out = [0; RUN_HEADER_BYTES];
    out[..8].copy_from_slice(&header.first_offset.0.to_le_bytes());
    out[8..16].copy_from_slice(&header.first_position.0.to_le_bytes());
    out[16..24].copy_from_slice(&header.stored_at.0.to_le_bytes());
    out[24..28].copy_from_slice(&header.count.to_le_bytes());
    out[28..].copy_from_slice(&header.bytes.to_le_bytes());
    out
}

/// Writes a run into `out`.
pub fn encode_run(out: &mut Vec<u8>, header: &RunHeader, records: &[u8]) {
    debug_assert_eq!(header.bytes as usize, records.len());
    out.reserve(RUN_HEADER_BYTES + records.len());
    out.extend_from_slice(&encode_run_header(header));
    out.extend_from_slice(records);
}

/// A run over shared bytes.
#[derive(Clone, Debug)]
pub struct Run {
    pub header: RunHeader,
    records: Bytes,
}

impl Run {
    /// Splits the first run off `bytes`.
    ///
    /// # Errors
    /// When the bytes are not a run.
    pub fn split_from(bytes: &mut Bytes) -> Result<Self, RecordError> {
        let header = header_of(bytes)?;
        let len = records_len(bytes);
        let _ = bytes.split_to(RUN_HEADER_BYTES);
        Ok(Self {
            header,
            records: bytes.split_to(len),
        })
    }

    /// Reads bytes that hold exactly one run.
    ///
    /// # Errors
    /// When the bytes are not one run.
    pub fn parse(mut bytes: Bytes) -> Result<Self, RecordError> {
        let run = Self::split_from(&mut bytes)?;
        if bytes.is_empty() {
            Ok(run)
        } else {
            Err(RecordError("bytes behind the run"))
        }
    }

    /// The records in order, each with its offset and position.
    pub fn records(&self) -> impl Iterator<Item = Result<StoredRecord, RecordError>> + use<> {
        let mut rest = self.records.clone();
        let header = self.header;
        let mut index = 0;
        std::iter::from_fn(move || {
            if index == header.count {
                return None;
            }
            let record = split_record(&mut rest).map(|bytes| StoredRecord {
                offset: header.first_offset.plus(u64::from(index)),
                position: Position(header.first_position.0 + u64::from(index)),
                stored_at: header.stored_at,
                bytes,
            });
            // After an error nothing that follows can be trusted.
            index = if record.is_ok() {
                index + 1
            } else {
                header.count
            };
            Some(record)
        })
    }

    /// The records as they are stored.
    #[must_use]
    pub fn records_bytes(&self) -> &[u8] {
        &self.records
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        RUN_HEADER_BYTES + self.records.len()
    }
}

/// Reads concatenated runs, as a chunk holds them.
///
/// # Errors
/// When the bytes are not runs.
pub fn runs_of(mut bytes: Bytes) -> Result<Vec<Run>, RecordError> {
    let mut runs = Vec::new();
    while !bytes.is_empty() {
        runs.push(Run::split_from(&mut bytes)?);
    }
    Ok(runs)
}

/// Bytes above which records of one time get another run: a run is never cut
/// again, and whoever reads one record of it reads all.
const JOINED_BYTES_MAX: usize = 32 << 10;

/// Records as runs again: those that follow one another and were stored at the
/// same time stand in one, up to a size.
#[must_use]
pub fn encode_records(records: &[StoredRecord]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut joined = 0;
    let follows = |a: &StoredRecord, b: &StoredRecord| {
        joined += 4 + a.bytes.len();
        let fits = joined < JOINED_BYTES_MAX
            && a.offset.plus(1) == b.offset
            && a.position.0 + 1 == b.position.0
            && a.stored_at == b.stored_at;
        joined = if fits { joined } else { 0 };
        fits
    };
    for run in records.chunk_by(follows) {
        let bytes: usize = run.iter().map(|record| 4 + record.bytes.len()).sum();
        let header = RunHeader {
            first_offset: run[0].offset,
            first_position: run[0].position,
            stored_at: run[0].stored_at,
            count: run.len() as u32,
            bytes: bytes as u32,
        };
        out.reserve(RUN_HEADER_BYTES + bytes);
        out.extend_from_slice(&encode_run_header(&header));
        for record in run {
            out.extend_from_slice(&(record.bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(&record.bytes);
        }
    }
    out
}

/// The header of the run at the start of `bytes`, checked against its length.
///
/// # Errors
/// When the bytes are too short or the header cannot be.
pub fn header_of(bytes: &[u8]) -> Result<RunHeader, RecordError> {
    if bytes.len() < RUN_HEADER_BYTES {
        return Err(RecordError("run header is cut"));
    }
    let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let count = u32::from_le_bytes(std::array::from_fn(|i| bytes[24 + i]));
    let (first_offset, first_position) = (u64_at(0), u64_at(8));
    let len = records_len(bytes);
    if bytes.len() - RUN_HEADER_BYTES < len {
        return Err(RecordError("run is cut"));
    }
    // Every record takes at least its length field.
    if count == 0 || count as usize > len / 4 {
        return Err(RecordError("run count does not fit"));
    }
    let fits = |base: u64| base.checked_add(u64::from(count)).is_some();
    if !fits(first_offset) || !fits(first_position) {
        return Err(RecordError("run is out of range"));
    }
    Ok(RunHeader {
        first_offset: Offset(first_offset),
        first_position: Position(first_position),
        stored_at: Timestamp(u64_at(16)),
        count,
        bytes: len as u32,
    })
}

fn records_len(bytes: &[u8]) -> usize {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[28 + i])) as usize
}

fn split_record(rest: &mut Bytes) -> Result<Bytes, RecordError> {
    let Some(len) = rest
        .first_chunk::<4>()
        .map(|len| u32::from_le_bytes(*len) as usize)
    else {
        return Err(RecordError("record length is cut"));
    };
    if rest.len() - 4 < len {
        return Err(RecordError("record is cut"));
    }
    let _ = rest.split_to(4);
    Ok(rest.split_to(len))
}

/// One record over shared bytes, with its place.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    pub offset: Offset,
    pub position: Position,
    pub stored_at: Timestamp,
    bytes: Bytes,
}

/// What filters and indexes need, without copying.
#[derive(Clone, Copy, Debug)]
pub struct RecordSummary<'a> {
    pub tag: Option<&'a str>,
    /// `None`: the id is the server-made one of this place.
    pub message_id: Option<MessageId>,
    pub attempt: u32,
    pub origin: Option<Origin>,
    pub deliver_at: Option<Timestamp>,
    /// Where a held message goes.
    pub target: Option<QueueKey>,
    pub message_group: Option<&'a str>,
    keys: codec::Texts<'a>,
    properties: codec::Texts<'a>,
    body_at: usize,
}

impl<'a> RecordSummary<'a> {
    /// The keys of the message.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.keys.iter()
    }
}

impl Facts for RecordSummary<'_> {
    fn tag(&self) -> Option<&str> {
        self.tag
    }

    fn keys(&self) -> Option<Cow<'_, str>> {
        let mut keys = self.keys.iter();
        let mut joined = Cow::Borrowed(keys.next()?);
        for key in keys {
            let joined = joined.to_mut();
            joined.push(' ');
            joined.push_str(key);
        }
        Some(joined)
    }

    fn message_group(&self) -> Option<&str> {
        self.message_group
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.value_of(name)
    }
}

impl StoredRecord {
    /// Reads what stands before the body.
    ///
    /// # Errors
    /// When the bytes are not a record.
    pub fn summary(&self) -> Result<RecordSummary<'_>, RecordError> {
        codec::summary(&self.bytes)
    }

    /// The id, made from the place when the client gave none.
    ///
    /// # Errors
    /// When the bytes are not a record.
    pub fn message_id(&self, broker: BrokerId) -> Result<MessageId, RecordError> {
        Ok(self
            .summary()?
            .message_id
            .unwrap_or_else(|| MessageId::server_made(broker, self.stored_at, self.position)))
    }

    /// The whole message; the body shares the stored bytes.
    ///
    /// # Errors
    /// When the bytes are not a record.
    pub fn to_message(&self, broker: BrokerId, queue: QueueKey) -> Result<Message, RecordError> {
        let (content, summary) = codec::decode_record(&self.bytes)?;
        let message_id = summary
            .message_id
            .unwrap_or_else(|| MessageId::server_made(broker, self.stored_at, self.position));
        Ok(Message {
            message_id,
            broker,
            queue,
            offset: self.offset,
            position: self.position,
            stored_at: self.stored_at,
            attempt: summary.attempt,
            origin: summary.origin,
            target: summary.target,
            content: NewMessage {
                message_id: Some(message_id),
                ..content
            },
        })
    }

    /// Bytes of the stored form.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}
