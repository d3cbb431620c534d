//! Tenants and plans: the operator's.

use firn_protocol::catalogue::Tenant;
use firn_protocol::{ApiError, ApiResult, TenantId};

use super::answer::{self, Answer};
use super::call::{Call, excerpt};
use super::json;
use super::listing::Paging;
use super::shapes::admin::{List, NewTenantForm, PlanForm, PlanJson, TenantForm, TenantJson};
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::TenantPath;
use crate::auth::{Action, Identity};
use crate::ops::not_found;

/// Tenants that the caller can see.
#[utoipa::path(
    get, path = "/v1/tenants", tag = "tenants",
    params(("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<TenantJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    identity.require(Action::ReadTenants)?;
    let paging = Paging::read(call.query()?)?;
    let tenants = &call.services().tenants;
    let all = match identity.tenant() {
        None => tenants.tenants(),
        Some(own) => tenants.tenant(own).into_iter().collect(),
    };
    // Numbers in text order would not be in order.
    let name = |tenant: &std::sync::Arc<Tenant>| format!("{:020}", tenant.id.0);
    answer::ok(&paging.page(all, name, |tenant| TenantJson::from(&**tenant)))
}

/// Make a tenant.
#[utoipa::path(
    post, path = "/v1/tenants", tag = "tenants", request_body = NewTenantForm,
    responses(
        (status = 201, description = "Made", body = TenantJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<NewTenantForm>(&body)?;
    let identity = call.identity()?;
    identity.require(Action::Deployment)?;
    let form = form?;
    let tenant = Tenant {
        id: TenantId(form.id),
        name: form.name,
    };
    let made = call
        .services()
        .tenants
        .create_tenant(&call.caller(&identity), tenant)
        .await?;
    answer::created(&TenantJson::from(&*made))
}

/// One tenant.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}", tag = "tenants", params(TenantPath),
    responses(
        (status = 200, description = "The tenant", body = TenantJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let identity = call.identity()?;
    let tenant = named(&call, &identity)?;
    identity.require(Action::ReadTenants)?;
    call.query()?.finish()?;
    answer::ok(&TenantJson::from(&*tenant))
}

/// Rename a tenant.
#[utoipa::path(
    patch, path = "/v1/tenants/{tenant}", tag = "tenants", params(TenantPath),
    request_body = TenantForm,
    responses(
        (status = 200, description = "Changed", body = TenantJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn change(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<TenantForm>(&body)?;
    let identity = call.identity()?;
    let tenant = named(&call, &identity)?;
    identity.require(Action::Deployment)?;
    let form = form?;
    let caller = call.caller(&identity);
    let changed = call
        .services()
        .tenants
        .rename_tenant(&caller, tenant.id, form.name)
        .await?;
    answer::ok(&TenantJson::from(&*changed))
}

/// Remove a tenant that has no instances.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}", tag = "tenants", params(TenantPath),
    responses(
        (status = 204, description = "Removed"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn remove(call: Call) -> Answer {
    let identity = call.identity()?;
    let tenant = named(&call, &identity)?;
    identity.require(Action::Deployment)?;
    call.services()
        .tenants
        .delete_tenant(&call.caller(&identity), tenant.id)
        .await?;
    answer::no_content()
}

/// Another tenant's number is as unknown as one that nobody has.
pub(super) fn named(call: &Call, identity: &Identity) -> ApiResult<std::sync::Arc<Tenant>> {
    let text = call.segment("tenant")?;
    let unknown = || not_found(format!("tenant '{}' does not exist", excerpt(&text)));
    let id = text.parse().map(TenantId).map_err(|_| unknown())?;
    if identity.tenant().is_some_and(|own| own != id) {
        return Err(unknown());
    }
    call.services().tenants.tenant(id).ok_or_else(unknown)
}

/// Plans that the caller's instances can have.
#[utoipa::path(
    get, path = "/v1/plans", tag = "plans",
    params(("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<PlanJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn plans(call: Call) -> Answer {
    let identity = call.identity()?;
    identity.require(Action::ReadInstance)?;
    let paging = Paging::read(call.query()?)?;
    let mut plans = call.services().tenants.plans();
    if identity.tenant().is_some() {
        // A plan may be made for one customer; others see only what they use.
        let own = super::admin_instances::visible(&call, &identity);
        plans.retain(|plan| own.iter().any(|instance| instance.plan == plan.name));
    }
    answer::ok(&paging.page(
        plans,
        |plan| plan.name.clone(),
        |plan| PlanJson::from(&**plan),
    ))
}

/// Make a plan.
#[utoipa::path(
    post, path = "/v1/plans", tag = "plans", request_body = PlanForm,
    responses(
        (status = 201, description = "Made", body = PlanJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create_plan(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<PlanForm>(&body)?;
    let identity = call.identity()?;
    identity.require(Action::Deployment)?;
    let plan: firn_protocol::catalogue::Plan = form?.into();
    check_plan(&plan)?;
    let made = call
        .services()
        .tenants
        .create_plan(&call.caller(&identity), plan)
        .await?;
    answer::created(&PlanJson::from(&*made))
}

fn check_plan(plan: &firn_protocol::catalogue::Plan) -> ApiResult<()> {
    let max = firn_protocol::limits::MESSAGE_BYTES_MAX;
    if !(1..=max).contains(&plan.message_bytes) {
        return Err(ApiError::field(
            "messageBytes",
            format_args!("not 1 to {max}"),
        ));
    }
    if !plan.burst_seconds.is_finite() || plan.burst_seconds < 0.0 {
        return Err(ApiError::field("burstSeconds", "negative"));
    }
    Ok(())
}
