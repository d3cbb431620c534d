//! What can go wrong, and how callers are told: errors of the store become
//! `CATALOGUE_UNAVAILABLE`, broken rules carry their own public code.

use std::path::PathBuf;
use std::time::Duration;

use firn_protocol::{ApiError, ErrorCode};

/// Why the service did not start. One line each.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("catalogue URL: {rule}")]
    Url { rule: String },
    #[error("catalogue {path}: {source}")]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("master key file {path}: {source}")]
    KeyFile {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("master key file {path}: {rule}")]
    KeyFileForm { path: PathBuf, rule: &'static str },
    #[error("master key file {path} is missing, but the catalogue was made with one")]
    KeyMissing { path: PathBuf },
    #[error("master key file {path} holds another key than the one the catalogue was made with")]
    WrongKey { path: PathBuf },
    #[error("catalogue {place}: there is none")]
    NoCatalogue { place: String },
    #[error("operator password: {rule}")]
    Password { rule: String },
    #[error("catalogue {place}: there is one already, an export goes into a new one")]
    Exists { place: String },
    #[error("catalogue export: {0}")]
    Export(#[from] ExportError),
    #[error("the catalogue was written by a newer version of this program")]
    TooNew,
    /// The way to a PostgreSQL server. Never holds the password.
    #[error("catalogue {place}: {reason}")]
    Server { place: String, reason: String },
    #[error("catalogue: the database has tables that are not Firn's; give it one of its own")]
    ForeignTables,
    #[error("catalogue: the database has no schema to make tables in, see its search_path")]
    NoSchema,
    #[error("catalogue: the database keeps text as {encoding}; make it with ENCODING 'UTF8'")]
    Encoding { encoding: String },
    #[error("catalogue: {0}")]
    Store(#[from] StoreError),
}

/// What is wrong with an export of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error(
        "written by a newer version of this program (format {found}, this one reads up to {known})"
    )]
    Newer { found: u16, known: u16 },
    #[error("damaged: {0}")]
    Damaged(&'static str),
    #[error("{bytes} bytes, more than the {max} that an export may have")]
    TooLarge { bytes: u64, max: u64 },
}

/// A failure of the database under the catalogue.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("schema: {0}")]
    Schema(#[from] sqlx::migrate::MigrateError),
    #[error("no answer within {} s", .max.as_secs())]
    Silent { max: Duration },
    #[error("table {table}: {problem}")]
    Damaged {
        table: &'static str,
        problem: String,
    },
}

impl From<StoreError> for ApiError {
    /// The cause stays in the log; callers learn that the change did not happen.
    fn from(_: StoreError) -> Self {
        unavailable()
    }
}

pub(crate) fn unavailable() -> ApiError {
    ApiError::new(
        ErrorCode::CatalogueUnavailable,
        "the catalogue cannot be changed now; existing topics go on working",
    )
}

pub(crate) fn books_unavailable() -> ApiError {
    ApiError::new(
        ErrorCode::CatalogueUnavailable,
        "the meter's books cannot be read or written now; nothing is lost",
    )
}

/// Why a bootstrap file was not applied; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Not TOML, or not of the shape of a bootstrap file.
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
    /// An entry that breaks a rule.
    #[error("{path}: {source}", source = source.message)]
    Entry { path: String, source: ApiError },
    /// The catalogue could not be written.
    #[error("{0}")]
    Store(ApiError),
}
