//! Filters of the type SQL92, in RocketMQ's dialect (docs/decisions/0012).
//!
//! Owns text, meaning and evaluation of expressions. Promises that an expression
//! which exists can be evaluated at a bounded price, and that two with the same
//! meaning up to blanks, case of keywords and needless parentheses are equal.

mod condition;
mod evaluate;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::condition::Condition;
use super::{Facts, invalid};
use crate::error::ApiError;
use crate::limits::{FILTER_BYTES_MAX, FILTER_STORED_BYTES_MAX};

/// An expression: its normal text is what is stored, compared and shown.
#[derive(Clone, Debug)]
pub struct SqlFilter(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: String,
    condition: Condition,
}

impl SqlFilter {
    /// Reads an expression as a client gave it.
    ///
    /// # Errors
    /// `INVALID_FILTER` with the column and what is wrong there.
    pub fn parse(expression: &str) -> Result<Self, ApiError> {
        if expression.len() > FILTER_BYTES_MAX {
            return Err(invalid(format_args!("over {FILTER_BYTES_MAX} bytes")));
        }
        if expression.trim().is_empty() {
            return Err(invalid("the type SQL92 needs an expression"));
        }
        let condition = parser::parse(expression).map_err(|error| {
            let column = expression[..error.at].chars().count() + 1;
            invalid(format_args!("column {column}: {}", error.text))
        })?;
        let text = condition.to_string();
        if text.len() > FILTER_STORED_BYTES_MAX {
            return Err(invalid("the expression is too large"));
        }
        Ok(Self(Arc::new(Compiled { text, condition })))
    }

    /// The expression in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it is true of a message; what is unknown is not true, nor is
    /// anything true once a property is compared as a number that is none.
    #[must_use]
    pub fn matches(&self, facts: &impl Facts) -> bool {
        evaluate::evaluate(&self.0.condition, facts) == Ok(Some(true))
    }
}

/// What is wrong, and where it begins, in bytes.
#[derive(Debug, PartialEq)]
struct SyntaxError {
    at: usize,
    text: String,
}

impl SyntaxError {
    fn new(at: usize, text: impl Into<String>) -> Self {
        Self {
            at,
            text: text.into(),
        }
    }
}

impl PartialEq for SqlFilter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }
}

impl Eq for SqlFilter {}

impl PartialOrd for SqlFilter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SqlFilter {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.text.cmp(&other.0.text)
    }
}

impl Hash for SqlFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl Serialize for SqlFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text)
    }
}

impl<'de> Deserialize<'de> for SqlFilter {
    /// The text is kept as it was stored, so that it stays equal to itself even if
    /// the normal form changes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > FILTER_STORED_BYTES_MAX {
            return Err(serde::de::Error::custom("the filter is too large"));
        }
        let condition = parser::parse(&text).map_err(|e| serde::de::Error::custom(e.text))?;
        Ok(Self(Arc::new(Compiled { text, condition })))
    }
}
