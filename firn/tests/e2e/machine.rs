//! The service and its machine: a full disk, many idle topics, the lines that
//! a start prints.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::process::Process;
use crate::stack::{ACME, Stack, ack, receive};

pub(crate) fn demo_file() -> PathBuf {
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
        // The log has no room any more, or the high-water mark is passed.
        let is_full = text.contains("disk is full") || text.contains("maybe disk full");
        assert!(is_full, "{text}");
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
    let process = Process::start(dir.path(), &demo_file(), &["--disk-budget", "128MiB"]);
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
fn a_plan_says_how_many_messages_a_second_may_pass() {
    let stack = Stack::start();
    let mut operator = stack.operator();
    for (name, tps) in [("slow", 100), ("fast", 1000)] {
        let plan = json!({"name": name, "tps": tps, "topicTps": 0, "burstSeconds": 0.1});
        operator.post("/v1/plans", &plan).ok();
    }
    let instance = json!({"tenantId": 2, "name": "paced", "plan": "slow"});
    operator.post("/v1/instances", &instance).ok();
    let topics = "/v1/instances/paced/topics";
    let topic = json!({"name": "t", "queues": 1});
    operator.post(topics, &topic).ok();
    let group = json!({"name": "g"});
    operator.post("/v1/instances/paced/groups", &group).ok();
    let batch = json!({"messages": vec![json!({"body": "x"}); 100]});
    let messages = format!("{topics}/t/messages");
    let stored = |answer: Value| {
        let results = answer["results"].as_array().expect("results").iter();
        results
            .filter(|result| result["messageId"].is_string())
            .count()
    };
    assert_eq!(stored(operator.post(&messages, &batch).ok()), 10);
    let refused = operator.post(&messages, &batch);
    refused.error(429, "RATE_LIMITED");
    assert_eq!(refused.header("retry-after"), Some("1"));
    stack.advance_ms(50);
    let receive = "/v1/instances/paced/groups/g/topics/t/receive";
    let got = operator.post(receive, &json!({"max": 16})).ok();
    assert_eq!(got["messages"].as_array().map(Vec::len), Some(5));
    let change = json!({"plan": "fast"});
    operator.json("PATCH", "/v1/instances/paced", &change).ok();
    stack.advance_ms(1000);
    assert_eq!(stored(operator.post(&messages, &batch).ok()), 100);
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

/// Blocks of a page that begin with this fence, in order.
fn blocks<'a>(page: &'a str, fence: &str) -> Vec<&'a str> {
    let fence = format!("```{fence}\n");
    let blocks = page.split(&fence).skip(1);
    let blocks = blocks.filter_map(|part| part.split_once("\n```"));
    blocks.map(|(block, _)| block).collect()
}

/// Every piece between ellipses is in the answer, in this order.
#[track_caller]
fn check_promise(command: &str, promise: &str, answer: &str) {
    let mut rest = answer;
    for piece in promise.split(['…', '\n']).filter(|piece| !piece.is_empty()) {
        let Some((_, behind)) = rest.split_once(piece) else {
            panic!("{command}\nanswers\n{answer}\nwithout (or not behind the rest)\n{piece}");
        };
        rest = behind;
    }
}

#[test]
fn the_tour_of_the_semantics_works_when_pasted() {
    check_page("semantics.md", &[]);
}

#[test]
fn the_page_of_the_management_api_works_when_pasted() {
    check_page("management-api.md", &[]);
}

#[test]
fn the_guide_to_files_works_when_pasted() {
    check_page("import-export.md", &[]);
}

#[test]
fn the_page_on_bills_works_when_pasted() {
    let flags = ["--operator-password", "operator-password"];
    check_page("billing.md", &flags);
}

/// Runs the lines of a page and holds the answers against what it promises.
fn check_page(name: &str, flags: &[&str]) {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl on this machine");
        return;
    }
    let dir = TempDir::new().expect("temporary directory");
    let process = Process::start(dir.path(), &demo_file(), flags);
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide");
    let page = guide.join(name);
    let page = std::fs::read_to_string(page).expect("the tour");
    let (commands, promises) = (blocks(&page, "sh"), blocks(&page, "json"));
    assert!(
        [promises.len(), promises.len() + 1].contains(&commands.len()),
        "all but the last block promise something"
    );
    let mark = "-- the next block --";
    let script = commands.join(&format!("\necho '{mark}'\n"));
    let address = format!("http://{}", process.http);
    let script = script.replace("http://127.0.0.1:8080", &address);
    let script = script.replace("target/release/firn", env!("CARGO_BIN_EXE_firn"));
    let output = Command::new("sh")
        .args(["-e", "-c", &script])
        .output()
        .expect("a shell");
    let errors = String::from_utf8_lossy(&output.stderr);
    let answers = String::from_utf8_lossy(&output.stdout);
    // curl says there what was not answered with success, wherever it stood.
    assert!(
        output.status.success() && errors.is_empty(),
        "{errors}\n{answers}"
    );
    let answers: Vec<&str> = answers.split(mark).collect();
    assert_eq!(answers.len(), commands.len());
    for ((command, promise), answer) in commands.iter().zip(promises).zip(answers) {
        check_promise(command, promise, answer);
    }
}
