//! The meter's books in the database. Each call is one transaction; those that
//! write have one order on a shared database, beside the order of the catalogue's
//! changes, so that neither waits for the other for longer than a transaction.

mod back;
pub(crate) mod bills;
mod curves;
mod events;
pub(crate) mod hours;
mod mutants;
mod parts;
mod prune;
mod stored;
pub(super) mod terms;
pub(crate) mod verify;

use std::collections::BTreeSet;

use firn_protocol::api::billing::{CallsEvent, CurvePoint, CurveQuery};
use firn_protocol::api::usage::{StoredBytes, UsageEvent};
use firn_protocol::{InstanceId, TenantId, Timestamp, TopicKey};

use super::dialect::{Connection, query};
use super::postgres::{LOAD_MAX, STEP_MAX};
use super::session::bounded;
use super::{Session, Store};
use crate::billing::BooksMutant;
use crate::billing::part::BooksPart;
use crate::billing::part::StoredTerm;
use crate::billing::time::{Hour, Month};
use crate::error::StoreError;
use bills::Term;
use hours::{HourRow, Revision};
use verify::Evidence;

/// Number of the topic kind that stands for no topic.
const NO_TOPIC: i64 = 255;

/// What was done with events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Events that were new or went further.
    pub(crate) taken: u64,
    /// Events that were known.
    pub(crate) known: u64,
}

/// Does `work` with the connection of a session, and ends it.
macro_rules! in_session {
    ($session:expr, $max:expr, |$db:ident| $work:expr) => {{
        let mut session: Session = $session;
        let server = session.server();
        let work = async {
            let mut connection = session.connection().await?;
            let $db = &mut connection;
            $work
        };
        let done = bounded(server, $max, work).await?;
        session.commit().await?;
        Ok(done)
    }};
}

impl Store {
    pub(crate) async fn record_usage(
        &self,
        events: &[UsageEvent],
        mutant: Option<BooksMutant>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        in_session!(self.begin_books().await?, LOAD_MAX, |db| {
            events::record(db, events, mutant, now).await
        })
    }

    /// Whether it was new.
    pub(crate) async fn record_calls(
        &self,
        event: &CallsEvent,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        in_session!(self.begin_books().await?, LOAD_MAX, |db| {
            events::record_calls(db, event, now).await
        })
    }

    pub(crate) async fn record_stored(
        &self,
        at: Timestamp,
        stored: &[StoredBytes],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        in_session!(self.begin_books().await?, LOAD_MAX, |db| {
            stored::record(db, at, stored, now).await
        })
    }

    /// One bounded step of closing hours, months and bills, and of forgetting. Says
    /// whether there is more to do.
    pub(crate) async fn close_books(&self, now: Timestamp) -> Result<bool, StoreError> {
        in_session!(self.begin_books().await?, LOAD_MAX, |db| {
            let mut is_more = hours::close(db, now).await?;
            is_more |= prune::step(db, now).await?;
            Ok::<bool, StoreError>(is_more)
        })
    }

    /// Sums of the hours from `from` to `to`, both included, by hour and topic.
    pub(crate) async fn usage(
        &self,
        instance: InstanceId,
        from: Hour,
        to: Hour,
    ) -> Result<Vec<HourRow>, StoreError> {
        in_session!(self.read().await?, LOAD_MAX, |db| {
            hours::read(db, instance, from, to).await
        })
    }

    pub(crate) async fn revisions(
        &self,
        instance: InstanceId,
        from: Hour,
        to: Hour,
    ) -> Result<Vec<(Revision, Vec<HourRow>)>, StoreError> {
        in_session!(self.read().await?, LOAD_MAX, |db| {
            hours::revisions(db, instance, from, to).await
        })
    }

    pub(crate) async fn curve(&self, query: CurveQuery) -> Result<Vec<CurvePoint>, StoreError> {
        in_session!(self.read().await?, STEP_MAX, |db| {
            curves::read(db, &query).await
        })
    }

    pub(crate) async fn find_bill(
        &self,
        tenant: TenantId,
        month: Month,
        now: Timestamp,
    ) -> Result<bills::Found, StoreError> {
        in_session!(self.read().await?, LOAD_MAX, |db| {
            bills::find(db, tenant, month, now).await
        })
    }

    /// Months that were billed or counted in, and what the tenant's instances were.
    pub(crate) async fn bill_months(
        &self,
        tenant: TenantId,
    ) -> Result<(BTreeSet<Month>, Vec<Term>), StoreError> {
        in_session!(self.read().await?, LOAD_MAX, |db| {
            let months = bills::months(db, tenant).await?;
            Ok::<_, StoreError>((months, bills::terms(db, tenant).await?))
        })
    }

    pub(crate) async fn unmade_bills(
        &self,
        max: i64,
    ) -> Result<Vec<(TenantId, Month)>, StoreError> {
        in_session!(self.read().await?, STEP_MAX, |db| {
            bills::unmade(db, max).await
        })
    }

    pub(crate) async fn keep_bill(
        &self,
        tenant: TenantId,
        month: Month,
        body: &str,
    ) -> Result<(), StoreError> {
        in_session!(self.begin_books().await?, STEP_MAX, |db| {
            bills::keep(db, tenant, month, body).await
        })
    }

    pub(crate) async fn evidence(
        &self,
        tenant: TenantId,
        month: Month,
        now: Timestamp,
    ) -> Result<Evidence, StoreError> {
        in_session!(self.read().await?, LOAD_MAX, |db| {
            verify::evidence(db, tenant, month, now).await
        })
    }

    pub(crate) async fn next_part(
        &self,
        catalogue: u128,
    ) -> Result<Option<(u64, BooksPart)>, StoreError> {
        in_session!(self.begin_books().await?, LOAD_MAX, |db| {
            parts::next(db, catalogue).await
        })
    }

    pub(crate) async fn part_stored(&self, number: u64, to: u64) -> Result<(), StoreError> {
        in_session!(self.begin_books().await?, STEP_MAX, |db| {
            parts::set_stored(db, number, to).await
        })
    }

    pub(crate) async fn restore_part(
        &self,
        number: u64,
        part: &BooksPart,
    ) -> Result<(), StoreError> {
        in_session!(self.begin_books().await?, LOAD_MAX, |db| {
            back::restore(db, number, part).await
        })
    }

    pub(crate) async fn reopen_books(&self, now: Timestamp) -> Result<(), StoreError> {
        in_session!(self.begin_books().await?, LOAD_MAX, |db| {
            back::reopen(db, now).await
        })
    }

    /// What instances were and when, of all tenants, in order.
    pub(crate) async fn all_terms(&self) -> Result<Vec<StoredTerm>, StoreError> {
        in_session!(self.read().await?, LOAD_MAX, |db| terms::all(db).await)
    }

    /// The turn to change the books.
    async fn begin_books(&self) -> Result<Session, StoreError> {
        let mut session = match self {
            Self::Sqlite(pool) => return Ok(Session::sqlite(pool.clone())),
            Self::Postgres(server) => {
                let begun = server.begin_books().await?;
                Session::postgres(server.clone(), begun)
            }
        };
        let server = session.server();
        let lock = async {
            let mut db = session.connection().await?;
            let sql = db.either(
                "SELECT value FROM setting WHERE name = 'books'",
                "SELECT value FROM setting WHERE name = 'books' FOR UPDATE",
            );
            db.text(query(sql)).await
        };
        bounded(server, STEP_MAX, lock).await?;
        Ok(session)
    }
}

/// Begins the books if there are none.
pub(super) async fn open(db: &mut Connection<'_>, now: Timestamp) -> Result<(), StoreError> {
    bills::since(db, now).await.map(|_| ())
}

fn topic_columns(topic: Option<TopicKey>) -> (i64, i64) {
    match topic {
        None => (NO_TOPIC, 0),
        // Numbers of groups of members have the highest bit.
        Some(topic) => (i64::from(topic.kind()), topic.number().cast_signed()),
    }
}

fn topic_of(kind: i64, number: i64) -> Result<Option<TopicKey>, StoreError> {
    if kind == NO_TOPIC {
        return Ok(None);
    }
    let kind = u8::try_from(kind).ok();
    let topic = kind.and_then(|kind| TopicKey::from_parts(kind, number.cast_unsigned()));
    topic
        .map(Some)
        .ok_or_else(|| damaged("a topic of an unknown kind"))
}

fn damaged(problem: impl Into<String>) -> StoreError {
    StoreError::Damaged {
        table: "books",
        problem: problem.into(),
    }
}

fn month_of(number: u32) -> Result<Month, StoreError> {
    Month::from_number(number).ok_or_else(|| damaged(format!("the month {number}")))
}

async fn setting(db: &mut Connection<'_>, name: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT value FROM setting WHERE name = $1";
    db.text(query(sql).bind(name)).await
}
