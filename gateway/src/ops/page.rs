//! Cursors: where a query goes on. Opaque to clients, bound to the query that
//! they came from, and harmless when forged: what they name is looked up in
//! the caller's own instance only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firn_protocol::{ApiError, ApiResult};

const VERSION: u8 = 1;
const TEXT_BYTES_MAX: usize = 2048;

/// A cursor of a query whose parameters hash to `query`.
pub(crate) fn seal(query: u64, state: &[u8]) -> String {
    let mut raw = Vec::with_capacity(9 + state.len());
    raw.push(VERSION);
    raw.extend_from_slice(&query.to_be_bytes());
    raw.extend_from_slice(state);
    URL_SAFE_NO_PAD.encode(raw)
}

/// # Errors
/// `BAD_REQUEST` naming `cursor` for anything that did not come from this query.
pub(crate) fn open(query: u64, cursor: &str) -> ApiResult<Vec<u8>> {
    let invalid = || ApiError::field("cursor", "not from an answer to this query");
    if cursor.len() > TEXT_BYTES_MAX {
        return Err(invalid());
    }
    let raw = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    match raw.split_first_chunk::<9>() {
        Some((head, state)) if head[0] == VERSION && head[1..] == query.to_be_bytes() => {
            Ok(state.to_vec())
        }
        _ => Err(invalid()),
    }
}

/// A number that stands for a query's parameters.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    u64::from_be_bytes(std::array::from_fn(|i| hasher.finalize().as_bytes()[i]))
}
