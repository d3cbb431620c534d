//! WAL objects as bytes: golden, damaged, newer, hostile.

use proptest::prelude::*;

use super::*;
use crate::cold::wal::codec::{Head, Kind, VERSION, WalObject, encode, watermark};

const HEAD: Head = Head {
    kind: Kind::Frames,
    nonce: Nonce(0xF00D),
    settled: 8,
    floor: 4,
};

fn name(sequence: u64) -> ObjectName {
    WAL.object(sequence)
}

fn some() -> Vec<WalFrame> {
    let text = "the same words again and again, ".repeat(8);
    let mut all = frames([5, 6, 300]);
    all[1].payload = text.into();
    all[2].payload = Bytes::new();
    all[2].header.tenant = TenantId(u64::MAX);
    all[2].header.instance = InstanceId(u64::MAX);
    all[2].header.broker = BrokerId(u32::MAX);
    all[2].header.generation = Generation(u32::MAX);
    all
}

fn unhex(text: &str) -> Bytes {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
    let digits: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(digit)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(bytes: &Bytes, sequence: u64) -> Result<(Head, Vec<WalFrame>), WalReadError> {
    let object = WalObject::decode(name(sequence), bytes)?;
    Ok((object.head, object.frames().collect()))
}

/// Small objects: what does not compress is stored raw.
fn golden_objects() -> [(Head, u64, Vec<WalFrame>, &'static str); 3] {
    let fence = Head {
        kind: Kind::Fence,
        floor: 1,
        ..HEAD
    };
    let mark = Head {
        kind: Kind::Mark,
        ..fence
    };
    [
        (
            HEAD,
            9,
            frames([5, 6, 300]),
            include_str!("golden/frames-v1.hex"),
        ),
        (fence, 9, vec![], include_str!("golden/fence-v1.hex")),
        (
            mark,
            MARK_SEQUENCE,
            vec![],
            include_str!("golden/mark-v1.hex"),
        ),
    ]
}

#[test]
fn version_1_is_read_and_written_as_ever() {
    for (head, sequence, frames, golden) in golden_objects() {
        let bytes = encode(WAL, sequence, head, &frames);
        assert_eq!(hex(&bytes), hex(&unhex(golden)));
        let found = read(&unhex(golden), sequence).expect("is read");
        assert_eq!(found, (head, frames));
    }
}

/// How well it compresses is the library's to change; that it is read is not.
#[test]
fn a_compressed_object_of_version_1_is_read_as_ever() {
    let bytes = encode(WAL, 9, HEAD, &some());
    let golden = unhex(include_str!("golden/packed-v1.hex"));
    assert_eq!(golden[7], 1, "is compressed: {}", hex(&bytes));
    for bytes in [golden, bytes] {
        assert_eq!(read(&bytes, 9).expect("is read"), (HEAD, some()));
    }
}

#[test]
fn a_body_is_compressed_only_where_that_pays() {
    let raw = encode(WAL, 9, HEAD, &[sized(1, 10_000)]);
    assert_eq!(raw[7], 0);
    let mut zeros = sized(1, 10_000);
    zeros.payload = vec![0; 10_000].into();
    let packed = encode(WAL, 9, HEAD, &[zeros.clone()]);
    assert_eq!(packed[7], 1);
    assert!(packed.len() < 1000, "{}", packed.len());
    assert_eq!(read(&packed, 9).expect("is read").1, [zeros]);
}

#[test]
fn a_flipped_bit_or_a_cut_anywhere_is_damage_by_name() {
    let check = |bytes: &[u8]| match read(&Bytes::copy_from_slice(bytes), 9) {
        Err(WalReadError::Damaged { name: said, .. }) => assert_eq!(said, name(9).to_string()),
        other => panic!("{other:?}"),
    };
    for bytes in [
        encode(WAL, 9, HEAD, &some()),
        encode(WAL, 9, HEAD, &frames([1, 2])),
    ] {
        for at in 0..bytes.len() {
            check(&bytes[..at]);
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << bit;
                check(&flipped);
            }
        }
        check(&[&bytes[..], b"x"].concat());
    }
}

/// Puts a good checksum under a change.
fn forge(bytes: &Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut forged = bytes[..bytes.len() - 4].to_vec();
    change(&mut forged);
    let checksum = crc32c::crc32c(&forged).to_le_bytes();
    forged.extend_from_slice(&checksum);
    forged.into()
}

#[test]
fn a_newer_version_is_refused_in_clear_words() {
    let newer = forge(&encode(WAL, 9, HEAD, &some()), |bytes| {
        bytes[4..6].copy_from_slice(&(VERSION + 1).to_le_bytes());
        // Of what follows nothing is known.
        bytes.truncate(10);
    });
    let text = read(&newer, 9).expect_err("is refused").to_string();
    assert!(text.contains("wal/"), "{text}");
    assert!(text.contains("format version 2"), "{text}");
    assert!(text.contains("use a newer one"), "{text}");
}

#[test]
fn an_object_under_another_name_is_damage() {
    let bytes = encode(WAL, 9, HEAD, &some());
    let others = [
        name(10),
        Wal {
            incarnation: 4,
            ..WAL
        }
        .object(9),
        Wal {
            node: NodeId(1),
            ..WAL
        }
        .object(9),
    ];
    for other in others {
        let read = WalObject::decode(other, &bytes);
        assert!(
            matches!(read, Err(WalReadError::Damaged { .. })),
            "{read:?}"
        );
    }
}

#[test]
fn a_good_checksum_does_not_excuse_what_makes_no_sense() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 15] = [
        ("no version", |bytes| bytes[4..6].fill(0)),
        ("an unknown kind", |bytes| bytes[6] = 4),
        ("a fence with frames", |bytes| bytes[6] = 2),
        ("an unknown packing", |bytes| bytes[7] = 2),
        ("raw called packed", |bytes| bytes[7] = 1),
        ("settled itself", |bytes| bytes[56] = 9),
        ("a floor of nothing", |bytes| bytes[64] = 0),
        ("a floor above the settled", |bytes| bytes[64] = 10),
        ("a frame too many", |bytes| bytes[72] += 1),
        ("a frame too few", |bytes| bytes[72] -= 1),
        ("a raw length", |bytes| bytes[76] += 1),
        ("a stored length", |bytes| bytes[80] += 1),
        ("an LSN that stands still", |bytes| bytes[84] = 0),
        ("bytes behind the frames", |bytes| {
            bytes[76] += 1;
            bytes[80] += 1;
            bytes.push(0);
        }),
        ("a short head", |bytes| bytes.truncate(80)),
    ];
    let good = encode(WAL, 9, HEAD, &frames([1, 2]));
    assert!(read(&forge(&good, |_| {}), 9).is_ok());
    for (what, change) in changes {
        let read = read(&forge(&good, change), 9);
        assert!(
            matches!(read, Err(WalReadError::Damaged { .. })),
            "{what}: {read:?}"
        );
    }
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    let mut zeros = sized(1, 100_000);
    zeros.payload = vec![0; 100_000].into();
    let good = encode(WAL, 9, HEAD, &[zeros]);
    assert_eq!(good[7], 1);
    for claim in [0, 1, 99_000, 1 << 20, BODY_BYTES_MAX as u32 + 1, u32::MAX] {
        watermark::take();
        let read = read(
            &forge(&good, |bytes| {
                bytes[76..80].copy_from_slice(&claim.to_le_bytes())
            }),
            9,
        );
        assert!(matches!(read, Err(WalReadError::Damaged { .. })), "{claim}");
        assert_eq!(watermark::take(), 0, "{claim}");
    }
    // Even when the packed bytes tell the same lie.
    let bomb = vec![0_u8; BODY_BYTES_MAX + 1];
    let packed = zstd::bulk::compress(&bomb, 1).expect("compresses");
    let bomb = forge(&good, |bytes| {
        bytes.truncate(84);
        bytes[76..80].copy_from_slice(&(BODY_BYTES_MAX as u32 + 1).to_le_bytes());
        bytes[80..84].copy_from_slice(&(packed.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&packed);
    });
    assert!(read(&bomb, 9).is_err());
    assert_eq!(watermark::take(), 0);
}

fn any_frame() -> impl Strategy<Value = WalFrame> {
    let ids = (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>());
    let rest = (1..1_000_000_u64, any::<u64>(), any::<u8>());
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    (ids, rest, payload).prop_map(|((tenant, instance, broker, generation), rest, payload)| {
        WalFrame {
            lsn: Lsn(rest.0),
            header: FrameHeader {
                tenant: TenantId(tenant),
                instance: InstanceId(instance),
                broker: BrokerId(broker),
                generation: Generation(generation),
                seq: rest.1,
                kind: rest.2,
            },
            payload: payload.into(),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(mut all in prop::collection::vec(any_frame(), 0..20)) {
        // From steps to places.
        let mut lsn = 0;
        for frame in &mut all {
            lsn += frame.lsn.0;
            frame.lsn = Lsn(lsn);
        }
        let bytes = encode(WAL, 9, HEAD, &all);
        prop_assert_eq!(read(&bytes, 9).expect("is read"), (HEAD, all));
    }

    #[test]
    fn hostile_bytes_do_no_harm(
        changes in prop::collection::vec((0_usize..600, any::<u8>()), 1..8),
        packed: bool,
        cut in 0_usize..600,
    ) {
        let all = if packed { some() } else { frames([1, 2, 3]) };
        let good = encode(WAL, 9, HEAD, &all);
        let hostile = forge(&good, |bytes| {
            for (at, to) in &changes {
                let at = at % bytes.len();
                bytes[at] = *to;
            }
            if cut < bytes.len() / 4 {
                bytes.truncate(bytes.len() - cut);
            }
        });
        watermark::take();
        if let Ok((head, frames)) = read(&hostile, 9) {
            // Whatever it is taken for, it keeps the rules.
            prop_assert!(frames.is_sorted_by(|one, next| one.lsn < next.lsn));
            prop_assert!(head.floor <= head.settled + 1 && head.settled < 9);
        }
        prop_assert!(watermark::take() <= BODY_BYTES_MAX);
    }

    #[test]
    fn rubbish_is_damage_and_nothing_worse(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let sealed = forge(&[&b"FWAL\x01\0"[..], &body, b"sum!"].concat().into(), |_| {});
        for bytes in [Bytes::from(body), sealed] {
            let read = read(&bytes, 9);
            prop_assert!(matches!(read, Err(WalReadError::Damaged { .. })), "{:?}", read);
        }
    }
}
