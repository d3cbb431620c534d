//! `--object-store`: from a URL to a place for objects.
//!
//! Promises that a directory syncs what it stores and belongs to this process
//! alone, that S3 requests end within a time, and that an error is one line
//! that never holds a secret. Leaves the environment to the caller, who
//! hands it in.

use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use object_store::ClientOptions;
use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use super::real::RealObjects;
use crate::disk::RealDisk;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole request, its body included: 8 MiB at 2 Mbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(32);
/// Between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// What is taken from the environment: the names that other S3 clients use,
/// then those for stores that differ from AWS.
const VARIABLES: [&str; 21] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_DISABLE_BULK_DELETE",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_REQUEST_PAYER",
    "AWS_UNSIGNED_PAYLOAD",
];

const RULE: &str = "expected file:///DIR, s3://BUCKET/PREFIX or memory:";

/// Where objects are kept, as a URL says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColdUrl {
    /// Gone with the process; for tests.
    Memory,
    Directory(PathBuf),
    S3 {
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
}

/// Why there is no object store. One line.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("object store URL: {0}")]
    Url(&'static str),
    #[error("object store {dir}: in use by another process")]
    InUse { dir: String },
    #[error("object store {dir}: {reason}")]
    Directory { dir: String, reason: String },
    #[error("object store s3://{bucket}: {reason}")]
    S3 { bucket: String, reason: String },
}

impl ColdUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// The forms that are taken, or the part that is not.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        if let Some(path) = url.strip_prefix("file://") {
            return match path.starts_with('/') {
                true => Ok(Self::Directory(PathBuf::from(path))),
                false => Err(OpenError::Url(RULE)),
            };
        }
        let place = url.strip_prefix("s3://").ok_or(OpenError::Url(RULE))?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        if bucket.is_empty() {
            return Err(OpenError::Url(RULE));
        }
        if !bucket.chars().all(is_name) {
            let rule = "a bucket has small letters, digits, '.', '-' and '_' only";
            return Err(OpenError::Url(rule));
        }
        let prefix = prefix.trim_matches('/');
        if Path::parse(prefix).is_err() {
            let rule = "the prefix has an empty part, '.', '..' or a character that S3 cannot take";
            return Err(OpenError::Url(rule));
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// Opens the place. `variable` reads the environment. Touches the disk, but
    /// not the network: what a bucket answers is for [`super::probe`] to find out.
    ///
    /// # Errors
    /// When the directory cannot be used, or the settings of S3 do not fit together.
    pub fn open(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<RealObjects, OpenError> {
        match self {
            Self::Memory => Ok(RealObjects::memory()),
            Self::Directory(root) => open_directory(root),
            Self::S3 { bucket, prefix } => open_bucket(bucket, prefix, variable),
        }
    }
}

fn open_directory(root: &FilePath) -> Result<RealObjects, OpenError> {
    let dir = root.display().to_string();
    let failed = |reason: String| OpenError::Directory {
        dir: dir.clone(),
        reason,
    };
    let lock = RealDisk::open(root).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            OpenError::InUse { dir: dir.clone() }
        } else {
            failed(error.to_string())
        }
    })?;
    // As the store will name it, whatever links lead there.
    let root = root
        .canonicalize()
        .map_err(|error| failed(error.to_string()))?;
    let swept = sweep_staged(&root).map_err(|error| failed(error.to_string()))?;
    if swept > 0 {
        tracing::info!(files = swept, "removed what interrupted writes left behind");
    }
    let store = synced_directory(&root).map_err(|error| failed(one_line(&error)))?;
    Ok(RealObjects::directory(store, root, lock))
}

/// What is stored there survives a power loss, names included (RELIABILITY,
/// warning 3).
pub(super) fn synced_directory(root: &FilePath) -> Result<LocalFileSystem, object_store::Error> {
    Ok(LocalFileSystem::new_with_prefix(root)?.with_fsync(true))
}

/// Removes the staging files `name#7` of writes that a crash cut short; lists
/// hide them and nobody else removes them.
fn sweep_staged(root: &FilePath) -> io::Result<usize> {
    let mut swept = 0;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && is_staged(&entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path())?;
                swept += 1;
            }
        }
    }
    Ok(swept)
}

fn is_staged(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn open_bucket(
    bucket: &str,
    prefix: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<RealObjects, OpenError> {
    let failed = |reason: String| OpenError::S3 {
        bucket: bucket.to_owned(),
        reason,
    };
    // One attempt a request: all retries are the cold store's.
    let once = RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::new().with_retry(once);
    for name in VARIABLES {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let key: AmazonS3ConfigKey = name
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| failed(format!("{name} is not understood")))?;
        builder = builder.with_config(key, value);
    }
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    let is_plain = match endpoint.as_deref() {
        None => false,
        Some(endpoint) if endpoint.contains('@') => {
            let rule = "AWS_ENDPOINT_URL must not hold credentials";
            return Err(failed(rule.to_owned()));
        }
        Some(endpoint) if endpoint.starts_with("http://") => true,
        Some(endpoint) if endpoint.starts_with("https://") => false,
        Some(_) => {
            let rule = "AWS_ENDPOINT_URL must begin with http:// or https://";
            return Err(failed(rule.to_owned()));
        }
    };
    let options = ClientOptions::new()
        .with_allow_http(is_plain)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT);
    let prefix = Path::parse(prefix).map_err(|error| failed(error.to_string()))?;
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(options)
        .build()
        .map_err(|error| failed(one_line(&error)))?;
    Ok(RealObjects::s3(store, prefix))
}

fn one_line(error: &object_store::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
