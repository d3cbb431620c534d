//! The meter's books, from their parts.

use anyhow::Context as _;
use firn_runtime::tasks;
use firn_storage_node::cold::ColdStore;
use firn_tenant_service::{BooksPart, TenantService};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::exports;

/// Parts that are fetched ahead.
const AT_ONCE: usize = 16;

/// Takes all parts back in; how many there were. `catalogue`: whose they have to be.
///
/// # Errors
/// When a part cannot be read, is damaged, or is not the one that follows.
pub(super) async fn restore(
    store: &ColdStore,
    tenants: &TenantService,
    catalogue: u128,
) -> anyhow::Result<u64> {
    let newest = exports::newest_part(store).await?;
    let mut parts = futures_util::stream::iter(1..=newest)
        .map(|number| async move { read(store, number).await.map(|part| (number, part)) })
        .buffered(AT_ONCE);
    let mut to = None;
    while let Some((number, part)) = parts.try_next().await? {
        let is_next = (part.head.catalogue, part.head.after) == (catalogue, to);
        anyhow::ensure!(
            is_next,
            "part {number} of the books does not follow the one before it (--without-books restores all the rest)"
        );
        to = Some(part.head.to);
        let restored = tenants.restore_books_part(number, &part).await;
        restored.with_context(|| format!("part {number} of the books"))?;
    }
    if newest > 0 {
        let opened = tenants.reopen_books().await;
        opened.context("open hours of the books")?;
    }
    Ok(newest)
}

async fn read(store: &ColdStore, number: u64) -> anyhow::Result<BooksPart> {
    let bytes = exports::read_part(store, number).await?;
    let hint = "(--without-books restores all the rest)";
    let bytes = bytes.with_context(|| format!("part {number} of the books is missing {hint}"))?;
    let part = tasks::blocking(move || BooksPart::unpack(&bytes)).await;
    part.with_context(|| format!("part {number} of the books {hint}"))
}
