//! Usage, bills and price lists.

use firn_protocol::Timestamp;
use firn_protocol::api::billing::{Bill, BillLine, Price, PriceList, UsageSums, Verification};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values::Name;

const HOUR_SECS: i64 = 3600;

/// Usage of an hour, a day, a topic, or all; bytes are those of contents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct UsageJson {
    /// Begin of the hour or day; `null` where lines are not told apart by it.
    pub(in crate::native) hour: Option<u64>,
    /// `null` where lines are not told apart by it, and for what has no topic.
    pub(in crate::native) topic: Option<String>,
    messages_in: i64,
    units_in: i64,
    bytes_in: i64,
    messages_out: i64,
    units_out: i64,
    bytes_out: i64,
    api_calls: i64,
    /// On a node alone.
    stored_byte_hours_hot: i64,
    /// In object storage.
    stored_byte_hours_cold: i64,
}

impl UsageJson {
    pub(in crate::native) fn new(
        hour: Option<Timestamp>,
        topic: Option<String>,
        sums: &UsageSums,
    ) -> Self {
        Self {
            hour: hour.map(|hour| hour.0),
            topic,
            messages_in: sums.messages_in,
            units_in: sums.units_in,
            bytes_in: sums.bytes_in,
            messages_out: sums.messages_out,
            units_out: sums.units_out,
            bytes_out: sums.bytes_out,
            api_calls: sums.api_calls,
            stored_byte_hours_hot: sums.stored_byte_seconds_hot / HOUR_SECS,
            stored_byte_hours_cold: sums.stored_byte_seconds_cold / HOUR_SECS,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(in crate::native) struct UsageAnswer {
    pub(in crate::native) items: Vec<UsageJson>,
    /// Of all lines.
    pub(in crate::native) total: UsageJson,
}

/// A month that has a bill.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct MonthJson {
    /// `YYYY-MM`, in UTC.
    pub(in crate::native) month: String,
}

/// What a tenant owes for a month.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct BillJson {
    tenant_id: u64,
    month: String,
    /// It will not change any more.
    is_closed: bool,
    currency: String,
    lines: Vec<BillLineJson>,
    /// In units of the currency.
    total: String,
    total_micros: i64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct BillLineJson {
    /// Id of the instance, which may be gone.
    instance: String,
    instance_name: String,
    plan: String,
    item: String,
    /// Hours of a subscription, byte-hours of stored bytes, else the item itself.
    quantity: i64,
    /// Millionths of the currency's unit, for `per` of the quantity.
    unit_micros: u64,
    per: u64,
    price_list: String,
    price_version: u32,
    /// In units of the currency.
    amount: String,
    amount_micros: i64,
    /// It belongs to hours of an earlier month that were counted late.
    is_correction: bool,
}

/// Millionths as a decimal number.
pub(in crate::native) fn money(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

impl From<&Bill> for BillJson {
    fn from(bill: &Bill) -> Self {
        Self {
            tenant_id: bill.tenant.0,
            month: bill.month.clone(),
            is_closed: bill.is_closed,
            currency: bill.currency.clone(),
            lines: bill.lines.iter().map(BillLineJson::from).collect(),
            total: money(bill.total_micros),
            total_micros: bill.total_micros,
        }
    }
}

impl From<&BillLine> for BillLineJson {
    fn from(line: &BillLine) -> Self {
        Self {
            instance: line.instance_uid.clone(),
            instance_name: line.instance_name.clone(),
            plan: line.plan.clone(),
            item: line.item.clone(),
            quantity: line.quantity,
            unit_micros: line.unit_micros,
            per: line.per,
            price_list: line.price_list.clone(),
            price_version: line.price_version,
            amount: money(line.amount_micros),
            amount_micros: line.amount_micros,
            is_correction: line.is_correction,
        }
    }
}

/// What a verification of a bill found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct VerificationJson {
    /// Pieces of evidence that were read.
    events: u64,
    /// Hours that were added up anew.
    hours: u64,
    /// In words; none when the books are right.
    differences: Vec<String>,
}

impl From<Verification> for VerificationJson {
    fn from(found: Verification) -> Self {
        Self {
            events: found.events,
            hours: found.hours,
            differences: found.differences,
        }
    }
}

/// A price of one item.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct PriceJson {
    /// `instanceMonth`, `unitsIn`, `unitsOut`, `bytesIn`, `bytesOut`, `apiCalls`,
    /// `storedGibHoursHot`, `storedGibHoursCold`.
    item: String,
    /// Millionths of the currency's unit, for `per` of it.
    micros: u64,
    per: u64,
}

/// Prices from a time on. A version never changes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct PriceListJson {
    name: String,
    version: u32,
    valid_from: u64,
    currency: String,
    prices: Vec<PriceJson>,
}

impl From<&PriceList> for PriceListJson {
    fn from(list: &PriceList) -> Self {
        let price = |price: &Price| PriceJson {
            item: price.item.clone(),
            micros: price.micros,
            per: price.per,
        };
        Self {
            name: list.name.clone(),
            version: list.version,
            valid_from: list.valid_from.0,
            currency: list.currency.clone(),
            prices: list.prices.iter().map(price).collect(),
        }
    }
}

/// The next version of a list, valid from an hour that has not begun.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct PriceListForm {
    #[schema(value_type = Name)]
    name: String,
    /// Optional: refused unless it is the next one.
    version: Option<u32>,
    valid_from: u64,
    currency: String,
    prices: Vec<PriceJson>,
}

impl From<PriceListForm> for PriceList {
    fn from(form: PriceListForm) -> Self {
        let price = |price: PriceJson| Price {
            item: price.item,
            micros: price.micros,
            per: price.per,
        };
        Self {
            name: form.name,
            version: form.version.unwrap_or(0),
            valid_from: Timestamp(form.valid_from),
            currency: form.currency,
            prices: form.prices.into_iter().map(price).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_in_full() {
        for (micros, text) in [
            (0, "0.000000"),
            (1, "0.000001"),
            (-1_500_000, "-1.500000"),
            (12_345_678_901, "12345.678901"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(money(micros), text);
        }
    }
}
