//! A new master key for a catalogue that nobody has open: every secret is sealed
//! anew in one transaction. Whatever interrupts it, the same call ends it: until the
//! transaction the old key file is the right one, after it the new one takes its
//! place, and the old one is kept beside it until that is done.

use std::path::{Path, PathBuf};

use firn_protocol::Timestamp;
use firn_runtime::Clock;

use super::transfer::exists;
use super::{TenantService, catalogue_url, open_keys};
use crate::catalogue::{Audit, Change};
use crate::config::TenantConfig;
use crate::error::{OpenError, StoreError};
use crate::keys::Keys;
use crate::store::{Batch, KEPT_KEYS, KEY_CHECK, Origin, Session, Store};

/// What a rotation of the master key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// Users whose secrets were sealed anew; `None` when an earlier attempt did it.
    pub users: Option<usize>,
}

impl TenantService {
    /// Seals the catalogue in `config` under the key in `new_key_file`, made if it is
    /// missing, which then takes the place of the key file in `config`. On SQLite
    /// nobody may have the catalogue open; on PostgreSQL whoever has it goes on
    /// reading and must be started again to change anything.
    ///
    /// # Errors
    /// One line. What was begun is ended by the next call.
    pub async fn rotate_master_key(
        config: &TenantConfig,
        new_key_file: &Path,
        clock: &Clock,
    ) -> Result<KeyRotation, OpenError> {
        let (url, path) = (catalogue_url(config)?, &config.master_key_file);
        if !exists(&url).await? {
            let place = url.place();
            return Err(OpenError::NoCatalogue { place });
        }
        if is_same(path, new_key_file) {
            return Err(OpenError::KeyFileForm {
                path: new_key_file.to_owned(),
                rule: "is the one in use; name another file for the new key",
            });
        }
        let new = Keys::open(new_key_file, true)?;
        let store = Store::open(&url).await?;
        let sealed = seal_anew(&store, config, &new, clock).await;
        store.close().await;
        let users = sealed?;
        Keys::copy(new_key_file, path)?;
        remove(&backup(path))?;
        Ok(KeyRotation { users })
    }
}

async fn seal_anew(
    store: &Store,
    config: &TenantConfig,
    new: &Keys,
    clock: &Clock,
) -> Result<Option<usize>, OpenError> {
    let path = &config.master_key_file;
    let (mut session, _) = store.begin().await?;
    if session.setting(KEY_CHECK).await? == Some(new.check_value()) {
        session.rollback().await?;
        return Ok(None);
    }
    if !path.exists() {
        return Err(OpenError::KeyMissing { path: path.clone() });
    }
    let old = open_keys(&mut session, config).await?;
    Keys::copy(path, &backup(path))?;
    let users = write(session, &old, new, Timestamp(clock.now_ms())).await?;
    Ok(Some(users))
}

async fn write(
    mut session: Session,
    old: &Keys,
    new: &Keys,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let loaded = session.load(old).await?;
    let rows = loaded.memory.users.values();
    let changes: Vec<Change> = rows.cloned().map(Change::SetUser).collect();
    let users = changes.len();
    let audit = Audit {
        tenant: None,
        action: "masterKey.rotate",
        object: "catalogue".to_owned(),
        detail: serde_json::json!({"users": users}),
    };
    let origin = Origin {
        caller: "rotate-master-key".to_owned(),
        request_id: String::new(),
    };
    session.set_setting(KEY_CHECK, &new.check_value()).await?;
    session.set_setting(KEPT_KEYS, &old.hand_over(new)).await?;
    let batch = Batch {
        at: now,
        changes,
        numbers: loaded.numbers,
        audit: vec![(audit, origin)],
        terms: Vec::new(),
        version: Some(loaded.version + 1),
    };
    session.write(&batch, new).await?;
    Ok(users)
}

/// Where the key file of before is until all is done.
fn backup(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    name.into()
}

fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(a) == real(b)
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(OpenError::KeyFile {
            path: path.to_owned(),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}
