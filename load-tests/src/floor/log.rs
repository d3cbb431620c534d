//! The floor's log: one thread, two buffers, `fdatasync`.
//!
//! Appends collect in one buffer while the thread writes and syncs the other, so each
//! sync covers all that arrived during the one before, without a timer. Two files are
//! filled with zeros beforehand and written in turn, the older being overwritten. An
//! append is answered after the sync that covers it, or with an error for ever once a
//! write or sync has failed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use tokio::sync::oneshot;

use crate::disk::zero_filled;

/// Length of each of the two files.
pub const FILE_BYTES: u64 = 128 << 20;
const FILES: usize = 2;
/// Bytes before each body: its length.
pub const FRAME_BYTES: usize = 4;
/// Bytes that may wait for one sync.
const WAITING_BYTES_MAX: u64 = 64 << 20;

/// The log's face to its callers.
pub struct Log(Arc<Shared>);

#[derive(Debug, PartialEq, Eq)]
pub enum AppendError {
    /// More waits than one sync may cover.
    Full,
    /// A write or sync has failed, or the log was closed.
    Stopped,
}

impl std::fmt::Display for AppendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "too many bytes wait for the disk",
            Self::Stopped => "the log has stopped",
        })
    }
}

struct Shared {
    filling: Mutex<Filling>,
    arrived: Condvar,
    waiting_bytes_max: u64,
}

#[derive(Default)]
struct Filling {
    batch: Batch,
    /// Bytes of all bodies so far.
    end: u64,
    stopped: bool,
}

#[derive(Default)]
struct Batch {
    frames: Vec<u8>,
    waiters: Vec<(u64, oneshot::Sender<u64>)>,
}

impl Shared {
    fn filling(&self) -> MutexGuard<'_, Filling> {
        // Nothing is done under the lock that could leave it half changed.
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Makes the files in `folder` and starts the thread.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(folder: &Path, file_bytes: u64) -> Result<(Self, JoinHandle<()>)> {
        let files = (0..FILES)
            .map(|number| zero_filled(&folder.join(format!("{number}.log")), file_bytes))
            .collect::<Result<Vec<File>>>()?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .context("sync the log's folder")?;
        let shared = Arc::new(Shared {
            filling: Mutex::default(),
            arrived: Condvar::new(),
            waiting_bytes_max: WAITING_BYTES_MAX.min(file_bytes),
        });
        let writer = Writer {
            shared: shared.clone(),
            files,
            file_bytes,
            current: 0,
            at: 0,
        };
        let thread = thread::Builder::new()
            .name("floor-log".to_owned())
            .spawn(move || writer.run())
            .context("start the log's thread")?;
        Ok((Self(shared), thread))
    }

    /// Makes `body` durable; answers how many bytes of bodies came before it.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append(&self, body: &[u8]) -> Result<u64, AppendError> {
        let durable = self.enqueue(body)?;
        durable.await.map_err(|_| AppendError::Stopped)
    }

    fn enqueue(&self, body: &[u8]) -> Result<oneshot::Receiver<u64>, AppendError> {
        let (done, durable) = oneshot::channel();
        let length = u32::try_from(body.len()).map_err(|_| AppendError::Full)?;
        let mut filling = self.0.filling();
        if filling.stopped {
            return Err(AppendError::Stopped);
        }
        let frames = &mut filling.batch.frames;
        if (frames.len() + FRAME_BYTES + body.len()) as u64 > self.0.waiting_bytes_max {
            return Err(AppendError::Full);
        }
        let first = frames.is_empty();
        frames.extend_from_slice(&length.to_le_bytes());
        frames.extend_from_slice(body);
        let offset = filling.end;
        filling.end += body.len() as u64;
        filling.batch.waiters.push((offset, done));
        drop(filling);
        if first {
            self.0.arrived.notify_one();
        }
        Ok(durable)
    }

    /// Refuses further appends and lets the thread end after those it has.
    pub fn close(&self) {
        self.0.filling().stopped = true;
        self.0.arrived.notify_one();
    }
}

struct Writer {
    shared: Arc<Shared>,
    files: Vec<File>,
    file_bytes: u64,
    current: usize,
    at: u64,
}

impl Writer {
    fn run(mut self) {
        let mut batch = Batch::default();
        while self.next_batch(&mut batch) {
            if let Err(error) = self.commit(&batch.frames) {
                eprintln!("the log stops: {error}");
                let mut filling = self.shared.filling();
                filling.stopped = true;
                filling.batch = Batch::default();
                return;
            }
            batch.frames.clear();
            for (offset, done) in batch.waiters.drain(..) {
                // The caller may have gone meanwhile.
                let _ = done.send(offset);
            }
        }
    }

    /// Exchanges the empty `batch` for the next full one; false when closed and empty.
    fn next_batch(&self, batch: &mut Batch) -> bool {
        let mut filling = self.shared.filling();
        while filling.batch.frames.is_empty() {
            if filling.stopped {
                return false;
            }
            filling = self
                .shared
                .arrived
                .wait(filling)
                .unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut filling.batch, batch);
        true
    }

    fn commit(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.at + frames.len() as u64 > self.file_bytes {
            self.current = (self.current + 1) % FILES;
            self.at = 0;
        }
        let file = &self.files[self.current];
        file.write_all_at(frames, self.at)?;
        file.sync_data()?;
        self.at += frames.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn bodies_in(file: &Path) -> Vec<Vec<u8>> {
        let bytes = fs::read(file).unwrap();
        let mut bodies = Vec::new();
        let mut left = &bytes[..];
        while let Some((head, rest)) = left.split_first_chunk::<FRAME_BYTES>() {
            let length = u32::from_le_bytes(*head) as usize;
            if length == 0 {
                break;
            }
            bodies.push(rest[..length].to_vec());
            left = &rest[length..];
        }
        bodies
    }

    #[tokio::test]
    async fn an_answered_append_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (log, thread) = Log::open(folder.path(), 1 << 20).unwrap();
        let mut offset = 0;
        for number in 0..50u8 {
            let body = vec![number + 1; usize::from(number) + 1];
            assert_eq!(log.append(&body).await, Ok(offset));
            offset += body.len() as u64;
            let stored = bodies_in(&folder.path().join("0.log"));
            assert_eq!(stored.last(), Some(&body));
            assert_eq!(stored.len(), usize::from(number) + 1);
        }
        log.close();
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn many_appends_at_once_are_all_stored_in_the_order_of_their_offsets() {
        let folder = tempfile::tempdir().unwrap();
        let (log, thread) = Log::open(folder.path(), 1 << 20).unwrap();
        let waiting: Vec<_> = (0..500u32)
            .map(|n| log.enqueue(&n.to_be_bytes()).unwrap())
            .collect();
        for (number, durable) in waiting.into_iter().enumerate() {
            assert_eq!(durable.await, Ok(4 * number as u64));
        }
        log.close();
        thread.join().unwrap();
        let expected: Vec<_> = (0..500u32).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(bodies_in(&folder.path().join("0.log")), expected);
    }

    #[tokio::test]
    async fn the_files_take_turns_and_keep_their_length() {
        let folder = tempfile::tempdir().unwrap();
        let (log, thread) = Log::open(folder.path(), 1000).unwrap();
        for letter in [b'a', b'b', b'c'] {
            log.append(&[letter; 600]).await.unwrap();
        }
        let first_byte = |name: &str| fs::read(folder.path().join(name)).unwrap()[FRAME_BYTES];
        assert_eq!((first_byte("0.log"), first_byte("1.log")), (b'c', b'b'));
        assert_eq!(
            fs::metadata(folder.path().join("0.log")).unwrap().len(),
            1000
        );
        assert_eq!(log.append(&[b'd'; 1000]).await, Err(AppendError::Full));
        log.close();
        thread.join().unwrap();
        assert_eq!(log.append(b"late").await, Err(AppendError::Stopped));
    }

    #[tokio::test]
    async fn a_failed_write_is_never_answered_as_durable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("read-only");
        fs::write(&path, [0; 100]).unwrap();
        let shared = Arc::new(Shared {
            filling: Mutex::default(),
            arrived: Condvar::new(),
            waiting_bytes_max: 100,
        });
        let log = Log(shared.clone());
        let waiting = log.enqueue(b"body").unwrap();
        let writer = Writer {
            shared,
            files: vec![File::open(&path).unwrap()],
            file_bytes: 100,
            current: 0,
            at: 0,
        };
        writer.run();
        assert!(waiting.await.is_err());
        assert_eq!(log.append(b"more").await, Err(AppendError::Stopped));
    }
}
