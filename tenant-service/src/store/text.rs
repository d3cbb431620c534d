//! Enumerations and lists as database and exports keep them. Words are never
//! reassigned; a new one needs a reader before its first writer.

use firn_protocol::Timestamp;
use firn_protocol::catalogue::{
    ConsoleRole, DiskPolicy, Durability, InstanceStatus, OnPoison, Permission, PullMechanism,
    StartPosition, TopicType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An enumeration with one word for each value.
pub(crate) trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(value, _)| *value == self);
        found.expect("every value has a word").1
    }

    fn from_word(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, text)| *text == word);
        found.map(|(value, _)| *value)
    }
}

impl Word for Durability {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Local, "local"), (Self::Object, "object")];
}

impl Word for DiskPolicy {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::DataFirst, "dataFirst"),
        (Self::ServiceFirst, "serviceFirst"),
    ];
}

impl Word for InstanceStatus {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Running, "running"), (Self::Frozen, "frozen")];
}

impl Word for TopicType {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Normal, "normal"),
        (Self::Fifo, "fifo"),
        (Self::Delay, "delay"),
        (Self::Transaction, "transaction"),
        (Self::Mixed, "mixed"),
    ];
}

impl Word for Permission {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::ReadWrite, "readWrite"),
        (Self::Read, "read"),
        (Self::Write, "write"),
    ];
}

impl Word for OnPoison {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Block, "block"),
        (Self::Park, "park"),
        (Self::DeadLetter, "deadLetter"),
    ];
}

impl Word for PullMechanism {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Client, "client"), (Self::Server, "server")];
}

impl Word for ConsoleRole {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Operator, "operator"),
        (Self::Admin, "admin"),
        (Self::Viewer, "viewer"),
    ];
}

pub(crate) fn start_word(start: StartPosition) -> String {
    match start {
        StartPosition::Earliest => "earliest".to_owned(),
        StartPosition::Latest => "latest".to_owned(),
        StartPosition::Time(time) => time.to_string(),
    }
}

pub(crate) fn start_from_word(word: &str) -> Option<StartPosition> {
    match word {
        "earliest" => Some(StartPosition::Earliest),
        "latest" => Some(StartPosition::Latest),
        time => Some(StartPosition::Time(Timestamp(time.parse().ok()?))),
    }
}

/// A JSON array, or nothing for the empty list that most rows have.
pub(super) fn list_text<T: Serialize>(list: &[T]) -> String {
    if list.is_empty() {
        return String::new();
    }
    serde_json::to_string(list).expect("lists of names and numbers have a JSON form")
}

pub(super) fn list_from_text<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, serde_json::Error> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trips<T: Word + std::fmt::Debug>() {
        for (value, word) in T::WORDS {
            assert_eq!(value.word(), *word);
            assert_eq!(T::from_word(word), Some(*value));
        }
        assert_eq!(T::from_word("other"), None);
    }

    #[test]
    fn words_round_trip() {
        round_trips::<Durability>();
        round_trips::<DiskPolicy>();
        round_trips::<InstanceStatus>();
        round_trips::<TopicType>();
        round_trips::<Permission>();
        round_trips::<OnPoison>();
        round_trips::<ConsoleRole>();
        for start in [
            StartPosition::Earliest,
            StartPosition::Latest,
            StartPosition::Time(Timestamp(7)),
        ] {
            assert_eq!(start_from_word(&start_word(start)), Some(start));
        }
        assert_eq!(start_from_word("x"), None);
    }
}
