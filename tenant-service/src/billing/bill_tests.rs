//! Bills as they are worked out by hand.

use firn_protocol::api::billing::Price;
use proptest::prelude::*;

use super::*;
use crate::billing::time::HOUR_MS;
use crate::catalogue::plans;

const JANUARY: &str = "2025-01";

fn month() -> Month {
    Month::parse(JANUARY).unwrap()
}

/// The n-th hour of January.
fn hour(n: u32) -> Hour {
    Hour(month().first_hour().0 + n)
}

fn term(instance: u64, plan: &str, since: u32, ended: Option<u32>) -> Term {
    Term {
        instance: InstanceId(instance),
        uid: format!("{instance:032x}"),
        name: format!("i{instance}"),
        plan: plan.to_owned(),
        since: hour(since).start(),
        ended: ended.map(|n| hour(n).start()),
        expires: None,
    }
}

fn usage(hour: Hour, units_in: i64) -> HourUsage {
    HourUsage {
        instance: InstanceId(1),
        hour,
        sums: UsageSums {
            units_in,
            ..UsageSums::default()
        },
    }
}

fn plans() -> BTreeMap<String, Arc<Plan>> {
    let plans = plans::built_in().into_iter();
    plans
        .map(|plan| (plan.name.clone(), Arc::new(plan)))
        .collect()
}

fn made(terms: &[Term], usage: &[HourUsage], prices: &PriceLists) -> Bill {
    work_out(&Facts {
        tenant: TenantId(2),
        month: month(),
        is_closed: true,
        since: Timestamp(0),
        until: Hour(u32::MAX),
        terms,
        usage,
        plans: &plans(),
        prices,
    })
}

fn told(bill: &Bill) -> Vec<(u64, &str, &str, i64, u64, i64)> {
    let line = |line: &'_ BillLine| (line.instance.0, line.quantity, line.per, line.amount_micros);
    let rows = bill.lines.iter().map(|row| {
        let (instance, quantity, per, amount) = line(row);
        (
            instance,
            row.item.as_str(),
            row.plan.as_str(),
            quantity,
            per,
            amount,
        )
    });
    rows.collect()
}

#[test]
fn a_subscription_is_paid_by_the_hours_it_existed() {
    let prices = PriceLists::default();
    let mut expiring = term(3, "basic", 0, None);
    expiring.expires = Some(Timestamp(hour(10).start().0 + 1));
    let terms = [
        term(1, "basic", 0, None),
        // Made in an hour, gone in the next one: both have begun.
        Term {
            since: Timestamp(hour(7).start().0 + 1),
            ended: Some(Timestamp(hour(8).start().0 + 1)),
            ..term(2, "basic", 0, None)
        },
        expiring,
        // Another plan from the middle of an hour on: that hour is the first one's.
        Term {
            ended: Some(Timestamp(hour(100).start().0 + 5)),
            ..term(4, "basic", 0, None)
        },
        Term {
            since: Timestamp(hour(100).start().0 + 5),
            ..term(4, "intermediate", 0, None)
        },
        term(5, "basic", 744, None),
    ];
    let bill = made(&terms, &[], &prices);
    let fee = |hours: i64| amount(hours, 10_000_000, 744);
    assert_eq!(fee(744), 10_000_000);
    assert_eq!(
        told(&bill),
        [
            (1, INSTANCE_MONTH, "basic", 744, 744, 10_000_000),
            (2, INSTANCE_MONTH, "basic", 2, 744, fee(2)),
            (3, INSTANCE_MONTH, "basic", 11, 744, fee(11)),
            (4, INSTANCE_MONTH, "basic", 101, 744, fee(101)),
            (4, INSTANCE_MONTH, "intermediate", 643, 744, fee(643)),
        ]
    );
    let sum: i64 = bill.lines.iter().map(|line| line.amount_micros).sum();
    assert_eq!((bill.total_micros, bill.currency.as_str()), (sum, "USD"));
}

#[test]
fn an_hour_has_the_price_that_was_in_force_and_late_hours_are_corrections() {
    let mut prices = PriceLists::default();
    prices.add(&Arc::new(PriceList {
        name: "standard".to_owned(),
        version: 2,
        valid_from: hour(10).start(),
        currency: "EUR".to_owned(),
        prices: vec![Price {
            item: "unitsIn".to_owned(),
            micros: 3,
            per: 2,
        }],
    }));
    let terms = [term(1, "basic", 9, Some(11))];
    let december = Hour(hour(0).0 - 1);
    let usages = [
        usage(december, -2_500_000),
        usage(hour(9), 1_000_000),
        usage(hour(10), 5),
        usage(hour(10), 2),
        // After the instance: by its last plan.
        usage(hour(600), 2),
    ];
    let bill = made(&terms, &usages, &prices);
    let rows: Vec<_> = bill
        .lines
        .iter()
        .map(|line| {
            let version = line.price_version;
            (
                line.item.as_str(),
                version,
                line.quantity,
                line.amount_micros,
                line.is_correction,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (INSTANCE_MONTH, 1, 1, amount(1, 10_000_000, 744), false),
            ("unitsIn", 1, 1_000_000, 400_000, false),
            // 13.5, rounded once and to even.
            ("unitsIn", 2, 9, 14, false),
            ("unitsIn", 1, -2_500_000, -1_000_000, true),
        ]
    );
    assert_eq!(bill.currency, "EUR");
}

#[test]
fn stored_bytes_are_priced_by_the_gib_and_hour() {
    let sums = UsageSums {
        stored_byte_seconds_cold: (3 << 30) * 3600 * 10,
        stored_byte_seconds_hot: 1800,
        ..UsageSums::default()
    };
    let used = HourUsage {
        sums,
        ..usage(hour(1), 0)
    };
    let bill = made(
        &[term(1, "basic", 800, None)],
        &[used],
        &PriceLists::default(),
    );
    // Half a byte-hour is rounded to none: no line.
    assert_eq!(
        told(&bill),
        [(1, "storedGibHoursCold", "basic", 30 << 30, 1 << 30, 30 * 40)]
    );
}

#[test]
fn a_plan_without_a_price_list_costs_nothing() {
    let mut plans = plans();
    let free = Plan {
        name: "free".to_owned(),
        price_list: "nobody-made-it".to_owned(),
        ..Plan::clone(&plans["basic"])
    };
    plans.insert("free".to_owned(), Arc::new(free));
    let facts = Facts {
        tenant: TenantId(2),
        month: month(),
        is_closed: false,
        since: Timestamp(0),
        until: Hour(u32::MAX),
        terms: &[term(1, "free", 0, None)],
        usage: &[usage(hour(3), 5)],
        plans: &plans,
        prices: &PriceLists::default(),
    };
    assert_eq!(work_out(&facts).lines, []);
}

#[test]
fn an_open_bill_goes_as_far_as_time_does_and_books_begin_some_time() {
    let facts = Facts {
        tenant: TenantId(2),
        month: month(),
        is_closed: false,
        since: Timestamp(hour(4).start().0 + HOUR_MS / 2),
        until: hour(10),
        terms: &[term(1, "basic", 0, None)],
        usage: &[],
        plans: &plans(),
        prices: &PriceLists::default(),
    };
    assert_eq!(work_out(&facts).lines[0].quantity, 6);
}

proptest! {
    /// However an instance's time is cut into terms, its hours are counted once.
    #[test]
    fn every_hour_is_paid_once(cuts in prop::collection::btree_set(0u64..744 * HOUR_MS, 0..9)) {
        let at = |offset: u64| Timestamp(month().start().0 + offset);
        let mut cuts: Vec<u64> = cuts.into_iter().collect();
        cuts.insert(0, 0);
        let terms: Vec<Term> = cuts.iter().enumerate().map(|(n, cut)| Term {
            since: at(*cut),
            ended: cuts.get(n + 1).map(|next| at(*next)),
            ..term(1, if n % 2 == 0 { "basic" } else { "serverless" }, 0, None)
        }).collect();
        let bill = made(&terms, &[], &PriceLists::default());
        let hours: i64 = bill.lines.iter().map(|line| line.quantity).sum();
        prop_assert_eq!(hours, 744);
    }
}
