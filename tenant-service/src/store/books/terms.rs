//! What instances were, out and in with the catalogue.

use firn_protocol::{InstanceId, TenantId, Timestamp};

use super::super::dialect::{Connection, query};
use super::super::write::int;
use crate::billing::part::StoredTerm;
use crate::error::StoreError;

pub(super) async fn all(db: &mut Connection<'_>) -> Result<Vec<StoredTerm>, StoreError> {
    let sql = "SELECT instance, tenant, uid, name, plan, since, ended_at, expires_at
               FROM instance_term ORDER BY id";
    let time = |time: Option<i64>| time.map(|time| Timestamp(time.cast_unsigned()));
    db.all(query(sql), |row| {
        Ok(StoredTerm {
            instance: InstanceId(row.number(0)?),
            tenant: TenantId(row.number(1)?),
            uid: row.get(2)?,
            name: row.get(3)?,
            plan: row.get(4)?,
            since: Timestamp(row.number(5)?),
            ended: time(row.get(6)?),
            expires: time(row.get(7)?),
        })
    })
    .await
}

/// Puts these in the place of what the rows of instances alone could say.
pub(in crate::store) async fn restore(
    db: &mut Connection<'_>,
    terms: &[StoredTerm],
) -> Result<(), StoreError> {
    db.run(query("DELETE FROM instance_term")).await?;
    for term in terms {
        let statement = query(
            "INSERT INTO instance_term (instance, tenant, uid, name, plan, since, ended_at,
                                        expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(int(term.instance.0)?)
        .bind(int(term.tenant.0)?)
        .bind(&term.uid)
        .bind(&term.name)
        .bind(&term.plan)
        .bind(int(term.since.0)?)
        .bind(term.ended.map(|time| int(time.0)).transpose()?)
        .bind(term.expires.map(|time| int(time.0)).transpose()?);
        db.run(statement).await?;
    }
    Ok(())
}
