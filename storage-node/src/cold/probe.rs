//! The start-up check: does the store keep what a create made? Some servers
//! ignore the condition of a conditional put; fencing on them is worth nothing.

use std::time::Duration;

use bytes::Bytes;
use firn_runtime::random;

use super::error::ColdError;
use super::paths::{Nonce, ObjectName, Prefix};
use super::store::{ColdStore, Created, Listed};

/// Why Firn does not run on this object store.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the object store does not answer as it should")]
    Store(#[from] ColdError),
    #[error(
        "the object store ignores conditional writes (If-None-Match): two owners could overwrite each other, so firn cannot keep messages safe there"
    )]
    IgnoresConditions,
    #[error(
        "the object store let {0} of two creates of one name win: firn cannot keep messages safe there"
    )]
    Race(usize),
    #[error("the object store gave back other bytes than were written")]
    OtherBytes,
    #[error("the object store does not list an object that it has")]
    Unlisted,
}

/// Probes older than this are of starts that were interrupted.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// Writes, contends for, reads, lists and removes objects of its own.
///
/// # Errors
/// When the store cannot be reached, or cannot be trusted.
pub async fn probe(store: &ColdStore) -> Result<(), ProbeError> {
    let [first, second] = [(); 2].map(|()| ObjectName::Probe(Nonce::draw()));
    let result = check(store, first, second).await;
    // Also after a failure: a probe is of no use to anybody.
    let cleaned = store.delete(&[first, second]).await;
    result?;
    cleaned?;
    Ok(())
}

async fn check(store: &ColdStore, first: ObjectName, second: ObjectName) -> Result<(), ProbeError> {
    let bytes = body();
    contend(store, first, &bytes).await?;
    race(store, second).await?;
    read(store, first, &bytes).await?;
    list(store, first).await
}

/// One after the other: the second must be refused, and change nothing.
async fn contend(store: &ColdStore, name: ObjectName, bytes: &Bytes) -> Result<(), ProbeError> {
    if store.create(name, bytes.clone()).await? != Created::Won {
        return Err(ProbeError::OtherBytes);
    }
    // Whoever loses has read what is there: the refusal may be a lie, too.
    match store.create(name, body()).await? == Created::Lost(bytes.clone()) {
        true => Ok(()),
        false => Err(ProbeError::IgnoresConditions),
    }
}

/// Both at once: some servers look first and write afterwards.
async fn race(store: &ColdStore, name: ObjectName) -> Result<(), ProbeError> {
    let (one, two) = tokio::join!(store.create(name, body()), store.create(name, body()));
    let won = [one?, two?].into_iter();
    match won.filter(|created| *created == Created::Won).count() {
        1 => Ok(()),
        winners => Err(ProbeError::Race(winners)),
    }
}

async fn read(store: &ColdStore, name: ObjectName, bytes: &Bytes) -> Result<(), ProbeError> {
    let end = bytes.len() as u64;
    let tail = store.get_tail(name, 4).await?;
    let is_same = store.get_range(name, 4, end).await? == bytes[4..]
        && tail.bytes == bytes[bytes.len() - 4..]
        && tail.object_bytes == end;
    match is_same {
        true => Ok(()),
        false => Err(ProbeError::OtherBytes),
    }
}

/// Also takes away what interrupted starts left, by the store's own time.
async fn list(store: &ColdStore, name: ObjectName) -> Result<(), ProbeError> {
    let listed = store.list(Prefix::Probes).await?;
    let ours = listed.iter().find(|found| found.name == Some(name));
    let now = ours.ok_or(ProbeError::Unlisted)?.modified;
    let is_old = |found: &Listed| now.since_ms(found.modified) > LEFT_OVER.as_millis() as u64;
    let old = listed.iter().filter(|found| is_old(found));
    let old: Vec<ObjectName> = old.filter_map(|found| found.name).collect();
    store.delete(&old).await?;
    Ok(())
}

/// No two are alike.
fn body() -> Bytes {
    Bytes::copy_from_slice(&random::bytes::<32>())
}
