//! Consuming in order: `trans=order`.

use std::collections::BTreeMap;

use serde_json::json;

use super::client::{Mq, bodies, error_of, field, handles};
use crate::semantics::{group, topic};
use crate::stack::Stack;

const QUERY: &str = "consumer=inorder&numOfMessages=3&trans=order";

fn start() -> Stack {
    let stack = Stack::start();
    topic(&stack, "steps", "fifo", 4);
    group(&stack, "inorder", json!({"ordered": true}));
    stack
}

fn publish(mq: &mut Mq, key: &str, body: &str) {
    let properties = format!("<Properties>__SHARDINGKEY:{key}|</Properties>");
    mq.publish("steps", body, &properties);
}

#[test]
fn messages_of_a_key_come_in_order_and_wait_for_those_before() {
    let stack = start();
    let mut mq = Mq::demo(&stack);
    for n in 0..5 {
        publish(&mut mq, "k", &n.to_string());
    }
    let got = mq.consume("steps", QUERY);
    assert_eq!(bodies(&got), ["0", "1", "2"], "several in one answer");
    assert_eq!(field(&got[0], "Properties"), "__SHARDINGKEY:k|");
    assert_eq!(mq.consume("steps", QUERY).len(), 0, "none behind them");
    mq.ack("steps", "consumer=inorder", &handles(&got)[..2]);
    assert_eq!(mq.consume("steps", QUERY).len(), 0, "one of them is open");
    publish(&mut mq, "other", "free");
    assert_eq!(bodies(&mq.consume("steps", QUERY)), ["free"], "another key");
    // The same again after the time, and nothing else.
    stack.advance_ms(31_000);
    let mut again = mq.consume("steps", &format!("{QUERY}&waitseconds=20"));
    for _ in 0..4 {
        again.extend(mq.consume("steps", QUERY));
    }
    let of_key: Vec<&str> = bodies(&again)
        .into_iter()
        .filter(|it| *it != "free")
        .collect();
    assert_eq!(of_key[..1], ["2"], "{again:?}");
    let last = again.iter().find(|it| field(it, "MessageBody") == "2");
    assert_eq!(field(last.expect("there"), "ConsumedTimes"), "2");
}

#[test]
fn every_key_is_in_order_however_it_is_taken() {
    let stack = start();
    let mut mq = Mq::demo(&stack);
    let keys = ["a", "b", "c"];
    for n in 0..8 {
        for key in keys {
            publish(&mut mq, key, &format!("{key}:{n}"));
        }
    }
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..60 {
        let got = mq.consume("steps", QUERY);
        for body in bodies(&got) {
            let (key, n) = body.split_once(':').expect("a key");
            seen.entry(key.to_owned()).or_default().push(n.to_owned());
        }
        if !got.is_empty() {
            assert_eq!(
                mq.ack("steps", "consumer=inorder", &handles(&got)).status,
                204
            );
        }
    }
    let expected: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    for key in keys {
        assert_eq!(seen[key], expected, "{key}");
    }
}

#[test]
fn a_group_that_keeps_no_order_is_not_asked_for_it() {
    let stack = start();
    let mut mq = Mq::demo(&stack);
    let target = "/topics/steps/messages?consumer=workers&numOfMessages=1&trans=order";
    let answer = mq.call("GET", target, "");
    assert_eq!(
        (answer.status, error_of(&answer)),
        (400, "InvalidArgument".into())
    );
}
