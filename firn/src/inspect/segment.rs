//! A segment: what it says it holds, and every part of it that cannot be read.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;
use firn_storage_node::record::runs_of;
use firn_storage_node::segment::inspect::{Description, inspect, is_segment};
use firn_storage_node::segment::{
    ChunkEntry, MAGIC, QueueSummary, Section, SegmentError, SegmentIndex,
};
use serde_json::json;

use super::InspectError;
use super::log::{print_run, queue_name};
use super::print::Printer;

/// Whether a file seems to be a segment, whatever its name.
pub(super) fn is_one(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut ends = [[0; MAGIC.len()]; 2];
    if len < (MAGIC.len() * 2) as u64 {
        return Ok(false);
    }
    file.read_exact_at(&mut ends[0], 0)?;
    file.read_exact_at(&mut ends[1], len - MAGIC.len() as u64)?;
    Ok(is_segment(&ends[0], &ends[1]))
}

/// Prints a segment; with `bodies` also its chunks and their messages.
pub(super) fn print(
    path: &Path,
    bodies: bool,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    let read = std::fs::read(path);
    let object = Bytes::from(read.map_err(|source| InspectError::Path {
        path: path.to_owned(),
        source,
    })?);
    let found = inspect(&object);
    print_totals(&found, out)?;
    for (section, range) in &found.sections {
        let kind = match section {
            Section::Filter => "filter",
            Section::Keys => "keyIndex",
            Section::Positions => "positionIndex",
            Section::Chunks => "chunkIndex",
        };
        let fields = json!({"kind": kind, "at": range.start, "until": range.end});
        out.row(1, "section", fields)?;
    }
    if let Some(index) = &found.index {
        for queue in index.queues() {
            print_queue(queue, out)?;
            if bodies {
                print_chunks(index, queue, &object, out)?;
            }
        }
    }
    for problem in &found.damage {
        print_problem(problem, out)?;
    }
    Ok(())
}

fn print_totals(found: &Description, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    let mut fields = json!({
        "bytes": found.bytes, "damaged": found.damage.len(),
        "keyBlocks": found.key_blocks, "positionBlocks": found.position_blocks,
    });
    if let Some(id) = found.id {
        fields["tenant"] = json!(id.broker.tenant.0);
        fields["instance"] = json!(id.broker.instance.0);
        fields["broker"] = json!(id.broker.broker.0);
        fields["generation"] = json!(id.generation.0);
    }
    if let Some(totals) = found.totals {
        fields["records"] = json!(totals.records);
        fields["rawBytes"] = json!(totals.raw_bytes);
        fields["queues"] = json!(totals.queues);
        fields["chunks"] = json!(totals.chunks);
        fields["hashes"] = json!(totals.hashes);
        fields["firstPosition"] = json!(totals.positions.0.0);
        fields["lastPosition"] = json!(totals.positions.1.0);
        fields["firstStoredAt"] = json!(totals.stored_at.0.0);
        fields["lastStoredAt"] = json!(totals.stored_at.1.0);
    }
    Ok(out.row(0, "segment", fields)?)
}

fn print_queue(queue: &QueueSummary, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    let fields = json!({
        "queue": queue_name(queue.queue), "firstOffset": queue.first_offset.0,
        "endOffset": queue.end_offset.0, "records": queue.records, "chunks": queue.chunks,
        "rawBytes": queue.raw_bytes, "bytes": queue.stored_bytes,
        "firstStoredAt": queue.stored_at.0.0, "lastStoredAt": queue.stored_at.1.0,
    });
    Ok(out.row(1, "queue", fields)?)
}

fn print_chunks(
    index: &SegmentIndex,
    queue: &QueueSummary,
    object: &Bytes,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    for chunk in index.chunks_from(queue.queue, queue.first_offset) {
        let range = chunk.range();
        let stored = object.slice(range.start as usize..range.end as usize);
        // A damaged one is among the problems.
        let Ok(opened) = index.open_chunk(chunk, &stored) else {
            continue;
        };
        print_chunk(chunk, out)?;
        for run in runs_of(opened.runs).into_iter().flatten() {
            print_run(&run, index.id().broker.broker, chunk.queue, out)?;
        }
    }
    Ok(())
}

fn print_chunk(chunk: &ChunkEntry, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    let range = chunk.range();
    let fields = json!({
        "at": range.start, "until": range.end, "rawBytes": chunk.raw_bytes,
        "firstOffset": chunk.first_offset.0, "endOffset": chunk.end_offset().0,
    });
    Ok(out.row(2, "chunk", fields)?)
}

fn print_problem(
    problem: &SegmentError,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    let mut fields = json!({"problem": problem.to_string()});
    if let Some(bytes) = problem.bytes() {
        fields["at"] = json!(bytes.start);
        fields["until"] = json!(bytes.end);
    }
    if let SegmentError::DamagedChunk { queue, offsets, .. } = problem {
        fields["queue"] = json!(queue_name(*queue));
        fields["firstOffset"] = json!(offsets.start.0);
        fields["endOffset"] = json!(offsets.end.0);
    }
    Ok(out.row(1, "damage", fields)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    use firn_protocol::ids::*;
    use firn_protocol::message::NewMessage;
    use firn_protocol::time::Timestamp;
    use firn_storage_node::hot::BrokerKey;
    use firn_storage_node::record::{EncodedRecords, RunHeader, encode_run};
    use firn_storage_node::segment::{Cut, Seed, SegmentId, SegmentSpec, SegmentWriter};

    fn segment() -> Vec<u8> {
        let mut records = EncodedRecords::default();
        records.push_original(&NewMessage {
            body: Bytes::from_static(b"hello"),
            ..NewMessage::default()
        });
        let header = RunHeader {
            first_offset: Offset(7),
            first_position: Position(70),
            stored_at: Timestamp(700),
            count: 1,
            bytes: records.bytes.len() as u32,
        };
        let mut run = Vec::new();
        encode_run(&mut run, &header, &records.bytes);
        let id = SegmentId {
            broker: BrokerKey {
                tenant: TenantId(2),
                instance: InstanceId(3),
                broker: BrokerId(4),
            },
            generation: Generation(5),
            seed: Seed([6; 16]),
        };
        let cut = Cut::default();
        let mut writer = SegmentWriter::new(SegmentSpec { id, cut }).expect("begun");
        let queue = QueueKey {
            topic: TopicKey::User(TopicId(9)),
            queue: QueueId(1),
        };
        writer.add(queue, &run.into()).expect("added");
        writer.finish().expect("finished").0.to_vec()
    }

    fn printed(object: &[u8]) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("object");
        std::fs::write(&path, object).expect("written");
        assert!(is_one(&path).expect("read"));
        let mut bytes = Vec::new();
        let mut printer = Printer::new(&mut bytes, true);
        print(&path, true, &mut printer).expect("printed");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_segment_is_printed_and_its_damage_named() {
        let mut object = segment();
        let text = printed(&object);
        for part in [
            r#""row":"segment""#,
            r#""damaged":0"#,
            r#""queue":"topic9/1""#,
            r#""body":"hello""#,
            r#""endOffset":8"#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("problem"), "{text}");

        object[60] ^= 1;
        let text = printed(&object);
        for part in [
            r#""damaged":1"#,
            r#""row":"damage""#,
            r#""at":56"#,
            r#""firstOffset":7"#,
            "is damaged (offsets until 8, bytes 56..",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("hello"), "{text}");

        // Without its front it is known by its end, and the other way round.
        object[0] ^= 1;
        assert!(printed(&object).contains("header is damaged (bytes 0..56)"));
        let mut cut = segment();
        cut.truncate(cut.len() - 1);
        assert!(printed(&cut).contains("trailer is damaged"));
    }

    #[test]
    fn other_files_are_no_segment() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("object");
        for bytes in [&b""[..], b"firn", &[0; 100]] {
            std::fs::write(&path, bytes).expect("written");
            assert!(!is_one(&path).expect("read"));
        }
    }
}
