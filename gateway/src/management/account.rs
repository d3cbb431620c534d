//! A1: an application user. The guide shows the secret to whoever knows three names; here
//! only to those who know it or may see it (SEED_SPEC I-32). Every call is audited.

use std::sync::Arc;

use firn_protocol::catalogue::AppUser;
use firn_protocol::{ApiResult, Caller};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::enter::tenant_id;
use super::envelope::{self, Data, Envelope, Failure};
use super::params::Params;
use super::shapes::parameters::Named;
use crate::auth::{Action, Identity, address, unauthenticated};
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::Scope;

/// Users are made by administrators.
const CREATED_BY: &str = "admin";
const APP: &str = "RocketMQ";

/// An application user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    account_id: String,
    app_id: &'static str,
    tenant_id: String,
    tenant_name: String,
    cluster_name: String,
    /// `accessKey`.
    account_code: String,
    /// `secretKey`, for those who may see it.
    account_passwd: Option<String>,
    description: Option<String>,
    created_by: &'static str,
    created_time: u64,
    sharding_id: String,
}

/// A1: an application user; its secret only for who sends it, for an administrator's
/// token, or where the deployment opens this call.
#[utoipa::path(
    get, path = "/api/access/account", tag = "management", operation_id = "management_a1",
    params(Named), security((), ("bearer" = [])),
    responses(
        (status = 200, description = "The user", body = Envelope<Data<Account>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn show(call: Call) -> Answer {
    let params = Params::read(call.raw_query())?;
    let user = named(&call, &params).ok_or_else(unauthenticated)?;
    let (asking, shown_to) = asking(&call, &params, &user)?;
    let cluster = params.get("clusterName").unwrap_or_default();
    // Whoever asks without credentials sees no more than the user itself would.
    let as_user = Identity::User(user.clone());
    let scope = call.scope_named(&as_user, Some(user.tenant), cluster);
    let scope = scope.map_err(|_| unauthenticated())?;
    let caller = asking.as_ref().map(|identity| call.caller(identity));
    let secret = match shown_to {
        None => None,
        Some(_) => Some(reveal(&call, &scope, &user, caller).await?),
    };
    note(&call, &scope, &as_user, asking.as_ref(), shown_to).await?;
    let mut warnings = params.warnings;
    if secret.is_none() {
        warnings.push(
            "accountPasswd: not shown; send the current secretKey, or an administrator's token"
                .to_owned(),
        );
    }
    let tenant = call.services().tenants.tenant(user.tenant);
    let account = Account {
        account_id: user.access_key.clone(),
        app_id: APP,
        tenant_id: user.tenant.to_string(),
        tenant_name: tenant.map_or_else(String::new, |tenant| tenant.name.clone()),
        cluster_name: scope.instance.name.clone(),
        account_code: user.access_key.clone(),
        account_passwd: secret,
        description: Some(user.description.clone()).filter(|text| !text.is_empty()),
        created_by: CREATED_BY,
        created_time: user.created_at.0,
        sharding_id: user.tenant.to_string(),
    };
    envelope::data(account, warnings)
}

/// The user that three names mean, if they belong together.
fn named(call: &Call, params: &Params) -> Option<Arc<AppUser>> {
    let tenants = &call.services().tenants;
    let tenant = tenant_id(params)?;
    let user = tenants.user(params.text("accessKey")?)?;
    let cluster = params.text("clusterName")?;
    let instance = tenants.find_instance(Some(tenant), cluster).ok()?;
    (user.tenant == tenant && user.instance == instance.id).then_some(user)
}

/// Who asks, if they say so, and for what reason the secret is shown to them.
///
/// # Errors
/// `UNAUTHENTICATED` for credentials that are wrong, or have nothing to do with the user.
fn asking(
    call: &Call,
    params: &Params,
    user: &Arc<AppUser>,
) -> ApiResult<(Option<Identity>, Option<&'static str>)> {
    let given = match (call.header("authorization"), params.get("secretKey")) {
        (Some(_), _) => Some(call.identity()?),
        (None, Some(secret)) if !secret.is_empty() => {
            let auth = call.auth();
            Some(auth.identify_pair(&user.access_key, secret, call.peer_ip())?)
        }
        (None, _) => None,
    };
    let Some(identity) = given else {
        let allowed = &call.services().compat.account_allow;
        let is_open = call
            .peer_ip()
            .is_some_and(|peer| address::is_in(peer, allowed));
        return Ok((None, is_open.then_some("open endpoint")));
    };
    if identity
        .tenant()
        .is_some_and(|tenant| tenant != user.tenant)
    {
        return Err(unauthenticated());
    }
    let is_own = matches!(&identity, Identity::User(own) if own.access_key == user.access_key);
    let reason = match (is_own, identity.may(Action::ManageUsers)) {
        (true, _) => Some("own secret"),
        (false, true) => Some("administrator"),
        (false, false) => None,
    };
    Ok((Some(identity), reason))
}

async fn reveal(
    call: &Call,
    scope: &Scope,
    user: &AppUser,
    caller: Option<Caller>,
) -> ApiResult<String> {
    let caller = caller.unwrap_or_else(|| Caller {
        name: "anonymous".into(),
        request_id: scope.ctx.request_id.clone(),
    });
    let tenants = &call.services().tenants;
    let shown = tenants
        .reveal_user(&caller, scope.instance.id, &user.access_key)
        .await?;
    Ok(shown.secret_key)
}

async fn note(
    call: &Call,
    scope: &Scope,
    user: &Identity,
    asking: Option<&Identity>,
    shown_to: Option<&'static str>,
) -> ApiResult<()> {
    let object = format!("users/{}", user.name().trim_start_matches("user:"));
    let detail = json!({
        "by": asking.map_or_else(|| "anonymous".to_owned(), Identity::name),
        "from": call.peer(),
        "isSecretShown": shown_to.is_some(),
        "why": shown_to,
        "requestId": &*scope.ctx.request_id,
    });
    let object = format!("{}/{object}", scope.instance.name);
    let tenants = &call.services().tenants;
    tenants
        .note(scope.ctx.tenant, "account.read", object, detail.to_string())
        .await
}
