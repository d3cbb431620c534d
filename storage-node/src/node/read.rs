//! Reading records wherever they are: memory, the log, the hot store, object
//! storage. One sequence to the caller.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::QueueKey;
use firn_protocol::message::Message;
use firn_runtime::tasks;

use super::StorageNode;
use super::tier::TierError;
use crate::broker::entry::Entry;
use crate::broker::owner::Broker;
use crate::broker::tail::TailRun;
use crate::hot::HotStore;
use crate::log::{Log, Lsn, ReadAtError};
use crate::record::{Run, StoredRecord, header_of, runs_of};

/// Tags of which a record must have one to be of interest to anybody.
pub(super) type WantedTags = Option<Arc<[String]>>;

/// What a read found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In order of offset. A record that is missing below `upto` is lost, or has
    /// none of the tags that were asked for.
    pub(super) records: Vec<StoredRecord>,
    /// The read has looked at everything before this offset.
    pub(super) upto: u64,
}

/// How much a read may bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadLimit {
    pub(super) records: usize,
    /// The first record comes whatever its size.
    pub(super) bytes: u64,
}

impl StorageNode {
    /// Reads committed records of `range` from its start.
    pub(super) async fn read_range(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        range: Range<u64>,
        limit: ReadLimit,
    ) -> Result<Found, ApiError> {
        self.read_matching(broker, queue, range, limit, None).await
    }

    /// The same; where it costs less, records without one of these tags are left out.
    pub(super) async fn read_matching(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        range: Range<u64>,
        limit: ReadLimit,
        tags: WantedTags,
    ) -> Result<Found, ApiError> {
        let range = {
            let core = broker.lock()?;
            let state = core.state.queue(queue);
            range.start.max(state.min)..range.end.min(core.visible_end(queue))
        };
        let mut found = Found {
            records: Vec::new(),
            upto: range.start,
        };
        collect_from_memory(broker, queue, range.clone(), limit, &mut found)?;
        if found.is_complete(&range, limit) {
            return Ok(found);
        }
        loop {
            let reader = Reader {
                broker: broker.clone(),
                hot: self.stores.hot.clone(),
                log: self.log.clone(),
                metrics: self.metrics.clone(),
            };
            let wanted = range.clone();
            found = tasks::blocking(move || {
                reader.collect(queue, wanted, limit, &mut found)?;
                Ok::<_, ApiError>(found)
            })
            .await?;
            if found.is_complete(&range, limit) {
                return Ok(found);
            }
            self.collect_cold(broker, queue, &range, limit, tags.as_ref(), &mut found)
                .await
                .map_err(TierError::for_reader)?;
            if found.is_complete(&range, limit) {
                return Ok(found);
            }
        }
    }

    /// Reads one record, decoded; `None` if nothing is stored there.
    pub(super) async fn read_one(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        offset: u64,
    ) -> Result<Option<Message>, ApiError> {
        let limit = ReadLimit {
            records: 1,
            bytes: 0,
        };
        let found = self
            .read_range(broker, queue, offset..offset + 1, limit)
            .await?;
        found
            .records
            .first()
            .map(|record| to_message(broker, queue, record))
            .transpose()
    }
}

/// Decodes a stored record.
pub(super) fn to_message(
    broker: &Broker,
    queue: QueueKey,
    record: &StoredRecord,
) -> Result<Message, ApiError> {
    record.to_message(broker.key.broker, queue).map_err(|error| {
        tracing::error!(%error, broker = %broker.key.broker, %queue, offset = %record.offset, "damaged record");
        ApiError::new(ErrorCode::Internal, "a stored record is damaged")
    })
}

impl Found {
    pub(super) fn is_complete(&self, range: &Range<u64>, limit: ReadLimit) -> bool {
        self.upto >= range.end || self.is_full(limit)
    }

    /// Bytes of the records.
    pub(super) fn bytes(&self) -> u64 {
        let records = self.records.iter();
        records.map(|record| record.bytes_len() as u64).sum()
    }

    fn is_full(&self, limit: ReadLimit) -> bool {
        self.records.len() >= limit.records
            || (!self.records.is_empty() && self.bytes() >= limit.bytes)
    }

    pub(super) fn take(
        &mut self,
        run: &Run,
        range: &Range<u64>,
        limit: ReadLimit,
    ) -> Result<(), ApiError> {
        let mut bytes = self.bytes();
        for record in run.records() {
            let record = record.map_err(|_| damaged())?;
            let offset = record.offset.0;
            if offset < self.upto {
                continue;
            }
            let full = self.records.len() >= limit.records
                || (!self.records.is_empty() && bytes >= limit.bytes);
            if offset >= range.end || full {
                return Ok(());
            }
            bytes += record.bytes_len() as u64;
            self.records.push(record);
            self.upto = offset + 1;
        }
        Ok(())
    }
}

pub(super) fn damaged() -> ApiError {
    ApiError::new(ErrorCode::StorageUnavailable, "a stored record is damaged")
}

/// Takes what is in memory, as far as it goes without a gap.
fn collect_from_memory(
    broker: &Broker,
    queue: QueueKey,
    range: Range<u64>,
    limit: ReadLimit,
    found: &mut Found,
) -> Result<(), ApiError> {
    for run in tail_runs(broker, queue, found.upto..range.end, limit.records)? {
        let Some(bytes) = run.bytes else {
            return Ok(());
        };
        let run = Run::parse(bytes).map_err(|_| damaged())?;
        found.take(&run, &range, limit)?;
        if found.is_full(limit) {
            break;
        }
    }
    Ok(())
}

fn tail_runs(
    broker: &Broker,
    queue: QueueKey,
    range: Range<u64>,
    records: usize,
) -> Result<Vec<TailRun>, ApiError> {
    // A run has at least one record, so more runs than records are never needed.
    let end = range.end.min(range.start.saturating_add(records as u64));
    let core = broker.lock()?;
    Ok(core
        .tails
        .get(&queue)
        .map(|tail| tail.runs(range.start..end))
        .unwrap_or_default())
}

/// Reads that block on disk.
struct Reader {
    broker: Arc<Broker>,
    hot: Arc<dyn HotStore>,
    log: Log,
    metrics: crate::metrics::Metrics,
}

impl Reader {
    /// Reads until all is there or the next record is in object storage.
    fn collect(
        &self,
        queue: QueueKey,
        range: Range<u64>,
        limit: ReadLimit,
        found: &mut Found,
    ) -> Result<(), ApiError> {
        while !found.is_complete(&range, limit) {
            let before = found.upto;
            let runs = tail_runs(&self.broker, queue, found.upto..range.end, limit.records)?;
            for run in runs {
                let bytes = match run.bytes {
                    Some(bytes) => bytes,
                    None => match self.read_log(&run)? {
                        Some(bytes) => bytes,
                        None => break,
                    },
                };
                let run = Run::parse(bytes).map_err(|_| damaged())?;
                found.take(&run, &range, limit)?;
            }
            if found.upto == before && !self.collect_chunk(queue, &range, limit, found)? {
                return Ok(());
            }
            assert!(found.upto > before, "a read makes progress");
        }
        Ok(())
    }

    /// Whether a record is in object storage. Asked after it was looked for
    /// elsewhere: it leaves other places only once it is there.
    fn is_cold(&self, queue: QueueKey, offset: u64) -> Result<bool, ApiError> {
        Ok(offset < self.broker.lock()?.state.tier.end(queue))
    }

    /// A run from its place in the log; `None` once the hot store or object
    /// storage has it and the log has let go of it.
    fn read_log(&self, run: &TailRun) -> Result<Option<Bytes>, ApiError> {
        let payload = match self.log.read_at(run.place) {
            Ok(payload) => payload,
            Err(ReadAtError::Gone { .. }) => return Ok(None),
            Err(error) => {
                tracing::error!(%error, lsn = %run.place.lsn, "cannot read the log");
                let text = "the log cannot be read";
                return Err(ApiError::new(ErrorCode::StorageUnavailable, text));
            }
        };
        let entry = Entry::decode(&payload).map_err(|_| damaged())?;
        entry.run.map(Some).ok_or_else(damaged)
    }

    /// Goes on from the hot store; `false` if object storage has the next record.
    fn collect_chunk(
        &self,
        queue: QueueKey,
        range: &Range<u64>,
        limit: ReadLimit,
        found: &mut Found,
    ) -> Result<bool, ApiError> {
        let offset = firn_protocol::ids::Offset(found.upto);
        let chunk = match self.hot.chunk_at(self.broker.key, queue, offset) {
            Ok(Some(chunk)) => Some(chunk.runs),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "hot store cannot answer, reading the log");
                None
            }
        };
        let before = found.upto;
        if let Some(runs) = chunk.and_then(|bytes| runs_of(bytes).ok()) {
            for run in runs {
                found.take(&run, range, limit)?;
            }
        }
        if found.upto > before {
            return Ok(true);
        }
        if self.is_cold(queue, before)? {
            return Ok(false);
        }
        self.metrics.hot_misses.inc();
        match self.find_in_log(queue, before)? {
            Some(run) => found.take(&run, range, limit)?,
            None if self.is_cold(queue, before)? => return Ok(false),
            None => {
                self.metrics.records_lost.inc();
                tracing::error!(
                    broker = %self.broker.key.broker, %queue, offset = before,
                    "record is neither in the hot store nor in the log"
                );
                found.upto = before + 1;
            }
        }
        if found.upto == before {
            found.upto = before + 1;
        }
        Ok(true)
    }

    /// The slow way, for what the hot store should have and has not: through the
    /// whole log. Rare, and correct as long as the log is kept.
    fn find_in_log(&self, queue: QueueKey, offset: u64) -> Result<Option<Run>, ApiError> {
        let mut hit = None;
        let outcome = self.log.replay_committed(Lsn::ZERO, &mut |frame| {
            if hit.is_some() || frame.header.broker != self.broker.key.broker {
                return Ok(());
            }
            let payload = Bytes::copy_from_slice(frame.payload);
            let Ok(entry) = Entry::decode(&payload) else {
                return Ok(());
            };
            if entry.head.run_queue() == Some(queue)
                && let Some(run) = entry.run
                && let Ok(header) = header_of(&run)
                && (header.first_offset.0..header.end_offset().0).contains(&offset)
            {
                hit = Run::parse(run).ok();
            }
            Ok(())
        });
        match outcome {
            Ok(_) => Ok(hit),
            Err(error) => {
                tracing::error!(%error, "cannot read the log");
                Err(ApiError::new(
                    ErrorCode::StorageUnavailable,
                    "the log cannot be read",
                ))
            }
        }
    }
}
