//! What the answers of before allow, written from the rules: every message that
//! was sent, where it may appear, and what each reader may be given of it.
//!
//! The model does not say when the node moves a message whose time has come. It
//! learns what stands in a queue by reading it, and judges whether it may.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::hold::{HalfMessage, StoredOnce};
use firn_protocol::message::{Message, MessageId, NewMessage};
use firn_protocol::receipt::{HeldPlace, Receipt};

use super::readers::ReaderModel;

/// Says which invariant of RELIABILITY.md is broken, and how.
pub(crate) type Breach = String;
pub(crate) type Checked<T = ()> = Result<T, Breach>;

/// Goes on if it holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}
pub(crate) use ensure;

/// Topic and queue.
pub(crate) type Place = (u64, u16);
/// Topic, queue and offset of an original.
pub(crate) type Key = (u64, u16, u64);
/// A lease: its number and the generation that gave it out.
pub(crate) type Lease = (u64, u32);

pub(crate) fn lease_of(receipt: &Receipt) -> Lease {
    (receipt.lease, receipt.generation.0)
}

/// Whether one delivery of a record came before another.
pub(crate) fn is_older(one: Lease, other: Lease) -> bool {
    (one.1, one.0) < (other.1, other.0)
}

/// Ids of sends count so long (R16).
pub(crate) const WINDOW_MS: u64 = 600_000;
/// A producer is asked so often, and each time after this pause (SEED_SPEC 2.1).
pub(crate) const CHECKS_MAX: u32 = 15;
pub(crate) const CHECK_EVERY_MS: u64 = 30_000;
/// A member that did nothing for longer may be let go.
pub(crate) const MEMBER_KEPT_MS: u64 = 3 * super::ops::DAY_MS;

/// A record of a queue.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) number: u64,
    pub(crate) line: Option<String>,
    pub(crate) stored_at: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct QueueModel {
    /// What is before was purged.
    pub(crate) min: u64,
    pub(crate) records: Vec<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Waits,
    Fired,
    Recalled,
}

/// A delayed message.
#[derive(Clone, Debug)]
pub(crate) struct Delayed {
    pub(crate) number: u64,
    pub(crate) to: Place,
    pub(crate) place: HeldPlace,
    pub(crate) due: u64,
    pub(crate) fate: Fate,
}

/// A half message.
#[derive(Clone, Debug)]
pub(crate) struct Half {
    pub(crate) number: u64,
    pub(crate) to: Place,
    pub(crate) place: HeldPlace,
    pub(crate) producers: String,
    pub(crate) next_check: u64,
    pub(crate) checks: u32,
    /// Whether it was committed, once it is decided.
    pub(crate) decision: Option<bool>,
}

impl Half {
    pub(crate) fn is_given_up(&self, now: u64) -> bool {
        self.checks >= CHECKS_MAX && self.next_check <= now
    }

    pub(crate) fn is_to_check(&self, now: u64) -> bool {
        self.decision.is_none() && self.checks < CHECKS_MAX && self.next_check <= now
    }

    /// Whether this is how it is to be told.
    pub(crate) fn compare(&self, told: &HalfMessage, now: u64) -> Checked {
        let mine = (self.place, self.next_check, self.checks);
        let theirs = (told.place, told.next_check.0, told.checks);
        ensure!(mine == theirs, "R14: {self:?} is told as {told:?}");
        ensure!(
            told.is_given_up == self.is_given_up(now),
            "R14: given up or not: {told:?}"
        );
        Ok(())
    }
}

/// A dead letter.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) number: u64,
    pub(crate) key: Key,
    /// Back to its topic.
    pub(crate) sent: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) content: NewMessage,
    pub(crate) id: MessageId,
}

/// One broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct BrokerModel {
    pub(crate) sent: BTreeMap<u64, Sent>,
    pub(crate) queues: BTreeMap<Place, QueueModel>,
    pub(crate) delayed: Vec<Delayed>,
    pub(crate) halves: Vec<Half>,
    /// When a topic's id was first used, and what was answered.
    pub(crate) ids: BTreeMap<(u64, u8), (u64, StoredOnce)>,
    /// What was answered to be in a queue and was not seen there yet.
    pub(crate) coming: Vec<(u64, Place)>,
    pub(crate) readers: BTreeMap<usize, ReaderModel>,
    /// Of each group.
    pub(crate) letters: BTreeMap<u64, Vec<Letter>>,
}

/// The number in a body.
pub(crate) fn number_of(content: &NewMessage) -> Checked<u64> {
    let text = std::str::from_utf8(&content.body).ok();
    let number = text.and_then(|text| text.strip_prefix("body ")?.parse().ok());
    number.ok_or_else(|| format!("R2: {content:?} was never sent"))
}

impl BrokerModel {
    pub(crate) fn end(&self, place: Place) -> u64 {
        let queue = self.queues.get(&place);
        queue.map_or(0, |queue| queue.records.len() as u64)
    }

    pub(crate) fn min(&self, place: Place) -> u64 {
        self.queues.get(&place).map_or(0, |queue| queue.min)
    }

    pub(crate) fn record(&self, key: Key) -> Option<&Record> {
        self.queues
            .get(&(key.0, key.1))?
            .records
            .get(key.2 as usize)
    }

    /// Records that were not purged.
    pub(crate) fn keys(&self, topic: u64) -> Vec<Key> {
        let queues = self.queues.range((topic, 0)..=(topic, u16::MAX));
        let keys = queues.flat_map(|(place, queue)| {
            (queue.min..queue.records.len() as u64).map(|offset| (place.0, place.1, offset))
        });
        keys.collect()
    }

    /// Nothing of a message is changed (R2).
    pub(crate) fn compare(&self, message: &Message) -> Checked<u64> {
        let number = number_of(&message.content)?;
        let sent = self.sent.get(&number);
        let sent = sent.ok_or_else(|| format!("R2: message {number} was never sent"))?;
        let expected = NewMessage {
            message_id: message.content.message_id,
            ..sent.content.clone()
        };
        ensure!(
            message.content == expected && message.message_id == sent.id,
            "R2: message {number} is altered: {message:?}, sent {sent:?}"
        );
        Ok(number)
    }

    /// A record stands behind what is known of a queue.
    pub(crate) fn learn(&mut self, place: Place, message: &Message, now: u64) -> Checked {
        let offset = self.end(place);
        ensure!(
            message.offset.0 == offset,
            "R3: {place:?} has {} where {offset} should be",
            message.offset
        );
        let number = self.compare(message)?;
        ensure!(
            message.stored_at.0 <= now,
            "R3: message {number} is stored in the future"
        );
        if let Some(at) = self.coming.iter().position(|one| *one == (number, place)) {
            self.coming.swap_remove(at);
        } else if let Some(one) = self.delayed.iter_mut().find(|one| one.number == number) {
            ensure!(one.to == place, "R2: {one:?} came to {place:?}");
            ensure!(one.fate == Fate::Waits, "R2: {one:?} came to its queue");
            let at = message.stored_at.0.min(now);
            ensure!(
                one.due <= at,
                "R8: message {number} came {} ms early",
                one.due - at
            );
            one.fate = Fate::Fired;
        } else if let Some(half) = self.halves.iter().find(|half| half.number == number) {
            return Err(format!("R14: seen in its queue: {half:?}"));
        } else {
            return Err(format!("R16: message {number} was not to be stored"));
        }
        let record = Record {
            number,
            line: message.content.message_group.clone(),
            stored_at: message.stored_at.0,
        };
        self.queues.entry(place).or_default().records.push(record);
        Ok(())
    }

    /// All that was answered to be in a queue was found there.
    pub(crate) fn all_came(&self) -> Checked {
        let Some((number, place)) = self.coming.first() else {
            return Ok(());
        };
        let is_half = self.halves.iter().any(|half| half.number == *number);
        let rule = if is_half { "R14" } else { "R1" };
        Err(format!("{rule}: message {number} is not in {place:?}"))
    }

    /// A dead letter of a group stands behind those that are known.
    pub(crate) fn learn_letter(&mut self, group: u64, letter: &Message) -> Checked {
        let number = self.compare(letter)?;
        let origin = letter.origin;
        let origin = origin.ok_or_else(|| format!("R15: a letter from nowhere: {letter:?}"))?;
        let key = (origin.topic.number(), origin.queue.0, origin.offset.0);
        let record = self.record(key).map(|record| record.number);
        ensure!(
            record == Some(number),
            "R15: {number} has {record:?} as its original"
        );
        self.bury(group, key, letter.attempt)?;
        let letters = self.letters.entry(group).or_default();
        letters.push(Letter {
            number,
            key,
            sent: false,
        });
        Ok(())
    }

    /// When something happens by itself, after `now`.
    pub(crate) fn dues(&self, now: u64) -> BTreeSet<u64> {
        let delayed = self.delayed.iter();
        let delayed = delayed.filter(|one| one.fate == Fate::Waits);
        let mut dues: BTreeSet<u64> = delayed.map(|one| one.due).collect();
        let open = self.halves.iter().filter(|half| half.decision.is_none());
        dues.extend(open.map(|half| half.next_check));
        dues.extend(self.ids.values().map(|(at, _)| at + WINDOW_MS));
        dues.extend(self.readers.values().flat_map(ReaderModel::dues));
        dues.split_off(&(now + 1))
    }

    /// A topic's records before these places are gone, for everybody.
    pub(crate) fn purge(&mut self, marks: &[(Place, u64)]) {
        for &(place, min) in marks {
            let queue = self.queues.entry(place).or_default();
            queue.min = queue.min.max(min);
            for reader in self.readers.values_mut() {
                reader.purge(place, min);
            }
        }
    }
}
