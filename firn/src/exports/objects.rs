//! Which exports there are.

use std::collections::BTreeSet;

use bytes::Bytes;
use firn_storage_node::cold::paths::{ObjectName, Prefix};
use firn_storage_node::cold::{ColdError, ColdStore};

/// Exports that a list may lack before something is wrong.
const UNLISTED_MAX: u64 = 1000;

/// The numbers of all exports.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn numbers(store: &ColdStore) -> Result<BTreeSet<u64>, ColdError> {
    let listed = store.list(Prefix::Catalogue).await?;
    let found = listed.iter().filter_map(|found| match found.name {
        Some(ObjectName::Catalogue(number)) => Some(number),
        Some(_) | None => None,
    });
    let mut numbers: BTreeSet<u64> = found.collect();
    // A list may lag behind; the next number then exists all the same.
    let highest = numbers.last().copied().unwrap_or(0);
    for number in highest.saturating_add(1)..=highest.saturating_add(UNLISTED_MAX) {
        if read(store, number).await?.is_none() {
            break;
        }
        numbers.insert(number);
    }
    Ok(numbers)
}

/// An export; `None` if there is none of this number.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn read(store: &ColdStore, number: u64) -> Result<Option<Bytes>, ColdError> {
    store.find(ObjectName::Catalogue(number)).await
}
