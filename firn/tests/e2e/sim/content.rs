//! What is in a message: made of its number and its tenant's mark, so that nothing of
//! it has to be kept to know it again.

use firn_protocol::api::usage::Counts;
use serde_json::{Value, json};

use super::filters::Mark;

/// The key that all messages of all tenants carry.
pub(super) const SHARED_KEY: &str = "shared";
/// Every so manieth message is so long that it counts as two units.
const LONG_EVERY: u64 = 16;
const LONG_BYTES: usize = 4_200;

/// A message of a tenant.
#[derive(Clone, Copy)]
pub(super) struct Content {
    pub(super) owner: &'static str,
    pub(super) number: u64,
    pub(super) mark: Mark,
}

impl Content {
    pub(super) fn body(self) -> String {
        let body = format!("{} {} ", self.owner, self.number);
        match self.number % LONG_EVERY {
            7 => body + &"x".repeat(LONG_BYTES),
            _ => body,
        }
    }

    pub(super) fn key(self) -> String {
        format!("{}.{}", self.owner, self.number)
    }

    /// As it is sent.
    pub(super) fn form(self) -> Value {
        let mut form = json!({
            "body": self.body(), "keys": [self.key(), SHARED_KEY],
            "properties": {"owner": self.owner},
        });
        self.mark.write(&mut form, self.owner);
        form
    }

    /// What it counts for (RULES 26).
    pub(super) fn counts(self) -> Counts {
        let form = self.form();
        let text = |value: &Value| value.as_str().map_or(0, str::len);
        let keys = form["keys"].as_array().into_iter().flatten();
        let properties = form["properties"].as_object().into_iter().flatten();
        let bytes = text(&form["body"])
            + text(&form["tag"])
            + keys.map(text).sum::<usize>()
            + properties
                .map(|(name, value)| name.len() + text(value))
                .sum::<usize>();
        Counts::message(bytes as u64)
    }

    /// Whether a message that came is this one, to the byte (R2).
    pub(super) fn is(self, message: &Value) -> bool {
        let form = self.form();
        ["body", "keys", "tag", "properties"]
            .iter()
            .all(|field| form[field] == message[field])
    }
}

/// Whose message it is, and which, as its body says.
pub(super) fn origin(message: &Value) -> Option<(&str, u64)> {
    let mut words = message["body"].as_str()?.split(' ');
    Some((words.next()?, words.next()?.parse().ok()?))
}
