//! The open loop: messages are due at fixed times, whatever the server does.
//!
//! Latency counts from the time a message was *due*, not from when a connection was free
//! to send it, so a server that stalls is charged for all that had to wait (no
//! coordinated omission). A thread of its own keeps the schedule, because the runtime's
//! timer is coarser than what is measured.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Books, Figures, Source, Window};
use crate::clock;
use crate::driver::{Consumer, Producer, System};
use crate::stats::Latency;
use crate::verify::Delivery;

/// How long the consumer waits in one receive, and after the end for stragglers.
const RECEIVE_WAIT: Duration = Duration::from_secs(1);
const STRAGGLERS_LIMIT: Duration = Duration::from_secs(10);

/// How an open loop runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Messages due in a second.
    pub rate: f64,
    /// Connections to send them on; when all are busy, due messages wait.
    pub connections: usize,
    pub message_bytes: usize,
    /// Most messages in one receive.
    pub receive_max: usize,
    pub warmup: Duration,
    pub window: Duration,
}

/// When each message is due.
#[derive(Clone, Copy)]
struct Schedule {
    begin: Instant,
    interval: Duration,
    /// First message that is measured.
    first: u64,
    /// Number of all messages.
    end: u64,
}

impl Schedule {
    fn new(plan: &Plan, begin: Instant) -> Self {
        let messages = |duration: Duration| (plan.rate * duration.as_secs_f64()) as u64;
        Self {
            begin,
            interval: Duration::from_secs_f64(1.0 / plan.rate),
            first: messages(plan.warmup),
            end: messages(plan.warmup) + messages(plan.window),
        }
    }

    fn due(&self, number: u64) -> Instant {
        let nanos = self.interval.as_nanos() as u64 * number;
        self.begin + Duration::from_nanos(nanos)
    }
}

struct Shared {
    schedule: Schedule,
    next: Cell<u64>,
    send_latency: RefCell<Latency>,
    /// From due to received; only of messages due within the window.
    latency: RefCell<Latency>,
}

/// Runs the loop with `consumer` receiving all along.
///
/// # Errors
/// The first refusal or broken connection.
pub async fn run<S: System>(
    system: &S,
    consumer: &mut S::Consumer,
    plan: &Plan,
    books: &Books,
) -> Result<Figures> {
    let mut sources = Vec::new();
    for number in 0..plan.connections {
        sources.push(Source::connect(system, number, plan.message_bytes, books).await?);
    }
    let shared = Rc::new(Shared {
        schedule: Schedule::new(plan, clock::now() + Duration::from_millis(20)),
        next: Cell::new(0),
        send_latency: RefCell::default(),
        latency: RefCell::default(),
    });
    let due = Arc::new(Semaphore::new(0));
    let pacer = Pacer::start(shared.schedule, due.clone())?;
    let mut producers = JoinSet::new();
    for source in sources {
        producers.spawn_local(produce(source, shared.clone(), due.clone()));
    }
    let measure = async {
        let begin = shared.schedule.due(shared.schedule.first);
        clock::sleep(begin.saturating_duration_since(clock::now())).await;
        let window = Window::open(system.process())?;
        while let Some(ended) = producers.join_next().await {
            ended.context("a producer task failed")??;
        }
        anyhow::Ok(window)
    };
    let produced = Cell::new(false);
    let measure = async {
        let window = measure.await;
        produced.set(true);
        window
    };
    let consume = consume(consumer, plan.receive_max, books, &shared, &produced);
    let (window, ()) = tokio::try_join!(measure, consume)?;
    pacer.join()?;
    let measured = shared.latency.borrow().count();
    let mut figures = window.close(measured, &shared.latency.borrow(), system.process())?;
    figures.send_p99_us = shared.send_latency.borrow().micros_at(0.99);
    Ok(figures)
}

async fn produce<P: Producer>(
    mut source: Source<P>,
    shared: Rc<Shared>,
    due: Arc<Semaphore>,
) -> Result<()> {
    loop {
        // The pacer closes the semaphore when every message was due; those not taken by
        // then are still to be sent.
        if let Ok(permit) = due.acquire().await {
            permit.forget();
        }
        let number = shared.next.get();
        if number >= shared.schedule.end {
            return Ok(());
        }
        shared.next.set(number + 1);
        let due = shared.schedule.due(number);
        source.send(1, due).await?;
        if number >= shared.schedule.first {
            let took = clock::now().saturating_duration_since(due);
            shared.send_latency.borrow_mut().record(took);
        }
    }
}

async fn consume(
    consumer: &mut impl Consumer,
    max: usize,
    books: &Books,
    shared: &Shared,
    produced: &Cell<bool>,
) -> Result<()> {
    let mut give_up: Option<Instant> = None;
    let from = clock::stamp(shared.schedule.due(shared.schedule.first));
    loop {
        let mut enter = |delivery: Delivery<'_>| {
            let now = clock::stamp(clock::now());
            if let Some(stamp) = books.borrow_mut().enter(&delivery)
                && stamp.sent_ns >= from
            {
                let took = Duration::from_nanos(now.saturating_sub(stamp.sent_ns));
                shared.latency.borrow_mut().record(took);
            }
        };
        if consumer.receive(max, RECEIVE_WAIT, &mut enter).await? > 0 {
            consumer.ack().await?;
        }
        let limit = produced
            .get()
            .then(|| *give_up.get_or_insert_with(|| clock::now() + STRAGGLERS_LIMIT));
        let complete = books.borrow().received() >= shared.schedule.end;
        if complete || limit.is_some_and(|limit| clock::now() > limit) {
            return consumer.finish().await;
        }
    }
}

/// The thread that lets messages go when they are due.
struct Pacer {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Pacer {
    fn start(schedule: Schedule, due: Arc<Semaphore>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || {
                for number in 0..schedule.end {
                    clock::block_until(schedule.due(number));
                    if stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    due.add_permits(1);
                }
                due.close();
            })
            .context("start the pacer")?;
        Ok(Self {
            thread: Some(thread),
            stop,
        })
    }

    fn join(mut self) -> Result<()> {
        let joined = self.thread.take().map(JoinHandle::join);
        ensure!(matches!(joined, Some(Ok(()))), "the pacer failed");
        Ok(())
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_does_not_drift() {
        let plan = Plan {
            rate: 2000.0,
            connections: 1,
            message_bytes: 100,
            receive_max: 1,
            warmup: Duration::from_secs(1),
            window: Duration::from_secs(5),
        };
        let begin = clock::now();
        let schedule = Schedule::new(&plan, begin);
        assert_eq!((schedule.first, schedule.end), (2000, 12_000));
        assert_eq!(schedule.due(0), begin);
        assert_eq!(schedule.due(12_000), begin + Duration::from_secs(6));
    }
}
