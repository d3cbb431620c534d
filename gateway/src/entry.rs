//! What a call names, for the caller that makes it: the instance, a topic, a group.
//! Every protocol finds them here, so that what somebody else has looks like what is
//! not there over each of them.

use std::sync::Arc;

use firn_protocol::catalogue::{Group, Instance};
use firn_protocol::{ApiError, ApiResult, ErrorCode, RequestContext, TenantId};

use crate::auth::Identity;
use crate::config::GatewayMutant;
use crate::ops::{Scope, Services, Target};

/// The instance of a name in a tenant, if this caller can see it.
///
/// # Errors
/// `INSTANCE_NOT_FOUND`, the same for what is not there and what is somebody
/// else's; `CONFLICT` for the operator's ambiguous name.
pub(crate) fn scope_named(
    services: &Services,
    identity: &Identity,
    tenant: Option<TenantId>,
    name: &str,
    request_id: Arc<str>,
) -> ApiResult<Scope> {
    let unknown = || {
        ApiError::new(
            ErrorCode::InstanceNotFound,
            format!("instance '{}' does not exist", excerpt(name)),
        )
    };
    let found = services.tenants.find_instance(tenant, name);
    let found = corrupted(services, found, name);
    let instance = found.map_err(|error| {
        if error.code == ErrorCode::InstanceNotFound {
            unknown()
        } else {
            error
        }
    })?;
    let foreign_tenant = identity
        .tenant()
        .or(tenant)
        .is_some_and(|tenant| tenant != instance.tenant);
    let foreign_instance = identity.instance().is_some_and(|own| own != instance.id);
    let forgets = services.mutant == Some(GatewayMutant::ForgetTenant);
    if (foreign_tenant || foreign_instance) && !forgets {
        return Err(unknown());
    }
    Ok(scope_of(instance, request_id))
}

/// What a deliberate fault makes of an instance that was looked up.
fn corrupted(
    services: &Services,
    found: ApiResult<Arc<Instance>>,
    name: &str,
) -> ApiResult<Arc<Instance>> {
    let anywhere = || services.tenants.find_instance(None, name);
    match services.mutant {
        Some(GatewayMutant::ForgetTenant) => found.or_else(|_| anywhere()),
        Some(GatewayMutant::TellForeign) => found.map_err(|error| match anywhere() {
            Ok(_) => ApiError::new(ErrorCode::NotFound, "somebody else's instance"),
            Err(_) => error,
        }),
        Some(_) | None => found,
    }
}

/// The instance that the caller belongs to.
///
/// # Errors
/// `INSTANCE_NOT_FOUND` for a caller of no one instance.
pub(crate) fn own_scope(
    services: &Services,
    identity: &Identity,
    request_id: Arc<str>,
) -> ApiResult<Scope> {
    let own = identity.instance();
    let instance = own.and_then(|own| services.tenants.instance(own));
    match instance {
        Some(instance) => Ok(scope_of(instance, request_id)),
        None => Err(ApiError::new(
            ErrorCode::InstanceNotFound,
            "no instance is named",
        )),
    }
}

fn scope_of(instance: Arc<Instance>, request_id: Arc<str>) -> Scope {
    Scope {
        ctx: RequestContext {
            tenant: instance.tenant,
            instance: instance.id,
            durability: instance.durability,
            request_id,
        },
        instance,
    }
}

/// # Errors
/// `TOPIC_NOT_FOUND`.
pub(crate) fn target_named(services: &Services, scope: &Scope, name: &str) -> ApiResult<Target> {
    Target::resolve(&*services.tenants, scope.instance.id, name)
        .ok_or_else(|| topic_not_found(name))
}

/// # Errors
/// `GROUP_NOT_FOUND`.
pub(crate) fn group_named(services: &Services, scope: &Scope, name: &str) -> ApiResult<Arc<Group>> {
    services
        .tenants
        .group(scope.instance.id, name)
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::GroupNotFound,
                format!("group '{}' does not exist", excerpt(name)),
            )
        })
}

pub(crate) fn topic_not_found(name: &str) -> ApiError {
    ApiError::new(
        ErrorCode::TopicNotFound,
        format!("topic '{}' does not exist", excerpt(name)),
    )
}

/// A name of the request in an error text, no longer than names are.
pub(crate) fn excerpt(name: &str) -> String {
    name.chars().take(80).collect()
}
