//! The cold store: what the rest of Firn may ask of an object store.
//!
//! Owns the stack of layers (the place itself, then counting, then trying
//! again, then the bound for background work) and the meaning of a write that
//! was tried more than once. Promises that of several creates of one name
//! exactly one is told that it won, also when answers get lost, and that
//! lists are sorted. Leaves the content of objects to others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::time::Timestamp;
use firn_runtime::Clock;

use super::error::{ColdError, Failure, Operation};
use super::limited::Limited;
use super::metered::Metered;
use super::metrics::ColdMetrics;
use super::objects::{Got, Objects, Stored, Wanted};
use super::paths::{ObjectName, Prefix};
use super::retrying::{Draw, Retry, RetrySettings, Retrying};
use super::upload::Upload;

/// Times that a create is made again when the store said "taken" and the name was free.
const CONFLICTS_MAX: u32 = 6;
/// Grows with each conflict: whoever is putting the object at the same time
/// needs a while.
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);
/// Objects in one request to delete.
const DELETE_MAX: usize = 1000;

/// Settings of a [`ColdStore`].
#[derive(Clone, Copy, Debug)]
pub struct ColdSettings {
    pub retry: RetrySettings,
    /// Operations of background work at a time.
    pub background_at_once: usize,
    /// Bytes of a part of an upload. What fits one part is put in one request.
    pub part_bytes: usize,
}

impl Default for ColdSettings {
    fn default() -> Self {
        Self {
            retry: RetrySettings::default(),
            background_at_once: 4,
            // S3 takes at least 5 MiB, and at most 10,000 parts.
            part_bytes: 8 << 20,
        }
    }
}

/// Objects, with retries and counts. Clones share everything.
#[derive(Clone)]
pub struct ColdStore {
    stack: Arc<dyn Objects>,
    background: Arc<dyn Objects>,
    metrics: Arc<ColdMetrics>,
    clock: Clock,
    part_bytes: usize,
}

/// How a create ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The object is ours.
    Won,
    /// The name belongs to somebody else, whose object this is.
    Lost(Bytes),
}

/// An object found by a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub path: String,
    /// `None` for a name that is not ours.
    pub name: Option<ObjectName>,
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: Timestamp,
}

impl ColdStore {
    /// Puts the layers on a place for objects.
    #[must_use]
    pub fn new(objects: Arc<dyn Objects>, settings: ColdSettings, clock: &Clock) -> Self {
        let draw: Draw = Arc::new(firn_runtime::random::number);
        Self::with_draw(objects, settings, clock, draw)
    }

    /// The same, with chance from somewhere else: simulations repeat themselves.
    #[must_use]
    pub fn with_draw(
        objects: Arc<dyn Objects>,
        settings: ColdSettings,
        clock: &Clock,
        draw: Draw,
    ) -> Self {
        let metrics = Arc::new(ColdMetrics::default());
        let metered: Arc<dyn Objects> = Arc::new(Metered::new(objects, metrics.clone()));
        // A budget each: background work must not use up what sends need.
        let retrying = || {
            let retry = Retry::new(settings.retry, clock.clone(), draw.clone(), metrics.clone());
            Arc::new(Retrying::new(metered.clone(), retry))
        };
        let background = Limited::new(retrying(), settings.background_at_once);
        Self {
            stack: retrying(),
            background: Arc::new(background),
            metrics,
            clock: clock.clone(),
            part_bytes: settings.part_bytes.max(1),
        }
    }

    /// The same store for background work: its operations wait for one another
    /// rather than crowd out those that somebody waits for.
    #[must_use]
    pub fn background(&self) -> Self {
        Self {
            stack: self.background.clone(),
            ..self.clone()
        }
    }

    #[must_use]
    pub fn metrics(&self) -> &Arc<ColdMetrics> {
        &self.metrics
    }

    /// Puts an object under a free name. The body must hold its maker and a
    /// nonce drawn for this object: equal bytes under a taken name are then
    /// our own earlier attempt whose answer got lost (RULES 6).
    ///
    /// # Errors
    /// See [`ColdError::is_outcome_unknown`]: the same body may be created again.
    pub async fn create(&self, name: ObjectName, body: Bytes) -> Result<Created, ColdError> {
        let path = name.to_string();
        let mut conflicts = 0;
        loop {
            let error = match self.stack.create(&path, &body).await {
                Ok(()) => return Ok(Created::Won),
                Err(error) if error.failure == Failure::Exists => error,
                Err(error) => return Err(error),
            };
            match self.stack.get(&path, Wanted::All).await {
                Ok(got) if got.bytes == body => {
                    ColdMetrics::add(&self.metrics.met_itself, 1);
                    return Ok(Created::Won);
                }
                Ok(got) => return Ok(Created::Lost(got.bytes)),
                // S3 answers 409 to creates that run at the same time, which
                // says nothing about who wins, or whether anybody does.
                Err(missing) if missing.failure == Failure::NotFound => {
                    conflicts += 1;
                    if conflicts == CONFLICTS_MAX {
                        let detail = "the store keeps reporting a conflict";
                        let failure = Failure::Server;
                        return Err(ColdError::new(error.operation, path, failure, detail));
                    }
                    self.clock.sleep(CONFLICT_PAUSE * conflicts).await;
                }
                // The create stands or not; only reading it failed.
                Err(error) => {
                    return Err(ColdError::new(
                        Operation::Create,
                        path,
                        error.failure,
                        error.detail,
                    ));
                }
            }
        }
    }

    /// Puts an object under a name that nobody else has: one with a nonce. The
    /// body comes in pieces; what is larger than a part is sent in parts.
    ///
    /// # Errors
    /// When it is not known to be stored. An object that is there all the same
    /// is an orphan: nobody knows its name, and a sweep takes it.
    pub async fn put_unique(
        &self,
        name: ObjectName,
        body: impl IntoIterator<Item = Bytes>,
    ) -> Result<(), ColdError> {
        let mut upload = self.upload(name);
        for piece in body {
            if let Err(error) = upload.write(piece).await {
                upload.abort().await;
                return Err(error);
            }
        }
        upload.finish().await.map(drop)
    }

    /// Begins an object that is written piece by piece; see [`Self::put_unique`].
    #[must_use]
    pub fn upload(&self, name: ObjectName) -> Upload {
        Upload::new(self.stack.clone(), name.to_string(), self.part_bytes)
    }

    /// A whole object.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, name: ObjectName) -> Result<Bytes, ColdError> {
        let got = self.stack.get(&name.to_string(), Wanted::All).await?;
        Ok(got.bytes)
    }

    /// A whole object, or `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(&self, name: ObjectName) -> Result<Option<Bytes>, ColdError> {
        match self.get(name).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.failure == Failure::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The bytes from `from` up to, but not including, `to`. An empty range costs no request.
    ///
    /// # Errors
    /// When they cannot be read; `Short` when the object ends before them.
    pub async fn get_range(
        &self,
        name: ObjectName,
        from: u64,
        to: u64,
    ) -> Result<Bytes, ColdError> {
        if from >= to {
            return Ok(Bytes::new());
        }
        let path = name.to_string();
        let got = self.stack.get(&path, Wanted::Range(from, to)).await?;
        if got.bytes.len() as u64 != to - from {
            let detail = format!("{} bytes, not {to}", got.object_bytes);
            return Err(ColdError::new(Operation::Get, path, Failure::Short, detail));
        }
        Ok(got.bytes)
    }

    /// The last `bytes` of an object (all of a shorter one), and its length.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn get_tail(&self, name: ObjectName, bytes: u64) -> Result<Got, ColdError> {
        let wanted = Wanted::Tail(bytes.max(1));
        self.stack.get(&name.to_string(), wanted).await
    }

    /// Length of an object, and its age by the store's clock.
    ///
    /// # Errors
    /// When it is not there or the store does not answer.
    pub async fn head(&self, name: ObjectName) -> Result<Listed, ColdError> {
        let stored = self.stack.head(&name.to_string()).await?;
        Ok(listed(stored))
    }

    /// What is stored below a prefix, sorted by path.
    ///
    /// # Errors
    /// When the store does not answer, or there is more than fits memory.
    pub async fn list(&self, prefix: Prefix) -> Result<Vec<Listed>, ColdError> {
        let stored = self.stack.list(&prefix.to_string()).await?;
        let mut found: Vec<Listed> = stored.into_iter().map(listed).collect();
        // Stores have orders of their own, or none.
        found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Takes objects away. Those that are not there are fine.
    ///
    /// # Errors
    /// When some may still be there.
    pub async fn delete(&self, names: &[ObjectName]) -> Result<(), ColdError> {
        for some in names.chunks(DELETE_MAX) {
            let paths: Vec<String> = some.iter().map(ToString::to_string).collect();
            self.stack.delete(&paths).await?;
        }
        Ok(())
    }

    /// Marks a place between two operations where a test may stop the process.
    ///
    /// # Errors
    /// When it does.
    pub fn reach(&self, point: &'static str) -> Result<(), ColdError> {
        self.stack.reach(point)
    }
}

fn listed(stored: Stored) -> Listed {
    Listed {
        name: ObjectName::parse(&stored.path),
        path: stored.path,
        bytes: stored.bytes,
        modified: stored.modified,
    }
}
