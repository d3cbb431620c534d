//! The state of brokers from snapshots and entries, in the order of the log.

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, Generation, Offset, QueueKey};
use rustc_hash::FxHashMap;

use super::open::OpenError;
use crate::broker::apply::ApplyError;
use crate::broker::entry::{Entry, Head};
use crate::broker::state::BrokerState;
use crate::broker::tail::TailRun;
use crate::hot::{BrokerKey, HotStore, StateStore};
use crate::log::{DamagedRange, FrameHeader, Log, Lsn, ReplayedFrame};
use crate::record::{Run, RunHeader, runs_of};

/// The state of one broker as snapshot and log give it.
pub(super) struct Rebuilt {
    pub(super) key: BrokerKey,
    pub(super) state: BrokerState,
    /// Entries whose forerunners the log does not have; an entry that carries the
    /// broker forward makes up for them.
    ahead: Vec<Ahead>,
    /// Entries are missing: even its class may be another.
    pub(super) has_gaps: bool,
    /// Runs that the hot store does not have yet.
    pub(super) unfilled: Vec<(QueueKey, TailRun)>,
}

struct Ahead {
    seq: u64,
    generation: Generation,
    entry: Entry,
    run: Option<RunHeader>,
}

impl Rebuilt {
    pub(super) fn new(key: BrokerKey, state: BrokerState) -> Self {
        Self {
            key,
            state,
            ahead: Vec::new(),
            has_gaps: false,
            unfilled: Vec::new(),
        }
    }
}

/// Runs by queue and offset, each record once: what was carried forward in the
/// log stands there twice.
pub(super) fn in_order(mut runs: Vec<(QueueKey, TailRun)>) -> Vec<(QueueKey, TailRun)> {
    runs.sort_by_key(|(queue, run)| (*queue, run.first, run.place.lsn));
    let mut ordered: Vec<(QueueKey, TailRun)> = Vec::with_capacity(runs.len());
    for (queue, run) in runs {
        let follows = ordered.last().is_none_or(|(last_queue, last)| {
            *last_queue != queue || last.first + u64::from(last.count) <= run.first
        });
        if follows {
            ordered.push((queue, run));
        }
    }
    ordered
}

/// Every broker's state from its snapshot and the log behind it.
pub(super) fn rebuild(
    log: &Log,
    hot: &dyn HotStore,
    states: &dyn StateStore,
) -> Result<(FxHashMap<BrokerId, Rebuilt>, Vec<DamagedRange>), OpenError> {
    let mut brokers: FxHashMap<BrokerId, Rebuilt> = FxHashMap::default();
    let mut from = states.marker();
    for (key, _, snapshot) in states.load()? {
        match BrokerState::from_snapshot(&snapshot) {
            Ok(state) => {
                brokers.insert(key.broker, Rebuilt::new(key, state));
            }
            Err(error) => {
                // A snapshot is a shortcut: without it the whole log is replayed.
                tracing::warn!(%error, broker = %key.broker, "snapshot cannot be read, replaying");
                from = Lsn::ZERO;
            }
        }
    }
    let filled = hot.marker();
    let report = log.replay_committed(from.min(filled), &mut |frame| {
        replay_frame(&mut brokers, &frame, filled);
        Ok(())
    })?;
    brokers.values_mut().for_each(finish);
    if !report.damage.is_empty() {
        for broker in brokers.values_mut() {
            keep_places(hot, broker);
        }
    }
    Ok((brokers, report.damage))
}

/// Damage at the log's end takes records with it that the hot store may still
/// have: their offsets and positions must not be given out again.
fn keep_places(hot: &dyn HotStore, broker: &mut Rebuilt) {
    let state = &mut broker.state;
    let queues: Vec<QueueKey> = state.queues.keys().copied().collect();
    for queue in queues {
        loop {
            let end = state.queue(queue).end;
            // A chunk that is damaged itself has nothing to keep.
            let Ok(Some(chunk)) = hot.chunk_at(broker.key, queue, Offset(end)) else {
                break;
            };
            let runs = runs_of(chunk.runs).unwrap_or_default();
            let records = runs.iter().flat_map(Run::records);
            let last = records.filter_map(Result::ok).last();
            let position = last.map_or(0, |record| record.position.0 + 1);
            let kept = chunk.first_offset.plus(chunk.count.into()).0;
            tracing::warn!(
                broker = %broker.key.broker, %queue, first = end, last = kept - 1,
                "records lost to damage in the log are kept from the hot store"
            );
            state.skip_records(queue, kept, position);
        }
    }
}

fn replay_frame(
    brokers: &mut FxHashMap<BrokerId, Rebuilt>,
    frame: &ReplayedFrame<'_>,
    filled: Lsn,
) {
    let header = &frame.header;
    let broker = brokers.entry(header.broker).or_insert_with(|| {
        let key = BrokerKey {
            tenant: header.tenant,
            instance: header.instance,
            broker: header.broker,
        };
        Rebuilt::new(key, BrokerState::default())
    });
    let entry = match Entry::decode(&Bytes::copy_from_slice(frame.payload)) {
        Ok(entry) => entry,
        Err(error) => {
            tracing::error!(%error, lsn = %frame.place.lsn, "entry in the log cannot be read");
            return;
        }
    };
    let Ok(run) = entry.run_header() else { return };
    if let (Some(queue), Some(run)) = (entry.head.run_queue(), run)
        && frame.place.lsn >= filled
    {
        let place = frame.place;
        let run = TailRun {
            first: run.first_offset.0,
            count: run.count,
            place,
            bytes: None,
        };
        broker.unfilled.push((queue, run));
    }
    take_entry(broker, header, entry, run);
}

/// Takes an entry in its turn. One that the state has is passed over; one whose
/// forerunners are missing waits for an entry that carries them, or for
/// [`finish`].
pub(super) fn take_entry(
    broker: &mut Rebuilt,
    header: &FrameHeader,
    entry: Entry,
    run: Option<RunHeader>,
) {
    if header.seq <= broker.state.seq {
        return;
    }
    let follows = header.seq == broker.state.seq + 1 && broker.ahead.is_empty();
    if let (Head::Carry(carry), false) = (&entry.head, follows) {
        match BrokerState::from_carry(header.seq, carry) {
            Ok(state) => {
                broker.state = state;
                broker.ahead.clear();
                return;
            }
            Err(error) => {
                let broker = header.broker;
                tracing::error!(%error, %broker, seq = header.seq, "carried state cannot be read");
            }
        }
    }
    if let (Head::Erase, false) = (&entry.head, follows) {
        broker.state = BrokerState::erased_at(header.seq);
        broker.ahead.clear();
        return;
    }
    // Without its run: that is found by its place.
    let replayed = Ahead {
        seq: header.seq,
        generation: header.generation,
        entry: Entry { run: None, ..entry },
        run,
    };
    match follows {
        true => apply_replayed(broker, &replayed),
        false => broker.ahead.push(replayed),
    }
}

/// No more entries come. Nothing carries over what is missing before those that
/// still wait: it is lost.
pub(super) fn finish(broker: &mut Rebuilt) {
    for ahead in std::mem::take(&mut broker.ahead) {
        apply_replayed(broker, &ahead);
    }
}

fn apply_replayed(broker: &mut Rebuilt, replayed: &Ahead) {
    let state = &mut broker.state;
    let (seq, run) = (replayed.seq, replayed.run);
    for _ in 0..3 {
        let Entry { head, metered, .. } = &replayed.entry;
        let applied = state.apply(
            seq,
            replayed.generation,
            head,
            metered.as_ref(),
            run.as_ref(),
        );
        match applied {
            Ok(()) => return,
            // Entries before this one are damaged; what is left is kept, with
            // its offsets, and the loss is said (RULES 3).
            Err(ApplyError::OutOfSequence { last, found }) => {
                broker.has_gaps = true;
                tracing::error!(
                    broker = %broker.key.broker, last, found,
                    "entries of a broker are lost to damage in the log"
                );
                state.skip_to(found - 1);
            }
            Err(ApplyError::OutOfPlace { queue, end, found }) => {
                broker.has_gaps = true;
                tracing::error!(
                    broker = %broker.key.broker, %queue, first = end, last = found.saturating_sub(1),
                    "records are lost to damage in the log"
                );
                let position = run.map_or(0, |run| run.first_position.0);
                state.skip_records(queue, found, position);
            }
        }
    }
}
