//! Manifests as bytes: golden, damaged, newer, against the rules.

use std::collections::BTreeMap;

use firn_protocol::ids::{Offset, Position, QueueId, QueueKey, TopicId, TopicKey};
use firn_protocol::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::cold::manifest::*;
use crate::cold::paths::{NodeId, StateName};

/// A manifest with something of everything.
pub(super) fn full(number: u64) -> Manifest {
    let queue = |id| QueueKey {
        topic: TopicKey::User(TopicId(5)),
        queue: QueueId(id),
    };
    let range = |id, first: u64| QueueRange {
        queue: queue(id),
        first: Offset(first),
        end: Offset(first + 10),
        stored_at: (Timestamp(1_000), Timestamp(2_000)),
        records: 10,
        record_bytes: 10_240,
    };
    let entry = |first_sequence: u64, offset: u64| SegmentEntry {
        name: SegmentName {
            generation: Generation(2),
            first_sequence,
            nonce: Nonce(0xa0 + u128::from(first_sequence)),
        },
        bytes: 4_096,
        checksum: 0xDEAD_BEEF,
        level: 0,
        positions: (Position(offset * 2), Position(offset * 2 + 20)),
        records: 20,
        record_bytes: 20_480,
        queues: vec![range(0, offset), range(1, offset)],
        key_filter: Bytes::from_static(b"filter"),
    };
    Manifest {
        number,
        owner: NodeId(0xF1),
        nonce: Nonce(0xF2),
        broker: BROKER,
        generation: Generation(3),
        covered: LogPlace {
            generation: Generation(2),
            sequence: 40,
        },
        segments: vec![entry(1, 0), entry(21, 10)],
        state: StatePlace::Object {
            name: StateName {
                sequence: 40,
                nonce: Nonce(0xF3),
            },
            bytes: 100_000,
            checksum: 7,
        },
        low_marks: BTreeMap::from([(queue(0), Offset(3))]),
        released: vec![
            Released {
                object: ReleasedObject::Segment(SegmentName {
                    generation: Generation(1),
                    first_sequence: 1,
                    nonce: Nonce(0xF4),
                }),
                delete_at: Timestamp(5_000),
            },
            Released {
                object: ReleasedObject::State(StateName {
                    sequence: 20,
                    nonce: Nonce(0xF5),
                }),
                delete_at: Timestamp(6_000),
            },
        ],
        wal_ends: vec![WalEnd {
            node: NodeId(0xF6),
            incarnation: 4,
            sequence: 17,
        }],
    }
}

/// Of version 1; never edited.
const GOLDEN_V1: &str = include_str!("manifest-v1.hex");

fn golden() -> Vec<u8> {
    let digits: Vec<u8> = GOLDEN_V1
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| (digit as char).to_digit(16).expect("a digit") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn version_1_is_read_and_written_as_ever() {
    let manifest = full(12);
    let bytes = manifest.encode().expect("encodes");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(&bytes[..], golden(), "{hex}");
    let read = Manifest::decode(manifest.name(), &golden());
    assert_eq!(read, Ok(manifest));
}

#[test]
fn a_flipped_bit_or_a_cut_anywhere_is_damage_by_name() {
    let bytes = golden();
    let name = full(12).name();
    let check = |bytes: &[u8]| match Manifest::decode(name, bytes) {
        Err(ManifestError::Damaged { name: said, .. }) => assert_eq!(said, name.to_string()),
        other => panic!("{other:?}"),
    };
    for at in 0..bytes.len() {
        check(&bytes[..at]);
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            check(&flipped);
        }
    }
    check(&[&bytes[..], b"x"].concat());
}

/// Seals a head and a body as the format does.
fn seal(version: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"FMAN".to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(body);
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn a_good_checksum_does_not_excuse_a_wrong_head_or_rest() {
    let bytes = golden();
    let body = &bytes[10..bytes.len() - 4];
    let name = full(12).name();
    assert!(Manifest::decode(name, &seal(1, body)).is_ok());
    let mut wrong_length = bytes[..bytes.len() - 4].to_vec();
    wrong_length[6] ^= 1;
    let checksum = crc32c::crc32c(&wrong_length).to_le_bytes();
    wrong_length.extend_from_slice(&checksum);
    for bytes in [
        seal(1, &[body, b"rest"].concat()),
        seal(0, body),
        wrong_length,
    ] {
        let read = Manifest::decode(name, &bytes);
        assert!(
            matches!(read, Err(ManifestError::Damaged { .. })),
            "{read:?}"
        );
    }
}

#[test]
fn a_newer_version_is_refused_in_clear_words() {
    let error = Manifest::decode(full(12).name(), &seal(2, b"unheard of"));
    let text = error.expect_err("is refused").to_string();
    assert!(text.contains("manifest/00000000000000000012"), "{text}");
    assert!(text.contains("format version 2"), "{text}");
    assert!(text.contains("use a newer one"), "{text}");
}

#[test]
fn a_manifest_under_another_name_is_damage() {
    let bytes = golden();
    for name in [
        ObjectName::Manifest(BROKER, 13),
        ObjectName::Manifest(
            BrokerKey {
                tenant: TenantId(3),
                ..BROKER
            },
            12,
        ),
    ] {
        let read = Manifest::decode(name, &bytes);
        assert!(
            matches!(read, Err(ManifestError::Damaged { .. })),
            "{read:?}"
        );
    }
}

proptest! {
    #[test]
    fn rubbish_is_damage_and_nothing_worse(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let name = full(12).name();
        for bytes in [body.clone(), seal(1, &body)] {
            let read = Manifest::decode(name, &bytes);
            prop_assert!(matches!(read, Err(ManifestError::Damaged { .. })), "{:?}", read);
        }
    }

    #[test]
    fn a_damaged_body_under_a_good_checksum_does_no_harm(at in 0_usize..400, to in any::<u8>()) {
        let mut bytes = golden();
        let body_end = bytes.len() - 4;
        let at = 10 + at % (body_end - 10);
        bytes[at] = to;
        // Whatever it is taken for, it keeps the rules and has this name.
        if let Ok(read) = Manifest::decode(full(12).name(), &seal(1, &bytes[10..body_end])) {
            prop_assert_eq!(read.name(), full(12).name());
            prop_assert!(read.encode().is_ok());
        }
    }
}

#[test]
fn what_breaks_a_rule_is_neither_written_nor_read() {
    type Break = fn(&mut Manifest);
    let breaks: [(&str, Break); 15] = [
        ("begin at 1", |m| m.number = 0),
        ("later generation", |m| m.covered.generation = Generation(4)),
        ("segments are out of order", |m| m.segments.reverse()),
        ("segments are out of order", |m| {
            m.segments[1] = m.segments[0].clone();
        }),
        ("segment lies beyond", |m| {
            m.segments[1].name.first_sequence = 41;
        }),
        ("segment lies beyond", |m| {
            m.segments[1].name.generation = Generation(4);
        }),
        ("same records", |m| {
            m.segments[1].queues[0].first = Offset(9);
        }),
        ("queues are out of order", |m| {
            m.segments[0].queues.reverse();
        }),
        ("range is the wrong way round", |m| {
            m.segments[0].queues[0].end = Offset(0);
        }),
        ("more records than offsets", |m| {
            m.segments[0].queues[0].records = 11;
        }),
        ("positions are the wrong way", |m| {
            m.segments[0].positions.0 = Position(100);
        }),
        ("inline state", |m| {
            let state = vec![0; INLINE_STATE_BYTES_MAX + 1];
            m.state = StatePlace::Inline(state.into());
        }),
        ("state lies beyond", |m| m.covered.sequence = 39),
        ("released twice", |m| m.released[1] = m.released[0]),
        ("named and released", |m| {
            let name = m.segments[0].name;
            m.released[0].object = ReleasedObject::Segment(name);
        }),
    ];
    for (words, change) in breaks {
        let mut manifest = full(12);
        change(&mut manifest);
        let text = manifest.encode().expect_err(words).to_string();
        assert!(text.contains(words), "{text}");
        let body = postcard::to_stdvec(&manifest).expect("plain data encodes");
        let read = Manifest::decode(manifest.name(), &seal(1, &body));
        let text = read.expect_err(words).to_string();
        assert!(text.contains(words), "{text}");
    }
    let mut released = full(12);
    if let ReleasedObject::Segment(name) = &mut released.released[0].object {
        name.generation = Generation(4);
    }
    assert!(released.encode().is_err(), "a later owner's segment");
}

#[test]
fn waiting_bodies_of_two_segments_may_interleave() {
    let mut manifest = full(12);
    for segment in &mut manifest.segments {
        let range = QueueRange {
            queue: QueueKey {
                topic: TopicKey::Waiting,
                queue: QueueId(0),
            },
            ..segment.queues[1]
        };
        segment.queues.push(QueueRange {
            first: Offset(5),
            end: Offset(15),
            ..range
        });
    }
    assert!(manifest.encode().is_ok());
}

#[test]
fn a_small_state_fits_the_manifest() {
    let mut manifest = full(12);
    let state = pattern(INLINE_STATE_BYTES_MAX);
    manifest.state = StatePlace::Inline(state);
    let bytes = manifest.encode().expect("encodes");
    assert_eq!(Manifest::decode(manifest.name(), &bytes), Ok(manifest));
}
