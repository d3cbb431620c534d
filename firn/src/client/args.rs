//! Values on the command line that several verbs take.

use chrono::DateTime;

/// A name in a path. Whether it may exist is for the server to say.
///
/// # Errors
/// When it is empty.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("must not be empty"),
        text => Ok(text.to_owned()),
    }
}

/// A point in time: milliseconds since 1970, or RFC 3339.
///
/// # Errors
/// The two forms, for anything else.
pub(super) fn time(text: &str) -> Result<u64, &'static str> {
    const RULE: &str = "expected milliseconds since 1970 or a time like 2026-01-31T12:00:00Z";
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| RULE)?;
    u64::try_from(time.timestamp_millis()).map_err(|_| RULE)
}

/// `key=value`.
///
/// # Errors
/// When there is no `=` or nothing before it.
pub(super) fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("expected KEY=VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_forms() {
        assert_eq!(time("1769860800000"), Ok(1_769_860_800_000));
        assert_eq!(time("2026-01-31T12:00:00Z"), Ok(1_769_860_800_000));
        assert_eq!(time("2026-01-31T13:00:00.5+01:00"), Ok(1_769_860_800_500));
        for bad in ["", "-1", "noon", "2026-01-31", "1960-01-01T00:00:00Z"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pairs_split_at_the_first_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("=b").is_err() && pair("ab").is_err());
    }
}
