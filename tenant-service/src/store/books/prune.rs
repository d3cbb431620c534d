//! What is kept for a time is forgotten, a bounded number of rows at a time.

use firn_protocol::Timestamp;
use firn_protocol::api::usage::SLOT_MS;

use super::super::dialect::{Connection, query};
use super::super::write::int;
use crate::billing::time::HOUR_MS;
use crate::billing::{CURVES_KEPT_MS, EVENTS_KEPT_MS};
use crate::error::StoreError;

/// Rows of one kind that go in one step.
const STEP_ROWS: i64 = 2000;

/// Says whether there is more.
pub(super) async fn step(db: &mut Connection<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let oldest = now.0.saturating_sub(EVENTS_KEPT_MS);
    let oldest_slot = now.0.saturating_sub(CURVES_KEPT_MS) / SLOT_MS;
    let mut is_more = false;
    for (sql, bound) in [
        (
            "DELETE FROM usage_event WHERE (broker, generation, first_seq) IN
                (SELECT broker, generation, first_seq FROM usage_event
                 WHERE received_at < $1 LIMIT $2)",
            oldest,
        ),
        (
            "DELETE FROM usage_calls WHERE (source, number, instance, hour) IN
                (SELECT source, number, instance, hour FROM usage_calls
                 WHERE received_at < $1 LIMIT $2)",
            oldest,
        ),
        (
            "DELETE FROM usage_sample WHERE (broker, hour) IN
                (SELECT broker, hour FROM usage_sample WHERE hour < $1 LIMIT $2)",
            oldest / HOUR_MS,
        ),
        (
            "DELETE FROM usage_curve
             WHERE (instance, slot, broker, topic_kind, topic, receiver) IN
                (SELECT instance, slot, broker, topic_kind, topic, receiver FROM usage_curve
                 WHERE slot < $1 LIMIT $2)",
            oldest_slot,
        ),
    ] {
        let gone = db
            .count(query(sql).bind(int(bound)?).bind(STEP_ROWS))
            .await?;
        is_more |= gone == STEP_ROWS as u64;
    }
    Ok(is_more)
}
