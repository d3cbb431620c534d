//! Settings of the tenant service, validated when built.

use std::path::PathBuf;

use firn_protocol::catalogue::Durability;

use crate::error::OpenError;
use crate::secret::Secret;

/// What [`crate::TenantService::open`] needs to know.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// `sqlite:///absolute/path` or `sqlite://relative/path`.
    pub catalogue: String,
    /// Made at the first start; 64 hex digits, readable by its owner alone.
    pub master_key_file: PathBuf,
    /// Password of the console user `operator`; made at the first start if absent.
    pub operator_password: Option<Secret>,
    /// Class of instances whose creator names none.
    pub durability: Durability,
}

/// The file of a catalogue URL (API.md, "Who may call").
pub(crate) fn catalogue_file(url: &str) -> Result<PathBuf, OpenError> {
    let refuse = |rule: &str| {
        Err(OpenError::Url {
            rule: rule.to_owned(),
        })
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return refuse("expected sqlite:///absolute/path or sqlite://relative/path");
    };
    match scheme {
        "sqlite" if rest.is_empty() || rest.ends_with('/') => {
            refuse("the path of a file is missing")
        }
        "sqlite" if rest.contains(['?', '#', '\0']) => {
            refuse("a path with '?' or '#' is not supported, and no parameters are taken")
        }
        "sqlite" => Ok(PathBuf::from(rest)),
        "postgres" | "postgresql" => refuse("this build has only SQLite (sqlite://…) yet"),
        other => refuse(&format!("unknown scheme '{other}', expected sqlite")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_urls() {
        let file = |url| catalogue_file(url).map_err(|error| error.to_string());
        assert_eq!(file("sqlite:///a/b.db"), Ok(PathBuf::from("/a/b.db")));
        assert_eq!(file("sqlite://a/b.db"), Ok(PathBuf::from("a/b.db")));
        for bad in [
            "",
            "a.db",
            "sqlite://",
            "sqlite:///a/",
            "sqlite://a?mode=ro",
            "mysql://x",
        ] {
            assert!(file(bad).is_err(), "{bad}");
        }
        let text = file("postgres://user:pass@host/db").unwrap_err();
        assert!(
            text.contains("only SQLite") && !text.contains("pass"),
            "{text}"
        );
    }
}
