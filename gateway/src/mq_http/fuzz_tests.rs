//! Fuzz targets: whatever is fed to a reader of this protocol, it answers, and what it
//! takes it takes rightly. Plain functions, driven by proptest here.

use std::borrow::Cow;

use firn_protocol::message::{BodyEncoding, Message, NewMessage};
use firn_protocol::{BrokerId, Offset, Position, QueueId, QueueKey, Timestamp, TopicId, TopicKey};
use proptest::prelude::*;

use super::error::Code;
use super::response::{self, Shown};
use super::signature::Credentials;
use super::{digest, enter, properties, query, request};

const NOW: u64 = 1_735_689_600_000;

/// Everything that reads what clients send.
fn read_all(bytes: &[u8]) {
    for outcome in [
        request::message(bytes).map(drop),
        request::receipt_handles(bytes).map(drop),
        digest::check(Some(bytes), b"body"),
        enter::check_date(Some(bytes), NOW),
    ] {
        if let Err(error) = outcome {
            let status = Code::of(&error).http_status();
            assert!((400..500).contains(&status), "{error}");
            assert!(!error.message.is_empty());
        }
    }
    let _ = Credentials::parse(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = properties::parse(&text);
    let _ = enter::topic_name(&text);
    if let Ok(mut query) = query::read(&text) {
        let _ = query::wanted(&mut query);
        let _ = query::finish(query);
    }
}

/// What a publish hands on, read back from the document of a consume.
fn round_trip(body: &str, tag: &str, pairs: &[(String, String)]) {
    let message = message_of(body, tag, pairs);
    let shown = Shown {
        message: &message,
        receipt_handle: "handle".to_owned(),
        first_consume: Timestamp(1),
        next_consume: Timestamp(2),
        consumed_times: 1,
    };
    let document = response::messages(&[shown]);
    let between = |name: &str| {
        let (_, rest) = document.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    };
    // A request's document of the same texts is read by the same rules.
    let elements = ["MessageBody", "MessageTag", "Properties"].map(|name| {
        between(name).map_or_else(String::new, |text| format!("<{name}>{text}</{name}>"))
    });
    let again = format!("<Message>{}</Message>", elements.concat());
    let form = request::message(again.as_bytes()).expect("what is written can be read");
    let is_text = !body.is_empty() && body.chars().all(request::is_xml);
    if is_text {
        assert_eq!(form.body.as_deref(), Some(body));
    }
    let carried = form.properties.unwrap_or_default();
    let read = properties::parse(&carried).expect("what is written can be read");
    let user = read.user.into_iter();
    for (key, value) in user.filter(|(key, _)| key != properties::BODY_ENCODING) {
        let sent = |(k, v): &(String, String)| *k == key && *v == value;
        assert!(pairs.iter().any(sent), "{key}:{value} was not sent");
    }
}

fn message_of(body: &str, tag: &str, pairs: &[(String, String)]) -> Message {
    let queue = QueueKey {
        topic: TopicKey::User(TopicId(1)),
        queue: QueueId(0),
    };
    Message {
        message_id: firn_protocol::message::MessageId::server_made(
            BrokerId(1),
            Timestamp(NOW),
            Position(1),
        ),
        broker: BrokerId(1),
        queue,
        offset: Offset(0),
        position: Position(1),
        stored_at: Timestamp(NOW),
        attempt: 1,
        origin: None,
        target: None,
        content: NewMessage {
            tag: Some(tag.to_owned()),
            properties: pairs.to_vec(),
            encoding: BodyEncoding::Identity,
            body: body.to_owned().into(),
            ..NewMessage::default()
        },
    }
}

/// Pieces of documents, so that random input comes beyond the first bytes.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "<Message>",
            "</Message>",
            "<MessageBody>",
            "</MessageBody>",
            "<MessageTag/>",
            "<Properties>",
            "</Properties>",
            "<ReceiptHandles>",
            "</ReceiptHandles>",
            "<ReceiptHandle>",
            "</ReceiptHandle>",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "&lt;",
            "&#13;",
            "&#x1F600;",
            "&#",
            ";",
            "<?xml version=\"1.0\"?>",
            "<!DOCTYPE a [",
            "]>",
            "<!ENTITY a \"b\">",
            "&a;",
            " a=\"",
            "'",
            "<",
            ">",
            "MQ ",
            ":",
            "|",
            "=",
            "&",
            "Wed, 01 Jan 2025 00:00:00 GMT",
            "numOfMessages",
            "waitseconds",
            "%7C",
            "%DLQ%",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        "\\PC{0,12}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_fails_a_reader(bytes in pieces()) {
        read_all(&bytes);
    }

    #[test]
    fn a_well_formed_text_comes_back(body in "\\PC{0,40}[\\r\\n\\t&<>\"'\\]]{0,6}", tag in any::<String>()) {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let document = format!("<Message><MessageBody>{}</MessageBody></Message>", escaped(&body));
        let form = request::message(document.as_bytes());
        let is_xml = body.chars().all(request::is_xml);
        let expected = Some(Cow::Borrowed(&*body)).filter(|body| !body.is_empty());
        prop_assert_eq!(form.ok().map(|form| form.body), is_xml.then_some(expected));
        round_trip(&body, &tag, &[]);
    }

    #[test]
    fn what_is_handed_out_can_be_read(
        body in any::<String>(),
        tag in any::<String>(),
        pairs in prop::collection::btree_map("[a-zA-Z|:_]{0,4}", any::<String>(), 0..5),
    ) {
        let pairs: Vec<(String, String)> = pairs.into_iter().collect();
        round_trip(&body, &tag, &pairs);
    }
}
