//! A message as the guide shows it (SEED_SPEC 5.8).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::message::{BodyEncoding, ConsumeStatus, Message, OffsetMessageId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ops::{Scope, Services, Target};

/// Bytes of a record of RocketMQ beside body, topic and properties.
const RECORD_BYTES: usize = 91;
/// `sysFlag` of a body that its producer packed.
const PACKED: u32 = 1;

/// A stored message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct MessageRow {
    queue_id: u16,
    /// Bytes of the message as RocketMQ would store it.
    store_size: u64,
    queue_offset: u64,
    /// 1: the producer packed the body.
    sys_flag: u32,
    born_timestamp: u64,
    born_host: String,
    store_timestamp: u64,
    store_host: String,
    /// The offset id.
    msg_id: String,
    commit_log_offset: u64,
    /// CRC-32 of the body, without its highest bit.
    #[serde(rename = "bodyCRC")]
    body_crc: u32,
    reconsume_times: u32,
    prepared_transaction_offset: u64,
    topic: String,
    properties: BTreeMap<String, String>,
    message_body: String,
    /// `base64` for a body that is packed or not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_body_encoding: Option<&'static str>,
    /// Null when no group was named.
    status: Option<&'static str>,
    /// To be shown; no such file is made.
    message_body_path: String,
}

impl MessageRow {
    pub(in crate::management) fn new(
        services: &Services,
        scope: &Scope,
        topic: &str,
        message: &Message,
        status: Option<ConsumeStatus>,
    ) -> Self {
        let content = &message.content;
        let is_packed = content.encoding == BodyEncoding::Gzip;
        let text = std::str::from_utf8(&content.body)
            .ok()
            .filter(|_| !is_packed);
        let msg_id = message.offset_message_id().to_string();
        let properties = properties(services, scope, message);
        // Each with two separators.
        let property_bytes: usize = properties.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
        Self {
            queue_id: message.target.unwrap_or(message.queue).queue.0,
            store_size: (RECORD_BYTES + content.body.len() + topic.len() + property_bytes) as u64,
            queue_offset: message.offset.0,
            sys_flag: if is_packed { PACKED } else { 0 },
            born_timestamp: content.born_at.0,
            born_host: content.born_host.clone(),
            store_timestamp: message.stored_at.0,
            store_host: message.broker.store_host(),
            commit_log_offset: message.position.0,
            body_crc: crc(&content.body),
            reconsume_times: message.attempt.saturating_sub(1),
            prepared_transaction_offset: 0,
            topic: topic.to_owned(),
            message_body: text.map_or_else(|| STANDARD.encode(&content.body), str::to_owned),
            message_body_encoding: text.is_none().then_some("base64"),
            status: status.map(ConsumeStatus::as_str),
            message_body_path: format!("/tmp/rocketmq/msgbodys/{msg_id}"),
            properties,
            msg_id,
        }
    }
}

fn crc(body: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(body);
    crc.sum() & 0x7FFF_FFFF
}

/// The user's own, and those that stand for parts of the message.
fn properties(services: &Services, scope: &Scope, message: &Message) -> BTreeMap<String, String> {
    let content = &message.content;
    let mut properties: BTreeMap<String, String> = content.properties.iter().cloned().collect();
    let mut set = |name: &str, value: String| {
        properties.insert(name.to_owned(), value);
    };
    set("UNIQ_KEY", message.message_id.to_string());
    if !content.keys.is_empty() {
        set("KEYS", content.keys.join(" "));
    }
    if let Some(tag) = &content.tag {
        set("TAGS", tag.clone());
    }
    if let Some(group) = &content.message_group {
        set("__SHARDINGKEY", group.clone());
    }
    if let Some(at) = content.deliver_at {
        set("__STARTDELIVERTIME", at.to_string());
    }
    if let Some(origin) = message.origin {
        let original = OffsetMessageId {
            broker: message.broker,
            position: origin.position,
        };
        set("ORIGIN_MESSAGE_ID", original.to_string());
        let topic = Target::of_key(&*services.tenants, scope.instance.id, origin.topic);
        if let Some(topic) = topic {
            set("RETRY_TOPIC", topic.name().into_owned());
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_zip_without_the_sign() {
        assert_eq!(crc(b"123456789"), 0xCBF4_3926 & 0x7FFF_FFFF);
        assert_eq!(crc(b""), 0);
    }
}
