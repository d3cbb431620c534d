//! Console users of a tenant: its administrators' and the operator's.

use firn_protocol::ApiResult;
use firn_protocol::catalogue::{ConsoleUser, Tenant};

use super::admin_tenants;
use super::answer::{self, Answer};
use super::call::{Call, excerpt};
use super::json;
use super::listing::Paging;
use super::shapes::admin::List;
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::{PersonPath, TenantPath};
use super::shapes::person::{NewPersonForm, PersonForm, PersonJson};
use crate::auth::Action;
use crate::ops::not_found;

/// Console users of a tenant.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/users", tag = "people",
    params(TenantPath, ("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<PersonJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let tenant = admin_tenants::named(&call, &identity)?;
    identity.require(Action::ReadUsers)?;
    let paging = Paging::read(call.query()?)?;
    let all = call.services().tenants.console_users(tenant.id);
    let name = |user: &ConsoleUser| user.username.clone();
    answer::ok(&paging.page(all, name, |user| PersonJson::from(user)))
}

/// Make a console user.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/users", tag = "people",
    params(TenantPath), request_body = NewPersonForm,
    responses(
        (status = 201, description = "Made", body = PersonJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<NewPersonForm>(&body)?;
    let identity = call.identity()?;
    let tenant = admin_tenants::named(&call, &identity)?;
    identity.require(Action::ManageUsers)?;
    let form = form?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let made = tenants.create_console_user(
        &caller,
        tenant.id,
        &form.username,
        &form.password,
        form.role,
    );
    answer::created(&PersonJson::from(&made.await?))
}

/// One console user.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/users/{username}", tag = "people", params(PersonPath),
    responses(
        (status = 200, description = "The console user", body = PersonJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let identity = call.identity()?;
    let tenant = admin_tenants::named(&call, &identity)?;
    let user = named(&call, &tenant)?;
    identity.require(Action::ReadUsers)?;
    call.query()?.finish()?;
    answer::ok(&PersonJson::from(&user))
}

/// Change a console user's role or password.
#[utoipa::path(
    patch, path = "/v1/tenants/{tenant}/users/{username}", tag = "people",
    params(PersonPath), request_body = PersonForm,
    responses(
        (status = 200, description = "Changed", body = PersonJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn change(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<PersonForm>(&body)?;
    let identity = call.identity()?;
    let tenant = admin_tenants::named(&call, &identity)?;
    let user = named(&call, &tenant)?;
    identity.require(Action::ManageUsers)?;
    let change = form?.into_change();
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let changed = tenants.change_console_user(&caller, tenant.id, &user.username, change);
    answer::ok(&PersonJson::from(&changed.await?))
}

/// Remove a console user; its log-ins end at once.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/users/{username}", tag = "people", params(PersonPath),
    responses(
        (status = 204, description = "Removed"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn remove(call: Call) -> Answer {
    let identity = call.identity()?;
    let tenant = admin_tenants::named(&call, &identity)?;
    let user = named(&call, &tenant)?;
    identity.require(Action::ManageUsers)?;
    call.query()?.finish()?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    tenants
        .delete_console_user(&caller, tenant.id, &user.username)
        .await?;
    answer::no_content()
}

fn named(call: &Call, tenant: &Tenant) -> ApiResult<ConsoleUser> {
    let name = call.segment("username")?;
    let found = call.services().tenants.console_user(Some(tenant.id), &name);
    found.ok_or_else(|| not_found(format!("user '{}' does not exist", excerpt(&name))))
}
