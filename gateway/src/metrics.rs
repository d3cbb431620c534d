//! The gateway's metrics, declared here and nowhere else. Labels are route
//! templates and status classes, so their number is fixed when compiling.

use firn_runtime::clock::Stopwatch;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const LATENCY_SECONDS: [f64; 13] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 35.0,
];

/// All metrics of one gateway.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    latency: HistogramVec,
    pub(crate) messages_in: IntCounter,
    pub(crate) bytes_in: IntCounter,
    pub(crate) messages_out: IntCounter,
    pub(crate) bytes_out: IntCounter,
    pub(crate) returned: IntCounter,
    pub(crate) renewed: IntCounter,
    pub(crate) streams: IntGauge,
    pub(crate) consumers: IntGauge,
    pub(crate) producers: IntGauge,
    pub(crate) groups_inconsistent: IntGauge,
    pub(crate) rate_limited: IntCounter,
    pub(crate) limits_cut_off: IntGauge,
    pub(crate) connections: IntGauge,
    pub(crate) connections_refused: IntCounter,
    pub(crate) credentials_wrong: IntCounter,
    pub(crate) credentials_throttled: IntCounter,
}

/// The metrics of one route, looked up once.
#[derive(Clone)]
pub(crate) struct RouteMetrics {
    classes: [IntCounter; CLASSES.len()],
    latency: Histogram,
}

impl Metrics {
    /// Declares the metrics in a registry that other services share.
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "firn_gateway_requests_total",
                    "Requests by route and status class",
                ),
                &["method", "route", "class"],
            )
            .expect("the name and labels are valid"),
            latency: HistogramVec::new(
                HistogramOpts::new(
                    "firn_gateway_request_seconds",
                    "Time from the request's head to its answer, long polls included",
                )
                .buckets(LATENCY_SECONDS.to_vec()),
                &["method", "route"],
            )
            .expect("the name and labels are valid"),
            messages_in: counter("firn_gateway_messages_in_total", "Messages stored"),
            bytes_in: counter("firn_gateway_bytes_in_total", "Content bytes stored"),
            messages_out: counter("firn_gateway_messages_out_total", "Messages delivered"),
            bytes_out: counter("firn_gateway_bytes_out_total", "Content bytes delivered"),
            returned: counter(
                "firn_gateway_messages_returned_total",
                "Deliveries given back because they never reached their member",
            ),
            renewed: counter(
                "firn_gateway_leases_renewed_total",
                "Leases of push consumers made longer while they are there",
            ),
            streams: gauge("firn_gateway_streams_open", "Open event streams"),
            consumers: gauge("firn_gateway_consumers_online", "Members of groups online"),
            producers: gauge("firn_gateway_producers_online", "Producers online"),
            groups_inconsistent: gauge(
                "firn_gateway_groups_inconsistent",
                "Groups whose members online differ in topics or filters",
            ),
            rate_limited: counter(
                "firn_gateway_messages_rate_limited_total",
                "Messages of sends refused by a limit of messages a second",
            ),
            limits_cut_off: gauge(
                "firn_gateway_limits_cut_off",
                "1 while the tenant service does not divide limits among gateways",
            ),
            connections: gauge(
                "firn_gateway_connections_open",
                "Connections that belong to an instance",
            ),
            connections_refused: counter(
                "firn_gateway_connections_refused_total",
                "Calls refused because their instance has as many connections as it may",
            ),
            credentials_wrong: counter(
                "firn_gateway_credentials_wrong_total",
                "Attempts with a wrong secret or password",
            ),
            credentials_throttled: counter(
                "firn_gateway_credentials_throttled_total",
                "Attempts refused unseen after too many wrong ones",
            ),
        };
        metrics.announce(registry);
        metrics
    }

    fn announce(&self, registry: &Registry) {
        let collectors: [Box<dyn prometheus::core::Collector>; 18] = [
            Box::new(self.requests.clone()),
            Box::new(self.latency.clone()),
            Box::new(self.messages_in.clone()),
            Box::new(self.bytes_in.clone()),
            Box::new(self.messages_out.clone()),
            Box::new(self.bytes_out.clone()),
            Box::new(self.returned.clone()),
            Box::new(self.renewed.clone()),
            Box::new(self.streams.clone()),
            Box::new(self.consumers.clone()),
            Box::new(self.producers.clone()),
            Box::new(self.groups_inconsistent.clone()),
            Box::new(self.rate_limited.clone()),
            Box::new(self.limits_cut_off.clone()),
            Box::new(self.connections.clone()),
            Box::new(self.connections_refused.clone()),
            Box::new(self.credentials_wrong.clone()),
            Box::new(self.credentials_throttled.clone()),
        ];
        for collector in collectors {
            if let Err(error) = registry.register(collector) {
                tracing::warn!(%error, "metric not registered");
            }
        }
    }

    /// The metrics of one route of the table.
    pub(crate) fn route(&self, method: &str, path: &str) -> RouteMetrics {
        RouteMetrics {
            classes: CLASSES.map(|class| self.requests.with_label_values(&[method, path, class])),
            latency: self.latency.with_label_values(&[method, path]),
        }
    }
}

impl RouteMetrics {
    /// Counts one answered request.
    pub(crate) fn answered(&self, status: u16, started: Stopwatch) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        self.classes[class].inc();
        self.latency.observe(started.elapsed().as_secs_f64());
    }
}

fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect("the name is valid")
}

fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect("the name is valid")
}
