//! The class at a start: earlier lives are fenced, and what they left only in
//! the log is put into this life's WAL, before brokers of the class are served.
//!
//! Such entries were perhaps answered by nobody, but they are in the log, and
//! the hot store may have them: to keep them is as right as to drop them, and
//! gives no offset out twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::error::ApiError;
use firn_protocol::time::Timestamp;
use firn_runtime::{Clock, Tasks, tasks};

use super::{OldWal, StorageNode, WAIT_MAX, not_ready};
use crate::broker::owner::Broker;
use crate::cold::wal::{WalFrame, WalReadError, WalWriter, all_incarnations, fence, last_frame};
use crate::config::TierMutant;
use crate::log::{LogError, Lsn};
use crate::node::tier::TierError;

/// Pause before what failed is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// Bytes of frames that are read from the log at a time.
const PIECE_BYTES: usize = 8 << 20;

/// Ends a replay that has shown enough.
#[derive(Debug, thiserror::Error)]
#[error("enough")]
struct Enough;

impl StorageNode {
    /// Starts what the class needs: the WAL's driver, what shows what it has
    /// made durable, and what takes care of earlier lives. Once.
    pub(in crate::node) fn start_object_class(self: &Arc<Self>) {
        let mut running = self.object_tasks.lock();
        if running.is_some() {
            return;
        }
        let Some(writer) = self.shared.object.writer.get().cloned() else {
            return;
        };
        let tasks = running.insert(Tasks::new());
        // Stopped last first: the driver writes out what waits while answers
        // still go out.
        let (node, shows) = (self.clone(), writer.clone());
        tasks.spawn("storage-wal-shown", |_| async move {
            node.show_durable(&shows).await;
            Ok::<(), LogError>(())
        });
        tasks.spawn("storage-wal", |stop| async move {
            if let Err(error) = writer.run(stop).await {
                tracing::error!(%error, "instances of the durability class 'object' are not served any more");
            }
            Ok::<(), LogError>(())
        });
        let node = self.clone();
        tasks.spawn("storage-wal-start", |stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = node.run_object_class() => {}
            }
            Ok::<(), LogError>(())
        });
    }

    /// Waits until brokers of the class are served, if there are any; not long,
    /// because others need not wait for the object store.
    pub async fn wait_object_class(&self) {
        let waits = |broker: &Arc<Broker>| broker.lock_any().suspended;
        if self.shared.all().iter().any(waits)
            && let Err(error) = self.shared.object.wait_ready(&self.clock).await
        {
            tracing::warn!(%error, "instances of the durability class 'object' are served later");
        }
    }

    /// Waits until the WALs of before are looked through, whether or not a broker
    /// needs that; for tests.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` when the object store is away.
    #[doc(hidden)]
    pub async fn wait_wals(&self) -> Result<(), ApiError> {
        self.shared.object.wait_ready(&self.clock).await
    }

    async fn show_durable(&self, writer: &WalWriter) {
        let object = &self.shared.object;
        while writer.wait(object.published().next()).await.is_ok() {
            let durable = writer.durable();
            object.publish(&self.shared, durable);
            self.shared.entrance.stored(&self.shared, durable.next());
        }
        object.end();
        // Who waits for room learns that there is no WAL.
        self.shared.entrance.stored(&self.shared, Lsn(u64::MAX));
        if writer.ended().is_some_and(|error| error.is_fenced()) {
            for broker in self.shared.all() {
                let mut core = broker.lock_any();
                core.fenced |= core.state.class.is_object();
            }
        }
    }

    async fn run_object_class(&self) {
        let old = loop {
            match self.fence_old_wals().await {
                Ok(old) => break old,
                Err(error) => {
                    tracing::warn!(%error, "the node's earlier WAL cannot be fenced, trying again");
                    // Of the class `local` as far as anybody knows.
                    self.shared.resume_others();
                    self.clock.sleep(RETRY).await;
                }
            }
        };
        let last = old.iter().map(|wal| wal.last).max();
        self.shared.object.old.lock().clone_from(&old);
        self.push_from_log(last.unwrap_or(Lsn::ZERO)).await;
        self.mend(&old).await;
        self.shared.resume_others();
        self.resume_object_brokers().await;
        self.shared.object.set_ready();
        loop {
            self.shared.object.resume.notified().await;
            self.resume_object_brokers().await;
        }
    }

    /// Ends every earlier incarnation for good: what their process may still
    /// have on its way counts for nothing.
    async fn fence_old_wals(&self) -> Result<Vec<OldWal>, WalReadError> {
        let (store, owner) = (&self.cold.store, self.cold.owner);
        let mut old = Vec::new();
        for (node, found) in all_incarnations(store).await? {
            let (end, last) = match found.is_covered {
                true => (0, Lsn::ZERO),
                // Another node's; it may be alive.
                false if node != owner => continue,
                false => {
                    let end = fence(store, owner, found.number).await?;
                    (end, last_frame(store, owner, found.number, end).await?)
                }
            };
            old.push(OldWal {
                node,
                incarnation: found.number,
                end,
                last,
                due: Timestamp(0),
            });
        }
        Ok(old)
    }

    /// Puts what brokers of the class have only in the log, behind `after`, into
    /// the WAL. They are not served yet, so nothing of theirs comes in between.
    async fn push_from_log(&self, after: Lsn) {
        if self.config.tier.mutant == Some(TierMutant::KeepTailLocal) {
            return;
        }
        let object = &self.shared.object;
        let needed = self.shared.all().into_iter().filter_map(|broker| {
            let core = broker.lock_any();
            let is_object = core.state.class.is_object();
            is_object.then(|| core.needed_from()).flatten()
        });
        let Some(needed) = needed.min() else { return };
        let upto = self.log.durable();
        let mut next = needed.max(after.next());
        while next <= upto {
            let (frames, reached) = match self.object_frames(next, upto).await {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "the log cannot be read for the WAL, trying again");
                    self.clock.sleep(RETRY).await;
                    continue;
                }
            };
            next = reached;
            let Some(last) = frames.last().map(|frame| frame.lsn) else {
                continue;
            };
            object.push(frames, true);
            while next <= upto && object.settled(last, &self.clock).await.is_err() {
                if object.has_ended() {
                    return;
                }
            }
        }
    }

    /// Frames of the class from a place on, and where to go on.
    async fn object_frames(&self, from: Lsn, upto: Lsn) -> Result<(Vec<WalFrame>, Lsn), LogError> {
        let (log, shared) = (self.log.clone(), self.shared.clone());
        tasks::blocking(move || {
            let (mut frames, mut bytes) = (Vec::new(), 0);
            let mut reached = upto.next();
            let shown = log.replay_committed(from, &mut |frame| {
                if frame.lsn > upto || bytes >= PIECE_BYTES {
                    reached = frame.lsn;
                    return Err(Box::new(Enough));
                }
                let broker = shared.brokers.read().get(&frame.header.broker).cloned();
                if broker.is_some_and(|broker| broker.in_wal()) {
                    bytes += frame.payload.len();
                    frames.push(WalFrame {
                        lsn: frame.lsn,
                        header: frame.header,
                        payload: Bytes::copy_from_slice(frame.payload),
                    });
                }
                Ok(())
            });
            match shown {
                Ok(_) | Err(LogError::Visit(_)) => Ok((frames, reached)),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Serves brokers of the class once all they have is in the object store.
    async fn resume_object_brokers(&self) {
        let object = &self.shared.object;
        while object.settled(object.pushed(), &self.clock).await.is_err() {
            if object.has_ended() {
                return;
            }
            self.clock.sleep(RETRY).await;
        }
        self.shared.resume_object_brokers();
    }

    /// Writes out what the WAL has not put yet, and ends it.
    pub(in crate::node) async fn stop_object_class(&self, budget: Duration) {
        let running = self.object_tasks.lock().take();
        if let Some(tasks) = running {
            tasks.join(budget).await;
        }
    }
}

impl super::ObjectClass {
    fn set_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Waits until brokers of the class may be served.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` when that takes too long: the object store is away.
    pub(in crate::node) async fn wait_ready(&self, clock: &Clock) -> Result<(), ApiError> {
        let mut ready = self.ready.subscribe();
        tokio::select! {
            // The sender lives as long as this.
            _ = ready.wait_for(|ready| *ready) => Ok(()),
            () = clock.sleep(WAIT_MAX) => Err(not_ready()),
        }
    }

    /// Brokers were rebuilt and wait to be served.
    pub(in crate::node) fn want_resume(&self) {
        self.resume.notify_one();
    }

    fn has_ended(&self) -> bool {
        self.writer.get().is_none_or(|it| it.ended().is_some())
    }
}

impl From<WalReadError> for TierError {
    fn from(error: WalReadError) -> Self {
        Self::Local(error.to_string())
    }
}
