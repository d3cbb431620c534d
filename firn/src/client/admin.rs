//! What all administered things have in common: lists in pages, one object,
//! done.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::files;
use super::output::{remark, shown};
use super::request::Request;
use super::{Failure, Session};

/// What comes back, and so how it is printed.
pub(super) enum Shape {
    /// A list, in columns of these fields.
    List(&'static [&'static str]),
    /// One object.
    Object,
    /// Nothing; the remark says what was done.
    Done(String),
    /// A file, to be written there or to standard output.
    File(Option<PathBuf>),
    /// What came of a file, line by line.
    Import,
}

/// Asks and prints.
pub(super) fn run(session: &mut Session, request: &Request, shape: Shape) -> Result<(), Failure> {
    match shape {
        Shape::List(columns) => list(session, request, columns),
        Shape::Object => match session.ask(request)? {
            Some(answer) => Ok(session.out.object(&answer.json)?),
            None => Ok(()),
        },
        Shape::Done(done) => {
            if session.ask(request)?.is_some() {
                remark(&done);
            }
            Ok(())
        }
        Shape::File(target) => files::save(session, request, target.as_deref()),
        Shape::Import => files::report(session, request),
    }
}

fn list(session: &mut Session, request: &Request, columns: &[&str]) -> Result<(), Failure> {
    let first = session.api.call(request)?;
    let mut page = first.json;
    let mut items = take_items(&mut page);
    let mut pages = 1;
    while let Some(cursor) = page["cursor"].as_str() {
        let next = request.clone().query("cursor", Some(cursor));
        page = session.api.call(&next)?.json;
        items.extend(take_items(&mut page));
        pages += 1;
    }
    if session.out.json {
        // One page is printed as the server wrote it, several as one list.
        let text = match pages {
            1 => first.text,
            _ => json!({"items": items, "total": page["total"]}).to_string(),
        };
        return Ok(session.out.line(&text)?);
    }
    let row = |item: &Value| {
        columns
            .iter()
            .map(|name| shown(name, &item[*name]))
            .collect()
    };
    Ok(session
        .out
        .table(columns, items.iter().map(row).collect())?)
}

fn take_items(page: &mut Value) -> Vec<Value> {
    match page.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        Some(_) | None => Vec::new(),
    }
}

/// A change that changes nothing is a slip of the user.
pub(super) fn some_change(request: Request) -> Result<Request, Failure> {
    let is_empty = |body: &Value| body.as_object().is_some_and(serde_json::Map::is_empty);
    if request.body.as_ref().is_some_and(is_empty) {
        return Err(Failure::Usage("nothing to change: give a flag".to_owned()));
    }
    Ok(request)
}
