//! An export as bytes: magic, version, the catalogue's id, owner and nonce, the
//! length of the body, the body (postcard, packed with zstd), CRC-32C over all
//! before it. All but the body keep their places in every version, so that a
//! newer one is told from a damaged one, and one's own catalogue from another.

use std::io::Read as _;

use super::CatalogueExport;
use crate::error::ExportError;

const MAGIC: [u8; 4] = *b"FCAT";
/// The newest that is read, and the one that is written.
pub(super) const VERSION: u16 = 3;
/// Ends before what later versions added.
const VERSION_PLAIN: u16 = 1;
/// Ends before what version 3 added.
const VERSION_EXTRA: u16 = 2;
/// Magic, version, catalogue, owner, nonce, length.
const HEAD_BYTES: usize = 4 + 2 + 16 + 16 + 16 + 4;
const CHECKSUM_BYTES: usize = 4;
/// The body before it is packed: some ten million topics.
pub(super) const BODY_BYTES_MAX: u64 = 512 << 20;
const OBJECT_BYTES_MAX: usize = 128 << 20;
const ZSTD_LEVEL: i32 = 3;
/// Memory of the unpacker, whatever the bytes ask for: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

const _: () = assert!(BODY_BYTES_MAX <= u32::MAX as u64, "the length has 32 bits");

/// Who made an object, and a number drawn for it alone: with these in it, equal
/// bytes under a taken name are one's own earlier attempt (RULES 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub owner: u128,
    pub nonce: u128,
}

/// What is known of an export without its body, whatever its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportHead {
    pub version: u16,
    pub catalogue: u128,
    pub stamp: Stamp,
}

/// An export that is ready to be stamped and stored.
pub struct Packed {
    /// Equal for equal catalogues of one version.
    pub digest: [u8; 32],
    version: u16,
    catalogue: u128,
    body_bytes: u32,
    body: Vec<u8>,
}

/// An export that was read back.
#[derive(Debug)]
pub struct Unpacked {
    pub head: ExportHead,
    /// See [`Packed::digest`].
    pub digest: [u8; 32],
    pub export: CatalogueExport,
}

impl CatalogueExport {
    /// The stored form, as the catalogue with this id.
    ///
    /// # Errors
    /// When it is larger than a reader would take, or breaks a rule.
    pub fn pack(&self, catalogue: u128) -> Result<Packed, ExportError> {
        self.check().map_err(ExportError::Damaged)?;
        let unencoded = |_| ExportError::Damaged("a row does not encode");
        let mut plain = postcard::to_stdvec(self).map_err(unencoded)?;
        plain.extend(postcard::to_stdvec(&self.extra).map_err(unencoded)?);
        plain.extend(postcard::to_stdvec(&self.later).map_err(unencoded)?);
        let too_large = |bytes, max| ExportError::TooLarge { bytes, max };
        let bytes = plain.len() as u64;
        let body_bytes = u32::try_from(bytes)
            .ok()
            .filter(|_| bytes <= BODY_BYTES_MAX);
        let body_bytes = body_bytes.ok_or_else(|| too_large(bytes, BODY_BYTES_MAX))?;
        let body = zstd::bulk::compress(&plain, ZSTD_LEVEL)
            .map_err(|_| ExportError::Damaged("the body does not pack"))?;
        let object_bytes = HEAD_BYTES + body.len() + CHECKSUM_BYTES;
        if object_bytes > OBJECT_BYTES_MAX {
            return Err(too_large(object_bytes as u64, OBJECT_BYTES_MAX as u64));
        }
        Ok(Packed {
            digest: *blake3::hash(&plain).as_bytes(),
            version: VERSION,
            catalogue,
            body_bytes,
            body,
        })
    }

    /// Reads an export back. Takes memory in proportion to what is in it, and
    /// never more than an export may have.
    ///
    /// # Errors
    /// When the bytes are damaged or of a newer version.
    pub fn unpack(bytes: &[u8]) -> Result<Unpacked, ExportError> {
        let (head, body_bytes, packed) = open(bytes)?;
        if head.version > VERSION {
            return Err(ExportError::Newer {
                found: head.version,
                known: VERSION,
            });
        }
        let plain = inflate(packed, body_bytes).map_err(ExportError::Damaged)?;
        let digest = *blake3::hash(&plain).as_bytes();
        let malformed = |_| ExportError::Damaged("its body is malformed");
        let (mut export, mut rest): (Self, &[u8]) =
            postcard::take_from_bytes(&plain).map_err(malformed)?;
        if head.version > VERSION_PLAIN {
            (export.extra, rest) = postcard::take_from_bytes(rest).map_err(malformed)?;
        }
        if head.version > VERSION_EXTRA {
            (export.later, rest) = postcard::take_from_bytes(rest).map_err(malformed)?;
        }
        if !rest.is_empty() {
            return Err(ExportError::Damaged("bytes follow its body"));
        }
        export.take_notes(head.version);
        export.check().map_err(ExportError::Damaged)?;
        Ok(Unpacked {
            head,
            digest,
            export,
        })
    }
}

impl ExportHead {
    /// What every version says about itself.
    ///
    /// # Errors
    /// When the bytes are no export, or damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, ExportError> {
        open(bytes).map(|(head, ..)| head)
    }
}

impl Packed {
    /// The object.
    #[must_use]
    pub fn stamped(&self, stamp: Stamp) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.body.len() + CHECKSUM_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        for number in [self.catalogue, stamp.owner, stamp.nonce] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.body_bytes.to_le_bytes());
        out.extend_from_slice(&self.body);
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }
}

/// Head, length of the body, and the packed body, once the checksum fits.
fn open(bytes: &[u8]) -> Result<(ExportHead, u32, &[u8]), ExportError> {
    let damaged = ExportError::Damaged;
    if bytes.len() > OBJECT_BYTES_MAX {
        return Err(damaged("it is too large"));
    }
    let (covered, checksum) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(damaged("it is too short"))?;
    let (head, body) = covered
        .split_first_chunk::<HEAD_BYTES>()
        .ok_or(damaged("it is too short"))?;
    if head[..4] != MAGIC {
        return Err(damaged("it is no export of a catalogue"));
    }
    if *checksum != crc32c::crc32c(covered).to_le_bytes() {
        return Err(damaged("its checksum does not fit"));
    }
    let number = |at: usize| {
        let mut field = [0; 16];
        field.copy_from_slice(&head[at..at + 16]);
        u128::from_le_bytes(field)
    };
    // Only now: a flipped bit must not pass for a newer version.
    let version = u16::from_le_bytes([head[4], head[5]]);
    if version == 0 {
        return Err(damaged("its head is malformed"));
    }
    let stamp = Stamp {
        owner: number(22),
        nonce: number(38),
    };
    let head_read = ExportHead {
        version,
        catalogue: number(6),
        stamp,
    };
    let body_bytes = u32::from_le_bytes([head[54], head[55], head[56], head[57]]);
    Ok((head_read, body_bytes, body))
}

/// Grows with what really comes out, up to one byte more than was announced.
fn inflate(packed: &[u8], body_bytes: u32) -> Result<Vec<u8>, &'static str> {
    const BROKEN: &str = "its body does not unpack";
    let expected = u64::from(body_bytes);
    if expected > BODY_BYTES_MAX {
        return Err("its body is too large");
    }
    let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(|_| BROKEN)?;
    decoder
        .window_log_max(ZSTD_WINDOW_LOG_MAX)
        .map_err(|_| BROKEN)?;
    let mut plain = Vec::new();
    let read = decoder.take(expected + 1).read_to_end(&mut plain);
    match read {
        Ok(_) if plain.len() as u64 == expected => Ok(plain),
        Ok(_) => Err("its body has another length than it says"),
        Err(_) => Err(BROKEN),
    }
}
