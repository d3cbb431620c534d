//! The service on a catalogue in PostgreSQL, whose server goes away and comes back.

use std::path::Path;
use std::process::{Command, Output};

use firn_runtime::clock::Stopwatch;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::machine::demo_file;
use crate::postgres::Cluster;
use crate::process::{Process, log_of};
use crate::stack::{ACME, ack, bodies, receive, send};

const OPERATOR_PASSWORD: &str = "a-password-of-the-operator";
const DATABASE_PASSWORD: &str = "a-password-of-the-database";

/// A server with one database, and the URL of it with a password.
fn guarded() -> Option<(Cluster, String, String)> {
    let cluster = Cluster::start()?;
    let database = cluster.database();
    let role = format!("CREATE ROLE guarded LOGIN PASSWORD '{DATABASE_PASSWORD}'");
    cluster.run("postgres", &role);
    cluster.run(
        "postgres",
        &format!("ALTER DATABASE {database} OWNER TO guarded"),
    );
    let user = format!("guarded:{DATABASE_PASSWORD}");
    let url = cluster.tcp_url(&user, &database);
    Some((cluster, database, url))
}

fn start(dir: &Path, url: &str) -> Process {
    let operator = ["--operator-password", OPERATOR_PASSWORD];
    Process::start(
        dir,
        &demo_file(),
        &[&["--catalog", url], &operator[..]].concat(),
    )
}

fn operator(process: &Process) -> Http {
    let mut http = Http::new(process.http);
    let form = json!({"username": "operator", "password": OPERATOR_PASSWORD});
    let login = http.post("/v1/auth/login", &form).ok();
    let token = login["token"].as_str().expect("a token");
    http.authorize(&format!("Bearer {token}"))
}

fn create_topic(http: &mut Http, name: &str) -> crate::http::Answer {
    http.post(&format!("{ACME}/topics"), &json!({"name": name}))
}

fn names(http: &mut Http, kind: &str) -> Vec<String> {
    let page = http.get(&format!("{ACME}/{kind}")).ok();
    let items = page["items"].as_array().expect("items").iter();
    let name = |item: &Value| item["name"].as_str().expect("a name").to_owned();
    items.map(name).collect()
}

#[test]
fn without_its_database_the_service_serves_what_it_knows() {
    let Some((cluster, _, url)) = guarded() else {
        return;
    };
    let dir = TempDir::new().expect("temporary directory");
    let process = start(dir.path(), &url);
    let mut admin = operator(&process);
    let mut demo = Http::user(process.http, "demo", "demo-secret");
    create_topic(&mut admin, "before").ok();
    send(&mut demo, "orders", &json!([{"body": "1"}]));

    cluster.crash();
    let text = create_topic(&mut admin, "during").error(503, "CATALOGUE_UNAVAILABLE");
    assert!(text.contains("cannot be changed now"), "{text}");
    assert!(names(&mut admin, "topics").contains(&"before".to_owned()));
    send(&mut demo, "orders", &json!([{"body": "2"}]));
    send(&mut admin, "before", &json!([{"body": "b"}]));
    let got = receive(&mut demo, "workers", "orders", &json!({"max": 16}));
    let mut found = bodies(&got);
    found.sort_unstable();
    assert_eq!(found, ["1", "2"]);
    assert_eq!(ack(&mut demo, "workers", "orders", &got), ["OK", "OK"]);
    create_topic(&mut admin, "during").error(503, "CATALOGUE_UNAVAILABLE");

    cluster.resume();
    // By itself, or by the first change that is asked for.
    create_topic(&mut admin, "during").ok();
    let group = json!({"name": "late"});
    admin.post(&format!("{ACME}/groups"), &group).ok();
    let mut ops = Http::new(process.ops);
    assert_eq!(ops.get("/readyz").status, 200);
    let metrics = ops.get("/metrics").text();
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));

    let process = start(dir.path(), &url);
    let mut admin = operator(&process);
    let topics = names(&mut admin, "topics");
    let has = |name: &str| topics.iter().any(|topic| topic == name);
    assert!(
        has("before") && has("during") && has("orders"),
        "{topics:?}"
    );
    assert!(names(&mut admin, "groups").contains(&"late".to_owned()));
    assert!(!dir.path().join("data/catalogue.db").exists());
    let said = log_of(dir.path()) + &metrics;
    assert!(said.contains("firn_tenant_catalogue_version"), "{said}");
    assert!(said.contains("can be changed again"), "{said}");
    assert!(!said.contains(DATABASE_PASSWORD), "{said}");
}

#[test]
fn a_service_that_waits_sees_its_database_come_back() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let url = cluster.url(&cluster.database());
    let dir = TempDir::new().expect("temporary directory");
    let process = start(dir.path(), &url);
    let mut admin = operator(&process);
    let mut ops = Http::new(process.ops);
    cluster.crash();
    create_topic(&mut admin, "t").error(503, "CATALOGUE_UNAVAILABLE");
    assert_eq!(ops.get("/readyz").status, 503);
    cluster.resume();
    let watch = Stopwatch::start();
    while ops.get("/readyz").status == 503 {
        assert!(watch.elapsed().as_secs() < 60, "{}", log_of(dir.path()));
    }
    create_topic(&mut admin, "t").ok();
}

fn firn(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
    command.env_clear().current_dir(dir).args(args);
    command.output().expect("the binary runs")
}

#[test]
fn a_catalogue_is_restored_into_a_database() {
    let Some((cluster, first, url)) = guarded() else {
        return;
    };
    let dir = TempDir::new().expect("temporary directory");
    let process = start(dir.path(), &url);
    create_topic(&mut operator(&process), "mine").ok();
    send(
        &mut Http::user(process.http, "demo", "demo-secret"),
        "orders",
        &json!([{"body": "kept"}]),
    );
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
    cluster.run("postgres", "CREATE DATABASE second OWNER guarded");
    let bucket = format!("file://{}", dir.path().join("data/objects").display());
    let restore = |url: &str| {
        let args = ["restore", "--object-store", &bucket, "--data-dir", "new"];
        let key = ["--master-key-file", "data/master.key", "--catalog", url];
        firn(dir.path(), &[&args[..], &key[..]].concat())
    };
    let refused = |output: Output, part: &str| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(part), "{text}");
        assert!(!text.contains(DATABASE_PASSWORD), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    };
    refused(restore(&format!("{url}?pasword=x")), "unknown parameter");
    refused(restore(&url), "there is one already");
    std::fs::remove_dir_all(dir.path().join("new")).expect("half restored");
    let second = url.replace(&first, "second");
    let output = restore(&second);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");

    std::fs::rename(dir.path().join("data"), dir.path().join("old")).expect("renamed");
    std::fs::rename(dir.path().join("new"), dir.path().join("data")).expect("renamed");
    std::fs::rename(
        dir.path().join("old/objects"),
        dir.path().join("data/objects"),
    )
    .expect("renamed");
    let process = start(dir.path(), &second);
    assert!(names(&mut operator(&process), "topics").contains(&"mine".to_owned()));
    let mut demo = Http::user(process.http, "demo", "demo-secret");
    let got = receive(&mut demo, "workers", "orders", &json!({"waitSeconds": 20}));
    assert_eq!(bodies(&got), ["kept"]);
}

#[test]
fn a_start_without_the_database_says_why() {
    let dir = TempDir::new().expect("temporary directory");
    let url = format!("postgres://u:{DATABASE_PASSWORD}@127.0.0.1:1/d");
    let args = ["standalone", "--data-dir", "data", "--log-level", "off"];
    let output = firn(dir.path(), &[&args[..], &["--catalog", &url]].concat());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        text.contains("'d' at 127.0.0.1:1: the server does not answer"),
        "{text}"
    );
    assert!(!text.contains(DATABASE_PASSWORD), "{text}");
}
