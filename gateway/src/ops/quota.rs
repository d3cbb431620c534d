//! What an instance uses of what its plan allows.

use firn_protocol::ApiResult;
use futures_util::future::try_join_all;

use super::curves::{self, Of};
use super::{Scope, Services};

/// Steps of books that a rate is of: the last whole one.
const STEPS: u64 = 1;

/// See the module.
pub(crate) struct Used {
    /// Messages a second, sent and delivered; none when nobody keeps books.
    pub(crate) tps: Option<f64>,
    pub(crate) topics: u64,
    pub(crate) groups: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) connections: u64,
}

/// # Errors
/// As `AdminApi::broker_facts` and `BillingApi::curve`.
pub(crate) async fn used(services: &Services, scope: &Scope) -> ApiResult<Used> {
    let instance = &scope.instance;
    let brokers = instance.brokers.iter();
    let facts = brokers.map(|broker| services.storage.broker_facts(&scope.ctx, broker.id));
    let facts = try_join_all(facts).await?;
    let from = curves::steps_ago(services.now(), STEPS);
    let curve = curves::since(services, scope, Of::default(), from).await?;
    let tps = curve.map(|curve| {
        let flow = curve.recent(None, STEPS);
        curves::per_second(flow.sent + flow.delivered, STEPS)
    });
    Ok(Used {
        tps,
        topics: services.tenants.topics(instance.id).len() as u64,
        groups: services.tenants.groups(instance.id).len() as u64,
        stored_bytes: facts.iter().map(|facts| facts.stored_bytes).sum(),
        connections: services.connections.open(instance.id),
    })
}
