//! What is refused, with which code, and that nobody else notices.

use serde_json::json;

use super::client::{Mq, Request, date, error_of, message, receipt_handles};
use crate::http::Answer;
use crate::stack::{ACME, START_MS, Stack};

const TARGET: &str = "/topics/orders/messages";
const GET: &str = "/topics/orders/messages?consumer=workers&numOfMessages=1";

fn told(answer: &Answer) -> (u16, String) {
    (answer.status, error_of(answer))
}

#[track_caller]
fn expect(answer: &Answer, status: u16, code: &str) {
    assert_eq!(told(answer), (status, code.to_owned()), "{}", answer.text());
}

/// What is done to a publish, before it is signed or after: a header and its value,
/// none to leave it out, `@` and ms for another date; then status and code.
const HEADS: &str = "
after  | authorization |  | 400 MissingAuthorizationHeader
after  | authorization | MQ demo | 400 InvalidAuthorizationHeader
after  | authorization | Basic ZGVtbzpkZW1vLXNlY3JldA== | 400 InvalidAuthorizationHeader
before | date |  | 400 MissingDateHeader
before | date | soon | 400 InvalidDateHeader
before | date | Thu, 01 Jan 1600 00:00:00 GMT | 400 InvalidDateHeader
before | date | @-901000 | 408 TimeExpired
before | date | @901000 | 408 TimeExpired
before | x-mq-version |  | 400 InvalidArgument
before | x-mq-version | 2099-01-01 | 400 InvalidArgument
before | content-md5 | AAAAAAAAAAAAAAAAAAAAAA== | 400 InvalidDigest
before | content-md5 | rubbish | 400 InvalidDigest
after  | date | Wed, 01 Jan 2025 00:00:01 GMT | 403 AccessDenied
after  | x-mq-more | 1 | 403 AccessDenied
after  | content-type | text/xml | 403 AccessDenied
before | date | @-900000 | 201
before | date | @900000 | 201
after  | security-token | not signed, not needed | 201
";

#[test]
fn heads_that_are_wrong_have_their_codes() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    for row in HEADS.lines().filter(|row| !row.is_empty()) {
        let parts: Vec<&str> = row.split('|').map(str::trim).collect();
        let [when, name, value, expected] = parts[..] else {
            panic!("{row}")
        };
        let value = match value.strip_prefix('@') {
            None => value.to_owned(),
            Some(ms) => {
                let ms: i64 = ms.parse().expect("ms");
                date(START_MS.checked_add_signed(ms).expect("a time"))
            }
        };
        let change = |request: Request| match value.as_str() {
            "" => request.without(name),
            value => request.with(name, value),
        };
        let publish = mq.request("POST", TARGET, &message("x", ""));
        let request = match when {
            "before" => mq.sign(change(publish)),
            _ => change(mq.sign(publish)),
        };
        let answer = mq.say(&request);
        let told = match answer.status {
            201 => "201".to_owned(),
            status => format!("{status} {}", error_of(&answer)),
        };
        assert_eq!(told, expected, "{row}");
        assert_eq!(answer.header("connection"), None, "kept: {row}");
    }
    // As one library sends it with an empty body: the digest of nothing.
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

/// Method, target, document, and what is answered.
const REQUESTS: &str = "
POST   /topics/none/messages                              message      404 TopicNotExist
POST   /topics/orders/messages?ns=none                    message      404 TopicNotExist
POST   /topics/%zz/messages                               message      400 InvalidRequestURL
POST   /topics/orders/messages?ns=%zz                     message      400 InvalidQueryString
POST   /topics/orders/messages?more=1                     message      400 InvalidQueryString
POST   /topics/orders/messages                            no-body      400 InvalidArgument
POST   /topics/orders/messages                            600000       400 InvalidArgument
POST   /topics/orders/messages                            nothing      400 MalformedXML
POST   /topics/orders/messages                            json         400 MalformedXML
POST   /topics/orders/messages                            handle       400 MalformedXML
POST   /topics/orders/messages                            :a           400 InvalidArgument
POST   /topics/orders/messages                            :UNIQ_KEY:1  400 InvalidArgument
POST   /topics/orders/messages                            :__SHARDINGKEY:k 400 InvalidArgument
POST   /topics/orders/messages                            bad-tag      400 InvalidArgument
GET    /topics/none/messages?consumer=workers&numOfMessages=1      nothing 404 TopicNotExist
GET    /topics/orders/messages?consumer=none&numOfMessages=1       nothing 400 InvalidArgument
GET    /topics/orders/messages?numOfMessages=1                     nothing 400 InvalidArgument
GET    /topics/orders/messages?consumer=workers                    nothing 400 InvalidArgument
GET    /topics/orders/messages?consumer=workers&numOfMessages=0    nothing 400 InvalidArgument
GET    /topics/orders/messages?consumer=workers&numOfMessages=17   nothing 400 InvalidArgument
GET    /topics/orders/messages?consumer=workers&numOfMessages=1&waitseconds=31  nothing 400 InvalidArgument
GET    /topics/orders/messages?consumer=workers&numOfMessages=1&tag=a%7Cb       nothing 400 InvalidArgument
GET    /topics/orders/messages?consumer=workers&consumer=x&numOfMessages=1      nothing 400 InvalidQueryString
GET    /topics/orders/messages?consumer=workers&numOfMessages=1&trans=x         nothing 400 InvalidQueryString
DELETE /topics/none/messages?consumer=workers             handle       404 TopicNotExist
DELETE /topics/orders/messages?consumer=workers           17-handles   400 InvalidArgument
DELETE /topics/orders/messages?consumer=workers           no-handles   400 MissingReceiptHandle
DELETE /topics/orders/messages?consumer=workers           empty-handle 400 MissingReceiptHandle
DELETE /topics/orders/messages?consumer=workers           nothing      400 MalformedXML
DELETE /topics/orders/messages?consumer=workers&trans=x   handle       400 InvalidQueryString
PUT    /topics/orders/messages                            handle       400 InvalidRequestURL
GET    /topics/orders                                     nothing      400 InvalidRequestURL
GET    /topics/a/b/messages                               nothing      400 InvalidRequestURL
";

fn document(kind: &str) -> String {
    match kind {
        "message" => message("x", ""),
        "no-body" => message("", ""),
        "600000" => message(&"x".repeat(600_000), ""),
        "nothing" => String::new(),
        "json" => "{\"a\":1}".to_owned(),
        "handle" => receipt_handles(&["x"]),
        "17-handles" => receipt_handles(&["x"; 17]),
        "no-handles" => receipt_handles(&[]),
        "empty-handle" => receipt_handles(&[""]),
        "bad-tag" => message("x", "<MessageTag>a|b</MessageTag>"),
        properties => {
            let text = properties.strip_prefix(':').expect("properties");
            message("x", &format!("<Properties>{text}</Properties>"))
        }
    }
}

#[test]
fn requests_that_are_wrong_have_their_codes() {
    let stack = Stack::start();
    let mut mq = Mq::demo(&stack);
    let long = format!(
        "GET {GET}&tag={} nothing 400 InvalidRequestURL",
        "t".repeat(1024)
    );
    let rows = REQUESTS.lines().filter(|row| !row.is_empty());
    for row in rows.chain([long.as_str()]) {
        let parts: Vec<&str> = row.split_ascii_whitespace().collect();
        let [method, target, kind, status, code] = parts[..] else {
            panic!("{row}")
        };
        let answer = mq.call(method, target, &document(kind));
        let told = (answer.status.to_string(), error_of(&answer));
        assert_eq!(
            told,
            (status.to_owned(), code.to_owned()),
            "{row}: {}",
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
