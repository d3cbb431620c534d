//! Deliberate faults of the books: see [`BooksMutant`].

use firn_protocol::Timestamp;

use super::super::dialect::{Connection, query};
use super::super::write::int;
use crate::billing::time::Hour;
use crate::billing::{Additions, BooksMutant, CLOSE_AFTER_MS};
use crate::error::StoreError;

/// What a fault does before something is added.
pub(super) async fn before_adding(
    db: &mut Connection<'_>,
    mutant: Option<BooksMutant>,
    additions: &mut Additions,
    now: Timestamp,
) -> Result<(), StoreError> {
    match mutant {
        Some(BooksMutant::ReopenHours) => reopen(db, additions).await,
        Some(BooksMutant::DropLate) => {
            let is_late = |hour: &Hour| hour.end().plus_ms(CLOSE_AFTER_MS) < now;
            additions.retain(|(_, hour), _| !is_late(hour));
            Ok(())
        }
        Some(BooksMutant::CountAgain) | None => Ok(()),
    }
}

async fn reopen(db: &mut Connection<'_>, additions: &Additions) -> Result<(), StoreError> {
    for (instance, hour) in additions.keys() {
        let statement = query(
            "UPDATE usage_revision SET closed_at = NULL, month = NULL
             WHERE instance = $1 AND hour = $2",
        )
        .bind(int(instance.0)?)
        .bind(i64::from(hour.0));
        db.run(statement).await?;
    }
    Ok(())
}
