//! Numbers: latency histograms, medians over rounds, ratios between systems.
//!
//! Owns the arithmetic of the report. Promises that nothing measured is dropped: what
//! exceeds the histogram's range counts as its largest value.

use std::time::Duration;

use hdrhistogram::Histogram;

const LATENCY_MAX: Duration = Duration::from_secs(120);

/// A distribution of durations, exact to three digits.
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        let bound = LATENCY_MAX.as_nanos() as u64;
        Self(Histogram::new_with_bounds(1, bound, 3).expect("constant bounds are valid"))
    }
}

impl Latency {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Microseconds that the share `quantile` (0 to 1) of all durations does not exceed;
    /// 0 when there are none.
    #[must_use]
    pub fn micros_at(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// The middle of `values`, the mean of the two middle ones when their number is even;
/// nothing for none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

/// How far apart the extremes of `values` are, as a share of their median: 0 for fewer
/// than two values.
#[must_use]
pub fn spread(values: &[f64]) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match median(values) {
        Some(middle) if middle > 0.0 => (high - low) / middle,
        _ => 0.0,
    }
}

/// `value` over `base`; nothing when the base is not a positive number.
#[must_use]
pub fn ratio(value: f64, base: f64) -> Option<f64> {
    (base.is_finite() && base > 0.0 && value.is_finite()).then(|| value / base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_three_digits() {
        let mut latency = Latency::default();
        for micros in 1..=1000 {
            latency.record(Duration::from_micros(micros));
        }
        assert_eq!(latency.count(), 1000);
        for (quantile, expected) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let got = latency.micros_at(quantile);
            assert!(
                (got - expected).abs() <= expected / 500.0,
                "{quantile}: {got}"
            );
        }
    }

    #[test]
    fn a_duration_out_of_range_still_counts() {
        let mut latency = Latency::default();
        latency.record(Duration::ZERO);
        latency.record(Duration::from_secs(100_000));
        assert_eq!(latency.count(), 2);
        assert!(latency.micros_at(1.0) >= LATENCY_MAX.as_micros() as f64 * 0.99);
        assert!(Latency::default().micros_at(0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn the_median_ignores_order_and_outliers() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 1000.0, 2.0]), Some(3.0));
    }

    #[test]
    fn spread_is_relative_to_the_median() {
        assert!((spread(&[8.0, 10.0, 12.0]) - 0.4).abs() < 1e-9);
        assert!(spread(&[5.0]).abs() < 1e-9);
        assert!(spread(&[]).abs() < 1e-9);
    }

    #[test]
    fn a_ratio_needs_a_base() {
        assert_eq!(ratio(3.0, 2.0), Some(1.5));
        assert_eq!(ratio(3.0, 0.0), None);
        assert_eq!(ratio(3.0, f64::NAN), None);
        assert_eq!(ratio(f64::INFINITY, 2.0), None);
    }
}
