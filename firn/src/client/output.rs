//! What verbs print: raw bodies, JSON lines, tables. Standard output carries
//! the answer and nothing else; remarks go to standard error.

use std::io::{self, Stdout, Write};

use chrono::{DateTime, SecondsFormat};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Longer cells are cut in tables; `--json` has everything.
const CELL_CHARS_MAX: usize = 60;

pub(super) struct Out<W: Write = Stdout> {
    pub(super) json: bool,
    writer: W,
}

impl Out {
    #[must_use]
    pub(super) fn stdout(json: bool) -> Self {
        Self::new(json, io::stdout())
    }
}

impl<W: Write> Out<W> {
    pub(super) fn new(json: bool, writer: W) -> Self {
        Self { json, writer }
    }

    /// # Errors
    /// When standard output does not take it.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Bytes as they are, and the end of the line.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.write_all(b"\n")
    }

    /// # Errors
    /// When standard output does not take it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// Rows under a header.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub(super) fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(header.iter().map(|name| name.to_uppercase()));
        for row in rows {
            table.add_row(row.iter().map(|text| cell(text)));
        }
        self.trimmed(&table)
    }

    /// The fields of one object, one a line.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub(super) fn object(&mut self, object: &Value) -> io::Result<()> {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        for (name, value) in object.as_object().into_iter().flatten() {
            table.add_row([name.clone(), cell(&shown(name, value))]);
        }
        self.trimmed(&table)
    }

    fn trimmed(&mut self, table: &Table) -> io::Result<()> {
        for line in table.to_string().lines() {
            let line = line.strip_prefix(' ').unwrap_or(line);
            self.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// A remark for the person at the terminal.
pub(super) fn remark(text: &str) {
    // If standard error is gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "firn: {}", one_line(text));
}

/// A field of an object as text; times in words, nothing for null.
#[must_use]
pub(super) fn shown(name: &str, value: &Value) -> String {
    let is_time = name.ends_with("Timestamp") || name.ends_with("At") || name.ends_with("Until");
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) if is_time => number.as_i64().map_or(number.to_string(), time),
        Value::Array(items) => {
            let items = items.iter().map(|item| shown("", item));
            items.collect::<Vec<_>>().join(",")
        }
        Value::Object(fields) => {
            let pairs = fields
                .iter()
                .map(|(key, value)| format!("{key}={}", shown(key, value)));
            pairs.collect::<Vec<_>>().join(",")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Milliseconds since 1970 in RFC 3339.
fn time(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => ms.to_string(),
    }
}

/// Fit for a terminal: no control characters, not too long.
fn cell(text: &str) -> String {
    let text = one_line(text);
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Control characters, line ends among them, written out.
#[must_use]
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(print: impl FnOnce(&mut Out<&mut Vec<u8>>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        print(&mut Out::new(false, &mut bytes)).expect("memory takes all");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn tables_line_up_and_cannot_steer_the_terminal() {
        let long = "x".repeat(100);
        let rows = vec![
            vec!["a".to_owned(), "\u{1b}[2Jbad\n".to_owned()],
            vec!["longer".to_owned(), long],
        ];
        let text = printed(|out| out.table(&["name", "body"], rows));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(
            lines[0].starts_with("NAME    ") && lines[0].ends_with("BODY"),
            "{text}"
        );
        assert!(lines[1].contains("\\u{1b}[2Jbad\\n"), "{text}");
        assert!(
            lines[2].ends_with(&format!("{}…", "x".repeat(60))),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn values_read_well() {
        let object =
            json!({"createdAt": 1000, "n": 1000, "list": ["a", 1], "map": {"k": true}, "no": null});
        let text = printed(|out| out.object(&object));
        assert!(text.contains("1970-01-01T00:00:01.000Z"), "{text}");
        assert_eq!(shown("list", &object["list"]), "a,1");
        assert_eq!(shown("map", &object["map"]), "k=true");
        assert_eq!(
            (shown("n", &object["n"]), shown("no", &object["no"])),
            ("1000".into(), "".into())
        );
        assert_eq!(shown("At", &json!(u64::MAX)), u64::MAX.to_string());
    }
}
