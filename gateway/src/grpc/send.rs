//! Stores messages of producers, half messages among them.

use std::borrow::Cow;
use std::sync::Arc;

use crc32fast::hash as crc32;
use firn_protocol::catalogue::Topic;
use firn_protocol::client::ClientProtocol;
use firn_protocol::limits::{PROPERTIES_BYTES_MAX, PROPERTIES_MAX};
use firn_protocol::{ApiError, ErrorCode, TopicKey};
use md5::{Digest as _, Md5};
use sha1::Sha1;

use super::call::Call;
use super::message::{duration_ms, timestamp_ms};
use super::status::{self, Failure, Outcome, known_to};
use super::wire::{
    Code, Digest, DigestType, Encoding, Message, MessageType, SendMessageRequest,
    SendMessageResponse, SendResultEntry, SystemProperties,
};
use crate::auth::Action;
use crate::ops::draft::{Body, Draft};
use crate::ops::send::Sent;
use crate::ops::transaction::{self, Begin};
use crate::ops::{self, Scope, Target};
use crate::sessions::{Client, Online, Part};

/// The property by which other clients than ours say that a message is sent once
/// (RULES 23).
const DEDUP_PROPERTY: &str = "FIRN_DEDUP_ID";

pub(super) async fn send(
    call: Arc<Call>,
    request: SendMessageRequest,
) -> Outcome<SendMessageResponse> {
    let identity = call.identity()?;
    let messages = request.messages;
    let name = messages.first().and_then(|message| message.topic.as_ref());
    let scope = call.scope(&identity, &[name])?;
    let Target::Topic(topic) = call.target(&scope, name)? else {
        let text = "retry and dead-letter topics are written by the system alone";
        return Err(ApiError::new(ErrorCode::TopicNotWritable, text).into());
    };
    identity.require(Action::Produce(&topic.name))?;
    if messages
        .iter()
        .any(|message| message.topic.as_ref() != name)
    {
        let text = "messages of one call go to one topic";
        return Err(Failure::new(Code::MessageCorrupted, text));
    }
    call.belong_to(&scope)?;
    let _online = online(&call, &scope, &topic);
    let is_half = |message: &Message| type_of(message) == MessageType::Transaction;
    let halves = messages.iter().filter(|message| is_half(message)).count();
    let entries = match halves {
        0 => store(&call, &scope, &topic, &messages).await?,
        all if all == messages.len() => begin(&call, &scope, &topic, &messages).await?,
        _ => {
            let text = "half messages and others do not go together";
            return Err(Failure::new(Code::MessagePropertyConflictWithType, text));
        }
    };
    let statuses = entries.iter().filter_map(|entry| entry.status.as_ref());
    Ok(SendMessageResponse {
        status: Some(status::of_entries(statuses)),
        entries,
    })
}

/// The client shows among those that are online.
fn online(call: &Call, scope: &Scope, topic: &Topic) -> Online {
    let (name, agent, address) = (call.client_name(), call.agent(), call.peer());
    let client = Client {
        name: &name,
        address: &address,
        agent: &agent,
        protocol: ClientProtocol::Grpc,
    };
    let sessions = &call.services().sessions;
    let key = TopicKey::User(topic.id);
    sessions.enter(scope.instance.id, &client, key, Part::Produces)
}

async fn store(
    call: &Call,
    scope: &Scope,
    topic: &Arc<Topic>,
    messages: &[Message],
) -> Outcome<Vec<SendResultEntry>> {
    let mut drafts = Vec::with_capacity(messages.len());
    for message in messages {
        drafts.push(draft(message)?);
    }
    let outcomes = ops::send::send(call.services(), scope, topic, drafts, &call.peer()).await?;
    let entries = outcomes.into_iter().map(|outcome| match outcome {
        Ok(sent) => sent_entry(&sent),
        Err(error) => refused_entry(call, error.into()),
    });
    Ok(entries.collect())
}

fn sent_entry(sent: &Sent) -> SendResultEntry {
    let offset = sent.offset.map_or(0, |offset| offset.0);
    SendResultEntry {
        status: Some(status::ok()),
        message_id: sent.message_id.to_string(),
        transaction_id: String::new(),
        offset: i64::try_from(offset).unwrap_or(i64::MAX),
        recall_handle: sent.recall_handle.clone().unwrap_or_default(),
    }
}

fn refused_entry(call: &Call, failure: Failure) -> SendResultEntry {
    let code = known_to(call.language(), failure.code);
    SendResultEntry {
        status: Some(failure.under(code).status()),
        ..SendResultEntry::default()
    }
}

/// One after the other: each is a transaction of its own.
async fn begin(
    call: &Call,
    scope: &Scope,
    topic: &Arc<Topic>,
    messages: &[Message],
) -> Outcome<Vec<SendResultEntry>> {
    let services = call.services();
    let client = call
        .edge
        .clients
        .seen(&call.client_key(scope), services.now());
    client.begins_in(topic.id);
    let mut wanted = Vec::with_capacity(messages.len());
    for message in messages {
        wanted.push(Begin {
            draft: draft(message)?,
            producers: None,
            check_after_secs: check_after_secs(message)?,
        });
    }
    let mut entries = Vec::with_capacity(messages.len());
    for begin in wanted {
        let held = transaction::begin(services, scope, topic, begin, &call.peer()).await;
        entries.push(match held {
            Ok(held) => SendResultEntry {
                status: Some(status::ok()),
                message_id: held.message_id.to_string(),
                transaction_id: transaction::id_of(services, scope, &held.place),
                ..SendResultEntry::default()
            },
            // One reason for the only one is the call's own failure.
            Err(error) if messages.len() == 1 => return Err(error.into()),
            Err(error) => refused_entry(call, error.into()),
        });
    }
    Ok(entries)
}

fn check_after_secs(message: &Message) -> Outcome<Option<u64>> {
    let system = message.system_properties.as_ref();
    let given = system.and_then(|it| it.orphaned_transaction_recovery_duration.as_ref());
    let Some(given) = given else { return Ok(None) };
    let ms = duration_ms(given).ok_or_else(|| {
        let text = "orphaned_transaction_recovery_duration: no time from zero";
        Failure::new(Code::BadRequest, text)
    })?;
    Ok(Some(ms.div_ceil(1000)).filter(|secs| *secs > 0))
}

/// What the client calls it, else what its attributes make it.
fn type_of(message: &Message) -> MessageType {
    let Some(system) = &message.system_properties else {
        return MessageType::Unspecified;
    };
    let given = system.message_type();
    if given != MessageType::Unspecified {
        given
    } else if system.message_group.is_some() {
        MessageType::Fifo
    } else if system.delivery_timestamp.is_some() {
        MessageType::Delay
    } else {
        MessageType::Normal
    }
}

/// What holds of this protocol alone; the rules of all messages come later.
fn draft(message: &Message) -> Outcome<Draft<'_>> {
    let Some(system) = &message.system_properties else {
        let text = "system_properties: missing";
        return Err(Failure::new(Code::BadRequest, text));
    };
    check_type(system, type_of(message))?;
    check_properties(message)?;
    if system.message_id.is_empty() {
        return Err(Failure::new(Code::IllegalMessageId, "message_id: missing"));
    }
    if message.body.is_empty() {
        return Err(Failure::new(Code::MessageBodyEmpty, "body: empty"));
    }
    if system
        .tag
        .as_deref()
        .is_some_and(|tag| tag.chars().any(char::is_control))
    {
        let text = "tag: holds a control character";
        return Err(Failure::new(Code::IllegalMessageTag, text));
    }
    if system
        .body_digest
        .as_ref()
        .is_some_and(|it| !is_digest_of(it, &message.body))
    {
        let text = "body_digest: the body is another than the one that was sent";
        return Err(Failure::new(Code::MessageCorrupted, text));
    }
    let encoding = match Encoding::try_from(system.body_encoding) {
        Ok(Encoding::Unspecified | Encoding::Identity) => None,
        Ok(Encoding::Gzip) => Some(Cow::Borrowed("gzip")),
        Err(_) => {
            let text = "body_encoding: neither identity nor gzip";
            return Err(Failure::new(Code::BadRequest, text));
        }
    };
    let deliver_at = system.delivery_timestamp.as_ref().map(|at| {
        let text = "delivery_timestamp: no time since 1970";
        timestamp_ms(at).ok_or_else(|| Failure::new(Code::IllegalDeliveryTime, text))
    });
    let properties = message.user_properties.iter();
    Ok(Draft {
        body: Body::Raw(message.body.clone()),
        encoding,
        tag: system.tag.as_deref().map(Cow::Borrowed),
        keys: system
            .keys
            .iter()
            .map(|key| Cow::Borrowed(key.as_str()))
            .collect(),
        properties: properties
            .map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value.as_str())))
            .collect(),
        message_group: system.message_group.as_deref().map(Cow::Borrowed),
        deliver_at: deliver_at.transpose()?,
        delay_level: None,
        dedup_id: message
            .user_properties
            .get(DEDUP_PROPERTY)
            .map(|id| Cow::Borrowed(id.as_str())),
        message_id: Some(Cow::Borrowed(system.message_id.as_str())),
    })
}

/// The type that is named is the one that the attributes make.
fn check_type(system: &SystemProperties, kind: MessageType) -> Outcome<()> {
    let grouped = system
        .message_group
        .as_ref()
        .is_some_and(|it| !it.is_empty());
    let delayed = system.delivery_timestamp.is_some();
    let fits = match kind {
        MessageType::Normal | MessageType::Transaction => !grouped && !delayed,
        MessageType::Fifo => grouped && !delayed,
        MessageType::Delay => delayed && !grouped,
        MessageType::Lite => return Err(Failure::unsupported(super::LITE_TOPICS)),
        MessageType::Priority => return Err(Failure::unsupported("messages with a priority")),
        MessageType::Unspecified => false,
    };
    if fits {
        return Ok(());
    }
    let text = format!(
        "message_type: {} does not go with the attributes",
        kind.as_str_name()
    );
    Err(Failure::new(Code::MessagePropertyConflictWithType, text))
}

/// Has a code of its own here; the names are looked at later.
fn check_properties(message: &Message) -> Outcome<()> {
    let properties = &message.user_properties;
    let bytes: usize = properties.iter().map(|(k, v)| k.len() + v.len()).sum();
    if properties.len() <= PROPERTIES_MAX && bytes <= PROPERTIES_BYTES_MAX {
        return Ok(());
    }
    let text = format!(
        "user_properties: {} of {bytes} bytes, at most {PROPERTIES_MAX} of {PROPERTIES_BYTES_MAX}",
        properties.len()
    );
    Err(Failure::new(Code::MessagePropertiesTooLarge, text))
}

/// Libraries write a CRC32 in three ways: hex with and without zeros before it, and
/// decimal.
fn is_digest_of(digest: &Digest, body: &[u8]) -> bool {
    let given = digest.checksum.as_str();
    match digest.r#type() {
        DigestType::Md5 => given.eq_ignore_ascii_case(&hex::encode(Md5::digest(body))),
        DigestType::Sha1 => given.eq_ignore_ascii_case(&hex::encode(Sha1::digest(body))),
        DigestType::Crc32 => {
            let sum = Ok(crc32(body));
            u32::from_str_radix(given, 16) == sum || given.parse() == sum
        }
        DigestType::Unspecified => given.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_in_every_form() {
        // Of the nine digits, the usual check value of CRC-32: CBF43926.
        let body = b"123456789";
        let rows = [
            (DigestType::Crc32, "CBF43926"),
            (DigestType::Crc32, "cbf43926"),
            (DigestType::Crc32, "3421780262"),
            (DigestType::Md5, "25F9E794323B453885F5181F1B624D0B"),
            (DigestType::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ];
        for (kind, checksum) in rows {
            let digest = Digest {
                r#type: kind.into(),
                checksum: checksum.to_owned(),
            };
            assert!(is_digest_of(&digest, body), "{checksum}");
            assert!(!is_digest_of(&digest, b"12345678"), "{checksum}");
        }
    }
}
