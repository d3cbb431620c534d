//! One sled database with its stamp: opened under guard, closed with proof.
//! Every call into sled goes through [`Database::run`], because sled panics
//! where it finds what it does not expect.

use std::any::Any;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use firn_runtime::clock;
use rustix::fs::{FlockOperation, flock};

use super::stamp::{self, Stamp};
use crate::hot::HotError;
use crate::hot::keys::volume::{self as record, Reach};
use crate::hot::keys::{FORMAT, ValueError};

/// sled's own directory, beside the stamp.
const DATA: &str = "data";
/// Bounds the pages that sled keeps; chunk values stay beyond it (HOT_STORE).
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
const FLUSH_EVERY_MS: u64 = 500;
/// sled lets go of its file a moment after the last handle is dropped.
const RELEASE_STEP: Duration = Duration::from_millis(2);
const RELEASE_STEPS: u32 = 1000;

/// What a database finds around it; tests put other things there.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Of this boot; `None` if the system does not tell, which trusts no
    /// database that was not closed.
    pub(super) boot_id: Option<String>,
    pub(super) open: fn(&Path) -> ::sled::Result<::sled::Db>,
}

impl Machine {
    pub(super) fn real() -> Self {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self {
            boot_id: boot_id.map(|id| id.trim().to_owned()),
            open: open_sled,
        }
    }
}

pub(super) fn open_sled(path: &Path) -> ::sled::Result<::sled::Db> {
    ::sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .mode(::sled::Mode::HighThroughput)
        .open()
}

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    dir: PathBuf,
    db: Option<::sled::Db>,
    /// Something went wrong: it is never stamped clean again.
    suspect: AtomicBool,
}

impl Database {
    /// Makes an empty database that begins at `reach`.
    pub(super) fn create(dir: &Path, machine: &Machine, reach: Reach) -> Result<Self, HotError> {
        fs::create_dir_all(dir)?;
        let database = Self::open_handle(dir, machine)?;
        database.run(|tree| tree.insert(record::KEY, record::encode(reach)))?;
        Ok(database)
    }

    /// Opens a database that is there; `Store` if it is not what it should be.
    pub(super) fn open(dir: &Path, machine: &Machine) -> Result<(Self, Reach), HotError> {
        let data = dir.join(DATA);
        if !is_released(&data) {
            return Err(HotError::InUse(dir.display().to_string()));
        }
        // sled would begin anew without a word; a power cut leaves such files.
        for name in ["conf", "db"] {
            let len = fs::metadata(data.join(name)).map_or(0, |meta| meta.len());
            if len == 0 {
                return Err(HotError::Store(format!("{name} is missing or empty")));
            }
        }
        let database = Self::open_handle(dir, machine)?;
        let value = database.run(|tree| tree.get(record::KEY))?;
        let value =
            value.ok_or_else(|| HotError::Store("database says nothing of itself".into()))?;
        let reach = record::decode(&value).map_err(|error| match error {
            ValueError::Damaged => HotError::Store(error.to_string()),
            ValueError::Newer(found) => HotError::Newer {
                what: dir.display().to_string(),
                found: found.into(),
                known: FORMAT.into(),
            },
        })?;
        Ok((database, reach))
    }

    fn open_handle(dir: &Path, machine: &Machine) -> Result<Self, HotError> {
        let data = dir.join(DATA);
        let boot_id = machine.boot_id.clone().unwrap_or_default();
        Stamp::Open { boot_id }.write(dir)?;
        let db = guard(|| (machine.open)(&data))?;
        Ok(Self {
            dir: dir.to_owned(),
            db: Some(db),
            suspect: AtomicBool::new(false),
        })
    }

    /// Works on the one tree. Errors and panics make the database suspect.
    pub(super) fn run<T>(
        &self,
        work: impl FnOnce(&::sled::Tree) -> ::sled::Result<T>,
    ) -> Result<T, HotError> {
        let db = self.db.as_ref().expect("is only taken out when dropped");
        guard(|| work(db)).inspect_err(|_| {
            if !self.suspect.swap(true, Ordering::Relaxed) {
                distrust(&self.dir);
            }
        })
    }

    /// Closes and syncs the database and stamps it clean. One that is suspect
    /// is closed without a stamp.
    pub(super) fn close(mut self, reach: Reach) -> Result<(), HotError> {
        let mut clean = !self.suspect.load(Ordering::Relaxed);
        if clean && let Some(db) = &self.db {
            clean = guard(|| db.flush()).is_ok();
        }
        clean &= self.release();
        let data = self.dir.join(DATA);
        if !clean || !is_released(&data) {
            return Err(HotError::Store("database did not close cleanly".into()));
        }
        stamp::sync_below(&self.dir)?;
        let files = stamp::files_below(&data)?;
        Ok(Stamp::Clean { reach, files }.write(&self.dir)?)
    }

    /// Lets go of sled, which writes and may panic; false if it did.
    fn release(&mut self) -> bool {
        let db = self.db.take();
        catch_unwind(AssertUnwindSafe(|| drop(db))).is_ok()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.release();
    }
}

/// Makes sure that the next start does not use the database.
pub(super) fn distrust(dir: &Path) {
    let boot_id = String::new();
    if let Err(error) = (Stamp::Open { boot_id }).write(dir) {
        tracing::warn!(dir = %dir.display(), %error, "cannot stamp a database that failed");
    }
}

/// Whether the files are as the clean stamp has them.
pub(super) fn is_untouched(dir: &Path, files: &[(String, u64)]) -> bool {
    stamp::files_below(&dir.join(DATA)).is_ok_and(|found| found == files)
}

/// Waits until nobody, no thread of sled either, has the database open.
fn is_released(data: &Path) -> bool {
    let Ok(file) = File::open(data.join("db")) else {
        return true;
    };
    (0..RELEASE_STEPS).any(|_| {
        let free = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if !free {
            clock::pause_thread(RELEASE_STEP);
        }
        free
    })
}

/// Calls into sled; a panic there is an error here.
fn guard<T>(work: impl FnOnce() -> ::sled::Result<T>) -> Result<T, HotError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(HotError::Store(error.to_string())),
        Err(panic) => Err(HotError::Store(format!(
            "sled panicked: {}",
            panic_text(panic.as_ref())
        ))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}
