//! Who may call, and where.

use firn_gateway::grpc::wire::*;

use super::client::*;
use crate::stack::{ACME, Stack};

/// The status of a send, and of a receive.
fn codes(client: &Grpc, topic: &str) -> [Code; 3] {
    let sent = client.send(vec![client.message(topic, "x")]);
    let received = client.receive(client.ask("workers", topic));
    [
        code(client.route(topic).status.as_ref()),
        code(sent.status.as_ref()),
        code(Some(&received.status)),
    ]
}

#[test]
fn every_cause_of_a_wrong_signature_looks_the_same() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut late = client.clone();
    late.date = "20250101T143001Z".to_owned();
    let mut no_date = client.clone();
    no_date.date = "yesterday".to_owned();
    let good = client.request(()).metadata().get("authorization").cloned();
    let good = good.expect("signed").to_str().expect("text").to_owned();
    let mut replayed = client.with("authorization", &good);
    replayed.date = "20250101T000001Z".to_owned();
    let refused = [
        client.user("demo", "wrong"),
        client.user("nobody", "demo-secret"),
        client.user("", ""),
        client.with("authorization", "Basic ZGVtbzpkZW1vLXNlY3JldA=="),
        client.with("authorization", "MQv2-HMAC-SHA1 Credential=demo"),
        client.with("authorization", &good.replace("SHA1", "SHA256")),
        replayed,
        late,
        no_date,
    ];
    for (number, client) in refused.iter().enumerate() {
        assert_eq!(
            codes(client, "orders"),
            [Code::Unauthorized; 3],
            "row {number}"
        );
        let route = client.route("orders");
        assert!(!route.status.expect("a status").message.is_empty());
        assert_eq!(route.message_queues, []);
    }
    // Clients send their local time, call it UTC, and write it in several ways.
    for date in [
        "20250101T142959Z",
        "20241231T100000Z",
        "2025-01-01T08:00:00.123456789+08:00",
    ] {
        let mut client = client.clone();
        client.date = date.to_owned();
        assert_eq!(
            code(client.route("orders").status.as_ref()),
            Code::Ok,
            "{date}"
        );
    }
    // Region and service may follow the access key.
    let scoped = good.replace("Credential=demo", "Credential=demo/cn/rmq");
    let scoped = client.with("authorization", &scoped);
    assert_eq!(code(scoped.route("orders").status.as_ref()), Code::Ok);
}

#[test]
fn whoever_guesses_has_to_wait() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let guess = client.user("limited", "guess");
    for _ in 0..11 {
        assert_eq!(
            code(guess.route("orders").status.as_ref()),
            Code::Unauthorized
        );
    }
    // Also whoever is right by now.
    let right = client.user("limited", "limited-secret");
    assert_eq!(
        code(right.route("orders").status.as_ref()),
        Code::TooManyRequests
    );
    stack.advance_ms(60_000);
    assert_eq!(code(right.route("orders").status.as_ref()), Code::Ok);
}

#[test]
fn a_user_of_one_topic_has_no_other() {
    let stack = Stack::start();
    let limited = Grpc::demo(&stack).user("limited", "limited-secret");
    assert_eq!(codes(&limited, "orders"), [Code::Ok; 3]);
    assert_eq!(codes(&limited, "single"), [Code::Forbidden; 3]);
    assert_eq!(codes(&limited, "nothing"), [Code::TopicNotFound; 3]);
    let nobody = limited.receive(limited.ask("nobody", "orders"));
    assert_eq!(code(Some(&nobody.status)), Code::ConsumerGroupNotFound);
}

#[test]
fn a_namespace_is_an_instance_of_one_s_own() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let other = client.user("other", "other-secret");
    client.sent(client.message("orders", "of acme"));
    let uid = stack.demo().get(ACME).ok()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    // In a resource, in the metadata, nowhere; a resource wins.
    let mut by_resource = client.with("x-mq-namespace", "nothing");
    by_resource.namespace = "demo".to_owned();
    for named in [
        client.clone(),
        client.with("x-mq-namespace", "demo"),
        client.with("x-mq-namespace", &uid),
        by_resource,
    ] {
        let route = named.route("orders");
        assert_eq!(code(route.status.as_ref()), Code::Ok);
        // Shown as the client named it.
        assert_eq!(route.message_queues[0].topic, named.resource("orders"));
    }
    for foreign in [
        client.with("x-mq-namespace", "nothing"),
        other.with("x-mq-namespace", &uid),
    ] {
        assert_eq!(codes(&foreign, "orders"), [Code::NotFound; 3]);
    }
    // The other tenant calls everything the same and sees its own.
    assert!(other.take("workers", "orders").is_empty());
    let got = client.take("workers", "orders");
    assert_eq!(bodies(&got), ["of acme"]);
    let acked = other.ack("workers", "orders", &got);
    assert_eq!(code(acked.status.as_ref()), Code::InvalidReceiptHandle);
    let acked = client.ack("workers", "orders", &got);
    assert_eq!(code(acked.status.as_ref()), Code::Ok);
    // Resources of two namespaces are in no one instance.
    let mut ask = client.ask("workers", "orders");
    ask.group = Some(Resource {
        resource_namespace: "demo".to_owned(),
        name: "workers".to_owned(),
    });
    if let Some(queue) = &mut ask.message_queue {
        queue.topic = Some(Resource {
            resource_namespace: uid,
            name: "orders".to_owned(),
        });
    }
    assert_eq!(code(Some(&client.receive(ask).status)), Code::BadRequest);
}
