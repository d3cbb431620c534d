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
        step(3, 0, vec![message(None, &["l"], b"four")]),
    ]);
    let cut = Cut {
        chunk_bytes: 200,
        block_bytes: 30,
        ..Cut::default()
    };
    (feed, cut)
}

/// Whether an error names a range with this byte.
fn names(error: &SegmentError, at: usize) -> bool {
    match error {
        SegmentError::Damaged { bytes, .. } | SegmentError::DamagedChunk { bytes, .. } => {
            bytes.contains(&(at as u64))
        }
        SegmentError::DamagedFilter
        | SegmentError::Cut { .. }
        | SegmentError::Newer { .. }
        | SegmentError::Foreign { .. }
        | SegmentError::OutOfOrder { .. }
        | SegmentError::Malformed { .. }
        | SegmentError::RunTooLong { .. }
        | SegmentError::Full { .. }
        | SegmentError::PositionsOverlap { .. }
        | SegmentError::Empty
        | SegmentError::Compressor(_) => false,
    }
}

/// Asks for every record in every way; what is not an error is right.
fn every_answer_is_right(feed: &Feed, opened: &Opened, at: usize) {
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
        assert_eq!(described.queues, whole.index.queues());
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

/// The same records in the same cut, so that places and lengths are the same.
#[test]
fn bytes_of_another_segment_or_place_are_no_answer() {
    let (feed, cut) = sample();
    let other = SegmentId {
        generation: Generation(4),
        ..segment_id(1)
    };
    let (object, _) = feed.write(segment_id(1), cut, 100);
    let (other, _) = feed.write(other, cut, 100);
    let opened = Opened::open(&object).expect("opened");
    assert_eq!(object.len(), other.len());
    for entry in opened.index.chunks() {
        let foreign = piece(&other, entry.range());
        assert_eq!(
            foreign,
            opened.piece(entry.range()),
            "the same stored bytes"
        );
        let read = opened.index.open_chunk(entry, &foreign);
        let mut twin = entry.clone();
        // Bytes that are right for one place are not for another.
        twin.queue.queue.0 += 1;
        let elsewhere = opened.index.open_chunk(&twin, &foreign);
        assert_eq!(elsewhere.expect_err("elsewhere"), twin.damaged());
        twin = entry.clone();
        twin.first_offset = twin.first_offset.plus(1);
        let elsewhere = opened.index.open_chunk(&twin, &foreign);
        assert_eq!(elsewhere.expect_err("elsewhere"), twin.damaged());
        read.expect("the same bytes");
    }
    for section in Section::ALL {
        let foreign = piece(&other, opened.trailer.section(section));
        let read = opened.trailer.open(section, &foreign);
        assert_eq!(read.expect_err("foreign"), opened.trailer.damaged(section));
    }
    let blocks = opened.keys.blocks();
    let foreign = piece(&other, blocks[0].range());
    let rows = opened.keys.open(&blocks[0], &foreign, &opened.index);
    assert_eq!(rows.expect_err("foreign"), blocks[0].damaged());
    let rows = (opened.keys).open(&blocks[1], &opened.piece(blocks[0].range()), &opened.index);
    assert_eq!(rows.expect_err("elsewhere"), blocks[1].damaged());
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
