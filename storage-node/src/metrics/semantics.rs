//! Metrics of delayed messages and ordered groups.

use prometheus::{IntCounter, Opts, Registry};

/// Counted where things happen; clones share the counts.
#[derive(Clone)]
pub struct SemanticMetrics {
    /// Delayed messages that came to their time.
    pub delayed_fired: IntCounter,
    /// Receives of ordered groups that found so much looked past that the queue waits.
    pub ordered_waits: IntCounter,
    /// Message groups that were parked.
    pub records_parked: IntCounter,
}

impl SemanticMetrics {
    /// Registers the counters.
    ///
    /// # Errors
    /// When a name is taken.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            delayed_fired: counter(
                "firn_storage_delayed_delivered_total",
                "Delayed messages that came to their time",
            )?,
            ordered_waits: counter(
                "firn_storage_ordered_waits_total",
                "Receives of ordered groups that found too many records waiting for others",
            )?,
            records_parked: counter(
                "firn_storage_parked_total",
                "Message groups that were parked because all redeliveries of a message failed",
            )?,
        })
    }
}
