//! Rows on standard output: JSON objects, or words for a person, with a
//! caption and `name value` pairs. Control characters never reach a terminal.

use std::io::{self, Write};

use serde_json::{Map, Value};

/// Spaces before a row, by its depth.
const INDENT: usize = 2;
/// What a person looks for first, in this order; the rest follows by name.
const FIRST: [&str; 16] = [
    "path", "file", "volume", "header", "state", "at", "until", "lsn", "firstLsn", "checksum",
    "tenant", "instance", "broker", "seq", "kind", "queue",
];

pub(super) struct Printer<W: Write> {
    writer: W,
    json: bool,
}

impl<W: Write> Printer<W> {
    pub(super) fn new(writer: W, json: bool) -> Self {
        Self { writer, json }
    }

    /// One row: `kind` says what it is, `fields` is an object.
    ///
    /// # Errors
    /// When the output does not take it.
    pub(super) fn row(&mut self, depth: usize, kind: &str, fields: Value) -> io::Result<()> {
        let Value::Object(fields) = fields else {
            return Ok(());
        };
        if self.json {
            let mut object = Map::from_iter([("row".to_owned(), Value::from(kind))]);
            object.extend(fields);
            return writeln!(self.writer, "{}", Value::Object(object));
        }
        write!(self.writer, "{:1$}{kind}", "", depth * INDENT)?;
        let mut fields: Vec<_> = fields.iter().collect();
        fields.sort_by_key(|(name, _)| {
            let first = FIRST.iter().position(|first| first == name);
            first.unwrap_or(FIRST.len())
        });
        for (name, value) in fields {
            match value {
                Value::Null => {}
                Value::String(text) => write!(self.writer, "  {name} {}", shown(text))?,
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    write!(self.writer, "  {name} {value}")?;
                }
            }
        }
        writeln!(self.writer)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Text as it is if it is one plain word, else in quotes with escapes.
fn shown(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '"');
    match plain {
        true => text.to_owned(),
        false => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(json: bool, fields: Value) -> String {
        let mut bytes = Vec::new();
        let mut printer = Printer::new(&mut bytes, json);
        printer.row(1, "row", fields).expect("memory takes all");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn rows_are_one_line_and_cannot_steer_the_terminal() {
        let fields = json!({"n": 1, "at": "plain", "none": null, "text": "a \u{1b}[2J\n\"b"});
        let text = printed(false, fields.clone());
        let expected = "  row  at plain  n 1  text \"a \\u{1b}[2J\\n\\\"b\"\n";
        assert_eq!(text, expected);
        let line = printed(true, fields.clone());
        let mut object: Value = serde_json::from_str(&line).expect("JSON");
        let kind = object
            .as_object_mut()
            .and_then(|object| object.remove("row"));
        assert_eq!((kind, object), (Some(json!("row")), fields));
    }
}
