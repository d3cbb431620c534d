//! Volumes as an operator sees them: what each says of itself, and the queues
//! in it. Changes nothing: a volume whose directory is not written down is
//! opened as a copy, since opening a database writes to it.

use std::fs;
use std::path::Path;

use firn_protocol::ids::QueueKey;

use super::database::{Database, Machine};
use super::directory::Directory;
use super::stamp::Stamp;
use crate::hot::{BrokerKey, HotError, Lsn};

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRow {
    /// Of its directory.
    pub name: String,
    pub state: VolumeState,
    /// The stretch of the log that is in it, and its bytes of keys and values.
    pub reach: Option<(Lsn, Lsn, u64)>,
    /// Queues with first offset and one past the last; `None` if that cannot
    /// be told without opening the volume.
    pub queues: Option<Vec<(BrokerKey, QueueKey, u64, u64)>>,
    /// Why it could not be read, if it was tried.
    pub problem: Option<String>,
}

/// What the stamp of a volume says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeState {
    /// Closed and synced.
    Closed,
    /// In use, or left so by a process that was killed.
    Open,
    /// Has no stamp that can be read; the next start throws it away.
    Unstamped,
}

/// The volumes of a hot store, oldest first. With a `scratch` directory, which
/// the caller removes, volumes are copied there and opened where needed; nobody
/// may have the store open then.
///
/// # Errors
/// When the directory cannot be read or a newer version wrote it.
pub fn volumes(dir: &Path, scratch: Option<&Path>) -> Result<Vec<VolumeRow>, HotError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.parse::<u64>().is_ok() {
            names.push(name);
        }
    }
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| volume(&dir.join(&name), name, scratch))
        .collect()
}

fn volume(dir: &Path, name: String, scratch: Option<&Path>) -> Result<VolumeRow, HotError> {
    let (state, reach) = match Stamp::read(dir)? {
        Some(Stamp::Clean { reach, .. }) => (VolumeState::Closed, Some(reach)),
        Some(Stamp::Open { .. }) => (VolumeState::Open, None),
        None => (VolumeState::Unstamped, None),
    };
    let mut row = VolumeRow {
        name,
        state,
        reach: reach.map(|reach| (reach.begins, reach.marker, reach.bytes)),
        queues: Directory::read(dir).map(|directory| directory.queues()),
        problem: None,
    };
    if row.queues.is_some() && row.reach.is_some() {
        return Ok(row);
    }
    let Some(scratch) = scratch else {
        return Ok(row);
    };
    let copy = scratch.join(&row.name);
    copy_all(dir, &copy)?;
    let read = Database::open(&copy, &Machine::real())
        .and_then(|(database, reach)| Ok((database.run(Directory::of)?, reach)));
    match read {
        Ok((directory, reach)) => {
            row.queues = Some(directory.queues());
            row.reach = Some((reach.begins, reach.marker, reach.bytes));
        }
        Err(error) => row.problem = Some(error.to_string()),
    }
    Ok(row)
}

/// Copies a directory with all below it.
///
/// # Errors
/// When reading or writing fails.
pub fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
