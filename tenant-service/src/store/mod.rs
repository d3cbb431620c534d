//! The catalogue in its database: a SQLite file or PostgreSQL. Owns every
//! statement and the stored form of rows; promises that a batch is written whole
//! or not at all and is durable when answered, and that changes of all
//! processes on one database have one order. Knows no rules of the catalogue.

mod audit;
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
use sqlx::SqlitePool;

use crate::billing::part::StoredTerm;
use crate::catalogue::memory::Memory;
use crate::catalogue::{Audit, Change, Numbers};
use crate::config::CatalogueUrl;
use crate::error::{OpenError, StoreError};
use crate::keys::Keys;
pub(crate) use books::Recorded;
pub(crate) use books::bills::{Found, Term};
pub(crate) use books::hours::HourRow;
pub(crate) use books::verify::Evidence;
use postgres::Server;
pub(crate) use postgres::place;
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

/// What is written in one transaction.
pub(crate) struct Batch {
    pub(crate) at: Timestamp,
    pub(crate) changes: Vec<Change>,
    pub(crate) numbers: Numbers,
    pub(crate) audit: Vec<(Audit, Origin)>,
    /// Of a restore: what takes the place of the terms that the changes begin.
    pub(crate) terms: Vec<StoredTerm>,
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
