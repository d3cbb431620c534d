//! What a refusal has to say: which limit was in the way, its rate, and when to come
//! again.

use serde_json::Value;

use super::place::{SMALL, SMALL_TPS};
use crate::http::Answer;

/// The longest that anybody has to wait: a second for one message a second.
const WAIT_MAX_MS: u64 = 1000;

/// Which of the limits below the instance's it was: of a topic, of a group on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Through {
    pub(super) topic: &'static str,
    pub(super) group: Option<&'static str>,
}

impl Through {
    /// The limits, as a refusal names them, with their rates.
    pub(super) fn limits(self) -> Vec<(&'static str, u64, String)> {
        let [tps, narrow, few] = SMALL_TPS;
        let topic_tps = if self.topic == "narrow" { narrow } else { tps };
        let mut limits = vec![
            ("instance", tps, format!("instance '{SMALL}'")),
            ("topic", topic_tps, format!("topic '{}'", self.topic)),
        ];
        if self.group == Some("few") {
            let text = format!("group 'few' on topic '{}'", self.topic);
            limits.push(("groupTopic", few, text));
        }
        limits
    }

    /// Whether what passed there counts for a limit of this one.
    pub(super) fn shares(self, limit: &str, other: Self) -> bool {
        match limit {
            "instance" => true,
            "topic" => self.topic == other.topic,
            _ => self == other,
        }
    }
}

/// A refusal names a limit that was in the way, its rate, and when to come again; the
/// time in whole seconds, as its header has it.
pub(super) fn check_refusal(error: &Value, through: Through) -> Result<u64, String> {
    let details = &error["details"];
    let limits = through.limits();
    let named = limits.iter().find(|(limit, tps, text)| {
        details["limit"] == *limit
            && details["limitTps"] == *tps
            && error["message"]
                .as_str()
                .is_some_and(|message| message.contains(text.as_str()))
    });
    let wait_ms = details["retryAfterMs"].as_u64().unwrap_or_default();
    let is_told = error["code"] == "RATE_LIMITED" && error["retryable"] == true;
    if named.is_none() || !is_told || !(1..=WAIT_MAX_MS).contains(&wait_ms) {
        return Err(format!("R13: a refusal does not say which limit: {error}"));
    }
    Ok(wait_ms.div_ceil(1000))
}

/// The headers say the same (SEED_SPEC 4).
pub(super) fn check_headers(answer: &Answer, error: &Value) -> Result<(), String> {
    let details = &error["details"];
    let seconds = |ms: &Value| ms.as_u64().unwrap_or_default().div_ceil(1000).to_string();
    let expected = [
        ("retry-after", seconds(&details["retryAfterMs"])),
        ("ratelimit-limit", details["limitTps"].to_string()),
        ("ratelimit-remaining", "0".to_owned()),
        ("ratelimit-reset", seconds(&details["resetMs"])),
    ];
    for (name, value) in expected {
        if answer.header(name) != Some(&value) {
            let found = answer.header(name);
            return Err(format!("R13: {name} is {found:?}, not {value}"));
        }
    }
    Ok(())
}
