//! Progress as the console and the API show it.

use std::sync::Arc;

use firn_protocol::api::storage::QueueLag;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{BrokerId, GroupId, Offset, QueueId, QueueKey, TopicKey};
use firn_protocol::message::ConsumeStatus;

use super::StorageNode;
use crate::broker::owner::{Broker, Core};
use crate::broker::state::retry_queue;
use crate::consume::group::GroupState;

impl StorageNode {
    pub(super) async fn group_lag(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> Result<Vec<QueueLag>, ApiError> {
        let broker = self.broker(ctx, broker)?;
        let (mut rows, mark) = {
            let core = broker.lock()?;
            (rows(&core, group), core.mark())
        };
        self.settled(mark).await?;
        for row in &mut rows {
            if row.lag > 0 {
                let oldest = self.oldest(&broker, group, row.queue).await?;
                row.oldest_at = oldest;
            }
        }
        Ok(rows)
    }

    /// Store time of the oldest record that the group has not finished.
    async fn oldest(
        &self,
        broker: &Arc<Broker>,
        group: GroupId,
        queue: QueueKey,
    ) -> Result<Option<firn_protocol::Timestamp>, ApiError> {
        let offset = {
            let core = broker.lock()?;
            let state = core.state.groups.get(&group);
            state.and_then(|state| match queue.topic {
                TopicKey::Retry(_) => state.retry.copies.keys().next().copied(),
                TopicKey::User(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => {
                    state.progress(queue).map(|progress| progress.low())
                }
            })
        };
        let Some(offset) = offset else {
            return Ok(None);
        };
        Ok(self
            .read_one(broker, queue, offset)
            .await?
            .map(|message| message.stored_at))
    }

    pub(super) async fn queue_bounds(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
    ) -> Result<Vec<(QueueId, Offset, Offset)>, ApiError> {
        let broker = self.broker(ctx, broker)?;
        let core = broker.lock()?;
        let all = QueueKey {
            topic,
            queue: QueueId(0),
        }..=QueueKey {
            topic,
            queue: QueueId(u16::MAX),
        };
        Ok(core
            .state
            .queues
            .range(all)
            .map(|(key, state)| (key.queue, Offset(state.min), Offset(core.visible_end(*key))))
            .collect())
    }

    pub(super) async fn record_status(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        records: &[(QueueKey, Offset)],
    ) -> Result<Vec<ConsumeStatus>, ApiError> {
        let broker = self.broker(ctx, broker)?;
        let (statuses, mark) = {
            let core = broker.lock()?;
            let state = core.state.groups.get(&group);
            let status = |queue: QueueKey, offset: u64| {
                state.map_or(ConsumeStatus::ToConsume, |state| {
                    state.status(group, queue, offset)
                })
            };
            let statuses = records
                .iter()
                .map(|(queue, offset)| status(*queue, offset.0))
                .collect();
            (statuses, core.mark())
        };
        self.settled(mark).await?;
        Ok(statuses)
    }
}

fn rows(core: &Core, group: GroupId) -> Vec<QueueLag> {
    let Some(state) = core.state.groups.get(&group) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for (&topic, progress) in &state.topics {
        for (&queue, progress) in &progress.queues {
            let queue = QueueKey { topic, queue };
            let end = core.visible_end(queue);
            rows.push(QueueLag {
                queue,
                min_offset: Offset(core.state.queue(queue).min),
                max_offset: Offset(end),
                committed: Offset(progress.low()),
                lag: progress.lag(end),
                in_flight: progress.in_flight(),
                scheduled: 0,
                oldest_at: None,
            });
        }
    }
    rows.extend(retry_row(core, state, group));
    rows
}

/// The row of `%RETRY%`, once the group has had a retry.
fn retry_row(core: &Core, state: &GroupState, group: GroupId) -> Option<QueueLag> {
    let queue = retry_queue(group);
    let end = core.state.queue(queue).end;
    let scheduled = state.retry.waiting.len() as u64;
    if end == 0 && scheduled == 0 {
        return None;
    }
    Some(QueueLag {
        queue,
        min_offset: Offset(core.state.queue(queue).min),
        max_offset: Offset(end),
        committed: Offset(state.retry.progress.low()),
        lag: state.retry.copies.len() as u64 + scheduled,
        in_flight: state.retry.progress.in_flight(),
        scheduled,
        oldest_at: None,
    })
}
