//! The meter's books: what tenants used, in hours and curves, and what it costs.
//! A part of the tenant service (DESIGN 6, RULES 25 to 27, RELIABILITY B1 to B3).
//!
//! Every write has a key by which a repetition is known, so whoever is interrupted
//! writes again. Hours that are closed never change; what comes late is a correction
//! of its own.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::usage::{Counts, StoredBytes, UsageEvent};
use crate::context::Caller;
use crate::error::ApiResult;
use crate::ids::{BrokerId, GroupId, InstanceId, TenantId, TopicKey};
use crate::time::Timestamp;

/// Calls that a gateway answered. Only these are not counted by storage nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallsEvent {
    /// One life of a gateway.
    pub source: [u8; 16],
    /// From 1, without gaps, within that life.
    pub number: u64,
    /// Calls of each instance, by the time at which they were answered.
    pub rows: Vec<(InstanceId, Timestamp, u64)>,
}

/// What is added up for one line of a usage answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageSums {
    pub messages_in: i64,
    /// Of 4 KiB, rounded up for each message.
    pub units_in: i64,
    pub bytes_in: i64,
    pub messages_out: i64,
    pub units_out: i64,
    pub bytes_out: i64,
    pub api_calls: i64,
    /// Bytes that are on a node alone, times seconds.
    pub stored_byte_seconds_hot: i64,
    /// Bytes in object storage, times seconds.
    pub stored_byte_seconds_cold: i64,
}

impl UsageSums {
    /// What is out of bounds stays at the bound: a sum is never of the wrong sign.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            messages_in: self.messages_in.saturating_add(other.messages_in),
            units_in: self.units_in.saturating_add(other.units_in),
            bytes_in: self.bytes_in.saturating_add(other.bytes_in),
            messages_out: self.messages_out.saturating_add(other.messages_out),
            units_out: self.units_out.saturating_add(other.units_out),
            bytes_out: self.bytes_out.saturating_add(other.bytes_out),
            api_calls: self.api_calls.saturating_add(other.api_calls),
            stored_byte_seconds_hot: (self.stored_byte_seconds_hot)
                .saturating_add(other.stored_byte_seconds_hot),
            stored_byte_seconds_cold: (self.stored_byte_seconds_cold)
                .saturating_add(other.stored_byte_seconds_cold),
        }
    }
}

impl std::iter::Sum for UsageSums {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), Self::plus)
    }
}

/// How usage is cut into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageBy {
    Hour,
    Day,
    Topic,
}

/// One line; `None` where lines are not told apart by it, or what has no topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageLine {
    /// Begin of the hour or day, in UTC.
    pub start: Option<Timestamp>,
    pub topic: Option<TopicKey>,
    pub sums: UsageSums,
}

/// Which curve of the last 24 hours is wanted (SEED_SPEC 5.2, 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurveQuery {
    pub instance: InstanceId,
    pub broker: Option<BrokerId>,
    pub topic: Option<TopicKey>,
    /// Of deliveries: to this group alone.
    pub group: Option<GroupId>,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// A step of a curve, [`super::usage::SLOT_MS`] long. Steps without traffic are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurvePoint {
    pub broker: BrokerId,
    pub start: Timestamp,
    pub sent: Counts,
    pub delivered: Counts,
}

/// A price of one item, in millionths of the currency's unit for `per` of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// `instanceMonth`, `unitsIn`, `unitsOut`, `bytesIn`, `bytesOut`, `apiCalls`,
    /// `storedGibHoursHot`, `storedGibHoursCold`.
    pub item: String,
    pub micros: u64,
    pub per: u64,
}

/// Prices from a time on. A version never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceList {
    /// As plans name it.
    pub name: String,
    /// From 1.
    pub version: u32,
    pub valid_from: Timestamp,
    /// ISO 4217.
    pub currency: String,
    pub prices: Vec<Price>,
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BillLine {
    pub instance: InstanceId,
    /// Public id and name, as they were last.
    pub instance_uid: String,
    pub instance_name: String,
    pub plan: String,
    pub item: String,
    pub quantity: i64,
    pub price_list: String,
    pub price_version: u32,
    /// Of `per` of the item.
    pub unit_micros: u64,
    pub per: u64,
    pub amount_micros: i64,
    /// It belongs to hours of an earlier month that were counted late.
    pub is_correction: bool,
}

/// What a tenant owes for a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    pub tenant: TenantId,
    /// `YYYY-MM`, in UTC.
    pub month: String,
    /// It will not change any more.
    pub is_closed: bool,
    pub currency: String,
    pub lines: Vec<BillLine>,
    pub total_micros: i64,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    pub events: u64,
    pub hours: u64,
    /// In words; none when the books are right.
    pub differences: Vec<String>,
}

#[async_trait]
pub trait BillingApi: Send + Sync + 'static {
    /// Keeps events, each once; durable when answered.
    async fn record_usage(&self, events: &[UsageEvent]) -> ApiResult<()>;

    /// The same for calls.
    async fn record_calls(&self, event: &CallsEvent) -> ApiResult<()>;

    /// What is stored now. Between two of these calls as much was stored as at the earlier.
    async fn record_stored(&self, at: Timestamp, stored: &[StoredBytes]) -> ApiResult<()>;

    /// Both ends included, by hours.
    async fn usage(
        &self,
        instance: InstanceId,
        from: Timestamp,
        to: Timestamp,
        by: UsageBy,
    ) -> ApiResult<Vec<UsageLine>>;

    /// Oldest first, brokers in their order.
    async fn curve(&self, query: CurveQuery) -> ApiResult<Vec<CurvePoint>>;

    /// Months that a tenant has bills of, newest first.
    async fn bill_months(&self, tenant: TenantId) -> ApiResult<Vec<String>>;

    /// `NOT_FOUND` for a month without anything.
    async fn bill(&self, tenant: TenantId, month: &str) -> ApiResult<Bill>;

    /// Recomputes a tenant's month from the events.
    async fn verify_bill(&self, tenant: TenantId, month: &str) -> ApiResult<Verification>;

    fn price_lists(&self) -> Vec<Arc<PriceList>>;

    /// Adds the next version of a list, valid from an hour that has not begun.
    async fn add_prices(&self, caller: &Caller, list: PriceList) -> ApiResult<Arc<PriceList>>;
}
