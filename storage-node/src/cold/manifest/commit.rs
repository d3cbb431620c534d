//! Which manifest is the newest, and how the next one becomes it.

use super::{Manifest, ManifestError};
use crate::cold::paths::{NodeId, ObjectName, Prefix};
use crate::cold::store::{ColdStore, Created};
use crate::hot::BrokerKey;

/// Manifests that a list may lack before something is wrong.
const UNLISTED_MAX: u64 = 1000;

/// How a commit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The manifest is the truth.
    Committed,
    /// The number is taken: the broker has another owner, and whoever gets this
    /// stops serving it at once.
    LostTo { owner: NodeId, number: u64 },
}

/// Makes a manifest the broker's newest. After an error whose outcome is
/// unknown, the same manifest (nonce included) may be committed again.
///
/// # Errors
/// When it cannot be written, or the number is taken by something unreadable.
pub async fn commit(store: &ColdStore, manifest: &Manifest) -> Result<Commit, ManifestError> {
    let body = manifest.encode()?;
    store.reach("manifest.before_commit")?;
    let created = store.create(manifest.name(), body).await?;
    store.reach("manifest.after_commit")?;
    match created {
        Created::Won => Ok(Commit::Committed),
        Created::Lost(found) => {
            let winner = Manifest::decode(manifest.name(), &found)?;
            Ok(Commit::LostTo {
                owner: winner.owner,
                number: winner.number,
            })
        }
    }
}

/// The broker's newest manifest; `None` for a broker without one.
///
/// # Errors
/// When it cannot be read. A damaged one is named; an older one is never taken
/// in its place, because what the damaged one said is not known.
pub async fn load_newest(
    store: &ColdStore,
    broker: BrokerKey,
) -> Result<Option<Manifest>, ManifestError> {
    let listed = store.list(Prefix::Manifests(broker)).await?;
    let numbers = listed.iter().filter_map(|found| match found.name {
        Some(ObjectName::Manifest(_, number)) => Some(number),
        Some(_) | None => None,
    });
    let highest = numbers.max().unwrap_or(0);
    // A list may lag behind; the next number then exists all the same.
    let mut newest = None;
    for number in highest + 1..=highest + UNLISTED_MAX {
        match store.find(ObjectName::Manifest(broker, number)).await? {
            Some(bytes) => newest = Some((number, bytes)),
            None => break,
        }
    }
    let (number, bytes) = match newest {
        Some(newest) => newest,
        None if highest == 0 => return Ok(None),
        None => {
            let name = ObjectName::Manifest(broker, highest);
            let Some(bytes) = store.find(name).await? else {
                let name = name.to_string();
                return Err(ManifestError::Missing { name });
            };
            (highest, bytes)
        }
    };
    Manifest::decode(ObjectName::Manifest(broker, number), &bytes).map(Some)
}
