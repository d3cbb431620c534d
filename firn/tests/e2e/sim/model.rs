//! What the answers of before allow: every message that was sent, and what each
//! reader was given of it.

use std::collections::{BTreeMap, BTreeSet};

use super::filters::{Mark, Wish};

/// What is known of a message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: &'static str,
    /// The message group, for ordered topics.
    pub(crate) line: Option<String>,
    /// Nobody may see it before.
    pub(crate) due: u64,
    /// Whether it may ever be seen: false for half messages, recalled and rolled back ones.
    pub(crate) is_visible: bool,
    /// What filters look at.
    pub(crate) mark: Mark,
}

/// A group, or a member of a broadcast, on one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reader {
    pub(crate) group: &'static str,
    pub(crate) member: &'static str,
    pub(crate) topic: &'static str,
}

/// A delivery under way.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) number: u64,
    pub(crate) handle: String,
    pub(crate) attempt: u64,
    pub(crate) until: u64,
}

/// What one reader was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) held: BTreeMap<u64, Held>,
    pub(crate) acked: BTreeSet<u64>,
    /// Not to be given before: after a failure that was told.
    pub(crate) not_before: BTreeMap<u64, u64>,
    /// Went to the dead letters.
    pub(crate) buried: BTreeSet<u64>,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) messages: BTreeMap<u64, Message>,
    pub(crate) given: BTreeMap<Reader, Given>,
}

impl Model {
    /// Whether a delivery is one that may be: the breach of an invariant, by its name
    /// in RELIABILITY.md, if not.
    pub(crate) fn deliver(
        &mut self,
        reader: Reader,
        held: Held,
        wish: Option<&Wish>,
        now: u64,
    ) -> Result<(), String> {
        let number = held.number;
        let told = |rule: &str, text: String| Err(format!("{rule}: message {number} {text}"));
        let Some(message) = self.messages.get(&number) else {
            return told("R2", "was never sent".to_owned());
        };
        if message.topic != reader.topic {
            return told(
                "R2",
                format!("of {} came from {}", message.topic, reader.topic),
            );
        }
        if !message.is_visible {
            return told("R14", "may not be seen".to_owned());
        }
        if let Some(wish) = wish.filter(|wish| !(wish.matches)(message.mark)) {
            return told("R9", format!("came although not '{}'", wish.expression));
        }
        if now < message.due {
            return told("R8", format!("came {} ms early", message.due - now));
        }
        let line = message.line.clone();
        let given = self.given.entry(reader).or_default();
        if given.acked.contains(&number) {
            return told("R7", "came again after its ack".to_owned());
        }
        if given.buried.contains(&number) {
            return told("R15", "came again although it is a dead letter".to_owned());
        }
        if given
            .held
            .get(&number)
            .is_some_and(|before| before.until > now)
        {
            return told("R6", "is leased twice".to_owned());
        }
        if let Some(at) = given.not_before.get(&number).filter(|at| now < **at) {
            return told(
                "R15",
                format!("came {} ms before its pause was over", at - now),
            );
        }
        if let Some(line) = line {
            let before = self.messages.range(..number);
            let mut before = before.filter(|(_, one)| one.line.as_ref() == Some(&line));
            let open = before.find(|(n, _)| !given.acked.contains(n) && !given.buried.contains(n));
            if let Some((first, _)) = open {
                return told("R5", format!("came before {first} of its message group"));
            }
        }
        given.held.insert(number, held);
        Ok(())
    }

    /// Leases that were not durable may be gone.
    pub(crate) fn crash(&mut self) {
        for given in self.given.values_mut() {
            given.held.values_mut().for_each(|held| held.until = 0);
        }
    }

    /// Messages that a reader should have been given by now, and was not.
    pub(crate) fn missing(&self, reader: Reader) -> Vec<u64> {
        let given = self.given.get(&reader);
        let is_done = |number: &u64| {
            given.is_some_and(|given| given.acked.contains(number) || given.buried.contains(number))
        };
        let wanted = self.messages.iter();
        let wanted = wanted.filter(|(_, one)| one.is_visible && one.topic == reader.topic);
        let wanted = wanted.map(|(number, _)| *number);
        wanted.filter(|number| !is_done(number)).collect()
    }
}
