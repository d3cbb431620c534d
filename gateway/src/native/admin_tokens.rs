//! API tokens, of an instance or for all of a tenant: their tenant's administrators'.

use firn_protocol::catalogue::TokenReach;
use firn_protocol::{ApiError, ApiResult};

use super::admin_tenants;
use super::answer::{self, Answer};
use super::call::Call;
use super::json;
use super::listing::Paging;
use super::shapes::admin::List;
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::{InstancePath, TenantPath, TenantTokenPath, TokenPath};
use super::shapes::token::{ApiTokenForm, ApiTokenJson};
use crate::auth::{Action, Identity};
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
    let reach = of_instance(&call, &identity)?;
    listed(&call, &identity, reach)
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
pub(super) async fn create(call: Call) -> Answer {
    make(call, of_instance).await
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
    let reach = of_instance(&call, &identity)?;
    end(&call, &identity, reach).await
}

/// Tokens for all instances of a tenant, without what proves them.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/tokens", tag = "tokens",
    params(TenantPath, ("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<ApiTokenJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list_of_tenant(call: Call) -> Answer {
    let identity = call.identity()?;
    let reach = of_tenant(&call, &identity)?;
    listed(&call, &identity, reach)
}

/// Make a token for all instances of a tenant, also those that are made later; the
/// answer alone shows what to send as Bearer. Limits to topics and groups hold in each
/// instance.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/tokens", tag = "tokens",
    params(TenantPath), request_body = ApiTokenForm,
    responses(
        (status = 201, description = "Made", body = ApiTokenJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create_of_tenant(call: Call) -> Answer {
    make(call, of_tenant).await
}

/// Remove a token for all instances of a tenant; it stops working at once.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/tokens/{token}", tag = "tokens",
    params(TenantTokenPath),
    responses(
        (status = 204, description = "Removed"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn remove_of_tenant(call: Call) -> Answer {
    let identity = call.identity()?;
    let reach = of_tenant(&call, &identity)?;
    end(&call, &identity, reach).await
}

fn of_instance(call: &Call, identity: &Identity) -> ApiResult<TokenReach> {
    let scope = call.scope(identity)?;
    Ok(TokenReach::Instance(scope.instance.id))
}

fn of_tenant(call: &Call, identity: &Identity) -> ApiResult<TokenReach> {
    let tenant = admin_tenants::named(call, identity)?;
    Ok(TokenReach::Tenant(tenant.id))
}

fn listed(call: &Call, identity: &Identity, reach: TokenReach) -> Answer {
    identity.require(Action::ReadUsers)?;
    let paging = Paging::read(call.query()?)?;
    let all = call.services().tenants.api_tokens(reach);
    let name = |it: &firn_protocol::api::tenant::TokenUse| it.token.id.clone();
    answer::ok(&paging.page(all, name, ApiTokenJson::of_use))
}

async fn make(mut call: Call, reach: fn(&Call, &Identity) -> ApiResult<TokenReach>) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<ApiTokenForm>(&body)?;
    let identity = call.identity()?;
    let reach = reach(&call, &identity)?;
    identity.require(Action::ManageUsers)?;
    let new = form?.into_new();
    // Nobody hands out what he does not have.
    if let Some(scope) = new.scopes.iter().find(|scope| !identity.may_grant(**scope)) {
        let scope = format!("{scope:?}").to_lowercase();
        return Err(ApiError::field(
            "scopes",
            format_args!("{scope} is not yours"),
        ));
    }
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let (token, text) = tenants.create_api_token(&caller, reach, new).await?;
    answer::created(&ApiTokenJson::with_text(&token, text))
}

async fn end(call: &Call, identity: &Identity, reach: TokenReach) -> Answer {
    let id = call.segment("token")?;
    let tenants = &call.services().tenants;
    let own = tenants.api_tokens(reach);
    if !own.iter().any(|it| it.token.id == *id) {
        // What was sent may be the token itself, which no text repeats.
        return Err(not_found("this token does not exist".to_owned()));
    }
    identity.require(Action::ManageUsers)?;
    call.query()?.finish()?;
    let caller = call.caller(identity);
    tenants.delete_api_token(&caller, reach, &id).await?;
    answer::no_content()
}
