//! Which messages a consumer wants (SEED_SPEC 2.4).

pub mod sql;

use std::borrow::Cow;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::error::{ApiError, ErrorCode};
use crate::limits::{FILTER_BYTES_MAX, FILTER_TAGS_MAX};
use crate::message::NewMessage;

use self::sql::SqlFilter;

/// What a filter may ask of a message.
pub trait Facts {
    fn tag(&self) -> Option<&str>;
    /// The keys with blanks between, as RocketMQ keeps them; `None` without keys.
    fn keys(&self) -> Option<Cow<'_, str>>;
    fn message_group(&self) -> Option<&str>;
    /// The value of a property that the user gave.
    fn property(&self, name: &str) -> Option<&str>;
}

/// A filter in normal form: equal filters compare equal. It is stored, so variants
/// are only ever added, at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Filter {
    /// `*`
    All,
    /// `a || b`: sorted, without repeats, not empty.
    Tags(Vec<String>),
    /// An expression of the type SQL92.
    Sql(SqlFilter),
}

fn invalid(text: impl Display) -> ApiError {
    ApiError::new(ErrorCode::InvalidFilter, format!("filter: {text}"))
}

impl Filter {
    /// Reads a TAG expression. Blanks around tags do not count; `*` or an empty
    /// expression mean everything.
    ///
    /// # Errors
    /// `INVALID_FILTER` for an empty alternative, a single `|`, or one over the bounds.
    pub fn parse_tags(expression: &str) -> Result<Self, ApiError> {
        if expression.len() > FILTER_BYTES_MAX {
            return Err(invalid(format_args!("over {FILTER_BYTES_MAX} bytes")));
        }
        let trimmed = expression.trim();
        if trimmed.is_empty() || trimmed == "*" {
            return Ok(Self::All);
        }
        let mut tags = Vec::new();
        for (index, part) in trimmed.split("||").enumerate() {
            let tag = part.trim();
            if tag.is_empty() {
                return Err(invalid(format_args!("alternative {} is empty", index + 1)));
            }
            if tag == "*" {
                return Ok(Self::All);
            }
            if tag.contains('|') {
                return Err(invalid(format_args!(
                    "'{tag}' holds a single '|'; write '||'"
                )));
            }
            tags.push(tag.to_owned());
        }
        if tags.len() > FILTER_TAGS_MAX {
            return Err(invalid(format_args!("over {FILTER_TAGS_MAX} tags")));
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(Self::Tags(tags))
    }

    /// Reads an expression of the type SQL92.
    ///
    /// # Errors
    /// `INVALID_FILTER` with the column and what is wrong there.
    pub fn parse_sql(expression: &str) -> Result<Self, ApiError> {
        SqlFilter::parse(expression).map(Self::Sql)
    }

    /// What kind of expression it is, as clients name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::All | Self::Tags(_) => "TAG",
            Self::Sql(_) => "SQL92",
        }
    }

    /// The expression in normal form; reading it gives an equal filter.
    #[must_use]
    pub fn expression(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Tags(tags) => tags.join(" || "),
            Self::Sql(sql) => sql.as_str().to_owned(),
        }
    }

    /// Whether a message is wanted.
    #[must_use]
    pub fn matches(&self, facts: &impl Facts) -> bool {
        match self {
            Self::All => true,
            Self::Tags(tags) => facts
                .tag()
                .is_some_and(|tag| tags.binary_search_by(|t| t.as_str().cmp(tag)).is_ok()),
            Self::Sql(sql) => sql.matches(facts),
        }
    }
}

impl Facts for NewMessage {
    fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    fn keys(&self) -> Option<Cow<'_, str>> {
        match &self.keys[..] {
            [] => None,
            [key] => Some(Cow::Borrowed(key)),
            keys => Some(Cow::Owned(keys.join(" "))),
        }
    }

    fn message_group(&self) -> Option<&str> {
        self.message_group.as_deref()
    }

    fn property(&self, name: &str) -> Option<&str> {
        let mut properties = self.properties.iter();
        let found = properties.find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests;
