//! Parts that a checksum vouches for and that are wrong all the same: each is
//! refused for the one thing that is wrong with it.

use super::damage::sample;
use super::*;
use crate::varint;

fn opened() -> Opened {
    let (feed, cut) = sample();
    let (object, _) = feed.write(segment_id(1), cut, 100);
    Opened::open(&object).expect("opened")
}

/// A chunk index of one queue with these (gap, count, stored, raw), times of 0.
fn index_of(chunks: &[(u64, u64, u64, u64)]) -> Vec<u8> {
    let mut raw = Vec::new();
    for number in [1, 0, 1, 0, chunks.len() as u64] {
        varint::put(&mut raw, number);
    }
    for &(gap, count, stored, raw_bytes) in chunks {
        for number in [gap, count, 0, 0, stored, raw_bytes] {
            varint::put(&mut raw, number);
        }
        raw.extend_from_slice(&[0; 4]);
        raw.push(0);
    }
    raw
}

fn trailer_of(chunks: u32, records: u64, raw_bytes: u64, stored: u64) -> Trailer {
    let mut trailer = opened().trailer;
    trailer.totals = Totals {
        records,
        raw_bytes,
        stored_at: (Timestamp(9), Timestamp(9)),
        queues: 1,
        chunks,
        ..trailer.totals
    };
    trailer.regions[0] = stored;
    trailer
}

#[test]
fn a_chunk_index_must_add_up_and_stay_in_range() {
    let good = [(5, 10, 40, 50), (0, 1, 60, 60)];
    let trailer = trailer_of(2, 11, 110, 100);
    let parse = |chunks: &[_], trailer: &Trailer| SegmentIndex::parse(&index_of(chunks), trailer);
    assert!(parse(&good, &trailer).is_some());
    let totals = [
        trailer_of(3, 11, 110, 100),
        trailer_of(1, 11, 110, 100),
        trailer_of(2, 12, 110, 100),
        trailer_of(2, 11, 111, 100),
        trailer_of(2, 11, 110, 101),
        trailer_of(2, 11, 110, 99),
    ];
    for (nth, wrong) in totals.iter().enumerate() {
        assert!(parse(&good, wrong).is_none(), "totals {nth}");
    }
    let mut late = trailer.clone();
    late.totals.stored_at.1 = Timestamp(10);
    assert!(parse(&good, &late).is_none());
    let mut early = trailer.clone();
    early.totals.stored_at.0 = Timestamp(u64::MAX);
    let mut overflow = index_of(&good);
    overflow[7] = 1;
    assert!(SegmentIndex::parse(&overflow, &early).is_none());

    let most = limits::CHUNK_RAW_BYTES_MAX as u64;
    let alone = |chunk: (u64, u64, u64, u64)| {
        let trailer = trailer_of(1, chunk.1, chunk.3, chunk.2);
        parse(&[chunk], &trailer).is_some()
    };
    assert!(alone((u64::MAX - 1, 1, 40, 50)));
    assert!(!alone((u64::MAX, 1, 40, 50)), "an offset beyond all");
    assert!(!alone((0, 1 << 32, 40, 50)), "a count beyond all");
    assert!(!alone((0, 0, 40, 50)), "no record");
    assert!(!alone((0, 1, 51, 50)), "longer packed than raw");
    assert!(alone((0, 1, 40, most)) && !alone((0, 1, 40, most + 1)));
    let mut behind = index_of(&good);
    behind.push(0);
    assert!(SegmentIndex::parse(&behind, &trailer).is_none());
}

#[test]
fn queues_of_a_chunk_index_stand_in_order() {
    let opened = opened();
    let mut chunks = opened.index.chunks().to_vec();
    chunks.rotate_left(3);
    let mut at = HEADER_BYTES as u64;
    for chunk in &mut chunks {
        chunk.at = at;
        at += u64::from(chunk.stored_bytes);
    }
    let raw = chunks::encode(&chunks, &opened.trailer.totals);
    assert!(SegmentIndex::parse(&raw, &opened.trailer).is_none());
}

#[test]
fn tags_are_few_and_in_order() {
    let decode = |bytes: &[u8]| TagSummary::decode(&mut varint::Reader::new(bytes));
    let listed = |count: u8, hash: &dyn Fn(u8) -> u8| {
        let mut bytes = vec![count];
        (0..count).for_each(|n| bytes.extend_from_slice(&[0, 0, 0, hash(n)]));
        bytes
    };
    assert!(decode(&listed(16, &|n| n)).is_some());
    assert!(decode(&listed(17, &|n| n)).is_none());
    assert!(decode(&listed(3, &|_| 1)).is_none());
    assert!(decode(&listed(3, &|n| 9 - n)).is_none());
    assert!(decode(&listed(3, &|n| n)[..12]).is_none());
    assert_eq!(decode(&[0xFF]), Some(TagSummary::Any));
}

#[test]
fn a_chunk_is_what_its_entry_says() {
    let opened = opened();
    for entry in opened.index.chunks() {
        let stored = opened.piece(entry.range());
        let read = |change: &dyn Fn(&mut ChunkEntry)| {
            let mut entry = entry.clone();
            change(&mut entry);
            let binding = opened.trailer.id.binding();
            entry.checksum = binding.chunk(entry.queue, entry.first_offset, &stored);
            opened.index.open_chunk(&entry, &stored).is_ok()
        };
        assert!(read(&|_| {}));
        assert!(!read(&|entry| entry.raw_bytes += 1));
        assert!(!read(&|entry| entry.raw_bytes -= 1));
        assert!(!read(&|entry| entry.count += 1));
        assert!(!read(&|entry| entry.first_offset.0 += 1));
        assert!(!read(&|entry| {
            entry.first_offset.0 += 1;
            entry.count -= 1;
        }));
        assert!(!read(&|entry| entry.stored_at.0.0 -= 1));
        assert!(!read(&|entry| entry.stored_at.1.0 += 1));
    }
}

/// Offsets that are not consecutive inside a chunk, though both ends are right.
#[test]
fn runs_of_a_chunk_go_on_without_gaps() {
    let opened = opened();
    let entry = &opened.index.chunks()[0];
    let chunk = opened.index.open_chunk(entry, &opened.piece(entry.range()));
    let run = chunk.expect("a chunk").runs;
    let mut second = run.to_vec();
    second[0] += 2;
    let mut third = second.clone();
    third[0] += 2;
    let check = |parts: &[&[u8]], count: u32| {
        let stored = Bytes::from(parts.concat());
        let mut entry = entry.clone();
        entry.count = count;
        entry.stored_bytes = stored.len() as u32;
        entry.raw_bytes = entry.stored_bytes;
        let binding = opened.trailer.id.binding();
        entry.checksum = binding.chunk(entry.queue, entry.first_offset, &stored);
        opened.index.open_chunk(&entry, &stored).is_ok()
    };
    assert!(check(&[&run, &second, &third], 6));
    assert!(!check(&[&run, &third], 6), "a gap");
    assert!(!check(&[&run, &run, &third], 6), "twice");
    assert!(!check(&[&run, &second[..40]], 4), "cut");
    assert!(!check(&[], 0), "nothing");
}

#[test]
fn rows_of_blocks_stay_in_order_and_in_the_segment() {
    let opened = opened();
    let row = |numbers: &[u64]| {
        let mut raw = Vec::new();
        numbers
            .iter()
            .for_each(|&number| varint::put(&mut raw, number));
        raw
    };
    let block = &opened.positions.blocks()[0];
    let runs = |rows: &[u64]| PositionIndex::parse_block(block, &row(rows), &opened.index);
    assert!(runs(&[0, 2, 0, 0]).is_some());
    assert!(runs(&[1, 2, 0, 0]).is_none(), "not the fence's first");
    assert!(runs(&[0, 0, 0, 0]).is_none(), "no record");
    assert!(runs(&[0, 9, 0, 0]).is_none(), "beyond the queue");
    assert!(runs(&[0, 1, 0, 2]).is_none(), "in a gap");
    assert!(runs(&[0, 1, 99, 0]).is_none(), "no such queue");
    assert!(
        runs(&[0, 2, 0, 0, u64::MAX, 1, 0, 0]).is_none(),
        "beyond all"
    );
    assert!(runs(&[]).is_none() && runs(&[0, 2, 0]).is_none());

    let above = |block: &KeyBlock| {
        let rows = opened
            .keys
            .open(block, &opened.piece(block.range()), &opened.index);
        rows.expect("rows")[0].1.position.0 - 100
    };
    let mut blocks = opened.keys.blocks().iter();
    let block = blocks
        .find(|block| above(block) > 0)
        .expect("a later record");
    let above = above(block);
    let rows = |rows: &[u64]| opened.keys.parse_block(block, &row(rows), &opened.index);
    assert!(rows(&[0, 0, 0, above]).is_some());
    assert!(rows(&[1, 0, 0, above]).is_none(), "not the fence's hash");
    assert!(rows(&[0, 0, 0, above + 1]).is_none(), "not its position");
    assert!(rows(&[0, 0, 0, above, 0, 0, 0, 0]).is_none(), "falls");
    assert!(rows(&[0, 0, 2, above]).is_none(), "in a gap");
    assert!(rows(&[0, 9, 0, above]).is_none(), "no such queue");
    assert!(
        rows(&[0, 0, 0, above, u64::MAX, 0, 0, 0]).is_none(),
        "beyond all"
    );
    assert!(
        rows(&[0, 0, 0, above, 0, 0, 0, u64::MAX]).is_none(),
        "beyond all"
    );
    assert!(rows(&[]).is_none() && rows(&[0, 0, 0]).is_none());
}

#[test]
fn fences_stay_in_order_and_add_up() {
    let opened = opened();
    let mut trailer = opened.trailer.clone();
    trailer.regions[1] = 100;
    trailer.regions[2] = 100;
    let fence = |hash: u64, above: u64, stored: u64, raw_bytes: u64| {
        let mut raw = hash.to_le_bytes().to_vec();
        [above, stored, raw_bytes]
            .iter()
            .for_each(|&number| varint::put(&mut raw, number));
        raw.extend_from_slice(&[0; 4]);
        raw
    };
    let keys = |fences: &[Vec<u8>]| KeyIndex::parse(&fences.concat(), &trailer).is_some();
    assert!(keys(&[fence(5, 1, 40, 50), fence(5, 2, 60, 60)]));
    assert!(!keys(&[fence(5, 1, 40, 50), fence(5, 0, 60, 60)]), "falls");
    assert!(!keys(&[fence(5, 1, 40, 50), fence(4, 2, 60, 60)]), "falls");
    assert!(!keys(&[fence(5, 1, 40, 50)]), "too short");
    assert!(!keys(&[fence(5, u64::MAX, 100, 100)]), "beyond all");
    let most = limits::BLOCK_RAW_BYTES_MAX as u64;
    assert!(keys(&[fence(5, 1, 100, most)]));
    assert!(!keys(&[fence(5, 1, 100, most + 1)]), "too long");

    let positions = |fences: &[Vec<u8>]| {
        let fences: Vec<_> = fences.iter().map(|fence| &fence[8..]).collect();
        PositionIndex::parse(&fences.concat(), &trailer).is_some()
    };
    assert!(positions(&[fence(0, 0, 40, 50), fence(0, 2, 60, 60)]));
    assert!(!positions(&[fence(0, 0, 40, 50)]), "too short");
    assert!(!positions(&[fence(0, u64::MAX, 100, 100)]), "beyond all");
}

#[test]
fn a_trailer_adds_up_and_keeps_the_bounds() {
    let good = opened().trailer;
    let decode = |change: &dyn Fn(&mut Trailer)| {
        let mut trailer = good.clone();
        change(&mut trailer);
        Trailer::decode(&trailer.encode(), good.object_bytes, BROKER).is_ok()
    };
    assert!(decode(&|_| {}));
    assert!(!decode(&|trailer| trailer.regions[0] += 1));
    assert!(!decode(&|trailer| trailer.regions[6] = u64::MAX));
    assert!(!decode(&|trailer| trailer.totals.queues = 0));
    assert!(!decode(
        &|trailer| trailer.totals.queues = trailer.totals.chunks + 1
    ));
    assert!(!decode(
        &|trailer| trailer.totals.chunks = limits::CHUNKS_MAX as u32 + 1
    ));
    assert!(!decode(
        &|trailer| trailer.totals.hashes = limits::HASHES_MAX as u64 + 1
    ));
    assert!(!decode(&|trailer| trailer.totals.positions.1 = Position(0)));
    assert!(!decode(&|trailer| trailer.totals.stored_at.1 = Timestamp(0)));
    for section in Section::ALL {
        let sealed = section as usize;
        assert!(!decode(&|trailer| trailer.sealed[sealed].raw_bytes = 1));
        assert!(!decode(
            &|trailer| trailer.sealed[sealed].raw_bytes = 1 << 30
        ));
    }
}

#[test]
fn a_filter_has_whole_blocks_and_at_least_one() {
    let decode = |blocks: usize| {
        let mut bytes = filter::encode(Seed([1; 16]), [KeyHash(1)].into_iter(), 1000);
        bytes.resize(24 + blocks, 0);
        let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..4]), &bytes[8..]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        KeyFilter::decode(&bytes.into()).is_ok()
    };
    assert!(decode(32) && decode(64));
    assert!(!decode(0) && !decode(31) && !decode(33));
    let most = (limits::FILTER_BYTES_MAX - 24) / 32 * 32;
    assert!(decode(most) && !decode(most + 32));
}
