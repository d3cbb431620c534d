//! Uploads that lose parts, or get lost themselves.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::Shared;
use crate::cold::error::{ColdError, Failure, Operation};
use crate::cold::objects::PartUpload;

pub(super) struct FaultyUpload {
    shared: Arc<Shared>,
    inner: Box<dyn PartUpload>,
    path: String,
    /// The store knows nothing of it any more.
    gone: bool,
}

impl FaultyUpload {
    pub(super) fn new(shared: Arc<Shared>, inner: Box<dyn PartUpload>, path: &str) -> Self {
        Self {
            shared,
            inner,
            path: path.to_owned(),
            gone: false,
        }
    }

    fn known(&self, operation: Operation) -> Result<(), ColdError> {
        match self.gone {
            true => Err(ColdError::new(
                operation,
                &self.path,
                Failure::NotFound,
                "404 NoSuchUpload",
            )),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl PartUpload for FaultyUpload {
    async fn part(&mut self, index: usize, body: &[Bytes]) -> Result<(), ColdError> {
        self.shared.before(Operation::Part, &self.path).await?;
        if self.shared.state.lock().loses_upload() {
            self.gone = true;
            let _ = self.inner.abort().await;
        }
        self.known(Operation::Part)?;
        self.inner.part(index, body).await?;
        self.shared.after(Operation::Part, &self.path)
    }

    async fn complete(&mut self) -> Result<(), ColdError> {
        self.shared.before(Operation::Complete, &self.path).await?;
        self.known(Operation::Complete)?;
        self.inner.complete().await?;
        self.gone = true;
        self.shared.after(Operation::Complete, &self.path)
    }

    async fn abort(&mut self) -> Result<(), ColdError> {
        self.shared.before(Operation::Abort, &self.path).await?;
        self.known(Operation::Abort)?;
        self.inner.abort().await?;
        self.gone = true;
        self.shared.after(Operation::Abort, &self.path)
    }
}
