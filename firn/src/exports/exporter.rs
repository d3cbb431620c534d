//! The task that exports the catalogue.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use firn_protocol::ApiError;
use firn_runtime::{Clock, Stop, tasks};
use firn_storage_node::cold::paths::{NodeId, Nonce, ObjectName};
use firn_storage_node::cold::{ColdError, ColdStore, Created};
use firn_tenant_service::{CatalogueExport, ExportError, ExportHead, Packed, Stamp, TenantService};
use tokio::sync::watch;

use super::objects;
use super::pace::Pace;
use crate::metrics::ExportMetrics;

/// Exports that are kept: the newest, and some to go back to.
const KEPT: usize = 8;
/// Numbers tried in one attempt; who is that far behind looks again.
const TAKEN_MAX: usize = 100;

/// What an exporter is made of.
pub(crate) struct ExporterParts {
    pub(crate) tenants: Arc<TenantService>,
    pub(crate) store: ColdStore,
    pub(crate) owner: NodeId,
    pub(crate) clock: Clock,
    pub(crate) metrics: ExportMetrics,
}

/// Writes exports; one for each catalogue that is served.
pub(crate) struct Exporter {
    parts: ExporterParts,
    changes: watch::Receiver<u64>,
    pace: Pace,
    /// Numbers in the object store; `None` until it was looked at.
    known: Option<BTreeSet<u64>>,
    /// Of the newest export, if it is known to be this catalogue's.
    exported: Option<[u8; 32]>,
    /// An object of which it is not known whether it is stored.
    attempt: Option<Attempt>,
    failing: bool,
}

struct Attempt {
    number: u64,
    digest: [u8; 32],
    body: Bytes,
}

/// Why this catalogue cannot be exported to this object store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    #[error(transparent)]
    Store(#[from] ColdError),
    /// Going on would mix two deployments under the same numbers.
    #[error(
        "the object store belongs to another catalogue (export {number}): bring that one back with `firn restore` into a new data directory, or choose another --object-store"
    )]
    Foreign { number: u64 },
}

#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Begin(#[from] BeginError),
    #[error("{0}")]
    Catalogue(ApiError),
    #[error("catalogue export: {0}")]
    Export(#[from] ExportError),
    #[error("others have taken {TAKEN_MAX} numbers in a row")]
    Crowded,
}

impl From<ColdError> for AttemptError {
    fn from(error: ColdError) -> Self {
        Self::Begin(BeginError::Store(error))
    }
}

impl Exporter {
    pub(crate) fn new(mut parts: ExporterParts) -> Self {
        parts.store = parts.store.background();
        let changes = parts.tenants.changes();
        let mut pace = Pace::default();
        // What happened while nobody followed the changes is not known.
        pace.unknown();
        Self {
            parts,
            changes,
            pace,
            known: None,
            exported: None,
            attempt: None,
            failing: false,
        }
    }

    /// Looks at what the object store has.
    ///
    /// # Errors
    /// When it cannot be read now, or belongs to another catalogue.
    pub(crate) async fn begin(&mut self) -> Result<(), BeginError> {
        let known = objects::numbers(&self.parts.store).await?;
        self.exported = None;
        // A damaged one cannot say whose it is; one before it can.
        for &number in known.iter().rev() {
            let Some(bytes) = objects::read(&self.parts.store, number).await? else {
                continue;
            };
            match ExportHead::read(&bytes) {
                Ok(head) if head.catalogue != self.parts.tenants.catalogue_id() => {
                    return Err(BeginError::Foreign { number });
                }
                Ok(_) => {
                    if known.last() == Some(&number) {
                        self.exported = digest_of(number, bytes).await;
                    }
                    break;
                }
                Err(error) => {
                    tracing::warn!(number, %error, "an export of the catalogue cannot be read");
                }
            }
        }
        self.known = Some(known);
        Ok(())
    }

    /// Exports after changes until it is told to stop, and then what is left.
    pub(crate) async fn run(mut self, stop: Stop) -> Result<(), Infallible> {
        let mut changes = self.changes.clone();
        let clock = self.parts.clock.clone();
        while !stop.is_cancelled() {
            let due = self.tick().await;
            let wait = async {
                match due {
                    Some(due) => clock.sleep_until_ms(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                Ok(()) = changes.changed() => {}
                () = wait => {}
            }
        }
        self.finish().await;
        Ok(())
    }

    /// One step: exports if it is time. Says when it is time next; `None` for
    /// not before something changes.
    pub(crate) async fn tick(&mut self) -> Option<u64> {
        self.look();
        let now = self.parts.clock.now_ms();
        if self.pace.due().is_some_and(|due| due <= now) {
            self.export().await;
        }
        self.pace.due()
    }

    /// Exports what is not exported yet, without waiting for its time.
    pub(crate) async fn finish(&mut self) {
        self.look();
        if self.pace.due().is_some() {
            self.export().await;
        }
    }

    fn look(&mut self) {
        // The sender lives as long as the catalogue that is held here.
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.mark_unchanged();
            self.pace.changed(self.parts.clock.now_ms());
        }
        self.parts.metrics.pending(self.pace.due().is_some());
    }

    async fn export(&mut self) {
        match self.try_export().await {
            Ok(()) => {
                self.pace.done();
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the catalogue is exported again");
                }
            }
            Err(error) => {
                self.pace.failed(self.parts.clock.now_ms());
                self.parts.metrics.failures.inc();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "the catalogue is not exported; it is tried again");
                }
            }
        }
        // What came meanwhile is in no export.
        self.look();
    }

    async fn try_export(&mut self) -> Result<(), AttemptError> {
        if self.known.is_none() {
            self.begin().await?;
        }
        let export = self.parts.tenants.export().await;
        let export = export.map_err(AttemptError::Catalogue)?;
        let id = self.parts.tenants.catalogue_id();
        let packed = tasks::blocking(move || export.pack(id)).await?;
        if self.exported != Some(packed.digest) {
            self.write(&packed).await?;
            self.forget().await;
        }
        Ok(())
    }

    /// Creates the next number.
    async fn write(&mut self, packed: &Packed) -> Result<(), AttemptError> {
        for _ in 0..TAKEN_MAX {
            let attempt = match self.attempt.take() {
                // The very same object: it may be stored already.
                Some(attempt) if attempt.digest == packed.digest => attempt,
                Some(_) | None => self.next_attempt(packed),
            };
            let name = ObjectName::Catalogue(attempt.number);
            let created = match self.parts.store.create(name, attempt.body.clone()).await {
                Ok(created) => created,
                Err(error) => {
                    self.attempt = Some(attempt);
                    return Err(error.into());
                }
            };
            let known = self.known.get_or_insert_default();
            known.insert(attempt.number);
            match created {
                Created::Won => {
                    self.exported = Some(attempt.digest);
                    self.parts.metrics.exports.inc();
                    tracing::debug!(number = attempt.number, "the catalogue is exported");
                    return Ok(());
                }
                Created::Lost(found) => self.yield_to(attempt.number, &found).await?,
            }
        }
        Err(AttemptError::Crowded)
    }

    fn next_attempt(&self, packed: &Packed) -> Attempt {
        let highest = self.known.as_ref().and_then(|known| known.last());
        let stamp = Stamp {
            owner: self.parts.owner.0,
            nonce: Nonce::draw().0,
        };
        Attempt {
            number: highest.map_or(1, |number| number.saturating_add(1)),
            digest: packed.digest,
            body: packed.stamped(stamp).into(),
        }
    }

    /// The number belongs to an earlier attempt of ours, whose content is not
    /// the newest any more, or to somebody else.
    async fn yield_to(&mut self, number: u64, found: &[u8]) -> Result<(), AttemptError> {
        match ExportHead::read(found) {
            Ok(head) if head.catalogue != self.parts.tenants.catalogue_id() => {
                // Nothing more goes there before it was looked at again.
                self.known = None;
                return Err(BeginError::Foreign { number }.into());
            }
            Ok(head) if head.stamp.owner != self.parts.owner.0 => {
                let owner = NodeId(head.stamp.owner);
                tracing::warn!(number, %owner, "another node exports this catalogue, too");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(number, %error, "an export of the catalogue cannot be read");
            }
        }
        let listed = objects::numbers(&self.parts.store).await?;
        self.known.get_or_insert_default().extend(listed);
        Ok(())
    }

    /// Deletes all but the newest. What cannot be deleted now is tried again
    /// after the next export.
    async fn forget(&mut self) {
        let Some(known) = &mut self.known else { return };
        let Some(&first_kept) = known.iter().rev().nth(KEPT - 1) else {
            return;
        };
        let old: Vec<u64> = known.range(..first_kept).copied().collect();
        let names: Vec<ObjectName> = old.iter().copied().map(ObjectName::Catalogue).collect();
        if names.is_empty() {
            return;
        }
        match self.parts.store.delete(&names).await {
            Ok(()) => *known = known.split_off(&first_kept),
            Err(error) => {
                tracing::debug!(%error, "old exports of the catalogue stay until the next export")
            }
        }
    }
}

async fn digest_of(number: u64, bytes: Bytes) -> Option<[u8; 32]> {
    match tasks::blocking(move || CatalogueExport::unpack(&bytes)).await {
        Ok(found) => Some(found.digest),
        Err(error) => {
            tracing::warn!(number, %error, "the newest export of the catalogue cannot be read");
            None
        }
    }
}
