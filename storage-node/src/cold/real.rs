//! Objects in S3, in a directory, or in memory: the one user of the crate
//! `object_store`. Promises one attempt a call: its own retries are off, so
//! that [`super::ColdStore`] counts, paces and resolves them all.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use firn_protocol::time::Timestamp;
use firn_runtime::tasks::blocking;
use futures_util::StreamExt;
use object_store::aws::AmazonS3;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, MultipartId, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutPayload,
};

use super::classify::classify;
use super::error::{ColdError, Failure, Operation};
use super::objects::{Got, Objects, PartUpload, Stored, Wanted};
use crate::disk::RealDisk;

/// Objects in one list; more are an error, not memory.
const LIST_MAX: usize = 1_000_000;

/// Where objects really are.
pub struct RealObjects {
    store: Arc<dyn ObjectStore>,
    /// Stores that take the parts of an upload by number.
    parts: Option<Arc<dyn MultipartStore>>,
    /// Everything is below this path.
    prefix: Path,
    directory: Option<Directory>,
}

struct Directory {
    root: PathBuf,
    /// Held for as long as the store is in use.
    _lock: RealDisk,
}

impl RealObjects {
    /// Gone with the process.
    #[must_use]
    pub fn memory() -> Self {
        let store = Arc::new(InMemory::new());
        Self {
            store: store.clone(),
            parts: Some(store),
            prefix: Path::default(),
            directory: None,
        }
    }

    /// A bucket, or what is below a prefix of it.
    pub(super) fn s3(store: AmazonS3, prefix: Path) -> Self {
        let store = Arc::new(store);
        Self {
            store: store.clone(),
            parts: Some(store),
            prefix,
            directory: None,
        }
    }

    /// A directory that `lock` holds for this process.
    pub(super) fn directory(store: LocalFileSystem, root: PathBuf, lock: RealDisk) -> Self {
        Self {
            store: Arc::new(store),
            parts: None,
            prefix: Path::default(),
            directory: Some(Directory { root, _lock: lock }),
        }
    }

    fn path(&self, operation: Operation, path: &str) -> Result<Path, ColdError> {
        let parsed = Path::parse(path)
            .map_err(|error| ColdError::new(operation, path, Failure::Refused, error.to_string()));
        let parsed = parsed?;
        Ok(self.prefix.parts().chain(parsed.parts()).collect())
    }

    fn stored(&self, meta: &ObjectMeta) -> Option<Stored> {
        let below: Path = meta.location.prefix_match(&self.prefix)?.collect();
        Some(Stored {
            path: below.to_string(),
            bytes: meta.size,
            modified: Timestamp(meta.last_modified.timestamp_millis().max(0) as u64),
        })
    }

    /// Makes the name of an object durable that somebody else linked: a create
    /// that failed between link and sync is met again by its second try.
    async fn sync_name(&self, path: &str) -> Result<(), ColdError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let file = directory.root.join(path);
        let parents: Vec<PathBuf> = file.ancestors().skip(1).map(PathBuf::from).collect();
        let root = directory.root.clone();
        let synced = blocking(move || {
            let below = parents.iter().take_while(|dir| dir.starts_with(&root));
            for dir in below {
                std::fs::File::open(dir)?.sync_all()?;
            }
            Ok::<_, std::io::Error>(())
        });
        synced.await.map_err(|error| {
            ColdError::new(Operation::Create, path, Failure::Io, error.to_string())
        })
    }
}

impl RealObjects {
    /// A range that begins behind an object's end is refused in other words by
    /// every store; the object's length tells.
    async fn perhaps_short(&self, path: &str, wanted: Wanted, error: ColdError) -> ColdError {
        let Wanted::Range(_, to) = wanted else {
            return error;
        };
        if !matches!(error.failure, Failure::Io | Failure::Refused) {
            return error;
        }
        match self.head(path).await {
            Ok(stored) if stored.bytes < to => {
                let detail = format!("{} bytes, not {to}", stored.bytes);
                ColdError::new(Operation::Get, path, Failure::Short, detail)
            }
            Ok(_) | Err(_) => error,
        }
    }
}

#[async_trait]
impl Objects for RealObjects {
    async fn create(&self, path: &str, body: &Bytes) -> Result<(), ColdError> {
        let place = self.path(Operation::Create, path)?;
        let put = self
            .store
            .put_opts(&place, body.clone().into(), PutMode::Create.into());
        let error = match put.await {
            Ok(_) => return Ok(()),
            Err(error) => classify(Operation::Create, path, &error),
        };
        if error.failure == Failure::Exists {
            self.sync_name(path).await?;
        }
        Err(error)
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Result<(), ColdError> {
        let place = self.path(Operation::Put, path)?;
        let put = self.store.put(&place, payload(body)).await;
        put.map(drop)
            .map_err(|error| classify(Operation::Put, path, &error))
    }

    async fn start_upload(&self, path: &str) -> Result<Box<dyn PartUpload>, ColdError> {
        let place = self.path(Operation::StartUpload, path)?;
        let failed = |error| classify(Operation::StartUpload, path, &error);
        if let Some(store) = &self.parts {
            let id = store.create_multipart(&place).await.map_err(failed)?;
            return Ok(Box::new(NumberedParts {
                store: store.clone(),
                path: path.to_owned(),
                place,
                id,
                parts: Vec::new(),
            }));
        }
        let upload = self.store.put_multipart(&place).await.map_err(failed)?;
        Ok(Box::new(StreamedParts {
            upload,
            path: path.to_owned(),
            next: 0,
        }))
    }

    async fn get(&self, path: &str, wanted: Wanted) -> Result<Got, ColdError> {
        let place = self.path(Operation::Get, path)?;
        let range = match wanted {
            Wanted::All => None,
            Wanted::Range(from, to) => Some(GetRange::Bounded(from..to)),
            Wanted::Tail(bytes) => Some(GetRange::Suffix(bytes)),
        };
        let failed = |error| classify(Operation::Get, path, &error);
        let options = GetOptions::new().with_range(range);
        let result = match self.store.get_opts(&place, options).await {
            Ok(result) => result,
            Err(error) => return Err(self.perhaps_short(path, wanted, failed(error)).await),
        };
        let object_bytes = result.meta.size;
        let bytes = result.bytes().await.map_err(failed)?;
        Ok(Got {
            bytes,
            object_bytes,
        })
    }

    async fn head(&self, path: &str) -> Result<Stored, ColdError> {
        let place = self.path(Operation::Head, path)?;
        let meta = self.store.head(&place).await;
        let meta = meta.map_err(|error| classify(Operation::Head, path, &error))?;
        self.stored(&meta).ok_or_else(|| {
            ColdError::new(Operation::Head, path, Failure::Refused, "another name came")
        })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, ColdError> {
        let place = self.path(Operation::List, prefix)?;
        let mut metas = self.store.list(Some(&place));
        let mut found = Vec::new();
        while let Some(meta) = metas.next().await {
            let meta = meta.map_err(|error| classify(Operation::List, prefix, &error))?;
            if found.len() == LIST_MAX {
                let rule = format!("more than {LIST_MAX} objects");
                return Err(ColdError::new(
                    Operation::List,
                    prefix,
                    Failure::TooLarge,
                    rule,
                ));
            }
            found.extend(self.stored(&meta));
        }
        Ok(found)
    }

    async fn delete(&self, paths: &[String]) -> Result<(), ColdError> {
        let places: Result<Vec<Path>, _> = paths
            .iter()
            .map(|path| self.path(Operation::Delete, path))
            .collect();
        let places = futures_util::stream::iter(places?.into_iter().map(Ok)).boxed();
        let mut results = self.store.delete_stream(places);
        let mut first_error = None;
        while let Some(result) = results.next().await {
            let Err(error) = result else { continue };
            let path = paths.first().map_or("", String::as_str);
            let error = classify(Operation::Delete, path, &error);
            if error.failure != Failure::NotFound {
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}

fn payload(body: &[Bytes]) -> PutPayload {
    body.iter().cloned().collect()
}

/// An upload whose parts have numbers in the store.
struct NumberedParts {
    store: Arc<dyn MultipartStore>,
    path: String,
    place: Path,
    id: MultipartId,
    parts: Vec<PartId>,
}

#[async_trait]
impl PartUpload for NumberedParts {
    async fn part(&mut self, index: usize, body: &[Bytes]) -> Result<(), ColdError> {
        let sent = self
            .store
            .put_part(&self.place, &self.id, index, payload(body))
            .await;
        let part = sent.map_err(|error| classify(Operation::Part, &self.path, &error))?;
        match self.parts.get_mut(index) {
            Some(known) => *known = part,
            None => self.parts.push(part),
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), ColdError> {
        let parts = self.parts.clone();
        let done = self
            .store
            .complete_multipart(&self.place, &self.id, parts)
            .await;
        done.map(drop)
            .map_err(|error| classify(Operation::Complete, &self.path, &error))
    }

    async fn abort(&mut self) -> Result<(), ColdError> {
        let done = self.store.abort_multipart(&self.place, &self.id).await;
        done.map_err(|error| classify(Operation::Abort, &self.path, &error))
    }
}

/// An upload into a file, where a part cannot be sent twice: the second would
/// stand behind the first. A failure there is one of the disk, and final.
struct StreamedParts {
    upload: Box<dyn MultipartUpload>,
    path: String,
    next: usize,
}

#[async_trait]
impl PartUpload for StreamedParts {
    async fn part(&mut self, index: usize, body: &[Bytes]) -> Result<(), ColdError> {
        if index != self.next {
            let rule = "this upload has failed before";
            return Err(ColdError::new(
                Operation::Part,
                &self.path,
                Failure::Io,
                rule,
            ));
        }
        self.next += 1;
        let sent = self.upload.put_part(payload(body)).await;
        sent.map_err(|error| classify(Operation::Part, &self.path, &error))
    }

    async fn complete(&mut self) -> Result<(), ColdError> {
        let done = self.upload.complete().await;
        done.map(drop)
            .map_err(|error| classify(Operation::Complete, &self.path, &error))
    }

    async fn abort(&mut self) -> Result<(), ColdError> {
        let done = self.upload.abort().await;
        done.map_err(|error| classify(Operation::Abort, &self.path, &error))
    }
}
