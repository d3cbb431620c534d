//! What a database says of itself: where in the log it begins, how far it has
//! come, how much it holds. Written in the batch that it speaks of.

use super::{Envelope, ValueError, u64_le, unseal};
use crate::hot::Lsn;

/// One byte: shorter than any key of tenant data.
pub(in crate::hot) const KEY: [u8; 1] = [0];

/// The record about a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::hot) struct Reach {
    /// Everything from here ...
    pub(in crate::hot) begins: Lsn,
    /// ... to before here is in it.
    pub(in crate::hot) marker: Lsn,
    /// Of keys and values put in.
    pub(in crate::hot) bytes: u64,
}

pub(in crate::hot) fn encode(reach: Reach) -> Vec<u8> {
    let mut value = Envelope::with_capacity(24);
    for number in [reach.begins.0, reach.marker.0, reach.bytes] {
        value.0.extend_from_slice(&number.to_le_bytes());
    }
    value.seal(&KEY)
}

pub(in crate::hot) fn decode(value: &[u8]) -> Result<Reach, ValueError> {
    let payload = unseal(&KEY, value)?;
    let read = || {
        Some(Reach {
            begins: Lsn(u64_le(payload, 0)?),
            marker: Lsn(u64_le(payload, 8)?),
            bytes: u64_le(payload, 16)?,
        })
    };
    read().ok_or(ValueError::Damaged)
}
