//! An object store that behaves as badly as object stores may.
//!
//! Wraps another one and adds, by number or by chance from a seed: slow
//! answers, 503, answers lost after the fact, lost parts and uploads, lists
//! that lag behind, hangs, and crashes of the process that uses it. Promises
//! that the same seed and the same calls give the same faults, and that after
//! [`FaultyObjects::heal`] it is as good as what it wraps. Time is the clock
//! that it is given, also in what it says about the age of objects.

mod state;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use firn_runtime::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::{ColdError, Failure, Operation};
use super::objects::{Got, Objects, PartUpload, Stored, Wanted};
use super::real::RealObjects;
use state::{After, Before, State};
use upload::FaultyUpload;

/// The store; clones share it.
#[derive(Clone)]
pub struct FaultyObjects(Arc<Shared>);

struct Shared {
    inner: Arc<dyn Objects>,
    clock: Clock,
    state: Mutex<State>,
    /// Wakes those that hang.
    healed: Notify,
}

/// Chances of faults, in thousandths of the operations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    /// 503 and nothing done.
    pub busy: u32,
    /// Done, but the connection breaks before the answer.
    pub answer_lost: u32,
    /// Not done, the connection breaks.
    pub broken: u32,
}

impl FaultyObjects {
    /// An empty store in memory, without faults.
    #[must_use]
    pub fn new(seed: u64, clock: &Clock) -> Self {
        Self::over(Arc::new(RealObjects::memory()), seed, clock)
    }

    /// Faults on top of another store.
    #[must_use]
    pub fn over(inner: Arc<dyn Objects>, seed: u64, clock: &Clock) -> Self {
        Self(Arc::new(Shared {
            inner,
            clock: clock.clone(),
            state: Mutex::new(State::new(seed)),
            healed: Notify::new(),
        }))
    }

    /// Ends all faults, also those still to come, and wakes what hangs; the
    /// process is up again. What was stored stays.
    pub fn heal(&self) {
        self.0.state.lock().heal();
        self.0.healed.notify_waiters();
    }

    /// Every operation takes a time between these two.
    pub fn set_latency(&self, least: Duration, most: Duration) {
        self.0.state.lock().faults.latency = Some((least, most));
    }

    /// Completing an upload takes this long on top.
    pub fn set_slow_complete(&self, time: Duration) {
        self.0.state.lock().faults.slow_complete = time;
    }

    /// Faults by chance.
    pub fn set_chances(&self, chances: Chances) {
        self.0.state.lock().faults.chances = chances;
    }

    /// The next `n` operations are answered with 503 and do nothing.
    pub fn storm(&self, n: u64) {
        self.0.state.lock().faults.busy_next = n;
    }

    /// The next `n` creates are refused as S3 refuses those that run at the same
    /// time as others (409): "exists", whether or not anything does.
    pub fn conflict(&self, n: u64) {
        self.0.state.lock().faults.conflicts = n;
    }

    /// The `n`-th changing operation from now takes effect (1 = the next), and
    /// its answer is lost.
    pub fn lose_answer(&self, n: u64) {
        self.0.state.lock().faults.lose_answer = n;
    }

    /// The `n`-th part from now is lost on the way, and the connection with it.
    pub fn lose_part(&self, n: u64) {
        self.0.state.lock().faults.lose_part = n;
    }

    /// At the `n`-th part from now the store forgets its upload.
    pub fn lose_upload(&self, n: u64) {
        self.0.state.lock().faults.lose_upload = n;
    }

    /// Lists do not show what was written less than this ago. Reads do.
    pub fn set_stale_lists(&self, behind: Duration) {
        self.0.state.lock().faults.lists_behind = behind;
    }

    /// The `n`-th operation from now never answers, until [`Self::heal`].
    pub fn hang(&self, n: u64) {
        self.0.state.lock().faults.hang = n;
    }

    /// The process dies: every operation fails until [`Self::heal`], those
    /// under way included.
    pub fn crash(&self) {
        self.0.state.lock().crashed = true;
    }

    /// The process dies before the `n`-th changing operation from now, which
    /// does not happen any more. For trying every place where it can be stopped.
    pub fn crash_before_change(&self, n: u64) {
        self.0.state.lock().faults.crash_before = n;
    }

    /// The process dies after the `n`-th changing operation from now, without
    /// learning how it went.
    pub fn crash_after_change(&self, n: u64) {
        self.0.state.lock().faults.crash_after = n;
    }

    /// The process dies when it reaches the named point.
    pub fn crash_at(&self, point: &'static str) {
        self.0.state.lock().faults.crash_at = Some(point);
    }

    /// Whether the process is dead.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.0.state.lock().crashed
    }

    /// Named points that were reached, in order.
    #[must_use]
    pub fn reached(&self) -> Vec<&'static str> {
        self.0.state.lock().reached.clone()
    }

    /// Changing operations that took effect.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.0.state.lock().changes
    }

    /// Changes a stored object behind everybody's back, as bit rot or a repair
    /// tool does.
    ///
    /// # Errors
    /// When there is no such object.
    pub async fn damage(
        &self,
        path: &str,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), ColdError> {
        let mut bytes = self.0.inner.get(path, Wanted::All).await?.bytes.to_vec();
        change(&mut bytes);
        self.0.inner.put(path, &[bytes.into()]).await
    }
}

impl Shared {
    /// What happens to an operation before it takes effect.
    async fn before(&self, operation: Operation, path: &str) -> Result<(), ColdError> {
        // Made first, so that it hears of a `heal` from here on.
        let healed = self.healed.notified();
        let fate = self.state.lock().before(operation);
        let lost = |failure, why: &str| Err(ColdError::new(operation, path, failure, why));
        match fate {
            Before::Fail(failure, why) => return lost(failure, why),
            Before::Hang => {
                healed.await;
                return lost(Failure::Connection, "hung up");
            }
            Before::Pass(None) => {}
            Before::Pass(Some(latency)) => self.clock.sleep(latency).await,
        }
        // It may have died meanwhile.
        match self.state.lock().crashed {
            true => lost(Failure::Connection, state::DEAD),
            false => Ok(()),
        }
    }

    /// What happens to an operation that took effect.
    fn after(&self, operation: Operation, path: &str) -> Result<(), ColdError> {
        let now_ms = self.clock.now_ms();
        match self.state.lock().after(operation, path, now_ms) {
            After::Answer => Ok(()),
            After::Lost(why) => Err(ColdError::new(operation, path, Failure::Connection, why)),
        }
    }
}

#[async_trait]
impl Objects for FaultyObjects {
    async fn create(&self, path: &str, body: &Bytes) -> Result<(), ColdError> {
        self.0.before(Operation::Create, path).await?;
        self.0.inner.create(path, body).await?;
        self.0.after(Operation::Create, path)
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Result<(), ColdError> {
        self.0.before(Operation::Put, path).await?;
        self.0.inner.put(path, body).await?;
        self.0.after(Operation::Put, path)
    }

    async fn start_upload(&self, path: &str) -> Result<Box<dyn PartUpload>, ColdError> {
        self.0.before(Operation::StartUpload, path).await?;
        let upload = self.0.inner.start_upload(path).await?;
        self.0.after(Operation::StartUpload, path)?;
        Ok(Box::new(FaultyUpload::new(self.0.clone(), upload, path)))
    }

    async fn get(&self, path: &str, wanted: Wanted) -> Result<Got, ColdError> {
        self.0.before(Operation::Get, path).await?;
        let got = self.0.inner.get(path, wanted).await?;
        self.0.after(Operation::Get, path)?;
        Ok(got)
    }

    async fn head(&self, path: &str) -> Result<Stored, ColdError> {
        self.0.before(Operation::Head, path).await?;
        let mut stored = self.0.inner.head(path).await?;
        self.0.after(Operation::Head, path)?;
        self.0.state.lock().date(&mut stored);
        Ok(stored)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, ColdError> {
        self.0.before(Operation::List, prefix).await?;
        let mut found = self.0.inner.list(prefix).await?;
        self.0.after(Operation::List, prefix)?;
        let state = self.0.state.lock();
        let now_ms = self.0.clock.now_ms();
        found.retain(|stored| state.is_listed(&stored.path, now_ms));
        found.iter_mut().for_each(|stored| state.date(stored));
        Ok(found)
    }

    async fn delete(&self, paths: &[String]) -> Result<(), ColdError> {
        let first = paths.first().map_or("", String::as_str);
        self.0.before(Operation::Delete, first).await?;
        self.0.inner.delete(paths).await?;
        self.0.after(Operation::Delete, first)
    }

    fn reach(&self, point: &'static str) -> Result<(), ColdError> {
        let is_alive = self.0.state.lock().reach(point);
        match is_alive {
            true => self.0.inner.reach(point),
            false => Err(ColdError::new(
                Operation::Get,
                point,
                Failure::Connection,
                state::DEAD,
            )),
        }
    }
}
