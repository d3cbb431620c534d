//! CSV: UTF-8 or GBK in, UTF-8 with BOM out. A broken quote costs its own line:
//! the reader of the `csv` crate takes whatever comes, so what it took is looked at
//! again, and reading goes on at the next line.

use std::borrow::Cow;

use csv::{QuoteStyle, ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use encoding_rs::GBK;
use firn_protocol::limits::{IMPORT_COLUMNS_MAX, IMPORT_LINES_MAX};
use firn_protocol::{ApiError, ApiResult, ErrorCode};

use super::{Cell, Row, unreadable};

const BOM: &str = "\u{feff}";
/// Lines with broken quotes that are read over: each costs a reader of its own.
const BROKEN_MAX: usize = 100;
const BROKEN: &str = "a quoted cell does not end, or text follows its end";
/// A cell that begins with one of these is taken for a formula by spreadsheets, the
/// wide forms by some.
const FORMULA: [char; 10] = [
    '=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

/// # Errors
/// `BAD_REQUEST` for an unknown encoding or too many lines.
pub(super) fn read(bytes: &[u8]) -> ApiResult<Vec<Row>> {
    let text = decode(bytes)?;
    let mut rows = Vec::new();
    let mut place = Place::new(&text);
    let (mut start, mut broken) = (0, 0);
    while let Some(end) = read_from(&text, start, &mut place, &mut rows)? {
        broken += 1;
        if broken > BROKEN_MAX {
            let fault = "the rest is not read: too many lines with broken quotes";
            rows.push(place.row(end, Vec::new(), Some(fault)));
            break;
        }
        start = end;
    }
    Ok(rows)
}

/// Reads up to the end, or up to a line with broken quotes; then where to go on.
fn read_from(
    text: &str,
    start: usize,
    place: &mut Place<'_>,
    rows: &mut Vec<Row>,
) -> ApiResult<Option<usize>> {
    let rest = &text[start..];
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(rest.as_bytes());
    let mut record = StringRecord::new();
    let mut from = 0;
    while reader.read_record(&mut record).map_err(unreadable)? {
        let to = usize::try_from(reader.position().byte()).unwrap_or(rest.len());
        let raw = rest.get(from..to).unwrap_or_default();
        let blank = raw.len() - raw.trim_start_matches(['\r', '\n']).len();
        let raw = &raw[blank..];
        let at = start + from + blank;
        if !is_well_quoted(raw) {
            let line = raw.split(['\r', '\n']).next().unwrap_or_default();
            // Cells that cannot be trusted; the first is good enough to show.
            let first = line.split(',').next().unwrap_or_default();
            let shown = vec![first.trim_matches('"').to_owned()];
            rows.push(place.row(at, shown, Some(BROKEN)));
            require_few(rows)?;
            return Ok(Some(at + line.len()));
        }
        let fault = (record.len() > IMPORT_COLUMNS_MAX).then_some("too many cells");
        let row = place.row(at, cells(&record), fault);
        if !row.is_blank() {
            rows.push(row);
            require_few(rows)?;
        }
        from = to;
    }
    Ok(None)
}

fn cells(record: &StringRecord) -> Vec<String> {
    let cells = record.iter().take(IMPORT_COLUMNS_MAX);
    cells.map(|cell| bare(cell).to_owned()).collect()
}

pub(super) fn require_few(rows: &[Row]) -> ApiResult<()> {
    // One of them is the header.
    if rows.len() > IMPORT_LINES_MAX + 1 {
        return Err(unreadable(format_args!("over {IMPORT_LINES_MAX} lines")));
    }
    Ok(())
}

/// Whether each quoted cell ends, and nothing stands between its end and the next cell.
fn is_well_quoted(record: &str) -> bool {
    #[derive(PartialEq)]
    enum At {
        Start,
        Plain,
        Quoted,
        Closed,
    }
    let mut at = At::Start;
    for byte in record.bytes() {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) | (At::Start | At::Closed, b'"') => At::Quoted,
            (At::Start | At::Plain | At::Closed, b',' | b'\r' | b'\n') => At::Start,
            (At::Start | At::Plain, _) => At::Plain,
            (At::Closed, _) => return false,
        };
    }
    at != At::Quoted
}

/// Counts lines up to a place, which only moves forward.
struct Place<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Place<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            line: 1,
        }
    }

    /// The row that begins at a byte.
    fn row(&mut self, at: usize, cells: Vec<String>, fault: Option<&'static str>) -> Row {
        while self.at < at.min(self.text.len()) {
            let next = self.text.get(self.at + 1);
            let is_end = match self.text[self.at] {
                b'\n' => true,
                b'\r' => next != Some(&b'\n'),
                _ => false,
            };
            self.line += u64::from(is_end);
            self.at += 1;
        }
        Row {
            line: self.line,
            cells,
            fault,
        }
    }
}

fn decode(bytes: &[u8]) -> ApiResult<Cow<'_, str>> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(unreadable("UTF-16; save it as CSV in UTF-8"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text.strip_prefix(BOM).unwrap_or(text))),
        Err(error) if bytes.starts_with(BOM.as_bytes()) => Err(unreadable(format_args!(
            "not UTF-8 at byte {}, although its mark says so",
            error.valid_up_to()
        ))),
        Err(_) => GBK
            .decode_without_bom_handling_and_without_replacement(bytes)
            .ok_or_else(|| unreadable("neither UTF-8 nor GBK")),
    }
}

/// # Errors
/// `INTERNAL`, which memory does not do.
pub(super) fn write(rows: &[Vec<Cell>]) -> ApiResult<Vec<u8>> {
    let failed =
        |error: &dyn std::fmt::Display| ApiError::new(ErrorCode::Internal, format!("CSV: {error}"));
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .quote_style(QuoteStyle::Necessary)
        .flexible(true)
        .from_writer(BOM.as_bytes().to_vec());
    for row in rows {
        let cells = row.iter().map(|cell| match cell {
            Cell::Text(text) => guarded(text),
            Cell::Number(number) => Cow::Owned(number.to_string()),
        });
        let cells: Vec<Cow<'_, str>> = cells.collect();
        let written = writer.write_record(cells.iter().map(|cell| cell.as_bytes()));
        written.map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(error.error()))
}

/// A text that no spreadsheet takes for a formula: an apostrophe before it. One more
/// before a text that has them already, so that [`bare`] gives back every text.
fn guarded(text: &str) -> Cow<'_, str> {
    match is_formula(text) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

/// What [`guarded`] was given.
fn bare(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        Some(_) | None => cell,
    }
}

fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<(u64, Vec<String>, bool)> {
        let rows = read(text.as_bytes()).expect("readable").into_iter();
        rows.map(|row| (row.line, row.cells, row.fault.is_some()))
            .collect()
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "", "1,\"x", "y\"", ",", "2,z"].join(end);
            let found = lines(&text);
            let numbers: Vec<u64> = found.iter().map(|(line, ..)| *line).collect();
            assert_eq!(numbers, [1, 3, 6], "{end:?}");
            assert_eq!(found[1].1, ["1".to_owned(), format!("x{end}y")]);
        }
    }

    #[test]
    fn broken_quotes_cost_their_line_alone() {
        for bad in ["\"b,1", "b,\"1", "\"b\"x,1", "b,\"1\"2,3"] {
            for (rest, named) in [("c,2\nd,3", "c"), ("c,\"2\"\nd,\"3\"", "c")] {
                let found = lines(&format!("name,n\na,1\n{bad}\n{rest}\n"));
                let faults: Vec<bool> = found.iter().map(|(.., fault)| *fault).collect();
                assert_eq!(
                    faults,
                    [false, false, true, false, false],
                    "{bad}: {found:?}"
                );
                assert_eq!((found[2].0, found[3].0), (3, 4), "{bad}");
                assert_eq!(found[3].1[0], named, "{bad}");
            }
        }
        let many = format!("n\n{}", "\"x\n".repeat(1001));
        let found = lines(&many);
        assert_eq!(
            found.len(),
            BROKEN_MAX + 3,
            "each, and that the rest is not read"
        );
        assert!(found.iter().skip(1).all(|(.., fault)| *fault));
    }

    #[test]
    fn too_many_lines_are_refused() {
        let text = |lines: usize| "a\n".repeat(lines + 1);
        assert_eq!(lines(&text(IMPORT_LINES_MAX)).len(), IMPORT_LINES_MAX + 1);
        let error = read(text(IMPORT_LINES_MAX + 1).as_bytes()).expect_err("too many");
        assert!(error.message.contains("10000"), "{error}");
    }

    #[test]
    fn encodings_are_told_apart() {
        let text = "订阅组名,备注\r\ng,\u{4e00}\r\n";
        let (gbk, _, lossy) = GBK.encode(text);
        assert!(!lossy);
        let marked = format!("{BOM}{text}");
        let plain = read(text.as_bytes()).expect("UTF-8");
        assert_eq!(plain[0].cells, ["订阅组名", "备注"]);
        assert_eq!(read(marked.as_bytes()).expect("with BOM"), plain);
        assert_eq!(read(&gbk).expect("GBK"), plain);
        for (bytes, named) in [
            (&b"\xff\xfea\0"[..], "UTF-16"),
            (b"\xef\xbb\xbf\xb6\xa9", "although its mark"),
            (b"\xb6\xff\xff", "neither"),
        ] {
            let error = read(bytes).expect_err("no such encoding");
            assert!(error.message.contains(named), "{error}");
        }
    }

    proptest! {
        #[test]
        fn texts_come_back_and_are_no_formulas(
            rows in prop::collection::vec(
                prop::collection::vec("['=+@\\-\t\r\n\",a\u{ff1d}中]{0,6}|\\PC{0,8}", 2..5), 1..5),
        ) {
            // A row of blanks is none, so each has a name.
            let named = rows.iter().map(|row| {
                std::iter::once(Cell::text("n")).chain(row.iter().map(Cell::text)).collect()
            });
            let named: Vec<Vec<Cell>> = named.collect();
            let bytes = write(&named).expect("written");
            let text = std::str::from_utf8(&bytes).expect("UTF-8");
            let mut raw = csv::ReaderBuilder::new().has_headers(false).flexible(true)
                .from_reader(text.strip_prefix(BOM).expect("marked").as_bytes());
            for record in raw.records() {
                for cell in &record.expect("well-formed") {
                    prop_assert!(!cell.starts_with(FORMULA), "{cell:?}");
                }
            }
            let read = read(&bytes).expect("readable");
            prop_assert_eq!(read.len(), rows.len());
            for (row, expected) in read.iter().zip(&rows) {
                prop_assert!(row.fault.is_none());
                prop_assert_eq!(&row.cells[1..], &expected[..]);
            }
        }
    }
}
