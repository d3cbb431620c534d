//! Names of topics, groups and users (SEED_SPEC section 1).

use crate::error::{ApiError, ErrorCode};
use crate::limits::NAME_BYTES_MAX;

/// Prefix of a group's retry topic.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Prefix of a group's dead-letter topic.
pub const DEAD_LETTER_PREFIX: &str = "%DLQ%";

const RESERVED: [&str; 8] = [
    "TBW102",
    "BenchmarkTest",
    "SELF_TEST_TOPIC",
    "OFFSET_MOVED_EVENT",
    "SCHEDULE_TOPIC_XXXX",
    "RMQ_SYS_TRANS_HALF_TOPIC",
    "RMQ_SYS_TRANS_OP_HALF_TOPIC",
    "RMQ_SYS_TRACE_TOPIC",
];
const RESERVED_PREFIXES: [&str; 2] = ["rmq_sys_", "rocketmq-broker-"];

/// Whether `name` has the form `^[A-Za-z0-9_-]{1,64}$`.
#[must_use]
pub fn is_well_formed(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Whether `name` belongs to the system and can never be created by a user.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Whether `name` looks like an instance id: 32 lower-case hex digits (RULES 15).
#[must_use]
pub fn looks_like_instance_id(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Checks a name that is about to be created.
///
/// # Errors
/// `INVALID_NAME`, naming `what` and the rule.
pub fn check(what: &str, name: &str) -> Result<(), ApiError> {
    if !is_well_formed(name) {
        return Err(ApiError::new(
            ErrorCode::InvalidName,
            format!("{what}: only letters, digits, '_' and '-', 1 to {NAME_BYTES_MAX} characters"),
        ));
    }
    if is_reserved(name) {
        return Err(ApiError::new(
            ErrorCode::InvalidName,
            format!("{what}: '{name}' is reserved by the system"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        for good in ["a", "A-b_9", &"x".repeat(64)] {
            assert!(check("topic", good).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in [
            "",
            "a b",
            "a.b",
            "%DLQ%x",
            "主题",
            &long,
            "TBW102",
            "rmq_sys_x",
        ] {
            assert!(check("topic", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn instance_ids_are_recognised() {
        assert!(looks_like_instance_id("46b907e1dd634dd0b01267076f88a3a5"));
        assert!(!looks_like_instance_id("46B907e1dd634dd0b01267076f88a3a5"));
        assert!(!looks_like_instance_id("demo"));
    }
}
