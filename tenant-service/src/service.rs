//! The service as it runs. Owns the order of changes: a change is checked
//! against memory, written in one transaction, then shown in memory.

mod operator;
mod transfer;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use firn_protocol::catalogue::Durability;
use firn_protocol::{ApiError, ApiResult, Caller, Timestamp};
use firn_runtime::{Clock, Stop, Tasks, tasks};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{OwnedMutexGuard, oneshot, watch};

use crate::catalogue::bootstrap::{self, BootstrapReport};
use crate::catalogue::memory::Memory;
use crate::catalogue::{Change, Draft, Numbers};
use crate::config::{TenantConfig, catalogue_file};
use crate::error::{BootstrapError, OpenError, unavailable};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::passwords::Passwords;
use crate::secret::Secret;
use crate::store::{Batch, Origin, SqliteStore};
pub use transfer::{NewSecret, Restored};

/// Pause between looks at a database that failed, and at tokens to forget.
const TICK: Duration = Duration::from_secs(5);
const AUDIT_KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// The real [`firn_protocol::api::tenant::TenantApi`].
pub struct TenantService {
    pub(crate) shared: Arc<Shared>,
    pub(crate) passwords: Passwords,
    pub(crate) durability_default: Durability,
    generated_password: Mutex<Option<Secret>>,
}

/// What a change needs that outlives its caller.
pub(crate) struct Shared {
    pub(crate) memory: RwLock<Memory>,
    pub(crate) store: SqliteStore,
    pub(crate) keys: Keys,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// Held by the one change that is under way.
    writer: Arc<tokio::sync::Mutex<Writer>>,
    /// Set when a write failed, until one succeeds.
    failing: AtomicBool,
    /// See [`TenantService::catalogue_id`].
    catalogue_id: u128,
    /// Counts what an export would show.
    changed: watch::Sender<u64>,
}

struct Writer {
    numbers: Numbers,
    /// After a failed write it is not known what the database holds, so
    /// memory is read from it anew before anything else is changed.
    stale: bool,
}

type WriterGuard = OwnedMutexGuard<Writer>;

impl TenantService {
    /// Opens the catalogue, making it and its keys at the first start.
    ///
    /// # Errors
    /// One line that says what to do; see [`OpenError`].
    pub async fn open(config: TenantConfig, clock: Clock) -> Result<Arc<Self>, OpenError> {
        let store = SqliteStore::open(&catalogue_file(&config.catalogue)?).await?;
        let keys = open_keys(&store, &config).await?;
        let catalogue_id = transfer::open_id(&store).await?;
        let (memory, numbers) = store.load(&keys).await?;
        let now = Timestamp(clock.now_ms());
        let audit_end = now.0.saturating_sub(AUDIT_KEPT.as_millis() as u64);
        store.drop_audit_before(Timestamp(audit_end)).await?;
        let passwords = Passwords::new().await.map_err(password_error)?;
        let shared = Shared {
            memory: RwLock::new(memory),
            store,
            keys,
            clock,
            metrics: Metrics::new(),
            writer: Arc::new(tokio::sync::Mutex::new(Writer {
                numbers,
                stale: false,
            })),
            failing: AtomicBool::new(false),
            catalogue_id,
            changed: watch::Sender::new(0),
        };
        shared.count_rows();
        let service = Self {
            shared: Arc::new(shared),
            passwords,
            durability_default: config.durability,
            generated_password: Mutex::new(None),
        };
        service.ensure_operator(config.operator_password).await?;
        Ok(Arc::new(service))
    }

    /// The operator's password if it was made just now: the only chance to see it.
    #[must_use]
    pub fn take_generated_password(&self) -> Option<Secret> {
        self.generated_password.lock().take()
    }

    /// Shows the service's metrics in a registry.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub fn register_metrics(
        &self,
        registry: &prometheus::Registry,
    ) -> Result<(), prometheus::Error> {
        self.shared.metrics.register(registry)
    }

    /// Runs what has to happen without being asked; stops with `tasks`.
    pub fn start(self: &Arc<Self>, tasks: &mut Tasks) {
        let service = self.clone();
        tasks.spawn("catalogue", |stop| service.run(stop));
    }

    async fn run(self: Arc<Self>, stop: Stop) -> Result<(), Infallible> {
        while !stop.is_cancelled() {
            self.tick().await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.shared.clock.sleep(TICK) => {}
            }
        }
        Ok(())
    }

    /// One step of the background work: tries a database that failed, and
    /// forgets revocations of tokens that have ended.
    pub async fn tick(&self) {
        if self.shared.failing.load(Ordering::Relaxed) {
            let writer = self.shared.writer.clone().lock_owned().await;
            if self.shared.recovered(writer).await.is_ok() {
                tracing::info!("the catalogue can be changed again");
            }
            return;
        }
        let now = Timestamp(self.shared.clock.now_ms());
        let earliest = self.shared.memory.read().earliest_revocation_end();
        if earliest.is_some_and(|until| until <= now) {
            // A failure is logged where it happens and tried again later.
            let _ = self
                .change(None, |draft| {
                    draft.push(Change::PruneTokens(now));
                    Ok(())
                })
                .await;
        }
    }

    /// Closes the database in order; changes fail afterwards.
    pub async fn close(&self) {
        let _writer = self.shared.writer.clone().lock_owned().await;
        self.shared.store.close().await;
    }

    /// Makes sure that everything in a bootstrap file exists (DESIGN 7), in
    /// one transaction. What exists already is never changed, except that an
    /// instance gets the brokers it lacks.
    ///
    /// # Errors
    /// Names the line or entry at fault; then nothing was written.
    pub async fn apply_bootstrap(&self, text: &str) -> Result<BootstrapReport, BootstrapError> {
        let file = bootstrap::parse(text)?;
        let mut report = BootstrapReport::default();
        let writer = self.lock().await.map_err(BootstrapError::Store)?;
        let plan = {
            let staged = self.shared.memory.read().clone();
            let now = Timestamp(self.shared.clock.now_ms());
            bootstrap::plan(&file, staged, writer.numbers, now, self.durability_default)?
        };
        report.differences = plan.differences;
        report.created = plan.created;
        for difference in &report.differences {
            tracing::warn!(difference, "bootstrap file differs from the catalogue");
        }
        if !plan.changes.is_empty() {
            let origin = Origin {
                caller: "bootstrap".to_owned(),
                request_id: String::new(),
            };
            let batch = Batch {
                at: Timestamp(self.shared.clock.now_ms()),
                changes: plan.changes,
                numbers: plan.numbers,
                audit: Some((bootstrap::audit(&report), origin)),
            };
            let written = commit(self.shared.clone(), writer, batch).await;
            written.map_err(BootstrapError::Store)?;
        }
        Ok(report)
    }

    /// Carries out a rule: checks, writes, shows. `None` as caller is the service itself.
    pub(crate) async fn change<R>(
        &self,
        caller: Option<&Caller>,
        rule: impl FnOnce(&mut Draft<'_>) -> ApiResult<R>,
    ) -> ApiResult<R> {
        let writer = self.lock().await?;
        let (answer, batch) = {
            let memory = self.shared.memory.read();
            let now = Timestamp(self.shared.clock.now_ms());
            let mut draft = Draft::new(&memory, writer.numbers, now);
            let answer = rule(&mut draft)?;
            let origin = Origin {
                caller: caller.map_or("service", |caller| &caller.name).to_owned(),
                request_id: caller.map_or("", |caller| &caller.request_id).to_owned(),
            };
            let batch = Batch {
                at: now,
                changes: draft.changes,
                numbers: draft.numbers,
                audit: draft.audit.map(|audit| (audit, origin)),
            };
            (answer, batch)
        };
        commit(self.shared.clone(), writer, batch).await?;
        Ok(answer)
    }

    /// Runs a rule for its checks alone.
    pub(crate) fn check(&self, rule: impl FnOnce(&Draft<'_>) -> ApiResult<()>) -> ApiResult<()> {
        let memory = self.shared.memory.read();
        rule(&Draft::new(&memory, Numbers::default(), Timestamp(0)))
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }

    async fn lock(&self) -> ApiResult<WriterGuard> {
        let writer = self.shared.writer.clone().lock_owned().await;
        self.shared.recovered(writer).await
    }
}

impl Shared {
    /// Gives the writer back ready to write: after a failure, once the
    /// database takes writes again and memory is what it holds.
    async fn recovered(&self, mut writer: WriterGuard) -> ApiResult<WriterGuard> {
        if !writer.stale {
            return Ok(writer);
        }
        let probed = self.store.probe(Timestamp(self.clock.now_ms())).await;
        let loaded = match probed {
            Ok(()) => self.store.load(&self.keys).await,
            Err(error) => Err(error),
        };
        let (memory, numbers) = loaded.map_err(|error| {
            tracing::warn!(%error, "the catalogue still cannot be changed");
            unavailable()
        })?;
        *self.memory.write() = memory;
        writer.numbers = numbers;
        writer.stale = false;
        self.failing.store(false, Ordering::Relaxed);
        self.count_rows();
        // The write that failed may have happened all the same.
        self.changed.send_modify(|count| *count += 1);
        Ok(writer)
    }

    fn count_rows(&self) {
        for (table, count) in self.memory.read().counts() {
            let gauge = self.metrics.rows.with_label_values(&[table]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    async fn write(&self, writer: &mut Writer, batch: Batch) -> ApiResult<()> {
        if let Err(error) = self.store.write(&batch, &self.keys).await {
            tracing::error!(%error, "the catalogue cannot be changed");
            self.metrics.failures.inc();
            self.failing.store(true, Ordering::Relaxed);
            writer.stale = true;
            return Err(error.into());
        }
        writer.numbers = batch.numbers;
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
        self.count_rows();
        self.announce(&batch.changes);
        Ok(())
    }

    /// Tells that the catalogue is another one than it was. What only goes by
    /// itself when its time has come is no reason to export anything.
    fn announce(&self, changes: &[Change]) {
        let counts = |change: &Change| !matches!(change, Change::PruneTokens(_));
        if changes.iter().any(counts) {
            self.changed.send_modify(|count| *count += 1);
        }
    }
}

/// Writes a batch and shows it in memory. Goes on to the end when the caller
/// goes away: memory must not miss what the database has.
async fn commit(shared: Arc<Shared>, mut writer: WriterGuard, batch: Batch) -> ApiResult<()> {
    let (done, outcome) = oneshot::channel();
    tasks::detach(async move {
        let written = shared.write(&mut writer, batch).await;
        drop(writer);
        let _ = done.send(written);
    });
    // Only a panic of the writing task loses the outcome.
    outcome.await.unwrap_or_else(|_| Err(unavailable()))
}

/// The keys of the catalogue: those it was made with, or new ones for a new one.
async fn open_keys(store: &SqliteStore, config: &TenantConfig) -> Result<Keys, OpenError> {
    let path = &config.master_key_file;
    let check = store.key_check().await?;
    let keys = Keys::open(path, check.is_none())?;
    match check {
        None => store.set_key_check(&keys.check_value()).await?,
        Some(check) if check != keys.check_value() => {
            return Err(OpenError::WrongKey { path: path.clone() });
        }
        Some(_) => {}
    }
    Ok(keys)
}

fn password_error(error: ApiError) -> OpenError {
    OpenError::Password {
        rule: error.message,
    }
}

#[cfg(test)]
mod tests;
