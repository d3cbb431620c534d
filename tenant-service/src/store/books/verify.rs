//! The books' evidence: hours as they are kept, and as they come of the events.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::billing::UsageSums;
use firn_protocol::{InstanceId, TenantId, Timestamp, TopicKey};

use super::super::dialect::{Connection, query};
use super::super::write::int;
use super::{bills, damaged, hours};
use crate::billing::event;
use crate::billing::stored::sum_of;
use crate::billing::time::{HOUR_MS, Hour, Month};
use crate::billing::{Additions, EVENTS_KEPT_MS, add};
use crate::error::StoreError;

type Sums = BTreeMap<(InstanceId, Hour, Option<TopicKey>), UsageSums>;

/// The hours that a bill is made of, seen from both sides. Hours whose events may
/// have been forgotten are left out.
#[derive(Default)]
pub(crate) struct Evidence {
    pub(crate) kept: Sums,
    pub(crate) recounted: Sums,
    /// Events, calls and hours of samples that were read.
    pub(crate) events: u64,
    pub(crate) hours: u64,
}

pub(super) async fn evidence(
    db: &mut Connection<'_>,
    tenant: TenantId,
    month: Month,
    now: Timestamp,
) -> Result<Evidence, StoreError> {
    let mut evidence = Evidence::default();
    let terms = bills::terms(db, tenant).await?;
    let instances: BTreeSet<InstanceId> = terms.iter().map(|term| term.instance).collect();
    let oldest = Hour(((now.0.saturating_sub(EVENTS_KEPT_MS)) / HOUR_MS + 1) as u32);
    for instance in instances {
        let wanted = wanted_hours(db, instance, month, oldest).await?;
        let is_wanted =
            |hour: Hour| hour >= oldest && (hour.month() == month || wanted.contains(&hour));
        let mut counted = Additions::new();
        evidence.events += recount(db, instance, &mut counted).await?;
        let mut all: BTreeSet<Hour> = wanted.clone();
        for ((_, hour), topics) in counted {
            if is_wanted(hour) {
                all.insert(hour);
                put(&mut evidence.recounted, instance, hour, topics.into_iter());
            }
        }
        for hour in &all {
            let rows = hours::read(db, instance, *hour, *hour).await?;
            let rows = rows.into_iter().map(|row| (row.topic, row.sums));
            put(&mut evidence.kept, instance, *hour, rows);
        }
        evidence.hours += all.len() as u64;
    }
    Ok(evidence)
}

fn put(
    sums: &mut Sums,
    instance: InstanceId,
    hour: Hour,
    rows: impl Iterator<Item = (Option<TopicKey>, UsageSums)>,
) {
    let rows = rows.filter(|(_, sums)| *sums != UsageSums::default());
    sums.extend(rows.map(|(topic, sums)| ((instance, hour, topic), sums)));
}

/// Hours of the month, and those that it corrects.
async fn wanted_hours(
    db: &mut Connection<'_>,
    instance: InstanceId,
    month: Month,
    oldest: Hour,
) -> Result<BTreeSet<Hour>, StoreError> {
    let statement = query(
        "SELECT DISTINCT hour FROM usage_revision
         WHERE instance = $1 AND hour >= $2 AND (month = $3 OR (hour >= $4 AND hour < $5))",
    )
    .bind(int(instance.0)?)
    .bind(i64::from(oldest.0))
    .bind(i64::from(month.number()))
    .bind(i64::from(month.first_hour().0))
    .bind(i64::from(month.end_hour().0));
    let hours = db.all(statement, |row| Ok(Hour(row.number(0)?))).await?;
    Ok(hours.into_iter().collect())
}

/// Adds up all that is known of an instance; how many pieces of evidence there were.
pub(super) async fn recount(
    db: &mut Connection<'_>,
    instance: InstanceId,
    counted: &mut Additions,
) -> Result<u64, StoreError> {
    let id = int(instance.0)?;
    let mut pieces = 0;
    let sql = "SELECT counts FROM usage_event WHERE instance = $1";
    db.each(query(sql).bind(id), |row| {
        let stored: Vec<u8> = row.get(0)?;
        let rows = event::unpack(&stored).map_err(damaged)?;
        event::add_hours(counted, instance, &rows);
        pieces += 1;
        Ok(())
    })
    .await?;
    let sql = "SELECT hour, calls FROM usage_calls WHERE instance = $1";
    db.each(query(sql).bind(id), |row| {
        let calls = UsageSums {
            api_calls: row.get(1)?,
            ..UsageSums::default()
        };
        add(counted, instance, Hour(row.number(0)?), None, calls);
        pieces += 1;
        Ok(())
    })
    .await?;
    let sql = "SELECT hour, points, until FROM usage_sample WHERE instance = $1";
    db.each(query(sql).bind(id), |row| {
        let points: String = row.get(1)?;
        let sums = sum_of(&points, row.number(2)?);
        let sums = sums.ok_or_else(|| damaged(format!("the samples '{points}'")))?;
        add(counted, instance, Hour(row.number(0)?), None, sums);
        pieces += 1;
        Ok(())
    })
    .await?;
    Ok(pieces)
}
