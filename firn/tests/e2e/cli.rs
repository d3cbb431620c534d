//! The client verbs as a shell sees them: requests on the wire, standard
//! output, one line of error, exit code.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stub::Stub;

fn firn(home: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
    command
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::null());
    command
}

fn home() -> TempDir {
    TempDir::new().expect("temporary directory")
}

/// Runs a verb as user demo of instance demo.
fn run(stub: &Stub, line: &str) -> Output {
    let home = home();
    let mut command = firn(&home);
    command
        .env("FIRN_URL", stub.url())
        .env("FIRN_INSTANCE", "demo")
        .env("FIRN_ACCESS_KEY", "demo")
        .env("FIRN_SECRET_KEY", "demo-secret");
    command.args(line.split(' ')).output().expect("runs")
}

fn ok(body: Value) -> (u16, &'static str, String) {
    (200, "", body.to_string())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn message(id: u64, body: &str) -> Value {
    json!({"messageId": id.to_string(), "body": body, "receiptHandle": format!("h{id}")})
}

fn bodies(stub: &Stub) -> Vec<Value> {
    let seen = stub.seen().into_iter();
    seen.map(|seen| serde_json::from_str(&seen.body).unwrap_or_default())
        .collect()
}

#[test]
fn send_authenticates_and_prints_where_the_message_went() {
    let result = json!({"messageId": "AB", "broker": "a", "queueId": 2, "queueOffset": 7, "durability": "local"});
    let stub = Stub::start(vec![ok(json!({"results": [result]}))]);
    let output = run(&stub, "send orders hello");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let words: Vec<_> = text
        .lines()
        .nth(1)
        .expect("a row")
        .split_whitespace()
        .collect();
    assert_eq!(words, ["AB", "a", "2", "7", "local"]);
    let [seen] = &stub.seen()[..] else {
        panic!("one request");
    };
    assert_eq!(
        seen.line,
        "POST /v1/instances/demo/topics/orders/messages HTTP/1.1"
    );
    assert_eq!(
        seen.header("authorization"),
        Some("Basic ZGVtbzpkZW1vLXNlY3JldA==")
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(bodies(&stub), [json!({"messages": [{"body": "hello"}]})]);
}

#[test]
fn send_splits_into_requests_and_tells_what_was_refused() {
    let good = json!({"messageId": "A"});
    let bad = json!({"error": {"code": "RATE_LIMITED", "message": "slow down"}});
    let first = ok(json!({"results": [good, good]}));
    let second = ok(json!({"results": [bad]}));
    let stub = Stub::start(vec![first, second]);
    let output = run(&stub, "send orders x --count 3 --batch 2");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("RATE_LIMITED: slow down"));
    assert!(stderr(&output).contains("1 messages were refused"));
    let sizes = bodies(&stub)
        .into_iter()
        .map(|body| body["messages"].as_array().map(Vec::len));
    assert_eq!(sizes.collect::<Vec<_>>(), [Some(2), Some(1)]);
}

#[test]
fn requests_stay_below_the_servers_bound() {
    let home = home();
    let file = home.path().join("big");
    std::fs::write(&file, vec![b'x'; 3 << 20]).expect("writable");
    let answer = || ok(json!({"results": [{"messageId": "A"}]}));
    let stub = Stub::start(vec![answer(), answer(), answer()]);
    let output = run(
        &stub,
        &format!("send orders --count 3 --file {}", file.display()),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stub.seen().len(), 3);
}

#[test]
fn lines_of_standard_input_are_messages() {
    let stub = Stub::start(vec![ok(json!({"results": []}))]);
    let home = home();
    let url = stub.url();
    let mut child = firn(&home)
        .args([
            "send", "orders", "-i", "demo", "--url", &url, "--lines", "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"one\ntwo\n").expect("reads");
    drop(stdin);
    assert!(child.wait().expect("ends").success());
    assert_eq!(
        bodies(&stub),
        [json!({"messages": [{"body": "one"}, {"body": "two"}]})]
    );
}

#[test]
fn receive_prints_then_acknowledges() {
    let binary = json!({"messageId": "2", "bodyBase64": "/wA=", "receiptHandle": "h2"});
    let stub = Stub::start(vec![
        ok(json!({"messages": [message(1, "one"), binary]})),
        ok(json!({"results": [{"status": "OK"}, {"status": "ALREADY_ACKED"}]})),
    ]);
    let output = run(&stub, "receive workers orders --max 2");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(output.stdout, b"one\n\xff\0\n");
    let handles = json!({"receiptHandles": ["h1", "h2"]});
    assert_eq!(bodies(&stub), [json!({"max": 2}), handles]);
    let ack = "POST /v1/instances/demo/groups/workers/topics/orders/ack HTTP/1.1";
    assert_eq!(stub.seen()[1].line, ack);
}

#[test]
fn what_is_not_acknowledged_is_told() {
    let stub = Stub::start(vec![
        ok(json!({"messages": [message(1, "one")]})),
        ok(json!({"results": [{"status": "LEASE_EXPIRED"}]})),
    ]);
    let output = run(&stub, "receive workers orders");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("message 1 is not acknowledged: LEASE_EXPIRED"));
}

#[test]
fn no_ack_and_json() {
    let stub = Stub::start(vec![ok(
        json!({"messages": [message(1, "one"), message(2, "two")]}),
    )]);
    let output = run(&stub, "receive workers orders --no-ack --json");
    assert_eq!(output.status.code(), Some(0));
    let lines = stdout(&output);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    assert_eq!(
        lines.collect::<Vec<Value>>(),
        [message(1, "one"), message(2, "two")]
    );
    assert_eq!(stub.seen().len(), 1);
}

#[test]
fn follow_waits_out_what_passes_and_stops_at_what_does_not() {
    let error = |code: &str, retryable| json!({"error": {"code": code, "message": "m", "requestId": "r", "retryable": retryable}});
    let stub = Stub::start(vec![
        ok(json!({"messages": []})),
        (
            503,
            "Retry-After: 0\r\n",
            error("OVERLOADED", true).to_string(),
        ),
        ok(json!({"messages": [message(1, "one")]})),
        ok(json!({"results": [{"status": "OK"}]})),
        (404, "", error("TOPIC_NOT_FOUND", false).to_string()),
    ]);
    let output = run(&stub, "receive workers orders --follow");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), "one\n");
    assert_eq!(stub.seen().len(), 5);
}

#[test]
fn a_refusal_is_one_line_and_exit_code_1() {
    let body =
        json!({"error": {"code": "TOPIC_NOT_FOUND", "message": "no\nsuch", "requestId": "r1"}});
    let stub = Stub::start(vec![(404, "", body.to_string())]);
    let output = run(&stub, "topics show missing");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "firn: TOPIC_NOT_FOUND: no\\nsuch (request r1)\n"
    );
    assert_eq!(stdout(&output), "");
}

#[test]
fn an_answer_of_something_else_is_told_apart() {
    let stub = Stub::start(vec![(502, "", "<html>".to_owned())]);
    let output = run(&stub, "lag workers");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("HTTP 502"), "{}", stderr(&output));
    let stub = Stub::start(vec![(200, "", "hello".to_owned())]);
    let output = run(&stub, "lag workers");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not JSON"), "{}", stderr(&output));
}

#[test]
fn usage_is_2_and_no_server_is_3() {
    let home = home();
    for line in [
        "send",
        "seek g t --to noon",
        "topics list",
        "send t x --instance i --url https://h",
    ] {
        let output = firn(&home).args(line.split(' ')).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{line}: {}", stderr(&output));
    }
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let output = firn(&home)
        .args(["topics", "list", "-i", "x", "--url", &url])
        .output();
    let output = output.expect("runs");
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).starts_with(&format!("firn: cannot reach {url}: ")));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn lists_follow_cursors() {
    let page = |name: &str, cursor: Option<&str>| {
        let mut page = json!({"items": [{"name": name, "queues": 4}], "total": 2});
        if let Some(cursor) = cursor {
            page["cursor"] = json!(cursor);
        }
        ok(page)
    };
    let pages = || vec![page("first", Some("c/1")), page("second", None)];
    let stub = Stub::start(pages());
    let output = run(&stub, "topics list");
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("first") && text.contains("second"), "{text}");
    let next = "GET /v1/instances/demo/topics?cursor=c%2F1 HTTP/1.1";
    assert_eq!(stub.seen()[1].line, next);

    let stub = Stub::start(pages());
    let json: Value =
        serde_json::from_slice(&run(&stub, "topics list --json").stdout).expect("JSON");
    assert_eq!(json["items"].as_array().map(Vec::len), Some(2));
}

#[test]
fn queries_follow_cursors_up_to_the_maximum() {
    let page = json!({"messages": [message(1, "a"), message(2, "b")], "cursor": "next"});
    let stub = Stub::start(vec![ok(page.clone()), ok(page)]);
    let output = run(&stub, "query --topic orders --key k --max 3 --json");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["messages"].as_array().map(Vec::len), Some(3));
    let base = "GET /v1/instances/demo/topics/orders/messages?key=k";
    let lines: Vec<_> = stub.seen().into_iter().map(|seen| seen.line).collect();
    let expected = [
        format!("{base}&max=3 HTTP/1.1"),
        format!("{base}&max=1&cursor=next HTTP/1.1"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn people_log_in_first() {
    let stub = Stub::start(vec![
        ok(json!({"token": "t0k", "refreshToken": "r", "expiresAt": 1})),
        ok(json!({"items": [], "total": 0})),
    ]);
    let home = home();
    let output = firn(&home)
        .args([
            "tenants",
            "list",
            "--username",
            "ann",
            "--tenant",
            "2",
            "--url",
            &stub.url(),
        ])
        .env("FIRN_PASSWORD", "hunter2")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let seen = stub.seen();
    assert_eq!(seen[0].line, "POST /v1/auth/login HTTP/1.1");
    assert_eq!(seen[0].header("authorization"), None);
    let login = json!({"tenant": 2, "username": "ann", "password": "hunter2"});
    assert_eq!(bodies(&stub)[0], login);
    assert_eq!(seen[1].header("authorization"), Some("Bearer t0k"));
    assert!(!stdout(&output).contains("hunter2") && !stderr(&output).contains("t0k"));
}

#[test]
fn the_profile_file_is_read() {
    let stub = Stub::start(vec![(204, "", String::new())]);
    let home = home();
    let dir = home.path().join(".config/firn");
    std::fs::create_dir_all(&dir).expect("writable");
    let text = format!(
        "[default]\nurl = \"{}\"\ninstance = \"shop\"\naccess_key = \"k\"\nsecret_key = \"s\"\n",
        stub.url()
    );
    std::fs::write(dir.join("profile.toml"), text).expect("writable");
    let output = firn(&home)
        .args(["groups", "delete", "g/h"])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stub.seen()[0].line,
        "DELETE /v1/instances/shop/groups/g%2Fh HTTP/1.1"
    );
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let many: Vec<_> = (0..5000).map(|id| message(id, &"x".repeat(100))).collect();
    let stub = Stub::start(vec![ok(json!({"messages": many}))]);
    let home = home();
    let mut child = firn(&home)
        .args(["receive", "g", "t", "-i", "demo", "--url", &stub.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    drop(child.stdout.take());
    let mut errors = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_string(&mut errors).expect("text");
    assert_eq!(child.wait().expect("ends").code(), Some(0), "{errors}");
    assert_eq!(errors, "");
    assert_eq!(
        stub.seen().len(),
        1,
        "what was not printed is not acknowledged"
    );
}

#[test]
fn completions_and_help_of_every_verb() {
    let home = home();
    for shell in ["bash", "zsh", "fish"] {
        let output = firn(&home)
            .args(["completions", shell])
            .output()
            .expect("runs");
        assert!(stdout(&output).contains("redrive"), "{shell}");
        assert!(stdout(&output).contains("data-dir"), "{shell}");
    }
    for verb in [
        "send",
        "receive",
        "topics",
        "seek",
        "query",
        "redrive",
        "standalone",
    ] {
        let output = firn(&home).args([verb, "--help"]).output().expect("runs");
        assert!(stdout(&output).contains("Example"), "{verb}");
    }
}

#[test]
fn check_config_tells_good_from_bad() {
    let home = home();
    let check = |text: &str| {
        let file = home.path().join("firn.toml");
        std::fs::write(&file, text).expect("writable");
        let file = file.display().to_string();
        let line = ["standalone", "--check-config", "--config", &file];
        firn(&home).args(line).output().expect("runs")
    };
    assert!(check("tail_bytes = \"8MiB\"").status.success());
    for (text, word) in [
        ("tail_bits = 1", "tail_bits"),
        ("tail_bytes = \"8MB", "line 1"),
        ("stop_timeout = 30", "stop_timeout"),
    ] {
        let output = check(text);
        assert!(!output.status.success(), "{text}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1);
    }
    assert!(!home.path().join("data").exists(), "checking makes nothing");
}
