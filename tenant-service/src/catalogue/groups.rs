//! Consumer groups.

use std::sync::Arc;

use firn_protocol::api::tenant::GroupFields;
use firn_protocol::catalogue::{Group, Instance, StartPosition};
use firn_protocol::limits::{MAX_RETRIES_DEFAULT, MAX_RETRIES_MAX};
use firn_protocol::{ApiError, ApiResult, ErrorCode, InstanceId, names};
use serde_json::json;

use super::checks::{exists_already, name_list, number, object, quota, remark, within};
use super::instances::{find_plan, set};
use super::{Change, Draft};

pub(crate) fn create(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    name: &str,
    fields: GroupFields,
) -> ApiResult<Arc<Group>> {
    let contents = draft.memory.contents(instance)?;
    names::check("name", name)?;
    if contents.groups.named(name).is_some() {
        return Err(exists_already("group", name));
    }
    let group = Group {
        id: draft.numbers.take_group(),
        instance,
        name: name.to_owned(),
        ordered: fields.ordered.unwrap_or(false),
        on_poison: fields.on_poison.unwrap_or_default(),
        max_retries: fields.max_retries.unwrap_or(MAX_RETRIES_DEFAULT),
        enabled: fields.enabled.unwrap_or(true),
        start: fields.start.unwrap_or_default(),
        is_start_by_client: (fields.is_start_by_client).unwrap_or(fields.start.is_none()),
        pull_mechanism: fields.pull_mechanism.unwrap_or_default(),
        subscriptions: fields.subscriptions.unwrap_or_default(),
        remark: fields.remark.unwrap_or_default(),
        created_at: draft.now,
        version: draft.numbers.take_revision(),
    };
    check(&group)?;
    let plan = find_plan(draft, &contents.instance.plan)?;
    quota(&plan, "groups", plan.groups, contents.groups.len() + 1)?;
    let group = Arc::new(group);
    draft.push(Change::AddGroup(group.clone()));
    note(draft, &contents.instance, &group, "group.create");
    Ok(group)
}

/// Absent fields stay; the version rises.
pub(crate) fn change(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    name: &str,
    fields: GroupFields,
) -> ApiResult<Arc<Group>> {
    let contents = draft.memory.contents(instance)?;
    let old = find(draft, instance, name)?;
    let mut group = Group::clone(&old);
    set(&mut group.ordered, fields.ordered);
    set(&mut group.on_poison, fields.on_poison);
    set(&mut group.max_retries, fields.max_retries);
    set(&mut group.enabled, fields.enabled);
    set(&mut group.start, fields.start);
    let by_client = fields.start.map(|_| false);
    set(
        &mut group.is_start_by_client,
        fields.is_start_by_client.or(by_client),
    );
    set(&mut group.pull_mechanism, fields.pull_mechanism);
    set(&mut group.subscriptions, fields.subscriptions);
    set(&mut group.remark, fields.remark);
    group.version = draft.numbers.take_revision();
    check(&group)?;
    let group = Arc::new(group);
    draft.push(Change::SetGroup(group.clone()));
    note(draft, &contents.instance, &group, "group.change");
    Ok(group)
}

pub(crate) fn delete(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    name: &str,
) -> ApiResult<Arc<Group>> {
    let contents = draft.memory.contents(instance)?;
    let group = find(draft, instance, name)?;
    draft.push(Change::DropGroup(group.clone()));
    note(draft, &contents.instance, &group, "group.delete");
    Ok(group)
}

fn find(draft: &Draft<'_>, instance: InstanceId, name: &str) -> ApiResult<Arc<Group>> {
    let group = draft.memory.contents(instance)?.groups.named(name);
    group
        .cloned()
        .ok_or_else(|| ApiError::new(ErrorCode::GroupNotFound, "no such group"))
}

fn check(group: &Group) -> ApiResult<()> {
    within("maxRetries", group.max_retries, 0, MAX_RETRIES_MAX)?;
    remark("remark", &group.remark)?;
    if let StartPosition::Time(time) = group.start {
        number("start", time.0)?;
    }
    let topics = group.subscriptions.iter().map(|(topic, _)| topic.as_str());
    name_list("subscriptions", topics)?;
    for (_, tps) in &group.subscriptions {
        number("subscriptions", *tps)?;
    }
    Ok(())
}

fn note(draft: &mut Draft<'_>, instance: &Instance, group: &Group, action: &'static str) {
    let detail = json!({
        "id": group.id,
        "ordered": group.ordered,
        "onPoison": group.on_poison,
        "maxRetries": group.max_retries,
        "enabled": group.enabled,
        "start": group.start,
        "isStartByClient": group.is_start_by_client,
        "pullMechanism": group.pull_mechanism,
        "subscriptions": group.subscriptions,
        "version": group.version,
    });
    let object = object(instance, "groups", &group.name);
    draft.audit(Some(instance.tenant), action, object, detail);
}
