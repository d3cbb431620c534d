//! Bytes of one record: flags, id, born fields, optional parts, then the body
//! to the end. Numbers are little-endian base-128.

use bytes::Bytes;
use firn_protocol::ids::{Offset, Position, QueueId, QueueKey, TopicKey};
use firn_protocol::message::{BodyEncoding, MessageId, NewMessage, Origin};
use firn_protocol::time::Timestamp;

use super::{RecordError, RecordSummary};
use crate::varint::{self, Reader};

const HAS_ID: u8 = 1;
const HAS_TAG: u8 = 2;
const HAS_KEYS: u8 = 4;
const HAS_PROPERTIES: u8 = 8;
const HAS_GROUP: u8 = 16;
const HAS_ORIGIN: u8 = 32;
/// Further flags follow as a number.
const HAS_MORE: u8 = 64;
const KNOWN: u8 = 127;

const HAS_DELIVER_AT: u64 = 1;
const HAS_TARGET: u64 = 2;
/// The body is packed; a number says how.
const HAS_ENCODING: u64 = 4;
const MORE_KNOWN: u64 = 7;

const GZIP: u64 = 1;

pub(super) fn encode_record(
    out: &mut Vec<u8>,
    content: &NewMessage,
    id: Option<MessageId>,
    attempt: u32,
    origin: Option<Origin>,
    target: Option<QueueKey>,
) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    let encoding = match content.encoding {
        BodyEncoding::Identity => None,
        BodyEncoding::Gzip => Some(GZIP),
    };
    let further = |present: bool, bit: u64| if present { bit } else { 0 };
    let more = further(content.deliver_at.is_some(), HAS_DELIVER_AT)
        | further(target.is_some(), HAS_TARGET)
        | further(encoding.is_some(), HAS_ENCODING);
    out.push(
        flag(id.is_some(), HAS_ID)
            | flag(content.tag.is_some(), HAS_TAG)
            | flag(!content.keys.is_empty(), HAS_KEYS)
            | flag(!content.properties.is_empty(), HAS_PROPERTIES)
            | flag(content.message_group.is_some(), HAS_GROUP)
            | flag(origin.is_some(), HAS_ORIGIN)
            | flag(more != 0, HAS_MORE),
    );
    if more != 0 {
        varint::put(out, more);
    }
    if let Some(id) = id {
        varint::put_bytes(out, id.as_bytes());
    }
    varint::put(out, content.born_at.0);
    varint::put_bytes(out, content.born_host.as_bytes());
    if let Some(origin) = origin {
        varint::put(out, u64::from(attempt));
        out.push(origin.topic.kind());
        varint::put(out, origin.topic.number());
        varint::put(out, u64::from(origin.queue.0));
        varint::put(out, origin.offset.0);
        varint::put(out, origin.position.0);
        varint::put(out, origin.stored_at.0);
    }
    if let Some(at) = content.deliver_at {
        varint::put(out, at.0);
    }
    if let Some(target) = target {
        out.push(target.topic.kind());
        varint::put(out, target.topic.number());
        varint::put(out, u64::from(target.queue.0));
    }
    if let Some(encoding) = encoding {
        varint::put(out, encoding);
    }
    if let Some(tag) = &content.tag {
        varint::put_bytes(out, tag.as_bytes());
    }
    if !content.keys.is_empty() {
        varint::put(out, content.keys.len() as u64);
        for key in &content.keys {
            varint::put_bytes(out, key.as_bytes());
        }
    }
    if !content.properties.is_empty() {
        varint::put(out, content.properties.len() as u64);
        for (name, value) in &content.properties {
            varint::put_bytes(out, name.as_bytes());
            varint::put_bytes(out, value.as_bytes());
        }
    }
    if let Some(group) = &content.message_group {
        varint::put_bytes(out, group.as_bytes());
    }
    out.extend_from_slice(&content.body);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

/// Encoded texts of a record, one behind the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Texts<'a> {
    count: u64,
    bytes: &'a [u8],
}

impl<'a> Texts<'a> {
    /// They were checked when the summary was read, so none is lost here.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        (0..self.count).map_while(move |_| reader.text())
    }

    /// The text behind the first one that is equal, of texts that are pairs.
    pub(super) fn value_of(&self, name: &str) -> Option<&'a str> {
        let mut reader = Reader::new(self.bytes);
        for _ in 0..self.count / 2 {
            // Only what is asked for has to be text here.
            let (own, value) = (reader.bytes()?, reader.bytes()?);
            if own == name.as_bytes() {
                return std::str::from_utf8(value).ok();
            }
        }
        None
    }

    /// Reads past texts and checks them.
    fn read(reader: &mut Reader<'a>, bytes: &'a [u8], count: u64) -> Result<Self, RecordError> {
        let start = reader.at();
        for _ in 0..count {
            reader.text().ok_or(RecordError("text is cut"))?;
        }
        let bytes = &bytes[start..reader.at()];
        Ok(Self { count, bytes })
    }
}

struct Head<'a> {
    summary: RecordSummary<'a>,
    born_at: u64,
    born_host: &'a str,
    encoding: BodyEncoding,
}

pub(super) fn summary(bytes: &[u8]) -> Result<RecordSummary<'_>, RecordError> {
    Ok(head(bytes)?.summary)
}

pub(super) fn decode_record(bytes: &Bytes) -> Result<(NewMessage, RecordSummary<'_>), RecordError> {
    let head = head(bytes)?;
    let mut properties = Vec::new();
    let mut texts = head.summary.properties.iter();
    while let Some((name, value)) = texts.next().zip(texts.next()) {
        properties.push((name.to_owned(), value.to_owned()));
    }
    let content = NewMessage {
        message_id: None,
        tag: head.summary.tag.map(str::to_owned),
        keys: head.summary.keys().map(str::to_owned).collect(),
        properties,
        message_group: head.summary.message_group.map(str::to_owned),
        deliver_at: head.summary.deliver_at,
        born_at: Timestamp(head.born_at),
        born_host: head.born_host.to_owned(),
        encoding: head.encoding,
        body: bytes.slice(head.summary.body_at..),
    };
    Ok((content, head.summary))
}

fn head(bytes: &[u8]) -> Result<Head<'_>, RecordError> {
    let mut reader = Reader::new(bytes);
    let flags = reader.byte().ok_or(RecordError("record is empty"))?;
    if flags & !KNOWN != 0 {
        return Err(RecordError("record has unknown flags"));
    }
    let has = |bit: u8| flags & bit != 0;
    let more = match has(HAS_MORE) {
        true => reader.number().ok_or(RecordError("flags are cut"))?,
        false => 0,
    };
    if more & !MORE_KNOWN != 0 {
        return Err(RecordError("record has unknown flags"));
    }
    let message_id = if has(HAS_ID) {
        let raw = reader.bytes().ok_or(RecordError("id is cut"))?;
        Some(MessageId::from_bytes(raw).ok_or(RecordError("id has a wrong length"))?)
    } else {
        None
    };
    let born_at = reader.number().ok_or(RecordError("born time is cut"))?;
    let born_host = reader.text().ok_or(RecordError("born host is cut"))?;
    let (attempt, origin) = if has(HAS_ORIGIN) {
        origin(&mut reader)?
    } else {
        (1, None)
    };
    let (deliver_at, target) = held_parts(&mut reader, more)?;
    let encoding = encoding(&mut reader, more)?;
    let tag = if has(HAS_TAG) {
        Some(reader.text().ok_or(RecordError("tag is cut"))?)
    } else {
        None
    };
    let mut keys = Texts::default();
    if has(HAS_KEYS) {
        let count = reader.number().ok_or(RecordError("keys are cut"))?;
        keys = Texts::read(&mut reader, bytes, count)?;
    }
    let mut properties = Texts::default();
    if has(HAS_PROPERTIES) {
        let count = reader.number().ok_or(RecordError("properties are cut"))?;
        properties = Texts::read(&mut reader, bytes, count.saturating_mul(2))?;
    }
    let message_group = if has(HAS_GROUP) {
        Some(reader.text().ok_or(RecordError("message group is cut"))?)
    } else {
        None
    };
    let summary = RecordSummary {
        tag,
        message_id,
        attempt,
        origin,
        deliver_at,
        target,
        message_group,
        keys,
        properties,
        body_at: reader.at(),
    };
    Ok(Head {
        summary,
        born_at,
        born_host,
        encoding,
    })
}

/// When a delayed message is due, and where a held one goes.
fn held_parts(
    reader: &mut Reader<'_>,
    more: u64,
) -> Result<(Option<Timestamp>, Option<QueueKey>), RecordError> {
    let mut deliver_at = None;
    if more & HAS_DELIVER_AT != 0 {
        let at = reader.number().ok_or(RecordError("due time is cut"))?;
        deliver_at = Some(Timestamp(at));
    }
    let mut goes_to = None;
    if more & HAS_TARGET != 0 {
        goes_to = Some(target(reader).ok_or(RecordError("target is malformed"))?);
    }
    Ok((deliver_at, goes_to))
}

/// How the body is packed.
fn encoding(reader: &mut Reader<'_>, more: u64) -> Result<BodyEncoding, RecordError> {
    if more & HAS_ENCODING == 0 {
        return Ok(BodyEncoding::Identity);
    }
    match reader.number() {
        Some(GZIP) => Ok(BodyEncoding::Gzip),
        _ => Err(RecordError("body encoding is unknown")),
    }
}

fn target(reader: &mut Reader<'_>) -> Option<QueueKey> {
    let kind = reader.byte()?;
    Some(QueueKey {
        topic: TopicKey::from_parts(kind, reader.number()?)?,
        queue: QueueId(u16::try_from(reader.number()?).ok()?),
    })
}

fn origin(reader: &mut Reader<'_>) -> Result<(u32, Option<Origin>), RecordError> {
    let mut read = || {
        let attempt = u32::try_from(reader.number()?).ok()?;
        let kind = reader.byte()?;
        let topic = TopicKey::from_parts(kind, reader.number()?)?;
        let queue = QueueId(u16::try_from(reader.number()?).ok()?);
        let offset = Offset(reader.number()?);
        let position = Position(reader.number()?);
        let stored_at = Timestamp(reader.number()?);
        Some((
            attempt,
            Some(Origin {
                topic,
                queue,
                offset,
                position,
                stored_at,
            }),
        ))
    };
    read().ok_or(RecordError("origin is malformed"))
}
