//! Transactions as JSON.

use firn_protocol::api::hold::HalfMessage;
use firn_protocol::message::MessageId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::message::MessageJson;
use super::send::{SendEntry, as_text};
use super::text::{Text, TextMap};
use super::words::EncodingWord;
use crate::ops::transaction::Begin;
use crate::ops::{Scope, Services, transaction};

/// A half message, and who is asked about it when. What is unknown is refused,
/// so the attributes of a message stand here once more.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct BeginForm<'a> {
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    body: Option<Text<'a>>,
    #[schema(value_type = Option<String>)]
    body_base64: Option<Text<'a>>,
    #[schema(value_type = Option<EncodingWord>)]
    content_encoding: Option<Text<'a>>,
    #[schema(value_type = Option<String>, max_length = 127, pattern = "^[^|]*$")]
    tag: Option<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 16)]
    keys: Vec<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    properties: TextMap<'a>,
    #[schema(value_type = Option<String>, max_length = 64)]
    message_group: Option<Text<'a>>,
    deliver_at: Option<u64>,
    delay_level: Option<u64>,
    #[schema(value_type = Option<String>)]
    dedup_id: Option<Text<'a>>,
    #[schema(value_type = Option<String>, pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{34})?$")]
    message_id: Option<Text<'a>>,
    /// The topic's name if absent.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    producer_group: Option<Text<'a>>,
    /// 1 to 3600, default 6.
    #[schema(minimum = 1, maximum = 3600)]
    check_after_seconds: Option<u64>,
}

impl<'a> BeginForm<'a> {
    pub(in crate::native) fn into_begin(self) -> Begin<'a> {
        let entry = SendEntry {
            body: self.body,
            body_base64: self.body_base64,
            content_encoding: self.content_encoding,
            tag: self.tag,
            keys: self.keys,
            properties: self.properties,
            message_group: self.message_group,
            deliver_at: self.deliver_at,
            delay_level: self.delay_level,
            dedup_id: self.dedup_id,
            message_id: self.message_id,
        };
        Begin {
            draft: entry.into_draft(),
            producers: self.producer_group.map(|text| text.0.into_owned()),
            check_after_secs: self.check_after_seconds,
        }
    }
}

/// A begun transaction.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct Begun {
    pub(in crate::native) transaction_id: String,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(in crate::native) message_id: MessageId,
}

/// Whose transactions, how many, how long to wait.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct ChecksForm {
    /// The topic's name if absent.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub(in crate::native) producer_group: Option<String>,
    /// 0 to 30.
    #[schema(minimum = 0)]
    pub(in crate::native) wait_seconds: Option<f64>,
    /// 1 to 256, default 16.
    #[schema(minimum = 1, maximum = 256)]
    pub(in crate::native) max: Option<u64>,
}

/// Half messages to decide.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct ChecksAnswer<'a> {
    checks: Vec<CheckJson<'a>>,
}

/// A half message to decide.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct CheckJson<'a> {
    transaction_id: String,
    /// From 1.
    check_count: u32,
    message: MessageJson<'a>,
}

/// Undecided transactions; `cursor` when there are more.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct TransactionsAnswer<'a> {
    pub(in crate::native) items: Vec<TransactionJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::native) cursor: Option<String>,
}

/// An undecided transaction.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct TransactionJson<'a> {
    transaction_id: String,
    /// `open` or `givenUp`.
    state: &'static str,
    producer_group: &'a str,
    begun_at: u64,
    /// How often a producer was asked.
    check_count: u32,
    /// When one is asked next; null once it is given up.
    next_check_at: Option<u64>,
    message: MessageJson<'a>,
}

impl<'a> ChecksAnswer<'a> {
    pub(in crate::native) fn new(
        services: &Services,
        scope: &'a Scope,
        topic: &'a str,
        halves: &'a [HalfMessage],
    ) -> Self {
        let checks = halves.iter().map(|half| CheckJson {
            transaction_id: transaction::id_of(services, scope, &half.place),
            check_count: half.checks,
            message: MessageJson::queried(services, scope, topic, &half.message, None),
        });
        Self {
            checks: checks.collect(),
        }
    }
}

impl<'a> TransactionJson<'a> {
    pub(in crate::native) fn new(
        services: &Services,
        scope: &'a Scope,
        topic: &'a str,
        half: &'a HalfMessage,
    ) -> Self {
        Self {
            transaction_id: transaction::id_of(services, scope, &half.place),
            state: if half.is_given_up { "givenUp" } else { "open" },
            producer_group: &half.producers,
            begun_at: half.since.0,
            check_count: half.checks,
            next_check_at: transaction::next_check(half).map(|at| at.0),
            message: MessageJson::queried(services, scope, topic, &half.message, None),
        }
    }
}
