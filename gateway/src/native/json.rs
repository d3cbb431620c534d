//! Reads JSON bodies in two steps, as RULES 29 orders the checks: whether it
//! is JSON at all is told before anything else, what is wrong with a field
//! only to callers who may call.

mod objects;

use firn_protocol::{ApiError, ApiResult, ErrorCode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use objects::Objects;

/// Longest error text; a wrong value is echoed no further.
const TEXT_BYTES_MAX: usize = 400;
/// Fields whose values no text repeats: error texts are logged.
const SECRETS: [&str; 3] = ["secretKey", "password", "refreshToken"];

/// A form that is JSON, or what is wrong with its fields.
pub(crate) type Fields<T> = ApiResult<T>;

/// An empty body counts as `{}`.
///
/// # Errors
/// Outer: not JSON, with line and column. Inner: a field that is unknown,
/// missing or of a wrong type, named.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> ApiResult<Fields<T>> {
    let text = std::str::from_utf8(body).map_err(|error| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("body: not UTF-8 at byte {}", error.valid_up_to()),
        )
    })?;
    let text = if text.is_empty() { "{}" } else { text };
    let mut reader = serde_json::Deserializer::from_str(text);
    let form = T::deserialize(Objects(&mut reader)).and_then(|form| {
        reader.end()?;
        Ok(form)
    });
    match form {
        Ok(form) => Ok(Ok(form)),
        Err(error) if error.is_data() => {
            // The rest of the text was not looked at yet.
            serde_json::from_str::<IgnoredAny>(text).map_err(|error| broken(&error))?;
            Ok(Err(wrong_field::<T>(text)))
        }
        Err(error) => Err(broken(&error)),
    }
}

fn broken(error: &serde_json::Error) -> ApiError {
    ApiError::new(
        ErrorCode::BadRequest,
        shortened(format!("body: not JSON: {error}")),
    )
}

/// Reads once more, now keeping track of where.
fn wrong_field<'a, T: Deserialize<'a>>(text: &'a str) -> ApiError {
    let mut reader = serde_json::Deserializer::from_str(text);
    let result: Result<T, _> = serde_path_to_error::deserialize(Objects(&mut reader));
    let message = match result {
        Err(error) => {
            let is_whole = error.path().iter().next().is_none();
            let name = match is_whole {
                true => "body".to_owned(),
                false => error.path().to_string(),
            };
            let text = error.inner().to_string();
            let is_echo = text.starts_with("invalid type") || text.starts_with("invalid value");
            match is_echo && (is_whole || SECRETS.contains(&name.as_str())) {
                true => format!("{name}: of a wrong type"),
                false => format!("{name}: {text}"),
            }
        }
        Ok(_) => "body: does not fit".to_owned(),
    };
    ApiError::new(ErrorCode::BadRequest, shortened(message))
}

fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, and looked at by its form alone")]
    struct Outer {
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, and looked at by its form alone")]
    struct Inner {
        a: u64,
    }

    #[test]
    fn a_struct_is_an_object_on_every_level() {
        for good in [
            r#"{}"#,
            "",
            r#"{"inner":{"a":1},"list":[{"a":2}]}"#,
            r#"{"inner":null}"#,
        ] {
            let form = read::<Outer>(good.as_bytes());
            assert!(matches!(form, Ok(Ok(_))), "{good}: {form:?}");
        }
        for (bad, name) in [
            ("[]", "body"),
            ("[null,[]]", "body"),
            (r#"{"inner":[1]}"#, "inner"),
            (r#"{"list":[{"a":1},[2]]}"#, "list[1]"),
        ] {
            let form = read::<Outer>(bad.as_bytes()).expect("it is JSON");
            let error = form.expect_err(bad);
            assert!(
                error.message.starts_with(&format!("{name}: ")),
                "{bad}: {error:?}"
            );
        }
        for broken in ["{", "{} x", "[[", "nul"] {
            let error = read::<Outer>(broken.as_bytes()).expect_err(broken);
            assert!(
                error.message.starts_with("body: not JSON"),
                "{broken}: {error:?}"
            );
        }
    }
}
