use bytes::Bytes;
use firn_protocol::ids::*;
use firn_protocol::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::hot::{Chunk, IndexEntry, Lsn, PositionRun};

const BROKER: BrokerKey = BrokerKey {
    tenant: TenantId(1),
    instance: InstanceId(2),
    broker: BrokerId(3),
};

fn queue() -> QueueKey {
    QueueKey {
        topic: TopicKey::Retry(GroupId(4)),
        queue: QueueId(5),
    }
}

fn place() -> impl Strategy<Value = (BrokerKey, QueueKey, Offset)> {
    (
        0_u64..3,
        0_u64..3,
        0_u32..300,
        0_u8..4,
        0_u64..300,
        0_u16..300,
        any::<u64>(),
    )
        .prop_map(|(tenant, instance, broker, kind, number, queue, offset)| {
            let broker = BrokerKey {
                tenant: TenantId(tenant),
                instance: InstanceId(instance),
                broker: BrokerId(broker),
            };
            let topic = TopicKey::from_parts(kind, number).expect("a known kind");
            let queue = QueueKey {
                topic,
                queue: QueueId(queue),
            };
            (broker, queue, Offset(offset))
        })
}

proptest! {
    #[test]
    fn keys_sort_as_places_do_and_are_read_back(a in place(), b in place()) {
        let key = |(broker, queue, offset)| chunk_key(broker, Kind::Chunk, queue, offset);
        prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        prop_assert_eq!(parse_prefix(&key(a)), Some((a.0, Kind::Chunk as u8)));
        prop_assert_eq!(parse_chunk_key(&key(a)), Some((a.1, a.2)));
        prop_assert!(volume::KEY[..] < key(a)[..]);
        let end = after(&queue_prefix(a.0, Kind::Chunk, a.1)).expect("one");
        prop_assert!(key(a) < end);
        prop_assert_eq!(key(b) >= end, (b.0, b.1) > (a.0, a.1));
    }

    #[test]
    fn an_index_finds_what_was_put_in(
        entries in proptest::collection::vec((0_u64..8, any::<u64>()), 0..40),
        wide: bool,
    ) {
        let entries: Vec<_> = (0..).zip(entries).map(|(index, (hash, position))| IndexEntry {
            hash,
            index,
            position: Position(if wide { position } else { position % 1000 }),
        }).collect();
        let value = index::encode(b"key", &entries);
        let index = index::Index::read(b"key", &value).expect("good");
        for hash in 0..9 {
            let hits: Vec<_> = index.hits(hash).collect();
            let expected: Vec<_> = entries.iter().filter(|entry| entry.hash == hash)
                .map(|entry| (entry.index, entry.position)).collect();
            prop_assert_eq!(hits, expected);
        }
        let positions = || entries.iter().map(|entry| entry.position);
        prop_assert_eq!(index.first, positions().min().unwrap_or_default());
        prop_assert_eq!(index.last, positions().max().unwrap_or_default());
    }

    #[test]
    fn no_value_panics(value: Vec<u8>, sealed: bool) {
        let key = chunk_key(BROKER, Kind::Chunk, queue(), Offset(6));
        let at = position::key(BROKER, Position(6));
        let seal = |key: &[u8]| if sealed { Envelope([vec![0; 5], value.clone()].concat()).seal(key) } else { value.clone() };
        let with_version = |mut value: Vec<u8>, key: &[u8]| {
            if sealed {
                value[0] = FORMAT;
                let sum = checksum(FORMAT, key, &value[ENVELOPE_BYTES..]);
                value[1..5].copy_from_slice(&sum.to_le_bytes());
            }
            value
        };
        let (chunk, runs) = (with_version(seal(&key), &key), with_version(seal(&at), &at));
        let _ = chunk::decode(&key, &chunk);
        let _ = chunk::end(&key, &chunk);
        if let Ok(index) = index::Index::read(&key, &chunk) {
            let _ = index.hits(0).count();
        }
        let _ = position::decode(&at, &runs);
        let _ = position::end(&at, &runs);
        let _ = snapshot::decode(&at, &runs);
        let _ = volume::decode(&with_version(seal(&volume::KEY), &volume::KEY));
    }
}

/// Stored for ever: these samples are only ever added to.
#[test]
fn golden_bytes_of_version_1() {
    let key = chunk_key(BROKER, Kind::Chunk, queue(), Offset(6));
    assert_eq!(
        hex(&key),
        "00000000000000010000000000000002000000030101000000000000000400050000000000000006"
    );
    let chunk = Chunk {
        first_offset: Offset(6),
        count: 2,
        stored_at: (Timestamp(7), Timestamp(8)),
        runs: Bytes::from_static(b"runs"),
    };
    let value = chunk::encode(&key, &chunk);
    assert_eq!(
        hex(&value),
        "0132ed8b83070000000000000008000000000000000200000072756e73"
    );
    assert_eq!(chunk::decode(&key, &value), Ok(chunk));

    let key = chunk_key(BROKER, Kind::Index, queue(), Offset(6));
    let entry = |hash, index, position| IndexEntry {
        hash,
        index,
        position: Position(position),
    };
    let value = index::encode(&key, &[entry(9, 0, 20), entry(1, 1, 21)]);
    assert_eq!(
        hex(&value),
        "0116b7f8ca0200000014000000000000001500000000000000040100000000000000090000000000000001000000000000000100000000000000"
    );

    let key = position::key(BROKER, Position(20));
    assert_eq!(
        hex(&key),
        "0000000000000001000000000000000200000003030000000000000014"
    );
    let run = |first, count, offset| PositionRun {
        first: Position(first),
        count,
        queue: queue(),
        offset: Offset(offset),
    };
    let runs = vec![run(20, 2, 6), run(25, 1, 300)];
    let value = position::encode(&key, &runs);
    assert_eq!(hex(&value), "014ed679ae020002010405060301010405ac02");
    assert_eq!(position::decode(&key, &value), Ok(runs));

    let key = snapshot::key(BROKER, 1);
    assert_eq!(
        hex(&key),
        "00000000000000010000000000000002000000030400000001"
    );
    let piece = snapshot::Piece {
        sequence: 7,
        pieces: 2,
        bytes: b"state",
    };
    let value = snapshot::encode(&key, piece);
    assert_eq!(hex(&value), "010d07b02e0700000000000000020000007374617465");
    assert_eq!(snapshot::decode(&key, &value), Ok(piece));

    let reach = volume::Reach {
        begins: Lsn(1),
        marker: Lsn(2),
        bytes: 3,
    };
    let value = volume::encode(reach);
    assert_eq!(
        hex(&value),
        "017375c77d010000000000000002000000000000000300000000000000"
    );
    assert_eq!(volume::decode(&value), Ok(reach));
}

#[test]
fn a_newer_value_is_told_from_a_damaged_one() {
    let mut value = volume::encode(volume::Reach::default());
    value[0] = 2;
    assert_eq!(volume::decode(&value), Err(ValueError::Damaged));
    let sum = checksum(2, &volume::KEY, &value[ENVELOPE_BYTES..]);
    value[1..ENVELOPE_BYTES].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(volume::decode(&value), Err(ValueError::Newer(2)));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
