//! The books on their way to the object store, part by part. Each transaction that writes
//! books draws a mark and leaves it in its rows.

use firn_runtime::random;

use super::super::dialect::{Connection, Row, query};
use super::super::write::{self, int};
use super::{bills, damaged, setting};
use crate::billing::part::{
    BillRow, BooksPart, CallsRow, EventRow, PartHead, RevisionRow, Rows, SampleRow, TopicRow,
    VERSION,
};
use crate::error::StoreError;

/// The mark that was drawn last.
pub(super) const MARK: &str = "books_mark";
/// Number and last mark of the newest part that is stored.
const STORED: &str = "books_stored";
/// See [`PartHead::line`].
const LINE: &str = "books_line";
/// Transactions in one part at most: who is further behind makes several.
const MARKS_MAX: u64 = 500;

/// The mark of a transaction, drawn when it is needed first.
#[derive(Default)]
pub(super) struct Mark(Option<i64>);

impl Mark {
    pub(super) async fn get(&mut self, db: &mut Connection<'_>) -> Result<i64, StoreError> {
        if let Some(mark) = self.0 {
            return Ok(mark);
        }
        let mark = number(db, MARK).await?.unwrap_or(0) + 1;
        write::setting(db, MARK, &mark.to_string()).await?;
        let mark = int(mark)?;
        self.0 = Some(mark);
        Ok(mark)
    }
}

/// Where the object store is: the number of the newest part, and its last mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) to: Option<u64>,
}

async fn place(db: &mut Connection<'_>) -> Result<Place, StoreError> {
    let Some(text) = setting(db, STORED).await? else {
        return Ok(Place::default());
    };
    let read = text.split_once(' ').and_then(|(number, to)| {
        Some(Place {
            number: number.parse().ok()?,
            to: Some(to.parse().ok()?),
        })
    });
    read.ok_or_else(|| damaged("the newest stored part"))
}

/// Notes that a part is stored.
pub(super) async fn set_stored(
    db: &mut Connection<'_>,
    number: u64,
    to: u64,
) -> Result<(), StoreError> {
    write::setting(db, STORED, &format!("{number} {to}")).await
}

/// What is not stored yet, with its number; `None` if there is nothing.
pub(super) async fn next(
    db: &mut Connection<'_>,
    catalogue: u128,
) -> Result<Option<(u64, BooksPart)>, StoreError> {
    let newest = number(db, MARK).await?.unwrap_or(0);
    let Place { number, to: after } = place(db).await?;
    let mut from = after;
    // Marks without a row that is told, such as those of open hours, are passed over.
    while from.is_none_or(|from| from < newest) {
        let to = newest.min(from.unwrap_or(0) + MARKS_MAX);
        let rows = rows(db, from, to).await?;
        if !rows.is_empty() {
            let head = PartHead {
                version: VERSION,
                catalogue,
                line: line(db).await?,
                after,
                to,
            };
            return Ok(Some((number + 1, BooksPart { head, rows })));
        }
        from = Some(to);
        if to == newest {
            break;
        }
    }
    Ok(None)
}

async fn line(db: &mut Connection<'_>) -> Result<u128, StoreError> {
    if let Some(text) = setting(db, LINE).await? {
        return u128::from_str_radix(&text, 16).map_err(|_| damaged("the line of the books"));
    }
    let line = u128::from_le_bytes(random::bytes());
    write::setting(db, LINE, &format!("{line:032x}")).await?;
    Ok(line)
}

async fn number(db: &mut Connection<'_>, name: &str) -> Result<Option<u64>, StoreError> {
    let text = setting(db, name).await?;
    let number = text.map(|text| text.parse().map_err(|_| damaged(name)));
    number.transpose()
}

/// Rows whose last mark is above `from` and up to `to`.
async fn rows(db: &mut Connection<'_>, from: Option<u64>, to: u64) -> Result<Rows, StoreError> {
    // Rows that are older than marks have 0.
    let (from, to) = (from.map_or(Ok(-1), int)?, int(to)?);
    let between = |sql: &'static str| query(sql).bind(from).bind(to);
    let sql =
        "SELECT broker, generation, first_seq, last_seq, tenant, instance, received_at, counts
               FROM usage_event WHERE mark > $1 AND mark <= $2 ORDER BY mark, first_seq";
    let events = db.all(between(sql), |row| {
        Ok(EventRow {
            broker: row.get(0)?,
            generation: row.get(1)?,
            first_seq: row.get(2)?,
            last_seq: row.get(3)?,
            tenant: row.get(4)?,
            instance: row.get(5)?,
            received_at: row.get(6)?,
            counts: row.get(7)?,
        })
    });
    let events = events.await?;
    let sql = "SELECT source, number, instance, hour, received_at, calls
               FROM usage_calls WHERE mark > $1 AND mark <= $2 ORDER BY mark, number";
    let calls = db.all(between(sql), |row| {
        Ok(CallsRow {
            source: row.get(0)?,
            number: row.get(1)?,
            instance: row.get(2)?,
            hour: row.get(3)?,
            received_at: row.get(4)?,
            calls: row.get(5)?,
        })
    });
    let calls = calls.await?;
    let sql = "SELECT broker, hour, instance, points, until
               FROM usage_sample WHERE mark > $1 AND mark <= $2 ORDER BY hour, broker";
    let samples = db.all(between(sql), |row| {
        Ok(SampleRow {
            broker: row.get(0)?,
            hour: row.get(1)?,
            instance: row.get(2)?,
            points: row.get(3)?,
            until: row.get(4)?,
        })
    });
    let samples = samples.await?;
    let sql = "SELECT tenant, month, closed_at, body
               FROM bill WHERE mark > $1 AND mark <= $2 ORDER BY month, tenant";
    let bills = db.all(between(sql), |row| {
        Ok(BillRow {
            tenant: row.get(0)?,
            month: row.get(1)?,
            closed_at: row.get(2)?,
            body: row.get(3)?,
        })
    });
    Ok(Rows {
        bills: bills.await?,
        since: bills::begun(db).await?,
        closed_month: bills::closed_month(db).await?.map(|month| month.number()),
        events,
        calls,
        samples,
        revisions: revisions(db, from, to).await?,
    })
}

async fn revisions(
    db: &mut Connection<'_>,
    from: i64,
    to: i64,
) -> Result<Vec<RevisionRow>, StoreError> {
    let statement = query(
        "SELECT r.instance, r.hour, r.revision, r.opened_at, r.closed_at, r.month,
                h.topic_kind, h.topic, h.messages_in, h.units_in, h.bytes_in, h.messages_out,
                h.units_out, h.bytes_out, h.api_calls, h.stored_hot, h.stored_cold
         FROM usage_revision r JOIN usage_hour h
              ON h.instance = r.instance AND h.hour = r.hour AND h.revision = r.revision
         WHERE r.mark > $1 AND r.mark <= $2 AND r.closed_at IS NOT NULL
         ORDER BY r.instance, r.hour, r.revision, h.topic_kind, h.topic",
    )
    .bind(from)
    .bind(to);
    let mut found: Vec<RevisionRow> = Vec::new();
    db.each(statement, |row| {
        let key: (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let topic = topic_row(row)?;
        match found.last_mut() {
            Some(last) if (last.instance, last.hour, last.revision) == key => {
                last.topics.push(topic);
            }
            Some(_) | None => found.push(RevisionRow {
                instance: key.0,
                hour: key.1,
                revision: key.2,
                opened_at: row.get(3)?,
                closed_at: row.get(4)?,
                month: row.get(5)?,
                topics: vec![topic],
            }),
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

fn topic_row(row: Row<'_>) -> Result<TopicRow, StoreError> {
    let mut sums = [0; 9];
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum = row.get(8 + at)?;
    }
    Ok(TopicRow {
        kind: row.get(6)?,
        topic: row.get(7)?,
        sums,
    })
}
