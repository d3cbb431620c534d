//! R12, seen from a tenant: every byte of an answer is its own, and every message is
//! the one that it sent.

use serde_json::Value;

use super::content::{SHARED_KEY, origin};
use super::world::World;
use crate::http::Answer;

const TOPICS: [&str; 5] = ["plain", "later", "steps", "money", "marked"];

impl World {
    /// Keeps what an answer told, and what it should not have.
    pub(super) fn look_at(&mut self, answer: &Answer) {
        let mut text = answer.text();
        for (name, value) in &answer.headers {
            text += &format!("\n{name}: {value}");
        }
        let mut foreign = self.other.uids.iter().map(String::as_str);
        let mark = self.other.tenant.mark;
        let found = foreign.find(|uid| text.contains(uid));
        let found = found.or_else(|| text.contains(mark).then_some(mark));
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let found = found.or_else(|| self.other.told.found_in(&json));
        if let Some(found) = found {
            let leak = format!("R12: {} is told '{found}': {text}", self.own.tenant.mark);
            self.leak.get_or_insert(leak);
        }
        self.own.told.keep(&json);
    }

    pub(super) fn check_leak(&mut self) -> Result<(), String> {
        self.leak.take().map_or(Ok(()), Err)
    }

    /// The number of a message of the large instance that came: it has to be what this
    /// tenant sent, to the byte.
    pub(super) fn known(&self, message: &Value) -> Result<u64, String> {
        let Some((owner, number)) = origin(message) else {
            return Err(format!("R2: nobody sent {message}"));
        };
        let own = self.own.tenant.mark;
        if owner != own {
            return Err(format!("R12: {own} is given {message}"));
        }
        if !self.own.model.messages.contains_key(&number) {
            return Err(format!("R2: message {number} was never sent"));
        }
        if !self.own.content(number).is(message) {
            let sent = self.own.content(number).form();
            return Err(format!("R2: {sent} became {message}"));
        }
        Ok(number)
    }

    /// Looks something up, in one of all the ways that there are.
    pub(super) fn query(&mut self) -> Result<(), String> {
        let topic = TOPICS[self.below(TOPICS.len() as u64) as usize];
        let max = 1 + self.below(8);
        let number = 1 + self.below(self.own.sent.max(1));
        let path = match self.below(9) {
            0 => format!("topics/{topic}/messages?key={SHARED_KEY}&max={max}"),
            1 => {
                let key = self.own.content(number).key();
                format!("topics/{topic}/messages?key={key}")
            }
            2 => format!("topics/{topic}/messages?from=0&to=99999999999999&max={max}"),
            3 => format!("topics/{topic}/peek?max={max}"),
            4 => "sessions".to_owned(),
            5 => "usage?by=topic".to_owned(),
            6 => "topics".to_owned(),
            7 => "groups".to_owned(),
            _ => "topics/money/transactions?state=open".to_owned(),
        };
        self.note(&path);
        let answer = self.get(&path);
        if self.is_away(&answer) {
            return Ok(());
        }
        let answer = answer.ok();
        for message in answer["messages"].as_array().into_iter().flatten() {
            let number = self.known(message)?;
            if !self.own.model.messages[&number].is_visible {
                return Err(format!("R14: message {number} may not be seen"));
            }
        }
        if let Some(cursor) = answer["cursor"].as_str() {
            self.own.told.cursors.push((path, cursor.to_owned()));
        }
        Ok(())
    }
}
