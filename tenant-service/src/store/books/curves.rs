//! Curves of the last day.

use std::collections::BTreeMap;

use firn_protocol::api::billing::{CurvePoint, CurveQuery};
use firn_protocol::api::usage::{Counts, SLOT_MS};
use firn_protocol::{BrokerId, Timestamp};

use super::super::dialect::{Connection, query};
use super::super::write::int;
use super::topic_columns;
use crate::billing::{CurveKey, Curves};
use crate::error::StoreError;

pub(super) async fn add(db: &mut Connection<'_>, curves: &Curves) -> Result<(), StoreError> {
    for (key, counts) in curves {
        add_step(db, key, *counts).await?;
    }
    Ok(())
}

async fn add_step(
    db: &mut Connection<'_>,
    key: &CurveKey,
    counts: Counts,
) -> Result<(), StoreError> {
    let (kind, topic) = topic_columns(Some(key.topic));
    let statement = query(
        "INSERT INTO usage_curve (instance, slot, broker, topic_kind, topic, receiver,
                                  messages, units, bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (instance, slot, broker, topic_kind, topic, receiver) DO UPDATE
         SET messages = usage_curve.messages + excluded.messages,
             units = usage_curve.units + excluded.units,
             bytes = usage_curve.bytes + excluded.bytes",
    )
    .bind(int(key.instance.0)?)
    .bind(i64::from(key.slot))
    .bind(i64::from(key.broker.0))
    .bind(kind)
    .bind(topic)
    .bind(key.receiver.map_or(0, |group| group.0.cast_signed()))
    .bind(counts.messages)
    .bind(counts.units)
    .bind(counts.bytes);
    db.run(statement).await
}

pub(super) async fn read(
    db: &mut Connection<'_>,
    wanted: &CurveQuery,
) -> Result<Vec<CurvePoint>, StoreError> {
    let slot = |time: Timestamp| int(time.0 / SLOT_MS);
    let statement = query(
        "SELECT slot, broker, topic_kind, topic, receiver, messages, units, bytes
         FROM usage_curve WHERE instance = $1 AND slot >= $2 AND slot <= $3",
    )
    .bind(int(wanted.instance.0)?)
    .bind(slot(wanted.from)?)
    .bind(slot(wanted.to)?);
    let topic = wanted.topic.map(|topic| topic_columns(Some(topic)));
    let group = wanted.group.map(|group| group.0.cast_signed());
    let mut points: BTreeMap<(u32, BrokerId), (Counts, Counts)> = BTreeMap::new();
    db.each(statement, |row| {
        let broker = BrokerId(row.number(1)?);
        let receiver: i64 = row.get(4)?;
        let is_wanted = wanted.broker.is_none_or(|wanted| wanted == broker)
            && topic.is_none_or(|topic| Ok(topic) == pair(&row))
            && (receiver == 0 || group.is_none_or(|group| group == receiver));
        if !is_wanted {
            return Ok(());
        }
        let counts = Counts {
            messages: row.get(5)?,
            units: row.get(6)?,
            bytes: row.get(7)?,
        };
        let (sent, delivered) = points.entry((row.number(0)?, broker)).or_default();
        let sum = if receiver == 0 { sent } else { delivered };
        *sum = sum.plus(counts);
        Ok(())
    })
    .await?;
    let is_traffic = |sums: &(Counts, Counts)| *sums != Default::default();
    let points = points.into_iter().filter(|(_, sums)| is_traffic(sums));
    let point = |((slot, broker), (sent, delivered))| CurvePoint {
        broker,
        start: Timestamp(u64::from(slot) * SLOT_MS),
        sent,
        delivered,
    };
    Ok(points.map(point).collect())
}

/// Kind and number of a row's topic.
fn pair(row: &super::super::dialect::Row<'_>) -> Result<(i64, i64), ()> {
    let column = |column| row.get::<i64>(column).map_err(|_| ());
    Ok((column(2)?, column(3)?))
}
