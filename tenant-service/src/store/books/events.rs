//! Events and calls: kept by their keys, added to hours and curves at once.

use firn_protocol::Timestamp;
use firn_protocol::api::billing::{CallsEvent, UsageSums};
use firn_protocol::api::usage::{EventKey, UsageEvent};

use super::super::dialect::{Connection, query};
use super::super::write::int;
use super::parts::Mark;
use super::{Recorded, curves, damaged, hours, mutants};
use crate::billing::event::{self, Rows};
use crate::billing::time::Hour;
use crate::billing::{Additions, BooksMutant, Curves, add};
use crate::error::StoreError;

pub(super) async fn record(
    db: &mut Connection<'_>,
    events: &[UsageEvent],
    mutant: Option<BooksMutant>,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    let (mut additions, mut curves) = (Additions::new(), Curves::new());
    let mut recorded = Recorded::default();
    let mut mark = Mark::default();
    for event in events {
        let rows = match known(db, event.key).await? {
            Some(_) if mutant == Some(BooksMutant::CountAgain) => event.rows.clone(),
            Some((to, _)) if to >= event.to => {
                recorded.known += 1;
                continue;
            }
            Some((_, before)) => event::difference(&event.rows, &before),
            None => event.rows.clone(),
        };
        recorded.taken += 1;
        let mark = mark.get(db).await?;
        keep(db, event, now, mark).await?;
        event::add_hours(&mut additions, event.instance, &rows);
        event::add_curves(&mut curves, event, &rows, now);
    }
    mutants::before_adding(db, mutant, &mut additions, now).await?;
    hours::add(db, &additions, now).await?;
    curves::add(db, &curves).await?;
    Ok(recorded)
}

pub(super) async fn record_calls(
    db: &mut Connection<'_>,
    event: &CallsEvent,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (source, number) = (event.source.to_vec(), int(event.number)?);
    let sql = "SELECT 1 FROM usage_calls WHERE source = $1 AND number = $2 LIMIT 1";
    let statement = query(sql).bind(source.clone()).bind(number);
    if !db.all(statement, |_| Ok(())).await?.is_empty() {
        return Ok(false);
    }
    let mark = Mark::default().get(db).await?;
    let mut additions = Additions::new();
    for (instance, time, calls) in &event.rows {
        let calls = UsageSums {
            api_calls: int(*calls)?,
            ..UsageSums::default()
        };
        add(&mut additions, *instance, Hour::of(*time), None, calls);
    }
    for ((instance, hour), topics) in &additions {
        let calls: UsageSums = topics.values().copied().sum();
        let statement = query(
            "INSERT INTO usage_calls (source, number, instance, hour, received_at, calls, mark)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(source.clone())
        .bind(number)
        .bind(int(instance.0)?)
        .bind(i64::from(hour.0))
        .bind(int(now.0)?)
        .bind(calls.api_calls)
        .bind(mark);
        db.run(statement).await?;
    }
    hours::add(db, &additions, now).await?;
    Ok(true)
}

/// How far the event of a key went, and its rows.
async fn known(db: &mut Connection<'_>, key: EventKey) -> Result<Option<(u64, Rows)>, StoreError> {
    let statement = query(
        "SELECT last_seq, counts FROM usage_event
         WHERE broker = $1 AND generation = $2 AND first_seq = $3",
    )
    .bind(i64::from(key.broker.0))
    .bind(i64::from(key.generation.0))
    .bind(int(key.from)?);
    let read = |row: super::super::dialect::Row<'_>| {
        let to: u64 = row.number(0)?;
        let stored: Vec<u8> = row.get(1)?;
        Ok((to, event::unpack(&stored).map_err(damaged)?))
    };
    Ok(db.all(statement, read).await?.pop())
}

async fn keep(
    db: &mut Connection<'_>,
    event: &UsageEvent,
    now: Timestamp,
    mark: i64,
) -> Result<(), StoreError> {
    let statement = query(
        "INSERT INTO usage_event (broker, generation, first_seq, last_seq, tenant, instance,
                                  received_at, counts, mark)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (broker, generation, first_seq) DO UPDATE
         SET last_seq = excluded.last_seq, received_at = excluded.received_at,
             counts = excluded.counts, mark = excluded.mark",
    )
    .bind(i64::from(event.key.broker.0))
    .bind(i64::from(event.key.generation.0))
    .bind(int(event.key.from)?)
    .bind(int(event.to)?)
    .bind(int(event.tenant.0)?)
    .bind(int(event.instance.0)?)
    .bind(int(now.0)?)
    .bind(event::pack(&event.rows).map_err(damaged)?)
    .bind(mark);
    db.run(statement).await
}
