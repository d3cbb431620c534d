//! Books with points that the test writes; nothing else is asked of them here.

use std::sync::Arc;

use async_trait::async_trait;
use firn_protocol::api::billing::*;
use firn_protocol::api::usage::{Counts, StoredBytes, UsageEvent};
use firn_protocol::*;
use parking_lot::Mutex;

/// What one point is of.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) broker: BrokerId,
    pub(crate) topic: TopicKey,
    /// None for what was sent.
    pub(crate) group: Option<GroupId>,
    pub(crate) start: Timestamp,
    pub(crate) messages: i64,
}

#[derive(Default)]
pub(crate) struct FakeBilling {
    pub(crate) entries: Mutex<Vec<Entry>>,
}

fn unused<T>() -> ApiResult<T> {
    Err(ApiError::new(ErrorCode::Internal, "not part of this fake"))
}

#[async_trait]
impl BillingApi for FakeBilling {
    async fn record_usage(&self, _: &[UsageEvent]) -> ApiResult<()> {
        unused()
    }

    async fn record_calls(&self, _: &CallsEvent) -> ApiResult<()> {
        unused()
    }

    async fn record_stored(&self, _: Timestamp, _: &[StoredBytes]) -> ApiResult<()> {
        unused()
    }

    async fn usage(
        &self,
        _: InstanceId,
        _: Timestamp,
        _: Timestamp,
        _: UsageBy,
    ) -> ApiResult<Vec<UsageLine>> {
        unused()
    }

    async fn curve(&self, query: CurveQuery) -> ApiResult<Vec<CurvePoint>> {
        let mut points: Vec<CurvePoint> = Vec::new();
        for entry in &*self.entries.lock() {
            let is_wanted = query.broker.is_none_or(|id| id == entry.broker)
                && query.topic.is_none_or(|topic| topic == entry.topic)
                && (query.group.is_none() || entry.group.is_none() || query.group == entry.group)
                && (query.from..=query.to).contains(&entry.start);
            if !is_wanted {
                continue;
            }
            let counts = Counts {
                messages: entry.messages,
                units: entry.messages,
                bytes: 100 * entry.messages,
            };
            let place = (entry.start, entry.broker);
            let at = points.iter().position(|it| (it.start, it.broker) == place);
            let at = at.unwrap_or_else(|| {
                points.push(CurvePoint {
                    broker: entry.broker,
                    start: entry.start,
                    sent: Counts::default(),
                    delivered: Counts::default(),
                });
                points.len() - 1
            });
            let side = match entry.group {
                None => &mut points[at].sent,
                Some(_) => &mut points[at].delivered,
            };
            *side = side.plus(counts);
        }
        points.sort_by_key(|point| (point.start, point.broker));
        Ok(points)
    }

    async fn bill_months(&self, _: TenantId) -> ApiResult<Vec<String>> {
        unused()
    }

    async fn bill(&self, _: TenantId, _: &str) -> ApiResult<Bill> {
        unused()
    }

    async fn verify_bill(&self, _: TenantId, _: &str) -> ApiResult<Verification> {
        unused()
    }

    fn price_lists(&self) -> Vec<Arc<PriceList>> {
        Vec::new()
    }

    async fn add_prices(&self, _: &Caller, _: PriceList) -> ApiResult<Arc<PriceList>> {
        unused()
    }
}
