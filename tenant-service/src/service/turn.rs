//! The order of changes, of this process and of others on the same database. A
//! change has its turn when memory is what the database holds and nobody else
//! can change it; what it wrote is shown in memory before the turn ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use firn_protocol::{ApiError, ApiResult, Timestamp};
use firn_runtime::tasks;
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::Shared;
use crate::catalogue::{Change, Numbers};
use crate::error::{StoreError, unavailable};
use crate::store::{Batch, Loaded, PROBED_AT, Session};

/// What is known of the database. Held by the one change that is under way.
pub(super) struct Writer {
    pub(super) numbers: Numbers,
    /// The version of the catalogue that memory shows.
    pub(super) version: u64,
    /// After a failed write it is not known what the database holds, so
    /// memory is read from it anew before anything else is changed.
    pub(super) stale: bool,
}

pub(super) type WriterGuard = OwnedMutexGuard<Writer>;

/// The right to change the catalogue. The database is given back when it is dropped.
pub(super) struct Turn {
    pub(super) writer: WriterGuard,
    session: Session,
}

impl Turn {
    /// Ends without a change.
    pub(super) async fn give_back(self) {
        // A database that fails now has nothing to undo; the next turn shows it.
        let _ = self.session.rollback().await;
    }
}

impl Shared {
    /// Waits for the changes before. Afterwards memory is what the database holds.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`.
    pub(super) async fn turn(&self) -> ApiResult<Turn> {
        let mut writer = self.writer().await?;
        match self.begin(&mut writer).await {
            Ok(session) => Ok(Turn { writer, session }),
            Err(error) => Err(self.fail(&mut writer, error)),
        }
    }

    /// Waits for the changes of this process alone.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`, when it is not known what the database holds.
    pub(super) async fn writer(&self) -> ApiResult<WriterGuard> {
        let mut writer = self.writer.clone().lock_owned().await;
        self.recover(&mut writer).await?;
        Ok(writer)
    }

    async fn begin(&self, writer: &mut Writer) -> Result<Session, StoreError> {
        let (mut session, version) = self.store.begin().await?;
        if version.is_some_and(|version| version != writer.version) {
            let loaded = session.load(&self.keys).await?;
            self.show(writer, loaded);
        }
        Ok(session)
    }

    /// Makes ready to write: after a failure, once the database takes writes
    /// again and memory is what it holds.
    pub(super) async fn recover(&self, writer: &mut Writer) -> ApiResult<()> {
        if !writer.stale {
            return Ok(());
        }
        let loaded = self.probe().await.map_err(|error| {
            tracing::debug!(%error, "the catalogue still cannot be changed");
            unavailable()
        })?;
        // The write that failed may have happened all the same.
        self.show(writer, loaded);
        writer.stale = false;
        self.failing.store(false, Ordering::Relaxed);
        tracing::info!("the catalogue can be changed again");
        Ok(())
    }

    async fn probe(&self) -> Result<Loaded, StoreError> {
        let (mut session, _) = self.store.begin().await?;
        let now = Timestamp(self.clock.now_ms()).to_string();
        session.set_setting(PROBED_AT, &now).await?;
        let loaded = session.load(&self.keys).await?;
        session.commit().await?;
        Ok(loaded)
    }

    /// Takes over what other processes changed. A failure leaves memory as it is:
    /// reads go on from it.
    pub(super) async fn follow(&self) {
        let mut writer = self.writer.clone().lock_owned().await;
        if writer.stale {
            return;
        }
        let newer = self.store.newer(writer.version, &self.keys).await;
        let was_away = self.metrics.away.get() != 0;
        match newer {
            Ok(newer) => {
                self.metrics.away.set(0);
                if was_away {
                    tracing::info!("changes of the catalogue are seen again");
                }
                if let Some(loaded) = newer {
                    self.show(&mut writer, loaded);
                }
            }
            Err(error) => {
                self.metrics.away.set(1);
                if !was_away {
                    tracing::warn!(%error, "the catalogue is served as it was last seen");
                }
            }
        }
    }

    /// Puts what the database holds in the place of all that memory shows.
    fn show(&self, writer: &mut Writer, loaded: Loaded) {
        writer.numbers = loaded.numbers;
        writer.version = loaded.version;
        let before = std::mem::replace(&mut *self.memory.write(), loaded.memory);
        // Large, and let go of when readers do not wait for it any more.
        drop(before);
        self.count(writer);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Notes a write that failed; its outcome is unknown.
    fn fail(&self, writer: &mut Writer, error: StoreError) -> ApiError {
        tracing::error!(%error, "the catalogue cannot be changed");
        self.metrics.failures.inc();
        self.failing.store(true, Ordering::Relaxed);
        writer.stale = true;
        error.into()
    }

    pub(super) fn count(&self, writer: &Writer) {
        let version = i64::try_from(writer.version).unwrap_or(i64::MAX);
        self.metrics.version.set(version);
        for (table, count) in self.memory.read().counts() {
            let gauge = self.metrics.rows.with_label_values(&[table]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    async fn write(&self, turn: Turn, mut batch: Batch) -> ApiResult<()> {
        let Turn {
            mut writer,
            session,
        } = turn;
        let is_news = batch.changes.iter().any(is_news);
        batch.version = is_news.then_some(writer.version + 1);
        if let Err(error) = session.write(&batch, &self.keys).await {
            return Err(self.fail(&mut writer, error));
        }
        writer.numbers = batch.numbers;
        writer.version = batch.version.unwrap_or(writer.version);
        {
            let mut memory = self.memory.write();
            for change in &batch.changes {
                memory.apply(change);
            }
        }
        for change in &batch.changes {
            self.metrics
                .changes
                .with_label_values(&[change.kind()])
                .inc();
        }
        self.count(&writer);
        if is_news {
            self.changed.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

/// Whether the catalogue is another one afterwards. What only goes by itself
/// when its time has come is no reason to export or to read anything.
fn is_news(change: &Change) -> bool {
    !matches!(change, Change::PruneTokens(_))
}

/// Writes a batch and shows it in memory. Goes on to the end when the caller
/// goes away: memory must not miss what the database has.
pub(super) async fn commit(shared: Arc<Shared>, turn: Turn, batch: Batch) -> ApiResult<()> {
    let (done, outcome) = oneshot::channel();
    tasks::detach(async move {
        let written = shared.write(turn, batch).await;
        let _ = done.send(written);
    });
    // Only a panic of the writing task loses the outcome.
    outcome.await.unwrap_or_else(|_| Err(unavailable()))
}
