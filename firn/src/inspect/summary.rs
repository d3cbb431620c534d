//! A data directory at a glance: whose it is, whether a node runs on it, what
//! its log says in numbers, and the hot store.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use firn_storage_node::disk::RealDisk;
use firn_storage_node::log::{FrameHeader, Row, inspect};
use serde_json::json;

use super::log::kind_name;
use super::print::Printer;
use super::{Hold, InspectError, hot, is_held};
use crate::startup::{NODE_FILE, NodeIdentity};

/// What the log adds up to.
#[derive(Default)]
struct LogTotals {
    files: u64,
    bytes: u64,
    headers_damaged: u64,
    incarnation: u64,
    lsns: Option<(u64, u64)>,
    frames: u64,
    ranges_damaged: u64,
    bytes_unknown: u64,
    /// By tenant, instance and broker.
    brokers: BTreeMap<(u64, u64, u32), Entries>,
}

/// Entries of one broker.
#[derive(Default)]
struct Entries {
    seq_last: u64,
    by_kind: BTreeMap<u8, u64>,
}

impl LogTotals {
    fn add(&mut self, row: &Row) {
        match row {
            Row::File { bytes, header, .. } => {
                self.files += 1;
                self.bytes += bytes;
                self.headers_damaged += u64::from(header.is_none());
            }
            Row::Batch { header, .. } => {
                self.incarnation = self.incarnation.max(header.incarnation)
            }
            Row::Frame { lsn, header, .. } => {
                self.frames += 1;
                let (first, last) = self.lsns.unwrap_or((lsn.0, lsn.0));
                self.lsns = Some((first.min(lsn.0), last.max(lsn.0)));
                self.add_entry(header);
            }
            Row::BadFrames { .. } => self.ranges_damaged += 1,
            Row::Unknown { is_zero: true, .. } => {}
            Row::Unknown { bytes, .. } => self.bytes_unknown += bytes.end - bytes.start,
        }
    }

    fn add_entry(&mut self, header: &FrameHeader) {
        let key = (header.tenant.0, header.instance.0, header.broker.0);
        let entries = self.brokers.entry(key).or_default();
        entries.seq_last = entries.seq_last.max(header.seq);
        *entries.by_kind.entry(header.kind).or_default() += 1;
    }
}

pub(super) fn print(dir: &Path, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    let hold = is_held(Some(dir));
    print_identity(dir, &hold, out)?;
    let log = dir.join("log");
    if log.is_dir() {
        let mut totals = LogTotals::default();
        for row in inspect(&RealDisk::unlocked(&log), Path::new(""))? {
            totals.add(&row?);
        }
        print_log(&totals, out)?;
    }
    let store = dir.join("hot");
    match store.is_dir() {
        true => hot::print(&store, hold, out),
        false => Ok(()),
    }
}

fn print_identity(
    dir: &Path,
    hold: &Hold,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    let path = dir.join(NODE_FILE);
    let read = std::fs::read_to_string(&path);
    let text = read.map_err(|source| InspectError::Path { path, source })?;
    let mut fields = json!({
        "path": dir.display().to_string(),
        "inUse": matches!(hold, Hold::Taken),
    });
    match serde_json::from_str::<NodeIdentity>(&text) {
        Ok(identity) => {
            fields["nodeId"] = json!(identity.node_id);
            fields["format"] = json!(identity.format);
            fields["createdAt"] = json!(identity.created_at);
            fields["deployment"] = json!(identity.deployment_id);
        }
        Err(error) => fields["problem"] = json!(format!("{NODE_FILE}: {error}")),
    }
    Ok(out.row(0, "directory", fields)?)
}

fn print_log(totals: &LogTotals, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    let fields = json!({
        "files": totals.files, "bytes": totals.bytes, "incarnation": totals.incarnation,
        "firstLsn": totals.lsns.map(|lsns| lsns.0), "lastLsn": totals.lsns.map(|lsns| lsns.1),
        "frames": totals.frames, "headersDamaged": totals.headers_damaged,
        "rangesDamaged": totals.ranges_damaged, "bytesUnknown": totals.bytes_unknown,
    });
    out.row(0, "log", fields)?;
    for ((tenant, instance, broker), entries) in &totals.brokers {
        let mut fields = json!({
            "tenant": tenant, "instance": instance, "broker": broker, "lastSeq": entries.seq_last,
        });
        for (kind, count) in &entries.by_kind {
            fields[kind_name(*kind)] = json!(count);
        }
        out.row(1, "broker", fields)?;
    }
    Ok(())
}
