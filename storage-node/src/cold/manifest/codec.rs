//! A manifest as bytes: magic, version, length, body (postcard), CRC-32C over
//! all before it. These four keep their places in every version, so that a
//! newer one is told from a damaged one.

use bytes::Bytes;

use super::{MANIFEST_BYTES_MAX, Manifest, ManifestError};
use crate::cold::paths::ObjectName;

const MAGIC: [u8; 4] = *b"FMAN";
pub(super) const VERSION: u16 = 1;
/// Magic, version, length.
const HEAD_BYTES: usize = 4 + 2 + 4;
const CHECKSUM_BYTES: usize = 4;

impl Manifest {
    /// The manifest as stored bytes.
    ///
    /// # Errors
    /// When it breaks one of its own rules, or is too large.
    pub fn encode(&self) -> Result<Bytes, ManifestError> {
        let invalid = |rule| ManifestError::Invalid {
            number: self.number,
            broker: self.broker.broker,
            rule,
        };
        self.check().map_err(invalid)?;
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        let mut out = postcard::to_extend(self, out).map_err(|_| invalid("does not encode"))?;
        let body_bytes = out.len() - HEAD_BYTES;
        if body_bytes + HEAD_BYTES + CHECKSUM_BYTES > MANIFEST_BYTES_MAX {
            return Err(invalid("is too large"));
        }
        let length = body_bytes as u32;
        out[HEAD_BYTES - 4..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        Ok(out.into())
    }

    /// The manifest from the stored bytes of the object `name`.
    ///
    /// # Errors
    /// When they are damaged, of a newer version, or belong to another name.
    pub fn decode(name: ObjectName, bytes: &[u8]) -> Result<Self, ManifestError> {
        let damaged = |reason| ManifestError::Damaged {
            name: name.to_string(),
            reason,
        };
        let (version, body) = open(bytes).map_err(damaged)?;
        if version > VERSION {
            return Err(ManifestError::Newer {
                name: name.to_string(),
                found: version,
                known: VERSION,
            });
        }
        let (manifest, rest): (Self, _) =
            postcard::take_from_bytes(body).map_err(|_| damaged("its body is malformed"))?;
        if !rest.is_empty() {
            return Err(damaged("bytes follow its body"));
        }
        manifest.check().map_err(damaged)?;
        match manifest.name() == name {
            true => Ok(manifest),
            false => Err(damaged("it says that it is another one")),
        }
    }
}

/// Version and body, once the checksum fits.
fn open(bytes: &[u8]) -> Result<(u16, &[u8]), &'static str> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err("it is too large");
    }
    let cut = bytes.len().checked_sub(CHECKSUM_BYTES);
    let (covered, checksum) = bytes
        .split_at_checked(cut.unwrap_or(usize::MAX))
        .ok_or("it is too short")?;
    let (head, body) = covered
        .split_at_checked(HEAD_BYTES)
        .ok_or("it is too short")?;
    if head[..4] != MAGIC {
        return Err("it is not a manifest");
    }
    if checksum != crc32c::crc32c(covered).to_le_bytes() {
        return Err("its checksum does not fit");
    }
    // Only now: a flipped bit must not pass for a newer version.
    let version = u16::from_le_bytes([head[4], head[5]]);
    let length = u32::from_le_bytes([head[6], head[7], head[8], head[9]]);
    if version == 0 || body.len() != length as usize {
        return Err("its head is malformed");
    }
    Ok((version, body))
}
