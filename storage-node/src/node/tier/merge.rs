//! Merging: many small segments of a broker become few large ones, so that
//! manifests stay short and readers open little.
//!
//! Neighbours are written into new segments, as fast as the budget for it
//! allows, while everything goes on; then the next manifest names these in the
//! place of those. It is made like any other, so a crash leaves orphans or
//! nothing; whoever reads by the manifest before has the grace time. What is
//! below the low marks is left out, and what expires soon is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::ids::{Offset, QueueKey};
use firn_runtime::{Clock, Stop};

use super::error::TierError;
use super::facts::Facts;
use super::place::OpenSegment;
use super::write::{SegmentPlan, Written};
use crate::broker::owner::Broker;
use crate::cold::manifest::SegmentEntry;
use crate::cold::paths::SegmentName;
use crate::config::TierMutant;
use crate::hot::BrokerKey;
use crate::node::StorageNode;
use crate::record::{StoredRecord, encode_records, runs_of};

/// Bytes of a source fetched by one request.
const FETCH_BYTES: u64 = 1 << 20;
/// Before a broker is looked at again whose small segments do not fit together.
const REST_MS: u64 = 3600 * 1000;
/// Shorter pauses are saved up.
const PAUSE_MS_MIN: u64 = 100;
/// Tries, and the pause between them, while somebody else tiers the broker.
const TRIES_MAX: u32 = 600;
const TRY_PAUSE: Duration = Duration::from_millis(500);

/// Segments and what takes their place.
pub(super) struct Merge {
    pub(super) sources: BTreeSet<SegmentName>,
    pub(super) merged: Vec<SegmentEntry>,
}

impl StorageNode {
    pub(in crate::node) async fn run_merging(self: Arc<Self>, stop: Stop) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(self.config.tier.look_every) => {}
            }
            // What is interrupted here leaves orphans.
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.merge_step() => {}
            }
        }
    }

    /// Merges segments of one broker, if one has enough small ones.
    pub async fn merge_step(&self) {
        let Some(broker) = self.next_to_merge() else {
            return;
        };
        if let Err(error) = self.merge(&broker).await {
            self.note_failure(&broker, &error);
        }
    }

    fn next_to_merge(&self) -> Option<Arc<Broker>> {
        if self.shared.is_recovering() {
            return None;
        }
        let (now, config) = (self.now(), &self.config.tier);
        let brokers = self.shared.brokers.read();
        let is_due = |broker: &&Arc<Broker>| {
            let number = broker.lock().map_or(0, |core| core.state.tier.manifest);
            let is_due = |facts: &Facts| {
                facts.merge_at <= now
                    && facts.small(config.merge_bytes) >= config.merge_segments_min
            };
            self.cold.facts.ask(broker.key, number, is_due) == Some(true)
        };
        brokers.values().find(is_due).cloned()
    }

    async fn merge(&self, broker: &Arc<Broker>) -> Result<(), TierError> {
        let Some(manifest) = self.newest(broker).await? else {
            return Ok(());
        };
        let (sources, mins, plan) = {
            let core = broker.lock()?;
            let state = &core.state;
            let mins: BTreeMap<QueueKey, u64> = (state
                .queues
                .iter()
                .map(|(&queue, state)| (queue, state.min)))
            .collect();
            let plan = SegmentPlan {
                generation: core.generation,
                // Beyond what the manifest covers: no sweep by an older one takes it.
                first_sequence: state.tier.covered + 1,
                segment_bytes: 2 * self.config.tier.merge_bytes,
            };
            (self.choose(&manifest, state, &mins), mins, plan)
        };
        if sources.is_empty() {
            let at = self.now().plus_ms(REST_MS);
            self.cold
                .facts
                .put_off_merge(broker.key, manifest.number, at);
            return Ok(());
        }
        let level = sources.iter().map(|entry| entry.level).max().unwrap_or(0);
        let mut merged = self.write_merged(broker.key, &sources, &mins, plan).await?;
        for entry in &mut merged {
            entry.level = level.saturating_add(1);
        }
        self.cold.store.reach("merge.segments_written")?;
        let (count, bytes) = (
            sources.len(),
            sources.iter().map(|entry| entry.bytes).sum::<u64>(),
        );
        let merge = Merge {
            sources: sources.iter().map(|entry| entry.name).collect(),
            merged,
        };
        self.put_in_place(broker, &merge).await?;
        self.metrics.segments_merged.inc_by(count as u64);
        let into = merge.merged.len();
        tracing::info!(broker = %broker.key.broker, count, bytes, into, "small segments are merged");
        Ok(())
    }

    /// The next manifest names what was merged.
    async fn put_in_place(&self, broker: &Arc<Broker>, merge: &Merge) -> Result<(), TierError> {
        for _ in 0..TRIES_MAX {
            match self.seal_with(broker, Some(merge)).await {
                Err(error) if error.is_harmless() => self.clock.sleep(TRY_PAUSE).await,
                done => return done,
            }
        }
        Err(TierError::Interrupted)
    }

    async fn write_merged(
        &self,
        broker: BrokerKey,
        sources: &[&SegmentEntry],
        mins: &BTreeMap<QueueKey, u64>,
        plan: SegmentPlan,
    ) -> Result<Vec<SegmentEntry>, TierError> {
        let mut readers = Vec::with_capacity(sources.len());
        for entry in sources {
            readers.push(Source::new(self.cold.open(broker, entry).await?));
        }
        let queues = sources.iter().flat_map(|entry| &entry.queues);
        let queues: BTreeSet<QueueKey> = queues.map(|row| row.queue).collect();
        let mut pace = Pace::new(&self.clock, self.config.tier.merge_bytes_per_sec);
        let mut written = Written::default();
        for queue in queues {
            // A queue that was dropped has none.
            let Some(&min) = mins.get(&queue) else {
                continue;
            };
            readers.sort_by_key(|reader| reader.first_of(queue));
            for reader in &mut readers {
                let copied = self.copy_queue(reader, (queue, min), plan, &mut pace, &mut written);
                if let Err(error) = copied.await {
                    written.give_up().await;
                    return Err(error);
                }
            }
        }
        self.finish_segments(written).await
    }

    /// Copies what a source has of a queue from its low mark on.
    async fn copy_queue(
        &self,
        source: &mut Source,
        (queue, min): (QueueKey, u64),
        plan: SegmentPlan,
        pace: &mut Pace<'_>,
        written: &mut Written,
    ) -> Result<(), TierError> {
        let open = source.segment.clone();
        let broker = open.trailer.id.broker;
        let mut chunks = open.index.chunks_from(queue, Offset(min));
        if self.config.tier.mutant == Some(TierMutant::MergeLoses) {
            chunks = chunks.split_last().map_or(chunks, |(_, rest)| rest);
        }
        for chunk in chunks {
            let stored = source.read(self, chunk.range(), pace).await?;
            let chunk = open.index.open_chunk(chunk, &stored);
            let runs = chunk.map_err(|source| open.wrong(source))?.runs;
            for runs in pieces(broker, runs, min)? {
                self.add_runs(broker, written, plan, queue, runs).await?;
            }
        }
        Ok(())
    }
}

/// Runs without the records below a low mark, each piece without a gap.
fn pieces(broker: BrokerKey, runs: Bytes, min: u64) -> Result<Vec<Bytes>, TierError> {
    let wrong = |source| TierError::State {
        broker: broker.broker,
        source,
    };
    let parsed = runs_of(runs.clone()).map_err(wrong)?;
    let is_dense =
        parsed.is_sorted_by(|one, next| one.header.end_offset() == next.header.first_offset);
    if is_dense && parsed.iter().all(|run| run.header.first_offset.0 >= min) {
        return Ok(vec![runs]);
    }
    let records = parsed.iter().flat_map(|run| run.records());
    let mut kept: Vec<StoredRecord> = records.collect::<Result<_, _>>().map_err(wrong)?;
    kept.retain(|record| record.offset.0 >= min);
    let follows = |a: &StoredRecord, b: &StoredRecord| a.offset.plus(1) == b.offset;
    let dense = kept.chunk_by(follows);
    Ok(dense.map(|piece| encode_records(piece).into()).collect())
}

/// A segment that is read from front to back, past the cache.
struct Source {
    segment: Arc<OpenSegment>,
    /// What was fetched last, and from where.
    fetched: (u64, Bytes),
}

impl Source {
    fn new(segment: Arc<OpenSegment>) -> Self {
        Self {
            segment,
            fetched: (0, Bytes::new()),
        }
    }

    fn first_of(&self, queue: QueueKey) -> Option<Offset> {
        let chunks = self.segment.index.chunks_from(queue, Offset(0));
        chunks.first().map(|chunk| chunk.first_offset)
    }

    async fn read(
        &mut self,
        node: &StorageNode,
        range: Range<u64>,
        pace: &mut Pace<'_>,
    ) -> Result<Bytes, TierError> {
        let (at, bytes) = &self.fetched;
        if range.start < *at || range.end > at + bytes.len() as u64 {
            let object = self.segment.object;
            let to = (range.start + FETCH_BYTES).max(range.end).min(object.bytes);
            let store = node.cold.store.background();
            let bytes = store.get_range(object.name, range.start, to).await?;
            pace.spend(bytes.len() as u64).await;
            self.fetched = (range.start, bytes);
        }
        let (at, bytes) = &self.fetched;
        Ok(bytes.slice((range.start - at) as usize..(range.end - at) as usize))
    }
}

/// A budget of bytes a second, spent in steps.
struct Pace<'a> {
    clock: &'a Clock,
    per_sec: u64,
    owed: u64,
}

impl<'a> Pace<'a> {
    fn new(clock: &'a Clock, per_sec: u64) -> Self {
        Self {
            clock,
            per_sec: per_sec.max(1),
            owed: 0,
        }
    }

    async fn spend(&mut self, bytes: u64) {
        self.owed += bytes;
        let ms = self.owed.saturating_mul(1000) / self.per_sec;
        if ms >= PAUSE_MS_MIN {
            self.owed = 0;
            self.clock.sleep(Duration::from_millis(ms)).await;
        }
    }
}
