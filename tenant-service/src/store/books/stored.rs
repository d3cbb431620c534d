//! What brokers store, added up from sample to sample.

use std::collections::BTreeMap;

use firn_protocol::api::usage::StoredBytes;
use firn_protocol::{InstanceId, Timestamp};

use super::super::dialect::{Connection, query};
use super::super::write::int;
use super::hours;
use super::parts::Mark;
use crate::billing::stored::{Bytes, Last, Piece, pieces, point, second_of};
use crate::billing::{Additions, add};
use crate::error::StoreError;

pub(super) async fn record(
    db: &mut Connection<'_>,
    at: Timestamp,
    stored: &[StoredBytes],
    now: Timestamp,
) -> Result<(), StoreError> {
    let second = second_of(at);
    let mut known = last_samples(db).await?;
    let mut counted = Counted::default();
    for sample in stored {
        let bytes = Bytes {
            hot: sample.hot,
            cold: sample.cold,
        };
        let broker = i64::from(sample.broker.0);
        match known.remove(&broker) {
            Some((instance, last)) if last.is_due(second, bytes) => {
                integrate(db, broker, instance, &last, second, &mut counted).await?;
                let next = last.then(second, bytes);
                keep(db, broker, sample.instance, &next).await?;
            }
            Some(_) => {}
            None if bytes == Bytes::default() => {}
            None => keep(db, broker, sample.instance, &Last::first(second, bytes)).await?,
        }
    }
    // Brokers that are gone.
    for (broker, (instance, last)) in known {
        if second > last.second {
            integrate(db, broker, instance, &last, second, &mut counted).await?;
            let sql = "DELETE FROM usage_stored WHERE broker = $1";
            db.run(query(sql).bind(broker)).await?;
        }
    }
    hours::add(db, &counted.additions, now).await
}

/// What the samples of one call add up to.
#[derive(Default)]
struct Counted {
    additions: Additions,
    mark: Mark,
}

async fn last_samples(
    db: &mut Connection<'_>,
) -> Result<BTreeMap<i64, (InstanceId, Last)>, StoreError> {
    let sql = "SELECT broker, instance, second, changed, hot, cold FROM usage_stored";
    let rows = db.all(query(sql), |row| {
        let last = Last {
            second: row.number(2)?,
            changed: row.number(3)?,
            bytes: Bytes {
                hot: row.number(4)?,
                cold: row.number(5)?,
            },
        };
        Ok((row.get::<i64>(0)?, (InstanceId(row.number(1)?), last)))
    });
    Ok(rows.await?.into_iter().collect())
}

async fn keep(
    db: &mut Connection<'_>,
    broker: i64,
    instance: InstanceId,
    last: &Last,
) -> Result<(), StoreError> {
    let statement = query(
        "INSERT INTO usage_stored (broker, instance, second, changed, hot, cold)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (broker) DO UPDATE
         SET instance = excluded.instance, second = excluded.second, changed = excluded.changed,
             hot = excluded.hot, cold = excluded.cold",
    )
    .bind(broker)
    .bind(int(instance.0)?)
    .bind(int(last.second)?)
    .bind(int(last.changed)?)
    .bind(int(last.bytes.hot)?)
    .bind(int(last.bytes.cold)?);
    db.run(statement).await
}

/// Adds what a broker stored since its last sample to the hours that it lies in.
async fn integrate(
    db: &mut Connection<'_>,
    broker: i64,
    instance: InstanceId,
    last: &Last,
    second: u64,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    if last.bytes == Bytes::default() {
        return Ok(());
    }
    for piece in pieces(last.second, second) {
        let sums = last.bytes.over(piece.to - piece.from);
        add(&mut counted.additions, instance, piece.hour, None, sums);
        let mark = counted.mark.get(db).await?;
        note(db, broker, instance, (last, piece), mark).await?;
    }
    Ok(())
}

/// Keeps the piece, by which the hour can be added up again.
async fn note(
    db: &mut Connection<'_>,
    broker: i64,
    instance: InstanceId,
    (last, piece): (&Last, Piece),
    mark: i64,
) -> Result<(), StoreError> {
    let point = point(piece.from, last.bytes);
    // In an hour that has begun, what did not change is told by the end alone.
    let is_new = piece.from == last.changed;
    let statement = query(
        "INSERT INTO usage_sample (broker, hour, instance, points, until, mark)
         VALUES ($1, $2, $3, $4, $5, $7)
         ON CONFLICT (broker, hour) DO UPDATE
         SET until = excluded.until, mark = excluded.mark,
             points = CASE WHEN $6 AND usage_sample.until < $8
                           THEN usage_sample.points || CAST(usage_sample.until AS TEXT)
                                || ':0:0;' || excluded.points
                           WHEN $6 THEN usage_sample.points || excluded.points
                           ELSE usage_sample.points END",
    )
    .bind(broker)
    .bind(i64::from(piece.hour.0))
    .bind(int(instance.0)?)
    .bind(point)
    .bind(int(piece.to)?)
    .bind(is_new)
    .bind(mark)
    // Between the pieces nothing was stored, or the broker was not there.
    .bind(int(piece.from)?);
    db.run(statement).await
}
