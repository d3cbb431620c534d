//! What clients did and were told, and whether what they saw later agrees with
//! it. Bodies are unique, so a body says which message it is.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

/// Broker, queue, offset.
pub(crate) type Place = (String, u64, u64);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// No answer yet, or none for ever.
    Unknown,
    Answered {
        id: String,
        place: Place,
    },
}

#[derive(Default)]
pub(crate) struct History {
    /// Orders what happened: a larger number is later.
    tick: u64,
    sends: HashMap<String, Fate>,
    /// Message id and body of every place that anybody has seen.
    places: HashMap<Place, (String, String)>,
    /// Place of each body, to see doubles.
    places_of: HashMap<String, Place>,
    groups: HashMap<&'static str, GroupHistory>,
    /// Bodies of requests that a graceful stop left without an answer.
    refused: HashSet<String>,
}

#[derive(Default)]
struct GroupHistory {
    delivered: HashSet<String>,
    /// When the ack was answered, by message id.
    acked: HashMap<String, u64>,
}

/// Counts of a whole run, to see that it tried what it says it tries.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) answered: usize,
    pub(crate) unknown: usize,
    pub(crate) acked: usize,
}

impl History {
    pub(crate) fn now(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    pub(crate) fn sending(&mut self, body: &str) {
        let before = self.sends.insert(body.to_owned(), Fate::Unknown);
        assert_eq!(before, None, "bodies are unique");
    }

    /// The result entry of a send.
    pub(crate) fn sent(&mut self, body: &str, result: &Value) {
        let place = place_of(result);
        let id = text(result, "messageId");
        self.saw(&place, &id, body);
        self.sends
            .insert(body.to_owned(), Fate::Answered { id, place });
    }

    /// A graceful stop broke the connection instead of answering.
    pub(crate) fn refused(&mut self, bodies: &[String]) {
        self.refused.extend(bodies.iter().cloned());
    }

    /// R2 and R3: a message that was sent, once, at a place that is its own for ever.
    fn saw(&mut self, place: &Place, id: &str, body: &str) {
        assert!(self.sends.contains_key(body), "R2: never sent: {body}");
        assert!(!self.refused.contains(body), "stored, but not answered");
        let seen = (id.to_owned(), body.to_owned());
        let known = self.places.entry(place.clone()).or_insert(seen.clone());
        assert_eq!(*known, seen, "R3: {place:?} has changed its meaning");
        let known = self.places_of.entry(body.to_owned());
        let known = known.or_insert_with(|| place.clone());
        assert_eq!(known, place, "R2: stored twice: {body}");
    }

    /// A message that a query or a receive of the topic showed.
    pub(crate) fn read(&mut self, message: &Value) {
        let (id, body) = (text(message, "messageId"), text(message, "body"));
        self.saw(&place_of(message), &id, &body);
    }

    /// R4, R7: nothing comes again whose ack was answered before the receive began.
    pub(crate) fn delivered(&mut self, group: &'static str, began: u64, message: &Value) {
        self.read(message);
        let id = text(message, "messageId");
        let history = self.groups.entry(group).or_default();
        if let Some(at) = history.acked.get(&id) {
            assert!(*at > began, "R7: {group} got {message} again after its ack");
        }
        history.delivered.insert(id);
    }

    pub(crate) fn acked(&mut self, group: &'static str, id: &str) {
        let now = self.now();
        let history = self.groups.entry(group).or_default();
        history.acked.entry(id.to_owned()).or_insert(now);
    }

    /// A message in the group's dead-letter topic; it shows where it came from.
    pub(crate) fn dead(&mut self, group: &'static str, message: &Value) {
        let (id, body) = (text(message, "messageId"), text(message, "body"));
        assert!(self.sends.contains_key(&body), "R2: never sent: {body}");
        let origin = &message["origin"];
        if origin.is_object() {
            self.saw(&place_of(origin), &id, &body);
        }
        let history = self.groups.entry(group).or_default();
        assert!(
            !history.acked.contains_key(&id),
            "R7: {id} is acked and a dead letter of {group}"
        );
        history.delivered.insert(id);
    }

    /// R1: every answered send was seen by the group, as a message or a dead letter.
    pub(crate) fn check_delivered(&self, group: &'static str) {
        let delivered = &self.groups[group].delivered;
        for (body, fate) in &self.sends {
            if let Fate::Answered { id, place } = fate {
                assert!(
                    delivered.contains(id),
                    "R1: {group} never got {body} {place:?}"
                );
            }
        }
    }

    /// R1 and R3 of what a full reading of a queue showed: `end` records.
    pub(crate) fn check_queue(&self, broker: &str, queue: u64, end: u64) {
        let expected = self.sends.values().filter_map(|fate| match fate {
            Fate::Answered { place, .. } if (&*place.0, place.1) == (broker, queue) => Some(place),
            Fate::Unknown | Fate::Answered { .. } => None,
        });
        for place in expected {
            assert!(place.2 < end, "R1: {place:?} is behind the end {end}");
        }
        for offset in 0..end {
            let place = (broker.to_owned(), queue, offset);
            assert!(
                self.places.contains_key(&place),
                "R3: nothing at {place:?} of {end}"
            );
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut counts = BTreeMap::from([(false, 0), (true, 0)]);
        for fate in self.sends.values() {
            *counts.entry(*fate == Fate::Unknown).or_default() += 1;
        }
        Totals {
            answered: counts[&false],
            unknown: counts[&true],
            acked: self.groups.values().map(|group| group.acked.len()).sum(),
        }
    }
}

fn text(value: &Value, name: &str) -> String {
    let text = value[name].as_str().map(str::to_owned);
    text.unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn place_of(value: &Value) -> Place {
    let number = |name: &str| {
        let number = value[name].as_u64();
        number.unwrap_or_else(|| panic!("no {name} in {value}"))
    };
    let broker = text(value, "broker");
    (broker, number("queueId"), number("queueOffset"))
}
