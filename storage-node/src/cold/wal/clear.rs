//! Which incarnations there are, and how an old one goes.
//!
//! An old incarnation may go once manifests cover all its frames. A mark says so
//! first: from then on nobody misses what is deleted. The fence and what lies
//! around it stay for a week, so that an owner that slept meets it (RULES 6);
//! the mark is the last to go.

use std::collections::BTreeMap;
use std::time::Duration;

use firn_protocol::time::Timestamp;

use super::codec::{Head, Kind, WalObject, encode};
use super::error::WalReadError;
use super::fence::marked_end;
use super::{MARK_SEQUENCE, Wal};
use crate::cold::paths::{NodeId, Nonce, ObjectName, Prefix};
use crate::cold::store::ColdStore;

/// How long the fence of an incarnation that is covered stays (RULES 6).
pub const CLEARED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// An incarnation that has objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// Of the node's log in that life.
    pub number: u64,
    /// Whether [`delete_incarnation`] has begun: nobody needs its frames.
    pub is_covered: bool,
    /// Objects that the list shows, fence and mark included.
    pub objects: u64,
    /// Their lengths together.
    pub bytes: u64,
}

/// The incarnations of a node that have objects, by number. A list may lag: one
/// whose objects are all younger may be absent, and its node has to know of it.
///
/// # Errors
/// When the store does not answer.
pub async fn incarnations(
    store: &ColdStore,
    node: NodeId,
) -> Result<Vec<Incarnation>, WalReadError> {
    let found = listed(store, Prefix::WalsOf(node)).await?;
    Ok(found.into_values().collect())
}

/// The incarnations of all nodes, in the order of their numbers.
///
/// # Errors
/// When the store does not answer.
pub async fn all_incarnations(
    store: &ColdStore,
) -> Result<Vec<(NodeId, Incarnation)>, WalReadError> {
    let found = listed(store, Prefix::Wals).await?;
    let found = found.into_iter().map(|((_, node), one)| (node, one));
    Ok(found.collect())
}

async fn listed(
    store: &ColdStore,
    prefix: Prefix,
) -> Result<BTreeMap<(u64, NodeId), Incarnation>, WalReadError> {
    let mut found: BTreeMap<(u64, NodeId), Incarnation> = BTreeMap::new();
    for listed in store.list(prefix).await? {
        let Some(ObjectName::Wal {
            node,
            incarnation,
            sequence,
        }) = listed.name
        else {
            continue;
        };
        let one = found.entry((incarnation, node)).or_insert(Incarnation {
            number: incarnation,
            is_covered: false,
            objects: 0,
            bytes: 0,
        });
        one.is_covered |= sequence == MARK_SEQUENCE;
        one.objects += 1;
        one.bytes += listed.bytes;
    }
    Ok(found)
}

/// Deletes an incarnation whose frames nobody needs any more. `end` is what
/// `fence` gave; `now` is by the store's clock, as ages of objects are. At first
/// all goes but the last object and the fence; once that is [`CLEARED_KEPT`]
/// ago, they go too. To be called now and then until it gives `true`: nothing
/// is left. May be called again after an error.
///
/// # Errors
/// When the incarnation is not fenced at `end`, or the store does not answer.
pub async fn delete_incarnation(
    store: &ColdStore,
    node: NodeId,
    incarnation: u64,
    end: u64,
    now: Timestamp,
) -> Result<bool, WalReadError> {
    let wal = Wal { node, incarnation };
    let end = match marked_end(store, wal).await? {
        Some(end) => end,
        None => mark(store, wal, end).await?,
    };
    store.reach("wal.marked")?;
    let listed = store.list(Prefix::Wal(node, incarnation)).await?;
    let mut marked_at = None;
    let mut numbers = Vec::new();
    for found in listed {
        match found.name {
            Some(ObjectName::Wal {
                sequence: MARK_SEQUENCE,
                ..
            }) => marked_at = Some(found.modified),
            Some(ObjectName::Wal { sequence, .. }) => numbers.push(sequence),
            Some(_) | None => {}
        }
    }
    // A mark that the list lacks is a young one.
    let is_old = marked_at.is_some_and(|at| Duration::from_millis(now.since_ms(at)) > CLEARED_KEPT);
    let gone = numbers.iter().filter(|number| is_old || **number < end);
    let names: Vec<_> = gone.map(|number| wal.object(*number)).collect();
    store.background().delete(&names).await?;
    if is_old {
        store.reach("wal.before_unmark")?;
        store
            .background()
            .delete(&[wal.object(MARK_SEQUENCE)])
            .await?;
    }
    Ok(is_old)
}

/// Says for good that an incarnation is covered; gives its end.
async fn mark(store: &ColdStore, wal: Wal, end: u64) -> Result<u64, WalReadError> {
    let name = wal.object(end + 1);
    let not_fenced = || WalReadError::NotFenced {
        name: name.to_string(),
    };
    let bytes = store.find(name).await?.ok_or_else(not_fenced)?;
    match WalObject::decode(name, &bytes)?.head.kind {
        Kind::Fence => {}
        Kind::Frames | Kind::Mark => return Err(not_fenced()),
    }
    let head = Head {
        kind: Kind::Mark,
        nonce: Nonce::draw(),
        settled: end,
        floor: 1,
    };
    let body = encode(wal, MARK_SEQUENCE, head, &[]);
    // Whoever was first said the same: there is one fence.
    store.create(wal.object(MARK_SEQUENCE), body).await?;
    Ok(end)
}
