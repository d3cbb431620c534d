//! A bill: what a tenant owes for a month. A pure function of the hours, of what the
//! instances were, and of price lists: all of them never change for a closed month.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_protocol::api::billing::{Bill, BillLine, PriceList, UsageSums};
use firn_protocol::catalogue::Plan;
use firn_protocol::{InstanceId, TenantId, Timestamp};

use super::price::{INSTANCE_MONTH, ITEMS, PriceLists, amount, divided};
use super::time::{Hour, Month};
use crate::store::Term;

const GIB: u64 = 1 << 30;
const HOUR_SECS: i128 = 3600;

/// Usage of an instance in an hour, as it belongs to one bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HourUsage {
    pub(crate) instance: InstanceId,
    pub(crate) hour: Hour,
    pub(crate) sums: UsageSums,
}

/// Everything that a bill is made of.
pub(crate) struct Facts<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) month: Month,
    pub(crate) is_closed: bool,
    /// Since when there are books.
    pub(crate) since: Timestamp,
    /// The first hour that has not begun.
    pub(crate) until: Hour,
    /// In order of instance and time.
    pub(crate) terms: &'a [Term],
    pub(crate) usage: &'a [HourUsage],
    pub(crate) plans: &'a BTreeMap<String, Arc<Plan>>,
    pub(crate) prices: &'a PriceLists,
}

/// Lines stand in this order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LineKey {
    instance: InstanceId,
    is_correction: bool,
    item: usize,
    plan: String,
    list: String,
    version: u32,
}

pub(crate) fn work_out(facts: &Facts<'_>) -> Bill {
    let mut sums: BTreeMap<LineKey, (i128, Arc<PriceList>)> = BTreeMap::new();
    let mut terms: BTreeMap<InstanceId, Vec<&Term>> = BTreeMap::new();
    for term in facts.terms {
        terms.entry(term.instance).or_default().push(term);
    }
    for (instance, terms) in &terms {
        let first = facts.month.first_hour().max(Hour::of(facts.since));
        let end = facts.month.end_hour().min(facts.until);
        for hour in (first.0..end.0).map(Hour) {
            if let Some(term) = terms.iter().find(|term| exists(term, hour)) {
                add(facts, &mut sums, *instance, (hour, &term.plan), |item| {
                    i128::from(item == INSTANCE_MONTH)
                });
            }
        }
    }
    for usage in facts.usage {
        let of_instance = terms.get(&usage.instance).map_or(&[][..], Vec::as_slice);
        let Some(plan) = plan_at(of_instance, usage.hour) else {
            continue;
        };
        let quantity = |item: &str| used(item, &usage.sums);
        add(
            facts,
            &mut sums,
            usage.instance,
            (usage.hour, plan),
            quantity,
        );
    }
    let lines = sums.into_iter();
    let lines = lines.filter_map(|(key, (sum, list))| {
        let last = terms.get(&key.instance).and_then(|terms| terms.last())?;
        line(facts.month, key, sum, &list, last)
    });
    let lines: Vec<BillLine> = lines.collect();
    let total = lines
        .iter()
        .fold(0i64, |sum, line| sum.saturating_add(line.amount_micros));
    Bill {
        tenant: facts.tenant,
        month: facts.month.to_string(),
        is_closed: facts.is_closed,
        currency: facts.prices.currency().to_owned(),
        lines,
        total_micros: total,
    }
}

/// Whether an instance existed at any time of the hour, by this term.
pub(crate) fn exists(term: &Term, hour: Hour) -> bool {
    let ends = [term.ended, term.expires].into_iter().flatten().min();
    let is_over = ends.is_some_and(|end| end <= hour.start() || end <= term.since);
    term.since < hour.end() && !is_over
}

/// The plan by which usage of an hour is priced: the one at its begin, else the next.
fn plan_at<'a>(terms: &[&'a Term], hour: Hour) -> Option<&'a str> {
    let in_force = terms.iter().find(|term| exists(term, hour));
    let before = || terms.iter().rev().find(|term| term.since < hour.end());
    let term = in_force.or_else(before).or_else(|| terms.first())?;
    Some(&term.plan)
}

fn add(
    facts: &Facts<'_>,
    sums: &mut BTreeMap<LineKey, (i128, Arc<PriceList>)>,
    instance: InstanceId,
    (hour, plan): (Hour, &str),
    quantity: impl Fn(&str) -> i128,
) {
    let Some(list) = facts.plans.get(plan).map(|plan| plan.price_list.as_str()) else {
        return;
    };
    let Some(list) = facts.prices.in_force(list, hour) else {
        return;
    };
    for price in &list.prices {
        let quantity = quantity(&price.item);
        let Some(item) = ITEMS.iter().position(|item| *item == price.item) else {
            continue;
        };
        if quantity == 0 {
            continue;
        }
        let key = LineKey {
            instance,
            is_correction: hour.month() != facts.month,
            item,
            plan: plan.to_owned(),
            list: list.name.clone(),
            version: list.version,
        };
        let (sum, _) = sums.entry(key).or_insert_with(|| (0, list.clone()));
        *sum += quantity;
    }
}

/// What of an item was used; stored bytes in byte-seconds.
fn used(item: &str, sums: &UsageSums) -> i128 {
    let used = match item {
        "unitsIn" => sums.units_in,
        "unitsOut" => sums.units_out,
        "bytesIn" => sums.bytes_in,
        "bytesOut" => sums.bytes_out,
        "apiCalls" => sums.api_calls,
        "storedGibHoursHot" => sums.stored_byte_seconds_hot,
        "storedGibHoursCold" => sums.stored_byte_seconds_cold,
        _ => 0,
    };
    i128::from(used)
}

/// `None` for nothing at all.
fn line(month: Month, key: LineKey, sum: i128, list: &PriceList, last: &Term) -> Option<BillLine> {
    let item = ITEMS[key.item];
    let price = list.prices.iter().find(|price| price.item == item)?;
    // Subscriptions are counted in hours, stored bytes in byte-hours.
    let (quantity, per) = match item {
        INSTANCE_MONTH => (sum, price.per.saturating_mul(u64::from(month.hours()))),
        "storedGibHoursHot" | "storedGibHoursCold" => {
            (divided(sum, HOUR_SECS), price.per.saturating_mul(GIB))
        }
        _ => (sum, price.per),
    };
    let quantity = i64::try_from(quantity).unwrap_or(i64::MAX);
    (quantity != 0).then(|| BillLine {
        instance: key.instance,
        instance_uid: last.uid.clone(),
        instance_name: last.name.clone(),
        plan: key.plan,
        item: item.to_owned(),
        quantity,
        price_list: key.list,
        price_version: key.version,
        unit_micros: price.micros,
        per,
        amount_micros: amount(quantity, price.micros, per),
        is_correction: key.is_correction,
    })
}

#[cfg(test)]
#[path = "bill_tests.rs"]
mod tests;
