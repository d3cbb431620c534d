//! How fast segments are written and read: by hand, with `--ignored --nocapture`.

use firn_runtime::clock::Stopwatch;

use super::*;

#[test]
#[ignore = "measures, and proves nothing"]
fn throughput() {
    let body = |n: u64| {
        let text = format!(
            r#"{{"order":{n},"customer":"c{}","state":"paid"}} "#,
            n * 7919 % 1000
        );
        text.repeat(20).into_bytes()
    };
    let steps: Vec<_> = (0..40_000_u64)
        .map(|n| Step {
            queue: (n % 16) as u16,
            offsets_lost: 0,
            positions_lost: 0,
            time: 1,
            contents: vec![message(Some("paid"), &[&format!("order-{n}")], &body(n))],
        })
        .collect();
    let feed = Feed::of(&steps);
    let raw: usize = feed.runs.values().flatten().map(|(_, run)| run.len()).sum();
    let rate = |watch: Stopwatch| raw as f64 / 1e6 / watch.elapsed().as_secs_f64();
    let watch = Stopwatch::start();
    let (object, summary) = feed.write(segment_id(1), Cut::default(), 8 * 1024 * 1024);
    let written = rate(watch);
    let opened = Opened::open(&object).expect("opened");
    let watch = Stopwatch::start();
    for entry in opened.index.chunks() {
        let chunk = opened.index.open_chunk(entry, &opened.piece(entry.range()));
        chunk.expect("a chunk");
    }
    let read = rate(watch);
    let part = |section| {
        let range = opened.trailer.section(section);
        range.end - range.start
    };
    println!(
        "raw {raw} bytes, stored {}, written {written:.0} MB/s, read {read:.0} MB/s\n\
         filter {} key blocks {} key index {} position blocks {} chunk index {}",
        summary.object_bytes,
        part(Section::Filter),
        opened.trailer.key_blocks().end - opened.trailer.key_blocks().start,
        part(Section::Keys),
        opened.trailer.position_blocks().end - opened.trailer.position_blocks().start,
        part(Section::Chunks),
    );
}
