//! Who calls, and on which instance (SEED_SPEC 4). Every cause for which a caller is not
//! let in has one answer, so nobody learns which tenants, instances or users there are.

use std::sync::Arc;

use firn_protocol::catalogue::{Group, Topic};
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId};

use super::params::Params;
use crate::auth::{Action, Identity, unauthenticated};
use crate::native::call::{Call, excerpt};
use crate::ops::{Scope, Services, Target};

/// The default tenant of the guide (SEED_SPEC 1).
const DEFAULT_TENANT: (&str, u64) = ("defaultMQTenantId", 2_147_483_647);

/// A caller who was let in.
pub(super) struct Entered {
    pub(super) identity: Identity,
    pub(super) scope: Scope,
    pub(super) params: Params,
}

impl Entered {
    /// # Errors
    /// `BAD_REQUEST` for parameters that contradict each other, else `UNAUTHENTICATED`.
    pub(super) fn of(call: &Call) -> ApiResult<Self> {
        let params = Params::read(call.raw_query())?;
        let cluster = cluster_name(call, &params)?;
        let identity = identify(call, &params)?;
        let scope = scope(call, &identity, &params, cluster.as_deref())?;
        Ok(Self {
            identity,
            scope,
            params,
        })
    }

    /// The same with the right to an action on the instance.
    ///
    /// # Errors
    /// As [`Self::of`]; `FORBIDDEN`.
    pub(super) fn with_right(call: &Call, action: Action<'_>) -> ApiResult<Self> {
        let entered = Self::of(call)?;
        entered.identity.require(action)?;
        Ok(entered)
    }

    /// What was tolerated so far.
    pub(super) fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.params.warnings)
    }
}

/// # Errors
/// `BAD_REQUEST` when path and query name different instances.
fn cluster_name(call: &Call, params: &Params) -> ApiResult<Option<String>> {
    let path = call.segment("clusterName")?;
    let query = params.get("clusterName").filter(|name| !name.is_empty());
    match (path.is_empty(), query) {
        (true, query) => Ok(query.map(str::to_owned)),
        (false, Some(query)) if query != path => Err(ApiError::field(
            "clusterName",
            "differs from that of the path",
        )),
        (false, _) => Ok(Some(path.into_owned())),
    }
}

/// Credentials of the header come before those of the query.
fn identify(call: &Call, params: &Params) -> ApiResult<Identity> {
    if call.header("authorization").is_some() {
        return call.identity();
    }
    match (params.get("accessKey"), params.get("secretKey")) {
        (Some(access_key), Some(secret_key)) => {
            call.auth()
                .identify_pair(access_key, secret_key, call.peer_ip())
        }
        _ => Err(unauthenticated()),
    }
}

pub(super) fn tenant_id(params: &Params) -> Option<TenantId> {
    let text = params.text("tenantId")?;
    if text == DEFAULT_TENANT.0 {
        return Some(TenantId(DEFAULT_TENANT.1));
    }
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).map(TenantId)
}

fn scope(
    call: &Call,
    identity: &Identity,
    params: &Params,
    cluster: Option<&str>,
) -> ApiResult<Scope> {
    let tenant = tenant_id(params).ok_or_else(unauthenticated)?;
    let is_own = identity.tenant().is_none_or(|own| own == tenant);
    let cluster = cluster.filter(|_| is_own).ok_or_else(unauthenticated)?;
    let found = call.scope_named(identity, Some(tenant), cluster);
    found.map_err(|error| match error.code.http_status() {
        500.. => error,
        _ => unauthenticated(),
    })
}

/// The topic that a path or parameter names.
///
/// # Errors
/// `TOPIC_NOT_FOUND` with the text that clients know (SEED_SPEC 9, 8.2-3).
pub(super) fn target(services: &Services, scope: &Scope, name: &str) -> ApiResult<Target> {
    Target::resolve(&*services.tenants, scope.instance.id, name).ok_or_else(|| no_route(name))
}

/// The same, of the catalogue alone.
///
/// # Errors
/// As [`target`].
pub(super) fn topic(services: &Services, scope: &Scope, name: &str) -> ApiResult<Arc<Topic>> {
    let found = services.tenants.topic(scope.instance.id, name);
    found.ok_or_else(|| no_route(name))
}

/// # Errors
/// `GROUP_NOT_FOUND` with the text that clients know (SEED_SPEC 9, 8.2-7).
pub(super) fn group(services: &Services, scope: &Scope, name: &str) -> ApiResult<Arc<Group>> {
    let found = services.tenants.group(scope.instance.id, name);
    found.ok_or_else(|| ApiError::new(ErrorCode::GroupNotFound, "Subscription group not exist"))
}

fn no_route(name: &str) -> ApiError {
    ApiError::new(
        ErrorCode::TopicNotFound,
        format!("No route info of this topic, {}", excerpt(name)),
    )
}
