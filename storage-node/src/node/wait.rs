//! Long polling: park on several brokers until one may have something.

use std::sync::Arc;

use firn_protocol::api::storage::WaitRequest;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{BrokerId, GroupId, TopicKey};

use super::StorageNode;
use crate::broker::owner::Broker;
use crate::broker::waiters::Waiter;

/// A place in a broker's line, left when dropped.
struct Parked {
    broker: Arc<Broker>,
    group: GroupId,
    topic: TopicKey,
    ticket: u64,
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.broker
            .lock_any()
            .waiters
            .leave(self.group, self.topic, self.ticket);
    }
}

impl StorageNode {
    pub(super) async fn wait_for(
        &self,
        ctx: &RequestContext,
        request: WaitRequest,
    ) -> Result<Option<BrokerId>, ApiError> {
        let (group, topic) = (request.group, request.topic);
        let (waiter, woken) = Waiter::new(request.filter.clone());
        let mut parked = Vec::with_capacity(request.brokers.len());
        for (id, seen) in &request.brokers {
            let broker = self.broker(ctx, *id)?;
            let ticket = {
                let mut core = broker.lock()?;
                if core.events(group, topic.key, topic.queues) != *seen {
                    return Ok(Some(*id));
                }
                core.waiters.park(group, topic.key, waiter.clone())
            };
            parked.push(Parked {
                broker,
                group,
                topic: topic.key,
                ticket,
            });
        }
        let timeout = self.clock.sleep_until_ms(request.until.0);
        tokio::select! {
            woken = woken => Ok(woken.ok()),
            () = timeout => Ok(None),
        }
    }
}
