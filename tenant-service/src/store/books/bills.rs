//! Months, what instances were, and bills.

use std::collections::BTreeSet;

use firn_protocol::api::billing::UsageSums;
use firn_protocol::{InstanceId, TenantId, Timestamp};

use super::super::dialect::{Connection, query};
use super::super::write::{self, int};
use super::parts::Mark;
use super::{damaged, hours, month_of, setting};
use crate::billing::bill::HourUsage;
use crate::billing::time::{Hour, Month};
use crate::error::StoreError;

/// The last month whose bills are closed.
pub(super) const CLOSED_MONTH: &str = "books_closed_month";
/// Since when there are books; nothing before it is billed.
pub(super) const SINCE: &str = "books_since";

/// What an instance was from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) instance: InstanceId,
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) plan: String,
    pub(crate) since: Timestamp,
    /// When the plan or the end date changed, or the instance was deleted.
    pub(crate) ended: Option<Timestamp>,
    /// The end date that the instance had.
    pub(crate) expires: Option<Timestamp>,
}

pub(super) async fn closed_month(db: &mut Connection<'_>) -> Result<Option<Month>, StoreError> {
    let Some(text) = setting(db, CLOSED_MONTH).await? else {
        return Ok(None);
    };
    let number = text.parse().map_err(|_| damaged("the last closed month"))?;
    month_of(number).map(Some)
}

/// Since when there are books, in ms; `None` if there are none.
pub(super) async fn begun(db: &mut Connection<'_>) -> Result<Option<u64>, StoreError> {
    let text = setting(db, SINCE).await?;
    let time = text.map(|text| {
        let time = text.parse();
        time.map_err(|_| damaged("the begin of the books"))
    });
    time.transpose()
}

/// Since when there are books; from now on if there were none.
pub(super) async fn since(
    db: &mut Connection<'_>,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    if let Some(time) = begun(db).await? {
        return Ok(Timestamp(time));
    }
    write::setting(db, SINCE, &now.to_string()).await?;
    Ok(now)
}

/// Closes a month: no hour is added to it any more. The bills of everybody who has
/// one are noted, to be worked out.
pub(super) async fn close_month(
    db: &mut Connection<'_>,
    month: Month,
    now: Timestamp,
    mark: i64,
) -> Result<(), StoreError> {
    let statement = query(
        "INSERT INTO bill (tenant, month, closed_at, body, mark)
         SELECT DISTINCT tenant, $1, $2, '', $5 FROM instance_term
         WHERE (since < $3 AND (ended_at IS NULL OR ended_at > $4))
               OR instance IN (SELECT instance FROM usage_revision WHERE month = $1)",
    )
    .bind(i64::from(month.number()))
    .bind(int(now.0)?)
    .bind(int(month.end().0)?)
    .bind(int(month.start().0)?)
    .bind(mark);
    db.run(statement).await?;
    hours::set_closed_month(db, month).await
}

/// Terms of a tenant's instances, in order of instance and begin.
pub(super) async fn terms(
    db: &mut Connection<'_>,
    tenant: TenantId,
) -> Result<Vec<Term>, StoreError> {
    let statement = query(
        "SELECT instance, uid, name, plan, since, ended_at, expires_at FROM instance_term
         WHERE tenant = $1 ORDER BY instance, id",
    )
    .bind(int(tenant.0)?);
    let time = |time: Option<i64>| time.map(|time| Timestamp(time.cast_unsigned()));
    db.all(statement, |row| {
        Ok(Term {
            instance: InstanceId(row.number(0)?),
            uid: row.get(1)?,
            name: row.get(2)?,
            plan: row.get(3)?,
            since: Timestamp(row.number(4)?),
            ended: time(row.get(5)?),
            expires: time(row.get(6)?),
        })
    })
    .await
}

/// What a bill is made of, or the bill as it was closed.
pub(crate) struct Found {
    /// JSON, if it was worked out.
    pub(crate) body: Option<String>,
    pub(crate) is_closed: bool,
    pub(crate) since: Timestamp,
    pub(crate) terms: Vec<Term>,
    pub(crate) usage: Vec<HourUsage>,
}

pub(super) async fn find(
    db: &mut Connection<'_>,
    tenant: TenantId,
    month: Month,
    now: Timestamp,
) -> Result<Found, StoreError> {
    let closed = closed_month(db).await?;
    let statement = query("SELECT body FROM bill WHERE tenant = $1 AND month = $2")
        .bind(int(tenant.0)?)
        .bind(i64::from(month.number()));
    let body = db.text(statement).await?.filter(|body| !body.is_empty());
    let since = setting(db, SINCE).await?.and_then(|text| text.parse().ok());
    Ok(Found {
        body,
        is_closed: closed.is_some_and(|closed| month <= closed),
        since: Timestamp(since.unwrap_or(now.0)),
        terms: terms(db, tenant).await?,
        usage: usage(db, tenant, month, closed, now).await?,
    })
}

/// Hours that belong to a month's bill, and, as things stand, those that are open.
async fn usage(
    db: &mut Connection<'_>,
    tenant: TenantId,
    month: Month,
    closed: Option<Month>,
    now: Timestamp,
) -> Result<Vec<HourUsage>, StoreError> {
    let statement = query(
        "SELECT r.instance, r.hour, COALESCE(r.month, 0),
                CAST(SUM(h.units_in) AS BIGINT), CAST(SUM(h.bytes_in) AS BIGINT),
                CAST(SUM(h.units_out) AS BIGINT), CAST(SUM(h.bytes_out) AS BIGINT),
                CAST(SUM(h.api_calls) AS BIGINT), CAST(SUM(h.stored_hot) AS BIGINT),
                CAST(SUM(h.stored_cold) AS BIGINT)
         FROM usage_revision r JOIN usage_hour h
              ON h.instance = r.instance AND h.hour = r.hour AND h.revision = r.revision
         WHERE (r.month = $1 OR r.closed_at IS NULL)
               AND r.instance IN (SELECT instance FROM instance_term WHERE tenant = $2)
         GROUP BY r.instance, r.hour, COALESCE(r.month, 0)
         ORDER BY 1, 2, 3",
    )
    .bind(i64::from(month.number()))
    .bind(int(tenant.0)?);
    let rows = db.all(statement, |row| {
        let sums = UsageSums {
            units_in: row.get(3)?,
            bytes_in: row.get(4)?,
            units_out: row.get(5)?,
            bytes_out: row.get(6)?,
            api_calls: row.get(7)?,
            stored_byte_seconds_hot: row.get(8)?,
            stored_byte_seconds_cold: row.get(9)?,
            ..UsageSums::default()
        };
        let (instance, hour) = (InstanceId(row.number(0)?), Hour(row.number(1)?));
        let usage = HourUsage {
            instance,
            hour,
            sums,
        };
        Ok((usage, row.number::<u32>(2)?))
    });
    let belongs = |usage: &HourUsage, of: u32| match of {
        0 => bill_month(usage.hour, closed, now) == month,
        of => of == month.number(),
    };
    let rows = rows.await?.into_iter();
    let rows = rows.filter(|(usage, of)| belongs(usage, *of));
    Ok(rows.map(|(usage, _)| usage).collect())
}

/// The bill to which a revision belongs that closes now.
pub(super) fn bill_month(hour: Hour, closed: Option<Month>, now: Timestamp) -> Month {
    match closed.is_some_and(|closed| hour.month() <= closed) {
        true => Month::of(now),
        false => hour.month(),
    }
}

/// Months in which hours of a tenant's instances were counted or billed.
pub(super) async fn months(
    db: &mut Connection<'_>,
    tenant: TenantId,
) -> Result<BTreeSet<Month>, StoreError> {
    let statement = query(
        "SELECT month FROM bill WHERE tenant = $1
         UNION SELECT month FROM usage_revision
         WHERE month IS NOT NULL
               AND instance IN (SELECT instance FROM instance_term WHERE tenant = $1)",
    )
    .bind(int(tenant.0)?);
    let months = db.all(statement, |row| month_of(row.number(0)?)).await?;
    Ok(months.into_iter().collect())
}

/// Bills that are closed and not worked out.
pub(super) async fn unmade(
    db: &mut Connection<'_>,
    max: i64,
) -> Result<Vec<(TenantId, Month)>, StoreError> {
    let sql = "SELECT tenant, month FROM bill WHERE body = '' ORDER BY month, tenant LIMIT $1";
    db.all(query(sql).bind(max), |row| {
        Ok((TenantId(row.number(0)?), month_of(row.number(1)?)?))
    })
    .await
}

/// Keeps a bill; one that is there stays.
pub(super) async fn keep(
    db: &mut Connection<'_>,
    tenant: TenantId,
    month: Month,
    body: &str,
) -> Result<(), StoreError> {
    let statement = query(
        "UPDATE bill SET body = $3, mark = $4 WHERE tenant = $1 AND month = $2 AND body = ''",
    )
    .bind(int(tenant.0)?)
    .bind(i64::from(month.number()))
    .bind(body)
    .bind(Mark::default().get(db).await?);
    db.run(statement).await
}
