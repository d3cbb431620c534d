//! The start-up check: does the store keep what a create made? Some servers
//! ignore the condition of a conditional put; fencing on them is worth nothing.

use bytes::Bytes;
use firn_runtime::random;

use super::error::ColdError;
use super::paths::{Nonce, ObjectName, Prefix};
use super::store::{ColdStore, Created};

/// Why Firn does not run on this object store.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the object store does not answer as it should")]
    Store(#[from] ColdError),
    #[error(
        "the object store ignores conditional writes (If-None-Match): two owners could overwrite each other, so firn cannot keep messages safe there"
    )]
    IgnoresConditions,
    #[error("the object store gave back other bytes than were written")]
    OtherBytes,
    #[error("the object store does not list an object that it has")]
    Unlisted,
}

/// Writes, contends for, reads, lists and removes an object of its own.
///
/// # Errors
/// When the store cannot be reached, or cannot be trusted.
pub async fn probe(store: &ColdStore) -> Result<(), ProbeError> {
    let name = ObjectName::Probe(Nonce::draw());
    let result = contend(store, name).await;
    // Also after a failure: a probe is of no use to anybody.
    let cleaned = store.delete(&[name]).await;
    result?;
    cleaned?;
    Ok(())
}

async fn contend(store: &ColdStore, name: ObjectName) -> Result<(), ProbeError> {
    let first = body();
    if store.create(name, first.clone()).await? != Created::Won {
        return Err(ProbeError::OtherBytes);
    }
    match store.create(name, body()).await? {
        Created::Won => return Err(ProbeError::IgnoresConditions),
        Created::Lost(found) if found == first => {}
        Created::Lost(_) => return Err(ProbeError::IgnoresConditions),
    }
    // The refusal may be a lie, too.
    if store.get(name).await? != first {
        return Err(ProbeError::IgnoresConditions);
    }
    let end = first.len() as u64;
    let tail = store.get_tail(name, 4).await?;
    let is_same = store.get_range(name, 4, end).await? == first[4..]
        && tail.bytes == first[first.len() - 4..]
        && tail.object_bytes == end;
    if !is_same {
        return Err(ProbeError::OtherBytes);
    }
    let listed = store.list(Prefix::Probes).await?;
    match listed.iter().any(|found| found.name == Some(name)) {
        true => Ok(()),
        false => Err(ProbeError::Unlisted),
    }
}

/// No two are alike.
fn body() -> Bytes {
    Bytes::copy_from_slice(&random::bytes::<32>())
}
