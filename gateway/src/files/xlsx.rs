//! Spreadsheets. The first sheet is read cell by cell, values alone: formulas are
//! neither evaluated nor written. What a file unpacks to is measured before it is
//! unpacked into memory.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, Reader as _, Xlsx};
use firn_protocol::limits::{
    IMPORT_COLUMNS_MAX, IMPORT_LINES_MAX, IMPORT_PARTS_MAX, IMPORT_UNPACKED_BYTES_MAX, NUMBER_MAX,
};
use firn_protocol::{ApiError, ApiResult, ErrorCode};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, XlsxError};
use zip::ZipArchive;

use super::{Cell, Row, too_large, unreadable};

/// # Errors
/// `BAD_REQUEST` for what is no such file or has too many lines,
/// `REQUEST_TOO_LARGE` for what unpacks to too much.
pub(super) fn read(bytes: &[u8]) -> ApiResult<Vec<Row>> {
    // The parsers see bytes from anywhere; a panic of theirs is one more bad file.
    let read = catch_unwind(AssertUnwindSafe(|| {
        require_small(bytes)?;
        sheet(bytes)
    }));
    read.unwrap_or_else(|_| Err(unreadable("not a readable xlsx")))
}

fn require_small(bytes: &[u8]) -> ApiResult<()> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > IMPORT_PARTS_MAX {
        return Err(too_large(format_args!("over {IMPORT_PARTS_MAX} parts")));
    }
    let mut left = IMPORT_UNPACKED_BYTES_MAX;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(broken)?;
        // What a part says of its own size may be a lie.
        let unpacked = io::copy(&mut part.take(left + 1), &mut io::sink()).map_err(broken)?;
        left = left.checked_sub(unpacked).ok_or_else(|| {
            too_large(format_args!(
                "unpacks to over {IMPORT_UNPACKED_BYTES_MAX} bytes"
            ))
        })?;
    }
    Ok(())
}

fn sheet(bytes: &[u8]) -> ApiResult<Vec<Row>> {
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let names = book.sheet_names();
    let first = names.first().ok_or_else(|| unreadable("no sheet"))?;
    let mut cells = book.worksheet_cells_reader(first).map_err(broken)?;
    let mut rows: BTreeMap<u32, Row> = BTreeMap::new();
    // Cells share texts in the file, and not in memory.
    let mut left = IMPORT_UNPACKED_BYTES_MAX;
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (at, column) = cell.get_position();
        let text = text(cell.get_value());
        if text.is_empty() {
            continue;
        }
        left = left
            .checked_sub(text.len() as u64)
            .ok_or_else(|| too_large("its cells hold too much text"))?;
        let count = rows.len();
        let row = rows.entry(at).or_insert_with(|| Row {
            line: u64::from(at) + 1,
            cells: Vec::new(),
            fault: None,
        });
        if count > IMPORT_LINES_MAX + 1 {
            return Err(unreadable(format_args!("over {IMPORT_LINES_MAX} lines")));
        }
        put(row, column, text);
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.retain(|row| !row.is_blank());
    super::csv::require_few(&rows)?;
    Ok(rows)
}

fn put(row: &mut Row, column: u32, text: String) {
    let column = column as usize;
    if column >= IMPORT_COLUMNS_MAX {
        row.fault = Some("too many cells");
        return;
    }
    if row.cells.len() <= column {
        row.cells.resize(column + 1, String::new());
    }
    row.cells[column] = text;
}

/// A value as a person sees it.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone()
        }
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => decimal(*number),
        DataRef::DateTime(time) => decimal(time.as_f64()),
        DataRef::Bool(true) => "TRUE".to_owned(),
        DataRef::Bool(false) => "FALSE".to_owned(),
        DataRef::Error(error) => error.to_string(),
    }
}

fn decimal(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() <= NUMBER_MAX as f64 {
        return (number as i64).to_string();
    }
    number.to_string()
}

fn broken(error: impl std::fmt::Display) -> ApiError {
    let text: String = error.to_string().chars().take(200).collect();
    unreadable(format_args!("not a readable xlsx: {text}"))
}

/// # Errors
/// `BAD_REQUEST` for a text that no cell of a spreadsheet holds.
pub(super) fn write(rows: &[Vec<Cell>]) -> ApiResult<Vec<u8>> {
    let refused = |error: XlsxError| {
        let is_ours = matches!(error, XlsxError::MaxStringLengthExceeded);
        let code = if is_ours || matches!(error, XlsxError::RowColumnLimitError) {
            ErrorCode::BadRequest
        } else {
            ErrorCode::Internal
        };
        ApiError::new(code, format!("format: {error}; csv has no such limit"))
    };
    let mut book = Workbook::new();
    // Equal lists make equal files, whenever they are written.
    let made = ExcelDateTime::from_ymd(2000, 1, 1).map_err(refused)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let sheet = book.add_worksheet();
    for (row, cells) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(cells) {
            let written = match cell {
                Cell::Text(text) => sheet.write_string(row, column, text),
                Cell::Number(number) if *number > NUMBER_MAX => {
                    sheet.write_string(row, column, number.to_string())
                }
                Cell::Number(number) => sheet.write_number(row, column, *number as f64),
            };
            written.map_err(refused)?;
        }
    }
    book.save_to_buffer().map_err(refused)
}
