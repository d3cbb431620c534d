//! The catalogue in SQLite. Owns every statement and the stored form of rows;
//! promises that a batch is written whole or not at all and is durable when
//! answered. Knows no rules of the catalogue.
//!
//! One connection does everything, and it locks the file: reads are served
//! from memory, so a second writer would go unseen.

mod load;
pub(crate) mod text;
mod write;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use firn_protocol::catalogue::AuditEntry;
use firn_protocol::{TenantId, Timestamp};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Row as _, SqlSafeStr as _};

use crate::catalogue::memory::Memory;
use crate::catalogue::{Audit, Change, Numbers};
use crate::error::{OpenError, StoreError};
use crate::keys::Keys;

/// How long a start waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Rows on their way from SQLite's thread while the catalogue is loaded.
const ROWS_IN_FLIGHT: usize = 1024;
const KEY_CHECK: &str = "key_check";
const CATALOGUE_ID: &str = "catalogue_id";

/// What is written in one transaction.
pub(crate) struct Batch {
    pub(crate) at: Timestamp,
    pub(crate) changes: Vec<Change>,
    pub(crate) numbers: Numbers,
    pub(crate) audit: Option<(Audit, Origin)>,
}

/// Who caused a change.
pub(crate) struct Origin {
    pub(crate) caller: String,
    pub(crate) request_id: String,
}

/// The database, open and of the current schema.
pub(crate) struct SqliteStore {
    pool: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, making it if missing, and brings its schema up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
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
        let store = Self { pool };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<(), OpenError> {
        let steps = [
            (
                "catalogue",
                include_str!("../../migrations/sqlite/0001_catalogue.sql"),
            ),
            (
                "topic version",
                include_str!("../../migrations/sqlite/0002_topic_version.sql"),
            ),
            (
                "group mechanism",
                include_str!("../../migrations/sqlite/0003_group_mechanism.sql"),
            ),
        ];
        let steps = (1..).zip(steps).map(|(number, (name, sql))| {
            let kind = MigrationType::Simple;
            Migration::new(number, name.into(), kind, sql.into_sql_str(), false)
        });
        let mut migrator = Migrator::with_migrations(steps.collect());
        migrator.set_locking(false);
        match migrator.run(&self.pool).await {
            Ok(()) => Ok(()),
            Err(MigrateError::VersionMissing(_)) => Err(OpenError::TooNew),
            Err(error) => Err(StoreError::from(error).into()),
        }
    }

    /// The check value of the key that the catalogue was made with; `None` in a new one.
    pub(crate) async fn key_check(&self) -> Result<Option<String>, StoreError> {
        self.setting(KEY_CHECK).await
    }

    pub(crate) async fn set_key_check(&self, value: &str) -> Result<(), StoreError> {
        self.set_setting(KEY_CHECK, value).await
    }

    /// Which catalogue this is, whatever becomes of its files and keys.
    pub(crate) async fn catalogue_id(&self) -> Result<Option<String>, StoreError> {
        self.setting(CATALOGUE_ID).await
    }

    pub(crate) async fn set_catalogue_id(&self, value: &str) -> Result<(), StoreError> {
        self.set_setting(CATALOGUE_ID, value).await
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT value FROM setting WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| row.try_get(0))
            .transpose()
            .map_err(Into::into)
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO setting (name, value) VALUES ($1, $2)")
            .bind(name)
            .bind(value)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Everything that is kept in memory.
    pub(crate) async fn load(&self, keys: &Keys) -> Result<(Memory, Numbers), StoreError> {
        let mut connection = self.pool.acquire().await?;
        load::all(&mut connection, keys).await
    }

    /// Writes a batch in one transaction; durable when answered.
    pub(crate) async fn write(&self, batch: &Batch, keys: &Keys) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for change in &batch.changes {
            write::change(&mut transaction, change, keys).await?;
        }
        write::numbers(&mut transaction, &batch.numbers).await?;
        if let Some((audit, origin)) = &batch.audit {
            write::audit(&mut transaction, batch.at, audit, origin).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Writes something, to learn whether writing works again.
    pub(crate) async fn probe(&self, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO setting (name, value) VALUES ('probed_at', $1)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(now.to_string())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn drop_audit_before(&self, time: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM audit WHERE at < $1")
            .bind(write::int(time.0)?)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Newest first.
    pub(crate) async fn audit(
        &self,
        tenant: Option<TenantId>,
        before: Option<u64>,
        max: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let before = before.map_or(Ok(i64::MAX), write::int)?;
        let max = write::int(max as u64)?;
        let query = match tenant {
            Some(tenant) => sqlx::query(
                "SELECT id, at, tenant, caller, action, object, request_id, detail FROM audit
                 WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            )
            .bind(write::int(tenant.0)?),
            None => sqlx::query(
                "SELECT id, at, tenant, caller, action, object, request_id, detail FROM audit
                 WHERE id < $1 ORDER BY id DESC LIMIT $2",
            ),
        };
        let rows = query.bind(before).bind(max).fetch_all(&self.pool).await?;
        rows.iter().map(load::audit_entry).collect()
    }

    /// Folds the write-ahead log into the file and lets go of it.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Makes every write fail, or work again.
    #[cfg(test)]
    pub(crate) async fn set_read_only(&self, on: bool) {
        let pragma = if on {
            "PRAGMA query_only = ON"
        } else {
            "PRAGMA query_only = OFF"
        };
        sqlx::query(pragma).execute(&self.pool).await.unwrap();
    }
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
