//! Instances and their brokers.

use std::sync::Arc;

use firn_protocol::api::tenant::{InstanceChange, NewInstance};
use firn_protocol::catalogue::{Broker, Durability, Erasure, Instance, InstanceStatus, Plan};
use firn_protocol::limits::BROKERS_MAX;
use firn_protocol::{ApiError, ApiResult, BrokerId, ErrorCode, InstanceId, Timestamp, names};
use serde_json::json;

use super::checks::{broker_name, exists_already, number, quota, remark, retention, time_zone};
use super::{Change, Draft, lifecycle, plans, take, topics};

/// The literal segment of a management path (SEED_SPEC I-02).
const RESERVED_NAME: &str = "cluster";
const BROKER_DEFAULT: &str = "a";
/// The samples of SEED_SPEC section 4 show times of this zone.
const TIME_ZONE_DEFAULT: &str = "UTC+8";

pub(crate) fn create(
    draft: &mut Draft<'_>,
    new: NewInstance,
    durability_default: Durability,
) -> ApiResult<Arc<Instance>> {
    draft.memory.tenant(new.tenant)?;
    check_name(&new.name)?;
    if draft
        .memory
        .find_instance(Some(new.tenant), &new.name)
        .is_ok()
    {
        return Err(exists_already("instance", &new.name));
    }
    let plan = find_plan(draft, new.plan.as_deref().unwrap_or(plans::DEFAULT))?;
    let mut instance = Instance {
        id: draft.numbers.take_instance(),
        uid: uuid::Uuid::new_v4().simple().to_string(),
        tenant: new.tenant,
        name: new.name,
        plan: plan.name.clone(),
        brokers: Vec::new(),
        durability: new.durability.unwrap_or(durability_default),
        retention_hours: new.retention_hours.unwrap_or(plan.retention_hours),
        disk_policy: new.disk_policy.unwrap_or_default(),
        remark: new.remark.unwrap_or_default(),
        status: InstanceStatus::Running,
        created_at: draft.now,
        expires_at: new.expires_at,
        time_zone: new
            .time_zone
            .unwrap_or_else(|| TIME_ZONE_DEFAULT.to_owned()),
        message_bytes: plan.message_bytes,
        rates: plan.rates(),
    };
    let mut brokers = new.brokers;
    if brokers.is_empty() {
        brokers.push(BROKER_DEFAULT.to_owned());
    }
    add_brokers(draft, &mut instance, &plan, brokers)?;
    check(&instance)?;
    let instance = Arc::new(instance);
    draft.push(Change::AddInstance(instance.clone()));
    note(draft, &instance, "instance.create");
    Ok(instance)
}

pub(crate) fn change(
    draft: &mut Draft<'_>,
    id: InstanceId,
    change: InstanceChange,
) -> ApiResult<Arc<Instance>> {
    let contents = draft.memory.contents(id)?;
    let mut instance = Instance::clone(&contents.instance);
    let plan = find_plan(draft, change.plan.as_deref().unwrap_or(&instance.plan))?;
    if plan.name != instance.plan {
        quota(&plan, "topics", plan.topics, contents.topics.len())?;
        quota(&plan, "groups", plan.groups, contents.groups.len())?;
        quota(
            &plan,
            "brokers",
            plan.brokers,
            instance.brokers.len() as u64,
        )?;
        instance.plan.clone_from(&plan.name);
        instance.message_bytes = plan.message_bytes;
        instance.rates = plan.rates();
    }
    if !change.add_brokers.is_empty() {
        topics::pin(draft, id)?;
    }
    add_brokers(draft, &mut instance, &plan, change.add_brokers)?;
    set(&mut instance.durability, change.durability);
    set(&mut instance.retention_hours, change.retention_hours);
    set(&mut instance.disk_policy, change.disk_policy);
    set(&mut instance.remark, change.remark);
    set(&mut instance.time_zone, change.time_zone);
    lifecycle::change(draft.now, &mut instance, change.expires_at, change.status)?;
    check(&instance)?;
    let instance = Arc::new(instance);
    draft.push(Change::SetInstance(instance.clone()));
    note(draft, &instance, "instance.change");
    Ok(instance)
}

pub(crate) fn delete(draft: &mut Draft<'_>, id: InstanceId) -> ApiResult<Vec<Broker>> {
    let instance = draft.memory.contents(id)?.instance.clone();
    remove(draft, &instance);
    note(draft, &instance, "instance.delete");
    Ok(instance.brokers.clone())
}

/// The catalogue forgets it, and remembers what is to be erased.
pub(crate) fn remove(draft: &mut Draft<'_>, instance: &Instance) {
    draft.push(Change::DropInstance(instance.id));
    let brokers = instance.brokers.iter();
    draft.push(Change::AddErasure(Arc::new(Erasure {
        instance: instance.id,
        tenant: instance.tenant,
        uid: instance.uid.clone(),
        name: instance.name.clone(),
        brokers: brokers.map(|broker| broker.id).collect(),
        since: draft.now,
    })));
}

pub(crate) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

pub(crate) fn find_plan(draft: &Draft<'_>, name: &str) -> ApiResult<Arc<Plan>> {
    let plan = draft.memory.plans.get(name).cloned();
    plan.ok_or_else(|| ApiError::field("plan", "no such plan"))
}

fn check_name(name: &str) -> ApiResult<()> {
    names::check("name", name)?;
    let refuse = |rule: &str| {
        Err(ApiError::new(
            ErrorCode::InvalidName,
            format!("name: {rule}"),
        ))
    };
    if names::looks_like_instance_id(name) {
        return refuse("must not look like an instance id (32 hex digits)");
    }
    if name == RESERVED_NAME {
        return refuse("'cluster' is reserved by the system");
    }
    Ok(())
}

fn check(instance: &Instance) -> ApiResult<()> {
    retention(instance.retention_hours)?;
    remark("remark", &instance.remark)?;
    time_zone(&instance.time_zone)?;
    number("expiresAt", instance.expires_at.unwrap_or(Timestamp(0)).0)
}

fn add_brokers(
    draft: &mut Draft<'_>,
    instance: &mut Instance,
    plan: &Plan,
    added: Vec<String>,
) -> ApiResult<()> {
    if added.is_empty() {
        return Ok(());
    }
    let wanted = instance.brokers.len() + added.len();
    if wanted > BROKERS_MAX {
        return Err(ApiError::field(
            "brokers",
            format_args!("at most {BROKERS_MAX}"),
        ));
    }
    quota(plan, "brokers", plan.brokers, wanted as u64)?;
    for name in added {
        broker_name(&name)?;
        if instance.brokers.iter().any(|broker| broker.name == name) {
            return Err(exists_already("broker", &name));
        }
        let number = take(&mut draft.numbers.broker);
        let Ok(number) = u32::try_from(number) else {
            let text = "no broker numbers are left";
            return Err(ApiError::new(ErrorCode::QuotaExceeded, text));
        };
        let id = BrokerId(number);
        instance.brokers.push(Broker { id, name });
    }
    Ok(())
}

pub(crate) fn note(draft: &mut Draft<'_>, instance: &Instance, action: &'static str) {
    let brokers: Vec<_> = instance.brokers.iter().map(|broker| &broker.name).collect();
    let detail = json!({
        "name": instance.name,
        "plan": instance.plan,
        "brokers": brokers,
        "durability": instance.durability,
        "retentionHours": instance.retention_hours,
        "diskPolicy": instance.disk_policy,
        "expiresAt": instance.expires_at,
    });
    draft.audit(Some(instance.tenant), action, instance.uid.clone(), detail);
}
