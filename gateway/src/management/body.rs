//! JSON bodies as clients of the guide write them: numbers and flags also as text, lists
//! also joined by commas, the words of files and console beside those of the API
//! (SEED_SPEC 5, I-15, I-17, I-39, I-40). Unknown fields are ignored.

use firn_protocol::catalogue::Permission;
use firn_protocol::{ApiError, ApiResult};
use serde_json::{Map, Value};

use super::params::{missing, whole};
use crate::native::json;

/// All that a list of brokers may say.
const ALL: &str = "全部";

/// The fields of a body, or of an object in it.
#[derive(Default)]
pub(super) struct Fields {
    map: Map<String, Value>,
}

impl Fields {
    /// An empty body has no fields.
    ///
    /// # Errors
    /// Outer: not JSON. Inner: JSON, but no object.
    pub(super) fn read(body: &[u8]) -> ApiResult<ApiResult<Self>> {
        let read = json::read::<Map<String, Value>>(body)?;
        Ok(read
            .map(|map| Self { map })
            .map_err(|_| ApiError::field("body", "not a JSON object")))
    }

    /// Null is as good as not there.
    fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// # Errors
    /// `BAD_REQUEST` naming it.
    pub(super) fn object(&self, name: &str) -> ApiResult<Option<Self>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self { map: map.clone() })),
            Some(_) => Err(ApiError::field(name, "not an object")),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(String::as_str)
    }

    /// # Errors
    /// `BAD_REQUEST` naming it.
    pub(super) fn text(&self, name: &str) -> ApiResult<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(ApiError::field(name, "not a text")),
        }
    }

    /// # Errors
    /// `BAD_REQUEST` naming it.
    pub(super) fn required_text(&self, name: &str) -> ApiResult<String> {
        let text = self.text(name)?.map(|text| text.trim().to_owned());
        text.filter(|text| !text.is_empty())
            .ok_or_else(|| missing(name))
    }

    /// # Errors
    /// `BAD_REQUEST` naming it for anything but a whole number from 0.
    pub(super) fn number(&self, name: &str) -> ApiResult<Option<u64>> {
        match self.text(name)?.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => whole(name, text).map(Some),
        }
    }

    /// # Errors
    /// `BAD_REQUEST` naming it.
    pub(super) fn flag(&self, name: &str, words: (&str, &str)) -> ApiResult<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) => {
                let text = text.trim();
                if text.eq_ignore_ascii_case("true") || text == words.0 {
                    Ok(Some(true))
                } else if text.eq_ignore_ascii_case("false") || text == words.1 {
                    Ok(Some(false))
                } else {
                    Err(ApiError::field(name, "neither true nor false"))
                }
            }
            Some(_) => Err(ApiError::field(name, "neither true nor false")),
        }
    }

    /// # Errors
    /// `BAD_REQUEST` naming it for anything but a list of texts.
    pub(super) fn list(&self, name: &str) -> ApiResult<Option<Vec<String>>> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.trim().to_owned()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(ApiError::field(name, "not a list of texts"))
            }
        };
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => {
                values.iter().map(text).collect::<ApiResult<_>>().map(Some)
            }
            Some(Value::String(joined)) => Ok(Some(split(joined))),
            Some(_) => Err(ApiError::field(name, "not a list of texts")),
        }
    }

    /// # Errors
    /// `BAD_REQUEST` naming it.
    pub(super) fn permission(&self, name: &str) -> ApiResult<Option<Permission>> {
        match self.text(name)?.as_deref().map(str::trim) {
            None => Ok(None),
            Some("6" | "读写") => Ok(Some(Permission::ReadWrite)),
            Some("4" | "只读") => Ok(Some(Permission::Read)),
            Some("2" | "只写") => Ok(Some(Permission::Write)),
            Some(_) => Err(ApiError::field(
                name,
                "6 (read and write), 4 (read) or 2 (write)",
            )),
        }
    }
}

/// The names of a list that is joined by commas.
pub(super) fn split(joined: &str) -> Vec<String> {
    let names = joined.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a list of brokers means all of them.
pub(super) fn means_all(names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name == ALL)
}
