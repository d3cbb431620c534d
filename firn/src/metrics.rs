//! Metrics of what this crate does itself.

use prometheus::{IntCounter, IntGauge, Registry};

/// How the exports of the catalogue get on.
#[derive(Clone)]
pub(crate) struct ExportMetrics {
    pub(crate) exports: IntCounter,
    /// Attempts that failed and are made again.
    pub(crate) failures: IntCounter,
    pending: IntGauge,
}

impl ExportMetrics {
    /// Shows them in a registry.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            exports: IntCounter::new(
                "firn_catalogue_exports_total",
                "Exports of the catalogue written to the object store",
            )?,
            failures: IntCounter::new(
                "firn_catalogue_export_failures_total",
                "Attempts to export the catalogue that failed",
            )?,
            pending: IntGauge::new(
                "firn_catalogue_export_pending",
                "1 while a change of the catalogue is in no export yet",
            )?,
        };
        registry.register(Box::new(metrics.exports.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.pending.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn pending(&self, is_pending: bool) {
        self.pending.set(is_pending.into());
    }
}
