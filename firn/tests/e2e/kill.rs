//! Kills the real process under load, again and again, and holds what its
//! clients were told against what they find afterwards (RELIABILITY rung 5).
//! A kill leaves the page cache, so this says nothing about missing syncs: the
//! crash tests of the log, on a disk that forgets, do.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

use firn_runtime::clock::Stopwatch;
use firn_runtime::{random, tasks};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::history::History;
use crate::http::{Answer, Http};
use crate::process::{Process, log_of};

const ROUNDS: usize = 23;
/// Every so many rounds the process is asked to stop instead.
const GRACEFUL_EVERY: usize = 7;
const INSTANCE: &str = "/v1/instances/demo";
const QUEUES: u64 = 4;
/// Leases of clients that were killed pass soon enough for the last drain.
const LEASE_SECS: u64 = 3;

const BOOTSTRAP: &str = r#"
[[plan]]
name = "unlimited"
tps = 0
topic_tps = 0
[[tenant]]
id = 2
name = "acme"
[[tenant.instance]]
name = "demo"
plan = "unlimited"
brokers = ["a", "b"]
[[tenant.instance.user]]
access_key = "demo"
secret_key = "demo-secret"
[[tenant.instance.topic]]
name = "orders"
queues = 4
[[tenant.instance.group]]
name = "workers"
[[tenant.instance.group]]
name = "brittle"
max_retries = 0
"#;

/// splitmix64: choices that a printed seed gives again, up to the threads' order.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[derive(Clone, Copy)]
enum Role {
    Batches,
    Raw,
    Consumer(&'static str),
}

const ROLES: [Role; 7] = [
    Role::Batches,
    Role::Batches,
    Role::Raw,
    Role::Raw,
    Role::Consumer("workers"),
    Role::Consumer("workers"),
    Role::Consumer("brittle"),
];

/// One life of the process, as its clients share it.
struct Round {
    http: std::net::SocketAddr,
    number: usize,
    graceful: bool,
    /// Whether consumers only acknowledge.
    drains: bool,
    answered: AtomicUsize,
    until: usize,
    enough: Sender<()>,
    bodies: AtomicU64,
    history: Arc<Mutex<History>>,
}

impl Round {
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().expect("no client has failed")
    }

    fn was_answered(&self) {
        if self.answered.fetch_add(1, Ordering::Relaxed) + 1 == self.until {
            let _ = self.enough.send(());
        }
    }

    fn body(&self, choices: &mut Choices) -> String {
        let number = self.bodies.fetch_add(1, Ordering::Relaxed);
        let padding = "x".repeat(choices.below(1500) as usize);
        let mark = choices.below(u64::MAX);
        format!("{}-{number}-{mark:x}-{padding}", self.number)
    }
}

/// One client's part in a round: goes on until its connection breaks.
struct Client {
    round: Arc<Round>,
    http: Http,
    choices: Choices,
}

impl Client {
    fn run(mut self, role: Role) {
        loop {
            let went_on = match role {
                Role::Batches => self.send_batch(),
                Role::Raw => self.send_raw(),
                Role::Consumer(group) => self.consume(group),
            };
            if went_on.is_none() {
                return;
            }
        }
    }

    /// An answer that is a success; `None` when the process has gone.
    fn post(&mut self, path: &str, body: &Value) -> Option<Value> {
        let kind = [("content-type", "application/json")];
        self.send("POST", path, &kind, body.to_string().as_bytes())
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        kind: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Value> {
        let answer: Answer = self.http.try_call(method, path, kind, body).ok()?;
        let json = answer.ok();
        self.round.was_answered();
        Some(json)
    }

    fn send_batch(&mut self) -> Option<()> {
        let count = 1 + self.choices.below(8);
        let bodies: Vec<String> = (0..count)
            .map(|_| self.round.body(&mut self.choices))
            .collect();
        let messages: Vec<Value> = bodies.iter().map(|body| json!({"body": body})).collect();
        let path = format!("{INSTANCE}/topics/orders/messages");
        self.send_bodies(&bodies, |client| {
            client.post(&path, &json!({"messages": messages}))
        })
    }

    fn send_raw(&mut self) -> Option<()> {
        let body = self.round.body(&mut self.choices);
        let path = format!("{INSTANCE}/topics/orders/messages");
        let kind = [("content-type", "text/plain")];
        self.send_bodies(std::slice::from_ref(&body), |client| {
            client.send("POST", &path, &kind, body.as_bytes())
        })
    }

    fn send_bodies(
        &mut self,
        bodies: &[String],
        send: impl FnOnce(&mut Self) -> Option<Value>,
    ) -> Option<()> {
        let round = self.round.clone();
        bodies.iter().for_each(|body| round.history().sending(body));
        let Some(answer) = send(self) else {
            if round.graceful {
                round.history().refused(bodies);
            }
            return None;
        };
        let results = answer["results"].as_array().expect("results");
        assert_eq!(results.len(), bodies.len());
        let mut history = round.history();
        for (body, result) in bodies.iter().zip(results) {
            history.sent(body, result);
        }
        Some(())
    }

    fn consume(&mut self, group: &'static str) -> Option<()> {
        let began = self.round.history().now();
        let max = 1 + self.choices.below(24);
        let wanted = json!({"max": max, "waitSeconds": 1, "invisibleSeconds": LEASE_SECS});
        let path = format!("{INSTANCE}/groups/{group}/topics/orders");
        let answer = self.post(&format!("{path}/receive"), &wanted)?;
        let messages = answer["messages"].as_array().expect("messages").clone();
        let mut done = Vec::new();
        for message in &messages {
            self.round.history().delivered(group, began, message);
            let id = message["messageId"].as_str().expect("an id").to_owned();
            let mut handle = message["receiptHandle"].clone();
            let change =
                |seconds: u64| json!({"receiptHandle": handle, "invisibleSeconds": seconds});
            match self.choices.below(40) {
                _ if self.round.drains => {}
                // Left to its lease.
                0 => continue,
                // Only once, so that the last drain waits for no long pause.
                1 if message["attempt"] == 1 => {
                    self.change(&path, &change(0))?;
                    continue;
                }
                2 => {
                    if let Some(renewed) = self.change(&path, &change(LEASE_SECS))? {
                        handle = renewed;
                    }
                }
                _ => {}
            }
            done.push((id, handle));
        }
        self.ack(group, &path, &done)
    }

    /// A new handle, unless the lease has passed meanwhile.
    fn change(&mut self, path: &str, form: &Value) -> Option<Option<Value>> {
        let kind = [("content-type", "application/json")];
        let body = form.to_string();
        let path = format!("{path}/visibility");
        let answer = self.http.try_call("POST", &path, &kind, body.as_bytes());
        let answer = answer.ok()?;
        self.round.was_answered();
        if answer.status == 409 {
            return Some(None);
        }
        Some(Some(answer.ok()["receiptHandle"].clone()))
    }

    fn ack(&mut self, group: &'static str, path: &str, done: &[(String, Value)]) -> Option<()> {
        if done.is_empty() {
            return Some(());
        }
        let handles: Vec<&Value> = done.iter().map(|(_, handle)| handle).collect();
        let answer = self.post(&format!("{path}/ack"), &json!({"receiptHandles": handles}))?;
        let results = answer["results"].as_array().expect("results");
        for ((id, _), result) in done.iter().zip(results) {
            match result["status"].as_str() {
                Some("OK" | "ALREADY_ACKED") => self.round.history().acked(group, id),
                Some("LEASE_EXPIRED") => {}
                _ => panic!("{result} for {id}"),
            }
        }
        Some(())
    }
}

/// What goes on from one life of the process to the next.
struct Run {
    dir: TempDir,
    bootstrap: PathBuf,
    history: Arc<Mutex<History>>,
    choices: Choices,
    /// How far each queue has been read.
    ends: [[u64; QUEUES as usize]; 2],
}

impl Run {
    fn start(&self) -> Process {
        Process::start(self.dir.path(), &self.bootstrap, &[])
    }

    /// Reads what came since the last look.
    fn verify(&mut self, process: &Process) {
        let mut http = Http::user(process.http, "demo", "demo-secret");
        let mut history = self.history.lock().expect("no client has failed");
        for (broker, ends) in ["a", "b"].into_iter().zip(&mut self.ends) {
            for (queue, end) in (0..).zip(ends) {
                *end = read_queue(&mut http, "orders", broker, queue, *end, |message| {
                    history.read(message);
                });
                history.check_queue(broker, queue, *end);
            }
        }
    }

    /// Lets the clients run until enough was answered, then ends the process.
    fn load(&mut self, process: Process, number: usize) {
        let graceful = number % GRACEFUL_EVERY == GRACEFUL_EVERY - 1;
        let (enough, reached) = channel();
        let round = Arc::new(Round {
            http: process.http,
            number,
            graceful,
            drains: false,
            answered: AtomicUsize::new(0),
            until: 40 + self.choices.below(300) as usize,
            enough,
            bodies: AtomicU64::new(0),
            history: self.history.clone(),
        });
        let clients = ROLES.map(|role| {
            let client = Client {
                http: Http::user(round.http, "demo", "demo-secret"),
                choices: Choices(self.choices.below(u64::MAX)),
                round: round.clone(),
            };
            tasks::thread("client", move || client.run(role)).expect("a thread")
        });
        reached.recv().expect("the round keeps a sender");
        if graceful {
            process.terminate();
            let status = process.wait();
            assert_eq!(status.code(), Some(0), "{}", log_of(self.dir.path()));
        } else {
            process.kill();
        }
        for client in clients {
            let ended = client.join();
            assert!(ended.is_ok(), "round {number}: a client failed");
        }
    }

    /// Consumes until nothing is left for either group.
    fn drain(&mut self, process: &Process) {
        let (enough, _reached) = channel();
        let round = Arc::new(Round {
            http: process.http,
            number: ROUNDS,
            graceful: false,
            drains: true,
            answered: AtomicUsize::new(0),
            until: usize::MAX,
            enough,
            bodies: AtomicU64::new(0),
            history: self.history.clone(),
        });
        for group in ["workers", "brittle"] {
            let mut http = Http::user(process.http, "demo", "demo-secret");
            let mut client = Client {
                http: Http::user(process.http, "demo", "demo-secret"),
                choices: Choices(self.choices.below(u64::MAX)),
                round: round.clone(),
            };
            loop {
                client.consume(group).expect("it runs");
                let lag = http.get(&format!("{INSTANCE}/groups/{group}/lag")).ok();
                let topics = lag["topics"].as_array().expect("topics").iter();
                let open = topics.filter(|topic| topic["topic"] != "%DLQ%brittle");
                let left = |topic: &Value| {
                    let scheduled = topic["scheduled"].as_u64().unwrap_or(0);
                    topic["lag"].as_u64().expect("a number") + scheduled
                };
                if open.map(left).sum::<u64>() == 0 {
                    break;
                }
            }
        }
    }

    fn check_end(&mut self, process: &Process) {
        self.ends = Default::default();
        self.verify(process);
        let mut http = Http::user(process.http, "demo", "demo-secret");
        let mut history = self.history.lock().expect("no client has failed");
        for broker in ["a", "b"] {
            let dead = |message: &Value| history.dead("brittle", message);
            read_queue(&mut http, "%25DLQ%25brittle", broker, 0, 0, dead);
        }
        history.check_delivered("workers");
        history.check_delivered("brittle");
    }
}

/// Reads a queue to its end and tells where that is.
fn read_queue(
    http: &mut Http,
    topic: &str,
    broker: &str,
    queue: u64,
    from: u64,
    mut see: impl FnMut(&Value),
) -> u64 {
    let mut offset = from;
    loop {
        let place = format!("broker={broker}&queueId={queue}&offset={offset}&max=1000");
        let page = http.get(&format!("{INSTANCE}/topics/{topic}/messages?{place}"));
        let page = page.ok();
        let messages = page["messages"].as_array().expect("messages");
        if messages.is_empty() {
            return offset;
        }
        for message in messages {
            assert_eq!(message["queueOffset"], offset, "R3: {message}");
            see(message);
            offset += 1;
        }
    }
}

#[test]
fn nothing_answered_is_lost_to_kills() {
    let seed = u64::from_be_bytes(random::bytes());
    println!("seed {seed}");
    let dir = TempDir::new().expect("temporary directory");
    let bootstrap = dir.path().join("bootstrap.toml");
    fs::write(&bootstrap, BOOTSTRAP).expect("writable");
    let mut run = Run {
        dir,
        bootstrap,
        history: Arc::default(),
        choices: Choices(seed),
        ends: Default::default(),
    };
    let watch = Stopwatch::start();
    for number in 0..ROUNDS {
        let began = watch.elapsed();
        let process = run.start();
        let started = watch.elapsed();
        run.verify(&process);
        let verified = watch.elapsed();
        run.load(process, number);
        println!(
            "round {number}: start {:?}, verify {:?}, load {:?}",
            started - began,
            verified - started,
            watch.elapsed() - verified
        );
    }
    let process = run.start();
    run.drain(&process);
    run.check_end(&process);
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
    let totals = run.history.lock().expect("no client has failed").totals();
    println!("{totals:?} in {:?}", watch.elapsed());
    assert!(totals.answered > ROUNDS * 40, "{totals:?}");
    assert!(totals.acked > ROUNDS * 40, "{totals:?}");
    assert!(totals.unknown > 0, "no kill has met a send: {totals:?}");
}
