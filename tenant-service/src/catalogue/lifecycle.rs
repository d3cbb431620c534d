//! The end of an instance (SEED_SPEC 10): with its end date it is frozen, and a week
//! later removed with its data. Whoever sets a later end before that has all of it
//! again.

use std::sync::Arc;

use firn_protocol::catalogue::{Instance, InstanceStatus};
use firn_protocol::{ApiError, ApiResult, ErrorCode, InstanceId, Timestamp};
use serde_json::json;

use super::memory::Memory;
use super::{Change, Draft, instances};

/// How long a frozen instance is kept after its end.
const KEPT_MS: u64 = 7 * 24 * 3600 * 1000;

/// What is due of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Freeze(InstanceId),
    Remove(InstanceId),
}

/// The first thing that is due of any instance.
pub(crate) fn due(memory: &Memory, now: Timestamp) -> Option<Step> {
    memory.all_instances().find_map(|instance| {
        let end = instance.expires_at.filter(|end| *end <= now)?;
        match instance.status {
            _ if end.plus_ms(KEPT_MS) <= now => Some(Step::Remove(instance.id)),
            InstanceStatus::Running => Some(Step::Freeze(instance.id)),
            InstanceStatus::Frozen => None,
        }
    })
}

/// Does what is due, unless another process was first.
pub(crate) fn do_due(draft: &mut Draft<'_>) -> ApiResult<()> {
    match due(draft.memory, draft.now) {
        None => {}
        Some(Step::Freeze(id)) => {
            let mut instance = Instance::clone(&draft.memory.contents(id)?.instance);
            instance.status = InstanceStatus::Frozen;
            let instance = Arc::new(instance);
            draft.push(Change::SetInstance(instance.clone()));
            instances::note(draft, &instance, "instance.freeze");
        }
        Some(Step::Remove(id)) => {
            let instance = draft.memory.contents(id)?.instance.clone();
            instances::remove(draft, &instance);
            instances::note(draft, &instance, "instance.expire");
        }
    }
    Ok(())
}

/// A new end, and whether it is frozen. A later end sets one that was frozen by its
/// end going again.
pub(super) fn change(
    now: Timestamp,
    instance: &mut Instance,
    expires_at: Option<Timestamp>,
    status: Option<InstanceStatus>,
) -> ApiResult<()> {
    let has_ended = |instance: &Instance| instance.expires_at.is_some_and(|end| end <= now);
    let had_ended = has_ended(instance);
    if expires_at.is_some() {
        instance.expires_at = expires_at;
    }
    let is_over = has_ended(instance);
    if status == Some(InstanceStatus::Running) && is_over {
        return Err(ApiError::new(
            ErrorCode::Conflict,
            "status: the instance has expired; give it a later expiresAt",
        ));
    }
    let by_end = match (had_ended, is_over) {
        (true, false) => Some(InstanceStatus::Running),
        (_, true) => Some(InstanceStatus::Frozen),
        (false, false) => None,
    };
    instances::set(&mut instance.status, by_end);
    instances::set(&mut instance.status, status);
    Ok(())
}

/// The data of a removed instance is gone.
pub(crate) fn erased(
    draft: &mut Draft<'_>,
    id: InstanceId,
    objects: u64,
    bytes: u64,
) -> ApiResult<()> {
    let Some(erasure) = draft.memory.erasures.get(&id).cloned() else {
        // Another process was first.
        return Ok(());
    };
    draft.push(Change::DropErasure(id));
    let detail = json!({
        "id": id, "name": erasure.name, "brokers": erasure.brokers,
        "objects": objects, "bytes": bytes, "removedAt": erasure.since,
    });
    let tenant = Some(erasure.tenant);
    draft.audit(tenant, "instance.erased", erasure.uid.clone(), detail);
    Ok(())
}
