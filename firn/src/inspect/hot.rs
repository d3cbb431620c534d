//! The hot store: volumes with their queues, and the snapshots of brokers.

use std::io::Write;
use std::path::{Path, PathBuf};

use firn_storage_node::broker::state::BrokerState;
use firn_storage_node::hot::sled::SledStateStore;
use firn_storage_node::hot::sled::inspect::{VolumeRow, VolumeState, copy_all, volumes};
use firn_storage_node::hot::{Lsn, StateStore as _};
use serde_json::json;

use super::log::queue_name;
use super::print::Printer;
use super::{Hold, InspectError};

/// Volumes of records, below the hot store.
pub(super) const RECORDS: &str = "records";
/// Snapshots of broker state.
pub(super) const STATE: &str = "state";

/// A directory for copies, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, InspectError> {
        let number = u64::from_be_bytes(firn_runtime::random::bytes());
        let path = std::env::temp_dir().join(format!("firn-inspect-{number:016x}"));
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(InspectError::Path { path, source }),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in the system's place for what may go.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Prints the store; what has to be opened is opened as a copy, and not at all
/// while somebody may write to it.
pub(super) fn print(
    dir: &Path,
    hold: Hold,
    out: &mut Printer<impl Write>,
) -> Result<(), InspectError> {
    let scratch = match hold {
        Hold::Free { .. } => Some(Scratch::make()?),
        Hold::Taken => None,
    };
    let copies = scratch.as_ref().map(|scratch| scratch.0.as_path());
    let records = dir.join(RECORDS);
    if records.is_dir() {
        for volume in volumes(&records, copies)? {
            print_volume(&volume, out)?;
        }
    }
    let states = dir.join(STATE);
    match copies {
        Some(copies) if states.is_dir() => {
            let copy = copies.join(STATE);
            copy_all(&states, &copy).map_err(|source| InspectError::Path {
                path: states,
                source,
            })?;
            print_states(&copy, out)
        }
        _ => Ok(()),
    }
}

fn print_volume(volume: &VolumeRow, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    let state = match volume.state {
        VolumeState::Closed => "closed",
        VolumeState::Open => "open",
        VolumeState::Unstamped => "UNSTAMPED",
    };
    let fields = json!({
        "volume": volume.name, "state": state,
        "fromLsn": volume.reach.map(|reach| reach.0.0),
        "untilLsn": volume.reach.map(|reach| reach.1.0),
        "bytes": volume.reach.map(|reach| reach.2),
        "queues": volume.queues.as_ref().map(Vec::len),
        "problem": volume.problem,
    });
    out.row(0, "volume", fields)?;
    for (broker, queue, first, end) in volume.queues.iter().flatten() {
        let fields = json!({
            "tenant": broker.tenant.0, "instance": broker.instance.0, "broker": broker.broker.0,
            "queue": queue_name(*queue), "firstOffset": first, "endOffset": end,
        });
        out.row(1, "queue", fields)?;
    }
    Ok(())
}

fn print_states(copy: &Path, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    let opened = SledStateStore::open(copy, Lsn(u64::MAX))?;
    let fields = json!({"marker": opened.store.marker().0, "problem": opened.rebuilt});
    out.row(0, "snapshots", fields)?;
    for (broker, seq, bytes) in opened.store.load()? {
        let mut fields = json!({
            "tenant": broker.tenant.0, "instance": broker.instance.0, "broker": broker.broker.0,
            "seq": seq, "bytes": bytes.len(),
        });
        match BrokerState::from_snapshot(&bytes) {
            Ok(state) => {
                fields["queues"] = json!(state.queues.len());
                fields["groups"] = json!(state.groups.len());
                fields["records"] = json!(state.next_position);
            }
            Err(error) => fields["problem"] = json!(error.to_string()),
        }
        out.row(1, "broker", fields)?;
    }
    Ok(())
}
