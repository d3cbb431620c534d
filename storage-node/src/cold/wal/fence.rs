//! The end of an incarnation, found and made sure of.
//!
//! Lists may lag behind, and what is not needed was deleted, so neither what a
//! list shows nor what it lacks says where an incarnation ends. But any object
//! says up to which number all were durable before it, a list shows one that is
//! above all that was deleted (see `cover`), and a number is free only if its
//! create says so: whoever creates it as a fence has the end, for good.

use super::codec::{Head, Kind, WalObject, encode};
use super::error::WalReadError;
use super::{MARK_SEQUENCE, Wal};
use crate::cold::paths::{NodeId, Nonce, ObjectName, Prefix};
use crate::cold::store::{ColdStore, Created};

/// Numbers that are tried: what a list may lack, and what an old owner that is
/// still alive may put meanwhile.
const TRIES_MAX: u64 = 10_000;
/// Numbers found taken after which one further ahead is taken, and how far; twice
/// as far each time.
const LEAP_AFTER: u64 = 8;
const LEAP_FIRST: u64 = 64;
const LEAP_MAX: u64 = 1 << 20;
/// Times that the end is looked for anew.
const ROUNDS_MAX: u32 = 10;
/// Lists that are asked for when what they show is gone by then.
const LISTS_MAX: u32 = 5;

/// Ends an incarnation: nothing that its owner puts from now on counts. Gives
/// the number of the last object that counts, 0 if none does. To fence again
/// gives the same end, also when two do so at the same time. After an error it
/// may be called again.
///
/// # Errors
/// When the store does not answer, when a number is taken by something
/// unreadable, or when a live owner goes on taking numbers for too long.
pub async fn fence(store: &ColdStore, node: NodeId, incarnation: u64) -> Result<u64, WalReadError> {
    let wal = Wal { node, incarnation };
    if let Some(end) = marked_end(store, wal).await? {
        return Ok(end);
    }
    let mut known = settled(store, wal).await?;
    for _ in 0..ROUNDS_MAX {
        let taken = take_next(store, wal, known + 1).await?;
        // A live owner may have deleted the number before we took it; then by
        // now every list shows an object that knew it to be settled.
        known = settled(store, wal).await?;
        if known < taken {
            // A clearing frees numbers, too; its mark comes first.
            let marked = marked_end(store, wal).await?;
            return Ok(marked.unwrap_or(taken - 1));
        }
    }
    Err(contended(wal, known))
}

/// Makes the first number that is free from `first` on a fence, and gives it, or
/// the fence that is there already. All before `first` counted.
async fn take_next(store: &ColdStore, wal: Wal, first: u64) -> Result<u64, WalReadError> {
    let (mut next, mut leap) = (first, LEAP_FIRST);
    for tries in 1..=TRIES_MAX {
        match take_or_meet(store, wal, next, next - 1).await? {
            Met::Fence => return Ok(next),
            Met::Frames { settled } => next = settled.max(next) + 1,
        }
        // An owner that puts faster than we look is stopped ahead of itself; the
        // first fence is the end, whatever lies behind it.
        if tries.is_multiple_of(LEAP_AFTER) {
            match take_or_meet(store, wal, next + leap, next - 1).await? {
                Met::Fence => {}
                Met::Frames { settled } => next = next.max(settled + 1),
            }
            leap = (leap * 2).min(LEAP_MAX);
        }
    }
    Err(contended(wal, next))
}

fn contended(wal: Wal, sequence: u64) -> WalReadError {
    WalReadError::Contended {
        name: wal.object(sequence).to_string(),
    }
}

/// What has a number.
enum Met {
    /// A fence, ours or an earlier one.
    Fence,
    /// An object with frames, which knew all up to `settled` to count.
    Frames { settled: u64 },
}

/// Makes a number a fence if it is free. Objects up to `settled` count.
async fn take_or_meet(
    store: &ColdStore,
    wal: Wal,
    sequence: u64,
    settled: u64,
) -> Result<Met, WalReadError> {
    let head = Head {
        kind: Kind::Fence,
        nonce: Nonce::draw(),
        settled,
        floor: 1,
    };
    let name = wal.object(sequence);
    store.reach("wal.before_fence")?;
    let created = store.create(name, encode(wal, sequence, head, &[])).await?;
    store.reach("wal.after_fence")?;
    let found = match created {
        Created::Won => return Ok(Met::Fence),
        Created::Lost(found) => WalObject::decode(name, &found)?.head,
    };
    match found.kind {
        Kind::Fence => Ok(Met::Fence),
        Kind::Frames => Ok(Met::Frames {
            settled: found.settled,
        }),
        Kind::Mark => Err(WalReadError::Damaged {
            name: name.to_string(),
            reason: "it is a mark, which has another number",
        }),
    }
}

/// A number up to which all objects counted, and none above it was deleted.
async fn settled(store: &ColdStore, wal: Wal) -> Result<u64, WalReadError> {
    let mut gone = None;
    for _ in 0..LISTS_MAX {
        let listed = store.list(Prefix::Wal(wal.node, wal.incarnation)).await?;
        let numbers = listed.iter().filter_map(|found| match found.name {
            Some(ObjectName::Wal { sequence, .. }) => Some(sequence),
            Some(_) | None => None,
        });
        let Some(highest) = numbers.filter(|number| *number != MARK_SEQUENCE).max() else {
            return Ok(0);
        };
        let name = wal.object(highest);
        match store.find(name).await? {
            Some(bytes) => return Ok(WalObject::decode(name, &bytes)?.head.settled),
            // A live owner deleted it after it had put later ones.
            None => gone = Some(name.to_string()),
        }
    }
    let name = gone.unwrap_or_default();
    Err(WalReadError::Missing { name })
}

/// The end of an incarnation that is covered; `None` for others.
pub(super) async fn marked_end(store: &ColdStore, wal: Wal) -> Result<Option<u64>, WalReadError> {
    let name = wal.object(MARK_SEQUENCE);
    let Some(bytes) = store.find(name).await? else {
        return Ok(None);
    };
    let object = WalObject::decode(name, &bytes)?;
    match object.head.kind {
        Kind::Mark => Ok(Some(object.head.settled)),
        Kind::Frames | Kind::Fence => Err(WalReadError::Damaged {
            name: name.to_string(),
            reason: "it is not a mark",
        }),
    }
}
