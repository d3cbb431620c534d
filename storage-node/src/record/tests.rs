use bytes::Bytes;
use firn_protocol::filter::Facts;
use firn_protocol::ids::*;
use firn_protocol::message::{BodyEncoding, MessageId, NewMessage, Origin};
use firn_protocol::time::Timestamp;
use proptest::prelude::*;

use super::*;

fn message() -> impl Strategy<Value = NewMessage> {
    (
        proptest::option::of(proptest::collection::vec(any::<u8>(), 16..=17)),
        proptest::option::of(".{0,8}"),
        proptest::collection::vec("[a-z]{1,8}", 0..4),
        proptest::collection::vec(("[a-z]{1,4}", ".{0,8}"), 0..4),
        proptest::option::of("[a-z]{1,8}"),
        any::<u64>(),
        proptest::option::of(any::<u64>()),
        encoding(),
        proptest::collection::vec(any::<u8>(), 0..64),
    )
        .prop_map(
            |(id, tag, keys, properties, message_group, born_at, deliver_at, encoding, body)| {
                NewMessage {
                    message_id: id.and_then(|id| MessageId::from_bytes(&id)),
                    tag,
                    keys,
                    properties,
                    message_group,
                    deliver_at: deliver_at.map(Timestamp),
                    born_at: Timestamp(born_at),
                    born_host: "127.0.0.1:9".into(),
                    encoding,
                    body: Bytes::from(body),
                }
            },
        )
}

fn encoding() -> impl Strategy<Value = BodyEncoding> {
    prop_oneof![Just(BodyEncoding::Identity), Just(BodyEncoding::Gzip)]
}

fn queue() -> QueueKey {
    QueueKey {
        topic: TopicKey::User(TopicId(5)),
        queue: QueueId(2),
    }
}

/// A filter sees in the stored bytes what it would see in the message.
fn facts_are_those_of(summary: &RecordSummary<'_>, sent: &NewMessage) {
    assert_eq!(Facts::tag(summary), sent.tag());
    assert_eq!(Facts::keys(summary), sent.keys());
    assert_eq!(summary.message_group(), sent.message_group());
    let names = sent.properties.iter().map(|(name, _)| name.as_str());
    for name in names.chain(["", "p", "not there"]) {
        assert_eq!(summary.property(name), sent.property(name), "{name}");
    }
}

proptest! {
    #[test]
    fn what_is_stored_is_read(
        messages in proptest::collection::vec(message(), 1..5),
        base in 0..u64::MAX / 2,
    ) {
        let mut records = EncodedRecords::default();
        for message in &messages {
            records.push_original(message);
        }
        let header = RunHeader {
            first_offset: Offset(base),
            first_position: Position(base / 2),
            stored_at: Timestamp(77),
            count: records.count,
            bytes: records.bytes.len() as u32,
        };
        let mut out = Vec::new();
        encode_run(&mut out, &header, &records.bytes);
        let second = RunHeader { first_offset: header.end_offset(), ..header };
        encode_run(&mut out, &second, &records.bytes);

        let runs = runs_of(Bytes::from(out)).expect("two runs");
        prop_assert_eq!(runs.len(), 2);
        let mut offset = base;
        for run in &runs {
            for (sent, record) in messages.iter().zip(run.records()) {
                let record = record.expect("a record");
                let message = record.to_message(BrokerId(3), queue()).expect("a message");
                prop_assert_eq!(message.offset, Offset(offset));
                prop_assert_eq!(message.attempt, 1);
                let expected = sent.message_id.unwrap_or_else(|| {
                    MessageId::server_made(BrokerId(3), Timestamp(77), record.position)
                });
                prop_assert_eq!(message.message_id, expected);
                prop_assert_eq!(&message.content, &NewMessage {
                    message_id: Some(expected),
                    ..sent.clone()
                });
                let keys: Vec<_> = record.summary().expect("read").keys().map(str::to_owned).collect();
                prop_assert_eq!(&keys, &sent.keys);
                facts_are_those_of(&record.summary().expect("read"), sent);
                offset += 1;
            }
        }
    }

    #[test]
    fn copies_keep_id_attempt_and_origin(sent in message(), attempt in 2..u32::MAX, n: u64) {
        let id = MessageId::server_made(BrokerId(1), Timestamp(2), Position(3));
        let origin = Origin {
            topic: TopicKey::User(TopicId(n)),
            queue: QueueId(4),
            offset: Offset(n),
            position: Position(n),
            stored_at: Timestamp(n),
        };
        let mut records = EncodedRecords::default();
        records.push_copy(&sent, id, attempt, origin);
        let header = RunHeader {
            first_offset: Offset(0), first_position: Position(0), stored_at: Timestamp(0), count: 1,
            bytes: records.bytes.len() as u32,
        };
        let mut out = Vec::new();
        encode_run(&mut out, &header, &records.bytes);
        let run = Run::parse(out.into()).expect("a run");
        let record = run.records().next().expect("one").expect("valid");
        let message = record.to_message(BrokerId(1), queue()).expect("a message");
        prop_assert_eq!((message.message_id, message.attempt, message.origin), (id, attempt, Some(origin)));
    }

    #[test]
    fn no_bytes_panic_or_allocate_without_bound(bytes: Vec<u8>) {
        if let Ok(runs) = runs_of(Bytes::from(bytes.clone())) {
            for run in runs {
                for record in run.records().flatten() {
                    let _ = record.to_message(BrokerId(0), queue());
                    if let Ok(summary) = record.summary() {
                        let _ = (summary.property("p"), Facts::keys(&summary));
                    }
                }
            }
        }
        let record = StoredRecord {
            offset: Offset(0), position: Position(0), stored_at: Timestamp(0), bytes: bytes.into(),
        };
        let _ = record.to_message(BrokerId(0), queue());
    }
}

/// Stored for ever: this sample is only ever added to.
#[test]
fn golden_bytes_of_version_1() {
    let message = NewMessage {
        message_id: None,
        tag: Some("t".into()),
        keys: vec!["k".into()],
        properties: vec![("p".into(), "v".into())],
        message_group: Some("g".into()),
        deliver_at: None,
        born_at: Timestamp(300),
        born_host: "h:1".into(),
        encoding: BodyEncoding::Identity,
        body: Bytes::from_static(b"body"),
    };
    let mut records = EncodedRecords::default();
    records.push_original(&message);
    let mut out = Vec::new();
    let header = RunHeader {
        first_offset: Offset(1),
        first_position: Position(2),
        stored_at: Timestamp(3),
        count: 1,
        bytes: records.bytes.len() as u32,
    };
    encode_run(&mut out, &header, &records.bytes);
    assert_eq!(
        out,
        [
            1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 27,
            0, 0, 0, 23, 0, 0, 0, 30, 172, 2, 3, b'h', b':', b'1', 1, b't', 1, 1, b'k', 1, 1, b'p',
            1, b'v', 1, b'g', b'b', b'o', b'd', b'y'
        ]
    );
}

/// A delayed message in its slot, and the one that it becomes.
#[test]
fn golden_bytes_of_a_held_record() {
    let message = NewMessage {
        deliver_at: Some(Timestamp(300)),
        born_host: "h:1".into(),
        body: Bytes::from_static(b"body"),
        ..NewMessage::default()
    };
    let mut records = EncodedRecords::default();
    records.push_held(&message, queue());
    records.push_original(&message);
    let held = [
        16, 0, 0, 0, 64, 3, 0, 3, b'h', b':', b'1', 172, 2, 0, 5, 2, b'b', b'o', b'd', b'y',
    ];
    let fired = [
        13, 0, 0, 0, 64, 1, 0, 3, b'h', b':', b'1', 172, 2, b'b', b'o', b'd', b'y',
    ];
    let golden: Vec<u8> = held.iter().chain(&fired).copied().collect();
    assert_eq!(records.bytes, golden);
    let read = |bytes: &[u8]| {
        let record = StoredRecord {
            offset: Offset(0),
            position: Position(0),
            stored_at: Timestamp(1),
            bytes: Bytes::copy_from_slice(&bytes[4..]),
        };
        let message = record.to_message(BrokerId(3), queue()).expect("a message");
        (message.target, message.content.deliver_at)
    };
    assert_eq!(read(&held), (Some(queue()), Some(Timestamp(300))));
    assert_eq!(read(&fired), (None, Some(Timestamp(300))));
}

/// A packed body stays packed, and an encoding of a later version is refused.
#[test]
fn golden_bytes_of_a_packed_body() {
    let message = NewMessage {
        born_host: "h:1".into(),
        encoding: BodyEncoding::Gzip,
        body: Bytes::from_static(b"body"),
        ..NewMessage::default()
    };
    let mut records = EncodedRecords::default();
    records.push_original(&message);
    let golden = [
        12, 0, 0, 0, 64, 4, 0, 3, b'h', b':', b'1', 1, b'b', b'o', b'd', b'y',
    ];
    assert_eq!(records.bytes, golden);
    let read = |bytes: &[u8]| {
        let record = StoredRecord {
            offset: Offset(0),
            position: Position(0),
            stored_at: Timestamp(1),
            bytes: Bytes::copy_from_slice(&bytes[4..]),
        };
        record.to_message(BrokerId(3), queue())
    };
    let content = read(&golden).expect("a message").content;
    assert_eq!(
        (content.encoding, content.body),
        (BodyEncoding::Gzip, message.body)
    );
    let mut later = golden;
    later[11] = 2;
    assert!(read(&later).is_err());
}
