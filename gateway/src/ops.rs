//! Use cases, one a file. They know the services and the domain, no protocol;
//! what they are given has passed authentication and the right to call.

pub(crate) mod ack;
pub(crate) mod curves;
pub(crate) mod depth;
pub(crate) mod draft;
pub(crate) mod find;
pub(crate) mod forward;
pub(crate) mod give_back;
pub(crate) mod import;
pub(crate) mod in_use;
pub(crate) mod lag;
pub(crate) mod listed;
pub(crate) mod page;
pub(crate) mod parked;
pub(crate) mod peek;
pub(crate) mod purge;
pub(crate) mod quota;
pub(crate) mod recall;
pub(crate) mod receive;
pub(crate) mod redrive;
pub(crate) mod remove;
pub(crate) mod reshape;
pub(crate) mod seek;
pub(crate) mod send;
pub(crate) mod stream;
pub(crate) mod target;
pub(crate) mod time_query;
pub(crate) mod transaction;
pub(crate) mod visibility;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use firn_protocol::api::billing::BillingApi;
use firn_protocol::api::storage::StorageApi;
use firn_protocol::api::tenant::TenantApi;
use firn_protocol::catalogue::{Broker, Instance, InstanceStatus};
use firn_protocol::receipt::{Receipt, ReceiptCodec};
use firn_protocol::{ApiError, ApiResult, BrokerId, ErrorCode, RequestContext, Timestamp};
use firn_runtime::{Clock, Stop};
use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::calls::Calls;
use crate::config::{Compat, GatewayMutant};
use crate::connections::Connections;
use crate::denied::DeniedLog;
use crate::metrics::Metrics;
use crate::routing::Spread;
use crate::sessions::Sessions;
use crate::streams::Streams;

pub(crate) use target::Target;

/// What use cases work with.
pub(crate) struct Services {
    pub(crate) storage: Arc<dyn StorageApi>,
    pub(crate) tenants: Arc<dyn TenantApi>,
    pub(crate) clock: Clock,
    pub(crate) receipts: ReceiptCodec,
    pub(crate) metrics: Metrics,
    pub(crate) spread: Spread,
    pub(crate) subscribed: receive::Subscribed,
    /// Answered, for the bill.
    pub(crate) calls: Arc<Calls>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) sessions: Sessions,
    pub(crate) admission: Admission,
    pub(crate) denied: DeniedLog,
    /// Held by whoever takes a file apart, which costs memory.
    pub(crate) files: Semaphore,
    /// Cancelled when the gateway drains: whoever waits answers at once.
    pub(crate) closing: Stop,
    /// The meter's books; a gateway without them knows no curves.
    pub(crate) billing: OnceLock<Arc<dyn BillingApi>>,
    /// Of the port for RocketMQ 5 clients, once it is taken.
    pub(crate) grpc_address: OnceLock<SocketAddr>,
    pub(crate) compat: Compat,
    /// See [`crate::GatewayConfig::mutant`].
    pub(crate) mutant: Option<GatewayMutant>,
    /// How long members are given that speak a protocol without a word for it.
    pub(crate) mq_http_invisible_ms: u64,
}

impl Services {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }

    /// Counts a call that found its instance with as many connections as it may have.
    pub(crate) fn connection_refused(&self, instance: &Instance) {
        self.metrics.connections_refused.inc();
        let max = self.tenants.plan(&instance.plan);
        let max = max.map_or(0, |plan| plan.connections);
        let what = format!("instance '{}'", instance.name);
        let recent = &self.admission.recent;
        recent.note(instance.id, "connections", (&what, max), self.now());
    }

    /// Opens a handle that was given out for a (group, topic) of this instance.
    pub(crate) fn open_receipt(
        &self,
        scope: &Scope,
        group: firn_protocol::GroupId,
        topic: firn_protocol::TopicKey,
        handle: &str,
    ) -> Option<Receipt> {
        self.receipts
            .open(scope.instance.id, handle)
            .filter(|receipt| receipt.topic == topic)
            // Whose member it is, the storage node knows.
            .filter(|receipt| receipt.group == group || receipt.group.is_member())
            .filter(|receipt| scope.broker(receipt.broker).is_some())
    }
}

/// The instance that a request works in.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) ctx: RequestContext,
    pub(crate) instance: Arc<Instance>,
}

impl Scope {
    pub(crate) fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.instance.brokers.iter().find(|broker| broker.id == id)
    }

    /// A broker's name; empty for one that the instance does not have.
    pub(crate) fn broker_name(&self, id: BrokerId) -> &str {
        self.broker(id).map_or("", |broker| &broker.name)
    }

    /// # Errors
    /// `NOT_FOUND` for a name that the instance does not have.
    pub(crate) fn broker_named(&self, name: &str) -> ApiResult<BrokerId> {
        self.instance
            .brokers
            .iter()
            .find(|broker| broker.name == name)
            .map(|broker| broker.id)
            .ok_or_else(|| not_found(format!("broker '{name}' does not exist in this instance")))
    }

    /// # Errors
    /// `INSTANCE_FROZEN` for an instance past its end date (SEED_SPEC 10).
    pub(crate) fn require_running(&self) -> ApiResult<()> {
        match self.instance.status {
            InstanceStatus::Running => Ok(()),
            InstanceStatus::Frozen => Err(ApiError::new(
                ErrorCode::InstanceFrozen,
                "实例已到期: the instance has expired, its data is kept",
            )),
        }
    }
}

pub(crate) fn not_found(text: String) -> ApiError {
    ApiError::new(ErrorCode::NotFound, text)
}
