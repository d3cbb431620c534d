//! A transaction on the catalogue, on either database.

use std::sync::Arc;
use std::time::Duration;

use firn_protocol::Timestamp;
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::dialect::{Connection, query};
use super::postgres::{self, LOAD_MAX, STEP_MAX, Server};
use super::{Batch, Loaded, VERSION, books, load, write};
use crate::catalogue::DENIED;
use crate::error::StoreError;
use crate::keys::Keys;

/// What each change of a batch may take on top of the time that all of it may.
const CHANGE_MAX: Duration = Duration::from_millis(50);

/// Nothing of it is there until [`Self::commit`] or [`Self::write`] ends well, and
/// nothing ever will be if it is dropped before.
pub(crate) struct Session(Kind);

enum Kind {
    /// Begins with its first statement, by this one: until then it costs nothing.
    Idle(SqlitePool, &'static str),
    Sqlite(Transaction<'static, Sqlite>),
    /// Boxed, being far larger.
    Postgres(Arc<Server>, Box<postgres::Session>),
}

impl Session {
    pub(super) fn sqlite(pool: SqlitePool) -> Self {
        Self(Kind::Idle(pool, "BEGIN IMMEDIATE"))
    }

    /// One that writes nothing, and so waits for no disk.
    pub(super) fn reading(pool: SqlitePool) -> Self {
        Self(Kind::Idle(pool, "BEGIN"))
    }

    pub(super) fn postgres(server: Arc<Server>, session: postgres::Session) -> Self {
        Self(Kind::Postgres(server, Box::new(session)))
    }

    /// The version of the catalogue. On PostgreSQL nobody else can change anything
    /// from here on until the session ends.
    pub(super) async fn lock_version(&mut self) -> Result<u64, StoreError> {
        let server = self.server();
        let lock = async {
            let mut db = self.connection().await?;
            let sql = db.either(
                "SELECT value FROM setting WHERE name = $1",
                "SELECT value FROM setting WHERE name = $1 FOR UPDATE",
            );
            load::parsed_version(db.text(query(sql).bind(VERSION)).await?)
        };
        bounded(server, STEP_MAX, lock).await
    }

    /// The version of the catalogue as this transaction sees it.
    pub(super) async fn version(&mut self) -> Result<u64, StoreError> {
        let server = self.server();
        let read = async { load::version(&mut self.connection().await?).await };
        bounded(server, STEP_MAX, read).await
    }

    /// Everything that is kept in memory.
    pub(crate) async fn load(&mut self, keys: &Keys) -> Result<Loaded, StoreError> {
        let server = self.server();
        let load = async { load::all(&mut self.connection().await?, keys).await };
        bounded(server, LOAD_MAX, load).await
    }

    pub(crate) async fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let server = self.server();
        let read = async {
            let sql = "SELECT value FROM setting WHERE name = $1";
            let mut db = self.connection().await?;
            db.text(query(sql).bind(name)).await
        };
        bounded(server, STEP_MAX, read).await
    }

    pub(crate) async fn set_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let server = self.server();
        let write = async { write::setting(&mut self.connection().await?, name, value).await };
        bounded(server, STEP_MAX, write).await
    }

    /// Rows about what was refused are dropped sooner than the others.
    pub(crate) async fn drop_audit_before(
        &mut self,
        time: Timestamp,
        denied: Timestamp,
    ) -> Result<(), StoreError> {
        let server = self.server();
        let write = async {
            let sql = "DELETE FROM audit WHERE at < $1 OR (action = $2 AND at < $3)";
            let statement = query(sql).bind(write::int(time.0)?);
            let statement = statement.bind(DENIED).bind(write::int(denied.0)?);
            self.connection().await?.run(statement).await
        };
        bounded(server, LOAD_MAX, write).await
    }

    /// Begins the books if there are none.
    pub(crate) async fn open_books(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let server = self.server();
        let open = async { books::open(&mut self.connection().await?, now).await };
        bounded(server, STEP_MAX, open).await
    }

    /// Writes a batch and ends: durable when answered.
    pub(crate) async fn write(mut self, batch: &Batch, keys: &Keys) -> Result<(), StoreError> {
        let server = self.server();
        let write = async {
            let mut db = self.connection().await?;
            for change in &batch.changes {
                write::change(&mut db, change, batch.at, keys).await?;
            }
            if !batch.terms.is_empty() {
                books::terms::restore(&mut db, &batch.terms).await?;
            }
            write::numbers(&mut db, &batch.numbers).await?;
            for (audit, origin) in &batch.audit {
                write::audit(&mut db, batch.at, audit, origin).await?;
            }
            if let Some(version) = batch.version {
                write::setting(&mut db, VERSION, &version.to_string()).await?;
            }
            self.commit().await
        };
        // A restore writes all there is as one batch.
        let max = STEP_MAX + CHANGE_MAX * u32::try_from(batch.changes.len()).unwrap_or(u32::MAX);
        bounded(server, max, write).await
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.0 {
            Kind::Idle(..) => Ok(()),
            Kind::Sqlite(transaction) => Ok(transaction.commit().await?),
            Kind::Postgres(server, session) => server.bounded(STEP_MAX, session.commit()).await,
        }
    }

    /// Ends without a trace, faster than dropping it: the connection is kept.
    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        match self.0 {
            Kind::Idle(..) => Ok(()),
            Kind::Sqlite(transaction) => Ok(transaction.rollback().await?),
            Kind::Postgres(server, session) => server.bounded(STEP_MAX, session.rollback()).await,
        }
    }

    pub(super) async fn connection(&mut self) -> Result<Connection<'_>, StoreError> {
        if let Kind::Idle(pool, begin) = &self.0 {
            self.0 = Kind::Sqlite(pool.begin_with(*begin).await?);
        }
        match &mut self.0 {
            Kind::Idle(..) => Err(sqlx::Error::BeginFailed.into()),
            Kind::Sqlite(transaction) => Ok(Connection::Sqlite(transaction)),
            Kind::Postgres(_, session) => Ok(Connection::Postgres(session.connection())),
        }
    }

    pub(super) fn server(&self) -> Option<Arc<Server>> {
        match &self.0 {
            Kind::Postgres(server, _) => Some(server.clone()),
            Kind::Idle(..) | Kind::Sqlite(_) => None,
        }
    }
}

/// A server may fall silent; a file does not.
pub(super) async fn bounded<T>(
    server: Option<Arc<Server>>,
    max: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match server {
        Some(server) => server.bounded(max, work).await,
        None => work.await,
    }
}
