//! Price lists: versions that never change, and how an amount comes of one. Money is
//! whole millionths; there is no floating point in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use firn_protocol::api::billing::{Price, PriceList};
use firn_protocol::{ApiError, ApiResult, Timestamp, names};

use super::time::{HOUR_MS, Hour};

/// The list of the built-in plans.
pub(crate) const STANDARD: &str = "standard";
/// Of the built-in list, until the operator adds one with another currency.
const CURRENCY_DEFAULT: &str = "USD";
/// What a list may hold, so that no amount overflows: a million units of money.
const MICROS_MAX: u64 = 1_000_000_000_000;
/// 1 TiB, and more than a million millions of calls.
const PER_MAX: u64 = 1 << 40;

/// What a subscription costs a month; its quantity is hours.
pub(crate) const INSTANCE_MONTH: &str = "instanceMonth";
/// Everything that can have a price, in the order of a bill.
pub(crate) const ITEMS: [&str; 8] = [
    INSTANCE_MONTH,
    "unitsIn",
    "unitsOut",
    "bytesIn",
    "bytesOut",
    "apiCalls",
    "storedGibHoursHot",
    "storedGibHoursCold",
];

/// All lists, the versions of each in order.
#[derive(Clone)]
pub(crate) struct PriceLists {
    lists: BTreeMap<String, Vec<Arc<PriceList>>>,
    /// Added by the operator.
    added: usize,
}

impl Default for PriceLists {
    fn default() -> Self {
        let standard = standard(CURRENCY_DEFAULT);
        Self {
            lists: [(STANDARD.to_owned(), vec![Arc::new(standard)])].into(),
            added: 0,
        }
    }
}

impl PriceLists {
    /// Adds a version that was checked.
    pub(crate) fn add(&mut self, list: &Arc<PriceList>) {
        self.added += 1;
        if self.currency() != list.currency {
            // One deployment has one currency; the built-in figures are examples in any.
            let own = standard(&list.currency);
            if let Some(first) = self.lists.get_mut(STANDARD).and_then(|all| all.first_mut()) {
                *first = Arc::new(own);
            }
        }
        let versions = self.lists.entry(list.name.clone()).or_default();
        versions.push(list.clone());
        versions.sort_by_key(|list| list.version);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<PriceList>> {
        self.lists.values().flatten()
    }

    /// Those that are not built in.
    pub(crate) fn added(&self) -> impl Iterator<Item = &Arc<PriceList>> {
        let is_built_in = |list: &PriceList| list.name == STANDARD && list.version == 1;
        self.all().filter(move |list| !is_built_in(list))
    }

    pub(crate) fn versions(&self, name: &str) -> &[Arc<PriceList>] {
        self.lists.get(name).map_or(&[], Vec::as_slice)
    }

    /// The version that prices an hour.
    pub(crate) fn in_force(&self, name: &str, hour: Hour) -> Option<&Arc<PriceList>> {
        let mut versions = self.versions(name).iter().rev();
        versions.find(|list| list.valid_from <= hour.start())
    }

    pub(crate) fn currency(&self) -> &str {
        let first = self.versions(STANDARD).first();
        first.map_or(CURRENCY_DEFAULT, |list| &list.currency)
    }

    /// The next version of a list, as it will be kept.
    ///
    /// # Errors
    /// Names the field that breaks a rule. `first_valid` is the first time from which
    /// it may be valid.
    pub(crate) fn next(&self, mut list: PriceList, first_valid: Timestamp) -> ApiResult<PriceList> {
        names::check("name", &list.name)?;
        let versions = self.versions(&list.name);
        let next = versions.last().map_or(1, |last| last.version + 1);
        if list.version != 0 && list.version != next {
            return Err(ApiError::field(
                "version",
                format_args!("the next one is {next}"),
            ));
        }
        list.version = next;
        if !list.valid_from.0.is_multiple_of(HOUR_MS) {
            return Err(ApiError::field("validFrom", "not the begin of an hour"));
        }
        if list.valid_from < first_valid {
            return Err(ApiError::field(
                "validFrom",
                format_args!("that hour has begun; the first is {first_valid}"),
            ));
        }
        if versions
            .last()
            .is_some_and(|last| list.valid_from <= last.valid_from)
        {
            let rule = "not after that of the version before";
            return Err(ApiError::field("validFrom", rule));
        }
        let letters = list.currency.bytes().all(|b| b.is_ascii_uppercase());
        if list.currency.len() != 3 || !letters {
            return Err(ApiError::field("currency", "not three capital letters"));
        }
        if self.added > 0 && list.currency != self.currency() {
            let rule = format!("this deployment bills in {}", self.currency());
            return Err(ApiError::field("currency", rule));
        }
        check_prices(&list.prices)?;
        Ok(list)
    }
}

fn check_prices(prices: &[Price]) -> ApiResult<()> {
    let mut seen = BTreeSet::new();
    for price in prices {
        if !ITEMS.contains(&price.item.as_str()) {
            let rule = format!("no such item; there are {}", ITEMS.join(", "));
            return Err(ApiError::field("prices", rule));
        }
        if !seen.insert(&price.item) {
            return Err(ApiError::field(
                "prices",
                format_args!("{} stands twice", price.item),
            ));
        }
        if price.micros > MICROS_MAX || !(1..=PER_MAX).contains(&price.per) {
            return Err(ApiError::field(
                "prices",
                format_args!("micros is at most {MICROS_MAX}, per is 1 to {PER_MAX}"),
            ));
        }
    }
    Ok(())
}

/// Examples, to be replaced by the operator's own.
fn standard(currency: &str) -> PriceList {
    let price = |item: &str, micros, per| Price {
        item: item.to_owned(),
        micros,
        per,
    };
    PriceList {
        name: STANDARD.to_owned(),
        version: 1,
        valid_from: Timestamp(0),
        currency: currency.to_owned(),
        prices: vec![
            price(INSTANCE_MONTH, 10_000_000, 1),
            price("unitsIn", 400_000, 1_000_000),
            price("unitsOut", 400_000, 1_000_000),
            price("bytesOut", 50_000, 1 << 30),
            price("apiCalls", 100_000, 1_000_000),
            price("storedGibHoursHot", 200, 1),
            price("storedGibHoursCold", 40, 1),
        ],
    }
}

/// `quantity` at `micros` for each `per`, rounded once, half to even.
pub(crate) fn amount(quantity: i64, micros: u64, per: u64) -> i64 {
    let product = i128::from(quantity) * i128::from(micros);
    let micros = divided(product, i128::from(per.max(1)));
    i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX })
}

/// A quotient rounded half to even; the divisor is positive.
pub(crate) fn divided(number: i128, divisor: i128) -> i128 {
    let (whole, rest) = (number.div_euclid(divisor), number.rem_euclid(divisor));
    // The rest is below the divisor: no overflow.
    match rest.cmp(&(divisor - rest)) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + (whole & 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (quantity, expected) in [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2)] {
            assert_eq!(amount(quantity, 1, 2), expected, "{quantity}");
        }
        assert_eq!(amount(i64::MAX, MICROS_MAX, 1), i64::MAX);
        assert_eq!(amount(i64::MIN, MICROS_MAX, 1), i64::MIN);
    }

    /// Schoolbook arithmetic on decimal digits, with no number larger than a digit.
    fn naive(quantity: u64, micros: u64, per: u64) -> u128 {
        let digits = |mut n: u64| {
            let mut digits = Vec::new();
            while n > 0 {
                digits.push((n % 10) as u32);
                n /= 10;
            }
            digits
        };
        let (a, b) = (digits(quantity), digits(micros));
        let mut product = vec![0u32; a.len() + b.len() + 1];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                product[i + j] += x * y;
                let mut at = i + j;
                while product[at] >= 10 {
                    product[at + 1] += product[at] / 10;
                    product[at] %= 10;
                    at += 1;
                }
            }
        }
        let (mut whole, mut rest) = (0u128, 0u128);
        for digit in product.iter().rev() {
            rest = rest * 10 + u128::from(*digit);
            let mut count = 0;
            while rest >= u128::from(per) {
                rest -= u128::from(per);
                count += 1;
            }
            whole = whole * 10 + count;
        }
        match (rest * 2).cmp(&u128::from(per)) {
            std::cmp::Ordering::Less => whole,
            std::cmp::Ordering::Greater => whole + 1,
            std::cmp::Ordering::Equal => whole + whole % 2,
        }
    }

    proptest! {
        #[test]
        fn amounts_are_those_of_schoolbook_arithmetic(
            quantity in 0u64..1 << 50, micros in 0u64..1 << 20, per in 1u64..1 << 20, sign: bool,
        ) {
            let expected = naive(quantity, micros, per);
            let expected = expected.min(i64::MAX as u128) as i64;
            let quantity = quantity as i64;
            match sign {
                true => prop_assert_eq!(amount(quantity, micros, per), expected),
                false => prop_assert_eq!(amount(-quantity, micros, per), -expected),
            }
        }

        #[test]
        fn exact_halves_are_tried(half in 0u64..1 << 30, per in 1u64..1 << 20) {
            let per = per * 2;
            let quantity = half * per + per / 2;
            prop_assert_eq!(amount(quantity as i64, 1, per) as u128, naive(quantity, 1, per));
        }
    }

    #[test]
    fn lists_follow_their_rules() {
        let mut lists = PriceLists::default();
        let hour = |n: u64| Timestamp(n * HOUR_MS);
        let list = |version, from: Timestamp| PriceList {
            name: "own".to_owned(),
            version,
            valid_from: from,
            currency: "EUR".to_owned(),
            prices: vec![Price {
                item: "unitsIn".to_owned(),
                micros: 1,
                per: 1,
            }],
        };
        assert!(lists.in_force("own", Hour(9)).is_none());
        assert_eq!(lists.currency(), "USD");
        for (version, at) in [(0, 10), (2, 20)] {
            let next = lists.next(list(version, hour(at)), hour(10)).unwrap();
            lists.add(&Arc::new(next));
        }
        assert_eq!(lists.currency(), "EUR");
        assert_eq!(lists.versions(STANDARD)[0].currency, "EUR");
        let version = |at| lists.in_force("own", Hour(at)).map(|list| list.version);
        assert_eq!(
            [9, 10, 19, 20, 21].map(version),
            [None, Some(1), Some(1), Some(2), Some(2)]
        );
        let refused = |list: PriceList| lists.next(list, hour(10)).unwrap_err().message;
        assert!(refused(list(2, hour(30))).contains("the next one is 3"));
        assert!(refused(list(0, hour(20))).contains("version before"));
        assert!(refused(list(0, hour(9))).contains("has begun"));
        assert!(refused(list(0, Timestamp(hour(30).0 + 1))).contains("begin of an hour"));
        let other = |change: fn(&mut PriceList)| {
            let mut list = list(0, hour(30));
            change(&mut list);
            refused(list)
        };
        assert!(other(|list| list.currency = "USD".to_owned()).contains("bills in EUR"));
        assert!(other(|list| list.currency = "eur".to_owned()).contains("capital"));
        assert!(other(|list| list.prices[0].item = "x".to_owned()).contains("no such item"));
        assert!(other(|list| list.prices[0].per = 0).contains("per is 1 to"));
        assert!(other(|list| list.prices.push(list.prices[0].clone())).contains("twice"));
    }
}
