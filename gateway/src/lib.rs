//! Gateway: authenticates callers, routes to storage nodes and serves the
//! native HTTP API. Stateless: owns no disk, only caches that may be thrown
//! away. Promises a defined answer to any input. Leaves the catalogue to the
//! tenant service and messages to the storage node, both behind their traits.

mod admission;
mod auth;
mod calls;
mod config;
mod connections;
mod console;
mod denied;
mod entry;
mod error;
mod files;
pub mod grpc;
mod management;
mod metrics;
mod mq_http;
mod native;
mod ops;
mod ops_port;
mod routing;
mod server;
mod sessions;
mod streams;
mod tls;
mod upkeep;

use std::sync::Arc;

use firn_protocol::api::storage::StorageApi;
use firn_protocol::api::tenant::TenantApi;
use firn_protocol::limits::IMPORTS_AT_ONCE;
use firn_protocol::receipt::ReceiptCodec;
use firn_runtime::{Clock, Stop};
use tokio::sync::Semaphore;

pub use admission::{Admission, Demand, Grant};
pub use calls::Calls;
pub use config::{GatewayConfig, GatewayMutant, TlsFiles};
pub use error::GatewayError;
pub use native::{State, app_config, openapi_json, routes};
pub use server::{BoundGateway, Gateway};
pub use tls::TlsError;

/// Puts the parts of a gateway together.
fn assemble(
    config: &GatewayConfig,
    storage: Arc<dyn StorageApi>,
    tenants: Arc<dyn TenantApi>,
    clock: Clock,
    registry: &prometheus::Registry,
) -> State {
    let services = ops::Services {
        receipts: ReceiptCodec::new(tenants.derived_key("receipt")),
        storage,
        tenants: tenants.clone(),
        clock: clock.clone(),
        metrics: metrics::Metrics::register(registry),
        spread: routing::Spread::default(),
        subscribed: ops::receive::no_subscriptions(),
        calls: Arc::default(),
        connections: Arc::default(),
        streams: Arc::default(),
        sessions: sessions::Sessions::new(clock.clone()),
        admission: admission::Admission::new(clock.clone()).with_mutant(config.mutant),
        denied: denied::DeniedLog::default(),
        files: Semaphore::new(IMPORTS_AT_ONCE),
        closing: Stop::new(),
        billing: std::sync::OnceLock::new(),
        grpc_address: std::sync::OnceLock::new(),
        compat: config.compat(),
        mutant: config.mutant,
        mq_http_invisible_ms: u64::try_from(config.mq_http_invisible.as_millis())
            .unwrap_or(u64::MAX),
    };
    let auth = auth::Authenticator::new(tenants, clock, services.metrics.clone());
    State::new(services, auth, config.body_timeout())
}
