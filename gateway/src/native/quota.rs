//! What an instance uses of what it may.

use super::answer::{self, Answer};
use super::call::Call;
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::InstancePath;
use super::shapes::quota::QuotaAnswer;
use crate::auth::Action;
use crate::ops::quota as ops;

/// Every limit of an instance against its use, and what was refused lately because of
/// one.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/quota", tag = "instances",
    operation_id = "quota",
    params(InstancePath),
    responses(
        (status = 200, description = "Limits and their use", body = QuotaAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn quota(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadManaged)?;
    call.query()?.finish()?;
    let services = call.services();
    let instance = &scope.instance;
    let used = ops::used(services, &scope).await?;
    let plan = services.tenants.plan(&instance.plan);
    let refused = services.admission.recent.of(instance.id, services.now());
    answer::ok(&QuotaAnswer::new(instance, plan.as_deref(), &used, refused))
}
