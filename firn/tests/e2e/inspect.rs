//! `firn inspect` on what the real process leaves behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::machine::demo_file;
use crate::process::Process;
use crate::stack::{ack, receive, send};

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

/// The first log file of a node that was killed after a few sends, and its bytes.
fn log_left_behind(dir: &TempDir) -> (PathBuf, Vec<u8>) {
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
    (file, whole)
}

#[test]
fn inspect_names_damage_and_never_panics() {
    let dir = TempDir::new().expect("temporary directory");
    let (file, whole) = log_left_behind(&dir);
    // Headers, a few batches, and what is not used yet.
    for at in (0..16 * 1024).step_by(397) {
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
}

#[test]
fn inspect_refuses_what_is_not_ours() {
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
    let dir = TempDir::new().expect("temporary directory");
    let missing = inspect(&dir.path().join("missing"), &[]);
    assert_eq!(missing.status.code(), Some(1));
}

fn rows_of(file: &Path, content: &[u8], flags: &[&str]) -> Vec<Value> {
    std::fs::write(file, content).expect("writable");
    rows(file, flags)
}
