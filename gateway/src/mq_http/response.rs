//! Documents of answers. No element has an attribute but the root, and each text is
//! one node: the libraries read no more of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::Timestamp;
use firn_protocol::message::{BodyEncoding, Message, MessageId};

use super::digest;
use super::properties;
use super::request::is_xml;

const NAMESPACE: &str = "http://mq.aliyuncs.com/doc/v1/";
/// Instead of an empty body, which no library can read.
const EMPTY_BODY: &str = " ";

/// A message on its way to whoever asked.
pub(super) struct Shown<'a> {
    pub(super) message: &'a Message,
    pub(super) receipt_handle: String,
    pub(super) first_consume: Timestamp,
    pub(super) next_consume: Timestamp,
    /// From 1.
    pub(super) consumed_times: u32,
}

/// A handle that was not acknowledged, and why.
pub(super) struct Failed<'a> {
    pub(super) handle: &'a str,
    pub(super) code: &'static str,
    pub(super) text: &'static str,
}

/// The answer to a publish; `half` is what decides a transaction.
pub(super) fn published(id: &MessageId, body: &[u8], half: Option<&str>) -> String {
    document("Message", 256, |out| {
        element(out, "MessageId", &id.to_string());
        element(out, "MessageBodyMD5", &digest::shown(body));
        if let Some(handle) = half {
            element(out, "ReceiptHandle", handle);
        }
    })
}

pub(super) fn messages(shown: &[Shown<'_>]) -> String {
    let bodies = shown.iter().map(|it| it.message.content_bytes() as usize);
    let room = 256 + bodies.sum::<usize>() + 1024 * shown.len();
    document("Messages", room, |out| {
        for it in shown {
            out.push_str("<Message>");
            message(out, it);
            out.push_str("</Message>");
        }
    })
}

fn message(out: &mut String, shown: &Shown<'_>) {
    let content = &shown.message.content;
    let (body, encoding) = body(&content.body, content.encoding);
    element(out, "MessageId", &shown.message.message_id.to_string());
    element(out, "ReceiptHandle", &shown.receipt_handle);
    element(out, "MessageBody", &body);
    element(out, "MessageBodyMD5", &digest::shown(body.as_bytes()));
    number(out, "PublishTime", content.born_at.0);
    number(out, "FirstConsumeTime", shown.first_consume.0);
    number(out, "NextConsumeTime", shown.next_consume.0);
    number(out, "ConsumedTimes", u64::from(shown.consumed_times));
    let tag = content.tag.as_deref().unwrap_or_default();
    if !tag.is_empty() && tag.chars().all(is_xml) {
        element(out, "MessageTag", tag);
    }
    if let Some(properties) = properties::shown(content, encoding) {
        element(out, "Properties", &properties);
    }
}

/// A body as text, and how it was made one if it was none that XML can carry: bytes of
/// other protocols, packed bodies, empty ones.
fn body(bytes: &[u8], encoding: BodyEncoding) -> (Cow<'_, str>, Option<&'static str>) {
    match encoding {
        BodyEncoding::Gzip => (STANDARD.encode(bytes).into(), Some("gzip+base64")),
        BodyEncoding::Identity if bytes.is_empty() => (EMPTY_BODY.into(), Some("empty")),
        BodyEncoding::Identity => match std::str::from_utf8(bytes) {
            Ok(text) if text.chars().all(is_xml) => (text.into(), None),
            Ok(_) | Err(_) => (STANDARD.encode(bytes).into(), Some("base64")),
        },
    }
}

pub(super) fn error(code: &str, text: &str, request_id: &str, host: &str) -> String {
    document("Error", 512, |out| {
        element(out, "Code", code);
        element(out, "Message", text);
        element(out, "RequestId", request_id);
        element(out, "HostId", host);
    })
}

pub(super) fn errors(failed: &[Failed<'_>]) -> String {
    document("Errors", 256 + 512 * failed.len(), |out| {
        for it in failed {
            out.push_str("<Error>");
            element(out, "ErrorCode", it.code);
            element(out, "ErrorMessage", it.text);
            element(out, "ReceiptHandle", it.handle);
            out.push_str("</Error>");
        }
    })
}

fn document(root: &str, room: usize, fill: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(room);
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    // Writing to a string cannot fail.
    let _ = write!(out, "<{root} xmlns=\"{NAMESPACE}\">");
    fill(&mut out);
    let _ = write!(out, "</{root}>");
    out
}

fn number(out: &mut String, name: &str, value: u64) {
    let _ = write!(out, "<{name}>{value}</{name}>");
}

fn element(out: &mut String, name: &str, text: &str) {
    let _ = write!(out, "<{name}>");
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Written as it is, a reader would take it for a line feed.
            '\r' => out.push_str("&#13;"),
            c if is_xml(c) => out.push(c),
            // Of an error text at most: everything else was looked at before.
            _ => out.push('\u{fffd}'),
        }
    }
    let _ = write!(out, "</{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_are_no_text_of_xml_say_how_they_are_written() {
        let rows: [(&[u8], _, &str, _); 6] = [
            (b"a <b> & ]]>", BodyEncoding::Identity, "a <b> & ]]>", None),
            (b" \r\n\t", BodyEncoding::Identity, " \r\n\t", None),
            (b"", BodyEncoding::Identity, " ", Some("empty")),
            (b"a\0b", BodyEncoding::Identity, "YQBi", Some("base64")),
            (&[0xff], BodyEncoding::Identity, "/w==", Some("base64")),
            (b"ab", BodyEncoding::Gzip, "YWI=", Some("gzip+base64")),
        ];
        for (bytes, encoding, text, how) in rows {
            assert_eq!(body(bytes, encoding), (text.into(), how), "{bytes:?}");
        }
    }

    #[test]
    fn texts_are_escaped() {
        let mut out = String::new();
        element(&mut out, "T", "a<b>&c\"'\r\n\u{1}消");
        assert_eq!(out, "<T>a&lt;b&gt;&amp;c\"'&#13;\n\u{fffd}消</T>");
    }
}
