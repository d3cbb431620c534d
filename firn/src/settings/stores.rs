//! Where the catalogue is, as a URL says it.

use std::path::PathBuf;

use firn_runtime::config::Secret;
use firn_tenant_service::check_catalogue_url;

/// The catalogue's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Catalog {
    Sqlite(PathBuf),
    /// The whole URL, which may hold a password.
    Postgres(Secret),
}

impl Catalog {
    /// # Errors
    /// The rule that the URL breaks, without anything that may be a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        check_catalogue_url(url)?;
        // Three slashes are an absolute path: the third one belongs to it.
        Ok(match url.strip_prefix("sqlite://") {
            Some(path) => Self::Sqlite(PathBuf::from(path)),
            None => Self::Postgres(Secret::new(url)),
        })
    }

    /// The URL again, for the one who opens it.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => url.expose().to_owned(),
        }
    }
}
