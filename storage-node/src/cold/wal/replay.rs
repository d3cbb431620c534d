//! Reading an incarnation from its first object that is needed to its end.

use futures_util::{StreamExt as _, stream};

use super::codec::{Kind, WalObject};
use super::error::WalReadError;
use super::fence::marked_end;
use super::{Wal, WalFrame};
use crate::cold::paths::{NodeId, ObjectName};
use crate::cold::store::ColdStore;
use crate::log::{Lsn, VisitError};

/// Objects that are fetched before their turn.
const AHEAD: usize = 4;

/// Takes the frames of a replay one by one; an error ends it.
pub type WalVisitor<'a> = dyn FnMut(WalFrame) -> Result<(), VisitError> + Send + 'a;

/// Shows the frames of a fenced incarnation in the order of the log, up to
/// object `upto`, as `fence` gave it. Frames that were forgotten may be shown or
/// not; of one that is covered altogether nothing is shown. Holds a few objects
/// in memory. Gives the last frame shown, 0 if none was.
///
/// # Errors
/// With the name of the object that is missing, damaged, of a newer version or
/// out of order, or when the store or the visitor fails. Frames of objects
/// before it were shown by then.
pub async fn replay(
    store: &ColdStore,
    node: NodeId,
    incarnation: u64,
    upto: u64,
    visit: &mut WalVisitor<'_>,
) -> Result<Lsn, WalReadError> {
    let wal = Wal { node, incarnation };
    if upto == 0 || marked_end(store, wal).await?.is_some() {
        return Ok(Lsn::ZERO);
    }
    // The last object knows best what is not needed; it is read twice.
    let newest = read(store, wal.object(upto)).await?;
    let mut objects = stream::iter(newest.head.floor..=upto)
        .map(|sequence| {
            let name = wal.object(sequence);
            async move { (name, store.find(name).await) }
        })
        .buffered(AHEAD);
    let mut last = Lsn::ZERO;
    while let Some((name, bytes)) = objects.next().await {
        let bytes = bytes?.ok_or_else(|| missing(name))?;
        // Unpacked one at a time: fetched ahead they take what they take in the store.
        let object = WalObject::decode(name, &bytes)?;
        expect_frames(name, &object)?;
        for frame in object.frames() {
            if frame.lsn <= last {
                return Err(WalReadError::OutOfOrder {
                    name: name.to_string(),
                    last,
                    found: frame.lsn,
                });
            }
            last = frame.lsn;
            visit(frame).map_err(|source| WalReadError::Visit {
                name: name.to_string(),
                source,
            })?;
        }
    }
    Ok(last)
}

/// The last frame of a fenced incarnation whose last object is `upto`; 0 if it
/// has none, or is covered.
///
/// # Errors
/// When that object is missing or damaged, or the store does not answer.
pub async fn last_frame(
    store: &ColdStore,
    node: NodeId,
    incarnation: u64,
    upto: u64,
) -> Result<Lsn, WalReadError> {
    let wal = Wal { node, incarnation };
    if upto == 0 || marked_end(store, wal).await?.is_some() {
        return Ok(Lsn::ZERO);
    }
    // The last ones may have been made for their floor alone.
    let mut sequence = upto;
    let newest = read(store, wal.object(sequence)).await?;
    let floor = newest.head.floor;
    let mut object = newest;
    loop {
        if let Some(last) = object.frames().last() {
            return Ok(last.lsn);
        }
        if sequence <= floor || sequence == 1 {
            return Ok(Lsn::ZERO);
        }
        sequence -= 1;
        object = read(store, wal.object(sequence)).await?;
    }
}

async fn read(store: &ColdStore, name: ObjectName) -> Result<WalObject, WalReadError> {
    let bytes = store.find(name).await?.ok_or_else(|| missing(name))?;
    let object = WalObject::decode(name, &bytes)?;
    expect_frames(name, &object)?;
    Ok(object)
}

fn expect_frames(name: ObjectName, object: &WalObject) -> Result<(), WalReadError> {
    match object.head.kind {
        Kind::Frames => Ok(()),
        Kind::Fence | Kind::Mark => Err(WalReadError::BehindTheEnd {
            name: name.to_string(),
        }),
    }
}

fn missing(name: ObjectName) -> WalReadError {
    WalReadError::Missing {
        name: name.to_string(),
    }
}
