//! The catalogue in a PostgreSQL database, which other processes may share. Owns
//! the connections: one to write, one to read, one for the books, made when they are needed and
//! given up at the first error, so that a server that went away and came back
//! is found again by the next call. Promises that no call hangs.

use std::future::Future;
use std::io::ErrorKind::InvalidData;
use std::sync::Arc;
use std::time::Duration;

use firn_runtime::Clock;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _, raw_sql};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::schema;
use crate::error::{OpenError, StoreError};

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// For everything but reading the whole catalogue.
pub(super) const STEP_MAX: Duration = Duration::from_secs(15);
pub(super) const LOAD_MAX: Duration = Duration::from_secs(300);

/// Changes of all processes happen one after another: each begins by locking the
/// row of the version. The server gives up on who holds it and does nothing,
/// and on who waits for too long.
const BEGIN_WRITE: &str = "BEGIN; SET LOCAL lock_timeout = '10s'; \
     SET LOCAL idle_in_transaction_session_timeout = '10s'";
/// All tables as they were at one moment.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A database and the way to it.
pub(crate) struct Server {
    options: PgConnectOptions,
    writing: Line,
    reading: Line,
    /// For the meter's books, which change beside the catalogue.
    booking: Line,
    /// Of the machine, whatever clock the service has: it only bounds waiting.
    clock: Clock,
}

/// A connection that is idle, or room for one.
type Line = Arc<Mutex<Idle>>;

#[derive(Default)]
pub(super) struct Idle {
    connection: Option<PgConnection>,
    is_closed: bool,
}

/// A transaction. Dropped without an end, it takes its connection with it, and
/// the server undoes what was done.
pub(super) struct Session {
    line: OwnedMutexGuard<Idle>,
    connection: PgConnection,
}

impl Server {
    /// Connects, and makes sure that the database holds a catalogue of this
    /// version, making it in an empty one.
    pub(super) async fn open(options: &PgConnectOptions) -> Result<Self, OpenError> {
        let server = Self {
            options: options.clone(),
            writing: Line::default(),
            reading: Line::default(),
            booking: Line::default(),
            clock: Clock::system(),
        };
        let mut connection = server
            .connect()
            .await
            .map_err(|error| server.refusal(&error))?;
        server.bounded(LOAD_MAX, prepare(&mut connection)).await?;
        server.writing.lock().await.connection = Some(connection);
        Ok(server)
    }

    /// The transaction of a change.
    pub(super) async fn begin_write(&self) -> Result<Session, StoreError> {
        self.bounded(STEP_MAX, self.begin(&self.writing, BEGIN_WRITE))
            .await
    }

    /// The transaction of a change of the books.
    pub(super) async fn begin_books(&self) -> Result<Session, StoreError> {
        self.bounded(STEP_MAX, self.begin(&self.booking, BEGIN_WRITE))
            .await
    }

    pub(super) async fn begin_read(&self) -> Result<Session, StoreError> {
        self.bounded(STEP_MAX, self.begin(&self.reading, BEGIN_READ))
            .await
    }

    /// Gives up on `work` after a time: its connection must go with it.
    pub(super) async fn bounded<T, E: From<StoreError>>(
        &self,
        max: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            done = work => done,
            () = self.clock.sleep(max) => Err(StoreError::Silent { max }.into()),
        }
    }

    /// Refuses new transactions and waits for those that are under way.
    pub(super) async fn close(&self) {
        for line in [&self.writing, &self.reading, &self.booking] {
            let mut line = line.lock().await;
            line.is_closed = true;
            if let Some(connection) = line.connection.take() {
                let closed = async { Ok::<_, StoreError>(connection.close().await?) };
                // The server notices in any case.
                let _ = self.bounded(CONNECT_MAX, closed).await;
            }
        }
    }

    async fn begin(&self, line: &Line, statement: &'static str) -> Result<Session, StoreError> {
        let mut line = line.clone().lock_owned().await;
        if line.is_closed {
            return Err(sqlx::Error::PoolClosed.into());
        }
        if let Some(mut connection) = line.connection.take() {
            // The server may have gone since, and come back: nothing was asked of
            // it yet, so that a new connection makes up for it.
            match connection.execute(raw_sql(statement)).await {
                Ok(_) => return Ok(Session { line, connection }),
                Err(error) => tracing::debug!(%error, "a new connection to the catalogue"),
            }
        }
        let mut connection = self.connect().await?;
        connection.execute(raw_sql(statement)).await?;
        Ok(Session { line, connection })
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connect = async { Ok(self.options.connect().await?) };
        self.bounded(CONNECT_MAX, connect).await
    }

    /// Why there is no connection, in one line and without the password.
    fn refusal(&self, error: &StoreError) -> OpenError {
        let user = self.options.get_username();
        let database = self.options.get_database().unwrap_or(user);
        let reason = match error {
            StoreError::Database(sqlx::Error::Io(error)) if error.kind() != InvalidData => {
                format!("the server does not answer: {error}")
            }
            // What TLS says of the other end arrives as the latter.
            StoreError::Database(error @ (sqlx::Error::Tls(_) | sqlx::Error::Io(_))) => {
                format!("no secure connection to the server: {error}")
            }
            StoreError::Database(sqlx::Error::Database(error)) => match error.code().as_deref() {
                Some("28P01" | "28000") => {
                    format!("the server refuses user '{user}': {}", error.message())
                }
                Some("3D000") => {
                    format!("the server has no database '{database}'; make it with CREATE DATABASE")
                }
                _ => format!("the server refuses: {}", error.message()),
            },
            StoreError::Database(_)
            | StoreError::Schema(_)
            | StoreError::Silent { .. }
            | StoreError::Damaged { .. } => error.to_string(),
        };
        OpenError::Server {
            place: place(&self.options),
            reason: reason.replace('\n', " "),
        }
    }
}

impl Session {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.end("COMMIT").await
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        self.end("ROLLBACK").await
    }

    /// The connection is kept for the next transaction.
    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        self.connection.execute(raw_sql(statement)).await?;
        self.line.connection = Some(self.connection);
        Ok(())
    }
}

/// Where a database is, for people to read.
pub(crate) fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    let port = options.get_port();
    match options.get_socket() {
        Some(folder) => format!("'{database}' at {}, port {port}", folder.display()),
        None => format!("'{database}' at {}:{port}", options.get_host()),
    }
}

async fn prepare(db: &mut PgConnection) -> Result<(), OpenError> {
    let row = raw_sql(
        "SELECT current_setting('server_encoding'), current_schema(),
                to_regclass('setting') IS NOT NULL
                    AND to_regclass('consumer_group') IS NOT NULL
                    AND to_regclass('_sqlx_migrations') IS NOT NULL,
                (SELECT count(*) FROM pg_catalog.pg_tables
                 WHERE schemaname = current_schema() AND tablename <> '_sqlx_migrations')",
    );
    let row = row.fetch_one(&mut *db).await.map_err(StoreError::from)?;
    let get = StoreError::from;
    let encoding: String = row.try_get(0).map_err(get)?;
    let schema: Option<String> = row.try_get(1).map_err(get)?;
    let (is_ours, tables): (bool, i64) =
        (row.try_get(2).map_err(get)?, row.try_get(3).map_err(get)?);
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { encoding });
    }
    if schema.is_none() {
        return Err(OpenError::NoSchema);
    }
    if !is_ours && tables > 0 {
        return Err(OpenError::ForeignTables);
    }
    // Otherwise each start is told that the table of steps is there already.
    let quiet = "SET client_min_messages = warning";
    db.execute(raw_sql(quiet)).await.map_err(StoreError::from)?;
    schema::update_postgres(db).await?;
    // The row that changes lock.
    let version = "INSERT INTO setting (name, value) VALUES ('version', '0')
                   ON CONFLICT (name) DO NOTHING";
    let made = db.execute(raw_sql(version)).await;
    made.map_err(StoreError::from)?;
    Ok(())
}
