//! The catalogue in a file of its own. One connection does everything, and it
//! locks the file: reads are served from memory, so a second writer would go
//! unseen.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use super::schema;
use crate::error::{OpenError, StoreError};

/// How long a start waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Rows on their way from SQLite's thread while the catalogue is loaded.
const ROWS_IN_FLIGHT: usize = 1024;

/// Opens the file, making it if missing, and brings its schema up to date.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, OpenError> {
    make_private(path).map_err(|source| OpenError::Folder {
        path: path.to_owned(),
        source,
    })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .locking_mode(SqliteLockingMode::Exclusive)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .row_buffer_size(ROWS_IN_FLIGHT);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(StoreError::from)?;
    schema::update_sqlite(&pool).await?;
    Ok(pool)
}

/// The file holds password hashes: its owner alone may read it. SQLite gives
/// its companion files the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    Ok(())
}
