//! Purge: records of a topic go at once, for all groups. Their bytes go as those of
//! records that have become too old do; see `tier/expire.rs`.

use std::sync::Arc;

use firn_protocol::api::admin::PurgeRequest;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{GroupId, QueueId, QueueKey, TopicKey};

use super::StorageNode;
use crate::broker::entry::{Head, Trim, TrimReason};
use crate::broker::owner::{Broker, Core, Mark};

impl StorageNode {
    pub(super) async fn purge_topic(
        &self,
        ctx: &RequestContext,
        request: PurgeRequest,
    ) -> Result<u64, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let mut marks = visible_ends(&*broker.lock()?, request.topic);
        if let Some(before) = request.before {
            for (queue, mark) in &mut marks {
                let found = self.offset_of_time(&broker, *queue, before).await?;
                *mark = found.min(*mark);
            }
        }
        let (purged, mark) = self.purge_upto(&broker, request.topic, marks)?;
        self.outcome(mark).await?;
        self.cold.facts.note_trimmed(broker.key);
        let counter = self.metrics.records_trimmed(TrimReason::Purge);
        counter.inc_by(purged);
        Ok(purged)
    }

    fn purge_upto(
        &self,
        broker: &Arc<Broker>,
        topic: TopicKey,
        mut marks: Vec<(QueueKey, u64)>,
    ) -> Result<(u64, Mark), ApiError> {
        let mut core = broker.lock()?;
        // The topic may have been dropped meanwhile.
        marks.retain(|(queue, _)| core.state.queues.contains_key(queue));
        if marks.is_empty() {
            return Ok((0, core.mark()));
        }
        let min = |queue: QueueKey| core.state.queue(queue).min;
        let gone = marks.iter();
        let purged = gone.map(|&(queue, mark)| mark.saturating_sub(min(queue)));
        let purged = purged.sum();
        let head = Head::Trim(Trim {
            time: self.now().max(core.state.last_time),
            reason: TrimReason::Purge,
            marks,
        });
        let mark = self.submit(broker, &mut core, &head, None, None)?;
        for group in subscribers(&core, topic) {
            // What waited behind a record that is gone may come now.
            core.has_news(broker.key.broker, group, topic);
        }
        Ok((purged, mark))
    }
}

fn visible_ends(core: &Core, topic: TopicKey) -> Vec<(QueueKey, u64)> {
    let [first, last] = [0, u16::MAX].map(|queue| QueueKey {
        topic,
        queue: QueueId(queue),
    });
    let queues = core.state.queues.range(first..=last);
    queues
        .map(|(&queue, _)| (queue, core.visible_end(queue)))
        .collect()
}

fn subscribers(core: &Core, topic: TopicKey) -> Vec<GroupId> {
    let groups = core.state.groups.iter();
    let groups = groups.filter(|(_, state)| state.topics.contains_key(&topic));
    groups.map(|(&id, _)| id).collect()
}
