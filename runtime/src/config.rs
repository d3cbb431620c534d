//! Where settings come from. The only reader of the environment.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the seam that the lint points to"
)]

/// An environment variable, if it is set to valid UTF-8.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
