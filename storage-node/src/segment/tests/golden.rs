//! Bytes of version 1, stored for ever: these samples are only ever added to.
//! What zstd makes of them may change with its version, so stored segments are
//! read and never compared; what is fixed is compared byte for byte.

use super::damage::sample;
use super::*;

/// A whole segment as version 1 wrote it, in hex.
const SEGMENT_1: &str = include_str!("../testdata/segment_1.hex");

fn stored(text: &str) -> Bytes {
    let digits: String = text.split_whitespace().collect();
    hex(&digits).into()
}

fn hex(digits: &str) -> Vec<u8> {
    let digit = |at: usize| digits.get(at..at + 2);
    let bytes = (0..digits.len()).step_by(2).map(digit);
    let byte = |digits: Option<&str>| u8::from_str_radix(digits.unwrap_or("?"), 16);
    bytes.map(|digits| byte(digits).expect("hex")).collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_segment_of_version_1_is_read() {
    let (feed, _) = sample();
    let object = stored(SEGMENT_1);
    assert_eq!(inspect::inspect(&object).damage, vec![]);
    let opened = Opened::open(&object).expect("opened");
    assert_eq!(opened.trailer.id, segment_id(1));
    let raw = opened
        .index
        .chunks()
        .iter()
        .filter(|chunk| chunk.stored_bytes == chunk.raw_bytes);
    let raw = raw.count();
    assert!(raw > 0 && raw < opened.index.chunks().len(), "both kinds");
    super::damage::every_answer_is_right(&feed, &opened, usize::MAX);
    let mut read = Vec::new();
    for entry in opened.index.chunks() {
        read.extend(opened.messages(entry).expect("a chunk"));
    }
    let mut sent = feed.messages;
    sent.sort_by_key(|message| (message.queue, message.offset));
    assert_eq!(read, sent);
    for tag in ["a", "b", "c"] {
        let hash = opened.trailer.id.seed.tag_hash(tag);
        let chunks = opened.index.chunks().iter();
        let holding = chunks.filter(|chunk| chunk.tags.may_hold(&[hash])).count();
        assert_eq!(holding, if tag == "c" { 1 } else { 2 }, "tag {tag}");
    }
}

#[test]
fn hashes_and_checksums_of_version_1() {
    let seed = Seed([1; 16]);
    let id = MessageId::from_bytes(b"order-1234567890").expect("16 bytes");
    assert_eq!(seed.key_hash("order-1234567890").0, 0xe5e1ec712a9bdf85);
    assert_eq!(seed.id_hash(&id).0, 0x3fb5317e0d8cf2c8);
    assert_eq!(seed.tag_hash("order-1234567890").0, 0x6efea841);
    let binding = segment_id(1).binding();
    assert_eq!(binding.chunk(queue(2), Offset(258), b"stored"), 0x39febc11);
    assert_eq!(binding.part(Part::KeyBlock, 258, b"stored"), 0xbaebdaee);
}

#[test]
fn the_header_and_the_filter_of_version_1() {
    let header = format::encode_header(&segment_id(1));
    assert_eq!(
        text(&header),
        "6669726e2d7365670100000002000000000000000700000000000000050000000300000001010101010101010101010101010101ae257c73"
    );
    let hashes = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210].map(KeyHash);
    let filter = filter::encode(Seed([1; 16]), hashes.into_iter(), 1000);
    assert_eq!(
        text(&filter),
        "010000009d094211010101010101010101010101010101011000040010000800000001400000900010200000000401000010008000000009"
    );
}

/// Three chunks of two queues, with numbers that need more than one byte.
fn entries() -> Vec<ChunkEntry> {
    let entry = |number: u16, first: u64, at: u64, tags: TagSummary| ChunkEntry {
        queue: queue(number),
        first_offset: Offset(first),
        count: 200,
        stored_at: (Timestamp(1000 + at), Timestamp(1300 + at)),
        at,
        stored_bytes: 300,
        raw_bytes: 0x1_0000,
        tags,
        checksum: 0x0403_0201,
    };
    let exact = |hashes: &[u32], untagged| TagSummary::Exact {
        hashes: hashes.iter().copied().map(TagHash).collect(),
        untagged,
    };
    vec![
        entry(0, 5, 56, exact(&[1, 0x8000_0000], true)),
        entry(0, 300, 356, TagSummary::Any),
        entry(1030, 0, 656, exact(&[], false)),
    ]
}

fn trailer() -> Trailer {
    let totals = Totals {
        records: 600,
        raw_bytes: 3 * 0x1_0000,
        positions: (Position(1000), Position(1 << 52)),
        stored_at: (Timestamp(1056), Timestamp(1956)),
        queues: 2,
        chunks: 3,
        hashes: 4,
    };
    Trailer {
        id: segment_id(1),
        totals,
        object_bytes: 56 + 900 + 600 + 500 + 40 + 30 + 20 + 10 + 256,
        regions: [900, 600, 500, 40, 30, 20, 10],
        sealed: [50, 60, 70, 80].map(|raw_bytes| trailer::Sealed {
            raw_bytes,
            checksum: raw_bytes << 8,
        }),
    }
}

#[test]
fn the_trailer_of_version_1() {
    let bytes = trailer().encode();
    assert_eq!(
        text(&bytes),
        "0200000000000000070000000000000005000000030000000101010101010101010101010101010184030000000000005802000000000000f40100000000000028000000000000001e0000000000000014000000000000000a0000000000000032000000003200003c000000003c00004600000000460000500000000050000058020000000000000000030000000000e80300000000000000000000000010002004000000000000a407000000000000020000000300000004000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000008de2fd8b010000006669726e2d736567"
    );
    let read = Trailer::decode(&bytes, 2412, BROKER).expect("a trailer");
    assert_eq!(read.totals, trailer().totals);
    let places = Section::ALL.map(|section| read.section(section));
    assert_eq!(places, [2056..2096, 2096..2126, 2126..2146, 2146..2156]);
}

#[test]
fn the_chunk_index_of_version_1() {
    let raw = chunks::encode(&entries(), &trailer().totals);
    assert_eq!(
        text(&raw),
        "020001000205c80100ac02ac02808004010203044201000000000000805fc801ac02ac02ac0280800401020304ff020181020100c801d804ac02ac028080040102030400"
    );
    let index = SegmentIndex::parse(&raw, &trailer()).expect("an index");
    assert_eq!(index.chunks(), entries());
}

fn place(at: u64, stored_bytes: u32) -> BlockPlace {
    BlockPlace {
        at,
        stored_bytes,
        raw_bytes: 0x4000,
        checksum: 0x0403_0201,
    }
}

#[test]
fn the_key_index_of_version_1() {
    let row = |hash: u64, above: u64, queue: u32, offset: u64| keys::KeyRow {
        hash: KeyHash(hash),
        position: Position(1000 + above),
        queue,
        offset,
    };
    let rows = [
        row(1 << 40, 0, 0, 0),
        row(1 << 40, 300, 1, 150),
        row(1 << 50, 9, 0, 400),
    ];
    let blocks: Vec<_> = keys::encode_blocks(&rows, 5, Position(1000)).collect();
    let raw: Vec<_> = blocks.iter().map(|(_, raw)| text(raw)).collect();
    assert_eq!(raw, ["0000000000019601ac02", "0000900309"]);
    let place = |at| place(at, 300);
    let fences: Vec<_> = (blocks.iter().zip([956, 1256]))
        .map(|((first, _), at)| KeyBlock::new(*first, place(at)))
        .collect();
    let raw = keys::encode(&fences, Position(1000));
    assert_eq!(
        text(&raw),
        "000000000001000000ac0280800101020304000000000000040009ac0280800101020304"
    );
    let index = SegmentIndex::parse(&chunks::encode(&entries(), &trailer().totals), &trailer());
    let keys = KeyIndex::parse(&raw, &trailer()).expect("fences");
    let index = index.expect("an index");
    for (block, (_, raw)) in keys.blocks().iter().zip(&blocks) {
        let rows = keys.parse_block(block, raw, &index).expect("rows");
        assert!(!rows.is_empty());
    }
    let found = keys
        .parse_block(&keys.blocks()[1], &blocks[1].1, &index)
        .expect("rows");
    let hit = Hit {
        queue: queue(0),
        offset: Offset(405),
        position: Position(1009),
    };
    assert_eq!(found, [(KeyHash(1 << 50), hit)]);
}

#[test]
fn the_position_index_of_version_1() {
    let row = |first: u64, count: u32, queue: u32, offset: u64| positions::PositionRow {
        first: Position(first),
        count,
        queue,
        offset,
    };
    let rows = [
        row(1000, 200, 0, 0),
        row(1300, 150, 1, 50),
        row(1450, 100, 0, 300),
    ];
    let blocks: Vec<_> = positions::encode_blocks(&rows, 6).collect();
    let raw: Vec<_> = blocks.iter().map(|(_, raw)| text(raw)).collect();
    assert_eq!(raw, ["00c80100006496010132", "006400ac02"]);
    let place = |at| place(at, 250);
    let fences: Vec<_> = (blocks.iter().zip([1556, 1806]))
        .map(|((first, _), at)| PositionBlock::new(*first, place(at)))
        .collect();
    let raw = positions::encode(&fences, Position(1000));
    assert_eq!(text(&raw), "00fa0180800101020304c203fa0180800101020304");
    let index = SegmentIndex::parse(&chunks::encode(&entries(), &trailer().totals), &trailer());
    let positions = PositionIndex::parse(&raw, &trailer()).expect("fences");
    let blocks = positions.blocks().iter().zip(&blocks);
    let index = index.expect("an index");
    let runs: Vec<_> = blocks
        .flat_map(|(block, (_, raw))| PositionIndex::parse_block(block, raw, &index).expect("rows"))
        .map(|run| (run.first.0, run.count, run.queue, run.offset.0))
        .collect();
    let expected = [
        (1000, 200, queue(0), 5),
        (1300, 150, queue(1030), 50),
        (1450, 100, queue(0), 305),
    ];
    assert_eq!(runs, expected);
}
