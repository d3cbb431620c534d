//! Metrics of the storage node, declared here and nowhere else.

mod fair;
mod semantics;
mod wal;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

pub use fair::{FairMetrics, Refusal};
pub use semantics::SemanticMetrics;

use crate::broker::entry::TrimReason;
use crate::cold::metrics::ColdMetrics;
use crate::cold::wal::WalMetrics;
use crate::cold::{Failure, Operation};
use crate::hot::metrics::HotMetrics;
use crate::log::Log;

/// Counted where things happen; clones share the counts.
#[derive(Clone)]
pub struct Metrics {
    /// Leases that passed without an ack.
    pub leases_expired: IntCounter,
    pub semantics: SemanticMetrics,
    pub fair: FairMetrics,
    /// Reads that the hot store should have answered and did not.
    pub hot_misses: IntCounter,
    /// Records found neither in the hot store nor in the log.
    pub records_lost: IntCounter,
    /// Records that damage took from the log and WAL objects gave back.
    pub records_mended: IntCounter,
    /// Recoveries after a failed write.
    pub recoveries: IntCounter,
    /// Brokers that could not be sealed or carried forward when it was due.
    pub tier_failures: IntCounter,
    /// Records that are gone, by why.
    records_trimmed: IntCounterVec,
    /// The part of them that a group had not finished, once for each group.
    pub records_missed: IntCounter,
    /// Small segments that became part of larger ones.
    pub segments_merged: IntCounter,
    /// Part of the disk that is in use, as last looked.
    pub disk_used: Gauge,
    /// Bytes of records that no segment has, over all brokers, as last looked.
    pub untiered_bytes: IntGauge,
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
        let untiered = Opts::new(
            "firn_storage_untiered_bytes",
            "Bytes of records that are not in object storage yet",
        );
        let untiered_bytes = IntGauge::with_opts(untiered)?;
        registry.register(Box::new(untiered_bytes.clone()))?;
        let trimmed = Opts::new(
            "firn_storage_records_trimmed_total",
            "Records that are gone, because of their age or to make room",
        );
        let records_trimmed = IntCounterVec::new(trimmed, &["reason"])?;
        registry.register(Box::new(records_trimmed.clone()))?;
        let disk = Opts::new(
            "firn_storage_disk_used_ratio",
            "Part of the disk that the node's own data takes, of that and what is free",
        );
        let disk_used = Gauge::with_opts(disk)?;
        registry.register(Box::new(disk_used.clone()))?;
        Ok(Self {
            untiered_bytes,
            disk_used,
            segments_merged: counter(
                "firn_storage_segments_merged_total",
                "Small segments that became part of larger ones",
            )?,
            records_trimmed,
            records_missed: counter(
                "firn_storage_records_missed_total",
                "Records that were gone before a group had finished them",
            )?,
            semantics: SemanticMetrics::new(registry)?,
            fair: FairMetrics::new(registry)?,
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
            records_mended: counter(
                "firn_storage_records_mended_total",
                "Records that the log had lost and the WAL in object storage gave back",
            )?,
            recoveries: counter(
                "firn_storage_log_recoveries_total",
                "Recoveries after a failed write of the log",
            )?,
            tier_failures: counter(
                "firn_storage_tier_failures_total",
                "Brokers that could not go into object storage when it was due",
            )?,
        })
    }

    /// Records that are gone for one reason.
    #[must_use]
    pub fn records_trimmed(&self, reason: TrimReason) -> IntCounter {
        let reason = match reason {
            TrimReason::Age => "age",
            TrimReason::Quota => "quota",
            TrimReason::Disk => "disk",
            TrimReason::Purge => "purge",
        };
        self.records_trimmed.with_label_values(&[reason])
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

    /// Shows the cold store's counts whenever metrics are read.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn watch_cold(
        &self,
        registry: &Registry,
        cold: &Arc<ColdMetrics>,
    ) -> Result<(), prometheus::Error> {
        registry.register(Box::new(WatchCold::new(cold.clone())?))
    }

    /// Shows a WAL writer's counts whenever metrics are read.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn watch_wal(
        &self,
        registry: &Registry,
        wal: &Arc<WalMetrics>,
    ) -> Result<(), prometheus::Error> {
        registry.register(Box::new(wal::WatchWal::new(wal.clone())?))
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

/// Counters that follow the cold store's own.
struct WatchCold {
    cold: Arc<ColdMetrics>,
    requests: IntCounterVec,
    errors: IntCounterVec,
    events: IntCounterVec,
    bytes: IntCounterVec,
    /// Two readers at a time would both add what is new.
    reading: Mutex<()>,
}

impl WatchCold {
    fn new(cold: Arc<ColdMetrics>) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels)
        };
        Ok(Self {
            cold,
            requests: counter(
                "firn_storage_cold_requests_total",
                "Requests to the object store, retries included",
                &["operation"],
            )?,
            errors: counter(
                "firn_storage_cold_errors_total",
                "Requests to the object store that failed",
                &["operation", "failure"],
            )?,
            events: counter(
                "firn_storage_cold_events_total",
                "Retries, and what the block cache did",
                &["event"],
            )?,
            bytes: counter(
                "firn_storage_cold_bytes_total",
                "Bytes of objects sent and received",
                &["direction"],
            )?,
            reading: Mutex::new(()),
        })
    }

    fn vectors(&self) -> [&IntCounterVec; 4] {
        [&self.requests, &self.errors, &self.events, &self.bytes]
    }

    fn follow(&self) {
        let _reading = self.reading.lock();
        let raise = |counter: IntCounter, to: u64| counter.inc_by(to.saturating_sub(counter.get()));
        for operation in Operation::ALL {
            let name = operation.as_str();
            let requests = self.cold.requests(operation);
            raise(self.requests.with_label_values(&[name]), requests);
            for failure in Failure::ALL {
                let errors = self.cold.errors(operation, failure);
                // Most pairs never happen; they need no line.
                if errors > 0 {
                    let labels = [name, failure.as_str()];
                    raise(self.errors.with_label_values(&labels), errors);
                }
            }
        }
        let cold = &self.cold;
        for (event, count) in [
            ("retry", &cold.retries),
            ("retry_refused", &cold.retries_refused),
            ("met_itself", &cold.met_itself),
            ("cache_hit", &cold.cache_hits),
            ("cache_miss", &cold.cache_misses),
            ("prefetch", &cold.prefetches),
        ] {
            let count = count.load(Ordering::Relaxed);
            raise(self.events.with_label_values(&[event]), count);
        }
        for (direction, count) in [
            ("sent", &cold.sent_bytes),
            ("received", &cold.received_bytes),
        ] {
            let count = count.load(Ordering::Relaxed);
            raise(self.bytes.with_label_values(&[direction]), count);
        }
    }
}

impl Collector for WatchCold {
    fn desc(&self) -> Vec<&Desc> {
        self.vectors()
            .into_iter()
            .flat_map(Collector::desc)
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.follow();
        let vectors = self.vectors().into_iter();
        vectors.flat_map(Collector::collect).collect()
    }
}
