//! Where settings come from. The only reader of the environment; owns the
//! forms that values are written in and the order of their sources, and leaves
//! to each program which settings it has.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the seam that the lint points to"
)]

mod layers;
mod secret;
mod units;

pub use layers::{Layers, SettingError, describe_toml_error};
pub use secret::Secret;
pub use units::{ByteSize, format_duration, parse_duration};

/// An environment variable, if it is set to valid UTF-8.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
