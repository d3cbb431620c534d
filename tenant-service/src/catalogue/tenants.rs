//! Tenants: numbered by the operator, named uniquely.

use std::sync::Arc;

use firn_protocol::catalogue::Tenant;
use firn_protocol::limits::NUMBER_MAX;
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId, names};
use serde_json::json;

use super::checks::{exists_already, within};
use super::{Change, Draft};

pub(crate) fn create(draft: &mut Draft<'_>, tenant: Tenant) -> ApiResult<Arc<Tenant>> {
    within("id", tenant.id.0, 1, NUMBER_MAX)?;
    if draft.memory.tenants.contains_key(&tenant.id) {
        return Err(exists_already("tenant", &tenant.id.to_string()));
    }
    check_name(draft, &tenant)?;
    let tenant = Arc::new(tenant);
    draft.push(Change::AddTenant(tenant.clone()));
    note(draft, &tenant, "tenant.create");
    Ok(tenant)
}

pub(crate) fn rename(draft: &mut Draft<'_>, id: TenantId, name: String) -> ApiResult<Arc<Tenant>> {
    draft.memory.tenant(id)?;
    let tenant = Tenant { id, name };
    check_name(draft, &tenant)?;
    let tenant = Arc::new(tenant);
    draft.push(Change::SetTenant(tenant.clone()));
    note(draft, &tenant, "tenant.rename");
    Ok(tenant)
}

pub(crate) fn delete(draft: &mut Draft<'_>, id: TenantId) -> ApiResult<()> {
    let tenant = draft.memory.tenant(id)?.clone();
    let instances = draft.memory.instances(Some(id)).len();
    if instances > 0 {
        let text = format!("tenant {id} still has {instances} instances");
        return Err(ApiError::new(ErrorCode::InUse, text));
    }
    draft.push(Change::DropTenant(id));
    note(draft, &tenant, "tenant.delete");
    Ok(())
}

fn check_name(draft: &Draft<'_>, tenant: &Tenant) -> ApiResult<()> {
    names::check("name", &tenant.name)?;
    let mut others = draft.memory.tenants.values();
    if others.any(|other| other.name == tenant.name && other.id != tenant.id) {
        return Err(exists_already("tenant", &tenant.name));
    }
    Ok(())
}

fn note(draft: &mut Draft<'_>, tenant: &Tenant, action: &'static str) {
    let detail = json!({"name": tenant.name});
    draft.audit(Some(tenant.id), action, tenant.id.to_string(), detail);
}
