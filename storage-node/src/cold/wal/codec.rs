//! A WAL object as bytes: a head of fixed size, the body, CRC-32C over all
//! before it. Magic, version and checksum keep their places in every version,
//! so that a newer one is told from a damaged one. The body is the frames one
//! after another, compressed where that pays; reading one allocates no more
//! than its head may claim.

use bytes::{Buf, Bytes};
use firn_protocol::ids::{BrokerId, Generation, InstanceId, TenantId};

use super::error::WalReadError;
use super::{Wal, WalFrame};
use crate::cold::paths::{Nonce, ObjectName};
use crate::log::{FrameHeader, Lsn};
use crate::varint::{self, Reader};

const MAGIC: [u8; 4] = *b"FWAL";
pub(super) const VERSION: u16 = 1;
/// Magic, version, kind, packing, node, incarnation, sequence, nonce, settled,
/// floor, number of frames, length of the body raw and stored.
pub(super) const HEAD_BYTES: usize = 4 + 2 + 1 + 1 + 16 + 8 + 8 + 16 + 8 + 8 + 4 + 4 + 4;
const CHECKSUM_BYTES: usize = 4;
/// Longest body before compression.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// What a frame's header takes in a body at most.
pub(super) const FRAME_HEAD_MAX: usize = 64;
/// And at least.
const FRAME_BYTES_MIN: usize = 8;
/// Longest payload of a frame.
pub const FRAME_BYTES_MAX: usize = BODY_BYTES_MAX - FRAME_HEAD_MAX;
/// A body is compressed when that saves at least one byte in this many.
const SAVING_MIN: usize = 16;
const LEVEL: i32 = 1;

/// What an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Frames; perhaps none, when only the floor had to be told.
    Frames = 1,
    /// The end: the number before it is the last that counts.
    Fence = 2,
    /// All frames of the incarnation are covered; `settled` is its end.
    Mark = 3,
}

/// What an object says beside its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Drawn for this object: its bytes are those of no other attempt.
    pub(super) nonce: Nonce,
    /// Objects up to this number are durable.
    pub(super) settled: u64,
    /// Objects below this number are not needed.
    pub(super) floor: u64,
}

/// An object that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WalObject {
    pub(super) head: Head,
    frames: u32,
    body: Bytes,
}

/// The stored bytes of an object. Frames are within [`FRAME_BYTES_MAX`] and
/// together within [`BODY_BYTES_MAX`]; their LSNs rise.
pub(super) fn encode(wal: Wal, sequence: u64, head: Head, frames: &[WalFrame]) -> Bytes {
    let payloads: usize = frames.iter().map(|frame| frame.payload.len()).sum();
    let room = HEAD_BYTES + payloads + frames.len() * FRAME_HEAD_MAX + CHECKSUM_BYTES;
    let mut out = Vec::with_capacity(room);
    out.resize(HEAD_BYTES, 0);
    put_frames(&mut out, frames);
    let raw_bytes = out.len() - HEAD_BYTES;
    assert!(raw_bytes <= BODY_BYTES_MAX, "the queue bounds an object");
    let packed = pack(&out[HEAD_BYTES..]);
    if let Some(packed) = &packed {
        out.truncate(HEAD_BYTES);
        out.extend_from_slice(packed);
        out.shrink_to(HEAD_BYTES + packed.len() + CHECKSUM_BYTES);
    }
    let stored_bytes = out.len() - HEAD_BYTES;
    let mut place = Vec::with_capacity(HEAD_BYTES);
    place.extend_from_slice(&MAGIC);
    place.extend_from_slice(&VERSION.to_le_bytes());
    place.extend_from_slice(&[head.kind as u8, u8::from(packed.is_some())]);
    place.extend_from_slice(&wal.node.0.to_le_bytes());
    place.extend_from_slice(&wal.incarnation.to_le_bytes());
    place.extend_from_slice(&sequence.to_le_bytes());
    place.extend_from_slice(&head.nonce.0.to_le_bytes());
    place.extend_from_slice(&head.settled.to_le_bytes());
    place.extend_from_slice(&head.floor.to_le_bytes());
    // All three are below 2^32, because the body is within its bound.
    for number in [frames.len(), raw_bytes, stored_bytes] {
        place.extend_from_slice(&(number as u32).to_le_bytes());
    }
    out[..HEAD_BYTES].copy_from_slice(&place);
    let checksum = crc32c::crc32c(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.into()
}

fn put_frames(out: &mut Vec<u8>, frames: &[WalFrame]) {
    let mut last = 0;
    for frame in frames {
        assert!(frame.lsn.0 > last, "frames come in the order of the log");
        let header = &frame.header;
        varint::put(out, frame.lsn.0 - last);
        varint::put(out, header.tenant.0);
        varint::put(out, header.instance.0);
        varint::put(out, header.broker.0.into());
        varint::put(out, header.generation.0.into());
        varint::put(out, header.seq);
        out.push(header.kind);
        varint::put_bytes(out, &frame.payload);
        last = frame.lsn.0;
    }
}

/// The body compressed, if that pays.
fn pack(raw: &[u8]) -> Option<Vec<u8>> {
    let packed = zstd::bulk::compress(raw, LEVEL).ok()?;
    (packed.len() + raw.len().div_ceil(SAVING_MIN) <= raw.len()).then_some(packed)
}

impl WalObject {
    /// The object `name` from its stored bytes.
    ///
    /// # Errors
    /// When they are damaged, of a newer version, or belong to another name.
    pub(super) fn decode(name: ObjectName, bytes: &Bytes) -> Result<Self, WalReadError> {
        let damaged = |reason| WalReadError::Damaged {
            name: name.to_string(),
            reason,
        };
        let (version, covered) = open(bytes).map_err(damaged)?;
        if version > VERSION {
            return Err(WalReadError::Newer {
                name: name.to_string(),
                found: version,
                known: VERSION,
            });
        }
        let (found, object) = read(&covered).map_err(damaged)?;
        if found != name {
            return Err(damaged("it says that it is another one"));
        }
        Ok(object)
    }

    /// Its frames, in rising LSN order.
    pub(super) fn frames(&self) -> Frames<'_> {
        Frames {
            body: &self.body,
            at: 0,
            last: 0,
        }
    }
}

/// Version, and all but the checksum once that fits.
fn open(bytes: &Bytes) -> Result<(u16, Bytes), &'static str> {
    let Some(cut) = bytes.len().checked_sub(CHECKSUM_BYTES) else {
        return Err("it is too short");
    };
    if cut > HEAD_BYTES + BODY_BYTES_MAX {
        return Err("it is too large");
    }
    let (covered, checksum) = bytes.split_at(cut);
    let start: &[u8; 6] = covered.first_chunk().ok_or("it is too short")?;
    if start[..4] != MAGIC {
        return Err("it is not a WAL object");
    }
    if checksum != crc32c::crc32c(covered).to_le_bytes() {
        return Err("its checksum does not fit");
    }
    // Only now: a flipped bit must not pass for a newer version.
    let version = u16::from_le_bytes([start[4], start[5]]);
    match version {
        0 => Err("its head is malformed"),
        version => Ok((version, bytes.slice(..cut))),
    }
}

/// Name and content of what passed the checksum.
fn read(covered: &Bytes) -> Result<(ObjectName, WalObject), &'static str> {
    const MALFORMED: &str = "its head is malformed";
    if covered.len() < HEAD_BYTES {
        return Err("it is too short");
    }
    let mut fields = &covered[6..HEAD_BYTES];
    let kind = match fields.get_u8() {
        1 => Kind::Frames,
        2 => Kind::Fence,
        3 => Kind::Mark,
        _ => return Err("its kind is not known"),
    };
    let is_packed = match fields.get_u8() {
        0 => false,
        1 => true,
        _ => return Err(MALFORMED),
    };
    let node = crate::cold::paths::NodeId(fields.get_u128_le());
    let wal = Wal {
        node,
        incarnation: fields.get_u64_le(),
    };
    let sequence = fields.get_u64_le();
    let head = Head {
        kind,
        nonce: Nonce(fields.get_u128_le()),
        settled: fields.get_u64_le(),
        floor: fields.get_u64_le(),
    };
    let frames = fields.get_u32_le();
    let raw_bytes = fields.get_u32_le() as usize;
    let stored = covered.slice(HEAD_BYTES..);
    if fields.get_u32_le() as usize != stored.len() {
        return Err(MALFORMED);
    }
    let in_order = head.settled < sequence && head.floor > 0 && head.floor <= head.settled + 1;
    let is_empty = frames == 0 && raw_bytes == 0;
    if !in_order || (kind != Kind::Frames && !is_empty) {
        return Err(MALFORMED);
    }
    let body = unpack(stored, is_packed, raw_bytes).ok_or("its body is malformed")?;
    let object = WalObject { head, frames, body };
    let mut found = 0;
    let mut reading = object.frames();
    while reading.next().is_some() {
        found += 1;
    }
    match reading.at == object.body.len() && found == frames {
        true => Ok((wal.object(sequence), object)),
        false => Err("its frames are malformed"),
    }
}

/// The body before compression. Allocates what both the head and the packed
/// bytes themselves claim, within the bound, or nothing.
fn unpack(stored: Bytes, is_packed: bool, raw_bytes: usize) -> Option<Bytes> {
    if !is_packed {
        return (stored.len() == raw_bytes).then_some(stored);
    }
    let claimed = zstd::zstd_safe::get_frame_content_size(&stored).ok()??;
    if raw_bytes > BODY_BYTES_MAX || stored.len() >= raw_bytes || claimed != raw_bytes as u64 {
        return None;
    }
    #[cfg(test)]
    watermark::note(raw_bytes);
    let raw = zstd::bulk::decompress(&stored, raw_bytes).ok()?;
    (raw.len() == raw_bytes).then(|| raw.into())
}

/// Reads frames from a body; ends at the first that is malformed.
pub(super) struct Frames<'a> {
    body: &'a Bytes,
    at: usize,
    last: u64,
}

impl Iterator for Frames<'_> {
    type Item = WalFrame;

    fn next(&mut self) -> Option<WalFrame> {
        if self.body.len() - self.at < FRAME_BYTES_MIN {
            return None;
        }
        let mut reader = Reader::new(&self.body[self.at..]);
        let step = reader.number().filter(|step| *step > 0)?;
        let lsn = self.last.checked_add(step)?;
        let header = FrameHeader {
            tenant: TenantId(reader.number()?),
            instance: InstanceId(reader.number()?),
            broker: BrokerId(reader.number()?.try_into().ok()?),
            generation: Generation(reader.number()?.try_into().ok()?),
            seq: reader.number()?,
            kind: reader.byte()?,
        };
        let payload = self.body.slice_ref(reader.bytes()?);
        self.at += reader.at();
        self.last = lsn;
        Some(WalFrame {
            lsn: Lsn(lsn),
            header,
            payload,
        })
    }
}

/// The largest buffer that was asked for, for tests that feed hostile lengths.
#[cfg(test)]
pub(super) mod watermark {
    use std::cell::Cell;

    thread_local! {
        static HIGHEST: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn note(bytes: usize) {
        HIGHEST.with(|highest| highest.set(highest.get().max(bytes)));
    }

    pub(in crate::cold::wal) fn take() -> usize {
        HIGHEST.with(Cell::take)
    }
}
