//! Answers field by field, against the tables of the wire contract.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::client::{Mq, bodies, errors, field, fields, handles, message};
use crate::semantics::{group, topic};
use crate::stack::{ACME, START_MS, Stack, ack, receive, send};

const BODY: &str = "hello <world>";
/// Of the body above, by another program.
const MD5: &str = "F86F4FE790439EAE6A63782AEC18F9D9";

fn names(fields: &[(String, String)]) -> Vec<&str> {
    fields.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_message_goes_through_with_all_that_was_said_of_it() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    mq.consume("orders", "consumer=workers&numOfMessages=1");
    let more = "<Properties>KEYS:k1 k2|a:1|b:zwei|</Properties><MessageTag>t</MessageTag>";
    let sent = mq.publish("orders", BODY, more);
    assert_eq!(names(&sent), ["MessageId", "MessageBodyMD5"]);
    assert_eq!(field(&sent, "MessageBodyMD5"), MD5);
    let id = field(&sent, "MessageId");
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    stack.advance_ms(7);
    let got = mq.consume("orders", "numOfMessages=16&consumer=workers&waitseconds=0");
    let [one] = &got[..] else { panic!("{got:?}") };
    let mut found = names(one);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "ConsumedTimes",
            "FirstConsumeTime",
            "MessageBody",
            "MessageBodyMD5",
            "MessageId",
            "MessageTag",
            "NextConsumeTime",
            "Properties",
            "PublishTime",
            "ReceiptHandle",
        ]
    );
    for (name, text) in [
        ("MessageId", id),
        ("MessageBody", BODY),
        ("MessageBodyMD5", MD5),
        ("MessageTag", "t"),
        ("Properties", "a:1|b:zwei|KEYS:k1 k2|"),
        ("ConsumedTimes", "1"),
        ("PublishTime", &START_MS.to_string()),
        ("FirstConsumeTime", &(START_MS + 7).to_string()),
        ("NextConsumeTime", &(START_MS + 30_007).to_string()),
    ] {
        assert_eq!(field(one, name), text, "{name}");
    }
    let answer = mq.ack("orders", "consumer=workers", &handles(&got));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("content-type"), None);
    assert!(answer.header("x-mq-request-id").is_some());
    assert_eq!(answer.header("x-mq-version"), Some("2015-06-06"));
    stack.advance_ms(30_000);
    let again = mq.consume("orders", "consumer=workers&numOfMessages=1");
    assert_eq!(again, Vec::<Vec<_>>::new(), "it was acknowledged");
}

/// One library compares names of headers byte by byte.
#[test]
fn headers_are_spelt_in_lower_case() {
    let stack = Stack::start();
    let mq = Mq::demo(&stack);
    let target = "/topics/orders/messages?consumer=workers&numOfMessages=1";
    let request = mq
        .sign(mq.request("GET", target, ""))
        .with("connection", "close");
    let mut head = format!("GET {target} HTTP/1.1\r\nhost: x\r\n");
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(stack.http).expect("connects");
    stream
        .write_all(format!("{head}\r\n").as_bytes())
        .expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    for line in ["\r\nx-mq-request-id: ", "\r\nx-mq-version: 2015-06-06\r\n"] {
        assert!(answer.contains(line), "{answer}");
    }
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[test]
fn handles_and_messages_are_those_of_the_native_api() {
    let stack = Stack::start();
    let (mut mq, mut http) = (Mq::demo(&stack), stack.demo());
    let native = json!([{"body": "n", "tag": "t", "keys": ["k"], "properties": {"p": "1"}}]);
    send(&mut http, "orders", &native);
    let got = mq.consume("orders", "consumer=workers&numOfMessages=1&tag=t%7C%7Cu");
    assert_eq!(field(&got[0], "Properties"), "p:1|KEYS:k|");
    let handle = json!({"receiptHandle": field(&got[0], "ReceiptHandle")});
    assert_eq!(ack(&mut http, "workers", "orders", &[handle]), ["OK"]);
    let sent = mq.publish("orders", "m", "<Properties>KEYS:x|q:2</Properties>");
    let found = http
        .get(&format!("{ACME}/messages/{}", field(&sent, "MessageId")))
        .ok();
    assert_eq!(
        (&found["body"], &found["keys"]),
        (&json!("m"), &json!(["x"])),
        "{found}"
    );
    let got = receive(&mut http, "workers", "orders", &json!({}));
    assert_eq!(got[0]["properties"], json!({"q": "2"}));
    let handle = got[0]["receiptHandle"].as_str().expect("a handle");
    let answer = mq.ack("orders", "consumer=workers", &[handle]);
    assert_eq!(answer.status, 204, "{}", answer.text());
}

#[test]
fn bodies_of_every_kind_come_back() {
    let stack = Stack::start();
    let (mut mq, mut http) = (Mq::demo(&stack), stack.demo());
    let long = "x".repeat(200_000);
    let texts = [
        "<a b=\"c\">&amp; ]]&gt; 'd'</a>",
        "äöü 消息 😀",
        "1\n2\t3",
        " a ",
        &long,
    ];
    for text in texts {
        mq.publish("orders", text, "");
    }
    // What XML cannot carry comes from elsewhere, and says what was made of it.
    for (base64, encoding) in [("AAE=", None), ("", None), ("H4sI", Some("gzip"))] {
        let mut one = json!({"bodyBase64": base64, "properties": {"p": "1"}});
        if let Some(encoding) = encoding {
            one["contentEncoding"] = json!(encoding);
        }
        send(&mut http, "orders", &json!([one]));
    }
    let mut got = Vec::new();
    for _ in 0..20 {
        got.extend(mq.consume("orders", "consumer=workers&numOfMessages=16"));
    }
    let mut found: Vec<(&str, &str)> = Vec::new();
    for one in &got {
        let properties = one.iter().find(|(name, _)| name == "Properties");
        found.push((field(one, "MessageBody"), properties.map_or("", |it| &it.1)));
    }
    found.sort_unstable();
    let mut expected: Vec<(&str, &str)> = texts.map(|text| (text, "")).to_vec();
    expected.extend([
        ("AAE=", "p:1|FIRN_BODY_ENCODING:base64|"),
        (" ", "p:1|FIRN_BODY_ENCODING:empty|"),
        ("H4sI", "p:1|FIRN_BODY_ENCODING:gzip+base64|"),
    ]);
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_poll_waits_as_long_as_it_says_and_no_longer_than_it_must() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    let target = "consumer=workers&numOfMessages=1&waitseconds=2";
    let (waited, mut mq) = stack.while_time_passes(50, move || {
        let before = mq.clock.now_ms();
        let got = mq.consume("orders", target);
        assert_eq!(got, Vec::<Vec<_>>::new());
        (mq.clock.now_ms() - before, mq)
    });
    assert!(waited >= 2000, "{waited}");
    // A send wakes whoever waits, without the clock.
    let waiting = firn_runtime::tasks::thread("consumer", move || {
        mq.consume("orders", "consumer=workers&numOfMessages=1&waitseconds=30")
    });
    let waiting = waiting.expect("a thread");
    Mq::demo(&stack).publish("orders", "wake up", "");
    let got = waiting.join().expect("an answer");
    assert_eq!(bodies(&got), ["wake up"]);
}

#[test]
fn what_is_not_acknowledged_comes_again_under_another_handle() {
    let stack = Stack::with(|config| config.mq_http_invisible = Duration::from_secs(5));
    let mut mq = Mq::demo(&stack);
    let sent = mq.publish("orders", "again", "");
    let first = mq.consume("orders", "consumer=workers&numOfMessages=1");
    assert_eq!(
        field(&first[0], "NextConsumeTime"),
        (START_MS + 5_000).to_string()
    );
    stack.advance_ms(4_999);
    let early = mq.consume("orders", "consumer=workers&numOfMessages=1");
    assert_eq!(early, Vec::<Vec<_>>::new());
    stack.advance_ms(1);
    let second = mq.consume("orders", "consumer=workers&numOfMessages=1&waitseconds=20");
    for (name, text) in [
        ("MessageId", field(&sent, "MessageId")),
        ("ConsumedTimes", "2"),
        ("PublishTime", &START_MS.to_string()),
        ("FirstConsumeTime", &START_MS.to_string()),
        ("NextConsumeTime", &(START_MS + 10_000).to_string()),
    ] {
        assert_eq!(field(&second[0], name), text, "{name}");
    }
    let (old, new) = (handles(&first)[0], handles(&second)[0]);
    assert_ne!(old, new);
    let failed = errors(&mq.ack("orders", "consumer=workers", &[old]));
    assert_eq!(field(&failed[0], "ErrorCode"), "MessageNotExist");
    let done = mq.ack("orders", "consumer=workers", &[new]);
    assert_eq!(done.status, 204);
    let again = mq.ack("orders", "consumer=workers", &[new]);
    assert_eq!(again.status, 204, "twice is no fault");
}

#[test]
fn handles_that_fail_are_listed_and_the_others_are_done() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    for body in ["a", "b", "c"] {
        mq.publish("single", body, "");
    }
    let got = mq.consume("single", "consumer=workers&numOfMessages=3");
    let good = handles(&got);
    let mixed = [good[0], "not-a-handle", good[1], "another &amp; worse"];
    let failed = errors(&mq.ack("single", "consumer=workers", &mixed));
    let rows: Vec<_> = failed
        .iter()
        .map(|row| {
            assert_eq!(names(row), ["ErrorCode", "ErrorMessage", "ReceiptHandle"]);
            assert!(!field(row, "ErrorMessage").is_empty());
            (field(row, "ErrorCode"), field(row, "ReceiptHandle"))
        })
        .collect();
    let expected = [
        ("ReceiptHandleError", "not-a-handle"),
        ("ReceiptHandleError", "another & worse"),
    ];
    assert_eq!(rows, expected);
    let failed = errors(&mq.ack("single", "consumer=workers", &["x"]));
    assert_eq!(
        field(&failed[0], "ReceiptHandle"),
        "x",
        "all of them failed"
    );
    let failed = errors(&mq.ack("single", "consumer=brittle", &[good[2]]));
    assert_eq!(
        field(&failed[0], "ErrorCode"),
        "ReceiptHandleError",
        "another group's"
    );
    stack.advance_ms(30_000);
    let left = mq.consume("single", "consumer=workers&numOfMessages=3&waitseconds=20");
    assert_eq!(bodies(&left), ["c"]);
}

#[test]
fn an_instance_is_named_or_the_users_own() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    let uid = stack.demo().get(ACME).ok()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for ns in ["", "?ns=demo", &format!("?ns={uid}"), "?ns="] {
        let target = format!("/topics/single/messages{ns}");
        let answer = mq.call("POST", &target, &message("x", ""));
        assert_eq!(answer.status, 201, "{ns}");
    }
    let got = mq.consume("single", "ns=demo&consumer=workers&numOfMessages=16");
    assert_eq!(got.len(), 4);
    let answer = mq.ack(
        "single",
        &format!("consumer=workers&ns={uid}"),
        &handles(&got),
    );
    assert_eq!(answer.status, 204);
    let mut other = Mq::user(&stack, "other", "other-secret");
    for target in ["ns=demo&", ""] {
        let target = format!("{target}consumer=workers&numOfMessages=1");
        assert_eq!(
            other.consume("single", &target),
            Vec::<Vec<_>>::new(),
            "its own"
        );
    }
}

#[test]
fn filters_keys_and_times_of_delivery() {
    let stack = Stack::start();
    topic(&stack, "later", "delay", 1);
    let mut mq = Mq::demo(&stack);
    for tag in ["a", "b", "c"] {
        mq.publish("single", tag, &format!("<MessageTag>{tag}</MessageTag>"));
    }
    let wanted = "consumer=workers&numOfMessages=16&tag=a%7C%7C%20c";
    let got = mq.consume("single", wanted);
    assert_eq!(bodies(&got), ["a", "c"]);
    mq.ack("single", "consumer=workers", &handles(&got));
    let due = START_MS + 3_000;
    let properties = |at: u64| format!("<Properties>__STARTDELIVERTIME:{at}|</Properties>");
    mq.publish("later", "late", &properties(due));
    mq.publish("later", "past", &properties(START_MS - 1));
    let now = mq.consume("later", "consumer=workers&numOfMessages=16");
    assert_eq!(bodies(&now), ["past"]);
    stack.advance_ms(2_999);
    let early = mq.consume("later", "consumer=workers&numOfMessages=16");
    assert_eq!(early, Vec::<Vec<_>>::new());
    stack.advance_ms(1);
    let got = mq.consume("later", "consumer=workers&numOfMessages=16&waitseconds=20");
    assert_eq!(bodies(&got), ["late"]);
    assert_eq!(field(&got[0], "PublishTime"), START_MS.to_string());
    assert_eq!(
        field(&got[0], "Properties"),
        format!("__STARTDELIVERTIME:{due}|")
    );
}

#[test]
fn a_repeat_under_one_id_is_one_message() {
    let stack = Stack::start();
    let (mut mq, mut http) = (Mq::demo(&stack), stack.demo());
    let properties = "<Properties>FIRN_DEDUP_ID:d1|</Properties>";
    let first = mq.publish("orders", "once", properties);
    let again = mq.publish("orders", "once", properties);
    let native = send(
        &mut http,
        "orders",
        &json!([{"body": "once", "dedupId": "d1"}]),
    );
    let id = field(&first, "MessageId");
    assert_eq!(field(&again, "MessageId"), id);
    assert_eq!(native[0]["messageId"], id, "by whatever protocol");
    let mut got = Vec::new();
    for _ in 0..8 {
        got.extend(mq.consume("orders", "consumer=workers&numOfMessages=16"));
    }
    assert_eq!(bodies(&got), ["once"]);
}

/// The names of a group's own topics have a sign in them that libraries do not encode.
#[test]
fn dead_letters_are_consumed_like_a_topic() {
    let stack = Stack::start();
    group(&stack, "frail", json!({"maxRetries": 0}));
    let mut mq = Mq::demo(&stack);
    mq.publish("single", "dead", "");
    assert_eq!(
        mq.consume("single", "consumer=frail&numOfMessages=1").len(),
        1
    );
    stack.advance_ms(30_000);
    assert_eq!(
        mq.consume("single", "consumer=frail&numOfMessages=1").len(),
        0
    );
    let wait = "consumer=frail&numOfMessages=1&waitseconds=20";
    let got = mq.consume("%DLQ%frail", wait);
    assert_eq!(bodies(&got), ["dead"]);
    let done = mq.ack("%25DLQ%25frail", "consumer=frail", &handles(&got));
    assert_eq!(done.status, 204, "{}", done.text());
    let answer = mq.call("POST", "/topics/%DLQ%frail/messages", &message("x", ""));
    assert_eq!(super::client::error_of(&answer), "AccessDenied");
}

#[test]
fn its_clients_are_shown_and_its_calls_are_counted_like_any_other() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    mq.publish("orders", "x", "");
    mq.consume("orders", "consumer=workers&numOfMessages=1&tag=t");
    mq.ack("orders", "consumer=workers", &["none"]);
    let mut http = stack.demo();
    let shown = http.get(&format!("{ACME}/sessions")).ok();
    let rows = shown["items"].as_array().expect("items");
    assert_eq!(rows.len(), 2, "{shown}");
    for row in rows {
        assert_eq!(row["protocol"], "mqhttp");
        assert_eq!(
            (&row["language"], &row["version"]),
            (&json!("mq-python-sdk"), &json!("1.0.3(Linux/3.11.7)"))
        );
        assert_eq!(row["topics"], json!(["orders"]));
    }
    let kinds: Vec<_> = rows.iter().map(|row| row["kind"].clone()).collect();
    assert!(kinds.contains(&json!("consumer")) && kinds.contains(&json!("producer")));
    stack.collect();
    let path = format!(
        "{ACME}/usage?from={START_MS}&to={}&by=day",
        START_MS + 86_400_000
    );
    let total = http.get(&path).ok()["total"].clone();
    // Three of these, and the look at the sessions.
    assert_eq!(
        (&total["apiCalls"], &total["messagesIn"]),
        (&json!(4), &json!(1)),
        "{total}"
    );
}

#[test]
fn it_goes_on_after_a_restart() {
    let mut stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    for body in ["kept", "held"] {
        mq.publish("single", body, "");
    }
    let held = mq.consume("single", "consumer=workers&numOfMessages=1");
    stack.restart();
    let mut mq = Mq::demo(&stack);
    let done = mq.ack("single", "consumer=workers", &handles(&held));
    assert_eq!(done.status, 204, "{}", done.text());
    let got = mq.consume("single", "consumer=workers&numOfMessages=16");
    assert_eq!(bodies(&got), ["held"]);
    let answer = mq.call("POST", "/topics/single/messages", &message("more", ""));
    assert_eq!(fields(&answer, "Message").len(), 2);
}
