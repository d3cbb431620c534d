//! Rubbish in, an error out: no panic, no allocation above the bounds. Bytes are
//! tried as an object, and, because a checksum stops nearly all rubbish, as every
//! part behind its checksum.

use super::damage::sample;
use super::*;
use crate::segment::pack::watermark;

/// A fuzz target: bytes as they come.
fn fuzz_reader(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    watermark::take();
    let _ = inspect::inspect(&data);
    let _ = KeyFilter::decode(&data);
    if let Ok(opened) = Opened::open(&data) {
        ask(&opened);
    }
    let (&first, rest) = data.split_first().unwrap_or((&0, &[]));
    let rest = data.slice_ref(rest);
    SAMPLE.with(|sample| match first % 7 {
        0 => trailer_behind_checksum(&rest),
        1 => index_behind_checksum(sample, &rest),
        2 => keys_behind_checksum(sample, &rest),
        3 => positions_behind_checksum(sample, &rest),
        4 => chunk_behind_checksum(sample, &rest),
        5 => filter_behind_checksum(&rest),
        _ => key_block_behind_checksum(sample, &rest),
    });
    assert!(watermark::take() <= limits::CHUNK_RAW_BYTES_MAX);
}

thread_local! {
    static SAMPLE: Opened = {
        let (feed, cut) = sample();
        let (object, _) = feed.write(segment_id(1), cut, 100);
        Opened::open(&object).expect("opened")
    };
}

/// What a reader may ask of anything that could be opened.
fn ask(opened: &Opened) {
    for queue in (0..8).map(queue) {
        for at in [0, 3, 4, 1 << 50, u64::MAX] {
            let _ = opened.read(queue, Offset(at));
            let _ = opened.index.chunks_from(queue, Offset(at));
            let _ = opened.index.chunk_at_time(queue, Timestamp(at));
            let _ = opened.find(KeyHash(at << 7), Position(at));
            let _ = opened.locate(Position(at));
            let _ = opened.filter.may_hold(KeyHash(at));
        }
    }
}

fn trailer_behind_checksum(raw: &[u8]) {
    let mut bytes = [0; TRAILER_BYTES];
    let len = raw.len().min(TRAILER_BYTES);
    bytes[..len].copy_from_slice(&raw[..len]);
    trailer::seal(&mut bytes, FORMAT);
    for object_bytes in [0, 1000, 2000, u64::MAX] {
        if let Ok(trailer) = Trailer::decode_any(&bytes, object_bytes) {
            for section in Section::ALL {
                let range = trailer.section(section);
                assert!(range.start <= range.end && range.end <= object_bytes);
            }
        }
    }
}

fn index_behind_checksum(sample: &Opened, raw: &[u8]) {
    if let Some(index) = SegmentIndex::parse(raw, &sample.trailer) {
        assert!(index.chunks().len() <= limits::CHUNKS_MAX);
        let opened = Opened {
            index,
            object: sample.object.clone(),
            trailer: sample.trailer.clone(),
            keys: sample.keys.clone(),
            positions: sample.positions.clone(),
            filter: sample.filter.clone(),
        };
        ask(&opened);
    }
}

fn keys_behind_checksum(sample: &Opened, raw: &[u8]) {
    if let Some(keys) = KeyIndex::parse(raw, &sample.trailer) {
        for at in [0, 1 << 40, u64::MAX] {
            for block in keys.blocks_for(KeyHash(at), Position(at)) {
                let stored = sample.piece(block.range());
                let _ = keys.open(block, &stored, &sample.index);
            }
        }
    }
}

fn key_block_behind_checksum(sample: &Opened, raw: &[u8]) {
    for block in sample.keys.blocks() {
        if let Some(rows) = sample.keys.parse_block(block, raw, &sample.index) {
            assert!(rows.len() <= raw.len());
            for (_, hit) in rows {
                let entry = sample.index.chunk_at(hit.queue, hit.offset);
                assert!(entry.is_some(), "a hit names a record of the segment");
            }
        }
    }
}

fn positions_behind_checksum(sample: &Opened, raw: &[u8]) {
    if let Some(positions) = PositionIndex::parse(raw, &sample.trailer) {
        for at in [0, 100, 1 << 40, u64::MAX] {
            let _ = positions.block_for(Position(at));
        }
    }
    for block in sample.positions.blocks() {
        if let Some(runs) = PositionIndex::parse_block(block, raw, &sample.index) {
            assert!(runs.len() <= raw.len());
        }
    }
}

/// The first four bytes are the raw length that the index tells.
fn chunk_behind_checksum(sample: &Opened, raw: &[u8]) {
    let Some((len, stored)) = raw.split_first_chunk::<4>() else {
        return;
    };
    let stored = Bytes::copy_from_slice(stored);
    for entry in sample.index.chunks() {
        let mut entry = entry.clone();
        let binding = sample.trailer.id.binding();
        entry.checksum = binding.chunk(entry.queue, entry.first_offset, &stored);
        entry.stored_bytes = stored.len() as u32;
        for raw_bytes in [
            u32::from_le_bytes(*len),
            entry.raw_bytes,
            stored.len() as u32,
        ] {
            entry.raw_bytes = raw_bytes;
            if let Ok(chunk) = sample.index.open_chunk(&entry, &stored) {
                assert_eq!(chunk.count, entry.count);
                for run in runs_of(chunk.runs).expect("checked") {
                    let records = run.records().flatten();
                    records.for_each(|record| drop(record.to_message(BROKER.broker, entry.queue)));
                }
            }
        }
    }
}

fn filter_behind_checksum(raw: &[u8]) {
    let mut bytes = 1_u32.to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&bytes), raw).to_le_bytes());
    bytes.extend_from_slice(raw);
    if let Ok(filter) = KeyFilter::decode(&bytes.into()) {
        for at in [0, 1 << 40, u64::MAX] {
            let _ = filter.may_hold(KeyHash(at));
        }
    }
}

/// Real bytes of every kind, each with the byte before it that [`fuzz_reader`]
/// chooses by.
fn seeds() -> Vec<Vec<u8>> {
    SAMPLE.with(|sample| {
        let mut seeds = vec![sample.object.to_vec()];
        let mut add = |kind: u8, bytes: &[u8]| seeds.push([&[kind], bytes].concat());
        let raw = |section| {
            let stored = sample.piece(sample.trailer.section(section));
            sample.trailer.open(section, &stored).expect("a section")
        };
        add(0, &sample.trailer.encode());
        add(1, &raw(Section::Chunks));
        add(2, &raw(Section::Keys));
        add(3, &raw(Section::Positions));
        add(5, &raw(Section::Filter)[8..]);
        for entry in sample.index.chunks() {
            let stored = sample.piece(entry.range());
            add(4, &[&entry.raw_bytes.to_le_bytes(), &stored[..]].concat());
        }
        for block in sample.keys.blocks() {
            add(6, &sample.piece(block.range()));
        }
        for block in sample.positions.blocks() {
            add(3, &sample.piece(block.range()));
        }
        seeds
    })
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let seeds = seeds();
    let edit = (any::<prop::sample::Index>(), any::<u8>());
    let edits = proptest::collection::vec(edit, 0..4);
    let cut = proptest::option::weighted(0.2, any::<prop::sample::Index>());
    (0..seeds.len(), edits, cut).prop_map(move |(seed, edits, cut)| {
        let mut bytes = seeds[seed].clone();
        for (at, byte) in edits {
            // The first byte chooses what the others are.
            let at = 1 + at.index(bytes.len() - 1);
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(1 + cut.index(bytes.len()));
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn changed_segments_do_no_harm(data in mutated()) {
        fuzz_reader(&data);
    }

    #[test]
    fn rubbish_does_no_harm(data in proptest::collection::vec(any::<u8>(), 0..700)) {
        fuzz_reader(&data);
    }
}

#[test]
fn a_hostile_length_asks_for_nothing() {
    SAMPLE.with(|sample| {
        watermark::take();
        let mut trailer = sample.trailer.clone();
        for section in Section::ALL {
            trailer.sealed = sample.trailer.sealed;
            trailer.sealed[section as usize].raw_bytes = u32::MAX;
            let decoded = Trailer::decode_any(&trailer.encode(), trailer.object_bytes);
            assert!(decoded.is_err());
            let stored = sample.piece(trailer.section(section));
            assert!(trailer.open(section, &stored).is_err());
        }
        for entry in sample.index.chunks() {
            let stored = sample.piece(entry.range());
            let mut entry = entry.clone();
            entry.raw_bytes = u32::MAX;
            assert!(sample.index.open_chunk(&entry, &stored).is_err());
        }
        assert_eq!(watermark::take(), 0);
    });
}
