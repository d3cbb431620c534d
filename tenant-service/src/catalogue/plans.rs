//! Plans: three built in (API.md, "Plans"), others made by the operator and
//! never changed, so that an instance keeps what its bill was made for.

use std::sync::Arc;

use firn_protocol::catalogue::Plan;
use firn_protocol::limits::{
    BURST_SECONDS_MAX, MESSAGE_BYTES_DEFAULT, MESSAGE_BYTES_MAX, RETENTION_HOURS_DEFAULT,
};
use firn_protocol::{ApiResult, names};
use serde_json::json;

use super::checks::{exists_already, number, retention, within};
use super::{Change, Draft};

/// The plan of an instance whose creator names none.
pub(crate) const DEFAULT: &str = "basic";

/// The plans that every catalogue has. Counted things without a number in
/// API.md have no cap.
pub(crate) fn built_in() -> [Plan; 3] {
    let basic = Plan {
        name: DEFAULT.to_owned(),
        tps: 5000,
        topic_tps: 5000,
        burst_seconds: 0.1,
        topics: 50,
        groups: 0,
        brokers: 0,
        storage_gib: 200,
        retention_hours: RETENTION_HOURS_DEFAULT,
        message_bytes: MESSAGE_BYTES_DEFAULT,
        connections: 0,
        price_list: "standard".to_owned(),
    };
    let intermediate = Plan {
        name: "intermediate".to_owned(),
        tps: 10_000,
        topics: 200,
        storage_gib: 500,
        ..basic.clone()
    };
    let serverless = Plan {
        name: "serverless".to_owned(),
        tps: 50_000,
        topics: 1_000_000,
        storage_gib: 0,
        ..basic.clone()
    };
    [basic, intermediate, serverless]
}

pub(crate) fn create(draft: &mut Draft<'_>, plan: Plan) -> ApiResult<Arc<Plan>> {
    check(&plan)?;
    if draft.memory.plans.contains_key(&plan.name) {
        return Err(exists_already("plan", &plan.name));
    }
    let plan = Arc::new(plan);
    draft.push(Change::AddPlan(plan.clone()));
    draft.audit(None, "plan.create", plan.name.clone(), json!(&*plan));
    Ok(plan)
}

fn check(plan: &Plan) -> ApiResult<()> {
    names::check("name", &plan.name)?;
    names::check("priceList", &plan.price_list)?;
    for (field, value) in [
        ("tps", plan.tps),
        ("topicTps", plan.topic_tps),
        ("topics", plan.topics),
        ("groups", plan.groups),
        ("brokers", plan.brokers),
        ("storageGib", plan.storage_gib),
        ("connections", plan.connections),
    ] {
        number(field, value)?;
    }
    within("burstSeconds", plan.burst_seconds, 0.0, BURST_SECONDS_MAX)?;
    within("messageBytes", plan.message_bytes, 1, MESSAGE_BYTES_MAX)?;
    retention(plan.retention_hours)
}
