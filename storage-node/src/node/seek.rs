//! Seek: a group starts over on a topic (SEED_SPEC 5.6, RULES 21).

use std::sync::Arc;

use firn_protocol::api::storage::{SeekRequest, SeekRow, SeekTarget};
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{GroupId, Offset, QueueId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;

use super::StorageNode;
use super::read::ReadLimit;
use crate::broker::entry::Head;
use crate::broker::owner::{Broker, Core};

impl StorageNode {
    pub(super) async fn seek_group(
        &self,
        ctx: &RequestContext,
        request: SeekRequest,
    ) -> Result<Vec<SeekRow>, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        self.subscribe_group(&broker, request.group, request.topic, None)
            .await?;
        let rows = self.plan_seek(&broker, &request).await?;
        if request.dry_run || rows.is_empty() {
            let mark = broker.lock()?.mark();
            self.settled(mark).await?;
            return Ok(rows);
        }
        let committed = {
            let mut core = broker.lock()?;
            let starts = rows.iter().map(|row| (row.queue, row.rollback_offset.0));
            let starts: Vec<_> = starts.collect();
            let group = request.group.id;
            // Members of its broadcast start over like the group.
            let members = core.state.members_of(group).map(|(member, _)| member);
            let all: Vec<GroupId> = std::iter::once(group).chain(members).collect();
            for group in all {
                self.seek_one(&broker, &mut core, group, request.topic.key, &starts)?;
            }
            core.mark()
        };
        self.outcome(committed).await?;
        Ok(rows)
    }

    fn seek_one(
        &self,
        broker: &Broker,
        core: &mut Core,
        group: GroupId,
        topic: TopicKey,
        starts: &[(QueueId, u64)],
    ) -> Result<(), ApiError> {
        let head = Head::Seek {
            time: self.now().max(core.state.last_time),
            group,
            topic,
            starts: starts.to_vec(),
        };
        self.submit(broker, core, &head, None, None)?;
        if let Some(members) = core.members.get_mut(&(group, topic)) {
            members.forget_passed();
        }
        core.has_news(broker.key.broker, group, topic);
        Ok(())
    }

    async fn plan_seek(
        &self,
        broker: &Arc<Broker>,
        request: &SeekRequest,
    ) -> Result<Vec<SeekRow>, ApiError> {
        let mut rows = Vec::new();
        for queue in (0..request.topic.queues).map(QueueId) {
            let key = QueueKey {
                topic: request.topic.key,
                queue,
            };
            let (state, end, consumer) = {
                let core = broker.lock()?;
                let group = core.state.groups.get(&request.group.id);
                let consumer = group.and_then(|g| g.progress(key)).map_or(0, |p| p.low());
                (core.state.queue(key), core.visible_end(key), consumer)
            };
            let at = match &request.target {
                SeekTarget::Earliest => state.min,
                SeekTarget::Latest => end,
                SeekTarget::Time(time) => self.offset_of_time(broker, key, *time).await?,
                SeekTarget::Offsets(offsets) => {
                    let wanted = offsets.iter().find(|(id, _)| *id == queue);
                    let Some((_, offset)) = wanted else { continue };
                    offset.0.clamp(state.min, end)
                }
            };
            rows.push(SeekRow {
                queue,
                broker_offset: Offset(end),
                consumer_offset: Offset(consumer),
                timestamp_offset: Offset(at),
                rollback_offset: Offset(at),
            });
        }
        if let SeekTarget::Offsets(offsets) = &request.target
            && offsets
                .iter()
                .any(|(queue, _)| queue.0 >= request.topic.queues)
        {
            return Err(ApiError::new(ErrorCode::NotFound, "queueId: no such queue"));
        }
        Ok(rows)
    }

    /// First committed offset stored at or after `time`; the end if there is
    /// none. Store times never fall within a queue, so halving finds it.
    pub(super) async fn offset_of_time(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        time: Timestamp,
    ) -> Result<u64, ApiError> {
        let (mut low, end) = {
            let core = broker.lock()?;
            let state = core.state.queue(queue);
            if state.last_at < time {
                return Ok(core.visible_end(queue));
            }
            (state.min, core.visible_end(queue))
        };
        let mut high = end;
        if let Some(span) = self.cold_span(broker, queue, time).await? {
            low = low.max(span.start);
            high = high.min(span.end);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let limit = ReadLimit {
                records: 1,
                bytes: 0,
            };
            let found = self.read_range(broker, queue, middle..high, limit).await?;
            match found.records.first() {
                // A lost record has the time of the next one that is there.
                Some(record) if record.stored_at < time => low = record.offset.0 + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}
