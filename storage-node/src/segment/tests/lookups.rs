//! Every look-up against a plain search of the messages.

use std::collections::BTreeSet;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_lookup_says_what_a_plain_search_says(feed in any_feed(), cut in any_cut()) {
        let (object, summary) = feed.write(segment_id(4), cut, 777);
        let opened = Opened::open(&object).expect("opened");
        by_offset(&feed, &opened);
        by_time(&feed, &opened);
        by_tag(&feed, &opened);
        by_hash(&feed, &opened, &summary);
        by_position(&feed, &opened);
    }
}

fn queues() -> impl Iterator<Item = QueueKey> {
    (0..12).map(queue)
}

/// Offsets and positions of records, and those beside them.
fn around(places: impl Iterator<Item = u64>) -> BTreeSet<u64> {
    let beside = places.flat_map(|at| [at.saturating_sub(1), at, at + 1]);
    beside.chain([0, u64::MAX]).collect()
}

fn by_offset(feed: &Feed, opened: &Opened) {
    for queue in queues() {
        let of_queue: Vec<_> = feed.of_queue(queue).collect();
        let offsets = around(of_queue.iter().map(|message| message.offset.0));
        assert_eq!(opened.index.queue(queue).is_some(), !of_queue.is_empty());
        for offset in offsets.into_iter().map(Offset) {
            let expected = of_queue.iter().find(|message| message.offset == offset);
            let entry = opened.index.chunk_at(queue, offset);
            assert_eq!(entry.is_some(), expected.is_some());
            let read = opened.read(queue, offset).expect("read");
            assert_eq!(read.as_ref(), expected.copied());
            let from = opened.index.chunks_from(queue, offset);
            let later: Vec<_> = from
                .iter()
                .flat_map(|entry| opened.messages(entry).expect("a chunk"))
                .filter(|message| message.offset >= offset)
                .collect();
            let expected = of_queue.iter().filter(|message| message.offset >= offset);
            assert!(later.iter().eq(expected.copied()));
            let needed = from.first().is_none_or(|entry| entry.end_offset() > offset);
            assert!(needed, "no chunk is fetched in vain");
        }
    }
}

fn by_time(feed: &Feed, opened: &Opened) {
    let times = around(feed.messages.iter().map(|message| message.stored_at.0));
    for queue in queues() {
        for time in times.iter().copied().map(Timestamp) {
            let expected = feed
                .of_queue(queue)
                .find(|message| message.stored_at >= time);
            let found = opened.index.chunk_at_time(queue, time).map(|entry| {
                let chunk = opened.index.open_chunk(entry, &opened.piece(entry.range()));
                let offset = offset_at_time(&chunk.expect("a chunk"), time).expect("runs");
                offset.expect("the index says that there is one")
            });
            assert_eq!(found, expected.map(|message| message.offset));
        }
    }
}

fn by_tag(feed: &Feed, opened: &Opened) {
    let seed = opened.trailer.id.seed;
    for entry in opened.index.chunks() {
        let held = feed
            .of_queue(entry.queue)
            .filter(|message| (entry.first_offset..entry.end_offset()).contains(&message.offset));
        let held: BTreeSet<_> = held.map(|message| message.content.tag.clone()).collect();
        let named = held.iter().flatten().count();
        for tag in (0..24).map(|tag| format!("t{tag}")) {
            let may = entry
                .tags
                .may_hold(&[seed.tag_hash("other"), seed.tag_hash(&tag)]);
            let expected = named > limits::TAGS_MAX || held.contains(&Some(tag));
            assert_eq!(may, expected);
        }
        let expected = named > limits::TAGS_MAX || held.contains(&None);
        assert_eq!(entry.tags.may_hold_untagged(), expected);
        assert_eq!(entry.tags == TagSummary::Any, named > limits::TAGS_MAX);
    }
}

fn by_hash(feed: &Feed, opened: &Opened, summary: &SegmentSummary) {
    let in_manifest = KeyFilter::decode(&summary.filter).expect("a filter");
    let seed = in_manifest.seed();
    let check = |hash: KeyHash, holds: &dyn Fn(&Message) -> bool| {
        let messages = feed.messages.iter().filter(|message| holds(message));
        let expected: Vec<Hit> = messages
            .map(|message| Hit {
                queue: message.queue,
                offset: message.offset,
                position: message.position,
            })
            .collect();
        for from in [0, 100, 103, 110, 1 << 40, u64::MAX].map(Position) {
            let later = expected.iter().filter(|hit| hit.position >= from);
            let found = opened.find(hash, from).expect("read");
            assert!(found.iter().eq(later), "{hash:?} {found:?}");
        }
        let needed = opened.keys.blocks_for(hash, Position(0)).len();
        assert!(needed <= 1 + expected.len(), "few blocks are fetched");
        for filter in [&in_manifest, &opened.filter] {
            assert!(expected.is_empty() || filter.may_hold(hash));
        }
    };
    for key in (0..7).map(|key| format!("k{key}")) {
        check(seed.key_hash(&key), &|message| {
            message.content.keys.contains(&key)
        });
    }
    let ids: BTreeSet<_> = feed
        .messages
        .iter()
        .map(|message| message.message_id)
        .collect();
    for id in ids.into_iter().chain(MessageId::from_bytes(&[255; 17])) {
        check(seed.id_hash(&id), &|message| message.message_id == id);
    }
}

fn by_position(feed: &Feed, opened: &Opened) {
    for position in around(feed.messages.iter().map(|message| message.position.0)) {
        let position = Position(position);
        let expected = feed
            .messages
            .iter()
            .find(|message| message.position == position);
        let found = opened.locate(position).expect("read");
        let expected = expected.map(|message| (message.queue, message.offset));
        assert_eq!(found, expected);
    }
    let mut runs = Vec::new();
    for block in opened.positions.blocks() {
        let stored = opened.piece(block.range());
        let rows = opened.positions.runs(block, &stored, &opened.index);
        runs.extend(rows.expect("read"));
    }
    let sum: u64 = runs.iter().map(|run| u64::from(run.count)).sum();
    assert_eq!(sum, feed.messages.len() as u64);
}

#[test]
fn store_times_that_fall_are_found_all_the_same() {
    let at = |offset: u64, time: u64| {
        let mut records = EncodedRecords::default();
        records.push_original(&message(None, &[], b"x"));
        let header = RunHeader {
            first_offset: Offset(offset),
            first_position: Position(offset),
            stored_at: Timestamp(time),
            count: 1,
            bytes: records.bytes.len() as u32,
        };
        let mut run = Vec::new();
        encode_run(&mut run, &header, &records.bytes);
        Bytes::from(run)
    };
    let runs = [
        at(0, 10),
        at(1, 30),
        at(2, 20),
        at(3, 25),
        at(4, 40),
        at(5, 5),
    ];
    for chunk_bytes in [1, 100, 10_000] {
        let cut = Cut {
            chunk_bytes,
            ..Cut::default()
        };
        let id = segment_id(1);
        let mut writer = SegmentWriter::new(SegmentSpec { id, cut }).expect("begun");
        for run in &runs {
            writer.add(queue(0), run).expect("added");
        }
        let (object, _) = writer.finish().expect("finished");
        let opened = Opened::open(&object).expect("opened");
        for (time, offset) in [(0, 0), (11, 1), (25, 1), (30, 1), (31, 4)] {
            let time = Timestamp(time);
            let entry = opened.index.chunk_at_time(queue(0), time).expect("later");
            let chunk = opened.index.open_chunk(entry, &opened.piece(entry.range()));
            let found = offset_at_time(&chunk.expect("a chunk"), time);
            assert_eq!(found, Ok(Some(Offset(offset))));
        }
        assert_eq!(opened.index.chunk_at_time(queue(0), Timestamp(41)), None);
    }
}

#[test]
fn as_many_tags_as_there_is_room_for_are_listed() {
    let seed = segment_id(1).seed;
    let names: Vec<String> = (0..=limits::TAGS_MAX).map(|n| format!("t{n}")).collect();
    let tagged = |count: usize| {
        names[..count]
            .iter()
            .map(|name| message(Some(name), &[], b""))
    };
    // In one run, and in a run each.
    for count in [limits::TAGS_MAX, limits::TAGS_MAX + 1] {
        for runs in [
            vec![tagged(count).collect()],
            tagged(count).map(|m| vec![m]).collect(),
        ] {
            let step = |contents: &Vec<NewMessage>| Step {
                queue: 0,
                offsets_lost: 0,
                positions_lost: 0,
                time: 1,
                contents: contents.clone(),
            };
            let feed = Feed::of(&runs.iter().map(step).collect::<Vec<_>>());
            let (object, _) = feed.write(segment_id(1), Cut::default(), 1000);
            let opened = Opened::open(&object).expect("opened");
            let tags = &opened.index.chunks()[0].tags;
            assert_eq!(*tags == TagSummary::Any, count > limits::TAGS_MAX);
            let last = [seed.tag_hash(&names[limits::TAGS_MAX])];
            assert_eq!(tags.may_hold(&last), count > limits::TAGS_MAX);
            assert_eq!(tags.may_hold_untagged(), count > limits::TAGS_MAX);
        }
    }
}

/// How often the filter says *maybe* in vain, with the room it has by default.
#[test]
fn the_filter_is_seldom_wrong() {
    let seed = Seed([3; 16]);
    let hash = |n: u32| seed.key_hash(&format!("order-{n}"));
    let hashes: Vec<_> = (0..20_000).map(hash).collect();
    let stored = filter::encode(seed, hashes.iter().copied(), 256 * 1024);
    assert!(stored.len() <= 20_000 * 12 / 8 + 64);
    let filter = KeyFilter::decode(&stored.into()).expect("a filter");
    assert!(hashes.iter().all(|hash| filter.may_hold(*hash)));
    let wrong = (20_000..60_000)
        .filter(|n| filter.may_hold(hash(*n)))
        .count();
    assert!(wrong < 400, "{wrong} of 40,000 are wrong, 200 are expected");
    let short = filter::encode(seed, hashes.iter().copied(), 1000);
    assert!(short.len() <= 1000);
    let filter = KeyFilter::decode(&short.into()).expect("a filter");
    assert!(hashes.iter().all(|hash| filter.may_hold(*hash)));
}
