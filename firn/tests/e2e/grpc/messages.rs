//! Where topics are, and what becomes of messages that are sent.

use std::collections::BTreeMap;

use bytes::Bytes;
use firn_gateway::grpc::wire::*;
use prost_types::Timestamp;
use serde_json::json;

use super::client::*;
use crate::semantics::{group, topic};
use crate::stack::{ACME, START_MS, Stack, receive, send};

#[test]
fn a_route_shows_one_queue_of_each_broker() {
    let stack = Stack::start();
    topic(&stack, "any", "mixed", 8);
    let client = Grpc::demo(&stack);
    use MessageType::{Delay, Fifo, Normal, Transaction};
    let rows: [(&str, &[&str], &[MessageType]); 3] = [
        ("orders", &["a", "b"], &[Normal]),
        ("single", &["a"], &[Normal]),
        ("any", &["a"], &[Normal, Fifo, Delay, Transaction]),
    ];
    for (name, brokers, types) in rows {
        let answer = client.route(name);
        assert_eq!(code(answer.status.as_ref()), Code::Ok);
        let queues = brokers.iter().map(|broker| MessageQueue {
            topic: client.resource(name),
            id: 0,
            permission: Permission::ReadWrite.into(),
            broker: Some(Broker {
                name: (*broker).to_owned(),
                id: 0,
                endpoints: Some(endpoints()),
            }),
            accept_message_types: types.iter().map(|it| i32::from(*it)).collect(),
        });
        assert_eq!(answer.message_queues, queues.collect::<Vec<_>>(), "{name}");
        // Clients compare what they got before.
        assert_eq!(client.route(name), answer);
        let request = client.request(QueryAssignmentRequest {
            topic: client.resource(name),
            group: client.resource("workers"),
            endpoints: Some(endpoints()),
        });
        let assigned = client
            .handle
            .block_on(client.stub().query_assignment(request));
        let assigned = assigned.expect("an answer").into_inner();
        assert_eq!(code(assigned.status.as_ref()), Code::Ok);
        let assigned = assigned.assignments.into_iter();
        let assigned: Vec<_> = assigned.filter_map(|it| it.message_queue).collect();
        assert_eq!(assigned, answer.message_queues);
    }
}

#[test]
fn a_message_comes_as_it_was_sent() {
    const TEXT: &str = "body \u{1F600}";
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut message = client.special("orders", TEXT, |system| {
        system.tag = Some("paid".to_owned());
        system.keys = vec!["k1".to_owned(), "k2".to_owned()];
        system.body_digest = Some(Digest {
            r#type: DigestType::Md5.into(),
            checksum: hex::encode(<md5::Md5 as md5::Digest>::digest(TEXT)),
        });
    });
    message.user_properties = BTreeMap::from([("price".to_owned(), "7".to_owned())]);
    let body = message.body.clone();
    let id = message_id(TEXT);
    let entry = client.sent(message);
    assert_eq!(entry.message_id, id);
    assert_eq!((entry.transaction_id.as_str(), entry.offset), ("", 0));
    assert_eq!(entry.recall_handle, "");

    let received = client.receive(client.ask("workers", "orders"));
    assert_eq!(code(Some(&received.status)), Code::Ok);
    let now = Timestamp {
        seconds: (START_MS / 1000) as i64,
        nanos: 0,
    };
    assert_eq!(received.delivered_at, Some(now));
    let [message] = &received.messages[..] else {
        panic!("{received:?}");
    };
    assert_eq!(message.topic, client.resource("orders"));
    assert_eq!(message.body, body);
    let price = BTreeMap::from([("price".to_owned(), "7".to_owned())]);
    assert_eq!(message.user_properties, price);
    let got = system(message).clone();
    let receipt_handle = got.receipt_handle.clone();
    assert!(receipt_handle.as_ref().is_some_and(|it| !it.is_empty()));
    let (store_host, born_host) = (got.store_host.clone(), got.born_host.clone());
    assert!(born_host.starts_with("127.0.0.1:"), "{born_host}");
    assert!(store_host.starts_with("10."), "{store_host}");
    let wanted = SystemProperties {
        tag: Some("paid".to_owned()),
        keys: vec!["k1".to_owned(), "k2".to_owned()],
        message_id: id,
        body_digest: Some(Digest {
            r#type: DigestType::Md5.into(),
            checksum: hex::encode_upper(<md5::Md5 as md5::Digest>::digest(&body)),
        }),
        body_encoding: Encoding::Identity.into(),
        message_type: MessageType::Normal.into(),
        born_timestamp: Some(now),
        born_host,
        store_timestamp: Some(now),
        store_host,
        delivery_timestamp: None,
        receipt_handle,
        queue_id: got.queue_id,
        queue_offset: Some(0),
        invisible_duration: Some(seconds(30)),
        delivery_attempt: Some(1),
        ..SystemProperties::default()
    };
    assert_eq!(got, wanted);
    let acked = client.ack("workers", "orders", &received.messages);
    assert_eq!(code(acked.status.as_ref()), Code::Ok);
    assert_eq!(acked.entries.len(), 1);
    assert_eq!(code(acked.entries[0].status.as_ref()), Code::Ok);
    // A repeat is what the client wants, too.
    let acked = client.ack("workers", "orders", &received.messages);
    assert_eq!(code(acked.status.as_ref()), Code::Ok);
    let empty = client.receive(client.ask("workers", "orders"));
    assert_eq!(code(Some(&empty.status)), Code::MessageNotFound);
    assert!(empty.messages.is_empty() && empty.delivered_at.is_some());
}

#[test]
fn protocols_share_topics() {
    let stack = Stack::start();
    let (client, mut http) = (Grpc::demo(&stack), stack.demo());
    client.sent(client.message("orders", "by gRPC"));
    let got = receive(&mut http, "workers", "orders", &json!({"max": 2}));
    assert_eq!(got[0]["body"], "by gRPC");
    assert_eq!(got[0]["messageId"], message_id("by gRPC"));
    // A batch keeps its order, a packed body stays packed.
    let packed = json!([{"body": "by HTTP"}, {"bodyBase64": "H4sI", "contentEncoding": "gzip"}]);
    send(&mut http, "orders", &packed);
    let got = client.take("workers", "orders");
    assert_eq!(got[0].body, "by HTTP");
    assert_eq!(system(&got[1]).body_encoding(), Encoding::Gzip);
    assert_eq!(got[1].body, Bytes::from_static(b"\x1f\x8b\x08"));
    let acked = client.ack("workers", "orders", &got);
    assert_eq!(acked.entries.len(), 2);
    assert_eq!(code(acked.status.as_ref()), Code::Ok);
}

#[test]
fn a_batch_is_stored_in_its_order() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let names = ["one", "two", "three"];
    let messages = names.map(|name| client.message("orders", name));
    let answer = client.send(messages.to_vec());
    assert_eq!(code(answer.status.as_ref()), Code::Ok);
    let ids: Vec<_> = answer
        .entries
        .iter()
        .map(|it| it.message_id.clone())
        .collect();
    assert_eq!(ids, names.map(message_id));
    assert_eq!(bodies(&client.take("workers", "orders")), names);
    // What only some of them break is told of each; what goes well is stored.
    let long = client.special("orders", "long tag", |it| it.tag = Some("x".repeat(128)));
    let answer = client.send(vec![client.message("orders", "four"), long]);
    assert_eq!(code(answer.status.as_ref()), Code::MultipleResults);
    let codes: Vec<_> = answer
        .entries
        .iter()
        .map(|it| code(it.status.as_ref()))
        .collect();
    assert_eq!(codes, [Code::Ok, Code::IllegalMessageTag]);
    assert_eq!(bodies(&client.take("workers", "orders")), ["four"]);
}

#[test]
fn a_delayed_message_comes_when_it_is_due_or_is_called_back() {
    let stack = Stack::start();
    topic(&stack, "late", "delay", 1);
    let client = Grpc::demo(&stack);
    let at = Timestamp {
        seconds: (START_MS / 1000) as i64 + 60,
        nanos: 500_000_000,
    };
    let delayed = |body: &str| {
        client.special("late", body, |system| {
            system.delivery_timestamp = Some(at);
            system.message_type = MessageType::Delay.into();
        })
    };
    let (kept, recalled) = (
        client.sent(delayed("kept")),
        client.sent(delayed("recalled")),
    );
    let recall = |topic: &str, handle: &str| {
        let request = client.request(RecallMessageRequest {
            topic: client.resource(topic),
            recall_handle: handle.to_owned(),
        });
        let answer = client
            .handle
            .block_on(client.stub().recall_message(request));
        let answer = answer.expect("an answer").into_inner();
        (code(answer.status.as_ref()), answer.message_id)
    };
    let handle = recalled.recall_handle.as_str();
    assert!(!handle.is_empty());
    let done = (Code::Ok, message_id("recalled"));
    assert_eq!(recall("late", handle), done);
    assert_eq!(recall("late", "rubbish").0, Code::BadRequest);
    assert_eq!(recall("orders", handle).0, Code::BadRequest);
    assert!(client.take("workers", "late").is_empty());
    stack.advance_ms(60_499);
    assert!(client.take("workers", "late").is_empty());
    stack.advance_ms(1);
    let ask = ReceiveMessageRequest {
        long_polling_timeout: Some(seconds(20)),
        ..client.ask("workers", "late")
    };
    let got = client.receive(ask).messages;
    assert_eq!(bodies(&got), ["kept"]);
    assert_eq!(system(&got[0]).delivery_timestamp, Some(at));
    assert_eq!(system(&got[0]).message_type(), MessageType::Delay);
    assert_eq!(
        recall("late", &kept.recall_handle).0,
        Code::PreconditionFailed
    );
}

#[test]
fn a_message_is_sent_once_by_its_property() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let once = |body: &str| {
        let mut message = client.message("orders", body);
        let id = ("FIRN_DEDUP_ID".to_owned(), "order-1".to_owned());
        message.user_properties.extend([id]);
        client.sent(message)
    };
    let (first, again) = (once("first"), once("again"));
    assert_eq!(first.message_id, again.message_id);
    assert_eq!(bodies(&client.take("workers", "orders")), ["first"]);
}

#[test]
fn clients_show_as_online() {
    let stack = Stack::start();
    group(&stack, "others", json!({}));
    let client = Grpc::demo(&stack);
    client.sent(client.message("orders", "x"));
    let node = client
        .with("x-mq-language", "HTTP")
        .with("x-mq-client-id", "node@7");
    node.take("workers", "orders");
    let rows = stack.demo().get(&format!("{ACME}/sessions")).ok();
    let rows = rows["items"].as_array().expect("rows").clone();
    let facts = |row: &serde_json::Value| {
        [
            "kind",
            "instanceName",
            "protocol",
            "language",
            "version",
            "group",
            "consumeType",
        ]
        .map(|name| row[name].as_str().unwrap_or("-").to_owned())
    };
    let mut seen: Vec<_> = rows.iter().map(facts).collect();
    seen.sort();
    let wanted = [
        [
            "consumer",
            "node@7",
            "grpc",
            "NODE_JS",
            "5.1.2",
            "workers",
            "CONSUME_ACTIVELY",
        ],
        [
            "producer",
            "host@1@0@x",
            "grpc",
            "PYTHON",
            "5.1.2",
            "-",
            "-",
        ],
    ];
    assert_eq!(seen, wanted.map(|row| row.map(str::to_owned)));
}
