//! [`BillingApi`] as meter and gateway call it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use firn_protocol::api::billing::{
    Bill, BillingApi, CallsEvent, CurvePoint, CurveQuery, PriceList, UsageBy, UsageLine, UsageSums,
    Verification,
};
use firn_protocol::api::usage::{StoredBytes, UsageEvent};
use firn_protocol::{
    ApiError, ApiResult, Caller, ErrorCode, InstanceId, TenantId, Timestamp, TopicKey,
};
use serde_json::json;

use super::bill::{self, Facts};
use super::time::{HOUR_MS, Hour, Month};
use super::{BooksMutant, verify};
use crate::catalogue::prices;
use crate::error::{StoreError, books_unavailable};
use crate::service::TenantService;
use crate::store::{Found, HourRow, Term};

const DAY_MS: u64 = 24 * HOUR_MS;

/// Bills worked out in one step.
const BILLS_STEP: i64 = 20;

#[async_trait]
impl BillingApi for TenantService {
    async fn record_usage(&self, events: &[UsageEvent]) -> ApiResult<()> {
        if events.is_empty() {
            return Ok(());
        }
        let (store, mutant) = (&self.shared.store, self.shared.books_mutant.get().copied());
        let recorded = store.record_usage(events, mutant, self.now()).await;
        self.shared.metrics.events(recorded.map_err(failed)?);
        Ok(())
    }

    async fn record_calls(&self, event: &CallsEvent) -> ApiResult<()> {
        let recorded = self.shared.store.record_calls(event, self.now()).await;
        recorded.map(|_| ()).map_err(failed)
    }

    async fn record_stored(&self, at: Timestamp, stored: &[StoredBytes]) -> ApiResult<()> {
        let store = &self.shared.store;
        let recorded = store.record_stored(at, stored, self.now()).await;
        recorded.map_err(failed)
    }

    async fn usage(
        &self,
        instance: InstanceId,
        from: Timestamp,
        to: Timestamp,
        by: UsageBy,
    ) -> ApiResult<Vec<UsageLine>> {
        let (from, to) = (Hour::of(from), Hour::of(to));
        let rows = self.shared.store.usage(instance, from, to).await;
        Ok(lines(&rows.map_err(failed)?, by))
    }

    async fn curve(&self, query: CurveQuery) -> ApiResult<Vec<CurvePoint>> {
        self.shared.store.curve(query).await.map_err(failed)
    }

    async fn bill_months(&self, tenant: TenantId) -> ApiResult<Vec<String>> {
        let found = self.shared.store.bill_months(tenant).await;
        let (mut months, terms) = found.map_err(failed)?;
        let now = Month::of(self.now());
        if terms.iter().any(|term| is_in(term, now)) {
            months.insert(now);
        }
        Ok(months.iter().rev().map(Month::to_string).collect())
    }

    async fn bill(&self, tenant: TenantId, month: &str) -> ApiResult<Bill> {
        let month = parsed(month)?;
        let (found, recomputed) = self.work_out(tenant, month).await?;
        let is_empty =
            recomputed.lines.is_empty() && !found.terms.iter().any(|term| is_in(term, month));
        if found.body.is_none() && (is_empty || month.start() > self.now()) {
            return Err(no_bill(tenant, month));
        }
        shown(&found, recomputed)
    }

    async fn verify_bill(&self, tenant: TenantId, month: &str) -> ApiResult<Verification> {
        let shown = self.bill(tenant, month).await?;
        let month = parsed(month)?;
        let (_, recomputed) = self.work_out(tenant, month).await?;
        let evidence = self.shared.store.evidence(tenant, month, self.now()).await;
        Ok(verify::compare(
            &evidence.map_err(failed)?,
            &shown,
            &recomputed,
        ))
    }

    fn price_lists(&self) -> Vec<Arc<PriceList>> {
        self.shared.memory.read().prices.all().cloned().collect()
    }

    async fn add_prices(&self, caller: &Caller, list: PriceList) -> ApiResult<Arc<PriceList>> {
        self.change(Some(caller), |draft| prices::add(draft, list))
            .await
    }
}

impl TenantService {
    /// Closes what is due in the books and forgets what is old. Called from time to
    /// time; what is not done then is done the next time.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`.
    pub async fn close_books(&self) -> ApiResult<()> {
        let store = &self.shared.store;
        while store.close_books(self.now()).await.map_err(failed)? {}
        loop {
            let unmade = store.unmade_bills(BILLS_STEP).await.map_err(failed)?;
            for (tenant, month) in &unmade {
                let (_, bill) = self.work_out(*tenant, *month).await?;
                let body = serde_json::to_string(&bill).map_err(unreadable)?;
                let kept = store.keep_bill(*tenant, *month, &body).await;
                kept.map_err(failed)?;
            }
            if (unmade.len() as i64) < BILLS_STEP {
                return Ok(());
            }
        }
    }

    /// Closed hours of an instance with their corrections, a line of JSON for each
    /// topic. The same for ever, but for corrections that are added (RELIABILITY B3).
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`.
    pub async fn export_hours(
        &self,
        instance: InstanceId,
        from: Timestamp,
        to: Timestamp,
    ) -> ApiResult<String> {
        let (from, to) = (Hour::of(from), Hour::of(to));
        let revisions = self.shared.store.revisions(instance, from, to).await;
        let mut text = String::new();
        for (revision, rows) in revisions.map_err(failed)? {
            let Some((closed_at, month)) = revision.closed else {
                continue;
            };
            for row in rows {
                let line = json!({
                    "hour": row.hour.start(), "revision": revision.number, "closedAt": closed_at,
                    "bill": month.to_string(), "topic": row.topic.map(|topic| format!("{topic:?}")),
                    "sums": row.sums,
                });
                text += &line.to_string();
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// From now on the books have a deliberate fault; the first one stays.
    #[doc(hidden)]
    pub fn corrupt_books(&self, mutant: BooksMutant) {
        // One that is set already is set for good.
        let _ = self.shared.books_mutant.set(mutant);
    }

    async fn work_out(&self, tenant: TenantId, month: Month) -> ApiResult<(Found, Bill)> {
        let now = self.now();
        let found = self.shared.store.find_bill(tenant, month, now).await;
        let found = found.map_err(failed)?;
        let (plans, prices) = {
            let memory = self.shared.memory.read();
            (memory.plans.clone(), memory.prices.clone())
        };
        let bill = bill::work_out(&Facts {
            tenant,
            month,
            is_closed: found.is_closed,
            since: found.since,
            until: Hour(Hour::of(now).0 + 1),
            terms: &found.terms,
            usage: &found.usage,
            plans: &plans,
            prices: &prices,
        });
        Ok((found, bill))
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.shared.clock.now_ms())
    }
}

/// The bill as it was closed, else as it stands.
fn shown(found: &Found, recomputed: Bill) -> ApiResult<Bill> {
    match &found.body {
        Some(body) => serde_json::from_str(body).map_err(unreadable),
        None => Ok(recomputed),
    }
}

fn parsed(month: &str) -> ApiResult<Month> {
    Month::parse(month).ok_or_else(|| ApiError::field("month", "expected YYYY-MM"))
}

fn no_bill(tenant: TenantId, month: Month) -> ApiError {
    let text = format!("tenant {tenant} has no bill for {month}");
    ApiError::new(ErrorCode::NotFound, text)
}

fn is_in(term: &Term, month: Month) -> bool {
    let hours = month.first_hour().0..month.end_hour().0;
    hours.into_iter().any(|hour| bill::exists(term, Hour(hour)))
}

fn unreadable(error: serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("a stored bill: {error}"))
}

/// Logged here; callers learn that nothing was kept.
fn failed(error: StoreError) -> ApiError {
    tracing::error!(%error, "the books cannot be read or written");
    books_unavailable()
}

fn lines(rows: &[HourRow], by: UsageBy) -> Vec<UsageLine> {
    let mut sums: BTreeMap<(Option<Timestamp>, Option<TopicKey>), UsageSums> = BTreeMap::new();
    for row in rows {
        let start = row.hour.start();
        let line = match by {
            UsageBy::Hour => (Some(start), None),
            UsageBy::Day => (Some(Timestamp(start.0 / DAY_MS * DAY_MS)), None),
            UsageBy::Topic => (None, row.topic),
        };
        let sum = sums.entry(line).or_default();
        *sum = sum.plus(row.sums);
    }
    let line = |((start, topic), sums)| UsageLine { start, topic, sums };
    sums.into_iter().map(line).collect()
}
