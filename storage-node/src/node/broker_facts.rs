//! What a broker is and holds, for those who look after it.

use std::sync::Arc;

use firn_protocol::api::admin::BrokerFacts;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{BrokerId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;

use super::StorageNode;
use crate::broker::owner::{Broker, Core};

/// Queues whose first record is looked at for the oldest one.
const QUEUES_LOOKED_AT: usize = 256;

impl StorageNode {
    pub(super) async fn facts_of(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
    ) -> Result<BrokerFacts, ApiError> {
        let broker = self.broker(ctx, broker)?;
        let (mut facts, firsts, waiting, manifest, mark) = {
            let core = broker.lock()?;
            let tier = &core.state.tier;
            let (facts, firsts) = counts(&core);
            (
                facts,
                firsts,
                tier.waiting_bytes,
                tier.manifest,
                core.mark(),
            )
        };
        self.settled(mark).await?;
        let (record_bytes, _) = self.cold.stored_bytes(broker.key, manifest);
        facts.started_at = self.opened_at;
        facts.stored_bytes = waiting + record_bytes;
        (facts.disk_used, facts.disk_bytes) = self.quotas.disk();
        facts.oldest = self.oldest_of(&broker, &firsts).await?;
        Ok(facts)
    }

    /// Position and store time of the oldest of these records.
    async fn oldest_of(
        &self,
        broker: &Arc<Broker>,
        firsts: &[(QueueKey, u64)],
    ) -> Result<Option<(u64, Timestamp)>, ApiError> {
        let mut oldest: Option<(u64, Timestamp)> = None;
        for (queue, offset) in firsts.iter().take(QUEUES_LOOKED_AT) {
            let Some(first) = self.read_one(broker, *queue, *offset).await? else {
                continue;
            };
            if oldest.is_none_or(|(position, _)| first.position.0 < position) {
                oldest = Some((first.position.0, first.stored_at));
            }
        }
        Ok(oldest)
    }
}

/// What the state says, and the first record of every queue of users' topics.
fn counts(core: &Core) -> (BrokerFacts, Vec<(QueueKey, u64)>) {
    let mut facts = BrokerFacts {
        next_position: core.state.next_position,
        ..BrokerFacts::default()
    };
    let mut firsts = Vec::new();
    for (queue, state) in &core.state.queues {
        if !matches!(queue.topic, TopicKey::User(_)) {
            continue;
        }
        let end = core.visible_end(*queue);
        facts.accepted += end;
        facts.stored += end.saturating_sub(state.min);
        if state.min < end {
            firsts.push((*queue, state.min));
        }
    }
    (facts, firsts)
}
