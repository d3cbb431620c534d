//! Messages and their two ids (SEED_SPEC section 1, RULES 13 and 14).

use std::fmt;

use bytes::Bytes;

use crate::ids::{BrokerId, Offset, Position, QueueId, QueueKey, TopicKey};
use crate::time::Timestamp;

/// The `UNIQ_KEY` of a message: 16 bytes, or 17 as RocketMQ 5 clients make them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    len: u8,
    bytes: [u8; 17],
}

impl MessageId {
    /// Builds an id of 16 or 17 bytes; `None` for any other length.
    #[must_use]
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        if !matches!(raw.len(), 16 | 17) {
            return None;
        }
        let mut bytes = [0; 17];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Self {
            len: raw.len() as u8,
            bytes,
        })
    }

    /// Reads 32 or 34 hex digits of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 17];
        let len = text.len() / 2;
        if !matches!(text.len(), 32 | 34) {
            return None;
        }
        hex::decode_to_slice(text, &mut bytes[..len]).ok()?;
        Some(Self {
            len: len as u8,
            bytes,
        })
    }

    /// The id that a server gives: it embeds broker, time and position, so it
    /// needs no randomness and is unique as long as positions are.
    #[must_use]
    pub fn server_made(broker: BrokerId, time: Timestamp, position: Position) -> Self {
        let mut bytes = [0; 17];
        bytes[..4].copy_from_slice(&broker.0.to_be_bytes());
        bytes[4..10].copy_from_slice(&time.0.to_be_bytes()[2..]);
        bytes[10..16].copy_from_slice(&position.0.to_be_bytes()[2..]);
        Self { len: 16, bytes }
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.as_bytes(), f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Upper-case hex through a stack buffer: ids are written once a message.
fn write_hex(raw: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0; 34];
    let text = &mut text[..raw.len() * 2];
    hex::encode_to_slice(raw, text).map_err(|_| fmt::Error)?;
    text.make_ascii_uppercase();
    f.write_str(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
}

/// The offset id: broker address and position, 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OffsetMessageId {
    pub broker: BrokerId,
    pub position: Position,
}

impl OffsetMessageId {
    /// Reads 32 hex digits; `None` if no broker can have that address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut raw = [0; 16];
        hex::decode_to_slice(text, &mut raw).ok()?;
        let host = u32::from_be_bytes(raw[..4].try_into().ok()?);
        let port = u32::from_be_bytes(raw[4..8].try_into().ok()?);
        let position = u64::from_be_bytes(raw[8..].try_into().ok()?);
        let broker = BrokerId::from_address(host, port)?;
        Some(Self {
            broker,
            position: Position(position),
        })
    }
}

impl fmt::Display for OffsetMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.broker.address();
        let mut raw = [0; 16];
        raw[..4].copy_from_slice(&host.to_be_bytes());
        raw[4..8].copy_from_slice(&u32::from(port).to_be_bytes());
        raw[8..].copy_from_slice(&self.position.0.to_be_bytes());
        write_hex(&raw, f)
    }
}

/// How the producer packed a body. It is stored, counted and handed out as it came;
/// whoever reads it unpacks it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyEncoding {
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
}

impl BodyEncoding {
    /// Reads the name of a content coding (RFC 9110, section 8.4.1).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "identity" => Some(Self::Identity),
            "gzip" => Some(Self::Gzip),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        }
    }
}

/// What a producer sends, checked against the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// Made by the client; the storage node makes one if absent.
    pub message_id: Option<MessageId>,
    pub tag: Option<String>,
    pub keys: Vec<String>,
    /// The user's own properties, in the order sent.
    pub properties: Vec<(String, String)>,
    pub message_group: Option<String>,
    /// Before this time nobody gets it (SEED_SPEC 2.1).
    pub deliver_at: Option<Timestamp>,
    pub born_at: Timestamp,
    /// `ip:port` of the sender.
    pub born_host: String,
    pub encoding: BodyEncoding,
    pub body: Bytes,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub message_id: MessageId,
    pub broker: BrokerId,
    /// Where it is stored; for a redelivery a queue of `%RETRY%<group>`.
    pub queue: QueueKey,
    pub offset: Offset,
    pub position: Position,
    pub stored_at: Timestamp,
    /// 1 for an original, one more for each redelivery.
    pub attempt: u32,
    /// For copies (retry, dead letter): the place of the original.
    pub origin: Option<Origin>,
    /// For a message that is held, delayed or half: the queue that it goes to.
    pub target: Option<QueueKey>,
    pub content: NewMessage,
}

/// Where a copy came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub topic: TopicKey,
    pub queue: QueueId,
    pub offset: Offset,
    pub position: Position,
    pub stored_at: Timestamp,
}

impl Message {
    /// The offset id of this stored record.
    #[must_use]
    pub fn offset_message_id(&self) -> OffsetMessageId {
        OffsetMessageId {
            broker: self.broker,
            position: self.position,
        }
    }

    /// Bytes that count for answers and metering: body, keys, tag and user properties (RULES 26).
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.content.content_bytes()
    }
}

impl NewMessage {
    /// See [`Message::content_bytes`].
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        let properties: usize = self.properties.iter().map(|(k, v)| k.len() + v.len()).sum();
        let keys: usize = self.keys.iter().map(String::len).sum();
        (self.body.len() + properties + keys + self.tag.as_ref().map_or(0, String::len)) as u64
    }
}

/// What a group has done with a message (SEED_SPEC 5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumeStatus {
    ToConsume,
    Consuming,
    Consumed,
}

impl ConsumeStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToConsume => "TO_CONSUME",
            Self::Consuming => "CONSUMING",
            Self::Consumed => "CONSUMED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_of_the_guide_decodes() {
        // SEED_SPEC section 1: 10.142.90.29 : 8400 is not one of our ports, so no broker has it.
        assert_eq!(
            OffsetMessageId::parse("0A8E5A1D000020D00000000001943B5E"),
            None
        );
        let id = OffsetMessageId {
            broker: BrokerId(7),
            position: Position(26_491_742),
        };
        assert_eq!(id.to_string(), "0A00000700002A9F0000000001943B5E");
        assert_eq!(
            OffsetMessageId::parse(&id.to_string().to_lowercase()),
            Some(id)
        );
    }

    #[test]
    fn message_ids_take_both_lengths_and_cases() {
        for text in [
            "0a8e5a1d000020d00000000001943b5e",
            "010A8E5A1D000020D00000000001943B5EFF",
        ] {
            let parsed = MessageId::parse(text);
            if text.len() == 36 {
                assert!(parsed.is_none());
            } else {
                assert_eq!(parsed.expect("valid").to_string(), text.to_uppercase());
            }
        }
        assert!(MessageId::parse("010A8E5A1D000020D00000000001943B5E").is_some());
        assert!(MessageId::parse("xyz").is_none());
    }
}
