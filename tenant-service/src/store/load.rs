//! Reads the whole catalogue into memory: one streamed statement a table.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use firn_protocol::api::billing::PriceList;
use firn_protocol::catalogue::{
    ApiToken, AppUser, AuditEntry, Broker, ConsoleUser, Erasure, Group, Instance, Plan, Rates,
    Tenant, Topic,
};
use firn_protocol::{BrokerId, GroupId, InstanceId, TenantId, Timestamp, TopicId};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::{Decode, Postgres, Sqlite, Type};

use super::dialect::{Connection, Row, query};
use super::text::{Word, list_from_text, start_from_word};
use super::{KEY_CHECK, Loaded, VERSION};
use crate::catalogue::memory::Memory;
use crate::catalogue::{Change, ConsoleRow, Numbers, TokenRow, UserRow, plans};
use crate::error::StoreError;
use crate::keys::Keys;

pub(super) async fn all(db: &mut Connection<'_>, keys: &Keys) -> Result<Loaded, StoreError> {
    let sql = "SELECT value FROM setting WHERE name = $1";
    let check = db.text(query(sql).bind(KEY_CHECK)).await?;
    if check.is_some_and(|check| check != keys.check_value()) {
        // Also where there is no secret yet that would not decrypt.
        return Err(StoreError::Damaged {
            table: "setting",
            problem: "the master key was rotated; start again with the new one".to_owned(),
        });
    }
    let mut memory = Memory::default();
    for plan in plans::built_in() {
        memory.apply(&Change::AddPlan(Arc::new(plan)));
    }
    each(db, "tenant", "SELECT id, name FROM tenant", |row| {
        let id = TenantId(row.number()?);
        let name = row.get()?;
        memory.apply(&Change::AddTenant(Arc::new(Tenant { id, name })));
        Ok(())
    })
    .await?;
    plans(db, &mut memory).await?;
    prices(db, &mut memory).await?;
    instances(db, &mut memory).await?;
    topics(db, &mut memory).await?;
    groups(db, &mut memory).await?;
    users(db, &mut memory, keys).await?;
    api_tokens(db, &mut memory).await?;
    people(db, &mut memory).await?;
    erasures(db, &mut memory).await?;
    let numbers = numbers(db).await?;
    let version = version(db).await?;
    Ok(Loaded {
        memory,
        numbers,
        version,
    })
}

async fn erasures(db: &mut Connection<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    let sql = "SELECT instance, tenant, uid, name, brokers, since FROM erasure";
    each(db, "erasure", sql, |row| {
        let (instance, tenant) = (InstanceId(row.number()?), TenantId(row.number()?));
        let (uid, name) = (row.get()?, row.get()?);
        let brokers: &str = row.get()?;
        let erasure = Erasure {
            instance,
            tenant,
            uid,
            name,
            brokers: row.of_list(brokers)?,
            since: Timestamp(row.number()?),
        };
        memory.apply(&Change::AddErasure(Arc::new(erasure)));
        Ok(())
    })
    .await
}

/// How many changes there have been; rises with each.
pub(super) async fn version(db: &mut Connection<'_>) -> Result<u64, StoreError> {
    let sql = "SELECT value FROM setting WHERE name = $1";
    parsed_version(db.text(query(sql).bind(VERSION)).await?)
}

/// A catalogue of before there were versions has none.
pub(super) fn parsed_version(text: Option<String>) -> Result<u64, StoreError> {
    let Some(text) = text else {
        return Ok(0);
    };
    text.parse().map_err(|_| StoreError::Damaged {
        table: "setting",
        problem: "version is no number".to_owned(),
    })
}

pub(super) fn audit_entry(row: Row<'_>) -> Result<AuditEntry, StoreError> {
    let mut row = Columns::new("audit", row);
    Ok(AuditEntry {
        id: row.number()?,
        at: Timestamp(row.number()?),
        tenant: row.maybe_number()?.map(TenantId),
        caller: row.get()?,
        action: row.get()?,
        object: row.get()?,
        request_id: row.get()?,
        detail: row.get()?,
    })
}

async fn numbers(db: &mut Connection<'_>) -> Result<Numbers, StoreError> {
    let mut numbers = Numbers::default();
    let sql = "SELECT kind, next FROM next_number";
    each(db, "next_number", sql, |row| {
        let kind: String = row.get()?;
        let next = row.number()?;
        match kind.as_str() {
            "instance" => numbers.instance = next,
            "broker" => numbers.broker = next,
            "topic" => numbers.topic = next,
            "group" => numbers.group = next,
            "revision" => numbers.revision = next,
            _ => return Err(row.damage(&format!("unknown kind '{kind}'"))),
        }
        Ok(())
    })
    .await?;
    Ok(numbers)
}

async fn plans(db: &mut Connection<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    let sql = "SELECT name, tps, topic_tps, burst_seconds, topics, consumer_groups, brokers,
                      storage_gib, retention_hours, message_bytes, connections, price_list
               FROM plan";
    each(db, "plan", sql, |row| {
        let plan = Plan {
            name: row.get()?,
            tps: row.number()?,
            topic_tps: row.number()?,
            burst_seconds: row.get()?,
            topics: row.number()?,
            groups: row.number()?,
            brokers: row.number()?,
            storage_gib: row.number()?,
            retention_hours: row.number()?,
            message_bytes: row.number()?,
            connections: row.number()?,
            price_list: row.get()?,
        };
        memory.apply(&Change::AddPlan(Arc::new(plan)));
        Ok(())
    })
    .await
}

async fn prices(db: &mut Connection<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    let sql = "SELECT name, version, valid_from, currency, prices FROM price_list
               ORDER BY name, version";
    each(db, "price_list", sql, |row| {
        let list = PriceList {
            name: row.get()?,
            version: row.number()?,
            valid_from: Timestamp(row.number()?),
            currency: row.get()?,
            prices: row.list()?,
        };
        memory.apply(&Change::AddPrices(Arc::new(list)));
        Ok(())
    })
    .await
}

async fn instances(db: &mut Connection<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    let mut brokers: FxHashMap<u64, Vec<Broker>> = FxHashMap::default();
    let sql = "SELECT instance, id, name FROM broker ORDER BY id";
    each(db, "broker", sql, |row| {
        let instance: u64 = row.number()?;
        let id = BrokerId(row.number()?);
        let name = row.get()?;
        brokers
            .entry(instance)
            .or_default()
            .push(Broker { id, name });
        Ok(())
    })
    .await?;
    let sql = "SELECT id, uid, tenant, name, plan, durability, retention_hours, disk_policy,
                      remark, status, created_at, expires_at, time_zone
               FROM instance";
    each(db, "instance", sql, |row| {
        let id: u64 = row.number()?;
        let mut instance = Instance {
            id: InstanceId(id),
            uid: row.get()?,
            tenant: TenantId(row.number()?),
            name: row.get()?,
            plan: row.get()?,
            brokers: brokers.remove(&id).unwrap_or_default(),
            durability: row.word()?,
            retention_hours: row.number()?,
            disk_policy: row.word()?,
            remark: row.get()?,
            status: row.word()?,
            created_at: Timestamp(row.number()?),
            expires_at: row.maybe_number()?.map(Timestamp),
            time_zone: row.get()?,
            message_bytes: 0,
            rates: Rates::default(),
        };
        let Some(plan) = memory.plans.get(&instance.plan) else {
            return Err(row.damage("a plan that does not exist"));
        };
        if instance.brokers.is_empty() {
            return Err(row.damage("an instance without a broker"));
        }
        instance.message_bytes = plan.message_bytes;
        instance.rates = plan.rates();
        memory.apply(&Change::AddInstance(Arc::new(instance)));
        Ok(())
    })
    .await
}

/// There may be a million of them: each comes as one JSON array, because every
/// column of its own costs an allocation under SQLite's lock and a release on
/// another thread, which was most of the time of a start.
async fn topics(db: &mut Connection<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    macro_rules! array {
        ($of:literal, $as:literal) => {
            concat!(
                "SELECT ",
                $of,
                "(id, instance, name, topic_type, queues, permission,
                  CASE WHEN ordered THEN 1 ELSE 0 END, remark, brokers, retention_hours, tps,
                  allowed_groups, created_at, version)",
                $as,
                " FROM topic"
            )
        };
    }
    let sql = db.either(
        array!("json_array", ""),
        array!("json_build_array", "::text"),
    );
    each(db, "topic", sql, |row| {
        let text: &str = row.get()?;
        let columns: TopicColumns<'_> =
            serde_json::from_str(text).map_err(|error| row.damage(&error.to_string()))?;
        let topic = Topic {
            id: TopicId(columns.0),
            instance: InstanceId(columns.1),
            name: columns.2,
            topic_type: row.of_word(&columns.3)?,
            queues: columns.4,
            permission: row.of_word(&columns.5)?,
            ordered: columns.6 != 0,
            remark: columns.7,
            brokers: row.of_list(&columns.8)?,
            retention_hours: columns.9,
            tps: columns.10,
            allowed_groups: row.of_list(&columns.11)?,
            created_at: Timestamp(columns.12),
            version: columns.13,
        };
        memory.apply(&Change::AddTopic(Arc::new(topic)));
        Ok(())
    })
    .await
}

/// In the order of the statement that selects them.
#[derive(Deserialize)]
struct TopicColumns<'a>(
    u64,
    u64,
    String,
    #[serde(borrow)] Cow<'a, str>,
    u16,
    #[serde(borrow)] Cow<'a, str>,
    u8,
    String,
    #[serde(borrow)] Cow<'a, str>,
    Option<u32>,
    Option<u64>,
    #[serde(borrow)] Cow<'a, str>,
    u64,
    u64,
);

async fn groups(db: &mut Connection<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    let sql = "SELECT id, instance, name, ordered, on_poison, max_retries, enabled, start_position,
                      start_by_client, pull_mechanism, subscriptions, remark, created_at, version
               FROM consumer_group";
    each(db, "consumer_group", sql, |row| {
        let group = Group {
            id: GroupId(row.number()?),
            instance: InstanceId(row.number()?),
            name: row.get()?,
            ordered: row.get()?,
            on_poison: row.word()?,
            max_retries: row.number()?,
            enabled: row.get()?,
            start: {
                let word: String = row.get()?;
                start_from_word(&word).ok_or_else(|| row.damage("unknown start"))?
            },
            is_start_by_client: row.get()?,
            pull_mechanism: row.word()?,
            subscriptions: row.list()?,
            remark: row.get()?,
            created_at: Timestamp(row.number()?),
            version: row.number()?,
        };
        memory.apply(&Change::AddGroup(Arc::new(group)));
        Ok(())
    })
    .await
}

async fn users(
    db: &mut Connection<'_>,
    memory: &mut Memory,
    keys: &Keys,
) -> Result<(), StoreError> {
    let sql = "SELECT u.access_key, i.tenant, u.instance, u.topics, u.description, u.ip_allow,
                      u.created_at, u.previous_until, u.secret, u.previous_secret
               FROM app_user u JOIN instance i ON i.id = u.instance";
    each(db, "app_user", sql, |row| {
        let user = AppUser {
            access_key: row.get()?,
            tenant: TenantId(row.number()?),
            instance: InstanceId(row.number()?),
            topics: row.list()?,
            description: row.get()?,
            ip_allow: row.list()?,
            created_at: Timestamp(row.number()?),
            previous_valid_until: row.maybe_number()?.map(Timestamp),
        };
        let sealed: Vec<u8> = row.get()?;
        let secret = keys
            .unseal(&user.access_key, &sealed)
            .map_err(|problem| row.damage(problem))?;
        let sealed: Option<Vec<u8>> = row.get()?;
        let previous = sealed.map(|sealed| keys.unseal_previous(&user.access_key, &sealed));
        let previous = previous
            .transpose()
            .map_err(|problem| row.damage(problem))?;
        if previous.is_some() != user.previous_valid_until.is_some() {
            return Err(row.damage("a secret of before without its end, or the other way round"));
        }
        memory.apply(&Change::AddUser(UserRow {
            user: Arc::new(user),
            secret: Arc::new(secret),
            previous: previous.map(Arc::new),
        }));
        Ok(())
    })
    .await
}

async fn api_tokens(db: &mut Connection<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    let sql = "SELECT id, tenant, instance, name, scopes, allowed_topics, allowed_groups,
                      created_at, expires_at, hash, last_used_at FROM api_token";
    each(db, "api_token", sql, |row| {
        let token = ApiToken {
            id: row.get()?,
            tenant: TenantId(row.number()?),
            instance: row.maybe_number()?.map(InstanceId),
            name: row.get()?,
            scopes: row.list()?,
            topics: row.list()?,
            groups: row.list()?,
            created_at: Timestamp(row.number()?),
            expires_at: Timestamp(row.number()?),
        };
        let hash: Vec<u8> = row.get()?;
        let hash = hash.try_into().map_err(|_| row.damage("no hash"))?;
        let noted_ms = row.number()?;
        memory.apply(&Change::AddApiToken(TokenRow {
            token: Arc::new(token),
            hash,
            noted_ms,
            used_ms: Arc::new(AtomicU64::new(noted_ms)),
        }));
        Ok(())
    })
    .await
}

async fn people(db: &mut Connection<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    let sql = "SELECT tenant, username, role, password_hash FROM console_user";
    each(db, "console_user", sql, |row| {
        let tenant: u64 = row.number()?;
        let user = ConsoleUser {
            tenant: (tenant != 0).then_some(TenantId(tenant)),
            username: row.get()?,
            role: row.word()?,
            password_mark: 0,
        };
        let password_hash = row.get::<String>()?.into();
        let row = ConsoleRow::new(user, password_hash);
        memory.apply(&Change::AddConsoleUser(row));
        Ok(())
    })
    .await?;
    let sql = "SELECT id, valid_until FROM revoked_token";
    each(db, "revoked_token", sql, |row| {
        let id = row.get()?;
        let until = Timestamp(row.number()?);
        memory.apply(&Change::RevokeToken(id, until));
        Ok(())
    })
    .await
}

/// Hands the rows of a statement to `take` as they come.
async fn each(
    db: &mut Connection<'_>,
    table: &'static str,
    sql: &'static str,
    mut take: impl FnMut(&mut Columns<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    db.each(query(sql), |row| take(&mut Columns::new(table, row)))
        .await
}

/// The columns of a row, taken from left to right and checked.
struct Columns<'r> {
    table: &'static str,
    row: Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    fn new(table: &'static str, row: Row<'r>) -> Self {
        Self {
            table,
            row,
            next: 0,
        }
    }

    fn get<T>(&mut self) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let value: i64 = self.get()?;
        T::try_from(value).map_err(|_| self.damage(&format!("the number {value}")))
    }

    fn maybe_number<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, StoreError> {
        let value: Option<i64> = self.get()?;
        let number = value.map(T::try_from).transpose();
        number.map_err(|_| self.damage("a number that does not fit"))
    }

    fn word<T: Word>(&mut self) -> Result<T, StoreError> {
        let word: &str = self.get()?;
        self.of_word(word)
    }

    fn list<T: DeserializeOwned>(&mut self) -> Result<Vec<T>, StoreError> {
        let text: &str = self.get()?;
        self.of_list(text)
    }

    fn of_word<T: Word>(&self, word: &str) -> Result<T, StoreError> {
        T::from_word(word).ok_or_else(|| self.damage(&format!("the unknown word '{word}'")))
    }

    fn of_list<T: DeserializeOwned>(&self, text: &str) -> Result<Vec<T>, StoreError> {
        list_from_text(text).map_err(|error| self.damage(&error.to_string()))
    }

    fn damage(&self, problem: &str) -> StoreError {
        StoreError::Damaged {
            table: self.table,
            problem: format!("column {}: {problem}", self.next),
        }
    }
}
