//! Who wants what, and for how long a filter has a claim on what it matches.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::model::{Message, Reader};
use super::world::reader;

/// A filter lives so long after its last member's call (RULES 18).
const LIVE_MS: u64 = 30_000;

const TAGS: [&str; 3] = ["red", "green", "blue"];

/// What filters look at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    tag: Option<&'static str>,
    size: Option<u64>,
}

impl Mark {
    /// Some have no tag, and some no size.
    pub(super) fn new(tag: u64, size: u64) -> Self {
        Self {
            tag: TAGS.get(tag as usize).copied(),
            size: (size > 0).then_some(size),
        }
    }

    pub(super) fn write(self, message: &mut Value, owner: &str) {
        if let Some(tag) = self.tag {
            message["tag"] = json!(format!("{owner}.{tag}"));
        }
        if let Some(size) = self.size {
            message["properties"]["size"] = json!(size.to_string());
        }
    }
}

/// A filter of some members of a group.
pub(crate) struct Wish {
    pub(crate) reader: Reader,
    pub(crate) kind: &'static str,
    /// With `@` before a tag's name, for its owner.
    pub(crate) expression: &'static str,
    /// Said a second time, by hand.
    pub(crate) matches: fn(Mark) -> bool,
}

impl Wish {
    /// As the members of a tenant say it.
    pub(super) fn text(&self, owner: &str) -> String {
        self.expression.replace('@', &format!("{owner}."))
    }
}

/// Two filters that meet and leave something out share one group; the other has
/// one alone.
pub(super) const WISHES: [Wish; 3] = [
    Wish {
        reader: reader("halves", "", "marked"),
        kind: "TAG",
        expression: "@red || @blue",
        matches: |mark| matches!(mark.tag, Some("red" | "blue")),
    },
    Wish {
        reader: reader("halves", "", "marked"),
        kind: "SQL92",
        expression: "size > 5",
        matches: |mark| mark.size.is_some_and(|size| size > 5),
    },
    Wish {
        reader: reader("some", "", "marked"),
        kind: "SQL92",
        expression: "size BETWEEN 2 AND 6 AND TAGS <> '@red'",
        matches: |mark| {
            let is_other = mark.tag.is_some_and(|tag| tag != "red");
            is_other && mark.size.is_some_and(|size| (2..=6).contains(&size))
        },
    },
];

/// The claims of all groups.
#[derive(Default)]
pub(crate) struct Claims {
    /// When a member last called with a filter: by group and expression.
    called: BTreeMap<(&'static str, &'static str), u64>,
    /// Messages that no living filter wanted while somebody received: they may be
    /// finished for the group.
    lost: BTreeMap<&'static str, BTreeSet<u64>>,
}

impl Claims {
    /// A member is about to receive.
    pub(super) fn call(&mut self, wish: &Wish, messages: &BTreeMap<u64, Message>, now: u64) {
        let group = wish.reader.group;
        self.called.insert((group, wish.expression), now);
        let lives = |wish: &&Wish| {
            let called = self.called.get(&(group, wish.expression));
            wish.reader.group == group && called.is_some_and(|at| now - at <= LIVE_MS)
        };
        let living: Vec<&Wish> = WISHES.iter().filter(lives).collect();
        let unwanted = messages.iter().filter(|(_, message)| {
            let is_wanted = living.iter().any(|wish| (wish.matches)(message.mark));
            message.topic == wish.reader.topic && !is_wanted
        });
        let unwanted = unwanted.map(|(number, _)| *number);
        self.lost.entry(group).or_default().extend(unwanted);
    }

    /// The call was not answered: no broker may have heard that its filter lives.
    pub(super) fn call_failed(&mut self, wish: &Wish) {
        self.called.remove(&(wish.reader.group, wish.expression));
    }

    /// Whether the message may be finished for the group without an ack.
    pub(super) fn is_lost(&self, group: &str, number: u64) -> bool {
        let lost = self.lost.get(group);
        lost.is_some_and(|lost| lost.contains(&number))
    }

    /// Whether some filter of a group had a claim on the message all the time.
    pub(super) fn has(&self, group: &str, number: u64, mark: Mark) -> bool {
        let mut wishes = WISHES.iter().filter(|wish| wish.reader.group == group);
        !self.is_lost(group, number) && wishes.any(|wish| (wish.matches)(mark))
    }
}
