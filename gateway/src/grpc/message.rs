//! A message as clients of this protocol read it. What they cannot do without, a
//! digest and an encoding, is always there.

use firn_protocol::TopicKey;
use firn_protocol::api::hold::HalfMessage;
use firn_protocol::api::storage::Delivery;
use firn_protocol::catalogue::TopicType;
use firn_protocol::message::{BodyEncoding, Message, NewMessage};
use md5::{Digest as _, Md5};
use prost_types::{Duration, Timestamp};

use super::wire::{self, Digest, DigestType, Encoding, MessageType, Resource, SystemProperties};
use crate::ops::{Scope, Services, Target};

/// A message handed to a member. A redelivery shows the place of its original.
pub(super) fn delivered(
    services: &Services,
    scope: &Scope,
    (topic, name): (&Target, &Resource),
    delivery: &Delivery,
    invisible_ms: u64,
) -> wire::Message {
    let message = &delivery.message;
    let mut encoded = encoded(topic, name, message);
    if let Some(system) = &mut encoded.system_properties {
        if let (TopicKey::Retry(_), Some(origin)) = (message.queue.topic, message.origin) {
            system.queue_id = origin.queue.0.into();
            system.queue_offset = Some(signed(origin.offset.0));
        }
        let handle = services.receipts.seal(scope.instance.id, &delivery.receipt);
        system.receipt_handle = Some(handle);
        system.invisible_duration = Some(duration(invisible_ms));
        system.delivery_attempt = Some(i32::try_from(message.attempt).unwrap_or(i32::MAX));
    }
    encoded
}

/// A half message that its producer is asked about.
pub(super) fn half(topic: &Target, name: &Resource, half: &HalfMessage) -> wire::Message {
    let mut encoded = encoded(topic, name, &half.message);
    if let Some(system) = &mut encoded.system_properties {
        system.message_type = MessageType::Transaction.into();
    }
    encoded
}

fn encoded(topic: &Target, name: &Resource, message: &Message) -> wire::Message {
    let content = &message.content;
    let system = SystemProperties {
        tag: content.tag.clone(),
        keys: content.keys.clone(),
        message_id: message.message_id.to_string(),
        body_digest: Some(Digest {
            r#type: DigestType::Md5.into(),
            checksum: hex::encode_upper(Md5::digest(&content.body)),
        }),
        body_encoding: match content.encoding {
            BodyEncoding::Identity => Encoding::Identity.into(),
            BodyEncoding::Gzip => Encoding::Gzip.into(),
        },
        message_type: message_type(topic, content).into(),
        born_timestamp: Some(timestamp(content.born_at.0)),
        born_host: content.born_host.clone(),
        store_timestamp: Some(timestamp(message.stored_at.0)),
        store_host: message.broker.store_host(),
        delivery_timestamp: content.deliver_at.map(|at| timestamp(at.0)),
        queue_id: message.target.unwrap_or(message.queue).queue.0.into(),
        queue_offset: message.target.is_none().then(|| signed(message.offset.0)),
        message_group: content.message_group.clone(),
        ..SystemProperties::default()
    };
    wire::Message {
        topic: Some(name.clone()),
        user_properties: content.properties.iter().cloned().collect(),
        system_properties: Some(system),
        body: content.body.clone(),
    }
}

fn message_type(topic: &Target, content: &NewMessage) -> MessageType {
    let is_transaction =
        matches!(topic, Target::Topic(topic) if topic.topic_type == TopicType::Transaction);
    if content.message_group.is_some() {
        MessageType::Fifo
    } else if content.deliver_at.is_some() {
        MessageType::Delay
    } else if is_transaction {
        MessageType::Transaction
    } else {
        MessageType::Normal
    }
}

pub(super) fn timestamp(ms: u64) -> Timestamp {
    Timestamp {
        seconds: signed(ms / 1000),
        nanos: nanos(ms),
    }
}

pub(super) fn duration(ms: u64) -> Duration {
    Duration {
        seconds: signed(ms / 1000),
        nanos: nanos(ms),
    }
}

fn nanos(ms: u64) -> i32 {
    (ms % 1000) as i32 * 1_000_000
}

/// Numbers of ours are below 2^53.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// In milliseconds, begun ones counted whole; `None` below zero or out of bounds.
pub(super) fn duration_ms(duration: &Duration) -> Option<u64> {
    ms_of(duration.seconds, duration.nanos)
}

/// As [`duration_ms`], since 1970.
pub(super) fn timestamp_ms(timestamp: &Timestamp) -> Option<u64> {
    ms_of(timestamp.seconds, timestamp.nanos)
}

fn ms_of(seconds: i64, nanos: i32) -> Option<u64> {
    let seconds = u64::try_from(seconds).ok()?;
    let nanos = u64::try_from(nanos).ok().filter(|it| *it < 1_000_000_000)?;
    seconds
        .checked_mul(1000)?
        .checked_add(nanos.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_there_and_back() {
        for ms in [0, 1, 999, 1000, 1_735_689_600_123] {
            assert_eq!(timestamp_ms(&timestamp(ms)), Some(ms));
            assert_eq!(duration_ms(&duration(ms)), Some(ms));
        }
        let odd = |seconds, nanos| duration_ms(&Duration { seconds, nanos });
        assert_eq!(odd(1, 1), Some(1001));
        assert_eq!(odd(-1, 0), None);
        assert_eq!(odd(0, -1), None);
        assert_eq!(odd(0, 1_000_000_000), None);
        assert_eq!(odd(i64::MAX, 0), None);
    }
}
