//! Writes what a cut fixed into segments, with one part of an upload in memory.

use std::sync::Arc;

use bytes::Bytes;
use firn_protocol::ids::{Generation, Position, QueueKey};
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

/// How segments of one kind are written.
#[derive(Clone, Copy)]
pub(super) struct SegmentPlan {
    pub(super) generation: Generation,
    pub(super) first_sequence: u64,
    /// Stored bytes with which one is full.
    pub(super) segment_bytes: u64,
}

/// Segments that are done, and the one on its way.
#[derive(Default)]
pub(super) struct Written {
    entries: Vec<SegmentEntry>,
    open: Option<Writing>,
}

impl Written {
    /// What is on its way goes no further; what is done is an orphan.
    pub(super) async fn give_up(self) {
        if let Some(writing) = self.open {
            writing.upload.abort().await;
        }
    }
}

impl StorageNode {
    /// Writes the records of a cut; what the manifest is to say of them.
    pub(super) async fn write_segments(
        &self,
        broker: &Arc<Broker>,
        cut: &Cut,
    ) -> Result<Vec<SegmentEntry>, TierError> {
        let plan = SegmentPlan {
            generation: cut.generation,
            first_sequence: cut.covered + 1,
            segment_bytes: self.config.tier.cut.segment_bytes,
        };
        let mut written = Written::default();
        for (&queue, range) in &cut.ranges {
            let mut at = range.start;
            while at < range.end {
                let next = self.next_runs(broker, queue, at..range.end).await;
                let (runs, upto) = match next {
                    Ok(next) => next,
                    Err(error) => {
                        written.give_up().await;
                        return Err(error.into());
                    }
                };
                at = upto;
                for piece in runs {
                    self.add_runs(broker.key, &mut written, plan, queue, piece)
                        .await?;
                }
            }
        }
        self.finish_segments(written).await
    }

    /// Adds runs to the segment on its way, or to the next one. After an error
    /// nothing is on its way.
    pub(super) async fn add_runs(
        &self,
        broker: BrokerKey,
        written: &mut Written,
        plan: SegmentPlan,
        queue: QueueKey,
        runs: Bytes,
    ) -> Result<(), TierError> {
        let mutant = self.config.tier.mutant;
        let open = match written.open.take() {
            Some(open) => open,
            None => self.begin_segment(broker, plan)?,
        };
        let mut added = open.add(queue, runs.clone()).await?;
        if !added.1 {
            written.entries.push(added.0.finish(mutant).await?);
            let next = self.begin_segment(broker, plan)?;
            added = next.add(queue, runs).await?;
        }
        if added.0.writer.is_full() {
            written.entries.push(added.0.finish(mutant).await?);
        } else {
            written.open = Some(added.0);
        }
        Ok(())
    }

    /// Ends the last segment; what a manifest is to say of all.
    pub(super) async fn finish_segments(
        &self,
        written: Written,
    ) -> Result<Vec<SegmentEntry>, TierError> {
        let Written { mut entries, open } = written;
        if let Some(open) = open {
            entries.push(open.finish(self.config.tier.mutant).await?);
        }
        Ok(entries)
    }

    fn begin_segment(&self, broker: BrokerKey, plan: SegmentPlan) -> Result<Writing, TierError> {
        self.cold.store.reach("seal.before_segment")?;
        let name = SegmentName {
            generation: plan.generation,
            first_sequence: plan.first_sequence,
            nonce: Nonce::draw(),
        };
        let id = SegmentId {
            broker,
            generation: plan.generation,
            seed: Seed(random::bytes()),
        };
        let cut = crate::segment::Cut {
            segment_bytes: plan.segment_bytes,
            ..self.config.tier.cut
        };
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
