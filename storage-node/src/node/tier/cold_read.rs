//! Reading on in object storage, from where the hot store ends.

use std::ops::Range;
use std::sync::Arc;

use firn_protocol::ids::{Offset, QueueKey};
use futures_util::StreamExt as _;

use super::error::TierError;
use super::place::OpenSegment;
use crate::broker::owner::Broker;
use crate::cold::manifest::{Manifest, SegmentEntry};
use crate::node::StorageNode;
use crate::node::read::{Found, ReadLimit, damaged};
use crate::record::runs_of;
use crate::segment::{ChunkEntry, Seed, TagHash};

/// A read that goes on in object storage, as far as that goes.
struct ColdRead<'a> {
    broker: &'a Broker,
    queue: QueueKey,
    range: Range<u64>,
    limit: ReadLimit,
}

/// Chunks of one read that are fetched and unpacked at the same time.
const CHUNKS_AT_ONCE: usize = 4;

impl StorageNode {
    /// Adds records that object storage has, as far as they go. Whole chunks
    /// without one of `tags` are passed over.
    pub(in crate::node) async fn collect_cold(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        range: &Range<u64>,
        limit: ReadLimit,
        tags: Option<&Arc<[String]>>,
        found: &mut Found,
    ) -> Result<(), TierError> {
        let (number, end, min) = {
            let core = broker.lock()?;
            let tier = &core.state.tier;
            let min = core.state.queue(queue).min;
            (tier.manifest, tier.end(queue).min(range.end), min)
        };
        // What went since the read began is in no segment, and is not lost.
        found.upto = found.upto.max(min.min(end));
        if found.upto >= end {
            return Ok(());
        }
        let manifest = self.cold.manifest(broker.key, number).await?;
        let read = ColdRead {
            broker,
            queue,
            range: range.start..end,
            limit,
        };
        while !found.is_complete(&read.range, limit) {
            let at = Offset(found.upto);
            let Some(entry) = segment_at(&manifest, queue, at) else {
                self.note_lost(broker, queue, found.upto, end);
                found.upto = end;
                break;
            };
            let opened = self.cold.open(broker.key, entry).await;
            let lost = at.0..queue_end(entry, queue).min(end);
            let segment = opened.map_err(|error| error.of_range(queue, lost))?;
            let wanted = tags.map(|tags| hashes(segment.trailer.id.seed, tags));
            self.collect_segment(&read, &segment, wanted.as_deref(), found)
                .await?;
            if found.upto == at.0 {
                // The manifest says that the segment has it, and it has not.
                let upto = queue_end(entry, queue).min(end);
                self.note_lost(broker, queue, found.upto, upto);
                found.upto = upto;
            }
        }
        Ok(())
    }

    /// Adds what one segment has, as far as it goes.
    async fn collect_segment(
        &self,
        read: &ColdRead<'_>,
        segment: &Arc<OpenSegment>,
        wanted: Option<&[TagHash]>,
        found: &mut Found,
    ) -> Result<(), TierError> {
        let (key, queue, limit) = (read.broker.key, read.queue, read.limit);
        let end = read.range.end;
        let chunks = segment.index.chunks_from(queue, Offset(found.upto));
        // Chunks that may be passed over are read one by one.
        let sure: &[ChunkEntry] = match wanted {
            Some(_) => &[],
            None => &chunks[..chunks_of_read(chunks, found, limit, end)],
        };
        let until = sure.last().map_or(0, |chunk| chunk.range().end);
        let reads = sure
            .iter()
            .map(|chunk| self.cold.chunk(key, segment, chunk, until));
        let reads: Vec<_> = reads.collect();
        // What the end of a read leaves on its way is chance.
        let at_once = match self.config.is_stepped {
            true => 1,
            false => CHUNKS_AT_ONCE,
        };
        let mut reads = futures_util::stream::iter(reads).buffered(at_once);
        for chunk in chunks {
            if found.is_complete(&read.range, limit) {
                break;
            }
            if chunk.first_offset.0 > found.upto {
                let lost_to = chunk.first_offset.0.min(end);
                self.note_lost(read.broker, queue, found.upto, lost_to);
                found.upto = lost_to;
                if found.is_complete(&read.range, limit) {
                    break;
                }
            }
            if wanted.is_some_and(|tags| !may_hold(chunk, tags)) {
                found.upto = chunk.end_offset().0.min(end);
                continue;
            }
            let runs = match reads.next().await {
                Some(runs) => runs,
                None => self.cold.chunk(key, segment, chunk, until).await,
            };
            let lost = chunk.first_offset.0..chunk.end_offset().0;
            let runs = runs.map_err(|error| error.of_range(queue, lost))?;
            for run in runs_of(runs).map_err(|_| damaged())? {
                found.take(&run, &read.range, limit)?;
            }
        }
        Ok(())
    }

    fn note_lost(&self, broker: &Broker, queue: QueueKey, first: u64, end: u64) {
        if first < end {
            self.metrics.records_lost.inc_by(end - first);
            tracing::error!(
                broker = %broker.key.broker, %queue, first, last = end - 1,
                "records are in no segment; they were lost before they were sealed"
            );
        }
    }
}

/// The segment with the first record of a queue at or behind an offset.
fn segment_at(manifest: &Manifest, queue: QueueKey, offset: Offset) -> Option<&SegmentEntry> {
    let ranges = manifest.segments.iter().filter_map(|entry| {
        let nth = entry.queues.binary_search_by_key(&queue, |row| row.queue);
        let range = &entry.queues[nth.ok()?];
        (range.end > offset).then_some((range.first, entry))
    });
    ranges
        .min_by_key(|(first, _)| *first)
        .map(|(_, entry)| entry)
}

/// How many of these chunks a read needs that goes on with them: up to its limit, and
/// up to the offset `end`.
fn chunks_of_read(chunks: &[ChunkEntry], found: &Found, limit: ReadLimit, end: u64) -> usize {
    let (mut records, mut bytes) = (found.records.len() as u64, found.bytes());
    let is_needed = |chunk: &&ChunkEntry| {
        let goes_on =
            records < limit.records as u64 && bytes < limit.bytes && chunk.first_offset.0 < end;
        records += chunk.end_offset().0 - chunk.first_offset.0.max(found.upto);
        bytes += u64::from(chunk.raw_bytes);
        goes_on
    };
    // The first record comes whatever its size.
    let needed = chunks.iter().take_while(is_needed).count();
    needed.max(usize::from(!chunks.is_empty() && found.records.is_empty()))
}

fn queue_end(entry: &SegmentEntry, queue: QueueKey) -> u64 {
    let row = entry.queues.iter().find(|row| row.queue == queue);
    row.map_or(0, |row| row.end.0)
}

fn hashes(seed: Seed, tags: &[String]) -> Vec<TagHash> {
    tags.iter().map(|tag| seed.tag_hash(tag)).collect()
}

fn may_hold(chunk: &ChunkEntry, tags: &[TagHash]) -> bool {
    chunk.tags.may_hold(tags)
}
