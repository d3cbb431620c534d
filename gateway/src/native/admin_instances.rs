//! Instances: made and changed by the operator, seen by their tenant.

use std::sync::Arc;

use firn_protocol::catalogue::Instance;

use super::answer::{self, Answer};
use super::call::Call;
use super::json;
use super::listing::Paging;
use super::shapes::admin::{InstanceForm, InstanceJson, List};
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::InstancePath;
use crate::auth::{Action, Identity};

/// Instances that an identity can see.
pub(super) fn visible(call: &Call, identity: &Identity) -> Vec<Arc<Instance>> {
    let mut instances = call.services().tenants.instances(identity.tenant());
    if let Some(own) = identity.instance() {
        instances.retain(|instance| instance.id == own);
    }
    instances
}

/// Instances that the caller can see; all for the operator.
#[utoipa::path(
    get, path = "/v1/instances", tag = "instances",
    params(("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<InstanceJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    identity.require(Action::ReadInstance)?;
    let paging = Paging::read(call.query()?)?;
    // Names repeat between tenants; with the id they do not.
    let name = |instance: &Arc<Instance>| format!("{}\n{}", instance.name, instance.uid);
    let page = paging.page(visible(&call, &identity), name, |i| {
        InstanceJson::from(&**i)
    });
    answer::ok(&page)
}

/// Make an instance.
#[utoipa::path(
    post, path = "/v1/instances", tag = "instances", request_body = InstanceForm,
    responses(
        (status = 201, description = "Made", body = InstanceJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<InstanceForm>(&body)?;
    let identity = call.identity()?;
    identity.require(Action::Deployment)?;
    let new = form?.into_new()?;
    let made = call
        .services()
        .tenants
        .create_instance(&call.caller(&identity), new)
        .await?;
    answer::created(&InstanceJson::from(&*made))
}

/// One instance.
#[utoipa::path(
    get, path = "/v1/instances/{instance}", tag = "instances", params(InstancePath),
    responses(
        (status = 200, description = "The instance", body = InstanceJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadInstance)?;
    call.query()?.finish()?;
    answer::ok(&InstanceJson::from(&*scope.instance))
}

/// Change an instance.
#[utoipa::path(
    patch, path = "/v1/instances/{instance}", tag = "instances", params(InstancePath),
    request_body = InstanceForm,
    responses(
        (status = 200, description = "Changed", body = InstanceJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn change(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<InstanceForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::Deployment)?;
    let change = form?.into_change()?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let changed = tenants
        .change_instance(&caller, scope.instance.id, change)
        .await?;
    answer::ok(&InstanceJson::from(&*changed))
}

/// Remove an instance with everything in it. Its data is erased from the nodes and from
/// object storage soon after, which `instance.erased` in the audit log says.
#[utoipa::path(
    delete, path = "/v1/instances/{instance}", tag = "instances", params(InstancePath),
    responses(
        (status = 204, description = "Removed"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn remove(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::Deployment)?;
    let services = call.services();
    let caller = call.caller(&identity);
    services
        .tenants
        .delete_instance(&caller, scope.instance.id)
        .await?;
    answer::no_content()
}
