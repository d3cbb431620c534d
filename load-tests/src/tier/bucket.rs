//! The object store of a measurement, and what it gives without Firn.
//!
//! Owns a directory, or an S3 server process started for the measurement, and a client of
//! it of its own. Promises that the server ends with the value.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use serde::Serialize;
use tokio::task::JoinSet;

use super::distance::{self, Distance};
use crate::clock;
use crate::driver::firn::Cold;
use crate::process::free_address;
use crate::setup::FOLDER;
use crate::stats::Latency;

/// What `infra/weed.sh` starts the server with.
const BUCKET: &str = "firn";
const ACCESS_KEY: &str = "test";
const SECRET_KEY: &str = "testtest";
/// The script's server takes this port and the four after it, and those 10,000 above.
const PORTS: u16 = 5;
const PORT_TRIES: usize = 100;
const OBJECTS_MAX: usize = 1_000_000;

/// Which object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A directory, every object synced.
    File,
    /// SeaweedFS on this machine, over HTTP.
    S3,
}

impl Kind {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::S3 => "s3",
        }
    }
}

/// An object store with nothing in it but what the measured server puts there.
pub(super) struct Bucket {
    client: Arc<dyn ObjectStore>,
    cold: Cold,
    /// Folder of the server, if there is one.
    server: Option<PathBuf>,
}

/// Objects of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    pub(super) objects: Vec<ObjectMeta>,
    pub(super) bytes: u64,
}

impl Bucket {
    /// Starts an empty one below `folder`, which must exist.
    ///
    /// # Errors
    /// The server cannot be installed or started.
    pub(super) fn start(kind: Kind, distance: Option<Distance>, folder: &Path) -> Result<Self> {
        match kind {
            Kind::File => Self::directory(folder),
            Kind::S3 => Self::server(folder, distance),
        }
    }

    fn directory(folder: &Path) -> Result<Self> {
        let root = folder.join("bucket");
        std::fs::create_dir_all(&root).context("create the bucket")?;
        let client = LocalFileSystem::new_with_prefix(&root).context("open the bucket")?;
        Ok(Self {
            client: Arc::new(client.with_fsync(true)),
            cold: Cold {
                url: Some(format!("file://{}", root.display())),
                variables: Vec::new(),
            },
            server: None,
        })
    }

    fn server(folder: &Path, distance: Option<Distance>) -> Result<Self> {
        let (venv, data) = (Path::new(FOLDER).join("weed"), folder.join("s3"));
        let (venv, data) = (venv.to_string_lossy(), data.to_string_lossy().into_owned());
        weed(&["install", &venv])?;
        let port = free_ports()?;
        weed(&["start", &venv, &data, &port.to_string()])?;
        // From here on it is ended when something fails.
        let mut endpoint = format!("http://127.0.0.1:{port}");
        if let Some(distance) = distance {
            let server = SocketAddr::from(([127, 0, 0, 1], port));
            let away = distance::put_away(server, distance);
            endpoint = format!("http://{}", away?);
        }
        let mut bucket = Self {
            client: Arc::new(object_store::memory::InMemory::new()),
            cold: Cold {
                url: Some(format!("s3://{BUCKET}")),
                variables: [
                    ("AWS_ENDPOINT_URL", endpoint.as_str()),
                    ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
                    ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
                    ("AWS_REGION", "us-east-1"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            },
            server: Some(PathBuf::from(data)),
        };
        let client = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_bucket_name(BUCKET)
            .with_region("us-east-1")
            .with_access_key_id(ACCESS_KEY)
            .with_secret_access_key(SECRET_KEY)
            .with_client_options(ClientOptions::new().with_allow_http(true));
        bucket.client = Arc::new(client.build().context("a client of the S3 server")?);
        Ok(bucket)
    }

    /// What to tell Firn.
    #[must_use]
    pub(super) fn cold(&self) -> &Cold {
        &self.cold
    }

    /// All segments.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn segments(&self) -> Result<Census> {
        let mut census = Census::default();
        let mut folders = vec![object_store::path::Path::default()];
        while let Some(folder) = folders.pop() {
            let listed = self.client.list_with_delimiter(Some(&folder)).await;
            let listed = listed.context("list the bucket")?;
            folders.extend(listed.common_prefixes);
            let is_segment = |one: &ObjectMeta| one.location.as_ref().ends_with(".seg");
            census
                .objects
                .extend(listed.objects.into_iter().filter(is_segment));
            ensure!(census.objects.len() < OBJECTS_MAX, "too many objects");
        }
        census.bytes = census.objects.iter().map(|one| one.size).sum();
        Ok(census)
    }

    /// Reads `census` once by gets of `block` bytes, `streams` at a time, each stream one
    /// object after the other. MiB in a second.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn read(&self, census: &Census, block: u64, streams: usize) -> Result<f64> {
        let objects = Arc::new(census.objects.clone());
        let next = Arc::new(AtomicUsize::new(0));
        let begin = clock::now();
        let mut tasks = JoinSet::new();
        for _ in 0..streams {
            let (client, objects, next) = (self.client.clone(), objects.clone(), next.clone());
            tasks.spawn(async move {
                let mut bytes = 0;
                while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for from in (0..object.size).step_by(usize::try_from(block)?) {
                        let range = from..object.size.min(from + block);
                        bytes += client.get_range(&object.location, range).await?.len() as u64;
                    }
                }
                anyhow::Ok(bytes)
            });
        }
        let mut bytes = 0;
        while let Some(ended) = tasks.join_next().await {
            bytes += ended.context("a reading task failed")??;
        }
        ensure!(bytes == census.bytes, "{bytes} bytes were read");
        let seconds = clock::now().duration_since(begin).as_secs_f64();
        Ok(bytes as f64 / f64::from(1 << 20) / seconds)
    }

    /// Puts objects of `bytes` bytes one after the other for `window`: what one put costs.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn put_alone(&self, bytes: usize, window: Duration) -> Result<Latency> {
        let (begin, mut latency) = (clock::now(), Latency::default());
        let body = bytes::Bytes::from(vec![b'x'; bytes]);
        while clock::now().duration_since(begin) < window {
            let name = object_store::path::Path::from(format!("plain/{:010}", latency.count()));
            let put_at = clock::now();
            self.client.put(&name, body.clone().into()).await?;
            latency.record(clock::now().duration_since(put_at));
        }
        Ok(latency)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(data) = &self.server
            && let Err(error) = weed(&["stop", &data.to_string_lossy()])
        {
            eprintln!("the S3 server may still run: {error:#}");
        }
    }
}

/// Runs the project's script, from its root as everything of the bench.
fn weed(arguments: &[&str]) -> Result<()> {
    let output = Command::new("infra/weed.sh").args(arguments).output();
    let output = output.context("run infra/weed.sh, from the project's root")?;
    ensure!(
        output.status.success(),
        "infra/weed.sh: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn free_ports() -> Result<u16> {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    for _ in 0..PORT_TRIES {
        // Servers elsewhere on the machine find their ports in the same way.
        let first = 12_000 + free_address()?.port() % 10_000;
        if (first..first + PORTS).all(|port| is_free(port) && is_free(port + 10_000)) {
            return Ok(first);
        }
    }
    anyhow::bail!("no {PORTS} free ports in a row")
}
