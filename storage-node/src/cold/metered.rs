//! The layer that counts every attempt: requests, bytes, errors by kind.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::error::{ColdError, Operation};
use super::metrics::ColdMetrics;
use super::objects::{Got, Objects, PartUpload, Stored, Wanted, body_bytes};

/// Objects in one page of a list, and in one request to delete.
const PAGE: usize = 1000;

/// Counts what goes through it.
pub(super) struct Metered {
    inner: Arc<dyn Objects>,
    metrics: Arc<ColdMetrics>,
}

impl Metered {
    pub(super) fn new(inner: Arc<dyn Objects>, metrics: Arc<ColdMetrics>) -> Self {
        Self { inner, metrics }
    }
}

/// Counts the request before it is made: it may be given up while it hangs.
async fn counted<T>(
    metrics: &ColdMetrics,
    operation: Operation,
    request: impl Future<Output = Result<T, ColdError>>,
) -> Result<T, ColdError> {
    metrics.request(operation, 1);
    let result = request.await;
    if let Err(error) = &result {
        metrics.error(operation, error.failure);
    }
    result
}

fn extra_pages(objects: usize) -> u64 {
    objects.div_ceil(PAGE).saturating_sub(1) as u64
}

#[async_trait]
impl Objects for Metered {
    async fn create(&self, path: &str, body: &Bytes) -> Result<(), ColdError> {
        ColdMetrics::add(&self.metrics.sent_bytes, body.len() as u64);
        let request = self.inner.create(path, body);
        counted(&self.metrics, Operation::Create, request).await
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Result<(), ColdError> {
        ColdMetrics::add(&self.metrics.sent_bytes, body_bytes(body));
        let request = self.inner.put(path, body);
        counted(&self.metrics, Operation::Put, request).await
    }

    async fn start_upload(&self, path: &str) -> Result<Box<dyn PartUpload>, ColdError> {
        let request = self.inner.start_upload(path);
        let inner = counted(&self.metrics, Operation::StartUpload, request).await?;
        Ok(Box::new(MeteredUpload {
            inner,
            metrics: self.metrics.clone(),
        }))
    }

    async fn get(&self, path: &str, wanted: Wanted) -> Result<Got, ColdError> {
        let request = self.inner.get(path, wanted);
        let got = counted(&self.metrics, Operation::Get, request).await?;
        ColdMetrics::add(&self.metrics.received_bytes, got.bytes.len() as u64);
        Ok(got)
    }

    async fn head(&self, path: &str) -> Result<Stored, ColdError> {
        let request = self.inner.head(path);
        counted(&self.metrics, Operation::Head, request).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, ColdError> {
        let request = self.inner.list(prefix);
        let found = counted(&self.metrics, Operation::List, request).await?;
        let more = extra_pages(found.len());
        self.metrics.request(Operation::List, more);
        Ok(found)
    }

    async fn delete(&self, paths: &[String]) -> Result<(), ColdError> {
        let request = self.inner.delete(paths);
        let more = extra_pages(paths.len());
        self.metrics.request(Operation::Delete, more);
        counted(&self.metrics, Operation::Delete, request).await
    }

    fn reach(&self, point: &'static str) -> Result<(), ColdError> {
        self.inner.reach(point)
    }
}

struct MeteredUpload {
    inner: Box<dyn PartUpload>,
    metrics: Arc<ColdMetrics>,
}

#[async_trait]
impl PartUpload for MeteredUpload {
    async fn part(&mut self, index: usize, body: &[Bytes]) -> Result<(), ColdError> {
        ColdMetrics::add(&self.metrics.sent_bytes, body_bytes(body));
        let request = self.inner.part(index, body);
        counted(&self.metrics, Operation::Part, request).await
    }

    async fn complete(&mut self) -> Result<(), ColdError> {
        let request = self.inner.complete();
        counted(&self.metrics, Operation::Complete, request).await
    }

    async fn abort(&mut self) -> Result<(), ColdError> {
        let request = self.inner.abort();
        counted(&self.metrics, Operation::Abort, request).await
    }
}
