//! Sends that keep an order are held against the newest shape of their topic that is
//! known here, so that a gateway with an old copy sends no message group to two
//! queues (RULES 19).

use firn_protocol::api::admin::{Reshape, ReshapeRequest};
use firn_protocol::api::storage::Routed;
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::QueueKey;
use firn_protocol::routing::queue_of;

use super::StorageNode;
use crate::broker::entry::Head;
use crate::broker::owner::{Broker, Closing, Core};
use crate::config::Mutant;

impl StorageNode {
    /// Whether messages of these groups may go to the queue now. The lock is kept
    /// until they are submitted.
    pub(super) fn check_route<'a>(
        &self,
        broker: &Broker,
        core: &mut Core,
        queue: QueueKey,
        routed: Option<Routed>,
        mut groups: impl Iterator<Item = &'a str>,
    ) -> Result<(), ApiError> {
        let Some(Routed { version, queues }) = routed else {
            return Ok(());
        };
        if self.config.mutant == Some(Mutant::TrustRoute) {
            return Ok(());
        }
        let topic = queue.topic;
        let known = core.state.shapes.get(&topic).copied().unwrap_or(0);
        let closing = core.closing.get(&topic);
        let is_closing = closing.is_some_and(|it| version <= it.version && self.now() < it.until);
        if version < known || is_closing {
            return Err(outdated());
        }
        let is_own = |group: &str| queues > 0 && queue_of(group, queues) == queue.queue;
        if !groups.all(is_own) {
            return Err(ApiError::new(
                ErrorCode::NotOwner,
                "a message group is sent to a queue that is not its own",
            ));
        }
        if version > known {
            self.submit(broker, core, &Head::Shape { topic, version }, None, None)?;
        }
        Ok(())
    }

    pub(super) async fn reshape_topic(
        &self,
        ctx: &RequestContext,
        request: ReshapeRequest,
    ) -> Result<(), ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let ReshapeRequest { topic, version, .. } = request;
        let mark = {
            let mut core = broker.lock()?;
            match request.step {
                Reshape::Close { until } => {
                    core.closing.insert(topic, Closing { version, until });
                }
                Reshape::Open => {
                    core.closing.remove(&topic);
                    if core
                        .state
                        .shapes
                        .get(&topic)
                        .is_none_or(|known| *known < version)
                    {
                        let head = Head::Shape { topic, version };
                        self.submit(&broker, &mut core, &head, None, None)?;
                    }
                }
            }
            core.mark()
        };
        self.outcome(mark).await
    }
}

fn outdated() -> ApiError {
    ApiError::new(
        ErrorCode::NotOwner,
        "the queues of the topic change or have changed; try again",
    )
}
