//! Query strings as the guide's samples write them (SEED_SPEC 4, I-04 to I-06, I-30). A
//! parameter's value never gets into an error text: it may be a secret.

use firn_protocol::{ApiError, ApiResult};

use crate::native::query::percent_decoded;

const PAIRS_MAX: usize = 64;
const PAGE_SIZE_DEFAULT: u64 = 5;
/// Larger pages are cut to it (SEED_SPEC 3, I-29).
pub(super) const PAGE_SIZE_MAX: u64 = 1000;
const SECRET: &str = "secretKey";

/// Parameters, and what was tolerated in them.
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    pub(super) warnings: Vec<String>,
}

/// Which rows of a list are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    /// From 1.
    pub(super) number: u64,
    pub(super) size: usize,
}

impl Params {
    /// # Errors
    /// `BAD_REQUEST` for a parameter that is given twice with different values, is
    /// not properly encoded, or holds another parameter.
    pub(super) fn read(raw: &str) -> ApiResult<Self> {
        let mut params = Self {
            pairs: Vec::new(),
            warnings: Vec::new(),
        };
        // A second `?` stands for `&`; nothing stands between `&&`.
        for pair in raw.split(['&', '?']).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name, "query")?;
            let value = decoded(value, &shown(&name))?;
            params.add(name, value)?;
        }
        params.split_tenant()?;
        Ok(params)
    }

    fn add(&mut self, name: String, mut value: String) -> ApiResult<()> {
        if name == SECRET {
            // Base64 has no blank: this one was a plus that was not escaped.
            value = value.replace(' ', "+");
        }
        if let Some((_, known)) = self.pairs.iter().find(|(known, _)| *known == name) {
            if *known == value {
                return Ok(());
            }
            let rule = "given twice with different values";
            return Err(ApiError::field(&shown(&name), rule));
        }
        if self.pairs.len() == PAIRS_MAX {
            let rule = format_args!("over {PAIRS_MAX} parameters");
            return Err(ApiError::field("query", rule));
        }
        self.pairs.push((name, value));
        Ok(())
    }

    /// `tenantId=2pageNumber=1`: an `&` is missing (SEED_SPEC I-05).
    fn split_tenant(&mut self) -> ApiResult<()> {
        let tenant = self.pairs.iter_mut().find(|(name, _)| name == "tenantId");
        let Some((_, value)) = tenant.filter(|(_, value)| value.contains('=')) else {
            return Ok(());
        };
        let tail = ["pageNumber", "pageSize"].into_iter().find_map(|name| {
            let (head, tail) = value.split_once(name)?;
            let number = tail.strip_prefix('=')?;
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let (head, number) = (head.to_owned(), number.to_owned());
            (is_number && !head.is_empty()).then_some((name, head, number))
        });
        let Some((name, head, number)) = tail else {
            let rule = "holds another parameter: an '&' is missing";
            return Err(ApiError::field("tenantId", rule));
        };
        *value = head;
        self.warnings
            .push(format!("tenantId: an '&' is missing before {name}"));
        self.add(name.to_owned(), number)
    }

    /// As it was given; `None` when it was not.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// `None` also when it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    /// # Errors
    /// `BAD_REQUEST` naming it when it is missing or empty.
    pub(super) fn required(&self, name: &str) -> ApiResult<&str> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// As [`Self::required`], but may be empty.
    pub(super) fn present(&self, name: &str) -> ApiResult<&str> {
        self.get(name).map(str::trim).ok_or_else(|| missing(name))
    }

    /// # Errors
    /// `BAD_REQUEST` naming it for anything but a whole number from 0.
    pub(super) fn number(&self, name: &str) -> ApiResult<Option<u64>> {
        self.text(name).map(|text| whole(name, text)).transpose()
    }

    /// # Errors
    /// `BAD_REQUEST` naming `pageNumber` or `pageSize`.
    pub(super) fn paging(&self) -> ApiResult<Paging> {
        let (number, size) = (self.number("pageNumber")?, self.number("pageSize")?);
        Paging::new(number, size)
    }
}

impl Paging {
    /// # Errors
    /// `BAD_REQUEST` naming what is 0.
    pub(super) fn new(number: Option<u64>, size: Option<u64>) -> ApiResult<Self> {
        let (number, size) = (number.unwrap_or(1), size.unwrap_or(PAGE_SIZE_DEFAULT));
        for (name, value) in [("pageNumber", number), ("pageSize", size)] {
            if value == 0 {
                return Err(ApiError::field(name, "counts from 1"));
            }
        }
        Ok(Self {
            number,
            size: size.min(PAGE_SIZE_MAX) as usize,
        })
    }

    /// Rows before the page.
    pub(super) fn skipped(self) -> u64 {
        (self.number - 1).saturating_mul(self.size as u64)
    }

    /// How many rows there are, and those of the page.
    pub(super) fn cut<T>(self, mut rows: Vec<T>) -> (u64, Vec<T>) {
        let total = rows.len();
        let skipped = usize::try_from(self.skipped()).unwrap_or(usize::MAX);
        rows.drain(..skipped.min(total));
        rows.truncate(self.size);
        (total as u64, rows)
    }
}

/// # Errors
/// `BAD_REQUEST` naming it for anything but a whole number from 0; one that is too
/// large for any use is the largest.
pub(super) fn whole(name: &str, text: &str) -> ApiResult<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ApiError::field(name, "not a whole number from 0"));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

pub(super) fn missing(name: &str) -> ApiError {
    ApiError::field(name, "missing")
}

/// A parameter's name in an error text.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

fn decoded(text: &str, what: &str) -> ApiResult<String> {
    let text = text.replace('+', " ");
    percent_decoded(&text, what).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests;
