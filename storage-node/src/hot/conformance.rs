//! One suite for every hot store and state store: random logs, filled with
//! random borders, again from earlier places, over reopened stores, and then
//! every record looked up in every way.

use std::collections::BTreeMap;

use bytes::Bytes;
use firn_protocol::ids::*;
use firn_protocol::message::{Message, MessageId, NewMessage};
use firn_protocol::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use super::fill::{BatchBuilder, Cut, FillItem};
use super::hash::{id_hash, key_hash};
use super::memory::{MemoryHotStore, MemoryStateStore};
use super::*;
use crate::record::{EncodedRecords, Run, RunHeader, encode_run, runs_of};

/// A store under test that can be closed and opened again.
pub(super) trait Home {
    fn store(&self) -> &dyn HotStore;
    /// Cleanly or not; a store that keeps nothing stays as it is.
    fn reopen(&mut self, log_end: Lsn, cleanly: bool);
}

/// A log as the filler sees it, and what is in it.
#[derive(Clone, Default)]
pub(super) struct Log {
    pub(super) frames: Vec<Vec<FillItem>>,
    pub(super) messages: Vec<(BrokerKey, Message)>,
    offsets: BTreeMap<(BrokerKey, QueueKey), u64>,
    positions: BTreeMap<BrokerKey, u64>,
}

pub(super) fn broker(number: u32) -> BrokerKey {
    BrokerKey {
        tenant: TenantId(u64::from(number % 2)),
        instance: InstanceId(7),
        broker: BrokerId(number),
    }
}

pub(super) fn queue(number: u16) -> QueueKey {
    let topic = match number % 3 {
        0 => TopicKey::User(TopicId(1)),
        1 => TopicKey::User(TopicId(2)),
        _ => TopicKey::Retry(GroupId(1)),
    };
    QueueKey {
        topic,
        queue: QueueId(number / 3),
    }
}

/// Short enough to be read when a test fails.
impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (lsn, items) in self.frames.iter().enumerate() {
            write!(f, "[{lsn}:")?;
            for item in items {
                let run = Run::parse(item.run.clone()).expect("one run").header;
                let (first, end) = (run.first_offset, run.end_offset());
                write!(f, " {}:{}:{first}..{end}", item.broker.broker, item.queue)?;
            }
            write!(f, "]")?;
        }
        Ok(())
    }
}

impl Log {
    pub(super) fn end(&self) -> Lsn {
        Lsn(self.frames.len() as u64)
    }

    /// Adds a frame with a run for each queue named.
    pub(super) fn push(&mut self, runs: &[(u32, u16, Vec<NewMessage>)]) {
        let lsn = self.end();
        let mut items = Vec::new();
        for (owner, number, contents) in runs {
            let (owner, queue) = (broker(*owner), queue(*number));
            let mut records = EncodedRecords::default();
            contents
                .iter()
                .for_each(|content| records.push_original(content));
            let offset = self.offsets.entry((owner, queue)).or_insert(3);
            let position = self.positions.entry(owner).or_insert(11);
            let header = RunHeader {
                first_offset: Offset(*offset),
                first_position: Position(*position),
                stored_at: Timestamp(1000 + lsn.0),
                count: records.count,
                bytes: records.bytes.len() as u32,
            };
            *offset += u64::from(records.count);
            *position += u64::from(records.count);
            let mut run = Vec::new();
            encode_run(&mut run, &header, &records.bytes);
            let run = Bytes::from(run);
            for record in Run::parse(run.clone()).expect("one run").records() {
                let message = record.expect("a record").to_message(owner.broker, queue);
                self.messages.push((owner, message.expect("a message")));
            }
            items.push(FillItem {
                lsn,
                broker: owner,
                queue,
                run,
            });
        }
        self.frames.push(items);
    }

    /// Fills the frames from `from` to before `upto`, batches cut as told.
    pub(super) fn fill(&self, store: &dyn HotStore, from: usize, upto: usize, cut: Cut) {
        let mut builder = BatchBuilder::new(cut, Lsn(from as u64));
        for frame in &self.frames[from..upto] {
            if builder.is_full() {
                store.fill(&builder.take()).expect("filled");
            }
            frame
                .iter()
                .for_each(|item| builder.add(item).expect("a run"));
            builder.reach(Lsn(frame.first().map_or(0, |item| item.lsn.0 + 1)));
        }
        builder.reach(Lsn(upto as u64));
        store.fill(&builder.take()).expect("filled");
    }

    /// Looks up every record in every way, and what is not there.
    pub(super) fn check(&self, store: &dyn HotStore) {
        for (owner, message) in &self.messages {
            assert_eq!(
                &read(store, *owner, message.queue, message.offset),
                &Some(message.clone())
            );
            let place = store.locate(*owner, message.position).expect("read");
            assert_eq!(
                place,
                Some((message.queue, message.offset)),
                "at {}",
                message.position
            );
        }
        // A search may open every volume, so not every id is looked for.
        let step = self.messages.len() / 12 + 1;
        for (owner, message) in self.messages.iter().step_by(step) {
            let hits = store.find(
                *owner,
                None,
                id_hash(&message.message_id),
                Position(0),
                1000,
            );
            let expected = self.hits(*owner, None, Position(0), |other| {
                other.message_id == message.message_id
            });
            assert_eq!(hits.expect("read"), expected, "id of {}", message.position);
        }
        for ((owner, queue), end) in &self.offsets {
            assert_eq!(
                store.chunk_at(*owner, *queue, Offset(*end)).expect("read"),
                None
            );
            assert_eq!(
                store.chunk_at(*owner, *queue, Offset(2)).expect("read"),
                None
            );
        }
        for (owner, end) in &self.positions {
            assert_eq!(store.locate(*owner, Position(*end)).expect("read"), None);
            assert_eq!(store.locate(*owner, Position(10)).expect("read"), None);
            for key in ["a", "b", "c", "absent"] {
                self.check_key(store, *owner, key, *end);
            }
        }
        // The same broker and queue numbers under another tenant hold nothing.
        for (owner, message) in self.messages.iter().take(5) {
            let other = BrokerKey {
                tenant: TenantId(99),
                ..*owner
            };
            assert_eq!(read(store, other, message.queue, message.offset), None);
            assert_eq!(store.locate(other, message.position).expect("read"), None);
            let hash = id_hash(&message.message_id);
            assert_eq!(
                store.find(other, None, hash, Position(0), 9).expect("read"),
                []
            );
        }
    }

    fn check_key(&self, store: &dyn HotStore, owner: BrokerKey, key: &str, end: u64) {
        let middle = Position(u64::midpoint(11, end));
        let searches = [
            (None, Position(0), 1000),
            (None, middle, 1),
            (Some(queue(0).topic), Position(0), 2),
            (Some(queue(2).topic), middle, 1000),
        ];
        for (topic, from, max) in searches {
            let hits = store.find(owner, topic, key_hash(key), from, max);
            let has = |message: &Message| message.content.keys.iter().any(|it| it == key);
            let mut expected = self.hits(owner, topic, from, has);
            expected.truncate(max);
            assert_eq!(
                hits.expect("read"),
                expected,
                "{key} from {from}, {max} of {topic:?}"
            );
        }
    }

    fn hits(
        &self,
        owner: BrokerKey,
        topic: Option<TopicKey>,
        from: Position,
        wanted: impl Fn(&Message) -> bool,
    ) -> Vec<Hit> {
        let messages = self.messages.iter().filter(|(broker, message)| {
            *broker == owner
                && message.position >= from
                && topic.is_none_or(|topic| topic == message.queue.topic)
                && wanted(message)
        });
        messages
            .map(|(_, message)| Hit {
                queue: message.queue,
                offset: message.offset,
                position: message.position,
            })
            .collect()
    }
}

/// The message at an offset, its chunk checked on the way.
pub(super) fn read(
    store: &dyn HotStore,
    owner: BrokerKey,
    queue: QueueKey,
    offset: Offset,
) -> Option<Message> {
    let chunk = store.chunk_at(owner, queue, offset).expect("read")?;
    let runs = runs_of(chunk.runs).expect("runs");
    let records: Vec<_> = runs
        .iter()
        .flat_map(Run::records)
        .map(|record| record.expect("one"))
        .collect();
    assert_eq!(records.len(), chunk.count as usize);
    assert_eq!(records[0].offset, chunk.first_offset);
    let times = (records[0].stored_at, records[records.len() - 1].stored_at);
    assert_eq!(times, chunk.stored_at);
    let record = &records[(offset.0 - chunk.first_offset.0) as usize];
    assert_eq!(record.offset, offset);
    Some(record.to_message(owner.broker, queue).expect("a message"))
}

pub(super) fn message(keys: &[&str], body: usize) -> NewMessage {
    NewMessage {
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
        body: vec![b'x'; body].into(),
        ..NewMessage::default()
    }
}

/// A log of one queue, each frame one record with a body.
pub(super) fn plain_log(frames: usize, body: usize) -> Log {
    let mut log = Log::default();
    for frame in 0..frames {
        log.push(&[(1, (frame % 2) as u16, vec![message(&["a"], body)])]);
    }
    log
}

pub(super) const TINY: Cut = Cut {
    chunk_bytes: 300,
    chunk_bytes_max: 600,
    batch_bytes: 900,
};

fn any_message() -> impl Strategy<Value = NewMessage> {
    let keys = proptest::collection::vec(prop_oneof!["a", "b", "c"], 0..3);
    let id = proptest::option::of(0_u8..4);
    (
        keys,
        id,
        prop_oneof![8 => 0_usize..80, 1 => 500_usize..1500],
    )
        .prop_map(|(keys, id, body)| NewMessage {
            keys,
            message_id: id.and_then(|id| MessageId::from_bytes(&[id; 16])),
            body: vec![b'x'; body].into(),
            ..NewMessage::default()
        })
}

pub(super) fn any_log(frames: std::ops::Range<usize>) -> impl Strategy<Value = Log> {
    let run = (
        0_u32..3,
        0_u16..5,
        proptest::collection::vec(any_message(), 1..6),
    );
    let frame = proptest::collection::vec(run, 0..3);
    proptest::collection::vec(frame, frames).prop_map(|frames| {
        let mut log = Log::default();
        frames.iter().for_each(|frame| log.push(frame));
        log
    })
}

fn any_cut() -> impl Strategy<Value = Cut> {
    (60_usize..900, 1_usize..3, 100_usize..3000).prop_map(|(chunk_bytes, times, batch_bytes)| Cut {
        chunk_bytes,
        chunk_bytes_max: chunk_bytes * times,
        batch_bytes,
    })
}

/// How far back to go, how far to fill from there, how to cut, and whether to
/// open the store anew behind it.
pub(super) type Step = (Index, Index, Cut, Option<bool>);

pub(super) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let reopen = prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)];
    proptest::collection::vec((any::<Index>(), any::<Index>(), any_cut(), reopen), 1..6)
}

/// Fills as the steps say, then the rest, and checks.
pub(super) fn fill_and_check(home: &mut dyn Home, log: &Log, steps: &[Step]) {
    for (back, ahead, cut, reopen) in steps {
        let reached = home.store().marker().0 as usize;
        // Every second step goes on where the last one ended.
        let from = if cut.batch_bytes % 2 == 0 {
            reached
        } else {
            back.index(reached + 1)
        };
        let upto = from + ahead.index(log.frames.len() - from + 1);
        log.fill(home.store(), from, upto, *cut);
        assert_eq!(home.store().marker(), Lsn(reached.max(upto) as u64));
        if let Some(cleanly) = reopen {
            home.reopen(log.end(), *cleanly);
            assert_eq!(home.store().marker(), Lsn(reached.max(upto) as u64));
        }
    }
    let reached = home.store().marker().0 as usize;
    log.fill(home.store(), reached, log.frames.len(), TINY);
    assert_eq!(home.store().marker(), log.end());
    log.check(home.store());
}

/// A replay that cuts elsewhere, with its chunks over some that are there.
pub(super) fn chunks_cut_anew_hide_nothing(store: &dyn HotStore) {
    let log = plain_log(24, 100);
    let single = Cut {
        chunk_bytes: 1,
        ..TINY
    };
    let long = Cut {
        chunk_bytes: 1000,
        chunk_bytes_max: 1500,
        batch_bytes: 10_000,
    };
    log.fill(store, 0, 9, single);
    log.fill(store, 2, 24, long);
    log.check(store);
    log.fill(store, 1, 24, single);
    log.check(store);
}

/// What every state store does; `reopen` may give back the same store.
pub(super) fn states_are_kept<S: StateStore>(store: S, reopen: impl Fn(S) -> S) {
    let long: Bytes = (0..100_000_u32)
        .map(|n| (n % 251) as u8)
        .collect::<Vec<_>>()
        .into();
    assert_eq!(store.load().expect("read"), []);
    assert_eq!(store.marker(), Lsn(0));
    let first = vec![
        (broker(0), 5, long.clone()),
        (broker(1), 6, Bytes::new()),
        (broker(2), 7, long.slice(..40_000)),
    ];
    store.save(first.clone(), Lsn(10)).expect("saved");
    let mut sorted = first;
    sorted.sort_by_key(|(broker, ..)| *broker);
    assert_eq!(store.load().expect("read"), sorted);

    let store = reopen(store);
    assert_eq!(store.marker(), Lsn(10));
    assert_eq!(store.load().expect("read"), sorted);
    // Shorter than before: the pieces behind must go.
    let second = vec![
        (broker(0), 8, Bytes::from_static(b"short")),
        (broker(2), 9, long),
    ];
    store.save(second.clone(), Lsn(12)).expect("saved");
    store.remove(broker(1)).expect("removed");
    let mut sorted = second;
    sorted.sort_by_key(|(broker, ..)| *broker);
    let store = reopen(store);
    assert_eq!(store.load().expect("read"), sorted);
    assert_eq!(store.marker(), Lsn(12));
    store.close().expect("closed");
    assert!(store.save(Vec::new(), Lsn(13)).is_err());
}

struct InMemory(MemoryHotStore);

impl Home for InMemory {
    fn store(&self) -> &dyn HotStore {
        &self.0
    }

    fn reopen(&mut self, _: Lsn, _: bool) {}
}

proptest! {
    #[test]
    fn memory_finds_every_record(log in any_log(0..40), steps in any_steps()) {
        fill_and_check(&mut InMemory(MemoryHotStore::new()), &log, &steps);
    }
}

#[test]
fn memory_hides_nothing() {
    chunks_cut_anew_hide_nothing(&MemoryHotStore::new());
}

#[test]
fn memory_keeps_states() {
    states_are_kept(MemoryStateStore::new(), |store| store);
}
