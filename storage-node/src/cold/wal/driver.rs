//! The task behind a writer: begins puts when they are due, tries them again,
//! settles them, deletes what is forgotten. Sleeps when nothing is to be done.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use firn_runtime::{Stop, tasks};
use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::codec::{Head, Kind, encode};
use super::error::WalError;
use super::metrics::{add, set};
use super::queue::Batch;
use super::writer::{Shared, WalWriter, tell};
use crate::cold::error::ColdError;
use crate::cold::paths::Nonce;
use crate::cold::store::Created;

/// Frame bytes from which packing is work for another thread.
const INLINE_BYTES_MAX: u64 = 256 << 10;

/// What the driver does next.
enum Step {
    Put(Job),
    Delete(Range<u64>),
    /// Until something happens, or the clock shows this.
    Sleep(Option<u64>),
    End(Result<(), WalError>),
}

/// An object that has its number.
struct Job {
    sequence: u64,
    head: Head,
    batch: Batch,
}

/// What came of a piece of work.
enum Done {
    Put(u64, Result<(), WalError>),
    Delete(Range<u64>, Result<(), ColdError>),
}

impl WalWriter {
    /// Drives the writer until it is stopped: then what is pending is put without
    /// lingering, for at most [`WalSettings::flush_max`](super::WalSettings), and
    /// whoever still waits is told `Stopped`. Whoever drops this future stops the
    /// writer without a flush.
    ///
    /// # Errors
    /// When the writer can do nothing more: it was fenced, or the object store
    /// refuses its objects.
    pub async fn run(self, stop: Stop) -> Result<(), WalError> {
        let shared = self.0;
        if shared.running.swap(true, Ordering::Relaxed) {
            return Err(WalError::Running);
        }
        let _end = EndGuard(&shared);
        let mut work: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
        // When the flush ends, once the writer is to stop.
        let mut deadline_ms = None;
        loop {
            let wake_ms = match shared.step(deadline_ms) {
                Step::Put(job) => {
                    work.push(shared.clone().put(job).boxed());
                    continue;
                }
                Step::Delete(numbers) => {
                    work.push(shared.clone().delete(numbers).boxed());
                    continue;
                }
                Step::Sleep(wake_ms) => wake_ms,
                Step::End(result) => return result,
            };
            tokio::select! {
                biased;
                Some(done) = work.next(), if !work.is_empty() => shared.done(done),
                () = stop.cancelled(), if deadline_ms.is_none() => {
                    let most_ms = shared.settings.flush_max.as_millis() as u64;
                    deadline_ms = Some(shared.clock.now_ms().saturating_add(most_ms));
                }
                () = shared.work.notified() => {}
                () = shared.clock.sleep_until_ms(wake_ms.unwrap_or_default()),
                    if wake_ms.is_some() => {}
            }
        }
    }
}

/// Whoever waits is told when the driver goes away.
struct EndGuard<'a>(&'a Shared);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        self.0.end(WalError::Stopped);
    }
}

impl Shared {
    fn step(&self, deadline_ms: Option<u64>) -> Step {
        let now_ms = self.clock.now_ms();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if let Some(error) = &state.ended {
            return Step::End(Err(error.clone()));
        }
        let is_stopping = deadline_ms.is_some();
        let is_flushed = state.queue.is_empty() && state.flight.len() == 0;
        if is_stopping && (is_flushed || deadline_ms <= Some(now_ms)) {
            // Under this lock: no push may come between the look and the end.
            let waiting = self.finish(state, &WalError::Stopped);
            drop(guard);
            if !is_flushed {
                tracing::warn!("the WAL writer stops with frames that are not durable");
            }
            tell(waiting, &Err(WalError::Stopped));
            return Step::End(Ok(()));
        }
        let due_ms = match state.due_ms(&self.settings) {
            Some(_) if is_stopping && state.queue.is_empty() => None,
            Some(_) if is_stopping => Some(0),
            due_ms => due_ms,
        };
        if due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            let batch = state.queue.take(&self.settings, now_ms);
            let head = Head {
                kind: Kind::Frames,
                nonce: Nonce::draw(),
                settled: state.flight.settled(),
                floor: state.cover.say(),
            };
            let sequence = state.flight.begin(batch.last, batch.bytes, head.floor);
            set(&self.metrics.in_flight, state.flight.len() as u64);
            return Step::Put(Job {
                sequence,
                head,
                batch,
            });
        }
        if is_stopping {
            return Step::Sleep(deadline_ms);
        }
        if let Some(numbers) = state.cover.take(now_ms) {
            return Step::Delete(numbers);
        }
        // Whichever comes first; `None` is not the earliest, but never.
        let times = [due_ms, state.cover.due_ms()];
        Step::Sleep(times.into_iter().flatten().min())
    }

    fn done(&self, done: Done) {
        match done {
            Done::Put(sequence, Ok(())) => self.stored(sequence),
            Done::Put(_, Err(error)) => {
                tracing::error!(%error, "the WAL takes no more frames");
                self.end(error);
            }
            Done::Delete(numbers, Ok(())) => {
                add(&self.metrics.deleted, numbers.end - numbers.start);
                self.state.lock().cover.gone(&numbers);
            }
            Done::Delete(_, Err(error)) => {
                tracing::warn!(%error, "WAL objects that are not needed stay until the next attempt");
                add(&self.metrics.deletes_failed, 1);
                let now_ms = self.clock.now_ms();
                let pause = self.settings.pause_max;
                self.state.lock().cover.failed(now_ms, pause);
            }
        }
    }

    /// Puts one object, however long the store is away: later frames gather
    /// meanwhile, and nothing that was answered is at stake.
    async fn put(self: Arc<Self>, job: Job) -> Done {
        let sequence = job.sequence;
        // Packed once: a put that is tried again must meet its very own bytes.
        let body = self.pack(job).await;
        add(&self.metrics.object_bytes, body.len() as u64);
        let mut pause = self.settings.pause_first;
        loop {
            let error = match self.attempt(sequence, &body).await {
                Ok(Created::Won) => return Done::Put(sequence, Ok(())),
                Ok(Created::Lost(_)) => {
                    let object = self.wal.object(sequence).to_string();
                    return Done::Put(sequence, Err(WalError::Fenced { object }));
                }
                Err(error) => error,
            };
            if !WalError::may_pass(&error) {
                return Done::Put(sequence, Err(error.into()));
            }
            tracing::warn!(%error, "a WAL object is not stored yet");
            add(&self.metrics.puts_again, 1);
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(self.settings.pause_max);
        }
    }

    async fn pack(&self, job: Job) -> Bytes {
        let Job {
            sequence,
            head,
            batch,
        } = job;
        add(&self.metrics.raw_bytes, batch.bytes);
        let (wal, is_small) = (self.wal, batch.bytes <= INLINE_BYTES_MAX);
        let encode = move || encode(wal, sequence, head, &batch.frames);
        match is_small {
            true => encode(),
            false => tasks::blocking(encode).await,
        }
    }

    async fn attempt(&self, sequence: u64, body: &Bytes) -> Result<Created, ColdError> {
        self.store.reach("wal.before_put")?;
        let name = self.wal.object(sequence);
        let created = self.store.create(name, body.clone()).await?;
        self.store.reach("wal.after_put")?;
        Ok(created)
    }

    async fn delete(self: Arc<Self>, numbers: Range<u64>) -> Done {
        let result = self.delete_numbers(&numbers).await;
        Done::Delete(numbers, result)
    }

    async fn delete_numbers(&self, numbers: &Range<u64>) -> Result<(), ColdError> {
        self.store.reach("wal.before_delete")?;
        let names: Vec<_> = numbers
            .clone()
            .map(|number| self.wal.object(number))
            .collect();
        self.store.background().delete(&names).await
    }
}
