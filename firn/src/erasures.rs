//! Erases the data of instances that were removed: node and object storage. The
//! catalogue remembers what is to be erased until it is, so that a crash or a store
//! that is away costs time alone.

use std::sync::Arc;
use std::time::Duration;

use firn_protocol::RequestContext;
use firn_protocol::api::admin::AdminApi;
use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::{Durability, Erasure};
use firn_runtime::{Clock, Stop};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);
/// Looks at one instance at a time: each deletes what it finds.
const STEPS_MAX: usize = 8;

/// See the module.
pub struct Erasures {
    tenants: Arc<dyn TenantApi>,
    storage: Arc<dyn AdminApi>,
    clock: Clock,
}

impl Erasures {
    #[must_use]
    pub fn new(tenants: Arc<dyn TenantApi>, storage: Arc<dyn AdminApi>, clock: Clock) -> Self {
        Self {
            tenants,
            storage,
            clock,
        }
    }

    /// Runs until told to stop.
    ///
    /// # Errors
    /// Never.
    pub async fn run(self, stop: Stop) -> Result<(), std::convert::Infallible> {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.step() => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.clock.sleep(EVERY) => {}
            }
        }
        Ok(())
    }

    /// Erases what can be erased now.
    pub async fn step(&self) {
        for erasure in self.tenants.erasures() {
            match self.erase(&erasure).await {
                Ok(true) => {
                    tracing::info!(instance = %erasure.instance, "all data of a removed instance is erased");
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, instance = %erasure.instance, "data of a removed instance is not erased yet");
                }
            }
        }
    }

    /// Whether nothing is left.
    async fn erase(&self, erasure: &Erasure) -> firn_protocol::ApiResult<bool> {
        let ctx = RequestContext {
            tenant: erasure.tenant,
            instance: erasure.instance,
            durability: Durability::Local,
            request_id: Arc::from("erasure"),
        };
        let (mut objects, mut bytes) = (0, 0);
        for &broker in &erasure.brokers {
            let mut is_complete = false;
            for _ in 0..STEPS_MAX {
                let erased = self.storage.erase(&ctx, broker).await?;
                objects += erased.objects;
                bytes += erased.bytes;
                is_complete = erased.is_complete;
                if is_complete {
                    break;
                }
            }
            if !is_complete {
                return Ok(false);
            }
        }
        self.tenants
            .erased(erasure.instance, objects, bytes)
            .await?;
        Ok(true)
    }
}
