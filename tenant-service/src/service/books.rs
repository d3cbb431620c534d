//! The books on their way to the object store and back, as whoever stores them asks.

use firn_protocol::{ApiError, ApiResult, Timestamp};

use super::TenantService;
use crate::billing::part::BooksPart;
use crate::error::{OpenError, StoreError, books_unavailable};

impl TenantService {
    /// What of the books is not stored yet, at least a part of it, and the number to
    /// store it under; `None` when all is.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`.
    pub async fn next_books_part(&self) -> ApiResult<Option<(u64, BooksPart)>> {
        let next = self.shared.store.next_part(self.shared.catalogue_id).await;
        next.map_err(failed)
    }

    /// The part of this number is stored, with all up to a mark.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`; then the part is made again.
    pub async fn books_part_stored(&self, number: u64, to: u64) -> ApiResult<()> {
        let noted = self.shared.store.part_stored(number, to).await;
        noted.map_err(failed)
    }

    /// Takes a part back into new books; parts come in their order, before anything is
    /// counted.
    ///
    /// # Errors
    /// When it cannot be written; then the catalogue must not be used.
    pub async fn restore_books_part(&self, number: u64, part: &BooksPart) -> Result<(), OpenError> {
        Ok(self.shared.store.restore_part(number, part).await?)
    }

    /// Opens what the parts say was counted and not closed. Once, after the last part.
    ///
    /// # Errors
    /// As [`Self::restore_books_part`].
    pub async fn reopen_books(&self) -> Result<(), OpenError> {
        let now = Timestamp(self.shared.clock.now_ms());
        Ok(self.shared.store.reopen_books(now).await?)
    }
}

fn failed(error: StoreError) -> ApiError {
    tracing::error!(%error, "the books cannot be read or written");
    books_unavailable()
}
