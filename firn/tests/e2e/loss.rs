//! What a lost disk must not cost: what is owed, and what was promised.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::http::Http;
use crate::machine::demo_file;
use crate::restore::{
    Machine, OPERATOR_PASSWORD, demo, make_instance, operator, send_and_receive, stop,
};
use crate::stack::{ACME, ack, receive, send};

const PASSWORD: [&str; 2] = ["--operator-password", OPERATOR_PASSWORD];

/// What was sent and received, by topic; what is stored and called goes on with time.
fn counted(http: &mut Http) -> Vec<Value> {
    let usage = http.get(&format!("{ACME}/usage?by=topic")).ok();
    let lines = usage["items"].as_array().expect("items").iter();
    let names = [
        "topic",
        "messagesIn",
        "unitsIn",
        "bytesIn",
        "messagesOut",
        "unitsOut",
        "bytesOut",
    ];
    let lines = lines.map(|line| Value::from(names.map(|name| line[name].clone()).to_vec()));
    lines.filter(|line| line[0] != Value::Null).collect()
}

/// Bills of the tenant, and whether each is proved by its events.
fn proved(http: &mut Http) -> Vec<String> {
    let bills = http.get("/v1/tenants/2/bills").ok();
    let months = bills["items"].as_array().expect("items").iter();
    let months: Vec<String> = months
        .map(|item| item["month"].as_str().expect("a month").to_owned())
        .collect();
    for month in &months {
        let path = format!("/v1/tenants/2/bills/{month}/verify");
        let verified = http.post(&path, &json!({})).ok();
        assert_eq!(verified["differences"], json!([]), "{verified}");
        assert!(verified["events"].as_u64() > Some(0), "{verified}");
    }
    months
}

#[test]
fn usage_and_bills_come_back_with_the_bucket() {
    let machine = Machine::new();
    let process = machine.start(&demo_file(), &PASSWORD);
    let mut http = demo(&process);
    for number in 0..12 {
        send(
            &mut http,
            "orders",
            &json!([{"body": format!("m{number}")}]),
        );
    }
    let got = receive(&mut http, "workers", "orders", &json!({"max": 5}));
    ack(&mut http, "workers", "orders", &got);
    // What is collected at the stop is seen when it starts again.
    stop(process);
    let process = machine.start(&machine.path("nothing.toml"), &PASSWORD);
    let before = counted(&mut demo(&process));
    assert_eq!(before[0][1], 12, "{before:?}");
    let months = proved(&mut operator(&process, OPERATOR_PASSWORD));
    stop(process);
    assert!(machine.path("bucket/books").is_dir());

    machine.lose();
    let said = machine.restore(&["--master-key-file", "kept.key"]);
    assert!(said.contains("parts of the books"), "{said}");
    let process = machine.start_again();
    assert_eq!(counted(&mut demo(&process)), before);
    let mut person = operator(&process, OPERATOR_PASSWORD);
    assert_eq!(proved(&mut person), months);
    send(&mut demo(&process), "orders", &json!([{"body": "after"}]));
    stop(process);

    // Once more, with what came after.
    machine.lose();
    machine.restore(&["--master-key-file", "kept.key"]);
    let process = machine.start_again();
    let after = counted(&mut demo(&process));
    assert_eq!(after[0][1], 13, "{after:?}");
    proved(&mut operator(&process, OPERATOR_PASSWORD));
    stop(process);
}

#[test]
fn a_bucket_of_before_the_books_went_there_restores_all_the_rest() {
    let machine = Machine::new();
    let process = machine.start(&demo_file(), &PASSWORD);
    send(&mut demo(&process), "orders", &json!([{"body": "m"}]));
    stop(process);
    let part = machine.path("bucket/books").join(format!("{:020}", 1));
    let sound = std::fs::read(&part).expect("a part");
    machine.lose();

    let mut damaged = sound;
    damaged[70] ^= 1;
    std::fs::write(&part, damaged).expect("writable");
    let told = Machine::refused(&machine.try_restore(&["--master-key-file", "kept.key"]));
    for word in ["part 1 of the books", "damaged", "--without-books"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    std::fs::remove_dir_all(machine.path("data")).expect("removable");
    let flags = ["--master-key-file", "kept.key", "--without-books"];
    let said = machine.restore(&flags);
    assert!(said.contains("books begin anew"), "{said}");
    std::fs::remove_dir_all(machine.path("data")).expect("removable");

    std::fs::remove_dir_all(machine.path("bucket/books")).expect("removable");
    let said = machine.restore(&["--master-key-file", "kept.key"]);
    assert!(said.contains("books begin anew"), "{said}");
    let process = machine.start_again();
    assert!(counted(&mut demo(&process)).is_empty());
    send(&mut demo(&process), "orders", &json!([{"body": "m"}]));
    stop(process);
    assert!(machine.path("bucket/books").is_dir(), "they begin anew");
}

/// Folders of instances in the bucket.
fn instances_in(bucket: &Path) -> Vec<PathBuf> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).expect("a folder");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    };
    let name = |path: &Path| {
        path.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    let tenants = folders(bucket).into_iter();
    let tenants = tenants.filter(|path| name(path).starts_with("t0"));
    let mut found: Vec<PathBuf> = tenants
        .flat_map(|tenant| folders(&tenant))
        .filter(|instance| holds_a_file(instance))
        .collect();
    found.sort();
    found
}

fn holds_a_file(path: &Path) -> bool {
    if path.is_file() {
        return true;
    }
    let mut entries = std::fs::read_dir(path).expect("a folder");
    entries.any(|entry| holds_a_file(&entry.expect("an entry").path()))
}

/// Serves an instance, stops, starts again and removes it, and stops at once. Whether its
/// data is left, to be erased.
fn leaves_an_erasure(machine: &Machine, name: &str) -> bool {
    let process = machine.start(&machine.path("nothing.toml"), &PASSWORD);
    let known = instances_in(&machine.path("bucket"));
    make_instance(&mut operator(&process, OPERATOR_PASSWORD), name);
    assert_eq!(send_and_receive(&process, name, "to be erased").len(), 1);
    stop(process);
    let process = machine.start(&machine.path("nothing.toml"), &PASSWORD);
    let mut http = operator(&process, OPERATOR_PASSWORD);
    http.call("DELETE", &format!("/v1/instances/{name}"), &[], b"")
        .ok();
    stop(process);
    instances_in(&machine.path("bucket")).len() > known.len()
}

#[test]
fn an_erasure_that_was_promised_goes_on_after_a_loss() {
    let machine = Machine::new();
    let process = machine.start(&demo_file(), &PASSWORD);
    send(&mut demo(&process), "orders", &json!([{"body": "kept"}]));
    stop(process);
    // It is looked for work every ten seconds: that may come in between.
    let left = (0..5).any(|number| leaves_an_erasure(&machine, &format!("gone{number}")));
    assert!(left, "erased within moments, each time");
    machine.lose();
    let said = machine.restore(&["--master-key-file", "kept.key"]);
    assert!(said.contains("still to be erased: 1"), "{said}");
    assert!(!said.contains("cannot be reached"), "{said}");
    let process = machine.start_again();
    let mut http = operator(&process, OPERATOR_PASSWORD);
    let mut rows = Vec::new();
    for _ in 0..6000 {
        let found = http.get("/v1/audit?action=instance.erased").ok();
        rows = found["items"].as_array().expect("items").clone();
        if !rows.is_empty() {
            break;
        }
        firn_runtime::clock::pause_thread(std::time::Duration::from_millis(10));
    }
    assert_eq!(rows.len(), 1, "it is proved");
    assert!(rows[0]["detail"]["objects"].as_u64() > Some(0), "{rows:?}");
    assert_eq!(
        instances_in(&machine.path("bucket")).len(),
        1,
        "the demo's alone"
    );
    stop(process);
}
