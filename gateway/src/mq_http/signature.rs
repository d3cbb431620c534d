//! The signature of a request: HMAC-SHA1, with the user's secret key, of what the
//! request says of itself. Every line is taken as it was sent, so nothing here decodes.

use actix_web::http::header::{self, HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::auth::SIGNED_SCHEME;

const SIGNATURE_BYTES: usize = 20;
const SIGNATURE_TEXT_BYTES: usize = 28;
/// Headers that begin like this are signed.
const SIGNED_PREFIX: &str = "x-mq-";

/// What an `Authorization` header holds: `MQ <access key>:<signature>`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credentials<'a> {
    pub(super) access_key: &'a str,
    signature: [u8; SIGNATURE_BYTES],
}

impl<'a> Credentials<'a> {
    /// `None` for anything that no client of the protocol sends.
    pub(super) fn parse(header: &'a [u8]) -> Option<Self> {
        let header = std::str::from_utf8(header).ok()?;
        let (scheme, credentials) = header.split_once(' ')?;
        let (access_key, text) = credentials.trim().split_once(':')?;
        if !scheme.eq_ignore_ascii_case(SIGNED_SCHEME) || access_key.is_empty() {
            return None;
        }
        // The length first: nothing longer costs more than a look.
        if text.len() != SIGNATURE_TEXT_BYTES {
            return None;
        }
        // What 28 characters may decode to at most.
        let mut bytes = [0; SIGNATURE_TEXT_BYTES / 4 * 3];
        let len = STANDARD.decode_slice(text, &mut bytes).ok()?;
        let signature = bytes[..len].try_into().ok()?;
        Some(Self {
            access_key,
            signature,
        })
    }

    /// Whether a text was signed with a secret, in the same time whatever differs.
    pub(super) fn is_by(&self, secret: &[u8], text: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else {
            return false;
        };
        mac.update(text);
        mac.verify_slice(&self.signature).is_ok()
    }
}

/// What is signed: method, digest, content type and date, each on a line that is empty
/// if there is none; then the headers of the protocol by name; then path and query.
pub(super) fn text(method: &str, headers: &HeaderMap, target: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(256 + target.len());
    text.extend_from_slice(method.as_bytes());
    text.push(b'\n');
    let content_md5 = HeaderName::from_static("content-md5");
    for name in [content_md5, header::CONTENT_TYPE, header::DATE] {
        let value = headers.get(name);
        text.extend_from_slice(value.map_or(&[], |value| value.as_bytes()));
        text.push(b'\n');
    }
    let mut signed: Vec<_> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with(SIGNED_PREFIX))
        .collect();
    signed.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in signed {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice(target.as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const DATE: &str = "Wed, 01 Jan 2025 00:00:00 GMT";
    /// Made with Python's `hmac`.
    const OF_GET: &str = "9lzTl2XKz4tcDa9t6/7D5HPuTio=";
    const OF_POST: &str = "hox5BugzED9hx2cUpJ0wbCMClv8=";
    const TARGET: &str = "/topics/orders/messages?consumer=workers&numOfMessages=3&tag=A%7C%7CB";

    fn is_by(signature: &str, secret: &str, text: &[u8]) -> bool {
        let header = format!("MQ demo:{signature}");
        let read = Credentials::parse(header.as_bytes()).expect("well-formed");
        assert_eq!(read.access_key, "demo");
        read.is_by(secret.as_bytes(), text)
    }

    #[test]
    fn absent_headers_leave_their_lines_empty() {
        let request = TestRequest::get()
            .insert_header(("date", DATE))
            .insert_header(("x-mq-version", "2015-06-06"))
            .insert_header(("security-token", "not signed"))
            .to_http_request();
        let signed = text("GET", request.headers(), TARGET);
        assert!(is_by(OF_GET, "demo-secret", &signed));
        assert!(!is_by(OF_GET, "demo-secreT", &signed));
        assert!(!is_by(OF_POST, "demo-secret", &signed));
        let decoded = TARGET.replace("%7C", "|");
        let changed = text("GET", request.headers(), &decoded);
        assert!(
            !is_by(OF_GET, "demo-secret", &changed),
            "taken as it was sent"
        );
    }

    #[test]
    fn every_line_counts() {
        let headers = [
            (
                "content-md5",
                "ZDQxZDhjZDk4ZjAwYjIwNGU5ODAwOTk4ZWNmODQyN2U=",
            ),
            ("content-type", "text/xml;charset=utf-8"),
            ("date", DATE),
            ("x-mq-version", "2015-06-06"),
        ];
        let target = "/topics/orders/messages?ns=demo";
        let signed = |changed: Option<usize>| {
            let mut request = TestRequest::post();
            for (at, (name, value)) in headers.into_iter().enumerate() {
                let end = if changed == Some(at) { "x" } else { "" };
                request = request.insert_header((name, format!("{value}{end}")));
            }
            text("POST", request.to_http_request().headers(), target)
        };
        assert!(is_by(OF_POST, "demo-secret", &signed(None)));
        for at in 0..headers.len() {
            assert!(!is_by(OF_POST, "demo-secret", &signed(Some(at))), "{at}");
        }
    }

    #[test]
    fn headers_of_the_protocol_are_sorted_by_name() {
        let request = TestRequest::get()
            .insert_header(("x-mq-b", "2"))
            .insert_header(("x-mq-version", "2015-06-06"))
            .insert_header(("x-mq-a", "1"))
            .to_http_request();
        let signed = text("GET", request.headers(), "/t");
        let expected = "GET\n\n\n\nx-mq-a:1\nx-mq-b:2\nx-mq-version:2015-06-06\n/t";
        assert_eq!(String::from_utf8(signed).expect("text"), expected);
    }

    #[test]
    fn what_is_no_signature_is_not_compared() {
        for bad in [
            "",
            "MQ",
            "MQ ",
            "MQ demo",
            "MQ demo:",
            "MQ demo:AAAA",
            "MQ :9lzTl2XKz4tcDa9t6/7D5HPuTio=",
            "MQ demo:9lzTl2XKz4tcDa9t6/7D5HPuTio",
            "MQ demo:9lzTl2XKz4tcDa9t6/7D5HPuTi==",
            "MQ demo:9lzTl2XKz4tcDa9t6/7D5HPuTioA",
            "MQ demo:9lzTl2XKz4tcDa9t6-7D5HPuTio=",
            "Basic demo:9lzTl2XKz4tcDa9t6/7D5HPuTio=",
        ] {
            assert_eq!(Credentials::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Credentials::parse(b"MQ \xff:AAAA"), None);
        let lower = Credentials::parse(b"mq  demo:9lzTl2XKz4tcDa9t6/7D5HPuTio=");
        assert!(lower.is_some(), "schemes have no case");
    }
}
