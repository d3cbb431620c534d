//! Filters, order, leases, dead letters.

use firn_gateway::grpc::wire::*;
use serde_json::json;

use super::client::*;
use crate::semantics::{group, topic};
use crate::stack::{ACME, Stack, receive};

#[test]
fn filters_of_both_types_are_kept() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    group(&stack, "by-tag", json!({}));
    group(&stack, "by-price", json!({}));
    for n in 0..6 {
        let mut message = client.special("single", &n.to_string(), |system| {
            system.tag = Some(["a", "b", "c"][n % 3].to_owned());
        });
        message
            .user_properties
            .insert("price".to_owned(), n.to_string());
        client.sent(message);
    }
    let wanted = |group: &str, filter: FilterExpression| {
        let ask = ReceiveMessageRequest {
            filter_expression: Some(filter),
            ..client.ask(group, "single")
        };
        client.receive(ask)
    };
    let got = wanted("by-tag", tags(" a || c "));
    assert_eq!(bodies(&got.messages), ["0", "2", "3", "5"]);
    let got = wanted("by-price", sql("price BETWEEN 1 AND 4 AND TAGS <> 'b'"));
    assert_eq!(bodies(&got.messages), ["2", "3"]);
    for bad in [tags("a ||"), tags("a|b"), sql("price >"), sql("")] {
        let got = wanted("by-tag", bad);
        assert_eq!(code(Some(&got.status)), Code::IllegalFilterExpression);
        assert_eq!(got.delivered_at, None);
    }
}

#[test]
fn a_message_group_keeps_its_order_and_blocks() {
    let stack = Stack::start();
    topic(&stack, "ordered", "fifo", 4);
    group(&stack, "strict", json!({"ordered": true}));
    let client = Grpc::demo(&stack);
    for n in 0..3 {
        for name in ["x", "y"] {
            client.sent(client.special("ordered", &format!("{name}{n}"), |system| {
                system.message_group = Some(name.to_owned());
                system.message_type = MessageType::Fifo.into();
            }));
        }
    }
    for n in 0..3 {
        let mut got = client.take("strict", "ordered");
        // Nothing behind an open one comes to anybody.
        let other = client.with("x-mq-client-id", "other");
        assert!(other.take("strict", "ordered").is_empty());
        got.sort_by_key(|message| message.body.clone());
        assert_eq!(bodies(&got), [format!("x{n}"), format!("y{n}")]);
        assert_eq!(system(&got[0]).message_group.as_deref(), Some("x"));
        assert_eq!(system(&got[0]).message_type(), MessageType::Fifo);
        client.ack("strict", "ordered", &got);
    }
    assert!(client.take("strict", "ordered").is_empty());
}

#[test]
fn a_message_that_is_not_finished_comes_again() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    client.sent(client.message("orders", "again"));
    let first = client.take("workers", "orders");
    stack.advance_ms(29_999);
    assert!(client.take("workers", "orders").is_empty());
    stack.advance_ms(1);
    let second = client.wait("workers", "orders");
    assert_eq!(bodies(&second), ["again"]);
    assert_eq!(system(&second[0]).message_id, system(&first[0]).message_id);
    assert_eq!(system(&second[0]).delivery_attempt, Some(2));
    assert_ne!(handle(&second[0]), handle(&first[0]));
    // The original's place, not the copy's.
    assert_eq!(
        system(&second[0]).queue_offset,
        system(&first[0]).queue_offset
    );
    let late = client.ack("workers", "orders", &first);
    assert_eq!(code(late.status.as_ref()), Code::InvalidReceiptHandle);
    let mut rubbish = second[0].clone();
    rubbish
        .system_properties
        .get_or_insert_default()
        .receipt_handle = Some("rubbish".to_owned());
    let both = [rubbish, second[0].clone()];
    let mixed = client.ack("workers", "orders", &both);
    assert_eq!(code(mixed.status.as_ref()), Code::MultipleResults);
    let codes: Vec<_> = mixed
        .entries
        .iter()
        .map(|it| code(it.status.as_ref()))
        .collect();
    assert_eq!(codes, [Code::InvalidReceiptHandle, Code::Ok]);
}

#[test]
fn a_lease_is_made_longer_and_shorter() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    client.sent(client.message("orders", "kept"));
    let got = client.take("workers", "orders");
    stack.advance_ms(20_000);
    let longer = client.change("workers", "orders", &got[0], seconds(60));
    assert_eq!(code(longer.status.as_ref()), Code::Ok);
    assert!(!longer.receipt_handle.is_empty());
    stack.advance_ms(59_999);
    assert!(client.take("workers", "orders").is_empty());
    // Begun seconds count whole, and there is a shortest one.
    let tiny = prost_types::Duration {
        seconds: 0,
        nanos: 1_000_000,
    };
    let shorter = client.change("workers", "orders", &got[0], tiny);
    assert_eq!(code(shorter.status.as_ref()), Code::Ok);
    stack.advance_ms(999);
    assert!(client.take("workers", "orders").is_empty());
    stack.advance_ms(1);
    let again = client.wait("workers", "orders");
    assert_eq!(system(&again[0]).delivery_attempt, Some(2));
    // Whatever goes wrong, the client keeps a handle.
    for (message, time, wanted) in [
        (&got[0], seconds(5), Code::InvalidReceiptHandle),
        (&again[0], seconds(43_201), Code::IllegalInvisibleTime),
        (&again[0], seconds(-1), Code::IllegalInvisibleTime),
    ] {
        let answer = client.change("workers", "orders", message, time);
        assert_eq!(code(answer.status.as_ref()), wanted);
        assert_eq!(answer.receipt_handle, handle(message));
    }
}

#[test]
fn a_message_given_up_is_a_dead_letter() {
    let stack = Stack::start();
    topic(&stack, "ordered", "fifo", 1);
    group(&stack, "strict", json!({"ordered": true}));
    let client = Grpc::demo(&stack);
    let forward = |group: &str, topic: &str, message: &Message| {
        let request = client.request(ForwardMessageToDeadLetterQueueRequest {
            group: client.resource(group),
            topic: client.resource(topic),
            receipt_handle: handle(message),
            message_id: system(message).message_id.clone(),
            delivery_attempt: 1,
            max_delivery_attempts: 1,
            lite_topic: None,
        });
        let mut stub = client.stub();
        let answer = stub.forward_message_to_dead_letter_queue(request);
        let answer = client.handle.block_on(answer).expect("an answer");
        code(answer.into_inner().status.as_ref())
    };
    for n in 0..2 {
        client.sent(client.special("ordered", &n.to_string(), |system| {
            system.message_group = Some("g".to_owned());
            system.message_type = MessageType::Fifo.into();
        }));
    }
    // Also in a group that blocks, and before its last attempt.
    let got = client.take("strict", "ordered");
    assert_eq!(forward("strict", "ordered", &got[0]), Code::Ok);
    assert_eq!(forward("strict", "ordered", &got[0]), Code::Ok);
    assert_eq!(bodies(&client.take("strict", "ordered")), ["1"]);
    let dead = client.take("strict", "%DLQ%strict");
    assert_eq!(bodies(&dead), ["0"]);
    assert_eq!(system(&dead[0]).message_id, message_id("0"));
    let acked = client.ack("strict", "%DLQ%strict", &dead);
    assert_eq!(code(acked.status.as_ref()), Code::Ok);
    assert_eq!(code(client.route("%DLQ%strict").status.as_ref()), Code::Ok);

    // In a group without order, and once its lease has passed not any more.
    client.sent(client.message("orders", "plain"));
    let got = client.take("workers", "orders");
    stack.advance_ms(30_000);
    assert_eq!(
        forward("workers", "orders", &got[0]),
        Code::InvalidReceiptHandle
    );
    let got = client.wait("workers", "orders");
    assert_eq!(forward("workers", "orders", &got[0]), Code::Ok);
    stack.advance_ms(7_200_000);
    assert!(client.take("workers", "orders").is_empty());
    assert_eq!(bodies(&client.take("workers", "%DLQ%workers")), ["plain"]);
    // By itself, where no redelivery is left.
    client.sent(client.message("single", "brittle"));
    assert_eq!(bodies(&client.take("brittle", "single")), ["brittle"]);
    stack.advance_ms(30_000);
    assert!(client.take("brittle", "single").is_empty());
    let mut http = stack.demo();
    let ask = json!({"max": 9, "waitSeconds": 20});
    let dead = receive(&mut http, "brittle", "%25DLQ%25brittle", &ask);
    assert_eq!(dead[0]["body"], "brittle");
}

#[test]
fn an_answer_that_was_lost_is_had_again() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    client.sent(client.message("orders", "lost"));
    let ask = || ReceiveMessageRequest {
        attempt_id: Some("attempt 1".to_owned()),
        ..client.ask("workers", "orders")
    };
    let first = client.receive(ask()).messages;
    let again = client.receive(ask()).messages;
    assert_eq!(bodies(&first), ["lost"]);
    assert_eq!(again, first);
    assert!(client.take("workers", "orders").is_empty());
}

#[test]
fn a_poll_waits_for_a_message() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let poller = client.with("x-mq-client-id", "poller");
    let begun = stack.clock.now_ms();
    let other = poller.clone();
    let empty = stack.while_time_passes(100, move || other.wait("workers", "orders"));
    assert!(empty.is_empty());
    assert!(stack.clock.now_ms() - begun >= 20_000);
    // A message ends the wait, and the clock stands still.
    let polling = move || poller.wait("workers", "orders");
    let polling = firn_runtime::tasks::thread("poller", polling).expect("a thread");
    client.sent(client.message("orders", "now"));
    assert_eq!(bodies(&polling.join().expect("an answer")), ["now"]);
}

#[test]
fn a_member_that_says_it_goes_gives_back_what_it_holds() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    client.sent(client.message("orders", "held"));
    let ask = ReceiveMessageRequest {
        auto_renew: true,
        invisible_duration: None,
        ..client.ask("workers", "orders")
    };
    let got = client.receive(ask).messages;
    assert_eq!(system(&got[0]).invisible_duration, Some(seconds(60)));
    let other = client.with("x-mq-client-id", "other");
    assert!(other.take("workers", "orders").is_empty());
    let request = client.request(NotifyClientTerminationRequest {
        group: client.resource("workers"),
    });
    let answer = client
        .handle
        .block_on(client.stub().notify_client_termination(request));
    assert_eq!(
        code(answer.expect("an answer").into_inner().status.as_ref()),
        Code::Ok
    );
    // It goes back in the background.
    let got = other.wait("workers", "orders");
    assert_eq!(bodies(&got), ["held"]);
    assert_eq!(system(&got[0]).delivery_attempt, Some(1));
}

#[test]
fn a_group_that_is_switched_off_gets_nothing() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let form = json!({"enabled": false});
    let path = format!("{ACME}/groups/workers");
    stack.demo().json("PATCH", &path, &form).ok();
    let refused = client.receive(client.ask("workers", "orders"));
    assert_eq!(code(Some(&refused.status)), Code::Forbidden);
}
