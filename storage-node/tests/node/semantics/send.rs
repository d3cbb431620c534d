//! Sends of every kind, and what is decided about messages that are held.

use firn_protocol::api::hold::{
    ChecksRequest, Decided, HoldApi, HoldRequest, PrepareRequest, Recalled, StoredOnce,
    UniqueMessage, UniqueRequest,
};
use firn_protocol::api::storage::{AppendRequest, StorageApi};
use firn_protocol::ids::{Offset, Position, TopicId, TopicKey, UniqueId};
use firn_protocol::message::{MessageId, NewMessage};
use firn_protocol::receipt::HeldPlace;
use firn_protocol::time::Timestamp;

use super::System;
use super::model::{Checked, Delayed, Fate, Half, Place, Record, Sent, WINDOW_MS, ensure};
use super::ops::{DAY_MS, DELAYS_MS, QUEUES, TOPICS, To};
use crate::harness::{BROKERS, context, message, queue_key};

/// Before the first check (SEED_SPEC 2.1).
const CHECK_AFTER_MS: u64 = 6_000;
/// What became of a delayed message is remembered for two days.
const FORGOTTEN_MS: u64 = 2 * DAY_MS;

impl To {
    fn place(self) -> Place {
        (TOPICS[self.topic], u16::from(self.line) % QUEUES)
    }
}

fn producers(number: u8) -> String {
    format!("producers {number}")
}

impl System {
    fn content(&mut self, line: u8, due: Option<u64>) -> (u64, NewMessage) {
        self.sent += 1;
        let content = NewMessage {
            message_group: (line > 0).then(|| format!("line {line}")),
            deliver_at: due.map(Timestamp),
            ..message(self.sent, None)
        };
        (self.sent, content)
    }

    fn note_sent(&mut self, broker: usize, number: u64, content: NewMessage, id: MessageId) {
        let sent = Sent { content, id };
        self.models[broker].sent.insert(number, sent);
    }

    pub(super) fn send(&mut self, to: To, count: usize) -> Checked {
        let (broker, place) = (to.broker, to.place());
        let new: Vec<_> = (0..count).map(|_| self.content(to.line, None)).collect();
        let request = AppendRequest {
            broker: BROKERS[broker],
            queue: queue_key(place.0, place.1),
            messages: new.iter().map(|(_, content)| content.clone()).collect(),
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.append(&context(1), request));
        let answer = answer.map_err(|error| format!("L1: send: {error}"))?;
        self.learn(broker, place, Some(answer.offset.0))?;
        for ((number, content), id) in new.into_iter().zip(answer.message_ids) {
            let record = Record {
                number,
                line: content.message_group.clone(),
                stored_at: answer.stored_at.0,
            };
            let queue = self.models[broker].queues.entry(place).or_default();
            queue.records.push(record);
            self.note_sent(broker, number, content, id);
        }
        self.models[broker].durable();
        Ok(())
    }

    pub(super) fn hold(&mut self, to: To, delays: &[usize]) -> Checked {
        let (broker, place, now) = (to.broker, to.place(), self.now());
        let new: Vec<_> = delays
            .iter()
            .map(|&delay| self.content(to.line, Some(now + DELAYS_MS[delay])))
            .collect();
        let request = HoldRequest {
            broker: BROKERS[broker],
            queue: queue_key(place.0, place.1),
            messages: new.iter().map(|(_, content)| content.clone()).collect(),
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.hold(&context(1), request));
        let answer = answer.map_err(|error| format!("L1: hold: {error}"))?;
        ensure!(answer.len() == new.len(), "R1: {answer:?} of {new:?}");
        for ((number, content), held) in new.into_iter().zip(answer) {
            let held = held.map_err(|error| format!("L1: hold: {error}"))?;
            let due = content.deliver_at.map_or(0, |at| at.0);
            self.note_sent(broker, number, content, held.message_id);
            self.note_delayed(broker, number, place, held.place, due);
        }
        self.models[broker].durable();
        Ok(())
    }

    fn note_delayed(&mut self, broker: usize, number: u64, to: Place, at: HeldPlace, due: u64) {
        self.models[broker].delayed.push(Delayed {
            number,
            to,
            place: at,
            due,
            fate: Fate::Waits,
        });
    }

    pub(super) fn recall(&mut self, broker: usize, pick: usize, forged: bool) -> Checked {
        let now = self.now();
        let model = &self.models[broker];
        let Some(at) = model.delayed.len().checked_sub(1 + pick) else {
            return Ok(());
        };
        let one = model.delayed[at].clone();
        let mut place = one.place;
        if forged {
            place.position = Position(place.position.0 + 1_000_000);
        }
        let node = self.bench.node().clone();
        let answer = self.wait(node.recall(&context(1), place));
        let answer = answer.map_err(|error| format!("L1: recall: {error}"))?;
        if forged {
            ensure!(answer == Recalled::Unknown, "R14: forged: {answer:?}");
            return Ok(());
        }
        self.models[broker].durable();
        let is_forgotten = one.due + FORGOTTEN_MS <= now && answer == Recalled::Unknown;
        let is_right = match one.fate {
            Fate::Recalled | Fate::Fired if is_forgotten => return Ok(()),
            Fate::Recalled => answer == Recalled::Done,
            Fate::Fired => answer == Recalled::AlreadyDelivered,
            Fate::Waits if now < one.due => answer == Recalled::Done,
            Fate::Waits => is_forgotten || answer != Recalled::Unknown,
        };
        ensure!(is_right, "R8: recall of {one:?} at {now} is {answer:?}");
        if answer == Recalled::Done {
            self.models[broker].delayed[at].fate = Fate::Recalled;
        } else {
            self.learn(broker, one.to, None)?;
            let fate = self.models[broker].delayed[at].fate;
            ensure!(fate == Fate::Fired, "R1: {one:?} is nowhere");
        }
        Ok(())
    }

    pub(super) fn begin(&mut self, to: To, by: u8) -> Checked {
        let (broker, place) = (to.broker, to.place());
        let (number, content) = self.content(to.line, None);
        let request = PrepareRequest {
            broker: BROKERS[broker],
            queue: queue_key(place.0, place.1),
            message: content.clone(),
            producers: producers(by),
            check_after_ms: CHECK_AFTER_MS,
        };
        let node = self.bench.node().clone();
        let held = self.wait(node.prepare(&context(1), request));
        let held = held.map_err(|error| format!("L1: prepare: {error}"))?;
        self.note_sent(broker, number, content, held.message_id);
        self.models[broker].halves.push(Half {
            number,
            to: place,
            place: held.place,
            producers: producers(by),
            next_check: self.now() + CHECK_AFTER_MS,
            checks: 0,
            decision: None,
        });
        self.models[broker].durable();
        Ok(())
    }

    pub(super) fn decide(&mut self, broker: usize, pick: usize, commit: bool) -> Checked {
        let Some(at) = self.models[broker].halves.len().checked_sub(1 + pick) else {
            return Ok(());
        };
        let half = self.models[broker].halves[at].clone();
        let node = self.bench.node().clone();
        let elsewhere = HeldPlace {
            position: Position(half.place.position.0 + 1_000_000),
            ..half.place
        };
        let answer = self.wait(node.decide(&context(1), elsewhere, commit));
        let answer = answer.map_err(|error| format!("L1: decide: {error}"))?;
        ensure!(answer == Decided::Unknown, "R14: forged: {answer:?}");
        let answer = self.wait(node.decide(&context(1), half.place, commit));
        let answer = answer.map_err(|error| format!("L1: decide: {error}"))?;
        let expected = match half.decision {
            Some(before) if before != commit => Decided::Opposite,
            Some(_) | None => Decided::Done,
        };
        ensure!(
            answer == expected,
            "R14: {commit} for {half:?} is {answer:?}"
        );
        let model = &mut self.models[broker];
        model.durable();
        if half.decision.is_none() {
            model.halves[at].decision = Some(commit);
            if commit {
                model.coming.push((half.number, half.to));
            }
            self.learn(broker, half.to, None)?;
            self.models[broker].all_came()?;
        }
        Ok(())
    }

    /// What was decided stays so, however often it is asked.
    pub(super) fn ask_again(&mut self, broker: usize) -> Checked {
        for pick in 0..self.models[broker].delayed.len() {
            let at = self.models[broker].delayed.len() - 1 - pick;
            if self.models[broker].delayed[at].fate != Fate::Waits {
                self.recall(broker, pick, false)?;
            }
        }
        for pick in 0..self.models[broker].halves.len() {
            let at = self.models[broker].halves.len() - 1 - pick;
            if self.models[broker].halves[at].decision.is_some() {
                self.decide(broker, pick, true)?;
                self.decide(broker, pick, false)?;
            }
        }
        Ok(())
    }

    pub(super) fn check(&mut self, broker: usize, topic: usize, by: u8, max: usize) -> Checked {
        let now = self.now();
        let request = ChecksRequest {
            broker: BROKERS[broker],
            topic: TopicKey::User(TopicId(TOPICS[topic])),
            producers: producers(by),
            max,
        };
        let node = self.bench.node().clone();
        let asked = self.wait(node.checks(&context(1), request));
        let asked = asked.map_err(|error| format!("L1: checks: {error}"))?;
        let model = &mut self.models[broker];
        if !asked.is_empty() {
            model.durable();
        }
        let is_due = |half: &Half| {
            half.is_to_check(now) && half.to.0 == TOPICS[topic] && half.producers == producers(by)
        };
        let due = model.halves.iter().filter(|half| is_due(half)).count();
        ensure!(
            asked.len() == due.min(max),
            "R14: asked about {asked:?}, {due} are due"
        );
        for one in asked {
            let number = model.compare(&one.message)?;
            let half = model.halves.iter_mut().find(|half| half.number == number);
            let half = half.filter(|half| is_due(half));
            let half = half.ok_or_else(|| format!("R14: asked about {one:?}"))?;
            half.checks += 1;
            half.next_check = now + super::model::CHECK_EVERY_MS;
            half.compare(&one, now)?;
        }
        Ok(())
    }

    pub(super) fn check_rounds(&mut self, broker: usize, topic: usize, rounds: usize) -> Checked {
        for _ in 0..rounds {
            let halves = self.models[broker].halves.iter();
            let asked = halves.filter(|half| half.decision.is_none() && half.to.0 == TOPICS[topic]);
            let times = asked.map(|half| half.next_check);
            let Some(next) = times.filter(|at| *at > self.now()).min() else {
                break;
            };
            self.advance(next - self.now());
            for by in 0..2 {
                self.check(broker, topic, by, 16)?;
            }
        }
        Ok(())
    }

    /// Undecided half messages are told as they are.
    pub(super) fn look_at_halves(&mut self, broker: usize, topic: u64) -> Checked {
        let now = self.now();
        let node = self.bench.node().clone();
        let (ctx, key) = (context(1), TopicKey::User(TopicId(topic)));
        for given_up in [Some(false), Some(true)] {
            let (from, id) = (Offset(0), BROKERS[broker]);
            let told = node.half_messages(&ctx, id, key, given_up, from, 1000);
            let told = self.wait(told);
            let told = told.map_err(|error| format!("L1: halves: {error}"))?;
            let model = &self.models[broker];
            let open = model.halves.iter().filter(|half| {
                half.decision.is_none()
                    && half.to.0 == topic
                    && given_up == Some(half.is_given_up(now))
            });
            let open: Vec<&Half> = open.collect();
            ensure!(
                open.len() == told.len(),
                "R14: undecided are {told:?}, not {open:?}"
            );
            for (half, told) in open.iter().zip(&told) {
                half.compare(told, now)?;
                ensure!(
                    model.compare(&told.message)? == half.number,
                    "R14: {half:?} is told as {told:?}"
                );
            }
        }
        Ok(())
    }

    pub(super) fn unique(
        &mut self,
        broker: usize,
        place: Place,
        ids: &[u8],
        delay: Option<usize>,
    ) -> Checked {
        let now = self.now();
        let due = delay.map(|delay| now + DELAYS_MS[delay]);
        let new: Vec<_> = ids.iter().map(|_| self.content(0, due)).collect();
        let messages = new.iter().zip(ids).map(|((_, content), id)| UniqueMessage {
            message: content.clone(),
            id: UniqueId::of(TopicId(place.0), &format!("id {id}")),
        });
        let request = UniqueRequest {
            broker: BROKERS[broker],
            queue: queue_key(place.0, place.1),
            messages: messages.collect(),
            routed: None,
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.append_unique(&context(1), request));
        let answer = answer.map_err(|error| format!("L1: append_unique: {error}"))?;
        self.models[broker].durable();
        ensure!(answer.len() == ids.len(), "R16: {answer:?} of {ids:?}");
        let mut appended = Vec::new();
        for (((number, content), id), stored) in new.into_iter().zip(ids).zip(answer) {
            let stored = stored.map_err(|error| format!("L1: append_unique: {error}"))?;
            let known = self.models[broker].ids.get(&(place.0, *id));
            if let Some((at, first)) = known.filter(|(at, _)| now - at < WINDOW_MS) {
                ensure!(
                    stored == *first,
                    "R16: id {id} of {at} is {first:?}, answered {stored:?}"
                );
                continue;
            }
            let ids = &mut self.models[broker].ids;
            ids.insert((place.0, *id), (now, stored.clone()));
            self.note_sent(broker, number, content, stored.message_id);
            self.note_once(broker, number, place, &stored, due)?;
            if let Some(offset) = stored.offset {
                appended.push((number, (place.0, place.1, offset.0)));
            }
        }
        self.learn(broker, place, None)?;
        let model = &self.models[broker];
        model.all_came()?;
        for (number, key) in appended {
            let record = model.record(key).map(|record| record.number);
            ensure!(
                record == Some(number),
                "R16: {number} is not at {key:?}, but {record:?}"
            );
        }
        Ok(())
    }

    /// The first message of an id.
    fn note_once(
        &mut self,
        broker: usize,
        number: u64,
        place: Place,
        stored: &StoredOnce,
        due: Option<u64>,
    ) -> Checked {
        ensure!(
            stored.queue.0 == place.1 && stored.held.is_some() == due.is_some(),
            "R16: sent to {place:?}, due {due:?}, is {stored:?}"
        );
        if let Some((due, held)) = due.zip(stored.held) {
            self.note_delayed(broker, number, place, held, due);
            return Ok(());
        }
        ensure!(stored.offset.is_some(), "R16: {stored:?} is nowhere");
        self.models[broker].coming.push((number, place));
        Ok(())
    }
}
