//! Writes what a cut fixed into segments, with one part of an upload in memory.

use std::sync::Arc;

use bytes::Bytes;
use firn_protocol::ids::{Position, QueueKey};
use firn_runtime::{random, tasks};

use super::cut::Cut;
use super::error::TierError;
use crate::broker::owner::Broker;
use crate::cold::Upload;
use crate::cold::manifest::{QueueRange, SegmentEntry};
use crate::cold::paths::{Nonce, ObjectName, SegmentName};
use crate::config::TierMutant;
use crate::hot::BrokerKey;
use crate::node::StorageNode;
use crate::segment::{Seed, SegmentError, SegmentId, SegmentSpec, SegmentSummary, SegmentWriter};

/// Bytes handed to an upload at a time.
const PART_BYTES: usize = 1 << 20;

/// A segment on its way.
struct Writing {
    name: SegmentName,
    writer: SegmentWriter,
    upload: Upload,
}

impl StorageNode {
    /// Writes the records of a cut; what the manifest is to say of them.
    pub(super) async fn write_segments(
        &self,
        broker: &Arc<Broker>,
        cut: &Cut,
    ) -> Result<Vec<SegmentEntry>, TierError> {
        let mutant = self.config.tier.mutant;
        let mut entries = Vec::new();
        let mut writing: Option<Writing> = None;
        for (&queue, range) in &cut.ranges {
            let mut at = range.start;
            while at < range.end {
                let next = self.next_runs(broker, queue, at..range.end).await;
                let (runs, upto) = match next {
                    Ok(next) => next,
                    Err(error) => {
                        give_up(writing).await;
                        return Err(error.into());
                    }
                };
                at = upto;
                for piece in runs {
                    let mut open = match writing.take() {
                        Some(open) => open,
                        None => self.begin_segment(broker.key, cut)?,
                    };
                    let mut added = open.add(queue, piece.clone()).await?;
                    if !added.1 {
                        entries.push(added.0.finish(mutant).await?);
                        open = self.begin_segment(broker.key, cut)?;
                        added = open.add(queue, piece).await?;
                    }
                    if added.0.writer.is_full() {
                        entries.push(added.0.finish(mutant).await?);
                    } else {
                        writing = Some(added.0);
                    }
                }
            }
        }
        if let Some(open) = writing {
            entries.push(open.finish(mutant).await?);
        }
        Ok(entries)
    }

    fn begin_segment(&self, broker: BrokerKey, cut: &Cut) -> Result<Writing, TierError> {
        self.cold.store.reach("seal.before_segment")?;
        let name = SegmentName {
            generation: cut.generation,
            first_sequence: cut.covered + 1,
            nonce: Nonce::draw(),
        };
        let id = SegmentId {
            broker,
            generation: cut.generation,
            seed: Seed(random::bytes()),
        };
        let cut = self.config.tier.cut;
        let writer = SegmentWriter::new(SegmentSpec { id, cut }).map_err(TierError::Write)?;
        let object = ObjectName::Segment(broker, name);
        let upload = self.cold.store.background().upload(object);
        Ok(Writing {
            name,
            writer,
            upload,
        })
    }
}

async fn give_up(writing: Option<Writing>) {
    if let Some(writing) = writing {
        writing.upload.abort().await;
    }
}

impl Writing {
    /// Adds runs, and sends what is ready; `false` if they belong in the next
    /// segment.
    async fn add(self, queue: QueueKey, runs: Bytes) -> Result<(Self, bool), TierError> {
        let Self {
            name,
            mut writer,
            mut upload,
        } = self;
        // Compression takes its time.
        let (writer, added, ready) = tasks::blocking(move || {
            let added = writer.add(queue, &runs);
            let ready: Vec<Bytes> = std::iter::from_fn(|| writer.take_ready(PART_BYTES)).collect();
            (writer, added, ready)
        })
        .await;
        for part in ready {
            if let Err(error) = upload.write(part).await {
                upload.abort().await;
                return Err(error.into());
            }
        }
        let fits = match added {
            Ok(()) => true,
            Err(SegmentError::Full { .. }) if !writer.is_empty() => false,
            Err(error) => {
                upload.abort().await;
                return Err(TierError::Write(error));
            }
        };
        Ok((
            Self {
                name,
                writer,
                upload,
            },
            fits,
        ))
    }

    /// Ends the segment; it is stored when this returns.
    async fn finish(self, mutant: Option<TierMutant>) -> Result<SegmentEntry, TierError> {
        let Self {
            name,
            writer,
            mut upload,
        } = self;
        let finished = tasks::blocking(move || writer.finish()).await;
        let (rest, summary) = match finished {
            Ok(finished) => finished,
            Err(error) => {
                upload.abort().await;
                return Err(TierError::Write(error));
            }
        };
        if let Err(error) = upload.write(rest).await {
            upload.abort().await;
            return Err(error.into());
        }
        let finished = upload.finish().await;
        if mutant != Some(TierMutant::ManifestBeforeSegment) {
            finished?;
        }
        Ok(entry_of(name, &summary))
    }
}

fn entry_of(name: SegmentName, summary: &SegmentSummary) -> SegmentEntry {
    let totals = &summary.totals;
    let queues = summary.queues.iter().map(|row| QueueRange {
        queue: row.queue,
        first: row.first_offset,
        end: row.end_offset,
        stored_at: row.stored_at,
        records: row.records,
        record_bytes: row.raw_bytes,
    });
    SegmentEntry {
        name,
        bytes: summary.object_bytes,
        checksum: summary.checksum,
        level: 0,
        positions: (totals.positions.0, Position(totals.positions.1.0 + 1)),
        records: totals.records,
        record_bytes: totals.raw_bytes,
        queues: queues.collect(),
        // It stands in the segment; a manifest is written anew at each seal.
        key_filter: Bytes::new(),
    }
}
