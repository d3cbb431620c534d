//! A broker follows the class that its instance has in the catalogue.

use std::sync::Arc;

use firn_protocol::catalogue::Durability;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::BrokerId;

use crate::broker::entry::Head;
use crate::broker::owner::Broker;
use crate::node::StorageNode;

impl StorageNode {
    /// The broker that a call is going to change, under the class of its
    /// instance: what is answered from now on is answered by that class.
    pub(in crate::node) async fn broker_to_change(
        &self,
        ctx: &RequestContext,
        id: BrokerId,
    ) -> Result<Arc<Broker>, ApiError> {
        let broker = self.broker(ctx, id)?;
        if broker.lock()?.state.class.durability() == ctx.durability {
            return Ok(broker);
        }
        if ctx.durability == Durability::Object {
            self.shared.object.wait_ready(&self.clock).await?;
        }
        let mut core = broker.lock()?;
        // Somebody else may have been here while the lock was free.
        if core.state.class.durability() != ctx.durability {
            let head = Head::Class(ctx.durability);
            self.submit(&broker, &mut core, &head, None, None)?;
            tracing::info!(broker = %id, durability = ?ctx.durability, "a broker changes its durability class");
        }
        drop(core);
        Ok(broker)
    }
}
