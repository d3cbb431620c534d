//! A message as received or queried (API.md, "Messages").

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::api::storage::Delivery;
use firn_protocol::message::{BodyEncoding, ConsumeStatus, Message, MessageId, OffsetMessageId};
use firn_protocol::{ApiResult, BrokerId, Offset, QueueId, TopicKey};
use serde::Serialize;
use serde::ser::Serializer;
use utoipa::ToSchema;

use super::quoted;
use super::send::as_text;
use crate::native::answer;
use crate::ops::{Scope, Services, Target};

/// A stored message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct MessageJson<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    message_id: MessageId,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    offset_message_id: OffsetMessageId,
    topic: &'a str,
    broker: &'a str,
    queue_id: u16,
    /// Null while the message is held.
    queue_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    keys: &'a [String],
    #[serde(serialize_with = "as_object")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    properties: &'a [(String, String)],
    /// The body, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_base64")]
    #[schema(value_type = Option<String>)]
    body_base64: Option<&'a [u8]>,
    /// How the producer packed the body, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group: Option<&'a str>,
    /// Of a delayed message: when it was, or is, due.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_at: Option<u64>,
    born_timestamp: u64,
    born_host: &'a str,
    store_timestamp: u64,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    store_host: StoreHost,
    /// From 1.
    attempt: u32,
    /// Where the copy that was delivered is stored, for a redelivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_queue: Option<PlaceJson<'a>>,
    /// Where a copy came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<PlaceJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invisible_until: Option<u64>,
    /// With `group=`: `TO_CONSUME`, `CONSUMING` or `CONSUMED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// A place in a queue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct PlaceJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    broker: &'a str,
    queue_id: u16,
    queue_offset: u64,
}

/// How a broker's address is written.
struct StoreHost(BrokerId);

impl std::fmt::Display for StoreHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (host, port) = self.0.address();
        write!(f, "{}:{port}", std::net::Ipv4Addr::from(host))
    }
}

impl<'a> MessageJson<'a> {
    /// A message handed to a member: a redelivery shows the place of its
    /// original, and the copy's own as `retryQueue` (RULES 16).
    pub(in crate::native) fn delivered(
        services: &Services,
        scope: &'a Scope,
        topic: &'a str,
        delivery: &'a Delivery,
        force_base64: bool,
    ) -> Self {
        let message = &delivery.message;
        let mut json = Self::stored(scope, topic, message, force_base64);
        if let (TopicKey::Retry(_), Some(origin)) = (message.queue.topic, message.origin) {
            let broker = json.broker;
            json.retry_queue = Some(place(broker, message.queue.queue, message.offset));
            json.queue_id = origin.queue.0;
            json.queue_offset = Some(origin.offset.0);
        }
        json.receipt_handle = Some(services.receipts.seal(scope.instance.id, &delivery.receipt));
        json.invisible_until = Some(delivery.invisible_until.0);
        json
    }

    /// Appends the message as a JSON object, its body last.
    ///
    /// # Errors
    /// As `answer::encode`.
    pub(in crate::native) fn write(mut self, out: &mut Vec<u8>) -> ApiResult<()> {
        let (body, body_base64) = (self.body.take(), self.body_base64.take());
        answer::append(out, &self)?;
        // The object has other fields, so a comma is always right.
        let end = out.pop();
        debug_assert_eq!(end, Some(b'}'));
        if let Some(body) = body {
            out.extend_from_slice(b",\"body\":");
            quoted::write_text(out, body);
        }
        if let Some(bytes) = body_base64 {
            out.extend_from_slice(b",\"bodyBase64\":");
            quoted::write_base64(out, bytes);
        }
        out.push(b'}');
        Ok(())
    }

    /// A message as a query finds it: in its own place; copies say where they came from.
    pub(in crate::native) fn queried(
        services: &Services,
        scope: &'a Scope,
        topic: &'a str,
        message: &'a Message,
        status: Option<ConsumeStatus>,
    ) -> Self {
        let mut json = Self::stored(scope, topic, message, false);
        json.origin = message.origin.map(|origin| {
            let named = Target::of_key(&*services.tenants, scope.instance.id, origin.topic);
            PlaceJson {
                topic: named.map(|target| target.name().into_owned()),
                ..place(json.broker, origin.queue, origin.offset)
            }
        });
        json.status = status.map(ConsumeStatus::as_str);
        json
    }

    fn stored(scope: &'a Scope, topic: &'a str, message: &'a Message, force_base64: bool) -> Self {
        let content = &message.content;
        let is_packed = content.encoding != BodyEncoding::Identity;
        let body = if force_base64 || is_packed {
            None
        } else {
            std::str::from_utf8(&content.body).ok()
        };
        Self {
            message_id: message.message_id,
            offset_message_id: message.offset_message_id(),
            topic,
            broker: scope.broker_name(message.broker),
            queue_id: message.target.unwrap_or(message.queue).queue.0,
            queue_offset: message.target.is_none().then_some(message.offset.0),
            tag: content.tag.as_deref(),
            keys: &content.keys,
            properties: &content.properties,
            body,
            body_base64: body.is_none().then_some(&content.body[..]),
            content_encoding: is_packed.then_some(content.encoding.as_str()),
            message_group: content.message_group.as_deref(),
            deliver_at: content.deliver_at.map(|at| at.0),
            born_timestamp: content.born_at.0,
            born_host: &content.born_host,
            store_timestamp: message.stored_at.0,
            store_host: StoreHost(message.broker),
            attempt: message.attempt,
            retry_queue: None,
            origin: None,
            receipt_handle: None,
            invisible_until: None,
            status: None,
        }
    }
}

fn place(broker: &str, queue: QueueId, offset: Offset) -> PlaceJson<'_> {
    PlaceJson {
        topic: None,
        broker,
        queue_id: queue.0,
        queue_offset: offset.0,
    }
}

fn as_object<S: Serializer>(pairs: &[(String, String)], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

fn as_base64<S: Serializer>(bytes: &Option<&[u8]>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&Base64Display::new(bytes.unwrap_or_default(), &STANDARD))
}

/// What a receive answers.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct ReceiveAnswer<'a> {
    pub(in crate::native) messages: Vec<MessageJson<'a>>,
}

impl ReceiveAnswer<'_> {
    /// The answer as JSON; `room` bytes are made ready for it.
    ///
    /// # Errors
    /// As `answer::encode`.
    pub(in crate::native) fn write(self, room: usize) -> ApiResult<Vec<u8>> {
        let mut out = Vec::with_capacity(room);
        out.extend_from_slice(b"{\"messages\":[");
        for (number, message) in self.messages.into_iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            message.write(&mut out)?;
        }
        out.extend_from_slice(b"]}");
        Ok(out)
    }
}

/// What a query answers; `cursor` when there is more.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct QueryAnswer<'a> {
    pub(in crate::native) messages: Vec<MessageJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::native) cursor: Option<String>,
}
