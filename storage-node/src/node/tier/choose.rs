//! Which small segments of a broker are merged: neighbours in its time, enough of
//! them, none that expires soon, and not so far apart in time that merging keeps
//! the older ones much longer.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use firn_protocol::ids::{QueueKey, TopicKey};
use firn_protocol::time::Timestamp;

use super::facts::{is_live, is_needed};
use crate::broker::state::BrokerState;
use crate::cold::manifest::{Manifest, SegmentEntry};
use crate::cold::paths::SegmentName;
use crate::node::StorageNode;

/// Segments merged at once.
const SOURCES_MAX: usize = 64;
/// What expires within this is not worth it.
const SOON_MS: u64 = 6 * 3600 * 1000;
/// A merged segment spans at most this part of the shortest retention in it:
/// its oldest record is kept so much longer.
const SPAN_PART: u64 = 8;

impl StorageNode {
    /// Small neighbours that are worth it; none if there are too few.
    pub(super) fn choose<'a>(
        &self,
        manifest: &'a Manifest,
        state: &BrokerState,
        mins: &BTreeMap<QueueKey, u64>,
    ) -> Vec<&'a SegmentEntry> {
        let config = &self.config.tier;
        let needed = manifest.segments.iter();
        let mut segments: Vec<_> = needed.filter(|entry| is_needed(entry, mins)).collect();
        // As they were sealed: each covers a part of the broker's time.
        segments.sort_unstable_by_key(|entry| entry.positions);
        let mut chosen: Vec<&SegmentEntry> = Vec::new();
        let mut span = Span::default();
        let retention = |topic| self.retention(manifest.broker, topic);
        for entry in segments {
            if entry.bytes < config.merge_bytes {
                let next = span.with(entry, retention, state);
                if next.is_worth_it(self.now()) && chosen.len() < SOURCES_MAX {
                    chosen.push(entry);
                    span = next;
                    if bytes_of(&chosen) >= config.merge_bytes {
                        break;
                    }
                    continue;
                }
            }
            if chosen.len() >= config.merge_segments_min {
                break;
            }
            // It begins anew, with this one if it is small itself.
            let alone = Span::default().with(entry, retention, state);
            let is_small = entry.bytes < config.merge_bytes && alone.is_worth_it(self.now());
            chosen = Vec::from_iter(is_small.then_some(entry));
            span = if is_small { alone } else { Span::default() };
        }
        let is_large = chosen.len() > 1 && bytes_of(&chosen) >= config.merge_bytes;
        let is_enough = is_large || chosen.len() >= config.merge_segments_min;
        if is_enough && are_neighbours(manifest, &chosen, mins) {
            chosen
        } else {
            Vec::new()
        }
    }
}

fn bytes_of(segments: &[&SegmentEntry]) -> u64 {
    segments.iter().map(|entry| entry.bytes).sum()
}

/// Whether no other segment has records of a queue between those of these.
fn are_neighbours(
    manifest: &Manifest,
    chosen: &[&SegmentEntry],
    mins: &BTreeMap<QueueKey, u64>,
) -> bool {
    let names: BTreeSet<SegmentName> = chosen.iter().map(|entry| entry.name).collect();
    let mut ranges: BTreeMap<QueueKey, Range<u64>> = BTreeMap::new();
    for row in chosen.iter().flat_map(|entry| &entry.queues) {
        if is_live(row, mins.get(&row.queue).copied()) {
            let range = ranges.entry(row.queue).or_insert(row.first.0..row.end.0);
            range.start = range.start.min(row.first.0);
            range.end = range.end.max(row.end.0);
        }
    }
    let others = manifest.segments.iter();
    let others = others.filter(|entry| !names.contains(&entry.name));
    others.flat_map(|entry| &entry.queues).all(|row| {
        let range = ranges.get(&row.queue);
        range.is_none_or(|range| row.end.0 <= range.start || row.first.0 >= range.end)
    })
}

/// Times of what is to be merged, and how long it is kept.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    stored_at: Option<(Timestamp, Timestamp)>,
    /// The shortest of its topics.
    retention: Option<Duration>,
    /// When the first of its segments can go.
    ends_at: Option<Timestamp>,
}

impl Span {
    fn with(
        self,
        entry: &SegmentEntry,
        retention: impl Fn(TopicKey) -> Option<Duration>,
        state: &BrokerState,
    ) -> Self {
        let (mut span, mut ends_at) = (self, None);
        let mut is_kept_for_ever = false;
        for row in &entry.queues {
            let min = state.queues.get(&row.queue).map(|state| state.min);
            if !is_live(row, min) {
                continue;
            }
            let (first, last) = span.stored_at.unwrap_or(row.stored_at);
            span.stored_at = Some((first.min(row.stored_at.0), last.max(row.stored_at.1)));
            match retention(row.queue.topic) {
                Some(kept) => {
                    span.retention = Some(span.retention.map_or(kept, |it| it.min(kept)));
                    let end = row.stored_at.1.plus_ms(kept.as_millis() as u64);
                    ends_at = ends_at.max(Some(end));
                }
                None => is_kept_for_ever = true,
            }
        }
        if let Some(end) = ends_at.filter(|_| !is_kept_for_ever) {
            span.ends_at = Some(span.ends_at.map_or(end, |before| before.min(end)));
        }
        span
    }

    fn is_worth_it(&self, now: Timestamp) -> bool {
        let is_soon = self.ends_at.is_some_and(|end| end.since_ms(now) < SOON_MS);
        let is_long = match (self.stored_at, self.retention) {
            (Some((first, last)), Some(kept)) => {
                last.since_ms(first) > kept.as_millis() as u64 / SPAN_PART
            }
            _ => false,
        };
        !is_soon && !is_long
    }
}
