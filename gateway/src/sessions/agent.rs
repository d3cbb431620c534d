//! What a client says about its library.

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
