//! Documents of requests. Two forms exist, each a root with children of text, so the
//! reader knows no other: whatever is deeper, longer or different is refused, and so
//! are document types, whose entities could name files or grow without end.

use std::borrow::Cow;

use firn_protocol::limits::ACK_HANDLES_MAX;
use firn_protocol::{ApiError, ApiResult};
use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, BytesText, Event};

use super::error::Code;

/// Attributes of one element.
const ATTRIBUTES_MAX: usize = 16;

/// A message as a producer wrote it; what is empty counts as absent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MessageForm<'a> {
    pub(super) body: Option<Cow<'a, str>>,
    pub(super) tag: Option<Cow<'a, str>>,
    pub(super) properties: Option<Cow<'a, str>>,
}

/// # Errors
/// `MalformedXML` for anything but one `Message` of known children.
pub(super) fn message(document: &[u8]) -> ApiResult<MessageForm<'_>> {
    let mut form = MessageForm::default();
    children(document, "Message", |name, text| {
        let field = match name {
            "MessageBody" => &mut form.body,
            "MessageTag" => &mut form.tag,
            "Properties" => &mut form.properties,
            _ => {
                return Err(malformed(format_args!(
                    "Message has no such child: {}",
                    excerpt(name)
                )));
            }
        };
        if field.is_some() {
            return Err(malformed(format_args!("{name} is given twice")));
        }
        *field = Some(text);
        Ok(())
    })?;
    Ok(MessageForm {
        body: not_empty(form.body),
        tag: not_empty(form.tag),
        properties: not_empty(form.properties),
    })
}

fn not_empty(text: Option<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    text.filter(|text| !text.is_empty())
}

/// # Errors
/// `MalformedXML` for anything but one `ReceiptHandles`, `MissingReceiptHandle` when
/// it has none or an empty one.
pub(super) fn receipt_handles(document: &[u8]) -> ApiResult<Vec<Cow<'_, str>>> {
    let missing = || Code::MissingReceiptHandle.error("ReceiptHandle: missing or empty");
    let mut handles = Vec::new();
    children(document, "ReceiptHandles", |name, text| {
        if name != "ReceiptHandle" {
            let name = excerpt(name);
            return Err(malformed(format_args!(
                "ReceiptHandles has no such child: {name}"
            )));
        }
        // Far above what is allowed, which whoever calls is told later.
        if handles.len() == ACK_HANDLES_MAX {
            return Err(malformed(format_args!("over {ACK_HANDLES_MAX} handles")));
        }
        if text.is_empty() {
            return Err(missing());
        }
        handles.push(text);
        Ok(())
    })?;
    match handles.is_empty() {
        true => Err(missing()),
        false => Ok(handles),
    }
}

/// Whether XML 1.0 can carry a character.
pub(super) fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn malformed(what: impl std::fmt::Display) -> ApiError {
    Code::MalformedXml.error(format!("document: {what}"))
}

/// No more of a client's own words than is told.
fn excerpt(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Root,
    Child,
    After,
}

/// Hands out the children of the root, each with its text.
fn children<'d>(
    document: &'d [u8],
    root: &str,
    mut child: impl FnMut(&str, Cow<'d, str>) -> ApiResult<()>,
) -> ApiResult<()> {
    let text = std::str::from_utf8(document).map_err(|_| malformed("not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let (mut place, mut is_first) = (Place::Before, true);
    let (mut name, mut content) = (String::new(), Cow::Borrowed(""));
    loop {
        let event = reader.read_event();
        let event = event.map_err(|error| malformed(format_args!("not well-formed: {error}")))?;
        match (event, place) {
            (Event::Decl(declaration), Place::Before) if is_first => {
                check_declaration(&declaration)?
            }
            (Event::Start(start), Place::Before) if start.name().as_ref() == root => {
                check_start(&start)?;
                place = Place::Root;
            }
            (Event::Start(start), Place::Root) => {
                check_start(&start)?;
                start.name().as_ref().clone_into(&mut name);
                (content, place) = (Cow::Borrowed(""), Place::Child);
            }
            (Event::End(_), Place::Child) => {
                child(&name, std::mem::take(&mut content))?;
                place = Place::Root;
            }
            (Event::End(_), Place::Root) => place = Place::After,
            (Event::Text(text), Place::Child) => append(&mut content, written(text)?)?,
            (Event::CData(text), Place::Child) => append(&mut content, text.into_inner())?,
            (Event::GeneralRef(reference), Place::Child) => {
                content.to_mut().push(resolve(&reference)?);
            }
            (Event::Text(text), Place::Before | Place::Root | Place::After)
                if text.bytes().all(|b| b" \t\r\n".contains(&b)) => {}
            (Event::Comment(_), Place::Before | Place::Root | Place::Child | Place::After) => {}
            (Event::Eof, Place::After) => return Ok(()),
            (Event::Eof, Place::Before | Place::Root | Place::Child) => {
                return Err(malformed("cut short"));
            }
            (Event::DocType(_), _) => return Err(malformed("document types are not read")),
            (
                Event::Decl(_)
                | Event::Text(_)
                | Event::Start(_)
                | Event::End(_)
                | Event::Empty(_)
                | Event::CData(_)
                | Event::GeneralRef(_)
                | Event::PI(_),
                _,
            ) => {
                return Err(malformed(format_args!(
                    "not one {root} of children of text"
                )));
            }
        }
        is_first = false;
    }
}

/// # Errors
/// `MalformedXML` for another version or encoding.
fn check_declaration(declaration: &BytesDecl<'_>) -> ApiResult<()> {
    let version = declaration.version();
    if !version.is_ok_and(|version| version == "1.0") {
        return Err(malformed("not XML 1.0"));
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(_) => Err(malformed("declared to be other than UTF-8")),
    }
}

/// Attributes say nothing here, but have to be well-formed. Each is held against all
/// before it, so there may not be many.
fn check_start(start: &BytesStart<'_>) -> ApiResult<()> {
    let attribute =
        |error: &dyn std::fmt::Display| malformed(format_args!("an attribute: {error}"));
    for (number, found) in start.attributes().enumerate() {
        let found = found.map_err(|error| attribute(&error))?;
        if found.value.contains('<') {
            return Err(attribute(&"< in its value"));
        }
        if number == ATTRIBUTES_MAX {
            return Err(attribute(&"too many"));
        }
    }
    Ok(())
}

/// A text that is not in a CDATA section.
///
/// # Errors
/// `MalformedXML` for the end of such a section.
fn written(text: BytesText<'_>) -> ApiResult<Cow<'_, str>> {
    let text = text.into_inner();
    match text.contains("]]>") {
        true => Err(malformed("not well-formed: ]]> in a text")),
        false => Ok(text),
    }
}

/// A line end stays as it was sent, though XML would make it a line feed: no library
/// escapes it, and the body is its sender's.
fn append<'d>(content: &mut Cow<'d, str>, text: Cow<'d, str>) -> ApiResult<()> {
    if !text.chars().all(is_xml) {
        return Err(malformed("a character that XML 1.0 does not have"));
    }
    if content.is_empty() {
        *content = text;
    } else {
        content.to_mut().push_str(&text);
    }
    Ok(())
}

/// # Errors
/// `MalformedXML` for anything but a character of XML or one of its five entities.
fn resolve(reference: &BytesRef<'_>) -> ApiResult<char> {
    let unknown = || malformed(format_args!("&{};", excerpt(reference)));
    let resolved = reference.resolve_char_ref().map_err(|_| unknown())?;
    let named = || match &**reference {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    };
    resolved
        .or_else(named)
        .filter(|c| is_xml(*c))
        .ok_or_else(unknown)
}

#[cfg(test)]
mod tests;
