//! Which messages a consumer wants (SEED_SPEC 2.4).

use serde::{Deserialize, Serialize};

use crate::error::{ApiError, ErrorCode};
use crate::limits::{FILTER_BYTES_MAX, FILTER_TAGS_MAX};

/// A filter in normal form: equal filters compare equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Filter {
    /// `*`
    All,
    /// `a || b`: sorted, without repeats, not empty.
    Tags(Vec<String>),
}

impl Filter {
    /// Reads a TAG expression. Blanks around tags do not count; `*` or an empty
    /// expression mean everything.
    ///
    /// # Errors
    /// `INVALID_FILTER` for an empty alternative, a single `|`, or one over the bounds.
    pub fn parse_tags(expression: &str) -> Result<Self, ApiError> {
        let invalid = |text: String| ApiError::new(ErrorCode::InvalidFilter, text);
        if expression.len() > FILTER_BYTES_MAX {
            return Err(invalid(format!("filter: over {FILTER_BYTES_MAX} bytes")));
        }
        let trimmed = expression.trim();
        if trimmed.is_empty() || trimmed == "*" {
            return Ok(Self::All);
        }
        let mut tags = Vec::new();
        for (index, part) in trimmed.split("||").enumerate() {
            let tag = part.trim();
            if tag.is_empty() {
                return Err(invalid(format!(
                    "filter: alternative {} is empty",
                    index + 1
                )));
            }
            if tag == "*" {
                return Ok(Self::All);
            }
            if tag.contains('|') {
                return Err(invalid(format!(
                    "filter: '{tag}' holds a single '|'; write '||'"
                )));
            }
            tags.push(tag.to_owned());
        }
        if tags.len() > FILTER_TAGS_MAX {
            return Err(invalid(format!("filter: over {FILTER_TAGS_MAX} tags")));
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(Self::Tags(tags))
    }

    /// What kind of expression it is, as clients name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::All | Self::Tags(_) => "TAG",
        }
    }

    /// The expression in normal form; reading it gives an equal filter.
    #[must_use]
    pub fn expression(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Tags(tags) => tags.join(" || "),
        }
    }

    /// Whether a message with this tag is wanted.
    #[must_use]
    pub fn matches(&self, tag: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Tags(tags) => {
                tag.is_some_and(|tag| tags.binary_search_by(|t| t.as_str().cmp(tag)).is_ok())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_expressions() {
        assert_eq!(Filter::parse_tags(" * ").ok(), Some(Filter::All));
        assert_eq!(Filter::parse_tags("").ok(), Some(Filter::All));
        let filter = Filter::parse_tags(" b || a||b ").expect("valid");
        assert_eq!(filter, Filter::Tags(vec!["a".into(), "b".into()]));
        assert_eq!(
            (filter.kind(), filter.expression().as_str()),
            ("TAG", "a || b")
        );
        for filter in [filter.clone(), Filter::All] {
            let again = Filter::parse_tags(&filter.expression());
            assert_eq!(again.ok(), Some(filter));
        }
        assert!(filter.matches(Some("a")));
        assert!(!filter.matches(Some("c")));
        assert!(!filter.matches(None));
        for bad in ["a ||", "|| a", "a | b", "a || || b"] {
            assert!(Filter::parse_tags(bad).is_err(), "{bad}");
        }
    }
}
