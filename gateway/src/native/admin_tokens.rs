//! API tokens of an instance: their tenant's administrators'.

use super::answer::{self, Answer};
use super::call::Call;
use super::json;
use super::listing::Paging;
use super::shapes::admin::List;
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::{InstancePath, TokenPath};
use super::shapes::token::{ApiTokenForm, ApiTokenJson};
use crate::auth::Action;
use crate::ops::not_found;

/// Tokens of an instance, without what proves them.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/tokens", tag = "tokens",
    params(InstancePath, ("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<ApiTokenJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadUsers)?;
    let paging = Paging::read(call.query()?)?;
    let all = call.services().tenants.api_tokens(scope.instance.id);
    let name = |it: &firn_protocol::api::tenant::TokenUse| it.token.id.clone();
    let page = paging.page(all, name, ApiTokenJson::of_use);
    answer::ok(&page)
}

/// Make a token; the answer alone shows what to send as Bearer.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/tokens", tag = "tokens",
    params(InstancePath), request_body = ApiTokenForm,
    responses(
        (status = 201, description = "Made", body = ApiTokenJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<ApiTokenForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ManageUsers)?;
    let new = form?.into_new();
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let made = tenants.create_api_token(&caller, scope.instance.id, new);
    let (token, text) = made.await?;
    answer::created(&ApiTokenJson::with_text(&token, text))
}

/// Remove a token; it stops working at once.
#[utoipa::path(
    delete, path = "/v1/instances/{instance}/tokens/{token}", tag = "tokens",
    params(TokenPath),
    responses(
        (status = 204, description = "Removed"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn remove(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let id = call.segment("token")?;
    let tenants = &call.services().tenants;
    let own = tenants.api_tokens(scope.instance.id);
    if !own.iter().any(|it| it.token.id == *id) {
        // What was sent may be the token itself, which no text repeats.
        return Err(not_found("this token does not exist".to_owned()));
    }
    identity.require(Action::ManageUsers)?;
    call.query()?.finish()?;
    let caller = call.caller(&identity);
    tenants
        .delete_api_token(&caller, scope.instance.id, &id)
        .await?;
    answer::no_content()
}
