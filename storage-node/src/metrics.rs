//! Metrics of the storage node, declared here and nowhere else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, Opts, Registry};

use crate::hot::metrics::HotMetrics;
use crate::log::Log;

/// Counted where things happen; clones share the counts.
#[derive(Clone)]
pub struct Metrics {
    /// Leases that passed without an ack.
    pub leases_expired: IntCounter,
    /// Reads that the hot store should have answered and did not.
    pub hot_misses: IntCounter,
    /// Records found neither in the hot store nor in the log.
    pub records_lost: IntCounter,
    /// Recoveries after a failed write.
    pub recoveries: IntCounter,
}

impl Metrics {
    /// Registers the node's own counters.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            leases_expired: counter(
                "firn_storage_leases_expired_total",
                "Leases that passed without an ack",
            )?,
            hot_misses: counter(
                "firn_storage_hot_misses_total",
                "Reads that the hot store should have answered",
            )?,
            records_lost: counter(
                "firn_storage_records_lost_total",
                "Records that cannot be found any more",
            )?,
            recoveries: counter(
                "firn_storage_log_recoveries_total",
                "Recoveries after a failed write of the log",
            )?,
        })
    }

    /// Shows the log's and the hot's own figures whenever metrics are read.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn watch(
        &self,
        registry: &Registry,
        log: &Log,
        hot: &Arc<HotMetrics>,
    ) -> Result<(), prometheus::Error> {
        registry.register(Box::new(Watch::new(log.clone(), hot.clone())?))
    }
}

type Read = fn(&Log, &HotMetrics) -> u64;

struct Watch {
    log: Log,
    hot: Arc<HotMetrics>,
    gauges: Vec<(IntGauge, Read)>,
}

impl Watch {
    fn new(log: Log, hot: Arc<HotMetrics>) -> Result<Self, prometheus::Error> {
        let mut gauges: Vec<(IntGauge, Read)> = Vec::new();
        let mut add = |name: &str, help: &str, read: Read| {
            gauges.push((IntGauge::with_opts(Opts::new(name, help))?, read));
            Ok::<_, prometheus::Error>(())
        };
        add(
            "firn_storage_log_commits",
            "Group commits since the start",
            |log, _| log.metrics().batch_bytes.count(),
        )?;
        add(
            "firn_storage_log_bytes",
            "Bytes committed since the start",
            |log, _| log.metrics().batch_bytes.sum.load(Ordering::Relaxed),
        )?;
        add(
            "firn_storage_log_failures",
            "Failed commits since the start",
            |log, _| log.metrics().commit_failures.load(Ordering::Relaxed),
        )?;
        add(
            "firn_storage_log_lsn",
            "Last durable place in the log",
            |log, _| log.durable().0,
        )?;
        add(
            "firn_storage_fill_lag_bytes",
            "Bytes between log and hot store",
            |_, hot| hot.lag_bytes.load(Ordering::Relaxed),
        )?;
        Ok(Self { log, hot, gauges })
    }
}

impl Collector for Watch {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges
            .iter()
            .flat_map(|(gauge, _)| gauge.desc())
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauges
            .iter()
            .flat_map(|(gauge, read)| {
                gauge.set(read(&self.log, &self.hot) as i64);
                gauge.collect()
            })
            .collect()
    }
}
