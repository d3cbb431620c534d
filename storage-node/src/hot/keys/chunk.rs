//! A chunk: consecutive records of one queue, under the offset of the first.

use bytes::Bytes;
use firn_protocol::time::Timestamp;

use super::{Envelope, ValueError, parse_chunk_key, u32_le, u64_le, unseal};
use crate::hot::Chunk;

/// First and last store time, count.
const HEADER_BYTES: usize = 8 + 8 + 4;

pub(in crate::hot) fn encode(key: &[u8], chunk: &Chunk) -> Vec<u8> {
    let mut value = Envelope::with_capacity(HEADER_BYTES + chunk.runs.len());
    value
        .0
        .extend_from_slice(&chunk.stored_at.0.0.to_le_bytes());
    value
        .0
        .extend_from_slice(&chunk.stored_at.1.0.to_le_bytes());
    value.0.extend_from_slice(&chunk.count.to_le_bytes());
    value.0.extend_from_slice(&chunk.runs);
    value.seal(key)
}

/// Copies the records out, so that a reader pins none of the store's pages.
pub(in crate::hot) fn decode(key: &[u8], value: &[u8]) -> Result<Chunk, ValueError> {
    let payload = unseal(key, value)?;
    let read = || {
        let (_, first_offset) = parse_chunk_key(key)?;
        let stored_at = (
            Timestamp(u64_le(payload, 0)?),
            Timestamp(u64_le(payload, 8)?),
        );
        let count = u32_le(payload, 16)?;
        first_offset.0.checked_add(count.into())?;
        Some(Chunk {
            first_offset,
            count,
            stored_at,
            runs: Bytes::copy_from_slice(&payload[HEADER_BYTES..]),
        })
    };
    read().ok_or(ValueError::Damaged)
}

/// One past the last offset, without copying the records.
pub(in crate::hot) fn end(key: &[u8], value: &[u8]) -> Result<u64, ValueError> {
    let payload = unseal(key, value)?;
    let read = || {
        let (_, first) = parse_chunk_key(key)?;
        first.0.checked_add(u32_le(payload, 16)?.into())
    };
    read().ok_or(ValueError::Damaged)
}
