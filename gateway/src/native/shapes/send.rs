//! Sending: the JSON form of a batch, and its results.

use std::borrow::Cow;

use firn_protocol::ApiError;
use firn_protocol::ApiResult;
use firn_protocol::catalogue::Durability;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{Text, TextMap};
use super::words::{DurabilityWord, EncodingWord};
use crate::native::answer::ErrorJson;
use crate::ops::Scope;
use crate::ops::draft::{Body, Draft};
use crate::ops::send::Sent;

/// 1 to 1000 messages.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct SendForm<'a> {
    #[serde(borrow)]
    #[schema(min_items = 1, max_items = 1000)]
    pub(in crate::native) messages: Vec<SendEntry<'a>>,
}

/// One message; `body` or `bodyBase64`, neither means an empty body.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct SendEntry<'a> {
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(super) body: Option<Text<'a>>,
    #[schema(value_type = Option<String>)]
    pub(super) body_base64: Option<Text<'a>>,
    /// `identity` (default), or `gzip`: the body is stored and handed out as it came.
    #[schema(value_type = Option<EncodingWord>)]
    pub(super) content_encoding: Option<Text<'a>>,
    /// At most 127 bytes, no `|`.
    #[schema(value_type = Option<String>, max_length = 127, pattern = "^[^|]*$")]
    pub(super) tag: Option<Text<'a>>,
    /// At most 16, without blanks.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 16)]
    pub(super) keys: Vec<Text<'a>>,
    /// At most 128, 16 KiB in all.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub(super) properties: TextMap<'a>,
    /// For topics of type fifo and mixed.
    #[schema(value_type = Option<String>, max_length = 64)]
    pub(super) message_group: Option<Text<'a>>,
    /// For topics of type delay and mixed, ms since 1970.
    pub(super) deliver_at: Option<u64>,
    pub(super) delay_level: Option<u64>,
    #[schema(value_type = Option<String>, max_length = 128)]
    pub(super) dedup_id: Option<Text<'a>>,
    /// 32 or 34 hex digits made by the client.
    #[schema(value_type = Option<String>, pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{34})?$")]
    pub(super) message_id: Option<Text<'a>>,
}

impl<'a> SendEntry<'a> {
    pub(in crate::native) fn into_draft(self) -> Draft<'a> {
        let inner = |text: Option<Text<'a>>| text.map(|Text(text)| text);
        let body = match (self.body, self.body_base64) {
            (None, None) => Body::Text(Cow::Borrowed("")),
            (Some(Text(text)), None) => Body::Text(text),
            (None, Some(Text(text))) => Body::Base64(text),
            (Some(_), Some(_)) => Body::Twice,
        };
        Draft {
            body,
            encoding: inner(self.content_encoding),
            tag: inner(self.tag),
            keys: self.keys.into_iter().map(|Text(key)| key).collect(),
            properties: self.properties.0,
            message_group: inner(self.message_group),
            deliver_at: self.deliver_at,
            delay_level: self.delay_level,
            dedup_id: inner(self.dedup_id),
            message_id: inner(self.message_id),
        }
    }
}

/// What the answer to a delayed send gave.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct RecallForm {
    pub(in crate::native) recall_handle: String,
}

/// Nothing but that it is done.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct Done {}

/// One result for each message, in their order.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct SendAnswer<'a> {
    pub(in crate::native) results: Vec<SendResult<'a>>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::native) enum SendResult<'a> {
    Stored(Stored<'a>),
    Refused(Refused<'a>),
}

/// Where a message is stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct Stored<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    message_id: firn_protocol::message::MessageId,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    offset_message_id: firn_protocol::message::OffsetMessageId,
    broker: &'a str,
    queue_id: u16,
    /// Null until a delayed message is due.
    queue_offset: Option<u64>,
    store_timestamp: u64,
    #[schema(value_type = DurabilityWord)]
    durability: Durability,
    /// Of a delayed message: calls it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    recall_handle: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::native) struct Refused<'a> {
    #[schema(value_type = super::error::ErrorDetail)]
    error: ErrorJson<'a>,
}

impl<'a> SendAnswer<'a> {
    pub(in crate::native) fn new(scope: &'a Scope, outcomes: &'a [ApiResult<Sent>]) -> Self {
        let results = outcomes.iter().map(|outcome| match outcome {
            Ok(sent) => SendResult::Stored(stored(scope, sent)),
            Err(error) => SendResult::Refused(refused(error)),
        });
        Self {
            results: results.collect(),
        }
    }
}

fn stored<'a>(scope: &'a Scope, sent: &'a Sent) -> Stored<'a> {
    Stored {
        message_id: sent.message_id,
        offset_message_id: sent.offset_message_id(),
        broker: scope.broker_name(sent.broker),
        queue_id: sent.queue.0,
        queue_offset: sent.offset.map(|offset| offset.0),
        store_timestamp: sent.stored_at.0,
        durability: scope.instance.durability,
        recall_handle: sent.recall_handle.as_deref(),
    }
}

fn refused(error: &ApiError) -> Refused<'_> {
    Refused {
        error: ErrorJson {
            error,
            request_id: None,
        },
    }
}

/// Ids are strings; written without an allocation.
pub(in crate::native) fn as_text<T: std::fmt::Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
