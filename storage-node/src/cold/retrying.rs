//! The layer that tries again: with a time limit for each attempt, pauses that
//! grow and are spread by chance, and a budget. Only passing trouble is tried
//! again (429, 503, time-outs, broken connections); when attempts or budget
//! run out, the last error stands and the caller may come back later.
//!
//! A write that is tried again may meet what its first attempt did. For a create
//! that is told apart by [`super::ColdStore`]; an upload that cannot be completed
//! twice is complete when its object is there, because names are unique.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use firn_runtime::Clock;
use futures_util::future::BoxFuture;

use super::budget::{Budget, BudgetSettings};
use super::error::{ColdError, Failure, Operation};
use super::metrics::ColdMetrics;
use super::objects::{Got, Objects, PartUpload, Stored, Wanted, body_bytes};

/// When to try again.
#[derive(Clone, Copy, Debug)]
pub struct RetrySettings {
    /// Attempts at one operation, the first included.
    pub attempts_max: u32,
    /// The pause before the second attempt; doubles with each further one.
    pub pause_first: Duration,
    pub pause_max: Duration,
    /// How long one attempt may take.
    pub attempt_max: Duration,
    /// How long a list may take: it has as many pages as it needs.
    pub list_max: Duration,
    pub budget: BudgetSettings,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts_max: 6,
            pause_first: Duration::from_millis(100),
            pause_max: Duration::from_secs(10),
            attempt_max: Duration::from_secs(40),
            list_max: Duration::from_secs(600),
            budget: BudgetSettings::default(),
        }
    }
}

/// Where chance comes from; tests give a seeded one.
pub type Draw = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What the layer needs beside the store below it.
#[derive(Clone)]
pub(super) struct Retry {
    settings: RetrySettings,
    clock: Clock,
    draw: Draw,
    budget: Arc<Budget>,
    metrics: Arc<ColdMetrics>,
}

impl Retry {
    pub(super) fn new(
        settings: RetrySettings,
        clock: Clock,
        draw: Draw,
        metrics: Arc<ColdMetrics>,
    ) -> Self {
        Self {
            budget: Arc::new(Budget::new(settings.budget, clock.clone())),
            settings,
            clock,
            draw,
            metrics,
        }
    }

    /// Attempts until one succeeds or fails for good.
    async fn run<'a, T>(
        &self,
        operation: Operation,
        path: &str,
        mut attempt: impl FnMut() -> BoxFuture<'a, Result<T, ColdError>>,
    ) -> Result<T, ColdError> {
        self.budget.earn();
        let mut attempts = 0;
        loop {
            let error = match self.once(operation, path, attempt()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            attempts += 1;
            if !self.may_retry(attempts, &error) {
                return Err(error);
            }
            self.clock.sleep(self.pause(attempts)).await;
        }
    }

    async fn once<T>(
        &self,
        operation: Operation,
        path: &str,
        attempt: BoxFuture<'_, Result<T, ColdError>>,
    ) -> Result<T, ColdError> {
        let most = match operation == Operation::List {
            true => self.settings.list_max,
            false => self.settings.attempt_max,
        };
        tokio::select! {
            biased;
            result = attempt => result,
            () = self.clock.sleep(most) => {
                // The layer below does not learn that it was given up.
                self.metrics.error(operation, Failure::Timeout);
                let limit = format!("{} ms", most.as_millis());
                Err(ColdError::new(operation, path, Failure::Timeout, limit))
            }
        }
    }

    /// Whether to try again after `attempts`; takes it from the budget.
    fn may_retry(&self, attempts: u32, error: &ColdError) -> bool {
        if !error.failure.is_retryable() || attempts >= self.settings.attempts_max {
            return false;
        }
        let granted = self.budget.take();
        ColdMetrics::add(
            match granted {
                true => &self.metrics.retries,
                false => &self.metrics.retries_refused,
            },
            1,
        );
        granted
    }

    /// Half of the pause is fixed, half is chance.
    fn pause(&self, attempts: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts - 1);
        let pause = self.settings.pause_first.saturating_mul(doubled);
        let half = pause.min(self.settings.pause_max) / 2;
        let spread = (self.draw)() % (half.as_millis() as u64 + 1);
        half + Duration::from_millis(spread)
    }
}

/// Tries again what failed in passing.
pub(super) struct Retrying {
    inner: Arc<dyn Objects>,
    retry: Retry,
}

impl Retrying {
    pub(super) fn new(inner: Arc<dyn Objects>, retry: Retry) -> Self {
        Self { inner, retry }
    }
}

#[async_trait]
impl Objects for Retrying {
    async fn create(&self, path: &str, body: &Bytes) -> Result<(), ColdError> {
        let attempt = || self.inner.create(path, body);
        self.retry.run(Operation::Create, path, attempt).await
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Result<(), ColdError> {
        let attempt = || self.inner.put(path, body);
        self.retry.run(Operation::Put, path, attempt).await
    }

    async fn start_upload(&self, path: &str) -> Result<Box<dyn PartUpload>, ColdError> {
        let attempt = || self.inner.start_upload(path);
        let started = self.retry.run(Operation::StartUpload, path, attempt).await;
        Ok(Box::new(RetryingUpload {
            inner: tokio::sync::Mutex::new(started?),
            objects: self.inner.clone(),
            retry: self.retry.clone(),
            path: path.to_owned(),
            bytes: 0,
        }))
    }

    async fn get(&self, path: &str, wanted: Wanted) -> Result<Got, ColdError> {
        let attempt = || self.inner.get(path, wanted);
        self.retry.run(Operation::Get, path, attempt).await
    }

    async fn head(&self, path: &str) -> Result<Stored, ColdError> {
        let attempt = || self.inner.head(path);
        self.retry.run(Operation::Head, path, attempt).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, ColdError> {
        let attempt = || self.inner.list(prefix);
        self.retry.run(Operation::List, prefix, attempt).await
    }

    async fn delete(&self, paths: &[String]) -> Result<(), ColdError> {
        let path = paths.first().map_or("", String::as_str);
        let attempt = || self.inner.delete(paths);
        self.retry.run(Operation::Delete, path, attempt).await
    }

    fn reach(&self, point: &'static str) -> Result<(), ColdError> {
        self.inner.reach(point)
    }
}

/// The lock is for the borrow checker: an upload has one user, and attempts
/// follow one another.
struct RetryingUpload {
    inner: tokio::sync::Mutex<Box<dyn PartUpload>>,
    objects: Arc<dyn Objects>,
    retry: Retry,
    path: String,
    /// Of the parts that were sent.
    bytes: u64,
}

#[async_trait]
impl PartUpload for RetryingUpload {
    async fn part(&mut self, index: usize, body: &[Bytes]) -> Result<(), ColdError> {
        let inner = &self.inner;
        let attempt = || -> BoxFuture<'_, _> {
            Box::pin(async move { inner.lock().await.part(index, body).await })
        };
        let sent = self.retry.run(Operation::Part, &self.path, attempt).await;
        sent?;
        self.bytes += body_bytes(body);
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), ColdError> {
        let inner = &self.inner;
        let attempt =
            || -> BoxFuture<'_, _> { Box::pin(async move { inner.lock().await.complete().await }) };
        let completed = self.retry.run(Operation::Complete, &self.path, attempt);
        let Err(error) = completed.await else {
            return Ok(());
        };
        // A lost answer: the second try finds no upload any more, because the
        // first has made it an object.
        let attempt = || self.objects.head(&self.path);
        let found = self.retry.run(Operation::Head, &self.path, attempt).await;
        match found.is_ok_and(|stored| stored.bytes == self.bytes) {
            true => Ok(()),
            false => Err(error),
        }
    }

    async fn abort(&mut self) -> Result<(), ColdError> {
        let inner = &self.inner;
        let attempt =
            || -> BoxFuture<'_, _> { Box::pin(async move { inner.lock().await.abort().await }) };
        self.retry.run(Operation::Abort, &self.path, attempt).await
    }
}
