//! The data directory: made if missing, held by one process, and known by the
//! identity in `node.json`. Promises that nobody else holds it while a
//! [`DataDir`] lives. Its other files belong to the services.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StartError;

/// Name of the identity file in the data directory.
pub const NODE_FILE: &str = "node.json";
/// Is there while a restore fills the directory, and after one that did not end.
pub const RESTORE_FILE: &str = "restore.unfinished";
/// What the directory has to belong to.
const PRODUCT: &str = "firn";
/// Layout of the directory that this version writes.
const FORMAT: u32 = 1;

/// Who the node is. Made once, for the life of the data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeIdentity {
    pub product: String,
    /// Version of the directory's layout; a newer one is refused (RULES 12).
    pub format: u32,
    /// 32 hex digits.
    pub node_id: String,
    /// Milliseconds since 1970 UTC.
    pub created_at: u64,
    /// The catalogue that the data belongs to, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
}

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    identity: NodeIdentity,
    is_new: bool,
    /// The directory itself, locked; the lock ends with the process, however it ends.
    lock: File,
}

impl DataDir {
    /// Makes the directory if needed, locks it, and reads its identity or
    /// gives it one. `now_ms` is the time of creation in that case.
    ///
    /// # Errors
    /// When it cannot be made or written, another process holds it, it belongs
    /// to something else, or a restore left it unfinished.
    pub fn open(path: &Path, now_ms: u64) -> Result<Self, StartError> {
        let lock = lock(path)?;
        if path.join(RESTORE_FILE).exists() {
            let path = path.to_owned();
            return Err(StartError::Unfinished { path });
        }
        Self::hold(path, lock, now_ms)
    }

    /// The same for a directory that must be empty, to be filled by a restore:
    /// until [`Self::finish_restore`] nobody can open it.
    ///
    /// # Errors
    /// When something is in it, or as [`Self::open`].
    pub fn begin_restore(path: &Path, now_ms: u64) -> Result<Self, StartError> {
        let lock = lock(path)?;
        check_empty(path)?;
        let marked = File::create_new(path.join(RESTORE_FILE)).and_then(|mark| {
            mark.sync_all()?;
            lock.sync_all()
        });
        marked.map_err(|source| failed(path, source))?;
        Self::hold(path, lock, now_ms)
    }

    /// From here on the directory is like any other.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn finish_restore(&self) -> Result<(), StartError> {
        let removed = std::fs::remove_file(self.path.join(RESTORE_FILE));
        let removed = removed.and_then(|()| self.lock.sync_all());
        removed.map_err(|source| failed(&self.path, source))
    }

    fn hold(path: &Path, lock: File, now_ms: u64) -> Result<Self, StartError> {
        let found = read(path)?;
        let is_new = found.is_none();
        let identity = found.unwrap_or_else(|| new_identity(now_ms));
        let dir = Self {
            path: path.to_owned(),
            identity,
            is_new,
            lock,
        };
        if is_new {
            dir.write_identity()
                .map_err(|source| failed(path, source))?;
        }
        Ok(dir)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn identity(&self) -> &NodeIdentity {
        &self.identity
    }

    /// Whether this start gave the directory its identity. With a catalogue
    /// that is not new, this is a new node (RULES 10).
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Ties the directory to the catalogue's deployment: remembers it the
    /// first time, compares it ever after.
    ///
    /// # Errors
    /// When the directory belongs to another deployment.
    pub fn belong_to(&mut self, deployment_id: &str) -> Result<(), StartError> {
        if let Some(found) = &self.identity.deployment_id {
            return check_identity(found, deployment_id);
        }
        self.identity.deployment_id = Some(deployment_id.to_owned());
        self.write_identity().map_err(|source| StartError::DataDir {
            path: self.path.clone(),
            source,
        })
    }

    /// Replaces the file as a whole and durably: after a power cut it is the
    /// old one or the new one.
    fn write_identity(&self) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(&self.identity)?;
        let fresh = self.path.join("node.json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&fresh, self.path.join(NODE_FILE))?;
        self.lock.sync_all()
    }
}

/// Makes sure that nothing is in a directory, which need not exist.
///
/// # Errors
/// When something is, or it cannot be read.
pub fn check_empty(path: &Path) -> Result<(), StartError> {
    match std::fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StartError::NotEmpty {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed(path, source)),
    }
}

/// Makes the directory if needed, and takes its lock.
fn lock(path: &Path) -> Result<File, StartError> {
    std::fs::create_dir_all(path).map_err(|source| failed(path, source))?;
    let lock = File::open(path).map_err(|source| failed(path, source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(path, source)),
    }
}

fn failed(path: &Path, source: std::io::Error) -> StartError {
    StartError::DataDir {
        path: path.to_owned(),
        source,
    }
}

/// Compares the identity that data carries with the one it should have.
///
/// # Errors
/// In the words of SEED_SPEC 8.1-2, with both names.
pub fn check_identity(found: &str, expected: &str) -> Result<(), StartError> {
    if found == expected {
        return Ok(());
    }
    Err(StartError::Foreign {
        found: found.to_owned(),
        expected: expected.to_owned(),
    })
}

fn read(dir: &Path) -> Result<Option<NodeIdentity>, StartError> {
    let path = dir.join(NODE_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StartError::DataDir { path, source }),
    };
    // Product and format first: the rest is only ours to read if these are.
    let broken = |error: serde_json::Error| StartError::Identity {
        path: path.clone(),
        reason: error.to_string(),
    };
    let head: Head = serde_json::from_str(&text).map_err(broken)?;
    check_identity(head.product.as_deref().unwrap_or("unknown"), PRODUCT)?;
    if head.format > FORMAT {
        return Err(StartError::Newer {
            path: dir.to_owned(),
            found: head.format,
            known: FORMAT,
        });
    }
    serde_json::from_str(&text).map(Some).map_err(broken)
}

#[derive(Deserialize)]
struct Head {
    product: Option<String>,
    #[serde(default)]
    format: u32,
}

fn new_identity(now_ms: u64) -> NodeIdentity {
    let id = u128::from_be_bytes(firn_runtime::random::bytes());
    NodeIdentity {
        product: PRODUCT.to_owned(),
        format: FORMAT,
        node_id: format!("{id:032x}"),
        created_at: now_ms,
        deployment_id: None,
    }
}
