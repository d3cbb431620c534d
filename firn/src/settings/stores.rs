//! Where the catalogue is, as a URL says it.

use std::path::PathBuf;

use firn_runtime::config::Secret;

/// The catalogue's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Catalog {
    Sqlite(PathBuf),
    /// The whole URL, which may hold a password.
    Postgres(Secret),
}

impl Catalog {
    /// # Errors
    /// The forms that are taken, for anything else.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        const RULE: &str = "expected sqlite:///FILE, sqlite://RELATIVE or postgres://…";
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(url)));
        }
        // Three slashes are an absolute path: the third one belongs to it.
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.ends_with('/') => {
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            Some(_) | None => Err(RULE),
        }
    }
}
