//! Transactions: half messages, decided by the first handle or after a check.

use serde_json::json;

use super::client::{Mq, bodies, error_of, errors, field, handles};
use crate::semantics::topic;
use crate::stack::{ACME, START_MS, Stack};

const WORKERS: &str = "consumer=workers&numOfMessages=16";
const POP: &str = "consumer=makers&numOfMessages=16&trans=pop";

fn start() -> (Stack, Mq) {
    let stack = Stack::start();
    topic(&stack, "deals", "transaction", 1);
    let mq = Mq::demo(&stack);
    (stack, mq)
}

fn half(mq: &mut Mq, body: &str, secs: u64) -> String {
    let properties = format!("<Properties>__TransCheckT:{secs}|KEYS:k|</Properties>");
    let sent = mq.publish("deals", body, &properties);
    let names: Vec<&str> = sent.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["MessageId", "MessageBodyMD5", "ReceiptHandle"]);
    field(&sent, "ReceiptHandle").to_owned()
}

#[test]
fn the_first_handle_decides() {
    let (stack, mut mq) = start();
    let (commit, rollback) = (half(&mut mq, "commit", 60), half(&mut mq, "rollback", 60));
    assert_eq!(mq.consume("deals", WORKERS).len(), 0, "nobody sees halves");
    let decide = |mq: &mut Mq, trans: &str, handle: &str| {
        let query = format!("consumer=makers&trans={trans}");
        mq.ack("deals", &query, &[handle])
    };
    let done = decide(&mut mq, "commit", &commit);
    assert_eq!((done.status, done.body.len()), (204, 0), "{}", done.text());
    assert_eq!(decide(&mut mq, "rollback", &rollback).status, 204);
    assert_eq!(decide(&mut mq, "commit", &commit).status, 204, "repeated");
    let failed = errors(&decide(&mut mq, "rollback", &commit));
    assert_eq!(field(&failed[0], "ErrorCode"), "MessageNotExist");
    assert_eq!(field(&failed[0], "ReceiptHandle"), commit);
    let failed = errors(&decide(&mut mq, "commit", "not-a-handle"));
    assert_eq!(field(&failed[0], "ErrorCode"), "ReceiptHandleError");
    let got = mq.consume("deals", WORKERS);
    assert_eq!(bodies(&got), ["commit"]);
    assert_eq!(field(&got[0], "Properties"), "__TransCheckT:60|KEYS:k|");
    let query = "consumer=makers&trans=commit";
    let two = mq.ack("deals", query, &[&commit, &rollback]);
    assert_eq!(error_of(&two), "InvalidArgument", "one at a time");
    stack.advance_ms(3_600_000);
    assert_eq!(mq.consume("deals", POP).len(), 0, "nothing is open");
}

#[test]
fn what_is_not_decided_is_asked_about() {
    let (stack, mut mq) = start();
    half(&mut mq, "yes", 3);
    half(&mut mq, "no", 3);
    stack.advance_ms(2_999);
    assert_eq!(mq.consume("deals", POP).len(), 0, "not before its time");
    stack.advance_ms(1);
    let asked = mq.consume("deals", POP);
    assert_eq!(bodies(&asked), ["yes", "no"]);
    for (name, text) in [
        ("PublishTime", START_MS),
        ("FirstConsumeTime", START_MS + 3_000),
        ("NextConsumeTime", START_MS + 33_000),
        ("ConsumedTimes", 1),
    ] {
        assert_eq!(field(&asked[0], name), text.to_string(), "{name}");
    }
    assert_eq!(field(&asked[0], "Properties"), "__TransCheckT:3|KEYS:k|");
    assert_eq!(mq.consume("deals", POP).len(), 0, "being asked about");
    // Any producer of the topic is asked, under whatever group it polls.
    stack.advance_ms(30_000);
    let again = mq.consume("deals", &POP.replace("makers", "others"));
    assert_eq!(field(&again[0], "ConsumedTimes"), "2");
    let query = |trans: &str| format!("consumer=makers&trans={trans}");
    let done = mq.ack("deals", &query("commit"), &handles(&again)[..1]);
    assert_eq!(done.status, 204, "{}", done.text());
    assert_eq!(
        mq.ack("deals", &query("rollback"), &handles(&again)[1..])
            .status,
        204
    );
    assert_eq!(bodies(&mq.consume("deals", WORKERS)), ["yes"]);
}

#[test]
fn halves_of_a_producer_group_are_its_own() {
    let (stack, mut mq) = start();
    let begin = json!({"body": "native", "producerGroup": "makers", "checkAfterSeconds": 1});
    let path = format!("{ACME}/topics/deals/transactions");
    stack.demo().post(&path, &begin).ok();
    stack.advance_ms(1_000);
    let others = mq.consume("deals", &POP.replace("makers", "others"));
    assert_eq!(others.len(), 0);
    assert_eq!(bodies(&mq.consume("deals", POP)), ["native"]);
}

#[test]
fn a_poll_for_halves_waits() {
    let (stack, mut mq) = start();
    half(&mut mq, "slow", 2);
    let got = stack.while_time_passes(50, move || {
        mq.consume("deals", &format!("{POP}&waitseconds=30"))
    });
    assert_eq!(bodies(&got), ["slow"]);
}

#[test]
fn only_topics_for_it_take_transactions() {
    let (_stack, mut mq) = start();
    let half = "<Properties>__TransCheckT:10|</Properties>";
    for (topic, more) in [("single", half), ("deals", "")] {
        let document = super::client::message("x", more);
        let answer = mq.call("POST", &format!("/topics/{topic}/messages"), &document);
        assert_eq!(
            (answer.status, error_of(&answer)),
            (400, "InvalidArgument".into())
        );
    }
}
