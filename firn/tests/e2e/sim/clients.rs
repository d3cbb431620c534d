//! What clients do: send, decide, recall, receive, acknowledge, fail.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::filters::{Mark, WISHES, Wish};
use super::model::{Held, Message, Reader};
use super::world::{MAX_RETRIES, READERS, World};

/// SEED_SPEC 2.3, as far as it is needed.
const PAUSES_MS: [u64; 2] = [10_000, 30_000];
const LEASE_MS: u64 = 30_000;
const DEDUP_MS: u64 = 600_000;

impl World {
    fn add(
        &mut self,
        topic: &'static str,
        line: Option<String>,
        due: u64,
        is_visible: bool,
    ) -> u64 {
        self.own.sent += 1;
        let message = Message {
            topic,
            line,
            due,
            is_visible,
            mark: Mark::default(),
        };
        self.own.model.messages.insert(self.own.sent, message);
        self.own.sent
    }

    pub(super) fn send(&mut self, topic: &'static str) {
        let count = 1 + self.below(3);
        let (mut batch, mut numbers) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let line = (topic == "steps").then(|| format!("line {}", self.below(3)));
            let number = self.add(topic, line.clone(), 0, true);
            if topic == "marked" {
                let mark = Mark::new(self.below(4), self.below(10));
                let message = self.own.model.messages.entry(number);
                message.and_modify(|it| it.mark = mark);
            }
            let mut one = self.own.content(number).form();
            one["messageGroup"] = json!(line);
            batch.push(one);
            numbers.push(number);
        }
        let path = format!("topics/{topic}/messages");
        let answer = self.post(&path, &json!({"messages": batch})).ok();
        numbers
            .into_iter()
            .for_each(|number| self.count_sent(number));
        self.note(&format!("sent {}", places(&answer)));
    }

    /// A send was answered.
    fn count_sent(&mut self, number: u64) {
        let (now, content) = (self.now(), self.own.content(number));
        let topic = self.own.model.messages[&number].topic;
        self.own.history[0].count(now, topic, false, content.counts());
    }

    pub(super) fn send_delayed(&mut self) {
        let span = [500, 20_000, 4_000_000][self.below(3) as usize];
        let due = self.now() + 1 + self.below(span);
        let number = self.add("later", None, due, true);
        let mut message = self.own.content(number).form();
        message["deliverAt"] = json!(due);
        let form = json!({"messages": [message]});
        let answer = self.post("topics/later/messages", &form).ok();
        self.count_sent(number);
        let handle = answer["results"][0]["recallHandle"].as_str();
        self.own
            .delayed
            .push((number, handle.expect("a handle").to_owned()));
        self.note(&format!("delayed {number} until {due}"));
    }

    pub(super) fn recall(&mut self) -> Result<(), String> {
        if self.own.delayed.is_empty() {
            return Ok(());
        }
        let at = self.below(self.own.delayed.len() as u64) as usize;
        let (number, handle) = self.own.delayed.swap_remove(at);
        let form = json!({"recallHandle": handle});
        let answer = self.post("topics/later/messages/recall", &form);
        if self.is_away(&answer) {
            self.own.delayed.push((number, handle));
            self.note(&format!("recall {number} later"));
            return Ok(());
        }
        let status = answer.status;
        let is_due = self.own.model.messages[&number].due <= self.now();
        if status != 200 && !(status == 409 && is_due) {
            return Err(format!("R8: recall of {number} before its time: {status}"));
        }
        if status == 200
            && let Some(message) = self.own.model.messages.get_mut(&number)
        {
            message.is_visible = false;
        }
        self.note(&format!("recall {number}: {status}"));
        Ok(())
    }

    pub(super) fn begin(&mut self) {
        let number = self.add("money", None, 0, false);
        let form = self.own.content(number).form();
        let answer = self.post("topics/money/transactions", &form).ok();
        self.count_sent(number);
        let id = answer["transactionId"].as_str().expect("an id").to_owned();
        self.own.open.push((number, id));
        self.note(&format!("begun {number}"));
    }

    pub(super) fn decide(&mut self) {
        if self.own.open.is_empty() {
            return;
        }
        let at = self.below(self.own.open.len() as u64) as usize;
        let (number, id) = self.own.open.swap_remove(at);
        let commit = self.below(2) == 0;
        let how = if commit { "commit" } else { "rollback" };
        let path = format!("topics/money/transactions/{id}/{how}");
        let answer = self.post(&path, &json!({}));
        if self.is_away(&answer) {
            self.own.open.push((number, id));
            self.note(&format!("{how} {number} later"));
            return;
        }
        answer.ok();
        if let Some(message) = self.own.model.messages.get_mut(&number) {
            message.is_visible = commit;
        }
        self.note(&format!("{how} {number}"));
    }

    pub(super) fn send_once(&mut self) -> Result<(), String> {
        let id = self.below(4);
        let now = self.now();
        let known = self
            .own
            .ids
            .get(&id)
            .filter(|(at, _)| now - at < DEDUP_MS)
            .cloned();
        let number = match &known {
            Some(_) => 0,
            None => self.add("plain", None, 0, true),
        };
        let mut message = self.own.content(number).form();
        message["dedupId"] = json!(format!("id {id}"));
        let form = json!({"messages": [message]});
        let answer = self.post("topics/plain/messages", &form);
        if known.is_some() && self.is_away(&answer) {
            self.note("once later");
            return Ok(());
        }
        let result = answer.ok()["results"][0].clone();
        match known {
            Some((_, first)) if first != result => {
                return Err(format!("R16: {first} and {result}"));
            }
            Some(_) => {}
            None => {
                self.own.ids.insert(id, (now, result));
                self.count_sent(number);
            }
        }
        self.note(&format!("once {number}"));
        Ok(())
    }

    pub(super) fn receive(&mut self) -> Result<(), String> {
        let reader = READERS[self.below(READERS.len() as u64) as usize];
        let max = 1 + self.below(8);
        self.receive_for(reader, None, max).map(drop)
    }

    /// A member of a group receives what it wants.
    pub(super) fn receive_wanted(&mut self) -> Result<(), String> {
        let wish = &WISHES[self.below(WISHES.len() as u64) as usize];
        let max = 1 + self.below(8);
        self.receive_for(wish.reader, Some(wish), max).map(drop)
    }

    /// The number of messages that came.
    pub(super) fn receive_for(
        &mut self,
        reader: Reader,
        wish: Option<&Wish>,
        max: u64,
    ) -> Result<usize, String> {
        let mut form = json!({"max": max, "invisibleSeconds": LEASE_MS / 1000});
        if let Some(wish) = wish {
            let expression = wish.text(self.own.tenant.mark);
            form["filter"] = json!({"type": wish.kind, "expression": expression});
            let now = self.stack.clock.now_ms();
            self.own.claims.call(wish, &self.own.model.messages, now);
        }
        form["consumerId"] = json!(self.own.tenant.mark);
        if !reader.member.is_empty() {
            form["mode"] = json!("broadcasting");
            form["consumerId"] = json!(reader.member);
        }
        let path = format!("groups/{}/topics/{}/receive", reader.group, reader.topic);
        let answer = self.post(&path, &form);
        if self.is_away(&answer) {
            if let Some(wish) = wish {
                self.own.claims.call_failed(wish);
            }
            self.note(&format!(
                "{}/{} got nothing yet",
                reader.group, reader.topic
            ));
            return Ok(0);
        }
        let answer = answer.ok();
        let messages = answer["messages"].as_array().expect("a list").clone();
        let now = self.now();
        let mut noted = String::new();
        for message in &messages {
            let number = self.known(message)?;
            let content = self.own.content(number);
            self.own.history[0].count(now, reader.topic, true, content.counts());
            let held = Held {
                number,
                handle: message["receiptHandle"].as_str().expect("text").to_owned(),
                attempt: message["attempt"].as_u64().expect("a number"),
                until: message["invisibleUntil"].as_u64().expect("a time"),
            };
            let _ = write!(noted, " {number}/{}", held.attempt);
            let delivered = self.own.model.deliver(reader, held, wish, now);
            delivered.map_err(|breach| format!("{breach} ({reader:?}, {now})"))?;
        }
        self.note(&format!(
            "{}/{}{}{} got{noted}",
            reader.group,
            reader.member,
            reader.topic,
            wish.map_or("", |wish| wish.expression)
        ));
        Ok(messages.len())
    }

    /// A delivery of some reader that is under way.
    fn any_held(&mut self) -> Option<(Reader, Held)> {
        let all = READERS.len() as u64 + WISHES.len() as u64;
        let at = self.below(all) as usize;
        let reader = READERS.get(at).copied();
        let reader = reader.unwrap_or_else(|| WISHES[at - READERS.len()].reader);
        let count = self
            .own
            .model
            .given
            .get(&reader)
            .map_or(0, |given| given.held.len());
        if count == 0 {
            return None;
        }
        let at = self.below(count as u64) as usize;
        let held = self.own.model.given[&reader].held.values().nth(at).cloned();
        held.map(|held| (reader, held))
    }

    pub(super) fn ack(&mut self) -> Result<(), String> {
        match self.any_held() {
            Some((reader, held)) => self.ack_one(reader, &held),
            None => Ok(()),
        }
    }

    pub(super) fn ack_one(&mut self, reader: Reader, held: &Held) -> Result<(), String> {
        let path = format!("groups/{}/topics/{}/ack", reader.group, reader.topic);
        let form = json!({"receiptHandles": [held.handle]});
        let answer = self.post(&path, &form).ok();
        let status = answer["results"][0]["status"]
            .as_str()
            .expect("text")
            .to_owned();
        let (now, number) = (self.now(), held.number);
        let given = self.own.model.given.entry(reader).or_default();
        given.held.remove(&number);
        match status.as_str() {
            "OK" => {
                given.acked.insert(number);
            }
            "LEASE_EXPIRED" if held.until <= now => {}
            // Finished, because nobody wanted it when its lease was over.
            "ALREADY_ACKED"
                if held.until <= now && self.own.claims.is_lost(reader.group, number) => {}
            "ALREADY_ACKED" if held.until <= now => {
                return Err(format!("R9: {number} is finished, and was wanted"));
            }
            other => return Err(format!("R6: ack of {number} within its lease: {other}")),
        }
        self.note(&format!("{} acks {number}: {status}", reader.group));
        Ok(())
    }

    pub(super) fn fail(&mut self) -> Result<(), String> {
        let Some((reader, held)) = self.any_held() else {
            return Ok(());
        };
        let path = format!("groups/{}/topics/{}/visibility", reader.group, reader.topic);
        let form = json!({"receiptHandle": held.handle, "invisibleSeconds": 0});
        let answer = self.post(&path, &form);
        let (now, number, status) = (self.now(), held.number, answer.status);
        if self.is_away(&answer) {
            self.note(&format!("{} fails {number} later", reader.group));
            return Ok(());
        }
        let given = self.own.model.given.entry(reader).or_default();
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
}

/// Whether a failure of this delivery was the last one.
pub(super) fn is_last(reader: Reader, attempt: u64) -> bool {
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
