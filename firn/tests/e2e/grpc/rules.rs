//! The code of every rule that a message can break.

use bytes::Bytes;
use firn_gateway::grpc::wire::Code::*;
use firn_gateway::grpc::wire::{Code, Digest, DigestType, Message, MessageType, SystemProperties};
use prost_types::Timestamp;

use super::client::*;
use crate::semantics::topic;
use crate::stack::{START_MS, Stack};

/// What is done to a good message.
type Change = fn(&mut Message);

fn of(message: &mut Message) -> &mut SystemProperties {
    message.system_properties.get_or_insert_default()
}

fn digest(kind: DigestType) -> Option<Digest> {
    Some(Digest {
        r#type: kind.into(),
        checksum: "00".to_owned(),
    })
}

fn grouped(message: &mut Message) {
    of(message).message_group = Some("g".to_owned());
    of(message).message_type = MessageType::Fifo.into();
}

fn delayed_to(message: &mut Message, seconds: i64) {
    of(message).delivery_timestamp = Some(Timestamp { seconds, nanos: 0 });
    of(message).message_type = MessageType::Delay.into();
}

fn delayed(message: &mut Message) {
    delayed_to(message, (START_MS / 1000) as i64 + 60);
}

fn delayed_too_far(message: &mut Message) {
    delayed_to(message, (START_MS / 1000) as i64 + 41 * 86_400);
}

/// Topic, what is wrong, code.
const ROWS: &[(&str, Change, Code)] = &[
    ("orders", |m| m.system_properties = None, BadRequest),
    ("orders", |m| m.body = Bytes::new(), MessageBodyEmpty),
    (
        "orders",
        |m| m.body = vec![0; (512 << 10) + 1].into(),
        MessageBodyTooLarge,
    ),
    ("orders", |m| of(m).message_id.clear(), IllegalMessageId),
    (
        "orders",
        |m| of(m).message_id = "01".to_owned(),
        IllegalMessageId,
    ),
    (
        "orders",
        |m| of(m).tag = Some("a|b".to_owned()),
        IllegalMessageTag,
    ),
    (
        "orders",
        |m| of(m).tag = Some("a\nb".to_owned()),
        IllegalMessageTag,
    ),
    (
        "orders",
        |m| of(m).keys = vec!["a b".to_owned()],
        IllegalMessageKey,
    ),
    ("orders", |m| of(m).body_encoding = 99, BadRequest),
    (
        "orders",
        |m| of(m).body_digest = digest(DigestType::Md5),
        MessageCorrupted,
    ),
    (
        "orders",
        |m| of(m).body_digest = digest(DigestType::Sha1),
        MessageCorrupted,
    ),
    (
        "orders",
        |m| of(m).body_digest = digest(DigestType::Crc32),
        MessageCorrupted,
    ),
    (
        "orders",
        |m| m.user_properties = [("TAGS".into(), "x".into())].into(),
        IllegalMessagePropertyKey,
    ),
    (
        "orders",
        |m| m.user_properties = [("a".into(), "x".repeat(16 << 10))].into(),
        MessagePropertiesTooLarge,
    ),
    ("orders", grouped, MessagePropertyConflictWithType),
    ("orders", delayed, MessagePropertyConflictWithType),
    (
        "orders",
        |m| of(m).message_type = MessageType::Transaction.into(),
        MessagePropertyConflictWithType,
    ),
    (
        "orders",
        |m| of(m).message_group = Some("g".to_owned()),
        MessagePropertyConflictWithType,
    ),
    (
        "orders",
        |m| of(m).message_type = MessageType::Lite.into(),
        Unsupported,
    ),
    (
        "orders",
        |m| of(m).message_type = MessageType::Priority.into(),
        Unsupported,
    ),
    ("ordered", |_| {}, MessagePropertyConflictWithType),
    (
        "ordered",
        |m| {
            of(m).message_group = Some("g".repeat(65));
            of(m).message_type = MessageType::Fifo.into();
        },
        IllegalMessageGroup,
    ),
    ("late", |_| {}, MessagePropertyConflictWithType),
    ("late", delayed_too_far, IllegalDeliveryTime),
    ("late", |m| delayed_to(m, -1), IllegalDeliveryTime),
    ("sure", |_| {}, MessagePropertyConflictWithType),
    ("%DLQ%workers", |_| {}, Forbidden),
    ("%RETRY%workers", |_| {}, Forbidden),
    ("nothing", |_| {}, TopicNotFound),
    ("", |_| {}, IllegalTopic),
];

#[test]
fn what_breaks_a_rule_is_told_by_its_code() {
    let stack = Stack::start();
    for (name, kind) in [
        ("ordered", "fifo"),
        ("late", "delay"),
        ("sure", "transaction"),
    ] {
        topic(&stack, name, kind, 1);
    }
    let client = Grpc::demo(&stack);
    for (number, &(topic, change, wanted)) in ROWS.iter().enumerate() {
        let mut message = client.message(topic, "x");
        change(&mut message);
        let answer = client.send(vec![message]);
        let status = answer.status.as_ref().expect("a status");
        assert_eq!(code(Some(status)), wanted, "row {number}: {status:?}");
        assert!(!status.message.is_empty(), "row {number}");
    }
    for name in ["orders", "ordered", "late", "sure"] {
        assert!(client.take("workers", name).is_empty(), "{name}");
    }
    // A client of before knows fewer codes, and ends at one that it does not know.
    let old = client.with("x-mq-language", "RUST");
    let mut empty = old.message("orders", "x");
    empty.body = Bytes::new();
    assert_eq!(code(old.send(vec![empty]).status.as_ref()), BadRequest);
}
