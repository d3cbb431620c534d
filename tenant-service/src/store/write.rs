//! Statements that change the catalogue.

use firn_protocol::api::billing::PriceList;
use firn_protocol::catalogue::{AppUser, ConsoleUser, Erasure, Group, Instance, Plan, Topic};
use firn_protocol::{InstanceId, TenantId, Timestamp};

use super::Origin;
use super::dialect::{Connection, Statement, query};
use super::text::{Word as _, list_text, start_word};
use crate::catalogue::{Audit, Change, ConsoleRow, Numbers, TokenRow, UserRow};
use crate::error::StoreError;
use crate::keys::Keys;

type Written = Result<(), StoreError>;

pub(super) async fn change(
    db: &mut Connection<'_>,
    change: &Change,
    at: Timestamp,
    keys: &Keys,
) -> Written {
    match change {
        Change::AddTenant(tenant) => {
            let sql = "INSERT INTO tenant (id, name) VALUES ($1, $2)";
            run(db, query(sql).bind(int(tenant.id.0)?).bind(&tenant.name)).await
        }
        Change::SetTenant(tenant) => {
            let sql = "UPDATE tenant SET name = $2 WHERE id = $1";
            run(db, query(sql).bind(int(tenant.id.0)?).bind(&tenant.name)).await
        }
        Change::DropTenant(id) => drop_tenant(db, *id).await,
        Change::AddPlan(plan) => add_plan(db, plan).await,
        Change::AddPrices(list) => add_prices(db, list).await,
        Change::AddInstance(instance) => {
            add_instance(db, instance).await?;
            begin_term(db, instance, instance.created_at).await
        }
        Change::SetInstance(instance) => {
            set_instance(db, instance).await?;
            end_other_term(db, instance, at).await?;
            begin_term(db, instance, at).await
        }
        Change::DropInstance(id) => {
            drop_instance(db, *id).await?;
            end_term(db, *id, at).await
        }
        Change::AddErasure(erasure) => add_erasure(db, erasure).await,
        Change::DropErasure(id) => {
            let sql = "DELETE FROM erasure WHERE instance = $1";
            run(db, query(sql).bind(int(id.0)?)).await
        }
        Change::AddTopic(topic) => add_topic(db, topic).await,
        Change::SetTopic(topic) => set_topic(db, topic).await,
        Change::DropTopic(topic) => {
            let sql = "DELETE FROM topic WHERE id = $1";
            run(db, query(sql).bind(int(topic.id.0)?)).await
        }
        Change::AddGroup(group) => add_group(db, group).await,
        Change::SetGroup(group) => set_group(db, group).await,
        Change::DropGroup(group) => {
            let sql = "DELETE FROM consumer_group WHERE id = $1";
            run(db, query(sql).bind(int(group.id.0)?)).await
        }
        Change::AddUser(row) => add_user(db, row, keys).await,
        Change::SetUser(row) => set_user(db, row, keys).await,
        Change::DropUser(user) => drop_user(db, user).await,
        Change::AddConsoleUser(row) => add_console_user(db, row).await,
        Change::SetConsoleUser(row) => set_console_user(db, row).await,
        Change::DropConsoleUser(user) => drop_console_user(db, user).await,
        Change::AddApiToken(row) => add_api_token(db, row).await,
        Change::DropApiToken(id) => {
            run(db, query("DELETE FROM api_token WHERE id = $1").bind(id)).await
        }
        Change::NoteApiToken(id, at) => {
            let sql = "UPDATE api_token SET last_used_at = $2 WHERE id = $1";
            run(db, query(sql).bind(id).bind(int(at.0)?)).await
        }
        Change::RevokeToken(id, until) => {
            let sql = "INSERT INTO revoked_token (id, valid_until) VALUES ($1, $2)
                       ON CONFLICT (id) DO UPDATE SET valid_until = excluded.valid_until";
            run(db, query(sql).bind(id).bind(int(until.0)?)).await
        }
        Change::PruneTokens(now) => {
            let sql = "DELETE FROM revoked_token WHERE valid_until <= $1";
            run(db, query(sql).bind(int(now.0)?)).await
        }
    }
}

pub(super) async fn numbers(db: &mut Connection<'_>, numbers: &Numbers) -> Written {
    for (kind, next) in [
        ("instance", numbers.instance),
        ("broker", numbers.broker),
        ("topic", numbers.topic),
        ("group", numbers.group),
        ("revision", numbers.revision),
    ] {
        // A row that would not rise is left as it is, and costs no page.
        let sql = "INSERT INTO next_number (kind, next) VALUES ($1, $2)
                   ON CONFLICT (kind) DO UPDATE SET next = excluded.next
                   WHERE next_number.next < excluded.next";
        run(db, query(sql).bind(kind).bind(int(next)?)).await?;
    }
    Ok(())
}

pub(super) async fn setting(db: &mut Connection<'_>, name: &str, value: &str) -> Written {
    let sql = "INSERT INTO setting (name, value) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    run(db, query(sql).bind(name).bind(value)).await
}

pub(super) async fn audit(
    db: &mut Connection<'_>,
    at: Timestamp,
    audit: &Audit,
    origin: &Origin,
) -> Written {
    let tenant = audit.tenant.map(|tenant| int(tenant.0)).transpose()?;
    let statement = query(
        "INSERT INTO audit (at, tenant, caller, action, object, request_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(int(at.0)?)
    .bind(tenant)
    .bind(&origin.caller)
    .bind(audit.action)
    .bind(&audit.object)
    .bind(&origin.request_id)
    .bind(audit.detail.to_string());
    run(db, statement).await
}

/// The databases' integers are signed.
pub(super) fn int(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Damaged {
        table: "any",
        problem: format!("the number {value} does not fit"),
    })
}

async fn run(db: &mut Connection<'_>, statement: Statement<'_>) -> Written {
    db.run(statement).await
}

async fn drop_tenant(db: &mut Connection<'_>, id: TenantId) -> Written {
    let id = int(id.0)?;
    for sql in [
        "DELETE FROM console_user WHERE tenant = $1",
        "DELETE FROM api_token WHERE tenant = $1",
        "DELETE FROM tenant WHERE id = $1",
    ] {
        run(db, query(sql).bind(id)).await?;
    }
    Ok(())
}

async fn add_plan(db: &mut Connection<'_>, plan: &Plan) -> Written {
    let statement = query(
        "INSERT INTO plan (name, tps, topic_tps, burst_seconds, topics, consumer_groups, brokers,
                           storage_gib, retention_hours, message_bytes, connections, price_list)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(&plan.name)
    .bind(int(plan.tps)?)
    .bind(int(plan.topic_tps)?)
    .bind(plan.burst_seconds)
    .bind(int(plan.topics)?)
    .bind(int(plan.groups)?)
    .bind(int(plan.brokers)?)
    .bind(int(plan.storage_gib)?)
    .bind(i64::from(plan.retention_hours))
    .bind(int(plan.message_bytes)?)
    .bind(int(plan.connections)?)
    .bind(&plan.price_list);
    run(db, statement).await
}

async fn add_prices(db: &mut Connection<'_>, list: &PriceList) -> Written {
    let statement = query(
        "INSERT INTO price_list (name, version, valid_from, currency, prices)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&list.name)
    .bind(i64::from(list.version))
    .bind(int(list.valid_from.0)?)
    .bind(&list.currency)
    .bind(serde_json::json!(list.prices).to_string());
    run(db, statement).await
}

async fn add_instance(db: &mut Connection<'_>, instance: &Instance) -> Written {
    let statement = query(
        "INSERT INTO instance (id, uid, tenant, name, plan, durability, retention_hours,
                               disk_policy, remark, status, created_at, expires_at, time_zone)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(int(instance.id.0)?)
    .bind(&instance.uid)
    .bind(int(instance.tenant.0)?)
    .bind(&instance.name)
    .bind(&instance.plan)
    .bind(instance.durability.word())
    .bind(i64::from(instance.retention_hours))
    .bind(instance.disk_policy.word())
    .bind(&instance.remark)
    .bind(instance.status.word())
    .bind(int(instance.created_at.0)?)
    .bind(instance.expires_at.map(|time| int(time.0)).transpose()?)
    .bind(&instance.time_zone);
    run(db, statement).await?;
    add_brokers(db, instance).await
}

async fn set_instance(db: &mut Connection<'_>, instance: &Instance) -> Written {
    let statement = query(
        "UPDATE instance SET plan = $2, durability = $3, retention_hours = $4, disk_policy = $5,
                             remark = $6, status = $7, expires_at = $8, time_zone = $9
         WHERE id = $1",
    )
    .bind(int(instance.id.0)?)
    .bind(&instance.plan)
    .bind(instance.durability.word())
    .bind(i64::from(instance.retention_hours))
    .bind(instance.disk_policy.word())
    .bind(&instance.remark)
    .bind(instance.status.word())
    .bind(instance.expires_at.map(|time| int(time.0)).transpose()?)
    .bind(&instance.time_zone);
    run(db, statement).await?;
    add_brokers(db, instance).await
}

/// Those that are not there yet.
async fn add_brokers(db: &mut Connection<'_>, instance: &Instance) -> Written {
    for broker in &instance.brokers {
        let statement = query(
            "INSERT INTO broker (id, instance, name) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(i64::from(broker.id.0))
        .bind(int(instance.id.0)?)
        .bind(&broker.name);
        run(db, statement).await?;
    }
    Ok(())
}

async fn drop_instance(db: &mut Connection<'_>, id: InstanceId) -> Written {
    for sql in [
        "DELETE FROM app_user WHERE instance = $1",
        "DELETE FROM api_token WHERE instance = $1",
        "DELETE FROM topic WHERE instance = $1",
        "DELETE FROM consumer_group WHERE instance = $1",
        "DELETE FROM broker WHERE instance = $1",
        "DELETE FROM instance WHERE id = $1",
    ] {
        run(db, query(sql).bind(int(id.0)?)).await?;
    }
    Ok(())
}

async fn add_erasure(db: &mut Connection<'_>, erasure: &Erasure) -> Written {
    let statement = query(
        "INSERT INTO erasure (instance, tenant, uid, name, brokers, since)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(int(erasure.instance.0)?)
    .bind(int(erasure.tenant.0)?)
    .bind(&erasure.uid)
    .bind(&erasure.name)
    .bind(list_text(&erasure.brokers))
    .bind(int(erasure.since.0)?);
    run(db, statement).await
}

/// Notes what an instance is from now on, for its bills, unless that is noted.
async fn begin_term(db: &mut Connection<'_>, instance: &Instance, since: Timestamp) -> Written {
    let statement = query(
        "INSERT INTO instance_term (instance, tenant, uid, name, plan, since, ended_at, expires_at)
         SELECT $1, $2, $3, $4, $5, $6, NULL, $7
         WHERE NOT EXISTS (SELECT 1 FROM instance_term
                           WHERE instance = $1 AND ended_at IS NULL)",
    )
    .bind(int(instance.id.0)?)
    .bind(int(instance.tenant.0)?)
    .bind(&instance.uid)
    .bind(&instance.name)
    .bind(&instance.plan)
    .bind(int(since.0)?)
    .bind(instance.expires_at.map(|time| int(time.0)).transpose()?);
    run(db, statement).await
}

/// Ends what is noted of an instance, if it is another one now.
async fn end_other_term(db: &mut Connection<'_>, instance: &Instance, at: Timestamp) -> Written {
    let statement = query(
        "UPDATE instance_term SET ended_at = $2
         WHERE instance = $1 AND ended_at IS NULL
               AND (plan <> $3 OR COALESCE(expires_at, -1) <> COALESCE($4, -1))",
    )
    .bind(int(instance.id.0)?)
    .bind(int(at.0)?)
    .bind(&instance.plan)
    .bind(instance.expires_at.map(|time| int(time.0)).transpose()?);
    run(db, statement).await
}

async fn end_term(db: &mut Connection<'_>, id: InstanceId, at: Timestamp) -> Written {
    let sql = "UPDATE instance_term SET ended_at = $2 WHERE instance = $1 AND ended_at IS NULL";
    run(db, query(sql).bind(int(id.0)?).bind(int(at.0)?)).await
}

async fn add_topic(db: &mut Connection<'_>, topic: &Topic) -> Written {
    let statement = query(
        "INSERT INTO topic (id, topic_type, queues, permission, ordered, remark, retention_hours,
                            tps, allowed_groups, brokers, version, instance, name, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    );
    let statement = topic_columns(statement, topic)?
        .bind(int(topic.instance.0)?)
        .bind(&topic.name)
        .bind(int(topic.created_at.0)?);
    run(db, statement).await
}

async fn set_topic(db: &mut Connection<'_>, topic: &Topic) -> Written {
    let statement = query(
        "UPDATE topic SET topic_type = $2, queues = $3, permission = $4, ordered = $5, remark = $6,
                          retention_hours = $7, tps = $8, allowed_groups = $9, brokers = $10,
                          version = $11
         WHERE id = $1",
    );
    run(db, topic_columns(statement, topic)?).await
}

/// The first eleven parameters: the number and what may change.
fn topic_columns<'q>(
    statement: Statement<'q>,
    topic: &'q Topic,
) -> Result<Statement<'q>, StoreError> {
    Ok(statement
        .bind(int(topic.id.0)?)
        .bind(topic.topic_type.word())
        .bind(i64::from(topic.queues))
        .bind(topic.permission.word())
        .bind(topic.ordered)
        .bind(&topic.remark)
        .bind(topic.retention_hours.map(i64::from))
        .bind(topic.tps.map(int).transpose()?)
        .bind(list_text(&topic.allowed_groups))
        .bind(list_text(&topic.brokers))
        .bind(int(topic.version)?))
}

async fn add_group(db: &mut Connection<'_>, group: &Group) -> Written {
    let statement = query(
        "INSERT INTO consumer_group (id, ordered, on_poison, max_retries, enabled, start_position,
                                     subscriptions, remark, version, start_by_client,
                                     pull_mechanism, instance, name, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    );
    let statement = group_columns(statement, group)?
        .bind(int(group.instance.0)?)
        .bind(&group.name)
        .bind(int(group.created_at.0)?);
    run(db, statement).await
}

async fn set_group(db: &mut Connection<'_>, group: &Group) -> Written {
    let statement = query(
        "UPDATE consumer_group SET ordered = $2, on_poison = $3, max_retries = $4, enabled = $5,
                                   start_position = $6, subscriptions = $7, remark = $8,
                                   version = $9, start_by_client = $10, pull_mechanism = $11
         WHERE id = $1",
    );
    run(db, group_columns(statement, group)?).await
}

/// The first eleven parameters: the number and what may change.
fn group_columns<'q>(
    statement: Statement<'q>,
    group: &'q Group,
) -> Result<Statement<'q>, StoreError> {
    Ok(statement
        .bind(int(group.id.0)?)
        .bind(group.ordered)
        .bind(group.on_poison.word())
        .bind(i64::from(group.max_retries))
        .bind(group.enabled)
        .bind(start_word(group.start))
        .bind(list_text(&group.subscriptions))
        .bind(&group.remark)
        .bind(int(group.version)?)
        .bind(group.is_start_by_client)
        .bind(group.pull_mechanism.word()))
}

async fn add_user(db: &mut Connection<'_>, row: &UserRow, keys: &Keys) -> Written {
    let statement = query(
        "INSERT INTO app_user (access_key, secret, topics, description, ip_allow,
                               previous_secret, previous_until, instance, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    );
    let statement = user_columns(statement, row, keys)?
        .bind(int(row.user.instance.0)?)
        .bind(int(row.user.created_at.0)?);
    run(db, statement).await
}

async fn set_user(db: &mut Connection<'_>, row: &UserRow, keys: &Keys) -> Written {
    let statement = query(
        "UPDATE app_user SET secret = $2, topics = $3, description = $4, ip_allow = $5,
                             previous_secret = $6, previous_until = $7
         WHERE access_key = $1",
    );
    run(db, user_columns(statement, row, keys)?).await
}

/// The first seven parameters: the key and what may change.
fn user_columns<'q>(
    statement: Statement<'q>,
    row: &'q UserRow,
    keys: &Keys,
) -> Result<Statement<'q>, StoreError> {
    let user = &row.user;
    let previous = row.previous.as_deref();
    let previous = previous.map(|secret| keys.seal_previous(&user.access_key, secret));
    let until = user.previous_valid_until.map(|until| int(until.0));
    Ok(statement
        .bind(&user.access_key)
        .bind(keys.seal(&user.access_key, &row.secret))
        .bind(list_text(&user.topics))
        .bind(&user.description)
        .bind(list_text(&user.ip_allow))
        .bind(previous)
        .bind(until.transpose()?))
}

async fn drop_user(db: &mut Connection<'_>, user: &AppUser) -> Written {
    let sql = "DELETE FROM app_user WHERE access_key = $1";
    run(db, query(sql).bind(&user.access_key)).await
}

async fn add_api_token(db: &mut Connection<'_>, row: &TokenRow) -> Written {
    let token = &row.token;
    let statement = query(
        "INSERT INTO api_token (id, tenant, instance, name, hash, scopes, allowed_topics,
                                allowed_groups, created_at, expires_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&token.id)
    .bind(int(token.tenant.0)?)
    .bind(token.instance.map(|id| int(id.0)).transpose()?)
    .bind(&token.name)
    .bind(row.hash.to_vec())
    .bind(list_text(&token.scopes))
    .bind(list_text(&token.topics))
    .bind(list_text(&token.groups))
    .bind(int(token.created_at.0)?)
    .bind(int(token.expires_at.0)?)
    .bind(int(row.noted_ms)?);
    run(db, statement).await
}

async fn add_console_user(db: &mut Connection<'_>, row: &ConsoleRow) -> Written {
    let statement = query(
        "INSERT INTO console_user (tenant, username, role, password_hash)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(owner(&row.user)?)
    .bind(&row.user.username)
    .bind(row.user.role.word())
    .bind(&*row.password_hash);
    run(db, statement).await
}

async fn set_console_user(db: &mut Connection<'_>, row: &ConsoleRow) -> Written {
    let statement = query(
        "UPDATE console_user SET role = $3, password_hash = $4
         WHERE tenant = $1 AND username = $2",
    )
    .bind(owner(&row.user)?)
    .bind(&row.user.username)
    .bind(row.user.role.word())
    .bind(&*row.password_hash);
    run(db, statement).await
}

async fn drop_console_user(db: &mut Connection<'_>, user: &ConsoleUser) -> Written {
    let sql = "DELETE FROM console_user WHERE tenant = $1 AND username = $2";
    run(db, query(sql).bind(owner(user)?).bind(&user.username)).await
}

/// 0 stands for the deployment; no tenant has that number.
fn owner(user: &ConsoleUser) -> Result<i64, StoreError> {
    user.tenant.map_or(Ok(0), |tenant| int(tenant.0))
}
