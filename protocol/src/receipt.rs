//! Receipt handles: opaque, authenticated, valid across failover (DESIGN 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ids::{
    BrokerId, Generation, GroupId, InstanceId, Offset, Position, QueueId, QueueKey, TopicId,
    TopicKey,
};

const VERSION: u8 = 1;
/// Handles of other kinds begin with another byte and have the same layout.
const DELAYED: u8 = 2;
const HALF: u8 = 3;
const BODY_BYTES: usize = 62;
const MAC_BYTES: usize = 16;

/// One delivery of one record to one member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    pub broker: BrokerId,
    pub group: GroupId,
    /// The topic that was asked for; a retry copy is acked under its origin's topic (RULES 16).
    pub topic: TopicKey,
    /// Where the record is stored.
    pub queue: QueueKey,
    pub offset: Offset,
    pub attempt: u32,
    /// Rises with each seek of the group on the topic (RULES 21).
    pub epoch: u32,
    /// Generation of the broker when it was handed out (RULES 2).
    pub generation: Generation,
    /// Number of the delivery within the broker.
    pub lease: u64,
}

/// What a handle of a held message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldKind {
    /// A delayed message: its recall handle.
    Delayed,
    /// A half message: its transaction id.
    Half,
}

/// Where a message is held until it goes to its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldPlace {
    pub broker: BrokerId,
    /// The topic that it goes to.
    pub topic: TopicKey,
    /// Queue of the waiting topic.
    pub queue: QueueId,
    pub offset: Offset,
    /// Never given out twice, unlike an offset after a restore (RULES 14).
    pub position: Position,
}

/// Seals and opens handles with a key of the deployment.
#[derive(Clone)]
pub struct ReceiptCodec {
    key: [u8; 32],
}

impl ReceiptCodec {
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The handle as clients see it.
    #[must_use]
    pub fn seal(&self, instance: InstanceId, receipt: &Receipt) -> String {
        self.seal_as(VERSION, instance, receipt)
    }

    /// The handle of a held message as clients see it.
    #[must_use]
    pub fn seal_held(&self, kind: HeldKind, instance: InstanceId, place: &HeldPlace) -> String {
        let receipt = Receipt {
            broker: place.broker,
            group: GroupId(0),
            topic: place.topic,
            queue: QueueKey {
                topic: TopicKey::Waiting,
                queue: place.queue,
            },
            offset: place.offset,
            attempt: 0,
            epoch: 0,
            generation: Generation(0),
            lease: place.position.0,
        };
        self.seal_as(kind.version(), instance, &receipt)
    }

    /// Opens the handle of a held message; `None` as [`Self::open`].
    #[must_use]
    pub fn open_held(
        &self,
        kind: HeldKind,
        instance: InstanceId,
        handle: &str,
    ) -> Option<HeldPlace> {
        let receipt = self.open_as(kind.version(), instance, handle)?;
        Some(HeldPlace {
            broker: receipt.broker,
            topic: receipt.topic,
            queue: receipt.queue.queue,
            offset: receipt.offset,
            position: Position(receipt.lease),
        })
    }

    fn seal_as(&self, version: u8, instance: InstanceId, receipt: &Receipt) -> String {
        let mut raw = [0; BODY_BYTES + MAC_BYTES];
        encode(version, receipt, &mut raw);
        let mac = self.mac(instance, &raw[..BODY_BYTES]);
        raw[BODY_BYTES..].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(raw)
    }

    /// Opens a handle of this instance; `None` for anything that this
    /// deployment did not give out for it.
    #[must_use]
    pub fn open(&self, instance: InstanceId, handle: &str) -> Option<Receipt> {
        self.open_as(VERSION, instance, handle)
    }

    fn open_as(&self, version: u8, instance: InstanceId, handle: &str) -> Option<Receipt> {
        let mut raw = [0; BODY_BYTES + MAC_BYTES];
        // The length is checked first so that no input costs more than this buffer.
        if handle.len() != (BODY_BYTES + MAC_BYTES).div_ceil(3) * 4 {
            return None;
        }
        let len = URL_SAFE_NO_PAD.decode_slice(handle, &mut raw).ok()?;
        if len != raw.len() {
            return None;
        }
        let expected = self.mac(instance, &raw[..BODY_BYTES]);
        // Constant time: no early exit that would tell how much of a forgery was right.
        let mut difference = 0;
        for (a, b) in expected.iter().zip(&raw[BODY_BYTES..]) {
            difference |= a ^ b;
        }
        if difference != 0 {
            return None;
        }
        decode(version, &raw)
    }

    fn mac(&self, instance: InstanceId, body: &[u8]) -> [u8; MAC_BYTES] {
        let mut input = [0; BODY_BYTES + 8];
        input[..8].copy_from_slice(&instance.0.to_be_bytes());
        input[8..].copy_from_slice(body);
        let hash = blake3::keyed_hash(&self.key, &input);
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&hash.as_bytes()[..MAC_BYTES]);
        mac
    }
}

fn encode(version: u8, receipt: &Receipt, raw: &mut [u8; BODY_BYTES + MAC_BYTES]) {
    raw[0] = version;
    raw[1..5].copy_from_slice(&receipt.broker.0.to_be_bytes());
    raw[5..13].copy_from_slice(&receipt.group.0.to_be_bytes());
    raw[13] = (receipt.topic.kind() << 4) | receipt.queue.topic.kind();
    raw[14..22].copy_from_slice(&receipt.topic.number().to_be_bytes());
    raw[22..30].copy_from_slice(&receipt.queue.topic.number().to_be_bytes());
    raw[30..32].copy_from_slice(&receipt.queue.queue.0.to_be_bytes());
    raw[32..40].copy_from_slice(&receipt.offset.0.to_be_bytes());
    raw[40..44].copy_from_slice(&receipt.attempt.to_be_bytes());
    raw[44..48].copy_from_slice(&receipt.epoch.to_be_bytes());
    raw[48..52].copy_from_slice(&receipt.generation.0.to_be_bytes());
    raw[52..60].copy_from_slice(&receipt.lease.to_be_bytes());
}

fn decode(version: u8, raw: &[u8; BODY_BYTES + MAC_BYTES]) -> Option<Receipt> {
    let u32_at = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| raw[at + i]));
    let u64_at = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| raw[at + i]));
    if raw[0] != version {
        return None;
    }
    Some(Receipt {
        broker: BrokerId(u32_at(1)),
        group: GroupId(u64_at(5)),
        topic: TopicKey::from_parts(raw[13] >> 4, u64_at(14))?,
        queue: QueueKey {
            topic: TopicKey::from_parts(raw[13] & 15, u64_at(22))?,
            queue: QueueId(u16::from_be_bytes([raw[30], raw[31]])),
        },
        offset: Offset(u64_at(32)),
        attempt: u32_at(40),
        epoch: u32_at(44),
        generation: Generation(u32_at(48)),
        lease: u64_at(52),
    })
}

impl HeldKind {
    fn version(self) -> u8 {
        match self {
            Self::Delayed => DELAYED,
            Self::Half => HALF,
        }
    }
}

/// The topic that a receipt was given out under, as a user topic's number.
#[must_use]
pub fn user_topic(receipt: &Receipt) -> Option<TopicId> {
    match receipt.topic {
        TopicKey::User(id) => Some(id),
        TopicKey::Retry(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Receipt {
        Receipt {
            broker: BrokerId(3),
            group: GroupId(9),
            topic: TopicKey::User(TopicId(u64::MAX)),
            queue: QueueKey {
                topic: TopicKey::Retry(GroupId(9)),
                queue: QueueId(65_535),
            },
            offset: Offset(1 << 60),
            attempt: 4,
            epoch: 5,
            generation: Generation(6),
            lease: 7,
        }
    }

    #[test]
    fn handles_round_trip_and_resist_change() {
        let codec = ReceiptCodec::new([7; 32]);
        let handle = codec.seal(InstanceId(1), &sample());
        assert_eq!(codec.open(InstanceId(1), &handle), Some(sample()));
        assert_eq!(
            codec.open(InstanceId(2), &handle),
            None,
            "another instance's handle"
        );
        assert_eq!(
            ReceiptCodec::new([8; 32]).open(InstanceId(1), &handle),
            None
        );
        for at in 0..handle.len() {
            let mut forged = handle.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ascii");
            assert_eq!(codec.open(InstanceId(1), &forged), None, "change at {at}");
        }
        for kind in [HeldKind::Delayed, HeldKind::Half] {
            assert_eq!(codec.open_held(kind, InstanceId(1), &handle), None);
        }
        for rubbish in ["", "x", "é", &"A".repeat(104), &"A".repeat(100_000)] {
            assert_eq!(codec.open(InstanceId(1), rubbish), None);
        }
    }

    #[test]
    fn a_held_message_s_handle_is_of_its_kind() {
        let codec = ReceiptCodec::new([7; 32]);
        let place = HeldPlace {
            broker: BrokerId(3),
            topic: TopicKey::User(TopicId(4)),
            queue: QueueId(5),
            offset: Offset(6),
            position: Position(7),
        };
        let (mine, other) = (InstanceId(1), InstanceId(2));
        let handle = codec.seal_held(HeldKind::Delayed, mine, &place);
        let open = |kind, instance| codec.open_held(kind, instance, &handle);
        assert_eq!(open(HeldKind::Delayed, mine), Some(place));
        assert_eq!(open(HeldKind::Half, mine), None);
        assert_eq!(open(HeldKind::Delayed, other), None);
        assert_eq!(codec.open(mine, &handle), None);
    }
}
