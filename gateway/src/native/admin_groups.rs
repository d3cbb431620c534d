//! Groups of an instance.

use super::answer::{self, Answer};
use super::call::Call;
use super::json;
use super::listing::Paging;
use super::shapes::admin::{GroupForm, GroupJson, List};
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::{GroupPath, InstancePath};
use crate::auth::Action;
use crate::ops;
use crate::ops::remove::InUse;

/// Groups of an instance.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/groups", tag = "groups",
    params(InstancePath, ("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<GroupJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadManaged)?;
    let paging = Paging::read(call.query()?)?;
    let all = call.services().tenants.groups(scope.instance.id);
    let page = paging.page(
        all,
        |group| group.name.clone(),
        |group| GroupJson::from(&**group),
    );
    answer::ok(&page)
}

/// Make a group.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/groups", tag = "groups",
    params(InstancePath), request_body = GroupForm,
    responses(
        (status = 201, description = "Made", body = GroupJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<GroupForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::Manage)?;
    let (name, fields) = form?.into_new()?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let group = tenants
        .create_group(&caller, scope.instance.id, &name, fields)
        .await?;
    answer::created(&GroupJson::from(&*group))
}

/// One group.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/groups/{group}", tag = "groups",
    params(GroupPath),
    responses(
        (status = 200, description = "The group", body = GroupJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let group = call.group(&scope)?;
    identity.require(Action::ReadManaged)?;
    call.query()?.finish()?;
    let sessions = &call.services().sessions;
    let is_consistent = sessions.is_consistent(scope.instance.id, group.id);
    answer::ok(&GroupJson::from(&*group).with_consistency(is_consistent))
}

/// Change a group.
#[utoipa::path(
    patch, path = "/v1/instances/{instance}/groups/{group}", tag = "groups",
    params(GroupPath), request_body = GroupForm,
    responses(
        (status = 200, description = "Changed", body = GroupJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn change(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<GroupForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let group = call.group(&scope)?;
    identity.require(Action::Manage)?;
    let fields = form?.into_change()?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let group = tenants
        .change_group(&caller, scope.instance.id, &group.name, fields)
        .await?;
    answer::ok(&GroupJson::from(&*group))
}

/// Remove a group with its progress, retries and dead letters. While members of
/// it are online: 409 `IN_USE` with these in `details.clients`.
#[utoipa::path(
    delete, path = "/v1/instances/{instance}/groups/{group}", tag = "groups",
    params(GroupPath, ("force" = Option<bool>, Query, description = "`true`: although clients are online; administrators alone")),
    responses(
        (status = 204, description = "Removed"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn remove(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let group = call.group(&scope)?;
    identity.require(Action::Manage)?;
    let mut query = call.query()?;
    let force = query.take_flag("force")?;
    query.finish()?;
    let in_use = match force {
        true => InUse::Ignore,
        false => InUse::Refuse,
    };
    if force {
        identity.require(Action::Force)?;
    }
    let caller = call.caller(&identity);
    ops::remove::group(call.services(), &scope, &caller, &group, in_use).await?;
    answer::no_content()
}
