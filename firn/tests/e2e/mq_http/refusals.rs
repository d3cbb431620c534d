//! What is refused, with which code, and that nobody else notices.

use serde_json::json;

use super::client::{Mq, Request, date, error_of, message, receipt_handles};
use crate::http::Answer;
use crate::stack::{ACME, START_MS, Stack};

const TARGET: &str = "/topics/orders/messages";
const GET: &str = "/topics/orders/messages?consumer=workers&numOfMessages=1";
const DELETE: &str = "/topics/orders/messages?consumer=workers";

fn told(answer: &Answer) -> (u16, String) {
    (answer.status, error_of(answer))
}

#[track_caller]
fn expect(answer: &Answer, status: u16, code: &str) {
    assert_eq!(told(answer), (status, code.to_owned()), "{}", answer.text());
}

#[test]
fn heads_that_are_wrong_have_their_codes() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    let publish = |mq: &Mq| mq.request("POST", TARGET, &message("x", ""));
    let now = START_MS;
    type Change = Box<dyn Fn(&Mq) -> Request>;
    let signed = |change: fn(Request) -> Request| -> Change {
        Box::new(move |mq| mq.sign(change(publish(mq))))
    };
    let after = |change: fn(Request) -> Request| -> Change {
        Box::new(move |mq| change(mq.sign(publish(mq))))
    };
    let at =
        |ms: u64| -> Change { Box::new(move |mq| mq.sign(publish(mq).with("date", &date(ms)))) };
    let rows: Vec<(Change, u16, &str)> = vec![
        (
            after(|it| it.without("authorization")),
            400,
            "MissingAuthorizationHeader",
        ),
        (
            after(|it| it.with("authorization", "MQ demo")),
            400,
            "InvalidAuthorizationHeader",
        ),
        (
            after(|it| it.with("authorization", "Basic ZGVtbzpkZW1vLXNlY3JldA==")),
            400,
            "InvalidAuthorizationHeader",
        ),
        (signed(|it| it.without("date")), 400, "MissingDateHeader"),
        (
            signed(|it| it.with("date", "soon")),
            400,
            "InvalidDateHeader",
        ),
        (
            signed(|it| it.with("date", "Thu, 01 Jan 1600 00:00:00 GMT")),
            400,
            "InvalidDateHeader",
        ),
        (at(now - 15 * 60_000 - 1_000), 408, "TimeExpired"),
        (at(now + 15 * 60_000 + 1_000), 408, "TimeExpired"),
        (
            signed(|it| it.without("x-mq-version")),
            400,
            "InvalidArgument",
        ),
        (
            signed(|it| it.with("x-mq-version", "2099-01-01")),
            400,
            "InvalidArgument",
        ),
        (
            signed(|it| it.with("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")),
            400,
            "InvalidDigest",
        ),
        (
            signed(|it| it.with("content-md5", "rubbish")),
            400,
            "InvalidDigest",
        ),
        // What was signed is not what was sent.
        (
            after(|it| it.with("date", "Wed, 01 Jan 2025 00:00:01 GMT")),
            403,
            "AccessDenied",
        ),
        (after(|it| it.with("x-mq-more", "1")), 403, "AccessDenied"),
        (
            after(|it| it.with("content-type", "text/xml")),
            403,
            "AccessDenied",
        ),
    ];
    for (number, (request, status, code)) in rows.into_iter().enumerate() {
        let request = request(&mq);
        let answer = mq.say(&request);
        assert_eq!(told(&answer), (status, code.to_owned()), "row {number}");
        assert_eq!(answer.header("connection"), None, "kept");
    }
    let edge = mq.sign(publish(&mq).with("date", &date(now - 15 * 60_000)));
    assert_eq!(mq.say(&edge).status, 201, "15 minutes are near enough");
    let token = mq.sign(publish(&mq)).with("security-token", "sts");
    assert_eq!(mq.say(&token).status, 201, "not signed, not needed");
    let node = "ZDQxZDhjZDk4ZjAwYjIwNGU5ODAwOTk4ZWNmODQyN2U=";
    let poll = mq.sign(mq.request("GET", GET, "").with("content-md5", node));
    assert_eq!(mq.say(&poll).status, 200);
}

/// Nobody learns which users there are, or from where they may call.
#[test]
fn wrong_credentials_look_alike() {
    let stack = Stack::start();
    let mut texts = Vec::new();
    for (access_key, secret_key) in [
        ("demo", "demo-secretx"),
        ("no-such", "demo-secret"),
        ("demo", "x"),
    ] {
        let mut mq = Mq::user(&stack, access_key, secret_key);
        let answer = mq.call("GET", GET, "");
        expect(&answer, 403, "AccessDenied");
        let text = answer.text();
        let (_, text) = text.split_once("<Message>").expect("a message");
        texts.push(text.split_once("</Message>").expect("its end").0.to_owned());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    // Wrong ones are counted like those of every other protocol.
    let mut wrong = Mq::user(&stack, "limited", "wrong");
    for _ in 0..11 {
        expect(&wrong.call("GET", GET, ""), 403, "AccessDenied");
    }
    let answer = wrong.call("GET", GET, "");
    expect(&answer, 400, "QpsLimitExceeded");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn requests_that_are_wrong_have_their_codes() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    let one = receipt_handles(&["x"]);
    let many = receipt_handles(&["x"; 17]);
    let long = format!("{GET}&tag={}", "t".repeat(1024));
    let big = message(&"x".repeat(600_000), "");
    let properties = |text: &str| message("x", &format!("<Properties>{text}</Properties>"));
    let rows: Vec<(&'static str, String, String, u16, &str)> = [
        (
            "POST",
            "/topics/none/messages",
            message("x", ""),
            404,
            "TopicNotExist",
        ),
        (
            "POST",
            "/topics/orders/messages?ns=none",
            message("x", ""),
            404,
            "TopicNotExist",
        ),
        (
            "POST",
            "/topics/%zz/messages",
            message("x", ""),
            400,
            "InvalidRequestURL",
        ),
        (
            "POST",
            "/topics/orders/messages?ns=%zz",
            message("x", ""),
            400,
            "InvalidQueryString",
        ),
        (
            "POST",
            "/topics/orders/messages?more=1",
            message("x", ""),
            400,
            "InvalidQueryString",
        ),
        ("POST", TARGET, message("", ""), 400, "InvalidArgument"),
        ("POST", TARGET, big, 400, "InvalidArgument"),
        ("POST", TARGET, String::new(), 400, "MalformedXML"),
        ("POST", TARGET, "{\"a\":1}".into(), 400, "MalformedXML"),
        ("POST", TARGET, one.clone(), 400, "MalformedXML"),
        ("POST", TARGET, properties("a"), 400, "InvalidArgument"),
        (
            "POST",
            TARGET,
            properties("UNIQ_KEY:1"),
            400,
            "InvalidArgument",
        ),
        (
            "POST",
            TARGET,
            properties("__SHARDINGKEY:k"),
            400,
            "InvalidArgument",
        ),
        (
            "POST",
            TARGET,
            message("x", "<MessageTag>a|b</MessageTag>"),
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/topics/none/messages?consumer=workers&numOfMessages=1",
            String::new(),
            404,
            "TopicNotExist",
        ),
        (
            "GET",
            "/topics/orders/messages?consumer=none&numOfMessages=1",
            String::new(),
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/topics/orders/messages?numOfMessages=1",
            String::new(),
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/topics/orders/messages?consumer=workers",
            String::new(),
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/topics/orders/messages?consumer=workers&numOfMessages=0",
            String::new(),
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/topics/orders/messages?consumer=workers&numOfMessages=17",
            String::new(),
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/topics/orders/messages?consumer=workers&numOfMessages=1&waitseconds=31",
            String::new(),
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/topics/orders/messages?consumer=workers&numOfMessages=1&tag=a%7Cb",
            String::new(),
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/topics/orders/messages?consumer=workers&consumer=workers&numOfMessages=1",
            String::new(),
            400,
            "InvalidQueryString",
        ),
        (
            "GET",
            "/topics/orders/messages?consumer=workers&numOfMessages=1&trans=x",
            String::new(),
            400,
            "InvalidQueryString",
        ),
        ("GET", &long, String::new(), 400, "InvalidRequestURL"),
        (
            "DELETE",
            "/topics/none/messages?consumer=workers",
            one.clone(),
            404,
            "TopicNotExist",
        ),
        ("DELETE", DELETE, many, 400, "InvalidArgument"),
        (
            "DELETE",
            DELETE,
            receipt_handles(&[]),
            400,
            "MissingReceiptHandle",
        ),
        (
            "DELETE",
            DELETE,
            receipt_handles(&[""]),
            400,
            "MissingReceiptHandle",
        ),
        ("DELETE", DELETE, String::new(), 400, "MalformedXML"),
        ("PUT", TARGET, one.clone(), 400, "InvalidRequestURL"),
        (
            "GET",
            "/topics/orders",
            String::new(),
            400,
            "InvalidRequestURL",
        ),
        (
            "GET",
            "/topics/a/b/messages",
            String::new(),
            400,
            "InvalidRequestURL",
        ),
    ]
    .map(|(method, target, body, status, code)| (method, target.to_owned(), body, status, code))
    .into();
    for (method, target, body, status, code) in rows {
        let answer = mq.call(method, &target, &body);
        let shown: String = target.chars().take(120).collect();
        assert_eq!(
            told(&answer),
            (status, code.to_owned()),
            "{method} {shown}: {}",
            answer.text()
        );
    }
}

#[test]
fn bombs_and_files_of_the_machine_are_refused_and_others_go_on() {
    let stack = Stack::start();
    let (mut bad, mut good) = (Mq::demo(&stack), Mq::demo(&stack));
    let entities: String = (1..30)
        .map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10)))
        .collect();
    let bomb = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE Message [<!ENTITY e0 \"aaaaaaaaaa\">{entities}]>\
         <Message><MessageBody>&e29;</MessageBody></Message>"
    );
    let file = "<!DOCTYPE Message [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\
                <Message><MessageBody>&x;</MessageBody></Message>";
    let deep = format!("<Message>{}", "<a>".repeat(1_000_000));
    let wide = format!("<Message {}>", "a='1' ".repeat(1_000_000));
    let endless = format!("<Message><MessageBody>{}", "&amp;".repeat(1_500_000));
    let before = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    for document in [bomb.as_str(), file, &deep, &wide, &endless] {
        let answer = bad.call("POST", TARGET, document);
        expect(&answer, 400, "MalformedXML");
        assert!(
            !answer.text().contains("root:"),
            "nothing of a file is told"
        );
        assert_eq!(answer.header("connection"), None, "the connection is kept");
        good.publish("orders", "undisturbed", "");
    }
    let after = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    assert!(after <= before + 8, "{before} threads became {after}");
    let large = "x".repeat(9 << 20);
    let answer = bad.call("POST", TARGET, &large);
    expect(&answer, 400, "InvalidArgument");
    good.publish("orders", "undisturbed", "");
}

#[test]
fn rights_are_those_of_the_user_and_refusals_are_kept() {
    let stack = Stack::start();
    let mut limited = Mq::user(&stack, "limited", "limited-secret");
    limited.publish("orders", "may", "");
    let denied = [
        ("POST", "/topics/single/messages", message("x", "")),
        (
            "GET",
            "/topics/single/messages?consumer=workers&numOfMessages=1",
            String::new(),
        ),
        (
            "GET",
            "/topics/single/messages?consumer=workers&numOfMessages=1&trans=pop",
            String::new(),
        ),
        (
            "DELETE",
            "/topics/single/messages?consumer=workers",
            receipt_handles(&["x"]),
        ),
        (
            "DELETE",
            "/topics/single/messages?consumer=workers&trans=commit",
            receipt_handles(&["x"]),
        ),
    ];
    for (method, target, body) in &denied {
        expect(&limited.call(method, target, body), 403, "AccessDenied");
    }
    let other = Mq::user(&stack, "other", "other-secret").call(
        "GET",
        "/topics/orders/messages?consumer=none&numOfMessages=1",
        "",
    );
    expect(&other, 400, "InvalidArgument");
    let mut wrong = Mq::user(&stack, "demo", "wrong");
    expect(&wrong.call("GET", GET, ""), 403, "AccessDenied");
    stack.advance_ms(60_000);
    let rows = firn_rows(&stack);
    let find = |caller: &str, route: &str, code: &str| {
        rows.iter().any(|row| {
            row["caller"] == caller
                && row["detail"]["route"] == route
                && row["detail"]["code"] == code
        })
    };
    let route = |method: &str| format!("{method} /topics/{{topic}}/messages");
    for method in ["GET", "POST", "DELETE"] {
        assert!(
            find("user:limited", &route(method), "FORBIDDEN"),
            "{method}: {rows:?}"
        );
    }
    assert!(
        find("user:demo", &route("GET"), "UNAUTHENTICATED"),
        "{rows:?}"
    );
}

/// Denied calls, once they are written.
fn firn_rows(stack: &Stack) -> Vec<serde_json::Value> {
    let mut operator = stack.operator();
    for _ in 0..200 {
        let rows = operator.get("/v1/audit?tenant=2&action=denied").ok();
        let rows = rows["items"].as_array().expect("items").clone();
        if rows.len() >= 4 {
            return rows;
        }
        stack.advance_ms(1_000);
    }
    panic!("never written");
}

#[test]
fn who_calls_from_elsewhere_is_not_let_in() {
    let stack = Stack::start();
    let user = json!({"accessKey": "far", "secretKey": "far-secret", "ipAllow": ["10.0.0.0/8"]});
    stack
        .operator()
        .post(&format!("/v1/instances/{}/users", uid(&stack)), &user)
        .ok();
    let mut far = Mq::user(&stack, "far", "far-secret");
    expect(&far.call("GET", GET, ""), 403, "AccessDenied");
}

#[test]
fn a_limit_of_messages_a_second_is_told() {
    let stack = Stack::start();
    let mut operator = stack.operator();
    let plan = json!({"name": "slow", "tps": 10, "topicTps": 0, "burstSeconds": 0.1});
    operator.post("/v1/plans", &plan).ok();
    let path = format!("/v1/instances/{}", uid(&stack));
    operator.json("PATCH", &path, &json!({"plan": "slow"})).ok();
    let mut mq = Mq::demo(&stack);
    mq.publish("orders", "first", "");
    let answer = mq.call("POST", TARGET, &message("second", ""));
    expect(&answer, 400, "QpsLimitExceeded");
    assert_eq!(answer.header("retry-after"), Some("1"));
    expect(&mq.call("GET", GET, ""), 400, "QpsLimitExceeded");
    stack.advance_ms(100);
    mq.publish("orders", "second", "");
}

fn uid(stack: &Stack) -> String {
    stack.demo().get(ACME).ok()["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}
