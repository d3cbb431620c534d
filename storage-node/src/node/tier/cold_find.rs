//! Look-ups by position, key and id in object storage (RULES 24).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use firn_protocol::api::storage::KeyQuery;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{Offset, Position, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;

use super::error::TierError;
use super::place::OpenSegment;
use crate::broker::owner::Broker;
use crate::cold::manifest::{Manifest, SegmentEntry};
use crate::hot::Hit;
use crate::node::StorageNode;
use crate::segment::{KeyHash, Seed};

/// Segments that one query opens; then it answers with what it has.
const SEGMENTS_MAX: usize = 64;

/// What to look for.
#[derive(Clone)]
pub(in crate::node) struct ColdQuery {
    pub(in crate::node) topic: Option<TopicKey>,
    pub(in crate::node) query: KeyQuery,
    pub(in crate::node) from: Position,
    pub(in crate::node) max: usize,
}

/// Hits in order of position.
#[derive(Default)]
pub(in crate::node) struct ColdHits {
    pub(in crate::node) hits: Vec<Hit>,
    /// Nothing at or behind this place was looked at; `None` if all was.
    pub(in crate::node) searched_to: Option<Position>,
}

impl StorageNode {
    /// Where a segment has the record at a position.
    pub(in crate::node) async fn locate_cold(
        &self,
        broker: &Arc<Broker>,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, ApiError> {
        let located = self.try_locate(broker, position).await;
        located.map_err(TierError::for_reader)
    }

    async fn try_locate(
        &self,
        broker: &Arc<Broker>,
        position: Position,
    ) -> Result<Option<(QueueKey, Offset)>, TierError> {
        let Some(manifest) = self.newest(broker).await? else {
            return Ok(None);
        };
        let holds =
            |entry: &&SegmentEntry| (entry.positions.0..entry.positions.1).contains(&position);
        for entry in manifest.segments.iter().filter(holds) {
            let segment = self.cold.open(broker.key, entry).await?;
            let positions = self.cold.positions(&segment).await?;
            let Some(block) = positions.block_for(position) else {
                continue;
            };
            let stored = self.cold.bytes(&segment, block.range()).await?;
            let found = positions
                .locate(block, &stored, &segment.index, position)
                .map_err(|source| segment.wrong(source))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Records in segments that may match a query.
    pub(in crate::node) async fn find_cold(
        &self,
        broker: &Arc<Broker>,
        query: ColdQuery,
    ) -> Result<ColdHits, ApiError> {
        let found = self.try_find(broker, query).await;
        found.map_err(TierError::for_reader)
    }

    /// Where the first record stored at or after `time` can be, as far as the
    /// manifest alone tells; `None` if nothing of the queue is in a segment.
    pub(in crate::node) async fn cold_span(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        time: Timestamp,
    ) -> Result<Option<Range<u64>>, ApiError> {
        let Some(manifest) = self.newest(broker).await.map_err(TierError::for_reader)? else {
            return Ok(None);
        };
        let rows = manifest.segments.iter().flat_map(|entry| &entry.queues);
        let mut rows: Vec<_> = rows.filter(|row| row.queue == queue).collect();
        rows.sort_unstable_by_key(|row| row.first);
        let Some(end) = rows.last().map(|row| row.end.0) else {
            return Ok(None);
        };
        // Store times never fall within a queue.
        let holds = rows.iter().find(|row| row.stored_at.1 >= time);
        Ok(Some(match holds {
            Some(row) => row.first.0..row.end.0,
            None => end..u64::MAX,
        }))
    }

    async fn try_find(
        &self,
        broker: &Arc<Broker>,
        query: ColdQuery,
    ) -> Result<ColdHits, TierError> {
        let Some(manifest) = self.newest(broker).await? else {
            return Ok(ColdHits::default());
        };
        let mut segments: Vec<&SegmentEntry> = manifest.segments.iter().collect();
        segments.retain(|entry| entry.positions.1 > query.from && has_topic(entry, query.topic));
        segments.sort_unstable_by_key(|entry| entry.positions);
        let mut hits: BTreeMap<Position, Hit> = BTreeMap::new();
        let mut searched_to = None;
        for (opened, entry) in segments.into_iter().enumerate() {
            let start = entry.positions.0;
            if searched_to.is_some_and(|end| start >= end) {
                break;
            }
            if hits.range(..start).count() >= query.max
                || (opened >= SEGMENTS_MAX && start > query.from)
            {
                searched_to = Some(start);
                break;
            }
            let segment = self.cold.open(broker.key, entry).await?;
            let found = self.search(&segment, &query).await?;
            if let Some(last) = found.last().filter(|_| found.len() >= query.max) {
                let end = Position(last.position.0 + 1);
                searched_to = Some(searched_to.map_or(end, |before: Position| before.min(end)));
            }
            hits.extend(found.into_iter().map(|hit| (hit.position, hit)));
        }
        if let Some(end) = searched_to {
            hits.split_off(&end);
        }
        Ok(ColdHits {
            hits: hits.into_values().collect(),
            searched_to,
        })
    }

    /// Hits in one segment in order of position; with `max` of them there may be
    /// more behind.
    async fn search(
        &self,
        segment: &OpenSegment,
        query: &ColdQuery,
    ) -> Result<Vec<Hit>, TierError> {
        let hash = hash_of(segment.trailer.id.seed, &query.query);
        if !self.cold.filter(segment).await?.may_hold(hash) {
            return Ok(Vec::new());
        }
        let keys = self.cold.keys(segment).await?;
        let mut hits = Vec::new();
        for block in keys.blocks_for(hash, query.from) {
            let stored = self.cold.bytes(segment, block.range()).await?;
            let found = keys.hits(block, &stored, &segment.index, (hash, query.from));
            let found = found.map_err(|source| segment.wrong(source))?;
            let is_wanted = |hit: &Hit| query.topic.is_none_or(|topic| hit.queue.topic == topic);
            hits.extend(found.into_iter().filter(is_wanted));
            if hits.len() >= query.max {
                break;
            }
        }
        Ok(hits)
    }

    /// The newest manifest; `None` before the first.
    pub(super) async fn newest(
        &self,
        broker: &Arc<Broker>,
    ) -> Result<Option<Arc<Manifest>>, TierError> {
        let number = broker.lock()?.state.tier.manifest;
        match number {
            0 => Ok(None),
            number => self.cold.manifest(broker.key, number).await.map(Some),
        }
    }
}

fn has_topic(entry: &SegmentEntry, topic: Option<TopicKey>) -> bool {
    topic.is_none_or(|topic| entry.queues.iter().any(|row| row.queue.topic == topic))
}

fn hash_of(seed: Seed, query: &KeyQuery) -> KeyHash {
    match query {
        KeyQuery::Key(key) => seed.key_hash(key),
        KeyQuery::MessageId(id) => seed.id_hash(id),
    }
}
