//! Topics and groups as files (SEED_SPEC 7). Owns what a file looks like: encodings,
//! columns, header words, the codes in cells. Promises that any bytes get an answer
//! within bounds of memory, and that a bad line costs nothing but itself. Whether
//! something may be made is left to `ops::import`.

mod columns;
mod csv;
mod export;
pub(crate) mod groups;
pub(crate) mod topics;
mod values;
mod xlsx;

#[cfg(test)]
mod tests;

use firn_protocol::limits::IMPORT_BYTES_MAX;
use firn_protocol::{ApiError, ApiResult, ErrorCode};

use crate::entry::excerpt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Xlsx,
}

impl Format {
    /// # Errors
    /// `BAD_REQUEST` for anything but `csv` and `xlsx`.
    pub(crate) fn named(text: &str) -> ApiResult<Self> {
        match text {
            "csv" => Ok(Self::Csv),
            "xlsx" => Ok(Self::Xlsx),
            _ => Err(ApiError::field("format", "neither csv nor xlsx")),
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// A cell to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    Number(u64),
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    /// As an editor or a spreadsheet numbers it, from 1.
    line: u64,
    cells: Vec<String>,
    /// Why its cells cannot be trusted.
    fault: Option<&'static str>,
}

impl Row {
    fn is_blank(&self) -> bool {
        self.fault.is_none() && self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

/// What a line of a file asks for.
#[derive(Debug)]
pub(crate) struct Line<F> {
    pub(crate) number: u64,
    /// As it stands there; cut off where it cannot be a name.
    pub(crate) name: String,
    /// The broker that the line is about, in files that have a line for each.
    pub(crate) broker: Option<String>,
    pub(crate) fields: ApiResult<F>,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Listing<F> {
    pub(crate) lines: Vec<Line<F>>,
    /// Headers that say nothing to us.
    pub(crate) ignored: Vec<String>,
}

/// What an export is asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    /// Only its line of this broker.
    pub(crate) broker: Option<String>,
}

impl Wanted {
    /// `NAME`, or `NAME@BROKER`.
    pub(crate) fn read(text: &str) -> Self {
        let (name, broker) = match text.split_once('@') {
            Some((name, broker)) => (name, Some(excerpt(broker))),
            None => (text, None),
        };
        Self {
            name: excerpt(name),
            broker,
        }
    }
}

/// Which lines an export has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// None means all.
    pub(crate) names: Vec<Wanted>,
    /// Names of brokers; none means all.
    pub(crate) brokers: Vec<String>,
    /// Also what the guide's columns cannot say.
    pub(crate) all_columns: bool,
}

impl Selection {
    fn has(&self, name: &str, broker: &str) -> bool {
        let is_wanted = |wanted: &Wanted| {
            let on = wanted.broker.as_deref();
            wanted.name == name && on.is_none_or(|on| on == broker)
        };
        self.has_broker(broker) && (self.names.is_empty() || self.names.iter().any(is_wanted))
    }

    fn has_broker(&self, name: &str) -> bool {
        self.brokers.is_empty() || self.brokers.iter().any(|wanted| wanted == name)
    }
}

/// The format is told by the bytes: what senders say of it is often wrong.
fn read(bytes: &[u8]) -> ApiResult<Vec<Row>> {
    /// Of zip, and so of xlsx.
    const PACKED: &[u8] = b"PK\x03\x04";
    /// Of the compound files that spreadsheets were before 2007.
    const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0";
    if bytes.len() as u64 > IMPORT_BYTES_MAX {
        return Err(too_large(format_args!("over {IMPORT_BYTES_MAX} bytes")));
    }
    if bytes.starts_with(COMPOUND) {
        return Err(unreadable(
            "an old or encrypted spreadsheet; save it as xlsx without a password, or as CSV",
        ));
    }
    if bytes.starts_with(PACKED) {
        xlsx::read(bytes)
    } else {
        csv::read(bytes)
    }
}

fn write(format: Format, rows: &[Vec<Cell>]) -> ApiResult<Vec<u8>> {
    match format {
        Format::Csv => csv::write(rows),
        Format::Xlsx => xlsx::write(rows),
    }
}

fn unreadable(why: impl std::fmt::Display) -> ApiError {
    ApiError::field("file", why)
}

pub(crate) fn too_large(why: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::RequestTooLarge, format!("file: {why}"))
}
