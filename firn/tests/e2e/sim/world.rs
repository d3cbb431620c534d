//! One life of a whole service under a seed: random clients, power cuts and jumps
//! of the clock, one thing after another.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use firn_storage_node::config::Mutant;
use serde_json::{Value, json};

use super::model::{Held, Message, Model, Reader};
use crate::http::Http;
use crate::stack::{ACME, Stack};

/// Redeliveries of the groups that count them.
const MAX_RETRIES: u64 = 2;
/// SEED_SPEC 2.3, as far as it is needed.
const PAUSES_MS: [u64; 2] = [10_000, 30_000];
const LEASE_MS: u64 = 30_000;
const DEDUP_MS: u64 = 600_000;

const READERS: [Reader; 8] = [
    reader("g1", "", "plain"),
    reader("g2", "", "plain"),
    reader("g1", "", "later"),
    reader("g1", "", "money"),
    reader("strict", "", "steps"),
    reader("parted", "", "steps"),
    reader("all", "m1", "plain"),
    reader("all", "m2", "plain"),
];

const fn reader(group: &'static str, member: &'static str, topic: &'static str) -> Reader {
    Reader {
        group,
        member,
        topic,
    }
}

/// What went wrong, or what happened, as text.
pub(crate) type Outcome = Result<String, String>;

pub(crate) struct World {
    stack: Stack,
    dice: u64,
    model: Model,
    sent: u64,
    /// Transactions that are not decided.
    open: Vec<(u64, String)>,
    /// Delayed messages that may be recalled.
    delayed: Vec<(u64, String)>,
    ids: BTreeMap<u64, (u64, Value)>,
    /// Everything that was answered: two runs of a seed have the same.
    trace: String,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let stack = Stack::with_mutant(mutant);
        let mut http = stack.demo();
        for (name, kind, queues) in [
            ("plain", "normal", 2),
            ("later", "delay", 2),
            ("steps", "fifo", 2),
            ("money", "transaction", 1),
            ("empty", "normal", 1),
        ] {
            let form = json!({"name": name, "type": kind, "queues": queues});
            http.post(&format!("{ACME}/topics"), &form).ok();
        }
        for (name, ordered) in [
            ("g1", false),
            ("g2", false),
            ("strict", true),
            ("parted", true),
            ("all", false),
            ("idle", false),
        ] {
            let form = json!({
                "name": name, "ordered": ordered, "maxRetries": MAX_RETRIES,
                "onPoison": if name == "parted" { "deadLetter" } else { "block" },
            });
            http.post(&format!("{ACME}/groups"), &form).ok();
        }
        Self {
            stack,
            dice: seed,
            model: Model::default(),
            sent: 0,
            open: Vec::new(),
            delayed: Vec::new(),
            ids: BTreeMap::new(),
            trace: String::new(),
        }
    }

    /// Splitmix: the same seed gives the same choices everywhere.
    fn below(&mut self, n: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    fn now(&self) -> u64 {
        self.stack.clock.now_ms()
    }

    fn note(&mut self, text: &str) {
        let _ = writeln!(self.trace, "{} {text}", self.now());
    }

    /// So many steps, then healing: the trace, or the first breach.
    pub(crate) fn run(mut self, steps: usize) -> Outcome {
        for _ in 0..steps {
            self.step()?;
        }
        self.heal()?;
        Ok(self.trace)
    }

    fn step(&mut self) -> Result<(), String> {
        match self.below(24) {
            0..=3 => self.send("plain"),
            4 | 5 => self.send("steps"),
            6 => self.send_delayed(),
            7 => self.begin(),
            8 => self.decide(),
            9 => self.recall(),
            10 => self.send_once()?,
            11..=15 => self.receive()?,
            16..=18 => self.ack()?,
            19 | 20 => self.fail()?,
            21 | 22 => self.pass_time(),
            _ => self.cut_power(),
        }
        Ok(())
    }

    fn add(
        &mut self,
        topic: &'static str,
        line: Option<String>,
        due: u64,
        is_visible: bool,
    ) -> u64 {
        self.sent += 1;
        let message = Message {
            topic,
            line,
            due,
            is_visible,
        };
        self.model.messages.insert(self.sent, message);
        self.sent
    }

    fn post(&mut self, path: &str, form: &Value) -> crate::http::Answer {
        self.http().post(&format!("{ACME}/{path}"), form)
    }

    fn http(&self) -> Http {
        self.stack.demo()
    }

    fn send(&mut self, topic: &'static str) {
        let count = 1 + self.below(3);
        let mut batch = Vec::new();
        for _ in 0..count {
            let line = (topic == "steps").then(|| format!("line {}", self.below(3)));
            let number = self.add(topic, line.clone(), 0, true);
            batch.push(json!({"body": number.to_string(), "messageGroup": line}));
        }
        let path = format!("topics/{topic}/messages");
        let answer = self.post(&path, &json!({"messages": batch})).ok();
        self.note(&format!("sent {}", places(&answer)));
    }

    fn send_delayed(&mut self) {
        let span = [500, 20_000, 4_000_000][self.below(3) as usize];
        let due = self.now() + 1 + self.below(span);
        let number = self.add("later", None, due, true);
        let form = json!({"messages": [{"body": number.to_string(), "deliverAt": due}]});
        let answer = self.post("topics/later/messages", &form).ok();
        let handle = answer["results"][0]["recallHandle"].as_str();
        self.delayed
            .push((number, handle.expect("a handle").to_owned()));
        self.note(&format!("delayed {number} until {due}"));
    }

    fn recall(&mut self) {
        if self.delayed.is_empty() {
            return;
        }
        let at = self.below(self.delayed.len() as u64) as usize;
        let (number, handle) = self.delayed.swap_remove(at);
        let form = json!({"recallHandle": handle});
        let status = self.post("topics/later/messages/recall", &form).status;
        let is_due = self.model.messages[&number].due <= self.now();
        assert!(
            status == 200 || (status == 409 && is_due),
            "recall: {status}"
        );
        if status == 200
            && let Some(message) = self.model.messages.get_mut(&number)
        {
            message.is_visible = false;
        }
        self.note(&format!("recall {number}: {status}"));
    }

    fn begin(&mut self) {
        let number = self.add("money", None, 0, false);
        let form = json!({"body": number.to_string()});
        let answer = self.post("topics/money/transactions", &form).ok();
        let id = answer["transactionId"].as_str().expect("an id").to_owned();
        self.open.push((number, id));
        self.note(&format!("begun {number}"));
    }

    fn decide(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let at = self.below(self.open.len() as u64) as usize;
        let (number, id) = self.open.swap_remove(at);
        let commit = self.below(2) == 0;
        let how = if commit { "commit" } else { "rollback" };
        let path = format!("topics/money/transactions/{id}/{how}");
        self.post(&path, &json!({})).ok();
        if let Some(message) = self.model.messages.get_mut(&number) {
            message.is_visible = commit;
        }
        self.note(&format!("{how} {number}"));
    }

    fn send_once(&mut self) -> Result<(), String> {
        let id = self.below(4);
        let now = self.now();
        let known = self
            .ids
            .get(&id)
            .filter(|(at, _)| now - at < DEDUP_MS)
            .cloned();
        let number = match &known {
            Some(_) => 0,
            None => self.add("plain", None, 0, true),
        };
        let form =
            json!({"messages": [{"body": number.to_string(), "dedupId": format!("id {id}")}]});
        let result = self.post("topics/plain/messages", &form).ok()["results"][0].clone();
        match known {
            Some((_, first)) if first != result => {
                return Err(format!("R16: {first} and {result}"));
            }
            Some(_) => {}
            None => {
                self.ids.insert(id, (now, result));
            }
        }
        self.note(&format!("once {number}"));
        Ok(())
    }

    fn any_reader(&mut self) -> Reader {
        READERS[self.below(READERS.len() as u64) as usize]
    }

    fn receive(&mut self) -> Result<(), String> {
        let reader = self.any_reader();
        let max = 1 + self.below(8);
        self.receive_for(reader, max).map(drop)
    }

    fn receive_for(&mut self, reader: Reader, max: u64) -> Result<usize, String> {
        let mut form = json!({"max": max, "invisibleSeconds": LEASE_MS / 1000});
        if !reader.member.is_empty() {
            form["mode"] = json!("broadcasting");
            form["consumerId"] = json!(reader.member);
        }
        let path = format!("groups/{}/topics/{}/receive", reader.group, reader.topic);
        let answer = self.post(&path, &form).ok();
        let messages = answer["messages"].as_array().expect("a list").clone();
        let now = self.now();
        let mut noted = String::new();
        for message in &messages {
            let body = message["body"].as_str().expect("text");
            let held = Held {
                number: body.parse().expect("a number"),
                handle: message["receiptHandle"].as_str().expect("text").to_owned(),
                attempt: message["attempt"].as_u64().expect("a number"),
                until: message["invisibleUntil"].as_u64().expect("a time"),
            };
            let _ = write!(noted, " {body}/{}", held.attempt);
            self.model
                .deliver(reader, held, now)
                .map_err(|breach| format!("{breach} ({reader:?}, {now})"))?;
        }
        self.note(&format!(
            "{}/{}{} got{noted}",
            reader.group, reader.member, reader.topic
        ));
        Ok(messages.len())
    }

    /// A delivery of some reader that is under way.
    fn any_held(&mut self) -> Option<(Reader, Held)> {
        let reader = self.any_reader();
        let count = self
            .model
            .given
            .get(&reader)
            .map_or(0, |given| given.held.len());
        if count == 0 {
            return None;
        }
        let at = self.below(count as u64) as usize;
        let held = self.model.given[&reader].held.values().nth(at).cloned();
        held.map(|held| (reader, held))
    }

    fn ack(&mut self) -> Result<(), String> {
        match self.any_held() {
            Some((reader, held)) => self.ack_one(reader, &held),
            None => Ok(()),
        }
    }

    fn ack_one(&mut self, reader: Reader, held: &Held) -> Result<(), String> {
        let path = format!("groups/{}/topics/{}/ack", reader.group, reader.topic);
        let form = json!({"receiptHandles": [held.handle]});
        let answer = self.post(&path, &form).ok();
        let status = answer["results"][0]["status"]
            .as_str()
            .expect("text")
            .to_owned();
        let number = held.number;
        let given = self.model.given.entry(reader).or_default();
        given.held.remove(&number);
        match status.as_str() {
            "OK" => {
                given.acked.insert(number);
            }
            "LEASE_EXPIRED" if held.until <= self.stack.clock.now_ms() => {}
            other => return Err(format!("R6: ack of {number} within its lease: {other}")),
        }
        self.note(&format!("{} acks {number}: {status}", reader.group));
        Ok(())
    }

    fn fail(&mut self) -> Result<(), String> {
        let Some((reader, held)) = self.any_held() else {
            return Ok(());
        };
        let path = format!("groups/{}/topics/{}/visibility", reader.group, reader.topic);
        let form = json!({"receiptHandle": held.handle, "invisibleSeconds": 0});
        let status = self.post(&path, &form).status;
        let (now, number) = (self.now(), held.number);
        let given = self.model.given.entry(reader).or_default();
        given.held.remove(&number);
        match status {
            200 if is_last(reader, held.attempt) => {
                given.buried.insert(number);
            }
            200 => {
                given
                    .not_before
                    .insert(number, now + pause_ms(reader, held.attempt));
            }
            409 if held.until <= now => {}
            status => {
                return Err(format!(
                    "R6: failure of {number} within its lease: {status}"
                ));
            }
        }
        self.note(&format!("{} fails {number}: {status}", reader.group));
        Ok(())
    }

    fn pass_time(&mut self) {
        let span = [2_000, 40_000, 4_000_000][self.below(3) as usize];
        let ms = 1 + self.below(span);
        self.stack.advance_ms(ms);
        self.expire();
        self.note("time");
    }

    /// Leases whose last redelivery passed are dead letters: the reader cannot know.
    fn expire(&mut self) {
        let now = self.now();
        for (reader, given) in &mut self.model.given {
            let gone = given.held.values().filter(|held| held.until <= now);
            let gone = gone.filter(|held| is_last(*reader, held.attempt));
            let gone: Vec<u64> = gone.map(|held| held.number).collect();
            for number in gone {
                given.held.remove(&number);
                given.buried.insert(number);
            }
        }
        self.settle();
    }

    /// What was due is done, and seen, before anything else is asked: else it would
    /// depend on the machine's threads what the next call finds.
    fn settle(&mut self) {
        // Whoever asks a broker for messages has it do what is due first.
        for _ in 0..2 {
            self.post("groups/idle/topics/empty/receive", &json!({}))
                .ok();
        }
        for reader in READERS {
            let path = format!("groups/{}/lag", reader.group);
            self.http().get(&format!("{ACME}/{path}")).ok();
        }
    }

    fn cut_power(&mut self) {
        let seed = self.below(u64::MAX);
        self.stack.cut_power(seed);
        self.model.crash();
        self.settle();
        self.note("power");
    }

    /// All faults are over: everything comes to everybody (L1, L2, R1).
    fn heal(&mut self) -> Result<(), String> {
        for (number, id) in std::mem::take(&mut self.open) {
            let path = format!("topics/money/transactions/{id}/commit");
            self.post(&path, &json!({})).ok();
            if let Some(message) = self.model.messages.get_mut(&number) {
                message.is_visible = true;
            }
        }
        for _ in 0..100 {
            self.stack.advance_ms(301_000);
            self.expire();
            for reader in READERS {
                while self.receive_for(reader, 64)? > 0 {
                    let held: Vec<Held> =
                        self.model.given[&reader].held.values().cloned().collect();
                    for held in held {
                        self.ack_one(reader, &held)?;
                    }
                }
            }
            if READERS
                .iter()
                .all(|reader| self.model.missing(*reader).is_empty())
            {
                return Ok(());
            }
        }
        let missing = READERS
            .iter()
            .map(|reader| (reader, self.model.missing(*reader)));
        let missing: Vec<_> = missing.filter(|(_, numbers)| !numbers.is_empty()).collect();
        Err(format!("R1: {missing:?}"))
    }
}

/// Whether a failure of this delivery was the last one.
fn is_last(reader: Reader, attempt: u64) -> bool {
    reader.group != "strict" && attempt > MAX_RETRIES
}

/// How long a failure that was told keeps a message back.
fn pause_ms(reader: Reader, attempt: u64) -> u64 {
    match reader.topic {
        "steps" => 1_000,
        _ => PAUSES_MS[attempt as usize - 1],
    }
}

/// Where messages of a send are, in short.
fn places(answer: &Value) -> String {
    let results = answer["results"].as_array().expect("a list").iter();
    let places = results.map(|one| {
        format!(
            "{}/{}/{}",
            one["broker"], one["queueId"], one["queueOffset"]
        )
    });
    places.collect::<Vec<_>>().join(" ")
}
