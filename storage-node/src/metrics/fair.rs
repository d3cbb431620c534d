//! Metrics of sends that wait for room behind them.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counted where things happen; clones share the counts.
#[derive(Clone)]
pub struct FairMetrics {
    /// Sends that had to wait for their turn.
    pub waited: IntCounter,
    /// How long those waited that came to their turn.
    pub wait_seconds: Histogram,
    /// Bytes of those that wait now.
    pub waiting_bytes: IntGauge,
    refused: IntCounterVec,
}

/// Why a send was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too much of its instance waits.
    Share,
    /// Its turn did not come in time.
    Time,
}

impl FairMetrics {
    /// Registers the counts.
    ///
    /// # Errors
    /// When a name is taken.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let waited = IntCounter::with_opts(Opts::new(
            "firn_storage_sends_waited_total",
            "Sends that had to wait for their turn",
        ))?;
        let wait_seconds = HistogramOpts::new(
            "firn_storage_sends_wait_seconds",
            "How long sends waited for their turn",
        );
        let wait_seconds = Histogram::with_opts(
            wait_seconds.buckets(vec![0.001, 0.004, 0.016, 0.064, 0.25, 1.0, 5.0]),
        )?;
        let waiting_bytes = IntGauge::with_opts(Opts::new(
            "firn_storage_sends_waiting_bytes",
            "Bytes of sends that wait for their turn",
        ))?;
        let refused = IntCounterVec::new(
            Opts::new(
                "firn_storage_sends_refused_total",
                "Sends that the node was too busy for",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(waited.clone()))?;
        registry.register(Box::new(wait_seconds.clone()))?;
        registry.register(Box::new(waiting_bytes.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Self {
            waited,
            wait_seconds,
            waiting_bytes,
            refused,
        })
    }

    /// Sends refused for one reason.
    #[must_use]
    pub fn refused(&self, reason: Refusal) -> IntCounter {
        let reason = match reason {
            Refusal::Share => "share",
            Refusal::Time => "time",
        };
        self.refused.with_label_values(&[reason])
    }
}
