//! Stored keys and values of the hot store and the state store, one file per
//! record kind. Every key of tenant data starts with tenant, instance and
//! broker, big-endian, then the kind, so that each kind of a broker is one
//! range in order. The few records about a volume itself have keys of one byte.
//!
//! Every value starts with the format version and a CRC-32C over version, key
//! and the rest: a value that was damaged, or stands under another key, is never an
//! answer.

pub(super) mod chunk;
pub(super) mod index;
pub(super) mod position;
pub(super) mod snapshot;
#[cfg(test)]
mod tests;
pub(super) mod volume;

use firn_protocol::ids::{BrokerId, InstanceId, Offset, QueueId, QueueKey, TenantId, TopicKey};

use super::BrokerKey;

/// Version of all keys and values; a newer one is refused (RULES 12).
pub(super) const FORMAT: u8 = 1;

pub(super) const BROKER_BYTES: usize = 20;
/// Broker and kind.
pub(super) const PREFIX_BYTES: usize = BROKER_BYTES + 1;
pub(super) const QUEUE_BYTES: usize = 1 + 8 + 2;
/// Key of a chunk and of its index record.
pub(super) const CHUNK_KEY_BYTES: usize = PREFIX_BYTES + QUEUE_BYTES + 8;
/// Version and checksum.
const ENVELOPE_BYTES: usize = 1 + 4;

/// What a record is; the number in its key, never reassigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Chunk = 1,
    Index = 2,
    Position = 3,
    Snapshot = 4,
}

/// Why a stored value cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ValueError {
    #[error("the value is damaged")]
    Damaged,
    #[error("the value has format {0}, known is {FORMAT}")]
    Newer(u8),
}

pub(super) fn prefix(broker: BrokerKey, kind: Kind) -> [u8; PREFIX_BYTES] {
    let mut key = [0; PREFIX_BYTES];
    key[..8].copy_from_slice(&broker.tenant.0.to_be_bytes());
    key[8..16].copy_from_slice(&broker.instance.0.to_be_bytes());
    key[16..20].copy_from_slice(&broker.broker.0.to_be_bytes());
    key[20] = kind as u8;
    key
}

/// The broker that a key belongs to, and the kind's number.
pub(super) fn parse_prefix(key: &[u8]) -> Option<(BrokerKey, u8)> {
    let broker = BrokerKey {
        tenant: TenantId(u64_be(key, 0)?),
        instance: InstanceId(u64_be(key, 8)?),
        broker: BrokerId(u32::from_be_bytes(*key.get(16..)?.first_chunk()?)),
    };
    Some((broker, *key.get(BROKER_BYTES)?))
}

/// Start of the keys of one queue, for chunks and index records.
pub(super) fn queue_prefix(broker: BrokerKey, kind: Kind, queue: QueueKey) -> Vec<u8> {
    let mut key = topic_prefix(broker, kind, queue.topic);
    key.extend_from_slice(&queue.queue.0.to_be_bytes());
    key
}

/// Start of the keys of one topic.
pub(super) fn topic_prefix(broker: BrokerKey, kind: Kind, topic: TopicKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(CHUNK_KEY_BYTES);
    key.extend_from_slice(&prefix(broker, kind));
    key.push(topic.kind());
    key.extend_from_slice(&topic.number().to_be_bytes());
    key
}

/// Key of the chunk, or of its index record, that starts at `offset`.
pub(super) fn chunk_key(broker: BrokerKey, kind: Kind, queue: QueueKey, offset: Offset) -> Vec<u8> {
    let mut key = queue_prefix(broker, kind, queue);
    key.extend_from_slice(&offset.0.to_be_bytes());
    key
}

/// Queue and first offset in a key made by [`chunk_key`].
pub(super) fn parse_chunk_key(key: &[u8]) -> Option<(QueueKey, Offset)> {
    if key.len() != CHUNK_KEY_BYTES {
        return None;
    }
    let at = PREFIX_BYTES;
    let topic = TopicKey::from_parts(key[at], u64_be(key, at + 1)?)?;
    let queue = QueueId(u16::from_be_bytes(*key[at + 9..].first_chunk()?));
    let offset = Offset(u64_be(key, at + QUEUE_BYTES)?);
    Some((QueueKey { topic, queue }, offset))
}

/// The first key behind all that start with `prefix`; `None` if there is no such key.
pub(super) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

pub(super) fn u64_be(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_le(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A value about to be written: the payload is appended, then sealed.
struct Envelope(Vec<u8>);

impl Envelope {
    fn with_capacity(payload_bytes: usize) -> Self {
        let mut value = Vec::with_capacity(ENVELOPE_BYTES + payload_bytes);
        value.push(FORMAT);
        value.extend_from_slice(&[0; 4]);
        Self(value)
    }

    fn seal(mut self, key: &[u8]) -> Vec<u8> {
        let sum = checksum(FORMAT, key, &self.0[ENVELOPE_BYTES..]);
        self.0[1..ENVELOPE_BYTES].copy_from_slice(&sum.to_le_bytes());
        self.0
    }
}

/// The payload of a value that is what was written under this key.
fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], ValueError> {
    let (head, payload) = value
        .split_at_checked(ENVELOPE_BYTES)
        .ok_or(ValueError::Damaged)?;
    let sum = u32_le(head, 1).ok_or(ValueError::Damaged)?;
    if head[0] == 0 || sum != checksum(head[0], key, payload) {
        return Err(ValueError::Damaged);
    }
    // Only now: a flipped bit must not pass for a newer version.
    if head[0] > FORMAT {
        return Err(ValueError::Newer(head[0]));
    }
    Ok(payload)
}

fn checksum(version: u8, key: &[u8], payload: &[u8]) -> u32 {
    let head = crc32c::crc32c_append(crc32c::crc32c(&[version]), key);
    crc32c::crc32c_append(head, payload)
}
