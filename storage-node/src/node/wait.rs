//! Long polling: park on several brokers until one may have something.

use std::sync::Arc;

use firn_protocol::api::storage::WaitRequest;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{BrokerId, GroupId, TopicKey};
use firn_protocol::time::Timestamp;
use firn_runtime::Clock;
use tokio::sync::oneshot;

use super::StorageNode;

use crate::broker::owner::Broker;
use crate::broker::waiters::Waiter;

/// A place in a broker's line, left when dropped. As long as it is held, the
/// member's filter lives.
struct Parked {
    broker: Arc<Broker>,
    group: GroupId,
    topic: TopicKey,
    filter: Filter,
    ticket: u64,
    clock: Clock,
}

impl Drop for Parked {
    fn drop(&mut self) {
        let now = Timestamp(self.clock.now_ms());
        let mut core = self.broker.lock_any();
        core.waiters.leave(self.group, self.topic, self.ticket);
        if let Some(members) = core.members.get_mut(&(self.group, self.topic)) {
            members.end_wait(self.filter.clone(), now);
        }
    }
}

/// Somebody who waits in the lines of several brokers.
struct Line {
    parked: Vec<Parked>,
    woken: oneshot::Receiver<BrokerId>,
}

impl Drop for Line {
    fn drop(&mut self) {
        // Out of every line first: nobody can wake us afterwards.
        let brokers: Vec<_> = self.parked.iter().map(|p| p.broker.clone()).collect();
        let place = self
            .parked
            .first()
            .map(|parked| (parked.group, parked.topic));
        self.parked.clear();
        // A wake that nobody heard is the next one's.
        if let (Ok(id), Some((group, topic))) = (self.woken.try_recv(), place) {
            for broker in brokers.iter().filter(|broker| broker.key.broker == id) {
                let waiters = &mut broker.lock_any().waiters;
                waiters.wake_each_filter(id, group, topic);
            }
        }
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
        let mut line = Line {
            parked: Vec::with_capacity(request.brokers.len()),
            woken,
        };
        for (id, seen) in &request.brokers {
            let broker = self.broker(ctx, *id)?;
            let ticket = {
                let mut core = broker.lock()?;
                if core.events(group, topic.key, topic.queues) != *seen {
                    return Ok(Some(*id));
                }
                let members = core.members.entry((group, topic.key)).or_default();
                members.begin_wait(request.filter.clone());
                core.waiters.park(group, topic.key, waiter.clone())
            };
            line.parked.push(Parked {
                broker,
                group,
                topic: topic.key,
                filter: request.filter.clone(),
                ticket,
                clock: self.clock.clone(),
            });
        }
        let timeout = self.clock.sleep_until_ms(request.until.0);
        tokio::select! {
            // First: a wake that has come is not lost to the end of the wait.
            biased;
            woken = &mut line.woken => Ok(woken.ok()),
            () = timeout => Ok(None),
        }
    }
}
