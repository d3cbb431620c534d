//! Application users and their secrets (SEED_SPEC 6.4).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::api::tenant::{UserFields, UserWithSecret};
use firn_protocol::catalogue::{AppUser, Instance};
use firn_protocol::limits::GRACE_SECONDS_MAX;
use firn_protocol::{ApiError, ApiResult, ErrorCode, InstanceId, Timestamp, names};
use firn_runtime::random;
use serde_json::json;

use super::checks::{exists_already, ip_allow, name_list, object, remark, secret_key, within};
use super::instances::set;
use super::memory::Memory;
use super::{Change, Draft, UserRow};
use crate::secret::Secret;

/// 64 bytes make the 88 characters of the guide's samples (SEED_SPEC 5.1).
const SECRET_BYTES: usize = 64;
const GRACES_ENDED_AT_ONCE: usize = 1000;

pub(crate) fn create(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    access_key: &str,
    fields: UserFields,
) -> ApiResult<UserWithSecret> {
    let contents = draft.memory.contents(instance)?;
    names::check("accessKey", access_key)?;
    if draft.memory.users.contains_key(access_key) {
        return Err(exists_already("user", access_key));
    }
    let user = AppUser {
        access_key: access_key.to_owned(),
        tenant: contents.instance.tenant,
        instance,
        topics: fields.topics.unwrap_or_default(),
        description: fields.description.unwrap_or_default(),
        ip_allow: fields.ip_allow.unwrap_or_default(),
        created_at: draft.now,
        previous_valid_until: None,
    };
    check(&user)?;
    let secret = match fields.secret_key {
        Some(given) => {
            secret_key(&given)?;
            Secret::new(given)
        }
        None => new_secret(),
    };
    let row = UserRow {
        user: Arc::new(user),
        secret: Arc::new(secret),
        previous: None,
    };
    draft.push(Change::AddUser(row.clone()));
    note(draft, &contents.instance, &row.user, "user.create");
    Ok(shown(&row))
}

/// Absent fields stay. The secret changes by rotation alone.
pub(crate) fn change(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    access_key: &str,
    fields: UserFields,
) -> ApiResult<Arc<AppUser>> {
    let contents = draft.memory.contents(instance)?;
    let row = find(draft, instance, access_key)?;
    if fields.secret_key.is_some() {
        return Err(ApiError::field("secretKey", "is changed by rotation only"));
    }
    let mut user = AppUser::clone(&row.user);
    set(&mut user.topics, fields.topics);
    set(&mut user.description, fields.description);
    set(&mut user.ip_allow, fields.ip_allow);
    check(&user)?;
    let user = Arc::new(user);
    draft.push(Change::SetUser(UserRow {
        user: user.clone(),
        ..row
    }));
    note(draft, &contents.instance, &user, "user.change");
    Ok(user)
}

pub(crate) fn delete(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    access_key: &str,
) -> ApiResult<()> {
    let contents = draft.memory.contents(instance)?;
    let row = find(draft, instance, access_key)?;
    draft.push(Change::DropUser(row.user.clone()));
    note(draft, &contents.instance, &row.user, "user.delete");
    Ok(())
}

pub(crate) fn rotate(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    access_key: &str,
    grace_seconds: u64,
) -> ApiResult<UserWithSecret> {
    let contents = draft.memory.contents(instance)?;
    let mut row = find(draft, instance, access_key)?;
    within("graceSeconds", grace_seconds, 0, GRACE_SECONDS_MAX)?;
    let before = std::mem::replace(&mut row.secret, Arc::new(new_secret()));
    let until = (grace_seconds > 0).then(|| draft.now.plus_ms(grace_seconds * 1000));
    row.previous = until.map(|_| before);
    Arc::make_mut(&mut row.user).previous_valid_until = until;
    draft.push(Change::SetUser(row.clone()));
    let detail = json!({"graceSeconds": grace_seconds, "previousValidUntil": until});
    let object = object(&contents.instance, "users", access_key);
    let tenant = Some(contents.instance.tenant);
    draft.audit(tenant, "user.rotate", object, detail);
    Ok(shown(&row))
}

/// Whether any secret of before has ended and is still kept.
pub(crate) fn has_ended_grace(memory: &Memory, now: Timestamp) -> bool {
    ended_graces(memory, now).next().is_some()
}

/// Forgets secrets of before that are no longer valid, some at a time.
pub(crate) fn end_graces(draft: &mut Draft<'_>) {
    let ended = ended_graces(draft.memory, draft.now).take(GRACES_ENDED_AT_ONCE);
    let rows: Vec<UserRow> = ended.cloned().collect();
    for mut row in rows {
        row.previous = None;
        Arc::make_mut(&mut row.user).previous_valid_until = None;
        draft.push(Change::SetUser(row));
    }
}

fn ended_graces(memory: &Memory, now: Timestamp) -> impl Iterator<Item = &UserRow> {
    let has_ended = move |until: Timestamp| until <= now;
    let rows = memory.users.values();
    rows.filter(move |row| row.user.previous_valid_until.is_some_and(has_ended))
}

/// Changes nothing but the audit log.
pub(crate) fn reveal(
    draft: &mut Draft<'_>,
    instance: InstanceId,
    access_key: &str,
) -> ApiResult<UserWithSecret> {
    let contents = draft.memory.contents(instance)?;
    let row = find(draft, instance, access_key)?;
    note(draft, &contents.instance, &row.user, "user.reveal");
    Ok(shown(&row))
}

/// A user of another instance is answered as one that does not exist.
fn find(draft: &Draft<'_>, instance: InstanceId, access_key: &str) -> ApiResult<UserRow> {
    let row = draft.memory.users.get(access_key);
    row.filter(|row| row.user.instance == instance)
        .cloned()
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "no such user"))
}

fn check(user: &AppUser) -> ApiResult<()> {
    name_list("topics", user.topics.iter().map(String::as_str))?;
    remark("description", &user.description)?;
    ip_allow(&user.ip_allow)
}

/// A secret that nobody could guess.
pub(crate) fn new_secret() -> Secret {
    Secret::new(STANDARD.encode(random::bytes::<SECRET_BYTES>()))
}

fn shown(row: &UserRow) -> UserWithSecret {
    UserWithSecret {
        user: row.user.clone(),
        secret_key: row.secret.expose().to_owned(),
    }
}

fn note(draft: &mut Draft<'_>, instance: &Instance, user: &AppUser, action: &'static str) {
    let detail = json!({"topics": user.topics, "ipAllow": user.ip_allow});
    let object = object(instance, "users", &user.access_key);
    draft.audit(Some(instance.tenant), action, object, detail);
}
