//! A plan's connections are those of all protocols together.

use firn_gateway::grpc::wire::{Code, SendMessageResponse};
use serde_json::{Value, json};

use crate::grpc::client::{Grpc, code};
use crate::mq_http::client::{Mq, error_of, message};
use crate::stack::Stack;

/// Looks that are taken until a connection that was hung up is gone.
const LOOKS_MAX: usize = 10_000;

fn send(client: &Grpc) -> SendMessageResponse {
    client.send(vec![client.message("orders", "x")])
}

#[test]
fn those_of_every_protocol_count() {
    let stack = Stack::start();
    let mut operator = stack.operator();
    let plan = json!({"name": "two", "tps": 1000, "topicTps": 0, "connections": 2});
    operator.post("/v1/plans", &plan).ok();
    let change = json!({"plan": "two"});
    let listed = operator.get("/v1/instances").ok();
    let is_acme = |it: &&Value| it["tenantId"] == 2 && it["name"] == "demo";
    let found = listed["items"].as_array().expect("a list").iter();
    let id = found.filter(is_acme).map(|it| &it["id"]).next();
    let path = format!(
        "/v1/instances/{}",
        id.and_then(Value::as_str).expect("an id")
    );
    operator.json("PATCH", &path, &change).ok();

    let first = Grpc::demo(&stack);
    first.sent(first.message("orders", "x"));
    let mut second = Mq::demo(&stack);
    second.publish("orders", "x", "");
    let third = Grpc::demo(&stack);
    for _ in 0..2 {
        let answer = send(&third);
        let status = answer.status.expect("a status");
        assert_eq!(code(Some(&status)), Code::Forbidden);
        assert!(status.message.contains("2 connections open"), "{status:?}");
    }
    let mut fourth = Mq::demo(&stack);
    let answer = fourth.call("POST", "/topics/orders/messages", &message("x", ""));
    assert_eq!((answer.status, &*error_of(&answer)), (403, "AccessDenied"));
    let messages = json!({"messages": [{"body": "x"}]});
    let path = "/v1/instances/demo/topics/orders/messages";
    stack
        .demo()
        .post(path, &messages)
        .error(403, "QUOTA_EXCEEDED");
    // Those who are in stay, and who goes makes room.
    first.sent(first.message("orders", "x"));
    second.publish("orders", "x", "");
    drop(first);
    let is_in = (0..LOOKS_MAX).any(|_| {
        std::thread::yield_now();
        code(send(&third).status.as_ref()) == Code::Ok
    });
    assert!(is_in, "the first one's place is never free");
    let answer = fourth.call("POST", "/topics/orders/messages", &message("x", ""));
    assert_eq!(answer.status, 403, "two of two again");
}
