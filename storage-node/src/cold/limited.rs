//! The layer that bounds how many operations run at once, so that background
//! work leaves the store to those who wait for an answer. A permit is held
//! through pauses and retries: in a storm background work slows down first.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ColdError;
use super::objects::{Got, Objects, PartUpload, Stored, Wanted};

/// Lets through so many operations at a time; an upload is one from its start
/// to its end.
pub(super) struct Limited {
    inner: Arc<dyn Objects>,
    permits: Arc<Semaphore>,
}

impl Limited {
    pub(super) fn new(inner: Arc<dyn Objects>, at_once: usize) -> Self {
        Self {
            inner,
            permits: Arc::new(Semaphore::new(at_once.max(1))),
        }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        let permit = self.permits.clone().acquire_owned().await;
        permit.expect("the semaphore is never closed")
    }
}

#[async_trait]
impl Objects for Limited {
    async fn create(&self, path: &str, body: &Bytes) -> Result<(), ColdError> {
        let _permit = self.permit().await;
        self.inner.create(path, body).await
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Result<(), ColdError> {
        let _permit = self.permit().await;
        self.inner.put(path, body).await
    }

    async fn start_upload(&self, path: &str) -> Result<Box<dyn PartUpload>, ColdError> {
        let permit = self.permit().await;
        let inner = self.inner.start_upload(path).await?;
        Ok(Box::new(LimitedUpload {
            inner,
            _permit: permit,
        }))
    }

    async fn get(&self, path: &str, wanted: Wanted) -> Result<Got, ColdError> {
        let _permit = self.permit().await;
        self.inner.get(path, wanted).await
    }

    async fn head(&self, path: &str) -> Result<Stored, ColdError> {
        let _permit = self.permit().await;
        self.inner.head(path).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, ColdError> {
        let _permit = self.permit().await;
        self.inner.list(prefix).await
    }

    async fn delete(&self, paths: &[String]) -> Result<(), ColdError> {
        let _permit = self.permit().await;
        self.inner.delete(paths).await
    }

    fn reach(&self, point: &'static str) -> Result<(), ColdError> {
        self.inner.reach(point)
    }
}

struct LimitedUpload {
    inner: Box<dyn PartUpload>,
    _permit: OwnedSemaphorePermit,
}

#[async_trait]
impl PartUpload for LimitedUpload {
    async fn part(&mut self, index: usize, body: &[Bytes]) -> Result<(), ColdError> {
        self.inner.part(index, body).await
    }

    async fn complete(&mut self) -> Result<(), ColdError> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<(), ColdError> {
        self.inner.abort().await
    }
}
