//! What a client says about its library, and where its group begins.

use firn_protocol::catalogue::StartPosition;

/// Name and version of a library; empty where they are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

impl<'a> Agent<'a> {
    /// The first product of a `User-Agent`, such as `python-requests/2.31`; the
    /// name stays as it was given.
    pub(crate) fn parse(text: &'a str) -> Self {
        let product = text.split_ascii_whitespace().next().unwrap_or_default();
        let (name, version) = product.split_once('/').unwrap_or((product, ""));
        Self { name, version }
    }
}

/// Where a group begins, in the words of RocketMQ's clients.
pub(crate) fn from_where(start: StartPosition) -> &'static str {
    match start {
        StartPosition::Earliest => "CONSUME_FROM_FIRST_OFFSET",
        StartPosition::Latest => "CONSUME_FROM_LAST_OFFSET",
        StartPosition::Time(_) => "CONSUME_FROM_TIMESTAMP",
    }
}
