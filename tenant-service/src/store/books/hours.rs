//! Hours and their revisions: open ones are added to, closed ones never change.

use firn_protocol::api::billing::UsageSums;
use firn_protocol::{InstanceId, Timestamp, TopicKey};

use super::super::dialect::{Connection, Row, query};
use super::super::write::{self, int};
use super::parts::Mark;
use super::{bills, damaged, month_of, topic_columns, topic_of};
use crate::billing::time::{Hour, Month};
use crate::billing::{Additions, BILL_AFTER_MS, CLOSE_AFTER_MS};
use crate::error::StoreError;

/// Revisions that are closed in one step.
const STEP_ROWS: i64 = 500;

/// Sums of an hour for one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HourRow {
    pub(crate) hour: Hour,
    pub(crate) topic: Option<TopicKey>,
    pub(crate) sums: UsageSums,
}

/// One revision of an instance's hour: 0 for what was counted in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) hour: Hour,
    pub(crate) number: u32,
    /// Time and month of the bill, once it is closed.
    pub(crate) closed: Option<(Timestamp, Month)>,
}

/// Adds to the open revision of each hour, opening one where there is none.
pub(super) async fn add(
    db: &mut Connection<'_>,
    additions: &Additions,
    now: Timestamp,
) -> Result<(), StoreError> {
    for ((instance, hour), topics) in additions {
        if topics.values().all(|sums| *sums == UsageSums::default()) {
            continue;
        }
        let revision = open(db, *instance, *hour, now).await?;
        for (topic, sums) in topics {
            if *sums != UsageSums::default() {
                add_row(db, *instance, *hour, revision, *topic, *sums).await?;
            }
        }
    }
    Ok(())
}

async fn open(
    db: &mut Connection<'_>,
    instance: InstanceId,
    hour: Hour,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let statement = query(
        "SELECT revision, closed_at FROM usage_revision WHERE instance = $1 AND hour = $2
         ORDER BY revision DESC LIMIT 1",
    )
    .bind(int(instance.0)?)
    .bind(i64::from(hour.0));
    let newest = db.all(statement, |row| {
        Ok((row.get::<i64>(0)?, row.get::<Option<i64>>(1)?))
    });
    let revision = match newest.await?.first() {
        Some((revision, None)) => return Ok(*revision),
        Some((revision, Some(_))) => revision + 1,
        None => 0,
    };
    let statement = query(
        "INSERT INTO usage_revision (instance, hour, revision, opened_at, closed_at, month)
         VALUES ($1, $2, $3, $4, NULL, NULL)",
    )
    .bind(int(instance.0)?)
    .bind(i64::from(hour.0))
    .bind(revision)
    .bind(int(now.0)?);
    db.run(statement).await?;
    Ok(revision)
}

/// The statement itself refuses a revision that is closed.
async fn add_row(
    db: &mut Connection<'_>,
    instance: InstanceId,
    hour: Hour,
    revision: i64,
    topic: Option<TopicKey>,
    sums: UsageSums,
) -> Result<(), StoreError> {
    let (kind, topic) = topic_columns(topic);
    let statement = query(
        "INSERT INTO usage_hour (instance, hour, revision, topic_kind, topic,
                                 messages_in, units_in, bytes_in, messages_out, units_out,
                                 bytes_out, api_calls, stored_hot, stored_cold)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
         WHERE EXISTS (SELECT 1 FROM usage_revision
                       WHERE instance = $1 AND hour = $2 AND revision = $3
                             AND closed_at IS NULL)
         ON CONFLICT (instance, hour, revision, topic_kind, topic) DO UPDATE
         SET messages_in = usage_hour.messages_in + excluded.messages_in,
             units_in = usage_hour.units_in + excluded.units_in,
             bytes_in = usage_hour.bytes_in + excluded.bytes_in,
             messages_out = usage_hour.messages_out + excluded.messages_out,
             units_out = usage_hour.units_out + excluded.units_out,
             bytes_out = usage_hour.bytes_out + excluded.bytes_out,
             api_calls = usage_hour.api_calls + excluded.api_calls,
             stored_hot = usage_hour.stored_hot + excluded.stored_hot,
             stored_cold = usage_hour.stored_cold + excluded.stored_cold",
    )
    .bind(int(instance.0)?)
    .bind(i64::from(hour.0))
    .bind(revision)
    .bind(kind)
    .bind(topic)
    .bind(sums.messages_in)
    .bind(sums.units_in)
    .bind(sums.bytes_in)
    .bind(sums.messages_out)
    .bind(sums.units_out)
    .bind(sums.bytes_out)
    .bind(sums.api_calls)
    .bind(sums.stored_byte_seconds_hot)
    .bind(sums.stored_byte_seconds_cold);
    match db.count(statement).await? {
        1 => Ok(()),
        _ => Err(damaged(format!("hour {hour} is closed, and was added to"))),
    }
}

/// Closes revisions that are due, then months. Says whether there is more.
pub(super) async fn close(db: &mut Connection<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let due = now.0.saturating_sub(CLOSE_AFTER_MS);
    // Hours that ended by then.
    let hours = due / crate::billing::time::HOUR_MS;
    let statement = query(
        "SELECT instance, hour, revision FROM usage_revision
         WHERE closed_at IS NULL AND hour < $1 AND opened_at <= $2
         ORDER BY hour LIMIT $3",
    )
    .bind(int(hours)?)
    .bind(int(due)?)
    .bind(STEP_ROWS);
    let rows = db.all(statement, |row| {
        Ok((
            row.get::<i64>(0)?,
            row.number::<u32>(1)?,
            row.get::<i64>(2)?,
        ))
    });
    let rows = rows.await?;
    let closed = bills::closed_month(db).await?;
    let mut mark = Mark::default();
    for (instance, hour, revision) in &rows {
        let month = bills::bill_month(Hour(*hour), closed, now);
        let statement = query(
            "UPDATE usage_revision SET closed_at = $4, month = $5, mark = $6
             WHERE instance = $1 AND hour = $2 AND revision = $3 AND closed_at IS NULL",
        )
        .bind(*instance)
        .bind(i64::from(*hour))
        .bind(*revision)
        .bind(int(now.0)?)
        .bind(i64::from(month.number()))
        .bind(mark.get(db).await?);
        db.run(statement).await?;
    }
    if rows.len() as i64 == STEP_ROWS {
        return Ok(true);
    }
    let month = match closed {
        Some(closed) => closed.next(),
        None => Month::of(bills::since(db, now).await?),
    };
    if month.end().plus_ms(BILL_AFTER_MS) > now {
        return Ok(false);
    }
    let mark = mark.get(db).await?;
    bills::close_month(db, month, now, mark).await?;
    Ok(true)
}

pub(super) async fn read(
    db: &mut Connection<'_>,
    instance: InstanceId,
    from: Hour,
    to: Hour,
) -> Result<Vec<HourRow>, StoreError> {
    let statement = query(
        "SELECT hour, topic_kind, topic, messages_in, units_in, bytes_in, messages_out, units_out,
                bytes_out, api_calls, stored_hot, stored_cold
         FROM usage_hour WHERE instance = $1 AND hour >= $2 AND hour <= $3
         ORDER BY hour, topic_kind, topic, revision",
    )
    .bind(int(instance.0)?)
    .bind(i64::from(from.0))
    .bind(i64::from(to.0));
    let mut rows: Vec<HourRow> = Vec::new();
    db.each(statement, |row| {
        let row = hour_row(row)?;
        match rows.last_mut() {
            Some(last) if (last.hour, last.topic) == (row.hour, row.topic) => {
                last.sums = last.sums.plus(row.sums);
            }
            Some(_) | None => rows.push(row),
        }
        Ok(())
    })
    .await?;
    Ok(rows)
}

/// Twelve columns, from the first on.
pub(super) fn hour_row(row: Row<'_>) -> Result<HourRow, StoreError> {
    Ok(HourRow {
        hour: Hour(row.number(0)?),
        topic: topic_of(row.get(1)?, row.get(2)?)?,
        sums: UsageSums {
            messages_in: row.get(3)?,
            units_in: row.get(4)?,
            bytes_in: row.get(5)?,
            messages_out: row.get(6)?,
            units_out: row.get(7)?,
            bytes_out: row.get(8)?,
            api_calls: row.get(9)?,
            stored_byte_seconds_hot: row.get(10)?,
            stored_byte_seconds_cold: row.get(11)?,
        },
    })
}

/// Every revision of the hours with its rows, in order.
pub(super) async fn revisions(
    db: &mut Connection<'_>,
    instance: InstanceId,
    from: Hour,
    to: Hour,
) -> Result<Vec<(Revision, Vec<HourRow>)>, StoreError> {
    let statement = query(
        "SELECT hour, revision, closed_at, month FROM usage_revision
         WHERE instance = $1 AND hour >= $2 AND hour <= $3 ORDER BY hour, revision",
    )
    .bind(int(instance.0)?)
    .bind(i64::from(from.0))
    .bind(i64::from(to.0));
    let found = db.all(statement, |row| {
        let closed_at = row.get::<Option<i64>>(2)?;
        let closed = match closed_at {
            None => None,
            Some(at) => Some((Timestamp(at as u64), month_of(row.number(3)?)?)),
        };
        Ok(Revision {
            hour: Hour(row.number(0)?),
            number: row.number(1)?,
            closed,
        })
    });
    let mut revisions = Vec::new();
    for revision in found.await? {
        let statement = query(
            "SELECT hour, topic_kind, topic, messages_in, units_in, bytes_in, messages_out,
                    units_out, bytes_out, api_calls, stored_hot, stored_cold
             FROM usage_hour WHERE instance = $1 AND hour = $2 AND revision = $3
             ORDER BY topic_kind, topic",
        )
        .bind(int(instance.0)?)
        .bind(i64::from(revision.hour.0))
        .bind(i64::from(revision.number));
        revisions.push((revision, db.all(statement, hour_row).await?));
    }
    Ok(revisions)
}

/// Marks the end of `month`: what closes from now on belongs to a later bill.
pub(super) async fn set_closed_month(
    db: &mut Connection<'_>,
    month: Month,
) -> Result<(), StoreError> {
    write::setting(db, bills::CLOSED_MONTH, &month.number().to_string()).await
}
