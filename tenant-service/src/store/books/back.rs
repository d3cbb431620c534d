//! The books out of their parts, into a database that has none.

use std::collections::BTreeSet;

use firn_protocol::api::billing::UsageSums;
use firn_protocol::{InstanceId, Timestamp};

use super::super::dialect::{Connection, query};
use super::super::write::{self, int};
use super::{bills, damaged, hours, parts, verify};
use crate::billing::part::{BooksPart, CallsRow, EventRow, RevisionRow, SampleRow};
use crate::billing::stored::{Bytes, point};
use crate::billing::time::{HOUR_MS, Hour};
use crate::billing::{Additions, EVENTS_KEPT_MS};
use crate::error::StoreError;

/// Takes a part back in; parts come in order.
pub(super) async fn restore(
    db: &mut Connection<'_>,
    number: u64,
    part: &BooksPart,
) -> Result<(), StoreError> {
    let rows = &part.rows;
    let mark = int(part.head.to)?;
    for event in &rows.events {
        restore_event(db, event, mark).await?;
    }
    for calls in &rows.calls {
        restore_calls(db, calls, mark).await?;
    }
    for sample in &rows.samples {
        restore_sample(db, sample, mark).await?;
    }
    for revision in &rows.revisions {
        restore_revision(db, revision, mark).await?;
    }
    for bill in &rows.bills {
        let statement = query(
            "INSERT INTO bill (tenant, month, closed_at, body, mark) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant, month) DO UPDATE SET body = excluded.body, mark = excluded.mark",
        )
        .bind(bill.tenant)
        .bind(bill.month)
        .bind(bill.closed_at)
        .bind(&bill.body)
        .bind(mark);
        db.run(statement).await?;
    }
    if let Some(since) = rows.since {
        write::setting(db, bills::SINCE, &since.to_string()).await?;
    }
    if let Some(month) = rows.closed_month {
        write::setting(db, bills::CLOSED_MONTH, &month.to_string()).await?;
    }
    write::setting(db, parts::MARK, &part.head.to.to_string()).await?;
    parts::set_stored(db, number, part.head.to).await
}

async fn restore_event(
    db: &mut Connection<'_>,
    event: &EventRow,
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
    .bind(event.broker)
    .bind(event.generation)
    .bind(event.first_seq)
    .bind(event.last_seq)
    .bind(event.tenant)
    .bind(event.instance)
    .bind(event.received_at)
    .bind(event.counts.clone())
    .bind(mark);
    db.run(statement).await
}

async fn restore_calls(
    db: &mut Connection<'_>,
    calls: &CallsRow,
    mark: i64,
) -> Result<(), StoreError> {
    let statement = query(
        "INSERT INTO usage_calls (source, number, instance, hour, received_at, calls, mark)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (source, number, instance, hour) DO NOTHING",
    )
    .bind(calls.source.clone())
    .bind(calls.number)
    .bind(calls.instance)
    .bind(calls.hour)
    .bind(calls.received_at)
    .bind(calls.calls)
    .bind(mark);
    db.run(statement).await
}

/// Nothing is known to be stored behind the last sample: what is stored after the loss
/// is counted from the first sample on.
async fn restore_sample(
    db: &mut Connection<'_>,
    sample: &SampleRow,
    mark: i64,
) -> Result<(), StoreError> {
    let until = u64::try_from(sample.until).map_err(|_| damaged("the end of samples"))?;
    let points = format!("{}{}", sample.points, point(until, Bytes::default()));
    let statement = query(
        "INSERT INTO usage_sample (broker, hour, instance, points, until, mark)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (broker, hour) DO UPDATE
         SET points = excluded.points, until = excluded.until, mark = excluded.mark",
    )
    .bind(sample.broker)
    .bind(sample.hour)
    .bind(sample.instance)
    .bind(points)
    .bind(sample.until)
    .bind(mark);
    db.run(statement).await
}

async fn restore_revision(
    db: &mut Connection<'_>,
    revision: &RevisionRow,
    mark: i64,
) -> Result<(), StoreError> {
    let statement = query(
        "INSERT INTO usage_revision (instance, hour, revision, opened_at, closed_at, month, mark)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(revision.instance)
    .bind(revision.hour)
    .bind(revision.revision)
    .bind(revision.opened_at)
    .bind(revision.closed_at)
    .bind(revision.month)
    .bind(mark);
    db.run(statement).await?;
    for row in &revision.topics {
        let mut statement = query(
            "INSERT INTO usage_hour (instance, hour, revision, topic_kind, topic,
                                     messages_in, units_in, bytes_in, messages_out, units_out,
                                     bytes_out, api_calls, stored_hot, stored_cold)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(revision.instance)
        .bind(revision.hour)
        .bind(revision.revision)
        .bind(row.kind)
        .bind(row.topic);
        for sum in row.sums {
            statement = statement.bind(sum);
        }
        db.run(statement).await?;
    }
    Ok(())
}

/// Opens again what was counted and not closed: what the evidence adds up to beyond the
/// closed hours. Hours whose evidence may have been forgotten are closed for long.
pub(super) async fn reopen(db: &mut Connection<'_>, now: Timestamp) -> Result<(), StoreError> {
    let oldest = Hour(((now.0.saturating_sub(EVENTS_KEPT_MS)) / HOUR_MS + 1) as u32);
    let sql = "SELECT instance FROM usage_event UNION SELECT instance FROM usage_calls
               UNION SELECT instance FROM usage_sample";
    let instances = db.all(query(sql), |row| Ok(InstanceId(row.number(0)?)));
    let instances: BTreeSet<InstanceId> = instances.await?.into_iter().collect();
    let mut open = Additions::new();
    for instance in instances {
        let mut counted = Additions::new();
        verify::recount(db, instance, &mut counted).await?;
        for ((instance, hour), topics) in counted {
            if hour < oldest {
                continue;
            }
            let closed = hours::read(db, instance, hour, hour).await?;
            for (topic, sums) in topics {
                let kept = closed.iter().filter(|row| row.topic == topic);
                let kept: UsageSums = kept.map(|row| row.sums).sum();
                let left = without(sums, kept);
                if left != UsageSums::default() {
                    open.entry((instance, hour))
                        .or_default()
                        .insert(topic, left);
                }
            }
        }
    }
    hours::add(db, &open, now).await
}

/// Below nothing where what is open takes something back.
fn without(all: UsageSums, part: UsageSums) -> UsageSums {
    all.plus(UsageSums {
        messages_in: -part.messages_in,
        units_in: -part.units_in,
        bytes_in: -part.bytes_in,
        messages_out: -part.messages_out,
        units_out: -part.units_out,
        bytes_out: -part.bytes_out,
        api_calls: -part.api_calls,
        stored_byte_seconds_hot: -part.stored_byte_seconds_hot,
        stored_byte_seconds_cold: -part.stored_byte_seconds_cold,
    })
}
