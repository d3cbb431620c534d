//! What a producer wrote, before and after it was held against the rules
//! (API.md, "Messages"). A draft that passes is a [`NewMessage`].

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use firn_protocol::catalogue::TopicType;
use firn_protocol::limits::{
    DEDUP_ID_BYTES_MAX, DELAY_MS_MAX, KEY_BYTES_MAX, KEYS_MAX, MESSAGE_GROUP_BYTES_MAX,
    PROPERTIES_BYTES_MAX, PROPERTIES_MAX, TAG_BYTES_MAX, delay_level_ms,
};
use firn_protocol::message::{BodyEncoding, MessageId, NewMessage};
use firn_protocol::{ApiError, ApiResult, ErrorCode, Timestamp};

/// Property names that RocketMQ's clients and brokers use themselves.
const RESERVED_PROPERTIES: [&str; 62] = [
    "1ST_POP_TIME",
    "ARRIVE_TIME",
    "BORN_HOST",
    "BORN_TIMESTAMP",
    "BUYER_ID",
    "CHECK_IMMUNITY_TIME_IN_SECONDS",
    "CLUSTER",
    "CONSUME_START_TIME",
    "CORRECTION_FLAG",
    "CORRELATION_ID",
    "DELAY",
    "DLQ_ORIGIN_MESSAGE_ID",
    "DLQ_ORIGIN_TOPIC",
    "DUP_INFO",
    "EXTEND_UNIQ_INFO",
    "INDEX_NUM",
    "INNER_BASE",
    "INNER_MULTI_DISPATCH",
    "INNER_MULTI_QUEUE_OFFSET",
    "INNER_NUM",
    "INSTANCE_ID",
    "KEYS",
    "MAX_OFFSET",
    "MAX_RECONSUME_TIMES",
    "MIN_OFFSET",
    "MQ2_FLAG",
    "MSG_REGION",
    "MSG_TYPE",
    "ORIGIN_MESSAGE_ID",
    "PGROUP",
    "POP_CK",
    "POP_CK_OFFSET",
    "PUSH_REPLY_TIME",
    "REAL_QID",
    "REAL_TOPIC",
    "RECONSUME_TIME",
    "REDIRECT",
    "REPLY_MESSAGE_ARRIVE_TIME",
    "REPLY_TO_CLIENT",
    "RETRY_TOPIC",
    "TAGS",
    "TIMER_DELAY_LEVEL",
    "TIMER_DELAY_MS",
    "TIMER_DELAY_SEC",
    "TIMER_DELIVER_MS",
    "TIMER_DEL_UNIQKEY",
    "TIMER_DEQUEUE_MS",
    "TIMER_ENQUEUE_MS",
    "TIMER_OUT_MS",
    "TIMER_ROLL_TIMES",
    "TRACE_CONTEXT",
    "TRACE_ON",
    "TRANSFER_FLAG",
    "TRAN_MSG",
    "TRAN_PREPARED_QUEUE_OFFSET",
    "TTL",
    "UNIQ_KEY",
    "WAIT",
    "__BORNHOST",
    "__SHARDINGKEY",
    "__STARTDELIVERTIME",
    "__transactionId__",
];

/// The body as it came.
pub(crate) enum Body<'a> {
    Text(Cow<'a, str>),
    Base64(Cow<'a, str>),
    Raw(Bytes),
    /// Both forms at once, which is refused.
    Twice,
}

/// A message as it came; an empty text counts as absent.
pub(crate) struct Draft<'a> {
    pub(crate) body: Body<'a>,
    /// How the body is packed.
    pub(crate) encoding: Option<Cow<'a, str>>,
    pub(crate) tag: Option<Cow<'a, str>>,
    pub(crate) keys: Vec<Cow<'a, str>>,
    pub(crate) properties: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) message_group: Option<Cow<'a, str>>,
    pub(crate) deliver_at: Option<u64>,
    pub(crate) delay_level: Option<u64>,
    pub(crate) dedup_id: Option<Cow<'a, str>>,
    pub(crate) message_id: Option<Cow<'a, str>>,
}

/// By which call a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// Begins a transaction.
    Half,
}

/// A message that passed, and under which id it is sent.
pub(crate) struct Checked {
    pub(crate) message: NewMessage,
    pub(crate) dedup_id: Option<String>,
}

/// What the checks depend on.
pub(crate) struct DraftRules<'a> {
    pub(crate) topic_type: TopicType,
    pub(crate) kind: Kind,
    /// Largest body of the instance's plan.
    pub(crate) message_bytes: u64,
    pub(crate) now: Timestamp,
    pub(crate) born_host: &'a str,
}

impl Draft<'_> {
    /// # Errors
    /// The first rule that the draft breaks, naming the field.
    pub(crate) fn check(self, rules: &DraftRules<'_>) -> ApiResult<Checked> {
        let tag = present(self.tag);
        check_tag(tag.as_deref())?;
        check_keys(&self.keys)?;
        check_properties(&self.properties)?;
        let message_group = present(self.message_group);
        if message_group
            .as_ref()
            .is_some_and(|g| g.len() > MESSAGE_GROUP_BYTES_MAX)
        {
            return Err(ApiError::field(
                "messageGroup",
                format_args!("over {MESSAGE_GROUP_BYTES_MAX} bytes"),
            ));
        }
        let message_id = present(self.message_id)
            .map(|text| {
                MessageId::parse(&text)
                    .ok_or_else(|| ApiError::field("messageId", "not 32 or 34 hex digits"))
            })
            .transpose()?;
        let dedup_id = present(self.dedup_id).map(Cow::into_owned);
        check_dedup(dedup_id.as_deref(), rules.kind)?;
        let encoding = check_encoding(self.encoding.as_deref(), &self.body)?;
        let body = decode_body(self.body, rules.message_bytes)?;
        let deliver_at = check_type(
            rules,
            message_group.is_some(),
            self.deliver_at,
            self.delay_level,
        )?;
        let message = NewMessage {
            message_id,
            tag: tag.map(Cow::into_owned),
            keys: self.keys.into_iter().map(Cow::into_owned).collect(),
            properties: self
                .properties
                .into_iter()
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
            message_group: message_group.map(Cow::into_owned),
            deliver_at,
            born_at: rules.now,
            born_host: rules.born_host.to_owned(),
            encoding,
            body,
        };
        Ok(Checked { message, dedup_id })
    }
}

fn present(text: Option<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    text.filter(|text| !text.is_empty())
}

fn check_tag(tag: Option<&str>) -> ApiResult<()> {
    let Some(tag) = tag else { return Ok(()) };
    if tag.len() > TAG_BYTES_MAX {
        return Err(ApiError::field(
            "tag",
            format_args!("over {TAG_BYTES_MAX} bytes"),
        ));
    }
    if tag.contains('|') {
        return Err(ApiError::field("tag", "may not hold '|'"));
    }
    Ok(())
}

fn check_keys(keys: &[Cow<'_, str>]) -> ApiResult<()> {
    if keys.len() > KEYS_MAX {
        return Err(ApiError::field(
            "keys",
            format_args!("over {KEYS_MAX} keys"),
        ));
    }
    for (index, key) in keys.iter().enumerate() {
        let rule = if key.is_empty() {
            "empty"
        } else if key.len() > KEY_BYTES_MAX {
            "over 256 bytes"
        } else if key.chars().any(|c| c.is_whitespace() || c.is_control()) {
            "holds a blank or a control character"
        } else {
            continue;
        };
        return Err(ApiError::field(&format!("keys[{index}]"), rule));
    }
    Ok(())
}

fn check_properties(properties: &[(Cow<'_, str>, Cow<'_, str>)]) -> ApiResult<()> {
    if properties.len() > PROPERTIES_MAX {
        return Err(ApiError::field(
            "properties",
            format_args!("over {PROPERTIES_MAX} properties"),
        ));
    }
    let mut bytes = 0;
    for (name, value) in properties {
        let well_formed = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !well_formed {
            return Err(ApiError::field(
                "properties",
                format_args!("name {name:?} is not one or more of A-Z a-z 0-9 _ . -"),
            ));
        }
        if RESERVED_PROPERTIES.binary_search(&name.as_ref()).is_ok() {
            return Err(ApiError::field(
                "properties",
                format_args!("name '{name}' is reserved by the system"),
            ));
        }
        bytes += name.len() + value.len();
    }
    if bytes > PROPERTIES_BYTES_MAX {
        return Err(ApiError::field(
            "properties",
            format_args!("{bytes} bytes of names and values, over {PROPERTIES_BYTES_MAX}"),
        ));
    }
    Ok(())
}

fn check_dedup(dedup_id: Option<&str>, kind: Kind) -> ApiResult<()> {
    match dedup_id {
        None => Ok(()),
        Some(id) if id.len() > DEDUP_ID_BYTES_MAX => Err(ApiError::field(
            "dedupId",
            format_args!("over {DEDUP_ID_BYTES_MAX} bytes"),
        )),
        Some(_) if kind == Kind::Half => Err(ApiError::field("dedupId", "a transaction has none")),
        Some(_) => Ok(()),
    }
}

/// A packed body is no text.
fn check_encoding(name: Option<&str>, body: &Body<'_>) -> ApiResult<BodyEncoding> {
    let Some(name) = name else {
        return Ok(BodyEncoding::Identity);
    };
    match BodyEncoding::parse(name) {
        None => Err(ApiError::field(
            "contentEncoding",
            "neither identity nor gzip",
        )),
        Some(BodyEncoding::Gzip) if matches!(body, Body::Text(_)) => Err(ApiError::field(
            "contentEncoding",
            "a packed body comes as bodyBase64",
        )),
        Some(encoding) => Ok(encoding),
    }
}

fn decode_body(body: Body<'_>, max: u64) -> ApiResult<Bytes> {
    let bytes = match body {
        // A copy of its own: a slice would keep the whole request in memory
        // for as long as the message lives.
        Body::Text(Cow::Borrowed(text)) => {
            check_size(text.len(), max)?;
            Bytes::copy_from_slice(text.as_bytes())
        }
        Body::Text(Cow::Owned(text)) => Bytes::from(text.into_bytes()),
        Body::Base64(text) => {
            // Decoding is refused before it costs more than the largest body.
            if text.len() as u64 / 4 * 3 > max.saturating_add(3) {
                return Err(too_large(max));
            }
            let bytes = STANDARD.decode(text.as_bytes()).map_err(|error| {
                ApiError::field("bodyBase64", format_args!("not base64: {error}"))
            })?;
            Bytes::from(bytes)
        }
        Body::Raw(bytes) => {
            check_size(bytes.len(), max)?;
            Bytes::copy_from_slice(&bytes)
        }
        Body::Twice => return Err(ApiError::field("bodyBase64", "given together with body")),
    };
    check_size(bytes.len(), max)?;
    Ok(bytes)
}

fn check_size(bytes: usize, max: u64) -> ApiResult<()> {
    if bytes as u64 > max {
        return Err(too_large(max));
    }
    Ok(())
}

/// The text is fixed by SEED_SPEC 8.2-5.
fn too_large(max: u64) -> ApiError {
    ApiError::new(
        ErrorCode::MessageTooLarge,
        format!("Fail to send message, for: message body size over max message size, max: {max}"),
    )
}

/// Whether the topic takes a message of this kind, and when it is due; a delay
/// that has passed or is none is served at once (RULES 31).
fn check_type(
    rules: &DraftRules<'_>,
    grouped: bool,
    deliver_at: Option<u64>,
    delay_level: Option<u64>,
) -> ApiResult<Option<Timestamp>> {
    let mismatch = |text: &str| Err(ApiError::new(ErrorCode::MessageTypeMismatch, text));
    if rules.kind == Kind::Half {
        return match rules.topic_type {
            TopicType::Normal | TopicType::Fifo | TopicType::Delay => {
                mismatch("the topic's type is not transaction or mixed")
            }
            TopicType::Transaction | TopicType::Mixed if grouped => {
                mismatch("messageGroup: a transaction has none")
            }
            TopicType::Transaction | TopicType::Mixed
                if deliver_at.is_some() || delay_level.is_some() =>
            {
                mismatch("deliverAt, delayLevel: a transaction has none")
            }
            TopicType::Transaction | TopicType::Mixed => Ok(None),
        };
    }
    if deliver_at.is_some() && delay_level.is_some() {
        return mismatch("deliverAt and delayLevel exclude each other");
    }
    let delay_named = deliver_at.is_some() || delay_level.is_some();
    match rules.topic_type {
        TopicType::Normal => {
            if grouped {
                return mismatch("messageGroup: the topic's type is normal, not fifo or mixed");
            }
            if deliver_at.is_some() || delay_level.is_some_and(|level| level > 0) {
                return mismatch(
                    "deliverAt, delayLevel: the topic's type is normal, not delay or mixed",
                );
            }
        }
        TopicType::Fifo => {
            if delay_named {
                return mismatch(
                    "deliverAt, delayLevel: the topic's type is fifo, not delay or mixed",
                );
            }
            if !grouped {
                return mismatch("messageGroup: required, the topic's type is fifo");
            }
        }
        TopicType::Delay => {
            if grouped {
                return mismatch("messageGroup: the topic's type is delay, not fifo or mixed");
            }
            if !delay_named {
                return mismatch("deliverAt or delayLevel: required, the topic's type is delay");
            }
        }
        TopicType::Transaction => {
            return mismatch("the topic's type is transaction: it takes no plain messages");
        }
        TopicType::Mixed => {
            if grouped && delay_named {
                return mismatch("messageGroup excludes deliverAt and delayLevel");
            }
        }
    }
    if deliver_at.is_some_and(|at| at > rules.now.plus_ms(DELAY_MS_MAX).0) {
        return Err(ApiError::field("deliverAt", "more than 40 days ahead"));
    }
    let level = delay_level.map(delay_level_ms).filter(|ms| *ms > 0);
    let due = match (deliver_at, level) {
        (Some(at), _) => Some(Timestamp(at)).filter(|at| *at > rules.now),
        (None, level) => level.map(|ms| rules.now.plus_ms(ms)),
    };
    Ok(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_in_search_order() {
        assert!(RESERVED_PROPERTIES.is_sorted());
    }
}
