//! Where objects and the catalogue are, as URLs say it.

use std::path::PathBuf;

use firn_runtime::config::Secret;

/// The object store. Credentials of S3 come from the usual `AWS_*` variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectStore {
    Directory(PathBuf),
    S3 {
        bucket: String,
        prefix: String,
    },
    /// Gone with the process; for tests.
    Memory,
}

impl ObjectStore {
    /// # Errors
    /// The forms that are taken, for anything else.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        const RULE: &str = "expected file:///DIR, s3://BUCKET/PREFIX or memory:";
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        if let Some(path) = url.strip_prefix("file://") {
            return match path.starts_with('/') {
                true => Ok(Self::Directory(PathBuf::from(path))),
                false => Err(RULE),
            };
        }
        let place = url.strip_prefix("s3://").ok_or(RULE)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(RULE);
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

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
