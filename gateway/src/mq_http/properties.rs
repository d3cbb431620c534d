//! Properties as one string, `key:value|key:value|`, and the keys in it that mean
//! something to the service.

use std::borrow::Cow;

use firn_protocol::message::NewMessage;
use firn_protocol::{ApiError, ApiResult};

use super::request::is_xml;

const KEYS: &str = "KEYS";
const DELIVER_AT: &str = "__STARTDELIVERTIME";
const CHECK_AFTER: &str = "__TransCheckT";
const MESSAGE_GROUP: &str = "__SHARDINGKEY";
/// RULES 23.
const DEDUP_ID: &str = "FIRN_DEDUP_ID";
/// How a body is written that XML cannot carry; see the decision page.
pub(super) const BODY_ENCODING: &str = "FIRN_BODY_ENCODING";

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What a producer says beside body and tag.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Properties<'a> {
    pub(super) keys: Vec<Cow<'a, str>>,
    pub(super) deliver_at: Option<u64>,
    /// Seconds; the message begins a transaction.
    pub(super) check_after: Option<u64>,
    pub(super) message_group: Option<Cow<'a, str>>,
    pub(super) dedup_id: Option<Cow<'a, str>>,
    pub(super) user: Vec<Pair<'a>>,
}

/// # Errors
/// `InvalidArgument` for a pair without exactly two parts, or one given twice.
pub(super) fn parse(text: &str) -> ApiResult<Properties<'_>> {
    let mut properties = Properties::default();
    let mut seen: Vec<&str> = Vec::new();
    for pair in text.split('|').filter(|pair| !pair.is_empty()) {
        let parts = pair.split_once(':');
        let parts = parts
            .filter(|(key, value)| !key.is_empty() && !value.is_empty() && !value.contains(':'));
        let (key, value) = parts.ok_or_else(|| refused("a pair that is not key:value"))?;
        if seen.contains(&key) {
            return Err(refused(&format!("'{}' is given twice", excerpt(key))));
        }
        seen.push(key);
        if seen.len() > firn_protocol::limits::PROPERTIES_MAX {
            return Err(refused("too many"));
        }
        properties.add(key, value)?;
    }
    Ok(properties)
}

impl<'a> Properties<'a> {
    fn add(&mut self, key: &'a str, value: &'a str) -> ApiResult<()> {
        match key {
            KEYS => {
                let keys = value.split_ascii_whitespace();
                self.keys = keys.map(Cow::Borrowed).collect();
            }
            DELIVER_AT => self.deliver_at = Some(number(key, value)?),
            CHECK_AFTER => {
                self.check_after = Some(number(key, value)?);
                // Consumers and pollers read it again.
                self.user.push((key.into(), value.into()));
            }
            MESSAGE_GROUP => self.message_group = Some(value.into()),
            DEDUP_ID => self.dedup_id = Some(value.into()),
            _ => self.user.push((key.into(), value.into())),
        }
        Ok(())
    }
}

fn refused(rule: &str) -> ApiError {
    ApiError::field("Properties", rule)
}

fn excerpt(name: &str) -> String {
    name.chars().take(64).collect()
}

fn number(key: &str, value: &str) -> ApiResult<u64> {
    let is_number = value.bytes().all(|b| b.is_ascii_digit());
    let number = value.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| refused(&format!("{key} is not a whole number from 0")))
}

/// The string for a message that is handed out; `None` for one without properties. A
/// pair that the string cannot carry is left out: receivers would read others in it.
pub(super) fn shown(content: &NewMessage, body_encoding: Option<&str>) -> Option<String> {
    let mut text = String::new();
    let mut add = |key: &str, value: &str| {
        if [key, value].into_iter().all(can_carry) {
            text.push_str(key);
            text.push(':');
            text.push_str(value);
            text.push('|');
        }
    };
    for (key, value) in &content.properties {
        add(key, value);
    }
    if !content.keys.is_empty() {
        add(KEYS, &content.keys.join(" "));
    }
    if let Some(group) = &content.message_group {
        add(MESSAGE_GROUP, group);
    }
    if let Some(at) = content.deliver_at {
        add(DELIVER_AT, &at.0.to_string());
    }
    if let Some(encoding) = body_encoding {
        add(BODY_ENCODING, encoding);
    }
    (!text.is_empty()).then_some(text)
}

fn can_carry(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| is_xml(c) && c != ':' && c != '|')
}

#[cfg(test)]
mod tests {
    use firn_protocol::{ErrorCode, Timestamp};

    use super::*;

    #[test]
    fn system_keys_are_taken_out() {
        let text = "a:1|KEYS:k1 k2|__STARTDELIVERTIME:12|__SHARDINGKEY:s|FIRN_DEDUP_ID:d|b: 2 |";
        let read = parse(text).expect("good");
        let expected = Properties {
            keys: vec!["k1".into(), "k2".into()],
            deliver_at: Some(12),
            check_after: None,
            message_group: Some("s".into()),
            dedup_id: Some("d".into()),
            user: vec![("a".into(), "1".into()), ("b".into(), " 2 ".into())],
        };
        assert_eq!(read, expected);
        let half = parse("__TransCheckT:60").expect("good");
        assert_eq!(half.check_after, Some(60));
        assert_eq!(half.user, [("__TransCheckT".into(), "60".into())]);
        assert_eq!(parse("||").expect("nothing"), Properties::default());
    }

    #[test]
    fn pairs_that_are_none_are_refused() {
        for bad in [
            "a",
            "a:",
            ":1",
            "a:1:2",
            "a:1|a:2",
            "KEYS:1|KEYS:1",
            "__STARTDELIVERTIME:soon",
            "__STARTDELIVERTIME:-1",
            "__STARTDELIVERTIME:+1",
            "__TransCheckT:1.5",
            "__TransCheckT:18446744073709551616",
        ] {
            let error = parse(bad).expect_err(bad);
            assert_eq!(error.code, ErrorCode::BadRequest, "{bad}");
        }
        let many: String = (0..200).map(|n| format!("k{n}:v|")).collect();
        assert!(parse(&many).is_err());
    }

    #[test]
    fn what_the_string_cannot_carry_is_left_out() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let content = NewMessage {
            properties: vec![
                pair("a", "1"),
                pair("b", "1|c:2"),
                pair("d", ""),
                pair("e", "\u{1}"),
                pair("f", "<&\"'>"),
            ],
            keys: vec!["k1".into(), "k2".into()],
            message_group: Some("s:1".into()),
            deliver_at: Some(Timestamp(7)),
            ..NewMessage::default()
        };
        let shown = shown(&content, Some("base64"));
        let expected = "a:1|f:<&\"'>|KEYS:k1 k2|__STARTDELIVERTIME:7|FIRN_BODY_ENCODING:base64|";
        assert_eq!(shown.as_deref(), Some(expected));
        assert_eq!(super::shown(&NewMessage::default(), None), None);
    }
}
