//! A request of the native API as a value, so that what a verb asks can be
//! tested without a server.

use std::fmt::Display;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Map, Value};

/// What may stand in a path segment or a query value as it is (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    #[must_use]
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Path and query, encoded.
    pub(super) target: String,
    pub(super) body: Option<Value>,
    /// Instead of a body of JSON.
    pub(super) upload: Option<Upload>,
    /// What the answer is wanted as, if it is not JSON.
    pub(super) accept: Option<&'static str>,
    /// How long the server may rightly take before it answers.
    pub(super) wait: Duration,
}

/// A file that goes to the server as it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Upload {
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
}

impl Request {
    /// A request to `/v1/<segment>/…`; each segment is encoded.
    #[must_use]
    pub(super) fn new(method: Method, segments: &[&str]) -> Self {
        let mut target = "/v1".to_owned();
        for segment in segments {
            target.push('/');
            target.extend(utf8_percent_encode(segment, ENCODED));
        }
        Self {
            method,
            target,
            body: None,
            upload: None,
            accept: None,
            wait: Duration::ZERO,
        }
    }

    #[must_use]
    pub(super) fn get(segments: &[&str]) -> Self {
        Self::new(Method::Get, segments)
    }

    #[must_use]
    pub(super) fn post(segments: &[&str], body: Fields) -> Self {
        Self::new(Method::Post, segments).with_body(body)
    }

    #[must_use]
    pub(super) fn patch(segments: &[&str], body: Fields) -> Self {
        Self::new(Method::Patch, segments).with_body(body)
    }

    #[must_use]
    pub(super) fn delete(segments: &[&str]) -> Self {
        Self::new(Method::Delete, segments)
    }

    #[must_use]
    pub(super) fn with_body(mut self, body: Fields) -> Self {
        self.body = Some(Value::Object(body.0));
        self
    }

    #[must_use]
    pub(super) fn accept(mut self, kind: &'static str) -> Self {
        self.accept = Some(kind);
        self
    }

    /// Adds a query parameter, if it has a value.
    #[must_use]
    pub(super) fn query(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            let mark = if self.target.contains('?') { '&' } else { '?' };
            let value = value.to_string();
            let value = utf8_percent_encode(&value, ENCODED);
            self.target.push_str(&format!("{mark}{name}={value}"));
        }
        self
    }
}

/// The fields of a JSON object; what is not given is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    /// Adds a field, if it has a value.
    #[must_use]
    pub(super) fn maybe(self, name: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a list, unless it is empty.
    #[must_use]
    pub(super) fn list(self, name: &str, values: &[impl Serialize]) -> Self {
        match values {
            [] => self,
            values => self.with(name, values),
        }
    }

    /// Adds a field.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("texts, numbers and lists are JSON");
        self.0.insert(name.to_owned(), value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_segment() {
        let request = Request::get(&["instances", "a/b", "topics", "%DLQ%g ?#é"])
            .query("key", Some("a&b=c+d"))
            .query("group", None::<&str>)
            .query("max", Some(7));
        assert_eq!(
            request.target,
            "/v1/instances/a%2Fb/topics/%25DLQ%25g%20%3F%23%C3%A9?key=a%26b%3Dc%2Bd&max=7"
        );
    }
}
