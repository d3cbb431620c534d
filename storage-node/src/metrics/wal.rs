//! What the WAL of the durability class `object` counts, as metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, Opts};

use crate::cold::wal::WalMetrics;

type Read = fn(&WalMetrics) -> &AtomicU64;

/// Follows a writer's own counts whenever metrics are read.
pub(super) struct WatchWal {
    wal: Arc<WalMetrics>,
    gauges: Vec<(IntGauge, Read)>,
    counters: Vec<(IntCounter, Read)>,
    /// Two readers at a time would both add what is new.
    reading: Mutex<()>,
}

impl WatchWal {
    pub(super) fn new(wal: Arc<WalMetrics>) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, read: Read| {
            Ok::<_, prometheus::Error>((IntGauge::with_opts(Opts::new(name, help))?, read))
        };
        let counter = |name: &str, help: &str, read: Read| {
            Ok::<_, prometheus::Error>((IntCounter::with_opts(Opts::new(name, help))?, read))
        };
        Ok(Self {
            gauges: vec![
                gauge(
                    "firn_storage_wal_pending_bytes",
                    "Bytes of entries that are not in a WAL object yet",
                    |wal| &wal.pending_bytes,
                )?,
                gauge(
                    "firn_storage_wal_in_flight",
                    "WAL objects on their way",
                    |wal| &wal.in_flight,
                )?,
                gauge(
                    "firn_storage_wal_fenced",
                    "1 once another node has fenced this one",
                    |wal| &wal.fenced,
                )?,
            ],
            counters: vec![
                counter(
                    "firn_storage_wal_frames_total",
                    "Entries handed to the WAL in object storage",
                    |wal| &wal.frames,
                )?,
                counter(
                    "firn_storage_wal_objects_total",
                    "WAL objects that became durable",
                    |wal| &wal.objects,
                )?,
                counter(
                    "firn_storage_wal_raw_bytes_total",
                    "Bytes of entries in WAL objects, before compression",
                    |wal| &wal.raw_bytes,
                )?,
                counter(
                    "firn_storage_wal_object_bytes_total",
                    "Bytes of WAL objects",
                    |wal| &wal.object_bytes,
                )?,
                counter(
                    "firn_storage_wal_puts_again_total",
                    "Puts of WAL objects that were begun again",
                    |wal| &wal.puts_again,
                )?,
                counter(
                    "firn_storage_wal_deleted_total",
                    "WAL objects deleted",
                    |wal| &wal.deleted,
                )?,
            ],
            wal,
            reading: Mutex::new(()),
        })
    }
}

impl Collector for WatchWal {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = self.gauges.iter().flat_map(|(gauge, _)| gauge.desc());
        let counters = self.counters.iter().flat_map(|(counter, _)| counter.desc());
        gauges.chain(counters).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _reading = self.reading.lock();
        let mut families = Vec::new();
        for (gauge, read) in &self.gauges {
            gauge.set(read(&self.wal).load(Ordering::Relaxed) as i64);
            families.extend(gauge.collect());
        }
        for (counter, read) in &self.counters {
            let now = read(&self.wal).load(Ordering::Relaxed);
            counter.inc_by(now.saturating_sub(counter.get()));
            families.extend(counter.collect());
        }
        families
    }
}
