//! What is written is read, in order and whole, and adds up.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(feed in any_feed(), cut in any_cut(), part in 1..5000_usize) {
        let (object, summary) = feed.write(segment_id(9), cut, part);
        let opened = Opened::open(&object).expect("opened");
        let mut read = Vec::new();
        for entry in opened.index.chunks() {
            let messages = opened.messages(entry).expect("a chunk");
            prop_assert_eq!(messages.len(), entry.count as usize);
            prop_assert!(entry.raw_bytes as usize <= cut.chunk_bytes || one_run(&opened, entry));
            read.extend(messages);
        }
        let mut sent = feed.messages.clone();
        sent.sort_by_key(|message| (message.queue, message.offset));
        prop_assert_eq!(&read, &sent);
        check_summary(&feed, &object, &summary, &opened);
        prop_assert_eq!(inspect::inspect(&object).damage, vec![]);
    }

    #[test]
    fn the_cut_of_calls_and_parts_leaves_no_trace(feed in any_feed(), cut in any_cut()) {
        let (object, _) = feed.write(segment_id(9), cut, usize::MAX);
        let mut writer = SegmentWriter::new(SegmentSpec { id: segment_id(9), cut }).expect("begun");
        for (queue, runs) in &feed.runs {
            // Neighbours in one call, as a chunk of the hot store has them.
            let mut joined = runs.clone();
            joined.dedup_by(|next, last| {
                let end = runs_of(last.1.clone()).expect("runs").last().expect("one").header.end_offset();
                let goes_on = end == next.0;
                if goes_on {
                    last.1 = [&last.1[..], &next.1[..]].concat().into();
                }
                goes_on
            });
            for (_, runs) in &joined {
                writer.add(*queue, runs).expect("added");
            }
        }
        let (again, _) = writer.finish().expect("finished");
        prop_assert_eq!(object, again);
    }
}

fn one_run(opened: &Opened, entry: &ChunkEntry) -> bool {
    let chunk = opened.index.open_chunk(entry, &opened.piece(entry.range()));
    runs_of(chunk.expect("a chunk").runs).expect("runs").len() == 1
}

fn check_summary(feed: &Feed, object: &Bytes, summary: &SegmentSummary, opened: &Opened) {
    let positions = || feed.messages.iter().map(|message| message.position);
    let times = || feed.messages.iter().map(|message| message.stored_at);
    let ends = (positions().min(), positions().max());
    let totals = summary.totals;
    assert_eq!(totals.records, feed.messages.len() as u64);
    assert_eq!((Some(totals.positions.0), Some(totals.positions.1)), ends);
    let ends = (times().min(), times().max());
    assert_eq!((Some(totals.stored_at.0), Some(totals.stored_at.1)), ends);
    assert_eq!(totals, opened.trailer.totals);
    assert_eq!(summary.id, opened.trailer.id);
    assert_eq!(summary.object_bytes, object.len() as u64);
    assert_eq!(summary.checksum, crc32c::crc32c(object));
    assert_eq!(summary.queues, opened.index.queues());
    assert_eq!(decode_header(object), Ok(summary.id));
    let bytes: u64 = summary.queues.iter().map(|queue| queue.stored_bytes).sum();
    assert_eq!(bytes, opened.trailer.chunks().end - HEADER_BYTES as u64);
    for row in &summary.queues {
        let of_queue: Vec<_> = feed.of_queue(row.queue).collect();
        assert_eq!(row.records, of_queue.len() as u64);
        assert_eq!(row.first_offset, of_queue[0].offset);
        assert_eq!(row.end_offset, of_queue[of_queue.len() - 1].offset.plus(1));
        let runs = &feed.runs[&row.queue];
        let raw: usize = runs.iter().map(|(_, run)| run.len()).sum();
        assert_eq!(row.raw_bytes, raw as u64);
        let times = (
            of_queue[0].stored_at,
            of_queue[of_queue.len() - 1].stored_at,
        );
        assert_eq!(row.stored_at, times);
    }
    assert_eq!(summary.queues.len(), feed.runs.len());
}

fn step(queue: u16, contents: Vec<NewMessage>) -> Step {
    Step {
        queue,
        offsets_lost: 0,
        positions_lost: 0,
        time: 1,
        contents,
    }
}

#[test]
fn empty_and_huge_bodies_are_kept() {
    let noise = |n: u32| Seed([1; 16]).tag_hash(&n.to_string()).0;
    let noise: Vec<u8> = (0..1_000_000)
        .flat_map(|n| noise(n).to_le_bytes())
        .collect();
    let huge = message(Some("t"), &[], &noise);
    let feed = Feed::of(&[
        step(0, vec![message(None, &[], b"")]),
        step(0, vec![huge]),
        step(0, vec![message(None, &[], &[7; 3_000_000])]),
    ]);
    let (object, summary) = feed.write(segment_id(1), Cut::default(), 1024 * 1024);
    let opened = Opened::open(&object).expect("opened");
    for message in &feed.messages {
        let read = opened.read(message.queue, message.offset).expect("read");
        assert_eq!(read.as_ref(), Some(message));
    }
    assert_eq!(summary.queues[0].chunks, 3, "a long run is a chunk alone");
    let stored = opened.index.chunks().iter().map(|chunk| chunk.stored_bytes);
    let stored: Vec<u32> = stored.collect();
    assert!(stored[1] > 4_000_000 && stored[2] < 3000, "{stored:?}");
}

#[test]
fn what_cannot_be_added_changes_nothing() {
    let feed = Feed::of(&[
        step(
            0,
            vec![message(None, &["a"], b"1"), message(None, &[], b"2")],
        ),
        step(0, vec![message(None, &[], b"3")]),
        step(4, vec![message(None, &[], b"4")]),
        step(1, vec![message(None, &[], b"5")]),
    ]);
    let run = |number: u16, nth: usize| feed.runs[&queue(number)][nth].1.clone();
    let spec = SegmentSpec {
        id: segment_id(1),
        cut: Cut::default(),
    };
    let mut writer = SegmentWriter::new(spec).expect("begun");
    writer.add(queue(0), &run(0, 0)).expect("added");
    let order = |queue, offset| {
        Err(SegmentError::OutOfOrder {
            queue,
            offset: Offset(offset),
        })
    };
    assert_eq!(writer.add(queue(0), &run(0, 0)), order(queue(0), 3));
    let twice = [run(0, 1), run(0, 1)].concat();
    assert_eq!(writer.add(queue(0), &twice.into()), order(queue(0), 5));
    let mut later = run(0, 1).to_vec();
    later[0] += 2;
    let gap = [&run(0, 1)[..], &later].concat();
    assert_eq!(writer.add(queue(0), &gap.into()), order(queue(0), 7));
    writer.add(queue(0), &run(0, 1)).expect("added");
    writer.add(queue(4), &run(4, 0)).expect("added");
    assert_eq!(writer.add(queue(0), &run(0, 1)), order(queue(0), 5));
    let malformed = |bytes: Bytes, writer: &mut SegmentWriter| {
        let error = writer.add(queue(1), &bytes).expect_err("malformed");
        assert!(matches!(error, SegmentError::Malformed { .. }), "{error}");
    };
    malformed(Bytes::new(), &mut writer);
    malformed(run(1, 0).slice(..40), &mut writer);
    let mut unknown = run(1, 0).to_vec();
    unknown[36] |= 128;
    malformed(unknown.into(), &mut writer);
    let mut longer = run(1, 0).to_vec();
    longer.push(0);
    longer[28] += 1;
    malformed(longer.into(), &mut writer);
    writer.add(queue(1), &run(1, 0)).expect("added");
    let (object, _) = writer.finish().expect("finished");
    assert_eq!(object, feed.write(segment_id(1), Cut::default(), 100).0);
}

#[test]
fn a_run_too_long_and_positions_twice_are_refused() {
    let spec = SegmentSpec {
        id: segment_id(1),
        cut: Cut::default(),
    };
    let writer = SegmentWriter::new(spec).expect("begun");
    assert!(writer.is_empty());
    assert_eq!(writer.finish().expect_err("empty"), SegmentError::Empty);

    let long = vec![message(None, &[], &vec![0; limits::CHUNK_RAW_BYTES_MAX])];
    let feed = Feed::of(&[step(0, long)]);
    let mut writer = SegmentWriter::new(spec).expect("begun");
    let error = writer.add(queue(0), &feed.runs[&queue(0)][0].1);
    assert!(matches!(error, Err(SegmentError::RunTooLong { .. })));

    let feed = Feed::of(&[step(0, vec![message(None, &[], b"")])]);
    let run = &feed.runs[&queue(0)][0].1;
    writer.add(queue(0), run).expect("added");
    writer.add(queue(4), run).expect("the same positions again");
    let position = Position(100);
    let overlap = SegmentError::PositionsOverlap { position };
    assert_eq!(writer.finish().expect_err("twice"), overlap);
}

#[test]
fn a_segment_is_full_by_bytes_and_by_hashes() {
    let contents = || vec![message(None, &["a", "b"], &[0; 100])];
    let feed = Feed::of(&[step(0, contents()), step(0, contents())]);
    for (segment_bytes, hashes, full) in [(57, 100, true), (10_000, 6, true), (10_000, 7, false)] {
        let cut = Cut {
            segment_bytes,
            hashes,
            chunk_bytes: 1,
            ..Cut::default()
        };
        let id = segment_id(1);
        let mut writer = SegmentWriter::new(SegmentSpec { id, cut }).expect("begun");
        let runs = &feed.runs[&queue(0)];
        writer.add(queue(0), &runs[0].1).expect("added");
        assert!(!writer.is_full());
        writer.add(queue(0), &runs[1].1).expect("added");
        assert_eq!(writer.is_full(), full);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let feed = Feed::of(&[step(0, vec![message(None, &[], b"")])]);
    let mut run = feed.runs[&queue(0)][0].1.to_vec();
    let cut = Cut {
        chunk_bytes: 1,
        ..Cut::default()
    };
    let id = segment_id(1);
    let mut writer = SegmentWriter::new(SegmentSpec { id, cut }).expect("begun");
    let mut added = 0;
    let error = loop {
        run[..8].copy_from_slice(&u64::to_le_bytes(added));
        run[8..16].copy_from_slice(&u64::to_le_bytes(added));
        match writer.add(queue(0), &run.clone().into()) {
            Ok(()) => added += 1,
            Err(error) => break error,
        }
        assert_eq!(writer.is_full(), added > limits::CHUNKS_MAX as u64 / 2);
    };
    let (queue, offset) = (queue(0), Offset(added));
    assert_eq!(error, SegmentError::Full { queue, offset });
    let (object, summary) = writer.finish().expect("finished");
    assert_eq!(summary.totals.records, added);
    let opened = Opened::open(&object).expect("a full segment is readable");
    assert_eq!(opened.index.chunks().len() as u64, added);
    assert!(added as usize >= limits::CHUNKS_MAX - 2);
}
