//! Topics.

use std::sync::Arc;

use firn_protocol::api::tenant::TopicFields;
use firn_protocol::catalogue::{Instance, Topic, TopicType};
use firn_protocol::limits::{QUEUES_DEFAULT, QUEUES_MAX};
use firn_protocol::{ApiError, ApiResult, BrokerId, ErrorCode, InstanceId, names};
use serde_json::json;

use super::checks::{exists_already, name_list, number, object, quota, remark, retention, within};
use super::instances::{find_plan, set};
use super::{Change, Draft};

pub(crate) fn create(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    name: &str,
    fields: TopicFields,
) -> ApiResult<Arc<Topic>> {
    let contents = draft.memory.contents(instance)?;
    names::check("name", name)?;
    if contents.topics.named(name).is_some() {
        return Err(exists_already("topic", name));
    }
    let topic_type = fields.topic_type.unwrap_or_default();
    let brokers = fields.brokers.as_deref().unwrap_or_default();
    let topic = Topic {
        id: draft.numbers.take_topic(),
        instance,
        name: name.to_owned(),
        topic_type,
        queues: fields.queues.unwrap_or(QUEUES_DEFAULT),
        permission: fields.permission.unwrap_or_default(),
        ordered: fields.ordered.unwrap_or(topic_type == TopicType::Fifo),
        remark: fields.remark.unwrap_or_default(),
        brokers: broker_ids(&contents.instance, brokers)?,
        retention_hours: fields.retention_hours.filter(|hours| *hours > 0),
        tps: fields.tps.filter(|tps| *tps > 0),
        allowed_groups: fields.allowed_groups.unwrap_or_default(),
        created_at: draft.now,
        version: draft.numbers.take_revision(),
    };
    check(&topic)?;
    let plan = find_plan(draft, &contents.instance.plan)?;
    quota(&plan, "topics", plan.topics, contents.topics.len() + 1)?;
    let topic = Arc::new(topic);
    draft.push(Change::AddTopic(topic.clone()));
    note(draft, &contents.instance, &topic, "topic.create");
    Ok(topic)
}

/// Absent fields stay. `retentionHours` 0 and `tps` 0 give the topic back to
/// the instance's retention and the plan's rate.
pub(crate) fn change(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    name: &str,
    fields: TopicFields,
) -> ApiResult<Arc<Topic>> {
    let contents = draft.memory.contents(instance)?;
    let old = find(draft, instance, name)?;
    if fields.brokers.is_some() {
        return Err(ApiError::field("brokers", "can only be given at creation"));
    }
    let mut topic = Topic::clone(&old);
    set(&mut topic.topic_type, fields.topic_type);
    set(&mut topic.queues, fields.queues);
    set(&mut topic.permission, fields.permission);
    set(&mut topic.ordered, fields.ordered);
    set(&mut topic.remark, fields.remark);
    set(&mut topic.allowed_groups, fields.allowed_groups);
    if let Some(hours) = fields.retention_hours {
        topic.retention_hours = (hours > 0).then_some(hours);
    }
    if let Some(tps) = fields.tps {
        topic.tps = (tps > 0).then_some(tps);
    }
    check(&topic)?;
    if topic.queues != old.queues {
        let keeps_order = old.keeps_order() || topic.keeps_order();
        if keeps_order && !fields.is_drained {
            let text =
                "the queue numbers of an ordered topic cannot be changed before it is drained";
            return Err(ApiError::new(ErrorCode::Conflict, text));
        }
        topic.version = draft.numbers.take_revision();
    }
    let topic = Arc::new(topic);
    draft.push(Change::SetTopic(topic.clone()));
    note(draft, &contents.instance, &topic, "topic.change");
    Ok(topic)
}

pub(crate) fn delete(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    name: &str,
) -> ApiResult<Arc<Topic>> {
    let contents = draft.memory.contents(instance)?;
    let topic = find(draft, instance, name)?;
    draft.push(Change::DropTopic(topic.clone()));
    note(draft, &contents.instance, &topic, "topic.delete");
    Ok(topic)
}

fn find(draft: &Draft<'_>, instance: InstanceId, name: &str) -> ApiResult<Arc<Topic>> {
    let topic = draft.memory.contents(instance)?.topics.named(name);
    topic
        .cloned()
        .ok_or_else(|| ApiError::new(ErrorCode::TopicNotFound, "no such topic"))
}

/// Topics that keep an order stay on the brokers that they have when their instance
/// gets more: message groups would go on elsewhere, before their older messages.
pub(crate) fn pin(draft: &mut Draft<'_>, instance: InstanceId) -> ApiResult<()> {
    let contents = draft.memory.contents(instance)?;
    let brokers = contents.instance.brokers.iter();
    let brokers: Vec<BrokerId> = brokers.map(|broker| broker.id).collect();
    let topics = contents.topics.all();
    let wide = topics
        .iter()
        .filter(|topic| topic.keeps_order() && topic.brokers.is_empty());
    let pinned: Vec<Topic> = wide
        .map(|topic| Topic {
            brokers: brokers.clone(),
            ..Topic::clone(topic)
        })
        .collect();
    for topic in pinned {
        draft.push(Change::SetTopic(Arc::new(topic)));
    }
    Ok(())
}

fn check(topic: &Topic) -> ApiResult<()> {
    within("queues", topic.queues, 1, QUEUES_MAX)?;
    remark("remark", &topic.remark)?;
    topic.retention_hours.map_or(Ok(()), retention)?;
    number("tps", topic.tps.unwrap_or(0))?;
    name_list(
        "allowedGroups",
        topic.allowed_groups.iter().map(String::as_str),
    )
}

fn broker_ids(instance: &Instance, listed: &[String]) -> ApiResult<Vec<BrokerId>> {
    let mut ids = Vec::new();
    for name in listed {
        let Some(broker) = instance.brokers.iter().find(|broker| &broker.name == name) else {
            let text = "brokers: the instance has no such broker";
            return Err(ApiError::new(ErrorCode::NotFound, text));
        };
        if ids.contains(&broker.id) {
            return Err(ApiError::field(
                "brokers",
                format_args!("'{name}' is there twice"),
            ));
        }
        ids.push(broker.id);
    }
    Ok(ids)
}

fn note(draft: &mut Draft<'_>, instance: &Instance, topic: &Topic, action: &'static str) {
    let detail = json!({
        "id": topic.id,
        "type": topic.topic_type,
        "queues": topic.queues,
        "permission": topic.permission,
        "ordered": topic.ordered,
        "retentionHours": topic.retention_hours,
        "tps": topic.tps,
        "allowedGroups": topic.allowed_groups,
    });
    let object = object(instance, "topics", &topic.name);
    draft.audit(Some(instance.tenant), action, object, detail);
}
