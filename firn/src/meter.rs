//! The meter: brings what storage nodes and the gateway counted into the books. Owns
//! when and in which order; promises that nothing is taken from who counted it before
//! it is kept, so that whatever is interrupted is done again. That nothing counts twice
//! is the books' promise.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use firn_gateway::Calls;
use firn_protocol::api::billing::BillingApi;
use firn_protocol::api::usage::UsageApi;
use firn_protocol::{ApiResult, Timestamp};
use firn_runtime::{Clock, Stop};
use prometheus::{IntCounter, IntGauge, Registry};

/// Between two collections: what is shown of the current hour is no older than this
/// and the time that a collection takes.
const PERIOD: Duration = Duration::from_secs(30);
/// After a failure, and doubled up to the longest one.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Events that are kept in one transaction: changes of the catalogue wait for it.
const CHUNK: usize = 100;

/// Collects usage; one for each set of books.
pub struct Meter {
    node: Arc<dyn UsageApi>,
    books: Arc<dyn BillingApi>,
    calls: Arc<Calls>,
    clock: Clock,
    metrics: MeterMetrics,
    /// When everything that was counted was in the books last.
    collected_ms: u64,
    pause: Duration,
}

/// How the collections get on.
#[derive(Clone)]
pub struct MeterMetrics {
    events: IntCounter,
    failures: IntCounter,
    lag: IntGauge,
}

impl MeterMetrics {
    /// Shows them in a registry.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            events: IntCounter::new(
                "firn_meter_events_total",
                "Usage events brought into the books",
            )?,
            failures: IntCounter::new(
                "firn_meter_failures_total",
                "Collections of usage that failed and are made again",
            )?,
            lag: IntGauge::new(
                "firn_meter_lag_seconds",
                "Age of the last whole collection of usage when the next one ended",
            )?,
        };
        registry.register(Box::new(metrics.events.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.lag.clone()))?;
        Ok(metrics)
    }
}

impl Meter {
    #[must_use]
    pub fn new(
        node: Arc<dyn UsageApi>,
        books: Arc<dyn BillingApi>,
        calls: Arc<Calls>,
        clock: Clock,
        metrics: MeterMetrics,
    ) -> Self {
        Self {
            collected_ms: clock.now_ms(),
            node,
            books,
            calls,
            clock,
            metrics,
            pause: PAUSE_MIN,
        }
    }

    /// Collects until it is told to stop, and once more then: what was counted by that
    /// time is in the books.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(mut self, stop: Stop) -> Result<(), Infallible> {
        let clock = self.clock.clone();
        while !stop.is_cancelled() {
            let pause = self.tick().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock.sleep(pause) => {}
            }
        }
        self.tick().await;
        Ok(())
    }

    /// One collection. Says how long to wait for the next.
    async fn tick(&mut self) -> Duration {
        let outcome = self.step().await;
        let now = self.clock.now_ms();
        let lag = now.saturating_sub(self.collected_ms) / 1000;
        self.metrics.lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        match outcome {
            Ok(()) => {
                if self.pause > PAUSE_MIN {
                    tracing::info!("usage is collected again");
                }
                self.collected_ms = now;
                self.pause = PAUSE_MIN;
                PERIOD
            }
            Err(error) => {
                self.metrics.failures.inc();
                if self.pause == PAUSE_MIN {
                    tracing::warn!(%error, "usage is not collected now; it stays where it was counted");
                }
                let pause = self.pause;
                self.pause = (pause * 2).min(PAUSE_MAX);
                pause
            }
        }
    }

    /// Brings everything that was counted so far into the books.
    ///
    /// # Errors
    /// When it could not be read or kept; what was not kept is brought the next time.
    pub async fn step(&self) -> ApiResult<()> {
        let events = self.node.usage().await?;
        for chunk in events.chunks(CHUNK) {
            self.books.record_usage(chunk).await?;
            let keys: Vec<_> = chunk.iter().map(|event| event.key).collect();
            self.node.usage_taken(&keys).await?;
            self.metrics.events.inc_by(chunk.len() as u64);
        }
        while let Some(event) = self.calls.next() {
            self.books.record_calls(&event).await?;
            self.calls.taken(event.number);
        }
        let now = Timestamp(self.clock.now_ms());
        self.books
            .record_stored(now, &self.node.stored_bytes())
            .await
    }
}

#[cfg(test)]
mod tests;
