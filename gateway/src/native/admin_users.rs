//! Application users of an instance: their tenant's administrators'.

use std::sync::Arc;

use firn_protocol::ApiResult;
use firn_protocol::catalogue::AppUser;
use firn_protocol::limits::GRACE_SECONDS_DEFAULT;

use super::answer::{self, Answer};
use super::call::{Call, excerpt};
use super::json;
use super::listing::Paging;
use super::shapes::admin::{List, RotateForm, UserForm, UserJson};
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::{InstancePath, UserPath};
use crate::auth::Action;
use crate::ops::{Scope, not_found};

/// Users of an instance, without their secrets.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/users", tag = "users",
    params(InstancePath, ("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<UserJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadUsers)?;
    let paging = Paging::read(call.query()?)?;
    let now = call.now();
    let all = call.services().tenants.users(scope.instance.id);
    let page = paging.page(
        all,
        |user| user.access_key.clone(),
        |user| UserJson::new(user, now),
    );
    answer::ok(&page)
}

/// Make a user; the answer shows its secret.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/users", tag = "users",
    params(InstancePath), request_body = UserForm,
    responses(
        (status = 201, description = "Made", body = UserJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<UserForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ManageUsers)?;
    let (access_key, fields) = form?.into_new()?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let made = tenants
        .create_user(&caller, scope.instance.id, &access_key, fields)
        .await?;
    answer::created(&UserJson::with_secret(made, call.now()))
}

/// One user.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/users/{access_key}", tag = "users",
    params(
        UserPath,
        ("reveal" = Option<bool>, Query, description = "Shows the secret to an administrator, audited"),
    ),
    responses(
        (status = 200, description = "The user", body = UserJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let user = named(&call, &scope)?;
    identity.require(Action::ReadUsers)?;
    let mut query = call.query()?;
    let reveal = query.take_flag("reveal")?;
    query.finish()?;
    if !reveal {
        return answer::ok(&UserJson::new(&user, call.now()));
    }
    identity.require(Action::ManageUsers)?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let shown = tenants
        .reveal_user(&caller, scope.instance.id, &user.access_key)
        .await?;
    answer::ok(&UserJson::with_secret(shown, call.now()))
}

/// Change a user.
#[utoipa::path(
    patch, path = "/v1/instances/{instance}/users/{access_key}", tag = "users",
    params(UserPath), request_body = UserForm,
    responses(
        (status = 200, description = "Changed", body = UserJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn change(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<UserForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let user = named(&call, &scope)?;
    identity.require(Action::ManageUsers)?;
    let fields = form?.into_change()?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let user = tenants
        .change_user(&caller, scope.instance.id, &user.access_key, fields)
        .await?;
    answer::ok(&UserJson::new(&user, call.now()))
}

/// Remove a user; its credentials stop working at once.
#[utoipa::path(
    delete, path = "/v1/instances/{instance}/users/{access_key}", tag = "users",
    params(UserPath),
    responses(
        (status = 204, description = "Removed"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn remove(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let user = named(&call, &scope)?;
    identity.require(Action::ManageUsers)?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    tenants
        .delete_user(&caller, scope.instance.id, &user.access_key)
        .await?;
    answer::no_content()
}

/// Give a user a new secret. The one of before stays valid for `graceSeconds` more, the one
/// before that ends at once.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/users/{access_key}/rotate", tag = "users",
    params(UserPath), request_body = RotateForm,
    responses(
        (status = 200, description = "The user with its new secret", body = UserJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn rotate(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<RotateForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let user = named(&call, &scope)?;
    identity.require(Action::ManageUsers)?;
    let grace = form?.grace_seconds.unwrap_or(GRACE_SECONDS_DEFAULT);
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let made = tenants
        .rotate_user(&caller, scope.instance.id, &user.access_key, grace)
        .await?;
    answer::ok(&UserJson::with_secret(made, call.now()))
}

/// An access key is unique in the deployment; one of another instance is as
/// unknown as one that nobody has.
fn named(call: &Call, scope: &Scope) -> ApiResult<Arc<AppUser>> {
    let access_key = call.segment("access_key")?;
    let found = call.services().tenants.user(&access_key);
    found
        .filter(|user| user.instance == scope.instance.id)
        .ok_or_else(|| not_found(format!("user '{}' does not exist", excerpt(&access_key))))
}
