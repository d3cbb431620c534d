//! The service as it runs: a change is checked against memory, written in one
//! transaction, then shown in memory.

mod books;
mod operator;
mod rotate;
mod tidy;
mod transfer;
mod turn;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use firn_protocol::catalogue::Durability;
use firn_protocol::{ApiError, ApiResult, Caller, Timestamp};
use firn_runtime::{Clock, Stop, Tasks};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::billing::BooksMutant;
use crate::catalogue::bootstrap::{self, BootstrapReport};
use crate::catalogue::memory::Memory;
use crate::catalogue::{Audit, Draft, Numbers, lifecycle};
use crate::config::{CatalogueUrl, TenantConfig};
use crate::error::{BootstrapError, OpenError, StoreError};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::passwords::Passwords;
use crate::secret::Secret;
use crate::shares::ShareTable;
use crate::store::{Batch, KEPT_KEYS, KEY_CHECK, Loaded, Origin, Session, Store};
pub use rotate::KeyRotation;
pub use transfer::{NewSecret, Restored};
use turn::{Writer, commit};

/// Pause between looks at a database that failed, and at tokens to forget.
/// Instances whose end is looked after in one step.
const ENDED_AT_ONCE: usize = 100;
const TICK: Duration = Duration::from_secs(5);
/// The same where others may change the catalogue: their changes are seen after it.
const TICK_SHARED: Duration = Duration::from_secs(1);
/// Pause between looks at what is due in the meter's books. The first look comes
/// after it, so that the meter can bring what it has before anything closes.
const TICK_BOOKS: Duration = Duration::from_secs(60);
const AUDIT_KEPT: Duration = Duration::from_secs(400 * 24 * 3600);
/// The same of rows about what was refused, which strangers can cause.
const DENIED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The real [`firn_protocol::api::tenant::TenantApi`].
pub struct TenantService {
    pub(crate) shared: Arc<Shared>,
    pub(crate) passwords: Passwords,
    pub(crate) durability_default: Durability,
    pub(crate) shares: ShareTable,
    generated_password: Mutex<Option<Secret>>,
}

/// What a change needs that outlives its caller.
pub(crate) struct Shared {
    pub(crate) memory: RwLock<Memory>,
    pub(crate) store: Store,
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
    /// A deliberate fault of the books, if a test wants one.
    pub(crate) books_mutant: OnceLock<BooksMutant>,
}

impl TenantService {
    /// Opens the catalogue, making it and its keys at the first start.
    ///
    /// # Errors
    /// One line that says what to do; see [`OpenError`].
    pub async fn open(config: TenantConfig, clock: Clock) -> Result<Arc<Self>, OpenError> {
        let store = Store::open(&catalogue_url(&config)?).await?;
        let found = Found::new(&store, &config, clock.now_ms()).await?;
        let passwords = Passwords::new().await.map_err(password_error)?;
        let writer = Writer {
            numbers: found.loaded.numbers,
            version: found.loaded.version,
            stale: false,
        };
        let shares = ShareTable::new(clock.clone());
        let shared = Shared {
            memory: RwLock::new(found.loaded.memory),
            store,
            keys: found.keys,
            clock,
            metrics: Metrics::new(),
            failing: AtomicBool::new(false),
            catalogue_id: found.catalogue_id,
            changed: watch::Sender::new(0),
            books_mutant: OnceLock::new(),
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
        };
        shared.count(&*shared.writer.lock().await);
        let service = Self {
            shared: Arc::new(shared),
            passwords,
            durability_default: config.durability,
            shares,
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

    /// Makes the service wait before it divides limits, until what gateways may still
    /// hold is void. Whoever lets in gateways of other processes, which outlive this
    /// one, calls it first.
    pub fn wait_for_gateways(&self) {
        self.shares.wait_for_gateways();
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
        let service = self.clone();
        tasks.spawn("books", |stop| service.run_books(stop));
    }

    async fn run_books(self: Arc<Self>, stop: Stop) -> Result<(), Infallible> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.shared.clock.sleep(TICK_BOOKS) => {}
            }
            // A failure is logged where it happens and made good the next time.
            let _ = self.close_books().await;
        }
    }

    async fn run(self: Arc<Self>, stop: Stop) -> Result<(), Infallible> {
        let pause = match self.shared.store.is_shared() {
            true => TICK_SHARED,
            false => TICK,
        };
        while !stop.is_cancelled() {
            self.tick().await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.shared.clock.sleep(pause) => {}
            }
        }
        Ok(())
    }

    /// One step of the background work: tries a database that failed, takes
    /// over what other processes changed, and tidies up.
    pub async fn tick(&self) {
        self.shared.metrics.shares(self.shares.counts());
        if self.is_failing() {
            // Told when it works again.
            let _ = self.shared.writer().await;
            return;
        }
        if self.shared.store.is_shared() {
            self.shared.follow().await;
        }
        self.end_instances().await;
        self.tidy().await;
    }

    /// Freezes and removes instances whose time has come.
    async fn end_instances(&self) {
        for _ in 0..ENDED_AT_ONCE {
            let now = Timestamp(self.shared.clock.now_ms());
            if lifecycle::due(&self.shared.memory.read(), now).is_none() {
                return;
            }
            // A failure is logged where it happens and tried again later.
            if self.change(None, lifecycle::do_due).await.is_err() {
                return;
            }
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
        let turn = self.shared.turn().await.map_err(BootstrapError::Store)?;
        let planned = {
            let staged = self.shared.memory.read().clone();
            let now = Timestamp(self.shared.clock.now_ms());
            let numbers = turn.writer.numbers;
            bootstrap::plan(&file, staged, numbers, now, self.durability_default)
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(error) => {
                turn.give_back().await;
                return Err(error);
            }
        };
        report.differences = plan.differences;
        report.created = plan.created;
        for difference in &report.differences {
            tracing::warn!(difference, "bootstrap file differs from the catalogue");
        }
        if plan.changes.is_empty() {
            turn.give_back().await;
            return Ok(report);
        }
        let origin = Origin {
            caller: "bootstrap".to_owned(),
            request_id: String::new(),
        };
        let batch = Batch {
            at: Timestamp(self.shared.clock.now_ms()),
            changes: plan.changes,
            numbers: plan.numbers,
            audit: vec![(bootstrap::audit(&report), origin)],
            terms: Vec::new(),
            version: None,
        };
        let written = commit(self.shared.clone(), turn, batch).await;
        written.map_err(BootstrapError::Store)?;
        Ok(report)
    }

    /// Carries out a rule: checks, writes, shows. `None` as caller is the service itself.
    pub(crate) async fn change<R>(
        &self,
        caller: Option<&Caller>,
        rule: impl FnOnce(&mut Draft<'_>) -> ApiResult<R>,
    ) -> ApiResult<R> {
        let turn = self.shared.turn().await?;
        let drafted = {
            let memory = self.shared.memory.read();
            let now = Timestamp(self.shared.clock.now_ms());
            let mut draft = Draft::new(&memory, turn.writer.numbers, now);
            rule(&mut draft).map(|answer| (answer, batch(draft, caller)))
        };
        match drafted {
            Ok((answer, batch)) if batch.changes.is_empty() && batch.audit.is_empty() => {
                turn.give_back().await;
                Ok(answer)
            }
            Ok((answer, batch)) => {
                commit(self.shared.clone(), turn, batch).await?;
                Ok(answer)
            }
            Err(refused) => {
                turn.give_back().await;
                Err(refused)
            }
        }
    }

    /// Writes rows of the audit log alone.
    pub(crate) async fn write_audit(&self, audit: Vec<(Audit, Origin)>) -> ApiResult<()> {
        let turn = self.shared.turn().await?;
        let batch = Batch {
            at: Timestamp(self.shared.clock.now_ms()),
            changes: Vec::new(),
            numbers: turn.writer.numbers,
            audit,
            terms: Vec::new(),
            version: None,
        };
        commit(self.shared.clone(), turn, batch).await
    }

    /// Runs a rule for its checks alone.
    pub(crate) fn check(&self, rule: impl FnOnce(&Draft<'_>) -> ApiResult<()>) -> ApiResult<()> {
        let memory = self.shared.memory.read();
        rule(&Draft::new(&memory, Numbers::default(), Timestamp(0)))
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }
}

/// What a rule made, as it is written.
fn batch(draft: Draft<'_>, caller: Option<&Caller>) -> Batch {
    let origin = Origin {
        caller: caller.map_or("service", |caller| &caller.name).to_owned(),
        request_id: caller.map_or("", |caller| &caller.request_id).to_owned(),
    };
    Batch {
        at: draft.now,
        changes: draft.changes,
        numbers: draft.numbers,
        audit: draft
            .audit
            .map(|audit| (audit, origin))
            .into_iter()
            .collect(),
        terms: Vec::new(),
        version: None,
    }
}

fn catalogue_url(config: &TenantConfig) -> Result<CatalogueUrl, OpenError> {
    CatalogueUrl::parse(&config.catalogue).map_err(|rule| OpenError::Url { rule })
}

/// What a start finds in the database.
struct Found {
    keys: Keys,
    catalogue_id: u128,
    loaded: Loaded,
}

impl Found {
    /// Of two first starts on one database, one makes the catalogue, in one
    /// transaction, and the other one finds it.
    async fn new(store: &Store, config: &TenantConfig, now_ms: u64) -> Result<Self, OpenError> {
        let (mut session, _) = store.begin().await?;
        let keys = open_keys(&mut session, config).await?;
        let catalogue_id = transfer::open_id(&mut session).await?;
        let before = |kept: Duration| Timestamp(now_ms.saturating_sub(kept.as_millis() as u64));
        session
            .drop_audit_before(before(AUDIT_KEPT), before(DENIED_KEPT))
            .await?;
        session.open_books(Timestamp(now_ms)).await?;
        session.commit().await?;
        let loaded = store.load(&keys).await?;
        Ok(Self {
            keys,
            catalogue_id,
            loaded,
        })
    }
}

/// The keys of the catalogue: those it was made with, or new ones for a new one.
async fn open_keys(session: &mut Session, config: &TenantConfig) -> Result<Keys, OpenError> {
    let path = &config.master_key_file;
    let check = session.setting(KEY_CHECK).await?;
    let mut keys = Keys::open(path, check.is_none())?;
    match check {
        None => session.set_setting(KEY_CHECK, &keys.check_value()).await?,
        Some(check) if check != keys.check_value() => {
            return Err(OpenError::WrongKey { path: path.clone() });
        }
        Some(_) => {}
    }
    if let Some(sealed) = session.setting(KEPT_KEYS).await? {
        let kept = keys.keep(&sealed);
        kept.map_err(|problem| StoreError::Damaged {
            table: "setting",
            problem: problem.to_owned(),
        })?;
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
