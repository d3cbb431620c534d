//! Flipped bits, missing ends, bytes of other places and other segments, newer
//! versions: each read gives the right records or an error that names the place.

use super::*;

/// A small segment with a bit of everything: several queues and chunks, chunks
/// stored raw and compressed, a gap, shared keys, several blocks of each index.
pub(super) fn sample() -> (Feed, Cut) {
    let step = |queue, offsets_lost, contents| Step {
        queue,
        offsets_lost,
        positions_lost: offsets_lost,
        time: 5,
        contents,
    };
    let feed = Feed::of(&[
        step(
            0,
            0,
            vec![
                message(Some("a"), &["k"], b"one"),
                message(None, &[], b"two"),
            ],
        ),
        step(4, 0, vec![message(Some("b"), &["k", "l"], &[b'x'; 300])]),
        step(0, 2, vec![message(None, &["k"], b"three")]),
        step(1, 0, vec![message(Some("a"), &[], b"")]),
        step(0, 0, vec![message(Some("c"), &["m"], &[b'y'; 250])]),
        step(2, 0, vec![message(Some("b"), &[], b"five")]),
        step(3, 0, vec![message(None, &["l"], b"four")]),
    ]);
    let cut = Cut {
        chunk_bytes: 200,
        block_bytes: 20,
        ..Cut::default()
    };
    (feed, cut)
}

/// Whether an error names a range with this byte.
fn names(error: &SegmentError, at: usize) -> bool {
    error
        .bytes()
        .is_some_and(|bytes| bytes.contains(&(at as u64)))
}

/// Asks for every record in every way; what is not an error is right.
pub(super) fn every_answer_is_right(feed: &Feed, opened: &Opened, at: usize) {
    let seed = opened.trailer.id.seed;
    let check = |right: Result<bool, SegmentError>| match right {
        Ok(right) => assert!(right, "a wrong answer, byte {at}"),
        Err(error) => assert!(names(&error, at), "{error}, byte {at}"),
    };
    for message in &feed.messages {
        let read = opened.read(message.queue, message.offset);
        check(read.map(|read| read.as_ref() == Some(message)));
        let place = (message.queue, message.offset);
        let found = opened.locate(message.position);
        check(found.map(|found| found == Some(place)));
        let hash = seed.id_hash(&message.message_id);
        let hits = opened.find(hash, Position(0));
        check(hits.map(|hits| hits.iter().map(|hit| (hit.queue, hit.offset)).eq([place])));
        assert!(opened.filter.may_hold(hash));
    }
    let keys = [("k", 3), ("l", 2), ("m", 1), ("n", 0)];
    for (key, count) in keys {
        let hits = opened.find(seed.key_hash(key), Position(0));
        check(hits.map(|hits| hits.len() == count));
    }
    check(opened.read(queue(0), Offset(5)).map(|read| read.is_none()));
    check(opened.locate(Position(103)).map(|found| found.is_none()));
}

#[test]
fn no_flipped_bit_goes_unseen_or_gives_a_wrong_answer() {
    let (feed, cut) = sample();
    let (object, _) = feed.write(segment_id(1), cut, 100);
    let mut opens = 0;
    for bit in 0..object.len() * 8 {
        let at = bit / 8;
        let mut flipped = object.to_vec();
        flipped[at] ^= 1 << (bit % 8);
        let flipped = Bytes::from(flipped);
        let found = inspect::inspect(&flipped).damage;
        assert_eq!(found.len(), 1, "byte {at}: {found:?}");
        assert!(names(&found[0], at), "byte {at}: {}", found[0]);
        match Opened::open(&flipped) {
            Ok(opened) => {
                opens += 1;
                every_answer_is_right(&feed, &opened, at);
            }
            Err(error) => assert!(names(&error, at), "byte {at}: {error}"),
        }
    }
    assert!(opens > object.len(), "most damage leaves the rest readable");
}

#[test]
fn damage_to_one_part_leaves_the_others_readable() {
    let (feed, cut) = sample();
    let (object, _) = feed.write(segment_id(1), cut, 100);
    let whole = Opened::open(&object).expect("opened");
    for section in [Section::Filter, Section::Keys, Section::Positions] {
        let mut bytes = object.to_vec();
        let range = whole.trailer.section(section);
        bytes[range.start as usize] ^= 1;
        let object = Bytes::from(bytes);
        assert!(Opened::open(&object).is_err());
        let described = inspect::inspect(&object);
        let index = described.index.expect("an index");
        assert_eq!(index.queues(), whole.index.queues());
        let Ok(trailer) = Trailer::decode(&object, object.len() as u64, BROKER) else {
            panic!("the trailer is whole");
        };
        let stored = piece(&object, trailer.section(Section::Chunks));
        let index = SegmentIndex::decode(&trailer, &stored).expect("an index");
        for entry in index.chunks() {
            let chunk = index.open_chunk(entry, &piece(&object, entry.range()));
            chunk.expect("a chunk");
        }
    }
}

#[test]
fn a_cut_object_is_no_segment_and_a_cut_answer_no_part() {
    let (feed, cut) = sample();
    let (object, _) = feed.write(segment_id(1), cut, 100);
    for len in 0..object.len() {
        let short = object.slice(..len);
        assert!(Opened::open(&short).is_err(), "{len} bytes");
        assert!(!inspect::inspect(&short).damage.is_empty(), "{len} bytes");
    }
    // An object that says it is longer, or that lost its front.
    let wrong = Trailer::decode(&object, object.len() as u64 + 1, BROKER);
    assert!(matches!(wrong, Err(SegmentError::Damaged { .. })));
    assert!(Opened::open(&object.slice(1..)).is_err());

    let opened = Opened::open(&object).expect("opened");
    for entry in opened.index.chunks() {
        let stored = opened.piece(entry.range());
        for len in 0..stored.len() {
            let read = opened.index.open_chunk(entry, &stored.slice(..len));
            assert_eq!(read.expect_err("cut"), entry.damaged());
        }
    }
    for section in Section::ALL {
        let stored = opened.piece(opened.trailer.section(section));
        for len in 0..stored.len() {
            let read = opened.trailer.open(section, &stored.slice(..len));
            assert_eq!(read.expect_err("cut"), opened.trailer.damaged(section));
        }
    }
    for block in opened.keys.blocks() {
        let stored = opened.piece(block.range());
        for len in 0..stored.len() {
            let rows = opened.keys.open(block, &stored.slice(..len), &opened.index);
            assert_eq!(rows.expect_err("cut"), block.damaged());
        }
    }
    for block in opened.positions.blocks() {
        let stored = opened.piece(block.range());
        for len in 0..stored.len() {
            let rows = (opened.positions).runs(block, &stored.slice(..len), &opened.index);
            assert_eq!(rows.expect_err("cut"), block.damaged());
        }
    }
}

/// Checksums hold for one segment and one place, even where the bytes are equal.
#[test]
fn bytes_of_another_segment_or_place_are_no_answer() {
    let (feed, cut) = sample();
    let other = SegmentId {
        generation: Generation(4),
        ..segment_id(1)
    };
    let (object, _) = feed.write(segment_id(1), cut, 100);
    let opened = Opened::open(&object).expect("opened");
    let (other, _) = feed.write(other, cut, 100);
    let other = Opened::open(&other).expect("opened");
    for entry in opened.index.chunks() {
        let stored = opened.piece(entry.range());
        assert_eq!(stored, other.piece(entry.range()), "the same stored bytes");
        let foreign = other.index.open_chunk(entry, &stored);
        assert_eq!(foreign.expect_err("foreign"), entry.damaged());
        let mut twin = entry.clone();
        twin.queue.queue.0 += 1;
        let elsewhere = opened.index.open_chunk(&twin, &stored);
        assert_eq!(elsewhere.expect_err("elsewhere"), twin.damaged());
    }
    let mixed = Trailer {
        id: other.trailer.id,
        ..opened.trailer.clone()
    };
    for section in Section::ALL {
        let stored = opened.piece(opened.trailer.section(section));
        assert!(opened.trailer.open(section, &stored).is_ok());
        let foreign = mixed.open(section, &stored);
        assert_eq!(foreign.expect_err("foreign"), mixed.damaged(section));
    }
    let blocks = opened.keys.blocks();
    let stored = opened.piece(blocks[0].range());
    let foreign = other.keys.open(&blocks[0], &stored, &other.index);
    assert_eq!(foreign.expect_err("foreign"), blocks[0].damaged());
    let elsewhere = opened.keys.open(&blocks[1], &stored, &opened.index);
    assert_eq!(elsewhere.expect_err("elsewhere"), blocks[1].damaged());
    let binding = opened.trailer.id.binding();
    let sums = [Part::KeyBlock, Part::PositionBlock]
        .map(|part| [60, 61].map(|at| binding.part(part, at, &stored)));
    assert!(sums[0][0] != sums[0][1] && sums[0][0] != sums[1][0]);
}

#[test]
fn another_brokers_segment_is_refused_by_name() {
    let (feed, cut) = sample();
    let (object, _) = feed.write(segment_id(1), cut, 100);
    let mut expected = BROKER;
    expected.tenant.0 += 1;
    let error = Trailer::decode(&object, object.len() as u64, expected).expect_err("foreign");
    let text = "segment: belongs to broker 5 of instance 7 of tenant 2, \
                not to broker 5 of instance 7 of tenant 3";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_newer_version_is_refused_with_both_numbers() {
    let (feed, cut) = sample();
    let (object, summary) = feed.write(segment_id(1), cut, 100);
    let mut newer = object.to_vec();
    let tail: &mut [u8; TRAILER_BYTES] = newer.last_chunk_mut().expect("a trailer");
    trailer::seal(tail, FORMAT + 1);
    let error = Trailer::decode(&newer, newer.len() as u64, BROKER).expect_err("newer");
    let text = "segment: trailer has format 2, this program knows up to 1";
    assert_eq!(error.to_string(), text);

    let mut header = object[..HEADER_BYTES].to_vec();
    header[8] = 2;
    let sum = crc32c::crc32c(&header[..HEADER_BYTES - 4]);
    header[HEADER_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
    let error = decode_header(&header).expect_err("newer");
    assert!(matches!(error, SegmentError::Newer { found: 2, .. }));

    let mut filter = summary.filter.to_vec();
    filter[0] = 2;
    let sum = crc32c::crc32c_append(crc32c::crc32c(&filter[..4]), &filter[8..]);
    filter[4..8].copy_from_slice(&sum.to_le_bytes());
    let error = KeyFilter::decode(&filter.into()).expect_err("newer");
    assert!(matches!(error, SegmentError::Newer { found: 2, .. }));
}

#[test]
fn a_flipped_bit_of_a_filter_in_a_manifest_is_seen() {
    let (feed, cut) = sample();
    let (_, summary) = feed.write(segment_id(1), cut, 100);
    for bit in 0..summary.filter.len() * 8 {
        let mut flipped = summary.filter.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = KeyFilter::decode(&flipped.into()).expect_err("damaged");
        assert_eq!(error, SegmentError::DamagedFilter);
    }
    for len in 0..summary.filter.len() {
        let cut = KeyFilter::decode(&summary.filter.slice(..len));
        assert_eq!(cut.expect_err("cut"), SegmentError::DamagedFilter);
    }
}
