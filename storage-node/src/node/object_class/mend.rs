//! What a damaged log has lost of brokers of the class is put back from WAL
//! objects of earlier lives, before those brokers are served (DESIGN 4: a
//! damaged range is fetched again from a better copy).
//!
//! Log and WAL are two copies of the same entries, so the state is built anew
//! from both, by sequence. Runs that the log lacks are written again, and the
//! state is carried to the head of the log: the next start finds it there,
//! whatever the damaged file says.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, QueueKey};
use firn_runtime::tasks;
use rustc_hash::FxHashMap;

use super::OldWal;
use super::start::RETRY;
use crate::broker::entry::Entry;
use crate::broker::state::BrokerState;
use crate::cold::wal::{WalFrame, WalReadError, replay};
use crate::config::TierMutant;
use crate::hot::BrokerKey;
use crate::log::{FrameHeader, Lsn};
use crate::node::StorageNode;
use crate::node::rebuild::{Rebuilt, finish, take_entry};
use crate::node::tier::{TierError, wanted};
use crate::record::{RecordError, RunHeader, header_of};

/// What a start found of the log.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct FoundLog {
    pub(in crate::node) end: Lsn,
    pub(in crate::node) is_damaged: bool,
}

/// A broker by what both copies have.
struct Both {
    key: BrokerKey,
    /// By sequence, without their runs.
    entries: BTreeMap<u64, Known>,
    /// Offsets of the runs that the log has.
    here: Vec<(QueueKey, Range<u64>)>,
    /// Runs of entries that the log lacks, by queue and first offset.
    runs: BTreeMap<(QueueKey, u64), Bytes>,
}

struct Known {
    header: FrameHeader,
    entry: Entry,
    run: Option<RunHeader>,
}

/// Why a broker is not mended.
#[derive(Debug, thiserror::Error)]
enum MendError {
    #[error(transparent)]
    Wal(#[from] WalReadError),
    #[error(transparent)]
    Tier(#[from] TierError),
}

impl MendError {
    /// Whether it will do once the object store answers.
    fn may_pass(&self) -> bool {
        match self {
            Self::Wal(error) => error.is_retryable(),
            Self::Tier(error) => matches!(error, TierError::Node(_)),
        }
    }
}

impl StorageNode {
    /// Puts back what the log lacks; nothing is done for a log that is whole.
    /// WAL objects that are damaged themselves are said, and mend nothing.
    pub(super) async fn mend(&self, old: &[OldWal]) {
        let Some(found) = self.shared.object.found.get() else {
            return;
        };
        let last = old.iter().map(|wal| wal.last).max().unwrap_or_default();
        if !found.is_damaged && last <= found.end {
            return;
        }
        if self.config.tier.mutant == Some(TierMutant::LeaveDamage) {
            return;
        }
        tracing::warn!(log_end = %found.end, wal_end = %last, "the log is damaged; looking into the WAL for what it lost");
        while let Err(error) = self.mend_all(old).await {
            if !error.may_pass() {
                tracing::error!(%error, "what the log lost cannot be put back");
                return;
            }
            tracing::warn!(%error, "what the log lost is not put back yet, trying again");
            self.clock.sleep(RETRY).await;
        }
    }

    async fn mend_all(&self, old: &[OldWal]) -> Result<(), MendError> {
        let (mut found, mut snapshots) = self.read_here().await?;
        let mut visit = |frame: WalFrame| {
            if self.may_be_mended(frame.header.broker) {
                take_elsewhere(&mut found, &frame)?;
            }
            Ok(())
        };
        for wal in old.iter().filter(|wal| wal.end > 0) {
            let (store, end) = (&self.cold.store, wal.end);
            replay(store, wal.node, wal.incarnation, end, &mut visit).await?;
        }
        for (id, both) in found {
            let snapshot = snapshots.remove(&id).unwrap_or_default();
            self.mend_broker(both, snapshot).await?;
        }
        // What was written again is read from the hot store.
        self.shared.wait_filled(self.log.durable().next()).await;
        Ok(())
    }

    /// Brokers of the class wait, and those with gaps; of one that is not known
    /// all may be lost.
    fn may_be_mended(&self, id: BrokerId) -> bool {
        let broker = self.shared.brokers.read().get(&id).cloned();
        broker.is_none_or(|broker| {
            let core = broker.lock_any();
            core.suspended || core.state.seq == 0
        })
    }

    /// What snapshots and log have of brokers of the class.
    async fn read_here(
        &self,
    ) -> Result<(BTreeMap<BrokerId, Both>, FxHashMap<BrokerId, BrokerState>), TierError> {
        let (log, states, shared) = (
            self.log.clone(),
            self.stores.states.clone(),
            self.shared.clone(),
        );
        let local = |error: &dyn std::error::Error| TierError::Local(error.to_string());
        tasks::blocking(move || {
            let mut snapshots = FxHashMap::default();
            for (key, _, bytes) in states.load().map_err(|error| local(&error))? {
                if let Ok(state) = BrokerState::from_snapshot(&bytes) {
                    snapshots.insert(key.broker, state);
                }
            }
            let mut found = BTreeMap::new();
            let read = log.replay_committed(Lsn::ZERO, &mut |frame| {
                let broker = shared.brokers.read().get(&frame.header.broker).cloned();
                if broker.is_some_and(|broker| broker.lock_any().suspended) {
                    take_here(&mut found, &frame.header, frame.payload);
                }
                Ok(())
            });
            read.map_err(|error| local(&error))?;
            Ok((found, snapshots))
        })
        .await
    }

    async fn mend_broker(&self, both: Both, snapshot: BrokerState) -> Result<(), TierError> {
        let key = both.key;
        let mut rebuilt = Rebuilt::new(key, snapshot);
        for known in both.entries.into_values() {
            take_entry(&mut rebuilt, &known.header, known.entry, known.run);
        }
        finish(&mut rebuilt);
        let mut state = rebuilt.state;
        let broker = self.make_broker(key)?;
        let missing = {
            let mut core = broker.lock_any();
            let is_ours = core.suspended || core.state.seq == 0;
            if !is_ours || !state.class.is_object() || state.seq < core.state.seq {
                return Ok(());
            }
            // The hot store may have what neither copy has.
            let (known, position) = (&core.state.queues, core.state.next_position);
            for (&queue, here) in known {
                if state.queues.contains_key(&queue) {
                    state.skip_records(queue, here.end, position);
                }
            }
            let here = joined(both.here);
            let mut missing = wanted(&state, both.runs.into_iter());
            missing.retain(|(queue, run)| !has(&here, *queue, run));
            if missing.is_empty() && state.snapshot() == core.state.snapshot() {
                return Ok(());
            }
            let generation = core.generation;
            core.rebuild(state, generation);
            core.suspended = true;
            broker.set_in_wal(true);
            missing
        };
        for (queue, run) in &missing {
            let Ok(header) = header_of(run) else { continue };
            let (first, last) = (header.first_offset, header.end_offset().0 - 1);
            tracing::warn!(broker = %key.broker, %queue, %first, last, "records that the log lost are put back from the WAL");
            self.metrics.records_mended.inc_by(header.count.into());
        }
        self.write_runs(&broker, missing).await?;
        let mark = {
            let mut core = broker.lock_any();
            let tier = core.state.tier.clone();
            let mark = self.carry(&broker, &mut core, tier)?;
            self.shared.timers.arm(key.broker, &mut core);
            mark
        };
        Ok(self.settled(mark).await?)
    }
}

fn both_of<'a>(found: &'a mut BTreeMap<BrokerId, Both>, header: &FrameHeader) -> &'a mut Both {
    found.entry(header.broker).or_insert_with(|| Both {
        key: BrokerKey {
            tenant: header.tenant,
            instance: header.instance,
            broker: header.broker,
        },
        entries: BTreeMap::new(),
        here: Vec::new(),
        runs: BTreeMap::new(),
    })
}

/// An entry of the log; one that cannot be read was said when the log was opened.
fn take_here(found: &mut BTreeMap<BrokerId, Both>, header: &FrameHeader, payload: &[u8]) {
    let Ok(entry) = Entry::decode(&Bytes::copy_from_slice(payload)) else {
        return;
    };
    let Ok(run) = entry.run_header() else { return };
    let both = both_of(found, header);
    if let (Some(queue), Some(run)) = (entry.head.run_queue(), &run) {
        let offsets = run.first_offset.0..run.end_offset().0;
        both.here.push((queue, offsets));
    }
    let known = known(header, entry, run);
    both.entries.entry(header.seq).or_insert(known);
}

/// An entry of a WAL object.
fn take_elsewhere(
    found: &mut BTreeMap<BrokerId, Both>,
    frame: &WalFrame,
) -> Result<(), RecordError> {
    let entry = Entry::decode(&frame.payload)?;
    let run = entry.run_header()?;
    let both = both_of(found, &frame.header);
    if both.entries.contains_key(&frame.header.seq) {
        return Ok(());
    }
    if let (Some(queue), Some(run), Some(bytes)) = (entry.head.run_queue(), run, &entry.run) {
        let runs = &mut both.runs;
        runs.entry((queue, run.first_offset.0))
            .or_insert_with(|| bytes.clone());
    }
    let known = known(&frame.header, entry, run);
    both.entries.insert(frame.header.seq, known);
    Ok(())
}

fn known(header: &FrameHeader, entry: Entry, run: Option<RunHeader>) -> Known {
    let entry = Entry { run: None, ..entry };
    Known {
        header: *header,
        entry,
        run,
    }
}

/// Ranges of each queue, those that touch made one.
fn joined(mut ranges: Vec<(QueueKey, Range<u64>)>) -> Vec<(QueueKey, Range<u64>)> {
    ranges.sort_by_key(|(queue, range)| (*queue, range.start));
    let mut joined: Vec<(QueueKey, Range<u64>)> = Vec::new();
    for (queue, range) in ranges {
        match joined.last_mut() {
            Some((last, before)) if *last == queue && range.start <= before.end => {
                before.end = before.end.max(range.end);
            }
            _ => joined.push((queue, range)),
        }
    }
    joined
}

/// Whether all of a run is within `ranges`, which are as [`joined`] makes them.
fn has(ranges: &[(QueueKey, Range<u64>)], queue: QueueKey, run: &Bytes) -> bool {
    let Ok(header) = header_of(run) else {
        return true;
    };
    let first = header.first_offset.0;
    let after = ranges.partition_point(|(it, range)| (*it, range.start) <= (queue, first));
    after.checked_sub(1).is_some_and(|at| {
        let (it, range) = &ranges[at];
        *it == queue && header.end_offset().0 <= range.end
    })
}

#[cfg(test)]
mod tests {
    use firn_protocol::ids::{QueueId, TopicKey};

    use super::*;

    fn queue(number: u16) -> QueueKey {
        QueueKey {
            topic: TopicKey::Waiting,
            queue: QueueId(number),
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let (a, b) = (queue(0), queue(1));
        let ranges = vec![
            (b, 0..5),
            (a, 10..20),
            (a, 0..4),
            (a, 4..6),
            (a, 12..15),
            (b, 6..7),
        ];
        let expected = [(a, 0..6), (a, 10..20), (b, 0..5), (b, 6..7)];
        assert_eq!(joined(ranges), expected);
        assert!(joined(Vec::new()).is_empty());
    }
}
