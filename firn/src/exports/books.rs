//! The task that writes the meter's books to the object store, part by part
//! (docs/decisions/0025-books-in-the-bucket.md).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::ApiError;
use firn_runtime::{Clock, Stop, tasks};
use firn_storage_node::cold::paths::{ObjectName, Prefix};
use firn_storage_node::cold::{ColdError, ColdStore, Created};
use firn_tenant_service::{ExportError, PartHead, TenantService};

/// Between two parts while usage is counted: what a lost disk may cost of the books.
const PERIOD: Duration = Duration::from_secs(300);
/// Parts that are written in one go; who is further behind goes on at once.
const STEPS_MAX: usize = 1000;
/// Parts that a list may lack before something is wrong.
const UNLISTED_MAX: u64 = 1000;

/// Writes parts; one for each catalogue that is served.
pub(crate) struct BooksExporter {
    tenants: Arc<TenantService>,
    store: ColdStore,
    clock: Clock,
    failing: bool,
}

#[derive(Debug, thiserror::Error)]
enum PartError {
    #[error(transparent)]
    Store(#[from] ColdError),
    #[error("{0}")]
    Books(ApiError),
    #[error("books: {0}")]
    Form(#[from] ExportError),
    #[error(
        "part {number} of the books was written by another machine; stop that one, and bring the deployment back with `firn restore` once more"
    )]
    Foreign { number: u64 },
}

impl BooksExporter {
    #[must_use]
    pub(crate) fn new(tenants: Arc<TenantService>, store: &ColdStore, clock: Clock) -> Self {
        Self {
            tenants,
            store: store.background(),
            clock,
            failing: false,
        }
    }

    /// Writes what is new from time to time until it is told to stop, and then the rest.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub(crate) async fn run(mut self, stop: Stop) -> Result<(), Infallible> {
        let clock = self.clock.clone();
        while !stop.is_cancelled() {
            self.step().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock.sleep(PERIOD) => {}
            }
        }
        self.step().await;
        Ok(())
    }

    /// Writes all that is not written yet.
    pub(crate) async fn step(&mut self) {
        match self.try_step().await {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the books go to the object store again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "the books are not in the object store; it is tried again");
                }
            }
        }
    }

    async fn try_step(&self) -> Result<(), PartError> {
        for _ in 0..STEPS_MAX {
            let next = self.tenants.next_books_part().await;
            let Some((number, part)) = next.map_err(PartError::Books)? else {
                break;
            };
            let head = part.head;
            let bytes = tasks::blocking(move || part.pack()).await?;
            let created = self.store.create(ObjectName::Books(number), bytes.into());
            let to = match created.await? {
                Created::Won => head.to,
                // It may be an attempt of ours whose answer got lost; what it lacks
                // comes with the next.
                Created::Lost(found) => {
                    let found = PartHead::read(&found)?;
                    let is_ours = (found.catalogue, found.line, found.after)
                        == (head.catalogue, head.line, head.after);
                    if !is_ours {
                        return Err(PartError::Foreign { number });
                    }
                    found.to
                }
            };
            let noted = self.tenants.books_part_stored(number, to).await;
            noted.map_err(PartError::Books)?;
            tracing::debug!(number, "a part of the books is stored");
        }
        Ok(())
    }
}

/// The number of the newest part; 0 if there is none.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn newest_part(store: &ColdStore) -> Result<u64, ColdError> {
    let listed = store.list(Prefix::Books).await?;
    let numbers = listed.iter().filter_map(|found| match found.name {
        Some(ObjectName::Books(number)) => Some(number),
        Some(_) | None => None,
    });
    let mut newest = numbers.max().unwrap_or(0);
    // A list may lag behind; the next number then exists all the same.
    for _ in 0..UNLISTED_MAX {
        if read_part(store, newest.saturating_add(1)).await?.is_none() {
            break;
        }
        newest += 1;
    }
    Ok(newest)
}

/// A part; `None` if there is none of this number.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn read_part(store: &ColdStore, number: u64) -> Result<Option<Bytes>, ColdError> {
    store.find(ObjectName::Books(number)).await
}
