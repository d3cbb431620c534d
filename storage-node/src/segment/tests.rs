//! Segments made from random runs, and everything that can be asked of one,
//! against a plain list of the messages in it.

mod damage;
mod fuzz;
mod golden;
mod hostile;
mod lookups;
mod round_trip;
mod throughput;

use std::collections::BTreeMap;

use bytes::Bytes;
use firn_protocol::ids::*;
use firn_protocol::message::{BodyEncoding, Message, MessageId, NewMessage};
use firn_protocol::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::hot::{BrokerKey, Hit};
use crate::record::{EncodedRecords, Run, RunHeader, encode_run, runs_of};

const BROKER: BrokerKey = BrokerKey {
    tenant: TenantId(2),
    instance: InstanceId(7),
    broker: BrokerId(5),
};

fn segment_id(seed: u8) -> SegmentId {
    SegmentId {
        broker: BROKER,
        generation: Generation(3),
        seed: Seed([seed; 16]),
    }
}

fn queue(number: u16) -> QueueKey {
    let topic = match number % 4 {
        0 => TopicKey::User(TopicId(1)),
        1 => TopicKey::Retry(GroupId(900)),
        2 => TopicKey::DeadLetter(GroupId(1)),
        _ => TopicKey::Waiting,
    };
    QueueKey {
        topic,
        queue: QueueId(number / 4),
    }
}

fn message(tag: Option<&str>, keys: &[&str], body: &[u8]) -> NewMessage {
    NewMessage {
        tag: tag.map(str::to_owned),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        born_host: "h:1".into(),
        body: Bytes::copy_from_slice(body),
        ..NewMessage::default()
    }
}

/// Runs of a broker in the order of their positions.
#[derive(Clone, Default)]
struct Feed {
    /// By queue, with the first offset of each.
    runs: BTreeMap<QueueKey, Vec<(Offset, Bytes)>>,
    messages: Vec<Message>,
    offsets: BTreeMap<QueueKey, u64>,
    position: u64,
    time: u64,
}

/// One run: which queue, offsets and positions left out before it, how far the
/// clock moves, and what is in it.
#[derive(Clone, Debug)]
struct Step {
    queue: u16,
    offsets_lost: u64,
    positions_lost: u64,
    time: u64,
    contents: Vec<NewMessage>,
}

impl Feed {
    fn of(steps: &[Step]) -> Self {
        let mut feed = Self {
            position: 100,
            time: 1_700_000_000_000,
            ..Self::default()
        };
        steps.iter().for_each(|step| feed.push(step));
        feed
    }

    fn push(&mut self, step: &Step) {
        let queue = queue(step.queue);
        let mut records = EncodedRecords::default();
        for content in &step.contents {
            records.push_original(content);
        }
        let offset = self.offsets.entry(queue).or_insert(3);
        *offset += step.offsets_lost;
        self.position += step.positions_lost;
        self.time += step.time;
        let header = RunHeader {
            first_offset: Offset(*offset),
            first_position: Position(self.position),
            stored_at: Timestamp(self.time),
            count: records.count,
            bytes: records.bytes.len() as u32,
        };
        *offset += u64::from(records.count);
        self.position += u64::from(records.count);
        let mut run = Vec::new();
        encode_run(&mut run, &header, &records.bytes);
        let run = Bytes::from(run);
        for record in Run::parse(run.clone()).expect("one run").records() {
            let message = record.expect("a record").to_message(BROKER.broker, queue);
            self.messages.push(message.expect("a message"));
        }
        let runs = self.runs.entry(queue).or_default();
        runs.push((header.first_offset, run));
    }

    /// The segment, taken in parts of `part` bytes.
    fn write(&self, id: SegmentId, cut: Cut, part: usize) -> (Bytes, SegmentSummary) {
        let mut writer = SegmentWriter::new(SegmentSpec { id, cut }).expect("begun");
        let mut object = Vec::new();
        for (queue, runs) in &self.runs {
            for (_, run) in runs {
                writer.add(*queue, run).expect("added");
                while let Some(bytes) = writer.take_ready(part) {
                    assert_eq!(bytes.len(), part);
                    object.extend_from_slice(&bytes);
                }
            }
        }
        let (rest, summary) = writer.finish().expect("finished");
        object.extend_from_slice(&rest);
        (object.into(), summary)
    }

    fn of_queue(&self, queue: QueueKey) -> impl Iterator<Item = &Message> {
        self.messages
            .iter()
            .filter(move |message| message.queue == queue)
    }
}

/// A segment opened as a reader does it, with ranges of an object.
struct Opened {
    object: Bytes,
    trailer: Trailer,
    index: SegmentIndex,
    keys: KeyIndex,
    positions: PositionIndex,
    filter: KeyFilter,
}

fn piece(object: &Bytes, range: std::ops::Range<u64>) -> Bytes {
    object.slice(range.start as usize..range.end as usize)
}

impl Opened {
    fn open(object: &Bytes) -> Result<Self, SegmentError> {
        let trailer = Trailer::decode(object, object.len() as u64, BROKER)?;
        let section = |section| piece(object, trailer.section(section));
        Ok(Self {
            index: SegmentIndex::decode(&trailer, &section(Section::Chunks))?,
            keys: KeyIndex::decode(&trailer, &section(Section::Keys))?,
            positions: PositionIndex::decode(&trailer, &section(Section::Positions))?,
            filter: KeyFilter::open(&trailer, &section(Section::Filter))?,
            object: object.clone(),
            trailer,
        })
    }

    fn piece(&self, range: std::ops::Range<u64>) -> Bytes {
        piece(&self.object, range)
    }

    fn messages(&self, entry: &ChunkEntry) -> Result<Vec<Message>, SegmentError> {
        let chunk = self.index.open_chunk(entry, &self.piece(entry.range()))?;
        let runs = runs_of(chunk.runs).expect("runs");
        let records = runs.iter().flat_map(Run::records);
        let message = |record: crate::record::StoredRecord| {
            let message = record.to_message(BROKER.broker, entry.queue);
            message.expect("a message")
        };
        Ok(records
            .map(|record| message(record.expect("a record")))
            .collect())
    }

    fn read(&self, queue: QueueKey, offset: Offset) -> Result<Option<Message>, SegmentError> {
        let Some(entry) = self.index.chunk_at(queue, offset) else {
            return Ok(None);
        };
        let mut messages = self.messages(entry)?.into_iter();
        Ok(messages.find(|message| message.offset == offset))
    }

    fn find(&self, hash: KeyHash, from: Position) -> Result<Vec<Hit>, SegmentError> {
        let mut hits = Vec::new();
        for block in self.keys.blocks_for(hash, from) {
            let stored = self.piece(block.range());
            hits.extend(self.keys.hits(block, &stored, &self.index, (hash, from))?);
        }
        Ok(hits)
    }

    fn locate(&self, position: Position) -> Result<Option<(QueueKey, Offset)>, SegmentError> {
        let Some(block) = self.positions.block_for(position) else {
            return Ok(None);
        };
        let stored = self.piece(block.range());
        self.positions.locate(block, &stored, &self.index, position)
    }
}

fn any_message() -> impl Strategy<Value = NewMessage> {
    let body = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        2 => (any::<u8>(), 0..2000_usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => proptest::collection::vec(any::<u8>(), 3000..4000),
    ];
    (
        proptest::option::of(0..30_u8),
        proptest::option::of(0..24_u8),
        proptest::collection::vec(0..6_u8, 0..4),
        body,
    )
        .prop_map(|(id, tag, keys, body)| NewMessage {
            message_id: id.and_then(|id| MessageId::from_bytes(&[id; 16])),
            tag: tag.map(|tag| format!("t{tag}")),
            keys: keys.iter().map(|key| format!("k{key}")).collect(),
            properties: vec![("p".into(), "v".into())],
            message_group: None,
            deliver_at: None,
            born_at: Timestamp(5),
            born_host: "h:1".into(),
            encoding: BodyEncoding::Identity,
            body: body.into(),
        })
}

fn any_feed() -> impl Strategy<Value = Feed> {
    let step = (
        0..9_u16,
        prop_oneof![6 => Just(0), 1 => 1..4_u64, 1 => Just(1 << 40)],
        prop_oneof![6 => Just(0), 1 => 1..4_u64, 1 => Just(1 << 40)],
        prop_oneof![Just(0), 1..50_u64],
        proptest::collection::vec(any_message(), 1..6),
    )
        .prop_map(
            |(queue, offsets_lost, positions_lost, time, contents)| Step {
                queue,
                offsets_lost,
                positions_lost,
                time,
                contents,
            },
        );
    proptest::collection::vec(step, 1..25).prop_map(|steps| Feed::of(&steps))
}

/// Short enough to be read when a test fails.
impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (queue, runs) in &self.runs {
            write!(f, "[{queue}:")?;
            for (offset, run) in runs {
                write!(f, " {offset}+{}b", run.len())?;
            }
            write!(f, "]")?;
        }
        Ok(())
    }
}

fn any_cut() -> impl Strategy<Value = Cut> {
    let chunk_bytes = prop_oneof![Just(1), Just(300), Just(3000), Just(128 * 1024)];
    let block_bytes = prop_oneof![Just(1), Just(50), Just(16 * 1024)];
    let filter_bytes_max = prop_oneof![Just(0), Just(100), Just(256 * 1024)];
    (chunk_bytes, block_bytes, filter_bytes_max, 1..5_i32).prop_map(
        |(chunk_bytes, block_bytes, filter_bytes_max, compression_level)| Cut {
            chunk_bytes,
            block_bytes,
            filter_bytes_max,
            compression_level,
            ..Cut::default()
        },
    )
}
