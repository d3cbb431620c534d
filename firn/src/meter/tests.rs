use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use firn_protocol::api::billing::*;
use firn_protocol::api::usage::{EventKey, StoredBytes, UsageEvent};
use firn_protocol::{ApiError, BrokerId, Caller, ErrorCode, Generation, InstanceId, TenantId};

use super::*;

/// A node that keeps its events until it is told.
#[derive(Default)]
struct Node(Mutex<BTreeMap<EventKey, UsageEvent>>);

#[async_trait]
impl UsageApi for Node {
    async fn usage(&self) -> ApiResult<Vec<UsageEvent>> {
        Ok(self.0.lock().expect("whole").values().cloned().collect())
    }
    async fn usage_taken(&self, keys: &[EventKey]) -> ApiResult<()> {
        let mut events = self.0.lock().expect("whole");
        events.retain(|key, _| !keys.contains(key));
        Ok(())
    }
    fn stored_bytes(&self) -> Vec<StoredBytes> {
        Vec::new()
    }
}

/// Books that may be away.
#[derive(Default)]
struct Books {
    is_away: AtomicBool,
    kept: Mutex<Vec<EventKey>>,
    /// Events of each call.
    chunks: Mutex<Vec<usize>>,
    samples: Mutex<Vec<Timestamp>>,
}

impl Books {
    fn answer(&self) -> ApiResult<()> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(ApiError::new(ErrorCode::CatalogueUnavailable, "away")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl BillingApi for Books {
    async fn record_usage(&self, events: &[UsageEvent]) -> ApiResult<()> {
        self.answer()?;
        self.chunks.lock().expect("whole").push(events.len());
        let keys = events.iter().map(|event| event.key);
        self.kept.lock().expect("whole").extend(keys);
        Ok(())
    }
    async fn record_calls(&self, _: &CallsEvent) -> ApiResult<()> {
        self.answer()
    }
    async fn record_stored(&self, at: Timestamp, _: &[StoredBytes]) -> ApiResult<()> {
        self.answer()?;
        self.samples.lock().expect("whole").push(at);
        Ok(())
    }
    async fn usage(
        &self,
        _: InstanceId,
        _: Timestamp,
        _: Timestamp,
        _: UsageBy,
    ) -> ApiResult<Vec<UsageLine>> {
        Ok(Vec::new())
    }
    async fn curve(&self, _: CurveQuery) -> ApiResult<Vec<CurvePoint>> {
        Ok(Vec::new())
    }
    async fn bill_months(&self, _: TenantId) -> ApiResult<Vec<String>> {
        Ok(Vec::new())
    }
    async fn bill(&self, _: TenantId, _: &str) -> ApiResult<Bill> {
        Err(ApiError::new(ErrorCode::NotFound, "none"))
    }
    async fn verify_bill(&self, _: TenantId, _: &str) -> ApiResult<Verification> {
        Ok(Verification::default())
    }
    fn price_lists(&self) -> Vec<Arc<PriceList>> {
        Vec::new()
    }
    async fn add_prices(&self, _: &Caller, list: PriceList) -> ApiResult<Arc<PriceList>> {
        Ok(Arc::new(list))
    }
}

fn parts(events: u64) -> (Arc<Node>, Arc<Books>, Meter, Clock, Registry) {
    let (node, books) = (Arc::new(Node::default()), Arc::new(Books::default()));
    for from in 0..events {
        let key = EventKey {
            broker: BrokerId(1),
            generation: Generation(1),
            from,
        };
        let event = UsageEvent {
            tenant: TenantId(2),
            instance: InstanceId(1),
            key,
            to: from,
            rows: Vec::new(),
        };
        node.0.lock().expect("whole").insert(key, event);
    }
    let (clock, registry) = (Clock::manual(1_000_000), Registry::new());
    let metrics = MeterMetrics::new(&registry).expect("new names");
    let meter = Meter::new(
        node.clone(),
        books.clone(),
        Arc::default(),
        clock.clone(),
        metrics,
    );
    (node, books, meter, clock, registry)
}

#[tokio::test]
async fn nothing_is_taken_before_it_is_kept() {
    let (node, books, mut meter, clock, registry) = parts(250);
    books.is_away.store(true, Ordering::Relaxed);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let pause = meter.tick().await;
        clock.advance(pause);
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    assert_eq!(
        node.0.lock().expect("whole").len(),
        250,
        "all of it is still there"
    );
    let text = firn_runtime::telemetry::metrics_text(&registry);
    assert!(text.contains("firn_meter_failures_total 6"), "{text}");
    assert!(text.contains("firn_meter_lag_seconds 135"), "{text}");
    books.is_away.store(false, Ordering::Relaxed);
    assert_eq!(meter.tick().await, PERIOD);
    assert_eq!(node.0.lock().expect("whole").len(), 0);
    assert_eq!(books.kept.lock().expect("whole").len(), 250);
    assert_eq!(*books.chunks.lock().expect("whole"), [100, 100, 50]);
    // The next failure begins with the short pause.
    books.is_away.store(true, Ordering::Relaxed);
    assert_eq!(meter.tick().await, PAUSE_MIN);
}

#[tokio::test]
async fn it_collects_every_half_minute_and_once_more_when_it_stops() {
    let (_, books, meter, clock, _) = parts(0);
    let mut tasks = firn_runtime::Tasks::new();
    tasks.spawn("meter", |stop| meter.run(stop));
    let samples = |count: usize| {
        let books = books.clone();
        async move {
            while books.samples.lock().expect("whole").len() < count {
                tokio::task::yield_now().await;
            }
        }
    };
    samples(1).await;
    // It sleeps by the clock, which goes by when it waits for it.
    while books.samples.lock().expect("whole").len() < 2 {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert!(clock.now_ms() >= 1_030_000);
    let before = books.samples.lock().expect("whole").len();
    tasks.join(Duration::from_secs(10)).await;
    assert!(books.samples.lock().expect("whole").len() > before);
}
