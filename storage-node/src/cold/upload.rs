//! An object that is written piece by piece, with one part in memory.

use std::sync::Arc;

use bytes::Bytes;

use super::error::{ColdError, Failure};
use super::objects::{Objects, PartUpload, body_bytes};

/// An object on its way. It exists once [`Self::finish`] has returned, whole or
/// not at all; one that is dropped leaves parts to the store's own clean-up.
pub struct Upload {
    objects: Arc<dyn Objects>,
    path: String,
    part_bytes: usize,
    /// The part being filled.
    filling: Vec<Bytes>,
    filled: usize,
    sent: Option<Sent>,
    bytes: u64,
}

/// Parts that have left.
struct Sent {
    upload: Box<dyn PartUpload>,
    parts: usize,
}

impl Upload {
    pub(super) fn new(objects: Arc<dyn Objects>, path: String, part_bytes: usize) -> Self {
        Self {
            objects,
            path,
            part_bytes,
            filling: Vec::new(),
            filled: 0,
            sent: None,
            bytes: 0,
        }
    }

    /// Adds bytes. Waits when a part is full, until it is sent.
    ///
    /// # Errors
    /// When a part cannot be sent; the upload is then to be aborted.
    pub async fn write(&mut self, mut piece: Bytes) -> Result<(), ColdError> {
        self.bytes += piece.len() as u64;
        while !piece.is_empty() {
            if self.filled == self.part_bytes {
                self.send().await?;
            }
            let taken = piece.len().min(self.part_bytes - self.filled);
            self.filling.push(piece.split_to(taken));
            self.filled += taken;
        }
        Ok(())
    }

    /// Makes the object exist; gives its length.
    ///
    /// # Errors
    /// When it does not. What was sent is thrown away.
    pub async fn finish(mut self) -> Result<u64, ColdError> {
        if self.sent.is_none() {
            let whole = std::mem::take(&mut self.filling);
            self.objects.put(&self.path, &whole).await?;
            return Ok(self.bytes);
        }
        match self.complete().await {
            Ok(()) => Ok(self.bytes),
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    /// Throws away what was sent, as well as the store lets us: parts that stay
    /// are invisible, and stores expire them.
    pub async fn abort(mut self) {
        let Some(mut sent) = self.sent.take() else {
            return;
        };
        match sent.upload.abort().await {
            Err(error) if error.failure != Failure::NotFound => {
                tracing::warn!(%error, "parts of an upload may stay in the object store");
            }
            Ok(()) | Err(_) => {}
        }
    }

    async fn send(&mut self) -> Result<(), ColdError> {
        let sent = match &mut self.sent {
            Some(sent) => sent,
            None => {
                let upload = self.objects.start_upload(&self.path).await?;
                self.sent.insert(Sent { upload, parts: 0 })
            }
        };
        debug_assert_eq!(body_bytes(&self.filling), self.filled as u64);
        sent.upload.part(sent.parts, &self.filling).await?;
        sent.parts += 1;
        self.filling.clear();
        self.filled = 0;
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), ColdError> {
        if self.filled > 0 {
            self.send().await?;
        }
        match &mut self.sent {
            Some(sent) => sent.upload.complete().await,
            None => Ok(()),
        }
    }
}
