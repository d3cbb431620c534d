//! The catalogue in its database: a SQLite file or PostgreSQL. Owns every
//! statement and the stored form of rows; promises that a batch is written whole
//! or not at all and is durable when answered, and that changes of all
//! processes on one database have one order. Knows no rules of the catalogue.

mod books;
mod dialect;
mod load;
mod postgres;
mod schema;
mod session;
mod sqlite;
pub(crate) mod text;
mod write;

use std::sync::Arc;

use firn_protocol::Timestamp;
use firn_protocol::api::tenant::AuditFilter;
use firn_protocol::catalogue::AuditEntry;
use sqlx::SqlitePool;

use crate::catalogue::memory::Memory;
use crate::catalogue::{Audit, Change, Numbers};
use crate::config::CatalogueUrl;
use crate::error::{OpenError, StoreError};
use crate::keys::Keys;
pub(crate) use books::Recorded;
pub(crate) use books::bills::{Found, Term};
pub(crate) use books::hours::HourRow;
pub(crate) use books::verify::Evidence;
use dialect::{Connection, Statement, query};
pub(crate) use postgres::place;
use postgres::{STEP_MAX, Server};
pub(crate) use session::Session;

/// Tells the key that the catalogue was made with; absent in a new one.
pub(crate) const KEY_CHECK: &str = "key_check";
/// Keys of purposes from before the master key was rotated, sealed; absent if it never was.
pub(crate) const KEPT_KEYS: &str = "kept_keys";
/// Which catalogue this is, whatever becomes of its files and keys.
pub(crate) const CATALOGUE_ID: &str = "catalogue_id";
/// Written to learn whether writing works again.
pub(crate) const PROBED_AT: &str = "probed_at";
/// Counts the changes.
const VERSION: &str = "version";

/// Texts that are absent are empty: no row has one that is.
fn wanted(filter: &AuditFilter) -> Result<Statement<'_>, StoreError> {
    macro_rules! columns {
        ($and:literal) => {
            concat!(
                "SELECT id, at, tenant, caller, action, object, request_id, detail FROM audit
                 WHERE id < $1 AND at >= $2 AND at <= $3 AND ($4 = '' OR action = $4)
                 AND ($5 = '' OR caller = $5) AND substr(object, 1, length($6)) = $6",
                $and,
                " ORDER BY id DESC LIMIT $7"
            )
        };
    }
    let statement = match filter.tenant {
        Some(_) => query(columns!(" AND tenant = $8")),
        None => query(columns!("")),
    };
    let time = |time: Option<Timestamp>, else_: i64| {
        // Times that no column can hold are as good as the last that one can.
        time.map_or(else_, |time| i64::try_from(time.0).unwrap_or(i64::MAX))
    };
    let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
    let statement = statement
        .bind(filter.before.map_or(Ok(i64::MAX), write::int)?)
        .bind(time(filter.from, 0))
        .bind(time(filter.to, i64::MAX))
        .bind(text(&filter.action))
        .bind(text(&filter.caller))
        .bind(text(&filter.object))
        .bind(write::int(filter.max as u64)?);
    Ok(match filter.tenant {
        // No tenant has a number that no column can hold.
        Some(tenant) => statement.bind(i64::try_from(tenant.0).unwrap_or(i64::MAX)),
        None => statement,
    })
}

/// What is written in one transaction.
pub(crate) struct Batch {
    pub(crate) at: Timestamp,
    pub(crate) changes: Vec<Change>,
    pub(crate) numbers: Numbers,
    pub(crate) audit: Vec<(Audit, Origin)>,
    /// The version of the catalogue with these changes, if it is another one.
    pub(crate) version: Option<u64>,
}

/// Who caused a change.
pub(crate) struct Origin {
    pub(crate) caller: String,
    pub(crate) request_id: String,
}

/// The catalogue as it is at one moment.
pub(crate) struct Loaded {
    pub(crate) memory: Memory,
    pub(crate) numbers: Numbers,
    pub(crate) version: u64,
}

/// The database, open and of the current schema.
pub(crate) enum Store {
    Sqlite(SqlitePool),
    Postgres(Arc<Server>),
}

impl Store {
    /// Opens the database and brings its schema up to date; a file is made if it
    /// is missing, a database is not.
    pub(crate) async fn open(url: &CatalogueUrl) -> Result<Self, OpenError> {
        match url {
            CatalogueUrl::Sqlite(path) => Ok(Self::Sqlite(sqlite::open(path).await?)),
            CatalogueUrl::Postgres(options) => {
                Ok(Self::Postgres(Arc::new(Server::open(options).await?)))
            }
        }
    }

    /// Whether other processes may change the catalogue.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(_) => true,
        }
    }

    /// The turn to change the catalogue, and the version that is changed: `None`
    /// where nobody else can have changed it.
    pub(crate) async fn begin(&self) -> Result<(Session, Option<u64>), StoreError> {
        match self {
            Self::Sqlite(pool) => Ok((Session::sqlite(pool.clone()), None)),
            Self::Postgres(server) => {
                let begun = server.begin_write().await?;
                let mut session = Session::postgres(server.clone(), begun);
                let version = session.lock_version().await?;
                Ok((session, Some(version)))
            }
        }
    }

    /// The catalogue as it is at one moment. Waits for no change that is under way.
    pub(crate) async fn load(&self, keys: &Keys) -> Result<Loaded, StoreError> {
        let mut session = self.read().await?;
        let loaded = session.load(keys).await?;
        session.rollback().await?;
        Ok(loaded)
    }

    /// The same, if it is not of the version that is known already.
    pub(crate) async fn newer(
        &self,
        known: u64,
        keys: &Keys,
    ) -> Result<Option<Loaded>, StoreError> {
        let mut session = self.read().await?;
        let loaded = match session.version().await? == known {
            true => None,
            false => Some(session.load(keys).await?),
        };
        session.rollback().await?;
        Ok(loaded)
    }

    /// Newest first.
    pub(crate) async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let statement = wanted(filter)?;
        let mut entries = Vec::new();
        let mut take = |row: dialect::Row<'_>| {
            entries.push(load::audit_entry(row)?);
            Ok(())
        };
        match self {
            // Outside of any transaction: one that writes would wait for the disk.
            Self::Sqlite(pool) => {
                let mut connection = pool.acquire().await?;
                let mut db = Connection::Sqlite(&mut connection);
                db.each(statement, take).await?;
            }
            Self::Postgres(server) => {
                let mut session = self.read().await?;
                let read = async {
                    let mut db = session.connection().await?;
                    db.each(statement, &mut take).await
                };
                server.bounded(STEP_MAX, read).await?;
                session.rollback().await?;
            }
        }
        Ok(entries)
    }

    /// Ends what is under way and lets go of the database.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(server) => server.close().await,
        }
    }

    async fn read(&self) -> Result<Session, StoreError> {
        match self {
            Self::Sqlite(pool) => Ok(Session::reading(pool.clone())),
            Self::Postgres(server) => {
                let begun = server.begin_read().await?;
                Ok(Session::postgres(server.clone(), begun))
            }
        }
    }

    /// Makes every write fail, or work again.
    #[cfg(test)]
    pub(crate) async fn set_read_only(&self, on: bool) {
        let Self::Sqlite(pool) = self else {
            panic!("only SQLite has this")
        };
        let pragma = if on {
            "PRAGMA query_only = ON"
        } else {
            "PRAGMA query_only = OFF"
        };
        sqlx::query(pragma).execute(pool).await.unwrap();
    }
}
