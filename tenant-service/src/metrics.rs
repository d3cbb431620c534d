//! Metrics of the tenant service.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::shares::ShareCounts;
use crate::store::Recorded;

/// Counters and gauges; shown once [`Self::register`] was called.
pub(crate) struct Metrics {
    /// Committed changes by kind.
    pub(crate) changes: IntCounterVec,
    /// Writes that the database refused.
    pub(crate) failures: IntCounter,
    /// Rows in memory by table.
    pub(crate) rows: IntGaugeVec,
    /// The version of the catalogue that memory shows.
    pub(crate) version: IntGauge,
    /// 1 while changes of other processes cannot be seen.
    pub(crate) away: IntGauge,
    /// Usage events by whether they were new.
    events: IntCounterVec,
    /// Gateways among which limits are divided.
    gateways: IntGauge,
    /// Parts of limits that are divided.
    shares: IntGauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let changes = Opts::new(
            "firn_tenant_changes_total",
            "Changes of the catalogue by kind",
        );
        let rows = Opts::new(
            "firn_tenant_catalogue_rows",
            "Rows of the catalogue by table",
        );
        let events = Opts::new(
            "firn_tenant_usage_events_total",
            "Usage events by whether they were counted or known",
        );
        let valid = "constant metric names are valid";
        Self {
            changes: IntCounterVec::new(changes, &["kind"]).expect(valid),
            failures: IntCounter::new(
                "firn_tenant_write_failures_total",
                "Writes that the catalogue database refused",
            )
            .expect(valid),
            rows: IntGaugeVec::new(rows, &["table"]).expect(valid),
            version: IntGauge::new(
                "firn_tenant_catalogue_version",
                "Version of the catalogue that is served; each change raises it by one",
            )
            .expect(valid),
            away: IntGauge::new(
                "firn_tenant_catalogue_away",
                "1 while the catalogue is served as it was last seen, its database being away",
            )
            .expect(valid),
            events: IntCounterVec::new(events, &["outcome"]).expect(valid),
            gateways: IntGauge::new(
                "firn_tenant_gateways",
                "Gateways among which limits are divided",
            )
            .expect(valid),
            shares: IntGauge::new(
                "firn_tenant_shares",
                "Shares of limits that gateways hold; none while there is only one",
            )
            .expect(valid),
        }
    }

    pub(crate) fn shares(&self, counts: ShareCounts) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.gateways.set(number(counts.gateways));
        self.shares.set(number(counts.shares));
    }

    pub(crate) fn events(&self, recorded: Recorded) {
        let count = |outcome| self.events.with_label_values(&[outcome]);
        count("taken").inc_by(recorded.taken);
        count("known").inc_by(recorded.known);
    }

    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.changes.clone()))?;
        registry.register(Box::new(self.failures.clone()))?;
        registry.register(Box::new(self.rows.clone()))?;
        registry.register(Box::new(self.version.clone()))?;
        registry.register(Box::new(self.away.clone()))?;
        registry.register(Box::new(self.gateways.clone()))?;
        registry.register(Box::new(self.shares.clone()))?;
        registry.register(Box::new(self.events.clone()))
    }
}
