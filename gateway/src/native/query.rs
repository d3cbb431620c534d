//! Query strings, read strictly: what is unknown, twice or broken is refused.

use std::borrow::Cow;

use firn_protocol::{ApiError, ApiResult, ErrorCode, Timestamp};
use percent_encoding::percent_decode_str;

const PAIRS_MAX: usize = 64;

/// Parameters that were not taken yet.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// # Errors
    /// `BAD_REQUEST` for broken percent-encoding, repeated or too many parameters.
    pub(crate) fn read(raw: &str) -> ApiResult<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(ApiError::field(&name, "given twice"));
            }
            if pairs.len() == PAIRS_MAX {
                return Err(ApiError::field(
                    "query",
                    format_args!("over {PAIRS_MAX} parameters"),
                ));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(known, _)| known == name)?;
        Some(self.pairs.swap_remove(at).1)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }

    /// # Errors
    /// `BAD_REQUEST` for anything but a whole number from 0.
    pub(crate) fn take_number(&mut self, name: &str) -> ApiResult<Option<u64>> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Some(number)),
            _ => Err(ApiError::field(name, "not a whole number from 0")),
        }
    }

    /// # Errors
    /// `BAD_REQUEST` when it is missing or no time.
    pub(super) fn take_time(&mut self, name: &str) -> ApiResult<Timestamp> {
        self.take_number(name)?
            .map(Timestamp)
            .ok_or_else(|| ApiError::field(name, "missing: a time in ms since 1970"))
    }

    /// # Errors
    /// `BAD_REQUEST` for anything but `true` and `false`.
    pub(super) fn take_flag(&mut self, name: &str) -> ApiResult<bool> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::field(name, "neither true nor false")),
        }
    }

    /// # Errors
    /// `BAD_REQUEST` naming a parameter that nobody took.
    pub(crate) fn finish(self) -> ApiResult<()> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::field(
                &name.chars().take(64).collect::<String>(),
                "unknown query parameter",
            )),
        }
    }
}

fn decode(text: &str) -> ApiResult<String> {
    let text = if text.contains('+') {
        Cow::Owned(text.replace('+', " "))
    } else {
        Cow::Borrowed(text)
    };
    percent_decoded(&text, "query").map(Cow::into_owned)
}

/// # Errors
/// `BAD_REQUEST` naming `what` for a `%` without two hex digits or bytes that
/// are not UTF-8.
pub(crate) fn percent_decoded<'a>(text: &'a str, what: &str) -> ApiResult<Cow<'a, str>> {
    let well_formed = text
        .bytes()
        .enumerate()
        .filter(|(_, b)| *b == b'%')
        .all(|(at, _)| {
            text.as_bytes()
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        });
    let decoded = percent_decode_str(text).decode_utf8().ok();
    decoded.filter(|_| well_formed).ok_or_else(|| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("{what}: broken percent-encoding; write '%' as %25"),
        )
    })
}
