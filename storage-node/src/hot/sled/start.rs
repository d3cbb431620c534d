//! What a start finds on disk, and what of it may be used: the longest run of
//! good volumes from the oldest on. The rest is removed and filled again from
//! the log, from the marker of the last good volume.

use std::fs;
use std::path::{Path, PathBuf};

use super::database::{self, Database, Machine};
use super::stamp::Stamp;
use crate::hot::keys::volume::Reach;
use crate::hot::{HotError, Lsn};

/// A name that is no volume: its removal was begun.
const REMOVED: &str = "removed-";

/// A volume that may be used; open if that was the way to find out.
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) dir: PathBuf,
    pub(super) database: Option<Database>,
    pub(super) reach: Reach,
}

/// The volumes that may be used, oldest first, the last one open. With them
/// why others had to go.
///
/// # Errors
/// When a volume is of a newer version or in use, or the directory cannot be
/// worked on: nothing is removed then for that reason.
pub(super) fn survey(
    dir: &Path,
    log_end: Lsn,
    machine: &Machine,
) -> Result<(Vec<Found>, Option<String>), HotError> {
    fs::create_dir_all(dir)?;
    let present = volumes_in(dir)?;
    let mut good: Vec<Found> = Vec::new();
    let mut reason = None;
    let mut kept = 0;
    for (at, (number, path)) in present.iter().enumerate() {
        let newest = at + 1 == present.len();
        let judged = judge(path, newest, machine)?.and_then(|(database, reach)| {
            let before = good.last().map(|volume| volume.reach.marker);
            if before.is_some_and(|before| before != reach.begins) {
                Err("does not go on where the one before ends".to_owned())
            } else if reach.marker > log_end {
                Err(format!("is ahead of the log, which ends at {}", log_end.0))
            } else {
                Ok((database, reach))
            }
        });
        match judged {
            Ok((database, reach)) => good.push(Found {
                number: *number,
                dir: path.clone(),
                database,
                reach,
            }),
            Err(why) => {
                reason = Some(format!("volume {number} {why}"));
                break;
            }
        }
        kept = at + 1;
    }
    // The last good one is filled further, so it has to open.
    while let Some(last) = good.last_mut()
        && last.database.is_none()
    {
        match trusted(Database::open(&last.dir, machine))? {
            Ok((database, reach)) if reach == last.reach => last.database = Some(database),
            Ok(_) => reason = Some(format!("volume {} is not the one closed", last.number)),
            Err(why) => reason = Some(format!("volume {} {why}", last.number)),
        }
        if last.database.is_none() {
            good.pop();
            kept -= 1;
        }
    }
    for (_, path) in present[kept..].iter().rev() {
        remove(path)?;
    }
    Ok((good, reason))
}

/// A volume by its stamp, opened if it is the newest or was left open; the
/// inner error says why it cannot be used.
fn judge(
    dir: &Path,
    newest: bool,
    machine: &Machine,
) -> Result<Result<(Option<Database>, Reach), String>, HotError> {
    match Stamp::read(dir)? {
        None => return Ok(Err("has no stamp".to_owned())),
        Some(Stamp::Clean { reach, files }) => {
            if !database::is_untouched(dir, &files) {
                return Ok(Err("has other files than when it was closed".to_owned()));
            }
            if !newest {
                return Ok(Ok((None, reach)));
            }
        }
        Some(Stamp::Open { boot_id }) => {
            if machine.boot_id.as_ref() != Some(&boot_id) {
                return Ok(Err(
                    "was in use when the machine stopped, or failed".to_owned()
                ));
            }
        }
    }
    let opened = trusted(Database::open(dir, machine))?;
    Ok(opened.map(|(database, reach)| (Some(database), reach)))
}

/// Tells a database that is no good from one that must not be touched.
fn trusted<T>(opened: Result<T, HotError>) -> Result<Result<T, String>, HotError> {
    match opened {
        Ok(opened) => Ok(Ok(opened)),
        Err(error @ (HotError::Newer { .. } | HotError::InUse(_))) => Err(error),
        Err(error) => Ok(Err(format!("does not open: {error}"))),
    }
}

/// A database that stands alone.
pub(super) enum Alone {
    Good(Database, Reach),
    /// There is none, or it had to go, for this reason.
    New(Option<String>),
}

/// Opens a single database by the same rules.
pub(super) fn open_alone(dir: &Path, log_end: Lsn, machine: &Machine) -> Result<Alone, HotError> {
    if !dir.try_exists()? {
        return Ok(Alone::New(None));
    }
    let why = match judge(dir, true, machine)? {
        Ok((Some(database), reach)) if reach.marker <= log_end => {
            return Ok(Alone::Good(database, reach));
        }
        Ok(_) => format!("is ahead of the log, which ends at {}", log_end.0),
        Err(why) => why,
    };
    remove(dir)?;
    Ok(Alone::New(Some(why)))
}

/// Numbered directories in order; finishes removals that were begun.
fn volumes_in(dir: &Path) -> Result<Vec<(u64, PathBuf)>, HotError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(REMOVED) {
            fs::remove_dir_all(entry.path())?;
        } else if let Ok(number) = name.parse() {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Directory of a volume.
pub(super) fn dir_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}"))
}

/// Removes a directory in a way that a stop half-way leaves no half volume.
pub(super) fn remove(dir: &Path) -> std::io::Result<()> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let aside = dir.with_file_name(format!("{REMOVED}{name}"));
    if aside.try_exists()? {
        fs::remove_dir_all(&aside)?;
    }
    fs::rename(dir, &aside)?;
    fs::remove_dir_all(&aside)
}
