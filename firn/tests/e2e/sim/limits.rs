//! R13: what plans let pass, on instances of which one floods and the other stays
//! within its plan.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::content::{Content, origin};
use super::filters::Mark;
use super::place::{SMALL_BURST_MS, SMALL_TPS, TENANTS};
use super::refusals::{Through, check_headers, check_refusal};
use super::world::World;
use crate::http::Answer;

const BASE: &str = "/v1/instances/small";
const FLOODS: usize = 0;
/// Who receives what, beside the flood.
const MEMBERS: [(&str, &str); 3] = [("g1", "wide"), ("g1", "narrow"), ("few", "wide")];
/// No lease ends in a life.
const LEASE_SECONDS: u64 = 43_200;
/// Between sends of the neighbour: the whole rate of its smallest limit.
const PACE_MS: u64 = 1000 / SMALL_TPS[1];

/// What happened on both small instances.
#[derive(Default)]
pub(super) struct Small {
    sides: [Numbers; TENANTS.len()],
    /// Since the gateways started.
    passed: Vec<Passed>,
    /// The neighbour's last send.
    paced_at: u64,
}

/// The messages of one of them.
#[derive(Default)]
struct Numbers {
    last: u64,
    /// By topic.
    accepted: [Vec<u64>; 2],
    refused: BTreeSet<u64>,
    /// By member and number.
    delivered: BTreeSet<(usize, u64)>,
}

/// Messages that passed at once, through these limits.
struct Passed {
    at: u64,
    count: u64,
    through: Through,
}

/// A send that was refused as a whole.
struct Refused {
    number: u64,
    topic: &'static str,
    wait_seconds: u64,
}

impl Small {
    /// Whoever starts has full limits.
    pub(super) fn gateway_started(&mut self) {
        self.passed.clear();
    }
}

impl World {
    /// Clients of one tenant's small instance ask for more than it may have.
    pub(super) fn flood(&mut self) -> Result<(), String> {
        let turned = self.own.tenant.id != TENANTS[FLOODS].id;
        if turned {
            self.turn();
        }
        let mut refused = None;
        for _ in 0..1 + self.below(4) {
            let ms = self.below(400);
            self.stack.advance_ms(ms);
            match self.below(4) {
                0 => self.receive_small()?,
                _ => refused = self.send_small()?.or(refused),
            }
            self.pace()?;
        }
        self.expire();
        if let Some(refused) = refused {
            self.come_again(&refused)?;
        }
        if turned {
            self.turn();
        }
        Ok(())
    }

    /// The neighbour sends as much as it may, and no more.
    fn pace(&mut self) -> Result<(), String> {
        if self.now() < self.small.paced_at + PACE_MS {
            return Ok(());
        }
        self.small.paced_at = self.now();
        self.turn();
        let number = self.next_small();
        let (answer, _) = self.post_small("narrow", &[number]);
        let outcome = match answer.status {
            200 => {
                self.accept(1, "narrow", number);
                Ok(())
            }
            status => {
                let text = answer.text();
                Err(format!("R13: a send within its plan: {status} {text}"))
            }
        };
        self.turn();
        outcome
    }

    fn numbers(&mut self) -> &mut Numbers {
        let floods = self.own.tenant.id == TENANTS[FLOODS].id;
        &mut self.small.sides[usize::from(!floods)]
    }

    fn next_small(&mut self) -> u64 {
        let numbers = self.numbers();
        numbers.last += 1;
        numbers.last
    }

    fn content_small(&self, number: u64) -> Content {
        Content {
            owner: self.own.tenant.mark,
            number,
            mark: Mark::default(),
        }
    }

    fn post_small(&mut self, topic: &str, numbers: &[u64]) -> (Answer, Value) {
        let entries = numbers.iter().map(|number| {
            let content = self.content_small(*number);
            let mut entry = content.form();
            // An id is used up by what was stored alone.
            if number.is_multiple_of(3) {
                entry["dedupId"] = json!(content.key());
            }
            entry
        });
        let form = json!({"messages": entries.collect::<Vec<_>>()});
        let path = format!("{BASE}/topics/{topic}/messages");
        let answer = self.http_small().post(&path, &form);
        self.look_at(&answer);
        let json = answer.json();
        (answer, json)
    }

    fn send_small(&mut self) -> Result<Option<Refused>, String> {
        let at = self.below(2) as usize;
        let topic = ["wide", "narrow"][at];
        let count = 1 + self.below(9);
        let numbers: Vec<u64> = (0..count).map(|_| self.next_small()).collect();
        let (answer, json) = self.post_small(topic, &numbers);
        let through = Through { topic, group: None };
        match answer.status {
            429 => {
                let wait_seconds = check_refusal(&json["error"], through)?;
                check_headers(&answer, &json["error"])?;
                self.refuse(&numbers);
                self.note(&format!("all {count} over the limit of {topic}"));
                Ok(Some(Refused {
                    number: numbers[0],
                    topic,
                    wait_seconds,
                }))
            }
            200 => {
                let results = json["results"].as_array().expect("a list");
                let mut accepted = Vec::new();
                for (number, result) in numbers.iter().zip(results) {
                    if result["error"].is_null() {
                        accepted.push(*number);
                    } else {
                        check_refusal(&result["error"], through)?;
                        self.refuse(&[*number]);
                    }
                }
                for number in &accepted {
                    self.accept(at, topic, *number);
                }
                self.pass(through, accepted.len() as u64)?;
                self.note(&format!("{} of {count} pass to {topic}", accepted.len()));
                Ok(None)
            }
            status => Err(format!("R13: a send: {status} {json}")),
        }
    }

    fn refuse(&mut self, numbers: &[u64]) {
        self.seen.refused += numbers.len() as u64;
        self.numbers().refused.extend(numbers);
    }

    fn accept(&mut self, narrow: usize, topic: &str, number: u64) {
        let now = self.now();
        let counts = self.content_small(number).counts();
        self.own.history[1].count(now, topic, false, counts);
        let place = self.topic_small(narrow, topic);
        place.push(number);
    }

    fn topic_small(&mut self, at: usize, topic: &str) -> &mut Vec<u64> {
        assert_eq!(topic, ["wide", "narrow"][at], "one place for each topic");
        &mut self.numbers().accepted[at]
    }

    /// After the time that a refusal named, one message passes; and what was refused
    /// has left nothing behind that would be in its way.
    fn come_again(&mut self, refused: &Refused) -> Result<(), String> {
        self.stack.advance_ms(refused.wait_seconds * 1000);
        self.expire();
        let (number, topic) = (refused.number, refused.topic);
        let (answer, json) = self.post_small(topic, &[number]);
        if answer.status != 200 {
            return Err(format!(
                "R13: after its Retry-After of {} s: {} {json}",
                refused.wait_seconds, answer.status
            ));
        }
        self.numbers().refused.remove(&number);
        self.accept(usize::from(topic == "narrow"), topic, number);
        self.note(&format!("again to {topic}"));
        self.pass(Through { topic, group: None }, 1)
    }

    fn receive_small(&mut self) -> Result<(), String> {
        if self.is_stormy {
            // Which of these messages a cache still has is chance.
            self.note("small: a storm");
            return Ok(());
        }
        let at = self.below(MEMBERS.len() as u64) as usize;
        let (group, topic) = MEMBERS[at];
        let form = json!({"max": 1 + self.below(8), "invisibleSeconds": LEASE_SECONDS});
        let base = format!("{BASE}/groups/{group}/topics/{topic}");
        let answer = self.http_small().post(&format!("{base}/receive"), &form);
        self.look_at(&answer);
        let through = Through {
            topic,
            group: Some(group),
        };
        let json = answer.json();
        if answer.status == 429 {
            check_headers(&answer, &json["error"])?;
            self.note(&format!("{group} is over its limit on {topic}"));
            return check_refusal(&json["error"], through).map(drop);
        }
        let messages = answer.ok()["messages"].as_array().expect("a list").clone();
        let narrow = usize::from(topic == "narrow");
        for message in &messages {
            let number = self.known_small(message, narrow)?;
            if message["attempt"] != 1 || !self.numbers().delivered.insert((at, number)) {
                return Err(format!("R6: message {number} of {topic} came twice"));
            }
            let (now, counts) = (self.now(), self.content_small(number).counts());
            self.own.history[1].count(now, topic, true, counts);
        }
        let handles: Vec<&Value> = messages.iter().map(|one| &one["receiptHandle"]).collect();
        if !handles.is_empty() {
            let form = json!({"receiptHandles": handles});
            self.http_small().post(&format!("{base}/ack"), &form).ok();
        }
        self.note(&format!("{} came to {group} of {topic}", messages.len()));
        self.pass(through, messages.len() as u64)
    }

    /// A message that was accepted, to the byte.
    fn known_small(&mut self, message: &Value, narrow: usize) -> Result<u64, String> {
        let own = self.own.tenant.mark;
        let Some((_, number)) = origin(message).filter(|(owner, _)| *owner == own) else {
            return Err(format!("R12: {own} is given {message}"));
        };
        if self.numbers().refused.contains(&number) {
            return Err(format!("R13: message {number} was refused, and is there"));
        }
        let is_accepted = self.numbers().accepted[narrow].contains(&number);
        if !is_accepted || !self.content_small(number).is(message) {
            return Err(format!("R2: nobody sent {message}"));
        }
        Ok(number)
    }

    /// No stretch of time that ends now saw more than its limits let pass.
    fn pass(&mut self, through: Through, count: u64) -> Result<(), String> {
        let (now, gateways) = (self.now(), self.gateways().len() as u64);
        let passed = Passed {
            at: now,
            count,
            through,
        };
        self.small.passed.push(passed);
        for (limit, tps, text) in through.limits() {
            // In thousandths of a message, as a rate of n a second is n a millisecond.
            let burst = (tps * SMALL_BURST_MS).max(tps).max(1000) * gateways;
            let mut sum = 0;
            for before in self.small.passed.iter().rev() {
                if !through.shares(limit, before.through) {
                    continue;
                }
                sum += 1000 * before.count;
                let may = tps * (now - before.at) + burst;
                if sum > may {
                    let ms = now - before.at;
                    return Err(format!(
                        "R13: {sum} thousandths of {text} passed in {ms} ms, {may} may"
                    ));
                }
            }
        }
        Ok(())
    }

    /// What was accepted is there, once, and nothing else: what was refused left no trace.
    pub(super) fn end_small(&mut self) -> Result<(), String> {
        self.for_each_tenant(|world| {
            for (at, topic) in ["wide", "narrow"].into_iter().enumerate() {
                let mut found = Vec::new();
                let mut more = String::new();
                loop {
                    let path = format!("{BASE}/topics/{topic}/peek?max=1000{more}");
                    let answer = world.http_small().get(&path);
                    world.look_at(&answer);
                    let page = answer.ok();
                    for message in page["messages"].as_array().expect("a list") {
                        found.push(world.known_small(message, at)?);
                    }
                    match page["cursor"].as_str() {
                        Some(cursor) => more = format!("&cursor={cursor}"),
                        None => break,
                    }
                }
                // Those with a dedup id are an entry of their own, in no fixed order.
                let mut accepted = world.numbers().accepted[at].clone();
                accepted.sort_unstable();
                found.sort_unstable();
                if found != accepted {
                    return Err(format!("R1: {found:?} of {accepted:?} are in {topic}"));
                }
            }
            Ok(())
        })
    }
}
