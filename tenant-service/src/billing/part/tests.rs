//! Parts of the books as bytes.

use proptest::prelude::*;

use super::*;

/// Version 1, as it was first written. Never edited; only added to.
const GOLDEN_V1: &str = include_str!("part-v1.hex");

fn full() -> BooksPart {
    BooksPart {
        head: PartHead {
            version: VERSION,
            catalogue: 5,
            line: 7,
            after: Some(11),
            to: 12,
        },
        rows: Rows {
            since: Some(1000),
            closed_month: Some(202_311),
            events: vec![EventRow {
                broker: 1,
                generation: 2,
                first_seq: 3,
                last_seq: 4,
                tenant: 2,
                instance: 1,
                received_at: 1001,
                counts: vec![1, 2, 3],
            }],
            calls: vec![CallsRow {
                source: vec![9; 16],
                number: 1,
                instance: 1,
                hour: 472_222,
                received_at: 1002,
                calls: 17,
            }],
            samples: vec![SampleRow {
                broker: 1,
                hour: 472_222,
                instance: 1,
                points: "1700000000:5:6;".to_owned(),
                until: 1_700_000_060,
            }],
            revisions: vec![RevisionRow {
                instance: 1,
                hour: 472_221,
                revision: 0,
                opened_at: 1,
                closed_at: 2,
                month: 202_311,
                topics: vec![TopicRow {
                    kind: 255,
                    topic: 0,
                    sums: [1, 2, 3, 4, 5, 6, 7, 8, 9],
                }],
            }],
            bills: vec![BillRow {
                tenant: 2,
                month: 202_310,
                closed_at: 3,
                body: "{}".to_owned(),
            }],
        },
    }
}

#[test]
fn a_part_reads_back_as_it_was() {
    let part = full();
    let bytes = part.pack().unwrap();
    assert_eq!(BooksPart::unpack(&bytes).unwrap(), part);
    assert_eq!(PartHead::read(&bytes).unwrap(), part.head);
    let mut first = full();
    first.head.after = None;
    let bytes = first.pack().unwrap();
    assert_eq!(BooksPart::unpack(&bytes).unwrap(), first);
    assert!(!part.is_empty());
}

#[test]
fn golden_bytes_of_version_1_are_read() {
    let bytes = hex::decode(GOLDEN_V1.split_whitespace().collect::<String>()).unwrap();
    assert_eq!(
        BooksPart::unpack(&bytes).unwrap(),
        full(),
        "{}",
        hex::encode(full().pack().unwrap())
    );
}

#[test]
fn a_newer_version_is_told_from_damage() {
    let mut newer = full();
    newer.head.version = VERSION + 1;
    let bytes = newer.pack().unwrap();
    let expected = ExportError::Newer {
        found: VERSION + 1,
        known: VERSION,
    };
    assert_eq!(BooksPart::unpack(&bytes).unwrap_err(), expected);
    // Its head can be read all the same.
    assert_eq!(PartHead::read(&bytes).unwrap(), newer.head);
}

proptest! {
    #[test]
    fn every_changed_bit_and_every_cut_is_seen(at: prop::sample::Index, bit in 0..8_u8) {
        let bytes = full().pack().unwrap();
        let mut damaged = bytes.clone();
        damaged[at.index(bytes.len())] ^= 1 << bit;
        prop_assert!(BooksPart::unpack(&damaged).is_err());
        prop_assert!(BooksPart::unpack(&bytes[..at.index(bytes.len())]).is_err());
    }

    /// Whatever stands where the body should: an answer, and no panic.
    #[test]
    fn any_body_has_an_answer(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut object = full().pack().unwrap()[..54].to_vec();
        object.extend_from_slice(&(body.len() as u32).to_le_bytes());
        object.extend_from_slice(&zstd::bulk::compress(&body, 3).unwrap());
        let checksum = crc32c::crc32c(&object);
        object.extend_from_slice(&checksum.to_le_bytes());
        let _ = BooksPart::unpack(&object);
    }
}
