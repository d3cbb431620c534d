//! Topics and groups as files, on the whole service and from the command line.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::stack::{ACME, Stack};

const TOPICS: &str = "topic名称,是否有序,队列数,读写权限,备注\r\n\
    new-1,FALSE,2,4,legend\r\nnot a name,FALSE,2,6,\r\norders,FALSE,2,6,\r\nnew-1,FALSE,2,6,\r\n\
    many,FALSE,1025,6,\r\n-new-2,TRUE,3,6,\r\nrmq_sys_x,TRUE,3,6,\r\n";
const GROUPS: &str = "订阅组名,消费机制,消费起始位,topic权限,备注\r\n\
    g-1,1,3,orders;single,legend\r\nworkers,1,1,*,\r\ng-2,3,1,*,\r\ng-3,2,2,*,\r\ng-4,1,1,a b,\r\n";

const KINDS: [(&str, &str); 2] = [
    ("csv", "text/csv"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
];

fn import(http: &mut Http, path: &str, kind: &str, body: &[u8]) -> Value {
    http.call("POST", path, &[("content-type", kind)], body)
        .ok()
}

fn items(http: &mut Http, instance: &str, list: &str) -> Vec<Value> {
    let page = http.get(&format!("/v1/instances/{instance}/{list}")).ok();
    let mut items = page["items"].as_array().expect("items").clone();
    for item in &mut items {
        item["createdAt"] = Value::Null;
    }
    items
}

/// Lines and codes of errors.
fn errors(answer: &Value) -> Vec<(u64, &str)> {
    let errors = answer["errors"].as_array().expect("errors").iter();
    errors
        .map(|error| {
            let line = error["line"].as_u64().expect("a number");
            (line, error["code"].as_str().expect("a code"))
        })
        .collect()
}

/// Imports both lists, which says of each line what a dry run has foretold.
fn import_both(http: &mut Http) {
    for (list, text, created, failed) in [
        (
            "topics",
            TOPICS,
            json!(["new-1", "-new-2"]),
            vec![
                (3, "INVALID_NAME"),
                (4, "ALREADY_EXISTS"),
                (5, "ALREADY_EXISTS"),
                (6, "BAD_REQUEST"),
                (8, "INVALID_NAME"),
            ],
        ),
        (
            "groups",
            GROUPS,
            json!(["g-1", "g-3"]),
            vec![
                (3, "ALREADY_EXISTS"),
                (4, "BAD_REQUEST"),
                (6, "BAD_REQUEST"),
            ],
        ),
    ] {
        let path = format!("{ACME}/{list}/import");
        let dry = import(
            http,
            &format!("{path}?dryRun=true"),
            "text/csv",
            text.as_bytes(),
        );
        let done = import(http, &path, "text/csv", text.as_bytes());
        assert_eq!(
            (&dry["errors"], &dry["created"]),
            (&done["errors"], &done["created"]),
            "foretold"
        );
        assert_eq!(done["created"], created, "{done}");
        assert_eq!(errors(&done), failed);
    }
}

#[test]
fn what_is_imported_is_exported_and_outlives_a_restart() {
    let mut stack = Stack::start();
    let mut http = stack.demo();
    import_both(&mut http);
    // Each thing that was made has its row, as if it had been made alone.
    let audit = stack.audit();
    let made = |action: &str| {
        let rows = audit.iter().rev().filter(|row| row.0 == action);
        rows.map(|row| row.1.rsplit('/').next().expect("a name"))
            .collect::<Vec<_>>()
    };
    assert_eq!(made("topic.create"), ["new-1", "-new-2"]);
    assert_eq!(made("group.create"), ["g-1", "g-3"]);

    let mut before = Vec::new();
    for list in ["topics", "groups"] {
        for (format, _) in KINDS {
            let path = format!("{ACME}/{list}/export?format={format}&columns=all");
            before.push((path.clone(), http.get(&path).body));
        }
    }
    stack.restart();
    let (mut http, mut operator) = (stack.demo(), stack.operator());
    for (path, file) in &before {
        assert_eq!(&http.get(path).body, file, "{path}");
    }

    for (format, kind) in KINDS {
        let form =
            json!({"tenantId": 2, "name": format, "brokers": ["a", "b"], "plan": "unlimited"});
        operator.post("/v1/instances", &form).ok();
        for list in ["topics", "groups"] {
            let path = format!("{ACME}/{list}/export?format={format}&columns=all");
            let file = http.get(&path).body;
            let path = format!("/v1/instances/{format}/{list}/import");
            let done = import(&mut operator, &path, kind, &file);
            assert_eq!(errors(&done), [], "{done}");
            let listed = items(&mut http, "demo", list);
            assert_eq!(
                items(&mut operator, format, list),
                listed,
                "{format} {list}"
            );
        }
    }
}

#[test]
fn a_plan_that_is_full_costs_the_lines_above_it() {
    let stack = Stack::start();
    let mut operator = stack.operator();
    let plan = json!({"name": "small", "topics": 2, "groups": 1});
    operator.post("/v1/plans", &plan).ok();
    let form = json!({"tenantId": 2, "name": "small", "plan": "small"});
    operator.post("/v1/instances", &form).ok();
    let path = "/v1/instances/small/topics/import";
    let text = "topic\na\na b\nb\nc\nd\n";
    let dry = import(
        &mut operator,
        &format!("{path}?dryRun=true"),
        "text/csv",
        text.as_bytes(),
    );
    let done = import(&mut operator, path, "text/csv", text.as_bytes());
    assert_eq!(dry["errors"], done["errors"]);
    assert_eq!(done["created"], json!(["a", "b"]));
    assert_eq!(
        errors(&done),
        [
            (3, "INVALID_NAME"),
            (5, "QUOTA_EXCEEDED"),
            (6, "QUOTA_EXCEEDED")
        ]
    );
    let path = "/v1/instances/small/groups/import";
    let done = import(
        &mut operator,
        path,
        "text/csv",
        "订阅组名\na\nb\n".as_bytes(),
    );
    assert_eq!(errors(&done), [(3, "QUOTA_EXCEEDED")]);
}

fn firn(stack: &Stack, dir: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
    command
        .env_clear()
        .current_dir(dir)
        .env("FIRN_URL", format!("http://{}", stack.http))
        .env("FIRN_INSTANCE", "demo")
        .env("FIRN_ACCESS_KEY", "demo")
        .env("FIRN_SECRET_KEY", "demo-secret");
    command.args(line.split(' ')).output().expect("runs")
}

#[test]
fn the_command_line_takes_files_in_and_out() {
    let stack = Stack::start();
    let dir = TempDir::new().expect("temporary directory");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    std::fs::write(dir.path().join("topics.csv"), TOPICS).expect("written");
    for (flag, said) in [(" --dry-run", "would create 2"), ("", "created 2")] {
        let output = firn(
            &stack,
            dir.path(),
            &format!("topics import topics.csv{flag}"),
        );
        assert_eq!(output.status.code(), Some(1));
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(
            err.contains(said) && err.contains("5 of 7 lines failed"),
            "{err}"
        );
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 6, "{out}");
        assert!(
            lines[0].starts_with("LINE") && lines[0].ends_with("REASON"),
            "{out}"
        );
        assert!(lines[4].contains("队列数: not a whole number"), "{out}");
    }
    let output = firn(&stack, dir.path(), "topics export list.xlsx --all-columns");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = firn(&stack, dir.path(), "topics import list.xlsx --json");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (output.status.code(), &answer["failed"]),
        (Some(1), &json!(7))
    );
    let output = firn(
        &stack,
        dir.path(),
        "groups export --only workers --broker a",
    );
    let expected = "\u{feff}订阅组名,起始消费位置,消费机制,集群名称,Broker组名,是否开启,Broker IP\r\n\
        workers,由客户端指定,2.X版本消费机制,demo,a,true,";
    assert!(
        text(&output.stdout).starts_with(expected),
        "{}",
        text(&output.stdout)
    );
    let output = firn(&stack, dir.path(), "groups export --only nobody");
    assert!(
        text(&output.stderr).contains("NOT_FOUND"),
        "{}",
        text(&output.stderr)
    );
}
