//! A deployment that lost its machine and comes back from its object store.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::machine::demo_file;
use crate::process::{Process, log_of};
use crate::stack::{ACME, ack, bodies, receive, send};

pub(crate) const OPERATOR_PASSWORD: &str = "a-password-of-the-operator";

/// A machine's directory, with the bucket beside the data.
pub(crate) struct Machine {
    dir: TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("temporary directory");
        std::fs::write(dir.path().join("nothing.toml"), "").expect("writable");
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bucket(&self) -> String {
        format!("file://{}", self.path("bucket").display())
    }

    pub(crate) fn start(&self, bootstrap: &Path, flags: &[&str]) -> Process {
        let bucket = self.bucket();
        let flags = [&["--object-store", &bucket], flags].concat();
        Process::start(self.dir.path(), bootstrap, &flags)
    }

    /// Starts from the data alone.
    pub(crate) fn start_again(&self) -> Process {
        self.start(&self.path("nothing.toml"), &[])
    }

    fn firn(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
        command.env_clear().current_dir(self.dir.path()).args(args);
        command.output().expect("the binary runs")
    }

    pub(crate) fn try_restore(&self, flags: &[&str]) -> Output {
        let bucket = self.bucket();
        let args = ["restore", "--object-store", &bucket, "--data-dir", "data"];
        self.firn(&[&args, flags].concat())
    }

    /// A start that must come to nothing. One that serves is ended, and shows
    /// its welcome on standard output.
    fn try_start(&self, data: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_firn"))
            .env_clear()
            .current_dir(self.dir.path())
            .args(["standalone", "--data-dir", data])
            .args(["--object-store", &self.bucket()])
            .args(["--http-listen", "127.0.0.1:0"])
            .args(["--grpc-listen", "127.0.0.1:0"])
            .args(["--ops-listen", "127.0.0.1:0"])
            .args(["--log-level", "off"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let said = child.stdout.as_mut().expect("piped").read(&mut [0]);
        if said.is_ok_and(|bytes| bytes > 0) {
            child.kill().expect("it runs");
        }
        child.wait_with_output().expect("it ends")
    }

    /// What a restore that succeeds says.
    #[track_caller]
    pub(crate) fn restore(&self, flags: &[&str]) -> String {
        let output = self.try_restore(flags);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(told, "", "nothing to warn of");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The one line of a command that fails.
    #[track_caller]
    pub(crate) fn refused(output: &Output) -> String {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(output.stdout.is_empty());
        told
    }

    /// The machine is gone, but for a copy of the key.
    pub(crate) fn lose(&self) {
        std::fs::copy(self.path("data/master.key"), self.path("kept.key")).expect("a key");
        std::fs::remove_dir_all(self.path("data")).expect("removable");
    }

    fn exports(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("bucket/catalogue")).expect("exports");
        let mut found: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
        found.sort();
        found
    }
}

#[track_caller]
pub(crate) fn stop(process: Process) {
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
}

pub(crate) fn demo(process: &Process) -> Http {
    Http::user(process.http, "demo", "demo-secret")
}

/// Serves the demo, with a topic that no bootstrap file has, sends to both,
/// acknowledges one message, and stops in order.
fn live_and_die(machine: &Machine) {
    let process = machine.start(&demo_file(), &[]);
    let mut http = demo(&process);
    http.post(&format!("{ACME}/topics"), &json!({"name": "extra"}))
        .ok();
    for number in 0..20 {
        let message = json!([{"body": format!("m{number}"), "keys": [format!("k{number}")]}]);
        send(&mut http, "orders", &message);
    }
    send(
        &mut http,
        "extra",
        &json!([{"body": "of extra", "keys": ["k3"]}]),
    );
    let got = receive(&mut http, "workers", "orders", &json!({"max": 1}));
    assert_eq!(ack(&mut http, "workers", "orders", &got), ["OK"]);
    stop(process);
    machine.lose();
}

/// What the group has not acknowledged, in order of the number in the body.
fn drain(http: &mut Http, topic: &str) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let got = receive(http, "workers", topic, &json!({"max": 256}));
        if got.is_empty() {
            break;
        }
        found.extend(bodies(&got).into_iter().map(str::to_owned));
        ack(http, "workers", topic, &got);
    }
    found.sort();
    found
}

fn check_messages(http: &mut Http) {
    let found = drain(http, "orders");
    assert_eq!(
        found.len(),
        19,
        "all but the one that was acknowledged: {found:?}"
    );
    assert_eq!(drain(http, "extra"), ["of extra"]);
    for topic in ["orders", "extra"] {
        let path = format!("{ACME}/topics/{topic}/messages?key=k3");
        let messages = http.get(&path).ok()["messages"].clone();
        assert_eq!(messages.as_array().map(Vec::len), Some(1), "{messages}");
    }
    let sent = send(http, "orders", &json!([{"body": "after"}]));
    assert!(sent[0]["messageId"].is_string());
    assert_eq!(drain(http, "orders"), ["after"]);
}

#[test]
fn a_bucket_and_the_key_bring_everything_back() {
    let machine = Machine::new();
    live_and_die(&machine);
    let said = machine.restore(&["--master-key-file", "kept.key"]);
    for part in [
        "tenants 1, instances 1, topics 2, groups 1",
        "brokers 2, records ",
        "audit log",
        "those of before",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("cannot be reached"), "{said}");
    let process = machine.start_again();
    check_messages(&mut demo(&process));
    stop(process);
    // Lost once more: what came after the first restore is there as well.
    machine.lose();
    machine.restore(&["--master-key-file", "kept.key"]);
    let process = machine.start_again();
    let mut http = demo(&process);
    assert!(
        drain(&mut http, "orders").is_empty(),
        "all was acknowledged"
    );
    send(&mut http, "orders", &json!([{"body": "third life"}]));
    assert_eq!(drain(&mut http, "orders"), ["third life"]);
    stop(process);
    let log = log_of(machine.dir.path());
    let is_trouble = |line: &&str| {
        let is_the_machines = line.contains("few file handles");
        (line.contains("ERROR") || line.contains("WARN")) && !is_the_machines
    };
    let trouble: Vec<&str> = log.lines().filter(is_trouble).collect();
    assert!(trouble.is_empty(), "{trouble:?}");
}

#[test]
fn an_answer_of_the_class_object_survives_kill_and_the_loss_of_the_disk() {
    let machine = Machine::new();
    let text = std::fs::read_to_string(demo_file()).expect("the demo");
    let text = text.replace("durability = \"local\"", "durability = \"object\"");
    let bootstrap = machine.path("object.toml");
    std::fs::write(&bootstrap, text).expect("writable");
    let process = machine.start(&bootstrap, &[]);
    let mut http = demo(&process);
    for number in 0..20 {
        let sent = send(
            &mut http,
            "orders",
            &json!([{"body": format!("m{number:02}")}]),
        );
        assert_eq!(sent[0]["durability"], "object");
    }
    let got = receive(&mut http, "workers", "orders", &json!({"max": 1}));
    assert_eq!(ack(&mut http, "workers", "orders", &got), ["OK"]);
    // The catalogue has to be there as well, some seconds after the start.
    for _ in 0..6000 {
        if machine.path("bucket/catalogue").exists() && !machine.exports().is_empty() {
            break;
        }
        firn_runtime::clock::pause_thread(std::time::Duration::from_millis(10));
    }
    process.kill();
    machine.lose();
    machine.restore(&["--master-key-file", "kept.key"]);
    let process = machine.start_again();
    let mut http = demo(&process);
    assert_eq!(drain(&mut http, "orders").len(), 19);
    let sent = send(&mut http, "orders", &json!([{"body": "after"}]));
    assert_eq!(sent[0]["durability"], "object");
    assert_eq!(drain(&mut http, "orders"), ["after"]);
    stop(process);
}

#[test]
fn a_bucket_alone_brings_all_but_the_secrets_back() {
    let machine = Machine::new();
    live_and_die(&machine);
    let said = machine.restore(&[]);
    let of = |line: &str| {
        let line = said.lines().find(|found| found.contains(line));
        let line = line.unwrap_or_else(|| panic!("{said}"));
        line.rsplit('\'').nth(1).expect("quoted").to_owned()
    };
    let secret = of("access key 'demo'");
    let password = of("user 'operator'");
    let process = machine.start_again();
    let mut old = demo(&process);
    old.get(&format!("{ACME}/topics"))
        .error(401, "UNAUTHENTICATED");
    check_messages(&mut Http::user(process.http, "demo", &secret));
    operator(&process, &password);
    stop(process);
}

pub(crate) fn operator(process: &Process, password: &str) -> Http {
    let mut http = Http::new(process.http);
    let login = json!({"username": "operator", "password": password});
    let token = http.post("/v1/auth/login", &login).ok()["token"].clone();
    http.authorize(&format!("Bearer {}", token.as_str().expect("a token")))
}

/// Makes an instance with a user, a topic and a group of its own.
pub(crate) fn make_instance(http: &mut Http, name: &str) {
    let path = format!("/v1/instances/{name}");
    let instance = json!({"tenantId": 2, "name": name, "brokers": ["a"]});
    http.post("/v1/instances", &instance).ok();
    http.post(
        &format!("{path}/topics"),
        &json!({"name": "t", "queues": 1}),
    )
    .ok();
    http.post(&format!("{path}/groups"), &json!({"name": "g"}))
        .ok();
    let user = json!({"accessKey": name, "secretKey": format!("{name}-secret")});
    http.post(&format!("{path}/users"), &user).ok();
}

pub(crate) fn send_and_receive(process: &Process, name: &str, body: &str) -> Vec<Value> {
    let mut http = Http::user(process.http, name, &format!("{name}-secret"));
    let base = format!("/v1/instances/{name}");
    let form = json!({"messages": [{"body": body}]});
    http.post(&format!("{base}/topics/t/messages"), &form).ok();
    let path = format!("{base}/groups/g/topics/t/receive");
    let got = http.post(&path, &json!({"waitSeconds": 5})).ok();
    got["messages"].as_array().expect("messages").clone()
}

#[test]
fn an_earlier_catalogue_never_gives_numbers_out_again() {
    let machine = Machine::new();
    let password = ["--operator-password", OPERATOR_PASSWORD];
    let process = machine.start(&demo_file(), &password);
    make_instance(&mut operator(&process, OPERATOR_PASSWORD), "late");
    assert_eq!(
        send_and_receive(&process, "late", "secret of late").len(),
        1
    );
    stop(process);
    machine.lose();
    assert!(
        machine.exports().len() >= 2,
        "one at the start, one at the stop"
    );
    let flags = ["--master-key-file", "kept.key", "--catalogue-export", "1"];
    let said = machine.restore(&flags);
    assert!(said.contains("catalogue export 1"), "{said}");
    assert!(said.contains("instances 1, topics 1"), "{said}");
    let strangers = said
        .lines()
        .filter(|line| line.contains("cannot be reached"));
    assert_eq!(strangers.count(), 1, "{said}");
    let process = machine.start_again();
    make_instance(&mut operator(&process, OPERATOR_PASSWORD), "new");
    let got = send_and_receive(&process, "new", "of new");
    assert_eq!(bodies(&got), ["of new"], "nothing of the instance before");
    assert_eq!(got[0]["queueOffset"], 0, "{got:?}");
    stop(process);
}

#[test]
fn what_cannot_be_restored_is_said_in_one_line() {
    let machine = Machine::new();
    let empty = machine.try_restore(&[]);
    assert!(Machine::refused(&empty).contains("no export of a catalogue"));
    assert!(!machine.path("data").exists(), "nothing is left behind");

    live_and_die(&machine);
    std::fs::create_dir(machine.path("data")).expect("writable");
    std::fs::write(machine.path("data/mine"), "").expect("writable");
    let told = Machine::refused(&machine.try_restore(&[]));
    assert!(told.contains("is not empty"), "{told}");
    std::fs::remove_dir_all(machine.path("data")).expect("removable");

    std::fs::write(machine.path("other.key"), "0".repeat(64)).expect("writable");
    let only_mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(machine.path("other.key"), only_mine).expect("ours");
    for (key, part) in [("other.key", "another key"), ("no.key", "is missing")] {
        let told = Machine::refused(&machine.try_restore(&["--master-key-file", key]));
        assert!(told.contains(part), "{told}");
    }
    let told = Machine::refused(&machine.try_restore(&["--catalogue-export", "77"]));
    assert!(told.contains("no catalogue export 77"), "{told}");
    let odd = [
        "restore",
        "--object-store",
        "http://x",
        "--data-dir",
        "data",
    ];
    assert_eq!(machine.firn(&odd).status.code(), Some(2));

    let newest = machine.exports().pop().expect("an export");
    let sound = std::fs::read(&newest).expect("readable");
    let mut damaged = sound.clone();
    damaged[100] ^= 1;
    std::fs::write(&newest, &damaged).expect("writable");
    let told = Machine::refused(&machine.try_restore(&[]));
    for part in ["catalogue export 2", "damaged", "--catalogue-export 1"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!machine.path("data").exists(), "nothing is left behind");
    // On purpose, an older one will do; the sound one is still the newest number.
    machine.restore(&["--catalogue-export", "1"]);
    std::fs::write(&newest, &sound).expect("writable");
    std::fs::remove_dir_all(machine.path("data")).expect("removable");
    machine.restore(&[]);
}

#[test]
fn nobody_serves_a_half_restored_or_a_foreign_directory() {
    let machine = Machine::new();
    live_and_die(&machine);
    // An empty machine that was started instead of restored.
    let told = Machine::refused(&machine.try_start("fresh"));
    assert!(
        told.contains("another catalogue") && told.contains("firn restore"),
        "{told}"
    );
    // Died in the middle.
    machine.restore(&["--master-key-file", "kept.key"]);
    std::fs::write(machine.path("data/restore.unfinished"), "").expect("writable");
    let told = Machine::refused(&machine.try_start("data"));
    assert!(told.contains("did not end"), "{told}");
    // On a fresh directory it can be done again.
    std::fs::remove_dir_all(machine.path("data")).expect("removable");
    machine.restore(&["--master-key-file", "kept.key"]);
    let process = machine.start_again();
    check_messages(&mut demo(&process));
    stop(process);
}

/// `firn verify` reads every message, changes nothing in the bucket, and names what
/// cannot be read.
#[test]
fn what_a_bucket_holds_can_be_read_back() {
    let machine = Machine::new();
    live_and_die(&machine);
    machine.restore(&["--master-key-file", "kept.key"]);
    let bucket = machine.bucket();
    let verify = |flags: &[&str]| {
        let args = ["verify", "--object-store", &bucket, "--data-dir", "data"];
        machine.firn(&[&args, flags].concat())
    };
    let before = all_files(&machine.path("bucket"));
    for readers in ["1", "4"] {
        let output = verify(&["--json", "--readers", readers]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{told}");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let bodies = (0..20).map(|number| format!("m{number}"));
        let bodies: Vec<String> = bodies.chain(["of extra".to_owned()]).collect();
        let sums = bodies
            .iter()
            .map(|body| u64::from(crc32c::crc32c(body.as_bytes())));
        assert_eq!(found["messages"], 21, "{found}");
        assert_eq!(found["checksum"], sums.sum::<u64>(), "{found}");
        let bytes: usize = bodies.iter().map(String::len).sum();
        assert_eq!(found["bodyBytes"], bytes, "{found}");
        assert!(
            found["gets"].as_u64().is_some_and(|gets| gets > 0),
            "{found}"
        );
    }
    assert!(
        before == all_files(&machine.path("bucket")),
        "nothing is changed"
    );

    let process = machine.start_again();
    let told = Machine::refused(&verify(&[]));
    assert!(told.contains("another process"), "{told}");
    stop(process);
    let told = Machine::refused(&verify(&["--readers", "0"]));
    assert!(told.contains("--readers"), "{told}");

    // One byte of the records is another one.
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "seg");
    let files = all_files(&machine.path("bucket"));
    let (segment, bytes) = files
        .iter()
        .filter(|(path, _)| is_segment(path))
        .max_by_key(|(_, bytes)| bytes.len())
        .expect("a segment");
    let mut damaged = bytes.clone();
    let at = damaged
        .windows(2)
        .position(|two| two == b"m1")
        .unwrap_or(100);
    damaged[at] ^= 1;
    std::fs::write(segment, damaged).expect("writable");
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    // The log names the object, and the error, which comes last, what was in it.
    let (log, error) = told.trim_end().rsplit_once('\n').expect("two lines");
    assert!(log.contains(".seg: "), "{told}");
    assert!(error.starts_with("firn: broker "), "{told}");
}

/// Every file below a directory, with its content.
fn all_files(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("readable");
                found.insert(path, bytes);
            }
        }
    }
    found
}
