//! The closed loop: so many producers, each sending its next request when the one before
//! is answered.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::{Books, Figures, Source, Window};
use crate::clock;
use crate::driver::{Producer, System};
use crate::stats::Latency;

/// A send that is not answered so long after the end never will be.
const LAST_ANSWERS_LIMIT: Duration = Duration::from_secs(60);

/// How a closed loop runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Producers, each with a connection and one request in flight.
    pub in_flight: usize,
    /// Messages in a request.
    pub batch: usize,
    pub message_bytes: usize,
    /// Load before the measurement begins; it ends earlier when a quarter of
    /// `messages_max` is sent.
    pub warmup: Duration,
    /// Length of the measurement; it ends earlier when `messages_max` are sent.
    pub window: Duration,
    pub messages_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warmup,
    Measuring,
    Stopping,
}

struct Shared {
    phase: Cell<Phase>,
    messages_left: Cell<u64>,
    /// At so many left, warming up ends.
    warm_at_left: u64,
    warm: Notify,
    measured: Cell<u64>,
    latency: RefCell<Latency>,
    stopping: Notify,
}

impl Shared {
    fn stop(&self) {
        self.phase.set(Phase::Stopping);
        self.warm.notify_one();
        self.stopping.notify_one();
    }
}

/// Runs the loop; every message answered is entered in `books`.
///
/// # Errors
/// The first refusal or broken connection, or that nothing was completed.
pub async fn run<S: System>(system: &S, plan: &Plan, books: &Books) -> Result<Figures> {
    let shared = Rc::new(Shared {
        phase: Cell::new(Phase::Warmup),
        messages_left: Cell::new(plan.messages_max),
        warm_at_left: plan.messages_max - plan.messages_max / 4,
        warm: Notify::new(),
        measured: Cell::new(0),
        latency: RefCell::default(),
        stopping: Notify::new(),
    });
    let mut producers = JoinSet::new();
    for number in 0..plan.in_flight {
        let source = Source::connect(system, number, plan.message_bytes, books).await?;
        producers.spawn_local(produce(source, plan.batch, shared.clone()));
    }
    wait(plan.warmup, &shared.warm).await;
    let window = Window::open(system.process())?;
    if shared.phase.get() == Phase::Warmup {
        shared.phase.set(Phase::Measuring);
        wait(plan.window, &shared.stopping).await;
    }
    let figures = window.close(
        shared.measured.get(),
        &shared.latency.borrow(),
        system.process(),
    );
    shared.stop();
    clock::within(LAST_ANSWERS_LIMIT, "awaiting the last answers", async {
        while let Some(ended) = producers.join_next().await {
            ended.context("a producer task failed")??;
        }
        Ok(())
    })
    .await?;
    figures
}

/// Sends exactly `messages` as fast as `in_flight` producers can, unmeasured.
///
/// # Errors
/// As [`run`].
pub async fn fill<S: System>(system: &S, plan: &Plan, books: &Books) -> Result<()> {
    let mut producers = JoinSet::new();
    let share = |n: usize| plan.messages_max * n as u64 / plan.in_flight as u64;
    for number in 0..plan.in_flight {
        let mut source = Source::connect(system, number, plan.message_bytes, books).await?;
        let mut left = share(number + 1) - share(number);
        let batch = plan.batch as u64;
        producers.spawn_local(async move {
            while left > 0 {
                let count = left.min(batch);
                source.send(count as usize, clock::now()).await?;
                left -= count;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = producers.join_next().await {
        ended.context("a producer task failed")??;
    }
    let sent = books.borrow().sent();
    ensure!(sent == plan.messages_max, "{sent} messages were filled in");
    Ok(())
}

async fn wait(duration: Duration, early_end: &Notify) {
    tokio::select! {
        () = clock::sleep(duration) => {}
        () = early_end.notified() => {}
    }
}

async fn produce<P: Producer>(
    mut source: Source<P>,
    batch: usize,
    shared: Rc<Shared>,
) -> Result<()> {
    let result = produce_until_stopped(&mut source, batch, &shared).await;
    if result.is_err() {
        shared.stop();
    }
    result
}

async fn produce_until_stopped<P: Producer>(
    source: &mut Source<P>,
    batch: usize,
    shared: &Shared,
) -> Result<()> {
    while shared.phase.get() != Phase::Stopping {
        let Some(left) = shared.messages_left.get().checked_sub(batch as u64) else {
            shared.stop();
            break;
        };
        shared.messages_left.set(left);
        if left <= shared.warm_at_left {
            shared.warm.notify_one();
        }
        let begin = clock::now();
        source.send(batch, begin).await?;
        if shared.phase.get() == Phase::Measuring {
            let took = clock::now().duration_since(begin);
            shared.latency.borrow_mut().record(took);
            shared.measured.set(shared.measured.get() + batch as u64);
        }
    }
    Ok(())
}
