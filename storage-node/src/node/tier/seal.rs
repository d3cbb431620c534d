//! Sealing: segments, then the manifest that names them, then the entry by
//! which the log learns of it. A crash in between leaves orphans or a manifest
//! that the next seal finds, never a record that is nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use firn_protocol::ids::{Offset, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;

use super::cut::{Cut, Tiering};
use super::error::TierError;
use super::facts::is_needed;
use super::merge::Merge;
use super::sweep::still_released;
use crate::broker::entry::{Carry, Head};
use crate::broker::owner::{Broker, Core, Mark};
use crate::broker::state::BrokerState;
use crate::broker::tier::TierState;
use crate::cold::manifest::{
    Commit, INLINE_STATE_BYTES_MAX, LogPlace, Manifest, Released, ReleasedObject, SegmentEntry,
    StatePlace, commit, load_newest,
};
use crate::cold::paths::{Nonce, ObjectName, SegmentName, StateName};
use crate::config::TierMutant;
use crate::node::StorageNode;

impl StorageNode {
    /// Puts everything of a broker that is in no segment into one, and its state
    /// beside it. What is answered meanwhile is for the next time.
    pub(in crate::node) async fn seal(&self, broker: &Arc<Broker>) -> Result<(), TierError> {
        self.seal_with(broker, None).await
    }

    /// The same, with segments that take the place of others.
    pub(super) async fn seal_with(
        &self,
        broker: &Arc<Broker>,
        merge: Option<&Merge>,
    ) -> Result<(), TierError> {
        if let Some(manifest) = self.newest(broker).await? {
            self.trim_expired(broker, &manifest)?;
        }
        let (_tiering, cut) = Tiering::begin(broker, &self.log)?;
        if self.config.tier.mutant != Some(TierMutant::SealUnsettled) {
            self.settled(cut.mark).await?;
        }
        let before = match cut.manifest {
            0 => None,
            number => Some(self.cold.manifest(broker.key, number).await?),
        };
        let segments = self.write_segments(broker, &cut).await?;
        self.cold.store.reach("seal.segments_written")?;
        let state = self.store_state(broker, &cut).await?;
        let mut named = self.named(before.as_deref(), merge, &cut);
        named.live.extend(segments);
        let manifest = self.next_manifest(broker, &cut, before.as_deref(), named, state);
        if self.config.tier.mutant == Some(TierMutant::CarryBeforeManifest) {
            self.adopt(broker, &cut, manifest.clone()).await?;
        }
        if self.config.tier.mutant == Some(TierMutant::DeleteBeforeManifest) {
            let gone: Vec<ObjectName> = (manifest.released_objects())
                .map(|(name, _)| name)
                .collect();
            self.cold.store.delete(&gone).await?;
        }
        let store = self.cold.store.background();
        self.cold.attempts.add(broker.key, manifest.nonce);
        match commit(&store, &manifest).await? {
            Commit::Committed => {}
            Commit::LostTo { .. } if self.config.tier.mutant == Some(TierMutant::NoFence) => {}
            Commit::LostTo { owner, number } => {
                return self.lost(broker, &cut, owner, number).await;
            }
        }
        self.adopt(broker, &cut, manifest.clone()).await?;
        if let Err(error) = self.sweep_after(broker, &manifest).await {
            tracing::warn!(%error, broker = %broker.key.broker, "objects that nothing names stay until the next sweep");
        }
        Ok(())
    }

    /// The next manifest exists. It is ours if a life before this one made it and
    /// crashed before the log knew, or if its answer got lost; else there is
    /// another owner.
    async fn lost(
        &self,
        broker: &Arc<Broker>,
        cut: &Cut,
        owner: crate::cold::paths::NodeId,
        number: u64,
    ) -> Result<(), TierError> {
        let newest = load_newest(&self.cold.store, broker.key).await?;
        let newest = newest.filter(|newest| {
            let is_older = newest.generation < cut.generation;
            let is_attempt = self.cold.attempts.contains(broker.key, newest.nonce);
            newest.owner == self.cold.owner
                && (is_older || is_attempt)
                && newest.covered.sequence <= cut.seq
        });
        match newest {
            // What it covers was durable before it was made, so it is in our log.
            Some(newest) => self.adopt(broker, cut, newest).await,
            None => {
                tracing::error!(
                    broker = %broker.key.broker, %owner, number,
                    "another node has taken over this broker; it is not served here any more"
                );
                broker.lock_any().fenced = true;
                Err(TierError::Fenced {
                    broker: broker.key.broker,
                    owner,
                    number,
                })
            }
        }
    }

    /// Lets the log know of a committed manifest.
    async fn adopt(
        &self,
        broker: &Arc<Broker>,
        cut: &Cut,
        manifest: Manifest,
    ) -> Result<(), TierError> {
        let covered = manifest.covered.sequence;
        let is_ours = covered == cut.seq;
        let manifest = self.cold.keep(manifest).await;
        self.cold.store.reach("seal.before_carry")?;
        let mark = {
            let mut core = broker.lock()?;
            if !cut.is_current(&core) {
                return Err(TierError::Interrupted);
            }
            let mut tier = core.state.tier.clone();
            tier.manifest = manifest.number;
            tier.covered = covered;
            tier.ends = ends_of(&manifest, &core.state);
            if is_ours {
                tier.needed_from = cut.log_from.0;
                tier.waiting_bytes -= cut.waiting_bytes.min(tier.waiting_bytes);
                tier.waiting_since = cut.last_time;
                tier.is_changed = core.state.seq != cut.seq;
            }
            self.cold.facts.note(&manifest, &core.state);
            self.carry(broker, &mut core, tier)?
        };
        // Only now: until the log knows of it, the next seal meets it again.
        self.cold.attempts.forget(broker.key);
        Ok(self.settled(mark).await?)
    }

    /// Writes the entry that carries a broker forward.
    pub(in crate::node) fn carry(
        &self,
        broker: &Broker,
        core: &mut Core,
        mut tier: TierState,
    ) -> Result<Mark, TierError> {
        tier.carried_at = self.now();
        let snapshot = core.state.snapshot().into();
        let head = Head::Carry(Carry { tier, snapshot });
        Ok(self.submit(broker, core, &head, None, None)?)
    }

    /// Puts the state where the manifest will say it is.
    async fn store_state(&self, broker: &Arc<Broker>, cut: &Cut) -> Result<StatePlace, TierError> {
        if cut.snapshot.len() <= INLINE_STATE_BYTES_MAX {
            return Ok(StatePlace::Inline(cut.snapshot.clone()));
        }
        let name = StateName {
            sequence: cut.seq,
            nonce: Nonce::draw(),
        };
        let object = ObjectName::State(broker.key, name);
        let store = self.cold.store.background();
        store.put_unique(object, [cut.snapshot.clone()]).await?;
        self.cold.store.reach("seal.state_written")?;
        Ok(StatePlace::Object {
            name,
            bytes: cut.snapshot.len() as u64,
            checksum: crc32c::crc32c(&cut.snapshot),
        })
    }

    /// Which segments of the manifest before are named on, and which are not: those
    /// that hold nothing above the low marks, and those that were merged. If one of
    /// them has gone meanwhile, what was merged is an orphan.
    fn named(&self, before: Option<&Manifest>, merge: Option<&Merge>, cut: &Cut) -> Named {
        let mut mins = cut.mins.clone();
        if self.config.tier.mutant == Some(TierMutant::TrimWaiting) {
            mins.retain(|queue, _| queue.topic != TopicKey::Waiting);
        }
        let mut all = before.map_or_else(Vec::new, |before| before.segments.clone());
        let mut gone = Vec::new();
        let there: BTreeSet<SegmentName> = all.iter().map(|entry| entry.name).collect();
        if let Some(merge) = merge.filter(|merge| merge.sources.is_subset(&there)) {
            if self.config.tier.mutant != Some(TierMutant::MergeKeeps) {
                all.retain(|entry| !merge.sources.contains(&entry.name));
                gone.extend(merge.sources.iter().copied());
            }
            all.extend(merge.merged.iter().cloned());
        }
        let (live, dead): (Vec<_>, Vec<_>) =
            (all.into_iter()).partition(|entry| is_needed(entry, &mins));
        gone.extend(dead.into_iter().map(|entry| entry.name));
        Named { live, gone }
    }

    fn next_manifest(
        &self,
        broker: &Broker,
        cut: &Cut,
        before: Option<&Manifest>,
        named: Named,
        state: StatePlace,
    ) -> Manifest {
        let grace = self.config.tier.release_grace.as_millis() as u64;
        let delete_at = match self.config.tier.mutant {
            Some(TierMutant::NoGrace) => self.now(),
            _ => self.now().plus_ms(grace),
        };
        let mut released = released(before, self.now(), delete_at);
        released.extend(named.gone.into_iter().map(|name| Released {
            object: ReleasedObject::Segment(name),
            delete_at,
        }));
        let mut segments = named.live;
        segments.sort_unstable_by_key(|entry| entry.name);
        Manifest {
            number: cut.manifest + 1,
            owner: self.cold.owner,
            nonce: Nonce::draw(),
            broker: broker.key,
            generation: cut.generation,
            covered: LogPlace {
                generation: cut.generation,
                sequence: cut.seq,
            },
            segments,
            state,
            low_marks: (cut.mins.iter())
                .filter(|(_, min)| **min > 0)
                .map(|(&queue, &min)| (queue, Offset(min)))
                .collect(),
            released,
            wal_ends: before.map_or_else(Vec::new, |before| before.wal_ends.clone()),
        }
    }
}

/// Segments of the manifest before.
struct Named {
    /// Named again.
    live: Vec<SegmentEntry>,
    /// Not any more.
    gone: Vec<SegmentName>,
}

/// Objects that the manifest before named, or had released, and that go.
fn released(before: Option<&Manifest>, now: Timestamp, delete_at: Timestamp) -> Vec<Released> {
    let Some(before) = before else {
        return Vec::new();
    };
    let mut released = still_released(&before.released, now);
    if let StatePlace::Object { name, .. } = before.state {
        released.push(Released {
            object: ReleasedObject::State(name),
            delete_at,
        });
    }
    released
}

/// One past the last record that a manifest has of each queue that there is.
pub(super) fn ends_of(manifest: &Manifest, state: &BrokerState) -> BTreeMap<QueueKey, u64> {
    let mut ends = BTreeMap::new();
    for row in manifest.segments.iter().flat_map(|entry| &entry.queues) {
        if state.queues.contains_key(&row.queue) {
            let end: &mut u64 = ends.entry(row.queue).or_default();
            *end = row.end.0.max(*end);
        }
    }
    // Whatever was below the low mark was there once: it is not waited for.
    for (&queue, &min) in &manifest.low_marks {
        if state.queues.contains_key(&queue) {
            let end = ends.entry(queue).or_default();
            *end = min.0.max(*end);
        }
    }
    ends
}

/// The state that a manifest holds, or names.
///
/// # Errors
/// When it cannot be read, or is not what was stored.
pub(super) async fn load_state(
    store: &crate::cold::ColdStore,
    manifest: &Manifest,
) -> Result<Bytes, TierError> {
    match &manifest.state {
        StatePlace::None => Ok(Bytes::new()),
        StatePlace::Inline(bytes) => Ok(bytes.clone()),
        StatePlace::Object {
            name,
            bytes,
            checksum,
        } => {
            let object = ObjectName::State(manifest.broker, *name);
            let found = store.get(object).await?;
            if found.len() as u64 == *bytes && crc32c::crc32c(&found) == *checksum {
                return Ok(found);
            }
            Err(TierError::State {
                broker: manifest.broker.broker,
                source: crate::record::RecordError("its checksum does not fit"),
            })
        }
    }
}
