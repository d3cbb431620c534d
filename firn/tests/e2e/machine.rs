//! The service and its machine: a full disk, many idle topics, the lines that
//! a start prints, and what `firn inspect` makes of what is left.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::process::Process;
use crate::stack::{ACME, Stack, ack, receive, send};

fn demo_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/demo.toml")
}

/// Sends until the disk is full; how many were stored.
fn send_until_full(http: &mut Http) -> usize {
    let body = "x".repeat(500_000);
    let form = json!({"messages": [{"body": body}]});
    for stored in 0..1000 {
        let answer = http.post(&format!("{ACME}/topics/orders/messages"), &form);
        if answer.status == 200 && answer.json()["results"][0]["error"].is_null() {
            continue;
        }
        let text = answer.error(503, "DISK_FULL");
        assert!(text.contains("disk is full"), "{text}");
        assert_eq!(answer.json()["error"]["retryable"], true);
        return stored;
    }
    panic!("the disk is never full");
}

#[test]
fn a_full_disk_stops_sends_alone_and_passes() {
    let stack = Stack::start();
    let mut http = stack.demo();
    stack.disk.set_budget(Some(96 << 20));
    let stored = send_until_full(&mut http);
    assert!(stored > 0);
    let mut consumed = 0;
    while consumed < stored {
        let got = receive(&mut http, "workers", "orders", &json!({"max": 1}));
        assert_eq!(got.len(), 1, "{consumed} of {stored}");
        assert_eq!(ack(&mut http, "workers", "orders", &got), ["OK"]);
        consumed += 1;
    }
    stack.disk.set_budget(None);
    let form = json!({"messages": [{"body": "after"}]});
    let path = format!("{ACME}/topics/orders/messages");
    // The node looks again by itself, a few milliseconds later.
    while http.post(&path, &form).status == 503 {}
    let got = receive(&mut http, "workers", "orders", &json!({"waitSeconds": 20}));
    assert_eq!(got[0]["body"], "after");
}

#[test]
fn a_disk_budget_holds_for_the_real_process() {
    let dir = TempDir::new().expect("temporary directory");
    let process = Process::start(dir.path(), &demo_file(), &["--disk-budget", "100MiB"]);
    let mut http = Http::user(process.http, "demo", "demo-secret");
    let stored = send_until_full(&mut http);
    assert!(stored > 0);
    let got = receive(&mut http, "workers", "orders", &json!({"max": 1}));
    assert_eq!(ack(&mut http, "workers", "orders", &got), ["OK"]);
    assert_eq!(Http::new(process.ops).get("/livez").status, 200);
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn many_idle_topics_are_listed_page_by_page() {
    let stack = Stack::start();
    let mut operator = stack.operator();
    let plan = json!({"name": "wide", "topics": 5000});
    operator.post("/v1/plans", &plan).ok();
    let instance = json!({"tenantId": 2, "name": "wide", "plan": "wide", "brokers": ["a"]});
    operator.post("/v1/instances", &instance).ok();
    let path = "/v1/instances/wide/topics";
    for number in 0..2000 {
        operator
            .post(path, &json!({"name": format!("t{number:04}")}))
            .ok();
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = operator.get(&format!("{path}?max=300{cursor}")).ok();
        assert_eq!(page["total"], 2000);
        let items = page["items"].as_array().expect("items").iter();
        names.extend(items.map(|item| item["name"].as_str().expect("a name").to_owned()));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..2000).map(|number| format!("t{number:04}")).collect();
    assert_eq!(names, expected);
}

#[test]
fn the_printed_lines_work_when_pasted() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl on this machine");
        return;
    }
    let dir = TempDir::new().expect("temporary directory");
    let mut process = Process::start(dir.path(), &demo_file(), &[]);
    let welcome = process.welcome().replace("\\\n", " ");
    let lines: Vec<&str> = welcome
        .lines()
        .filter(|line| line.trim().starts_with("curl"))
        .collect();
    assert_eq!(lines.len(), 2, "{welcome}");
    let answers = lines.iter().map(|line| {
        let output = Command::new("sh")
            .args(["-c", line])
            .output()
            .expect("a shell");
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    });
    let answers: Vec<Value> = answers.collect();
    assert!(
        answers[0]["results"][0]["messageId"].is_string(),
        "{}",
        answers[0]
    );
    assert_eq!(answers[1]["messages"][0]["body"], "hello", "{}", answers[1]);
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(Http::new(process.ops).get(path).status, 200, "{path}");
    }
    let metrics = Http::new(process.ops).get("/metrics").text();
    assert!(
        metrics.contains("firn_gateway_messages_in_total 1"),
        "{metrics}"
    );
}

fn inspect(path: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
    command.env_clear().arg("inspect").arg(path).args(flags);
    command.output().expect("the binary runs")
}

fn rows(path: &Path, flags: &[&str]) -> Vec<Value> {
    let output = inspect(path, flags);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn of_kind<'a>(rows: &'a [Value], kind: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["row"] == kind).collect()
}

/// Every file below a directory with its length and time of change.
fn files(dir: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)
        .expect("readable")
        .map(|entry| entry.expect("an entry"))
    {
        let about = entry.metadata().expect("metadata");
        if about.is_dir() {
            found.extend(files(&entry.path()));
        }
        found.push((entry.path(), about.len(), about.modified().expect("a time")));
    }
    found.sort();
    found
}

#[test]
fn inspect_shows_what_was_stored_and_changes_nothing() {
    let dir = TempDir::new().expect("temporary directory");
    let data = dir.path().join("data");
    let process = Process::start(dir.path(), &demo_file(), &[]);
    let mut http = Http::user(process.http, "demo", "demo-secret");
    send(
        &mut http,
        "orders",
        &json!([{"body": "first \u{1b}[2J", "keys": ["k"]}, {"bodyBase64": "/wA="}]),
    );
    let got = receive(&mut http, "workers", "orders", &json!({"waitSeconds": 5}));
    ack(&mut http, "workers", "orders", &got);
    // Beside the running node: the log, and what else is safe to read.
    let beside = rows(&data, &["--json"]);
    assert_eq!(of_kind(&beside, "directory")[0]["inUse"], true);
    assert!(of_kind(&beside, "log")[0]["frames"].as_u64() > Some(2));
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));

    let before = files(&data);
    let summary = rows(&data, &["--json"]);
    let directory = of_kind(&summary, "directory")[0];
    assert_eq!(directory["inUse"], false);
    assert!(directory["nodeId"].is_string() && directory["deployment"].is_string());
    let log = of_kind(&summary, "log")[0];
    for name in ["headersDamaged", "rangesDamaged", "bytesUnknown"] {
        assert_eq!(log[name], 0, "{log}");
    }
    let appends = of_kind(&summary, "broker");
    let appends: u64 = appends
        .iter()
        .filter_map(|row| row["append"].as_u64())
        .sum();
    assert!(appends >= 1, "{summary:?}");
    let volumes = of_kind(&summary, "volume");
    assert_eq!(volumes[0]["state"], "closed", "{volumes:?}");
    let stored = of_kind(&summary, "queue");
    let stored = stored
        .iter()
        .map(|row| row["endOffset"].as_u64().expect("a number"));
    assert_eq!(stored.sum::<u64>(), 2, "{summary:?}");
    assert!(
        of_kind(&summary, "snapshots")[0]["problem"].is_null(),
        "{summary:?}"
    );

    let frames = rows(&data.join("log"), &["--json", "--body"]);
    let records = of_kind(&frames, "record");
    let found = |name: &str, value: &str| records.iter().any(|row| row[name] == value);
    assert!(
        found("body", "first \u{1b}[2J") && found("bodyBase64", "/wA="),
        "{frames:?}"
    );
    for kind in ["append", "receive", "ack"] {
        assert!(
            frames.iter().any(|row| row["kind"] == kind),
            "{kind}: {frames:?}"
        );
    }
    let text = String::from_utf8(inspect(&data.join("log"), &["--body"]).stdout).expect("text");
    assert!(
        text.contains("checksum ok") && !text.contains('\u{1b}'),
        "{text}"
    );
    rows(&data.join("hot"), &["--json"]);
    assert_eq!(files(&data), before, "nothing is changed");
}

#[test]
fn inspect_names_damage_and_never_panics() {
    let dir = TempDir::new().expect("temporary directory");
    let process = Process::start(dir.path(), &demo_file(), &[]);
    let mut http = Http::user(process.http, "demo", "demo-secret");
    for n in 0..5 {
        send(&mut http, "orders", &json!([{"body": n.to_string()}]));
    }
    process.kill();
    let log = dir.path().join("data/log");
    let file = std::fs::read_dir(&log)
        .expect("a log")
        .map(|entry| entry.expect("an entry").path());
    let file = file
        .filter(|path| path.extension().is_some_and(|name| name == "log"))
        .min();
    let file = file.expect("a log file");
    let whole = std::fs::read(&file).expect("readable");
    let used = 16 * 1024;
    for at in (0..used).step_by(397) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&file, &bytes).expect("writable");
        let output = inspect(&file, &["--json", "--body"]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("panicked"), "byte {at}: {told}");
        match output.status.code() {
            Some(0) => assert!(told.is_empty(), "{told}"),
            Some(1) => assert!(
                told.starts_with("firn: ") && told.lines().count() == 1,
                "{told}"
            ),
            code => panic!("{code:?}: {told}"),
        }
    }
    // A frame's payload: the frame is named, the rest is shown.
    let mark = whole
        .windows(4)
        .position(|bytes| bytes == b"FRNB")
        .expect("a batch");
    let first = rows(&file, &["--json"])
        .iter()
        .filter(|row| row["row"] == "frame")
        .count();
    assert!(first > 0, "after byte {mark}");
    let mut bytes = whole.clone();
    let sent = rows_of(&file, &whole, &["--json"]);
    let append = sent
        .iter()
        .find(|row| row["kind"] == "append")
        .expect("an append");
    let at = append["at"].as_u64().expect("a number") as usize;
    bytes[at + 48 + 3] ^= 1;
    let damaged = rows_of(&file, &bytes, &["--json"]);
    let bad = of_kind(&damaged, "frames");
    assert_eq!(
        (&bad[0]["at"], &bad[0]["checksum"]),
        (&json!(at), &json!("DAMAGED")),
        "{bad:?}"
    );

    for (name, content) in [
        ("random", &b"\x00\x01"[..]),
        ("0000000000000001.log", b"no log"),
        ("0000000000000002.log", b""),
    ] {
        let other = TempDir::new().expect("temporary directory");
        let path = other.path().join(name);
        std::fs::write(&path, content).expect("writable");
        for path in [path.as_path(), other.path()] {
            let output = inspect(path, &[]);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}: {told}");
            assert!(
                told.starts_with("firn: ") && !told.contains("panicked"),
                "{told}"
            );
        }
    }
    let missing = inspect(&dir.path().join("missing"), &[]);
    assert_eq!(missing.status.code(), Some(1));
}

fn rows_of(file: &Path, content: &[u8], flags: &[&str]) -> Vec<Value> {
    std::fs::write(file, content).expect("writable");
    rows(file, flags)
}
