//! A broker's state snapshot, cut into pieces: larger values would make the
//! files of the store grow with every save.

use super::{Envelope, Kind, PREFIX_BYTES, ValueError, prefix, u32_le, u64_le, unseal};
use crate::hot::BrokerKey;

/// Bytes of the snapshot in one record.
pub(in crate::hot) const PIECE_BYTES: usize = 32 * 1024;

const KEY_BYTES: usize = PREFIX_BYTES + 4;
/// Sequence, and how many pieces there are.
const HEADER_BYTES: usize = 8 + 4;

/// One record of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hot) struct Piece<'a> {
    pub(in crate::hot) sequence: u64,
    pub(in crate::hot) pieces: u32,
    pub(in crate::hot) bytes: &'a [u8],
}

pub(in crate::hot) fn key(broker: BrokerKey, number: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(KEY_BYTES);
    key.extend_from_slice(&prefix(broker, Kind::Snapshot));
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(in crate::hot) fn parse_key(key: &[u8]) -> Option<u32> {
    if key.len() != KEY_BYTES {
        return None;
    }
    Some(u32::from_be_bytes(*key[PREFIX_BYTES..].first_chunk()?))
}

pub(in crate::hot) fn encode(key: &[u8], piece: Piece<'_>) -> Vec<u8> {
    let mut value = Envelope::with_capacity(HEADER_BYTES + piece.bytes.len());
    value.0.extend_from_slice(&piece.sequence.to_le_bytes());
    value.0.extend_from_slice(&piece.pieces.to_le_bytes());
    value.0.extend_from_slice(piece.bytes);
    value.seal(key)
}

pub(in crate::hot) fn decode<'a>(key: &[u8], value: &'a [u8]) -> Result<Piece<'a>, ValueError> {
    let payload = unseal(key, value)?;
    let read = || {
        Some(Piece {
            sequence: u64_le(payload, 0)?,
            pieces: u32_le(payload, 8)?,
            bytes: payload.get(HEADER_BYTES..)?,
        })
    };
    read().ok_or(ValueError::Damaged)
}
