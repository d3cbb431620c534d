//! The audit log, as it is read.

use firn_protocol::Timestamp;
use firn_protocol::api::tenant::AuditFilter;
use firn_protocol::catalogue::AuditEntry;
use firn_protocol::limits::AUDIT_COUNTED_MAX;

use super::dialect::{Connection, Row, Statement, query};
use super::postgres::STEP_MAX;
use super::write::int;
use super::{Store, load};
use crate::error::StoreError;

/// What the rows have to be like. Texts that are absent are empty: no row has one that is.
macro_rules! wanted {
    ($select:literal, $and:literal, $end:literal) => {
        concat!(
            $select,
            " FROM audit
             WHERE id < $1 AND at >= $2 AND at <= $3 AND ($4 = '' OR action = $4)
             AND ($5 = '' OR caller = $5) AND substr(object, 1, length($6)) = $6",
            $and,
            $end
        )
    };
}

macro_rules! rows {
    ($and:literal) => {
        wanted!(
            "SELECT id, at, tenant, caller, action, object, request_id, detail",
            $and,
            " ORDER BY id DESC LIMIT $7"
        )
    };
}

macro_rules! count {
    ($and:literal) => {
        wanted!(
            "SELECT COUNT(*) FROM (SELECT 1",
            $and,
            " LIMIT $7) AS found"
        )
    };
}

impl Store {
    /// Newest first.
    pub(crate) async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = match filter.tenant {
            Some(_) => rows!(" AND tenant = $8"),
            None => rows!(""),
        };
        let statement = bound(sql, filter, filter.before, filter.max as u64)?;
        let mut entries = Vec::new();
        self.read_audit(statement, &mut |row| {
            entries.push(load::audit_entry(row)?);
            Ok(())
        })
        .await?;
        Ok(entries)
    }

    /// Counted up to the limit and one more.
    pub(crate) async fn count_audit(&self, filter: &AuditFilter) -> Result<u64, StoreError> {
        let sql = match filter.tenant {
            Some(_) => count!(" AND tenant = $8"),
            None => count!(""),
        };
        let statement = bound(sql, filter, None, AUDIT_COUNTED_MAX + 1)?;
        let mut counted = 0;
        self.read_audit(statement, &mut |row| {
            counted = row.number(0)?;
            Ok(())
        })
        .await?;
        Ok(counted)
    }

    async fn read_audit(
        &self,
        statement: Statement<'_>,
        take: &mut (dyn FnMut(Row<'_>) -> Result<(), StoreError> + Send),
    ) -> Result<(), StoreError> {
        match self {
            // Outside of any transaction: one that writes would wait for the disk.
            Self::Sqlite(pool) => {
                let mut connection = pool.acquire().await?;
                let mut db = Connection::Sqlite(&mut connection);
                db.each(statement, take).await
            }
            Self::Postgres(server) => {
                let mut session = self.read().await?;
                let read = async {
                    let mut db = session.connection().await?;
                    db.each(statement, take).await
                };
                server.bounded(STEP_MAX, read).await?;
                session.rollback().await
            }
        }
    }
}

fn bound<'a>(
    sql: &'static str,
    filter: &AuditFilter,
    before: Option<u64>,
    max: u64,
) -> Result<Statement<'a>, StoreError> {
    let time = |time: Option<Timestamp>, else_: i64| {
        // Times that no column can hold are as good as the last that one can.
        time.map_or(else_, |time| i64::try_from(time.0).unwrap_or(i64::MAX))
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let statement = query(sql)
        .bind(before.map_or(Ok(i64::MAX), int)?)
        .bind(time(filter.from, 0))
        .bind(time(filter.to, i64::MAX))
        .bind(text(&filter.action))
        .bind(text(&filter.caller))
        .bind(text(&filter.object))
        .bind(int(max)?);
    Ok(match filter.tenant {
        // No tenant has a number that no column can hold.
        Some(tenant) => statement.bind(i64::try_from(tenant.0).unwrap_or(i64::MAX)),
        None => statement,
    })
}
