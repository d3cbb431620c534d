//! The write-ahead log, file by file: headers, batches, frames with what they
//! say, and whatever cannot be read.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, QueueKey, TopicKey};
use firn_storage_node::broker::entry::{Entry, Head, TransferReason, TrimReason};
use firn_storage_node::broker::held::HeldHead;
use firn_storage_node::disk::RealDisk;
use firn_storage_node::log::{FRAME_HEADER_BYTES, FrameHeader, Row, inspect};
use firn_storage_node::record::{RecordError, Run};
use serde_json::{Value, json};

use super::InspectError;
use super::print::Printer;

/// Prints a log, or one file of it.
pub(super) fn print(
    dir: &Path,
    only: Option<u64>,
    bodies: bool,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    let mut payloads = Payloads { dir, open: None };
    for row in inspect(&RealDisk::unlocked(dir), Path::new(""))? {
        let row = row?;
        if only.is_some_and(|number| number != file_of(&row)) {
            continue;
        }
        print_row(&row, &mut payloads, bodies, out)?;
    }
    Ok(())
}

fn file_of(row: &Row) -> u64 {
    match row {
        Row::File { number, .. } => *number,
        Row::Batch { file, .. }
        | Row::Frame { file, .. }
        | Row::BadFrames { file, .. }
        | Row::Unknown { file, .. } => *file,
    }
}

fn print_row(
    row: &Row,
    payloads: &mut Payloads<'_>,
    bodies: bool,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    match row {
        Row::File {
            number,
            bytes,
            header,
        } => {
            let fields = json!({
                "file": format!("{number:016x}.log"), "bytes": bytes,
                "header": if header.is_some() { "ok" } else { "DAMAGED" },
                "logId": header.map(|h| format!("{:016x}", h.log_id)),
                "incarnation": header.map(|h| h.incarnation),
                "firstLsn": header.map(|h| h.first_lsn.0),
                "recycled": header.map(|h| h.recycled),
            });
            out.row(0, "file", fields)?;
        }
        Row::Batch { at, header, .. } => {
            let kind = if header.terminator { "end" } else { "batch" };
            let fields = json!({
                "at": at, "incarnation": header.incarnation, "firstLsn": header.first_lsn.0,
                "frames": header.frame_count, "bytes": header.frame_bytes, "synced": header.synced.0,
            });
            out.row(1, kind, fields)?;
        }
        Row::Frame {
            file,
            at,
            lsn,
            header,
            len,
        } => {
            let entry = payloads.read(*file, *at, *len)?;
            let entry = Entry::decode(&entry).map_err(|error| error.to_string());
            let mut fields = json!({"at": at, "lsn": lsn.0, "bytes": len, "checksum": "ok"});
            add_header(&mut fields, header);
            match &entry {
                Ok(entry) => add_entry(&mut fields, entry),
                Err(error) => fields["problem"] = json!(error),
            }
            out.row(2, "frame", fields)?;
            if let (true, Ok(entry)) = (bodies, &entry) {
                print_records(entry, header.broker, out)?;
            }
        }
        Row::BadFrames {
            bytes,
            lsns,
            header,
            ..
        } => {
            let mut fields = json!({
                "at": bytes.start, "until": bytes.end, "checksum": "DAMAGED",
                "firstLsn": lsns.start.0, "endLsn": lsns.end.0,
            });
            if let Some(header) = header {
                add_header(&mut fields, header);
            }
            out.row(2, "frames", fields)?;
        }
        Row::Unknown { bytes, is_zero, .. } => {
            let kind = if *is_zero { "unused" } else { "unknown" };
            out.row(1, kind, json!({"at": bytes.start, "until": bytes.end}))?;
        }
    }
    Ok(())
}

fn add_header(fields: &mut Value, header: &FrameHeader) {
    fields["tenant"] = json!(header.tenant.0);
    fields["instance"] = json!(header.instance.0);
    fields["broker"] = json!(header.broker.0);
    fields["generation"] = json!(header.generation.0);
    fields["seq"] = json!(header.seq);
    fields["kind"] = json!(kind_name(header.kind));
}

/// The name of an entry's kind.
pub(super) fn kind_name(kind: u8) -> String {
    const NAMES: [&str; 29] = [
        "append",
        "subscribe",
        "unsubscribe",
        "receive",
        "ack",
        "renew",
        "giveBack",
        "transfer",
        "seek",
        "dropTopic",
        "dropGroup",
        "carry",
        "again",
        "class",
        "trim",
        "hold",
        "fire",
        "forget",
        "prepare",
        "decide",
        "check",
        "configure",
        "openAgain",
        "ready",
        "join",
        "unique",
        "shape",
        "usage",
        "erase",
    ];
    let name = usize::from(kind)
        .checked_sub(1)
        .and_then(|at| NAMES.get(at));
    name.map_or_else(|| format!("kind{kind}"), |name| (*name).to_owned())
}

/// A queue by the numbers of the catalogue.
pub(super) fn queue_name(queue: QueueKey) -> String {
    let topic = match queue.topic {
        TopicKey::User(topic) => format!("topic{topic}"),
        TopicKey::Retry(group) => format!("retry{group}"),
        TopicKey::DeadLetter(group) => format!("dlq{group}"),
        TopicKey::Waiting => "waiting".to_owned(),
    };
    format!("{topic}/{}", queue.queue)
}

/// The records that it stores, and what it counts for the bill.
fn add_run(fields: &mut Value, entry: &Entry) {
    match entry.run_header() {
        Ok(Some(run)) => {
            fields["firstOffset"] = json!(run.first_offset.0);
            fields["records"] = json!(run.count);
            fields["storedAt"] = json!(run.stored_at.0);
        }
        Ok(None) => {}
        Err(error) => fields["problem"] = json!(error.to_string()),
    }
    if let Some(metered) = &entry.metered {
        let counts = metered.counts;
        fields["counts"] = json!([counts.messages, counts.units, counts.bytes]);
    }
}

fn add_entry(fields: &mut Value, entry: &Entry) {
    if let Some(queue) = entry.head.run_queue() {
        fields["queue"] = json!(queue_name(queue));
    }
    add_run(fields, entry);
    let group = match &entry.head {
        Head::Append { .. }
        | Head::Again { .. }
        | Head::DropTopic { .. }
        | Head::Unique(_)
        | Head::Usage(_)
        | Head::Erase => None,
        Head::Shape { version, .. } => {
            fields["version"] = json!(version);
            None
        }
        Head::Held(held) => {
            add_held(fields, held);
            None
        }
        Head::Trim(trim) => {
            let reason = match trim.reason {
                TrimReason::Age => "age",
                TrimReason::Quota => "quota",
                TrimReason::Disk => "disk",
                TrimReason::Purge => "purge",
            };
            fields["reason"] = json!(reason);
            let marks = trim.marks.iter();
            let marks = marks.map(|(queue, mark)| json!([queue_name(*queue), mark]));
            fields["marks"] = marks.collect();
            None
        }
        Head::Class(durability) => {
            fields["durability"] = json!(durability);
            None
        }
        Head::Carry(carry) => {
            fields["manifest"] = json!(carry.tier.manifest);
            fields["covered"] = json!(carry.tier.covered);
            fields["snapshotBytes"] = json!(carry.snapshot.len());
            None
        }
        Head::Subscribe(subscribe) => Some(subscribe.group),
        Head::InPlace(in_place) => Some(in_place.group()),
        Head::Receive(receive) => {
            fields["leases"] = json!(leases(receive));
            fields["deadline"] = json!(receive.deadline.0);
            Some(receive.group)
        }
        Head::Ack { group, records } | Head::GiveBack { group, records } => {
            let count: usize = records.iter().map(|(_, offsets)| offsets.len()).sum();
            fields["records"] = json!(count);
            Some(*group)
        }
        Head::Transfer(transfer) => {
            fields["reason"] = json!(reason_name(transfer.reason));
            fields["from"] = json!(queue_name(transfer.from));
            fields["fromOffset"] = json!(transfer.from_offset);
            Some(transfer.group)
        }
        Head::Unsubscribe { group, .. }
        | Head::Renew { group, .. }
        | Head::Seek { group, .. }
        | Head::DropGroup { group } => Some(*group),
    };
    if let Some(group) = group {
        fields["group"] = json!(group.0);
    }
}

/// What entries about held messages say.
fn add_held(fields: &mut Value, head: &HeldHead) {
    match head {
        HeldHead::Fire(fire) => {
            let from = fire.from.iter();
            let from = from.map(|(slot, offset)| json!([slot.0, offset]));
            fields["from"] = from.collect();
        }
        HeldHead::Forget { slot, offsets } => {
            fields["slot"] = json!(slot.0);
            fields["offsets"] = json!(offsets);
        }
        HeldHead::Prepare(half) => {
            fields["to"] = json!(queue_name(half.target));
            fields["producers"] = json!(half.producers);
        }
        HeldHead::Decide { offset, to, .. } => {
            fields["halfOffset"] = json!(offset);
            fields["committed"] = json!(to.is_some());
        }
        HeldHead::Check { offsets, next } => {
            fields["offsets"] = json!(offsets);
            fields["next"] = json!(next.0);
        }
        HeldHead::Hold(hold) => fields["slotStart"] = json!(hold.start.0),
    }
}

fn leases(receive: &firn_storage_node::broker::entry::Receive) -> u64 {
    let ranges = receive.parts.iter().flat_map(|part| &part.leased);
    ranges.map(|(from, end)| end.saturating_sub(*from)).sum()
}

fn reason_name(reason: TransferReason) -> &'static str {
    match reason {
        TransferReason::Expired => "expired",
        TransferReason::Failed => "failed",
        TransferReason::Due => "due",
        TransferReason::Exhausted => "exhausted",
        TransferReason::Redriven => "redriven",
    }
}

/// The messages of an entry.
fn print_records(
    entry: &Entry,
    broker: BrokerId,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    let (Some(run), Some(queue)) = (&entry.run, entry.head.run_queue()) else {
        return Ok(());
    };
    match Run::parse(run.clone()) {
        Ok(run) => print_run(&run, broker, queue, out),
        Err(error) => bad_record(&error, out),
    }
}

/// The messages of a run.
pub(super) fn print_run(
    run: &Run,
    broker: BrokerId,
    queue: QueueKey,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    for record in run.records() {
        let message = record.and_then(|record| record.to_message(broker, queue));
        let message = match message {
            Ok(message) => message,
            Err(error) => return bad_record(&error, out),
        };
        let body = std::str::from_utf8(&message.content.body);
        let encoded = || {
            base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                &message.content.body,
            )
        };
        let mut fields = json!({
            "offset": message.offset.0, "messageId": message.message_id.to_string(),
            "attempt": message.attempt, "tag": message.content.tag, "keys": message.content.keys,
        });
        match body {
            Ok(text) => fields["body"] = json!(text),
            Err(_) => fields["bodyBase64"] = json!(encoded()),
        }
        out.row(3, "record", fields)?;
    }
    Ok(())
}

fn bad_record(error: &RecordError, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    Ok(out.row(3, "record", json!({"problem": error.to_string()}))?)
}

/// Reads payloads of frames; keeps the file of the last one open.
struct Payloads<'a> {
    dir: &'a Path,
    open: Option<(u64, File)>,
}

impl Payloads<'_> {
    /// The length comes from a header whose checksum was right.
    fn read(&mut self, number: u64, at: u64, len: u32) -> Result<Bytes, InspectError> {
        let path = self.dir.join(format!("{number:016x}.log"));
        let failed = |source| InspectError::Path {
            path: path.clone(),
            source,
        };
        let file = match self.open.take() {
            Some((open, file)) if open == number => file,
            _ => File::open(&path).map_err(failed)?,
        };
        let mut payload = vec![0; len as usize];
        file.read_exact_at(&mut payload, at + FRAME_HEADER_BYTES as u64)
            .map_err(failed)?;
        self.open = Some((number, file));
        Ok(Bytes::from(payload))
    }
}
