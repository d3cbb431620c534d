//! Books in memory: answers that tests lay down.

use std::sync::Arc;

use async_trait::async_trait;
use firn_protocol::api::billing::*;
use firn_protocol::api::usage::{StoredBytes, UsageEvent};
use firn_protocol::*;

use crate::fake_tenants::FakeTenants;

/// The month that tenant 2 has a bill of.
pub(crate) const MONTH: &str = "2023-11";

pub(crate) fn list(name: &str) -> PriceList {
    PriceList {
        name: name.to_owned(),
        version: 1,
        valid_from: Timestamp(0),
        currency: "USD".to_owned(),
        prices: Vec::new(),
    }
}

#[async_trait]
impl BillingApi for FakeTenants {
    async fn record_usage(&self, _: &[UsageEvent]) -> ApiResult<()> {
        Ok(())
    }
    async fn record_calls(&self, _: &CallsEvent) -> ApiResult<()> {
        Ok(())
    }
    async fn record_stored(&self, _: Timestamp, _: &[StoredBytes]) -> ApiResult<()> {
        Ok(())
    }
    /// One line, that says what was asked.
    async fn usage(
        &self,
        instance: InstanceId,
        from: Timestamp,
        to: Timestamp,
        by: UsageBy,
    ) -> ApiResult<Vec<UsageLine>> {
        let topics = self.catalogue.lock();
        let topic = topics.topics.get(&(instance, "orders".to_owned()));
        let topic = topic.map(|topic| TopicKey::User(topic.id));
        let line = |topic| UsageLine {
            start: Some(from).filter(|_| by != UsageBy::Topic),
            topic,
            sums: UsageSums {
                messages_in: 1,
                units_in: 2,
                bytes_in: 3,
                messages_out: 4,
                units_out: 5,
                bytes_out: 6,
                api_calls: to.0 as i64,
                stored_byte_seconds_hot: 7 * 3600 + 1800,
                stored_byte_seconds_cold: 8 * 3600,
            },
        };
        Ok(match by {
            UsageBy::Topic => vec![line(topic), line(Some(TopicKey::User(TopicId(9))))],
            UsageBy::Hour | UsageBy::Day => vec![line(None)],
        })
    }
    async fn curve(&self, _: CurveQuery) -> ApiResult<Vec<CurvePoint>> {
        Ok(Vec::new())
    }
    async fn bill_months(&self, tenant: TenantId) -> ApiResult<Vec<String>> {
        Ok(match tenant {
            TenantId(2) => vec![MONTH.to_owned()],
            _ => Vec::new(),
        })
    }
    async fn bill(&self, tenant: TenantId, month: &str) -> ApiResult<Bill> {
        if (tenant, month) != (TenantId(2), MONTH) {
            return Err(ApiError::new(ErrorCode::NotFound, "no bill"));
        }
        Ok(Bill {
            tenant,
            month: month.to_owned(),
            is_closed: false,
            currency: "USD".to_owned(),
            lines: vec![BillLine {
                instance: InstanceId(1),
                instance_uid: "00ff".to_owned(),
                instance_name: "demo".to_owned(),
                plan: "basic".to_owned(),
                item: "unitsIn".to_owned(),
                quantity: 5,
                price_list: "standard".to_owned(),
                price_version: 1,
                unit_micros: 3,
                per: 2,
                amount_micros: 8,
                is_correction: false,
            }],
            total_micros: 8,
        })
    }
    async fn verify_bill(&self, tenant: TenantId, month: &str) -> ApiResult<Verification> {
        self.bill(tenant, month).await?;
        Ok(Verification {
            events: 1,
            hours: 2,
            differences: vec!["something".to_owned()],
        })
    }
    fn price_lists(&self) -> Vec<Arc<PriceList>> {
        ["standard", "secret"]
            .map(|name| Arc::new(list(name)))
            .into()
    }
    async fn add_prices(&self, _: &Caller, list: PriceList) -> ApiResult<Arc<PriceList>> {
        Ok(Arc::new(list))
    }
}
