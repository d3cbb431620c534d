//! Randomness from the operating system, for secrets and identities.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the seam that the lint points to"
)]

use rand::TryRng as _;

/// Fills a buffer with unpredictable bytes.
///
/// # Panics
/// When the operating system has no randomness, which leaves nothing safe to do.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut buffer)
        .expect("the operating system always has randomness");
    buffer
}

/// An unpredictable number.
#[must_use]
pub fn number() -> u64 {
    u64::from_le_bytes(bytes())
}
